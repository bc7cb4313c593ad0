use super::*;
use crate::testkit::{FakeEngine, PMS, Shared};
use std::sync::{Arc, atomic::Ordering};

fn engine() -> Arc<FakeEngine> {
    let engine = Arc::new(FakeEngine::default());
    engine.tell("1001", " Clinic ", "9.1");
    engine
}

fn asked(engine: &Arc<FakeEngine>) -> Result<Found, Trouble> {
    ask(&Shared(engine.clone()), &PmsFile::parse("test.toml", PMS).unwrap())
}

#[test]
fn each_fact_is_asked_by_itself_and_one_that_fails_leaves_the_others() {
    let engine = engine();
    engine.tells.lock().unwrap().remove("whose?");
    let found = asked(&engine).unwrap();
    assert_eq!((found.practice_name.as_deref(), found.pms_version.as_deref()), (Some("Clinic"), Some("9.1")));
    assert_eq!(found.pms_id, None);
    assert_eq!(found.untold, [("pms_id", "database error 208".to_owned())], "without the database's words");
    assert_eq!(engine.looks.load(Ordering::SeqCst), 1, "one connection for all");
}

#[test]
fn nothing_is_taken_from_a_database_of_other_software() {
    let engine = engine();
    engine.tells.lock().unwrap().insert("is it?", vec![]);
    assert_eq!(asked(&engine), Err(Trouble::NotDetected(None)));
    engine.tells.lock().unwrap().remove("is it?");
    let failed = asked(&engine).unwrap_err().to_string();
    assert!(failed.contains("208") && !failed.contains("canary"), "{failed}");
}

#[test]
fn a_database_that_is_away_or_has_no_login_for_link_is_told_apart() {
    let engine = engine();
    engine.down.store(true, Ordering::SeqCst);
    assert_eq!(asked(&engine), Err(Trouble::Unasked(Failure::Lost)));
    engine.tells.lock().unwrap().clear();
    assert_eq!(asked(&engine), Err(Trouble::NoLogin));
}

#[test]
fn empty_and_absent_answers_are_no_facts_and_the_first_row_counts() {
    let engine = engine();
    {
        let mut tells = engine.tells.lock().unwrap();
        tells.insert("whose?", vec![None, Some("2")]);
        tells.insert("its name?", vec![Some("  ")]);
        tells.insert("its version?", vec![]);
    }
    let found = asked(&engine).unwrap();
    assert_eq!((found.pms_id, found.practice_name, found.pms_version), (None, None, None));
    assert_eq!(found.untold.len(), 3);
}

#[test]
fn an_identifier_is_whole_or_refused_and_other_texts_are_cleaned_and_cut() {
    assert_eq!(fit("pms_id", " 1001 \n").unwrap(), "1001");
    assert!(fit("pms_id", "10\u{0}01").is_err() && fit("pms_id", "10\u{202e}01").is_err());
    assert!(
        fit("pms_id", &"1".repeat(ID_BYTES)).is_ok() && fit("pms_id", &"1".repeat(ID_BYTES + 1)).is_err()
    );
    assert_eq!(fit("practice_name", "Dr\n\u{1b}[31mX\u{202e}").unwrap(), "Dr[31mX");
    assert_eq!(fit("practice_name", &"ö".repeat(600)).unwrap().len(), TEXT_CHARS * 2);
}

#[test]
fn a_question_that_takes_too_long_is_cancelled() {
    let engine = engine();
    let login =
        database::Login { user: crate::testkit::GOOD.0.into(), password: crate::testkit::GOOD.1.into() };
    let mut session = Shared(engine).connect(&login, "Patients", model::Access::ReadOnly).unwrap();
    let command = crate::testkit::command("sleep");
    let slow = within(&mut *session, Duration::from_millis(20), |session| {
        session.run(&command, &Terms::default(), &mut First::default())
    });
    assert_eq!(slow, Err(Failure::Cancelled));
}

#[test]
fn a_large_answer_that_comes_in_parts_is_read_as_far_as_it_counts() {
    let parts = |parts: &[Part<'_>]| {
        let mut first = First::default();
        for part in parts {
            first.part(*part).unwrap();
        }
        first.answer
    };
    let pieces = [Part::Text("10"), Part::Text("01"), Part::EndOfValue, Part::Text("more"), Part::EndOfRow];
    assert_eq!(parts(&pieces), Answer::Text("1001".to_owned()));
    assert_eq!(
        parts(&[Part::Value(Value::Int(7)), Part::Text("x"), Part::EndOfRow]),
        Answer::Text("7".to_owned())
    );
    assert_eq!(parts(&[Part::Value(Value::Null), Part::Value(Value::Int(1))]), Answer::Null);
    let long = "x".repeat(ANSWER_BYTES);
    assert_eq!(parts(&[Part::Text(&long), Part::Text("x"), Part::Text("y")]), Answer::Long);
    assert_eq!(parts(&[Part::Binary(b"x"), Part::Binary(b"y"), Part::EndOfValue]), Answer::Long);
}
