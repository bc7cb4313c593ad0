//! The blocking side of one command: begin, session, run, end, and the session made ready for the next. Runs on a thread of
//! its own from first to last.

use super::{
    Duration, Place, Terms, course::Steer, ending, ending::Times, flow::Flow, hold::Held, millis, pool::Pool,
    sink::RowSink,
};
use crate::door::{Admission, Permit, SessionKey};
use database::{
    Done, Failure, Session, Sink,
    json::RowForm,
    pick::{Pick, Sets},
};
use link_api::proto;
use model::{Access, Clock};
use std::sync::Arc;

pub(super) struct Work {
    pub(super) admission: Admission,
    pub(super) flow: Arc<Flow>,
    pub(super) pool: Arc<Pool>,
    pub(super) place: Arc<Place>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) form: RowForm,
    pub(super) sets: Sets,
    pub(super) terms: Terms,
    /// Its place, until the database is done with it or it is taken away.
    pub(super) held: Held,
}

impl Work {
    pub(super) fn run(self) {
        let read_only = self.admission.access() == Access::ReadOnly;
        let Work { admission, flow, pool, place, clock, form, sets, terms, held } = self;
        let last_word = LastWord { flow: &flow, read_only };
        let permit = match admission.begin() {
            Ok(permit) => permit,
            Err(refused) => return flow.end(refused.ended()),
        };
        if held.begins(&permit).is_err() {
            return permit.finish(&given_up_before(read_only));
        }
        let key = permit.session_key();
        let sink = RowSink::new(&flow, &*clock, form);
        let (ended, session) =
            Run { permit: &permit, steer: &*flow, clock: &*clock }.execute(&pool, sink, sets, &terms);
        held.ended();
        let rested = Rested::begin(Some(&place), &pool, &*clock, key, session);
        permit.finish(&ended);
        flow.end(ended);
        drop(last_word);
        rested.finish();
        drop(held);
    }
}

/// It was given up before it reached the database.
pub(super) fn given_up_before(read_only: bool) -> proto::Ended {
    proto::Ended {
        status: proto::Status::TimedOut.into(),
        effect: proto::Effect::NotExecuted.into(),
        read_only,
        ..proto::Ended::default()
    }
}

/// A session whose command has ended: ready for the next command before this one's end is told, so that its caller finds it there. What
/// takes a round trip comes after that, in [`Rested::finish`].
pub(super) struct Rested<'a> {
    place: Option<&'a Place>,
    pool: &'a Pool,
    clock: &'a dyn Clock,
    key: SessionKey,
    /// To be asked how busy the server is.
    probed: Option<Box<dyn Session>>,
    /// To be closed.
    closed: Option<Box<dyn Session>>,
}

impl<'a> Rested<'a> {
    pub(super) fn begin(
        place: Option<&'a Place>,
        pool: &'a Pool,
        clock: &'a dyn Clock,
        key: SessionKey,
        session: Option<Box<dyn Session>>,
    ) -> Self {
        let (probed, closed) = match session {
            Some(session) if place.is_some_and(|place| place.due(clock)) => (Some(session), None),
            session => (None, session.and_then(|session| pool.put(key.clone(), session))),
        };
        Rested { place, pool, clock, key, probed, closed }
    }

    pub(super) fn finish(self) {
        drop(self.closed);
        if let (Some(mut session), Some(place)) = (self.probed, self.place)
            && place.probe(self.clock, &mut *session)
        {
            drop(self.pool.put(self.key, session));
        }
    }
}

/// A sink that notes when the database answered first.
pub(super) trait Timed: Sink {
    fn first(&self) -> Option<Duration>;
}

pub(super) struct Run<'a> {
    pub(super) permit: &'a Permit,
    pub(super) steer: &'a dyn Steer,
    pub(super) clock: &'a dyn Clock,
}

impl Run<'_> {
    /// How it ended, and its session when that may serve again.
    pub(super) fn execute(
        &self,
        pool: &Pool,
        sink: impl Timed,
        sets: Sets,
        terms: &Terms,
    ) -> (proto::Ended, Option<Box<dyn Session>>) {
        let Run { permit, steer, clock } = self;
        let begun = clock.monotonic();
        let read_only = permit.access() == Access::ReadOnly;
        let since = |at: Duration| millis(at.saturating_sub(begun));
        let not_run = |failure: Failure| {
            let times = Times { sql_ms: 0, run_ms: since(clock.monotonic()) };
            ending::not_run(failure, steer.over(), read_only, times)
        };
        let mut session = match pool.take(permit) {
            Ok(session) => session,
            Err(failure) => return (not_run(failure), None),
        };
        if steer.cancellable(session.canceller()).is_err() {
            return (not_run(Failure::Cancelled), Some(session));
        }
        let handed_over = clock.monotonic();
        let command = permit.command();
        let mut sink = Pick::new(command.mode, sets, sink);
        let result = session.run(command, terms, &mut sink);
        let over = clock.monotonic();
        let result = result.and_then(|done| sink.finish().map(|()| done).map_err(|_| Failure::Cancelled));
        let first = sink.inner.first().unwrap_or(over);
        let times = Times { sql_ms: millis(first.saturating_sub(handed_over)), run_ms: since(over) };
        let tally = steer.over();
        // A cancel that came late would hit the next command: such a session is closed.
        let again = !tally.cancelled && is_clean(&result);
        if let Err(Failure::Escaped(_)) = &result {
            // Somebody at the practice must look: a login that may only read would have stopped it.
            tracing::error!(query = %permit.query(), "a statement left its read-only transaction: what it wrote may stand");
        }
        (ending::run(result, tally, command, read_only, times), again.then_some(session))
    }
}

fn is_clean(result: &Result<Done, Failure>) -> bool {
    match result {
        Ok(_) | Err(Failure::Parameter { .. }) => true,
        // From severity 20 on SQL Server closes the connection.
        Err(Failure::Sql(error)) => error.class < 20,
        Err(
            Failure::Catalogue | Failure::Cancelled | Failure::Escaped(_) | Failure::Unproven | Failure::Lost,
        ) => false,
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
