//! Firebird's words, over the databases of [`crate::firebird_server`].

use super::{Left, Words, Write, Written};
use crate::{call, text};
use model::{Command, Direction, ParameterType};
use serde_json::json;

/// Firebird 3.
#[derive(Clone, Copy, Debug)]
pub struct Firebird;

impl Words for Firebird {
    fn select(&self, items: &[(&str, &str)]) -> String {
        let items: Vec<_> = items.iter().map(|(name, what)| format!("{what} AS \"{name}\"")).collect();
        format!("SELECT {} FROM RDB$DATABASE", items.join(", "))
    }
    fn nameless_columns(&self) -> bool {
        false
    }
    fn ends(&self) -> Vec<(&'static str, &'static str)> {
        vec![
            ("FALSE", "false"),
            ("TRUE", "true"),
            ("CAST(-32768 AS SMALLINT)", "-32768"),
            ("CAST(-2147483648 AS INTEGER)", "-2147483648"),
            ("CAST(9223372036854775807 AS BIGINT)", "9223372036854775807"),
            ("CAST(-9223372036854775807 - 1 AS BIGINT)", "-9223372036854775808"),
            ("CAST('99999999999999.1234' AS NUMERIC(18,4))", "99999999999999.1234"),
            ("CAST('-0.01' AS NUMERIC(4,2))", "-0.01"),
            ("CAST('12.5' AS DECIMAL(9,2))", "12.50"),
            ("CAST(0.1 AS DOUBLE PRECISION)", "0.1"),
            ("CAST(0.1 AS FLOAT)", "0.1"),
            ("DATE '0001-01-01'", "\"0001-01-01T00:00:00\""),
            ("DATE '9999-12-31'", "\"9999-12-31T00:00:00\""),
            ("TIME '23:59:59.9999'", "\"23:59:59.9999\""),
            ("TIMESTAMP '2026-02-03 08:15:00.1234'", "\"2026-02-03T08:15:00.1234\""),
            ("CAST('ab' AS CHAR(5))", "\"ab   \""),
            ("CAST(x'00FF10' AS VARCHAR(8) CHARACTER SET OCTETS)", "\"AP8Q\""),
            ("CAST('a text' AS BLOB SUB_TYPE TEXT)", "\"a text\""),
        ]
    }
    fn nulls(&self) -> Vec<&'static str> {
        vec![
            "CAST(NULL AS SMALLINT)",
            "CAST(NULL AS BIGINT)",
            "CAST(NULL AS NUMERIC(18,4))",
            "CAST(NULL AS DOUBLE PRECISION)",
            "CAST(NULL AS FLOAT)",
            "CAST(NULL AS DATE)",
            "CAST(NULL AS TIME)",
            "CAST(NULL AS TIMESTAMP)",
            "CAST(NULL AS CHAR(5))",
            "CAST(NULL AS VARCHAR(5))",
            "CAST(NULL AS BOOLEAN)",
            "CAST(NULL AS BLOB SUB_TYPE TEXT)",
            "CAST(NULL AS BLOB SUB_TYPE BINARY)",
        ]
    }
    fn literal(&self, text: &str) -> String {
        format!("CAST(_UTF8 '{}' AS VARCHAR(400) CHARACTER SET UTF8)", text.replace('\'', "''"))
    }
    fn sets(&self) -> Option<&'static str> {
        None
    }
    fn empty(&self) -> &'static str {
        "SELECT 1 AS A, 'x' AS B FROM RDB$DATABASE WHERE 1 = 0"
    }
    fn many(&self, count: u32) -> String {
        format!(
            "EXECUTE BLOCK RETURNS (N INTEGER) AS BEGIN N = 1; WHILE (N <= {count}) DO BEGIN SUSPEND; N = N + 1; END END"
        )
    }
    fn endless(&self) -> &'static str {
        "SELECT A.RDB$FIELD_POSITION AS N FROM RDB$RELATION_FIELDS A, RDB$RELATION_FIELDS B, RDB$RELATION_FIELDS C, RDB$RELATION_FIELDS D"
    }
    fn silent(&self) -> &'static str {
        "SELECT COUNT(*) FROM RDB$RELATION_FIELDS A, RDB$RELATION_FIELDS B, RDB$RELATION_FIELDS C, RDB$RELATION_FIELDS D"
    }
    fn long(&self, bytes: usize) -> String {
        assert!(bytes.is_multiple_of(10_000) && bytes / 10_000 <= 40_000);
        format!(
            "SELECT LIST(T.X, '') AS L FROM (SELECT FIRST {} RPAD('x', 10000, 'x') AS X FROM RDB$RELATION_FIELDS A, RDB$RELATION_FIELDS B) T",
            bytes / 10_000
        )
    }
    fn length_of_parameter(&self) -> &'static str {
        "SELECT CHAR_LENGTH(CAST(@p AS BLOB SUB_TYPE TEXT CHARACTER SET UTF8)) AS N FROM RDB$DATABASE"
    }
    fn echo(&self, kind: ParameterType) -> Option<String> {
        use ParameterType as P;
        let ty = match kind {
            P::BigInt => "BIGINT",
            P::Binary | P::VarBinary | P::Timestamp => "VARCHAR(100) CHARACTER SET OCTETS",
            P::Image => "BLOB SUB_TYPE BINARY",
            P::Bit => "BOOLEAN",
            P::Char
            | P::NChar
            | P::VarChar
            | P::NVarChar
            | P::String
            | P::Variant
            | P::Xml
            | P::UniqueIdentifier => "VARCHAR(100) CHARACTER SET UTF8",
            P::Text | P::NText => "BLOB SUB_TYPE TEXT CHARACTER SET UTF8",
            P::Date => "DATE",
            P::Time => "TIME",
            P::DateTime | P::DateTime2 | P::SmallDateTime => "TIMESTAMP",
            P::Decimal | P::Money | P::SmallMoney => "NUMERIC(18,4)",
            P::Float => "DOUBLE PRECISION",
            P::Real => "FLOAT",
            P::Int => "INTEGER",
            P::SmallInt | P::TinyInt => "SMALLINT",
            // No offsets before Firebird 4, no table types, no types of users.
            P::DateTimeOffset | P::Structured | P::Udt => return None,
        };
        Some(format!("SELECT CAST(@p AS {ty}) AS P FROM RDB$DATABASE"))
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
            (P::DateTime2, "2026-02-03T08:15:00.1234", "\"2026-02-03T08:15:00.1234\""),
            (P::Decimal, "99999999999999.1234", "99999999999999.1234"),
            (P::Float, "1e300", "1e300"),
            (P::Image, "0x89504e47", "\"iVBORw==\""),
            (P::Int, "-2147483648", "-2147483648"),
            (P::Money, "99999999999999.1234", "99999999999999.1234"),
            (P::NText, "wide Ω", "\"wide Ω\""),
            (P::NVarChar, "O'Brien ", "\"O'Brien \""),
            (P::Real, "0.1", "0.1"),
            (P::SmallDateTime, "2026-02-03T08:15", "\"2026-02-03T08:15:00\""),
            (P::SmallInt, "-32768", "-32768"),
            (P::SmallMoney, "-214748.3648", "-214748.3648"),
            (P::Text, "plain", "\"plain\""),
            (P::Time, "23:59:59.9999", "\"23:59:59.9999\""),
            (P::TinyInt, "255", "255"),
            (P::VarBinary, "", "\"\""),
            (P::VarChar, "Zoë", "\"Zoë\""),
        ]
    }
    fn insert(&self, id: i64) -> String {
        format!("INSERT INTO SCRATCH (ID, ITEM) VALUES ({id}, 1)")
    }
    fn update(&self, from: i64, to: i64) -> String {
        format!("UPDATE SCRATCH SET ITEM = ITEM + 1 WHERE ID BETWEEN {from} AND {to}")
    }
    fn count(&self, id: i64) -> String {
        format!("SELECT COUNT(*) AS N FROM SCRATCH WHERE ID = {id}")
    }
    fn writes(&self, id: i64) -> Vec<Write> {
        let insert = self.insert(id);
        let quoted = insert.replace('\'', "''");
        let value = id.to_string();
        let by_id: Vec<_> = vec![("P_ID", ParameterType::Int, Direction::Input, Some(value.as_str()))];
        let never =
            |what, words: String| Write { what, command: text(&words), under_read_only: Written::Never };
        vec![
            never("an INSERT", insert.clone()),
            never("an INSERT behind a comment", format!("/* SELECT */ -- SELECT\n{insert} -- COMMIT\n")),
            never("an INSERT that gives a row", format!("{insert} RETURNING ID")),
            never("a block", format!("EXECUTE BLOCK AS BEGIN {insert}; END")),
            never(
                "a block that gives rows",
                format!("EXECUTE BLOCK RETURNS (N INTEGER) AS BEGIN {insert}; N = 1; SUSPEND; END"),
            ),
            never("dynamic SQL", format!("EXECUTE BLOCK AS BEGIN EXECUTE STATEMENT '{quoted}'; END")),
            never(
                "a transaction of its own",
                format!("EXECUTE BLOCK AS BEGIN IN AUTONOMOUS TRANSACTION DO {insert}; END"),
            ),
            never(
                "dynamic SQL in a transaction of its own",
                format!(
                    "EXECUTE BLOCK AS BEGIN EXECUTE STATEMENT '{quoted}' WITH AUTONOMOUS TRANSACTION; END"
                ),
            ),
            Write {
                what: "a procedure",
                command: call("WRITE_ONE", &by_id),
                under_read_only: Written::Never,
            },
            never("a selectable procedure", format!("SELECT * FROM WRITE_AND_TELL({id})")),
            never("COMMIT alone", "COMMIT".to_owned()),
        ]
    }
    fn left(&self) -> Vec<Left> {
        // What belongs to the session, and not to a command's transaction, stays for the session's own user.
        vec![Left {
            what: "a context variable of the transaction",
            leave: "SELECT RDB$SET_CONTEXT('USER_TRANSACTION', 'LEFT', 'x') AS V FROM RDB$DATABASE"
                .to_owned(),
            look: "SELECT RDB$GET_CONTEXT('USER_TRANSACTION', 'LEFT') AS V FROM RDB$DATABASE".to_owned(),
            clean: json!(null),
        }]
    }
    fn errors(&self) -> Vec<(&'static str, i32)> {
        vec![
            ("SELECT NOTHING FROM SCRATCH", -206),
            ("SELECT * FROM NO_SUCH_TABLE", -204),
            ("SELECT FROM WHERE", -104),
            ("INSERT INTO SCRATCH (ID, ITEM) VALUES (1, 1)", -803),
            ("SELECT 1 / 0 AS A FROM RDB$DATABASE", -802),
            ("EXECUTE BLOCK RETURNS (N INTEGER) AS BEGIN N = 1; SUSPEND; N = 1 / 0; SUSPEND; END", -802),
        ]
    }
    fn login_failed(&self) -> i32 {
        -902
    }
    fn which_catalogue(&self) -> &'static str {
        "SELECT NAME AS D FROM WHO_AM_I"
    }
    fn procedure(&self) -> (Command, Vec<(usize, Option<&'static str>)>) {
        use Direction::{Input, Output, ReturnValue};
        use ParameterType as P;
        let command = call(
            "ECHO_ALL",
            &[
                ("@P_NUMBER", P::Int, Input, Some("21")),
                ("p_text", P::NVarChar, Input, Some("zoë")),
                ("@P_MONEY", P::Decimal, Input, Some("49999999999999.5617")),
                ("@DOUBLED", P::Int, Output, None),
                ("@UPPERED", P::NVarChar, Output, None),
                ("@TWICE", P::Decimal, Output, None),
                ("@RETURN_VALUE", P::Int, ReturnValue, None),
            ],
        );
        // Firebird's procedures return no status.
        let outputs = vec![(3, Some("42")), (4, Some("ZOË")), (5, Some("99999999999999.1234")), (6, None)];
        (command, outputs)
    }
    fn lock_timeout(&self) -> Option<i32> {
        None
    }
    fn hold_lock(&self, _: i64) -> Option<String> {
        // Readers see what was committed before; they never wait for a writer.
        None
    }
}
