//! Taking turns: so many at once, so many waiting, first come first served.

use super::Duration;
use link_api::proto;
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

pub(super) struct Lane {
    slots: Arc<Semaphore>,
    running: usize,
    waiting: AtomicUsize,
    most_waiting: usize,
}

/// A turn; the next one's comes when it is dropped.
pub(super) type Turn = OwnedSemaphorePermit;

/// Why a turn did not come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoTurn {
    TooManyWaiting,
    Expired,
    CallerGone,
}

impl Lane {
    pub(super) fn new(running: usize, waiting: usize) -> Self {
        Lane {
            slots: Arc::new(Semaphore::new(running)),
            running,
            waiting: AtomicUsize::new(0),
            most_waiting: waiting,
        }
    }

    /// Waits for a turn, not longer than `bound`.
    pub(super) async fn turn(&self, bound: Duration) -> Result<Turn, NoTurn> {
        if let Ok(turn) = self.slots.clone().try_acquire_owned() {
            return Ok(turn);
        }
        let _place = Place::take(&self.waiting, self.most_waiting).ok_or(NoTurn::TooManyWaiting)?;
        match tokio::time::timeout(bound, self.slots.clone().acquire_owned()).await {
            Ok(turn) => Ok(turn.expect("the lane's semaphore is never closed")),
            Err(_) => Err(NoTurn::Expired),
        }
    }

    /// Waiting and running.
    pub(super) fn load(&self) -> (usize, usize) {
        (self.waiting.load(Ordering::Relaxed), self.running - self.slots.available_permits())
    }
}

/// A place in the queue, given back on drop.
struct Place<'a>(&'a AtomicUsize);

impl<'a> Place<'a> {
    fn take(waiting: &'a AtomicUsize, most: usize) -> Option<Self> {
        let room = |n: usize| (n < most).then_some(n + 1);
        waiting.fetch_update(Ordering::Relaxed, Ordering::Relaxed, room).ok().map(|_| Place(waiting))
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl NoTurn {
    pub(super) fn ended(self, read_only: bool) -> proto::Ended {
        let ended =
            proto::Ended { effect: proto::Effect::NotExecuted.into(), read_only, ..proto::Ended::default() };
        match self {
            NoTurn::TooManyWaiting => {
                let how = "Too many commands wait at this site. Try again later, with growing pauses.";
                crate::door::Refused::new(proto::Refusal::Busy, how).ended()
            }
            NoTurn::Expired => proto::Ended { status: proto::Status::ExpiredInQueue.into(), ..ended },
            NoTurn::CallerGone => proto::Ended { status: proto::Status::Cancelled.into(), ..ended },
        }
    }
}
