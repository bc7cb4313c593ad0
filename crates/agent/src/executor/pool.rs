//! Sessions that wait for the next command of the same site, catalogue, integrator, login and access.
//!
//! An integrator never gets a session that another one used: nothing of the one can be seen by the other, however an engine
//! resets.

use super::Duration;
use crate::door::{Permit, SessionKey};
use database::{Failure, Session};
use model::{Clock, SiteId};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// A session idle for longer than this is asked whether it still lives.
const FRESH: Duration = Duration::from_secs(10);
/// Most sessions kept idle for one site, catalogue, login and access.
const MOST_IDLE_EACH: usize = 4;
/// Most sessions kept idle, all together.
const MOST_IDLE: usize = 64;

/// Sessions in use are bounded by the lane; what waits here by the constants above.
pub(super) struct Pool {
    idle: Mutex<HashMap<SessionKey, Vec<Idle>>>,
    clock: Arc<dyn Clock>,
    keep: Duration,
}

struct Idle {
    session: Box<dyn Session>,
    since: Duration,
}

impl Pool {
    pub(super) fn new(clock: Arc<dyn Clock>, keep: Duration) -> Self {
        Pool { idle: Mutex::default(), clock, keep }
    }

    /// A session for what `permit` allows: a waiting one, or a new one. Blocks on the database.
    pub(super) fn take(&self, permit: &Permit) -> Result<Box<dyn Session>, Failure> {
        let key = permit.session_key();
        loop {
            // The last used first: the others may then grow old and be closed.
            let Some(mut idle) = self.lock().get_mut(&key).and_then(Vec::pop) else {
                return permit.connect();
            };
            let rested = self.clock.monotonic().saturating_sub(idle.since);
            if rested < FRESH || (rested < self.keep && idle.session.ping().is_ok()) {
                return Ok(idle.session);
            }
        }
    }

    /// Keeps a session that ended its command cleanly, for the same key alone. What can't be kept comes back, to be closed
    /// by being dropped, which may take a round trip.
    #[must_use]
    pub(super) fn put(&self, key: SessionKey, mut session: Box<dyn Session>) -> Option<Box<dyn Session>> {
        if session.reset().is_err() {
            return Some(session);
        }
        let since = self.clock.monotonic();
        let mut idle = self.lock();
        let all = idle.values().map(Vec::len).sum::<usize>();
        let own = idle.entry(key).or_default();
        if all < MOST_IDLE && own.len() < MOST_IDLE_EACH {
            own.push(Idle { session, since });
            return None;
        }
        Some(session)
    }

    /// Closes all that is idle for a site. Blocks on the database.
    pub(super) fn clear(&self, site: SiteId) {
        let of_site: Vec<_> = self.lock().extract_if(|key, _| key.site() == site).collect();
        drop(of_site);
    }

    /// Closes what was idle for too long. Blocks on the database.
    pub(super) fn close_idle(&self) {
        let now = self.clock.monotonic();
        let old: Vec<Idle> = {
            let mut idle = self.lock();
            let old = idle
                .values_mut()
                .flat_map(|idle| idle.extract_if(.., |i| now.saturating_sub(i.since) >= self.keep))
                .collect();
            idle.retain(|_, idle| !idle.is_empty());
            old
        };
        drop(old);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SessionKey, Vec<Idle>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
