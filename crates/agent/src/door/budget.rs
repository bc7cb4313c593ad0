//! Counting at the door: who takes up what, and where it is kept.

use super::{Door, Freed, PairingRecord, lock, read};
use crate::{
    consent::{Budgets, Meter, Used},
    journal::Entry,
    store::{KeptUse, Who},
};
use link_api::proto::Refusal;
use model::{IntegratorId, SiteId, Timestamp};
use std::sync::Arc;

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

    /// Takes back what was counted for rows that stay here after all.
    pub(crate) fn give_back(&self, rows: u64, bytes: u64) {
        self.meter.give_back(rows, bytes);
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

    /// The counts of a pairing. Its bounds are those of now, also where `pairing` was read before they were changed; one that was
    /// ended meanwhile gets counts that nobody else sees.
    pub(super) fn meter(&self, pairing: &PairingRecord) -> Arc<Meter> {
        let of = (pairing.site, pairing.integrator);
        if let Some(meter) = lock(&self.meters).get(&of) {
            return meter.clone();
        }
        // Held until it is there, and taken in this order, as whoever changes bounds does: no change falls between.
        let pairings = read(&self.pairings);
        let Some(now) = pairings.get(&of) else {
            return Arc::new(Meter::new(pairing.consent.terms.budgets, Used::default()));
        };
        let mut meters = lock(&self.meters);
        let fresh = || {
            let used = lock(&self.used_before).remove(&of).unwrap_or_default();
            Arc::new(Meter::new(now.consent.terms.budgets, used))
        };
        meters.entry(of).or_insert_with(fresh).clone()
    }

    /// Other bounds for whoever is counted; whose pairing is ended is not counted any more. Called with the pairings held.
    pub(super) fn allow(&self, of: Who, pairing: Option<&PairingRecord>) {
        let mut meters = lock(&self.meters);
        let may_try = match pairing {
            Some(pairing) => meters.get(&of).is_some_and(|meter| meter.allow(pairing.consent.terms.budgets)),
            None => {
                lock(&self.used_before).remove(&of);
                // What still runs counts on for itself, and keeps nothing of it.
                meters.remove(&of).is_some_and(|meter| {
                    meter.allow(Budgets::default());
                    true
                })
            }
        };
        drop(meters);
        if may_try {
            self.freed.tell(of);
        }
    }

    /// Whether there is a place for one more statement of an integrator; where there is none, [`Door::freed`] tells when there is.
    pub(crate) fn wants_place(&self, site: SiteId, integrator: IntegratorId) -> bool {
        self.pairing(site, integrator).is_none_or(|pairing| self.meter(&pairing).wants_place())
    }

    /// Tells who was waiting for a place that is free now.
    pub(crate) fn freed(&self) -> &Arc<Freed> {
        &self.freed
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
