//! How values lie in a message: their forms, and the description of a message that the server wants.

use super::info::Variable;

/// How one value travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `CHAR`: that many bytes, in that character set.
    Text(u16, u16),
    /// `VARCHAR`: at most that many bytes, in that character set.
    Varying(u16, u16),
    /// `SMALLINT`, with digits behind the point as a negative number.
    Short(i8),
    /// `INTEGER`.
    Long(i8),
    /// `BIGINT`.
    Int64(i8),
    /// `INT128` of Firebird 4.
    Int128(i8),
    /// `FLOAT`.
    Float,
    /// `DOUBLE PRECISION`.
    Double,
    /// `DATE`.
    Date,
    /// `TIME`.
    Time,
    /// `TIMESTAMP`.
    Timestamp,
    /// The number of a blob.
    Blob,
    /// `BOOLEAN`.
    Boolean,
    /// Of a parameter that is only asked whether it is NULL.
    Nothing,
}

/// Character set `NONE`: bytes as they are.
pub const NONE: u16 = 0;
/// Character set `OCTETS`: no text at all.
pub const OCTETS: u16 = 1;
/// Character set `UTF8`, four bytes for each declared character.
pub const UTF8: u16 = 4;

impl Form {
    /// Of a column or a parameter; `None` for types that this client does not know.
    pub fn of(variable: &Variable) -> Option<Form> {
        let length = u16::try_from(variable.length).ok()?;
        let scale = i8::try_from(variable.scale).ok().filter(|scale| (-38..=0).contains(scale));
        let set = (variable.sub_type & 0xFF) as u16;
        Some(match variable.kind {
            452 => Form::Text(length, set),
            448 => Form::Varying(length, set),
            500 => Form::Short(scale?),
            496 => Form::Long(scale?),
            580 => Form::Int64(scale?),
            32752 => Form::Int128(scale?),
            482 => Form::Float,
            480 | 530 => Form::Double,
            570 => Form::Date,
            560 => Form::Time,
            510 => Form::Timestamp,
            520 => Form::Blob,
            32764 => Form::Boolean,
            32766 => Form::Nothing,
            _ => return None,
        })
    }

    fn describe(self, out: &mut Vec<u8>) {
        let mut sized = |code: u8, set: u16, length: u16| {
            out.push(code);
            out.extend(set.to_le_bytes());
            out.extend(length.to_le_bytes());
        };
        match self {
            Form::Text(length, set) => sized(15, set, length),
            Form::Varying(length, set) => sized(38, set, length),
            Form::Short(scale) => out.extend([7, scale as u8]),
            Form::Long(scale) => out.extend([8, scale as u8]),
            Form::Int64(scale) => out.extend([16, scale as u8]),
            Form::Int128(scale) => out.extend([26, scale as u8]),
            Form::Float => out.push(10),
            Form::Double => out.push(27),
            Form::Date => out.push(12),
            Form::Time => out.push(13),
            Form::Timestamp => out.push(35),
            Form::Blob => out.extend([9, 0]),
            Form::Boolean => out.push(23),
            Form::Nothing => out.extend([14, 0, 0]),
        }
    }
}

/// The description of a message with these values; empty when there are none.
pub fn describe(forms: &[Form]) -> Vec<u8> {
    if forms.is_empty() {
        return Vec::new();
    }
    let mut out = vec![5, 2, 4, 0];
    // Each value has an indicator of NULL beside it.
    out.extend((forms.len() as u16).wrapping_mul(2).to_le_bytes());
    for form in forms {
        form.describe(&mut out);
        out.extend([7, 0]);
    }
    out.extend([255, 76]);
    out
}
