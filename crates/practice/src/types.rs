//! SQL Server's types, as far as the demo tells them apart.

use crate::table_type;
use sqlparser::ast::{BinaryLength, CharacterLength, DataType, ExactNumberInfo};

/// What values of a type are like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    /// The literal NULL: fits everywhere.
    Null,
    Bit,
    Int,
    Decimal,
    Real,
    Float,
    Text,
    Date,
    DateTime,
    Offset,
    Time,
    Guid,
    Binary,
}

/// A type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Type {
    pub(crate) family: Family,
    /// SQL Server's name.
    pub(crate) name: &'static str,
    /// Declared length, for text and binary; precision of a decimal. 0: none declared, or `max`.
    pub(crate) length: u32,
    /// Scale of a decimal; digits of a second's fraction.
    pub(crate) scale: u32,
    /// A text whose collation tells cases apart.
    pub(crate) sensitive: bool,
}

impl Type {
    const fn of(family: Family, name: &'static str) -> Self {
        Type { family, name, length: 0, scale: 0, sensitive: false }
    }

    /// With the digits that it has when none are declared.
    const fn digits(family: Family, name: &'static str, length: u32, scale: u32) -> Self {
        Type { family, name, length, scale, sensitive: false }
    }

    pub(crate) const NULL: Type = Type::of(Family::Null, "int");
    pub(crate) const BIT: Type = Type::of(Family::Bit, "bit");
    pub(crate) const INT: Type = Type::of(Family::Int, "int");
    pub(crate) const BIGINT: Type = Type::of(Family::Int, "bigint");
    pub(crate) const DECIMAL: Type = Type::digits(Family::Decimal, "numeric", 38, 0);
    pub(crate) const FLOAT: Type = Type::of(Family::Float, "float");
    pub(crate) const VARCHAR: Type = Type::of(Family::Text, "varchar");
    pub(crate) const NVARCHAR: Type = Type::of(Family::Text, "nvarchar");
    pub(crate) const DATE: Type = Type::of(Family::Date, "date");
    pub(crate) const DATETIME: Type = Type::of(Family::DateTime, "datetime");
    pub(crate) const DATETIME2: Type = Type::digits(Family::DateTime, "datetime2", 0, 7);
    pub(crate) const OFFSET: Type = Type::digits(Family::Offset, "datetimeoffset", 0, 7);
    pub(crate) const TIME: Type = Type::digits(Family::Time, "time", 0, 7);
    pub(crate) const GUID: Type = Type::of(Family::Guid, "uniqueidentifier");
    pub(crate) const BINARY: Type = Type::of(Family::Binary, "varbinary");

    /// By SQL Server's name.
    pub(crate) fn by_name(name: &str) -> Option<Type> {
        use Family::*;
        if table_type::is_bytes(name) {
            return Some(Type::BINARY);
        }
        [
            (Bit, "bit"),
            (Int, "tinyint"),
            (Int, "smallint"),
            (Int, "int"),
            (Int, "bigint"),
            (Decimal, "decimal"),
            (Decimal, "numeric"),
            (Decimal, "money"),
            (Decimal, "smallmoney"),
            (Real, "real"),
            (Float, "float"),
            (Text, "char"),
            (Text, "varchar"),
            (Text, "nchar"),
            (Text, "nvarchar"),
            (Text, "text"),
            (Text, "ntext"),
            (Text, "xml"),
            (Text, "sysname"),
            (Text, "sql_variant"),
            (Date, "date"),
            (DateTime, "datetime"),
            (DateTime, "datetime2"),
            (DateTime, "smalldatetime"),
            (Offset, "datetimeoffset"),
            (Time, "time"),
            (Guid, "uniqueidentifier"),
            (Binary, "binary"),
            (Binary, "varbinary"),
            (Binary, "image"),
            (Binary, "timestamp"),
            (Binary, "rowversion"),
        ]
        .into_iter()
        .find(|(_, n)| n.eq_ignore_ascii_case(name))
        .map(|(family, name)| match name {
            "decimal" | "numeric" => Type::digits(family, name, 18, 0),
            "money" => Type::digits(family, name, 19, 4),
            "smallmoney" => Type::digits(family, name, 10, 4),
            "datetime2" | "datetimeoffset" | "time" => Type::digits(family, name, 0, 7),
            "sysname" => Type::digits(family, name, 128, 0),
            _ => Type::of(family, name),
        })
    }

    /// The numeric that a literal of these digits is.
    pub(crate) fn of_digits(text: &str) -> Type {
        let digits = text.trim_start_matches('-');
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let whole = whole.trim_start_matches('0').len();
        let length = u32::try_from(whole + fraction.len()).unwrap_or(38).clamp(1, 38);
        Type { length, scale: u32::try_from(fraction.len()).unwrap_or(0), ..Type::DECIMAL }
    }

    /// The type of a text literal.
    pub(crate) fn text_of(name: &str, text: &str) -> Type {
        let length = u32::try_from(text.chars().count()).unwrap_or(0).max(1);
        Type {
            length: if length > 4000 { 0 } else { length },
            ..Type::by_name(name).unwrap_or(Type::NVARCHAR)
        }
    }

    /// The decimal that a number becomes among decimals.
    pub(crate) fn as_decimal(self) -> Type {
        let length = match (self.family, self.name) {
            (Family::Decimal, _) => return self,
            (_, "bit") => 1,
            (_, "tinyint") => 3,
            (_, "smallint") => 5,
            (_, "bigint") => 19,
            _ => 10,
        };
        Type { length, scale: 0, ..Type::DECIMAL }
    }

    /// The embedded engine's clause by which values of this type are compared, sorted and grouped.
    pub(crate) fn collate(self) -> &'static str {
        match self.family {
            Family::Text if self.sensitive => " COLLATE MSCASE",
            Family::Text => " COLLATE MSSQL",
            Family::Decimal => " COLLATE MSDEC",
            Family::Offset => " COLLATE MSOFFSET",
            _ => "",
        }
    }

    /// The embedded engine's column type: one that changes no value.
    pub(crate) fn stored(self) -> &'static str {
        match self.family {
            // Not INTEGER: a primary key of that type would be the row's own number, which must stay as it is.
            Family::Bit | Family::Int => "INT",
            Family::Real | Family::Float => "REAL",
            Family::Binary => "BLOB",
            Family::Text if self.name == "sql_variant" => "BLOB",
            _ => "TEXT",
        }
    }

    /// From this crate's own table lists, for example `char(40)` or `int key`.
    pub(crate) fn declared(text: &str) -> Type {
        let text = text.strip_suffix(" key").unwrap_or(text);
        let (name, rest) = text.split_once('(').unwrap_or((text, ""));
        let mut ty = Type::by_name(name).expect("our own lists name types that exist");
        let (first, second) =
            rest.trim_end_matches(')').split_once(',').unwrap_or((rest.trim_end_matches(')'), ""));
        if let Ok(length) = first.parse() {
            ty.length = length;
            ty.scale = second.trim().parse().unwrap_or(0);
        }
        ty
    }

    /// From a parsed type; `None` for one that SQL Server or the demo does not have.
    pub(crate) fn parsed(parsed: &DataType) -> Option<Type> {
        let text = |name: &str, length: &Option<CharacterLength>, default: u32| {
            let mut ty = Type::by_name(name)?;
            ty.length = match length {
                Some(CharacterLength::IntegerLength { length, .. }) => {
                    u32::try_from(*length).ok().filter(|n| (1..=8000).contains(n))?
                }
                Some(CharacterLength::Max) => 0,
                None => default,
            };
            Some(ty)
        };
        let exact = |name: &str, info: &ExactNumberInfo| {
            let mut ty = Type::by_name(name)?;
            (ty.length, ty.scale) = match info {
                ExactNumberInfo::None => (18, 0),
                ExactNumberInfo::Precision(p) => (u32::try_from(*p).ok()?, 0),
                ExactNumberInfo::PrecisionAndScale(p, s) => {
                    (u32::try_from(*p).ok()?, u32::try_from(*s).ok()?)
                }
            };
            ((1..=38).contains(&ty.length) && ty.scale <= ty.length).then_some(ty)
        };
        Some(match parsed {
            DataType::Bit(None) => Type::BIT,
            DataType::TinyInt(None) => Type::by_name("tinyint")?,
            DataType::SmallInt(None) => Type::by_name("smallint")?,
            DataType::Int(None) | DataType::Integer(None) => Type::INT,
            DataType::BigInt(None) => Type::BIGINT,
            DataType::Real => Type::by_name("real")?,
            DataType::Float(ExactNumberInfo::Precision(n)) if *n <= 24 => Type::by_name("real")?,
            DataType::Float(_) | DataType::DoublePrecision => Type::FLOAT,
            DataType::Numeric(info) => exact("numeric", info)?,
            DataType::Decimal(info) | DataType::Dec(info) => exact("decimal", info)?,
            DataType::Char(l) | DataType::Character(l) => text("char", l, 30)?,
            DataType::Varchar(l) | DataType::CharVarying(l) | DataType::CharacterVarying(l) => {
                text("varchar", l, 30)?
            }
            DataType::Nvarchar(l) => text("nvarchar", l, 30)?,
            DataType::Text => Type::by_name("text")?,
            DataType::Date => Type::DATE,
            DataType::Datetime(None) => Type::DATETIME,
            DataType::Time(None, _) => Type::TIME,
            DataType::Time(Some(n), _) if *n <= 7 => Type { scale: u32::try_from(*n).ok()?, ..Type::TIME },
            DataType::Timestamp(None, _) => Type::by_name("timestamp")?,
            DataType::Uuid => Type::GUID,
            DataType::Binary(n) => {
                Type { length: u32::try_from(n.unwrap_or(30)).ok()?, ..Type::by_name("binary")? }
            }
            DataType::Varbinary(Some(BinaryLength::IntegerLength { length })) => {
                Type { length: u32::try_from(*length).ok()?, ..Type::BINARY }
            }
            DataType::Varbinary(_) => Type::BINARY,
            DataType::Custom(name, arguments) => {
                let name = name.to_string();
                let mut ty = Type::by_name(name.trim_matches(['[', ']', '"']))?;
                match (ty.family, arguments.as_slice()) {
                    (Family::Text, [n]) if !n.eq_ignore_ascii_case("max") => ty.length = n.parse().ok()?,
                    (Family::DateTime | Family::Offset | Family::Time, [n]) if ty.scale == 7 => {
                        ty.scale = n.parse().ok().filter(|n| *n <= 7)?;
                    }
                    (_, []) if ty.name == "nchar" => ty.length = 30,
                    _ => {}
                }
                ty
            }
            _ => return None,
        })
    }

    /// SQL Server's precedence: the higher one of two is what both become.
    fn rank(self) -> u8 {
        match self.name {
            "datetimeoffset" => 30,
            "datetime2" => 29,
            "datetime" => 28,
            "smalldatetime" => 27,
            "date" => 26,
            "time" => 25,
            "float" => 24,
            "real" => 23,
            "decimal" | "numeric" => 22,
            "money" => 21,
            "smallmoney" => 20,
            "bigint" => 19,
            "int" => 18,
            "smallint" => 17,
            "tinyint" => 16,
            "bit" => 15,
            "uniqueidentifier" => 10,
            "nvarchar" | "ntext" | "sysname" => 9,
            "nchar" => 8,
            "xml" | "sql_variant" => 7,
            "varchar" | "text" => 6,
            "char" => 5,
            _ => 1,
        }
    }

    pub(crate) fn is_number(self) -> bool {
        matches!(self.family, Family::Bit | Family::Int | Family::Decimal | Family::Real | Family::Float)
    }

    pub(crate) fn is_time(self) -> bool {
        matches!(self.family, Family::Date | Family::DateTime | Family::Offset | Family::Time)
    }

    /// The type that both sides become when they meet; `None` when they clash.
    pub(crate) fn unify(self, other: Type) -> Option<Type> {
        if self.family == Family::Null {
            return Some(other);
        }
        if other.family == Family::Null {
            return Some(self);
        }
        let (high, low) = if self.rank() >= other.rank() { (self, other) } else { (other, self) };
        let fits = high.family == low.family
            || low.family == Family::Text && !matches!(high.family, Family::Binary)
            || high.is_number() && low.is_number()
            || high.is_time() && low.is_time() && high.family != Family::Time && low.family != Family::Time;
        fits.then(|| high.wide_enough(low))
    }

    /// This type, with room for values of the lower one too.
    fn wide_enough(self, low: Type) -> Type {
        match self.family {
            Family::Decimal if !self.name.ends_with("money") && low.is_number() => {
                let low = low.as_decimal();
                let scale = self.scale.max(low.scale);
                let whole = (self.length - self.scale).max(low.length.saturating_sub(low.scale));
                // What does not fit loses digits behind the point, as in SQL Server.
                let scale = scale.min(38u32.saturating_sub(whole));
                Type { length: (whole + scale).clamp(1, 38), scale, ..self }
            }
            Family::Text | Family::Binary if low.family == self.family => {
                let max = self.length == 0 || low.length == 0;
                // Of char and varchar the result varies; of two chars it is the longer char.
                let name = match (self.name, low.name) {
                    ("nchar", "varchar") => "nvarchar",
                    (name, _) => name,
                };
                let sensitive = self.sensitive || low.sensitive;
                Type { length: if max { 0 } else { self.length.max(low.length) }, name, sensitive, ..self }
            }
            Family::DateTime | Family::Offset | Family::Time if low.family == self.family => {
                Type { scale: self.scale.max(low.scale), ..self }
            }
            _ => self,
        }
    }
}
