//! One lane, watched: when to begin it anew, when to say so. Rounds are counted, not times: a machine that slept has missed none.

use super::STALE;
use std::time::Duration;

/// Between two rounds of the watchdog.
pub(crate) const ROUND: Duration = Duration::from_secs(10);
/// A lane that did not answer in so many rounds is begun anew; then after twice as many, and so on.
const PATIENCE: u32 = 4;
/// And after so many somebody is told.
const TOLD: u32 = 7;

/// What is to be done about a lane in this round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Todo {
    /// Ask it.
    Ask,
    /// It has not answered for long: begin it anew, and ask it.
    BeginAnew,
    /// It does not answer although it was begun anew: tell somebody, once, and ask it.
    Tell,
}

/// The machine.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    /// On the monotonic clock.
    answered: Option<Duration>,
    /// Rounds since then.
    rounds: u32,
    told: bool,
}

impl Watch {
    /// It answers. `true`: somebody was told that it does not.
    pub(crate) fn answered(&mut self, now: Duration) -> bool {
        self.answered = Some(now);
        self.rounds = 0;
        std::mem::take(&mut self.told)
    }

    /// It answered in the last round.
    pub(crate) fn is_prompt(&self) -> bool {
        self.rounds <= 1
    }

    /// `own_fault`: what it depends on answers.
    pub(crate) fn round(&mut self, own_fault: bool) -> Todo {
        self.rounds = self.rounds.saturating_add(1);
        if !own_fault {
            return Todo::Ask;
        }
        if self.rounds.is_multiple_of(PATIENCE) && (self.rounds / PATIENCE).is_power_of_two() {
            return Todo::BeginAnew;
        }
        if self.rounds >= TOLD && !std::mem::replace(&mut self.told, true) {
            return Todo::Tell;
        }
        Todo::Ask
    }

    pub(crate) fn answers(&self, now: Duration) -> bool {
        self.ago(now).is_some_and(|ago| ago <= STALE)
    }

    pub(crate) fn ago(&self, now: Duration) -> Option<Duration> {
        self.answered.map(|at| now.saturating_sub(at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(round: u64) -> Duration {
        ROUND * u32::try_from(round).unwrap()
    }

    /// Whoever restarts what works makes the trouble that he is to find.
    #[test]
    fn a_lane_that_answers_each_round_is_only_asked() {
        let mut watch = Watch::default();
        assert!(!watch.answers(Duration::ZERO), "nothing is proved before the first answer");
        for round in 0..1_000 {
            assert_eq!(watch.round(true), Todo::Ask);
            assert!(!watch.answered(at(round)));
            assert!(watch.answers(at(round + 6)) && !watch.answers(at(round + 7)));
        }
    }

    #[test]
    fn one_that_is_silent_is_begun_anew_with_growing_pauses_and_told_of_once() {
        let mut watch = Watch::default();
        watch.answered(Duration::ZERO);
        let todo: Vec<Todo> = (0..40).map(|_| watch.round(true)).collect();
        let when = |wanted| -> Vec<usize> {
            todo.iter().enumerate().filter(|(_, todo)| **todo == wanted).map(|(round, _)| round + 1).collect()
        };
        assert_eq!(when(Todo::BeginAnew), [4, 8, 16, 32]);
        assert_eq!(when(Todo::Tell), [7], "after it was begun anew, when that did not help");
        assert!(watch.answered(at(40)), "that it answers again is news");
        assert_eq!(watch.round(true), Todo::Ask);
        assert!(watch.answers(at(41)));
    }

    #[test]
    fn what_waits_for_something_else_is_left_alone_until_that_answers() {
        let mut watch = Watch::default();
        watch.answered(Duration::ZERO);
        assert!((0..30).all(|_| watch.round(false) == Todo::Ask) && !watch.is_prompt());
        assert_eq!([watch.round(true), watch.round(true)], [Todo::Tell, Todo::BeginAnew]);
    }

    /// A server that was suspended comes back with its clock hours ahead, and nothing is wrong with it.
    #[test]
    fn a_machine_that_slept_restarts_nothing() {
        let mut watch = Watch::default();
        watch.answered(Duration::ZERO);
        assert_eq!(watch.round(true), Todo::Ask);
        let later = Duration::from_secs(8 * 60 * 60);
        assert!(!watch.answers(later), "and claims nothing before it has looked");
        assert_eq!(watch.round(true), Todo::Ask);
        assert!(!watch.answered(later));
        assert!(watch.answers(later));
    }
}
