//! Functions of text. Positions and lengths count UTF-16 units, as SQL Server's collations without `_SC` do.

use super::{like, text, unsupported};
use crate::{
    convert::{Decimal, units},
    fault::Raised,
};
use rusqlite::{
    Connection, Result,
    functions::{Context, FunctionFlags},
    types::Value,
};

/// Longest text that a function makes, in bytes.
pub(crate) const LONGEST: usize = 80 * 1024 * 1024;

fn too_long() -> rusqlite::Error {
    Raised(8152, "String or binary data would be truncated.".to_owned()).into()
}

/// Units `from` to `to` of a text.
fn cut(whole: &str, from: usize, to: usize) -> String {
    if from >= to {
        return String::new();
    }
    if whole.is_ascii() {
        return whole[from.min(whole.len())..to.min(whole.len())].to_owned();
    }
    if whole.chars().all(|c| c.len_utf16() == 1) {
        return whole.chars().skip(from).take(to - from).collect();
    }
    let all: Vec<u16> = whole.encode_utf16().collect();
    String::from_utf16_lossy(&all[from.min(all.len())..to.min(all.len())])
}

/// A NULL argument gives NULL; a length that is negative raises what SQL Server does.
fn slice(context: &Context<'_>, name: &str) -> Result<Value> {
    let (Some(whole), Some(first)) = (text(context, 0), context.get::<Option<i64>>(1)?) else {
        return Ok(Value::Null);
    };
    let count = units(&whole) as i64;
    let wrong = |number| Raised(number, format!("Invalid length parameter passed to the {name} function."));
    let (from, to) = match name {
        "left" if first < 0 => return Err(wrong(537).into()),
        "left" => (0, first),
        "right" if first < 0 => return Err(wrong(536).into()),
        "right" => ((count - first).max(0), count),
        _ => {
            let Some(length) = context.get::<Option<i64>>(2)? else { return Ok(Value::Null) };
            if length < 0 {
                return Err(wrong(537).into());
            }
            (first.saturating_sub(1).max(0), first.saturating_add(length).saturating_sub(1))
        }
    };
    let (from, to) = (from.min(count) as usize, to.clamp(0, count) as usize);
    Ok(Value::Text(cut(&whole, from, to)))
}

/// A case mapping that keeps the number of characters: `ß` has no capital here.
fn cased(text: &str, upper: bool) -> String {
    if text.is_ascii() {
        return if upper { text.to_ascii_uppercase() } else { text.to_ascii_lowercase() };
    }
    let one = |c: char| {
        let (mut up, mut low) = (c.to_uppercase(), c.to_lowercase());
        let mapped = if upper { (up.next(), up.next()) } else { (low.next(), low.next()) };
        if let (Some(mapped), None) = mapped { mapped } else { c }
    };
    text.chars().map(one).collect()
}

fn trim(text: &str, side: &str, chars: Option<&str>) -> String {
    let folded: Vec<char> = chars.map_or_else(|| vec![' '], like::lower);
    let inside = |c: char| folded.contains(&like::lower_one(c));
    match side {
        "leading" => text.trim_start_matches(inside),
        "trailing" => text.trim_end_matches(inside),
        _ => text.trim_matches(inside),
    }
    .to_owned()
}

/// STR: a number with fixed digits, right-justified; stars where its whole part does not fit.
fn str_of(number: f64, length: i64, digits: i64) -> Option<String> {
    let (length, digits) = (usize::try_from(length).ok()?, u32::try_from(digits).ok()?.min(16));
    if length > 8000 {
        return None;
    }
    let stars = || Some("*".repeat(length));
    let Some(exact) = Decimal::from_float(number) else { return stars() };
    let whole = exact.rescale(0).map(|d| d.to_string().len()).unwrap_or(usize::MAX);
    // Digits behind the point give way to those before it.
    let room = length.saturating_sub(whole + 1);
    let Some(made) = exact.rescale(digits.min(room as u32)) else { return stars() };
    let made = made.to_string();
    if made.len() > length { stars() } else { Some(format!("{made:>length$}")) }
}

fn translate(text: &str, from: &str, to: &str) -> Option<String> {
    let (from, to): (Vec<char>, Vec<char>) = (like::lower(from), to.chars().collect());
    (from.len() == to.len()).then(|| {
        text.chars()
            .map(|c| from.iter().position(|f| *f == like::lower_one(c)).map_or(c, |at| to[at]))
            .collect()
    })
}

fn quoted(text: &str, mark: Option<&str>) -> Option<String> {
    let (open, close) = match mark.map_or(Some('['), |m| m.chars().next())? {
        '[' | ']' => ('[', ']'),
        '(' | ')' => ('(', ')'),
        '{' | '}' => ('{', '}'),
        '<' | '>' => ('<', '>'),
        c @ ('\'' | '"' | '`') => (c, c),
        _ => return None,
    };
    if units(text) > 128 {
        return None;
    }
    let mut made = String::from(open);
    for c in text.chars() {
        made.push(c);
        if c == close {
            made.push(c);
        }
    }
    made.push(close);
    Some(made)
}

fn json_escaped(text: &str) -> String {
    let mut made = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '"' | '\\' | '/' => made.extend(['\\', c]),
            '\u{8}' => made.push_str("\\b"),
            '\u{c}' => made.push_str("\\f"),
            '\n' => made.push_str("\\n"),
            '\r' => made.push_str("\\r"),
            '\t' => made.push_str("\\t"),
            c if c < ' ' => made.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => made.push(c),
        }
    }
    made
}

/// STUFF: a piece of a text replaced by another.
fn stuff(c: &Context<'_>) -> Result<Option<String>> {
    let (Some(whole), Some(start), Some(length)) =
        (text(c, 0), c.get::<Option<i64>>(1)?, c.get::<Option<i64>>(2)?)
    else {
        return Ok(None);
    };
    let count = units(&whole) as i64;
    if start < 1 || start > count || length < 0 {
        return Ok(None);
    }
    let (from, to) = (start - 1, (start - 1).saturating_add(length).min(count));
    let middle = text(c, 3).unwrap_or_default();
    let (head, tail) = (cut(&whole, 0, from as usize), cut(&whole, to as usize, count as usize));
    Ok(Some(format!("{head}{middle}{tail}")))
}

/// Text repeated; what is no longer than 8,000 bytes by its type is cut there, as SQL Server does.
fn replicate(c: &Context<'_>) -> Result<Option<String>> {
    let (Some(t), Some(n)) = (text(c, 0), c.get::<Option<i64>>(1)?) else { return Ok(None) };
    let limit: i64 = c.get(2)?;
    let Ok(n) = usize::try_from(n) else { return Ok(None) };
    if limit == 0 {
        return if n.saturating_mul(t.len()) > LONGEST { Err(too_long()) } else { Ok(Some(t.repeat(n))) };
    }
    let limit = limit as usize;
    let whole = limit / units(&t).max(1) + 1;
    Ok(Some(cut(&t.repeat(n.min(whole)), 0, limit)))
}

/// PARSENAME: a part of a name of up to four, counted from its end.
fn part_of_name(name: &str, wanted: i64) -> Option<String> {
    let mut parts = vec![String::new()];
    let mut close = None;
    let mut chars = name.chars().peekable();
    while let Some(c) = chars.next() {
        let part = parts.last_mut()?;
        match (c, close) {
            (c, Some(mark)) if c == mark => {
                // A closing mark twice is one of the name's own.
                if chars.next_if_eq(&mark).is_some() {
                    part.push(c);
                } else {
                    close = None;
                }
            }
            (c, Some(_)) => part.push(c),
            ('[', None) if part.is_empty() => close = Some(']'),
            ('"', None) if part.is_empty() => close = Some('"'),
            ('.', None) => parts.push(String::new()),
            (c, None) => part.push(c),
        }
    }
    if close.is_some() || parts.len() > 4 {
        return None;
    }
    let at = parts.len().checked_sub(usize::try_from(wanted).ok().filter(|w| *w > 0)?)?;
    Some(parts.swap_remove(at)).filter(|part| !part.is_empty())
}

pub(super) fn register(connection: &Connection, pure: FunctionFlags) -> Result<()> {
    for name in ["left", "right", "substring"] {
        let count = if name == "substring" { 3 } else { 2 };
        connection
            .create_scalar_function(format!("ts_{name}").as_str(), count, pure, move |c| slice(c, name))?;
    }
    connection.create_scalar_function("ts_len", 1, pure, |c| {
        Ok(text(c, 0).map(|t| units(t.trim_end_matches(' ')) as i64))
    })?;
    connection.create_scalar_function("ts_units", 1, pure, |c| Ok(text(c, 0).map(|t| units(&t) as i64)))?;
    connection.create_scalar_function("ts_upper", 1, pure, |c| Ok(text(c, 0).map(|t| cased(&t, true))))?;
    connection.create_scalar_function("ts_lower", 1, pure, |c| Ok(text(c, 0).map(|t| cased(&t, false))))?;
    connection.create_scalar_function("ts_reverse", 1, pure, |c| {
        Ok(text(c, 0).map(|t| t.chars().rev().collect::<String>()))
    })?;
    connection.create_scalar_function("ts_replicate", 3, pure, |c| replicate(c))?;
    connection.create_scalar_function("ts_replace", 3, pure, |c| {
        let (Some(t), Some(from), Some(to)) = (text(c, 0), text(c, 1), text(c, 2)) else { return Ok(None) };
        if from.is_empty() {
            return Ok(Some(t.into_owned()));
        }
        like::replace(&t, &from, &to, LONGEST).map(Some).ok_or_else(too_long)
    })?;
    connection.create_scalar_function("ts_charindex", 3, pure, |c| {
        let (Some(what), Some(within), Some(start)) = (text(c, 0), text(c, 1), c.get::<Option<i64>>(2)?)
        else {
            return Ok(None);
        };
        Ok(Some(like::position(&what, &within, start)))
    })?;
    connection.create_scalar_function("ts_patindex", 2, pure, |c| {
        let (Some(pattern), Some(within)) = (text(c, 0), text(c, 1)) else { return Ok(None) };
        Ok(Some(like::first_match(&pattern, &within)))
    })?;
    connection.create_scalar_function("ts_stuff", 4, pure, |c| stuff(c))?;
    connection.create_scalar_function("ts_trim", 3, pure, |c| {
        let Some(t) = text(c, 1) else { return Ok(None) };
        let side = text(c, 0).unwrap_or_default();
        Ok(text(c, 2).map(|chars| trim(&t, &side, Some(&chars))))
    })?;
    connection.create_scalar_function("ts_translate", 3, pure, |c| {
        let (Some(t), Some(from), Some(to)) = (text(c, 0), text(c, 1), text(c, 2)) else { return Ok(None) };
        translate(&t, &from, &to).map(Some).ok_or_else(|| {
            Raised(9828, "The second and third arguments of the TRANSLATE built-in function must contain an equal number of characters.".to_owned()).into()
        })
    })?;
    connection.create_scalar_function("ts_quotename", 2, pure, |c| {
        Ok(text(c, 0).zip(text(c, 1)).and_then(|(t, mark)| quoted(&t, Some(&mark))))
    })?;
    connection.create_scalar_function("ts_str", 3, pure, |c| {
        let (Some(f), Some(length), Some(digits)) =
            (c.get::<Option<f64>>(0)?, c.get::<Option<i64>>(1)?, c.get::<Option<i64>>(2)?)
        else {
            return Ok(None);
        };
        Ok(str_of(f, length, digits))
    })?;
    connection.create_scalar_function("ts_parsename", 2, pure, |c| {
        let (Some(name), Some(wanted)) = (text(c, 0), c.get::<Option<i64>>(1)?) else { return Ok(None) };
        Ok(part_of_name(&name, wanted))
    })?;
    connection.create_scalar_function("ts_escape", 2, pure, |c| {
        let (Some(t), Some(kind)) = (text(c, 0), text(c, 1)) else { return Ok(None) };
        if !kind.eq_ignore_ascii_case("json") {
            return Err(unsupported(&format!("STRING_ESCAPE {kind}")).into());
        }
        Ok(Some(json_escaped(&t)))
    })?;
    connection.create_scalar_function("ts_concat_ws", -1, pure, |c| {
        let separator = text(c, 0).unwrap_or_default();
        let parts: Vec<_> = (1..c.len()).filter_map(|at| text(c, at)).collect();
        Ok(parts.join(&*separator))
    })
}
