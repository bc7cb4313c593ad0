//! LIKE, REPLACE and CHARINDEX, all without case.

use crate::collation::weight;

/// A character without its case.
pub(super) fn lower_one(c: char) -> char {
    if c.is_ascii() { c.to_ascii_lowercase() } else { c.to_lowercase().next().unwrap_or(c) }
}

/// Text without its case, character by character.
pub(super) fn lower(text: &str) -> Vec<char> {
    text.chars().map(lower_one).collect()
}

/// One element of a pattern.
enum Part {
    /// `%`
    Any,
    /// `_`
    One,
    Char(char),
    /// `[a-z]`, `[^abc]`
    Set(bool, Vec<(char, char)>),
}

fn parse(pattern: &str, escape: Option<char>) -> Vec<Part> {
    let chars = lower(pattern);
    let escape = escape.map(|e| e.to_lowercase().next().unwrap_or(e));
    let mut parts = Vec::new();
    let mut at = 0;
    while at < chars.len() {
        let c = chars[at];
        at += 1;
        match c {
            c if Some(c) == escape && at < chars.len() => {
                parts.push(Part::Char(chars[at]));
                at += 1;
            }
            '%' => parts.push(Part::Any),
            '_' => parts.push(Part::One),
            '[' => {
                let Some(length) = chars[at..].iter().skip(1).position(|c| *c == ']').map(|p| p + 1) else {
                    parts.push(Part::Char('['));
                    continue;
                };
                let (negated, set) = match &chars[at..at + length] {
                    ['^', rest @ ..] => (true, rest),
                    all => (false, all),
                };
                let mut ranges = Vec::new();
                let mut i = 0;
                while i < set.len() {
                    if i + 2 < set.len() && set[i + 1] == '-' {
                        ranges.push((set[i], set[i + 2]));
                        i += 3;
                    } else {
                        ranges.push((set[i], set[i]));
                        i += 1;
                    }
                }
                parts.push(Part::Set(negated, ranges));
                at += length + 1;
            }
            c => parts.push(Part::Char(c)),
        }
    }
    parts
}

/// Whether a value is LIKE a pattern. Spaces at the value's end do not matter, as with SQL Server's non-Unicode text.
pub(super) fn matches(value: &str, pattern: &str, escape: Option<char>, unicode: bool) -> bool {
    let parts = parse(pattern, escape);
    let value = lower(value);
    if run(&value, &parts) {
        return true;
    }
    if unicode {
        return false;
    }
    let trimmed = value.iter().rposition(|c| *c != ' ').map_or(0, |p| p + 1);
    trimmed < value.len() && run(&value[..trimmed], &parts)
}

/// Backtracks to the last `%` only: time is at most value × pattern.
fn run(value: &[char], parts: &[Part]) -> bool {
    let (mut v, mut p) = (0, 0);
    let mut back: Option<(usize, usize)> = None;
    loop {
        let fits = match parts.get(p) {
            Some(Part::Any) => {
                back = Some((v, p + 1));
                p += 1;
                continue;
            }
            None if v == value.len() => return true,
            None => false,
            Some(part) => value.get(v).is_some_and(|c| match part {
                Part::Any | Part::One => true,
                Part::Char(own) => own == c,
                Part::Set(negated, ranges) => {
                    // A range holds what sorts between its ends: é lies in a-z.
                    let within = |(a, b): &(char, char)| {
                        *c == *a || *c == *b || a != b && (weight(*a)..=weight(*b)).contains(&weight(*c))
                    };
                    ranges.iter().any(within) != *negated
                }
            }),
        };
        if fits {
            v += 1;
            p += 1;
        } else {
            match back {
                Some((from, part)) if from < value.len() => {
                    back = Some((from + 1, part));
                    v = from + 1;
                    p = part;
                }
                _ => return false,
            }
        }
    }
}

/// UTF-16 units before that character.
fn units_before(chars: &[char], at: usize) -> usize {
    chars[..at].iter().map(|c| c.len_utf16()).sum()
}

/// Position of `what` in `within` from 1, searched from `start`; 0 when it is not there.
pub(super) fn position(what: &str, within: &str, start: i64) -> i64 {
    let skip = usize::try_from(start.saturating_sub(1)).unwrap_or(0);
    if what.is_empty() || skip >= within.len() {
        return 0;
    }
    if what.is_ascii() && within.is_ascii() {
        let (what, within) = (what.as_bytes(), &within.as_bytes()[skip..]);
        let found = within.windows(what.len()).position(|w| w.eq_ignore_ascii_case(what));
        return found.map_or(0, |p| (p + skip + 1) as i64);
    }
    let (what, within) = (lower(what), lower(within));
    let mut from = 0;
    let mut units = 0;
    while from < within.len() && units < skip {
        units += within[from].len_utf16();
        from += 1;
    }
    let found = within[from..].windows(what.len()).position(|w| w == what);
    found.map_or(0, |p| (units_before(&within, p + from) + 1) as i64)
}

/// PATINDEX: where the first match of a pattern starts, from 1; 0 when there is none. Without a `%` in front the match
/// starts with the text.
pub(super) fn first_match(pattern: &str, within: &str) -> i64 {
    let parts = parse(pattern, None);
    let value = lower(within);
    let lead = parts.iter().take_while(|p| matches!(p, Part::Any)).count();
    if lead == 0 {
        return i64::from(run(&value, &parts));
    }
    let rest = &parts[lead..];
    if rest.is_empty() {
        return 1;
    }
    let first = rest.iter().take_while(|p| !matches!(p, Part::Any)).count();
    let more = first < rest.len();
    for at in 0..=value.len() {
        // The first stretch without a `%` decides where the match starts.
        if !more {
            if value.len() - at == first && run(&value[at..], rest) {
                return (units_before(&value, at) + 1) as i64;
            }
        } else if value.len() - at >= first && run(&value[at..at + first], &rest[..first]) {
            // What follows can't be found further on if it is not behind the first such place.
            return if run(&value[at..], rest) { (units_before(&value, at) + 1) as i64 } else { 0 };
        }
    }
    0
}

/// Every `from` in `text` replaced.
/// `None` where it would be longer than that many bytes.
pub(super) fn replace(text: &str, from: &str, to: &str, longest: usize) -> Option<String> {
    let (original, folded, from): (Vec<char>, _, _) = (text.chars().collect(), lower(text), lower(from));
    let mut made = String::with_capacity(text.len());
    let mut at = 0;
    while at < folded.len() {
        if folded[at..].starts_with(&from) {
            if made.len() + to.len() > longest {
                return None;
            }
            made.push_str(to);
            at += from.len();
        } else {
            made.push(original[at]);
            at += 1;
        }
    }
    (made.len() <= longest).then_some(made)
}
