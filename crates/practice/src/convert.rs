//! One value from one SQL Server type to another, with SQL Server's errors.

mod bytes;
mod characters;
mod decimal;
mod kind;
mod moment;
mod number;
mod style;
#[cfg(test)]
mod tests;
mod times;

use crate::{
    fault::Raised,
    types::{Family, Type},
};
pub(crate) use bytes::{byte, character, stored_bytes};
pub(crate) use characters::{commas, units};
pub(crate) use decimal::{Decimal, arithmetic};
pub(crate) use kind::{castable, is_wide, kind, precision, spelled};
pub(crate) use moment::{month_name, offset_minutes, parse_moment};
pub(crate) use number::{could_be_number, fits_integer};
use rusqlite::types::{Value, ValueRef};
pub(crate) use times::{read_any, read_exact, write_moment};

/// Converts. `style` is CONVERT's third argument; `strict` refuses text that is too long instead of cutting it, as an
/// assignment to a column does.
pub(crate) fn convert(
    value: ValueRef<'_>,
    from: Type,
    to: Type,
    style: i64,
    strict: bool,
) -> Result<Value, Raised> {
    if matches!(value, ValueRef::Null) {
        return Ok(Value::Null);
    }
    match to.family {
        Family::Null => Ok(owned(value)),
        Family::Bit => number::bit(value, from, to),
        Family::Int => number::integer(value, from, to),
        Family::Decimal => number::decimal(value, from, to),
        Family::Real | Family::Float => number::float(value, from, to),
        Family::Text => characters::from_any(value, from, to, style, strict),
        Family::Date | Family::DateTime | Family::Offset | Family::Time => {
            times::from_any(value, from, to, style)
        }
        Family::Guid => guid(value, from, to),
        Family::Binary => bytes::from_any(value, from, to, style, strict),
    }
}

/// An identifier in braces or not; what stands behind it is not looked at.
fn guid(value: ValueRef<'_>, from: Type, to: Type) -> Result<Value, Raised> {
    let made = match value {
        ValueRef::Blob(bytes) => bytes.get(..16).and_then(|b| uuid::Uuid::from_slice_le(b).ok()),
        _ => {
            let text = text(value, from, to)?;
            let (start, closed) =
                if text.starts_with('{') { (1, text.get(37..38) == Some("}")) } else { (0, true) };
            text.get(start..start + 36)
                .filter(|t| closed && t.as_bytes()[8] == b'-')
                .and_then(|t| uuid::Uuid::parse_str(t).ok())
        }
    };
    made.map(|g| Value::Text(g.hyphenated().to_string())).ok_or_else(|| {
        Raised(
            8169,
            "Conversion failed when converting from a character string to uniqueidentifier.".to_owned(),
        )
    })
}

/// The text of a value whose type is stored as such.
fn text<'a>(value: ValueRef<'a>, from: Type, to: Type) -> Result<&'a str, Raised> {
    match value {
        ValueRef::Text(bytes)
            if matches!(from.family, Family::Text | Family::Decimal | Family::Guid | Family::Null) =>
        {
            std::str::from_utf8(bytes).map_err(|_| failed(value, from, to))
        }
        _ => Err(clash(from, to)),
    }
}

fn clash(from: Type, to: Type) -> Raised {
    Raised(529, format!("Explicit conversion from data type {} to {} is not allowed.", from.name, to.name))
}

fn failed_8114(from: Type, to: Type) -> Raised {
    Raised(8114, format!("Error converting data type {} to {}.", from.name, to.name))
}

fn failed(value: ValueRef<'_>, from: Type, to: Type) -> Raised {
    let shown = match value {
        ValueRef::Text(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        _ => String::new(),
    };
    Raised(
        245,
        format!(
            "Conversion failed when converting the {} value '{shown}' to data type {}.",
            from.name, to.name
        ),
    )
}

/// A copy of a borrowed value; text that is not UTF-8 can't come from this crate's own statements.
pub(crate) fn owned(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(i) => Value::Integer(i),
        ValueRef::Real(f) => Value::Real(f),
        ValueRef::Text(bytes) => Value::Text(String::from_utf8_lossy(bytes).into_owned()),
        ValueRef::Blob(bytes) => Value::Blob(bytes.to_vec()),
    }
}
