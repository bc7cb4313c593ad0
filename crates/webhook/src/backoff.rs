//! When a delivery is tried again: ten attempts over about 90 minutes, the first wait about 5 seconds.
//!
//! Decorrelated jitter: the k-th retry comes at a time drawn anew between the k-th and the next step of a smooth curve, and
//! each wait is the way from the last one. So waits of many deliveries spread out, and the whole stays within bounds.

use rand::{Rng, RngCore};
use std::time::Duration;

/// Attempts of one delivery.
pub const ATTEMPTS: u32 = 10;
/// The curve: `SCALE · GROWTH^x · tanh(2·√x)` seconds after the first attempt. The tanh takes the edge off its beginning.
const SCALE: f64 = 3.67;
const GROWTH: f64 = 2.359;
/// Nobody is asked twice at once.
const LEAST: Duration = Duration::from_secs(1);

/// How far a delivery's attempts have come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Attempts made.
    pub tries: u32,
    /// The sum of the waits so far.
    pub waited: Duration,
}

impl Plan {
    /// After a failed attempt: how long to wait, or `None` when that was the last.
    pub fn next(&mut self, rng: &mut dyn RngCore) -> Option<Duration> {
        self.tries = self.tries.saturating_add(1);
        if self.tries >= ATTEMPTS {
            return None;
        }
        let x = f64::from(self.tries - 1) + rng.random::<f64>();
        let at = Duration::from_secs_f64(SCALE * GROWTH.powf(x) * (2.0 * x.sqrt()).tanh());
        let wait = at.saturating_sub(self.waited).max(LEAST);
        self.waited += wait;
        Some(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{SeedableRng, rngs::StdRng};

    fn waits(seed: u64) -> Vec<Duration> {
        let (mut plan, mut rng) = (Plan::default(), StdRng::seed_from_u64(seed));
        std::iter::from_fn(|| plan.next(&mut rng)).collect()
    }

    #[test]
    fn ten_attempts_span_about_ninety_minutes_whatever_the_seed() {
        let runs: Vec<Vec<Duration>> = (0..10_000).map(waits).collect();
        for (seed, waits) in runs.iter().enumerate() {
            assert_eq!(waits.len(), 9, "seed {seed}: ten attempts");
            let total: Duration = waits.iter().sum();
            assert!((55 * 60..=140 * 60).contains(&total.as_secs()), "seed {seed}: {total:?}");
            assert!(waits.iter().all(|wait| *wait >= LEAST), "seed {seed}");
            assert!(waits[0] <= Duration::from_secs(9), "seed {seed}: {:?}", waits[0]);
        }
        let middle = |mut all: Vec<Duration>| {
            all.sort_unstable();
            all[all.len() / 2]
        };
        let first = middle(runs.iter().map(|waits| waits[0]).collect());
        assert!((Duration::from_secs(4)..=Duration::from_secs(6)).contains(&first), "{first:?}");
        let total = middle(runs.iter().map(|waits| waits.iter().sum()).collect());
        assert!((85 * 60..=95 * 60).contains(&total.as_secs()), "{total:?}");
    }

    #[test]
    fn deliveries_that_failed_together_do_not_come_back_together() {
        // A thousand that failed in one moment, each second of the third retry's window.
        let mut seconds = std::collections::HashMap::new();
        for seed in 0..1000 {
            let at: Duration = waits(seed)[..3].iter().sum();
            *seconds.entry(at.as_secs()).or_insert(0) += 1;
        }
        assert!(seconds.values().all(|count| *count < 150), "{seconds:?}");
        assert!(seconds.len() > 15, "{seconds:?}");
    }
}
