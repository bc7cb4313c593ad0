//! Whoever waits or runs is told when the practice no longer consents to it.

use super::{Door, Refused, Taken, not_paired, read};
use crate::{
    consent::{Approval, Origin, State, Wants},
    store::PairingRecord,
};
use link_api::proto::Refusal;
use model::{Access, Command, SiteId};
use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};
use tokio::time::sleep;
use trust::Peer;

/// What expires is seen within this time; what is changed, at once.
const LOOK: Duration = Duration::from_millis(500);

/// A gateway's certificate that runs out, and that no change tells of, is seen within this time. There may be a thousand that listen.
const LOOK_SELDOM: Duration = Duration::from_secs(30);

/// A command that was let in, and what it needs to be let in still.
#[derive(Clone)]
pub(crate) struct Watch {
    pub(super) door: Arc<Door>,
    pub(super) pairing: Arc<PairingRecord>,
    pub(super) access: Access,
    pub(super) catalogue: Arc<str>,
    pub(super) command: Arc<Command>,
    pub(super) approval: Arc<OnceLock<Approval>>,
    pub(super) origin: Origin,
    pub(super) hosted: bool,
}

/// How far a command has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    Waiting,
    Running,
}

impl Watch {
    /// Resolves when the command is not consented to any more.
    pub(crate) async fn refused(&self, stage: Stage) -> Refused {
        self.door.until_refused(LOOK, |changed| if changed { self.ask(stage) } else { self.stands() }).await
    }

    /// Whether it runs under enforced read-only.
    pub(crate) fn is_read_only(&self) -> bool {
        self.access == Access::ReadOnly
    }

    /// Whether the command is still consented to.
    pub(super) fn ask(&self, stage: Stage) -> Result<(), Refused> {
        let now = self.now()?;
        let (command, approval) = (&*self.command, &*self.approval);
        let (catalogue, origin, hosted) = (&*self.catalogue, self.origin, self.hosted);
        let wants = Wants { catalogue, command, approval, origin, hosted };
        now.consent.judge(&wants, self.door.now()).map_err(Refused::by_practice)?;
        // It was given an access or a login that may be gone. What runs has them, and finishes.
        let less = self.access == Access::ReadWrite && now.access == Access::ReadOnly;
        if stage == Stage::Waiting && (less || now.revision != self.pairing.revision) {
            return Err(Refused::by_practice(Refusal::ConsentChanged));
        }
        Ok(())
    }

    /// What the clock alone can change.
    fn stands(&self) -> Result<(), Refused> {
        self.now()?.consent.stands(self.door.now(), self.hosted).map_err(Refused::by_practice)
    }

    fn now(&self) -> Result<Arc<PairingRecord>, Refused> {
        let (site, integrator) = (self.pairing.site, self.pairing.integrator);
        let now = read(&self.door.pairings).get(&(site, integrator)).cloned();
        let now = now.ok_or_else(|| self.door.stranger(site, integrator))?;
        self.door.is_open(site)?;
        Ok(now)
    }
}

impl Door {
    /// Resolves when a gateway is not let in any more.
    pub(crate) async fn until_shut(&self, peer: &Peer, site: SiteId) -> Refused {
        self.until_refused(LOOK, |_| self.check(peer, site)).await
    }

    /// Resolves when this very gateway is out, whatever becomes of its integrator's others.
    pub(crate) async fn until_out(&self, peer: &Peer, site: SiteId) -> Refused {
        self.until_refused(LOOK_SELDOM, |_| self.instance(peer, site)).await
    }

    /// Resolves when a gateway is not paired any more.
    pub(crate) async fn until_unpaired(&self, peer: &Peer, site: SiteId) -> Refused {
        self.until_refused(LOOK_SELDOM, |_| self.paired(peer, site)).await
    }

    /// Asks at every change, and once every `look`. `asks` is told whether something was changed.
    async fn until_refused(&self, look: Duration, asks: impl Fn(bool) -> Result<(), Refused>) -> Refused {
        // From before the first look, so that nothing is missed between two.
        let mut changes = self.consents.subscribe();
        let mut changed = true;
        loop {
            if let Err(refused) = asks(changed) {
                return refused;
            }
            changed = tokio::select! {
                changed = changes.changed() => changed.is_ok(),
                () = sleep(look) => false,
            };
        }
    }

    /// Tells when the practice has changed what it consents to.
    pub(crate) fn consent_changes(&self) -> tokio::sync::watch::Receiver<u64> {
        self.consents.subscribe()
    }

    /// Whether what was taken before, and waits, is still consented to. What else may stand against it is looked at when its turn comes.
    ///
    /// # Errors
    /// What the practice does not consent to.
    pub(crate) fn still_consents(&self, taken: &Taken, command: &Command) -> Result<(), Refused> {
        let Some(pairing) = self.pairing(taken.site, taken.integrator) else { return Ok(()) };
        let Some(catalogue) = self.catalogue(taken.site, command.catalogue.as_deref()) else { return Ok(()) };
        let (origin, hosted) = (Origin::of(taken.device.as_ref()), taken.hosted);
        let approval = &OnceLock::new();
        let wants = Wants { catalogue: &catalogue, command, approval, origin, hosted };
        pairing.consent.judge(&wants, self.now()).map_err(Refused::by_practice)
    }

    /// Why nothing that an integrator has waiting may run now, and whether it never will.
    pub(crate) fn barred(&self, site: SiteId, integrator: model::IntegratorId) -> Option<(Refused, bool)> {
        let found = read(&self.pairings).get(&(site, integrator)).cloned();
        let Some(pairing) = found else {
            let refused = self.stranger(site, integrator);
            // Without a word of its end a pairing is only missing after its key was lost: what it left is told at its turn.
            return (refused != not_paired()).then_some((refused, true));
        };
        // What waits on a server that was stopped goes on waiting: its practice may say that it is the real one.
        let stands = self.is_allowed(site);
        let stands =
            stands.and_then(|()| pairing.consent.stands(self.now(), false).map_err(Refused::by_practice));
        let for_good = pairing.consent.state == State::Revoked;
        match (for_good, stands) {
            (true, _) => Some((Refused::by_practice(Refusal::ConsentRevoked), true)),
            (false, Err(refused)) => Some((refused, false)),
            (false, Ok(())) => None,
        }
    }
}
