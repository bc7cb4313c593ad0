//! How many inner sessions there are at once: so many in all, and so many of each integrator, so that none of them takes what the
//! others need.

use crate::{executor::Limits, store::Who};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Handshakes at once: whoever comes at the same time as a thousand others may have to wait for one of these. Who it is, nobody
/// knows before; the relay gives one integrator 64 streams to a site.
pub(super) const HANDSHAKES: usize = 1_024;
/// Sessions of those that are not paired, in all; each is over within a minute.
const STRANGERS: usize = 64;
/// And of one of them.
const STRANGER: usize = 4;
/// Where three quarters of all are taken, an integrator gets no more than this: one gateway's two, and the next two while the old
/// ones are not known to be dead.
const SCARCE: usize = 4;

/// Counts sessions. One per Link.
#[derive(Debug)]
pub(super) struct Sessions {
    most: usize,
    each: usize,
    counts: Mutex<[Counts; 2]>,
}

#[derive(Debug, Default)]
struct Counts {
    all: usize,
    of: HashMap<Who, usize>,
}

/// Who the other end is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Guest {
    Paired,
    Stranger,
}

/// A session's place; free again when it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    sessions: Arc<Sessions>,
    who: Who,
    guest: Guest,
}

/// Why there is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Full {
    /// This integrator has as many as it may.
    Own,
    /// All are taken.
    All,
}

impl Sessions {
    pub(super) fn new(limits: &Limits) -> Arc<Self> {
        Arc::new(Sessions { most: limits.sessions, each: limits.sessions_each, counts: Mutex::default() })
    }

    /// A place for one more, when there is one.
    pub(super) fn enter(self: &Arc<Self>, who: Who, guest: Guest) -> Result<Place, Full> {
        let (most, each) = match guest {
            Guest::Paired => (self.most, self.each),
            Guest::Stranger => (STRANGERS, STRANGER),
        };
        let mut counts = self.lock();
        let counts = &mut counts[guest as usize];
        let own = counts.of.get(&who).copied().unwrap_or(0);
        if counts.all >= most {
            return Err(Full::All);
        }
        let each = if counts.all >= most - most / 4 { each.min(SCARCE) } else { each };
        if own >= each {
            return Err(Full::Own);
        }
        counts.all += 1;
        counts.of.insert(who, own + 1);
        Ok(Place { sessions: self.clone(), who, guest })
    }

    fn lock(&self) -> MutexGuard<'_, [Counts; 2]> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.sessions.lock();
        let counts = &mut counts[self.guest as usize];
        counts.all -= 1;
        if let Some(own) = counts.of.get_mut(&self.who) {
            *own -= 1;
            if *own == 0 {
                counts.of.remove(&self.who);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{IntegratorId, SiteId};
    use uuid::Uuid;

    fn who(n: u128) -> Who {
        (SiteId(Uuid::from_u128(1)), IntegratorId(Uuid::from_u128(n)))
    }

    fn sessions(sessions: usize, sessions_each: usize) -> Arc<Sessions> {
        Sessions::new(&Limits { sessions, sessions_each, ..Limits::default() })
    }

    /// A gateway that opens sessions and never closes one is its own trouble: the next integrator finds room.
    #[test]
    fn one_integrator_can_not_use_up_the_sessions_of_others() {
        let sessions = sessions(100, 8);
        let enter = |n| sessions.enter(who(n), Guest::Paired);
        let held: Vec<_> = (0..8).map(|_| enter(1).unwrap()).collect();
        assert_eq!(enter(1).unwrap_err(), Full::Own);
        assert!(enter(2).is_ok());
        drop(held);
        assert!(enter(1).is_ok(), "a session that has ended has given its place back");
        assert!(sessions.lock().iter().all(|counts| counts.all == 0 && counts.of.is_empty()));
    }

    /// Nor can a few of them together: what is left then is for those that have none.
    #[test]
    fn where_few_are_left_they_are_for_those_that_have_none() {
        let sessions = sessions(100, 16);
        let enter = |n| sessions.enter(who(n), Guest::Paired);
        let mut held = Vec::new();
        for n in 0..8 {
            held.extend((0..16).map_while(|_| enter(n).ok()));
        }
        assert!(held.len() < 100, "{}", held.len());
        let quiet: Vec<_> = (100..).map_while(|n| enter(n).ok()).collect();
        assert_eq!(held.len() + quiet.len(), 100);
        assert_eq!(enter(1_000).unwrap_err(), Full::All);
        assert_eq!(enter(1).unwrap_err(), Full::All);
    }

    /// Anybody can make an identity and knock: that costs those that are paired nothing.
    #[test]
    fn strangers_take_nothing_from_those_that_are_paired() {
        let sessions = sessions(10, 10);
        let knocks: Vec<_> = (0..1_000).map_while(|n| sessions.enter(who(n), Guest::Stranger).ok()).collect();
        assert_eq!(knocks.len(), STRANGERS);
        assert!(sessions.enter(who(1), Guest::Paired).is_ok());
        drop(knocks);
        let one: Vec<_> = (0..100).map_while(|_| sessions.enter(who(1), Guest::Stranger).ok()).collect();
        assert_eq!(one.len(), STRANGER);
    }

    /// What a practice has by default: a thousand integrators, each with a gateway whose both sessions are just being replaced.
    #[test]
    fn a_thousand_integrators_have_room_for_four_sessions_each() {
        let sessions = Sessions::new(&Limits::default());
        let held: Vec<_> = (0..4_000).map(|n| sessions.enter(who(n % 1_000), Guest::Paired)).collect();
        assert!(held.iter().all(Result::is_ok));
    }
}
