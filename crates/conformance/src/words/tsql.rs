//! SQL Server's words, as the demo practice has them too.

use super::{Left, Words, Write, Written};
use crate::{call, text};
use model::{Command, Direction, ParameterType};
use serde_json::json;

/// T-SQL over the demo practice's tables, or over scratch tables of the same names.
#[derive(Clone, Copy, Debug)]
pub struct Tsql {
    /// The engine holds sessions to its own fence: nothing gets out of read-only.
    pub fenced: bool,
}

impl Tsql {
    /// What a real SQL Server's scratch database needs: tables and a procedure of the same names.
    pub const SCRATCH: &'static [&'static str] = &[
        "IF OBJECT_ID('dbo.PreventiveHealth') IS NULL
           CREATE TABLE dbo.PreventiveHealth (RECORDID int PRIMARY KEY, INTERNALID int, ITEMID int, CREATED datetime)",
        "IF OBJECT_ID('dbo.Numbers') IS NULL CREATE TABLE dbo.Numbers (N int PRIMARY KEY)",
        "IF NOT EXISTS (SELECT 1 FROM dbo.Numbers) INSERT dbo.Numbers
           SELECT TOP 1000 ROW_NUMBER() OVER (ORDER BY (SELECT NULL)) - 1 FROM sys.all_objects a CROSS JOIN sys.all_objects b",
        "IF OBJECT_ID('dbo.DEMO_Echo') IS NULL EXEC('CREATE PROCEDURE dbo.DEMO_Echo @number int, @text nvarchar(max), @money money,
           @doubled int = NULL OUTPUT, @upper nvarchar(max) = NULL OUTPUT, @twice money = NULL OUTPUT AS
           SELECT @doubled = @number * 2, @upper = UPPER(@text), @twice = @money * 2;
           SELECT @number AS number, @text AS text, @money AS money; RETURN 7')",
        "DELETE dbo.PreventiveHealth WHERE RECORDID >= 900000",
    ];
}

impl Words for Tsql {
    fn select(&self, items: &[(&str, &str)]) -> String {
        let items: Vec<_> = items
            .iter()
            .map(
                |(name, what)| {
                    if name.is_empty() { (*what).to_owned() } else { format!("{what} AS [{name}]") }
                },
            )
            .collect();
        format!("SELECT {}", items.join(", "))
    }
    fn nameless_columns(&self) -> bool {
        true
    }
    fn ends(&self) -> Vec<(&'static str, &'static str)> {
        vec![
            ("CAST(0 AS bit)", "false"),
            ("CAST(1 AS bit)", "true"),
            ("CAST(255 AS tinyint)", "255"),
            ("CAST(-32768 AS smallint)", "-32768"),
            ("CAST(-2147483648 AS int)", "-2147483648"),
            ("CAST(-9223372036854775808 AS bigint)", "-9223372036854775808"),
            ("CAST(9223372036854775807 AS bigint)", "9223372036854775807"),
            (
                "CAST('99999999999999999999999999999999999999' AS decimal(38,0))",
                "99999999999999999999999999999999999999",
            ),
            (
                "CAST('-0.00000000000000000000000000000000000001' AS decimal(38,38))",
                "-0.00000000000000000000000000000000000001",
            ),
            ("CAST('99999999999999.1234' AS decimal(18,4))", "99999999999999.1234"),
            ("CAST('12.5' AS numeric(9,2))", "12.50"),
            ("CAST('922337203685477.5807' AS money)", "922337203685477.5807"),
            ("CAST('-214748.3648' AS smallmoney)", "-214748.3648"),
            ("CAST(0.1 AS float)", "0.1"),
            ("CAST(0.1 AS real)", "0.1"),
            ("CAST('0001-01-01' AS date)", "\"0001-01-01T00:00:00\""),
            ("CAST('9999-12-31' AS date)", "\"9999-12-31T00:00:00\""),
            ("CAST('23:59:59.9999999' AS time(7))", "\"23:59:59.9999999\""),
            ("CAST('08:15' AS time(0))", "\"08:15:00\""),
            ("CAST('9999-12-31T23:59:59.9999999' AS datetime2(7))", "\"9999-12-31T23:59:59.9999999\""),
            ("CAST('9999-12-31T23:59:59.997' AS datetime)", "\"9999-12-31T23:59:59.997\""),
            ("CAST('2079-06-06T23:59:00' AS smalldatetime)", "\"2079-06-06T23:59:00\""),
            (
                "CAST('2026-02-03T08:15:00.1234567+10:00' AS datetimeoffset(7))",
                "\"2026-02-03T08:15:00.1234567+10:00\"",
            ),
            (
                "CAST('6F9619FF-8B86-D011-B42D-00C04FC964FF' AS uniqueidentifier)",
                "\"6f9619ff-8b86-d011-b42d-00c04fc964ff\"",
            ),
            ("CAST(0x00FF10 AS varbinary(8))", "\"AP8Q\""),
            ("CAST(0xFF AS binary(2))", "\"/wA=\""),
            ("CAST('ab' AS char(5))", "\"ab   \""),
            ("CAST(N'<a>b</a>' AS xml)", "\"<a>b</a>\""),
        ]
    }
    fn nulls(&self) -> Vec<&'static str> {
        vec![
            "CAST(NULL AS int)",
            "CAST(NULL AS bit)",
            "CAST(NULL AS decimal(38,10))",
            "CAST(NULL AS money)",
            "CAST(NULL AS float)",
            "CAST(NULL AS date)",
            "CAST(NULL AS time)",
            "CAST(NULL AS datetime)",
            "CAST(NULL AS datetimeoffset)",
            "CAST(NULL AS uniqueidentifier)",
            "CAST(NULL AS varchar(10))",
            "CAST(NULL AS nvarchar(max))",
            "CAST(NULL AS varbinary(max))",
            "CAST(NULL AS xml)",
        ]
    }
    fn literal(&self, text: &str) -> String {
        format!("CAST(N'{}' AS nvarchar(400))", text.replace('\'', "''"))
    }
    fn sets(&self) -> Option<&'static str> {
        Some("SELECT 1 AS A WHERE 1 = 0; SELECT 2 AS B UNION ALL SELECT 3; SELECT 'x' AS C")
    }
    fn empty(&self) -> &'static str {
        "SELECT 1 AS A, 'x' AS B WHERE 1 = 0"
    }
    fn many(&self, count: u32) -> String {
        format!(
            "SELECT TOP {count} a.N * 1000 + b.N + 1 AS N FROM Numbers a CROSS JOIN Numbers b ORDER BY a.N, b.N"
        )
    }
    fn endless(&self) -> &'static str {
        "SELECT a.N FROM Numbers a CROSS JOIN Numbers b CROSS JOIN Numbers c CROSS JOIN Numbers d"
    }
    fn silent(&self) -> &'static str {
        "WAITFOR DELAY '00:10:00'"
    }
    fn long(&self, bytes: usize) -> String {
        format!("SELECT REPLICATE(CAST('x' AS varchar(max)), {bytes}) AS L")
    }
    fn length_of_parameter(&self) -> &'static str {
        "SELECT LEN(@p) AS N"
    }
    fn echo(&self, kind: ParameterType) -> Option<String> {
        use ParameterType::{Structured, Udt};
        (!matches!(kind, Structured | Udt)).then(|| "SELECT @p AS P".to_owned())
    }
    fn samples(&self) -> Vec<(ParameterType, &'static str, &'static str)> {
        use ParameterType as P;
        vec![
            (P::BigInt, "-9223372036854775808", "-9223372036854775808"),
            (P::Binary, "AP8Q", "\"AP8Q\""),
            (P::Bit, "true", "true"),
            (P::Char, "ab ", "\"ab \""),
            (P::String, "Ω😀", "\"Ω😀\""),
            (P::Date, "2026-02-03", "\"2026-02-03T00:00:00\""),
            (P::DateTime, "2026-02-03T08:15:00.007", "\"2026-02-03T08:15:00.007\""),
            (P::DateTime2, "0001-01-01T00:00:00.0000001", "\"0001-01-01T00:00:00.0000001\""),
            (P::DateTimeOffset, "2026-02-03T08:15:00-03:30", "\"2026-02-03T08:15:00-03:30\""),
            (P::Decimal, "99999999999999.1234", "99999999999999.1234"),
            (
                P::Decimal,
                "-12345678901234567890123456789012345678",
                "-12345678901234567890123456789012345678",
            ),
            (P::Float, "1e300", "1e300"),
            (P::Image, "0x89504e47", "\"iVBORw==\""),
            (P::Int, "-2147483648", "-2147483648"),
            (P::Money, "922337203685477.5807", "922337203685477.5807"),
            (P::NChar, "Ω", "\"Ω\""),
            (P::NText, "wide Ω", "\"wide Ω\""),
            (P::NVarChar, "O'Brien ", "\"O'Brien \""),
            (P::Real, "0.1", "0.1"),
            (P::SmallDateTime, "2026-02-03T08:15", "\"2026-02-03T08:15:00\""),
            (P::SmallInt, "-32768", "-32768"),
            (P::SmallMoney, "-214748.3648", "-214748.3648"),
            (P::Text, "plain", "\"plain\""),
            (P::Time, "23:59:59.9999999", "\"23:59:59.9999999\""),
            (P::Timestamp, "AAAAAAAAAAE=", "\"AAAAAAAAAAE=\""),
            (P::TinyInt, "255", "255"),
            (
                P::UniqueIdentifier,
                "{6F9619FF-8B86-D011-B42D-00C04FC964FF}",
                "\"6f9619ff-8b86-d011-b42d-00c04fc964ff\"",
            ),
            (P::VarBinary, "", "\"\""),
            (P::VarChar, "Zoë", "\"Zoë\""),
            (P::Variant, "any", "\"any\""),
            (P::Xml, "<a />", "\"<a />\""),
        ]
    }
    fn insert(&self, id: i64) -> String {
        format!(
            "INSERT INTO PreventiveHealth (RECORDID, INTERNALID, ITEMID, CREATED) VALUES ({id}, 1, 1, GETDATE())"
        )
    }
    fn update(&self, from: i64, to: i64) -> String {
        format!("UPDATE PreventiveHealth SET ITEMID = ITEMID + 1 WHERE RECORDID BETWEEN {from} AND {to}")
    }
    fn count(&self, id: i64) -> String {
        format!("SELECT COUNT(*) AS N FROM PreventiveHealth WHERE RECORDID = {id}")
    }
    fn writes(&self, id: i64) -> Vec<Write> {
        let insert = self.insert(id);
        let quoted = insert.replace('\'', "''");
        let never =
            |what, words: String| Write { what, command: text(&words), under_read_only: Written::Never };
        let escapes = |what, words: String| Write {
            what,
            command: text(&words),
            under_read_only: if self.fenced { Written::Never } else { Written::EscapesAndIsTold },
        };
        let statement: Vec<_> =
            vec![("@stmt", ParameterType::NVarChar, Direction::Input, Some(insert.as_str()))];
        vec![
            never("an INSERT", insert.clone()),
            never("an INSERT behind a comment", format!("/* SELECT */ -- SELECT\n{insert} -- COMMIT\n")),
            never("an INSERT after a SELECT", format!("SELECT 1 AS A; {insert}; SELECT 2 AS B")),
            never("an INSERT that gives rows", insert.replace("VALUES", "OUTPUT inserted.RECORDID VALUES")),
            never("dynamic SQL", format!("EXEC('{quoted}')")),
            never("sp_executesql in a text", format!("EXEC sp_executesql N'{quoted}'")),
            Write {
                what: "sp_executesql as a procedure",
                command: call("sp_executesql", &statement),
                under_read_only: Written::Never,
            },
            never("an INSERT and an error", format!("{insert}; SELECT 1/0 AS A")),
            never("a transaction of its own that is committed", format!("BEGIN TRAN; {insert}; COMMIT")),
            never("TRY and CATCH", format!("BEGIN TRY {insert} END TRY BEGIN CATCH SELECT 1 AS A END CATCH")),
            escapes("COMMIT before it", format!("COMMIT; {insert}")),
            escapes("COMMIT after it", format!("{insert}; COMMIT")),
            escapes("COMMIT and another transaction after it", format!("{insert}; COMMIT; BEGIN TRAN")),
            escapes("COMMIT until nothing is open", format!("{insert}; WHILE @@TRANCOUNT > 0 COMMIT")),
            escapes("ROLLBACK before it", format!("ROLLBACK; {insert}")),
            escapes("a COMMIT that is put together", format!("{insert}; EXEC('COM' + 'MIT')")),
        ]
    }
    fn left(&self) -> Vec<Left> {
        let left = |what, leave: &str, look: &str, clean| Left {
            what,
            leave: leave.to_owned(),
            look: look.to_owned(),
            clean,
        };
        vec![
            left(
                "a temporary table",
                "CREATE TABLE #left (A int)",
                "SELECT OBJECT_ID('tempdb..#left') AS V",
                json!(null),
            ),
            left("a lock time-out", "SET LOCK_TIMEOUT 1234", "SELECT @@LOCK_TIMEOUT AS V", json!(-1)),
            left(
                "a transaction",
                "BEGIN TRAN; UPDATE PreventiveHealth SET ITEMID = ITEMID WHERE RECORDID < 10",
                "SELECT @@TRANCOUNT AS V",
                json!(0),
            ),
            left("a database", "USE BPSDrugs", "SELECT DB_NAME() AS V", json!("BPSPatients")),
            left(
                "a variable",
                "DECLARE @left int = 1",
                "SELECT CASE WHEN OBJECT_ID('tempdb..#other') IS NULL THEN 0 ELSE 1 END AS V",
                json!(0),
            ),
        ]
    }
    fn errors(&self) -> Vec<(&'static str, i32)> {
        vec![
            ("SELECT nothing FROM Numbers", 207),
            ("SELECT * FROM no_such_table", 208),
            ("EXEC no_such_procedure", 2812),
            ("SELECT FROM WHERE", 156),
            ("SELECT CAST('x' AS int) AS A", 245),
            ("RAISERROR('of ours', 16, 3)", 50_000),
            ("SELECT 1 AS A; SELECT 1/0 AS B", 8134),
        ]
    }
    fn login_failed(&self) -> i32 {
        18_456
    }
    fn which_catalogue(&self) -> &'static str {
        "SELECT DB_NAME() AS D"
    }
    fn procedure(&self) -> (Command, Vec<(usize, Option<&'static str>)>) {
        use Direction::{Input, InputOutput, Output, ReturnValue};
        use ParameterType as P;
        let command = call(
            "DEMO_Echo",
            &[
                ("@number", P::Int, Input, Some("21")),
                ("text", P::NVarChar, Input, Some("zoë")),
                ("@money", P::Money, Input, Some("461168601842738.7903")),
                ("@doubled", P::Int, Output, None),
                ("@upper", P::NVarChar, InputOutput, Some("before")),
                ("@twice", P::Money, Output, None),
                ("@RETURN_VALUE", P::Int, ReturnValue, None),
            ],
        );
        let outputs =
            vec![(3, Some("42")), (4, Some("ZOË")), (5, Some("922337203685477.5806")), (6, Some("7"))];
        (command, outputs)
    }
    fn lock_timeout(&self) -> Option<i32> {
        Some(1222)
    }
    fn hold_lock(&self, id: i64) -> Option<String> {
        // The embedded engine's readers see what was before: they never wait.
        (!self.fenced)
            .then(|| format!("BEGIN TRAN; {}; WAITFOR DELAY '00:00:05'; ROLLBACK", self.update(id, id)))
    }
}
