//! The version that an installer says it has: two rows of its `Property` table.

use super::{SignatureError, compound::Compound};
use std::collections::HashMap;

/// Largest string pool and table that are read, bytes. Halo Link's are some ten kilobytes.
const TABLE_BYTES: usize = 8 * 1024 * 1024;

const BROKEN: SignatureError = SignatureError::Format("its tables can't be read");

/// `HaloLinkVersion`, else `ProductVersion`.
pub(super) fn version(file: &Compound<'_>) -> Result<String, SignatureError> {
    let properties = properties(file)?;
    let of = |name: &str| properties.get(name.as_bytes());
    let version = of("HaloLinkVersion").or_else(|| of("ProductVersion")).ok_or(BROKEN)?;
    String::from_utf8(version.clone()).map_err(|_| BROKEN)
}

fn properties(file: &Compound<'_>) -> Result<HashMap<Vec<u8>, Vec<u8>>, SignatureError> {
    let table =
        |name| file.find(&table_name(name)).and_then(|entry| file.content(entry, TABLE_BYTES)).ok_or(BROKEN);
    let (pool, data, rows) = (table("_StringPool")?, table("_StringData")?, table("Property")?);
    let (strings, wide) = strings(&pool, &data)?;
    // Column after column; each value is the number of a string, in two bytes or three.
    let width = if wide { 3 } else { 2 };
    let (names, values) = rows.split_at(rows.len() / (2 * width) * width);
    let texts = |column: &[u8]| -> Vec<Vec<u8>> {
        let number = |cell: &[u8]| cell.iter().rev().fold(0, |number, byte| number << 8 | usize::from(*byte));
        column
            .chunks_exact(width)
            .map(|cell| strings.get(number(cell)).cloned().unwrap_or_default())
            .collect()
    };
    Ok(texts(names).into_iter().zip(texts(values)).collect())
}

/// All strings by their number, and whether numbers have three bytes.
fn strings(pool: &[u8], mut data: &[u8]) -> Result<(Vec<Vec<u8>>, bool), SignatureError> {
    let mut words = pool.chunks_exact(2).map(|two| usize::from(u16::from_le_bytes([two[0], two[1]])));
    let mut next = || words.next().zip(words.next());
    let (_, flags) = next().ok_or(BROKEN)?;
    let mut strings = vec![Vec::new()];
    while let Some((length, references)) = next() {
        // A string above 64 KiB has its length in the entry after a zero that is referred to.
        let length = match (length, references) {
            (0, 1..) => next().map(|(low, high)| high << 16 | low).ok_or(BROKEN)?,
            (length, _) => length,
        };
        let (text, rest) = data.split_at_checked(length).ok_or(BROKEN)?;
        strings.push(text.to_vec());
        data = rest;
    }
    Ok((strings, flags & 0x8000 != 0))
}

/// How a table's name is written as the name of a stream: two characters in one, after a mark.
fn table_name(name: &str) -> Vec<u8> {
    const ALPHABET: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz._";
    let number = |byte: &u8| ALPHABET.iter().position(|a| a == byte).unwrap_or(0) as u16;
    let packed = name.as_bytes().chunks(2).map(|two| match two {
        [one] => 0x4800 + number(one),
        [one, two] => 0x3800 + number(one) + (number(two) << 6),
        _ => 0,
    });
    std::iter::once(0x4840).chain(packed).flat_map(u16::to_le_bytes).collect()
}
