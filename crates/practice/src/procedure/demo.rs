//! Procedures that are ours alone: something for a driver to practise on.

use super::Procedure;

pub(super) const ECHO: Procedure = Procedure {
    name: "DEMO_Echo",
    parameters: &[
        ("@number", "int", None),
        ("@text", "nvarchar(max)", None),
        ("@money", "money", None),
        ("@doubled", "int output", Some("NULL")),
        ("@upper", "nvarchar(max) output", Some("NULL")),
        ("@twice", "money output", Some("NULL")),
    ],
    body: "SET @doubled = @number * 2
           SET @upper = UPPER(@text)
           SET @twice = @money * 2
           SELECT @number AS Number, @text AS Text, @money AS Money
           RETURN 7",
};

pub(super) const LIST: Procedure = Procedure {
    name: "DEMO_List",
    parameters: &[("@rows", "DEMO_IdList readonly", None)],
    body: "DECLARE @count int = (SELECT COUNT(*) FROM @rows)
           SELECT ID, NAME FROM @rows ORDER BY ID, NAME
           SELECT @count AS Rows, COUNT(NAME) AS Named, SUM(CAST(ID AS bigint)) AS Total FROM @rows
           RETURN @count",
};

pub(super) const BYTES: Procedure = Procedure {
    name: "DEMO_EchoBytes",
    parameters: &[
        ("@bytes", "DEMO_Bytes", None),
        ("@size", "int output", Some("NULL")),
        ("@same", "varbinary(max) output", Some("NULL")),
    ],
    body: "SET @size = DATALENGTH(@bytes)
           SET @same = @bytes
           SELECT @bytes AS Bytes, DATALENGTH(@bytes) AS Size",
};

/// Columns of a type's lowest value, highest value and NULL.
macro_rules! ends {
    ($($name:literal $ty:literal $low:literal $high:literal)*) => {
        concat!("SELECT ", $(
            "CAST(", $low, " AS ", $ty, ") AS ", $name, "_low, CAST(", $high, " AS ", $ty, ") AS ", $name, "_high,
             CAST(NULL AS ", $ty, ") AS ", $name, "_null, ",
        )* "CAST(1 AS int) AS last")
    };
}

pub(super) const TYPES: Procedure = Procedure {
    name: "DEMO_Types",
    parameters: &[],
    body: ends! {
        "bit" "bit" "0" "1"
        "tinyint" "tinyint" "0" "255"
        "smallint" "smallint" "-32768" "32767"
        "int" "int" "'-2147483648'" "2147483647"
        "bigint" "bigint" "'-9223372036854775808'" "9223372036854775807"
        "decimal5" "decimal(5, 2)" "'-999.99'" "'999.99'"
        "decimal38" "decimal(38, 10)" "'-9999999999999999999999999999.9999999999'" "'9999999999999999999999999999.9999999999'"
        "numeric" "numeric(38, 0)" "'-99999999999999999999999999999999999999'" "'99999999999999999999999999999999999999'"
        "smallmoney" "smallmoney" "'-214748.3648'" "'214748.3647'"
        "money" "money" "'-922337203685477.5808'" "'922337203685477.5807'"
        "real" "real" "'-3.4028235E+38'" "'1.1754944E-38'"
        "float" "float" "'-1.7976931348623157E+308'" "'2.2250738585072014E-308'"
        "date" "date" "'0001-01-01'" "'9999-12-31'"
        "smalldatetime" "smalldatetime" "'1900-01-01T00:00:00'" "'2079-06-06T23:59:00'"
        "datetime" "datetime" "'1753-01-01T00:00:00'" "'9999-12-31T23:59:59.997'"
        "datetime2" "datetime2(7)" "'0001-01-01T00:00:00'" "'9999-12-31T23:59:59.9999999'"
        "datetime20" "datetime2(0)" "'0001-01-01T00:00:00'" "'9999-12-31T23:59:59'"
        "datetimeoffset" "datetimeoffset(7)" "'0001-01-01T14:00:00+14:00'" "'9999-12-31T09:59:59.9999999-14:00'"
        "time" "time(7)" "'00:00:00'" "'23:59:59.9999999'"
        "time0" "time(0)" "'00:00:00'" "'23:59:59'"
        "char" "char(10)" "''" "'0123456789'"
        "varchar" "varchar(20)" "''" "'O''Brien, Zoë'"
        "varcharmax" "varchar(max)" "''" "REPLICATE(CAST('x' AS varchar(max)), 10000)"
        "text" "text" "''" "'plain text'"
        "nchar" "nchar(10)" "N''" "N'Ωmega'"
        "nvarchar" "nvarchar(20)" "N''" "N'naïve 😀 Ω'"
        "nvarcharmax" "nvarchar(max)" "N''" "REPLICATE(CAST(N'Ω' AS nvarchar(max)), 5000)"
        "ntext" "ntext" "N''" "N'wide text Ω'"
        "binary" "binary(4)" "0x00000000" "0xFFFFFFFF"
        "varbinary" "varbinary(8)" "0x" "0x0123456789ABCDEF"
        "varbinarymax" "varbinary(max)" "0x" "0x00FF00FF"
        "image" "image" "0x" "0x89504E47"
        "variant" "sql_variant" "CAST(-1 AS int)" "N'any type'"
        "uniqueidentifier" "uniqueidentifier" "'00000000-0000-0000-0000-000000000000'" "'ffffffff-ffff-ffff-ffff-ffffffffffff'"
        "xml" "xml" "'<a />'" "'<a><b c=\"d\">e</b></a>'"
    },
};

pub(super) const WAIT: Procedure = Procedure {
    name: "DEMO_Wait",
    parameters: &[("@seconds", "int", None)],
    body: "IF ISNULL(@seconds, -1) NOT BETWEEN 0 AND 3600
           BEGIN
             RAISERROR('From 0 to 3600 seconds.', 16, 1)
             RETURN 1
           END
           DECLARE @time varchar(8) = CONVERT(varchar(8), DATEADD(second, @seconds, 0), 108)
           WAITFOR DELAY @time
           SELECT @seconds AS Waited",
};

pub(super) const RESULTS: Procedure = Procedure {
    name: "DEMO_Results",
    parameters: &[],
    body: "DECLARE @work TABLE (id int, word varchar(10))
           SELECT N FROM dbo.Numbers WHERE N < 3 ORDER BY N
           PRINT 'between the first and the second'
           INSERT INTO @work VALUES (1, 'one'), (2, 'two'), (3, 'three')
           SELECT id, word FROM @work ORDER BY id
           UPDATE @work SET word = UPPER(word) WHERE id > 1
           RAISERROR('no more than a note: %d rows changed', 10, 1, 2)
           DELETE FROM @work WHERE id = 1
           SELECT word FROM @work WHERE id > 3
           RETURN 3",
};

pub(super) const FAIL: Procedure = Procedure {
    name: "DEMO_Fail",
    parameters: &[("@number", "int", None)],
    body: "DECLARE @x int
           IF @number = 50000
           BEGIN
             RAISERROR('Raised on request, state %d.', 16, 5, 5)
             RETURN 50000
           END
           IF @number > 50000
           BEGIN;
             THROW @number, 'Thrown on request.', 6
           END
           IF @number = 8134
           BEGIN
             SET @x = 1 / 0
             RETURN 8134
           END
           IF @number = 245
             SELECT CAST('on request' AS int) AS Number
           IF @number = 208
             SELECT * FROM dbo.NoSuchTable
           RAISERROR('DEMO_Fail knows 208, 245, 8134, and from 50000 on.', 16, 1)
           RETURN -1",
};
