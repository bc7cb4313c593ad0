//! Bytes of a column without a character set: UTF-8 when they are that, else Windows-1252.

use std::borrow::Cow;

/// What 0x80 to 0x9F mean in Windows-1252; the five that it leaves free stand for themselves, as browsers have it.
const HIGH: [char; 32] = [
    '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž', '\u{8f}', '\u{90}',
    '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}', 'ž', 'Ÿ',
];

/// Reads bytes.
pub(crate) fn decode(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(bytes.iter().map(|byte| windows_1252(*byte)).collect()),
    }
}

/// One byte as a character.
pub(crate) fn windows_1252(byte: u8) -> char {
    match byte {
        0x80..=0x9F => HIGH[usize::from(byte - 0x80)],
        _ => char::from(byte),
    }
}

/// A text as bytes of Windows-1252; `None` when it has a character that is not in it.
pub(crate) fn encode(text: &str) -> Option<Vec<u8>> {
    let byte = |c: char| match u32::from(c) {
        code @ (0..=0x7F | 0xA0..=0xFF) => Some(code as u8),
        _ => HIGH.iter().position(|high| *high == c).map(|at| at as u8 + 0x80),
    };
    text.chars().map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_of_windows_1252_comes_back_and_utf_8_is_taken_first() {
        let all: String = (0..=255).map(windows_1252).collect();
        assert_eq!(encode(&all), Some((0..=255).collect()));
        assert_eq!(decode(&[b'M', 0xFC, b'l', 0x80]), "Mül€");
        assert_eq!(decode("Mül€".as_bytes()), "Mül€");
        assert_eq!(encode("Ωmega"), None);
    }
}
