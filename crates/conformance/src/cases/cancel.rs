//! Ends before their time: whoever comes next gets its own answer, or is told that the session is lost.

use super::right_or_lost;
use crate::{Subject, Taken, run, text};
use database::{Failure, Session, Terms};
use rand::{Rng, SeedableRng, rngs::StdRng};
use std::{sync::mpsc, thread, time::Duration};

/// Longer than any of this takes: only a hang meets it.
const HANG: Duration = Duration::from_secs(60);

fn later(session: &dyn Session, wait: Duration) -> thread::JoinHandle<()> {
    let canceller = session.canceller();
    thread::spawn(move || {
        // A channel that nobody sends on is how a thread waits.
        let (_keep, nothing) = mpsc::channel::<()>();
        let _ = nothing.recv_timeout(wait);
        canceller.cancel();
    })
}

/// Runs on a thread, so that a hang is a failure and not a hang.
fn within(name: &str, work: impl FnOnce() + Send + 'static) {
    let (tell, told) = mpsc::channel();
    let thread = thread::spawn(move || {
        work();
        let _ = tell.send(());
    });
    match told.recv_timeout(HANG) {
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("{name}: it hangs"),
        _ => thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
    }
}

/// A command that gives rows, and one that gives nothing, end when they are told to.
pub fn cancel_running(subject: &Subject) {
    for words in [subject.words.endless(), subject.words.silent()] {
        let mut session = subject.writing();
        within(subject.name, move || {
            let asking = later(&*session, Duration::from_millis(200));
            let mut counted = Taken { count_only: true, ..Taken::default() };
            let ended = session.run(&text(words), &Terms::default(), &mut counted);
            asking.join().unwrap();
            assert_eq!(ended, Err(Failure::Cancelled), "{words}");
        });
    }
}

/// Asked before a command has begun, the cancel is that command's, and no other's.
pub fn cancel_early(subject: &Subject) {
    let mut session = subject.writing();
    session.canceller().cancel();
    let words = subject.words.select(&[("A", "7")]);
    assert_eq!(run(&mut *session, &text(&words)).err(), Some(Failure::Cancelled), "{}", subject.name);
    right_or_lost(subject, &mut *session);
}

/// Two hundred cancels at any moment: each answer is whole and its own.
pub fn cancel_racing(subject: &Subject) {
    const SEED: u64 = 20_261_126;
    let mut random = StdRng::seed_from_u64(SEED);
    let mut session = subject.writing();
    let (mut whole, mut cancelled) = (0, 0);
    for turn in 0..200u32 {
        let rows = random.random_range(1..3_000);
        let asking = later(&*session, Duration::from_micros(random.random_range(0..4_000)));
        let ended = run(&mut *session, &text(&subject.words.many(rows)));
        asking.join().unwrap();
        match ended {
            Ok((taken, _)) => {
                whole += 1;
                assert_eq!(taken.rows().len(), rows as usize, "{}: seed {SEED}, turn {turn}", subject.name);
            }
            Err(Failure::Cancelled) => cancelled += 1,
            Err(other) => panic!("{}: seed {SEED}, turn {turn}: {other:?}", subject.name),
        }
        // As Link does it: a session that somebody tried to cancel serves nobody else. Now and then it is tried all the same.
        if turn % 4 == 0 {
            match run(&mut *session, &text(&subject.words.select(&[("A", &turn.to_string())]))) {
                Ok((taken, _)) => assert_eq!(taken.value(), turn, "{}: seed {SEED}", subject.name),
                Err(failure) => assert!(
                    matches!(failure, Failure::Cancelled | Failure::Lost),
                    "{}: seed {SEED}, turn {turn}: {failure:?}",
                    subject.name
                ),
            }
        }
        session = subject.writing();
    }
    assert!(
        whole + cancelled == 200 && cancelled > 0,
        "{}: {whole} whole, {cancelled} cancelled",
        subject.name
    );
}

/// A reader that leaves ends the command; the next one's rows are its own.
pub fn sink_leaves(subject: &Subject) {
    for after in [1, 10, 1_000] {
        let mut session = subject.writing();
        let mut taken = Taken { leave_after: Some(after), ..Taken::default() };
        let ended = session.run(&text(subject.words.endless()), &Terms::default(), &mut taken);
        assert_eq!(ended, Err(Failure::Cancelled), "{}", subject.name);
        assert_eq!(taken.rows().len(), after, "{}", subject.name);
        right_or_lost(subject, &mut *session);
    }
}

/// A reader that has enough of a result set lets the command run to its end.
pub fn enough(subject: &Subject) {
    let mut session = subject.writing();
    let mut taken = Taken { enough_after: Some(2), ..Taken::default() };
    session.run(&text(&subject.words.many(5_000)), &Terms::default(), &mut taken).unwrap();
    assert!(taken.rows().len() >= 2, "{}", subject.name);
    right_or_lost(subject, &mut *session);
}

/// Several sessions at once, each with its own rows.
pub fn together(subject: &Subject) {
    let sessions: Vec<_> = (0..6).map(|_| subject.writing()).collect();
    let words: Vec<_> = (0..6).map(|n| subject.words.many(1_000 + n)).collect();
    thread::scope(|scope| {
        for (mut session, words) in sessions.into_iter().zip(&words) {
            let rows = words.clone();
            scope.spawn(move || {
                for _ in 0..5 {
                    let (taken, _) = run(&mut *session, &text(&rows)).unwrap();
                    assert!(taken.rows().len() >= 1_000);
                }
            });
        }
    });
}
