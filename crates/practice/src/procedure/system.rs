//! Procedures of SQL Server's own that tools call to find out what a database has. They are found in any database.

use super::Procedure;

/// Refuses the name of another database, as SQL Server does.
macro_rules! this_database {
    ($qualifier:literal) => {
        concat!(
            "IF ", $qualifier, " <> DB_NAME()
             BEGIN
               RAISERROR('The database name component of the object qualifier must be the name of the current database.', 16, 1)
               RETURN 1
             END
             "
        )
    };
}

/// A name that is a pattern, unless the caller says it is not one; NULL is any.
macro_rules! named {
    ($column:literal, $pattern:literal) => {
        concat!(
            "(",
            $pattern,
            " IS NULL OR ",
            $column,
            " = ",
            $pattern,
            " OR ISNULL(@fUsePattern, 1) = 1 AND ",
            $column,
            " LIKE ",
            $pattern,
            ")"
        )
    };
}

pub(super) const PROCEDURES: &[Procedure] = &[
    Procedure {
        name: "sp_databases",
        parameters: &[],
        body: "SELECT name AS DATABASE_NAME, CAST(NULL AS int) AS DATABASE_SIZE, CAST(NULL AS varchar(254)) AS REMARKS
               FROM sys.databases ORDER BY name",
    },
    Procedure {
        name: "sp_tables",
        parameters: &[
            ("@table_name", "nvarchar(384)", Some("NULL")),
            ("@table_owner", "nvarchar(384)", Some("NULL")),
            ("@table_qualifier", "sysname", Some("NULL")),
            ("@table_type", "varchar(100)", Some("NULL")),
            ("@fUsePattern", "bit", Some("1")),
        ],
        body: concat!(
            this_database!("@table_qualifier"),
            "SELECT t.TABLE_CATALOG AS TABLE_QUALIFIER, t.TABLE_SCHEMA AS TABLE_OWNER, t.TABLE_NAME,
               CAST(CASE t.TABLE_TYPE WHEN 'VIEW' THEN 'VIEW' ELSE 'TABLE' END AS varchar(32)) AS TABLE_TYPE,
               CAST(NULL AS varchar(254)) AS REMARKS
             FROM INFORMATION_SCHEMA.TABLES t
             WHERE ", named!("t.TABLE_NAME", "@table_name"), " AND ", named!("t.TABLE_SCHEMA", "@table_owner"), "
               AND (@table_type IS NULL
                 OR CHARINDEX(CASE t.TABLE_TYPE WHEN 'VIEW' THEN '''VIEW''' ELSE '''TABLE''' END, @table_type) > 0)
             ORDER BY TABLE_TYPE, TABLE_QUALIFIER, TABLE_OWNER, t.TABLE_NAME"
        ),
    },
    Procedure {
        name: "sp_columns",
        parameters: &[
            ("@table_name", "nvarchar(384)", None),
            ("@table_owner", "nvarchar(384)", Some("NULL")),
            ("@table_qualifier", "sysname", Some("NULL")),
            ("@column_name", "nvarchar(384)", Some("NULL")),
            ("@ODBCVer", "int", Some("2")),
            ("@fUsePattern", "bit", Some("1")),
        ],
        body: concat!(
            this_database!("@table_qualifier"),
            "SELECT c.TABLE_CATALOG AS TABLE_QUALIFIER, c.TABLE_SCHEMA AS TABLE_OWNER, c.TABLE_NAME, c.COLUMN_NAME,
               CAST(CASE c.DATA_TYPE WHEN 'bit' THEN -7 WHEN 'tinyint' THEN -6 WHEN 'smallint' THEN 5 WHEN 'int' THEN 4
                 WHEN 'bigint' THEN -5 WHEN 'decimal' THEN 3 WHEN 'numeric' THEN 2 WHEN 'money' THEN 3 WHEN 'smallmoney' THEN 3
                 WHEN 'float' THEN 6 WHEN 'real' THEN 7 WHEN 'char' THEN 1 WHEN 'varchar' THEN 12 WHEN 'text' THEN -1
                 WHEN 'nchar' THEN -8 WHEN 'nvarchar' THEN -9 WHEN 'ntext' THEN -10 WHEN 'uniqueidentifier' THEN -11
                 WHEN 'binary' THEN -2 WHEN 'varbinary' THEN -3 WHEN 'image' THEN -4
                 WHEN 'date' THEN IIF(@ODBCVer = 3, 91, -9)
                 ELSE IIF(@ODBCVer = 3, 93, 11) END AS smallint) AS DATA_TYPE,
               c.DATA_TYPE + IIF(s.is_identity = 1, ' identity', '') AS TYPE_NAME,
               CASE WHEN c.DATA_TYPE = 'datetime' THEN 23 WHEN c.DATA_TYPE = 'smalldatetime' THEN 16
                 WHEN c.DATA_TYPE = 'date' THEN 10
                 ELSE COALESCE(CAST(c.NUMERIC_PRECISION AS int), c.CHARACTER_MAXIMUM_LENGTH, s.max_length) END AS PRECISION,
               CASE WHEN c.DATA_TYPE IN ('datetime', 'smalldatetime') THEN 16 WHEN c.DATA_TYPE = 'date' THEN 20
                 WHEN c.DATA_TYPE IN ('decimal', 'numeric') THEN c.NUMERIC_PRECISION + 2 WHEN c.DATA_TYPE = 'money' THEN 21
                 WHEN c.DATA_TYPE = 'smallmoney' THEN 12
                 ELSE COALESCE(c.CHARACTER_OCTET_LENGTH, s.max_length) END AS LENGTH,
               CAST(CASE WHEN c.DATA_TYPE = 'datetime' THEN 3 WHEN c.DATA_TYPE = 'smalldatetime' THEN 0
                 WHEN c.DATA_TYPE IN ('float', 'real') THEN NULL ELSE c.NUMERIC_SCALE END AS smallint) AS SCALE,
               c.NUMERIC_PRECISION_RADIX AS RADIX, CAST(IIF(c.IS_NULLABLE = 'YES', 1, 0) AS smallint) AS NULLABLE,
               CAST(NULL AS varchar(254)) AS REMARKS, c.COLUMN_DEFAULT AS COLUMN_DEF,
               CAST(CASE c.DATA_TYPE WHEN 'bit' THEN -7 WHEN 'tinyint' THEN -6 WHEN 'smallint' THEN 5 WHEN 'int' THEN 4
                 WHEN 'bigint' THEN -5 WHEN 'decimal' THEN 3 WHEN 'numeric' THEN 2 WHEN 'money' THEN 3 WHEN 'smallmoney' THEN 3
                 WHEN 'float' THEN 6 WHEN 'real' THEN 7 WHEN 'char' THEN 1 WHEN 'varchar' THEN 12 WHEN 'text' THEN -1
                 WHEN 'nchar' THEN -8 WHEN 'nvarchar' THEN -9 WHEN 'ntext' THEN -10 WHEN 'uniqueidentifier' THEN -11
                 WHEN 'binary' THEN -2 WHEN 'varbinary' THEN -3 WHEN 'image' THEN -4 WHEN 'date' THEN -9 ELSE 9 END
                 AS smallint) AS SQL_DATA_TYPE,
               CAST(IIF(c.DATA_TYPE IN ('datetime', 'smalldatetime'), 3, NULL) AS smallint) AS SQL_DATETIME_SUB,
               c.CHARACTER_OCTET_LENGTH AS CHAR_OCTET_LENGTH, c.ORDINAL_POSITION,
               CAST(c.IS_NULLABLE AS varchar(254)) AS IS_NULLABLE,
               CAST(CASE c.DATA_TYPE WHEN 'int' THEN IIF(c.IS_NULLABLE = 'YES', 38, 56)
                 WHEN 'smallint' THEN IIF(c.IS_NULLABLE = 'YES', 38, 52) WHEN 'tinyint' THEN IIF(c.IS_NULLABLE = 'YES', 38, 48)
                 WHEN 'datetime' THEN IIF(c.IS_NULLABLE = 'YES', 111, 61) WHEN 'money' THEN IIF(c.IS_NULLABLE = 'YES', 110, 60)
                 WHEN 'float' THEN IIF(c.IS_NULLABLE = 'YES', 109, 62) WHEN 'bit' THEN 50 WHEN 'text' THEN 35
                 WHEN 'varchar' THEN 39 WHEN 'nvarchar' THEN 39 WHEN 'char' THEN IIF(c.IS_NULLABLE = 'YES', 39, 47)
                 WHEN 'decimal' THEN IIF(c.IS_NULLABLE = 'YES', 106, 55) WHEN 'numeric' THEN IIF(c.IS_NULLABLE = 'YES', 108, 63)
                 ELSE 0 END AS tinyint) AS SS_DATA_TYPE
             FROM INFORMATION_SCHEMA.COLUMNS c
               JOIN sys.objects o ON o.name = c.TABLE_NAME AND o.type IN ('U', 'V')
               JOIN sys.columns s ON s.object_id = o.object_id AND s.column_id = c.ORDINAL_POSITION
             WHERE ", named!("c.TABLE_NAME", "@table_name"), " AND ", named!("c.TABLE_SCHEMA", "@table_owner"), "
               AND ", named!("c.COLUMN_NAME", "@column_name"), "
             ORDER BY TABLE_QUALIFIER, TABLE_OWNER, c.TABLE_NAME, c.ORDINAL_POSITION"
        ),
    },
    Procedure {
        name: "sp_pkeys",
        parameters: &[
            ("@table_name", "sysname", None),
            ("@table_owner", "sysname", Some("NULL")),
            ("@table_qualifier", "sysname", Some("NULL")),
        ],
        body: concat!(
            this_database!("@table_qualifier"),
            "SELECT k.TABLE_CATALOG AS TABLE_QUALIFIER, k.TABLE_SCHEMA AS TABLE_OWNER, k.TABLE_NAME, k.COLUMN_NAME,
               CAST(k.ORDINAL_POSITION AS smallint) AS KEY_SEQ, k.CONSTRAINT_NAME AS PK_NAME
             FROM INFORMATION_SCHEMA.KEY_COLUMN_USAGE k
             WHERE k.TABLE_NAME = @table_name AND (@table_owner IS NULL OR k.TABLE_SCHEMA = @table_owner)
             ORDER BY k.ORDINAL_POSITION"
        ),
    },
    Procedure {
        name: "sp_stored_procedures",
        parameters: &[
            ("@sp_name", "nvarchar(390)", Some("NULL")),
            ("@sp_owner", "nvarchar(384)", Some("NULL")),
            ("@sp_qualifier", "sysname", Some("NULL")),
            ("@fUsePattern", "bit", Some("1")),
        ],
        body: concat!(
            this_database!("@sp_qualifier"),
            "SELECT CAST(DB_NAME() AS sysname) AS PROCEDURE_QUALIFIER, CAST('dbo' AS sysname) AS PROCEDURE_OWNER,
               CAST(p.name + ';1' AS nvarchar(134)) AS PROCEDURE_NAME, -1 AS NUM_INPUT_PARAMS, -1 AS NUM_OUTPUT_PARAMS,
               -1 AS NUM_RESULT_SETS, CAST(NULL AS varchar(254)) AS REMARKS, CAST(2 AS smallint) AS PROCEDURE_TYPE
             FROM sys.procedures p
             WHERE ", named!("p.name", "@sp_name"), " AND ", named!("'dbo'", "@sp_owner"), "
             ORDER BY p.name"
        ),
    },
    Procedure {
        name: "sp_server_info",
        parameters: &[("@attribute_id", "int", Some("NULL"))],
        body: "SELECT v.attribute_id, CAST(v.attribute_name AS varchar(60)) AS attribute_name,
                 CAST(v.attribute_value AS varchar(255)) AS attribute_value
               FROM (VALUES (1, 'DBMS_NAME', 'Microsoft SQL Server'), (2, 'DBMS_VER', @@VERSION), (10, 'OWNER_TERM', 'owner'),
                 (11, 'TABLE_TERM', 'table'), (12, 'MAX_OWNER_NAME_LENGTH', '128'), (13, 'TABLE_LENGTH', '128'),
                 (14, 'MAX_QUAL_LENGTH', '128'), (15, 'COLUMN_LENGTH', '128'), (16, 'IDENTIFIER_CASE', 'MIXED'),
                 (17, 'TX_ISOLATION', '2'), (18, 'COLLATION_SEQ', 'charset=iso_1 collation=Latin1_General_CI_AS'),
                 (19, 'SAVEPOINT_SUPPORT', 'Y'), (20, 'MULTI_RESULT_SETS', 'Y'), (22, 'ACCESSIBLE_TABLES', 'Y'))
                 v (attribute_id, attribute_name, attribute_value)
               WHERE @attribute_id IS NULL OR v.attribute_id = @attribute_id
               ORDER BY v.attribute_id",
    },
];
