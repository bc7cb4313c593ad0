//! How many statements at once the practice's server bears: fewer when it grows slow, more again when it is quick.
//!
//! What is measured is a round trip that does next to nothing (a ping on a session whose command has just ended), at most
//! once a second. It says how busy the server is, whatever the statements were. Against the quickest round trip of the
//! last minutes it decides: far slower, and a third of the places go; nearly as quick, and one comes back.

use std::time::Duration;

/// Not more often than this.
const EVERY: Duration = Duration::from_secs(1);
/// The quickest round trip is looked for among those of this long, and of as long before.
const WINDOW: Duration = Duration::from_secs(5 * 60);
/// After places went, this long is waited for what that does.
const SETTLE: Duration = Duration::from_secs(3);

/// The machine. Times are monotonic, and arguments.
#[derive(Debug)]
pub(super) struct Cap {
    most: usize,
    now: usize,
    next: Duration,
    settled: Duration,
    /// Quickest of the present window and of the one before, and when the present one began.
    quickest: [Option<Duration>; 2],
    began: Duration,
    /// Of the last samples, newer ones counting more.
    smooth: Option<Duration>,
}

impl Cap {
    /// Begins with all places.
    pub(super) fn new(most: usize) -> Self {
        let most = most.max(1);
        Cap {
            most,
            now: most,
            next: Duration::ZERO,
            settled: Duration::ZERO,
            quickest: [None; 2],
            began: Duration::ZERO,
            smooth: None,
        }
    }

    /// Whether a sample is wanted. Asked once, it counts as being taken.
    pub(super) fn due(&mut self, at: Duration) -> bool {
        let due = at >= self.next;
        if due {
            self.next = at + EVERY;
        }
        due
    }

    /// Takes a round trip's time and answers how many may run at once.
    pub(super) fn sample(&mut self, at: Duration, took: Duration) -> usize {
        if at.saturating_sub(self.began) >= WINDOW {
            self.quickest = [None, self.quickest[0]];
            self.began = at;
        }
        let quickest = self.quickest[0].map_or(took, |quickest| quickest.min(took));
        self.quickest[0] = Some(quickest);
        let quickest = self.quickest[1].map_or(quickest, |before| before.min(quickest));
        let smooth = self.smooth.map_or(took, |smooth| (smooth * 2 + took) / 3);
        self.smooth = Some(smooth);
        // The fixed parts: below them a difference is the scheduler's, not the server's.
        if smooth > quickest * 3 + Duration::from_millis(10) {
            if at >= self.settled {
                self.now = (self.now * 2 / 3).max(1);
                self.settled = at + SETTLE;
            }
        } else if smooth < quickest * 3 / 2 + Duration::from_millis(3) {
            self.now = (self.now + 1).min(self.most);
        }
        self.now
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, SeedableRng, rngs::StdRng};

    /// A server that answers in half a millisecond as long as what runs there, ours and the practice's own, has a core.
    fn round_trip(ours: usize, theirs: usize, cores: usize, rng: &mut StdRng) -> Duration {
        let waiting = (ours + theirs).saturating_sub(cores);
        let micros = 500.0 * rng.random_range(0.8..1.3) + waiting as f64 * 8_000.0;
        Duration::from_micros(micros as u64)
    }

    fn drive(cap: &mut Cap, from: u64, seconds: u64, theirs: usize, rng: &mut StdRng) -> Vec<usize> {
        (from..from + seconds)
            .map(|second| {
                let at = Duration::from_secs(second);
                assert!(cap.due(at) && !cap.due(at));
                let took = round_trip(cap.now, theirs, 4, rng);
                cap.sample(at, took)
            })
            .collect()
    }

    #[test]
    fn a_quick_server_keeps_all_places_and_a_busy_one_is_relieved_until_it_is_quick_again() {
        for seed in 0..50 {
            let rng = &mut StdRng::seed_from_u64(seed);
            let mut cap = Cap::new(4);
            assert!(drive(&mut cap, 0, 60, 0, rng).iter().all(|now| *now == 4), "seed {seed}");
            // The practice's own work takes all cores: we step back to one place, and stay there.
            let busy = drive(&mut cap, 60, 120, 4, rng);
            assert!(busy[20..].iter().all(|now| *now == 1), "seed {seed}: {busy:?}");
            let over = drive(&mut cap, 180, 60, 0, rng);
            assert_eq!(over.last(), Some(&4), "seed {seed}: {over:?}");
        }
    }

    #[test]
    fn what_is_slow_for_good_becomes_the_rule() {
        let rng = &mut StdRng::seed_from_u64(1);
        let mut cap = Cap::new(8);
        cap.sample(Duration::ZERO, Duration::from_micros(500));
        let mut last = 0;
        for second in 1..3_600 {
            // Moved to another machine, behind a slow line.
            let took = Duration::from_millis(40 + rng.random_range(0..5));
            last = cap.sample(Duration::from_secs(second), took);
            assert!(last >= 1);
        }
        assert_eq!(last, 8);
    }

    #[test]
    fn one_slow_round_trip_changes_nothing_for_long() {
        let mut cap = Cap::new(8);
        for second in 0..30 {
            let took = if second == 10 { Duration::from_millis(200) } else { Duration::from_millis(1) };
            cap.sample(Duration::from_secs(second), took);
        }
        assert_eq!(cap.now, 8);
    }
}
