//! The practice changes what it consents to. Each change is on disk, with who made it, before it is answered; from that moment on
//! it counts for what waits and runs too.

use super::{Door, Refused, lock, read, write};
use crate::{
    consent::{Changed, Form, Invalid, State, Terms},
    store::{AuditLine, Happened, PairingRecord, StoreError},
};
use link_api::proto::Refusal;
use model::{Access, IntegratorId, SiteId, Timestamp};
use std::sync::Arc;
use trust::Peer;

/// Why nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// It is not paired with this site.
    #[error("this integrator is not paired with this site; status shows who is")]
    NotPaired,
    /// Its login is erased.
    #[error(
        "the consent was revoked and the integrator's login erased: to let it in again, make a code (HaloLinkUtility pairing-code), \
         and let it pair"
    )]
    Revoked,
    /// Its time is over.
    #[error("the consent has expired: renew it with HaloLinkUtility consent set --expires")]
    Expired,
    /// The change itself.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// The disk.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Door {
    /// One integrator's pairing at a site.
    pub fn pairing(&self, site: SiteId, integrator: IntegratorId) -> Option<Arc<PairingRecord>> {
        read(&self.pairings).get(&(site, integrator)).cloned()
    }

    /// Changes what an integrator may do. Blocks on the disk.
    ///
    /// # Errors
    /// [`ChangeError`]; then nothing is changed.
    pub fn set_terms(
        &self,
        site: SiteId,
        integrator: IntegratorId,
        change: &Form,
        by: &str,
    ) -> Result<Terms, ChangeError> {
        // Read and written by one at a time: of two changes at once none gets lost.
        let _one = lock(&self.changing);
        let pairing = self.pairing(site, integrator).ok_or(ChangeError::NotPaired)?;
        let consent = &pairing.consent;
        let terms = consent.terms.clone().with(change)?;
        if terms.access == Access::ReadWrite && consent.vendor.is_some_and(|vendor| vendor.read_only) {
            return Err(Invalid(
                "the PMS vendor's approval of this integrator allows reading only: to let it write, the vendor must give it another"
                    .to_owned(),
            )
            .into());
        }
        if terms.expires.is_some_and(|at| at <= self.now()) && change.expires.is_some() {
            return Err(Invalid(
                "`expires` is over already; to keep an integrator out, suspend or revoke it".to_owned(),
            )
            .into());
        }
        // What was seen to be over is good again only when somebody says until when.
        let expired = consent.is_expired(self.now()) && change.expires.is_none();
        let line = AuditLine {
            access: Some(terms.access),
            detail: serde_json::to_string(change).ok(),
            ..self.consent_line(Happened::ConsentSet, site, integrator)
        };
        let changed = Changed { at: self.clock.now(), by: by.to_owned() };
        self.journal.flush().map_err(ChangeError::Store)?;
        let there =
            self.store.set_terms((site, integrator), &terms, expired, &changed, &line.by(Some(by)))?;
        self.reload_one((site, integrator))?;
        tracing::info!(%site, %integrator, "what an integrator may do was changed");
        if there { Ok(terms) } else { Err(ChangeError::NotPaired) }
    }

    /// Keeps an integrator out, or lets it in again. Blocks on the disk.
    ///
    /// # Errors
    /// [`ChangeError`].
    pub fn suspend(
        &self,
        site: SiteId,
        integrator: IntegratorId,
        on: bool,
        by: &str,
    ) -> Result<(), ChangeError> {
        let pairing = self.pairing(site, integrator).ok_or(ChangeError::NotPaired)?;
        if pairing.consent.state == State::Revoked {
            return Err(ChangeError::Revoked);
        }
        if on && pairing.consent.is_expired(self.now()) {
            return Err(ChangeError::Expired);
        }
        match self.switch_by(site, integrator, on, Some(by))? {
            true => Ok(()),
            false => Err(ChangeError::NotPaired),
        }
    }

    /// Withdraws a consent for good: its login is erased, and what it has waiting never runs. Blocks on the disk.
    ///
    /// # Errors
    /// [`ChangeError`].
    pub fn revoke(&self, site: SiteId, integrator: IntegratorId, by: &str) -> Result<(), ChangeError> {
        let line = self.consent_line(Happened::ConsentRevoked, site, integrator).by(Some(by));
        let changed = Changed { at: self.clock.now(), by: by.to_owned() };
        self.journal.flush()?;
        let there = self.store.revoke((site, integrator), &changed, &line)?;
        self.reload_one((site, integrator))?;
        tracing::info!(%site, %integrator, "a consent was revoked and its login erased");
        if there { Ok(()) } else { Err(ChangeError::NotPaired) }
    }

    /// Ends a pairing: login, consent, counts and journal are gone, and what it has waiting never runs. Blocks on the disk.
    ///
    /// # Errors
    /// [`ChangeError`].
    pub fn unpair(
        &self,
        site: SiteId,
        integrator: IntegratorId,
        by: Option<&str>,
    ) -> Result<(), ChangeError> {
        self.end_pairing(site, integrator, self.consent_line(Happened::Unpaired, site, integrator).by(by))
    }

    /// The same, by the integrator itself: a gateway of its own asks for it. Blocks on the disk.
    ///
    /// # Errors
    /// [`Refused`] when it is not paired, or the disk fails.
    pub(crate) fn leave(&self, peer: &Peer, site: SiteId) -> Result<(), Refused> {
        let pairing = self.known(peer, site)?;
        let instance = Some(peer.name.as_str().into());
        let line = AuditLine { instance, ..self.consent_line(Happened::Unpaired, site, pairing.integrator) };
        self.end_pairing(site, pairing.integrator, line).map_err(|error| match error {
            ChangeError::NotPaired => Refused::by_practice(Refusal::Unpaired),
            error => {
                tracing::error!(%error, "a pairing could not be ended");
                Refused::new(Refusal::Busy, "The site can't write to its disk: the pairing was not ended.")
            }
        })
    }

    fn end_pairing(
        &self,
        site: SiteId,
        integrator: IntegratorId,
        line: AuditLine,
    ) -> Result<(), ChangeError> {
        self.journal.flush()?;
        let there = self.store.unpair((site, integrator), self.clock.now(), &line)?;
        if there {
            write(&self.unpaired).insert((site, integrator));
        }
        self.reload_one((site, integrator))?;
        tracing::info!(%site, %integrator, "a pairing was ended");
        if there { Ok(()) } else { Err(ChangeError::NotPaired) }
    }

    /// Writes down what only time has changed: consents that have expired, and what was used up. Blocks on the disk.
    ///
    /// # Errors
    /// When it can't be written; what has expired is not let in all the same.
    pub(crate) fn tend(&self) -> Result<(), StoreError> {
        self.keep_used();
        if let Err(error) = self.store.scrub_left() {
            tracing::warn!(%error, "an erased login is not out of the log yet; tried again");
        }
        // Held from the first look on: a time that somebody has just made longer is not over.
        let _one = lock(&self.changing);
        let now = self.now();
        self.end_approvals(now)?;
        let mut bounded = false;
        for pairing in self.pairings() {
            bounded |= pairing.consent.terms.expires.is_some() || pairing.consent.vendor.is_some();
            if pairing.consent.expired || !pairing.consent.is_expired(now) {
                continue;
            }
            let (site, integrator) = (pairing.site, pairing.integrator);
            let line = self.consent_line(Happened::ConsentExpired, site, integrator);
            self.store.expire((site, integrator), &line)?;
            tracing::info!(%site, %integrator, "a consent has expired");
            self.reload_one((site, integrator))?;
        }
        if bounded && self.time.is_due(now) {
            // So that a start with a clock set back does not make it good again.
            self.store.latest(now)?;
        }
        Ok(())
    }

    /// A line that tells of one integrator.
    pub(crate) fn consent_line(&self, what: Happened, site: SiteId, integrator: IntegratorId) -> AuditLine {
        AuditLine { integrator: Some(integrator), ..AuditLine::new(self.clock.now(), what, site) }
    }

    /// Writes down what somebody at the practice did that changed nothing.
    pub(crate) fn note_act(&self, what: Happened, by: &str) {
        let now: Timestamp = self.clock.now();
        for site in self.sites.keys() {
            self.note(AuditLine::new(now, what, *site).by(Some(by)));
        }
    }
}
