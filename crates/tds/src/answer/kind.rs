//! How a column's type goes over the wire, for a client of a given version.

use super::{
    Put,
    cell::{Cell, Unfit, cell},
    put_narrow, put_utf16,
};
use crate::{
    calendar::time_bytes,
    codepage::COLLATION,
    wire::{Version, packet::LARGEST},
};
use database::Value;
use practice::events::ColumnType;

/// A type on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "named as SQL Server's types; sizes are in bytes")]
pub enum Kind {
    Bit,
    Int {
        size: u8,
    },
    Float {
        size: u8,
    },
    Decimal {
        numeric: bool,
        precision: u8,
        scale: u8,
    },
    Money {
        size: u8,
    },
    /// `datetime` in 8 bytes, `smalldatetime` in 4.
    DateTime {
        size: u8,
    },
    Date,
    Time {
        scale: u8,
    },
    DateTime2 {
        scale: u8,
    },
    Offset {
        scale: u8,
    },
    Guid,
    Narrow {
        fixed: bool,
        size: u16,
    },
    Wide {
        fixed: bool,
        size: u16,
    },
    Binary {
        fixed: bool,
        size: u16,
        stamp: bool,
    },
    MaxNarrow,
    MaxWide,
    MaxBinary,
    Xml,
    Text,
    NText,
    Image,
}

impl Kind {
    /// For that type. What a version does not know is sent as SQL Server sends it then: dates as text, `max` types as the
    /// `text` family. sql_variant goes as `nvarchar(4000)`.
    pub fn of(ty: &ColumnType, version: Version) -> Kind {
        let old = version < Version::V72;
        let dateless = version < Version::V73A;
        let words = |units: u16| Kind::Wide { fixed: false, size: units * 2 };
        let length =
            |most: u32| ty.length.filter(|l| (1..=most).contains(l)).and_then(|l| u16::try_from(l).ok());
        let scale = ty.scale.min(7);
        match ty.name {
            "bit" => Kind::Bit,
            "tinyint" => Kind::Int { size: 1 },
            "smallint" => Kind::Int { size: 2 },
            "int" => Kind::Int { size: 4 },
            "bigint" => Kind::Int { size: 8 },
            "real" => Kind::Float { size: 4 },
            "float" => Kind::Float { size: 8 },
            "decimal" | "numeric" => {
                let precision = if (1..=38).contains(&ty.precision) { ty.precision } else { 38 };
                Kind::Decimal { numeric: ty.name == "numeric", precision, scale: ty.scale.min(precision) }
            }
            "money" => Kind::Money { size: 8 },
            "smallmoney" => Kind::Money { size: 4 },
            "datetime" => Kind::DateTime { size: 8 },
            "smalldatetime" => Kind::DateTime { size: 4 },
            "date" if dateless => words(10),
            "time" if dateless => words(16),
            "datetime2" if dateless => words(27),
            "datetimeoffset" if dateless => words(34),
            "date" => Kind::Date,
            "time" => Kind::Time { scale },
            "datetime2" => Kind::DateTime2 { scale },
            "datetimeoffset" => Kind::Offset { scale },
            "uniqueidentifier" => Kind::Guid,
            "timestamp" | "rowversion" => Kind::Binary { fixed: true, size: 8, stamp: true },
            "sql_variant" => words(4000),
            "sysname" => words(128),
            "text" => Kind::Text,
            "ntext" => Kind::NText,
            "image" => Kind::Image,
            "xml" if !old => Kind::Xml,
            "char" | "varchar" => match length(8000) {
                Some(size) => Kind::Narrow { fixed: ty.name == "char", size },
                None if old => Kind::Text,
                None => Kind::MaxNarrow,
            },
            "binary" | "varbinary" => match length(8000) {
                Some(size) => Kind::Binary { fixed: ty.name == "binary", size, stamp: false },
                None if old => Kind::Image,
                None => Kind::MaxBinary,
            },
            _ => match length(4000) {
                Some(units) => Kind::Wide { fixed: ty.name == "nchar", size: units * 2 },
                None if old => Kind::NText,
                None => Kind::MaxWide,
            },
        }
    }

    /// The type's number for old clients; only rowversion's matters to anybody.
    pub(crate) fn user_type(self) -> u32 {
        if matches!(self, Kind::Binary { stamp: true, .. }) { 80 } else { 0 }
    }

    /// The `text` family, which is followed by a table's name in a column's description.
    pub(crate) fn is_old_large(self) -> bool {
        matches!(self, Kind::Text | Kind::NText | Kind::Image)
    }

    /// Bytes that a NULL takes.
    pub(crate) fn null_size(self) -> usize {
        match self {
            Kind::Narrow { .. } | Kind::Wide { .. } | Kind::Binary { .. } => 2,
            Kind::MaxNarrow | Kind::MaxWide | Kind::MaxBinary | Kind::Xml => 8,
            _ => 1,
        }
    }

    pub(crate) fn put_type(self, out: &mut dyn Put) {
        let sized = |out: &mut dyn Put, token: u8, size: u16, text: bool| {
            out.u8(token);
            out.u16(size);
            if text {
                out.put(&COLLATION);
            }
        };
        match self {
            Kind::Bit => out.put(&[0x68, 1]),
            Kind::Int { size } => out.put(&[0x26, size]),
            Kind::Float { size } => out.put(&[0x6D, size]),
            Kind::Decimal { numeric, precision, scale } => {
                let token = if numeric { 0x6C } else { 0x6A };
                out.put(&[token, decimal_bytes(precision), precision, scale]);
            }
            Kind::Money { size } => out.put(&[0x6E, size]),
            Kind::DateTime { size } => out.put(&[0x6F, size]),
            Kind::Date => out.u8(0x28),
            Kind::Time { scale } => out.put(&[0x29, scale]),
            Kind::DateTime2 { scale } => out.put(&[0x2A, scale]),
            Kind::Offset { scale } => out.put(&[0x2B, scale]),
            Kind::Guid => out.put(&[0x24, 16]),
            Kind::Narrow { fixed, size } => sized(out, if fixed { 0xAF } else { 0xA7 }, size, true),
            Kind::Wide { fixed, size } => sized(out, if fixed { 0xEF } else { 0xE7 }, size, true),
            Kind::Binary { fixed, size, .. } => sized(out, if fixed { 0xAD } else { 0xA5 }, size, false),
            Kind::MaxNarrow => sized(out, 0xA7, 0xFFFF, true),
            Kind::MaxWide => sized(out, 0xE7, 0xFFFF, true),
            Kind::MaxBinary => sized(out, 0xA5, 0xFFFF, false),
            // No schema.
            Kind::Xml => out.put(&[0xF1, 0]),
            Kind::Text | Kind::NText | Kind::Image => {
                out.u8(match self {
                    Kind::Text => 0x23,
                    Kind::NText => 0x63,
                    _ => 0x22,
                });
                out.u32(if self == Kind::NText { 0x7FFF_FFFE } else { 0x7FFF_FFFF });
                if self != Kind::Image {
                    out.put(&COLLATION);
                }
            }
        }
    }

    pub(crate) fn put_cell(self, cell: &Cell<'_>, out: &mut dyn Put) {
        match self {
            Kind::Narrow { .. } | Kind::Wide { .. } | Kind::Binary { .. } => match cell {
                Cell::Null => out.u16(0xFFFF),
                // A cell of this kind is at most as long as the type, 8000.
                cell => {
                    out.u16(cell.size() as u16);
                    put_content(cell, out);
                }
            },
            Kind::MaxNarrow | Kind::MaxWide | Kind::MaxBinary | Kind::Xml => match cell {
                Cell::Null => out.u64(u64::MAX),
                cell => {
                    out.u64(cell.size() as u64);
                    put_content(cell, &mut Chunks { out, left: cell.size(), chunk: 0 });
                    out.u32(0);
                }
            },
            Kind::Text | Kind::NText | Kind::Image => match cell {
                Cell::Null => out.u8(0),
                cell => {
                    // A text pointer and a timestamp that nobody uses any more.
                    out.u8(16);
                    out.put(b"halo text points");
                    out.put(&[0; 8]);
                    out.u32(cell.size() as u32);
                    put_content(cell, out);
                }
            },
            _ => match cell {
                Cell::Null => out.u8(0),
                cell => {
                    out.u8(cell.size() as u8);
                    put_content(cell, out);
                }
            },
        }
    }

    /// Bytes of a time of day in this kind.
    pub(crate) fn time_bytes(self) -> usize {
        match self {
            Kind::Time { scale } | Kind::DateTime2 { scale } | Kind::Offset { scale } => time_bytes(scale),
            _ => 0,
        }
    }
}

/// Clients take chunks up to some size of their own, 16 MB at least.
const CHUNK: usize = 1 << 20;

/// Puts lengths between the chunks of a value on its way.
struct Chunks<'a> {
    out: &'a mut dyn Put,
    /// What has not been announced.
    left: usize,
    /// What is left of the announced chunk.
    chunk: usize,
}

impl Put for Chunks<'_> {
    fn put(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.chunk == 0 {
                self.chunk = self.left.min(CHUNK);
                self.left -= self.chunk;
                self.out.u32(self.chunk as u32);
            }
            let (now, rest) = bytes.split_at(self.chunk.min(bytes.len()));
            self.out.put(now);
            self.chunk -= now.len();
            bytes = rest;
        }
    }
}

fn put_content(cell: &Cell<'_>, out: &mut dyn Put) {
    match cell {
        Cell::Null => {}
        Cell::Short(bytes, length) => out.put(&bytes[..usize::from(*length)]),
        Cell::Wide(text, _) => put_utf16(text, out),
        Cell::Narrow(text, _) => put_narrow(text, out),
        // In pieces no larger than a packet, so that an abandoned answer is noticed soon.
        Cell::Raw(bytes) => bytes.chunks(LARGEST).for_each(|piece| out.put(piece)),
    }
}

/// Bytes of a decimal with its sign.
pub(crate) fn decimal_bytes(precision: u8) -> u8 {
    match precision {
        0..=9 => 5,
        10..=19 => 9,
        20..=28 => 13,
        _ => 17,
    }
}

/// Type and value as an output value carries them, and as a parameter does: for tests that read back what was written.
/// The `text` family has another form in a parameter than in a row, and is sent as `max` types here.
pub fn write_value(
    ty: &ColumnType,
    value: &Value<'_>,
    version: Version,
    out: &mut Vec<u8>,
) -> Result<(), Unfit> {
    put_value(ty, value, version, out)
}

pub(crate) fn put_value(
    ty: &ColumnType,
    value: &Value<'_>,
    version: Version,
    out: &mut dyn Put,
) -> Result<(), Unfit> {
    let kind = match Kind::of(ty, version) {
        // No output parameter can be of these; the old versions have no better ones.
        Kind::Text if version >= Version::V72 => Kind::MaxNarrow,
        Kind::NText if version >= Version::V72 => Kind::MaxWide,
        Kind::Image if version >= Version::V72 => Kind::MaxBinary,
        Kind::Text => Kind::Narrow { fixed: false, size: 8000 },
        Kind::NText => Kind::Wide { fixed: false, size: 8000 },
        Kind::Image => Kind::Binary { fixed: false, size: 8000, stamp: false },
        kind => kind,
    };
    let cell = cell(kind, value)?;
    kind.put_type(out);
    kind.put_cell(&cell, out);
    Ok(())
}
