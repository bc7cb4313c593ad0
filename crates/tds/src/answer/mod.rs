//! What the server says: types, values, tokens, packets.

pub(crate) mod cell;
pub(crate) mod kind;
mod number;
pub(crate) mod packets;
pub(crate) mod tokens;

/// Takes bytes on their way out. Never fails: who can't go on says so elsewhere.
pub(crate) trait Put {
    fn put(&mut self, bytes: &[u8]);

    fn u8(&mut self, value: u8) {
        self.put(&[value]);
    }
    fn u16(&mut self, value: u16) {
        self.put(&value.to_le_bytes());
    }
    fn u32(&mut self, value: u32) {
        self.put(&value.to_le_bytes());
    }
    fn u64(&mut self, value: u64) {
        self.put(&value.to_le_bytes());
    }
}

impl Put for Vec<u8> {
    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

/// UTF-16 in small pieces: a text of 64 MB is never there twice.
pub(crate) fn put_utf16(text: &str, out: &mut dyn Put) {
    let mut piece = [0u8; 512];
    let mut at = 0;
    for unit in text.encode_utf16() {
        piece[at..at + 2].copy_from_slice(&unit.to_le_bytes());
        at += 2;
        if at == piece.len() {
            out.put(&piece);
            at = 0;
        }
    }
    out.put(&piece[..at]);
}

/// Code page 1252, likewise.
pub(crate) fn put_narrow(text: &str, out: &mut dyn Put) {
    if text.is_ascii() {
        out.put(text.as_bytes());
        return;
    }
    let mut piece = [0u8; 512];
    let mut at = 0;
    crate::codepage::encode(text, |byte| {
        piece[at] = byte;
        at += 1;
        if at == piece.len() {
            out.put(&piece);
            at = 0;
        }
    });
    out.put(&piece[..at]);
}

/// How many bytes [`put_utf16`] gives.
pub(crate) fn utf16_bytes(text: &str) -> usize {
    2 * if text.is_ascii() { text.len() } else { text.chars().map(char::len_utf16).sum() }
}
