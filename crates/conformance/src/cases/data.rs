//! Values, as the database has them.

use crate::{Subject, Taken, run, text};
use database::{Session, Terms};

/// A name that comes twice and one that is missing are told as they are.
pub fn column_names(subject: &Subject) {
    let mut session = subject.writing();
    let (taken, _) = run(&mut *session, &text(&subject.words.select(&[("A", "1"), ("A", "2")]))).unwrap();
    assert_eq!(taken.rows(), [r#"{"A":1,"A_1":2}"#], "{}", subject.name);
    if subject.words.nameless_columns() {
        let (taken, _) = run(&mut *session, &text(&subject.words.select(&[("", "1"), ("B", "2")]))).unwrap();
        assert_eq!(taken.columns[0][0].name, "", "{}", subject.name);
        assert_eq!(taken.rows(), [r#"{"Column1":1,"B":2}"#], "{}", subject.name);
    }
}

/// NULL of every type is null.
pub fn nulls(subject: &Subject) {
    let mut session = subject.writing();
    for what in subject.words.nulls() {
        let words = subject.words.select(&[("V", what), ("W", "1")]);
        let (taken, _) = run(&mut *session, &text(&words)).unwrap();
        assert_eq!(taken.rows(), [r#"{"V":null,"W":1}"#], "{}: {what}", subject.name);
    }
}

/// Every type keeps its lowest, its highest, and every digit between.
pub fn ends(subject: &Subject) {
    let mut session = subject.writing();
    for (what, json) in subject.words.ends() {
        let words = subject.words.select(&[("V", what)]);
        match run(&mut *session, &text(&words)) {
            Ok((taken, _)) => {
                assert_eq!(taken.rows(), [format!("{{\"V\":{json}}}")], "{}: {what}", subject.name)
            }
            Err(failure) => panic!("{}: {what}: {failure:?}", subject.name),
        }
    }
}

/// Text keeps its spaces, quotes, accents and what lies beyond the sixteenth bit.
pub fn texts(subject: &Subject) {
    let mut session = subject.writing();
    for word in
        ["", "  both ends  ", "O'Brien \"x\" \\ / \u{1F600}", "Zoë Ωmega naïve", "line\nbreak\ttab", "日本語"]
    {
        let words = subject.words.select(&[("V", &subject.words.literal(word))]);
        let (taken, _) = run(&mut *session, &text(&words)).unwrap();
        assert_eq!(taken.value(), word, "{}: {word:?}", subject.name);
    }
}

/// A hundred thousand rows come whole and in order.
pub fn in_order(subject: &Subject) {
    let mut session = subject.writing();
    let (taken, _) = run(&mut *session, &text(&subject.words.many(100_000))).unwrap();
    let rows = taken.rows();
    assert_eq!(rows.len(), 100_000, "{}", subject.name);
    assert!(
        rows.iter().enumerate().all(|(i, row)| *row == format!("{{\"N\":{}}}", i + 1)),
        "{}",
        subject.name
    );
}

/// A value of 64 MB goes through in pieces, and is never held whole.
pub fn large_value(subject: &Subject) {
    let mut session = subject.writing();
    for (bytes, parts) in [(60_000, false), (64_000_000, true)] {
        let mut taken = Taken { count_only: true, ..Taken::default() };
        session.run(&text(&subject.words.long(bytes)), &Terms::default(), &mut taken).unwrap();
        if parts && taken.parts > 0 {
            assert_eq!(taken.bytes, bytes, "{}", subject.name);
            assert!(
                taken.largest_part <= 1024 * 1024,
                "{}: a piece of {} bytes",
                subject.name,
                taken.largest_part
            );
        } else {
            assert_eq!(taken.rows()[0].len(), bytes + r#"{"L":""}"#.len(), "{}", subject.name);
        }
    }
    streams(subject, &mut *session);
}

/// What is embedded holds its rows anyway; what comes over a wire must not.
fn streams(subject: &Subject, session: &mut dyn Session) {
    let mut taken = Taken { count_only: true, ..Taken::default() };
    session.run(&text(&subject.words.long(1_000_000)), &Terms::default(), &mut taken).unwrap();
    assert_eq!(taken.parts > 0, subject.name != "embedded", "{}: large values come in parts", subject.name);
}
