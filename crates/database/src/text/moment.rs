//! Days and times in words: ISO 8601, as every client library writes them.

use crate::{Date, Time};

/// The first day of all types.
pub(super) const FIRST: Date = Date { year: 1, month: 1, day: 1 };
/// The last one.
pub(super) const LAST: Date = Date { year: 9999, month: 12, day: 31 };

/// A day, a time of that day, and how far east of UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// The day.
    pub date: Date,
    /// Midnight when the text has none.
    pub time: Time,
    /// Minutes; `None` when the text has none.
    pub offset: Option<i16>,
}

/// Reads `2026-02-03`, `20260203`, `2026-02-03T08:15`, `2026-02-03 08:15:00.1234567`, each with `Z` or `+10:00` behind the time;
/// also `2026/02/03`. Nothing whose meaning depends on a language.
pub(super) fn read(text: &str) -> Option<Moment> {
    if !text.is_ascii() {
        return None;
    }
    let dashed = text.len() >= 10 && matches!(text.as_bytes()[4], b'-' | b'/');
    let (date, rest) = match dashed {
        true => {
            let separator = char::from(text.as_bytes()[4]);
            let mut parts = text[..10].split(separator);
            let date =
                valid(digits(parts.next()?, 4)?, digits(parts.next()?, 2)?, digits(parts.next()?, 2)?)?;
            (date, &text[10..])
        }
        false if text.len() >= 8 => {
            let date = valid(digits(&text[..4], 4)?, digits(&text[4..6], 2)?, digits(&text[6..8], 2)?)?;
            (date, &text[8..])
        }
        false => return None,
    };
    if rest.is_empty() {
        return Some(Moment { date, time: Time(0), offset: None });
    }
    let rest = rest.strip_prefix(['T', 't', ' '])?.trim_start_matches(' ');
    let (rest, offset) = zone(rest)?;
    Some(Moment { date, time: clock(rest)?, offset })
}

/// Reads `08:15`, `08:15:00`, `08:15:00.1234567`; of a whole moment the time.
pub(super) fn time(text: &str) -> Option<Time> {
    if !text.is_ascii() {
        return None;
    }
    clock(text).or_else(|| read(text).map(|m| m.time))
}

fn clock(text: &str) -> Option<Time> {
    let mut parts = text.splitn(3, ':');
    let hour = digits_up_to(parts.next()?, 2).filter(|h| *h < 24)?;
    let minute = digits(parts.next()?, 2).filter(|m| *m < 60)?;
    let (second, fraction) = match parts.next() {
        None => (0, 0),
        Some(seconds) => {
            let (whole, fraction) = seconds.split_once('.').unwrap_or((seconds, ""));
            (digits(whole, 2).filter(|s| *s < 60)?, ticks(fraction)?)
        }
    };
    Some(Time(u64::from((hour * 60 + minute) * 60 + second) * Time::SECOND + fraction))
}

/// A second's fraction in ticks of 100 ns. Digits beyond the seventh are dropped: no type has them.
fn ticks(fraction: &str) -> Option<u64> {
    if fraction.len() > 12 || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let kept = &fraction[..fraction.len().min(7)];
    let ticks: u64 = if kept.is_empty() { 0 } else { kept.parse().ok()? };
    Some(ticks * 10u64.pow(7 - kept.len() as u32))
}

fn zone(text: &str) -> Option<(&str, Option<i16>)> {
    if let Some(rest) = text.strip_suffix(['Z', 'z']) {
        return Some((rest, Some(0)));
    }
    let Some(at) = text.find(['+', '-']) else {
        return Some((text, None));
    };
    let (hours, minutes) = text[at + 1..].split_once(':')?;
    let minutes = digits(hours, 2)? * 60 + digits(minutes, 2).filter(|m| *m < 60)?;
    let minutes = i16::try_from(minutes).ok().filter(|m| *m <= 14 * 60)?;
    let sign = if text.as_bytes()[at] == b'-' { -1 } else { 1 };
    Some((text[..at].trim_end_matches(' '), Some(sign * minutes)))
}

fn valid(year: u32, month: u32, day: u32) -> Option<Date> {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let days = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => return None,
    };
    let date = Date { year: year as u16, month: month as u8, day: day as u8 };
    ((1..=9999).contains(&year) && (1..=days).contains(&day)).then_some(date)
}

fn digits(text: &str, count: usize) -> Option<u32> {
    (text.len() == count).then(|| digits_up_to(text, count)).flatten()
}

fn digits_up_to(text: &str, most: usize) -> Option<u32> {
    let plain = !text.is_empty() && text.len() <= most && text.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}
