//! The values of one message.

use super::{
    blr::Form,
    xdr::{self, Reader, Short},
};

/// A value where it lies: texts by their place in the message.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Cell {
    /// NULL.
    Null,
    /// A number with as many digits behind the point as its column has; also `BOOLEAN`, `DATE` in days since 1858-11-17.
    Int(i64),
    /// `INT128`.
    Int128(i128),
    /// `FLOAT`.
    Float(f32),
    /// `DOUBLE PRECISION`.
    Double(f64),
    /// `TIME`, in ten-thousandths of a second.
    Time(u32),
    /// Days since 1858-11-17, ten-thousandths of a second.
    Timestamp(i32, u32),
    /// Start and length of a text in the message.
    Bytes(usize, usize),
    /// A blob's number.
    Blob(u64),
}

/// Reads the values of one message into `cells`. [`Cell::Bytes`] counts from where the reader stood at `0`.
///
/// # Errors
/// [`Short`]; wrong for a text longer than its column.
#[inline]
pub fn decode(reader: &mut Reader<'_>, forms: &[Form], cells: &mut Vec<Cell>) -> Result<(), Short> {
    cells.clear();
    let nulls = reader.padded(forms.len().div_ceil(8))?;
    for (i, form) in forms.iter().enumerate() {
        if nulls[i / 8] >> (i % 8) & 1 == 1 {
            cells.push(Cell::Null);
            continue;
        }
        cells.push(match *form {
            Form::Text(length, _) => {
                let start = reader.at();
                reader.padded(usize::from(length))?;
                Cell::Bytes(start, usize::from(length))
            }
            Form::Varying(most, _) => {
                let start = reader.at() + 4;
                let text = reader.bytes(usize::from(most))?;
                Cell::Bytes(start, text.len())
            }
            Form::Short(_) | Form::Long(_) | Form::Date => Cell::Int(i64::from(reader.u32()? as i32)),
            Form::Int64(_) => Cell::Int(reader.array().map(i64::from_be_bytes)?),
            Form::Int128(_) => Cell::Int128(reader.array().map(i128::from_be_bytes)?),
            Form::Float => Cell::Float(reader.array().map(f32::from_be_bytes)?),
            Form::Double => Cell::Double(reader.array().map(f64::from_be_bytes)?),
            Form::Time => Cell::Time(reader.u32()?),
            Form::Timestamp => Cell::Timestamp(reader.u32()? as i32, reader.u32()?),
            Form::Blob => Cell::Blob(reader.array().map(u64::from_be_bytes)?),
            Form::Boolean => Cell::Int(i64::from(reader.padded(1)?[0] != 0)),
            Form::Nothing => Cell::Null,
        });
    }
    Ok(())
}

/// A value on its way in.
#[derive(Clone, PartialEq)]
pub enum Sent {
    /// NULL.
    Null,
    /// Whole numbers of up to eight bytes, already scaled; `DATE`; `TIME`.
    Int(i64),
    /// `INT128`.
    Int128(i128),
    /// `FLOAT`.
    Float(f32),
    /// `DOUBLE PRECISION`.
    Double(f64),
    /// As [`Cell::Timestamp`].
    Timestamp(i32, u32),
    /// A text's bytes.
    Bytes(Vec<u8>),
    /// A blob's number.
    Blob(u64),
    /// `BOOLEAN`.
    Boolean(bool),
}

impl std::fmt::Debug for Sent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sent(hidden)")
    }
}

/// Writes a message. Each value fits its form: whoever calls has seen to it.
pub fn encode(values: &[(Form, Sent)], out: &mut Vec<u8>) {
    let mut nulls = vec![0u8; values.len().div_ceil(8)];
    for (i, (_, value)) in values.iter().enumerate() {
        if *value == Sent::Null {
            nulls[i / 8] |= 1 << (i % 8);
        }
    }
    xdr::put_padded(out, &nulls);
    for (form, value) in values {
        match (form, value) {
            (_, Sent::Null) => {}
            (Form::Int64(_), Sent::Int(n)) => out.extend(n.to_be_bytes()),
            (_, Sent::Int(n)) => out.extend((*n as i32).to_be_bytes()),
            (_, Sent::Int128(n)) => out.extend(n.to_be_bytes()),
            (_, Sent::Float(n)) => out.extend(n.to_be_bytes()),
            (_, Sent::Double(n)) => out.extend(n.to_be_bytes()),
            (_, Sent::Timestamp(day, time)) => {
                out.extend(day.to_be_bytes());
                out.extend(time.to_be_bytes());
            }
            (Form::Text(..), Sent::Bytes(bytes)) => xdr::put_padded(out, bytes),
            (_, Sent::Bytes(bytes)) => xdr::put_bytes(out, bytes),
            (_, Sent::Blob(id)) => out.extend(id.to_be_bytes()),
            (_, Sent::Boolean(yes)) => xdr::put_padded(out, &[u8::from(*yes)]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn value() -> impl Strategy<Value = (Form, Sent)> {
        prop_oneof![
            any::<i16>().prop_map(|n| (Form::Short(-2), Sent::Int(n.into()))),
            any::<i32>().prop_map(|n| (Form::Long(0), Sent::Int(n.into()))),
            any::<i64>().prop_map(|n| (Form::Int64(-4), Sent::Int(n))),
            any::<i128>().prop_map(|n| (Form::Int128(0), Sent::Int128(n))),
            any::<i32>().prop_map(|n| (Form::Float, Sent::Float(n as f32))),
            any::<i64>().prop_map(|n| (Form::Double, Sent::Double(n as f64))),
            (any::<i32>(), any::<u32>()).prop_map(|(d, t)| (Form::Timestamp, Sent::Timestamp(d, t))),
            prop::collection::vec(any::<u8>(), 0..40).prop_map(|b| (Form::Varying(40, UTF), Sent::Bytes(b))),
            any::<u64>().prop_map(|n| (Form::Blob, Sent::Blob(n))),
            any::<bool>().prop_map(|b| (Form::Boolean, Sent::Boolean(b))),
            Just((Form::Date, Sent::Null)),
        ]
    }
    const UTF: u16 = super::super::blr::UTF8;

    proptest! {
        #[test]
        fn a_message_reads_back_as_it_was_written_and_a_cut_one_asks_for_more(
            values in prop::collection::vec(value(), 1..40), cut in any::<prop::sample::Index>()
        ) {
            let mut out = Vec::new();
            encode(&values, &mut out);
            let forms: Vec<_> = values.iter().map(|v| v.0).collect();
            let mut cells = Vec::new();
            let mut reader = Reader::new(&out);
            prop_assert_eq!(decode(&mut reader, &forms, &mut cells), Ok(()));
            prop_assert_eq!(reader.at(), out.len());
            for (cell, (_, sent)) in cells.iter().zip(&values) {
                let same = match (cell, sent) {
                    (Cell::Null, Sent::Null) => true,
                    (Cell::Int(a), Sent::Int(b)) => a == b,
                    (Cell::Int(a), Sent::Boolean(b)) => *a == i64::from(*b),
                    (Cell::Int128(a), Sent::Int128(b)) => a == b,
                    (Cell::Float(a), Sent::Float(b)) => a == b,
                    (Cell::Double(a), Sent::Double(b)) => a == b,
                    (Cell::Timestamp(a, b), Sent::Timestamp(c, d)) => (a, b) == (c, d),
                    (Cell::Bytes(at, length), Sent::Bytes(b)) => &out[*at..at + length] == b.as_slice(),
                    (Cell::Blob(a), Sent::Blob(b)) => a == b,
                    _ => false,
                };
                prop_assert!(same);
            }
            let cut = &out[..cut.index(out.len())];
            prop_assert_eq!(decode(&mut Reader::new(cut), &forms, &mut cells), Err(Short::More));
        }

        #[test]
        fn no_message_makes_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), values in prop::collection::vec(value(), 0..20)) {
            let forms: Vec<_> = values.iter().map(|v| v.0).collect();
            let mut cells = Vec::new();
            if decode(&mut Reader::new(&bytes), &forms, &mut cells).is_ok() {
                prop_assert_eq!(cells.len(), forms.len());
            }
        }
    }
}
