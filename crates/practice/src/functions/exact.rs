//! Exact numbers: decimals by SQL Server's rules for digits, whole numbers in their type's range, and their sums.

use super::text;
use crate::{convert::fits_integer, fault::Raised};
use num_bigint::BigInt;
use rusqlite::{
    Connection, Result,
    functions::{Aggregate, Context, FunctionFlags, WindowAggregate},
    types::{Value, ValueRef},
};
use std::{cmp::Ordering, str::FromStr};

/// A whole number of any size and how many of its digits stand behind the point.
#[derive(Clone, Debug)]
struct Exact {
    mantissa: BigInt,
    scale: u32,
}

/// The same where it fits a machine's numbers, as nearly all do.
#[derive(Clone, Copy, Debug)]
struct Small {
    mantissa: i128,
    scale: u32,
}

fn small(text: &str) -> Option<Small> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (mut mantissa, mut scale, mut point) = (0i128, 0, false);
    for byte in digits.bytes() {
        match byte {
            b'.' if !point => point = true,
            b'0'..=b'9' => {
                mantissa = mantissa.checked_mul(10)?.checked_add(i128::from(byte - b'0'))?;
                scale += u32::from(point);
            }
            _ => return None,
        }
    }
    Some(Small { mantissa: if negative { -mantissa } else { mantissa }, scale })
}

fn exact(text: &str) -> Option<Exact> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let mantissa = BigInt::from_str(&format!("{whole}{fraction}")).ok()?;
    Some(Exact { mantissa, scale: u32::try_from(fraction.len()).ok()? })
}

/// Compares two decimals in their stored text form.
pub(crate) fn compare(a: &str, b: &str) -> Ordering {
    if let (Some(a), Some(b)) = (small(a), small(b)) {
        if a.scale == b.scale {
            return a.mantissa.cmp(&b.mantissa);
        }
        let scale = a.scale.max(b.scale);
        let up = |n: Small| n.mantissa.checked_mul(10i128.checked_pow(scale - n.scale)?);
        if let (Some(a), Some(b)) = (up(a), up(b)) {
            return a.cmp(&b);
        }
    }
    match (exact(a), exact(b)) {
        (Some(a), Some(b)) => {
            let scale = a.scale.max(b.scale);
            (a.mantissa * ten(scale - a.scale)).cmp(&(b.mantissa * ten(scale - b.scale)))
        }
        _ => a.cmp(b),
    }
}

fn ten(power: u32) -> BigInt {
    BigInt::from(10).pow(power)
}

fn zero() -> Raised {
    Raised(8134, "Divide by zero error encountered.".to_owned())
}

fn overflow(name: &str) -> Raised {
    Raised(8115, format!("Arithmetic overflow error converting expression to data type {name}."))
}

/// `n / by`, the half rounded away from zero.
fn rounded(n: &BigInt, by: &BigInt) -> BigInt {
    let twice: BigInt = n * 2;
    let up = if n.sign() == num_bigint::Sign::Minus { twice - by } else { twice + by };
    up / (by * 2)
}

impl Exact {
    /// With so many digits behind the point.
    fn rescale(self, scale: u32) -> Exact {
        match scale.cmp(&self.scale) {
            Ordering::Equal => self,
            Ordering::Greater => Exact { mantissa: self.mantissa * ten(scale - self.scale), scale },
            Ordering::Less => Exact { mantissa: rounded(&self.mantissa, &ten(self.scale - scale)), scale },
        }
    }

    /// The stored text; an error where it has more digits than `precision`.
    fn text(&self, precision: u32, money: bool) -> std::result::Result<String, Raised> {
        let magnitude = self.mantissa.magnitude();
        let most = if money { BigInt::from(i64::MAX) } else { ten(precision.min(38)) - 1 };
        if *magnitude > *most.magnitude() {
            return Err(overflow(if money { "money" } else { "numeric" }));
        }
        let digits = format!("{:0>1$}", magnitude.to_string(), self.scale as usize + 1);
        let (whole, fraction) = digits.split_at(digits.len() - self.scale as usize);
        let sign = if self.mantissa.sign() == num_bigint::Sign::Minus { "-" } else { "" };
        Ok(if fraction.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") })
    }
}

fn reckon(op: &str, a: Exact, b: Exact, scale: u32) -> std::result::Result<Exact, Raised> {
    let common = a.scale.max(b.scale);
    let none = BigInt::from(0);
    Ok(match op {
        "*" => Exact { mantissa: a.mantissa * b.mantissa, scale: a.scale + b.scale }.rescale(scale),
        "/" => {
            if b.mantissa == none {
                return Err(zero());
            }
            // Digits past the scale are cut, as SQL Server does in a division.
            let (up, down) = (scale + b.scale, a.scale);
            let mantissa = if up >= down {
                a.mantissa * ten(up - down) / b.mantissa
            } else {
                a.mantissa / (b.mantissa * ten(down - up))
            };
            Exact { mantissa, scale }
        }
        _ => {
            let (a, b) = (a.rescale(common), b.rescale(common));
            let mantissa = match op {
                "+" => a.mantissa + b.mantissa,
                "-" => a.mantissa - b.mantissa,
                _ if b.mantissa == none => return Err(zero()),
                _ => a.mantissa % b.mantissa,
            };
            Exact { mantissa, scale: common }.rescale(scale)
        }
    })
}

/// Op, two numbers, precision, scale, whether it is money.
fn decimal(c: &Context<'_>) -> Result<Value> {
    let (Some(a), Some(b)) = (text(c, 1), text(c, 2)) else { return Ok(Value::Null) };
    let op = c.get_raw(0).as_str().unwrap_or_default();
    let (precision, scale, money): (u32, u32, bool) = (c.get(3)?, c.get(4)?, c.get(5)?);
    let bad = || Raised(8114, "Error converting data type varchar to numeric.".to_owned());
    let (a, b) = (exact(&a).ok_or_else(bad)?, exact(&b).ok_or_else(bad)?);
    Ok(Value::Text(reckon(op, a, b, scale)?.text(precision, money)?))
}

fn whole(c: &Context<'_>) -> Result<Option<i64>> {
    let (a, b) = match (c.get_raw(1), c.get_raw(2)) {
        (ValueRef::Integer(a), ValueRef::Integer(b)) => (a, b),
        _ => return Ok(None),
    };
    let made = match c.get_raw(0).as_bytes().unwrap_or_default() {
        b"+" => a.checked_add(b),
        b"-" => a.checked_sub(b),
        b"*" => a.checked_mul(b),
        _ if b == 0 => return Err(zero().into()),
        b"/" => a.checked_div(b),
        _ => Some(a.wrapping_rem(b)),
    };
    let name = c.get_raw(3).as_str().unwrap_or_default();
    Ok(Some(made.filter(|n| fits_integer(*n, name)).ok_or_else(|| overflow(name))?))
}

fn float(c: &Context<'_>) -> Result<Option<f64>> {
    let (Some(a), Some(b)) = (c.get::<Option<f64>>(1)?, c.get::<Option<f64>>(2)?) else { return Ok(None) };
    let made = match c.get_raw(0).as_bytes().unwrap_or_default() {
        b"+" => a + b,
        b"-" => a - b,
        b"*" => a * b,
        _ if b == 0.0 => return Err(zero().into()),
        b"/" => a / b,
        _ => a % b,
    };
    let name = c.get_raw(3).as_str().unwrap_or_default();
    let made = if name == "real" { f64::from(made as f32) } else { made };
    if made.is_finite() { Ok(Some(made)) } else { Err(overflow(name).into()) }
}

/// A running sum of decimals.
#[derive(Default)]
struct Sum {
    total: Option<Exact>,
    count: u64,
}

/// What a sum ends as.
#[derive(Clone, Copy)]
enum Ending {
    Sum,
    Average,
    MoneyAverage,
}

struct Summing(Ending);

impl Summing {
    fn add(c: &Context<'_>, sum: &mut Sum, sign: i8) -> Result<()> {
        let Some(given) = text(c, 0) else { return Ok(()) };
        let bad = || Raised(8114, "Error converting data type varchar to numeric.".to_owned());
        let number = exact(&given).ok_or_else(bad)?;
        if sign > 0 {
            sum.count += 1;
        } else {
            sum.count -= 1;
        }
        sum.total = Some(match sum.total.take() {
            None => number,
            Some(total) => {
                let scale = total.scale.max(number.scale);
                let number = number.rescale(scale);
                let number = if sign > 0 { number.mantissa } else { -number.mantissa };
                Exact { mantissa: total.rescale(scale).mantissa + number, scale }
            }
        });
        Ok(())
    }

    fn end(&self, sum: Option<&Sum>) -> Result<Option<String>> {
        let Some(Sum { total: Some(total), count }) = sum else { return Ok(None) };
        if *count == 0 {
            return Ok(None);
        }
        let scale = total.scale;
        Ok(Some(match self.0 {
            Ending::Sum => total.text(38, false)?,
            average => {
                let money = matches!(average, Ending::MoneyAverage);
                let by = Exact { mantissa: BigInt::from(*count), scale: 0 };
                reckon("/", total.clone(), by, if money { 4 } else { scale.max(6) })?.text(38, money)?
            }
        }))
    }
}

impl Aggregate<Sum, Option<String>> for Summing {
    fn init(&self, _: &mut Context<'_>) -> Result<Sum> {
        Ok(Sum::default())
    }
    fn step(&self, c: &mut Context<'_>, sum: &mut Sum) -> Result<()> {
        Self::add(c, sum, 1)
    }
    fn finalize(&self, _: &mut Context<'_>, sum: Option<Sum>) -> Result<Option<String>> {
        self.end(sum.as_ref())
    }
}

impl WindowAggregate<Sum, Option<String>> for Summing {
    fn value(&self, sum: Option<&mut Sum>) -> Result<Option<String>> {
        self.end(sum.as_deref())
    }
    fn inverse(&self, c: &mut Context<'_>, sum: &mut Sum) -> Result<()> {
        Self::add(c, sum, -1)
    }
}

/// Numbers whose spread is asked for.
struct Spread {
    population: bool,
    root: bool,
}

impl Spread {
    fn end(&self, numbers: &[f64]) -> Option<f64> {
        let n = numbers.len() as f64;
        let by = if self.population { n } else { n - 1.0 };
        if by <= 0.0 {
            return None;
        }
        let mean = numbers.iter().sum::<f64>() / n;
        let squares: f64 = numbers.iter().map(|x| (x - mean) * (x - mean)).sum();
        Some(if self.root { (squares / by).sqrt() } else { squares / by })
    }
}

impl Aggregate<Vec<f64>, Option<f64>> for Spread {
    fn init(&self, _: &mut Context<'_>) -> Result<Vec<f64>> {
        Ok(Vec::new())
    }
    fn step(&self, c: &mut Context<'_>, numbers: &mut Vec<f64>) -> Result<()> {
        if let Some(number) = c.get::<Option<f64>>(0)? {
            if numbers.len() >= 4_000_000 {
                return Err(Raised(701, "There is insufficient memory to run this query.".to_owned()).into());
            }
            numbers.push(number);
        }
        Ok(())
    }
    fn finalize(&self, _: &mut Context<'_>, numbers: Option<Vec<f64>>) -> Result<Option<f64>> {
        Ok(self.end(&numbers.unwrap_or_default()))
    }
}

impl WindowAggregate<Vec<f64>, Option<f64>> for Spread {
    fn value(&self, numbers: Option<&mut Vec<f64>>) -> Result<Option<f64>> {
        Ok(numbers.and_then(|n| self.end(n)))
    }
    fn inverse(&self, c: &mut Context<'_>, numbers: &mut Vec<f64>) -> Result<()> {
        if c.get::<Option<f64>>(0)?.is_some() && !numbers.is_empty() {
            numbers.remove(0);
        }
        Ok(())
    }
}

/// The only value of a subquery that stands for a value.
struct Only;

impl Aggregate<Option<Value>, Value> for Only {
    fn init(&self, _: &mut Context<'_>) -> Result<Option<Value>> {
        Ok(None)
    }
    fn step(&self, c: &mut Context<'_>, kept: &mut Option<Value>) -> Result<()> {
        if kept.is_some() {
            return Err(Raised(512, "Subquery returned more than 1 value. This is not permitted when the subquery follows =, !=, <, <= , >, >= or when the subquery is used as an expression.".to_owned()).into());
        }
        *kept = Some(crate::convert::owned(c.get_raw(0)));
        Ok(())
    }
    fn finalize(&self, _: &mut Context<'_>, kept: Option<Option<Value>>) -> Result<Value> {
        Ok(kept.flatten().unwrap_or(Value::Null))
    }
}

pub(crate) fn register(connection: &Connection) -> Result<()> {
    let pure =
        FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC | FunctionFlags::SQLITE_INNOCUOUS;
    connection.create_scalar_function("ts_exact", 6, pure, |c| decimal(c))?;
    connection.create_scalar_function("ts_int", 4, pure, |c| whole(c))?;
    connection.create_scalar_function("ts_float", 4, pure, |c| float(c))?;
    connection.create_window_function("ts_sum", 1, pure, Summing(Ending::Sum))?;
    connection.create_window_function("ts_avg", 1, pure, Summing(Ending::Average))?;
    connection.create_window_function("ts_avg_money", 1, pure, Summing(Ending::MoneyAverage))?;
    for (name, population, root) in [
        ("ts_stdev", false, true),
        ("ts_stdevp", true, true),
        ("ts_var", false, false),
        ("ts_varp", true, false),
    ] {
        connection.create_window_function(name, 1, pure, Spread { population, root })?;
    }
    connection.create_aggregate_function("ts_only", 1, pure, Only)
}
