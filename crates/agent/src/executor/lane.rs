//! Waiting for a turn: [`turns`](super::turns) decides whose it is, here it is waited for and given back.

use super::{
    Duration,
    turns::{Class, Room, Slot, Turns},
};
use link_api::proto;
use model::{Clock, IntegratorId};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

/// Bulk work of all integrators stands in line as one.
const ALL: IntegratorId = IntegratorId(uuid::Uuid::nil());

#[derive(Clone)]
pub(super) struct Lane(Arc<Inner>);

struct Inner {
    /// A turn that its waiter no longer wants comes back when its message is dropped.
    turns: Mutex<Turns<oneshot::Sender<Turn>>>,
    clock: Arc<dyn Clock>,
}

/// A turn; the next one's comes when it is dropped.
pub(crate) struct Turn(Option<(Lane, Slot)>);

/// Why a turn did not come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoTurn {
    TooManyWaiting,
    Expired,
    CallerGone,
}

impl Lane {
    pub(super) fn new(room: Room, clock: Arc<dyn Clock>) -> Self {
        Lane(Arc::new(Inner { turns: Mutex::new(Turns::new(room)), clock }))
    }

    /// Waits for a turn, not longer than `bound`.
    pub(super) async fn turn(
        &self,
        who: IntegratorId,
        class: Class,
        bound: Duration,
    ) -> Result<Turn, NoTurn> {
        let (give, turn) = oneshot::channel();
        let joined = self.lock().join(class, who, give, self.now(), oneshot::Sender::is_closed);
        if !joined {
            return Err(NoTurn::TooManyWaiting);
        }
        self.give();
        match tokio::time::timeout(bound, turn).await {
            Ok(turn) => Ok(turn.expect("a waiter is dropped only with the turn given, or by its owner")),
            Err(_) => Err(NoTurn::Expired),
        }
    }

    /// Waits for a turn of bulk work, for as long as it takes. Which integrator's it will be is decided when it has come.
    pub(super) async fn bulk_turn(&self) -> Turn {
        let (give, turn) = oneshot::channel();
        // One task waits here for a whole site: there is always room.
        let joined = self.lock().join(Class::Bulk, ALL, give, self.now(), oneshot::Sender::is_closed);
        debug_assert!(joined, "bulk work waits at one place");
        self.give();
        turn.await.expect("a waiter is dropped only with the turn given, or by its owner")
    }

    /// From now on so many at once, at least one. Those that run are not touched.
    pub(super) fn allow(&self, most: usize) {
        self.lock().allow(most);
        self.give();
    }

    /// Gives out what may have been forgotten. `false`: somebody waits although nothing runs.
    pub(super) fn proves(&self) -> bool {
        self.give();
        let (waiting, running, _) = self.load();
        waiting == 0 || running > 0
    }

    /// Waiting, running, and how many may run at once.
    pub(super) fn load(&self) -> (usize, usize, usize) {
        let mut turns = self.lock();
        turns.clear_gone(oneshot::Sender::is_closed);
        turns.load()
    }

    /// Gives free turns to those who wait.
    fn give(&self) {
        loop {
            let next = self.lock().next(self.now());
            let Some((waiter, slot)) = next else { return };
            // Outside the lock: a turn that is dropped takes it.
            if let Err(mut untaken) = waiter.send(Turn(Some((self.clone(), slot)))) {
                // Counted out here: its own drop would begin this all over again, once for each who left.
                if let Some((_, slot)) = untaken.0.take() {
                    self.lock().undo(slot);
                }
            }
        }
    }

    fn now(&self) -> Duration {
        self.0.clock.monotonic()
    }

    fn lock(&self) -> MutexGuard<'_, Turns<oneshot::Sender<Turn>>> {
        self.0.turns.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some((lane, slot)) = self.0.take() {
            let now = lane.now();
            lane.lock().done(slot, now);
            lane.give();
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use model::SystemClock;
    use tokio::time::timeout;
    use uuid::Uuid;

    const LONG: Duration = Duration::from_secs(30);
    const WHO: IntegratorId = IntegratorId(Uuid::from_u128(1));

    fn lane(most: usize, waiting: usize) -> Lane {
        Lane::new(Room { most, bulk: 1, waiting_each: waiting, waiting }, Arc::new(SystemClock))
    }

    async fn turn(lane: &Lane, bound: Duration) -> Result<Turn, NoTurn> {
        lane.turn(WHO, Class::Immediate, bound).await
    }

    fn counts(lane: &Lane) -> (usize, usize) {
        let (waiting, running, _) = lane.load();
        (waiting, running)
    }

    #[tokio::test]
    async fn turns_of_one_integrator_come_in_the_order_of_asking() {
        let lane = lane(1, 10);
        let first = turn(&lane, LONG).await.ok().unwrap();
        let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
        for i in 0..5 {
            let (lane, tell) = (lane.clone(), tell.clone());
            tokio::spawn(async move {
                let _turn = turn(&lane, LONG).await.ok().unwrap();
                tell.send(i).unwrap();
            });
            tokio::task::yield_now().await;
        }
        assert_eq!(counts(&lane), (5, 1));
        drop(first);
        for i in 0..5 {
            assert_eq!(timeout(LONG, told.recv()).await.unwrap(), Some(i));
        }
        tokio::task::yield_now().await;
        assert_eq!(counts(&lane), (0, 0));
    }

    #[tokio::test]
    async fn bulk_work_stands_behind_within_its_bound() {
        let lane = lane(4, 10);
        let bulk = || timeout(Duration::from_millis(20), lane.bulk_turn());
        let _first = bulk().await.unwrap();
        assert!(bulk().await.is_err(), "one at most");
        let mut turns = Vec::new();
        for _ in 0..3 {
            turns.push(turn(&lane, LONG).await.ok().unwrap());
        }
        assert_eq!(turn(&lane, Duration::from_millis(20)).await.err(), Some(NoTurn::Expired));
    }

    #[tokio::test]
    async fn who_waits_too_long_or_leaves_takes_no_turn_and_no_place() {
        let lane = lane(1, 2);
        let first = turn(&lane, LONG).await.ok().unwrap();
        assert_eq!(turn(&lane, Duration::from_millis(20)).await.err(), Some(NoTurn::Expired));
        let waiting = tokio::spawn({
            let lane = lane.clone();
            async move { turn(&lane, LONG).await.is_ok() }
        });
        tokio::task::yield_now().await;
        let leaving = tokio::spawn({
            let lane = lane.clone();
            async move { turn(&lane, LONG).await.is_ok() }
        });
        tokio::task::yield_now().await;
        assert_eq!(turn(&lane, LONG).await.err(), Some(NoTurn::TooManyWaiting));
        leaving.abort();
        let _ = leaving.await;
        assert_eq!(counts(&lane), (1, 1));
        drop(first);
        assert!(waiting.await.unwrap());
        assert_eq!(counts(&lane), (0, 0));
    }

    #[tokio::test]
    async fn fewer_at_once_takes_effect_as_turns_end_and_more_at_once_at_once() {
        let lane = lane(4, 10);
        let mut turns = Vec::new();
        for _ in 0..3 {
            turns.push(turn(&lane, LONG).await.ok().unwrap());
        }
        lane.allow(1);
        turns.truncate(1);
        assert_eq!(turn(&lane, Duration::from_millis(20)).await.err(), Some(NoTurn::Expired));
        let waiting = tokio::spawn({
            let lane = lane.clone();
            async move { turn(&lane, LONG).await.ok().unwrap() }
        });
        tokio::task::yield_now().await;
        // One place stays free for somebody else.
        lane.allow(3);
        let turn_of_waiting = waiting.await.unwrap();
        assert_eq!(counts(&lane), (0, 2));
        drop((turn_of_waiting, turns));
        lane.allow(0);
        assert!(turn(&lane, LONG).await.is_ok(), "never none at all");
    }
}
