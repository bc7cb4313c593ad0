//! Conversions to dates and times, and between these and numbers.

use super::{
    Decimal, bytes, clash, failed,
    kind::precision,
    moment::{EPOCH, Wrong, read},
    number::overflow,
    text,
};
use crate::{
    calendar::{
        date_text, date_time_text, day, day_number, read_date_time, read_offset, read_time, time_text,
    },
    fault::Raised,
    types::{Family, Type},
};
use database::{Date, Time};
use rusqlite::types::{Value, ValueRef};

/// Three-hundredths of a second in a day: what datetime counts in.
const CLICKS: i64 = 300 * 86_400;

/// The stored form of any time-like type; parts that a type lacks are 1900-01-01, midnight, no offset.
pub(crate) fn read_any(bytes: &[u8], from: Type) -> Option<(Date, Time, i16)> {
    match from.family {
        Family::Offset => read_offset(bytes),
        Family::Time => read_time(bytes).map(|t| (EPOCH, t, 0)),
        _ => read_date_time(bytes).map(|(d, t)| (d, t, 0)),
    }
}

/// As [`read_any`], with a datetime's three-hundredths of a second to the full: .003 is .0033333.
pub(crate) fn read_exact(bytes: &[u8], from: Type) -> Option<(Date, Time, i16)> {
    let (date, time, offset) = read_any(bytes, from)?;
    Some((date, if from.name == "datetime" { exact(time) } else { time }, offset))
}

fn clicks(time: Time) -> i64 {
    ((time.0 * 300 + Time::SECOND / 2) / Time::SECOND) as i64
}

fn exact(time: Time) -> Time {
    if time.0.is_multiple_of(Time::SECOND) {
        time
    } else {
        Time((clicks(time) as u64 * Time::SECOND + 150) / 300)
    }
}

/// A datetime as days since 1900, exact to eighteen digits; `None` for any other type.
pub(super) fn days(value: ValueRef<'_>, from: Type) -> Option<Decimal> {
    const UNIT: i128 = 10i128.pow(18);
    let (date, time) = old(value, from)?;
    let whole = i128::from(day_number(date) - bytes::EPOCH_DAY) * UNIT;
    Decimal::new(whole + i128::from(clicks(time)) * UNIT / i128::from(CLICKS), 18)
}

pub(super) fn float_days(value: ValueRef<'_>, from: Type) -> Option<f64> {
    let (date, time) = old(value, from)?;
    Some((day_number(date) - bytes::EPOCH_DAY) as f64 + clicks(time) as f64 / CLICKS as f64)
}

fn old(value: ValueRef<'_>, from: Type) -> Option<(Date, Time)> {
    let ValueRef::Text(text) = value else { return None };
    matches!(from.name, "datetime" | "smalldatetime").then(|| read_date_time(text)).flatten()
}

pub(super) fn from_any(value: ValueRef<'_>, from: Type, to: Type, style: i64) -> Result<Value, Raised> {
    let (date, time, offset) = match value {
        ValueRef::Blob(b) => return bytes::to_datetime(b, from, to),
        ValueRef::Text(stored) if from.is_time() => {
            let same_kind = matches!(
                (from.family, to.family),
                (Family::Date, Family::Time) | (Family::Time, Family::Date)
            );
            if same_kind {
                return Err(clash(from, to));
            }
            let new = to.family != Family::DateTime || to.name == "datetime2";
            let read = if new { read_exact(stored, from) } else { read_any(stored, from) };
            read.ok_or_else(|| failed(value, from, to))?
        }
        ValueRef::Text(_) if matches!(from.family, Family::Text | Family::Null) => {
            from_text(value, from, to, style)?
        }
        _ => from_number(value, from, to)?,
    };
    Ok(Value::Text(write_moment(date, time, offset, to).ok_or_else(|| out_of_range(from, to))?))
}

fn out_of_range(from: Type, to: Type) -> Raised {
    Raised(
        242,
        format!(
            "The conversion of a {} data type to a {} data type resulted in an out-of-range value.",
            from.name, to.name
        ),
    )
}

fn from_text(value: ValueRef<'_>, from: Type, to: Type, style: i64) -> Result<(Date, Time, i16), Raised> {
    let form = || {
        Raised(241, "Conversion failed when converting date and/or time from character string.".to_owned())
    };
    let old = matches!(to.name, "datetime" | "smalldatetime");
    let read = read(text(value, from, to)?, style)?.map_err(|wrong| match wrong {
        Wrong::Range if old => out_of_range(from, to),
        _ => form(),
    })?;
    // The old types know neither offsets nor more than milliseconds.
    if old && (read.digits > 3 || read.offset.is_some() && !read.zulu) {
        return Err(form());
    }
    Ok((read.date.unwrap_or(EPOCH), read.time.unwrap_or_default(), read.offset.unwrap_or(0)))
}

/// A number is days since 1900, for the two old types only.
fn from_number(value: ValueRef<'_>, from: Type, to: Type) -> Result<(Date, Time, i16), Raised> {
    if !matches!(to.name, "datetime" | "smalldatetime") {
        return Err(clash(from, to));
    }
    let (days, part) = match value {
        ValueRef::Integer(i) => (i, 0),
        ValueRef::Real(f) if f.abs() < 1e9 => {
            let whole = f.floor();
            (whole as i64, ((f - whole) * CLICKS as f64).round() as i64)
        }
        ValueRef::Real(_) => return Err(overflow(to)),
        _ => {
            let d = Decimal::parse(text(value, from, to)?).ok_or_else(|| failed(value, from, to))?;
            let whole = d.floor();
            // Twelve digits of a day's fraction are far below a three-hundredth of a second.
            let fine = d.rescale(d.scale().min(12)).unwrap_or(d);
            let unit = 10i128.pow(fine.scale());
            let rest = (fine.mantissa() - whole.mantissa() * unit) * i128::from(CLICKS);
            (whole.whole().ok_or_else(|| overflow(to))?, ((rest + unit / 2) / unit) as i64)
        }
    };
    let (days, part) = (days.saturating_add(part.div_euclid(CLICKS)), part.rem_euclid(CLICKS));
    let date = days.checked_add(bytes::EPOCH_DAY).and_then(day).ok_or_else(|| overflow(to))?;
    Ok((date, Time((part as u64 * Time::SECOND + 150) / 300), 0))
}

/// A time rounded to a unit; the day after where it rounds up to midnight.
fn rounded(date: Date, ticks: u64) -> Option<(Date, Time)> {
    if ticks >= Time::DAY {
        day(day_number(date) + 1).map(|d| (d, Time(0)))
    } else {
        Some((date, Time(ticks)))
    }
}

fn to_clicks(date: Date, time: Time) -> Option<(Date, Time)> {
    // The three-hundredths are shown as milliseconds ending in 0, 3 or 7.
    rounded(date, (clicks(time) as u64 * 1000 + 150) / 300 * 10_000)
}

/// The stored form in a type, rounded to what the type can hold; `None` outside of its range.
pub(crate) fn write_moment(date: Date, time: Time, offset: i16, to: Type) -> Option<String> {
    let unit = 10u64.pow(7 - precision(to).min(7));
    let fine = (time.0 + unit / 2) / unit * unit;
    Some(match to.name {
        "date" => date_text(date),
        "time" => time_text(Time(fine % Time::DAY)),
        "datetimeoffset" => {
            let (date, time) = rounded(date, fine)?;
            let sign = if offset < 0 { '-' } else { '+' };
            let minutes = offset.unsigned_abs();
            format!("{}{sign}{:02}:{:02}", date_time_text(date, time), minutes / 60, minutes % 60)
        }
        "datetime" => {
            let (date, time) = to_clicks(date, time).filter(|(d, _)| d.year >= 1753)?;
            date_time_text(date, time)
        }
        "smalldatetime" => {
            let (date, time) = to_clicks(date, time)?;
            let minute = 60 * Time::SECOND;
            let (date, time) = rounded(date, (time.0 + minute / 2) / minute * minute)?;
            let last = Date { year: 2079, month: 6, day: 6 };
            if date.year < 1900 || day_number(date) > day_number(last) {
                return None;
            }
            date_time_text(date, time)
        }
        _ => {
            let (date, time) = rounded(date, fine)?;
            date_time_text(date, time)
        }
    })
}
