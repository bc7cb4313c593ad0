//! Rows from the cursor into the flow, as row JSON.

use super::{Duration, flow::Flow, work::Timed};
use database::{
    Column, Part, Sink, Stopped, Value, Wanted,
    json::{RowForm, RowWriter},
};
use model::Clock;

pub(super) struct RowSink<'a> {
    flow: &'a Flow,
    clock: &'a dyn Clock,
    form: RowForm,
    writer: Option<RowWriter>,
    /// When the database answered first.
    first: Option<Duration>,
}

impl<'a> RowSink<'a> {
    pub(super) fn new(flow: &'a Flow, clock: &'a dyn Clock, form: RowForm) -> Self {
        RowSink { flow, clock, form, writer: None, first: None }
    }
}

impl Sink for RowSink<'_> {
    fn columns(&mut self, columns: &[Column]) -> Result<Wanted, Stopped> {
        self.first.get_or_insert_with(|| self.clock.monotonic());
        self.writer = Some(RowWriter::new(columns, self.form));
        self.flow.columns(columns)?;
        Ok(Wanted::Rows)
    }

    fn row(&mut self, values: &[Value<'_>]) -> Result<Wanted, Stopped> {
        // An engine that yields rows without columns breaks its contract: there is nothing to call the values.
        let writer = self.writer.as_mut().ok_or(Stopped)?;
        self.flow.row(|out| {
            writer.row(values, out);
            true
        })?;
        Ok(Wanted::Rows)
    }

    fn part(&mut self, part: Part<'_>) -> Result<Wanted, Stopped> {
        let writer = self.writer.as_mut().ok_or(Stopped)?;
        self.flow.row(|out| writer.part(part, out))?;
        Ok(Wanted::Rows)
    }
}

impl Timed for RowSink<'_> {
    fn first(&self) -> Option<Duration> {
        self.first
    }
}
