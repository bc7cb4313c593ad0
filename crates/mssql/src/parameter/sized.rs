//! How long a value may be, and what is cut off one that is longer: as ADO.NET does it with `Size`.

use mssql_tds::{datatypes::sql_string::encode_narrow, token::tokens::SqlCollation};

/// Longest `n` in `varchar(n)`, `varbinary(n)`; half of it in `nvarchar(n)`.
pub(super) const BYTES: u32 = 8000;

/// How a parameter of a type with a length is declared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Length {
    /// That many units: bytes, or characters of two bytes.
    Of(u16),
    /// `max`.
    Max,
}

/// The length that holds `used` units: by the size that the caller gave, or else the longest that is not `max`, so that
/// statements that differ by the length of a value share a plan. What comes back without a size may be of any length.
pub(super) fn declared(size: Option<u32>, used: usize, most: u32, comes_back: bool) -> Length {
    match size {
        Some(size) if size <= most => Length::Of(size as u16),
        Some(_) => Length::Max,
        None if comes_back || used > most as usize => Length::Max,
        None => Length::Of(most as u16),
    }
}

/// A size that says something: none, zero and -1 do not.
pub(super) fn given(size: Option<u32>) -> Option<u32> {
    size.filter(|size| *size > 0 && *size < i32::MAX as u32)
}

/// At most so many units of UTF-16, no character cut in two.
pub(super) fn cut_wide(text: String, most: Option<u32>) -> String {
    let Some(most) = most else { return text };
    let mut left = most as usize;
    let mut end = text.len();
    for (at, c) in text.char_indices() {
        match left.checked_sub(c.len_utf16()) {
            Some(rest) => left = rest,
            None => {
                end = at;
                break;
            }
        }
    }
    let mut text = text;
    text.truncate(end);
    text
}

/// At most so many bytes in the database's code page, no character cut in two.
pub(super) fn cut_narrow(text: String, most: Option<u32>, collation: &SqlCollation) -> String {
    let Some(most) = most.map(|most| most as usize) else { return text };
    if text.len() <= most {
        // No code page takes more bytes for a character than UTF-8 does; but a GB18030 one may, for some.
        if text.is_ascii() || narrow_length(&text, collation) <= most {
            return text;
        }
    }
    let mut left = most;
    let mut end = text.len();
    let mut letter = [0; 4];
    for (at, c) in text.char_indices() {
        let bytes = if c.is_ascii() { 1 } else { narrow_length(c.encode_utf8(&mut letter), collation) };
        match left.checked_sub(bytes) {
            Some(rest) => left = rest,
            None => {
                end = at;
                break;
            }
        }
    }
    let mut text = text;
    text.truncate(end);
    text
}

/// Bytes of a text in the database's code page.
pub(super) fn narrow_length(text: &str, collation: &SqlCollation) -> usize {
    if text.is_ascii() { text.len() } else { encode_narrow(text, *collation).bytes.len() }
}
