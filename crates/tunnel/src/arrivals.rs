//! What a peer's messages brought and nobody has looked at yet, and how often a peer may send some: for what may be lost or doubled, and so
//! may be thrown away where it is too much.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::sync::Notify;

pub(crate) struct Pace {
    pub(crate) burst: u32,
    pub(crate) every: Duration,
}

/// How much of a [`Pace`] is used up: the moment from which all of it is there again, on a clock that never goes back.
#[derive(Default)]
pub(crate) struct Used(Duration);

impl Used {
    /// How long until one more fits.
    pub(crate) fn wait(&self, pace: &Pace, now: Duration) -> Duration {
        self.0.saturating_sub(now).saturating_sub(pace.every * (pace.burst - 1))
    }

    pub(crate) fn take(&mut self, pace: &Pace, now: Duration) -> bool {
        let fits = self.wait(pace, now).is_zero();
        if fits {
            self.0 = self.0.max(now) + pace.every;
        }
        fits
    }
}

/// Whatever arrived, in a collection that whoever puts it there bounds.
#[derive(Default)]
pub(crate) struct Arrivals<C> {
    arrived: Mutex<Arrived<C>>,
    came: Notify,
}

#[derive(Default)]
struct Arrived<C> {
    all: C,
    used: Used,
    ended: bool,
}

impl<C: Default + PartialEq> Arrivals<C> {
    /// Takes one message's news, unless its sender is faster than `pace`.
    pub(crate) fn arrive(&self, pace: &Pace, now: Duration, put: impl FnOnce(&mut C)) {
        let mut arrived = lock(&self.arrived);
        if !arrived.used.take(pace, now) {
            return;
        }
        put(&mut arrived.all);
        drop(arrived);
        self.came.notify_one();
    }

    /// All that came since the last call; waits for some. `None` after the end. For one caller at a time; cancel-safe.
    pub(crate) async fn all(&self) -> Option<C> {
        loop {
            // Made before the look, so that nothing falls in between.
            let came = self.came.notified();
            {
                let mut arrived = lock(&self.arrived);
                if arrived.ended {
                    return None;
                }
                if arrived.all != C::default() {
                    return Some(std::mem::take(&mut arrived.all));
                }
            }
            came.await;
        }
    }

    /// None will come any more.
    pub(crate) fn end(&self) {
        let mut arrived = lock(&self.arrived);
        arrived.ended = true;
        arrived.all = C::default();
        drop(arrived);
        self.came.notify_waiters();
        self.came.notify_one();
    }
}

/// A panic while one of these was held leaves plain data behind.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
