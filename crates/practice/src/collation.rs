//! How the demo's SQL Server compares text, decimals and moments with an offset: the embedded engine's collations.

use crate::{
    calendar::{day_number, read_offset},
    functions::compare_decimals,
};
use database::Time;
use rusqlite::Connection;
use std::cmp::Ordering;

/// Raised when the files' content or the order of their indexes changes: a file of another version is not read.
pub(crate) const VERSION: i32 = 4;

/// Registers the collations on a connection; nothing in the files can be read before.
pub(crate) fn register(connection: &Connection) -> rusqlite::Result<()> {
    connection.create_collation("MSSQL", compare)?;
    connection.create_collation("MSCASE", |a, b| {
        let (a, b) = (a.trim_end_matches(' '), b.trim_end_matches(' '));
        // Cases are told apart only where nothing else is different; the small letter comes first.
        compare(a, b).then_with(|| b.cmp(a))
    })?;
    connection.create_collation("MSDEC", compare_decimals)?;
    connection.create_collation("MSOFFSET", |a, b| instant(a).cmp(&instant(b)))
}

/// Signs in the order of Windows' collations, before digits, before letters.
const SIGNS: &[u8] = b" _,;:!?.\"()[]{}@*/\\&#%`^+<=>|~$";

/// What decides first, by ASCII letter: signs, digits, letters without their case. 0 decides only at the very end:
/// the hyphen and the apostrophe, so that O'Brien stands beside Obrien.
const FIRST: [u8; 128] = {
    let mut weights = [1; 128];
    let mut at = 0;
    while at < SIGNS.len() {
        weights[SIGNS[at] as usize] = at as u8 + 2;
        at += 1;
    }
    at = 0;
    while at < 10 {
        weights[b'0' as usize + at] = 100 + at as u8;
        at += 1;
    }
    at = 0;
    while at < 26 {
        weights[b'a' as usize + at] = 120 + at as u8;
        weights[b'A' as usize + at] = 120 + at as u8;
        at += 1;
    }
    weights[b'-' as usize] = 0;
    weights[b'\'' as usize] = 0;
    weights
};

/// The letter under the accent, for the letters of Western Europe.
fn plain(c: char) -> char {
    match c {
        'à'..='å' => 'a',
        'ç' => 'c',
        'è'..='ë' => 'e',
        'ì'..='ï' => 'i',
        'ñ' => 'n',
        'ò'..='ö' => 'o',
        'ù'..='ü' => 'u',
        'ý' | 'ÿ' => 'y',
        'š' => 's',
        'ž' => 'z',
        c => c,
    }
}

fn lower(c: char) -> char {
    if c.is_ascii() { c.to_ascii_lowercase() } else { c.to_lowercase().next().unwrap_or(c) }
}

/// What decides first of a letter. What Western Europe does not write comes last, by its number.
pub(crate) fn weight(c: char) -> u32 {
    let base = plain(lower(c));
    if base.is_ascii() { u32::from(FIRST[base as usize]) } else { 1_000 + u32::from(base) }
}

/// Compares two texts without case and without regard to spaces at the end.
pub(crate) fn compare(a: &str, b: &str) -> Ordering {
    let (a, b) = (a.trim_end_matches(' '), b.trim_end_matches(' '));
    let first = if a.is_ascii() && b.is_ascii() {
        ascii(a.as_bytes(), b.as_bytes())
    } else {
        let weights = |c: char| Some(weight(c)).filter(|w| *w > 0);
        a.chars().filter_map(weights).cmp(b.chars().filter_map(weights))
    };
    first.then_with(|| {
        // Accents, then hyphens and apostrophes: the text without them first.
        let accents = |t: &'_ str| t.chars().map(lower).filter(|c| weight(*c) > 0).collect::<Vec<char>>();
        if a.eq_ignore_ascii_case(b) {
            return Ordering::Equal;
        }
        let ignored = |t: &str| t.chars().filter(|c| weight(*c) == 0).count();
        accents(a)
            .cmp(&accents(b))
            .then_with(|| ignored(a).cmp(&ignored(b)))
            .then_with(|| a.chars().map(lower).cmp(b.chars().map(lower)).reverse())
    })
}

fn ascii(a: &[u8], b: &[u8]) -> Ordering {
    let weights = |c: &u8| Some(FIRST[usize::from(*c)]).filter(|w| *w > 0);
    a.iter().filter_map(weights).cmp(b.iter().filter_map(weights))
}

/// The moment in UTC, in ticks: datetimeoffsets are the same when that is.
fn instant(text: &str) -> Option<i128> {
    let (date, time, minutes) = read_offset(text.as_bytes())?;
    Some(
        i128::from(day_number(date)) * i128::from(Time::DAY) + i128::from(time.0)
            - i128::from(minutes) * 60 * i128::from(Time::SECOND),
    )
}

#[cfg(test)]
mod tests {
    use super::compare;
    use std::cmp::Ordering;

    #[test]
    fn texts_stand_in_the_order_of_windows_collations() {
        // Signs, digits, letters; an accent decides after the letters, an apostrophe after the accents.
        let sorted = [
            "", "_x", "[x", "~x", "1", "12", "2", "a", "Ab", "coop", "co-op", "cooper", "e", "é", "ea", "f",
            "Obrien", "O'Brien", "O'Connor", "z",
        ];
        for (i, a) in sorted.iter().enumerate() {
            for (j, b) in sorted.iter().enumerate() {
                assert_eq!(compare(a, b), i.cmp(&j), "{a} {b}");
                assert_eq!(compare(&a.to_uppercase(), &format!("{b}  ")), i.cmp(&j), "{a} {b}");
            }
        }
        assert_eq!(compare("Müller", "MÜLLER "), Ordering::Equal);
    }
}
