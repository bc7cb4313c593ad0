//! No name of a caller's is more than a name: nothing of the embedded engine, of the compiler or of the logins is reached.
#![allow(clippy::unwrap_used, reason = "in a test a failure is a panic")]

mod common;
mod told;

use common::demo;
use told::{refusal, session, tell, works};

#[test]
fn nothing_of_the_embedded_engine_is_reached_by_name() {
    let demo = demo(5);
    let mut session = session(&demo, "bpsrawdata");
    let (no_object, no_function, no_procedure, syntax) =
        (&[208][..], &[195][..], &[2812][..], &[102, 156][..]);
    for (text, wanted) in [
        ("SELECT * FROM sqlite_master", no_object),
        ("SELECT * FROM [sqlite_master]", no_object),
        ("SELECT * FROM \"sqlite_schema\"", no_object),
        ("SELECT * FROM main.sqlite_master", no_object),
        ("SELECT * FROM temp.sqlite_temp_master", no_object),
        ("SELECT * FROM tempdb..sqlite_temp_schema", no_object),
        ("SELECT * FROM BPSPatients.dbo.sqlite_schema", no_object),
        ("SELECT * FROM main.PATIENTS", no_object),
        ("SELECT * FROM drugs.VACCINES", no_object),
        ("SELECT * FROM json_each('[1]')", no_object),
        ("SELECT * FROM json_tree", no_object),
        ("SELECT * FROM pragma_table_info('PATIENTS')", no_object),
        ("SELECT * FROM pragma_database_list", no_object),
        ("SELECT * FROM dbstat", no_object),
        ("INSERT INTO sqlite_sequence VALUES (1)", no_object),
        ("CREATE TABLE #z (a int) SELECT * FROM t1", no_object),
        ("SELECT * FROM temp.t2", no_object),
        ("DECLARE @z TABLE (a int) SELECT * FROM v1", no_object),
        ("EXEC ('SELECT * FROM sqlite_master')", no_object),
        ("SELECT load_extension('x')", no_function),
        ("SELECT ts_int('+', 1, 2, 'int')", no_function),
        ("SELECT ts_get(0)", no_function),
        ("SELECT randomblob(1000000000)", no_function),
        ("SELECT zeroblob(1000000000)", no_function),
        ("SELECT printf('%d', 1)", no_function),
        ("SELECT json_group_array(N) FROM Numbers", no_function),
        ("SELECT sqlite_version()", no_function),
        ("SELECT readfile('/etc/passwd')", no_function),
        ("EXEC sp_executesql N'SELECT ts_cast(1)'", no_function),
        ("SELECT dbo.ts_int('+', 1, 2, 'int')", &[4121]),
        ("EXEC [sqlite_master]", no_procedure),
        ("DETACH drugs", no_procedure),
        ("VACUUM", no_procedure),
        ("ANALYZE", no_procedure),
        ("PRAGMA table_info(PATIENTS)", syntax),
        ("PRAGMA query_only = 0", syntax),
        ("ATTACH DATABASE 'x' AS y", syntax),
        ("VACUUM INTO '/tmp/x'", syntax),
        ("REPLACE INTO Numbers VALUES (1)", syntax),
        ("INSERT OR REPLACE INTO Numbers VALUES (1)", syntax),
        ("SELECT N FROM Numbers LIMIT 5", syntax),
        ("SELECT * FROM Numbers INDEXED BY x", syntax),
        ("SELECT N FROM Numbers WHERE N GLOB 'x'", syntax),
        ("SELECT ?1", syntax),
        ("SELECT :a", syntax),
        ("SELECT 'a' COLLATE NOCASE", syntax),
        ("SELECT rowid FROM Numbers", &[207]),
        ("SELECT oid FROM Numbers", &[207]),
        ("SELECT Numbers._rowid_ FROM Numbers", &[207]),
        ("SELECT c0 FROM (SELECT N FROM Numbers) x", &[207]),
        ("WITH c AS (SELECT 1 AS n) SELECT c0 FROM c", &[207]),
        ("SELECT s.[key] FROM STRING_SPLIT('a,b', ',') s", &[207]),
        ("SELECT s.json FROM STRING_SPLIT('a,b', ',') s", &[207]),
        ("SELECT N FROM Numbers WHERE \"nosuch\" = 1", &[207]),
        ("SELECT q.k0 FROM Numbers", &[4104]),
        ("SELECT t1.c0 FROM (SELECT N FROM Numbers) x", &[4104]),
        ("CREATE TABLE real (a int)", &[262]),
        ("CREATE VIEW v AS SELECT 1", &[262]),
        ("CREATE TRIGGER t ON PATIENTS AFTER INSERT AS SELECT 1", &[262]),
        ("DROP TABLE PATIENTS", &[3701]),
    ] {
        let (number, words) = refusal(&mut session, text);
        assert!(wanted.contains(&number), "{text}: {number} {words}");
        let words = words.to_lowercase();
        assert!(!words.contains("sqlite error") && !words.contains("no such"), "{text}: {words}");
        session.reset();
    }
}

#[test]
fn names_are_names_whatever_is_in_them() {
    let demo = demo(5);
    let mut session = session(&demo, "bpsrawdata");
    for name in [
        "x\" FROM sqlite_master; --",
        "a\"\"b",
        "t\"; DROP TABLE PATIENTS; --",
        "new\nline",
        "c0",
        "rowid",
        "select",
        "q",
        "t1",
        "k0",
        "'; ATTACH 'x' AS y; --",
        "it''s ] not",
        "?1",
        "日本\u{1F600}",
        "value",
        " ",
    ] {
        let n = format!("[{}]", name.replace(']', "]]"));
        let temp = format!("[#{}]", name.replace(']', "]]"));
        let told = tell(
            &mut session,
            &format!(
                "CREATE TABLE {temp} ({n} int NULL, other int DEFAULT (1));
                 INSERT {temp} ({n}) VALUES (7), (8);
                 UPDATE {temp} SET {n} = {n} + 1 WHERE {n} = 7;
                 UPDATE x SET {n} = {n} + 10 FROM {temp} x JOIN Numbers {n} ON {n}.N = 1 WHERE x.other = 1;
                 CREATE INDEX {n} ON {temp} ({n});
                 SELECT {n}.{n} FROM (SELECT {n}.{n} FROM {temp} AS {n}) AS {n} ORDER BY {n};
                 WITH {n} AS (SELECT {n} FROM {temp}) SELECT MAX({n}) AS {n} FROM {n};
                 SELECT TOP 50 PERCENT {n} FROM {temp} ORDER BY {n};
                 SELECT {n}.{n}, z.{n} FROM {temp} {n} CROSS APPLY (SELECT TOP 1 {n} FROM {temp} k WHERE k.{n} = {n}.{n} ORDER BY k.{n}) z ORDER BY 1;
                 DELETE FROM {temp} OUTPUT deleted.{n};
                 DROP TABLE {temp}"
            ),
        );
        // The joined alias of that name makes some names ambiguous: SQL Server says so too.
        assert!(
            told.errors.iter().all(|(number, _)| [209, 207, 4104, 156].contains(number)),
            "{name:?}: {:?}",
            told.errors
        );
        assert!(
            told.rows.len() >= 6 && told.columns.iter().all(|c| c == name),
            "{name:?}: {:?} {:?} {:?}",
            told.columns,
            told.rows,
            told.errors
        );
        session.reset();
    }
    assert_eq!(works(&mut session, "SELECT COUNT(*) FROM PATIENTS"), ["5|"]);
}

#[test]
fn a_name_that_looks_like_the_compilers_own_mark_is_no_more_than_a_name() {
    let demo = demo(5);
    let mut session = session(&demo, "bpsrawdata");
    for code in [
        "sqlite_version()",
        "(SELECT COUNT(*) FROM main.PATIENTS)",
        "(SELECT hash FROM main.halo_logins)",
        "ts_get(0)",
    ] {
        for mark in ["\u{1}", "\u{0}", "\u{2}", "\u{1}fetch:", "\u{1}checked"] {
            let n = format!("[{mark}{code}]");
            for text in [
                format!(
                    "CREATE TABLE #t (a int, {n} nvarchar(50)) INSERT #t (a) VALUES (1) SELECT {n} FROM #t"
                ),
                format!(
                    "CREATE TABLE #t (a int, {n} nvarchar(50)) INSERT #t (a) VALUES (1) SELECT * FROM #t x WHERE x.{n} IS NOT NULL"
                ),
                format!(
                    "DECLARE @t TABLE (a int, {n} nvarchar(50)) INSERT @t (a) VALUES (1) SELECT x.{n} FROM @t x"
                ),
                format!("SELECT CAST(NULL AS nvarchar(50)) AS {n} INTO #t SELECT * FROM #t"),
                format!("SELECT x.{n} FROM (SELECT CAST(NULL AS nvarchar(50)) AS {n}) x"),
                format!("SELECT x.{n} FROM (VALUES (CAST(NULL AS nvarchar(50)))) x ({n})"),
                format!("SELECT {n} FROM Numbers WHERE N = 1"),
                format!("SELECT {n}(1)"),
                format!(
                    "SELECT N FROM Numbers {n} WHERE {n}.N = -1 ORDER BY {n}.N OFFSET 0 ROWS FETCH NEXT '{mark}{}' ROWS ONLY",
                    code.replace('\'', "''")
                ),
            ] {
                let told = tell(&mut session, &text);
                assert!(told.rows.iter().all(|row| row == "Null|"), "{text:?}: {:?}", told.rows);
                // Denied is too late: the text had reached the embedded engine.
                assert!(told.errors.iter().all(|(number, _)| *number != 229), "{text:?}: {:?}", told.errors);
                session.reset();
            }
        }
    }
}

#[test]
fn nul_and_half_characters_stay_data_or_are_refused() {
    let demo = demo(5);
    let mut session = session(&demo, "bpsrawdata");
    assert_eq!(
        works(&mut session, "SELECT LEN('a' + CHAR(0) + 'b'), CHARINDEX('b', 'a' + CHAR(0) + 'b')"),
        ["3|3|"]
    );
    for text in [
        "SELECT 1 AS a\0, 2 AS b",
        "SELECT '\0' AS a\0FROM sqlite_master",
        "\0",
        "SELECT 1 WHERE 'a\0b' = 'a' AND 1 = 2",
        "SELECT NCHAR(55357), NCHAR(55357) + NCHAR(56832), UNICODE(NCHAR(57343))",
        "SELECT N'\u{fffe}\u{feff}\u{202e}', LEN(N'\u{1F600}'), LEFT(N'\u{1F600}', 1), SUBSTRING(N'a\u{1F600}b', 2, 1), REVERSE(N'\u{1F600}x'), STUFF(N'\u{1F600}', 1, 1, 'x')",
    ] {
        let told = tell(&mut session, text);
        assert!(told.errors.iter().all(|(number, _)| *number != 8630), "{text:?}: {:?}", told.errors);
        session.reset();
        works(&mut session, "SELECT 1");
    }
    // The embedded engine reads a text up to its first U+0000: what it reads then must be no statement.
    for text in [
        "SELECT 1 AS a FROM Numbers [x\0y] WHERE N = 1",
        "DELETE x FROM Numbers [x\0y] JOIN Numbers x ON x.N = 1",
        "CREATE TABLE #t ([c\0d] int)",
        "CREATE TABLE #t (a int, [c\0d] int) INSERT #t (a, [c\0d]) VALUES (1, 2)",
    ] {
        let told = tell(&mut session, text);
        assert!(told.rows.is_empty() && !told.errors.is_empty(), "{text:?}: {:?}", told.rows);
        session.reset();
    }
    assert_eq!(works(&mut session, "SELECT COUNT(*) FROM Numbers"), ["1000|"]);
}

#[test]
fn the_logins_are_seen_by_nobody_under_no_name() {
    let demo = demo(5);
    let table = "halo_logins";
    for user in ["bpsrawdata", "bpsviewer"] {
        let mut session = session(&demo, user);
        for name in [table.to_owned(), table.to_uppercase(), format!("[{table}]"), format!("\"{table}\"")] {
            for before in [
                "",
                "dbo.",
                "main.",
                "temp.",
                "BPSPatients.dbo.",
                "BPSPatients..",
                "[main].",
                "master.dbo.",
                "tempdb..",
                "sys.",
                "..",
            ] {
                for text in [
                    format!("SELECT * FROM {before}{name}"),
                    format!("SELECT x.hash FROM Numbers n CROSS APPLY {before}{name} x"),
                    format!("SELECT 1 WHERE EXISTS (SELECT 1 FROM {before}{name})"),
                    format!("INSERT INTO {before}{name} VALUES ('a', 0x, 0x, 0)"),
                    format!("UPDATE {before}{name} SET read_only = 0"),
                    format!("DELETE FROM {before}{name}"),
                    format!("SELECT * INTO #copy FROM {before}{name}"),
                    format!("EXEC ('SELECT * FROM {before}{name}')"),
                ] {
                    let (number, words) = refusal(&mut session, &text);
                    assert!([208, 102, 156, 229, 117].contains(&number), "{text}: {number} {words}");
                }
            }
        }
        let seen = works(
            &mut session,
            "SELECT TABLE_NAME FROM INFORMATION_SCHEMA.TABLES WHERE TABLE_NAME LIKE '%login%' OR TABLE_NAME LIKE 'sqlite%' OR TABLE_NAME LIKE 'halo%';
             SELECT COLUMN_NAME FROM INFORMATION_SCHEMA.COLUMNS WHERE TABLE_NAME LIKE '%login%' OR COLUMN_NAME IN ('salt', 'hash');
             SELECT name FROM sys.objects WHERE name LIKE '%login%' OR name LIKE 'sqlite%';
             SELECT name FROM sys.columns WHERE name IN ('salt', 'hash')",
        );
        assert!(seen.is_empty(), "{seen:?}");
        assert_eq!(works(&mut session, &format!("SELECT ISNULL(OBJECT_ID('{table}'), -1)")), ["-1|"]);
    }
}
