//! A pool gives a session to one user after the other: nothing of the first is seen by the second.

use super::common::{Taken, number, rows, run, site, text};
use database::{Session, Terms};
use std::time::Duration;

#[test]
fn nothing_of_one_user_is_seen_by_the_next() {
    let site = site();
    let mut session = site.writer();
    let mut other = site.writer();
    for _ in 0..3 {
        // The first: whatever it can leave behind.
        run(&mut *session, &text("CREATE TABLE #mine (a int); INSERT INTO #mine VALUES (1)")).unwrap();
        run(&mut *session, &text("SET LOCK_TIMEOUT 77; SET NOCOUNT ON; SET CONTEXT_INFO 0x1234")).unwrap();
        run(&mut *session, &text("USE BPSDrugs")).unwrap();
        let _ = run(
            &mut *session,
            &text("BEGIN TRAN; UPDATE PATIENTS SET SURNAME = 'OPEN' WHERE INTERNALID = 1"),
        );
        session.reset().unwrap();
        // The second.
        assert_eq!(number(run(&mut *session, &text("SELECT a FROM #mine"))), 208);
        assert_eq!(
            rows(&mut *session, "SELECT @@TRANCOUNT AS t, @@LOCK_TIMEOUT AS l, DB_NAME() AS d"),
            [r#"{"t":0,"l":-1,"d":"BPSPatients"}"#]
        );
        let seen = "SELECT COUNT(*) AS n FROM PATIENTS WHERE SURNAME = 'OPEN'";
        assert_eq!(rows(&mut *other, seen), [r#"{"n":0}"#]);
    }
}

#[test]
fn a_transaction_left_open_holds_no_lock_after_its_command() {
    let site = site();
    let (mut session, mut other) = (site.writer(), site.writer());
    let open = "BEGIN TRAN; UPDATE PATIENTS SET SURNAME = 'OPEN' WHERE INTERNALID = 1";
    // SQL Server says so, as sp_executesql ends with one transaction more than it began with.
    assert_eq!(number(run(&mut *session, &text(open))), 266);
    // No reset yet, and the session stays open: nobody waits for it.
    let terms = Terms { lock_wait: Some(Duration::ZERO), gives_way: false };
    let update = text("UPDATE PATIENTS SET SURNAME = 'FREE' WHERE INTERNALID = 1");
    other.run(&update, &terms, &mut Taken::default()).unwrap();
    assert_eq!(rows(&mut *session, "SELECT @@TRANCOUNT AS t"), [r#"{"t":0}"#]);
    // A cancelled one neither.
    let canceller = session.canceller();
    let asked = std::thread::spawn(move || {
        let (_keep, never) = std::sync::mpsc::channel::<()>();
        let _ = never.recv_timeout(Duration::from_millis(200));
        canceller.cancel();
    });
    let ended = run(&mut *session, &text(&format!("{open}; WAITFOR DELAY '01:00:00'")));
    asked.join().unwrap();
    assert_eq!(ended.map(|_| ()), Err(database::Failure::Cancelled));
    other.run(&update, &terms, &mut Taken::default()).unwrap();
}

#[test]
fn a_reset_rides_on_a_ping_too_and_many_in_a_row_are_one() {
    let site = site();
    let mut session = site.writer();
    for _ in 0..3 {
        session.reset().unwrap();
    }
    session.ping().unwrap();
    session.reset().unwrap();
    assert_eq!(rows(&mut *session, "SELECT 1 AS a"), [r#"{"a":1}"#]);
}

fn timeout(session: &mut dyn Session, terms: Terms) -> String {
    let mut taken = Taken::default();
    session.run(&text("SELECT @@LOCK_TIMEOUT AS l"), &terms, &mut taken).unwrap();
    taken.told.remove(1)
}

#[test]
fn terms_hold_for_their_command_and_not_for_the_next() {
    let site = site();
    let gentle = Terms { lock_wait: Some(Duration::from_millis(1500)), gives_way: true };
    for mut session in [site.writer(), site.reader()] {
        assert_eq!(timeout(&mut *session, Terms::default()), r#"{"l":-1}"#);
        assert_eq!(timeout(&mut *session, gentle), r#"{"l":1500}"#);
        assert_eq!(timeout(&mut *session, gentle), r#"{"l":1500}"#);
        assert_eq!(timeout(&mut *session, Terms::default()), r#"{"l":-1}"#);
        assert_eq!(timeout(&mut *session, gentle), r#"{"l":1500}"#);
        session.reset().unwrap();
        assert_eq!(timeout(&mut *session, Terms::default()), r#"{"l":-1}"#);
        session.reset().unwrap();
        assert_eq!(timeout(&mut *session, gentle), r#"{"l":1500}"#);
    }
}

#[test]
fn a_cancel_meets_what_comes_before_the_command_too_and_the_terms_are_told_again() {
    let site = site();
    let (mut holder, mut reader) = (site.writer(), site.reader());
    let (release, canceller) = (holder.canceller(), reader.canceller());
    let holds = std::thread::spawn(move || {
        let hold =
            "BEGIN TRAN; UPDATE PATIENTS SET SURNAME = 'HELD' WHERE INTERNALID = 1; WAITFOR DELAY '01:00:00'";
        run(&mut *holder, &text(hold)).map(|_| ())
    });
    let terms = Terms { lock_wait: Some(Duration::from_secs(3600)), gives_way: true };
    // Here a transaction takes its turn when it begins: as soon as the holder has its own, this one waits.
    let asks = std::thread::spawn(move || {
        let (_keep, never) = std::sync::mpsc::channel::<()>();
        let _ = never.recv_timeout(Duration::from_millis(700));
        canceller.cancel();
    });
    let ended =
        (0..1_000_000).find_map(|_| reader.run(&text("SELECT 1 AS a"), &terms, &mut Taken::default()).err());
    assert_eq!(ended, Some(database::Failure::Cancelled));
    asks.join().unwrap();
    release.cancel();
    assert_eq!(holds.join().unwrap(), Err(database::Failure::Cancelled));
    assert_eq!(timeout(&mut *reader, terms), r#"{"l":3600000}"#);
    assert_eq!(timeout(&mut *reader, Terms::default()), r#"{"l":-1}"#);
}

#[test]
fn a_lock_that_somebody_holds_is_waited_for_as_long_as_the_terms_say() {
    let site = site();
    let (mut holder, mut waiter) = (site.writer(), site.writer());
    let (held, go) = std::sync::mpsc::channel::<()>();
    let canceller = holder.canceller();
    let holds = std::thread::spawn(move || {
        held.send(()).unwrap();
        let hold = "BEGIN TRAN; UPDATE PATIENTS SET SURNAME = 'HELD' WHERE INTERNALID = 1; WAITFOR DELAY '01:00:00'; ROLLBACK";
        run(&mut *holder, &text(hold)).map(|_| ())
    });
    go.recv().unwrap();
    let terms = Terms { lock_wait: Some(Duration::from_millis(50)), gives_way: false };
    let update = text("UPDATE PATIENTS SET SURNAME = 'WAITED' WHERE INTERNALID = 1");
    // Until the holder has its lock this succeeds.
    let refused = (0..1000).find_map(|_| waiter.run(&update, &terms, &mut Taken::default()).err());
    assert_eq!(number(refused.map_or(Ok(()), Err)), 1222);
    canceller.cancel();
    assert_eq!(holds.join().unwrap(), Err(database::Failure::Cancelled));
}
