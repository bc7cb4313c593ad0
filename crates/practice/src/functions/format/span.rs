//! Times of day by .NET's patterns of a span: all that is no letter of the pattern must be quoted.

use super::quoted;
use database::Time;

/// `None` for a pattern that is none.
pub(super) fn format(t: Time, pattern: &str) -> Option<String> {
    let seconds = t.0 / Time::SECOND;
    let ticks = t.0 % Time::SECOND;
    let (h, m, s) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let whole = format!("{h:02}:{m:02}:{s:02}");
    let fraction = format!("{ticks:07}");
    match pattern {
        "" | "c" | "t" | "T" => {
            return Some(if ticks == 0 { whole } else { format!("{whole}.{fraction}") });
        }
        "g" if ticks == 0 => return Some(format!("{h}:{m:02}:{s:02}")),
        "g" => return Some(format!("{h}:{m:02}:{s:02}.{}", fraction.trim_end_matches('0'))),
        "G" => return Some(format!("0:{whole}.{fraction}")),
        _ => {}
    }
    let pattern: Vec<char> = pattern.chars().collect();
    if pattern.len() == 1 {
        return None;
    }
    let mut made = String::new();
    let mut at = 0;
    while at < pattern.len() {
        let c = pattern[at];
        let count = pattern[at..].iter().take_while(|p| **p == c).count();
        let mut used = count;
        let number = |n: u64| if count == 1 { n.to_string() } else { format!("{n:02}") };
        match c {
            'd' if count <= 8 => made.push_str(&"0".repeat(count)),
            'h' if count <= 2 => made.push_str(&number(h)),
            'm' if count <= 2 => made.push_str(&number(m)),
            's' if count <= 2 => made.push_str(&number(s)),
            'f' if count <= 7 => made.push_str(&fraction[..count]),
            'F' if count <= 7 => made.push_str(fraction[..count].trim_end_matches('0')),
            '\'' | '"' => {
                let (text, end) = quoted(&pattern, at)?;
                made.push_str(&text);
                used = end - at;
            }
            '\\' => {
                made.push(*pattern.get(at + 1)?);
                used = 2;
            }
            '%' if pattern.get(at + 1).is_some_and(|next| *next != '%') => used = 1,
            _ => return None,
        }
        at += used;
    }
    Some(made)
}
