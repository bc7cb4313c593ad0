//! Numbers in the protocol's forms: exact, or not at all.

use super::{cell::Unfit, kind::decimal_bytes};
use database::Value;

/// A value as a whole number.
pub(super) fn integer(value: &Value<'_>) -> Result<i64, Unfit> {
    match value {
        Value::Int(i) => Ok(*i),
        Value::Bit(b) => Ok(i64::from(*b)),
        Value::Decimal(text) => {
            let (negative, magnitude) = scaled(text, 0)?;
            let magnitude = i128::try_from(magnitude).map_err(|_| Unfit)?;
            i64::try_from(if negative { -magnitude } else { magnitude }).map_err(|_| Unfit)
        }
        _ => Err(Unfit),
    }
}

pub(super) fn float(value: &Value<'_>) -> Result<f64, Unfit> {
    match value {
        Value::Float(f) => Ok(*f),
        Value::Real(f) => Ok((*f).into()),
        // Nothing is lost up to 2^53.
        Value::Int(i) if i.unsigned_abs() <= 1 << 53 => Ok(*i as f64),
        _ => Err(Unfit),
    }
}

/// Sign and magnitude: a byte that is 1 for a number not below zero, then little-endian digits.
pub(super) fn decimal(value: &Value<'_>, precision: u8, scale: u8) -> Result<Vec<u8>, Unfit> {
    let (negative, magnitude) = exact(value, scale)?;
    if magnitude >= 10u128.pow(precision.min(38).into()) {
        return Err(Unfit);
    }
    let mut bytes = vec![u8::from(!negative)];
    bytes.extend_from_slice(&magnitude.to_le_bytes()[..usize::from(decimal_bytes(precision)) - 1]);
    Ok(bytes)
}

/// In ten-thousandths.
pub(super) fn money(value: &Value<'_>) -> Result<i64, Unfit> {
    let (negative, magnitude) = exact(value, 4)?;
    let magnitude = i128::try_from(magnitude).map_err(|_| Unfit)?;
    i64::try_from(if negative { -magnitude } else { magnitude }).map_err(|_| Unfit)
}

fn exact(value: &Value<'_>, scale: u8) -> Result<(bool, u128), Unfit> {
    match value {
        Value::Decimal(text) => scaled(text, scale),
        other => {
            let i = integer(other)?;
            let factor = 10u128.checked_pow(scale.into()).ok_or(Unfit)?;
            Ok((i < 0, u128::from(i.unsigned_abs()).checked_mul(factor).ok_or(Unfit)?))
        }
    }
}

/// Digits as a count of units of that scale. Digits behind the scale must be zeros: nothing is rounded here.
fn scaled(text: &str, scale: u8) -> Result<(bool, u128), Unfit> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    let scale = usize::from(scale);
    let (kept, cut) = part.split_at_checked(scale.min(part.len())).ok_or(Unfit)?;
    if whole.is_empty() && part.is_empty() || cut.bytes().any(|b| b != b'0') {
        return Err(Unfit);
    }
    let mut magnitude = 0u128;
    for byte in whole.bytes().chain(kept.bytes()).chain(std::iter::repeat_n(b'0', scale - kept.len())) {
        let digit = byte.checked_sub(b'0').filter(|d| *d < 10).ok_or(Unfit)?;
        magnitude = magnitude.checked_mul(10).and_then(|m| m.checked_add(digit.into())).ok_or(Unfit)?;
    }
    Ok((negative && magnitude != 0, magnitude))
}
