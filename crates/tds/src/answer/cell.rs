//! A value made ready for its column: all that can go wrong goes wrong here, before a byte of the row is out.

use super::{kind::Kind, number, utf16_bytes};
use crate::{
    calendar::{DAYS_TO_1900, days, shift, to_thirds},
    codepage,
};
use database::{Date, Time, Value};
use std::borrow::Cow;

/// A value that its column's type can't hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the value does not fit its column's type")]
pub struct Unfit;

/// A value as its column carries it.
pub(crate) enum Cell<'a> {
    Null,
    Short([u8; 17], u8),
    /// With the bytes that it takes as UTF-16.
    Wide(Cow<'a, str>, usize),
    /// With the bytes that it takes in the code page.
    Narrow(Cow<'a, str>, usize),
    Raw(&'a [u8]),
}

impl Cell<'_> {
    pub(crate) fn size(&self) -> usize {
        match self {
            Cell::Null => 0,
            Cell::Short(_, length) => usize::from(*length),
            Cell::Wide(_, size) | Cell::Narrow(_, size) => *size,
            Cell::Raw(bytes) => bytes.len(),
        }
    }
}

fn short(bytes: &[u8]) -> Cell<'static> {
    let mut held = [0; 17];
    held[..bytes.len()].copy_from_slice(bytes);
    // At most 17.
    Cell::Short(held, bytes.len() as u8)
}

/// The value in that kind. Numbers may change their kind where nothing is lost; text kinds take everything.
pub(crate) fn cell<'a>(kind: Kind, value: &Value<'a>) -> Result<Cell<'a>, Unfit> {
    if matches!(value, Value::Null) {
        return Ok(Cell::Null);
    }
    match kind {
        Kind::Bit => match value {
            Value::Bit(b) => Ok(short(&[u8::from(*b)])),
            other => number::integer(other).map(|i| short(&[u8::from(i != 0)])),
        },
        Kind::Int { size } => {
            let i = number::integer(value)?;
            match size {
                1 => u8::try_from(i).map(|i| short(&[i])),
                2 => i16::try_from(i).map(|i| short(&i.to_le_bytes())),
                4 => i32::try_from(i).map(|i| short(&i.to_le_bytes())),
                _ => return Ok(short(&i.to_le_bytes())),
            }
            .map_err(|_| Unfit)
        }
        Kind::Float { size } => {
            let f = number::float(value)?;
            // A real came as one: the way back loses nothing.
            Ok(if size == 4 { short(&(f as f32).to_le_bytes()) } else { short(&f.to_le_bytes()) })
        }
        Kind::Decimal { precision, scale, .. } => number::decimal(value, precision, scale).map(|b| short(&b)),
        Kind::Money { size } => {
            let amount = number::money(value)?;
            if size == 4 {
                return i32::try_from(amount).map(|a| short(&a.to_le_bytes())).map_err(|_| Unfit);
            }
            let [a, b, c, d, e, f, g, h] = amount.to_le_bytes();
            Ok(short(&[e, f, g, h, a, b, c, d]))
        }
        Kind::DateTime { size } => {
            let (date, time) = moment(value)?;
            date_time(date, time, size)
        }
        Kind::Date => moment(value).map(|(date, _)| short(&day_bytes(date))),
        Kind::Time { scale } => match value {
            Value::Time(time) | Value::DateTime(_, time) => timed(kind, None, *time, scale, None),
            _ => Err(Unfit),
        },
        Kind::DateTime2 { scale } => {
            let (date, time) = moment(value)?;
            timed(kind, Some(date), time, scale, None)
        }
        Kind::Offset { scale } => match value {
            Value::DateTimeOffset(date, time, minutes) => {
                let (date, time) = shift(*date, *time, minutes.checked_neg().ok_or(Unfit)?).ok_or(Unfit)?;
                timed(kind, Some(date), time, scale, Some(*minutes))
            }
            other => {
                let (date, time) = moment(other)?;
                timed(kind, Some(date), time, scale, Some(0))
            }
        },
        Kind::Guid => match value {
            Value::Guid(guid) => Ok(short(&guid.to_bytes_le())),
            Value::Text(text) => {
                uuid::Uuid::parse_str(text).map(|g| short(&g.to_bytes_le())).map_err(|_| Unfit)
            }
            _ => Err(Unfit),
        },
        Kind::Narrow { .. } | Kind::MaxNarrow | Kind::Text => {
            let text = words(value);
            let size = codepage::length(&text);
            fits(kind, size).map(|()| Cell::Narrow(text, size))
        }
        Kind::Wide { .. } | Kind::MaxWide | Kind::NText | Kind::Xml => {
            let text = words(value);
            let size = utf16_bytes(&text);
            fits(kind, size).map(|()| Cell::Wide(text, size))
        }
        Kind::Binary { .. } | Kind::MaxBinary | Kind::Image => match value {
            Value::Binary(bytes) => fits(kind, bytes.len()).map(|()| Cell::Raw(bytes)),
            _ => Err(Unfit),
        },
    }
}

fn fits(kind: Kind, length: usize) -> Result<(), Unfit> {
    let most = match kind {
        Kind::Narrow { size, .. } | Kind::Wide { size, .. } | Kind::Binary { size, .. } => size.into(),
        _ => 0x7FFF_FFFF,
    };
    if length <= most { Ok(()) } else { Err(Unfit) }
}

/// Any value as text: dates as SQL Server writes them for clients that do not know their types, all else as row JSON.
fn words<'a>(value: &Value<'a>) -> Cow<'a, str> {
    let day = |d: Date| format!("{:04}-{:02}-{:02}", d.year, d.month, d.day);
    Cow::Owned(match *value {
        Value::Text(text) | Value::Decimal(text) => return Cow::Borrowed(text),
        Value::Date(date) => day(date),
        Value::Time(time) => clock(time),
        Value::DateTime(date, time) => format!("{} {}", day(date), clock(time)),
        Value::DateTimeOffset(date, time, minutes) => {
            let sign = if minutes < 0 { '-' } else { '+' };
            let (hours, minutes) = (minutes.unsigned_abs() / 60, minutes.unsigned_abs() % 60);
            format!("{} {} {sign}{hours:02}:{minutes:02}", day(date), clock(time))
        }
        other => {
            let mut text = String::new();
            database::json::text_of(&other, &mut text);
            text
        }
    })
}

/// Hours to seconds, and the rest where there is one.
fn clock(time: Time) -> String {
    let (seconds, ticks) = (time.0 / Time::SECOND, time.0 % Time::SECOND);
    let mut text = format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    if ticks > 0 {
        let fraction = format!(".{ticks:07}");
        text.push_str(fraction.trim_end_matches('0'));
    }
    text
}

fn moment(value: &Value<'_>) -> Result<(Date, Time), Unfit> {
    match value {
        Value::Date(date) => Ok((*date, Time(0))),
        Value::DateTime(date, time) | Value::DateTimeOffset(date, time, _) => Ok((*date, *time)),
        _ => Err(Unfit),
    }
}

fn day_bytes(date: Date) -> [u8; 3] {
    // Below 3,652,059: the upper byte is 0.
    let [a, b, c, ..] = days(date).to_le_bytes();
    [a, b, c]
}

/// `time`, `datetime2` and `datetimeoffset`: time, then day, then offset. Digits behind the scale are cut, not rounded:
/// the engine has rounded.
fn timed(
    kind: Kind,
    date: Option<Date>,
    time: Time,
    scale: u8,
    minutes: Option<i16>,
) -> Result<Cell<'static>, Unfit> {
    if time.0 >= Time::DAY {
        return Err(Unfit);
    }
    let units = time.0 / 10u64.pow(7 - u32::from(scale.min(7)));
    let mut bytes = [0; 10];
    let mut at = kind.time_bytes();
    bytes[..at].copy_from_slice(&units.to_le_bytes()[..at]);
    if let Some(date) = date {
        bytes[at..at + 3].copy_from_slice(&day_bytes(date));
        at += 3;
    }
    if let Some(minutes) = minutes {
        bytes[at..at + 2].copy_from_slice(&minutes.to_le_bytes());
        at += 2;
    }
    Ok(short(&bytes[..at]))
}

fn date_time(date: Date, time: Time, size: u8) -> Result<Cell<'static>, Unfit> {
    let day = days(date) - DAYS_TO_1900;
    if size == 4 {
        let minutes = (time.0 + 30 * Time::SECOND) / (60 * Time::SECOND);
        let (day, minutes) = (day + i64::from(minutes >= 1440), minutes % 1440);
        let mut bytes = [0; 4];
        bytes[..2].copy_from_slice(&u16::try_from(day).map_err(|_| Unfit)?.to_le_bytes());
        // Below 1440.
        bytes[2..].copy_from_slice(&(minutes as u16).to_le_bytes());
        return Ok(short(&bytes));
    }
    const DAY: u64 = 24 * 60 * 60 * 300;
    let thirds = to_thirds(time);
    let (day, thirds) = (day + i64::from(thirds >= DAY), thirds % DAY);
    // 1 January 1753 to 31 December 9999.
    if !(-53_690..=2_958_463).contains(&day) {
        return Err(Unfit);
    }
    let mut bytes = [0; 8];
    bytes[..4].copy_from_slice(&i32::try_from(day).map_err(|_| Unfit)?.to_le_bytes());
    bytes[4..].copy_from_slice(&u32::try_from(thirds).map_err(|_| Unfit)?.to_le_bytes());
    Ok(short(&bytes))
}
