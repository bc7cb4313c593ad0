//! Conversions to numbers: bit, integers, decimals, money, floats.

use super::{Decimal, bytes, clash, failed, failed_8114, text, times};
use crate::{
    fault::Raised,
    types::{Family, Type},
};
use rusqlite::types::{Value, ValueRef};

pub(super) fn overflow(to: Type) -> Raised {
    Raised(8115, format!("Arithmetic overflow error converting expression to data type {}.", to.name))
}

pub(super) fn bit(value: ValueRef<'_>, from: Type, to: Type) -> Result<Value, Raised> {
    Ok(Value::Integer(i64::from(match value {
        ValueRef::Integer(i) => i != 0,
        ValueRef::Real(f) => f != 0.0,
        ValueRef::Blob(b) => bytes::to_integer(b, Type::INT) != 0,
        _ if from.is_time() => !times::days(value, from).ok_or_else(|| clash(from, to))?.is_zero(),
        _ if from.family == Family::Decimal => {
            !Decimal::parse(text(value, from, to)?).ok_or_else(|| failed(value, from, to))?.is_zero()
        }
        _ => match text(value, from, to)?.trim_matches(' ') {
            t if t.eq_ignore_ascii_case("true") => true,
            t if t.eq_ignore_ascii_case("false") => false,
            t => whole_digits(t)
                .ok_or_else(|| failed(value, from, to))?
                .bytes()
                .any(|b| (b'1'..=b'9').contains(&b)),
        },
    })))
}

/// A whole number's text, with an optional sign; SQL Server reads nothing, and a sign alone, as zero.
fn whole_digits(text: &str) -> Option<&str> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    digits.trim_start_matches(' ').bytes().all(|b| b.is_ascii_digit()).then_some(text)
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

pub(super) fn integer(value: ValueRef<'_>, from: Type, to: Type) -> Result<Value, Raised> {
    let number = match value {
        ValueRef::Integer(i) if fits_integer(i, to.name) => i,
        ValueRef::Integer(i) if to.name != "int" && from.name != "bigint" => {
            return Err(Raised(
                220,
                format!("Arithmetic overflow error for data type {}, value = {i}.", to.name),
            ));
        }
        ValueRef::Integer(_) => return Err(overflow(to)),
        ValueRef::Real(f) => {
            let cut = if f.abs() < 9.2e18 { Some(f.trunc() as i64) } else { None };
            return match cut.filter(|i| fits_integer(*i, to.name)) {
                Some(i) => Ok(Value::Integer(i)),
                None if to.name == "bigint" => Err(overflow(to)),
                None => Err(Raised(
                    232,
                    format!("Arithmetic overflow error for type {}, value = {f:.6}.", to.name),
                )),
            };
        }
        ValueRef::Blob(b) => bytes::to_integer(b, to),
        _ if from.family == Family::Decimal => {
            let d = Decimal::parse(text(value, from, to)?).ok_or_else(|| failed(value, from, to))?;
            // Money rounds where decimals are cut.
            let d = if from.name.ends_with("money") { d.round(0, false).unwrap_or(d) } else { d };
            d.whole().ok_or_else(|| overflow(to))?
        }
        _ if from.is_time() => {
            let days = times::days(value, from).ok_or_else(|| clash(from, to))?;
            days.round(0, false).and_then(Decimal::whole).ok_or_else(|| overflow(to))?
        }
        _ => return from_text(value, from, to),
    };
    if fits_integer(number, to.name) { Ok(Value::Integer(number)) } else { Err(overflow(to)) }
}

fn from_text(value: ValueRef<'_>, from: Type, to: Type) -> Result<Value, Raised> {
    let text = text(value, from, to)?;
    let plain = whole_digits(text.trim_matches(' '))
        .ok_or_else(|| if to.name == "bigint" { failed_8114(from, to) } else { failed(value, from, to) })?;
    let (negative, digits) = match plain.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, plain.strip_prefix('+').unwrap_or(plain)),
    };
    let digits = digits.trim_start_matches(' ');
    let number = digits.bytes().try_fold(0i64, |n, b| {
        let digit = i64::from(b - b'0');
        n.checked_mul(10)?.checked_add(if negative { -digit } else { digit })
    });
    number.filter(|n| fits_integer(*n, to.name)).map(Value::Integer).ok_or_else(|| match to.name {
        "bigint" => overflow(to),
        "int" => Raised(
            248,
            format!("The conversion of the {} value '{plain}' overflowed an int column.", from.name),
        ),
        name => Raised(
            244,
            format!(
                "The conversion of the {} value '{plain}' overflowed an {} column. Use a larger integer column.",
                from.name,
                if name == "tinyint" { "INT1" } else { "INT2" }
            ),
        ),
    })
}

pub(super) fn decimal(value: ValueRef<'_>, from: Type, to: Type) -> Result<Value, Raised> {
    if to.name.ends_with("money") {
        return money(value, from, to);
    }
    let numeric = Type::DECIMAL;
    let bad = || failed_8114(from, numeric);
    let known = to.length != 0;
    let number = match value {
        ValueRef::Integer(i) => Some(Decimal::from(i)),
        ValueRef::Real(f) if known => Decimal::from_float(f),
        ValueRef::Real(f) => Decimal::from_float_short(f),
        ValueRef::Blob(_) => {
            return Err(Raised(
                102,
                "Conversion of binary to numeric: the demo practice does not support it.".to_owned(),
            ));
        }
        _ if from.is_time() => Some(times::days(value, from).ok_or_else(|| clash(from, to))?),
        _ => {
            let plain = text(value, from, to)?.trim_matches(' ');
            let sound = plain.bytes().any(|b| b.is_ascii_digit())
                && plain
                    .bytes()
                    .enumerate()
                    .all(|(i, b)| b.is_ascii_digit() || b == b'.' || i == 0 && b"+-".contains(&b))
                && plain.bytes().filter(|b| *b == b'.').count() < 2;
            if !sound {
                return Err(bad());
            }
            if known { Decimal::parse_rounded(plain, to.scale) } else { Decimal::parse(plain) }
        }
    };
    let fitted = number.and_then(|n| if known { n.fit(to.length, to.scale) } else { Some(n) });
    fitted.map(|d| Value::Text(d.to_string())).ok_or_else(|| {
        let from = if from.family == Family::Decimal { numeric.name } else { from.name };
        Raised(8115, format!("Arithmetic overflow error converting {from} to data type numeric."))
    })
}

fn money(value: ValueRef<'_>, from: Type, to: Type) -> Result<Value, Raised> {
    let number = match value {
        ValueRef::Integer(i) => Decimal::from(i).rescale(4),
        ValueRef::Real(f) => Decimal::from_float(f).and_then(|d| d.rescale(4)),
        ValueRef::Blob(b) => Decimal::new(i128::from(bytes::to_integer(b, to)), 4),
        _ if from.is_time() => times::days(value, from).and_then(|d| d.rescale(4)),
        _ if from.family == Family::Decimal => {
            Decimal::parse(text(value, from, to)?).and_then(|d| d.rescale(4))
        }
        _ => {
            let (syntax, over) = if to.name == "money" { (235, 236) } else { (293, 294) };
            let plain = money_text(text(value, from, to)?).ok_or_else(|| {
                Raised(
                    syntax,
                    format!(
                        "Cannot convert a char value to {}. The char value has incorrect syntax.",
                        to.name
                    ),
                )
            })?;
            let number = Decimal::parse_rounded(&plain, 4).filter(|d| money_fits(*d, to));
            return number.map(|d| Value::Text(d.to_string())).ok_or_else(|| {
                Raised(
                    over,
                    format!(
                        "The conversion from char data type to {} resulted in a {0} overflow error.",
                        to.name
                    ),
                )
            });
        }
    };
    number.filter(|d| money_fits(*d, to)).map(|d| Value::Text(d.to_string())).ok_or_else(|| {
        let from = if from.family == Family::Int { "expression" } else { from.name };
        Raised(8115, format!("Arithmetic overflow error converting {from} to data type {}.", to.name))
    })
}

fn money_fits(d: Decimal, to: Type) -> bool {
    let units = d.mantissa();
    if to.name == "smallmoney" { i32::try_from(units).is_ok() } else { i64::try_from(units).is_ok() }
}

/// An amount as people write it, without its currency sign and commas; nothing, a sign or a point alone are zero.
pub(super) fn money_text(text: &str) -> Option<String> {
    let mut made = String::new();
    let (mut currency, mut sign, mut point, mut digits) = (false, false, false, false);
    for c in text.trim_matches(' ').chars() {
        match c {
            '0'..='9' => {
                digits = true;
                made.push(c);
            }
            '.' if !point => {
                point = true;
                made.push('.');
            }
            ',' if !point => {}
            '+' | '-' if !sign && !digits && !point => {
                sign = true;
                made.push(c);
            }
            '$' | '£' | '€' | '¥' | '¢' | '¤' if !currency && !digits && !point => currency = true,
            ' ' if !digits && !point => {}
            _ => return None,
        }
    }
    if !digits {
        return Some("0".to_owned());
    }
    Some(made)
}

pub(super) fn float(value: ValueRef<'_>, from: Type, to: Type) -> Result<Value, Raised> {
    let f = match value {
        ValueRef::Integer(i) => i as f64,
        ValueRef::Real(f) => f,
        ValueRef::Blob(_) => return Err(clash(from, to)),
        _ if from.is_time() => times::float_days(value, from).ok_or_else(|| clash(from, to))?,
        _ => float_text(text(value, from, to)?).ok_or_else(|| failed_8114(from, to))?,
    };
    let made = if to.family == Family::Real { f64::from(f as f32) } else { f };
    if made.is_finite() {
        Ok(Value::Real(made))
    } else if f.is_finite() {
        Err(Raised(232, format!("Arithmetic overflow error for type {}, value = {f:.6}.", to.name)))
    } else {
        Err(overflow(to))
    }
}

/// A float's text; nothing is zero. Infinite where it is too large.
pub(super) fn float_text(text: &str) -> Option<f64> {
    let plain = text.trim_matches(' ');
    if plain.is_empty() {
        return Some(0.0);
    }
    let sound = plain.bytes().any(|b| b.is_ascii_digit())
        && plain.bytes().all(|b| b.is_ascii_digit() || b"+-.eEdD".contains(&b));
    if !sound {
        return None;
    }
    if plain.contains(['d', 'D']) {
        return plain.replace(['d', 'D'], "e").parse().ok();
    }
    plain.parse().ok()
}

/// ISNUMERIC: whether some kind of number could be read of a text.
pub(crate) fn could_be_number(text: &str) -> bool {
    let plain = text.trim_matches(' ');
    if plain.is_empty() {
        return false;
    }
    let signs = plain.bytes().any(|b| b.is_ascii_digit() || b"+-.,$".contains(&b)) || !plain.is_ascii();
    signs && money_text(plain).is_some() || float_text(plain).is_some_and(f64::is_finite)
}
