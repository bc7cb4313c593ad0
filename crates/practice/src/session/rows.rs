//! Rows that go as one argument: to a procedure, or to `sp_executesql`.

use super::{
    DemoSession,
    run::Stop,
    value::{self, stored, type_of},
};
use crate::{
    convert::owned,
    events,
    fault::fault,
    table_type::{self, TableType},
    tsql::{Temp, cast_text},
    types::Type,
};
use rusqlite::types::Value;
use std::sync::Arc;

/// Rows on their way in.
pub(crate) struct Rows {
    /// As the caller names its type; empty when it says none.
    type_name: String,
    types: Vec<Type>,
    rows: Vec<Vec<Value>>,
}

impl From<&events::Rows<'_>> for Rows {
    fn from(rows: &events::Rows<'_>) -> Rows {
        Rows {
            type_name: rows.type_name.clone(),
            types: rows.columns.iter().map(type_of).collect(),
            rows: rows.rows.iter().map(|row| row.iter().map(stored).collect()).collect(),
        }
    }
}

impl Rows {
    /// Rows of texts, each to be read as its column's type.
    pub(crate) fn of_texts(ty: &TableType, rows: Vec<Vec<Value>>) -> Rows {
        Rows { type_name: ty.name.to_owned(), types: vec![Type::NVARCHAR; ty.columns.len()], rows }
    }

    /// The name of their type, for errors.
    pub(super) fn shown(&self) -> &str {
        if self.type_name.is_empty() { "table" } else { &self.type_name }
    }
}

/// What does not go together.
pub(super) fn clash(from: &str, to: &str, line: u64) -> Stop {
    fault(206, line, format!("Operand type clash: {from} is incompatible with {to}")).into()
}

impl DemoSession {
    /// What a table variable holds, as an argument. One that was not declared by a table type is of none.
    pub(super) fn rows_of(&self, temp: &Temp, line: u64) -> Result<Rows, Stop> {
        let stop = |e: rusqlite::Error| value::stop(&e, line, None);
        let sql = format!("SELECT * FROM temp.\"{}\"", temp.inner);
        let mut statement = self.connection.prepare(&sql).map_err(stop)?;
        let mut rows = statement.raw_query();
        let mut list = Vec::new();
        while let Some(row) = rows.next().map_err(stop)? {
            let cells: Result<_, _> = (0..temp.columns.len()).map(|i| row.get_ref(i).map(owned)).collect();
            list.push(cells.map_err(stop)?);
        }
        Ok(Rows {
            type_name: temp.of.map_or(&*temp.name, |ty| ty.name).to_owned(),
            types: temp.columns.iter().map(|c| c.ty).collect(),
            rows: list,
        })
    }

    /// Makes the table variable that a parameter is inside, at that depth, with the rows that were given: none are no rows.
    pub(super) fn hand_over(
        &mut self,
        name: &str,
        ty: &'static TableType,
        given: Option<&Rows>,
        depth: u32,
        line: u64,
    ) -> Result<(), Stop> {
        self.next_table += 1;
        let temp = Arc::new(ty.temp(name, format!("v{}", self.next_table), true));
        self.make_table(&temp, &ty.shape(name), depth)?;
        let Some(given) = given.filter(|g| !g.rows.is_empty()) else { return Ok(()) };
        if !given.type_name.is_empty()
            && !table_type::find(&given.type_name).is_some_and(|t| std::ptr::eq(t, ty))
        {
            return Err(clash(given.shown(), ty.name, line));
        }
        if given.types.len() != temp.columns.len() {
            let words = format!(
                "Trying to pass a table-valued parameter with {} column(s) where the corresponding user-defined table type requires {} column(s).",
                given.types.len(),
                temp.columns.len()
            );
            return Err(fault(500, line, words).into());
        }
        let cells: Vec<String> = given
            .types
            .iter()
            .zip(&temp.columns)
            .enumerate()
            .map(|(at, (from, to))| cast_text("ts_assign", &format!("?{}", at + 1), *from, to.ty, 0))
            .collect();
        let sql = format!("INSERT INTO temp.\"{}\" VALUES ({})", temp.inner, cells.join(", "));
        let stop = |e: rusqlite::Error| value::stop(&e, line, Some(("INSERT", name, true)));
        let mut insert = self.connection.prepare(&sql).map_err(stop)?;
        for row in &given.rows {
            if self.canceller.asked() {
                return Err(Stop::Broken(events::Broken::Cancelled));
            }
            super::action::bind(&mut insert, row).map_err(stop)?;
            insert.raw_execute().map_err(stop)?;
        }
        Ok(())
    }
}
