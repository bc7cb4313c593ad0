//! Dates by .NET's patterns.

use super::{Culture, quoted, unsupported};
use crate::{
    calendar::{day, day_number},
    convert::month_name,
    fault::Raised,
    functions::dates::day_name,
};
use database::{Date, Time};

/// A datetime's time with the milliseconds that it shows.
pub(super) fn shown(t: Time) -> Time {
    Time((t.0 + 5_000) / 10_000 * 10_000)
}

/// `None` for a pattern that is none: FORMAT gives NULL then.
pub(super) fn format(
    d: Date,
    t: Time,
    zone: Option<i16>,
    pattern: &str,
    culture: &Culture,
) -> Result<Option<String>, Raised> {
    let mut chars = pattern.chars();
    let (Some(only), None) = (chars.next(), chars.next()) else {
        // No pattern at all is the general one.
        let pattern = if pattern.is_empty() { "G" } else { pattern };
        return if pattern == "G" {
            format(d, t, zone, pattern, culture)
        } else {
            custom(d, t, zone, pattern)
        };
    };
    let join = |a: &str, b: &str| format!("{a} {b}");
    let whole = match only {
        'd' => culture.short_date.to_owned(),
        'D' => culture.long_date.to_owned(),
        't' => culture.short_time.to_owned(),
        'T' => culture.long_time.to_owned(),
        'f' => join(culture.long_date, culture.short_time),
        'F' => join(culture.long_date, culture.long_time),
        'g' => join(culture.short_date, culture.short_time),
        'G' if zone.is_some() => join(culture.short_date, &join(culture.long_time, "zzz")),
        'G' => join(culture.short_date, culture.long_time),
        'M' | 'm' => culture.month_day.to_owned(),
        'Y' | 'y' => "MMMM yyyy".to_owned(),
        'R' | 'r' | 'u' if zone.is_some() => {
            let (d, t) = utc(d, t, zone);
            let pattern =
                if only == 'u' { "yyyy-MM-dd HH:mm:ss'Z'" } else { "ddd, dd MMM yyyy HH:mm:ss 'GMT'" };
            return custom(d, t, None, pattern);
        }
        'R' | 'r' => "ddd, dd MMM yyyy HH:mm:ss 'GMT'".to_owned(),
        'u' => "yyyy-MM-dd HH:mm:ss'Z'".to_owned(),
        's' => "yyyy-MM-ddTHH:mm:ss".to_owned(),
        'O' | 'o' if zone.is_some() => "yyyy-MM-ddTHH:mm:ss.fffffffzzz".to_owned(),
        'O' | 'o' => "yyyy-MM-ddTHH:mm:ss.fffffff".to_owned(),
        'U' => return Err(unsupported("FORMAT U")),
        _ => return Ok(None),
    };
    custom(d, t, zone, &whole)
}

fn utc(d: Date, t: Time, zone: Option<i16>) -> (Date, Time) {
    let whole = Time::DAY as i64;
    let ticks = t.0 as i64 - i64::from(zone.unwrap_or(0)) * 60 * Time::SECOND as i64;
    (day(day_number(d) + ticks.div_euclid(whole)).unwrap_or(d), Time(ticks.rem_euclid(whole) as u64))
}

fn custom(d: Date, t: Time, zone: Option<i16>, pattern: &str) -> Result<Option<String>, Raised> {
    let pattern: Vec<char> = pattern.chars().collect();
    let seconds = t.0 / Time::SECOND;
    let (h, m, s) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let twelve = if h % 12 == 0 { 12 } else { h % 12 };
    let fraction = format!("{:07}", t.0 % Time::SECOND);
    let mut made = String::new();
    let mut at = 0;
    let padded = |n: u64, count: usize| if count == 1 { n.to_string() } else { format!("{n:02}") };
    while at < pattern.len() {
        let c = pattern[at];
        let count = pattern[at..].iter().take_while(|p| **p == c).count();
        let mut used = count;
        match c {
            'd' if count <= 2 => made.push_str(&padded(u64::from(d.day), count)),
            'd' if count == 3 => made.push_str(&day_name(d)[..3]),
            'd' => made.push_str(day_name(d)),
            'M' if count <= 2 => made.push_str(&padded(u64::from(d.month), count)),
            'M' if count == 3 => made.push_str(&month_name(d.month)[..3]),
            'M' => made.push_str(month_name(d.month)),
            'y' if count <= 2 => made.push_str(&padded(u64::from(d.year % 100), count)),
            'y' => made.push_str(&format!("{:0count$}", d.year)),
            'h' => made.push_str(&padded(twelve, count)),
            'H' => made.push_str(&padded(h, count)),
            'm' => made.push_str(&padded(m, count)),
            's' => made.push_str(&padded(s, count)),
            't' if count == 1 => made.push(if h < 12 { 'A' } else { 'P' }),
            't' => made.push_str(if h < 12 { "AM" } else { "PM" }),
            'f' if count <= 7 => made.push_str(&fraction[..count]),
            'F' if count <= 7 => {
                let kept = fraction[..count].trim_end_matches('0');
                made.push_str(kept);
                // A fraction of nothing takes its point along.
                if kept.is_empty() && made.ends_with('.') {
                    made.pop();
                }
            }
            'f' | 'F' => return Ok(None),
            'g' => made.push_str("A.D."),
            'K' if zone.is_none() => used = 1,
            'z' | 'K' => {
                let Some(minutes) = zone else { return Err(unsupported("FORMAT z without an offset")) };
                let (sign, plain) = (if minutes < 0 { '-' } else { '+' }, minutes.unsigned_abs());
                made.push_str(&match (c, count) {
                    ('z', 1) => format!("{sign}{}", plain / 60),
                    ('z', 2) => format!("{sign}{:02}", plain / 60),
                    _ => format!("{sign}{:02}:{:02}", plain / 60, plain % 60),
                });
                used = if c == 'K' { 1 } else { count };
            }
            '\'' | '"' => {
                let Some((text, end)) = quoted(&pattern, at) else { return Ok(None) };
                made.push_str(&text);
                used = end - at;
            }
            '\\' => {
                let Some(next) = pattern.get(at + 1) else { return Ok(None) };
                made.push(*next);
                used = 2;
            }
            '%' => {
                // One letter as a pattern of its own; nothing else may follow.
                match pattern.get(at + 1) {
                    None | Some('%') => return Ok(None),
                    Some(_) => used = 1,
                }
            }
            c => {
                made.push(c);
                used = 1;
            }
        }
        at += used;
    }
    Ok(Some(made))
}
