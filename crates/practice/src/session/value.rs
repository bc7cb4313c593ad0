//! Values between the embedded engine and the outside, and the engine's errors in SQL Server's words.

use super::run::Stop;
use crate::{
    calendar::{date_text, date_time_text, read_date, read_date_time, read_offset, read_time, time_text},
    convert::fits_integer,
    events::{Broken, ColumnType},
    fault::{Caught, Raised, fault},
    types::{Family, Type},
};
use database::Value as Shown;
use rusqlite::{
    Error, ErrorCode,
    types::{Value, ValueRef},
};

/// A stored value as one of its type.
pub(super) fn typed(value: ValueRef<'_>, ty: Type) -> Result<Shown<'_>, Raised> {
    let overflow =
        || Raised(8115, format!("Arithmetic overflow error converting expression to data type {}.", ty.name));
    Ok(match value {
        ValueRef::Null => Shown::Null,
        ValueRef::Integer(i) => match ty.family {
            Family::Bit => Shown::Bit(i != 0),
            Family::Real | Family::Float => Shown::Float(i as f64),
            _ if fits_integer(i, ty.name) => Shown::Int(i),
            _ => return Err(overflow()),
        },
        ValueRef::Real(f) => match ty.family {
            Family::Real => Shown::Real(f as f32),
            // The embedded engine leaves whole numbers for floats where they grow too large.
            Family::Int | Family::Bit => return Err(overflow()),
            _ => Shown::Float(f),
        },
        ValueRef::Blob(bytes) => Shown::Binary(bytes),
        ValueRef::Text(bytes) => {
            let text = std::str::from_utf8(bytes)
                .map_err(|_| Raised(8630, "Stored text is not UTF-8.".to_owned()))?;
            let wrong = || {
                Raised(
                    241,
                    "Conversion failed when converting date and/or time from character string.".to_owned(),
                )
            };
            match ty.family {
                Family::Date => Shown::Date(read_date(bytes).ok_or_else(wrong)?),
                Family::DateTime => {
                    let (d, t) = read_date_time(bytes).ok_or_else(wrong)?;
                    Shown::DateTime(d, t)
                }
                Family::Offset => {
                    let (d, t, minutes) = read_offset(bytes).ok_or_else(wrong)?;
                    Shown::DateTimeOffset(d, t, minutes)
                }
                Family::Time => Shown::Time(read_time(bytes).ok_or_else(wrong)?),
                Family::Guid => Shown::Guid(uuid::Uuid::parse_str(text).map_err(|_| wrong())?),
                Family::Decimal => Shown::Decimal(text),
                Family::Text | Family::Null => Shown::Text(text),
                _ => return Err(Raised(8630, format!("Text came where {} should be.", ty.name))),
            }
        }
    })
}

/// The stored form of a value that came from outside.
pub(crate) fn stored(value: &Shown<'_>) -> Value {
    match *value {
        Shown::Null => Value::Null,
        Shown::Bit(b) => Value::Integer(i64::from(b)),
        Shown::Int(i) => Value::Integer(i),
        Shown::Decimal(text) | Shown::Text(text) => Value::Text(text.to_owned()),
        Shown::Real(f) => Value::Real(f64::from(f)),
        Shown::Float(f) => Value::Real(f),
        Shown::Date(d) => Value::Text(date_text(d)),
        Shown::DateTime(d, t) => Value::Text(date_time_text(d, t)),
        Shown::DateTimeOffset(d, t, minutes) => {
            let sign = if minutes < 0 { '-' } else { '+' };
            let away = minutes.unsigned_abs();
            Value::Text(format!("{}{sign}{:02}:{:02}", date_time_text(d, t), away / 60, away % 60))
        }
        Shown::Time(t) => Value::Text(time_text(t)),
        Shown::Guid(guid) => Value::Text(guid.hyphenated().to_string()),
        Shown::Binary(bytes) => Value::Blob(bytes.to_vec()),
    }
}

/// A type as a result set describes it.
pub(super) fn column_type(ty: Type) -> ColumnType {
    let length = match ty.family {
        Family::Text | Family::Binary if ty.length > 0 => Some(ty.length),
        _ => None,
    };
    let precision = if ty.family == Family::Decimal { u8::try_from(ty.length).unwrap_or(38) } else { 0 };
    ColumnType { name: ty.name, length, precision, scale: u8::try_from(ty.scale).unwrap_or(0) }
}

/// The type that a result set or a caller described; one that does not exist is text.
pub(super) fn type_of(ty: &ColumnType) -> Type {
    let mut made = Type::by_name(ty.name).unwrap_or(Type::NVARCHAR);
    match made.family {
        Family::Text | Family::Binary => made.length = ty.length.unwrap_or(0),
        Family::Decimal if !made.name.ends_with("money") => {
            made.length = u32::from(ty.precision).clamp(1, 38);
            made.scale = u32::from(ty.scale).min(made.length);
        }
        Family::DateTime | Family::Offset | Family::Time if made.scale == 7 => {
            made.scale = u32::from(ty.scale).min(7);
        }
        _ => {}
    }
    made
}

/// A write's verb and object, for errors, and whether the object is a temporary table.
pub(super) type Written<'a> = Option<(&'static str, &'a str, bool)>;

/// The embedded engine's error as it stops a statement.
pub(super) fn stop(error: &Error, line: u64, write: Written<'_>) -> Stop {
    let code = match error {
        Error::SqliteFailure(code, _) => Some(code.code),
        _ => None,
    };
    match code {
        Some(ErrorCode::OperationInterrupted) => Stop::Broken(Broken::Cancelled),
        Some(
            ErrorCode::DatabaseCorrupt
            | ErrorCode::NotADatabase
            | ErrorCode::CannotOpen
            | ErrorCode::SystemIoFailure,
        ) => Stop::Broken(Broken::Lost),
        _ => {
            let mut caught = failed(error, write).unwrap_or_else(internal);
            if caught.line == 0 {
                caught.line = u32::try_from(line).unwrap_or(0);
            }
            caught.into()
        }
    }
}

fn internal() -> Caught {
    fault(
        8630,
        0,
        "Internal Query Processor Error: The query processor encountered an unexpected error during execution.",
    )
    .into()
}

/// The embedded engine's error in SQL Server's words; `None` for one that has none.
pub(super) fn failed(error: &Error, write: Written<'_>) -> Option<Caught> {
    let (verb, object, temp) = write.unwrap_or(("SELECT", "object", false));
    let Error::SqliteFailure(code, message) = error else { return None };
    if let Some(Raised(number, words)) = message.as_deref().and_then(Raised::read) {
        return Some(fault(number, 0, words).into());
    }
    let shown = if object.starts_with(['#', '@']) { object.to_owned() } else { format!("dbo.{object}") };
    let about = message.as_deref().unwrap_or_default();
    let (number, words) = match code.code {
        ErrorCode::ConstraintViolation => match code.extended_code {
            rusqlite::ffi::SQLITE_CONSTRAINT_NOTNULL => {
                let column = about.rsplit('.').next().unwrap_or_default();
                let table =
                    if temp { format!("tempdb.dbo.{object}") } else { format!("BPSPatients.dbo.{object}") };
                (
                    515,
                    format!(
                        "Cannot insert the value NULL into column '{column}', table '{table}'; column does not allow nulls. {verb} fails."
                    ),
                )
            }
            rusqlite::ffi::SQLITE_CONSTRAINT_CHECK => (
                547,
                format!(
                    "The {verb} statement conflicted with a CHECK constraint. The conflict occurred in table \"{shown}\"."
                ),
            ),
            rusqlite::ffi::SQLITE_CONSTRAINT_UNIQUE if about.contains("index 'i") => {
                (2601, format!("Cannot insert duplicate key row in object '{shown}' with unique index."))
            }
            rusqlite::ffi::SQLITE_CONSTRAINT_UNIQUE => (
                2627,
                format!(
                    "Violation of UNIQUE KEY constraint. Cannot insert duplicate key in object '{shown}'."
                ),
            ),
            _ => (
                2627,
                format!(
                    "Violation of PRIMARY KEY constraint. Cannot insert duplicate key in object '{shown}'."
                ),
            ),
        },
        ErrorCode::AuthorizationForStatementDenied | ErrorCode::ReadOnly | ErrorCode::PermissionDenied => (
            229,
            format!(
                "The {verb} permission was denied on the object '{object}', database 'BPSPatients', schema 'dbo'."
            ),
        ),
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => {
            (1222, "Lock request time out period exceeded.".to_owned())
        }
        // Only a key takes nothing but whole numbers.
        ErrorCode::TypeMismatch => (
            515,
            format!(
                "Cannot insert the value NULL into the key of table 'BPSPatients.dbo.{object}'; column does not allow nulls. {verb} fails."
            ),
        ),
        ErrorCode::TooBig => (8623, "A text or a statement is too large for the demo practice.".to_owned()),
        ErrorCode::OutOfMemory | ErrorCode::DiskFull => {
            (701, "There is insufficient system memory to run this query.".to_owned())
        }
        _ if about.starts_with("at most") || about.starts_with("too many") => {
            (8623, format!("The demo practice's engine takes no statement that large ({about})."))
        }
        _ => return None,
    };
    Some(fault(number, 0, words).into())
}
