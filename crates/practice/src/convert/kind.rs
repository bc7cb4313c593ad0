//! Types by the names that compiled statements give them, and which type converts to which.

use crate::types::{Family, Type};
use std::borrow::Cow;

/// The type of a name that the compiler wrote: lower case, and for a time-like type of fewer than seven digits
/// `datetime2(3)`. Called for each row, so without a search through a list.
pub(crate) fn kind(spelled: &str) -> Type {
    let (name, digits) = match spelled.split_once('(') {
        Some((name, rest)) => (name, rest.trim_end_matches(')').parse().ok()),
        None => (spelled, None),
    };
    let of = |family, name| Type { family, name, length: 0, scale: 0, sensitive: false };
    match name {
        "int" => Type::INT,
        "varchar" => Type::VARCHAR,
        "nvarchar" => Type::NVARCHAR,
        "datetime" => Type::DATETIME,
        "date" => Type::DATE,
        "datetime2" => Type { scale: digits.unwrap_or(7), ..Type::DATETIME2 },
        "time" => Type { scale: digits.unwrap_or(7), ..Type::TIME },
        "datetimeoffset" => Type { scale: digits.unwrap_or(7), ..Type::OFFSET },
        "smalldatetime" => of(Family::DateTime, "smalldatetime"),
        "bit" => Type::BIT,
        "bigint" => Type::BIGINT,
        "smallint" => of(Family::Int, "smallint"),
        "tinyint" => of(Family::Int, "tinyint"),
        "decimal" => of(Family::Decimal, "decimal"),
        "numeric" => Type::DECIMAL,
        "money" => of(Family::Decimal, "money"),
        "smallmoney" => of(Family::Decimal, "smallmoney"),
        "float" => Type::FLOAT,
        "real" => of(Family::Real, "real"),
        "char" => of(Family::Text, "char"),
        "nchar" => of(Family::Text, "nchar"),
        "uniqueidentifier" => Type::GUID,
        "varbinary" => Type::BINARY,
        "binary" => of(Family::Binary, "binary"),
        other => Type::by_name(other).unwrap_or(Type::NVARCHAR),
    }
}

/// A type's name as [`kind`] reads it back.
pub(crate) fn spelled(ty: Type) -> Cow<'static, str> {
    match ty.name {
        "datetime2" | "time" | "datetimeoffset" if precision(ty) < 7 => {
            Cow::Owned(format!("{}({})", ty.name, precision(ty)))
        }
        name => Cow::Borrowed(name),
    }
}

/// Digits of a second's fraction that a time-like type keeps.
pub(crate) fn precision(ty: Type) -> u32 {
    match ty.name {
        "datetime2" | "time" | "datetimeoffset" => ty.scale.min(7),
        "datetime" => 3,
        _ => 0,
    }
}

/// Whether a type holds text as UTF-16.
pub(crate) fn is_wide(ty: Type) -> bool {
    matches!(ty.name, "nchar" | "nvarchar" | "ntext" | "sysname" | "xml" | "sql_variant")
}

/// Whether CAST takes the one to the other at all: SQL Server's matrix.
pub(crate) fn castable(from: Type, to: Type) -> bool {
    use Family::*;
    let number = |f| matches!(f, Bit | Int | Decimal | Real | Float);
    let old_moment = matches!(to.name, "datetime" | "smalldatetime");
    let from_old = matches!(from.name, "datetime" | "smalldatetime");
    match (from.family, to.family) {
        (Null, _) | (_, Null) => true,
        _ if from.name == "sql_variant" || to.name == "sql_variant" => true,
        (Text, Binary) => !matches!(from.name, "xml") || to.name != "image",
        (Text, _) | (Binary, Text) => true,
        (_, Text) if matches!(to.name, "text" | "ntext" | "xml") => false,
        (_, Text) => true,
        (Binary, Bit | Int | Decimal | Binary | Guid | Date | DateTime | Offset | Time) => true,
        (Binary, Real | Float) => false,
        (Guid, Guid | Binary) => true,
        (Guid, _) | (_, Guid) => false,
        (_, Binary) => to.name != "image",
        (a, b) if number(a) && number(b) => true,
        (a, DateTime) if number(a) => old_moment,
        (DateTime, b) if number(b) => from_old,
        (a, _) if number(a) => false,
        (_, b) if number(b) => false,
        (Date, Time) | (Time, Date) => false,
        _ => true,
    }
}
