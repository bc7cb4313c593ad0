//! Who comes in, what is left behind, and what read-only keeps.

use super::{ROWS, ask};
use crate::{Subject, Taken, Written, run, text};
use database::{Failure, Login, Terms, Writes};
use model::Access;
use std::time::Duration;

/// The right login comes in; a wrong one hears the database's own number, an unknown catalogue is told as such.
pub fn log_in(subject: &Subject) {
    let mut session = subject.writing();
    session.ping().unwrap();
    let wrong = |user: &str, password: &str| Login { user: user.into(), password: password.into() };
    let user = subject.writer.user.reveal();
    for login in
        [wrong(user, "wrong"), wrong("nobody_at_all", subject.writer.password.reveal()), wrong(user, "")]
    {
        match subject.connect(&login, Access::ReadOnly) {
            Err(Failure::Sql(error)) => {
                assert_eq!(error.number, subject.words.login_failed(), "{}", subject.name);
                assert!(!error.message.reveal().is_empty(), "{}", subject.name);
            }
            other => panic!("{}: {:?}", subject.name, other.map(|_| "let in")),
        }
    }
    let unknown = subject.engine.connect(&subject.writer, "No such catalogue", Access::ReadOnly);
    assert_eq!(unknown.err(), Some(Failure::Catalogue), "{}", subject.name);
    let odd = subject.catalogue().to_uppercase();
    assert!(
        subject.engine.connect(&subject.writer, &odd, Access::ReadOnly).is_ok(),
        "{}: case does not matter",
        subject.name
    );
}

/// The server says what it is, and the logins' own grants say what they may do.
pub fn describe(subject: &Subject) {
    let writer = subject.writing().describe().unwrap();
    assert!(!writer.product.is_empty() && !writer.version.is_empty(), "{}: {writer:?}", subject.name);
    assert_eq!(writer.rights.writes, Writes::Yes, "{}: {writer:?}", subject.name);
    assert!(writer.rights.grants.len() <= 100, "{}", subject.name);
    if let Some(reader) = &subject.reader {
        let reader = subject.connect(reader, Access::ReadOnly).unwrap().describe().unwrap();
        assert_eq!(reader.rights.writes, Writes::No, "{}: {reader:?}", subject.name);
    }
}

/// A command runs in the catalogue it names.
pub fn catalogues(subject: &Subject) {
    let mut seen = Vec::new();
    for catalogue in subject.engine.catalogues() {
        let mut session = subject.engine.connect(&subject.writer, &catalogue.name, Access::ReadOnly).unwrap();
        seen.push(ask(&mut *session, subject.words.which_catalogue()).to_string());
    }
    let count = seen.len();
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), count, "{}: {seen:?}", subject.name);
}

/// Nothing that a reset clears is seen after it.
pub fn reset(subject: &Subject) {
    for left in subject.words.left() {
        let mut session = subject.writing();
        // It may fail: what it did before it failed must not be seen either.
        let _ = session.run(&text(&left.leave), &Terms::default(), &mut Taken::default());
        if session.reset().is_err() {
            // Then nobody else gets it.
            session = subject.writing();
        }
        assert_eq!(ask(&mut *session, &left.look), left.clean, "{}: {}", subject.name, left.what);
    }
}

/// Under enforced read-only nothing is written; what got out nevertheless is told, and never called harmless.
pub fn read_only(subject: &Subject) {
    let count = subject.words.writes(0).len() as i64;
    for at in 0..count {
        let id = ROWS + 1_000 + at;
        let write = subject.words.writes(id).into_iter().nth(at as usize).unwrap();
        let terms = Terms { lock_wait: Some(Duration::from_secs(5)), gives_way: true };
        let ended = subject.reading().run(&write.command, &terms, &mut Taken::default());
        let stands = ask(&mut *subject.writing(), &subject.words.count(id)) == 1;
        let escaped = matches!(ended, Err(Failure::Escaped(_)));
        let name = subject.name;
        match write.under_read_only {
            Written::Never => {
                assert!(!stands, "{name}: {} was written, and what was said: {ended:?}", write.what);
                assert!(!escaped, "{name}: {} is told to have got out: {ended:?}", write.what);
            }
            Written::EscapesAndIsTold => {
                assert!(escaped, "{name}: {}: {ended:?}, and the row stands: {stands}", write.what);
            }
        }
        assert!(!stands || escaped, "{name}: {}: {ended:?}", write.what);
    }
}

/// Reading is what it is for: rows, procedures that read, errors come as they do elsewhere.
pub fn read_only_reads(subject: &Subject) {
    let mut session = subject.reading();
    for _ in 0..3 {
        let (taken, _) = run(&mut *session, &text(&subject.words.many(10))).unwrap();
        assert_eq!(taken.rows().len(), 10, "{}", subject.name);
        session.reset().or_else(|_| subject.reading().ping()).unwrap();
    }
    let mut session = subject.reading();
    for (words, number) in subject.words.errors() {
        match run(&mut *session, &text(words)) {
            Err(Failure::Sql(error)) => {
                // A write that would fail is refused as a write by engines that refuse writes.
                assert!(error.number == number || words.starts_with("INSERT"), "{}: {words}", subject.name);
            }
            other => panic!("{}: {words}: {:?}", subject.name, other.map(|_| "no error")),
        }
    }
}

/// Whoever may wait for a lock only so long is told the database's own number when it was longer.
pub fn lock_wait(subject: &Subject) {
    let id = ROWS + 500;
    let (Some(number), Some(hold)) = (subject.words.lock_timeout(), subject.words.hold_lock(id)) else {
        return;
    };
    run(&mut *subject.writing(), &text(&subject.words.insert(id))).unwrap();
    let mut holder = subject.writing();
    let holding = std::thread::spawn(move || {
        let _ = run(&mut *holder, &text(&hold));
    });
    // Until it holds the lock.
    let mut session = subject.reading();
    let terms = Terms { lock_wait: Some(Duration::from_millis(300)), gives_way: true };
    let mut told = None;
    for _ in 0..200 {
        match session.run(&text(&subject.words.update(id, id)), &terms, &mut Taken::default()) {
            Err(Failure::Sql(error)) => {
                told = Some(error.number);
                break;
            }
            Ok(_) => std::thread::yield_now(),
            Err(other) => panic!("{}: {other:?}", subject.name),
        }
    }
    assert_eq!(told, Some(number), "{}", subject.name);
    holding.join().unwrap();
}
