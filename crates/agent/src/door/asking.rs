//! Integrators that ask to be let in without a code: the practice decides at its server, with both fingerprints before its eyes.

use super::Door;
use crate::store::{AskedToPair, AuditLine, Happened, PairingRequest, RequestState, StoreError};
use model::{IntegratorId, SiteId};
use trust::{Peer, approval::Signed};

/// Number in the event log of somebody who asks.
const ASKS: u32 = 30;

impl Door {
    /// What the practice says to an integrator that has no code; the first time it asks, the practice is told. Blocks on the disk.
    ///
    /// # Errors
    /// When it can't be kept.
    pub(crate) fn ask_to_pair(
        &self,
        peer: &Peer,
        site: SiteId,
        name: &str,
        approval: Option<&Signed>,
    ) -> Result<AskedToPair, StoreError> {
        let integrator = IntegratorId(peer.id);
        let line = AuditLine {
            detail: Some(serde_json::json!({ "name": name }).to_string()),
            ..self.consent_line(Happened::PairingAsked, site, integrator)
        };
        self.journal.flush()?;
        let asked =
            self.store.ask_to_pair((site, integrator), &peer.root_spki, name, approval, self.now(), &line)?;
        if asked == AskedToPair::New {
            tracing::warn!(%site, %integrator, "an integrator asks to be let in: HaloLinkUtility pairing list shows it");
            machine::events::report(
                machine::events::Level::Warning,
                ASKS,
                &format!(
                    "An integrator asks to be let into the practice's database: {integrator}. Look at it with HaloLinkUtility pairing list; \
                     HaloLinkUtility pairing approve lets it in, HaloLinkUtility pairing deny does not."
                ),
            );
        }
        Ok(asked)
    }

    /// Those who asked, the oldest first. Blocks on the disk.
    ///
    /// # Errors
    /// When the store can't be read.
    pub fn pairing_requests(&self) -> Result<Vec<PairingRequest>, StoreError> {
        self.store.pairing_requests(self.now())
    }

    /// The practice says yes, for one pairing within seven days, or no. `false` when that integrator does not ask. Blocks on the
    /// disk.
    ///
    /// # Errors
    /// When it can't be kept.
    pub fn decide_pairing(
        &self,
        of: &PairingRequest,
        approve: bool,
        read_only: bool,
        by: &str,
    ) -> Result<bool, StoreError> {
        let (what, decision) = match approve {
            true => (Happened::PairingApproved, RequestState::Approved),
            false => (Happened::PairingDenied, RequestState::Denied),
        };
        let line = AuditLine {
            access: approve.then_some(if read_only {
                model::Access::ReadOnly
            } else {
                model::Access::ReadWrite
            }),
            ..self.consent_line(what, of.site, of.integrator).by(Some(by))
        };
        self.journal.flush()?;
        let done = self.store.decide((of.site, of.integrator), decision, read_only, by, self.now(), &line)?;
        tracing::info!(site = %of.site, integrator = %of.integrator, approve, "a request to pair was decided");
        Ok(done)
    }
}
