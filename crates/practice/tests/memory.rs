//! What would fill the memory is refused, and the session goes on. The engine's limit is the whole process's, so these
//! statements have a process of their own and come one after the other.

#![allow(clippy::unwrap_used, reason = "in a test a failure is a panic")]

mod common;
mod told;

use common::demo;
use practice::events::Broken;
use std::sync::{Mutex, PoisonError};
use told::{Told, refusal, session, tell, works};

/// One at a time.
static ALONE: Mutex<()> = Mutex::new(());

#[test]
fn rows_come_while_they_are_found_however_many_there_are() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let demo = demo(5);
    let mut session = session(&demo, "bpsrawdata");
    for text in [
        "SELECT a.N FROM Numbers a, Numbers b, Numbers c",
        "SELECT REPLICATE(CAST('x' AS varchar(max)), 1000000) FROM Numbers a, Numbers b",
        "SELECT a.N FROM Numbers a, Numbers b UNION ALL SELECT c.N FROM Numbers c, Numbers d, Numbers e",
        "SELECT value FROM GENERATE_SERIES(1, 100000) s, Numbers b, Numbers c",
    ] {
        let mut told = Told { most: Some(300), ..Told::default() };
        assert_eq!(session.batch(text, &mut told), Err(Broken::Cancelled), "{text}");
        assert_eq!((told.count, told.errors.len()), (300, 0));
    }
    works(&mut session, "SELECT 1");
}

#[test]
fn texts_that_would_fill_the_memory_are_refused() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let demo = demo(5);
    let mut session = session(&demo, "bpsrawdata");
    for text in [
        "SELECT REPLICATE(CAST('x' AS varchar(max)), 2000000000)",
        "SELECT REPLICATE(REPLICATE(CAST('ab' AS varchar(max)), 100000), 100000)",
        "DECLARE @s varchar(max) = 'x' WHILE 1 = 1 SET @s = @s + @s",
        "DECLARE @s varchar(max) = 'x' WHILE LEN(@s) < 2000000000 SELECT @s = CONCAT(@s, @s, 'x')",
        "SELECT STRING_AGG(REPLICATE(CAST('x' AS varchar(max)), 1000000), ',') FROM Numbers",
        "SELECT (SELECT REPLICATE(CAST('x' AS varchar(max)), 1000000) FROM Numbers FOR XML PATH(''))",
        "SELECT STUFF(REPLICATE(CAST('a' AS varchar(max)), 60000000), 1, 1, REPLICATE(CAST('b' AS varchar(max)), 60000000))",
        "SELECT REPLACE(REPLICATE(CAST('a' AS varchar(max)), 1000000), 'a', REPLICATE('b', 1000))",
        "SELECT COUNT(*) FROM STRING_SPLIT(REPLICATE(CAST('a,' AS varchar(max)), 30000000), ',')",
        "SELECT FORMAT(1, REPLICATE(CAST('0' AS varchar(max)), 100000000))",
        "WITH c AS (SELECT CAST('x' AS varchar(max)) AS s, 1 AS n UNION ALL SELECT s + s, n + 1 FROM c WHERE n < 60) SELECT LEN(s) FROM c WHERE n = 60",
        "DECLARE @s varchar(max) = 'SELECT 1', @i int = 0 WHILE @i < 40 BEGIN SET @s = 'EXEC(''' + REPLACE(@s, '''', '''''') + ''')' SET @i += 1 IF LEN(@s) > 5000000 EXEC (@s) IF LEN(@s) > 5000000 BREAK END",
    ] {
        let told = tell(&mut session, text);
        assert!(!told.errors.is_empty(), "{text}");
        for (number, words) in &told.errors {
            assert!([8152, 8623, 701, 4199].contains(number), "{text}: {number} {words}");
        }
        works(&mut session, "SELECT 1");
    }
    let long = "SELECT N'".to_owned() + &"x".repeat(10_000_000) + "'";
    assert_eq!(refusal(&mut session, &long).0, 8623);
    let (list, most) = ("1,".repeat(20_000), "x".repeat(4_000_000));
    assert_eq!(works(&mut session, &format!("SELECT 1 WHERE 7 IN ({list}7)")), ["1|"]);
    assert_eq!(works(&mut session, &format!("SELECT LEN(N'{most}')")), ["4000000|"]);
}

#[test]
fn rows_that_would_fill_the_memory_are_refused() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let demo = demo(5);
    let mut session = session(&demo, "bpsrawdata");
    for text in [
        "SELECT REPLICATE(CAST('x' AS varchar(max)), 1000000) AS s INTO #big FROM Numbers a, Numbers b",
        "DECLARE @t TABLE (s varchar(max)) INSERT @t SELECT REPLICATE(CAST('x' AS varchar(max)), 1000000) FROM Numbers a, Numbers b",
        "SELECT REPLICATE(CAST('x' AS varchar(max)), 1000000) AS s FROM Numbers a, Numbers b ORDER BY NEWID()",
        "CREATE TABLE #t (s varchar(max)) INSERT #t EXEC ('SELECT REPLICATE(CAST(''x'' AS varchar(max)), 1000000) FROM Numbers')",
    ] {
        let told = tell(&mut session, text);
        assert_eq!(told.errors.first().map(|e| e.0), Some(701), "{text}: {:?}", told.errors);
        session.reset();
        assert_eq!(works(&mut session, "SELECT COUNT(*) FROM Numbers"), ["1000|"]);
    }
    let text = "BEGIN TRAN CREATE TABLE #k (a int) INSERT #k VALUES (1)
        BEGIN TRY SELECT REPLICATE(CAST('x' AS varchar(max)), 1000000) AS s INTO #big FROM Numbers a, Numbers b END TRY
        BEGIN CATCH SELECT ERROR_NUMBER() END CATCH
        SELECT COUNT(*) FROM #k COMMIT";
    assert_eq!(works(&mut session, text), ["701|", "1|"]);
}

#[test]
fn temporary_tables_are_counted() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let demo = demo(5);
    let mut session = session(&demo, "bpsrawdata");
    let made: String = (0..300).map(|i| format!("CREATE TABLE #x{i} (a int);")).collect();
    let told = tell(&mut session, &made);
    assert_eq!(told.errors.len(), 100);
    assert!(told.errors.iter().all(|(number, _)| *number == 701), "{:?}", told.errors[0]);
    session.reset();
    assert_eq!(refusal(&mut session, "SELECT * FROM #x0").0, 208);
    // Those of a scope that ended count no more.
    works(
        &mut session,
        "DECLARE @i int = 0 WHILE @i < 300 BEGIN EXEC ('CREATE TABLE #a (x int)') SET @i += 1 END",
    );
}
