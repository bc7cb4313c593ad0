//! A parameter's type and value. The same form in which the server writes output values, which lets tests close the circle.

use super::{Reader, Wrong, reader::utf16, variant};
use crate::{calendar, codepage};
use database::{Date, Time, Value};
use practice::events::ColumnType;
use uuid::Uuid;

/// A value that owns what it holds.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "each is the variant of `database::Value` of that name")]
pub enum Owned {
    Null,
    Bit(bool),
    Int(i64),
    Decimal(String),
    Real(f32),
    Float(f64),
    Date(Date),
    DateTime(Date, Time),
    DateTimeOffset(Date, Time, i16),
    Time(Time),
    Guid(Uuid),
    Text(String),
    Binary(Vec<u8>),
}

impl Owned {
    /// The same, borrowed.
    pub fn view(&self) -> Value<'_> {
        match self {
            Owned::Null => Value::Null,
            Owned::Bit(b) => Value::Bit(*b),
            Owned::Int(i) => Value::Int(*i),
            Owned::Decimal(d) => Value::Decimal(d),
            Owned::Real(f) => Value::Real(*f),
            Owned::Float(f) => Value::Float(*f),
            Owned::Date(d) => Value::Date(*d),
            Owned::DateTime(d, t) => Value::DateTime(*d, *t),
            Owned::DateTimeOffset(d, t, m) => Value::DateTimeOffset(*d, *t, *m),
            Owned::Time(t) => Value::Time(*t),
            Owned::Guid(g) => Value::Guid(*g),
            Owned::Text(t) => Value::Text(t),
            Owned::Binary(b) => Value::Binary(b),
        }
    }
}

/// How a value's length is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// No value but NULL.
    Nothing,
    /// As many bytes as the type has.
    Fixed(usize),
    /// One byte; 0 is NULL.
    Byte,
    /// One byte; 0xFF is NULL (the oldest text types).
    OldByte,
    /// Two bytes; 0xFFFF is NULL.
    Short,
    /// Four bytes; 0xFFFFFFFF is NULL.
    Long,
    /// In chunks.
    Chunks,
    /// sql_variant: the type comes with the value.
    Variant,
}

/// How values of a type are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Form {
    pub(super) name: &'static str,
    pub(super) scale: u8,
    pub(super) utf8: bool,
    framing: Framing,
}

impl Form {
    /// For a value whose end is the end of what holds it.
    pub(super) fn bare(name: &'static str, scale: u8, utf8: bool) -> Form {
        Form { name, scale, utf8, framing: Framing::Nothing }
    }
}

pub(super) type Bad<'a> = &'a dyn Fn(String) -> Wrong;

/// Reads TYPE_INFO; `bad` makes the error for a type that is not taken.
pub fn read_type(reader: &mut Reader<'_>, bad: Bad<'_>) -> Result<(Form, ColumnType), Wrong> {
    let token = reader.u8()?;
    let unknown = || bad(format!("data type 0x{token:02X} is unknown"));
    let plain = |name: &'static str, framing| {
        let ty = ColumnType { name, length: None, precision: 0, scale: 0 };
        (Form { name, scale: 0, utf8: false, framing }, ty)
    };
    let sized = |reader: &mut Reader<'_>, sizes: &[(u8, &'static str)]| {
        let size = reader.u8()?;
        let found = sizes.iter().find(|(s, _)| *s == size);
        let (_, name) = found.ok_or_else(|| bad(format!("data type 0x{token:02X} has no size {size}")))?;
        Ok(plain(name, Framing::Byte))
    };
    Ok(match token {
        0x1F => plain("nvarchar", Framing::Nothing),
        0x30 => plain("tinyint", Framing::Fixed(1)),
        0x32 => plain("bit", Framing::Fixed(1)),
        0x34 => plain("smallint", Framing::Fixed(2)),
        0x38 => plain("int", Framing::Fixed(4)),
        0x7F => plain("bigint", Framing::Fixed(8)),
        0x3A => plain("smalldatetime", Framing::Fixed(4)),
        0x3D => plain("datetime", Framing::Fixed(8)),
        0x3B => plain("real", Framing::Fixed(4)),
        0x3E => plain("float", Framing::Fixed(8)),
        0x3C => plain("money", Framing::Fixed(8)),
        0x7A => plain("smallmoney", Framing::Fixed(4)),
        0x26 => sized(reader, &[(1, "tinyint"), (2, "smallint"), (4, "int"), (8, "bigint")])?,
        0x68 => sized(reader, &[(1, "bit")])?,
        0x6D => sized(reader, &[(4, "real"), (8, "float")])?,
        0x6E => sized(reader, &[(4, "smallmoney"), (8, "money")])?,
        0x6F => sized(reader, &[(4, "smalldatetime"), (8, "datetime")])?,
        0x24 => sized(reader, &[(16, "uniqueidentifier")])?,
        0x28 => plain("date", Framing::Byte),
        0x29..=0x2B => {
            let name = ["time", "datetime2", "datetimeoffset"][usize::from(token - 0x29)];
            let scale = reader.u8()?;
            if scale > 7 {
                return Err(bad(format!("{name} has no scale {scale}")));
            }
            let (mut form, mut ty) = plain(name, Framing::Byte);
            (form.scale, ty.scale) = (scale, scale);
            (form, ty)
        }
        0x37 | 0x3F | 0x6A | 0x6C => {
            let name = if matches!(token, 0x37 | 0x6A) { "decimal" } else { "numeric" };
            let [_, precision, scale] = reader.array()?;
            if !(1..=38).contains(&precision) || scale > precision {
                return Err(bad(format!("{name} has no precision {precision} with scale {scale}")));
            }
            let (mut form, mut ty) = plain(name, Framing::Byte);
            (form.scale, ty.scale, ty.precision) = (scale, scale, precision);
            (form, ty)
        }
        0x25 | 0x2D | 0x27 | 0x2F => {
            let name = match token {
                0x25 => "varbinary",
                0x2D => "binary",
                0x27 => "varchar",
                _ => "char",
            };
            let length = reader.u8()?;
            let (form, mut ty) = plain(name, Framing::OldByte);
            ty.length = Some(length.max(1).into());
            (form, ty)
        }
        0xA5 | 0xAD | 0xA7 | 0xAF | 0xE7 | 0xEF => {
            let (name, width, most) = match token {
                0xA5 => ("varbinary", 1, 8000),
                0xAD => ("binary", 1, 8000),
                0xA7 => ("varchar", 1, 8000),
                0xAF => ("char", 1, 8000),
                0xE7 => ("nvarchar", 2, 8000),
                _ => ("nchar", 2, 8000),
            };
            let bytes = reader.u16()?;
            let max = bytes == 0xFFFF && matches!(token, 0xA5 | 0xA7 | 0xE7);
            if !max && bytes > most {
                return Err(bad(format!("{name} has no length of {bytes} bytes")));
            }
            let (mut form, mut ty) = plain(name, if max { Framing::Chunks } else { Framing::Short });
            ty.length = (!max).then(|| u32::from(bytes / width).max(1));
            form.utf8 = !matches!(token, 0xA5 | 0xAD) && width == 1 && is_utf8(reader.array()?);
            if width == 2 {
                reader.take(5)?;
            }
            (form, ty)
        }
        0x22 => {
            reader.u32()?;
            plain("image", Framing::Long)
        }
        0x23 | 0x63 => {
            reader.u32()?;
            let utf8 = is_utf8(reader.array()?);
            let (mut form, ty) = plain(if token == 0x23 { "text" } else { "ntext" }, Framing::Long);
            form.utf8 = utf8 && token == 0x23;
            (form, ty)
        }
        0xF1 => {
            if reader.u8()? != 0 {
                reader.b_varchar()?;
                reader.b_varchar()?;
                reader.us_varchar()?;
            }
            plain("xml", Framing::Chunks)
        }
        0x62 => {
            reader.u32()?;
            plain("sql_variant", Framing::Variant)
        }
        // Bytes of a type that only the client's program and the database know: database, schema and name.
        0xF0 => {
            for _ in 0..3 {
                reader.b_varchar()?;
            }
            plain("varbinary", Framing::Chunks)
        }
        0xF3 => return Err(bad("a table is no value".to_owned())),
        0xF4 | 0xF5 => return Err(bad("json and vector parameters are not supported".to_owned())),
        _ => return Err(unknown()),
    })
}

/// Whether a collation says that its text is UTF-8 (bit 26).
fn is_utf8(collation: [u8; 5]) -> bool {
    collation[3] & 0x04 != 0
}

/// Reads a value of that form.
pub fn read_value(reader: &mut Reader<'_>, form: Form, bad: Bad<'_>) -> Result<Owned, Wrong> {
    let chunks;
    let bytes = match form.framing {
        Framing::Nothing => return Ok(Owned::Null),
        Framing::Fixed(length) => reader.take(length)?,
        Framing::Byte => match reader.u8()? {
            0 => return Ok(Owned::Null),
            length => reader.take(length.into())?,
        },
        Framing::OldByte => match reader.u8()? {
            0xFF => return Ok(Owned::Null),
            length => reader.take(length.into())?,
        },
        Framing::Short => match reader.u16()? {
            0xFFFF => return Ok(Owned::Null),
            length => reader.take(length.into())?,
        },
        Framing::Long => match reader.u32()? {
            0xFFFF_FFFF => return Ok(Owned::Null),
            length => reader.take(length as usize)?,
        },
        Framing::Variant => {
            let length = reader.u32()? as usize;
            return if length == 0 { Ok(Owned::Null) } else { variant::read(reader.take(length)?, bad) };
        }
        Framing::Chunks => match read_chunks(reader)? {
            None => return Ok(Owned::Null),
            Some(whole) => {
                chunks = whole;
                &chunks
            }
        },
    };
    value_of(form, bytes, bad)
}

/// A value in chunks. The announced length is only checked: nothing is set aside by it.
fn read_chunks(reader: &mut Reader<'_>) -> Result<Option<Vec<u8>>, Wrong> {
    let total = reader.u64()?;
    if total == u64::MAX {
        return Ok(None);
    }
    let mut whole = Vec::new();
    loop {
        match reader.u32()? {
            0 => break,
            length => whole.extend_from_slice(reader.take(length as usize)?),
        }
    }
    if total != u64::MAX - 1 && total != whole.len() as u64 {
        return Err(Wrong::Malformed("a value whose chunks do not add up"));
    }
    Ok(Some(whole))
}

/// A value's bytes, without their length, as that value.
pub(super) fn value_of(form: Form, bytes: &[u8], bad: Bad<'_>) -> Result<Owned, Wrong> {
    let outside = || bad(format!("the value is no {}", form.name));
    let sized = |size: usize| if bytes.len() == size { Ok(()) } else { Err(outside()) };
    Ok(match form.name {
        "bit" => Owned::Bit(bytes.first().ok_or_else(outside)? != &0),
        "tinyint" => Owned::Int(bytes.first().copied().ok_or_else(outside)?.into()),
        "smallint" | "int" | "bigint" => Owned::Int(match bytes.len() {
            1 => bytes[0].into(),
            2 => i16::from_le_bytes([bytes[0], bytes[1]]).into(),
            _ => match (<[u8; 4]>::try_from(bytes), <[u8; 8]>::try_from(bytes)) {
                (Ok(four), _) => i32::from_le_bytes(four).into(),
                (_, Ok(eight)) => i64::from_le_bytes(eight),
                _ => return Err(outside()),
            },
        }),
        "real" => Owned::Real(f32::from_le_bytes(bytes.try_into().map_err(|_| outside())?)),
        "float" => match <[u8; 4]>::try_from(bytes) {
            Ok(four) => Owned::Float(f32::from_le_bytes(four).into()),
            Err(_) => Owned::Float(f64::from_le_bytes(bytes.try_into().map_err(|_| outside())?)),
        },
        "money" | "smallmoney" => {
            let amount = match (<[u8; 4]>::try_from(bytes), <[u8; 8]>::try_from(bytes)) {
                (Ok(four), _) => i64::from(i32::from_le_bytes(four)),
                // The upper half comes first.
                (_, Ok([a, b, c, d, rest @ ..])) => {
                    i64::from(i32::from_le_bytes([a, b, c, d])) << 32 | i64::from(u32::from_le_bytes(rest))
                }
                _ => return Err(outside()),
            };
            Owned::Decimal(decimal(amount < 0, amount.unsigned_abs().into(), 4))
        }
        "decimal" | "numeric" => {
            let (sign, digits) = bytes.split_first().ok_or_else(outside)?;
            if digits.is_empty() || digits.len() > 16 {
                return Err(outside());
            }
            let mut wide = [0; 16];
            wide[..digits.len()].copy_from_slice(digits);
            let magnitude = u128::from_le_bytes(wide);
            if magnitude >= 10u128.pow(38) {
                return Err(outside());
            }
            Owned::Decimal(decimal(*sign == 0, magnitude, form.scale))
        }
        "date" => sized(3).and_then(|()| date(bytes).map(Owned::Date).ok_or_else(outside))?,
        "time" => Owned::Time(time(bytes, form.scale).ok_or_else(outside)?),
        "datetime2" => {
            let (t, d) = bytes.split_at_checked(bytes.len().saturating_sub(3)).ok_or_else(outside)?;
            match (date(d), time(t, form.scale)) {
                (Some(d), Some(t)) => Owned::DateTime(d, t),
                _ => return Err(outside()),
            }
        }
        "datetimeoffset" => offset(bytes, form.scale).ok_or_else(outside)?,
        "datetime" | "smalldatetime" => moment(bytes).ok_or_else(outside)?,
        "uniqueidentifier" => Owned::Guid(Uuid::from_bytes_le(bytes.try_into().map_err(|_| outside())?)),
        "nchar" | "nvarchar" | "ntext" | "xml" => {
            if !bytes.len().is_multiple_of(2) {
                return Err(outside());
            }
            // A mark of the byte order is no part of an XML text.
            let bytes =
                if form.name == "xml" { bytes.strip_prefix(b"\xFF\xFE").unwrap_or(bytes) } else { bytes };
            Owned::Text(utf16(bytes))
        }
        "char" | "varchar" | "text" if form.utf8 => Owned::Text(String::from_utf8_lossy(bytes).into_owned()),
        "char" | "varchar" | "text" => Owned::Text(codepage::decode(bytes)),
        _ => Owned::Binary(bytes.to_vec()),
    })
}

/// Digits with the point in its place.
fn decimal(negative: bool, magnitude: u128, scale: u8) -> String {
    let scale = usize::from(scale);
    let digits = format!("{magnitude:0width$}", width = scale + 1);
    let (whole, part) = digits.split_at(digits.len() - scale);
    let sign = if negative && magnitude != 0 { "-" } else { "" };
    if scale == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{part}") }
}

fn date(bytes: &[u8]) -> Option<Date> {
    let [a, b, c] = bytes.try_into().ok()?;
    calendar::date(i64::from(u32::from_le_bytes([a, b, c, 0])))
}

fn time(bytes: &[u8], scale: u8) -> Option<Time> {
    if bytes.len() != calendar::time_bytes(scale) {
        return None;
    }
    let mut wide = [0; 8];
    wide[..bytes.len()].copy_from_slice(bytes);
    let ticks = u64::from_le_bytes(wide).checked_mul(10u64.pow(7 - u32::from(scale)))?;
    (ticks < Time::DAY).then_some(Time(ticks))
}

fn offset(bytes: &[u8], scale: u8) -> Option<Owned> {
    let (moment, minutes) = bytes.split_last_chunk::<2>()?;
    let (t, d) = moment.split_at_checked(moment.len().checked_sub(3)?)?;
    let minutes = i16::from_le_bytes(*minutes);
    let (d, t) = calendar::shift(date(d)?, time(t, scale)?, minutes)?;
    (-840..=840).contains(&minutes).then_some(Owned::DateTimeOffset(d, t, minutes))
}

/// `datetime` in eight bytes, `smalldatetime` in four.
fn moment(bytes: &[u8]) -> Option<Owned> {
    let (days, ticks) = match *bytes {
        [a, b, c, d] => {
            let minutes = u64::from(u16::from_le_bytes([c, d]));
            (i64::from(u16::from_le_bytes([a, b])), minutes * 60 * Time::SECOND)
        }
        [a, b, c, d, e, f, g, h] => {
            let thirds = u64::from(u32::from_le_bytes([e, f, g, h]));
            (i64::from(i32::from_le_bytes([a, b, c, d])), calendar::from_thirds(thirds))
        }
        _ => return None,
    };
    let date = calendar::date(days + calendar::DAYS_TO_1900)?;
    (ticks < Time::DAY).then_some(Owned::DateTime(date, Time(ticks)))
}
