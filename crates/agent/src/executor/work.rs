//! The blocking side of one command: begin, session, run, end. Runs on a thread of its own from first to last.

use super::{ending, ending::Times, flow::Flow, lane::Turn, millis, pool::Pool, sink::RowSink};
use crate::door::{Admission, Permit};
use database::{Done, Failure, json::RowForm};
use link_api::proto;
use model::{Access, Clock};
use std::sync::Arc;

pub(super) struct Work {
    pub(super) admission: Admission,
    pub(super) flow: Arc<Flow>,
    pub(super) pool: Arc<Pool>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) form: RowForm,
    /// Held until the database is done with the command, whatever its caller was told meanwhile.
    pub(super) turn: Turn,
}

impl Work {
    pub(super) fn run(self) {
        let Work { admission, flow, pool, clock, form, turn } = self;
        let last_word = LastWord { flow: &flow, read_only: admission.access() == Access::ReadOnly };
        let permit = match admission.begin() {
            Ok(permit) => permit,
            Err(refused) => return flow.end(refused.ended()),
        };
        let ended = execute(&permit, &flow, &pool, &*clock, form);
        permit.finish(&ended);
        flow.end(ended);
        drop(last_word);
        drop(turn);
    }
}

fn execute(permit: &Permit, flow: &Flow, pool: &Pool, clock: &dyn Clock, form: RowForm) -> proto::Ended {
    let begun = clock.monotonic();
    let read_only = permit.access() == Access::ReadOnly;
    let since = |at: std::time::Duration| millis(at.saturating_sub(begun));
    let not_run = |failure: Failure| {
        let times = Times { sql_ms: 0, run_ms: since(clock.monotonic()) };
        ending::not_run(failure, flow.over(), read_only, times)
    };
    let mut session = match pool.take(permit) {
        Ok(session) => session,
        Err(failure) => return not_run(failure),
    };
    if flow.cancellable(session.canceller()).is_err() {
        pool.put(permit, session);
        return not_run(Failure::Cancelled);
    }
    let handed_over = clock.monotonic();
    let mut sink = RowSink::new(flow, clock, form);
    let result = session.run(permit.command(), &mut sink);
    let over = clock.monotonic();
    let times =
        Times { sql_ms: millis(sink.first.unwrap_or(over).saturating_sub(handed_over)), run_ms: since(over) };
    let tally = flow.over();
    // A cancel that came late would hit the next command: such a session is closed.
    if !tally.cancelled && is_clean(&result) {
        pool.put(permit, session);
    }
    ending::run(result, tally, permit.command(), read_only, times)
}

fn is_clean(result: &Result<Done, Failure>) -> bool {
    match result {
        Ok(_) | Err(Failure::Parameter { .. }) => true,
        // From severity 20 on SQL Server closes the connection.
        Err(Failure::Sql(error)) => error.class < 20,
        Err(Failure::Catalogue | Failure::Cancelled | Failure::Lost) => false,
    }
}

/// Sees to it that the caller gets an end, even when an engine panics.
struct LastWord<'a> {
    flow: &'a Flow,
    read_only: bool,
}

impl Drop for LastWord<'_> {
    fn drop(&mut self) {
        self.flow.end(ending::interrupted(self.read_only));
    }
}
