//! Temporary tables and table variables in the embedded engine's own schema `temp`, which is in memory.

use super::DemoSession;
use crate::{
    fault::{Caught, fault},
    tsql::{Shape, ShapeColumn, Temp},
};
use rusqlite::types::Value;
use std::sync::{Arc, atomic::Ordering};

/// Most temporary tables of a session.
const MOST: usize = 200;

fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn column_text(column: &ShapeColumn) -> String {
    let needed = if column.nullable { "" } else { " NOT NULL" };
    format!("{} {}{}{needed}", quote(&column.name), column.ty.stored(), column.ty.collate())
}

/// A column as a unique index holds it: SQL Server takes NULL for a value like any other there. (An index of an
/// expression is named in the embedded engine's error, which tells constraints and indexes apart.)
fn keyed(column: &ShapeColumn) -> String {
    format!("ifnull({}, x'00'){}", quote(&column.name), column.ty.collate())
}

fn refused(error: &rusqlite::Error) -> Caught {
    super::value::failed(error, None)
        .unwrap_or_else(|| fault(701, 0, "There is insufficient memory to run this query.").into())
}

impl DemoSession {
    /// Text that makes, changes or drops a temporary table: this crate's own.
    fn making(&self, sql: &str) -> Result<(), Caught> {
        self.making.store(true, Ordering::Release);
        let done = self.connection.execute_batch(sql);
        self.making.store(false, Ordering::Release);
        done.map_err(|e| refused(&e))
    }

    pub(super) fn make_table(&mut self, temp: &Arc<Temp>, shape: &Shape, depth: u32) -> Result<(), Caught> {
        if self.temps.len() >= MOST {
            return Err(fault(701, 0, "The demo practice takes at most 200 temporary tables at once.").into());
        }
        let mut parts: Vec<String> = shape.columns.iter().map(column_text).collect();
        let mut uniques = Vec::new();
        for (primary, names) in &shape.keys {
            let columns: Vec<&ShapeColumn> = names
                .iter()
                .filter_map(|n| shape.columns.iter().find(|c| c.name.eq_ignore_ascii_case(n)))
                .collect();
            if *primary {
                let names: Vec<String> = columns.iter().map(|c| quote(&c.name)).collect();
                parts.push(format!("PRIMARY KEY ({})", names.join(", ")));
            } else {
                self.next_table += 1;
                let keyed: Vec<String> = columns.iter().map(|c| keyed(c)).collect();
                uniques.push(format!(
                    "; CREATE UNIQUE INDEX temp.\"k{}\" ON {} ({})",
                    self.next_table,
                    quote(&temp.inner),
                    keyed.join(", ")
                ));
            }
        }
        parts.extend(shape.checks.iter().map(|c| format!("CHECK ({c})")));
        let text =
            format!("CREATE TABLE temp.{} ({}){}", quote(&temp.inner), parts.join(", "), uniques.concat());
        self.making(&text)?;
        if temp.name.starts_with('@') {
            self.made.insert(temp.inner.clone(), text);
        }
        self.temps.push((depth, Arc::clone(temp)));
        self.tell_temps();
        Ok(())
    }

    /// `CREATE TABLE #t` and `SELECT … INTO #t`.
    pub(super) fn create(&mut self, shape: &Shape, depth: u32) -> Result<Arc<Temp>, Caught> {
        let taken = self.temps.iter().any(|(d, t)| *d == depth && t.name.eq_ignore_ascii_case(&shape.name));
        if taken {
            return Err(fault(
                2714,
                0,
                format!("There is already an object named '{}' in the database.", shape.name),
            )
            .into());
        }
        self.next_table += 1;
        let temp = Arc::new(Temp {
            name: shape.name.clone(),
            inner: format!("t{}", self.next_table),
            columns: shape.columns.clone(),
            identity_insert: false,
            keys: shape.key_columns(),
            of: None,
            readonly: false,
        });
        self.make_table(&temp, shape, depth)?;
        Ok(temp)
    }

    fn found(&self, name: &str) -> Option<usize> {
        self.temps.iter().rposition(|(_, t)| t.name.eq_ignore_ascii_case(name))
    }

    pub(super) fn drop_table(&mut self, name: &str, if_exists: bool) -> Result<(), Caught> {
        let Some(at) = self.found(name) else {
            if if_exists {
                return Ok(());
            }
            return Err(fault(
                3701,
                0,
                format!(
                    "Cannot drop the table '{name}', because it does not exist or you do not have permission."
                ),
            )
            .into());
        };
        let inner = self.temps[at].1.inner.clone();
        self.making(&format!("DROP TABLE temp.{}", quote(&inner)))?;
        self.temps.remove(at);
        self.state.facts().counters.remove(&inner);
        self.tell_temps();
        Ok(())
    }

    pub(super) fn truncate(&mut self, name: &str) -> Result<(), Caught> {
        let at = self.found(name).ok_or_else(|| invalid(name))?;
        let inner = self.temps[at].1.inner.clone();
        self.connection
            .execute_batch(&format!("DELETE FROM temp.{}", quote(&inner)))
            .map_err(|e| refused(&e))?;
        self.state.facts().counters.remove(&inner);
        Ok(())
    }

    pub(super) fn add_column(&mut self, name: &str, column: &ShapeColumn) -> Result<(), Caught> {
        let at = self.found(name).ok_or_else(|| invalid(name))?;
        let old = Arc::clone(&self.temps[at].1);
        if old.columns.iter().any(|c| c.name.eq_ignore_ascii_case(&column.name)) {
            return Err(fault(
                2705,
                0,
                format!(
                    "Column names in each table must be unique. Column name '{}' in table '{name}' is specified more than once.",
                    column.name
                ),
            )
            .into());
        }
        // The rows that are there get the default only where the column must have a value.
        let bare = ShapeColumn { nullable: true, ..column.clone() };
        self.making(&format!("ALTER TABLE temp.{} ADD COLUMN {}", quote(&old.inner), column_text(&bare)))?;
        if let Some(default) = column.default.as_ref().filter(|_| !column.nullable) {
            self.connection
                .execute_batch(&format!(
                    "UPDATE temp.{} SET {} = {default}",
                    quote(&old.inner),
                    quote(&column.name)
                ))
                .map_err(|e| refused(&e))?;
        }
        let mut columns = old.columns.clone();
        columns.push(column.clone());
        self.temps[at].1 = Arc::new(Temp { columns, ..(*old).clone() });
        Ok(())
    }

    /// `SET IDENTITY_INSERT`: one table at a time.
    pub(super) fn identity_insert(&mut self, name: &str, on: bool) -> Result<(), Caught> {
        let at = self.found(name).ok_or_else(|| invalid(name))?;
        if !self.temps[at].1.columns.iter().any(|c| c.identity.is_some()) {
            return Err(fault(
                8106,
                0,
                format!("Table '{name}' does not have the identity property. Cannot perform SET operation."),
            )
            .into());
        }
        if let Some((_, other)) =
            self.temps.iter().find(|(_, t)| on && t.identity_insert && !t.name.eq_ignore_ascii_case(name))
        {
            return Err(fault(
                8107,
                0,
                format!(
                    "IDENTITY_INSERT is already ON for table '{}'. Cannot perform SET operation for table '{name}'.",
                    other.name
                ),
            )
            .into());
        }
        self.temps[at].1 = Arc::new(Temp { identity_insert: on, ..(*self.temps[at].1).clone() });
        Ok(())
    }

    /// Runs a write between keeping its rows as they were and telling them.
    pub(super) fn keeping<T>(
        &mut self,
        keep: impl FnOnce(&Self) -> Result<(), crate::session::run::Stop>,
        then: impl FnOnce(&mut Self) -> Result<T, crate::session::run::Stop>,
    ) -> Result<T, crate::session::run::Stop> {
        self.making.store(true, Ordering::Release);
        let kept = keep(self);
        self.making.store(false, Ordering::Release);
        let done = kept.and_then(|()| then(self));
        // Gone already where the write ended its transaction.
        let _ = self.making("DROP TABLE IF EXISTS temp.\"before\"");
        done
    }

    pub(super) fn index(
        &mut self,
        table: &str,
        unique: bool,
        columns: &[(String, bool)],
    ) -> Result<(), Caught> {
        self.next_table += 1;
        let found = self.temps.iter().position(|(_, t)| t.inner == table);
        if let Some(at) = found.filter(|_| unique) {
            let mut temp = (*self.temps[at].1).clone();
            temp.keys.extend(columns.iter().map(|(c, _)| c.clone()));
            self.temps[at].1 = Arc::new(temp);
        }
        let shape = found.map(|at| self.temps[at].1.columns.clone()).unwrap_or_default();
        let columns: Vec<String> = columns
            .iter()
            .map(|(c, descending)| {
                let column = shape.iter().find(|s| unique && s.name.eq_ignore_ascii_case(c));
                let text = column.map_or_else(|| quote(c), keyed);
                format!("{text}{}", if *descending { " DESC" } else { "" })
            })
            .collect();
        self.making(&format!(
            "CREATE {}INDEX temp.\"i{}\" ON {} ({})",
            if unique { "UNIQUE " } else { "" },
            self.next_table,
            quote(table),
            columns.join(", ")
        ))
    }

    /// Drops what a scope leaves: its table variables, and below the caller's own its temporary tables.
    pub(super) fn end_scope(&mut self, depth: u32) {
        let ends =
            |(scope, temp): &(u32, Arc<Temp>)| *scope == depth && (depth > 0 || temp.name.starts_with('@'));
        if !self.temps.iter().any(ends) {
            return;
        }
        for entry in self.temps.clone().iter().filter(|e| ends(e)) {
            // Fails only where the transaction that made it was rolled back already.
            let _ = self.making(&format!("DROP TABLE IF EXISTS temp.{}", quote(&entry.1.inner)));
            self.state.facts().counters.remove(&entry.1.inner);
            self.made.remove(&entry.1.inner);
        }
        self.temps.retain(|e| !ends(e));
        self.tell_temps();
    }

    pub(super) fn drop_all_tables(&mut self) {
        for (_, temp) in std::mem::take(&mut self.temps) {
            let _ = self.making(&format!("DROP TABLE IF EXISTS temp.{}", quote(&temp.inner)));
        }
        self.made.clear();
        self.state.facts().counters.clear();
        self.tell_temps();
    }

    pub(super) fn tell_temps(&self) {
        let number = |inner: &str| inner[1..].parse::<i64>().unwrap_or(0) - 1_600_000_000;
        self.state.facts().temps = self
            .temps
            .iter()
            .filter(|(_, t)| t.name.starts_with('#'))
            .map(|(_, t)| (t.name.clone(), number(&t.inner)))
            .collect();
    }

    /// A table variable keeps its rows over a ROLLBACK: they are taken out before and put back after.
    pub(super) fn keep_variables(&self) -> Vec<Kept> {
        let mut kept = Vec::new();
        for (_, temp) in self.temps.iter().filter(|(_, t)| t.name.starts_with('@')) {
            let read = || -> rusqlite::Result<Kept> {
                let names: Vec<String> = temp.columns.iter().map(|c| quote(&c.name)).collect();
                let sql = format!("SELECT {} FROM temp.{}", names.join(", "), quote(&temp.inner));
                let mut statement = self.connection.prepare(&sql)?;
                let mut rows = statement.query([])?;
                let mut list = Vec::new();
                while let Some(row) = rows.next()? {
                    let cells: rusqlite::Result<Vec<Value>> = (0..names.len()).map(|i| row.get(i)).collect();
                    list.push(cells?);
                }
                Ok(Kept { inner: temp.inner.clone(), width: names.len(), rows: list })
            };
            if let Ok(table) = read() {
                kept.push(table);
            }
        }
        kept
    }

    pub(super) fn put_back(&self, kept: &[Kept]) -> rusqlite::Result<()> {
        for table in kept {
            // One that was made inside the transaction went with it.
            if self.connection.execute_batch(&format!("DELETE FROM temp.{}", quote(&table.inner))).is_err()
                && let Some(text) = self.made.get(&table.inner)
            {
                let _ = self.making(text);
            }
            let places = vec!["?"; table.width].join(", ");
            let mut insert = self
                .connection
                .prepare(&format!("INSERT INTO temp.{} VALUES ({places})", quote(&table.inner)))?;
            for row in &table.rows {
                insert.execute(rusqlite::params_from_iter(row))?;
            }
        }
        Ok(())
    }
}

/// Rows of a table variable.
pub(super) struct Kept {
    inner: String,
    width: usize,
    rows: Vec<Vec<Value>>,
}

fn invalid(name: &str) -> Caught {
    fault(208, 0, format!("Invalid object name '{name}'.")).into()
}
