//! What each kind of statement does.

use super::{
    DemoSession, Frame,
    run::{Flow, Stop},
    value::{self, Written, column_type, typed},
};
use crate::{
    convert::owned,
    events::{Broken, Ended, Events, ResultColumn},
    fault::fault,
    tsql::{Action, Returned, Shown},
};
use database::Time;
use rusqlite::{Error, Statement, types::Value};
use std::time::Duration;

pub(super) fn verb(what: Ended) -> &'static str {
    match what {
        Ended::Insert => "INSERT",
        Ended::Update => "UPDATE",
        Ended::Delete => "DELETE",
        Ended::Select | Ended::Other => "SELECT",
    }
}

impl DemoSession {
    pub(super) fn action(
        &mut self,
        action: &Action,
        line: u64,
        frame: &mut Frame,
        out: &mut dyn Events,
    ) -> Result<Flow, Stop> {
        match action {
            Action::Rows { sql, columns } => self.rows(sql, columns, frame, out, line)?,
            Action::Test { .. } | Action::Nothing => {}
            Action::Fail(error) => return Err(error.clone().into()),
            Action::Assign { sql, targets } => {
                let (row, count) = self.last_row(sql, frame, line)?;
                if let Some(row) = row {
                    for (at, value) in targets.iter().zip(row) {
                        frame.values[*at] = value;
                    }
                }
                self.state.facts().rowcount = count;
            }
            Action::Running { sql, targets } => {
                self.state.facts().live.clone_from(&frame.values);
                let count = self.walk(sql, frame, line)?;
                let live = std::mem::take(&mut self.state.facts().live);
                for at in targets {
                    frame.values[*at] = live.get(*at).cloned().unwrap_or(Value::Null);
                }
                self.state.facts().rowcount = count;
            }
            Action::Write { sql, verb: what, object, temp, keyed, returned } => {
                let written = Some((verb(*what), object.as_str(), *temp));
                if !temp {
                    self.check_not_doomed(line)?;
                }
                let count = match returned {
                    None => self.write(sql, frame).map_err(|e| value::stop(&e, line, written))?,
                    Some(returned) => self.returning(sql, returned, written, frame, out, line)?,
                };
                let mut facts = self.state.facts();
                facts.rowcount = count;
                if *keyed == Some(true) && count > 0 {
                    let id = Some(self.connection.last_insert_rowid());
                    (facts.identity, facts.last_identity) = (id, id);
                }
                drop(facts);
                self.ended(*what, count, out)?;
            }
            Action::Change { keep, tell, write, returned } => {
                let Action::Write { sql, verb: what, object, temp, .. } = write.as_ref() else {
                    return Ok(Flow::Next);
                };
                if !temp {
                    self.check_not_doomed(line)?;
                }
                let written = Some((verb(*what), object.as_str(), *temp));
                let stop = |e: Error| value::stop(&e, line, written);
                let count = self.whole(line, |s| {
                    s.keeping(
                        |s| s.run_text(keep, frame).map(drop).map_err(stop),
                        |s| {
                            s.write(sql, frame).map_err(stop)?;
                            s.returning(tell, returned, written, frame, out, line)
                        },
                    )
                })?;
                self.state.facts().rowcount = count;
                self.ended(*what, count, out)?;
            }
            Action::Rekey { keep, delete, insert, object, temp } => {
                if !temp {
                    self.check_not_doomed(line)?;
                }
                let written = Some(("UPDATE", object.as_str(), *temp));
                let stop = |e: Error| value::stop(&e, line, written);
                let count = self.whole(line, |s| {
                    s.keeping(
                        |s| s.run_text(keep, frame).map(drop).map_err(stop),
                        |s| {
                            s.run_text(delete, frame).map_err(stop)?;
                            s.run_text(insert, frame).map_err(stop)
                        },
                    )
                })?;
                self.state.facts().rowcount = count;
                self.ended(Ended::Update, count, out)?;
            }
            Action::IdentityInsert { table, on } => self.identity_insert(table, *on)?,
            Action::Into { shape, sql, numbered } => {
                let temp = self.create(shape, frame.depth)?;
                let columns: Vec<String> = (0..shape.columns.len())
                    .map(|i| match shape.columns[i].identity {
                        Some((seed, step)) if *numbered == Some(i) => {
                            format!("ts_next('{}', {seed}, {step})", temp.inner)
                        }
                        _ => format!("\"c{i}\""),
                    })
                    .collect();
                let sql = match numbered {
                    Some(_) => {
                        format!(
                            "INSERT INTO temp.\"{}\" SELECT {} FROM ({sql})",
                            temp.inner,
                            columns.join(", ")
                        )
                    }
                    None => format!("INSERT INTO temp.\"{}\" {sql}", temp.inner),
                };
                let count = match self.write(&sql, frame) {
                    Ok(count) => count,
                    Err(error) => {
                        // The table comes with its rows or not at all.
                        let _ = self.drop_table(&shape.name, true);
                        return Err(value::stop(&error, line, None));
                    }
                };
                self.state.facts().rowcount = count;
                self.ended(Ended::Select, count, out)?;
            }
            Action::Create { shape } => {
                self.create(shape, frame.depth)?;
                self.state.facts().rowcount = 0;
            }
            Action::Drop { name, if_exists } => {
                self.drop_table(name, *if_exists)?;
                self.state.facts().rowcount = 0;
            }
            Action::Truncate { name } => {
                self.truncate(name)?;
                self.state.facts().rowcount = 0;
            }
            Action::Alter { name, column } => self.add_column(name, column)?,
            Action::Index { table, unique, columns } => self.index(table, *unique, columns)?,
            Action::Call { .. } | Action::Execute { .. } => {
                self.state.facts().rowcount = 0;
                self.call(action, line, frame, out)?;
            }
            Action::Fill { sql, types, object, temp, call } => {
                let count = self.fill(sql, types, (object, *temp), call, line, frame, out)?;
                self.state.facts().rowcount = count;
                self.ended(Ended::Insert, count, out)?;
            }
            Action::Wait { sql } => self.pause(sql, frame, line)?,
            Action::Return { value } => {
                if let Some(sql) = value
                    && let Value::Integer(code) = self.one(&format!("SELECT {sql}"), frame, line)?
                {
                    frame.status = code;
                }
                return Ok(Flow::Return);
            }
            Action::NoCount(on) => self.silent = *on,
            Action::XactAbort(on) => self.xact_abort = *on,
            Action::LockTimeout(millis) => self.state.facts().lock_timeout = *millis,
            Action::Context { sql } => {
                let value = self.one(sql, frame, line)?;
                let mut facts = self.state.facts();
                facts.context = match value {
                    // It is 128 bytes long, whatever was set.
                    Value::Blob(mut bytes) => {
                        bytes.resize(128, 0);
                        Some(bytes)
                    }
                    _ => return Err(fault(8106, line, "SET CONTEXT_INFO takes bytes.").into()),
                };
            }
            Action::Use(base) => {
                self.base = *base;
                out.database(base.database())?;
            }
            Action::Begin { name } => {
                let name = name.as_ref().map(|sql| self.text(sql, frame, line)).transpose()?;
                self.begin(name, line)?;
            }
            Action::Commit => self.commit(line)?,
            Action::Rollback { name } => {
                let name = name.as_ref().map(|sql| self.text(sql, frame, line)).transpose()?;
                self.roll_back(name.as_deref(), line)?;
            }
            Action::Save { name } => {
                let name = self.text(name, frame, line)?;
                self.save(name, line)?;
            }
            Action::Print { sql } => {
                let text = self.text(sql, frame, line)?;
                self.print(text, line, frame, out)?;
            }
            Action::Raise { words, words_type, arguments, level } => {
                self.raise(words, *words_type, arguments, level, line, frame, out)?;
            }
            Action::Rethrow => return Err(self.rethrow(line)),
        }
        Ok(Flow::Next)
    }

    /// Several steps that happen whole or not at all, inside a transaction of the caller's or not.
    pub(super) fn whole<T>(
        &mut self,
        line: u64,
        steps: impl FnOnce(&mut Self) -> Result<T, Stop>,
    ) -> Result<T, Stop> {
        let stop = |e: Error| value::stop(&e, line, None);
        // With a transaction of its own the first write waits for its turn here, and no later one has to.
        let own = self.connection.is_autocommit() && !self.read_only;
        let begin = if own { "BEGIN IMMEDIATE" } else { "SAVEPOINT \"whole\"" };
        self.patiently(|| self.connection.execute_batch(begin)).map_err(stop)?;
        let done = steps(self);
        let end = match (own, done.is_ok()) {
            (true, true) => "COMMIT",
            (true, false) => "ROLLBACK",
            (false, true) => "RELEASE \"whole\"",
            (false, false) => "ROLLBACK TO \"whole\"; RELEASE \"whole\"",
        };
        let ended = self.connection.execute_batch(end);
        // The engine may have rolled the whole transaction back itself: the steps' own error tells more.
        let value = done?;
        ended.map_err(stop)?;
        Ok(value)
    }

    /// Runs a text once, without keeping it prepared: the number of rows that it changed.
    fn run_text(&self, sql: &str, frame: &Frame) -> Result<i64, Error> {
        let mut statement = self.connection.prepare(sql)?;
        bind(&mut statement, &frame.values)?;
        statement.raw_execute().map(|n| i64::try_from(n).unwrap_or(i64::MAX))
    }

    fn ended(&mut self, what: Ended, count: i64, out: &mut dyn Events) -> Result<(), Stop> {
        self.telling = false;
        let rows = (!self.silent).then(|| u64::try_from(count).unwrap_or(0));
        out.ended(what, rows)?;
        Ok(())
    }

    fn rows(
        &mut self,
        sql: &str,
        columns: &Shown,
        frame: &Frame,
        out: &mut dyn Events,
        line: u64,
    ) -> Result<(), Stop> {
        let stop = |e: Error| value::stop(&e, line, None);
        let mut statement = self.patiently(|| self.connection.prepare_cached(sql)).map_err(stop)?;
        bind(&mut statement, &frame.values).map_err(stop)?;
        self.telling = true;
        tell_columns(columns, out)?;
        let mut rows = statement.raw_query();
        let mut count = 0;
        while let Some(row) = rows.next().map_err(stop)? {
            count += 1;
            let mut shown = Vec::with_capacity(columns.len());
            for (at, (_, ty)) in columns.iter().enumerate() {
                shown.push(typed(row.get_ref(at).map_err(stop)?, *ty).map_err(|r| fault(r.0, line, r.1))?);
            }
            out.row(&shown)?;
            if out.enough_rows() {
                break;
            }
        }
        drop(rows);
        drop(statement);
        self.state.facts().rowcount = count;
        self.ended(Ended::Select, count, out)
    }

    /// A write that gives rows back. All is written before the first comes.
    fn returning(
        &mut self,
        sql: &str,
        returned: &Returned,
        written: Written<'_>,
        frame: &Frame,
        out: &mut dyn Events,
        line: u64,
    ) -> Result<i64, Stop> {
        let kept = {
            let stop = |e: Error| value::stop(&e, line, written);
            self.patiently(|| {
                let mut statement = self.connection.prepare_cached(sql)?;
                bind(&mut statement, &frame.values)?;
                let width = statement.column_count();
                let mut rows = statement.raw_query();
                let mut kept: Vec<Vec<Value>> = Vec::new();
                while let Some(row) = rows.next()? {
                    let cells: Result<_, _> = (0..width).map(|i| row.get_ref(i).map(owned)).collect();
                    kept.push(cells?);
                }
                Ok(kept)
            })
            .map_err(stop)?
        };
        let count = i64::try_from(kept.len()).unwrap_or(i64::MAX);
        match &returned.into {
            Some(into) => {
                let stop = |e: Error| value::stop(&e, line, written);
                let mut insert = self.connection.prepare_cached(into).map_err(stop)?;
                for row in &kept {
                    bind(&mut insert, row).map_err(stop)?;
                    insert.raw_execute().map_err(stop)?;
                }
            }
            None => {
                self.telling = true;
                tell_columns(&returned.columns, out)?;
                for row in &kept {
                    let mut shown = Vec::with_capacity(row.len());
                    for (cell, (_, ty)) in row.iter().zip(&returned.columns) {
                        shown.push(typed(cell.into(), *ty).map_err(|r| fault(r.0, line, r.1))?);
                    }
                    out.row(&shown)?;
                }
            }
        }
        Ok(count)
    }

    /// The last row, and how many there were.
    pub(super) fn last_row(
        &self,
        sql: &str,
        frame: &Frame,
        line: u64,
    ) -> Result<(Option<Vec<Value>>, i64), Stop> {
        let stop = |e: Error| value::stop(&e, line, None);
        let mut statement = self.connection.prepare_cached(sql).map_err(stop)?;
        let width = statement.column_count();
        bind(&mut statement, &frame.values).map_err(stop)?;
        let mut rows = statement.raw_query();
        let (mut last, mut count) = (None, 0);
        while let Some(row) = rows.next().map_err(stop)? {
            count += 1;
            let cells: Result<Vec<Value>, Error> = (0..width).map(|i| row.get_ref(i).map(owned)).collect();
            last = Some(cells.map_err(stop)?);
        }
        Ok((last, count))
    }

    fn walk(&self, sql: &str, frame: &Frame, line: u64) -> Result<i64, Stop> {
        self.last_row(sql, frame, line).map(|(_, count)| count)
    }

    /// A text that gives one value.
    pub(super) fn one(&self, sql: &str, frame: &Frame, line: u64) -> Result<Value, Stop> {
        let (row, _) = self.last_row(sql, frame, line)?;
        Ok(row.and_then(|r| r.into_iter().next()).unwrap_or(Value::Null))
    }

    /// The same as text; NULL is empty.
    pub(super) fn text(&self, sql: &str, frame: &Frame, line: u64) -> Result<String, Stop> {
        Ok(match self.one(sql, frame, line)? {
            Value::Text(text) => text,
            Value::Integer(i) => i.to_string(),
            Value::Real(f) => f.to_string(),
            Value::Null | Value::Blob(_) => String::new(),
        })
    }

    fn write(&self, sql: &str, frame: &Frame) -> Result<i64, Error> {
        self.patiently(|| {
            let mut statement = self.connection.prepare_cached(sql)?;
            bind(&mut statement, &frame.values)?;
            statement.raw_execute().map(|n| i64::try_from(n).unwrap_or(i64::MAX))
        })
    }

    fn pause(&self, sql: &str, frame: &Frame, line: u64) -> Result<(), Stop> {
        let text = self.text(sql, frame, line)?;
        let time = crate::convert::parse_moment(text.trim(), 0).filter(|_| text.contains(':'));
        let (_, time, _) =
            time.ok_or_else(|| fault(148, line, "Incorrect time syntax in time string used with WAITFOR."))?;
        if self.canceller.wait(Duration::from_millis(time.0 / (Time::SECOND / 1000))) {
            return Err(Stop::Broken(Broken::Cancelled));
        }
        Ok(())
    }
}

pub(super) fn bind(statement: &mut Statement<'_>, values: &[Value]) -> Result<(), Error> {
    for at in 1..=statement.parameter_count() {
        statement.raw_bind_parameter(at, values.get(at - 1).unwrap_or(&Value::Null))?;
    }
    Ok(())
}

fn tell_columns(columns: &Shown, out: &mut dyn Events) -> Result<(), Stop> {
    let heads: Vec<ResultColumn> =
        columns.iter().map(|(name, ty)| ResultColumn { name: name.clone(), ty: column_type(*ty) }).collect();
    out.columns(&heads)?;
    Ok(())
}
