//! Cancelling and being left: nobody ever gets another command's answer.

use super::{
    common::{ENDLESS, Site, Taken, rows, run, site, site_with, text},
    proxy::Proxy,
};
use database::{Column, Failure, Part, Session, Sink, Stopped, Terms, Value, Wanted};
use rand::{Rng, SeedableRng, rngs::StdRng};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, atomic::Ordering},
    time::Duration,
};
use tds::{Options, Tls};

/// Calls `what` after a while, on another thread.
fn after(wait: Duration, what: impl FnOnce() + Send + 'static) -> std::thread::JoinHandle<()> {
    std::thread::spawn(move || {
        let (_keep, never) = std::sync::mpsc::channel::<()>();
        let _ = never.recv_timeout(wait);
        what();
    })
}

fn cancel_after(session: &dyn Session, wait: Duration) -> std::thread::JoinHandle<()> {
    let canceller = session.canceller();
    after(wait, move || canceller.cancel())
}

/// The next command's answer is its own, or there is none.
fn own_or_lost(session: &mut dyn Session) {
    match run(session, &text("SELECT 'mine' AS a")) {
        Ok((told, _)) => assert_eq!(told, ["a", r#"{"a":"mine"}"#]),
        Err(failure) => assert_eq!(failure, Failure::Lost),
    }
}

#[test]
fn what_runs_is_cancelled_whether_it_sends_rows_or_nothing() {
    let site = site();
    let mut session = site.writer();
    for statement in ["EXEC DEMO_Wait @seconds = 3600", ENDLESS, "WAITFOR DELAY '01:00:00'", ENDLESS] {
        let asked = cancel_after(&*session, Duration::from_millis(100));
        assert_eq!(run(&mut *session, &text(statement)).map(|_| ()), Err(Failure::Cancelled), "{statement}");
        asked.join().unwrap();
        assert_eq!(rows(&mut *session, "SELECT 1 AS a"), [r#"{"a":1}"#]);
    }
}

#[test]
fn a_cancel_before_a_command_means_the_next_one_alone() {
    let site = site();
    let mut session = site.writer();
    session.canceller().cancel();
    assert_eq!(run(&mut *session, &text("SELECT 1 AS a")).map(|_| ()), Err(Failure::Cancelled));
    assert_eq!(rows(&mut *session, "SELECT 2 AS a"), [r#"{"a":2}"#]);
}

#[test]
fn a_sink_that_leaves_cancels_and_the_next_command_never_sees_old_rows() {
    let site = site();
    let mut session = site.writer();
    for leaves in [1, 2, 777] {
        let mut taken = Taken { leaves: Some(leaves), ..Taken::default() };
        let ended = session.run(&text(ENDLESS), &Terms::default(), &mut taken);
        assert_eq!(ended.map(|_| ()), Err(Failure::Cancelled));
        own_or_lost(&mut *session);
    }
    // In the middle of a large value.
    struct Leaves;
    impl Sink for Leaves {
        fn columns(&mut self, _: &[Column]) -> Result<Wanted, Stopped> {
            Ok(Wanted::Rows)
        }
        fn row(&mut self, _: &[Value<'_>]) -> Result<Wanted, Stopped> {
            Ok(Wanted::Rows)
        }
        fn part(&mut self, part: Part<'_>) -> Result<Wanted, Stopped> {
            if matches!(part, Part::Text(_)) { Err(Stopped) } else { Ok(Wanted::Rows) }
        }
    }
    let large =
        text("SELECT 1 AS a, REPLICATE(CAST('x' AS varchar(max)), 5000000) AS b, 2 AS c; SELECT 3 AS d");
    let ended = session.run(&large, &Terms::default(), &mut Leaves);
    assert_eq!(ended.map(|_| ()), Err(Failure::Cancelled));
    own_or_lost(&mut *session);
}

#[test]
fn after_a_sink_that_panics_the_connection_is_lost_for_everyone() {
    struct Panics;
    impl Sink for Panics {
        fn columns(&mut self, _: &[Column]) -> Result<Wanted, Stopped> {
            Ok(Wanted::Rows)
        }
        fn row(&mut self, _: &[Value<'_>]) -> Result<Wanted, Stopped> {
            panic!("the sink's own trouble")
        }
        fn part(&mut self, _: Part<'_>) -> Result<Wanted, Stopped> {
            Ok(Wanted::Rows)
        }
    }
    let site = site();
    for mut session in [site.writer(), site.reader()] {
        let ran = catch_unwind(AssertUnwindSafe(|| {
            let _ = session.run(&text(ENDLESS), &Terms::default(), &mut Panics);
        }));
        assert!(ran.is_err());
        for _ in 0..2 {
            assert_eq!(run(&mut *session, &text("SELECT 1 AS a")).map(|_| ()), Err(Failure::Lost));
        }
        assert_eq!(session.ping(), Err(Failure::Lost));
        assert_eq!(session.reset(), Err(Failure::Lost));
        assert!(session.describe().is_err());
    }
}

#[test]
fn two_hundred_racing_cancels_never_mix_answers_up() {
    let site = site();
    let seed = 20_260_203;
    let mut chance = StdRng::seed_from_u64(seed);
    let mut session = site.writer();
    let (mut cancelled, mut ran) = (0, 0);
    for n in 0..200 {
        let asked = cancel_after(&*session, Duration::from_micros(chance.random_range(0..6000)));
        let many = chance.random_range(1..1000);
        let statement = format!("SELECT TOP {many} {n} AS n, N AS i FROM Numbers ORDER BY N");
        let ended = run(&mut *session, &text(&statement));
        asked.join().unwrap();
        match ended {
            Ok((told, _)) => {
                ran += 1;
                assert_eq!(told.len(), many + 1);
                assert!(
                    told[1..].iter().all(|row| row.starts_with(&format!("{{\"n\":{n},"))),
                    "seed {seed}, {n}"
                );
            }
            Err(Failure::Cancelled) => cancelled += 1,
            Err(other) => panic!("seed {seed}, {n}: {other:?}"),
        }
        // A cancel that came late means this one; if it runs, its answer is its own.
        match run(&mut *session, &text(&format!("SELECT {n} AS mine"))) {
            Ok((told, _)) => assert_eq!(told, ["mine".to_owned(), format!("{{\"mine\":{n}}}")]),
            Err(Failure::Cancelled) => {}
            Err(other) => panic!("seed {seed}, {n}: {other:?}"),
        }
        if n % 10 == 0 {
            session = site.writer();
        }
    }
    assert!(cancelled > 0 && ran > 0, "seed {seed}: {cancelled} cancelled, {ran} ran");
}

fn behind_proxy() -> (Site, Proxy, Box<dyn Session>) {
    let site = site_with(Options { tls: Tls::Never, ..Options::default() });
    let proxy = Proxy::new(site.port);
    let engine = site.engine_at(proxy.port, "encrypt = 'login-only'");
    let login = super::common::login(super::common::WRITER);
    let session = engine.connect(&login, "Patients", model::Access::ReadWrite).unwrap();
    (site, proxy, session)
}

#[test]
fn a_server_that_does_not_acknowledge_a_cancel_loses_the_connection() {
    let (_site, proxy, mut session) = behind_proxy();
    proxy.deaf.store(true, Ordering::SeqCst);
    let asked = cancel_after(&*session, Duration::from_millis(100));
    let ended = run(&mut *session, &text("EXEC DEMO_Wait @seconds = 60"));
    asked.join().unwrap();
    assert_eq!(ended.map(|_| ()), Err(Failure::Cancelled));
    assert_eq!(run(&mut *session, &text("SELECT 1 AS a")).map(|_| ()), Err(Failure::Lost));
}

#[test]
fn a_line_that_is_cut_is_lost_and_no_new_one_is_dialled_in_silence() {
    let (_site, proxy, mut session) = behind_proxy();
    assert_eq!(rows(&mut *session, "SELECT 1 AS a"), [r#"{"a":1}"#]);
    let proxy = Arc::new(proxy);
    let cutter = Arc::clone(&proxy);
    let cut = after(Duration::from_millis(100), move || cutter.cut());
    let ended = run(&mut *session, &text("EXEC DEMO_Wait @seconds = 60"));
    cut.join().unwrap();
    assert_eq!(ended.map(|_| ()), Err(Failure::Lost));
    assert_eq!(run(&mut *session, &text("SELECT 1 AS a")).map(|_| ()), Err(Failure::Lost));
    let (_site, proxy, mut session) = behind_proxy();
    proxy.cut();
    assert_eq!(session.ping(), Err(Failure::Lost));
}
