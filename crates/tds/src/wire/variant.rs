//! The inside of a sql_variant: a type, its properties, a value.

use super::{
    Reader, Wrong,
    typed::{Form, Owned, value_of},
};

pub(super) fn read(bytes: &[u8], bad: &dyn Fn(String) -> Wrong) -> Result<Owned, Wrong> {
    let mut reader = Reader::new(bytes);
    let token = reader.u8()?;
    let count = usize::from(reader.u8()?);
    let properties = reader.take(count)?;
    let name = match token {
        0x30 => "tinyint",
        0x32 => "bit",
        0x34 => "smallint",
        0x38 => "int",
        0x7F => "bigint",
        0x3A => "smalldatetime",
        0x3D => "datetime",
        0x3B => "real",
        0x3E => "float",
        0x3C => "money",
        0x7A => "smallmoney",
        0x24 => "uniqueidentifier",
        0x28 => "date",
        0x29 => "time",
        0x2A => "datetime2",
        0x2B => "datetimeoffset",
        0x6A => "decimal",
        0x6C => "numeric",
        0xA5 => "varbinary",
        0xAD => "binary",
        0xA7 => "varchar",
        0xAF => "char",
        0xE7 => "nvarchar",
        0xEF => "nchar",
        _ => return Err(bad(format!("data type 0x{token:02X} is unknown inside sql_variant"))),
    };
    let scale = match (token, properties) {
        (0x29..=0x2B, [scale]) if *scale <= 7 => *scale,
        (0x6A | 0x6C, [precision, scale]) if scale <= precision && *precision <= 38 => *scale,
        (0x29..=0x2B | 0x6A | 0x6C, _) => return Err(bad(format!("{name} has wrong properties"))),
        _ => 0,
    };
    let utf8 = matches!(token, 0xA7 | 0xAF) && properties.get(3).is_some_and(|b| b & 0x04 != 0);
    value_of(Form::bare(name, scale, utf8), reader.rest(), bad)
}
