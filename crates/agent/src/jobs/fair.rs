//! Who has had how much of one site's database for its jobs: start-time fair queueing. No clock: spans are arguments.

use model::IntegratorId;
use std::collections::HashMap;

/// What a run is charged with until it is known how long it took, ms.
const USUAL: u64 = 1_000;

/// Of one site.
#[derive(Debug, Default)]
pub(super) struct Fair {
    had: HashMap<IntegratorId, Had>,
    /// What the one had that was served last: who comes anew, or again after a pause, begins there and owes nothing.
    time: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Had {
    ms: u64,
    running: u32,
}

impl Fair {
    /// What counts when turns are given: who had least goes first.
    pub(super) fn had(&self, who: &IntegratorId) -> u64 {
        self.had.get(who).map_or(self.time, |had| had.ms.max(self.time))
    }

    /// A run of its begins.
    pub(super) fn begins(&mut self, who: IntegratorId) {
        let ms = self.had(&who);
        self.time = ms;
        // Whoever has nothing running and is not ahead is as good as new.
        self.had.retain(|_, had| had.running > 0 || had.ms > ms);
        let had = self.had.entry(who).or_default();
        had.ms = ms.saturating_add(USUAL);
        had.running += 1;
    }

    /// It has ended.
    pub(super) fn ended(&mut self, who: IntegratorId, took_ms: u64) {
        if let Some(had) = self.had.get_mut(&who) {
            had.ms = had.ms.saturating_sub(USUAL).saturating_add(took_ms);
            had.running = had.running.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, SeedableRng, rngs::StdRng};
    use uuid::Uuid;

    fn who(number: u128) -> IntegratorId {
        IntegratorId(Uuid::from_u128(number))
    }

    #[test]
    fn one_that_hands_in_a_hundred_extracts_does_not_keep_another_waiting() {
        let mut fair = Fair::default();
        for _ in 0..100 {
            fair.begins(who(1));
            fair.ended(who(1), 60_000);
        }
        assert!(fair.had(&who(2)) < fair.had(&who(1)));
        // And whoever comes later owes nothing for it, but gets nothing for having been away either.
        fair.begins(who(2));
        fair.ended(who(2), 200_000);
        assert!(fair.had(&who(1)) < fair.had(&who(2)));
    }

    #[test]
    fn integrators_that_always_want_more_get_the_same_time() {
        for seed in 0..20 {
            let (mut rng, mut fair, mut had) = (StdRng::seed_from_u64(seed), Fair::default(), [0_u64; 3]);
            for _ in 0..3_000 {
                let next = (0..3).min_by_key(|number| fair.had(&who(*number))).unwrap();
                let took = rng.random_range(1..2_000) * (next as u64 * 5 + 1);
                fair.begins(who(next));
                fair.ended(who(next), took);
                had[next as usize] += took;
            }
            let (least, most) = (had.iter().min().unwrap(), had.iter().max().unwrap());
            assert!(most - least < 60_000, "seed {seed}: {had:?} ms");
        }
    }
}
