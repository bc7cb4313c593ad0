//! Numbers as JSON has them.

/// Appends the digits as a JSON number and keeps all of them: `.5` becomes `0.5`, `+1` becomes `1`, `007` becomes `7`,
/// `5.` becomes `5`. False, and nothing appended, when the text is no number.
pub(super) fn push_decimal(text: &str, out: &mut Vec<u8>) -> bool {
    let bytes = text.as_bytes();
    let (negative, rest) = match bytes {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    let (whole, rest) = digits(rest);
    let (fraction, rest) = match rest {
        [b'.', rest @ ..] => digits(rest),
        rest => (&[][..], rest),
    };
    if whole.is_empty() && fraction.is_empty() {
        return false;
    }
    let exponent = match rest {
        [] => None,
        [b'e' | b'E', sign @ (b'-' | b'+'), rest @ ..] => Some((Some(*sign), rest)),
        [b'e' | b'E', rest @ ..] => Some((None, rest)),
        _ => return false,
    };
    if exponent.is_some_and(|(_, power)| power.is_empty() || !digits(power).1.is_empty()) {
        return false;
    }
    if negative {
        out.push(b'-');
    }
    let zeros = whole.iter().take_while(|b| **b == b'0').count();
    match &whole[zeros..] {
        [] => out.push(b'0'),
        significant => out.extend_from_slice(significant),
    }
    if !fraction.is_empty() {
        out.push(b'.');
        out.extend_from_slice(fraction);
    }
    if let Some((sign, power)) = exponent {
        out.push(b'e');
        out.extend(sign);
        out.extend_from_slice(power);
    }
    true
}

fn digits(bytes: &[u8]) -> (&[u8], &[u8]) {
    bytes.split_at(bytes.iter().take_while(|b| b.is_ascii_digit()).count())
}

/// Shortest text that reads back as the same `float`; null when it is not finite.
pub(super) fn push_float(f: f64, out: &mut Vec<u8>) {
    if f.is_finite() {
        push_shortest(ryu::Buffer::new().format_finite(f), out)
    } else {
        out.extend_from_slice(b"null")
    }
}

/// Shortest text that reads back as the same `real`; null when it is not finite.
pub(super) fn push_real(f: f32, out: &mut Vec<u8>) {
    if f.is_finite() {
        push_shortest(ryu::Buffer::new().format_finite(f), out)
    } else {
        out.extend_from_slice(b"null")
    }
}

/// `1.0` says no more than `1`.
fn push_shortest(text: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(text.strip_suffix(".0").unwrap_or(text).as_bytes());
}
