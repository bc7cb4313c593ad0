//! Parameter values as the published API sends them: text, to be read as the type that the caller names.
//!
//! One reader for every engine, so that a text that one takes is taken by all. What is refused says what was expected and
//! never quotes the value.

mod moment;
mod number;
#[cfg(test)]
mod tests;

use crate::{Date, Failure, Time};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use model::{Direction, Parameter, ParameterType};
pub use moment::Moment;
pub use number::Digits;

/// Longest text of a number, a date, a time, a GUID, in bytes.
const SHORT: usize = 512;

/// A value as its type has it.
#[derive(Clone, PartialEq)]
pub enum Given {
    /// `Bit`.
    Bit(bool),
    /// `TinyInt` to `BigInt`, within the type's range.
    Int(i64),
    /// `Decimal`, `Money`, `SmallMoney`: exact.
    Decimal(Digits),
    /// `Real`.
    Real(f32),
    /// `Float`.
    Float(f64),
    /// `Date`.
    Date(Date),
    /// `Time`.
    Time(Time),
    /// `DateTime`, `DateTime2`, `SmallDateTime`: within the type's range, not yet rounded to its steps.
    DateTime(Date, Time),
    /// `DateTimeOffset`: local date and time, minutes east of UTC.
    DateTimeOffset(Date, Time, i16),
    /// `UniqueIdentifier`.
    Guid(uuid::Uuid),
    /// The text kinds, `Xml`, `Variant`.
    Text(String),
    /// The binary kinds, `Timestamp`.
    Binary(Vec<u8>),
}

impl std::fmt::Debug for Given {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Given(hidden)")
    }
}

/// Reads a parameter's value on its way in: `None` is NULL, or a parameter that only comes back. `Structured` and `Udt`
/// have forms of their own and are not read here.
///
/// # Errors
/// [`Failure::Parameter`].
pub fn given(parameter: &Parameter) -> Result<Option<Given>, Failure> {
    let inward = matches!(parameter.direction, Direction::Input | Direction::InputOutput);
    match &parameter.value {
        Some(text) if inward => read(parameter.kind, text.reveal()).map(Some).map_err(|expected| {
            Failure::Parameter { name: parameter.name.clone(), expected: expected.to_owned() }
        }),
        _ => Ok(None),
    }
}

/// Reads one text. Blanks around a value that is no text do not matter. The error says what was expected.
///
/// # Errors
/// When the text is not of the type, or out of its range.
pub fn read(kind: ParameterType, text: &str) -> Result<Given, &'static str> {
    use ParameterType as P;
    let short = if text.len() <= SHORT { text.trim_matches([' ', '\t', '\r', '\n']) } else { "" };
    let int = |low: i64, high: i64, expected| match number::int(short) {
        Some(n) if (low..=high).contains(&n) => Ok(Given::Int(n)),
        _ => Err(expected),
    };
    let moment = |low: Date, high: Date, expected| match moment::read(short) {
        // An offset that would be dropped makes another moment of it.
        Some(m) if (low..=high).contains(&m.date) && m.offset.is_none() => {
            Ok(Given::DateTime(m.date, m.time))
        }
        _ => Err(expected),
    };
    match kind {
        P::Bit => number::bit(short).map(Given::Bit).ok_or("Bit: true, false, 1 or 0"),
        P::TinyInt => int(0, 255, "TinyInt: a whole number from 0 to 255"),
        P::SmallInt => int(-32_768, 32_767, "SmallInt: a whole number from -32768 to 32767"),
        P::Int => int(i32::MIN.into(), i32::MAX.into(), "Int: a whole number from -2147483648 to 2147483647"),
        P::BigInt => {
            int(i64::MIN, i64::MAX, "BigInt: a whole number from -9223372036854775808 to 9223372036854775807")
        }
        P::Decimal => Digits::parse(short)
            .filter(Digits::fits)
            .map(Given::Decimal)
            .ok_or("Decimal: a number of at most 38 digits, such as -12.34"),
        P::Money => number::money(short, i64::MIN.into(), i64::MAX.into())
            .map(Given::Decimal)
            .ok_or("Money: an amount from -922337203685477.5808 to 922337203685477.5807"),
        P::SmallMoney => number::money(short, i32::MIN.into(), i32::MAX.into())
            .map(Given::Decimal)
            .ok_or("SmallMoney: an amount from -214748.3648 to 214748.3647"),
        P::Real => number::float(short)
            .map(|f| f as f32)
            .filter(|f| f.is_finite())
            .map(Given::Real)
            .ok_or("Real: a number such as 1.5 or 2e10, up to 3.4e38"),
        P::Float => number::float(short)
            .map(Given::Float)
            .ok_or("Float: a number such as 1.5 or 2e10, up to 1.79e308"),
        P::Date => moment::read(short)
            // Midnight in UTC is how some libraries write a day; any other moment with an offset could be the day before.
            .filter(|m| m.offset.is_none() || (m.offset == Some(0) && m.time == Time(0)))
            .map(|m| Given::Date(m.date))
            .ok_or("Date: a day such as 2026-02-03, from 0001-01-01 to 9999-12-31"),
        P::Time => moment::time(short).map(Given::Time).ok_or("Time: a time of day such as 08:15:00.1234567"),
        P::DateTime => moment(
            Date { year: 1753, month: 1, day: 1 },
            moment::LAST,
            "DateTime: such as 2026-02-03T08:15:00.123, from 1753-01-01 to 9999-12-31, without Z or offset (DateTimeOffset has one)",
        ),
        P::DateTime2 => moment(
            moment::FIRST,
            moment::LAST,
            "DateTime2: such as 2026-02-03T08:15:00.1234567, from 0001-01-01 to 9999-12-31, without Z or offset (DateTimeOffset has one)",
        ),
        P::SmallDateTime => moment(
            Date { year: 1900, month: 1, day: 1 },
            Date { year: 2079, month: 6, day: 6 },
            "SmallDateTime: such as 2026-02-03T08:15:00, from 1900-01-01 to 2079-06-06, without Z or offset (DateTimeOffset has one)",
        ),
        P::DateTimeOffset => moment::read(short)
            .map(|m| Given::DateTimeOffset(m.date, m.time, m.offset.unwrap_or(0)))
            .ok_or("DateTimeOffset: such as 2026-02-03T08:15:00+10:00"),
        P::UniqueIdentifier => uuid::Uuid::try_parse(short)
            .map(Given::Guid)
            .map_err(|_| "UniqueIdentifier: such as 6f9619ff-8b86-d011-b42d-00c04fc964ff"),
        P::Binary | P::VarBinary | P::Image => {
            binary(text).map(Given::Binary).ok_or("base64, or hexadecimal digits after 0x")
        }
        P::Timestamp => binary(text)
            .filter(|bytes| bytes.len() <= 8)
            .map(Given::Binary)
            .ok_or("Timestamp: at most eight bytes in base64, or hexadecimal digits after 0x"),
        P::Char
        | P::NChar
        | P::VarChar
        | P::NVarChar
        | P::String
        | P::Text
        | P::NText
        | P::Variant
        | P::Xml => Ok(Given::Text(text.to_owned())),
        P::Structured => Err("Structured: a JSON array of rows, with the name of a table type in typeName"),
        P::Udt => Err("Udt: bytes in base64, with the name of the type in typeName"),
    }
}

/// Bytes as base64, or as hexadecimal digits after `0x`.
pub fn binary(text: &str) -> Option<Vec<u8>> {
    let Some(hex) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) else {
        return STANDARD.decode(text.trim_end_matches(['\r', '\n', ' '])).ok();
    };
    let digit = |b: u8| char::from(b).to_digit(16).map(|d| d as u8);
    let pairs = hex.as_bytes().chunks(2);
    pairs.map(|pair| Some(digit(pair[0])? << 4 | digit(*pair.get(1)?)?)).collect()
}
