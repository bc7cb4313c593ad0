//! Threads that were left to statements which do not end when they are told to: how many a site has, and whose they are.
//!
//! Nothing ends a thread from outside. What can be done is to take its place in the lane away from it, so that others go on;
//! and to do so only so many times, because each such thread still holds a connection to the practice's server.

use model::IntegratorId;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Most of one site. With as many no further place is taken away, and the site says that it can't work.
pub(crate) const MOST: usize = 8;
/// Who has left so many runs nothing more there until one of them has ended: one integrator must not use up the site's.
const EACH: usize = 4;

/// Those of one site.
#[derive(Debug, Default)]
pub(super) struct Lost(Mutex<Vec<IntegratorId>>);

/// One of them, for as long as its thread lives.
#[derive(Debug)]
pub(super) struct Lone {
    of: Arc<Lost>,
    who: IntegratorId,
}

impl Lost {
    /// One more is left to its thread. `None`: there are as many as there may be.
    pub(super) fn leave(self: &Arc<Self>, who: IntegratorId) -> Option<Lone> {
        let mut all = self.lock();
        if all.len() >= MOST {
            return None;
        }
        all.push(who);
        Some(Lone { of: self.clone(), who })
    }

    pub(super) fn count(&self) -> usize {
        self.lock().len()
    }

    /// Whether an integrator has left as many as it may.
    pub(super) fn too_many_of(&self, who: IntegratorId) -> bool {
        self.lock().iter().filter(|one| **one == who).count() >= EACH
    }

    fn lock(&self) -> MutexGuard<'_, Vec<IntegratorId>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Lone {
    fn drop(&mut self) {
        let mut all = self.of.lock();
        if let Some(at) = all.iter().position(|who| *who == self.who) {
            all.swap_remove(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    /// What is counted wrongly here either grows without bound or shuts a site for good.
    #[test]
    fn there_are_so_many_of_a_site_and_of_one_integrator_and_none_once_their_threads_have_ended() {
        let lost = Arc::new(Lost::default());
        let who = |number| IntegratorId(Uuid::from_u128(number));
        let mut ones: Vec<Lone> = (0..EACH).map(|_| lost.leave(who(1)).unwrap()).collect();
        assert!(lost.too_many_of(who(1)) && !lost.too_many_of(who(2)));
        ones.extend((EACH..MOST).map(|number| lost.leave(who(number as u128)).unwrap()));
        assert!(lost.leave(who(2)).is_none());
        assert_eq!(lost.count(), MOST);
        ones.remove(0);
        assert!(!lost.too_many_of(who(1)));
        assert!(lost.leave(who(2)).is_some(), "a place is free again");
        drop(ones);
        assert_eq!(lost.count(), 0);
    }
}
