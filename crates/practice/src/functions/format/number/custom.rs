//! Numbers by a pattern of one's own: `#,##0.00;(#,##0.00)`.

use super::{super::quoted, Number};

/// Where the section with that number starts; the first one stands in for one that is missing or empty.
fn section(pattern: &[char], wanted: usize) -> Option<usize> {
    if wanted == 0 {
        return Some(0);
    }
    let (mut at, mut left) = (0, wanted);
    while at < pattern.len() {
        match pattern[at] {
            '\'' | '"' => {
                at = quoted(pattern, at)?.1;
                continue;
            }
            '\\' => at += 1,
            ';' => {
                left -= 1;
                if left == 0 {
                    let empty = matches!(pattern.get(at + 1), None | Some(';'));
                    return Some(if empty { 0 } else { at + 1 });
                }
            }
            _ => {}
        }
        at += 1;
    }
    Some(0)
}

/// Digits of an exponent's pattern (`E0`, `E+00`) behind the letter at `at`, and its whole length; `None` if it is none.
fn exponent(pattern: &[char], at: usize) -> Option<(usize, usize)> {
    let sign = usize::from(matches!(pattern.get(at + 1), Some('+' | '-')));
    let zeros = pattern[(at + 1 + sign).min(pattern.len())..].iter().take_while(|c| **c == '0').count();
    (zeros > 0).then_some((zeros, 1 + sign + zeros))
}

/// What a section asks for.
#[derive(Default)]
struct Layout {
    digits: i32,
    point: Option<i32>,
    first_zero: Option<i32>,
    last_zero: i32,
    grouped: bool,
    shift: i32,
    scientific: bool,
}

fn layout(pattern: &[char], start: usize) -> Option<Layout> {
    let mut made = Layout::default();
    let mut comma: Option<(i32, i32)> = None;
    let mut at = start;
    while at < pattern.len() && pattern[at] != ';' {
        let mut step = 1;
        match pattern[at] {
            '#' => made.digits += 1,
            '0' => {
                made.first_zero.get_or_insert(made.digits);
                made.digits += 1;
                made.last_zero = made.digits;
            }
            '.' => {
                made.point.get_or_insert(made.digits);
            }
            ',' if made.digits > 0 && made.point.is_none() => match &mut comma {
                Some((place, count)) if *place == made.digits => *count += 1,
                other => {
                    made.grouped |= other.is_some();
                    *other = Some((made.digits, 1));
                }
            },
            '%' => made.shift += 2,
            '‰' => made.shift += 3,
            '\'' | '"' => step = quoted(pattern, at)?.1 - at,
            '\\' => step = 2,
            'E' | 'e' => {
                if let Some((_, length)) = exponent(pattern, at) {
                    made.scientific = true;
                    step = length;
                }
            }
            _ => {}
        }
        at += step;
    }
    let point = *made.point.get_or_insert(made.digits);
    if let Some((place, count)) = comma {
        // Commas right before the point divide by a thousand each.
        if place == point { made.shift -= 3 * count } else { made.grouped = true }
    }
    Some(made)
}

pub(super) fn format(number: Number, pattern: &str) -> Option<String> {
    let pattern: Vec<char> = pattern.chars().collect();
    let zero = |n: &Number| n.digits.is_empty();
    let mut start = section(&pattern, if zero(&number) { 2 } else { usize::from(number.negative) })?;
    loop {
        let plan = layout(&pattern, start)?;
        let point = plan.point.unwrap_or(plan.digits);
        let mut n = number.clone();
        if !zero(&n) {
            n.point += plan.shift;
            n.keep(if plan.scientific { plan.digits } else { n.point + plan.digits - point });
            if zero(&n) {
                let other = section(&pattern, 2)?;
                if other != start {
                    start = other;
                    continue;
                }
            }
        }
        return write(&n, &pattern, start, &plan, point);
    }
}

fn write(n: &Number, pattern: &[char], start: usize, plan: &Layout, point: i32) -> Option<String> {
    let first = plan.first_zero.filter(|f| *f < point).map_or(0, |f| point - f);
    let last = if plan.last_zero > point { point - plan.last_zero } else { 0 };
    let (mut place, mut adjust) =
        if plan.scientific { (point, 0) } else { (n.point.max(point), n.point - point) };
    let mut made = String::new();
    if n.negative && start == 0 {
        made.push('-');
    }
    let mut next = 0;
    let comma = |place: i32, made: &mut String| {
        if plan.grouped && place > 1 && (place - 1) % 3 == 0 {
            made.push(',');
        }
    };
    let (mut dotted, mut at) = (false, start);
    while at < pattern.len() && pattern[at] != ';' {
        let c = pattern[at];
        let mut step = 1;
        if matches!(c, '#' | '0' | '.') {
            while adjust > 0 {
                made.push(n.digit(next));
                next += 1;
                comma(place, &mut made);
                place -= 1;
                adjust -= 1;
            }
        }
        match c {
            '#' | '0' => {
                let digit = if adjust < 0 {
                    adjust += 1;
                    (place <= first).then_some('0')
                } else if (next as usize) < n.digits.len() {
                    next += 1;
                    Some(n.digit(next - 1))
                } else {
                    (place > last).then_some('0')
                };
                if let Some(digit) = digit {
                    made.push(digit);
                    comma(place, &mut made);
                }
                place -= 1;
            }
            '.' => {
                if place == 0
                    && !dotted
                    && (last < 0 || point < plan.digits && (next as usize) < n.digits.len())
                {
                    made.push('.');
                    dotted = true;
                }
            }
            ',' => {}
            '\'' | '"' => {
                let (text, end) = quoted(pattern, at)?;
                made.push_str(&text);
                step = end - at;
            }
            '\\' => {
                if let Some(next) = pattern.get(at + 1) {
                    made.push(*next);
                }
                step = 2;
            }
            'E' | 'e' if plan.scientific && exponent(pattern, at).is_some() => {
                let (width, length) = exponent(pattern, at)?;
                let power = if n.digits.is_empty() { 0 } else { n.point - point };
                let sign = match (power < 0, pattern[at + 1]) {
                    (true, _) => "-",
                    (false, '+') => "+",
                    _ => "",
                };
                made.push_str(&format!("{c}{sign}{:0width$}", power.unsigned_abs()));
                step = length;
            }
            c => made.push(c),
        }
        at += step;
    }
    Some(made)
}
