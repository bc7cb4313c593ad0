//! Dates and times as text: the styles of CONVERT.

use super::{kind::precision, month_name};
use crate::{
    calendar::{date_text, day, day_number},
    fault::Raised,
    types::{Family, Type},
};
use database::{Date, Time};

/// What a style shows.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shows {
    Day,
    Clock,
    Both,
}

/// A moment in a style; a type that lacks what the style shows, and a style that there is not, are SQL Server's errors.
pub(super) fn format(
    d: Date,
    t: Time,
    offset: i16,
    from: Type,
    to: Type,
    style: i64,
) -> Result<String, Raised> {
    // Only the two old types have a default of their own.
    let style = match (style, from.name) {
        (0, "datetime" | "smalldatetime") => 100,
        (0, _) => 121,
        (style, _) => style,
    };
    let shows = match style {
        1..=7 | 10..=12 | 23 | 101..=107 | 110..=112 => Shows::Day,
        8 | 14 | 24 | 108 | 114 => Shows::Clock,
        9 | 13 | 20..=22 | 25 | 100 | 109 | 113 | 120 | 121 | 126 | 127 => Shows::Both,
        _ => {
            return Err(Raised(
                281,
                format!(
                    "{style} is not a valid style number when converting from {} to a character string.",
                    from.name
                ),
            ));
        }
    };
    let lacks = from.family == Family::Date && shows == Shows::Clock
        || from.family == Family::Time && shows == Shows::Day;
    if lacks {
        return Err(Raised(
            9809,
            format!("The style {style} is not supported for conversions from {} to {}.", from.name, to.name),
        ));
    }
    if from.family == Family::Offset {
        return with_offset(d, t, offset, from, style);
    }
    let (date, clock) = (date_in(d, style), clock_in(t, from, style));
    Ok(match (from.family, shows) {
        (Family::Date, _) | (_, Shows::Day) => date,
        (Family::Time, _) | (_, Shows::Clock) => clock.trim_start_matches(' ').to_owned(),
        _ if matches!(style, 126 | 127) => format!("{date}T{clock}"),
        _ => format!("{date} {clock}"),
    })
}

/// A moment with an offset shows it behind its time. Style 127 goes to UTC instead.
fn with_offset(d: Date, t: Time, offset: i16, from: Type, style: i64) -> Result<String, Raised> {
    let minutes = offset.unsigned_abs();
    let tail = format!("{}{:02}:{:02}", if offset < 0 { '-' } else { '+' }, minutes / 60, minutes % 60);
    Ok(match style {
        20 | 21 | 25 | 100 | 120 | 121 => {
            format!("{} {} {tail}", date_in(d, style), clock_in(t, from, style))
        }
        126 => format!("{}T{}{tail}", date_in(d, style), clock_in(t, from, style)),
        127 => {
            let ticks = t.0 as i64 - i64::from(offset) * 60 * Time::SECOND as i64;
            let whole = Time::DAY as i64;
            let moved = day(day_number(d) + ticks.div_euclid(whole)).unwrap_or(d);
            format!(
                "{}T{}Z",
                date_in(moved, style),
                clock_in(Time(ticks.rem_euclid(whole) as u64), from, style)
            )
        }
        1..=7 | 10..=12 | 23 | 101..=107 | 110..=112 => date_in(d, style),
        _ => {
            return Err(Raised(
                102,
                format!("Style {style} of datetimeoffset: the demo practice does not support it."),
            ));
        }
    })
}

fn date_in(d: Date, style: i64) -> String {
    let short = &month_name(d.month)[..3];
    let (y, m, day, two) = (d.year, d.month, d.day, d.year % 100);
    match style {
        1 | 22 => format!("{m:02}/{day:02}/{two:02}"),
        2 => format!("{two:02}.{m:02}.{day:02}"),
        3 => format!("{day:02}/{m:02}/{two:02}"),
        4 => format!("{day:02}.{m:02}.{two:02}"),
        5 => format!("{day:02}-{m:02}-{two:02}"),
        6 => format!("{day:02} {short} {two:02}"),
        7 => format!("{short} {day:02}, {two:02}"),
        10 => format!("{m:02}-{day:02}-{two:02}"),
        11 => format!("{two:02}/{m:02}/{day:02}"),
        12 => format!("{two:02}{m:02}{day:02}"),
        9 | 100 | 109 => format!("{short} {day:>2} {y:04}"),
        13 | 106 | 113 => format!("{day:02} {short} {y:04}"),
        101 => format!("{m:02}/{day:02}/{y:04}"),
        102 => format!("{y:04}.{m:02}.{day:02}"),
        103 => format!("{day:02}/{m:02}/{y:04}"),
        104 => format!("{day:02}.{m:02}.{y:04}"),
        105 => format!("{day:02}-{m:02}-{y:04}"),
        107 => format!("{short} {day:02}, {y:04}"),
        110 => format!("{m:02}-{day:02}-{y:04}"),
        111 => format!("{y:04}/{m:02}/{day:02}"),
        112 => format!("{y:04}{m:02}{day:02}"),
        _ => date_text(d),
    }
}

fn clock_in(t: Time, from: Type, style: i64) -> String {
    let seconds = t.0 / Time::SECOND;
    let (h, m, s) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let (twelve, half) = (if h % 12 == 0 { 12 } else { h % 12 }, if h < 12 { "AM" } else { "PM" });
    let old = from.family == Family::DateTime && from.name != "datetime2";
    let ticks = t.0 % Time::SECOND;
    let digits = if old { 3 } else { precision(from) as usize };
    let fraction = &format!("{ticks:07}")[..digits];
    let colon = |separator: char| if digits == 0 { String::new() } else { format!("{separator}{fraction}") };
    // The old types set their milliseconds off with a colon in these styles.
    let separator = if old { ':' } else { '.' };
    match style {
        9 | 109 => format!("{twelve:>2}:{m:02}:{s:02}{}{half}", colon(separator)),
        13 | 14 | 113 | 114 => format!("{h:02}:{m:02}:{s:02}{}", colon(separator)),
        22 => format!("{twelve:>2}:{m:02}:{s:02} {half}"),
        100 => format!("{twelve:>2}:{m:02}{half}"),
        8 | 20 | 24 | 108 | 120 => format!("{h:02}:{m:02}:{s:02}"),
        // ISO leaves a fraction of nothing out.
        126 | 127 if ticks == 0 => format!("{h:02}:{m:02}:{s:02}"),
        _ => format!("{h:02}:{m:02}:{s:02}{}", colon('.')),
    }
}
