//! The PMS vendor's approval at the door: whether one counts, and that a pairing stands on no other than one that does.

use super::{Door, lock};
use crate::store::{AuditLine, Happened, PairingRecord, StoreError};
use model::{IntegratorId, SiteId, Timestamp};
use trust::{
    Peer, TrustError,
    approval::{Misfit, Signed, Wanted},
};

/// Where an integrator is not let in without an approval, once its vendor gives any.
const MUST: &str = "production";
/// Most approvals of one session that are looked at.
const SHOWN: usize = 8;

/// Why an integrator has no approval that counts.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unapproved {
    /// It must have one.
    #[error(
        "This practice lets in only integrators that the vendor of its practice software has approved, and this gateway showed no approval"
    )]
    Missing,
    /// What it showed is none.
    #[error("The approval of the practice software's vendor that this gateway showed does not count: {0}")]
    Unreadable(#[from] TrustError),
    /// It does not count here.
    #[error("The approval of the practice software's vendor that this gateway showed does not count: {0}")]
    Misfit(#[from] Misfit),
    /// The disk.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Door {
    /// The approval that a pairing may stand on; `None` where it needs none and has none, or where nobody could check one: the
    /// site's software has no vendor that gives any. Blocks on the disk.
    ///
    /// # Errors
    /// Why the integrator may not pair.
    pub(crate) fn approval(
        &self,
        peer: &Peer,
        site: SiteId,
        environment: &str,
        document: &[u8],
    ) -> Result<Option<Signed>, Unapproved> {
        let Some(at) = self.sites.get(&site).filter(|at| !at.approval_keys().is_empty()) else {
            return Ok(None);
        };
        if document.is_empty() {
            return if environment == MUST { Err(Unapproved::Missing) } else { Ok(None) };
        }
        let signed = Signed::parse(document)?;
        let wanted = Wanted { integrator_root: &peer.root_spki, pms: at.pms(), environment, now: self.now() };
        let serial = signed.check(at.approval_keys(), &wanted)?.serial;
        if serial < self.store.approval_seen((site, IntegratorId(peer.id)))? {
            return Err(Misfit::Replaced.into());
        }
        Ok(Some(signed))
    }

    /// Takes the newest approval that a paired integrator shows, if it is newer than what its pairing stands on. What is none is
    /// not taken, and nobody is refused for it: the old one counts until its own end. Blocks on the disk.
    ///
    /// # Errors
    /// When it can't be kept.
    pub(crate) fn take_approvals(
        &self,
        peer: &Peer,
        site: SiteId,
        environment: &str,
        documents: &[Vec<u8>],
    ) -> Result<(), StoreError> {
        let integrator = IntegratorId(peer.id);
        for document in documents.iter().take(SHOWN) {
            let paired = self.pairing(site, integrator).filter(|p| p.root_spki == peer.root_spki);
            let Some(pairing) = paired else { return Ok(()) };
            // Each session shows them again: nothing is checked of one that is no news.
            let Ok(shown) = Signed::parse(document) else { continue };
            // Where the kept one is over, the vendor may have signed the same again, with another key.
            let (serial, over) = pairing
                .approval
                .as_ref()
                .map_or((0, true), |kept| (kept.signed.approval().serial, kept.over));
            let news = shown.approval().serial > serial || (over && shown.approval().serial == serial);
            if !news {
                continue;
            }
            match self.approval(peer, site, environment, document) {
                Ok(Some(signed)) => {
                    let line = AuditLine {
                        instance: Some(peer.name.as_str().into()),
                        detail: Some(detail(&signed)),
                        ..self.consent_line(Happened::ApprovalKept, site, integrator)
                    };
                    let _one = lock(&self.changing);
                    self.journal.flush()?;
                    self.store.renew_approval((site, integrator), &signed, self.clock.now(), &line)?;
                    self.reload_one((site, integrator))?;
                    tracing::info!(%site, %integrator, serial = signed.approval().serial, "a vendor's newer approval was taken");
                }
                Ok(None) => {}
                Err(Unapproved::Store(error)) => return Err(error),
                Err(why) => tracing::debug!(%site, %integrator, %why, "an approval was not taken"),
            }
        }
        Ok(())
    }

    /// Ends approvals that no key of the vendor's has made any more: a practice's file that lost a key takes back what it signed, and
    /// so does one that lost its only key.
    pub(super) fn check_approvals(&self) -> Result<(), StoreError> {
        for pairing in self.pairings() {
            let Some(kept) = pairing.approval.as_ref().filter(|kept| !kept.over) else { continue };
            // Of a database that is not configured now nobody knows the keys.
            let Some(site) = self.sites.get(&pairing.site) else { continue };
            if !site.approval_keys().iter().any(|key| kept.signed.is_by(key)) {
                self.end_approval(&pairing, "the vendor's key that signed it is no more")?;
            }
        }
        Ok(())
    }

    /// Writes down which approvals have expired.
    pub(super) fn end_approvals(&self, now: Timestamp) -> Result<(), StoreError> {
        for pairing in self.pairings() {
            if pairing.consent.vendor.is_some_and(|vendor| !vendor.over && vendor.is_over(now)) {
                self.end_approval(&pairing, "it has expired")?;
            }
        }
        Ok(())
    }

    fn end_approval(&self, pairing: &PairingRecord, why: &str) -> Result<(), StoreError> {
        let of = (pairing.site, pairing.integrator);
        let serial = pairing.approval.as_ref().map(|kept| kept.signed.approval().serial);
        let line = AuditLine {
            detail: Some(serde_json::json!({ "serial": serial, "why": why }).to_string()),
            ..self.consent_line(Happened::ApprovalEnded, of.0, of.1)
        };
        self.store.end_approval(of, &line)?;
        self.reload_one(of)?;
        tracing::warn!(site = %of.0, integrator = %of.1, why, "a vendor's approval counts no more");
        Ok(())
    }
}

/// What the audit says of an approval.
pub(super) fn detail(signed: &Signed) -> String {
    let approval = signed.approval();
    let access = match approval.access {
        model::Access::ReadOnly => "read-only",
        model::Access::ReadWrite => "read-write",
    };
    serde_json::json!({ "approval": {
        "serial": approval.serial, "name": approval.integrator_name, "access": access,
        "expires": approval.expires.to_rfc3339(),
    } })
    .to_string()
}
