//! Batches that mean harm: endless ones, recursion without an end, and a reader's writes.
#![allow(clippy::unwrap_used, reason = "in a test a failure is a panic")]

mod common;
mod told;

use common::{demo, login};
use database::Cancel;
use model::{Access, Clock, SystemClock};
use practice::events::Broken;
use std::{sync::Arc, sync::mpsc, time::Duration};
use told::{Told, session, tell, works};

/// Cancels after that long, unless told before that the batch has ended; gives back when it asked.
fn later(
    stop: Arc<dyn Cancel>,
    after: Duration,
) -> (mpsc::Sender<()>, std::thread::JoinHandle<Option<Duration>>) {
    let (ended, waiting) = mpsc::channel();
    let thread = std::thread::spawn(move || {
        if waiting.recv_timeout(after).is_ok() {
            return None;
        }
        let asked = SystemClock.monotonic();
        stop.cancel();
        Some(asked)
    });
    (ended, thread)
}

#[test]
fn what_never_ends_is_cancelled_within_a_second_and_the_session_goes_on() {
    let demo = demo(5);
    let mut session = session(&demo, "bpsrawdata");
    for text in [
        "WHILE 1 = 1 BEGIN DECLARE @x int = 1 END",
        "WHILE 1 = 1 PRINT 'x'",
        "WHILE 1 = 1 BEGIN TRY RAISERROR('no', 16, 1) END TRY BEGIN CATCH END CATCH",
        "WHILE 1 = 1 EXEC sp_executesql N'DECLARE @a int = 1'",
        "WHILE 1 = 1 BEGIN CREATE TABLE #t (a int) DROP TABLE #t END",
        "BEGIN TRY WAITFOR DELAY '1:0:0' END TRY BEGIN CATCH PRINT 'caught' END CATCH",
        "WITH c AS (SELECT 1 AS n UNION ALL SELECT n FROM c) SELECT COUNT(*) AS n FROM c OPTION (MAXRECURSION 0)",
        "WITH c AS (SELECT 1 AS n UNION ALL SELECT n FROM c) SELECT n FROM c OPTION (MAXRECURSION 0)",
        "SELECT COUNT(*) FROM Numbers a, Numbers b, Numbers c WHERE a.N + b.N + c.N = -1",
        "SELECT a.N FROM Numbers a, Numbers b, Numbers c",
        "SELECT (SELECT ',' + CAST(a.N AS varchar(9)) FROM Numbers a, Numbers b, Numbers c WHERE a.N + b.N + c.N = -1 FOR XML PATH(''))",
        "SELECT a.N, x.n FROM Numbers a CROSS APPLY (SELECT COUNT(*) AS n FROM Numbers b, Numbers c WHERE b.N < a.N) x",
        "DECLARE @n int SELECT @n = a.N FROM Numbers a, Numbers b, Numbers c",
        "IF EXISTS (SELECT 1 FROM Numbers a, Numbers b, Numbers c WHERE a.N + b.N + c.N = -1) PRINT 'x'",
        "INSERT INTO Numbers (N) SELECT a.N + 1000 * b.N + 1000000 * c.N + 1000 FROM Numbers a, Numbers b, Numbers c",
        "UPDATE Numbers SET N = -N WHERE (SELECT COUNT(*) FROM Numbers a, Numbers b WHERE a.N + b.N = Numbers.N - 1) < 0",
        "DELETE FROM Numbers WHERE NOT EXISTS (SELECT 1 FROM Numbers a, Numbers b WHERE a.N + b.N = Numbers.N + 5000)",
    ] {
        let (ended, thread) = later(session.stopper(), Duration::from_millis(80));
        let done = session.batch(text, &mut Told::default());
        let now = SystemClock.monotonic();
        let _ = ended.send(());
        let asked = thread.join().unwrap();
        assert_eq!(done, Err(Broken::Cancelled), "{text}");
        let took = now.saturating_sub(asked.unwrap_or(now));
        assert!(took < Duration::from_secs(1), "{text}: {took:?}");
        let rows = works(&mut session, "SELECT COUNT(*), MIN(N), MAX(N), @@TRANCOUNT FROM Numbers");
        assert_eq!(rows, ["1000|0|999|0|"], "after {text}");
    }
}

#[test]
fn a_transaction_that_was_cut_short_can_be_rolled_back() {
    let demo = demo(5);
    let mut session = session(&demo, "bpsrawdata");
    let (ended, thread) = later(session.stopper(), Duration::from_millis(80));
    let text = "BEGIN TRAN DELETE FROM Numbers WHERE N > 5 WHILE 1 = 1 UPDATE Numbers SET N = N";
    assert_eq!(session.batch(text, &mut Told::default()), Err(Broken::Cancelled));
    let _ = ended.send(());
    thread.join().unwrap();
    works(&mut session, "IF @@TRANCOUNT > 0 ROLLBACK");
    assert_eq!(works(&mut session, "SELECT COUNT(*), @@TRANCOUNT FROM Numbers"), ["1000|0|"]);
}

#[test]
fn recursion_has_an_end() {
    let demo = demo(5);
    let mut session = session(&demo, "bpsrawdata");
    for text in [
        "WITH c AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM c) SELECT n FROM c",
        "WITH c AS (SELECT 1 AS n UNION ALL SELECT n FROM c) SELECT COUNT(*) AS n FROM c OPTION (MAXRECURSION 20)",
    ] {
        assert_eq!(tell(&mut session, text).errors[0].0, 530, "{text}");
    }
    for text in [
        "DECLARE @s nvarchar(max) = N'EXEC sp_executesql @s, N''@s nvarchar(max)'', @s = @s' EXEC sp_executesql @s, N'@s nvarchar(max)', @s = @s",
        "DECLARE @s nvarchar(max) = N'BEGIN TRY EXEC sp_executesql @s, N''@s nvarchar(max)'', @s END TRY BEGIN CATCH THROW END CATCH' EXEC sp_executesql @s, N'@s nvarchar(max)', @s",
        "CREATE TABLE #s (s nvarchar(max)) INSERT #s VALUES (N'DECLARE @s nvarchar(max) SELECT @s = s FROM #s EXEC (@s)') DECLARE @s nvarchar(max) SELECT @s = s FROM #s EXEC (@s)",
    ] {
        let told = tell(&mut session, text);
        assert_eq!(told.errors[0].0, 217, "{text}: {:?}", told.errors);
        session.reset();
    }
    assert_eq!(works(&mut session, "SELECT @@NESTLEVEL"), ["0|"]);
}

#[test]
fn a_reader_writes_nothing_whatever_the_way() {
    let demo = demo(5);
    let files = || {
        let path = demo.folder.path().join("practice.db");
        (std::fs::read(&path).unwrap(), std::fs::read(path.with_extension("drugs")).unwrap())
    };
    let before = files();
    let mut viewer = session(&demo, "BPSVIEWER");
    let limited = demo.engine.log_in(&login("bpsrawdata"), None, Access::ReadOnly).unwrap();
    for (who, session) in [("login", &mut viewer), ("access", &mut { limited })] {
        for text in [
            "INSERT INTO Numbers (N) VALUES (5000)",
            "INSERT INTO dbo.Numbers SELECT N + 5000 FROM Numbers",
            "UPDATE PATIENTS SET SURNAME = 'x'",
            "UPDATE p SET SURNAME = 'x' FROM PATIENTS p JOIN Numbers n ON n.N = p.INTERNALID",
            "WITH c AS (SELECT * FROM PATIENTS) DELETE FROM PATIENTS WHERE INTERNALID IN (SELECT INTERNALID FROM c)",
            "DELETE FROM BPSDrugs.dbo.VACCINES",
            "DELETE PATIENTS OUTPUT deleted.INTERNALID",
            "EXEC ('DELETE FROM PATIENTS')",
            "EXEC sp_executesql N'UPDATE PATIENTS SET SURNAME = @a', N'@a varchar(5)', @a = 'x'",
            "BEGIN TRAN DELETE FROM PATIENTS COMMIT",
            "SET XACT_ABORT OFF BEGIN TRAN; SAVE TRAN s; DELETE FROM Numbers; ROLLBACK TRAN s; COMMIT",
            "CREATE TABLE #t (id int) INSERT #t VALUES (1) DELETE p FROM PATIENTS p JOIN #t t ON t.id = p.INTERNALID",
            "INSERT INTO Numbers (N) EXEC ('SELECT 5000')",
            "DECLARE @t TABLE (id int) INSERT INTO Numbers (N) OUTPUT inserted.N INTO @t VALUES (5000)",
            "EXEC BP_AddAppointment '20270601', 30000, 900, 1, 2",
            "USE BPSDrugs DELETE FROM VACCINES",
            "IF 1 = 1 BEGIN WHILE 1 = 1 BEGIN DELETE FROM Numbers BREAK END END",
            "BEGIN TRY DELETE FROM Numbers END TRY BEGIN CATCH THROW END CATCH",
        ] {
            let told = tell(session, text);
            assert!(told.errors.iter().any(|(number, _)| *number == 229), "{who} {text}: {:?}", told.errors);
            session.reset();
        }
        // Temporary tables are a reader's own.
        let rows = works(
            session,
            "CREATE TABLE #t (id int) INSERT #t SELECT N FROM Numbers BEGIN TRAN DELETE FROM #t WHERE id > 2 COMMIT SELECT COUNT(*) FROM #t",
        );
        assert_eq!(rows, ["3|"]);
        assert_eq!(works(session, "SELECT COUNT(*) FROM Numbers"), ["1000|"]);
    }
    drop(viewer);
    assert!(files() == before);
}

#[test]
fn the_body_of_what_may_not_be_made_does_not_run() {
    let demo = demo(5);
    let mut session = session(&demo, "bpsrawdata");
    for text in [
        "CREATE PROCEDURE p AS DELETE FROM Numbers",
        "CREATE OR ALTER PROC dbo.p @a int = 1, @b int OUTPUT AS BEGIN SET NOCOUNT ON; DELETE FROM Numbers; SELECT 1 END",
        "ALTER PROCEDURE p WITH RECOMPILE AS UPDATE Numbers SET N = N + 5000",
        "CREATE VIEW v AS SELECT 1 AS a",
        "CREATE FUNCTION f (@a int) RETURNS int AS BEGIN RETURN @a END",
        "CREATE TRIGGER t ON PATIENTS AFTER INSERT AS DELETE FROM Numbers",
        "CREATE PROCEDURE p AS\nDELETE FROM Numbers\nEXEC p\nDELETE FROM Numbers",
    ] {
        let told = tell(&mut session, text);
        let numbers: Vec<i32> = told.errors.iter().map(|(number, _)| *number).collect();
        let wanted = if text.starts_with("ALTER") { 15151 } else { 262 };
        assert_eq!((numbers, told.rows.len()), (vec![wanted], 0), "{text}");
        assert_eq!(works(&mut session, "SELECT COUNT(*), MAX(N) FROM Numbers"), ["1000|999|"], "{text}");
    }
}
