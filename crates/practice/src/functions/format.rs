//! FORMAT: numbers, dates and times by the patterns of .NET, in English of Australia, Britain and the United States.

mod date;
mod number;
mod span;

use super::{text, ty, unsupported};
use crate::{convert::read_exact, fault::Raised, types::Family};
use rusqlite::{
    Connection, Result,
    functions::{Context, FunctionFlags},
    types::ValueRef,
};

/// What differs between countries.
pub(super) struct Culture {
    name: &'static str,
    short_date: &'static str,
    long_date: &'static str,
    short_time: &'static str,
    long_time: &'static str,
    month_day: &'static str,
    currency: char,
    /// A negative amount stands in brackets.
    brackets: bool,
}

const CULTURES: [Culture; 3] = [
    Culture {
        name: "en-GB",
        short_date: "dd/MM/yyyy",
        long_date: "dd MMMM yyyy",
        short_time: "HH:mm",
        long_time: "HH:mm:ss",
        month_day: "d MMMM",
        currency: '£',
        brackets: false,
    },
    Culture {
        name: "en-AU",
        short_date: "d/MM/yyyy",
        long_date: "dddd, d MMMM yyyy",
        short_time: "h:mm tt",
        long_time: "h:mm:ss tt",
        month_day: "d MMMM",
        currency: '$',
        brackets: false,
    },
    Culture {
        name: "en-US",
        short_date: "M/d/yyyy",
        long_date: "dddd, MMMM d, yyyy",
        short_time: "h:mm tt",
        long_time: "h:mm:ss tt",
        month_day: "MMMM d",
        currency: '$',
        brackets: true,
    },
];

fn culture(name: &str) -> std::result::Result<&'static Culture, Raised> {
    let name = name.trim_end_matches(' ');
    if let Some(found) = CULTURES.iter().find(|c| c.name.eq_ignore_ascii_case(name)) {
        return Ok(found);
    }
    let looks_real = name.split('-').enumerate().all(|(at, part)| {
        part.bytes().all(|b| b.is_ascii_alphanumeric())
            && if at == 0 { (2..=3).contains(&part.len()) } else { (2..=8).contains(&part.len()) }
    });
    Err(if looks_real {
        unsupported(&format!("FORMAT culture {name}"))
    } else {
        Raised(
            9818,
            format!("The culture parameter '{name}' provided in the function call is not supported."),
        )
    })
}

fn format(c: &Context<'_>) -> Result<Option<String>> {
    let (value, from, Some(pattern)) = (c.get_raw(0), ty(c, 1)?, text(c, 2)) else { return Ok(None) };
    let Some(name) = text(c, 3) else { return Ok(None) };
    let culture = culture(&name)?;
    if pattern.len() > 4000 {
        return Err(unsupported("FORMAT of so long a pattern").into());
    }
    let stored = match value {
        ValueRef::Null => return Ok(None),
        ValueRef::Text(stored) => stored,
        _ => &[],
    };
    let bad = || {
        Raised(241, "Conversion failed when converting date and/or time from character string.".to_owned())
    };
    Ok(match from.family {
        Family::Time => {
            let (_, time, _) = read_exact(stored, from).ok_or_else(bad)?;
            span::format(time, &pattern)
        }
        Family::Date | Family::DateTime | Family::Offset => {
            let (date, time, offset) = read_exact(stored, from).ok_or_else(bad)?;
            // .NET sees the milliseconds that a datetime shows.
            let time = if from.name == "datetime" { date::shown(time) } else { time };
            let zone = (from.family == Family::Offset).then_some(offset);
            date::format(date, time, zone, &pattern, culture)?
        }
        _ => {
            let number = match value {
                ValueRef::Integer(n) => number::Number::integer(n, from),
                ValueRef::Real(f) => {
                    number::Number::float(f, if from.family == Family::Real { 7 } else { 15 })
                }
                _ => number::Number::exact(std::str::from_utf8(stored).unwrap_or_default()),
            };
            number::format(number, &pattern, culture)?
        }
    })
}

pub(super) fn register(connection: &Connection, pure: FunctionFlags) -> Result<()> {
    connection.create_scalar_function("ts_format", 4, pure, |c| format(c))
}

/// The text of a quoted stretch that starts at `at`, and where it ends; a mark without its second one is no pattern.
fn quoted(pattern: &[char], at: usize) -> Option<(String, usize)> {
    let mark = pattern[at];
    let mut made = String::new();
    let mut i = at + 1;
    loop {
        match *pattern.get(i)? {
            c if c == mark => return Some((made, i + 1)),
            '\\' => {
                made.push(*pattern.get(i + 1)?);
                i += 2;
            }
            c => {
                made.push(c);
                i += 1;
            }
        }
    }
}
