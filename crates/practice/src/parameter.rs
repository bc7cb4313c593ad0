//! A command's parameters as typed values. What a text means is [`database::text`]'s word, for every engine alike.

use crate::{
    convert::convert,
    session::{Rows, stored},
    table_type::{self, TableType},
    types::{Family, Type},
};
use database::{
    Failure, Value as Shown,
    text::{Given, binary, given},
};
use model::{Direction, Parameter, ParameterType};
use rusqlite::types::Value;

/// A parameter, ready.
pub(crate) enum Made {
    /// One value, and the type that its variable has.
    Value(Type, Value),
    /// Rows of a table type.
    Rows(&'static TableType, Rows),
}

/// The type that a published type name means; `None` for those that need the name of the database's own.
pub(crate) fn type_of(kind: ParameterType) -> Option<Type> {
    use ParameterType as P;
    let name = match kind {
        P::String | P::Variant => "nvarchar",
        P::DateTime2 => "datetime2",
        P::Structured | P::Udt => return None,
        P::Timestamp => "rowversion",
        other => other.name(),
    };
    Type::by_name(name)
}

/// Type and value of a parameter on its way in.
pub(crate) fn made(parameter: &Parameter) -> Result<Made, Failure> {
    let refuse =
        |expected: &str| Failure::Parameter { name: parameter.name.clone(), expected: expected.to_owned() };
    let own = parameter.type_name.as_deref();
    match parameter.kind {
        ParameterType::Structured => {
            let ty = own
                .and_then(table_type::find)
                .ok_or_else(|| refuse("typeName: a table type of the practice, such as dbo.DEMO_IdList"))?;
            return rows(parameter, ty).map(|rows| Made::Rows(ty, rows)).ok_or_else(|| {
                refuse("Structured: a JSON array of rows, each an array of values or an object by columns' names")
            });
        }
        ParameterType::Udt => {
            if !own.is_some_and(table_type::is_bytes) {
                return Err(refuse(
                    "typeName: a type of the practice whose values are bytes: dbo.DEMO_Bytes",
                ));
            }
            let value = match &parameter.value {
                Some(text) if parameter.direction != Direction::Output => {
                    Value::Blob(binary(text.reveal()).ok_or_else(|| refuse("Udt: bytes in base64"))?)
                }
                _ => Value::Null,
            };
            return Ok(Made::Value(Type::BINARY, value));
        }
        _ => {}
    }
    let mut ty = type_of(parameter.kind).ok_or_else(|| refuse("a type that the practice has"))?;
    let text = given(parameter)?;
    if parameter.kind == ParameterType::Decimal {
        // Its digits say how many it has: the published form has no precision and scale.
        let (precision, scale) = match &text {
            Some(Given::Decimal(digits)) => (digits.precision(), digits.scale),
            _ => (38, 10),
        };
        (ty.length, ty.scale) = (precision.into(), scale.into());
    }
    let value = match &text {
        None => Value::Null,
        Some(text) => {
            let digits;
            let (shown, from) = match text {
                Given::Bit(b) => (Shown::Bit(*b), Type::BIT),
                Given::Int(i) => (Shown::Int(*i), Type::BIGINT),
                Given::Decimal(exact) => {
                    digits = exact.to_string();
                    let from =
                        Type { length: exact.precision().into(), scale: exact.scale.into(), ..Type::DECIMAL };
                    (Shown::Decimal(&digits), from)
                }
                Given::Real(f) => (Shown::Real(*f), Type::by_name("real").unwrap_or(Type::FLOAT)),
                Given::Float(f) => (Shown::Float(*f), Type::FLOAT),
                Given::Date(d) => (Shown::Date(*d), Type::DATE),
                Given::Time(t) => (Shown::Time(*t), Type::TIME),
                Given::DateTime(d, t) => (Shown::DateTime(*d, *t), Type::DATETIME2),
                Given::DateTimeOffset(d, t, m) => (Shown::DateTimeOffset(*d, *t, *m), Type::OFFSET),
                Given::Guid(guid) => (Shown::Guid(*guid), Type::GUID),
                Given::Text(text) => (Shown::Text(text), Type::NVARCHAR),
                Given::Binary(bytes) => (Shown::Binary(bytes), Type::BINARY),
            };
            let sized = cut(shown, parameter);
            convert((&stored(&sized)).into(), from, ty, 0, true)
                .map_err(|_| refuse(&format!("{} ({})", parameter.kind.name(), ty.name)))?
        }
    };
    if let (Family::Text | Family::Binary, Some(length)) = (ty.family, length_of(parameter)) {
        // What comes back has room for as much.
        let large = matches!(ty.name, "text" | "ntext" | "image" | "xml" | "rowversion" | "timestamp");
        if !large && length <= if ty.name.starts_with('n') { 4000 } else { 8000 } {
            ty.length = length;
        }
    }
    Ok(Made::Value(ty, value))
}

/// `size` in the type's own units: characters of a text, two bytes each where the type is Unicode, or bytes.
fn length_of(parameter: &Parameter) -> Option<u32> {
    use ParameterType as P;
    let size = parameter.size.filter(|size| *size > 0)?;
    match parameter.kind {
        P::NChar | P::NVarChar | P::String | P::NText => Some((size / 2).max(1)),
        P::Char | P::VarChar | P::Text | P::Binary | P::VarBinary | P::Image => Some(size),
        _ => None,
    }
}

/// Longer than its `size`, a value is cut, as the database's own client libraries do it.
fn cut<'a>(value: Shown<'a>, parameter: &Parameter) -> Shown<'a> {
    let Some(length) = length_of(parameter).map(|length| length as usize) else { return value };
    match value {
        Shown::Binary(bytes) => Shown::Binary(&bytes[..bytes.len().min(length)]),
        Shown::Text(text) if text.len() > length => {
            let mut units = 0;
            let end = text.char_indices().find(|(_, c)| {
                units += c.len_utf16();
                units > length
            });
            Shown::Text(end.map_or(text, |(at, _)| &text[..at]))
        }
        other => other,
    }
}

/// A JSON array of rows: arrays of values in the columns' order, or objects by their names. NULL is no rows.
fn rows(parameter: &Parameter, ty: &TableType) -> Option<Rows> {
    use serde_json::Value as Json;
    let cell = |value: &Json| match value {
        Json::Null => Some(Value::Null),
        Json::String(text) => Some(Value::Text(text.clone())),
        Json::Bool(b) => Some(Value::Text(i32::from(*b).to_string())),
        Json::Number(n) => Some(Value::Text(n.to_string())),
        Json::Array(_) | Json::Object(_) => None,
    };
    let list: Vec<Json> = match &parameter.value {
        Some(text) => serde_json::from_str(text.reveal()).ok()?,
        None => Vec::new(),
    };
    let mut rows = Vec::with_capacity(list.len());
    for row in &list {
        rows.push(match row {
            Json::Array(cells) if cells.len() == ty.columns.len() => {
                cells.iter().map(cell).collect::<Option<_>>()?
            }
            Json::Object(cells) => {
                let place = |name: &str| {
                    ty.columns.iter().position(|(column, _, _)| column.eq_ignore_ascii_case(name))
                };
                let mut made = vec![Value::Null; ty.columns.len()];
                for (name, value) in cells {
                    made[place(name)?] = cell(value)?;
                }
                made
            }
            _ => return None,
        });
    }
    Some(Rows::of_texts(ty, rows))
}
