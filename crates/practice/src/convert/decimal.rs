//! Exact decimals of up to 38 digits, as SQL Server reckons with them.

use crate::fault::Raised;
use std::fmt;

/// A mantissa and how many of its digits stand behind the point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Decimal {
    mantissa: i128,
    scale: u32,
}

const LARGEST: i128 = 10i128.pow(38) - 1;

impl From<i64> for Decimal {
    fn from(i: i64) -> Self {
        Decimal { mantissa: i128::from(i), scale: 0 }
    }
}

impl Decimal {
    /// Reads digits with an optional sign, point and exponent; `None` when it is no number or has over 38 digits.
    pub(crate) fn parse(text: &str) -> Option<Decimal> {
        let (negative, rest) = match text.as_bytes() {
            [b'-', ..] => (true, &text[1..]),
            [b'+', ..] => (false, &text[1..]),
            _ => (false, text),
        };
        let (whole, fraction) = rest.split_once('.').unwrap_or((rest, ""));
        if whole.is_empty() && fraction.is_empty() || fraction.len() > 38 {
            return None;
        }
        let mut mantissa: i128 = 0;
        for b in whole.bytes().chain(fraction.bytes()) {
            if !b.is_ascii_digit() {
                return None;
            }
            mantissa = mantissa.checked_mul(10)?.checked_add(i128::from(b - b'0'))?;
        }
        (mantissa <= LARGEST).then_some(Decimal {
            mantissa: if negative { -mantissa } else { mantissa },
            scale: fraction.len() as u32,
        })
    }

    /// As [`Decimal::parse`], rounded to that scale first: text may have more digits behind the point than fit.
    pub(crate) fn parse_rounded(text: &str, scale: u32) -> Option<Decimal> {
        let Some((whole, fraction)) = text.split_once('.').filter(|(_, f)| f.len() > scale as usize + 1)
        else {
            return Decimal::parse(text)?.rescale(scale);
        };
        if !fraction.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        // Rounding looks at one digit beyond the scale.
        let kept = &fraction[..scale as usize + 1];
        let trimmed = whole.trim_start_matches(['+', '-']).trim_start_matches('0');
        let sign = if whole.starts_with('-') { "-" } else { "" };
        Decimal::parse(&format!("{sign}{trimmed}.{kept}"))?.rescale(scale)
    }

    /// A float's first 17 digits, which is what SQL Server converts of one.
    pub(crate) fn from_float(f: f64) -> Option<Decimal> {
        Decimal::from_scientific(&format!("{f:.16e}"))
    }

    /// The shortest decimal that reads back as that float.
    pub(crate) fn from_float_short(f: f64) -> Option<Decimal> {
        Decimal::from_scientific(&format!("{f:e}"))
    }

    /// Reads what Rust prints as `1.5e-3`.
    fn from_scientific(text: &str) -> Option<Decimal> {
        let (digits, exponent) = text.split_once('e')?;
        let exponent: i32 = exponent.parse().ok()?;
        let digits =
            if digits.contains('.') { digits.trim_end_matches('0').trim_end_matches('.') } else { digits };
        let d = Decimal::parse(digits)?;
        let scale = d.scale as i32 - exponent;
        if scale < 0 {
            let up = 10i128.checked_pow(scale.unsigned_abs())?;
            let mantissa = d.mantissa.checked_mul(up)?;
            return (mantissa.abs() <= LARGEST).then_some(Decimal { mantissa, scale: 0 });
        }
        let scale = scale as u32;
        if scale <= 38 {
            return Some(Decimal { mantissa: d.mantissa, scale });
        }
        let cut = scale - 38;
        if cut > 30 {
            return Some(Decimal { mantissa: 0, scale: 38 });
        }
        // The digits beyond 38 places round as any others do.
        let unit = 10i128.pow(cut);
        let half = if d.mantissa < 0 { -unit / 2 } else { unit / 2 };
        Some(Decimal { mantissa: (d.mantissa + half) / unit, scale: 38 })
    }

    /// From its digits as one number and how many of them are behind the point.
    pub(crate) fn new(mantissa: i128, scale: u32) -> Option<Decimal> {
        (mantissa.abs() <= LARGEST && scale <= 38).then_some(Decimal { mantissa, scale })
    }

    /// All digits as one number.
    pub(crate) fn mantissa(self) -> i128 {
        self.mantissa
    }

    /// Digits behind the point.
    pub(crate) fn scale(self) -> u32 {
        self.scale
    }

    /// The nearest float.
    pub(crate) fn to_float(self) -> f64 {
        // Rust reads the digits with one correct rounding; a division would round twice.
        self.to_string().parse().unwrap_or(f64::NAN)
    }

    /// The largest whole number not above it.
    pub(crate) fn floor(self) -> Decimal {
        Decimal { mantissa: self.mantissa.div_euclid(10i128.pow(self.scale)), scale: 0 }
    }

    /// The smallest whole number not below it.
    pub(crate) fn ceiling(self) -> Decimal {
        Decimal { mantissa: -(-self.mantissa).div_euclid(10i128.pow(self.scale)), scale: 0 }
    }

    /// Without its sign.
    pub(crate) fn abs(self) -> Decimal {
        Decimal { mantissa: self.mantissa.abs(), ..self }
    }

    /// Rounded (or cut) at a place before or behind the point, with the digits behind it made zeros: the scale stays.
    pub(crate) fn round(self, places: i64, cut: bool) -> Option<Decimal> {
        let off = i64::from(self.scale).saturating_sub(places);
        if off <= 0 {
            return Some(self);
        }
        let Some(unit) = u32::try_from(off).ok().filter(|n| *n <= 38).map(|n| 10i128.pow(n)) else {
            return Some(Decimal { mantissa: 0, ..self });
        };
        let half = if cut { 0 } else { unit / 2 };
        let half = if self.mantissa < 0 { -half } else { half };
        let mantissa = (self.mantissa + half) / unit * unit;
        (mantissa.abs() <= LARGEST).then_some(Decimal { mantissa, ..self })
    }

    pub(crate) fn is_zero(self) -> bool {
        self.mantissa == 0
    }

    /// Without what is behind the point, where that fits.
    pub(crate) fn whole(self) -> Option<i64> {
        i64::try_from(self.mantissa / 10i128.pow(self.scale)).ok()
    }

    /// The same number with that many digits behind the point, rounded half away from zero.
    pub(crate) fn rescale(self, scale: u32) -> Option<Decimal> {
        let mantissa = if scale >= self.scale {
            self.mantissa.checked_mul(10i128.checked_pow(scale - self.scale)?)?
        } else {
            let unit = 10i128.pow(self.scale - scale);
            let half = if self.mantissa < 0 { -unit / 2 } else { unit / 2 };
            (self.mantissa + half) / unit
        };
        (mantissa.abs() <= LARGEST).then_some(Decimal { mantissa, scale })
    }

    /// As `decimal(precision, scale)`, rounded; `None` when the digits before the point do not fit.
    pub(crate) fn fit(self, precision: u32, scale: u32) -> Option<Decimal> {
        self.rescale(scale).filter(|d| d.mantissa.unsigned_abs() < 10u128.pow(precision.min(38)))
    }

    fn same_scale(self, other: Decimal) -> Option<(i128, i128, u32)> {
        let scale = self.scale.max(other.scale);
        Some((self.rescale(scale)?.mantissa, other.rescale(scale)?.mantissa, scale))
    }

    /// How this one compares.
    pub(crate) fn compare(self, other: Decimal) -> Option<std::cmp::Ordering> {
        self.same_scale(other).map(|(a, b, _)| a.cmp(&b))
    }

    fn digits(self) -> u32 {
        let digits = if self.mantissa == 0 { 1 } else { self.mantissa.unsigned_abs().ilog10() + 1 };
        digits.max(self.scale)
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.mantissa < 0 { "-" } else { "" };
        let digits = format!("{:0>1$}", self.mantissa.unsigned_abs(), self.scale as usize + 1);
        let (whole, fraction) = digits.split_at(digits.len() - self.scale as usize);
        if fraction.is_empty() { write!(f, "{sign}{whole}") } else { write!(f, "{sign}{whole}.{fraction}") }
    }
}

/// `+ - * / %` of two decimals. Precision and scale of a literal are those of its digits.
pub(crate) fn arithmetic(op: &str, a: Decimal, b: Decimal) -> Result<Decimal, Raised> {
    let overflow =
        || Raised(8115, "Arithmetic overflow error converting expression to data type numeric.".to_owned());
    let made = match op {
        "+" => a.same_scale(b).and_then(|(x, y, scale)| Some(Decimal { mantissa: x.checked_add(y)?, scale })),
        "-" => a.same_scale(b).and_then(|(x, y, scale)| Some(Decimal { mantissa: x.checked_sub(y)?, scale })),
        "*" => {
            a.mantissa.checked_mul(b.mantissa).map(|mantissa| Decimal { mantissa, scale: a.scale + b.scale })
        }
        _ if b.is_zero() => return Err(Raised(8134, "Divide by zero error encountered.".to_owned())),
        "%" => a.same_scale(b).map(|(x, y, scale)| Decimal { mantissa: x % y, scale }),
        _ => {
            let scale = (a.scale + b.digits() + 1).clamp(6, 38);
            let up = (scale + b.scale).checked_sub(a.scale).and_then(|n| 10i128.checked_pow(n));
            up.and_then(|up| a.mantissa.checked_mul(up)).map(|m| Decimal { mantissa: m / b.mantissa, scale })
        }
    };
    made.filter(|d| d.mantissa.unsigned_abs() <= LARGEST.unsigned_abs() && d.scale <= 38).ok_or_else(overflow)
}
