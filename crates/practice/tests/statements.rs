//! Statements and what they must answer, from `tests/statements/`.

mod common;

use common::{ask, demo};
use database::Failure;
use model::Access;

fn cases(text: &str) -> Vec<(String, String)> {
    let mut cases = Vec::new();
    let mut statement = String::new();
    for line in text.lines() {
        match line.strip_prefix("=> ") {
            Some(expected) => cases.push((std::mem::take(&mut statement), expected.to_owned())),
            None if statement.is_empty() && (line.is_empty() || line.starts_with('#')) => {}
            None => {
                if !statement.is_empty() {
                    statement.push('\n');
                }
                statement.push_str(line);
            }
        }
    }
    assert!(statement.is_empty(), "a statement without an answer: {statement}");
    cases
}

#[test]
fn every_statement_answers_as_the_file_says() {
    let demo = demo(50);
    let cases = cases(include_str!("statements/plain.txt"));
    assert!(cases.len() >= 80, "{}", cases.len());
    let mut wrong = Vec::new();
    for (statement, expected) in &cases {
        // A session of its own: @@ROWCOUNT and the like start anew.
        let mut session = demo.session(Access::ReadWrite);
        let got = match ask(session.as_mut(), statement) {
            Ok(rows) => rows,
            Err(Failure::Sql(error)) if expected.contains("line") => {
                format!("error {} line {}", error.number, error.line)
            }
            Err(Failure::Sql(error)) => format!("error {}", error.number),
            Err(other) => format!("{other:?}"),
        };
        if got != *expected {
            wrong.push(format!("{statement}\n  wanted {expected}\n  got    {got}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}
