//! Numbers by .NET's patterns.

mod custom;

use super::{Culture, unsupported};
use crate::{convert::commas, fault::Raised, types::Type};

/// A number as its digits: `0.DIGITS × 10^point`, without zeros in front.
#[derive(Clone, Debug)]
pub(super) struct Number {
    negative: bool,
    digits: Vec<u8>,
    point: i32,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Its value and the bytes of its type, for hexadecimal digits.
    Integer(i64, usize),
    /// Digits behind the point.
    Exact(usize),
    /// Digits that a float has.
    Float(usize),
}

impl Number {
    pub(super) fn integer(n: i64, ty: Type) -> Number {
        let width = match ty.name {
            "tinyint" => 1,
            "smallint" => 2,
            "bigint" => 8,
            _ => 4,
        };
        Number { kind: Kind::Integer(n, width), ..Number::exact(&n.to_string()) }
    }

    pub(super) fn exact(text: &str) -> Number {
        let (negative, rest) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
        let (whole, fraction) = rest.split_once('.').unwrap_or((rest, ""));
        let kind = Kind::Exact(fraction.len());
        let digits: Vec<u8> = whole.bytes().chain(fraction.bytes()).map(|b| b.saturating_sub(b'0')).collect();
        let mut number = Number { negative, digits, point: whole.len() as i32, kind };
        let zeros = number.digits.iter().take_while(|d| **d == 0).count();
        number.digits.drain(..zeros);
        number.point -= zeros as i32;
        number.settle();
        number
    }

    pub(super) fn float(f: f64, digits: usize) -> Number {
        let text = format!("{:.*e}", digits - 1, f.abs());
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let mut number = Number {
            negative: f < 0.0,
            digits: mantissa.bytes().filter(u8::is_ascii_digit).map(|b| b - b'0').collect(),
            point: exponent.parse::<i32>().unwrap_or(0) + 1,
            kind: Kind::Float(digits),
        };
        number.settle();
        number
    }

    /// Drops zeros at the end; zero has no digits and no sign.
    fn settle(&mut self) {
        while self.digits.last() == Some(&0) {
            self.digits.pop();
        }
        if self.digits.is_empty() {
            self.negative = false;
            self.point = 0;
        }
    }

    /// Keeps that many digits, rounded half away from zero.
    fn keep(&mut self, count: i32) {
        let Ok(count) = usize::try_from(count) else {
            self.digits.clear();
            return self.settle();
        };
        if count < self.digits.len() {
            let up = self.digits[count] >= 5;
            self.digits.truncate(count);
            if up {
                let mut at = count;
                loop {
                    if at == 0 {
                        self.digits.insert(0, 1);
                        self.point += 1;
                        break;
                    }
                    at -= 1;
                    if self.digits[at] < 9 {
                        self.digits[at] += 1;
                        break;
                    }
                    self.digits[at] = 0;
                }
            }
        }
        self.settle();
    }

    fn digit(&self, at: i32) -> char {
        let digit = usize::try_from(at).ok().and_then(|at| self.digits.get(at)).copied().unwrap_or(0);
        char::from(b'0' + digit)
    }

    /// With exactly that many digits behind the point; no sign.
    fn fixed(&mut self, places: usize) -> (String, String) {
        self.keep(self.point + places as i32);
        let whole: String = (0..self.point).map(|at| self.digit(at)).collect();
        let fraction = (self.point..self.point + places as i32).map(|at| self.digit(at)).collect();
        (if whole.is_empty() { "0".to_owned() } else { whole }, fraction)
    }

    fn grouped(&mut self, places: usize) -> String {
        let (whole, fraction) = self.fixed(places);
        if places == 0 { commas(&whole) } else { format!("{}.{fraction}", commas(&whole)) }
    }

    fn scientific(&mut self, places: usize, letter: char, width: usize, trimmed: bool) -> String {
        self.keep(places as i32 + 1);
        let exponent = if self.digits.is_empty() { 0 } else { self.point - 1 };
        let shown = if trimmed { self.digits.len().saturating_sub(1) } else { places };
        let fraction: String = (1..=shown as i32).map(|at| self.digit(at)).collect();
        let dot = if fraction.is_empty() { "" } else { "." };
        let sign = if exponent < 0 { '-' } else { '+' };
        format!("{}{dot}{fraction}{letter}{sign}{:0width$}", self.digit(0), exponent.unsigned_abs())
    }

    /// G: the shorter of the two notations.
    fn general(&mut self, places: Option<usize>, letter: char) -> String {
        let places = match (places.filter(|p| *p > 0), self.kind) {
            (None, Kind::Integer(n, _)) => return n.unsigned_abs().to_string(),
            (None, Kind::Exact(scale)) => {
                let (whole, fraction) = self.fixed(scale);
                return if scale == 0 { whole } else { format!("{whole}.{fraction}") };
            }
            (None, Kind::Float(digits)) => digits,
            (Some(places), _) => places,
        };
        self.keep(places as i32);
        if self.point > places as i32 || self.point < -4 {
            return self.scientific(places - 1, letter, 2, true);
        }
        let scale = (self.digits.len() as i32 - self.point).max(0) as usize;
        let (whole, fraction) = self.fixed(scale);
        if scale == 0 { whole } else { format!("{whole}.{fraction}") }
    }
}

/// `None` for a pattern that is none: FORMAT gives NULL then.
pub(super) fn format(mut n: Number, pattern: &str, culture: &Culture) -> Result<Option<String>, Raised> {
    let pattern = if pattern.is_empty() { "G" } else { pattern };
    let letter = pattern.chars().next().unwrap_or('G');
    let rest = &pattern[letter.len_utf8()..];
    if !letter.is_ascii_alphabetic() || rest.len() > 2 || !rest.bytes().all(|b| b.is_ascii_digit()) {
        return Ok(custom::format(n, pattern));
    }
    let places: Option<usize> = rest.parse().ok();
    let two = places.unwrap_or(2);
    let signed = |n: &Number, text: String| if n.negative { format!("-{text}") } else { text };
    Ok(Some(match letter.to_ascii_uppercase() {
        'C' => {
            let text = n.grouped(two);
            let symbol = culture.currency;
            match (n.negative, culture.brackets) {
                (false, _) => format!("{symbol}{text}"),
                (true, true) => format!("({symbol}{text})"),
                (true, false) => format!("-{symbol}{text}"),
            }
        }
        'D' => {
            let Kind::Integer(value, _) = n.kind else { return Ok(None) };
            let width = places.unwrap_or(1);
            signed(&n, format!("{:0width$}", value.unsigned_abs()))
        }
        'X' => {
            let Kind::Integer(value, width) = n.kind else { return Ok(None) };
            let bits = if width == 8 { value as u64 } else { value as u64 & ((1 << (8 * width)) - 1) };
            let least = places.unwrap_or(1);
            if letter == 'X' { format!("{bits:0least$X}") } else { format!("{bits:0least$x}") }
        }
        'E' => {
            let text = n.scientific(places.unwrap_or(6), letter, 3, false);
            signed(&n, text)
        }
        'F' => {
            let (whole, fraction) = n.fixed(two);
            signed(&n, if two == 0 { whole } else { format!("{whole}.{fraction}") })
        }
        'G' => {
            let text = n.general(places, if letter == 'G' { 'E' } else { 'e' });
            signed(&n, text)
        }
        'N' => {
            let text = n.grouped(two);
            signed(&n, text)
        }
        'P' => {
            if !n.digits.is_empty() {
                n.point += 2;
            }
            let text = n.grouped(two);
            signed(&n, format!("{text}%"))
        }
        'R' if matches!(n.kind, Kind::Float(_)) => return Err(unsupported("FORMAT R")),
        _ => return Ok(None),
    }))
}
