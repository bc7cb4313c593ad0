//! Rows as the published contract has them: one JSON object per row, the same for every engine.

mod number;
mod parts;
#[cfg(test)]
mod parts_tests;
mod reform;
mod unique;

use crate::{Column, Date, Time, Value};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use number::{push_decimal, push_float, push_real};
pub use reform::Reform;
pub use unique::unique_names;

/// How rows follow one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowForm {
    /// `{…},{…}`: the inside of a JSON array; the one who joins the pieces writes the brackets.
    Array,
    /// `{"row":{…}}` and a line feed after each row: the streaming form.
    Lines,
    /// `{…}` and a line feed after each row, as pages are kept: [`Reform`] makes either of the others of it.
    Bare,
}

/// Writes the rows of one result set. What depends on the columns alone is worked out once.
#[derive(Clone, Debug)]
pub struct RowWriter {
    form: RowForm,
    first: bool,
    /// `"name":` of each column, escaped, with the punctuation that stands before it.
    keys: Vec<Box<[u8]>>,
    /// How far a row that comes in parts has got.
    at: parts::At,
}

impl RowWriter {
    /// A writer for these columns. Names are made unique and present, see [`unique_names`].
    pub fn new(columns: &[Column], form: RowForm) -> Self {
        let keys = unique_names(columns.iter().map(|c| c.name.as_str()))
            .into_iter()
            .enumerate()
            .map(|(i, name)| {
                let mut key = Vec::with_capacity(name.len() + 4);
                if i > 0 {
                    key.push(b',');
                }
                push_string(&name, &mut key);
                key.push(b':');
                key.into_boxed_slice()
            })
            .collect();
        RowWriter { form, first: true, keys, at: parts::At::default() }
    }

    /// Appends one row. `values` has one value per column; a missing one is written as null, one too many is left out.
    pub fn row(&mut self, values: &[Value<'_>], out: &mut Vec<u8>) {
        debug_assert_eq!(values.len(), self.keys.len(), "an engine yields one value per column");
        self.begin(out);
        for (i, key) in self.keys.iter().enumerate() {
            out.extend_from_slice(key);
            push_value(values.get(i).unwrap_or(&Value::Null), out);
        }
        self.end(out);
    }

    fn begin(&mut self, out: &mut Vec<u8>) {
        match self.form {
            RowForm::Lines => out.extend_from_slice(b"{\"row\":{"),
            RowForm::Bare => out.push(b'{'),
            RowForm::Array if self.first => out.push(b'{'),
            RowForm::Array => out.extend_from_slice(b",{"),
        }
        self.first = false;
    }

    fn end(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(match self.form {
            RowForm::Array => b"}".as_slice(),
            RowForm::Lines => b"}}\n".as_slice(),
            RowForm::Bare => b"}\n".as_slice(),
        });
    }
}

/// The text of a value as in row JSON, without quotes and escapes: for output parameters. NULL appends nothing.
pub fn text_of(value: &Value<'_>, out: &mut String) {
    if let Value::Text(text) = value {
        out.push_str(text);
        return;
    }
    let mut bytes = Vec::with_capacity(40);
    match value {
        Value::Null => {}
        value => push_value(value, &mut bytes),
    }
    let inner = match bytes.as_slice() {
        [b'"', inner @ .., b'"'] => inner,
        all => all,
    };
    // Nothing but text needs escapes or is outside ASCII, and text has left above.
    out.extend(inner.iter().map(|b| char::from(*b)));
}

/// One value as JSON. A float that is not finite is null: JSON has no word for it.
fn push_value(value: &Value<'_>, out: &mut Vec<u8>) {
    match *value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bit(true) => out.extend_from_slice(b"true"),
        Value::Bit(false) => out.extend_from_slice(b"false"),
        Value::Int(i) => out.extend_from_slice(itoa::Buffer::new().format(i).as_bytes()),
        Value::Decimal(digits) => {
            if !push_decimal(digits, out) {
                push_string(digits, out);
            }
        }
        Value::Real(f) => push_real(f, out),
        Value::Float(f) => push_float(f, out),
        Value::Date(date) => quoted(out, |out| push_date_time(date, Time(0), out)),
        Value::DateTime(date, time) => quoted(out, |out| push_date_time(date, time, out)),
        Value::DateTimeOffset(date, time, minutes) => quoted(out, |out| {
            push_date_time(date, time, out);
            push_offset(minutes, out);
        }),
        Value::Time(time) => quoted(out, |out| push_time(time, out)),
        Value::Guid(guid) => {
            let mut buffer = [0; uuid::fmt::Hyphenated::LENGTH];
            quoted(out, |out| out.extend_from_slice(guid.hyphenated().encode_lower(&mut buffer).as_bytes()));
        }
        Value::Text(text) => push_string(text, out),
        Value::Binary(bytes) => quoted(out, |out| push_base64(bytes, out)),
    }
}

fn quoted(out: &mut Vec<u8>, inner: impl FnOnce(&mut Vec<u8>)) {
    out.push(b'"');
    inner(out);
    out.push(b'"');
}

fn push_base64(bytes: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start + bytes.len().div_ceil(3) * 4, 0);
    let written =
        STANDARD.encode_slice(bytes, &mut out[start..]).expect("four letters for each three bytes fit");
    out.truncate(start + written);
}

const PAIRS: &[u8; 200] =
    b"0001020304050607080910111213141516171819202122232425262728293031323334353637383940414243444546474849\
5051525354555657585960616263646566676869707172737475767778798081828384858687888990919293949596979899";

/// Two digits; a number over 99 (no valid part is) loses its hundreds.
fn push_pair(n: u64, out: &mut Vec<u8>) {
    let at = (n % 100) as usize * 2;
    out.extend_from_slice(&PAIRS[at..at + 2]);
}

fn push_date_time(date: Date, time: Time, out: &mut Vec<u8>) {
    push_pair(u64::from(date.year / 100), out);
    push_pair(u64::from(date.year % 100), out);
    out.push(b'-');
    push_pair(u64::from(date.month), out);
    out.push(b'-');
    push_pair(u64::from(date.day), out);
    out.push(b'T');
    push_time(time, out);
}

fn push_time(time: Time, out: &mut Vec<u8>) {
    let seconds = time.0 / Time::SECOND;
    push_pair(seconds / 3600, out);
    out.push(b':');
    push_pair(seconds / 60 % 60, out);
    out.push(b':');
    push_pair(seconds % 60, out);
    let mut fraction = time.0 % Time::SECOND;
    if fraction == 0 {
        return;
    }
    out.push(b'.');
    let mut unit = Time::SECOND / 10;
    while fraction > 0 {
        out.push(b'0' + (fraction / unit) as u8);
        fraction %= unit;
        unit /= 10;
    }
}

fn push_offset(minutes: i16, out: &mut Vec<u8>) {
    out.push(if minutes < 0 { b'-' } else { b'+' });
    let minutes = u64::from(minutes.unsigned_abs());
    push_pair(minutes / 60, out);
    out.push(b':');
    push_pair(minutes % 60, out);
}

/// A JSON string: quote, backslash and control characters escaped, all else as it is.
fn push_string(text: &str, out: &mut Vec<u8>) {
    out.reserve(text.len() + 2);
    quoted(out, |out| push_escaped(text, out));
}

/// The inside of a JSON string, or a piece of it.
fn push_escaped(text: &str, out: &mut Vec<u8>) {
    let mut rest = text.as_bytes();
    loop {
        let clean = clean_prefix(rest);
        out.extend_from_slice(&rest[..clean]);
        let Some(&byte) = rest.get(clean) else { break };
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            control => {
                const HEX: &[u8; 16] = b"0123456789abcdef";
                out.extend_from_slice(b"\\u00");
                out.push(HEX[usize::from(control >> 4)]);
                out.push(HEX[usize::from(control & 15)]);
            }
        }
        rest = &rest[clean + 1..];
    }
}

/// How many bytes at the front need no escape. Eight at a time: most text has none at all.
fn clean_prefix(bytes: &[u8]) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    let zero_in = |word: u64| word.wrapping_sub(ONES) & !word & HIGHS;
    let mut at = 0;
    while let Some(eight) = bytes.get(at..at + 8) {
        let word = u64::from_le_bytes(eight.try_into().expect("eight bytes"));
        let control = word.wrapping_sub(ONES * 0x20) & !word & HIGHS;
        let hit =
            control | zero_in(word ^ (ONES * u64::from(b'"'))) | zero_in(word ^ (ONES * u64::from(b'\\')));
        if hit != 0 {
            // A borrow can only mark bytes after the first true hit, so the lowest mark is right.
            return at + hit.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    bytes[at..].iter().position(|b| *b < 0x20 || *b == b'"' || *b == b'\\').map_or(bytes.len(), |p| at + p)
}

#[cfg(test)]
mod tests;
