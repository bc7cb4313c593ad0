//! Binary values from and to everything else: text by code page 1252 or UTF-16, numbers with the highest byte first.

use super::{Decimal, clash, failed_8114, kind::is_wide, read_any, write_moment};
use crate::{
    calendar::{day, day_number},
    fault::Raised,
    types::{Family, Type},
};
use database::{Date, Time};
use rusqlite::types::{Value, ValueRef};

/// What code page 1252 has at 0x80 to 0x9F; the five bytes it leaves out stand for themselves.
const HIGH: [char; 32] = [
    '\u{20AC}', '\u{81}', '\u{201A}', '\u{192}', '\u{201E}', '\u{2026}', '\u{2020}', '\u{2021}', '\u{2C6}',
    '\u{2030}', '\u{160}', '\u{2039}', '\u{152}', '\u{8D}', '\u{17D}', '\u{8F}', '\u{90}', '\u{2018}',
    '\u{2019}', '\u{201C}', '\u{201D}', '\u{2022}', '\u{2013}', '\u{2014}', '\u{2DC}', '\u{2122}', '\u{161}',
    '\u{203A}', '\u{153}', '\u{9D}', '\u{17E}', '\u{178}',
];

/// The character of a byte of code page 1252.
pub(crate) fn character(byte: u8) -> char {
    if (0x80..0xA0).contains(&byte) { HIGH[usize::from(byte) - 0x80] } else { char::from(byte) }
}

/// A character's byte in code page 1252.
pub(crate) fn byte(c: char) -> Option<u8> {
    match u32::from(c) {
        n @ (0..0x80 | 0xA0..=0xFF) => Some(n as u8),
        _ => HIGH.iter().position(|h| *h == c).map(|at| at as u8 + 0x80),
    }
}

/// Text as the bytes that SQL Server stores for it.
pub(crate) fn stored_bytes(text: &str, wide: bool) -> Vec<u8> {
    if wide {
        text.encode_utf16().flat_map(u16::to_le_bytes).collect()
    } else {
        text.chars().map(|c| byte(c).unwrap_or(b'?')).collect()
    }
}

/// `DEADBEEF`.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02X}")).collect()
}

/// Reads pairs of hexadecimal digits.
pub(crate) fn unhex(digits: &str) -> Option<Vec<u8>> {
    if !digits.len().is_multiple_of(2) || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).ok()).collect()
}

/// A binary value as text.
pub(super) fn to_text(bytes: &[u8], to: Type, style: i64) -> Result<String, Raised> {
    Ok(match style {
        1 => format!("0x{}", hex(bytes)),
        2 => hex(bytes),
        _ if is_wide(to) => {
            let units: Vec<u16> = bytes
                .chunks(2)
                .map(|pair| u16::from_le_bytes([pair[0], *pair.get(1).unwrap_or(&0)]))
                .collect();
            String::from_utf16_lossy(&units)
        }
        _ => bytes.iter().map(|b| character(*b)).collect(),
    })
}

/// Anything as binary. Numbers lose or gain bytes on the left, the rest on the right.
pub(super) fn from_any(
    value: ValueRef<'_>,
    from: Type,
    to: Type,
    style: i64,
    strict: bool,
) -> Result<Value, Raised> {
    let unknown = || {
        Raised(
            102,
            format!("Conversion of {} to {}: the demo practice does not support it.", from.name, to.name),
        )
    };
    let mut number = true;
    let bytes = match (value, from.family) {
        (ValueRef::Integer(i), Family::Bit) => vec![u8::from(i != 0)],
        (ValueRef::Integer(i), Family::Int) => {
            let width = match from.name {
                "tinyint" => 1,
                "smallint" => 2,
                "bigint" => 8,
                _ => 4,
            };
            i.to_be_bytes()[8 - width..].to_vec()
        }
        (ValueRef::Real(f), Family::Real) => (f as f32).to_be_bytes().to_vec(),
        (ValueRef::Real(f), _) => f.to_be_bytes().to_vec(),
        (ValueRef::Text(text), Family::Decimal) if from.name.ends_with("money") => {
            let units = std::str::from_utf8(text)
                .ok()
                .and_then(Decimal::parse)
                .and_then(|d| d.rescale(4))
                .and_then(|d| i64::try_from(d.mantissa()).ok())
                .ok_or_else(unknown)?;
            let width = if from.name == "money" { 8 } else { 4 };
            units.to_be_bytes()[8 - width..].to_vec()
        }
        (ValueRef::Text(text), Family::DateTime) if from.name == "datetime" => {
            let (date, time, _) = read_any(text, from).ok_or_else(unknown)?;
            let days = day_number(date) - EPOCH_DAY;
            let ticks = (time.0 * 300 + Time::SECOND / 2) / Time::SECOND;
            let mut bytes = (days as i32).to_be_bytes().to_vec();
            bytes.extend((ticks as u32).to_be_bytes());
            bytes
        }
        (ValueRef::Text(text), Family::Text) => {
            number = false;
            let text = std::str::from_utf8(text).unwrap_or_default();
            match style {
                1 => text.strip_prefix("0x").or(text.strip_prefix("0X")).and_then(unhex),
                2 => unhex(text),
                _ => Some(stored_bytes(text, is_wide(from))),
            }
            .ok_or_else(|| failed_8114(from, to))?
        }
        (ValueRef::Text(text), Family::Guid) => {
            number = false;
            let guid = std::str::from_utf8(text).ok().and_then(|t| uuid::Uuid::parse_str(t).ok());
            guid.ok_or_else(unknown)?.to_bytes_le().to_vec()
        }
        (ValueRef::Blob(bytes), _) => {
            number = false;
            bytes.to_vec()
        }
        _ => return Err(unknown()),
    };
    let limit = to.length as usize;
    // Numbers gain bytes only in a type of fixed length.
    Ok(Value::Blob(match (limit, bytes.len()) {
        (0, _) => bytes,
        (limit, n) if n > limit => {
            let cut = if number { &bytes[n - limit..] } else { &bytes[..limit] };
            if strict && !number && bytes[limit..].iter().any(|b| *b != 0) {
                return Err(Raised(
                    2628,
                    format!("String or binary data would be truncated. Truncated value: '0x{}'.", hex(cut)),
                ));
            }
            cut.to_vec()
        }
        (limit, n) if to.name == "binary" => {
            let padding = vec![0; limit - n];
            if number { [padding, bytes].concat() } else { [bytes, padding].concat() }
        }
        _ => bytes,
    }))
}

/// Day number of 1900-01-01.
pub(super) const EPOCH_DAY: i64 = -25_567;

/// The last `width` bytes as a number with its highest byte first.
pub(super) fn to_integer(bytes: &[u8], to: Type) -> i64 {
    let width = match to.name {
        "tinyint" => 1,
        "smallint" => 2,
        "bigint" | "money" => 8,
        _ => 4,
    };
    let bytes = &bytes[bytes.len().saturating_sub(width)..];
    let raw = bytes.iter().fold(0u64, |n, b| n << 8 | u64::from(*b));
    match width {
        1 => raw as i64,
        2 => i64::from(raw as u16 as i16),
        4 => i64::from(raw as u32 as i32),
        _ => raw as i64,
    }
}

/// Days and three-hundredths of a second, as datetime is stored.
pub(super) fn to_datetime(bytes: &[u8], from: Type, to: Type) -> Result<Value, Raised> {
    let raw = bytes.iter().rev().take(8).rev().fold(0u64, |n, b| n << 8 | u64::from(*b));
    let (days, ticks) = (i64::from((raw >> 32) as u32 as i32), raw & 0xFFFF_FFFF);
    let date: Option<Date> = day(days + EPOCH_DAY);
    let made = date
        .filter(|_| to.name == "datetime" && ticks < 300 * 86_400)
        .and_then(|d| write_moment(d, Time((ticks * Time::SECOND + 150) / 300), 0, to));
    made.map(Value::Text).ok_or_else(|| clash(from, to))
}
