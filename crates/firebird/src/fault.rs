//! Errors of the database as callers get them: SQL code, line, words.

mod codes;
mod words;

use crate::wire::status::{Argument, Entry, Status};
use database::{Dialect, Failure, SqlError};
use model::Hidden;

/// The code that carries a SQL code as its argument.
const SQL_CODE: u32 = 335544436;
/// What a statement ends with that was asked to stop.
pub(crate) const CANCELLED: u32 = 335544794;
/// Codes whose arguments are a line and a column: a token that does not belong, a text that ends too early, a place.
const LINES: [u32; 4] = [335544634, 335544851, 336397208, 335544842];
/// The connection, the database or the server is going away: the session is of no more use.
const GONE: [u32; 6] = [335544528, 335544721, 335544726, 335544727, 335544741, 335544856];

/// Longest message, in bytes.
const MESSAGE: usize = 8 * 1024;

/// A statement's error. `asked`: its caller wanted it to stop (an administrator may stop it too: that is an error).
pub(crate) fn failure(status: &Status, asked: bool) -> Failure {
    if asked && status.has(CANCELLED) {
        return Failure::Cancelled;
    }
    Failure::Sql(sql_error(status))
}

/// Whether the session is of no more use after it. Only the first code counts: others may speak of another connection.
pub(crate) fn is_gone(status: &Status) -> bool {
    status.entries.first().is_some_and(|entry| GONE.contains(&entry.code))
}

/// A refused login or attach: always -902, with the server's words.
pub(crate) fn refused(status: &Status) -> SqlError {
    SqlError { number: -902, ..sql_error(status) }
}

/// A login that this client refuses itself.
pub(crate) fn login(why: &str) -> Failure {
    Failure::Sql(error(-902, why.to_owned()))
}

/// An error that this client finds.
pub(crate) fn error(number: i32, message: String) -> SqlError {
    SqlError { dialect: Dialect::Fbsql, number, state: 0, class: 0, line: 0, message: Hidden::new(message) }
}

/// As the server takes a user's name: in capitals, unless it stands in double quotes.
pub(crate) fn login_name(user: &str) -> String {
    match user.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        Some(quoted) if !quoted.is_empty() => quoted.replace("\"\"", "\""),
        _ => user.to_uppercase(),
    }
}

fn sql_error(status: &Status) -> SqlError {
    let given = status.entries.iter().find(|entry| entry.code == SQL_CODE);
    let number = match given.and_then(|entry| entry.arguments.first()) {
        Some(Argument::Number(number)) => *number,
        _ => status.entries.first().map_or(-901, |entry| codes::of(entry.code)),
    };
    SqlError { line: line(status), ..error(number, message(status)) }
}

fn line(status: &Status) -> u32 {
    let mut places = status.entries.iter().filter(|entry| LINES.contains(&entry.code));
    let place = places.find_map(|entry| match entry.arguments.first() {
        Some(Argument::Number(line)) => u32::try_from(*line).ok(),
        Some(Argument::Text(text)) => {
            let (_, rest) = text.split_once("line: ")?;
            rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
        }
        None => None,
    });
    place.unwrap_or(0)
}

fn message(status: &Status) -> String {
    let mut message = String::new();
    let entries = status.entries.iter().filter(|entry| entry.code != SQL_CODE);
    for entry in entries {
        if !message.is_empty() {
            message.push_str("; ");
        }
        say(entry, &mut message);
    }
    if let Some(state) = &status.state {
        message.push_str(&format!(" (SQLSTATE {state})"));
    }
    if message.len() > MESSAGE {
        let end = (0..=MESSAGE).rev().find(|at| message.is_char_boundary(*at));
        message.truncate(end.unwrap_or(0));
    }
    message
}

fn say(entry: &Entry, out: &mut String) {
    let argument = |i: usize| match entry.arguments.get(i) {
        Some(Argument::Number(number)) => number.to_string(),
        Some(Argument::Text(text)) => text.clone(),
        None => String::new(),
    };
    let Some(words) = words::of(entry.code) else {
        if entry.code != 0 {
            out.push_str(&format!("Firebird error {}", entry.code));
        }
        for i in 0..entry.arguments.len() {
            let before = if i == 0 && entry.code == 0 {
                ""
            } else if i == 0 {
                ": "
            } else {
                ", "
            };
            out.push_str(before);
            out.push_str(&argument(i));
        }
        return;
    };
    let mut rest = words;
    while let Some((before, after)) = rest.split_once('@') {
        out.push_str(before);
        let digit = after.as_bytes().first().map_or(0, |digit| usize::from(digit.wrapping_sub(b'1')));
        out.push_str(&argument(digit));
        rest = after.get(1..).unwrap_or("");
    }
    out.push_str(rest);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(code: u32, arguments: &[Argument]) -> Entry {
        Entry { code, arguments: arguments.to_vec() }
    }

    #[test]
    fn an_error_has_its_sql_code_its_line_and_its_words() {
        let (number, text) = (Argument::Number, |text: &str| Argument::Text(text.to_owned()));
        let status = Status {
            entries: vec![
                entry(335544569, &[]),
                entry(SQL_CODE, &[number(-104)]),
                entry(335544634, &[number(3), number(7)]),
                entry(0, &[text("FORM")]),
                entry(99, &[text("a"), number(1)]),
            ],
            state: Some("42000".to_owned()),
        };
        let Failure::Sql(error) = failure(&status, true) else { panic!() };
        assert_eq!((error.number, error.line), (-104, 3));
        assert_eq!(
            error.message.reveal(),
            "The statement is wrong; Unknown token at line 3, column 7; FORM; Firebird error 99: a, 1 (SQLSTATE 42000)"
        );
    }

    #[test]
    fn a_user_is_in_capitals_unless_quoted() {
        assert_eq!(login_name("sysdba"), "SYSDBA");
        assert_eq!(login_name("\"Mixed \"\"x\"\"\""), "Mixed \"x\"");
        assert_eq!(login_name("\"\""), "\"\"");
    }
}
