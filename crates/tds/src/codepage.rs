//! Code page 1252, in which `char`, `varchar` and `text` travel.

/// What the bytes 0x80 to 0x9F are; the five that stand for nothing are the control characters of that number.
const UPPER: [char; 32] = [
    '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž', '\u{8f}', '\u{90}',
    '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}', 'ž', 'Ÿ',
];

/// SQL_Latin1_General_CP1_CI_AS.
pub(crate) const COLLATION: [u8; 5] = [0x09, 0x04, 0xD0, 0x00, 0x34];

pub(crate) fn decode(bytes: &[u8]) -> String {
    let one = |byte: &u8| match byte {
        0x80..=0x9F => UPPER[usize::from(byte - 0x80)],
        byte => char::from(*byte),
    };
    bytes.iter().map(one).collect()
}

/// One byte for each character; `?` for what the page does not have. SQL Server counts two for a character outside the
/// basic plane.
pub(crate) fn encode(text: &str, mut put: impl FnMut(u8)) {
    for c in text.chars() {
        match u32::from(c) {
            code @ (0..0x80 | 0xA0..0x100) => put(code as u8),
            code => {
                let at = UPPER.iter().position(|u| *u == c);
                // At most 0x9F.
                put(at.map_or(b'?', |at| 0x80 + at as u8));
                if at.is_none() && code > 0xFFFF {
                    put(b'?');
                }
            }
        }
    }
}

/// How many bytes [`encode`] gives.
pub(crate) fn length(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { text.chars().map(char::len_utf16).sum() }
}
