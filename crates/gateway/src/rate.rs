//! How often somebody may ask: so many requests a second on average, and so many at once.
//!
//! Per caller one number is kept, the time until which its requests are spoken for (the generic cell rate algorithm). It protects
//! the integrator from its own programs; what a platform bills or a practice allows does not rest on it.

use model::{DeviceId, SiteId};
use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

/// Callers that are remembered before those are forgotten who have been quiet for long enough.
const REMEMBERED: usize = 10_000;

/// Requests a second, and how many may come at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// 1 to [`Rate::MOST`].
    pub per_second: u32,
    /// 1 to [`Rate::MOST`].
    pub burst: u32,
}

impl Rate {
    /// The most of either.
    pub const MOST: u32 = 100_000;
}

/// Whose requests are counted together.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Who {
    /// A subscription key, by its number.
    Key(i64),
    /// A desktop application.
    Device(SiteId, DeviceId),
}

/// Counts the requests of callers of one kind.
pub(crate) struct Limiter {
    rate: Option<Rate>,
    until: Mutex<HashMap<Who, Duration>>,
}

impl Limiter {
    /// `None`: everybody may, always.
    pub(crate) fn new(rate: Option<Rate>) -> Self {
        Limiter { rate, until: Mutex::default() }
    }

    /// Whether `who` may ask at `now`, by the monotonic clock.
    ///
    /// # Errors
    /// After how many seconds it may.
    pub(crate) fn take(&self, who: Who, now: Duration) -> Result<(), u32> {
        let Some(rate) = self.rate else { return Ok(()) };
        let apart = Duration::from_secs(1) / rate.per_second.max(1);
        let ahead = apart * (rate.burst.max(1) - 1);
        let mut until = self.until.lock().unwrap_or_else(PoisonError::into_inner);
        if until.len() >= REMEMBERED && !until.contains_key(&who) {
            until.retain(|_, until| *until > now);
        }
        let until = until.entry(who).or_insert(now);
        let spoken_for = (*until).max(now);
        let wait = spoken_for.saturating_sub(now + ahead);
        if !wait.is_zero() {
            return Err(u32::try_from(wait.as_millis().div_ceil(1000)).unwrap_or(u32::MAX).max(1));
        }
        *until = spoken_for + apart;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const RATE: Rate = Rate { per_second: 10, burst: 5 };

    fn at(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn a_burst_passes_then_one_by_one_and_each_caller_for_itself() {
        let limiter = Limiter::new(Some(RATE));
        let passed = (0..20).filter(|_| limiter.take(Who::Key(1), at(1000)).is_ok()).count();
        assert_eq!(passed, 5);
        assert_eq!(limiter.take(Who::Key(1), at(1000)), Err(1));
        assert!(limiter.take(Who::Key(2), at(1000)).is_ok());
        assert!(limiter.take(Who::Key(1), at(1100)).is_ok());
        assert!(limiter.take(Who::Key(1), at(1100)).is_err());
        let passed = (0..20).filter(|_| limiter.take(Who::Key(1), at(9000)).is_ok()).count();
        assert_eq!(passed, 5, "no more is saved up");
        assert!((0..1000).all(|_| Limiter::new(None).take(Who::Key(1), at(0)).is_ok()));
    }

    #[test]
    fn a_slow_rate_says_how_long_to_wait_and_the_quiet_are_forgotten() {
        let limiter = Limiter::new(Some(Rate { per_second: 1, burst: 1 }));
        assert!(limiter.take(Who::Key(0), at(0)).is_ok());
        assert_eq!(limiter.take(Who::Key(0), at(100)), Err(1));
        for key in 1..=i64::try_from(REMEMBERED).unwrap() {
            assert!(limiter.take(Who::Key(key), at(0)).is_ok());
        }
        assert!(limiter.take(Who::Key(-1), at(5000)).is_ok());
        assert_eq!(limiter.until.lock().unwrap().len(), 1);
    }

    proptest! {
        /// Whatever the pattern: in any span no more than the burst and what the rate adds.
        #[test]
        fn never_more_than_the_rate_allows(gaps in proptest::collection::vec(0_u64..300, 1..200)) {
            let limiter = Limiter::new(Some(RATE));
            let (mut now, mut passed) = (0, Vec::new());
            for gap in gaps {
                now += gap;
                if limiter.take(Who::Key(1), at(now)).is_ok() {
                    passed.push(now);
                }
            }
            for (n, from) in passed.iter().enumerate() {
                for (m, to) in passed.iter().enumerate().skip(n) {
                    prop_assert!((m - n) as u64 <= 5 + (to - from) / 100);
                }
            }
        }
    }
}
