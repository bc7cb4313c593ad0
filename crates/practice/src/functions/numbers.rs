//! Functions of numbers: exact ones stay exact, floats raise what SQL Server does where they have no answer.

use super::{text, ty};
use crate::{
    collation,
    convert::{Decimal, fits_integer, owned},
    fault::Raised,
    types::{Family, Type},
};
use rusqlite::{
    Connection, Result,
    functions::{Context, FunctionFlags},
    types::{Value, ValueRef},
};
use std::cmp::Ordering;

fn overflow(name: &str) -> rusqlite::Error {
    Raised(8115, format!("Arithmetic overflow error converting expression to data type {name}.")).into()
}

/// A float's result: no number is an invalid operation, infinity an overflow.
fn sound(f: f64) -> Result<f64> {
    if f.is_nan() {
        return Err(Raised(3623, "An invalid floating point operation occurred.".to_owned()).into());
    }
    if f.is_finite() { Ok(f) } else { Err(overflow("float")) }
}

/// Logarithms of nothing and below are invalid, not infinite.
fn log(f: f64, of: fn(f64) -> f64) -> f64 {
    if f <= 0.0 { f64::NAN } else { of(f) }
}

/// A function of a float.
type OfFloat = fn(f64) -> f64;

const FLOATS: [(&str, OfFloat); 18] = [
    ("ts_sqrt", f64::sqrt),
    ("ts_square", |f| f * f),
    ("ts_exp", f64::exp),
    ("ts_log", |f| log(f, f64::ln)),
    ("ts_log10", |f| log(f, f64::log10)),
    ("ts_sin", f64::sin),
    ("ts_cos", f64::cos),
    ("ts_tan", f64::tan),
    ("ts_cot", |f| 1.0 / f.tan()),
    ("ts_asin", f64::asin),
    ("ts_acos", f64::acos),
    ("ts_atan", f64::atan),
    ("ts_degrees", f64::to_degrees),
    ("ts_radians", f64::to_radians),
    ("ts_floor", f64::floor),
    ("ts_ceiling", f64::ceil),
    ("ts_abs_float", f64::abs),
    ("ts_sign_float", |f| if f == 0.0 { 0.0 } else { f.signum() }),
];

fn exact(c: &Context<'_>, at: usize) -> Result<Option<Decimal>> {
    let Some(text) = text(c, at) else { return Ok(None) };
    let bad = || Raised(8114, "Error converting data type varchar to numeric.".to_owned());
    Ok(Some(Decimal::parse(&text).ok_or_else(bad)?))
}

/// ABS, SIGN, FLOOR, CEILING of a decimal; the last two leave no digits behind the point unless those are to be kept.
fn exact_call(c: &Context<'_>) -> Result<Option<String>> {
    let Some(d) = exact(c, 1)? else { return Ok(None) };
    let keep = c.get::<i64>(2)? != 0;
    let made = match text(c, 0).as_deref() {
        Some("abs") => Some(d.abs()),
        Some("negate") => Decimal::new(-d.mantissa(), d.scale()),
        Some("sign") => Decimal::from(d.mantissa().signum() as i64).rescale(d.scale()),
        Some(op) => {
            let whole = if op == "floor" { d.floor() } else { d.ceiling() };
            if keep { whole.rescale(d.scale()) } else { Some(whole) }
        }
        None => None,
    };
    Ok(Some(made.ok_or_else(|| overflow("numeric"))?.to_string()))
}

fn round_integer(n: i64, places: i64, cut: bool) -> Option<i64> {
    if places >= 0 {
        return Some(n);
    }
    let Some(unit) =
        places.checked_neg().and_then(|p| u32::try_from(p).ok()).and_then(|p| 10i64.checked_pow(p))
    else {
        return Some(0);
    };
    let half = if cut { 0 } else { unit / 2 * n.signum() };
    Some(n.checked_add(half)? / unit * unit)
}

fn round_float(f: f64, places: i64, cut: bool) -> f64 {
    let Ok(power) = i32::try_from(places.clamp(-400, 400)) else { return f };
    let unit = 10f64.powi(power.abs());
    let scaled = if power >= 0 { f * unit } else { f / unit };
    if !scaled.is_finite() {
        return if power > 0 { f } else { 0.0 };
    }
    let whole = if cut { scaled.trunc() } else { scaled.round() };
    let made = if power >= 0 { whole / unit } else { whole * unit };
    if made.is_finite() { made } else { 0.0 }
}

/// ROUND(value, places, cut) of a type; the fifth argument is a decimal's declared precision, where it is known.
fn round(c: &Context<'_>) -> Result<Value> {
    let (Some(places), Some(cut)) = (c.get::<Option<i64>>(2)?, c.get::<Option<i64>>(3)?) else {
        return Ok(Value::Null);
    };
    let (to, cut) = (ty(c, 0)?, cut != 0);
    Ok(match c.get_raw(1) {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(n) if to.family == Family::Int => Value::Integer(
            round_integer(n, places, cut)
                .filter(|n| fits_integer(*n, to.name))
                .ok_or_else(|| overflow(to.name))?,
        ),
        ValueRef::Text(_) => {
            let Some(d) = exact(c, 1)? else { return Ok(Value::Null) };
            let precision: u32 = c.get(4)?;
            let made = d
                .round(places, cut)
                .and_then(|r| if precision == 0 { Some(r) } else { r.fit(precision, d.scale()) });
            Value::Text(made.ok_or_else(|| overflow(to.name))?.to_string())
        }
        _ => Value::Real(sound(round_float(c.get(1)?, places, cut))?),
    })
}

/// A decimal to a small whole power, without a detour through floats.
fn exact_power(base: Decimal, exponent: f64) -> Option<Decimal> {
    if exponent.fract() != 0.0 || !(0.0..=38.0).contains(&exponent) {
        return None;
    }
    let exponent = exponent as u32;
    let mantissa = base.mantissa().checked_pow(exponent)?;
    Decimal::new(mantissa, base.scale() * exponent)?.rescale(base.scale())
}

/// POWER(base, exponent): of the base's type.
fn power(c: &Context<'_>) -> Result<Value> {
    let (to, Some(exponent)) = (ty(c, 0)?, c.get::<Option<f64>>(2)?) else { return Ok(Value::Null) };
    let decimal = exact(c, 1).ok().flatten().filter(|_| to.family == Family::Decimal);
    let base = match (c.get_raw(1), decimal) {
        (ValueRef::Null, _) => return Ok(Value::Null),
        (_, Some(d)) => d.to_float(),
        _ => c.get(1)?,
    };
    if base == 0.0 && exponent < 0.0 {
        return Err(Raised(8134, "Divide by zero error encountered.".to_owned()).into());
    }
    let made = base.powf(exponent);
    let over = |f: f64| {
        rusqlite::Error::from(Raised(
            232,
            format!("Arithmetic overflow error for type {}, value = {f:.6}.", to.name),
        ))
    };
    Ok(match (to.family, decimal) {
        (Family::Int, _) => {
            let (ValueRef::Integer(base), whole) = (c.get_raw(1), exponent.fract() == 0.0) else {
                return Ok(Value::Null);
            };
            let exact =
                u32::try_from(exponent as i64).ok().filter(|_| whole).and_then(|e| base.checked_pow(e));
            let cut =
                exact.or_else(|| (sound(made).is_ok() && made.abs() < 9.2e18).then_some(made.trunc() as i64));
            Value::Integer(cut.filter(|n| fits_integer(*n, to.name)).ok_or_else(|| over(made))?)
        }
        (_, Some(d)) => {
            let exact = exact_power(d, exponent);
            let made = match exact {
                Some(made) => Some(made),
                None => Decimal::from_float(sound(made)?).and_then(|m| m.rescale(d.scale())),
            };
            Value::Text(made.ok_or_else(|| overflow(to.name))?.to_string())
        }
        _ => Value::Real(sound(made)?),
    })
}

/// How two values of one type compare.
fn order(a: ValueRef<'_>, b: ValueRef<'_>, ty: Type) -> Ordering {
    let text = |v: ValueRef<'_>| v.as_str().unwrap_or_default().to_owned();
    match (a, b) {
        (ValueRef::Integer(a), ValueRef::Integer(b)) => a.cmp(&b),
        (ValueRef::Text(x), ValueRef::Text(y)) => match ty.family {
            Family::Text => collation::compare(&text(a), &text(b)),
            Family::Decimal => Decimal::parse(&text(a))
                .zip(Decimal::parse(&text(b)))
                .and_then(|(a, b)| a.compare(b))
                .unwrap_or(Ordering::Equal),
            _ => x.cmp(y),
        },
        (ValueRef::Blob(a), ValueRef::Blob(b)) => a.cmp(b),
        _ => {
            let float = |v| match v {
                ValueRef::Integer(i) => i as f64,
                ValueRef::Real(f) => f,
                _ => 0.0,
            };
            float(a).total_cmp(&float(b))
        }
    }
}

/// GREATEST and LEAST: NULLs do not count; decimals come with the most digits that any of them has.
fn most(c: &Context<'_>) -> Result<Value> {
    let (wanted, ty) = (
        if text(c, 0).as_deref() == Some("greatest") { Ordering::Greater } else { Ordering::Less },
        ty(c, 1)?,
    );
    let mut best: Option<ValueRef<'_>> = None;
    let mut scale = 0;
    for at in 2..c.len() {
        let value = c.get_raw(at);
        if matches!(value, ValueRef::Null) {
            continue;
        }
        if ty.family == Family::Decimal {
            scale = exact(c, at)?.map_or(scale, |d| scale.max(d.scale()));
        }
        if best.is_none_or(|best| order(value, best, ty) == wanted) {
            best = Some(value);
        }
    }
    Ok(match best {
        None => Value::Null,
        Some(value) if ty.family == Family::Decimal => {
            let d = value.as_str().ok().and_then(Decimal::parse).and_then(|d| d.rescale(scale));
            Value::Text(d.ok_or_else(|| overflow("numeric"))?.to_string())
        }
        Some(value) => owned(value),
    })
}

pub(super) fn register(connection: &Connection, pure: FunctionFlags) -> Result<()> {
    for (name, function) in FLOATS {
        connection.create_scalar_function(name, 1, pure, move |c| {
            c.get::<Option<f64>>(0)?.map(|f| sound(function(f))).transpose()
        })?;
    }
    connection.create_scalar_function("ts_atn2", 2, pure, |c| {
        let (Some(y), Some(x)) = (c.get::<Option<f64>>(0)?, c.get::<Option<f64>>(1)?) else {
            return Ok(None);
        };
        if x == 0.0 && y == 0.0 { sound(f64::NAN).map(Some) } else { Ok(Some(y.atan2(x))) }
    })?;
    connection.create_scalar_function("ts_log_base", 2, pure, |c| {
        let (Some(f), Some(base)) = (c.get::<Option<f64>>(0)?, c.get::<Option<f64>>(1)?) else {
            return Ok(None);
        };
        sound(if base == 1.0 { f64::NAN } else { log(f, f64::ln) / log(base, f64::ln) }).map(Some)
    })?;
    connection.create_scalar_function("ts_abs", 2, pure, |c| {
        let Some(n) = c.get::<Option<i64>>(0)? else { return Ok(None) };
        let name = ty(c, 1)?.name;
        n.checked_abs().filter(|n| fits_integer(*n, name)).map(Some).ok_or_else(|| overflow(name))
    })?;
    connection
        .create_scalar_function("ts_sign", 1, pure, |c| Ok(c.get::<Option<i64>>(0)?.map(i64::signum)))?;
    connection.create_scalar_function("ts_exact", 3, pure, |c| exact_call(c))?;
    connection.create_scalar_function("ts_round", 5, pure, |c| round(c))?;
    connection.create_scalar_function("ts_power", 3, pure, |c| power(c))?;
    connection.create_scalar_function("ts_most", -1, pure, |c| most(c))
}
