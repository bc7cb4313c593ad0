//! Work without a caller: it runs in the bulk lane, and its rows go where whoever started it wants them kept.

use super::{
    Executor,
    course::{Course, Steer, Stop, Tally, named},
    hold::{self, Held, Hold},
    lane::Turn,
    work::{Rested, Run, Timed, given_up_before},
};
use crate::door::{Permit, Purse, Refused};
use database::{
    Cancel, Column, Part, Sink, Stopped, Value, Wanted,
    json::{RowForm, RowWriter},
    pick::Sets,
};
use link_api::proto::{self, Refusal};
use model::{Clock, IntegratorId, SiteId};
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::sync::Notify;

/// A row that comes in parts is handed on in pieces of about this size.
const PIECE: usize = 64 * 1024;

/// Where the rows of a job go.
pub(crate) trait Keep {
    /// Once, before any row.
    fn columns(&mut self, columns: Vec<proto::Column>) -> Result<(), NotKept>;
    /// More of the rows, bare; `whole` when a row ends with it.
    fn rows(&mut self, json: &[u8], whole: bool) -> Result<(), NotKept>;
}

/// Why rows can't be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotKept {
    /// More than may be kept of it.
    TooLarge,
    /// There is no room, or the disk fails.
    NoRoom,
    /// Nobody wants them any more.
    Unwanted,
}

/// Holds a running job.
pub(crate) struct Reins {
    course: Mutex<Course>,
    purse: Purse,
    /// It was cancelled, and is to end.
    cancelled: Notify,
}

impl std::fmt::Debug for Reins {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Reins")
    }
}

impl Reins {
    pub(crate) fn new(read_only: bool, purse: Purse) -> Arc<Self> {
        Arc::new(Reins { course: Mutex::new(Course::new(read_only)), purse, cancelled: Notify::new() })
    }

    /// Whether it runs under enforced read-only.
    pub(crate) fn read_only(&self) -> bool {
        self.lock().read_only
    }

    /// It has run as long as it may.
    pub(crate) fn time_is_up(&self) {
        self.lock().stop(Stop::TimedOut);
    }

    /// Somebody cancels it. What may have written goes on to its end unless `force` is said.
    pub(crate) fn cancel(&self, force: bool) {
        let mut course = self.lock();
        if course.read_only || force {
            course.stop(Stop::CallerGone);
            self.cancelled.notify_one();
        }
    }

    /// Resolves when it was cancelled and is to end.
    pub(crate) async fn cancelled(&self) {
        self.cancelled.notified().await;
    }

    /// The practice does not consent to it any more.
    pub(crate) fn refuse(&self, refusal: Refusal) {
        let mut course = self.lock();
        course.refuse(refusal);
        if course.read_only {
            self.cancelled.notify_one();
        }
    }

    /// What to say when it does not end.
    pub(crate) fn give_up(&self) -> proto::Ended {
        self.lock().given_up()
    }

    /// Whether rows are still wanted.
    fn wanted(&self) -> Result<bool, Stopped> {
        let mut course = self.lock();
        if course.stop.is_none() {
            return Ok(!course.discard);
        }
        course.cut = true;
        if course.must_stop() { Err(Stopped) } else { Ok(false) }
    }

    /// What `keep` said to a piece of the rows.
    fn kept(&self, answer: Result<(), NotKept>, bytes: usize, whole: bool) -> Result<(), Stopped> {
        let mut course = self.lock();
        let why = match answer {
            Ok(()) => match self.purse.spend(u64::from(whole), bytes as u64) {
                Ok(()) => {
                    course.bytes += bytes as u64;
                    course.rows += u64::from(whole);
                    return Ok(());
                }
                // It is with those that are kept, and goes with them: what ends so has no result.
                Err(refusal) => Stop::Refused(refusal),
            },
            Err(NotKept::TooLarge) => Stop::TooLarge,
            Err(NotKept::NoRoom) => Stop::NoRoom,
            Err(NotKept::Unwanted) => Stop::CallerGone,
        };
        course.cut_off(why)
    }

    fn lock(&self) -> MutexGuard<'_, Course> {
        self.course.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Steer for Reins {
    fn cancellable(&self, canceller: Arc<dyn Cancel>) -> Result<(), Stopped> {
        self.lock().cancellable(canceller)
    }

    fn over(&self) -> Tally {
        self.lock().over()
    }
}

impl Executor {
    /// Waits for a turn in the bulk lane, for as long as it takes. `None` when there is no such site.
    pub(crate) async fn bulk_turn(&self, site: SiteId) -> Option<Turn> {
        Some(self.places.get(&site)?.lane.bulk_turn().await)
    }

    /// Ties a turn to the thread that will run with it.
    pub(crate) fn hold(&self, site: SiteId, who: IntegratorId, turn: Turn) -> Option<(Hold, Held)> {
        Some(hold::hold(turn, who, self.places.get(&site)?.lost.clone()))
    }

    /// Whether nothing more of an integrator is run at a site.
    pub(crate) fn refuses(&self, site: SiteId, who: IntegratorId) -> Option<Refused> {
        self.places.get(&site)?.refuses(who)
    }

    /// Runs what was begun, to its end, and hands it to `settle` before the session is looked at or the turn given on. Blocks
    /// on the database.
    pub(crate) fn run_bulk<K: Keep>(
        &self,
        site: SiteId,
        permit: Permit,
        reins: &Reins,
        mut keep: K,
        held: Held,
        settle: impl FnOnce(Permit, K, proto::Ended),
    ) {
        if held.begins(&permit).is_err() {
            return settle(permit, keep, given_up_before(reins.read_only()));
        }
        let key = permit.session_key();
        let terms = self.limits.terms(permit.access());
        let clock = &*self.clock;
        let sink = JobSink { reins, keep: &mut keep, clock, writer: None, first: None, buffer: Vec::new() };
        let run = Run { permit: &permit, steer: reins, clock };
        let (ended, session) = run.execute(&self.pool, sink, Sets::One, &terms);
        held.ended();
        let place = self.places.get(&site).map(|place| &**place);
        let rested = Rested::begin(place, &self.pool, clock, key, session);
        settle(permit, keep, ended);
        rested.finish();
        drop(held);
    }
}

struct JobSink<'a, K> {
    reins: &'a Reins,
    keep: &'a mut K,
    clock: &'a dyn Clock,
    writer: Option<RowWriter>,
    first: Option<Duration>,
    /// Row JSON that is not handed on yet.
    buffer: Vec<u8>,
}

impl<K: Keep> JobSink<'_, K> {
    fn hand_on(&mut self, whole: bool) -> Result<(), Stopped> {
        let answer = self.keep.rows(&self.buffer, whole);
        let bytes = self.buffer.len();
        self.buffer.clear();
        // One giant row must not leave its size behind.
        self.buffer.shrink_to(4 * PIECE);
        self.reins.kept(answer, bytes, whole)
    }
}

impl<K: Keep> Sink for JobSink<'_, K> {
    fn columns(&mut self, columns: &[Column]) -> Result<Wanted, Stopped> {
        self.first.get_or_insert_with(|| self.clock.monotonic());
        self.writer = Some(RowWriter::new(columns, RowForm::Bare));
        if self.reins.wanted()? {
            let answer = self.keep.columns(named(columns));
            self.reins.kept(answer, 0, false)?;
        }
        Ok(Wanted::Rows)
    }

    fn row(&mut self, values: &[Value<'_>]) -> Result<Wanted, Stopped> {
        // An engine that yields rows without columns breaks its contract: there is nothing to call the values.
        let writer = self.writer.as_mut().ok_or(Stopped)?;
        if self.reins.wanted()? {
            writer.row(values, &mut self.buffer);
            self.hand_on(true)?;
        }
        Ok(Wanted::Rows)
    }

    fn part(&mut self, part: Part<'_>) -> Result<Wanted, Stopped> {
        let writer = self.writer.as_mut().ok_or(Stopped)?;
        if self.reins.wanted()? {
            let whole = writer.part(part, &mut self.buffer);
            if whole || self.buffer.len() >= PIECE {
                self.hand_on(whole)?;
            }
        }
        Ok(Wanted::Rows)
    }
}

impl<K: Keep> Timed for JobSink<'_, K> {
    fn first(&self) -> Option<Duration> {
        self.first
    }
}
