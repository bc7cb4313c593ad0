//! Values as the driver's types.

use super::{
    refused,
    sized::{BYTES, Length, cut_narrow, cut_wide, declared, given as size_given, narrow_length},
};
use crate::calendar;
use database::{
    Date, Failure, Time,
    text::{Digits, Given},
};
use model::{Direction, Parameter, ParameterType};
use mssql_tds::{
    datatypes::{
        column_values::{
            SqlDate, SqlDateTime, SqlDateTime2, SqlDateTimeOffset, SqlMoney, SqlSmallDateTime, SqlSmallMoney,
            SqlTime, SqlXml,
        },
        decoder::DecimalParts,
        sql_string::SqlString,
        sqltypes::SqlType,
    },
    message::parameters::rpc_parameters::RpcTypeMetadata,
    token::tokens::SqlCollation,
};

/// Most characters of text in a `sql_variant`.
const VARIANT: usize = 4000;
/// Digits behind the point of a decimal that comes back, when its value on the way in says nothing else.
const SCALE: u8 = 10;
/// Most digits of a decimal.
const PRECISION: u8 = 38;

/// A value with what the driver must know beside it.
pub(crate) struct Typed {
    pub(crate) value: SqlType,
    pub(crate) metadata: Option<RpcTypeMetadata>,
}

impl From<SqlType> for Typed {
    fn from(value: SqlType) -> Typed {
        Typed { value, metadata: None }
    }
}

/// The parameter's value in its type, NULL too.
///
/// # Errors
/// [`Failure::Parameter`] when the type can't hold it.
pub(crate) fn typed(
    parameter: &Parameter,
    given: Option<Given>,
    collation: &SqlCollation,
) -> Result<Typed, Failure> {
    use ParameterType as P;
    let comes_back = parameter.direction != Direction::Input;
    let size = size_given(parameter.size);
    let no = |expected: &str| refused(parameter, expected);
    Ok(match parameter.kind {
        P::Bit => SqlType::Bit(match given {
            Some(Given::Bit(v)) => Some(v),
            _ => None,
        })
        .into(),
        P::TinyInt => SqlType::TinyInt(int(&given).map(|n| n as u8)).into(),
        P::SmallInt => SqlType::SmallInt(int(&given).map(|n| n as i16)).into(),
        P::Int => SqlType::Int(int(&given).map(|n| n as i32)).into(),
        P::BigInt => SqlType::BigInt(int(&given)).into(),
        P::Real => SqlType::Real(match given {
            Some(Given::Real(v)) => Some(v),
            _ => None,
        })
        .into(),
        P::Float => SqlType::Float(match given {
            Some(Given::Float(v)) => Some(v),
            _ => None,
        })
        .into(),
        P::Decimal => decimal(digits(&given), comes_back),
        P::Money => SqlType::Money(digits(&given).map(|d| {
            let amount = d.signed() as i64;
            SqlMoney::from((amount as i32, (amount >> 32) as i32))
        }))
        .into(),
        P::SmallMoney => {
            SqlType::SmallMoney(digits(&given).map(|d| SqlSmallMoney::from(d.signed() as i32))).into()
        }
        P::Date => SqlType::Date(match given {
            Some(Given::Date(date)) => SqlDate::create(calendar::days(date).unsigned_abs()).ok(),
            _ => None,
        })
        .into(),
        P::Time => SqlType::Time(match given {
            Some(Given::Time(time)) => Some(ticks(time)),
            _ => None,
        })
        .into(),
        P::DateTime2 => SqlType::DateTime2(moment(&given).map(|(date, time)| SqlDateTime2 {
            days: calendar::days(date).unsigned_abs(),
            time: ticks(time),
        }))
        .into(),
        P::DateTime => {
            let value = moment(&given).map(|(date, time)| datetime(date, time));
            SqlType::DateTime(value.transpose().map_err(no)?).into()
        }
        P::SmallDateTime => {
            let value = moment(&given).map(|(date, time)| smalldatetime(date, time));
            SqlType::SmallDateTime(value.transpose().map_err(no)?).into()
        }
        P::DateTimeOffset => SqlType::DateTimeOffset(match given {
            Some(Given::DateTimeOffset(date, time, minutes)) => {
                Some(offset(date, time, minutes).map_err(no)?)
            }
            _ => None,
        })
        .into(),
        P::UniqueIdentifier => SqlType::Uuid(match given {
            Some(Given::Guid(v)) => Some(v),
            _ => None,
        })
        .into(),
        P::NVarChar | P::String | P::NChar | P::NText => {
            let size = size.map(|bytes| bytes / 2).filter(|_| parameter.kind != P::NText);
            wide(parameter.kind, text(given).map(|text| cut_wide(text, size)), size, comes_back)
        }
        P::VarChar | P::Char | P::Text => {
            let size = size.filter(|_| parameter.kind != P::Text);
            let value = text(given).map(|text| cut_narrow(text, size, collation));
            narrow(parameter.kind, value, size, comes_back, collation)
        }
        P::Binary | P::VarBinary | P::Image => {
            let size = size.filter(|_| parameter.kind != P::Image);
            let mut value = bytes(given);
            if let (Some(value), Some(size)) = (&mut value, size) {
                value.truncate(size as usize);
            }
            binary(parameter.kind, value, size, comes_back)
        }
        P::Timestamp => SqlType::Binary(bytes(given), 8).into(),
        P::Variant => {
            let value = text(given).map(|text| cut_wide(text, size.map(|bytes| bytes / 2)));
            if value.as_ref().is_some_and(|text| text.encode_utf16().count() > VARIANT) {
                return Err(no("Variant: at most 4000 characters; a longer text is NVarChar"));
            }
            SqlType::Variant(Box::new(SqlType::NVarchar(value.map(string), VARIANT as u16))).into()
        }
        P::Xml => SqlType::Xml(text(given).map(SqlXml::from)).into(),
        P::Structured | P::Udt => return Err(no("another type here")),
    })
}

fn int(given: &Option<Given>) -> Option<i64> {
    match given {
        // The reader has held it to the type's range.
        Some(Given::Int(n)) => Some(*n),
        _ => None,
    }
}

fn digits(given: &Option<Given>) -> Option<&Digits> {
    match given {
        Some(Given::Decimal(digits)) => Some(digits),
        _ => None,
    }
}

fn moment(given: &Option<Given>) -> Option<(Date, Time)> {
    match given {
        Some(Given::DateTime(date, time)) => Some((*date, *time)),
        _ => None,
    }
}

fn text(given: Option<Given>) -> Option<String> {
    match given {
        Some(Given::Text(text)) => Some(text),
        _ => None,
    }
}

fn bytes(given: Option<Given>) -> Option<Vec<u8>> {
    match given {
        Some(Given::Binary(bytes)) => Some(bytes),
        _ => None,
    }
}

fn string(text: String) -> SqlString {
    SqlString::from_utf8_string(text)
}

fn ticks(time: Time) -> SqlTime {
    // The driver's field is named after nanoseconds and holds ticks of 100.
    SqlTime { time_nanoseconds: time.0, scale: 7 }
}

/// On its way in it has the digits that its text has. On its way back there is room for ten behind the point and 28 before
/// it, and more behind it where the value that went in had more.
fn decimal(digits: Option<&Digits>, comes_back: bool) -> Typed {
    let parts = |d: &Digits, precision| DecimalParts::new(!d.negative, precision, d.scale, d.magnitude);
    match digits {
        None => Typed {
            value: SqlType::Decimal(None),
            metadata: Some(RpcTypeMetadata { precision: Some(PRECISION), scale: Some(SCALE) }),
        },
        Some(d) if comes_back => {
            let wider = d.at_scale(d.scale.max(SCALE));
            SqlType::Decimal(Some(parts(wider.as_ref().unwrap_or(d), PRECISION))).into()
        }
        Some(d) => SqlType::Decimal(Some(parts(d, d.precision()))).into(),
    }
}

fn datetime(date: Date, time: Time) -> Result<SqlDateTime, &'static str> {
    let (days, thirds) = calendar::rounded(calendar::days(date), time, 300);
    if days > calendar::LAST_DAY {
        return Err("DateTime: up to 9999-12-31T23:59:59.997");
    }
    Ok(SqlDateTime { days: days - calendar::TO_1900, time: thirds as u32 })
}

fn smalldatetime(date: Date, time: Time) -> Result<SqlSmallDateTime, &'static str> {
    let minute = 60 * Time::SECOND;
    let minutes = (time.0 + minute / 2) / minute;
    let days = calendar::days(date) - calendar::TO_1900 + i32::from(minutes == 1440);
    let days = u16::try_from(days).map_err(|_| "SmallDateTime: from 1900-01-01T00:00 to 2079-06-06T23:59")?;
    Ok(SqlSmallDateTime { days, time: (minutes % 1440) as u16 })
}

fn offset(date: Date, time: Time, minutes: i16) -> Result<SqlDateTimeOffset, &'static str> {
    // It travels as UTC.
    let utc = time.0 as i64 - i64::from(minutes) * 60 * Time::SECOND as i64;
    let days = i64::from(calendar::days(date)) + utc.div_euclid(Time::DAY as i64);
    let inside = (0..=i64::from(calendar::LAST_DAY)).contains(&days);
    let days =
        u32::try_from(days).ok().filter(|_| inside).ok_or("DateTimeOffset: years 1 to 9999 in UTC too")?;
    let time = ticks(Time(utc.rem_euclid(Time::DAY as i64).unsigned_abs()));
    Ok(SqlDateTimeOffset { datetime2: SqlDateTime2 { days, time }, offset: minutes })
}

fn wide(kind: ParameterType, value: Option<String>, size: Option<u32>, comes_back: bool) -> Typed {
    let used = value.as_ref().map_or(0, |text| text.encode_utf16().take(BYTES as usize).count());
    let length = declared(size, used, BYTES / 2, comes_back);
    let value = value.map(string);
    match (kind, length) {
        (ParameterType::NText, _) | (_, Length::Max) => SqlType::NVarcharMax(value),
        (ParameterType::NChar, Length::Of(_)) if size.is_none() => SqlType::NChar(value, used.max(1) as u16),
        (ParameterType::NChar, Length::Of(n)) => SqlType::NChar(value, n.max(1)),
        (_, Length::Of(n)) => SqlType::NVarchar(value, n.max(1)),
    }
    .into()
}

fn narrow(
    kind: ParameterType,
    value: Option<String>,
    size: Option<u32>,
    comes_back: bool,
    collation: &SqlCollation,
) -> Typed {
    let used = value.as_ref().map_or(0, |text| match text.chars().nth(BYTES as usize) {
        // A character has at least one byte: how many there are does not matter any more.
        Some(_) => BYTES as usize + 1,
        None => narrow_length(text, collation),
    });
    let length = declared(size, used, BYTES, comes_back);
    let value = value.map(string);
    match (kind, length) {
        (ParameterType::Text, _) | (_, Length::Max) => SqlType::VarcharMax(value),
        (ParameterType::Char, Length::Of(_)) if size.is_none() => SqlType::Char(value, used.max(1) as u16),
        (ParameterType::Char, Length::Of(n)) => SqlType::Char(value, n),
        (_, Length::Of(n)) => SqlType::Varchar(value, n),
    }
    .into()
}

fn binary(kind: ParameterType, value: Option<Vec<u8>>, size: Option<u32>, comes_back: bool) -> Typed {
    let used = value.as_ref().map_or(0, Vec::len);
    match (kind, declared(size, used, BYTES, comes_back)) {
        (ParameterType::Image, _) | (_, Length::Max) => SqlType::VarBinaryMax(value),
        (ParameterType::Binary, Length::Of(_)) if size.is_none() => {
            SqlType::Binary(value, used.max(1) as u16)
        }
        (ParameterType::Binary, Length::Of(n)) => SqlType::Binary(value, n),
        (_, Length::Of(n)) => SqlType::VarBinary(value, n),
    }
    .into()
}
