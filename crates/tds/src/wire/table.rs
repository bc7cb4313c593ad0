//! A table-valued parameter: its type's name, its columns, its rows.

use super::{
    Owned, Reader, Wrong, read_type, read_value,
    typed::{Bad, Form},
};
use practice::events::{ColumnType, Rows};

/// SQL Server's own limit.
const MOST_COLUMNS: u16 = 1024;
/// Most values of one such parameter, so that a message of small values does not grow tenfold in memory.
const MOST_VALUES: usize = 2_000_000;

/// TYPE_INFO's token of it.
pub(super) const TOKEN: u8 = 0xF3;

/// The rows of a table-valued parameter. None at all for one that is NULL, which is an empty table.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    /// Schema and name, or the name alone.
    pub type_name: String,
    /// Types of its columns.
    pub columns: Vec<ColumnType>,
    /// A value for each column.
    pub rows: Vec<Vec<Owned>>,
}

impl Table {
    /// The same, borrowed.
    pub fn view(&self) -> Rows<'_> {
        Rows {
            type_name: self.type_name.clone(),
            columns: self.columns.clone(),
            rows: self.rows.iter().map(|row| row.iter().map(Owned::view).collect()).collect(),
        }
    }
}

/// Reads one from its token on.
pub(super) fn read(reader: &mut Reader<'_>, bad: Bad<'_>) -> Result<Table, Wrong> {
    reader.u8()?;
    if !reader.b_varchar()?.is_empty() {
        return Err(bad("the type of a table-valued parameter is of this database".to_owned()));
    }
    let (schema, name) = (reader.b_varchar()?, reader.b_varchar()?);
    let type_name = if schema.is_empty() { name } else { format!("{schema}.{name}") };
    let mut table = Table { type_name, ..Table::default() };
    let mut forms = Vec::new();
    match reader.u16()? {
        0xFFFF => {}
        count @ 1..=MOST_COLUMNS => {
            for _ in 0..count {
                let (form, ty) = column(reader, bad)?;
                forms.push(form);
                table.columns.push(ty);
            }
        }
        count => return Err(bad(format!("a table type has no {count} columns"))),
    }
    hints(reader, table.columns.len(), bad)?;
    loop {
        match reader.u8()? {
            0x00 => return Ok(table),
            0x01 if !forms.is_empty() => {
                if (table.rows.len() + 1) * forms.len() > MOST_VALUES {
                    return Err(bad(format!(
                        "a table-valued parameter has at most {MOST_VALUES} values here"
                    )));
                }
                let row = forms
                    .iter()
                    .map(|form| form.map_or(Ok(Owned::Null), |form| read_value(reader, form, bad)));
                table.rows.push(row.collect::<Result<_, _>>()?);
            }
            _ => return Err(Wrong::Malformed("neither a row of a table-valued parameter nor its end")),
        }
    }
}

/// A column; no form for one whose values the client leaves to the type's default.
fn column(reader: &mut Reader<'_>, bad: Bad<'_>) -> Result<(Option<Form>, ColumnType), Wrong> {
    const DEFAULT: u16 = 0x0200;
    reader.u32()?;
    let flags = reader.u16()?;
    let (form, ty) = read_type(reader, bad)?;
    // Its name, which is always empty.
    reader.b_varchar()?;
    Ok(((flags & DEFAULT == 0).then_some(form), ty))
}

/// What a client may say of order and uniqueness: hints, read over. Another order of the columns is refused.
fn hints(reader: &mut Reader<'_>, columns: usize, bad: Bad<'_>) -> Result<(), Wrong> {
    loop {
        match reader.u8()? {
            0x00 => return Ok(()),
            0x10 => {
                for _ in 0..reader.u16()? {
                    reader.take(3)?;
                }
            }
            0x11 => {
                let count = usize::from(reader.u16()?);
                for at in 1..=count {
                    if usize::from(reader.u16()?) != at || at > columns {
                        return Err(bad("another order of a table's columns is not supported".to_owned()));
                    }
                }
            }
            _ => return Err(Wrong::Malformed("unknown words about a table-valued parameter")),
        }
    }
}
