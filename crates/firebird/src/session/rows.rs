//! Rows of a cursor, in batches, as fast as the sink takes them.

use super::{FirebirdSession, statement::Prepared};
use crate::{
    channel::now,
    fault,
    values::{self, Scratch},
    wire::{
        blr::{self, Form},
        info::Variable,
        reply::{self, Fetched},
        request::{self, Execute},
        row::{self, Cell},
    },
};
use database::{Cancel, Column, Failure, Part, Sink, Stopped, Value, Wanted, json};
use model::Access;
use std::time::Duration;

/// Bytes of rows that are asked for at once.
const BATCH: usize = 192 * 1024;
/// Rows of the first batch: the first row of a slow query is not to wait for many.
const FIRST: u32 = 16;
/// Most rows that are asked for at once: without blobs, and with (each row then costs round trips of its own).
const MOST: u32 = 2000;
const MOST_WITH_BLOBS: u32 = 100;

/// How long rows that nobody wants are read before the server is asked to stop.
const PATIENCE: Duration = Duration::from_millis(300);

/// How the rows of a result set lie.
#[derive(Clone, Copy)]
pub(super) struct Row<'a> {
    pub(super) forms: &'a [Form],
    pub(super) variables: &'a [Variable],
}

/// How reading a batch ended.
enum Ended {
    Batch,
    All,
}

/// A day that the calendar of the answer does not have.
pub(super) fn out_of_calendar() -> Failure {
    Failure::Sql(fault::error(-833, "A date is outside the years 1 to 9999: CAST it to VARCHAR".to_owned()))
}

impl FirebirdSession {
    /// Opens a statement's cursor and gives its rows to the sink.
    pub(super) fn cursor(
        &mut self,
        execute: &Execute<'_>,
        prepared: &Prepared,
        columns: &[Column],
        forms: &[Form],
        sink: &mut dyn Sink,
    ) -> Result<(), Failure> {
        let blr = blr::describe(forms);
        let has_blobs = forms.contains(&Form::Blob);
        let width: usize = forms.iter().map(|form| width(*form)).sum();
        let most = if has_blobs { MOST_WITH_BLOBS } else { MOST };
        let most = u32::try_from(BATCH / (width + 24)).unwrap_or(most).clamp(1, most);
        let mut count = FIRST.min(most);
        let mut out = Vec::new();
        request::execute(&mut out, execute);
        // Alone: while the server has another request at hand it would not hear that this one is to stop.
        self.ask(&mut out)?;
        out.clear();
        request::fetch(&mut out, execute.statement, &blr, count);
        self.channel.send(&mut out)?;
        let rows = Row { forms, variables: &prepared.described.outputs };
        let mut wanted = match sink.columns(columns) {
            Ok(wanted) => Ok(wanted),
            Err(Stopped) => Err(Failure::Cancelled),
        };
        let mut scratch = Scratch::default();
        loop {
            // Nobody wants the rest, and nothing that is still to run could matter.
            let enough = match wanted {
                Err(_) => true,
                Ok(Wanted::NoMore) => self.access == Access::ReadOnly,
                Ok(Wanted::Rows) => false,
            };
            if enough {
                self.abandon(forms)?;
                return wanted.map(|_| ());
            }
            let ended = if has_blobs {
                self.batch_with_blobs(prepared, &rows, &mut wanted, sink)?
            } else {
                self.batch(forms, &mut wanted, &mut scratch, sink)?
            };
            match ended {
                Some(Ended::All) => return wanted.map(|_| ()),
                Some(Ended::Batch) => {
                    if wanted.is_err() {
                        return wanted.map(|_| ());
                    }
                    count = count.saturating_mul(4).min(most);
                    out.clear();
                    request::fetch(&mut out, execute.statement, &blr, count);
                    self.channel.send(&mut out)?;
                }
                None => {}
            }
        }
    }

    /// Reads rows until the batch ends, or until nobody wants more (`None`).
    fn batch(
        &mut self,
        forms: &[Form],
        wanted: &mut Result<Wanted, Failure>,
        scratch: &mut Scratch,
        sink: &mut dyn Sink,
    ) -> Result<Option<Ended>, Failure> {
        let mut cells: Vec<Cell> = Vec::with_capacity(forms.len());
        let mut giving = matches!(wanted, Ok(Wanted::Rows));
        loop {
            let (fetched, used) = self.channel.look(&mut |reader| fetch(reader, forms, &mut cells))?;
            match fetched {
                Fetched::Row => {
                    if giving {
                        let message = &self.channel.bytes()[..used];
                        *wanted = match values::values(&cells, forms, message, scratch) {
                            Some(values) => sink.row(&values).map_err(|Stopped| Failure::Cancelled),
                            None => Err(out_of_calendar()),
                        };
                        giving = matches!(wanted, Ok(Wanted::Rows));
                    }
                    self.channel.consume(used);
                    if wanted.is_err() || (!giving && self.access == Access::ReadOnly) {
                        return Ok(None);
                    }
                }
                other => {
                    self.channel.consume(used);
                    return self.ended(other).map(Some);
                }
            }
        }
    }

    /// The same for rows with blobs: the whole batch is read before the first blob is asked for.
    fn batch_with_blobs(
        &mut self,
        prepared: &Prepared,
        rows: &Row<'_>,
        wanted: &mut Result<Wanted, Failure>,
        sink: &mut dyn Sink,
    ) -> Result<Option<Ended>, Failure> {
        let mut kept: Vec<(Vec<Cell>, Vec<u8>)> = Vec::new();
        let ended = loop {
            let mut cells: Vec<Cell> = Vec::with_capacity(rows.forms.len());
            let (fetched, used) = self.channel.look(&mut |reader| fetch(reader, rows.forms, &mut cells))?;
            let message = matches!(fetched, Fetched::Row).then(|| self.channel.bytes()[..used].to_vec());
            self.channel.consume(used);
            match message {
                Some(message) => kept.push((cells, message)),
                None => break self.ended(fetched),
            }
        };
        for (cells, message) in kept {
            if !matches!(wanted, Ok(Wanted::Rows)) {
                break;
            }
            *wanted = self.give(prepared.transaction, rows, &cells, &message, sink);
            if self.channel.is_lost() {
                return Err(Failure::Lost);
            }
        }
        ended.map(Some)
    }

    fn ended(&mut self, fetched: Fetched) -> Result<Ended, Failure> {
        match fetched {
            Fetched::Failed(response) if response.status.is_well() => {
                self.channel.give_up();
                Err(Failure::Lost)
            }
            Fetched::Failed(response) => Err(self.failure(&response.status)),
            Fetched::BatchEnd | Fetched::Row => Ok(Ended::Batch),
            Fetched::End => Ok(Ended::All),
        }
    }

    /// Reads what is under way of a batch that nobody wants; if that lasts, the server is asked to stop.
    fn abandon(&mut self, forms: &[Form]) -> Result<(), Failure> {
        let mut cells = Vec::new();
        let begun = now();
        self.channel.impatient(true);
        loop {
            let (fetched, used) = self.channel.look(&mut |reader| fetch(reader, forms, &mut cells))?;
            self.channel.consume(used);
            match fetched {
                Fetched::Row if now().saturating_sub(begun) > PATIENCE => self.channel.half().cancel(),
                Fetched::Row => {}
                Fetched::Failed(response) => {
                    self.channel.impatient(false);
                    // That it was stopped is what was wanted; that the connection is gone is not.
                    let failure = self.failure(&response.status);
                    return if failure == Failure::Lost { Err(failure) } else { Ok(()) };
                }
                Fetched::BatchEnd | Fetched::End => {
                    self.channel.impatient(false);
                    return Ok(());
                }
            }
        }
    }
}

#[inline]
fn fetch(
    reader: &mut crate::wire::xdr::Reader<'_>,
    forms: &[Form],
    cells: &mut Vec<Cell>,
) -> Result<Fetched, crate::wire::xdr::Short> {
    let fetched = reply::fetched(reader)?;
    if fetched == Fetched::Row {
        row::decode(reader, forms, cells)?;
    }
    Ok(fetched)
}

/// Bytes that a value takes at most.
fn width(form: Form) -> usize {
    match form {
        Form::Text(length, _) | Form::Varying(length, _) => usize::from(length) + 4,
        Form::Int128(_) => 16,
        _ => 8,
    }
}

/// Keeps the values of a row by name, as output parameters have them.
pub(super) struct Keep<'a> {
    pub(super) names: &'a [Column],
    pub(super) kept: Vec<(String, Option<String>)>,
    pub(super) text: String,
    pub(super) bytes: Vec<u8>,
}

impl<'a> Keep<'a> {
    pub(super) fn new(names: &'a [Column]) -> Self {
        Keep { names, kept: Vec::new(), text: String::new(), bytes: Vec::new() }
    }

    fn keep(&mut self, value: Option<String>) {
        if let Some(column) = self.names.get(self.kept.len()) {
            self.kept.push((column.name.clone(), value));
        }
    }

    fn value(&mut self, value: &Value<'_>) {
        let mut text = String::new();
        json::text_of(value, &mut text);
        self.keep((*value != Value::Null).then_some(text));
    }

    pub(super) fn row(&mut self, values: &[Value<'_>]) {
        values.iter().for_each(|value| self.value(value));
    }

    pub(super) fn part(&mut self, part: Part<'_>) {
        match part {
            Part::Value(value) => self.value(&value),
            Part::Text(text) => self.text.push_str(text),
            Part::Binary(bytes) => self.bytes.extend_from_slice(bytes),
            Part::EndOfValue => {
                let mut text = std::mem::take(&mut self.text);
                json::text_of(&Value::Binary(&std::mem::take(&mut self.bytes)), &mut text);
                self.keep(Some(text));
            }
            Part::EndOfRow => {}
        }
    }
}

/// A sink, and output parameters that take the same row.
pub(super) struct Both<'a, 'k>(pub(super) &'a mut dyn Sink, pub(super) Option<&'a mut Keep<'k>>);

impl Sink for Both<'_, '_> {
    fn columns(&mut self, columns: &[Column]) -> Result<Wanted, Stopped> {
        self.0.columns(columns)
    }

    fn row(&mut self, values: &[Value<'_>]) -> Result<Wanted, Stopped> {
        if let Some(keep) = &mut self.1 {
            keep.row(values);
        }
        self.0.row(values)
    }

    fn part(&mut self, part: Part<'_>) -> Result<Wanted, Stopped> {
        if let Some(keep) = &mut self.1 {
            keep.part(part);
        }
        self.0.part(part)
    }
}
