//! A row whose large values come in pieces: nothing is held but the bytes that base64 has no letter for yet.

use super::{RowWriter, push_base64, push_escaped, push_value};
use crate::{Part, Value};

/// How far a row has got.
#[derive(Clone, Debug, Default)]
pub(super) struct At {
    /// The row has begun.
    begun: bool,
    /// Columns that are whole.
    column: usize,
    /// A value is open.
    open: Option<Open>,
}

#[derive(Clone, Debug)]
enum Open {
    Text,
    /// Up to two bytes that wait for a third.
    Binary {
        carry: [u8; 3],
        carried: usize,
    },
}

impl RowWriter {
    /// Appends a piece of a row. True when the row is whole with it. Columns that got nothing are null.
    pub fn part(&mut self, part: Part<'_>, out: &mut Vec<u8>) -> bool {
        if !std::mem::replace(&mut self.at.begun, true) {
            self.begin(out);
        }
        match part {
            Part::Value(value) => {
                self.key(out);
                push_value(&value, out);
                self.at.column += 1;
            }
            Part::Text(text) => {
                if self.at.open.is_none() {
                    self.key(out);
                    out.push(b'"');
                    self.at.open = Some(Open::Text);
                }
                push_escaped(text, out);
            }
            Part::Binary(bytes) => {
                if self.at.open.is_none() {
                    self.key(out);
                    out.push(b'"');
                    self.at.open = Some(Open::Binary { carry: [0; 3], carried: 0 });
                }
                if let Some(Open::Binary { carry, carried }) = &mut self.at.open {
                    push_threes(bytes, carry, carried, out);
                }
            }
            Part::EndOfValue => {
                match self.at.open.take() {
                    Some(Open::Binary { carry, carried }) => push_base64(&carry[..carried], out),
                    Some(Open::Text) => {}
                    // Nothing came: an empty text and empty bytes look the same.
                    None => {
                        self.key(out);
                        out.push(b'"');
                    }
                }
                out.push(b'"');
                self.at.column += 1;
            }
            Part::EndOfRow => {
                while self.at.column < self.keys.len() {
                    self.key(out);
                    push_value(&Value::Null, out);
                    self.at.column += 1;
                }
                self.end(out);
                self.at = At::default();
                return true;
            }
        }
        false
    }

    fn key(&self, out: &mut Vec<u8>) {
        // An engine that yields more values than columns breaks its contract; what comes out must still be JSON.
        let key = self.keys.get(self.at.column);
        debug_assert!(key.is_some(), "an engine yields one value per column");
        out.extend_from_slice(key.map_or(b",\"\":".as_slice(), |key| key));
    }
}

/// Base64 of all whole threes; the rest waits in `carry`.
fn push_threes(mut bytes: &[u8], carry: &mut [u8; 3], carried: &mut usize, out: &mut Vec<u8>) {
    while *carried > 0 && !bytes.is_empty() {
        carry[*carried] = bytes[0];
        bytes = &bytes[1..];
        *carried += 1;
        if *carried == 3 {
            push_base64(carry, out);
            *carried = 0;
        }
    }
    let (threes, rest) = bytes.split_at(bytes.len() / 3 * 3);
    push_base64(threes, out);
    if !rest.is_empty() {
        carry[..rest.len()].copy_from_slice(rest);
        *carried = rest.len();
    }
}
