//! Counting at the door: who takes up what, and where it is kept.

use super::{Door, PairingRecord, lock};
use crate::{
    consent::{Meter, Spent, Takes, Used},
    journal::Entry,
    store::{KeptUse, Who},
};
use link_api::proto::Refusal;
use model::Timestamp;
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

/// A place among an integrator's statements that are under way; free again when it is dropped.
pub(super) struct Place {
    pub(super) meter: Arc<Meter>,
    free: AtomicBool,
}

impl Place {
    pub(super) fn take(meter: Arc<Meter>, takes: Takes, now: Timestamp) -> Result<Self, Spent> {
        meter.enter(takes, now)?;
        Ok(Place { meter, free: AtomicBool::new(false) })
    }

    /// Gives it free before its statement has ended: one that is left to its thread is counted elsewhere.
    pub(super) fn free(&self) {
        if !self.free.swap(true, Ordering::SeqCst) {
            self.meter.leave();
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.free();
    }
}

/// What a running command pays for its rows with.
pub(crate) struct Purse {
    meter: Arc<Meter>,
    door: Arc<Door>,
}

impl std::fmt::Debug for Purse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Purse")
    }
}

impl Purse {
    pub(super) fn new(meter: Arc<Meter>, door: Arc<Door>) -> Self {
        Purse { meter, door }
    }

    /// Counts rows that are about to be handed out.
    ///
    /// # Errors
    /// The budget that they are too much for: then they must not be.
    pub(crate) fn spend(&self, rows: u64, bytes: u64) -> Result<(), Refusal> {
        self.meter.spend(rows, bytes, || self.door.now())
    }
}

impl Door {
    /// By which consents expire and budgets begin anew.
    pub(crate) fn now(&self) -> Timestamp {
        self.time.now(&*self.clock)
    }

    /// What an integrator has used up of its present minute and day, and how many of its statements are under way.
    pub(crate) fn used(&self, pairing: &PairingRecord) -> (Used, u64) {
        self.meter(pairing).used(self.now())
    }

    pub(super) fn meter(&self, pairing: &PairingRecord) -> Arc<Meter> {
        let of = (pairing.site, pairing.integrator);
        let fresh = || {
            let used = self.used_before.get(&of).copied().unwrap_or_default();
            Arc::new(Meter::new(pairing.consent.terms.budgets, used))
        };
        lock(&self.meters).entry(of).or_insert_with(fresh).clone()
    }

    /// Puts on its way to disk what was used up since it was kept last: what a crash forgets is what running statements
    /// have had since then.
    pub(super) fn keep_used(&self) {
        let news: Vec<_> = lock(&self.meters).iter().filter_map(|(of, meter)| entry(*of, meter)).collect();
        if !news.is_empty() {
            self.journal.append(news);
        }
    }
}

/// What is to be kept of a meter, if anything.
pub(super) fn entry(of: Who, meter: &Meter) -> Option<Entry> {
    Some(Entry::Used(KeptUse { of, used: meter.news()? }))
}
