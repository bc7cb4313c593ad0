//! The time by which consents expire and budgets begin anew: never earlier than any time that was seen here before.
//!
//! It follows the clock of the server forwards, and does not follow it back: setting a clock back makes no consent good again
//! and no day longer. A clock that was wrongly set ahead ends consents too early, which the practice sees and can mend.

use model::{Clock, Timestamp};
use std::{
    sync::atomic::{AtomicI64, Ordering},
    time::Duration,
};

pub(super) struct LocalTime {
    /// The latest time that was ever kept here, when the process began.
    base: Timestamp,
    began: Duration,
    /// The latest that was told since.
    latest: AtomicI64,
    /// The latest that was kept since.
    kept: AtomicI64,
}

/// A time that was seen is kept this often, where anything depends on it.
const KEEP_MS: i64 = 60_000;

impl LocalTime {
    pub(super) fn from(base: Timestamp, clock: &dyn Clock) -> Self {
        LocalTime {
            base,
            began: clock.monotonic(),
            latest: AtomicI64::new(base.0),
            kept: AtomicI64::new(base.0),
        }
    }

    /// Whether a time is to be kept.
    pub(super) fn is_due(&self, now: Timestamp) -> bool {
        let due = now.0.saturating_sub(self.kept.load(Ordering::Relaxed)) >= KEEP_MS;
        if due {
            self.kept.store(now.0, Ordering::Relaxed);
        }
        due
    }

    pub(super) fn now(&self, clock: &dyn Clock) -> Timestamp {
        let gone = self.base.plus(clock.monotonic().saturating_sub(self.began));
        let now = clock.now().max(gone).0;
        Timestamp(self.latest.fetch_max(now, Ordering::Relaxed).max(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit::{DAY, TestClock};

    #[test]
    fn it_goes_forward_with_the_clock_and_never_back() {
        let clock = TestClock::new();
        let time = LocalTime::from(clock.now(), &*clock);
        let first = time.now(&*clock);
        clock.set_back(DAY);
        assert!(time.now(&*clock) >= first);
        clock.advance(DAY * 3);
        let later = time.now(&*clock);
        assert!(later.since(first) >= DAY * 2);
        clock.set_back(DAY * 3);
        assert!(time.now(&*clock) >= later, "a time that was seen is over for good");
    }
}
