//! Which result sets come, and what is counted.

use super::{ROWS, ask};
use crate::{Subject, Taken, run, text};
use database::{
    Dialect, Failure, Session, Terms,
    pick::{Pick, Sets},
};
use model::{Command, ExecutionMode};

fn picked(session: &mut dyn Session, words: &str, mode: ExecutionMode, sets: Sets) -> Taken {
    let mut pick = Pick::new(mode, sets, Taken::default());
    session.run(&Command { mode, ..text(words) }, &Terms::default(), &mut pick).unwrap();
    pick.finish().unwrap();
    pick.inner
}

/// A reader gets rows, a scalar the first value, a nonQuery none.
pub fn modes(subject: &Subject) {
    let mut session = subject.writing();
    let words = subject.words.many(3);
    let rows = picked(&mut *session, &words, ExecutionMode::Reader, Sets::One);
    assert_eq!(rows.rows(), [r#"{"N":1}"#, r#"{"N":2}"#, r#"{"N":3}"#], "{}", subject.name);
    let value = picked(&mut *session, &words, ExecutionMode::Scalar, Sets::One);
    assert_eq!(value.value(), 1, "{}", subject.name);
    let none = picked(&mut *session, &words, ExecutionMode::NonQuery, Sets::One);
    assert!(none.columns.is_empty() && none.sets.is_empty(), "{}", subject.name);
}

/// Every result set comes, each with its columns; one answer gets the first that has a row.
pub fn result_sets(subject: &Subject) {
    let Some(words) = subject.words.sets() else { return };
    let mut session = subject.writing();
    let (all, _) = run(&mut *session, &text(words)).unwrap();
    let names: Vec<_> = all.columns.iter().map(|set| set[0].name.as_str()).collect();
    assert_eq!(names, ["A", "B", "C"], "{}", subject.name);
    let sets: Vec<_> = all.sets.iter().map(|rows| rows.join(" ")).collect();
    assert_eq!(sets, ["", r#"{"B":2} {"B":3}"#, r#"{"C":"x"}"#], "{}", subject.name);
    let one = picked(&mut *session, words, ExecutionMode::Reader, Sets::One);
    assert_eq!(one.rows(), [r#"{"B":2}"#, r#"{"B":3}"#], "{}", subject.name);
    assert_eq!(picked(&mut *session, words, ExecutionMode::Scalar, Sets::One).value(), 2, "{}", subject.name);
}

/// No rows still have columns.
pub fn empty_sets(subject: &Subject) {
    let (taken, _) = run(&mut *subject.writing(), &text(subject.words.empty())).unwrap();
    let names: Vec<_> = taken.columns[0].iter().map(|column| column.name.as_str()).collect();
    assert_eq!((names.as_slice(), taken.rows().len()), (["A", "B"].as_slice(), 0), "{}", subject.name);
    assert!(taken.columns[0].iter().all(|column| !column.type_name.is_empty()), "{}", subject.name);
}

/// What is inserted, updated, deleted is counted; what is read is not.
pub fn rows_affected(subject: &Subject) {
    let mut session = subject.writing();
    let words = &subject.words;
    let mut affected = |words: &str| run(&mut *session, &text(words)).unwrap().1.rows_affected;
    let ids = ROWS + 100;
    for id in ids..ids + 3 {
        assert_eq!(affected(&words.insert(id)), Some(1), "{}", subject.name);
    }
    assert_eq!(affected(&words.update(ids, ids + 2)), Some(3), "{}", subject.name);
    assert_eq!(affected(&words.update(ids + 50, ids + 60)), Some(0), "{}", subject.name);
    assert!(affected(&words.count(ids)).is_none_or(|n| n == 0), "{}: rows that are read", subject.name);
    assert_eq!(ask(&mut *session, &words.count(ids)), 1, "{}: it stands", subject.name);
}

/// Errors keep their numbers, in the engine's own numbering, and the session goes on.
pub fn errors(subject: &Subject) {
    let mut session = subject.writing();
    for (words, number) in subject.words.errors() {
        let mut taken = Taken::default();
        match session.run(&text(words), &Terms::default(), &mut taken) {
            Err(Failure::Sql(error)) => {
                assert_eq!(error.number, number, "{}: {words}: {}", subject.name, error.message.reveal());
                assert!(!error.message.reveal().is_empty(), "{}: {words}", subject.name);
                assert_eq!(error.dialect, if number < 0 { Dialect::Fbsql } else { Dialect::Mssql });
            }
            other => panic!("{}: {words}: {other:?}", subject.name),
        }
        assert_eq!(
            ask(&mut *session, &subject.words.select(&[("A", "7")])),
            7,
            "{}: after {words}",
            subject.name
        );
    }
    let (last, _) = subject.words.errors().pop().unwrap();
    let mut taken = Taken::default();
    let _ = session.run(&text(last), &Terms::default(), &mut taken);
    assert!(!taken.rows().is_empty(), "{}: rows come before the error", subject.name);
}
