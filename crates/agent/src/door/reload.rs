//! What the door holds in memory of pairings, made anew from the disk when they are changed.

use super::{Door, lock, write};
use crate::{
    consent::Consent,
    store::{PairingRecord, StoreError, Who},
};
use model::Access;
use std::sync::Arc;

impl Door {
    /// Takes one pairing as it is on the disk now: whatever there is of others is neither read nor replaced. Blocks on the disk.
    pub(super) fn reload_one(&self, of: Who) -> Result<(), StoreError> {
        // Held while reading, so that two reloads can't leave the older answer in place.
        let mut pairings = write(&self.pairings);
        let before = match self.store.pairing(of)? {
            Some(pairing) => pairings.insert(of, Arc::new(pairing)),
            None => pairings.remove(&of),
        };
        let now = pairings.get(&of).map(|pairing| &**pairing);
        // Whoever waits or runs asks again only where something that they were let in by is another. What a login may do is told, and
        // decides nothing.
        let same = before.as_deref().map(decides) == now.map(decides);
        if !same {
            self.allow(of, now);
        }
        if now.is_none() {
            lock(&self.tries).remove(&of);
        }
        drop(pairings);
        if !same {
            self.consents.send_modify(|count| *count += 1);
        }
        Ok(())
    }
}

/// What of a pairing decides whether, and how, its integrator is let in.
fn decides(pairing: &PairingRecord) -> (&Consent, Access, bool, u64, &[u8]) {
    (&pairing.consent, pairing.access, pairing.on, pairing.revision, &pairing.root_spki)
}
