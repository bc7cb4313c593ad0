//! Dates and times in words: what SQL Server reads.

use crate::{calendar::valid, fault::Raised};
use database::{Date, Time};

/// Why a text is no moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wrong {
    /// It has no form that is known.
    Form,
    /// It has one, but there is no such day or time.
    Range,
}

/// What a text says of a moment.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Read {
    pub(super) date: Option<Date>,
    pub(super) time: Option<Time>,
    pub(super) offset: Option<i16>,
    /// The offset was a Z.
    pub(super) zulu: bool,
    /// Digits of the second's fraction.
    pub(super) digits: usize,
}

/// Which of three numbers is the day.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    /// As the login's language has it, which is British English as Australian practices set it: 3/2/2026 is in
    /// February. A year of four digits may stand first.
    Own,
    DayFirst,
    MonthFirst,
    YearFirst,
}

fn order(style: i64) -> Option<Order> {
    Some(match style {
        0 | 8 | 9 | 14 | 24 | 100 | 108 | 109 | 114 => Order::Own,
        3..=6 | 13 | 103..=106 | 113 => Order::DayFirst,
        1 | 7 | 10 | 22 | 101 | 107 | 110 => Order::MonthFirst,
        2 | 11 | 12 | 20 | 21 | 23 | 25 | 102 | 111 | 112 | 120 | 121 | 126 | 127 => Order::YearFirst,
        _ => return None,
    })
}

pub(super) const EPOCH: Date = Date { year: 1900, month: 1, day: 1 };

/// Reads a date, a time, or both, with an optional offset; what is missing is 1900-01-01, midnight, no offset.
pub(crate) fn parse_moment(text: &str, style: i64) -> Option<(Date, Time, i16)> {
    let read = read(text, style).ok()?.ok()?;
    Some((read.date.unwrap_or(EPOCH), read.time.unwrap_or_default(), read.offset.unwrap_or(0)))
}

/// Reads a moment; the outer error is for a style that there is not.
pub(super) fn read(text: &str, style: i64) -> Result<Result<Read, Wrong>, Raised> {
    let order = order(style).ok_or_else(|| {
        Raised(
            281,
            format!("{style} is not a valid style number when converting from a character string to a date and time."),
        )
    })?;
    Ok(read_in(text.trim_matches(' '), order, matches!(style, 126 | 127)))
}

fn read_in(text: &str, order: Order, iso_only: bool) -> Result<Read, Wrong> {
    if text.len() > 64 || !text.is_ascii() {
        return Err(Wrong::Form);
    }
    if text.is_empty() {
        return Ok(Read::default());
    }
    let (text, offset, zulu) = split_offset(text)?;
    let bytes = text.as_bytes();
    // ISO 8601 is the same in every language.
    if bytes.len() > 10 && matches!(bytes[10], b'T' | b't') && bytes[4] == b'-' && bytes[7] == b'-' {
        let (time, digits) = parse_time(&text[11..])?;
        let date = parse_date(&text[..10], Order::YearFirst)?;
        return Ok(Read { date: Some(date), time: Some(time), offset, zulu, digits });
    }
    let (date, time) = split_time(text);
    if iso_only && time.is_some() {
        return Err(Wrong::Form);
    }
    let time = time.map(parse_time).transpose()?;
    let date = if date.is_empty() { None } else { Some(parse_date(date, order)?) };
    if offset.is_some() && time.is_none() {
        return Err(Wrong::Form);
    }
    Ok(Read { date, time: time.map(|t| t.0), offset, zulu, digits: time.map_or(0, |t| t.1) })
}

fn split_offset(text: &str) -> Result<(&str, Option<i16>, bool), Wrong> {
    if let Some(rest) = text.strip_suffix(['Z', 'z']) {
        return Ok((rest, Some(0), true));
    }
    // An offset stands behind a time only; a day has dashes too.
    let Some(at) = text.rfind(['+', '-']).filter(|at| text[..*at].contains(':')) else {
        return Ok((text, None, false));
    };
    if !text[at..].contains(':') {
        return Ok((text, None, false));
    }
    let minutes = offset_minutes(&text[at..]).ok_or(Wrong::Form)?;
    Ok((text[..at].trim_end_matches(' '), Some(minutes), false))
}

/// `+10:00` in minutes.
pub(crate) fn offset_minutes(text: &str) -> Option<i16> {
    let sign = match text.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let (hours, minutes) = text[1..].split_once(':')?;
    let number = |t: &str| {
        (t.len() <= 2 && !t.is_empty() && t.bytes().all(|b| b.is_ascii_digit()))
            .then(|| t.parse::<i16>().ok())
            .flatten()
    };
    let total = number(hours)? * 60 + number(minutes).filter(|m| *m < 60)?;
    (total <= 14 * 60).then_some(sign * total)
}

/// A text's date and its time, either of which may be missing; the time may stand first.
fn split_time(text: &str) -> (&str, Option<&str>) {
    let bytes = text.as_bytes();
    let half = |rest: &str| rest.len() >= 2 && matches!(rest[..2].to_ascii_uppercase().as_str(), "AM" | "PM");
    let start = match text.find(':') {
        Some(colon) => {
            let digits = bytes[..colon].iter().rev().take_while(|b| b.is_ascii_digit()).count();
            colon - digits
        }
        None => {
            // `4 PM` has no colon.
            let Some(before) = text.len().checked_sub(2).filter(|at| half(&text[*at..])) else {
                return (text, None);
            };
            let before = text[..before].trim_end_matches(' ');
            let digits = before.bytes().rev().take_while(u8::is_ascii_digit).count();
            if digits == 0 {
                return (text, None);
            }
            before.len() - digits
        }
    };
    let rest = &text[start..];
    let clock = rest.bytes().take_while(|b| b.is_ascii_digit() || matches!(b, b':' | b'.')).count();
    let after = rest[clock..].trim_start_matches(' ');
    let end = if half(after) { rest.len() - after.len() + 2 } else { clock };
    let date = match (text[..start].trim_matches(' '), rest[end..].trim_matches(' ')) {
        (before, "") => before,
        ("", after) => after,
        // A date on both sides is none: the whole text fails as one.
        _ => text,
    };
    (date, Some(&rest[..end]))
}

/// Two digits of a year: up to 49 in this century.
fn full_year(text: &str) -> Option<u16> {
    let n: u16 = text.parse().ok()?;
    match text.len() {
        4 => Some(n),
        1 | 2 => Some(if n < 50 { 2000 + n } else { 1900 + n }),
        _ => None,
    }
}

fn parse_date(text: &str, order: Order) -> Result<Date, Wrong> {
    let day = |year: Option<u16>, month: &str, day: &str| {
        let small =
            |t: &str| if t.len() <= 2 { t.parse::<u8>().map_err(|_| Wrong::Form) } else { Err(Wrong::Form) };
        valid(year.ok_or(Wrong::Form)?, small(month)?, small(day)?).ok_or(Wrong::Range)
    };
    if text.bytes().all(|b| b.is_ascii_digit()) {
        return match text.len() {
            8 => day(full_year(&text[..4]), &text[4..6], &text[6..]),
            6 => day(full_year(&text[..2]), &text[2..4], &text[4..]),
            4 => day(full_year(text), "1", "1"),
            _ => Err(Wrong::Form),
        };
    }
    if text.bytes().any(|b| b.is_ascii_alphabetic()) {
        return named_date(text);
    }
    let separator = text.find(['-', '/', '.']).ok_or(Wrong::Form)?;
    let parts: Vec<&str> =
        text.split(char::from(text.as_bytes()[separator])).map(|p| p.trim_matches(' ')).collect();
    let [a, b, c] = parts.as_slice() else { return Err(Wrong::Form) };
    if parts.iter().any(|p| p.is_empty() || !p.bytes().all(|b| b.is_ascii_digit())) {
        return Err(Wrong::Form);
    }
    match (a.len(), c.len(), order) {
        (4, 1..=2, Order::Own | Order::YearFirst) | (1..=2, 1..=2, Order::YearFirst) => {
            day(full_year(a), b, c)
        }
        (1..=2, 1..=2 | 4, Order::Own | Order::DayFirst) => day(full_year(c), b, a),
        (1..=2, 1..=2 | 4, Order::MonthFirst) => day(full_year(c), a, b),
        _ => Err(Wrong::Form),
    }
}

/// `3 Feb 2026`, `February 3, 2026`, `3-Feb-26`, `Feb 2026`.
fn named_date(text: &str) -> Result<Date, Wrong> {
    let mut pieces: Vec<&str> = Vec::new();
    let mut start = 0;
    let bytes = text.as_bytes();
    for at in 0..=bytes.len() {
        let ends = at == bytes.len()
            || matches!(bytes[at], b' ' | b'-' | b'/' | b'.' | b',')
            || at > start && bytes[at].is_ascii_alphabetic() != bytes[at - 1].is_ascii_alphabetic();
        if ends {
            if at > start {
                pieces.push(&text[start..at]);
            }
            start = if at < bytes.len() && bytes[at].is_ascii_alphanumeric() { at } else { at + 1 };
        }
    }
    let mut month = None;
    let mut numbers = Vec::new();
    for piece in pieces {
        if piece.bytes().all(|b| b.is_ascii_digit()) {
            numbers.push(piece);
        } else if month.is_some() || piece.len() < 3 {
            return Err(Wrong::Form);
        } else {
            let found = MONTHS
                .iter()
                .position(|m| m.eq_ignore_ascii_case(piece) || m[..3].eq_ignore_ascii_case(piece));
            month = Some(found.ok_or(Wrong::Form)? as u8 + 1);
        }
    }
    let month = month.ok_or(Wrong::Form)?;
    let (year, day) = match numbers.as_slice() {
        [year] if year.len() == 4 => (*year, "1"),
        [year, day] if year.len() == 4 && day.len() <= 2 => (*year, *day),
        [day, year] if day.len() <= 2 => (*year, *day),
        _ => return Err(Wrong::Form),
    };
    let day = day.parse().map_err(|_| Wrong::Form)?;
    valid(full_year(year).ok_or(Wrong::Form)?, month, day).ok_or(Wrong::Range)
}

/// A time and how many digits its fraction had.
fn parse_time(text: &str) -> Result<(Time, usize), Wrong> {
    let upper = text.trim_matches(' ').to_ascii_uppercase();
    let (clock, half) = match (upper.strip_suffix("AM"), upper.strip_suffix("PM")) {
        (Some(rest), _) => (rest.trim_end_matches(' '), Some(0)),
        (_, Some(rest)) => (rest.trim_end_matches(' '), Some(12)),
        _ => (upper.as_str(), None),
    };
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, ""));
    let parts: Vec<&str> = clock.split(':').collect();
    if parts.iter().any(|p| p.is_empty() || !p.bytes().all(|b| b.is_ascii_digit())) {
        return Err(Wrong::Form);
    }
    if !fraction.bytes().all(|b| b.is_ascii_digit())
        || fraction.len() > 7
        || !fraction.is_empty() && parts.len() != 3
    {
        return Err(Wrong::Form);
    }
    let small =
        |t: &str| if t.len() <= 2 { t.parse::<u64>().map_err(|_| Wrong::Form) } else { Err(Wrong::Form) };
    let (mut hour, minute, second) = match parts.as_slice() {
        [h] if half.is_some() => (small(h)?, 0, 0),
        [h, m] => (small(h)?, small(m)?, 0),
        [h, m, s] | [h, m, s, _] => (small(h)?, small(m)?, small(s)?),
        _ => return Err(Wrong::Form),
    };
    // Behind a colon stand milliseconds, behind a point a fraction.
    let (ticks, digits) = match parts.as_slice() {
        [.., millis] if parts.len() == 4 && millis.len() <= 3 && fraction.is_empty() => {
            (millis.parse::<u64>().map_err(|_| Wrong::Form)? * 10_000, 3)
        }
        _ if parts.len() == 4 => return Err(Wrong::Form),
        _ => (format!("{fraction:0<7}").parse::<u64>().map_err(|_| Wrong::Form)?, fraction.len()),
    };
    match half {
        Some(12) if hour < 12 => hour += 12,
        Some(0) if hour == 12 => hour = 0,
        // 14:00 PM is afternoon twice, which SQL Server takes; 14:00 AM contradicts itself.
        Some(0) if hour > 12 => return Err(Wrong::Range),
        _ => {}
    }
    if hour > 23 || minute > 59 || second > 59 {
        return Err(Wrong::Range);
    }
    Ok((Time((hour * 3600 + minute * 60 + second) * Time::SECOND + ticks), digits))
}

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// English name of a month.
pub(crate) fn month_name(month: u8) -> &'static str {
    MONTHS[usize::from(month.clamp(1, 12)) - 1]
}
