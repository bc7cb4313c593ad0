//! When a registered query's runs are due. Pure: time and what ran are arguments.

/// Run n is due at `taken + n × frequency`, for n = 0 … ⌊duration / frequency⌋; it may begin until the next would be due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    /// When the site took it, ms of the site's time.
    pub(crate) taken: i64,
    /// At least 1, ms.
    pub(crate) frequency: u64,
    /// From the first run to the last, ms.
    pub(crate) duration: u64,
}

/// What is to be done now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// Run this one.
    Run(u64),
    /// Nothing before this time.
    At(i64),
    /// All were run or left out.
    Over,
}

impl Plan {
    /// What is to be done at `now`, when `last` is the newest run that began or was left out. Of those that were missed only the
    /// newest is run.
    pub(crate) fn due(&self, now: i64, last: Option<u64>) -> Due {
        let Some(newest) = self.newest(now) else { return Due::At(self.taken) };
        let next = last.map_or(0, |last| last.saturating_add(1));
        if newest > self.runs() || next > self.runs() {
            return Due::Over;
        }
        if newest >= next { Due::Run(newest) } else { Due::At(self.at(next)) }
    }

    /// The newest run that began or was left out, when one has just ended: what came due while it went on is left out.
    pub(crate) fn after_run(&self, now: i64, ran: u64) -> u64 {
        self.newest(now).map_or(ran, |newest| newest.max(ran))
    }

    /// Until when run `n` may begin.
    pub(crate) fn until(&self, n: u64) -> i64 {
        self.at(n.saturating_add(1))
    }

    /// When nothing is due any more.
    pub(crate) fn over_at(&self) -> i64 {
        self.until(self.runs())
    }

    /// Number of the last run.
    fn runs(&self) -> u64 {
        self.duration / self.frequency.max(1)
    }

    /// The run whose time it is; `None` before the first.
    fn newest(&self, now: i64) -> Option<u64> {
        let since = u64::try_from(now.checked_sub(self.taken)?).ok()?;
        Some(since / self.frequency.max(1))
    }

    fn at(&self, n: u64) -> i64 {
        let after = i64::try_from(n.saturating_mul(self.frequency)).unwrap_or(i64::MAX);
        self.taken.saturating_add(after)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MINUTES: Plan = Plan { taken: 1_000_000, frequency: 60_000, duration: 120_000 };

    #[test]
    fn the_published_example_runs_at_0_60_and_120_seconds() {
        let (mut now, mut last, mut ran) = (MINUTES.taken, None, Vec::new());
        loop {
            match MINUTES.due(now, last) {
                Due::Run(n) => {
                    ran.push((n, now - MINUTES.taken));
                    now += 2_000;
                    last = Some(MINUTES.after_run(now, n));
                }
                Due::At(at) => now = at,
                Due::Over => break,
            }
        }
        assert_eq!(ran, [(0, 0), (1, 60_000), (2, 120_000)]);
    }

    #[test]
    fn of_missed_runs_the_newest_is_run_and_none_after_the_end() {
        assert_eq!(MINUTES.due(MINUTES.taken + 119_000, Some(0)), Due::Run(1));
        assert_eq!(MINUTES.due(MINUTES.taken + 179_000, Some(0)), Due::Run(2));
        assert_eq!(MINUTES.due(MINUTES.taken + 180_000, Some(0)), Due::Over);
        assert_eq!(MINUTES.due(MINUTES.taken - 5, None), Due::At(MINUTES.taken));
        assert_eq!(Plan { duration: 0, ..MINUTES }.due(MINUTES.taken, None), Due::Run(0));
    }

    /// A tiny reference: looks at every millisecond, and knows nothing but which runs are due in it.
    fn reference(plan: &Plan, awake: &dyn Fn(i64) -> bool, takes: u64) -> Vec<(u64, i64)> {
        let (mut ran, mut busy_until) = (Vec::<(u64, i64)>::new(), i64::MIN);
        // What is still wanted: the newest run that came due while nothing ran.
        let mut wanted = None;
        let end = plan.taken + plan.duration as i64 + 2 * plan.frequency as i64 + takes as i64;
        for now in plan.taken..=end {
            let since = (now - plan.taken) as u64;
            if since.is_multiple_of(plan.frequency) {
                // A new period: what was wanted in the one before is not wanted any more.
                let n = since / plan.frequency;
                wanted = (since <= plan.duration && now >= busy_until).then_some(n);
            }
            if now >= busy_until
                && awake(now)
                && let Some(n) = wanted.take()
            {
                ran.push((n, now));
                busy_until = now + takes as i64;
            }
        }
        ran
    }

    proptest! {
        #[test]
        fn runs_are_those_of_the_reference_through_sleep_and_slow_runs(
            frequency in 1..60u64, duration in 0..600u64, takes in 0..150u64, sleeps in prop::collection::vec((0..700i64, 1..200i64), 0..4),
        ) {
            let plan = Plan { taken: 10_000, frequency, duration };
            // Asleep means that nobody asks: the process is down between two runs.
            let awake = |now: i64| sleeps.iter().all(|(from, long)| !(plan.taken + from..plan.taken + from + long).contains(&now));
            let (mut now, mut last, mut ran) = (plan.taken, None, Vec::new());
            for _ in 0..10_000 {
                if !awake(now) {
                    now += 1;
                    continue;
                }
                match plan.due(now, last) {
                    Due::Run(n) => {
                        ran.push((n, now));
                        now += takes as i64;
                        last = Some(plan.after_run(now.saturating_sub(1).max(ran.last().unwrap().1), n));
                    }
                    Due::At(at) => {
                        prop_assert!(at > now);
                        now = at;
                    }
                    Due::Over => break,
                }
            }
            prop_assert_eq!(ran, reference(&plan, &awake, takes));
        }

        #[test]
        fn no_run_comes_twice_or_early_wherever_the_time_jumps(
            frequency in 1..1_000u64, duration in 0..50_000u64, jumps in prop::collection::vec(0..5_000i64, 1..60),
        ) {
            let plan = Plan { taken: 0, frequency, duration };
            let (mut now, mut last) = (0, None);
            for jump in jumps {
                now += jump;
                if let Due::Run(n) = plan.due(now, last) {
                    prop_assert!(last.is_none_or(|last| n > last));
                    prop_assert!(n <= duration / frequency);
                    // Within its own time, never before it: no drift.
                    prop_assert!(now >= plan.at(n) && now < plan.until(n));
                    last = Some(n);
                }
            }
        }
    }
}
