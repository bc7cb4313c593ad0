//! Sessions that wait for the next command of the same site, catalogue, login and access.

use super::Duration;
use crate::door::{Permit, SessionKey};
use database::{Failure, Session};
use model::Clock;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// A session idle for longer than this is asked whether it still lives.
const FRESH: Duration = Duration::from_secs(10);
/// Most sessions kept idle, all together.
const MOST_IDLE: usize = 64;

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

    /// Keeps a session that ended its command cleanly.
    pub(super) fn put(&self, permit: &Permit, session: Box<dyn Session>) {
        let since = self.clock.monotonic();
        let mut idle = self.lock();
        if idle.values().map(Vec::len).sum::<usize>() < MOST_IDLE {
            idle.entry(permit.session_key()).or_default().push(Idle { session, since });
        } else {
            // Closing may take a while: not under the lock.
            drop(idle);
            drop(session);
        }
    }

    pub(super) fn close_idle(&self) {
        let now = self.clock.monotonic();
        let mut old = Vec::new();
        self.lock().retain(|_, sessions| {
            let (keep, close) = std::mem::take(sessions)
                .into_iter()
                .partition::<Vec<_>, _>(|idle| now.saturating_sub(idle.since) < self.keep);
            old.push(close);
            *sessions = keep;
            !sessions.is_empty()
        });
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SessionKey, Vec<Idle>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
