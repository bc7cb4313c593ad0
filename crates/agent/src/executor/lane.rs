//! Taking turns: so many at once, so many waiting, first come first served. How many at once may change meanwhile.
//!
//! Bulk work stands behind: it gets a turn when nobody else waits, has a bound of its own, and never takes the last place.

use super::Duration;
use link_api::proto;
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::oneshot;

#[derive(Clone)]
pub(super) struct Lane(Arc<Mutex<State>>);

struct State {
    /// At once, now.
    most: usize,
    running: usize,
    most_waiting: usize,
    /// A turn that its waiter no longer wants comes back when its message is dropped.
    waiting: VecDeque<oneshot::Sender<Turn>>,
    /// Of those that run: bulk work, and how much of it there may be.
    running_bulk: usize,
    most_bulk: usize,
    waiting_bulk: VecDeque<oneshot::Sender<Turn>>,
}

/// A turn; the next one's comes when it is dropped.
pub(crate) struct Turn {
    lane: Option<Lane>,
    bulk: bool,
}

/// Why a turn did not come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoTurn {
    TooManyWaiting,
    Expired,
    CallerGone,
}

impl Lane {
    pub(super) fn new(most: usize, most_bulk: usize, most_waiting: usize) -> Self {
        let state = State {
            most,
            running: 0,
            most_waiting,
            waiting: VecDeque::new(),
            running_bulk: 0,
            most_bulk: most_bulk.max(1),
            waiting_bulk: VecDeque::new(),
        };
        Lane(Arc::new(Mutex::new(state)))
    }

    /// Waits for a turn, not longer than `bound`.
    pub(super) async fn turn(&self, bound: Duration) -> Result<Turn, NoTurn> {
        let turn = {
            let mut state = self.lock();
            if state.running < state.most && state.waiting.is_empty() {
                state.running += 1;
                return Ok(self.turn_of(false));
            }
            // Whoever gave up waiting takes no place.
            state.waiting.retain(|waiter| !waiter.is_closed());
            if state.waiting.len() >= state.most_waiting {
                return Err(NoTurn::TooManyWaiting);
            }
            let (give, turn) = oneshot::channel();
            state.waiting.push_back(give);
            turn
        };
        match tokio::time::timeout(bound, turn).await {
            Ok(turn) => Ok(turn.expect("a waiter is dropped only with the turn given, or by its owner")),
            Err(_) => Err(NoTurn::Expired),
        }
    }

    /// Waits for a turn of bulk work, for as long as it takes.
    pub(super) async fn bulk_turn(&self) -> Turn {
        let turn = {
            let mut state = self.lock();
            state.waiting_bulk.retain(|waiter| !waiter.is_closed());
            let (give, turn) = oneshot::channel();
            state.waiting_bulk.push_back(give);
            turn
        };
        self.give();
        turn.await.expect("a waiter is dropped only with the turn given, or by its owner")
    }

    /// From now on so many at once, at least one. Those that run are not touched.
    pub(super) fn allow(&self, most: usize) {
        self.lock().most = most.max(1);
        self.give();
    }

    /// Waiting, running, and how many may run at once.
    pub(super) fn load(&self) -> (usize, usize, usize) {
        let state = self.lock();
        let waiting = state.waiting.iter().filter(|waiter| !waiter.is_closed()).count();
        (waiting, state.running, state.most)
    }

    /// Gives free turns to those who wait.
    fn give(&self) {
        loop {
            let Some((waiter, bulk)) = self.lock().next() else { return };
            // Outside the lock: a turn that is dropped takes it.
            if let Err(mut untaken) = waiter.send(self.turn_of(bulk)) {
                // Counted out here: its own drop would begin this all over again, once for each who left.
                untaken.lane = None;
                self.lock().ended(bulk);
            }
        }
    }

    fn turn_of(&self, bulk: bool) -> Turn {
        Turn { lane: Some(self.clone()), bulk }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Whose turn it is, already counted as running.
    fn next(&mut self) -> Option<(oneshot::Sender<Turn>, bool)> {
        if self.running >= self.most {
            return None;
        }
        if let Some(waiter) = self.waiting.pop_front() {
            self.running += 1;
            return Some((waiter, false));
        }
        // Where there is one place at all, bulk work has it while nobody else wants it.
        let last = self.running + 1 >= self.most && self.most > 1;
        if last || self.running_bulk >= self.most_bulk {
            return None;
        }
        let waiter = self.waiting_bulk.pop_front()?;
        self.running += 1;
        self.running_bulk += 1;
        Some((waiter, true))
    }

    fn ended(&mut self, bulk: bool) {
        self.running -= 1;
        self.running_bulk -= usize::from(bulk);
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(lane) = self.lane.take() {
            lane.lock().ended(self.bulk);
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
    use tokio::time::timeout;

    const LONG: Duration = Duration::from_secs(30);

    fn counts(lane: &Lane) -> (usize, usize) {
        let (waiting, running, _) = lane.load();
        (waiting, running)
    }

    #[tokio::test]
    async fn turns_come_in_the_order_of_asking() {
        let lane = Lane::new(1, 2, 10);
        let first = lane.turn(LONG).await.ok().unwrap();
        let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
        for i in 0..5 {
            let (lane, tell) = (lane.clone(), tell.clone());
            tokio::spawn(async move {
                let _turn = lane.turn(LONG).await.ok().unwrap();
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
    async fn who_waits_too_long_or_leaves_takes_no_turn_and_no_place() {
        let lane = Lane::new(1, 2, 2);
        let first = lane.turn(LONG).await.ok().unwrap();
        assert_eq!(lane.turn(Duration::from_millis(20)).await.err(), Some(NoTurn::Expired));
        let waiting = tokio::spawn({
            let lane = lane.clone();
            async move { lane.turn(LONG).await.is_ok() }
        });
        tokio::task::yield_now().await;
        let leaving = tokio::spawn({
            let lane = lane.clone();
            async move { lane.turn(LONG).await.is_ok() }
        });
        tokio::task::yield_now().await;
        assert_eq!(lane.turn(LONG).await.err(), Some(NoTurn::TooManyWaiting));
        leaving.abort();
        let _ = leaving.await;
        assert_eq!(counts(&lane), (1, 1));
        drop(first);
        assert!(waiting.await.unwrap());
        assert_eq!(counts(&lane), (0, 0));
    }

    #[tokio::test]
    async fn fewer_at_once_takes_effect_as_turns_end_and_more_at_once_at_once() {
        let lane = Lane::new(3, 2, 10);
        let mut turns = Vec::new();
        for _ in 0..3 {
            turns.push(lane.turn(LONG).await.ok().unwrap());
        }
        lane.allow(1);
        turns.truncate(1);
        assert_eq!(lane.turn(Duration::from_millis(20)).await.err(), Some(NoTurn::Expired));
        let waiting = tokio::spawn({
            let lane = lane.clone();
            async move { lane.turn(LONG).await.ok().unwrap() }
        });
        tokio::task::yield_now().await;
        lane.allow(2);
        let turn = waiting.await.unwrap();
        assert_eq!(counts(&lane), (0, 2));
        drop((turn, turns));
        lane.allow(0);
        assert!(lane.turn(LONG).await.is_ok(), "never none at all");
    }

    #[tokio::test]
    async fn bulk_work_stands_behind_and_never_takes_the_last_place() {
        let lane = Lane::new(3, 2, 10);
        let bulk = || timeout(Duration::from_millis(20), lane.bulk_turn());
        let first = bulk().await.unwrap();
        let second = bulk().await.unwrap();
        assert!(bulk().await.is_err(), "two at most, and one place stays free");
        let quick = lane.turn(LONG).await.ok().unwrap();
        drop((first, second));
        assert_eq!(counts(&lane), (0, 1));
        let _first = bulk().await.unwrap();
        assert!(bulk().await.is_err(), "the last place is not for it");
        drop(quick);
        let _second = bulk().await.unwrap();
        assert!(lane.turn(LONG).await.is_ok());
    }

    #[tokio::test]
    async fn who_waits_in_front_goes_before_bulk_work_that_waited_longer() {
        let lane = Lane::new(1, 2, 10);
        let turn = lane.turn(LONG).await.ok().unwrap();
        let bulk = tokio::spawn({
            let lane = lane.clone();
            async move { lane.bulk_turn().await }
        });
        tokio::task::yield_now().await;
        let quick = tokio::spawn({
            let lane = lane.clone();
            async move { lane.turn(LONG).await.ok().unwrap() }
        });
        tokio::task::yield_now().await;
        drop(turn);
        let quick = quick.await.unwrap();
        assert!(!bulk.is_finished());
        drop(quick);
        // The one place there is.
        assert!(timeout(LONG, bulk).await.is_ok());
    }
}
