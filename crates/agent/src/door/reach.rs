//! Whether a site's database could be reached lately, as far as anybody tried.

use std::{sync::Mutex, time::Duration};

/// What was found longer ago says nothing of now. Link itself looks again after a minute when a database was away.
const LATELY: Duration = Duration::from_secs(90);

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

/// Times on the monotonic clock.
#[derive(Debug, Default)]
pub(super) struct Tries(Mutex<(Option<Duration>, Option<Duration>)>);

impl Tries {
    pub(super) fn answered(&self, now: Duration) {
        super::lock(&self.0).0 = Some(now);
    }

    pub(super) fn failed(&self, now: Duration) {
        super::lock(&self.0).1 = Some(now);
    }

    pub(super) fn reach(&self, now: Duration) -> Reach {
        let (answered, failed) = *super::lock(&self.0);
        match (answered, failed) {
            (answered, Some(failed))
                if answered.is_none_or(|at| at < failed) && now.saturating_sub(failed) < LATELY =>
            {
                Reach::Away
            }
            (Some(answered), _) if now.saturating_sub(answered) < LATELY => {
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
}
