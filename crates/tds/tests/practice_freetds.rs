//! FreeTDS's `tsql` against the real demo practice.
#![allow(clippy::unwrap_used, reason = "in a test a failure is a panic")]

mod common;

use common::{
    demo::{Practice, READER, SECRET, WRITER, practice},
    tsql::Tsql,
};

const VERSIONS: [&str; 4] = ["7.1", "7.2", "7.3", "7.4"];

fn tsql(practice: &Practice) -> Tsql {
    Tsql {
        address: practice.served.address,
        version: "7.4",
        encryption: "off",
        user: WRITER,
        password: SECRET,
    }
}

fn has(said: &str, wanted: &[&str]) {
    for wanted in wanted {
        assert!(said.contains(wanted), "{wanted:?} is missing in: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn logins_in_every_version_with_and_without_tls() {
    let practice = practice().await;
    for version in VERSIONS {
        for encryption in ["off", "require"] {
            let how = Tsql { version, encryption, ..tsql(&practice) };
            let said = how.says("SELECT COUNT(*) AS patients FROM PATIENTS\ngo\n").await;
            has(&said, &["patients\n500\n(1 row affected)"]);
            let said = Tsql { password: "Open sesame", ..how }.says("SELECT 1\ngo\n").await;
            has(
                &said,
                &[
                    "Msg 18456 (severity 14, state 1) from HALO-PRACTICE Line 1:",
                    "Login failed for user 'bpsrawdata'.",
                ],
            );
            assert!(!said.contains("affected"), "{said}");
        }
    }
    let said = Tsql { user: READER, ..tsql(&practice) }.says("DELETE FROM PATIENTS\ngo\n").await;
    has(&said, &["Msg 229 (severity 14, state "]);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_type_in_every_version() {
    let practice = practice().await;
    for version in VERSIONS {
        let said =
            Tsql { version, ..tsql(&practice) }.says("EXEC DEMO_Types\ngo\nSELECT 42 AS after\ngo\n").await;
        has(&said, &["(1 row affected)", "(return status = 0)", "after\n42\n"]);
        let mut lines = said.lines().skip_while(|l| !l.contains("bit_low\t"));
        let names = lines.next().unwrap_or_else(|| panic!("{said}")).split('\t');
        let values = lines.next().unwrap().split('\t');
        let cells: Vec<_> = names.zip(values).collect();
        assert_eq!(cells.len(), common::demo::types_row().len());
        let cell = |name: &str| cells.iter().find(|(n, _)| *n == name).unwrap().1;
        for (name, wanted) in [
            ("bit_high", "1"),
            ("tinyint_high", "255"),
            ("smallint_low", "-32768"),
            ("int_low", "-2147483648"),
            ("bigint_low", "-9223372036854775808"),
            ("bigint_high", "9223372036854775807"),
            ("decimal5_low", "-999.99"),
            ("decimal38_low", "-9999999999999999999999999999.9999999999"),
            ("numeric_high", "99999999999999999999999999999999999999"),
            ("smallmoney_low", "-214748.3648"),
            ("money_low", "-922337203685477.5808"),
            ("money_high", "922337203685477.5807"),
            ("float_low", "-1.7976931348623157e+308"),
            ("char_low", "          "),
            ("char_high", "0123456789"),
            ("varchar_high", "O'Brien, Zoë"),
            ("text_high", "plain text"),
            ("nchar_high", "Ωmega     "),
            ("nvarchar_high", "naïve 😀 Ω"),
            ("ntext_high", "wide text Ω"),
            ("binary_high", "FFFFFFFF"),
            ("varbinary_high", "0123456789ABCDEF"),
            ("varbinarymax_high", "00FF00FF"),
            ("image_high", "89504E47"),
            ("variant_low", "-1"),
            ("variant_high", "any type"),
            ("uniqueidentifier_high", "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF"),
            ("xml_high", "<a><b c=\"d\">e</b></a>"),
            ("last", "1"),
        ] {
            assert!(cell(name).eq_ignore_ascii_case(wanted), "{version} {name}: {:?}", cell(name));
        }
        // Before 7.3 there are no such types on the wire, and they go as text; after it, tsql words them in its own way.
        let moments: [(&str, &str, &str); 8] = [
            ("date_high", "9999-12-31", "Dec 31 9999 12:00AM"),
            ("datetime20_high", "9999-12-31 23:59:59", "Dec 31 9999 11:59PM"),
            ("datetime2_low", "0001-01-01 00:00:00", "Jan  1 1 12:00AM"),
            ("datetime2_high", "9999-12-31 23:59:59.9999999", "Dec 31 9999 11:59PM"),
            ("datetimeoffset_low", "0001-01-01 14:00:00 +14:00", "Jan  1 1 02:00PM"),
            ("time_high", "23:59:59.9999999", "Jan  1 1900 11:59PM"),
            ("smalldatetime_high", "Jun  6 2079 11:59PM", "Jun  6 2079 11:59PM"),
            ("datetime_low", "Jan  1 1753 12:00AM", "Jan  1 1753 12:00AM"),
        ];
        for (name, old, new) in moments {
            let wanted = if version < "7.3" { old } else { new };
            assert_eq!(cell(name), wanted, "{version} {name}");
        }
        assert_eq!(cell("varcharmax_high"), "x".repeat(10_000));
        assert_eq!(cell("nvarcharmax_high"), "Ω".repeat(5000));
        for (name, value) in cells.iter().filter(|(n, _)| n.ends_with("_null")) {
            assert_eq!(*value, "NULL", "{version} {name}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_keep_what_a_session_has_and_go_on_after_errors() {
    let practice = practice().await;
    let script = "CREATE TABLE #t (a int PRIMARY KEY, w nvarchar(20))
INSERT #t VALUES (1, N'one'), (2, N'zwei – Ω')
go
SELECT a, w FROM #t ORDER BY a
go
INSERT #t VALUES (2, 'again')
SELECT COUNT(*) AS still FROM #t
go
SELECT 1 AS first

SELECT NOPE FROM #t
go
USE BPSDrugs
go
SELECT DB_NAME() AS db, (SELECT COUNT(*) FROM #t) AS kept
go
BEGIN TRANSACTION
DELETE FROM #t
go
ROLLBACK
SELECT COUNT(*) AS back FROM #t
go
DROP TABLE #t
go
SELECT a FROM #t
go
SELECT 'go on' AS at_last
go
";
    let said = tsql(&practice).says(script).await;
    has(
        &said,
        &[
            "(2 rows affected)",
            "a\tw\n1\tone\n2\tzwei – Ω\n(2 rows affected)",
            "Msg 2627 (severity 14, state 1) from HALO-PRACTICE Line 1:",
            "still\n2\n(1 row affected)",
            "Msg 207 (severity 16, state 1) from HALO-PRACTICE Line 3:",
            "Invalid column name 'NOPE'.",
            "db\tkept\nBPSDrugs\t2\n",
            "back\n2\n",
            "Msg 208 (severity 16, state 1) from HALO-PRACTICE Line 1:",
            "Invalid object name '#t'.",
            "at_last\ngo on\n",
        ],
    );
    assert!(!said.contains("first\n1\n"), "a batch with a wrong name does not begin: {said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_procedures_to_practise_on() {
    let practice = practice().await;
    let script = "EXEC DEMO_Results
go
EXEC DEMO_Fail 50000
go
EXEC DEMO_Fail 60001
go
EXEC DEMO_Fail 8134
go
EXEC DEMO_Fail 245
go
EXEC DEMO_Fail 208
go
DECLARE @r int, @d int, @u nvarchar(max), @t money
EXEC @r = DEMO_Echo 21, N'naïve Ω', 10.0513, @d OUTPUT, @u OUTPUT, @t OUTPUT
SELECT @r AS r, @d AS d, @u AS u, @t AS t
go
EXEC DEMO_Wait 0
go
PRINT N'printed Ω'
go
";
    for encryption in ["off", "require"] {
        let said = Tsql { encryption, ..tsql(&practice) }.says(script).await;
        has(
            &said,
            &[
                "N\n0\n1\n2\n(3 rows affected)",
                "between the first and the second",
                "id\tword\n1\tone\n2\ttwo\n3\tthree\n",
                "no more than a note: 2 rows changed",
                "(return status = 3)",
                "Msg 50000 (severity 16, state 5) from HALO-PRACTICE, Procedure DEMO_Fail Line 4:",
                "Msg 60001 (severity 16, state 6) from HALO-PRACTICE, Procedure DEMO_Fail Line 9:",
                "Msg 8134 (severity 16, state 1) from HALO-PRACTICE, Procedure DEMO_Fail Line 13:",
                "Msg 245 (severity 16, state 1) from HALO-PRACTICE, Procedure DEMO_Fail Line 17:",
                "Msg 208 (severity 16, state 1) from HALO-PRACTICE, Procedure DEMO_Fail Line 19:",
                "r\td\tu\tt\n7\t42\tNAÏVE Ω\t20.1026\n",
                "Waited\n0\n",
                "printed Ω",
            ],
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_rows_and_large_values_in_every_version() {
    let practice = practice().await;
    for version in VERSIONS {
        let script =
            "SELECT TOP 50000 a.N * 1000 + b.N AS n FROM Numbers a CROSS JOIN Numbers b ORDER BY a.N, b.N
go
SELECT REPLICATE(CAST('x' AS varchar(max)), 1000000) AS x, REPLICATE(CAST(N'Ω' AS nvarchar(max)), 100000) AS o
go
";
        let said = Tsql { version, ..tsql(&practice) }.says(script).await;
        has(&said, &["\n49999\n(50000 rows affected)"]);
        let line = said.lines().find(|l| l.starts_with("xx")).unwrap();
        assert!(
            line == format!("{}\t{}", "x".repeat(1_000_000), "Ω".repeat(100_000)),
            "{version}: {}",
            line.len()
        );
    }
}
