//! Conversions to text, and text that must fit a length.

use super::{Decimal, bytes, failed, kind::is_wide, read_any, style};
use crate::{
    fault::Raised,
    types::{Family, Type},
};
use rusqlite::types::{Value, ValueRef};

/// Anything as text of that type.
pub(super) fn from_any(
    value: ValueRef<'_>,
    from: Type,
    to: Type,
    how: i64,
    strict: bool,
) -> Result<Value, Raised> {
    let limit = to.length as usize;
    let made = match value {
        ValueRef::Null => String::new(),
        ValueRef::Integer(i) => {
            let made = i.to_string();
            if limit != 0 && made.len() > limit {
                // The famous asterisk: a number too long for its text.
                if from.name == "bigint" || is_wide(to) {
                    return Err(overflow("expression", to));
                }
                return fit("*".to_owned(), to, false);
            }
            made
        }
        ValueRef::Real(f) => {
            let made = float(f, from, how);
            if limit != 0 && made.len() > limit {
                return Err(Raised(
                    232,
                    format!("Arithmetic overflow error for type {}, value = {f:.6}.", to.name),
                ));
            }
            made
        }
        ValueRef::Blob(blob) => {
            let made = bytes::to_text(blob, to, how)?;
            return fit(made, to, strict && how == 0);
        }
        ValueRef::Text(raw) => {
            let plain = std::str::from_utf8(raw).map_err(|_| failed(value, from, to))?;
            match from.family {
                Family::Date | Family::DateTime | Family::Offset | Family::Time => {
                    let (date, time, offset) = read_any(raw, from).ok_or_else(|| failed(value, from, to))?;
                    let made = style::format(date, time, offset, from, to, how)?;
                    return fit(made, to, strict);
                }
                Family::Guid => {
                    if limit != 0 && limit < 36 {
                        return Err(Raised(
                            8170,
                            "Insufficient result space to convert uniqueidentifier value to char.".to_owned(),
                        ));
                    }
                    plain.to_uppercase()
                }
                Family::Decimal => {
                    let made =
                        if from.name.ends_with("money") { money(plain, how) } else { plain.to_owned() };
                    if limit != 0 && made.len() > limit {
                        return Err(if from.name.ends_with("money") {
                            Raised(
                                234,
                                format!(
                                    "There is insufficient result space to convert a money value to {}.",
                                    to.name
                                ),
                            )
                        } else {
                            overflow("numeric", to)
                        });
                    }
                    made
                }
                _ if !plain.is_ascii() && is_wide(from) && !is_wide(to) => {
                    plain.chars().map(|c| if bytes::byte(c).is_some() { c } else { '?' }).collect()
                }
                _ => plain.to_owned(),
            }
        }
    };
    fit(made, to, strict)
}

fn overflow(from: &str, to: Type) -> Raised {
    Raised(8115, format!("Arithmetic overflow error converting {from} to data type {}.", to.name))
}

/// Length in the units that a declared length counts: characters, and two for what UTF-16 needs a pair for.
pub(crate) fn units(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { text.encode_utf16().count() }
}

/// Cuts text to its type's length, or pads it; an assignment refuses to cut anything but spaces.
pub(super) fn fit(mut made: String, to: Type, strict: bool) -> Result<Value, Raised> {
    let limit = to.length as usize;
    if limit == 0 {
        return Ok(Value::Text(made));
    }
    let count = units(&made);
    if count > limit {
        let mut left = limit;
        let cut: String = made
            .chars()
            .take_while(|c| {
                let fits = c.len_utf16() <= left;
                left = left.saturating_sub(c.len_utf16());
                fits
            })
            .collect();
        if strict && made[cut.len()..].bytes().any(|b| b != b' ') {
            return Err(Raised(
                2628,
                format!("String or binary data would be truncated. Truncated value: '{cut}'."),
            ));
        }
        return Ok(Value::Text(cut));
    }
    if to.name == "char" || to.name == "nchar" {
        made.extend(std::iter::repeat_n(' ', limit - count));
    }
    Ok(Value::Text(made))
}

/// Styles of money: 0 two digits, 1 with commas, 2 four digits.
fn money(plain: &str, how: i64) -> String {
    let Some(d) = Decimal::parse(plain) else { return plain.to_owned() };
    let digits = if matches!(how, 2 | 126) { 4 } else { 2 };
    let text = d.rescale(digits).unwrap_or(d).to_string();
    if how != 1 {
        return text;
    }
    let (sign, rest) = text.strip_prefix('-').map_or(("", text.as_str()), |rest| ("-", rest));
    let (whole, fraction) = rest.split_once('.').unwrap_or((rest, ""));
    format!("{sign}{}.{fraction}", commas(whole))
}

/// `1,234,567`.
pub(crate) fn commas(whole: &str) -> String {
    let mut made = String::new();
    for (at, c) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) {
            made.push(',');
        }
        made.push(c);
    }
    made
}

/// Styles of floats: 0 six digits, 1 eight, 2 sixteen, 3 seventeen (nine of a real), the latter three always with an
/// exponent of three digits.
fn float(f: f64, from: Type, how: i64) -> String {
    let places = match how {
        1 => 7,
        2 => 15,
        3 if from.family == Family::Real => 8,
        3 => 16,
        _ => return float_plain(f),
    };
    exponent(&format!("{f:.places$e}"))
}

fn exponent(text: &str) -> String {
    let (digits, power) = text.split_once('e').unwrap_or((text, "0"));
    let (sign, power) = power.strip_prefix('-').map_or(('+', power), |rest| ('-', rest));
    format!("{digits}e{sign}{power:0>3}")
}

/// Six significant digits, with an exponent below 0.0001 and from a million on.
pub(crate) fn float_plain(f: f64) -> String {
    if f == 0.0 {
        return "0".to_owned();
    }
    let text = format!("{f:.5e}");
    let (digits, power) = text.split_once('e').unwrap_or((&text, "0"));
    let power: i32 = power.parse().unwrap_or(0);
    if !(-4..6).contains(&power) {
        let digits = digits.trim_end_matches('0').trim_end_matches('.');
        return exponent(&format!("{digits}e{power}"));
    }
    let text = format!("{f:.*}", (5 - power).max(0) as usize);
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}
