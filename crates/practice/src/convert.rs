//! One value from one SQL Server type to another, with SQL Server's errors.

mod decimal;
mod moment;

use crate::{
    calendar::{date_text, date_time_text, day_number, read_date_time, read_offset, read_time, time_text},
    fault::Raised,
    types::{Family, Type},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use database::{Date, Time};
pub(crate) use decimal::{Decimal, arithmetic};
pub(crate) use moment::{month_name, parse_moment};
use rusqlite::types::{Value, ValueRef};

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
        Family::Bit => match value {
            ValueRef::Integer(i) => Ok(Value::Integer(i64::from(i != 0))),
            ValueRef::Real(f) => Ok(Value::Integer(i64::from(f != 0.0))),
            _ => match text(value, from, to)?.trim() {
                t if t.eq_ignore_ascii_case("true") => Ok(Value::Integer(1)),
                t if t.eq_ignore_ascii_case("false") => Ok(Value::Integer(0)),
                t => Decimal::parse(t)
                    .map(|d| Value::Integer(i64::from(!d.is_zero())))
                    .ok_or_else(|| failed(value, from, to)),
            },
        },
        Family::Int => integer(value, from, to),
        Family::Decimal => {
            let number = match value {
                ValueRef::Integer(i) => Some(Decimal::from(i)),
                ValueRef::Real(f) => Decimal::from_float(f),
                _ => Decimal::parse(text(value, from, to)?.trim().trim_start_matches('$')),
            };
            let number = number.ok_or_else(|| {
                Raised(8114, format!("Error converting data type {} to {}.", from.name, to.name))
            })?;
            let fitted = if to.length == 0 { Some(number) } else { number.fit(to.length, to.scale) };
            let fitted = fitted.ok_or_else(|| {
                Raised(
                    8115,
                    format!("Arithmetic overflow error converting {} to data type {}.", from.name, to.name),
                )
            })?;
            Ok(Value::Text(fitted.to_string()))
        }
        Family::Real | Family::Float => {
            let f = match value {
                ValueRef::Integer(i) => i as f64,
                ValueRef::Real(f) => f,
                _ => {
                    let text = text(value, from, to)?;
                    let plain = text.trim();
                    let sound = !plain.is_empty()
                        && plain.bytes().all(|b| b.is_ascii_digit() || b"+-.eE".contains(&b));
                    sound.then(|| plain.parse::<f64>().ok()).flatten().filter(|f| f.is_finite()).ok_or_else(
                        || Raised(8114, format!("Error converting data type {} to {}.", from.name, to.name)),
                    )?
                }
            };
            let f = if to.family == Family::Real { f64::from(f as f32) } else { f };
            if f.is_finite() {
                Ok(Value::Real(f))
            } else {
                Err(Raised(
                    8115,
                    format!("Arithmetic overflow error converting expression to data type {}.", to.name),
                ))
            }
        }
        Family::Text => {
            let made = to_text(value, from, to, style)?;
            fit_text(made, to, strict)
        }
        Family::Date | Family::DateTime | Family::Offset | Family::Time => time_like(value, from, to, style),
        Family::Guid => {
            let text = text(value, from, to)?;
            let guid = uuid::Uuid::parse_str(text.trim().trim_start_matches('{').trim_end_matches('}'));
            guid.map(|g| Value::Text(g.hyphenated().to_string())).map_err(|_| {
                Raised(
                    8169,
                    "Conversion failed when converting from a character string to uniqueidentifier."
                        .to_owned(),
                )
            })
        }
        Family::Binary => match value {
            ValueRef::Blob(bytes) => Ok(Value::Blob(bytes.to_vec())),
            ValueRef::Text(bytes) if from.family == Family::Text && !from.name.starts_with('n') => {
                Ok(Value::Blob(bytes.to_vec()))
            }
            _ => Err(clash(from, to)),
        },
    }
}

fn text(value: ValueRef<'_>, from: Type, to: Type) -> Result<String, Raised> {
    match value {
        ValueRef::Text(bytes)
            if matches!(from.family, Family::Text | Family::Decimal | Family::Guid | Family::Null) =>
        {
            Ok(String::from_utf8_lossy(bytes).into_owned())
        }
        _ => Err(clash(from, to)),
    }
}

fn clash(from: Type, to: Type) -> Raised {
    Raised(529, format!("Explicit conversion from data type {} to {} is not allowed.", from.name, to.name))
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

fn integer(value: ValueRef<'_>, from: Type, to: Type) -> Result<Value, Raised> {
    let overflow =
        || Raised(8115, format!("Arithmetic overflow error converting expression to data type {}.", to.name));
    let number = match value {
        ValueRef::Integer(i) => i,
        ValueRef::Real(f) if f.abs() < 9.2e18 => f.trunc() as i64,
        ValueRef::Real(_) => return Err(overflow()),
        _ if from.family == Family::Decimal => {
            Decimal::parse(&text(value, from, to)?).and_then(Decimal::whole).ok_or_else(overflow)?
        }
        _ => {
            let text = text(value, from, to)?;
            match text.trim() {
                "" => 0,
                plain
                    if plain
                        .bytes()
                        .enumerate()
                        .all(|(i, b)| b.is_ascii_digit() || i == 0 && b"+-".contains(&b))
                        && plain.len() > usize::from(plain.starts_with(['+', '-'])) =>
                {
                    plain.parse().map_err(|_| overflow())?
                }
                _ => return Err(failed(value, from, to)),
            }
        }
    };
    if fits_integer(number, to.name) { Ok(Value::Integer(number)) } else { Err(overflow()) }
}

/// Whether a number is in the range of that integer type.
pub(crate) fn fits_integer(number: i64, name: &str) -> bool {
    match name {
        "tinyint" => (0..=255).contains(&number),
        "smallint" => i16::try_from(number).is_ok(),
        "int" => i32::try_from(number).is_ok(),
        _ => true,
    }
}

fn fit_text(made: String, to: Type, strict: bool) -> Result<Value, Raised> {
    let limit = to.length as usize;
    if limit == 0 {
        return Ok(Value::Text(made));
    }
    let count = made.chars().count();
    let made = if count > limit {
        let cut: String = made.chars().take(limit).collect();
        if strict && made.chars().skip(limit).any(|c| c != ' ') {
            return Err(Raised(2628, "String or binary data would be truncated.".to_owned()));
        }
        cut
    } else if to.name == "char" || to.name == "nchar" {
        let mut made = made;
        made.extend(std::iter::repeat_n(' ', limit - count));
        made
    } else {
        made
    };
    Ok(Value::Text(made))
}

fn to_text(value: ValueRef<'_>, from: Type, to: Type, style: i64) -> Result<String, Raised> {
    Ok(match value {
        ValueRef::Null => String::new(),
        ValueRef::Integer(i) => i.to_string(),
        // SQL Server's default shows six significant digits; style 0 of CONVERT.
        ValueRef::Real(f) => float_text(f),
        ValueRef::Text(bytes) if from.is_time() => {
            let (date, time, offset) = read_any(bytes, from).ok_or_else(|| failed(value, from, to))?;
            moment::format(date, time, offset, from, style).ok_or_else(|| {
                Raised(
                    281,
                    format!(
                        "{style} is not a valid style number when converting from {} to a character string.",
                        from.name
                    ),
                )
            })?
        }
        ValueRef::Text(bytes) if from.family == Family::Guid => String::from_utf8_lossy(bytes).to_uppercase(),
        ValueRef::Text(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        ValueRef::Blob(bytes) => match style {
            1 => format!("0x{}", hex(bytes)),
            2 => hex(bytes),
            _ => String::from_utf8(bytes.to_vec()).map_err(|_| clash(from, to))?,
        },
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02X}")).collect()
}

fn float_text(f: f64) -> String {
    if f == 0.0 {
        return "0".to_owned();
    }
    let exponent = f.abs().log10().floor() as i32;
    if !(-5..6).contains(&exponent) {
        let text = format!("{f:.5e}");
        let (digits, power) = text.split_once('e').unwrap_or((&text, "0"));
        let power: i32 = power.parse().unwrap_or(0);
        let digits =
            if digits.contains('.') { digits.trim_end_matches('0').trim_end_matches('.') } else { digits };
        return format!("{digits}e{}{:03}", if power < 0 { '-' } else { '+' }, power.abs());
    }
    let text = format!("{f:.*}", (5 - exponent).max(0) as usize);
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// The stored form of any time-like type; parts that a type lacks are 1900-01-01, midnight, no offset.
pub(crate) fn read_any(bytes: &[u8], from: Type) -> Option<(Date, Time, i16)> {
    const EPOCH: Date = Date { year: 1900, month: 1, day: 1 };
    match from.family {
        Family::Offset => read_offset(bytes),
        Family::Time => read_time(bytes).map(|t| (EPOCH, t, 0)),
        _ => read_date_time(bytes).map(|(d, t)| (d, t, 0)),
    }
}

fn time_like(value: ValueRef<'_>, from: Type, to: Type, style: i64) -> Result<Value, Raised> {
    let ValueRef::Text(bytes) = value else { return Err(clash(from, to)) };
    let (date, time, offset) = if from.is_time() {
        read_any(bytes, from).ok_or_else(|| failed(value, from, to))?
    } else {
        let text = text(value, from, to)?;
        parse_moment(text.trim(), style).ok_or_else(|| {
            Raised(
                241,
                "Conversion failed when converting date and/or time from character string.".to_owned(),
            )
        })?
    };
    Ok(Value::Text(write_moment(date, time, offset, to).ok_or_else(|| {
        Raised(
            242,
            format!(
                "The conversion of a {} data type to a {} data type resulted in an out-of-range value.",
                from.name, to.name
            ),
        )
    })?))
}

/// The stored form in a type, rounded to what the type can hold; `None` outside of its range.
pub(crate) fn write_moment(date: Date, time: Time, offset: i16, to: Type) -> Option<String> {
    // datetime ticks 300 times a second; smalldatetime goes by minutes.
    let round = |unit: (u64, u64)| {
        let ticks = (time.0 * unit.1 + unit.0 / 2) / unit.0;
        // The three-hundredths are shown as milliseconds ending in 0, 3 or 7.
        let back = if unit.1 == 300 { (ticks * 1000 + 150) / 300 * 10_000 } else { ticks * unit.0 };
        if back >= Time::DAY {
            (crate::calendar::day(day_number(date) + 1), Time(0))
        } else {
            (Some(date), Time(back))
        }
    };
    Some(match to.name {
        "date" => date_text(date),
        "time" => time_text(time),
        "datetimeoffset" => {
            let sign = if offset < 0 { '-' } else { '+' };
            let minutes = offset.unsigned_abs();
            format!("{}{sign}{:02}:{:02}", date_time_text(date, time), minutes / 60, minutes % 60)
        }
        "datetime" => {
            let (date, time) = round((Time::SECOND, 300));
            date_time_text(date.filter(|d| d.year >= 1753)?, time)
        }
        "smalldatetime" => {
            let (date, time) = round((60 * Time::SECOND, 1));
            date_time_text(date.filter(|d| (1900..2079).contains(&d.year))?, time)
        }
        _ => date_time_text(date, time),
    })
}

/// The value of a parameter from its published text form: as [`convert`] from text, and base64 or 0x… for binary kinds.
pub(crate) fn from_parameter(text: &str, to: Type) -> Option<Value> {
    if to.family == Family::Binary {
        let bytes = match text.strip_prefix("0x") {
            Some(hex) => (hex.len() % 2 == 0).then_some(()).and_then(|()| {
                hex.as_bytes()
                    .chunks(2)
                    .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
                    .collect::<Option<Vec<u8>>>()
            })?,
            None => STANDARD.decode(text).ok()?,
        };
        return Some(Value::Blob(bytes));
    }
    let blank = text.trim().is_empty() && to.family != Family::Text;
    if blank {
        return None;
    }
    convert(ValueRef::Text(text.as_bytes()), Type::NVARCHAR, to, 0, true).ok()
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
