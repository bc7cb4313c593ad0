//! Who a peer is: its pairing, and that no newer certificate has retired its own.

use super::{Door, Refused, lock, not_paired, read};
use crate::store::PairingRecord;
use link_api::proto::Refusal;
use model::{IntegratorId, SiteId};
use std::sync::Arc;
use trust::{Kind, Peer};

/// Most gateway instances of one integrator that a site keeps apart.
const INSTANCES: usize = 1024;
/// Longest name of an instance, bytes.
const INSTANCE_NAME: usize = 256;

impl Door {
    /// The pairing of a peer whose certificate is not retired.
    pub(super) fn known(&self, peer: &Peer, site: SiteId) -> Result<Arc<PairingRecord>, Refused> {
        if peer.kind != Kind::Integrator {
            return Err(not_paired());
        }
        let integrator = IntegratorId(peer.id);
        let found = read(&self.pairings).get(&(site, integrator)).cloned();
        let found = found.filter(|p| p.root_spki == peer.root_spki);
        let pairing = found.ok_or_else(|| self.stranger(site, integrator))?;
        if peer.not_after <= self.clock.now() {
            return Err(Refused::new(
                Refusal::NotPaired,
                "This gateway's certificate has expired; it must issue a new one.",
            ));
        }
        // Before its serial number is remembered: one that is out retires nothing.
        self.instance(peer, site)?;
        self.check_serial(peer, site, pairing.integrator)?;
        Ok(pairing)
    }

    /// A higher serial retires the lower ones of the same instance.
    fn check_serial(&self, peer: &Peer, site: SiteId, integrator: IntegratorId) -> Result<(), Refused> {
        let retired = || {
            let how = "This gateway's certificate was retired by a newer one of the same gateway.";
            Refused::new(Refusal::NotPaired, how)
        };
        let mut serials = lock(&self.serials);
        let instances = serials.entry((site, integrator)).or_default();
        match instances.get(peer.name.as_str()) {
            Some(highest) if peer.serial < *highest => return Err(retired()),
            Some(highest) if peer.serial == *highest => return Ok(()),
            None if instances.len() >= INSTANCES || peer.name.len() > INSTANCE_NAME => {
                let how = "This site knows as many gateways of this integrator as it can tell apart.";
                return Err(Refused::new(Refusal::NotPaired, how));
            }
            _ => instances.insert(peer.name.as_str().into(), peer.serial),
        };
        // Under the lock, so that two sessions can't store their serials in the wrong order. Once per certificate.
        if let Err(error) = self.store.saw_serial(site, integrator, &peer.name, peer.serial) {
            tracing::error!(%error, "a certificate's serial could not be kept");
            instances.remove(peer.name.as_str());
            return Err(Refused::new(Refusal::Busy, "The site can't write to its disk, so it runs nothing."));
        }
        Ok(())
    }
}
