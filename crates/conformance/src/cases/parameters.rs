//! Parameters, in and out.

use super::ask;
use crate::{Subject, echo, run, text};
use database::Failure;
use model::{Command, ParameterType};

/// Every published type goes in and comes out as it was; NULL too. What the engine has no type for is refused.
pub fn parameters(subject: &Subject) {
    let mut session = subject.writing();
    for (kind, value, json) in subject.words.samples() {
        let words = subject.words.echo(kind).expect("there are samples of what there is");
        match run(&mut *session, &echo(&words, kind, Some(value))) {
            Ok((taken, _)) => {
                let row = taken.rows()[0].to_owned();
                assert_eq!(row, format!("{{\"P\":{json}}}"), "{}: {} {value}", subject.name, kind.name());
            }
            Err(failure) => panic!("{}: {} {value}: {failure:?}", subject.name, kind.name()),
        }
        match run(&mut *session, &echo(&words, kind, None)) {
            Ok((taken, _)) => {
                assert_eq!(taken.rows(), [r#"{"P":null}"#], "{}: {}", subject.name, kind.name())
            }
            Err(failure) => panic!("{}: {} null: {failure:?}", subject.name, kind.name()),
        }
    }
    let seen: Vec<_> = subject.words.samples().iter().map(|(kind, ..)| *kind).collect();
    for kind in ParameterType::ALL {
        if subject.words.echo(kind).is_some() {
            // UniqueIdentifier, NChar, Variant and Xml are texts on Firebird: their samples stand for them.
            let text = matches!(
                kind,
                ParameterType::UniqueIdentifier
                    | ParameterType::NChar
                    | ParameterType::Variant
                    | ParameterType::Xml
                    | ParameterType::Timestamp
            );
            assert!(text || seen.contains(&kind), "{}: no sample of {}", subject.name, kind.name());
        } else {
            let failed = run(
                &mut *session,
                &echo(&subject.words.select(&[("A", "@p")]), kind, Some("2026-02-03T00:00:00+10:00")),
            );
            assert!(failed.is_err(), "{}: {}", subject.name, kind.name());
        }
    }
}

/// A value that is not of its type is told by the parameter's name, nothing is run, and the session goes on.
pub fn bad_parameters(subject: &Subject) {
    let mut session = subject.writing();
    for (kind, value) in [
        (ParameterType::Int, "canary"),
        (ParameterType::Int, "99999999999"),
        (ParameterType::Date, "2026-02-30"),
        // Taken without its offset it would be another moment: ten hours off in Sydney.
        (ParameterType::DateTime, "2026-02-03T08:15:00Z"),
        (ParameterType::DateTime2, "2026-02-03T08:15:00-05:00"),
        (ParameterType::SmallDateTime, "2026-02-03T08:15:00+10:00"),
        (ParameterType::Date, "2026-02-03T08:15:00Z"),
        (ParameterType::Decimal, "1,5"),
        (ParameterType::Bit, "yes"),
        (ParameterType::VarBinary, "not base64!"),
    ] {
        let words = subject.words.echo(kind).unwrap();
        match run(&mut *session, &echo(&words, kind, Some(value))) {
            Err(Failure::Parameter { name, expected }) => {
                assert_eq!(name, "@p", "{}", subject.name);
                assert!(!expected.is_empty() && !expected.contains(value), "{}: {expected}", subject.name);
            }
            other => panic!("{}: {} {value}: {:?}", subject.name, kind.name(), other.map(|_| ())),
        }
    }
    assert_eq!(ask(&mut *session, &subject.words.select(&[("A", "7")])), 7, "{}", subject.name);
}

/// A procedure gets its inputs by name and gives rows and outputs back.
pub fn procedures(subject: &Subject) {
    let mut session = subject.writing();
    let (command, expected) = subject.words.procedure();
    let (taken, done) = run(&mut *session, &command).unwrap();
    assert_eq!(taken.rows().len(), 1, "{}: its row", subject.name);
    let outputs: Vec<_> =
        done.outputs.iter().map(|o| (o.parameter, o.value.as_ref().map(|v| v.reveal().as_str()))).collect();
    assert_eq!(outputs, expected, "{}", subject.name);
    for output in &done.outputs {
        assert_eq!(output.kind, command.parameters[output.parameter].kind, "{}", subject.name);
    }
}

/// Twenty megabytes go in as one parameter.
pub fn large_parameter(subject: &Subject) {
    let mut session = subject.writing();
    let long = "Ωx".repeat(5_000_000);
    let command = echo(subject.words.length_of_parameter(), ParameterType::NText, Some(&long));
    match run(&mut *session, &command) {
        Ok((taken, _)) => assert_eq!(taken.value(), 10_000_000, "{}", subject.name),
        Err(failure) => panic!("{}: {failure:?}", subject.name),
    }
    let unused = Command { parameters: Vec::new(), ..text(&subject.words.select(&[("A", "7")])) };
    assert_eq!(run(&mut *session, &unused).unwrap().0.value(), 7, "{}", subject.name);
}
