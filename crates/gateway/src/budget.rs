//! One budget of bytes for all bodies and answers held in memory at once, and of it a share for what is on its way to one site.

use model::SiteId;
use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

/// One site gets this part of the budget: one that takes nothing must not fill all of it.
const SHARES: usize = 4;

/// Counts what is held; never waits.
#[derive(Clone, Debug)]
pub struct Budget(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    limit: usize,
    held: AtomicUsize,
    /// Of it, what is on its way to each site.
    by_site: Mutex<HashMap<SiteId, usize>>,
}

/// The budget is used up for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exhausted {
    /// All of it.
    All,
    /// The share of one site.
    Site,
}

impl Budget {
    /// At most `limit` bytes at once.
    pub fn new(limit: usize) -> Self {
        Budget(Arc::new(Inner { limit, held: AtomicUsize::new(0), by_site: Mutex::default() }))
    }

    /// Takes `bytes`, given back when the reservation is dropped.
    pub fn reserve(&self, bytes: usize) -> Result<Reservation, Exhausted> {
        self.reserved(None, bytes)
    }

    /// The same for what goes to a site, within its share. What comes alone may be larger than that.
    pub fn reserve_for(&self, site: SiteId, bytes: usize) -> Result<Reservation, Exhausted> {
        self.reserved(Some(site), bytes)
    }

    fn reserved(&self, site: Option<SiteId>, bytes: usize) -> Result<Reservation, Exhausted> {
        let mut reservation = Reservation { budget: self.clone(), site, bytes: 0 };
        reservation.grow_to(bytes)?;
        Ok(reservation)
    }

    /// Bytes held now.
    pub fn held(&self) -> usize {
        self.0.held.load(Ordering::Relaxed)
    }
}

impl Inner {
    fn by_site(&self) -> MutexGuard<'_, HashMap<SiteId, usize>> {
        self.by_site.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn give_back(&self, site: SiteId, bytes: usize) {
        let mut by_site = self.by_site();
        if let Some(held) = by_site.get_mut(&site) {
            *held -= bytes;
            if *held == 0 {
                by_site.remove(&site);
            }
        }
    }
}

/// A part of the budget that is taken.
#[derive(Debug)]
pub struct Reservation {
    budget: Budget,
    site: Option<SiteId>,
    bytes: usize,
}

impl Reservation {
    /// Makes it at least `bytes` large; unchanged when that does not fit.
    pub fn grow_to(&mut self, bytes: usize) -> Result<(), Exhausted> {
        let Some(more) = bytes.checked_sub(self.bytes).filter(|more| *more > 0) else { return Ok(()) };
        let inner = &self.budget.0;
        if let Some(site) = self.site {
            let mut by_site = inner.by_site();
            let held = by_site.get(&site).copied().unwrap_or(0);
            let others = held - self.bytes;
            if others > 0 && others.saturating_add(bytes) > inner.limit / SHARES {
                return Err(Exhausted::Site);
            }
            by_site.insert(site, held + more);
        }
        let taken = inner.held.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |held| {
            held.checked_add(more).filter(|sum| *sum <= inner.limit)
        });
        if taken.is_err() {
            if let Some(site) = self.site {
                inner.give_back(site, more);
            }
            return Err(Exhausted::All);
        }
        self.bytes = bytes;
        Ok(())
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        let inner = &self.budget.0;
        inner.held.fetch_sub(self.bytes, Ordering::Relaxed);
        if let Some(site) = self.site {
            inner.give_back(site, self.bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_back_can_be_taken_again() {
        let budget = Budget::new(100);
        let mut first = budget.reserve(60).unwrap();
        assert_eq!(budget.reserve(50).err(), Some(Exhausted::All));
        assert_eq!(first.grow_to(101), Err(Exhausted::All));
        first.grow_to(100).unwrap();
        assert_eq!(budget.held(), 100);
        drop(first);
        assert_eq!(budget.held(), 0);
        assert!(budget.reserve(100).is_ok());
    }

    #[test]
    fn one_site_gets_a_quarter_and_what_comes_alone_gets_in() {
        let [one, other] = [1, 2].map(|n| SiteId(uuid::Uuid::from_u128(n)));
        let budget = Budget::new(100);
        let alone = budget.reserve_for(one, 60).unwrap();
        assert_eq!(budget.reserve_for(one, 1).err(), Some(Exhausted::Site));
        drop(alone);
        let mut first = budget.reserve_for(one, 10).unwrap();
        let second = budget.reserve_for(one, 15).unwrap();
        assert_eq!(first.grow_to(11), Err(Exhausted::Site));
        // What does not fit into the whole takes nothing of the share.
        let _rest = budget.reserve_for(other, 75).unwrap();
        drop(second);
        assert_eq!(budget.reserve(16).err(), Some(Exhausted::All));
        let _filled = budget.reserve(15).unwrap();
        assert_eq!(first.grow_to(11), Err(Exhausted::All));
        drop(first);
        assert_eq!(budget.0.by_site().get(&one), None, "what nobody holds is not remembered");
        assert_eq!(budget.held(), 90);
    }
}
