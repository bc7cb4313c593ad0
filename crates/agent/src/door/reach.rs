//! Whether a site's database could be reached lately, as far as anybody tried.

use std::{sync::Mutex, time::Duration};

/// What was found longer ago says nothing of now. Link itself looks again after a minute when a database was away.
const LATELY: Duration = Duration::from_secs(90);

/// After so many statements in a row that ended without a word of the database nobody knows whether it is still there: they may have been
/// slow, or it takes connections and answers nothing.
const SILENT: u32 = 3;
/// While somebody wants to know, an untried database is tried this often.
const LOOKS: Duration = Duration::from_secs(60);

/// How the last tries to reach a database went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// It answered, so long ago.
    Answered(Duration),
    /// It was tried lately, and did not answer; nor has it since.
    Away,
    /// Nobody tried lately.
    Untried,
}

#[derive(Debug, Default)]
pub(super) struct Tries(Mutex<Last>);

/// Times on the monotonic clock.
#[derive(Clone, Copy, Debug, Default)]
struct Last {
    answered: Option<Duration>,
    failed: Option<Duration>,
    /// Statements since it answered that ended without a word of it.
    silent: u32,
    /// When it was last tried for somebody who wanted to know.
    looked: Option<Duration>,
}

impl Tries {
    pub(super) fn answered(&self, now: Duration) {
        let mut last = super::lock(&self.0);
        (last.answered, last.silent) = (Some(now), 0);
    }

    pub(super) fn failed(&self, now: Duration) {
        super::lock(&self.0).failed = Some(now);
    }

    /// A statement was ended from here, perhaps before the database had said anything: a look too many does no harm.
    pub(super) fn was_silent(&self) {
        let mut last = super::lock(&self.0);
        last.silent = last.silent.saturating_add(1);
    }

    /// Whether it should be tried now for somebody who wants to know: once in a while, when nobody else did.
    pub(super) fn wants_look(&self, now: Duration) -> bool {
        if self.reach(now) != Reach::Untried {
            return false;
        }
        let mut last = super::lock(&self.0);
        if last.looked.is_some_and(|at| now.saturating_sub(at) < LOOKS) {
            return false;
        }
        last.looked = Some(now);
        true
    }

    pub(super) fn reach(&self, now: Duration) -> Reach {
        let Last { answered, failed, silent, .. } = *super::lock(&self.0);
        match (answered, failed) {
            (answered, Some(failed))
                if answered.is_none_or(|at| at < failed) && now.saturating_sub(failed) < LATELY =>
            {
                Reach::Away
            }
            (Some(answered), _) if now.saturating_sub(answered) < LATELY && silent < SILENT => {
                Reach::Answered(now.saturating_sub(answered))
            }
            _ => Reach::Untried,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An integrator that waits for a site to be online again asks it nothing meanwhile: what is old must not keep it away.
    #[test]
    fn a_database_is_away_until_it_answers_or_nobody_tried_lately() {
        let second = Duration::from_secs;
        let tries = Tries::default();
        assert_eq!(tries.reach(second(9)), Reach::Untried);
        tries.failed(second(10));
        assert_eq!(tries.reach(second(99)), Reach::Away);
        assert_eq!(tries.reach(second(100)), Reach::Untried);
        tries.answered(second(11));
        assert_eq!(tries.reach(second(15)), Reach::Answered(second(4)));
        tries.failed(second(12));
        assert_eq!(tries.reach(second(15)), Reach::Away);
    }

    /// A server that takes connections and answers nothing fails no try by itself.
    #[test]
    fn k28_a_database_that_falls_silent_is_looked_at_once_a_minute_while_somebody_asks() {
        let second = Duration::from_secs;
        let tries = Tries::default();
        tries.answered(second(1));
        assert!(!tries.wants_look(second(2)), "it has just answered");
        (0..SILENT).for_each(|_| tries.was_silent());
        assert_eq!(tries.reach(second(3)), Reach::Untried);
        assert!(tries.wants_look(second(3)) && !tries.wants_look(second(62)) && tries.wants_look(second(63)));
        tries.failed(second(64));
        assert_eq!((tries.reach(second(65)), tries.wants_look(second(300))), (Reach::Away, true));
        tries.answered(second(66));
        assert_eq!(tries.reach(second(66)), Reach::Answered(second(0)));
    }
}
