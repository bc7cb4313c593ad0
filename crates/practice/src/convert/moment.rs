//! Dates and times in words: what SQL Server reads, and the styles it writes.

use crate::{
    calendar::{date_text, time_text, valid},
    types::{Family, Type},
};
use database::{Date, Time};

/// Reads a date, a time, or both, with an optional offset. The demo's login language is British English, as Australian
/// practices set it: 3/2/2026 is in February. `style` 101 says otherwise.
pub(crate) fn parse_moment(text: &str, style: i64) -> Option<(Date, Time, i16)> {
    const EPOCH: Date = Date { year: 1900, month: 1, day: 1 };
    if text.len() > 64 || !text.is_ascii() {
        return None;
    }
    if text.is_empty() {
        return Some((EPOCH, Time(0), 0));
    }
    let (text, offset) = split_offset(text)?;
    let (first, second) = match text.find(['T', 't', ' ']) {
        Some(at) => (&text[..at], text[at + 1..].trim()),
        None => (text, ""),
    };
    if first.contains(':') {
        let whole = if second.is_empty() { first.to_owned() } else { format!("{first} {second}") };
        return Some((EPOCH, parse_time(&whole)?, offset));
    }
    let date = parse_date(first, style)?;
    let time = if second.is_empty() { Time(0) } else { parse_time(second)? };
    Some((date, time, offset))
}

fn split_offset(text: &str) -> Option<(&str, i16)> {
    if let Some(rest) = text.strip_suffix(['Z', 'z']) {
        return Some((rest, 0));
    }
    // An offset stands behind a time only; a day has dashes too.
    let Some(at) = text.rfind(['+', '-']).filter(|at| text[..*at].contains(':')) else {
        return Some((text, 0));
    };
    let (hours, minutes) = text[at + 1..].split_once(':')?;
    let total = hours.parse::<i16>().ok().filter(|h| *h <= 14)? * 60
        + minutes.parse::<i16>().ok().filter(|m| (0..60).contains(m))?;
    (total <= 14 * 60)
        .then_some((text[..at].trim_end(), if text.as_bytes()[at] == b'-' { -total } else { total }))
}

fn parse_date(text: &str, style: i64) -> Option<Date> {
    let digits = |t: &str| t.bytes().all(|b| b.is_ascii_digit()).then(|| t.parse::<u16>().ok()).flatten();
    if text.len() == 8 && text.bytes().all(|b| b.is_ascii_digit()) {
        return valid(digits(&text[..4])?, digits(&text[4..6])? as u8, digits(&text[6..])? as u8);
    }
    let parts: Vec<u16> = text.split(['-', '/', '.']).map(digits).collect::<Option<_>>()?;
    let lengths: Vec<usize> = text.split(['-', '/', '.']).map(str::len).collect();
    let (year, month, day) = match (parts.as_slice(), lengths.as_slice()) {
        (&[y, m, d], &[4, 1..=2, 1..=2]) => (y, m, d),
        (&[m, d, y], &[1..=2, 1..=2, 4]) if style == 101 => (y, m, d),
        (&[d, m, y], &[1..=2, 1..=2, 4]) => (y, m, d),
        _ => return None,
    };
    valid(year, u8::try_from(month).ok()?, u8::try_from(day).ok()?)
}

fn parse_time(text: &str) -> Option<Time> {
    let upper = text.to_ascii_uppercase();
    let (clock, half) = match (upper.strip_suffix("AM"), upper.strip_suffix("PM")) {
        (Some(rest), _) => (rest.trim_end().to_owned(), Some(0)),
        (_, Some(rest)) => (rest.trim_end().to_owned(), Some(12)),
        _ => (upper, None),
    };
    let (clock, fraction) = clock.split_once('.').unwrap_or((&clock, ""));
    let parts: Vec<u64> = clock
        .split(':')
        .map(|p| {
            ((1..=2).contains(&p.len()) && p.bytes().all(|b| b.is_ascii_digit()))
                .then(|| p.parse().ok())
                .flatten()
        })
        .collect::<Option<_>>()?;
    let (mut hour, minute, second) = match *parts.as_slice() {
        [h, m] => (h, m, 0),
        [h, m, s] => (h, m, s),
        _ => return None,
    };
    if let Some(half) = half {
        if !(1..=12).contains(&hour) {
            return None;
        }
        hour = hour % 12 + half;
    }
    if fraction.len() > 7
        || !fraction.bytes().all(|b| b.is_ascii_digit())
        || hour > 23
        || minute > 59
        || second > 59
    {
        return None;
    }
    let ticks = format!("{fraction:0<7}").parse::<u64>().ok()?;
    Some(Time((hour * 3600 + minute * 60 + second) * Time::SECOND + ticks))
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

/// A style of CONVERT; `None` for one the demo does not have.
pub(super) fn format(d: Date, t: Time, offset: i16, from: Type, style: i64) -> Option<String> {
    let seconds = t.0 / Time::SECOND;
    let (h, m, s) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let millis = t.0 % Time::SECOND / 10_000;
    let short = &month_name(d.month)[..3];
    let tail = if from.family == Family::Offset {
        let minutes = offset.unsigned_abs();
        format!(" {}{:02}:{:02}", if offset < 0 { '-' } else { '+' }, minutes / 60, minutes % 60)
    } else {
        String::new()
    };
    let exact = |from: Type| match from.name {
        "datetime" | "smalldatetime" => format!("{h:02}:{m:02}:{s:02}.{millis:03}"),
        _ => format!("{h:02}:{m:02}:{s:02}.{:07}", t.0 % Time::SECOND),
    };
    Some(match (style, from.family) {
        (0 | 121 | 21 | 25 | 120 | 20 | 23, Family::Date) => date_text(d),
        (0 | 121 | 21 | 25, Family::Time) => format!("{h:02}:{m:02}:{s:02}.{:07}", t.0 % Time::SECOND),
        (8 | 108 | 24, _) if from.family != Family::Date => format!("{h:02}:{m:02}:{s:02}"),
        (114 | 14, _) if from.family != Family::Date => format!("{h:02}:{m:02}:{s:02}:{millis:03}"),
        (_, Family::Time) => return None,
        (0 | 100, Family::DateTime) if from.name != "datetime2" || style == 100 => format!(
            "{short} {:>2} {:04} {:>2}:{m:02}{}",
            d.day,
            d.year,
            if h % 12 == 0 { 12 } else { h % 12 },
            if h < 12 { "AM" } else { "PM" }
        ),
        (0 | 121 | 21 | 25, _) => format!("{} {}{tail}", date_text(d), exact(from)),
        (120 | 20, _) => format!("{} {h:02}:{m:02}:{s:02}{tail}", date_text(d)),
        (126 | 127, _) if from.family != Family::Offset => {
            if from.family == Family::Date {
                date_text(d)
            } else {
                format!("{}T{}", date_text(d), time_text_fixed(t, from))
            }
        }
        (23, _) => date_text(d),
        (112, _) => format!("{:04}{:02}{:02}", d.year, d.month, d.day),
        (12, _) => format!("{:02}{:02}{:02}", d.year % 100, d.month, d.day),
        (101, _) => format!("{:02}/{:02}/{:04}", d.month, d.day, d.year),
        (103, _) => format!("{:02}/{:02}/{:04}", d.day, d.month, d.year),
        (3, _) => format!("{:02}/{:02}/{:02}", d.day, d.month, d.year % 100),
        (104, _) => format!("{:02}.{:02}.{:04}", d.day, d.month, d.year),
        (105, _) => format!("{:02}-{:02}-{:04}", d.day, d.month, d.year),
        (106, _) => format!("{:02} {short} {:04}", d.day, d.year),
        (107, _) => format!("{short} {:02}, {:04}", d.day, d.year),
        (110, _) => format!("{:02}-{:02}-{:04}", d.month, d.day, d.year),
        (111, _) => format!("{:04}/{:02}/{:02}", d.year, d.month, d.day),
        _ => return None,
    })
}

/// Style 126 leaves a fraction of nothing out, and shows milliseconds of a datetime in full.
fn time_text_fixed(t: Time, from: Type) -> String {
    let whole = time_text(Time(t.0 / Time::SECOND * Time::SECOND));
    let fraction = t.0 % Time::SECOND;
    match (fraction, from.name) {
        (0, _) => whole,
        (f, "datetime") => format!("{whole}.{:03}", f / 10_000),
        (f, _) => format!("{whole}.{f:07}"),
    }
}
