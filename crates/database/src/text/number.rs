//! Numbers in words.

/// A decimal number with all its digits: `-12.3400` is negative, `123400`, scale 4.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Digits {
    /// Below zero. Never with all digits zero.
    pub negative: bool,
    /// At most 38 decimal digits.
    pub magnitude: u128,
    /// How many of them stand behind the point: 0 to 38.
    pub scale: u8,
}

impl Digits {
    /// Reads `-12.34`, `.5`, `5.`, `+1`, `1.5e3`. `None` for what is no number, or has more than 38 digits.
    pub fn parse(text: &str) -> Option<Self> {
        let (negative, rest) = sign(text);
        let (mantissa, power) = match rest.find(['e', 'E']) {
            Some(at) => (&rest[..at], exponent(&rest[at + 1..])?),
            None => (rest, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        if whole.len() + fraction.len() == 0 {
            return None;
        }
        let mut magnitude = 0u128;
        for digit in whole.bytes().chain(fraction.bytes()) {
            let digit = digit.is_ascii_digit().then(|| digit - b'0')?;
            magnitude = magnitude.checked_mul(10)?.checked_add(digit.into())?;
        }
        let scale = i64::try_from(fraction.len()).ok()? - power;
        let mut digits = Digits { negative: negative && magnitude > 0, magnitude, scale: 0 };
        if scale >= 0 {
            // Zeros at the end of a number with an exponent say nothing.
            let mut scale = scale;
            while scale > 38 && digits.magnitude.is_multiple_of(10) {
                digits.magnitude /= 10;
                scale -= 1;
                if digits.magnitude == 0 {
                    scale = scale.min(38);
                }
            }
            digits.scale = u8::try_from(scale).ok()?;
        } else if magnitude > 0 {
            let factor = 10u128.checked_pow(u32::try_from(-scale).ok()?)?;
            digits.magnitude = magnitude.checked_mul(factor)?;
        }
        digits.fits().then_some(digits)
    }

    /// Whether it is a `decimal(38, scale)`.
    pub fn fits(&self) -> bool {
        self.magnitude < 10u128.pow(38) && self.scale <= 38
    }

    /// How many digits it has, both sides of the point: 1 to 38, and never fewer than stand behind the point.
    pub fn precision(&self) -> u8 {
        let digits = self.magnitude.checked_ilog10().map_or(1, |log| log as u8 + 1);
        digits.max(self.scale).max(1)
    }

    /// The same number with `scale` digits behind the point, rounded half away from zero; `None` when it has no room.
    pub fn at_scale(&self, scale: u8) -> Option<Self> {
        let magnitude = if scale >= self.scale {
            self.magnitude.checked_mul(10u128.checked_pow(u32::from(scale - self.scale))?)?
        } else {
            let factor = 10u128.checked_pow(u32::from(self.scale - scale))?;
            self.magnitude / factor + u128::from(self.magnitude % factor >= factor.div_ceil(2))
        };
        let same = Digits { negative: self.negative && magnitude > 0, magnitude, scale };
        same.fits().then_some(same)
    }

    /// Magnitude with its sign.
    pub fn signed(&self) -> i128 {
        let magnitude = self.magnitude as i128;
        if self.negative { -magnitude } else { magnitude }
    }
}

impl std::fmt::Display for Digits {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let sign = if self.negative { "-" } else { "" };
        let scale = usize::from(self.scale);
        let all = format!("{:0width$}", self.magnitude, width = scale + 1);
        let (whole, fraction) = all.split_at(all.len() - scale);
        match fraction {
            "" => write!(f, "{sign}{whole}"),
            fraction => write!(f, "{sign}{whole}.{fraction}"),
        }
    }
}

fn sign(text: &str) -> (bool, &str) {
    match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    }
}

fn exponent(text: &str) -> Option<i64> {
    let (negative, digits) = sign(text);
    let power = (digits.len() <= 4 && !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()))
        .then(|| digits.parse::<i64>().ok())
        .flatten()?;
    Some(if negative { -power } else { power })
}

/// A whole number; `5.0` is one too.
pub(super) fn int(text: &str) -> Option<i64> {
    if let Ok(n) = text.parse() {
        return Some(n);
    }
    let digits = Digits::parse(text)?;
    let factor = 10u128.checked_pow(u32::from(digits.scale))?;
    let whole = digits.at_scale(0).filter(|_| digits.magnitude.is_multiple_of(factor))?;
    i64::try_from(whole.signed()).ok()
}

/// `true`, `false` in any case, or a number: all but zero is true.
pub(super) fn bit(text: &str) -> Option<bool> {
    match text {
        _ if text.eq_ignore_ascii_case("true") => Some(true),
        _ if text.eq_ignore_ascii_case("false") => Some(false),
        _ => int(text).map(|n| n != 0),
    }
}

/// An amount in ten-thousandths within a range; a currency sign and thousands' commas may stand in it, as in SQL Server.
pub(super) fn money(text: &str, low: i128, high: i128) -> Option<Digits> {
    let (negative, rest) = sign(text);
    let plain: String = rest.strip_prefix('$').unwrap_or(rest).chars().filter(|c| *c != ',').collect();
    if plain.starts_with(['-', '+']) && rest.len() != text.len() {
        return None;
    }
    let mut amount = Digits::parse(&plain)?.at_scale(4)?;
    amount.negative ^= negative && amount.magnitude > 0;
    (low..=high).contains(&amount.signed()).then_some(amount)
}

/// A finite number.
pub(super) fn float(text: &str) -> Option<f64> {
    let numeric = text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'+' | b'-' | b'.' | b'e' | b'E'));
    text.parse().ok().filter(|f: &f64| numeric && f.is_finite())
}
