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
            let Some(mut idle) = self.pop(&key) else { return permit.connect() };
            let rested = self.clock.monotonic().saturating_sub(idle.since);
            if rested < FRESH || (rested < self.keep && idle.session.ping().is_ok()) {
                return Ok(idle.session);
            }
        }
    }

    /// The last used first: the others may then grow old and be closed.
    fn pop(&self, key: &SessionKey) -> Option<Idle> {
        let mut idle = self.lock();
        let own = idle.get_mut(key)?;
        let last = own.pop();
        if own.is_empty() {
            idle.remove(key);
        }
        last
    }

    /// Keeps a session that ended its command cleanly, for the same key alone; where there are as many as may be, in place of the one
    /// that was idle for the longest, so that a thousand who ask once keep nobody from theirs who asks all the time. What can't be kept
    /// comes back, to be closed by being dropped, which may take a round trip.
    #[must_use]
    pub(super) fn put(&self, key: SessionKey, mut session: Box<dyn Session>) -> Option<Box<dyn Session>> {
        if session.reset().is_err() {
            return Some(session);
        }
        let since = self.clock.monotonic();
        let mut idle = self.lock();
        if idle.get(&key).is_some_and(|own| own.len() >= MOST_IDLE_EACH) {
            return Some(session);
        }
        let full = idle.values().map(Vec::len).sum::<usize>() >= MOST_IDLE;
        let oldest = if full { take_oldest(&mut idle) } else { None };
        idle.entry(key).or_default().push(Idle { session, since });
        oldest
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

/// Nobody has an empty list, so there are no more of them than sessions.
fn take_oldest(idle: &mut HashMap<SessionKey, Vec<Idle>>) -> Option<Box<dyn Session>> {
    // Of each the first is the oldest.
    let (key, _) = idle.iter().min_by_key(|(_, own)| own.first().map(|idle| idle.since))?;
    let key = key.clone();
    let own = idle.get_mut(&key)?;
    let oldest = own.remove(0);
    if own.is_empty() {
        idle.remove(&key);
    }
    Some(oldest.session)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit::{FakeEngine, GOOD, Shared, TestClock};
    use database::{Engine, Login};
    use model::Access;

    /// A login costs the practice's server more than a query: with many integrators at a site, the one that works all day must not pay
    /// for it each time because others looked in.
    #[test]
    fn who_asks_often_keeps_its_session_beside_a_thousand_who_ask_once() {
        let engine = Shared(Arc::new(FakeEngine::default()));
        let login = Login { user: GOOD.0.into(), password: GOOD.1.into() };
        let session = || engine.connect(&login, "Patients", Access::ReadOnly).unwrap();
        let pool = Pool::new(TestClock::new(), Duration::from_secs(60));
        assert!(pool.put(SessionKey::of(0), session()).is_none());
        for n in 1..=1_000 {
            let often = pool.pop(&SessionKey::of(0)).expect("its session was kept");
            // While its command runs, somebody else's ends.
            drop(pool.put(SessionKey::of(n), session()));
            drop(pool.put(SessionKey::of(0), often.session));
            let kept = pool.lock().values().map(Vec::len).sum::<usize>();
            assert!(kept <= MOST_IDLE && pool.lock().len() <= kept, "{kept}");
        }
        for _ in 0..=MOST_IDLE_EACH {
            drop(pool.put(SessionKey::of(7), session()));
        }
        assert_eq!(pool.lock()[&SessionKey::of(7)].len(), MOST_IDLE_EACH);
    }
}
