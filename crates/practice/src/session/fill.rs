//! INSERT … EXEC: a call's rows go into a table.

use super::{
    DemoSession, Frame, action,
    run::Stop,
    value::{self, stored, type_of},
};
use crate::{
    convert::convert,
    events::{ColumnType, Ended, Enough, Events, Message, ResultColumn},
    fault::fault,
    tsql::Action,
    types::Type,
};
use database::Value as Shown;
use rusqlite::types::Value;

/// Most rows, and most bytes of them, that a call may put into a table: they are kept until the call has ended.
const MOST: usize = 1_000_000;
const MOST_BYTES: usize = 64 * 1024 * 1024;

/// Takes rows of every result set; all else goes on to the caller.
struct Taker<'a> {
    out: &'a mut dyn Events,
    columns: Vec<Type>,
    widths: Vec<usize>,
    rows: Vec<(Vec<Value>, usize)>,
    sets: Vec<Vec<Type>>,
    bytes: usize,
    /// There were too many: the rest was not taken.
    full: bool,
}

/// A value's share of the memory.
fn size(value: &Value) -> usize {
    match value {
        Value::Text(text) => text.len() + 32,
        Value::Blob(bytes) => bytes.len() + 32,
        _ => 32,
    }
}

impl Events for Taker<'_> {
    fn columns(&mut self, columns: &[ResultColumn]) -> Result<(), Enough> {
        self.columns = columns.iter().map(|c| type_of(&c.ty)).collect();
        self.widths.push(columns.len());
        self.sets.push(self.columns.clone());
        Ok(())
    }
    fn row(&mut self, values: &[Shown<'_>]) -> Result<(), Enough> {
        let row: Vec<Value> = values.iter().map(stored).collect();
        self.bytes += row.iter().map(size).sum::<usize>();
        if self.rows.len() >= MOST || self.bytes > MOST_BYTES {
            self.full = true;
            self.rows.clear();
            return Err(Enough);
        }
        self.rows.push((row, self.sets.len() - 1));
        Ok(())
    }
    fn ended(&mut self, what: Ended, rows: Option<u64>) -> Result<(), Enough> {
        match what {
            Ended::Select => Ok(()),
            what => self.out.ended(what, rows),
        }
    }
    fn message(&mut self, message: &Message) -> Result<(), Enough> {
        self.out.message(message)
    }
    fn output(&mut self, at: usize, ty: ColumnType, value: Shown<'_>) -> Result<(), Enough> {
        self.out.output(at, ty, value)
    }
    fn status(&mut self, value: i32) -> Result<(), Enough> {
        self.out.status(value)
    }
    fn database(&mut self, name: &'static str) -> Result<(), Enough> {
        self.out.database(name)
    }
}

impl DemoSession {
    #[expect(clippy::too_many_arguments, reason = "the parts of one statement and where it runs")]
    pub(super) fn fill(
        &mut self,
        sql: &str,
        types: &[Type],
        object: (&str, bool),
        call: &Action,
        line: u64,
        frame: &mut Frame,
        out: &mut dyn Events,
    ) -> Result<i64, Stop> {
        if !object.1 {
            self.check_not_doomed(line)?;
        }
        let mut taker = Taker {
            out,
            columns: Vec::new(),
            widths: Vec::new(),
            rows: Vec::new(),
            sets: Vec::new(),
            bytes: 0,
            full: false,
        };
        let called = self.call(call, line, frame, &mut taker);
        if taker.full {
            return Err(fault(
                701,
                line,
                "INSERT … EXEC takes at most a million rows or 64 MB in the demo practice; insert from a SELECT instead.",
            )
            .into());
        }
        called?;
        let Taker { widths, rows, sets, .. } = taker;
        if widths.iter().any(|w| *w != types.len()) {
            return Err(fault(
                213,
                line,
                "Column name or number of supplied values does not match table definition.",
            )
            .into());
        }
        let written = Some(("INSERT", object.0, object.1));
        let stop = |e: rusqlite::Error| value::stop(&e, line, written);
        let count = i64::try_from(rows.len()).unwrap_or(i64::MAX);
        self.whole(line, |s| {
            let mut insert = s.connection.prepare_cached(sql).map_err(stop)?;
            for (row, set) in rows {
                let cells: Result<Vec<Value>, Stop> = row
                    .iter()
                    .zip(types)
                    .zip(&sets[set])
                    .map(|((value, to), from)| {
                        convert(value.into(), *from, *to, 0, true)
                            .map_err(|r| Stop::from(fault(r.0, line, r.1)))
                    })
                    .collect();
                action::bind(&mut insert, &cells?).map_err(stop)?;
                insert.raw_execute().map_err(stop)?;
            }
            Ok(count)
        })
    }
}
