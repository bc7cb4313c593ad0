//! The choke point: the only way from a request to a database session.
//!
//! A request becomes an [`Admission`] (who, where, with which access: asked and answered), an admission becomes a
//! [`Permit`] (its intent is written down), and only a permit connects. Each of them, dropped, writes down how it ended.

mod admission;
mod reach;
mod rights;
mod site;
mod switch;
#[cfg(test)]
mod tests;
mod watched;

pub use admission::{Admission, Permit};
pub(crate) use admission::{SessionKey, Witness};
pub use reach::Reach;
pub(crate) use rights::writes_to_proto;
pub use site::{LastLook, Looked, SiteDoor, Words};
use switch::{site_off, switched_off};

use crate::{
    journal::{Entry, Journal},
    store::{AuditLine, AuditRow, Happened, Known, LedgerKey, NewPairing, PairingRecord, Store, StoreError},
};
use link_api::{
    convert,
    proto::{self, Refusal},
};
use model::{Access, Clock, Command, DeviceId, Effect, IntegratorId, QueryId, SiteFacts, SiteId, Timestamp};
use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};
use tokio::sync::watch;
use trust::{Kind, Peer};

/// Most gateway instances of one integrator that a site keeps apart.
const INSTANCES: usize = 1024;
/// Longest name of an instance, bytes.
const INSTANCE_NAME: usize = 256;

/// A command that wants in.
#[derive(Clone, Debug)]
pub struct Request {
    /// Named by the caller.
    pub query: QueryId,
    /// What it wants to run.
    pub command: Arc<Command>,
    /// Whether it asks for enforced read-only.
    pub read_only: bool,
    /// A desktop application asks, on this device; `None`: the integrator's own server. It is the gateway's word: the gateway is
    /// who checked the device.
    pub device: Option<DeviceId>,
}

/// Work that was let in to run later, and as whom.
#[derive(Clone, Debug)]
pub(crate) struct Taken {
    pub(crate) site: SiteId,
    pub(crate) integrator: IntegratorId,
    /// Which of the integrator's gateways brought it.
    pub(crate) instance: Arc<str>,
    /// Asked for, or all that the pairing allowed.
    pub(crate) read_only: bool,
    /// As of a [`Request`].
    pub(crate) device: Option<DeviceId>,
}

/// Why it may not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// In the contract's words.
    pub refusal: Refusal,
    /// In people's.
    pub message: String,
}

impl Refused {
    pub(crate) fn new(refusal: Refusal, message: impl Into<String>) -> Self {
        Refused { refusal, message: message.into() }
    }

    /// The end of a command that was refused.
    pub fn ended(&self) -> proto::Ended {
        proto::Ended {
            status: proto::Status::Refused.into(),
            refusal: self.refusal.into(),
            effect: proto::Effect::NotExecuted.into(),
            error: Some(convert::halo_error(
                match self.refusal {
                    Refusal::NotPaired | Refusal::SwitchedOff => 403,
                    Refusal::UnknownCatalogue => 400,
                    Refusal::Repeated => 409,
                    Refusal::Busy | Refusal::NoRoom | Refusal::Unspecified => 503,
                },
                self.message.as_str(),
            )),
            ..proto::Ended::default()
        }
    }
}

/// Highest certificate serial seen, by gateway instance.
type Serials = HashMap<Arc<str>, u64>;

/// What stands between requests and databases. One per Link, for all its sites.
pub struct Door {
    store: Arc<Store>,
    journal: Journal,
    clock: Arc<dyn Clock>,
    sites: HashMap<SiteId, Arc<SiteDoor>>,
    /// Counts changes of what sites say of themselves.
    changed: watch::Sender<u64>,
    pairings: RwLock<HashMap<(SiteId, IntegratorId), Arc<PairingRecord>>>,
    /// Sites that the practice has switched off.
    off: RwLock<HashSet<SiteId>>,
    serials: Mutex<HashMap<(SiteId, IntegratorId), Serials>>,
    running: Mutex<HashSet<LedgerKey>>,
}

impl std::fmt::Debug for Door {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Door")
    }
}

impl Door {
    /// Opens for business: what was running when the last process ended is written down as interrupted.
    ///
    /// # Errors
    /// When the store can't be read or written.
    pub fn new(
        store: Arc<Store>,
        sites: Vec<SiteDoor>,
        clock: Arc<dyn Clock>,
    ) -> Result<Arc<Self>, StoreError> {
        let interrupted = store.interrupt_all()?;
        if interrupted > 0 {
            tracing::warn!(
                interrupted,
                "queries were running when the service ended; their outcome is recorded"
            );
        }
        store.forget_outcomes(clock.now())?;
        let pairings = store
            .pairings()?
            .into_iter()
            .map(|p| ((p.site, p.integrator), Arc::new(p)))
            .collect::<HashMap<_, _>>();
        let mut serials: HashMap<_, Serials> = HashMap::new();
        for (site, integrator, name, serial) in store.serials()? {
            serials.entry((site, integrator)).or_default().insert(name.into(), serial);
        }
        Ok(Arc::new(Door {
            journal: Journal::start(store.clone())?,
            off: RwLock::new(store.sites_off()?),
            store,
            clock,
            sites: sites.into_iter().map(|site| (site.id, Arc::new(site))).collect(),
            changed: watch::Sender::new(0),
            pairings: RwLock::new(pairings),
            serials: Mutex::new(serials),
            running: Mutex::default(),
        }))
    }

    /// Asks everything that must be asked before a command may wait for its turn. Does not touch the disk.
    ///
    /// # Errors
    /// Who may not in, and why: a sentence for people that says what to do.
    pub fn enter(
        self: &Arc<Self>,
        peer: &Peer,
        site: SiteId,
        request: Request,
    ) -> Result<Admission, Refused> {
        let pairing = self.known(peer, site)?;
        self.admit(pairing, peer.name.as_str().into(), site, request)
    }

    /// Asks what must be asked before work may be taken that runs later, without its caller. All of it is asked again at
    /// its turn.
    ///
    /// # Errors
    /// As [`Door::enter`].
    pub(crate) fn take_on(
        &self,
        peer: &Peer,
        site: SiteId,
        command: &Command,
        read_only: bool,
        device: Option<DeviceId>,
    ) -> Result<Taken, Refused> {
        let pairing = self.known(peer, site)?;
        self.may_enter(&pairing, site, command)?;
        let read_only = read_only || pairing.access == Access::ReadOnly;
        let instance = peer.name.as_str().into();
        Ok(Taken { site, integrator: pairing.integrator, instance, read_only, device })
    }

    /// Lets in what was taken before: its caller need not be there any more, its integrator must still be let in. It may do
    /// no more than when it was taken, and no more than now.
    ///
    /// # Errors
    /// As [`Door::enter`].
    pub(crate) fn enter_taken(
        self: &Arc<Self>,
        taken: &Taken,
        query: QueryId,
        command: Arc<Command>,
    ) -> Result<Admission, Refused> {
        let pairing = read(&self.pairings).get(&(taken.site, taken.integrator)).cloned();
        let pairing = pairing.ok_or_else(not_paired)?;
        let device = taken.device.clone();
        let request = Request { query, command, read_only: taken.read_only, device };
        self.admit(pairing, taken.instance.clone(), taken.site, request)
    }

    /// Whether `peer` is let in now.
    ///
    /// # Errors
    /// Why not.
    pub fn check(&self, peer: &Peer, site: SiteId) -> Result<(), Refused> {
        let pairing = self.known(peer, site)?;
        if !self.is_on(site) {
            return Err(site_off());
        }
        if pairing.on { Ok(()) } else { Err(switched_off()) }
    }

    /// Whether `peer` is paired, switched on or not.
    pub fn is_paired(&self, peer: &Peer, site: SiteId) -> bool {
        self.known(peer, site).is_ok()
    }

    /// A site's facts.
    pub fn facts(&self, site: SiteId) -> Option<Arc<SiteFacts>> {
        self.sites.get(&site).map(|site| site.facts())
    }

    /// Tells when what a site says of itself has changed.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// One of the sites behind this door.
    pub fn site(&self, site: SiteId) -> Option<&Arc<SiteDoor>> {
        self.sites.get(&site)
    }

    /// The sites behind this door.
    pub fn sites(&self) -> impl Iterator<Item = &Arc<SiteDoor>> {
        self.sites.values()
    }

    /// All pairings.
    pub fn pairings(&self) -> Vec<Arc<PairingRecord>> {
        read(&self.pairings).values().cloned().collect()
    }

    /// Commands let in and not yet ended.
    pub fn running(&self) -> usize {
        lock(&self.running).len()
    }

    /// How a query ended, as the ledger knows it: `None` when it knows nothing, an unspecified status while it runs.
    /// Blocks on the disk.
    ///
    /// # Errors
    /// When the store can't be read.
    pub fn outcome(
        &self,
        peer: &Peer,
        site: SiteId,
        query: QueryId,
    ) -> Result<Option<proto::Ended>, StoreError> {
        let key = LedgerKey { site, integrator: IntegratorId(peer.id), query };
        if lock(&self.running).contains(&key) {
            return Ok(Some(proto::Ended::default()));
        }
        self.journal.flush()?;
        Ok(match self.store.outcome(&key)? {
            Known::Nothing => None,
            Known::Running => Some(proto::Ended::default()),
            Known::Ended(ended) => Some(*ended),
        })
    }

    /// The newest audit lines, oldest first. Blocks on the disk.
    ///
    /// # Errors
    /// When the store can't be read.
    pub fn audit(&self, last: u32) -> Result<Vec<AuditRow>, StoreError> {
        self.journal.flush()?;
        self.store.audit(last)
    }

    /// Puts all audit lines and outcomes on disk. Blocks on the disk.
    ///
    /// # Errors
    /// When they can't be written.
    pub fn flush(&self) -> Result<(), StoreError> {
        self.journal.flush()
    }

    /// Whether what must be on disk before anything may write gets there. Blocks on the disk.
    pub(crate) fn proves_its_disk(&self, now: Timestamp) -> bool {
        self.journal.proves(now)
    }

    /// Forgets outcomes older than a day. Blocks on the disk.
    ///
    /// # Errors
    /// When the store can't be written.
    pub fn forget_outcomes(&self) -> Result<usize, StoreError> {
        self.store.forget_outcomes(self.clock.now())
    }

    /// Whether a site is switched on, and its database its practice's own: asked again when that is in doubt. Blocks on the
    /// database.
    pub(crate) fn check_practice(&self, site: SiteId) -> Result<(), Refused> {
        if !self.is_on(site) {
            return Err(site_off());
        }
        self.sites.get(&site).map_or(Ok(()), |site| self.make_sure(site, false))
    }

    /// Stores a pairing and lets it in. `false` when the code was used meanwhile. Blocks on the disk.
    pub(crate) fn pair(&self, new: &NewPairing<'_>, code_name: &str) -> Result<bool, StoreError> {
        let now = self.clock.now();
        let line = AuditLine {
            integrator: Some(new.integrator),
            access: Some(new.access),
            status: Some(writes_to_proto(new.rights.writes).as_str_name()),
            ..AuditLine::new(now, Happened::Paired, new.site)
        };
        self.journal.flush()?;
        let stored = self.store.pair(new, code_name, now, &line)?;
        self.reload()?;
        Ok(stored)
    }

    pub(crate) fn store(&self) -> &Arc<Store> {
        &self.store
    }

    pub(crate) fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    pub(crate) fn note(&self, line: AuditLine) {
        self.journal.append([Entry::Audit(line)]);
    }

    fn admit(
        self: &Arc<Self>,
        pairing: Arc<PairingRecord>,
        instance: Arc<str>,
        site: SiteId,
        request: Request,
    ) -> Result<Admission, Refused> {
        let refuse = |refused: Refused| {
            // Only integrators that the practice let in leave a line: nobody else can fill its disk.
            self.note(AuditLine {
                integrator: Some(pairing.integrator),
                instance: Some(instance.clone()),
                query: Some(request.query),
                device: request.device.clone(),
                status: Some(refused.refusal.as_str_name()),
                effect: Some(effect_name(Effect::NotExecuted)),
                ..AuditLine::new(self.clock.now(), Happened::Refused, site)
            });
            Err(refused)
        };
        let catalogue = match self.may_enter(&pairing, site, &request.command) {
            Ok(catalogue) => catalogue,
            Err(refused) => return refuse(refused),
        };
        let access = if request.read_only { Access::ReadOnly } else { pairing.access };
        let key = LedgerKey { site, integrator: pairing.integrator, query: request.query };
        if !lock(&self.running).insert(key) {
            return refuse(repeated());
        }
        Ok(Admission::new(self.clone(), pairing, instance, key, access, catalogue, request))
    }

    /// Whether a paired integrator may run this now, and in which catalogue.
    fn may_enter(
        &self,
        pairing: &PairingRecord,
        site: SiteId,
        command: &Command,
    ) -> Result<Arc<str>, Refused> {
        if !self.is_on(site) {
            return Err(site_off());
        }
        if !pairing.on {
            return Err(switched_off());
        }
        if !self.journal.is_well() {
            return Err(Refused::new(
                Refusal::Busy,
                "The site can't write its audit log, so it runs nothing. The practice must look at its server's disk.",
            ));
        }
        self.sites.get(&site).map_or(Ok(()), |site| site.is_own())?;
        self.catalogue(site, command.catalogue.as_deref()).ok_or_else(|| {
            Refused::new(
                Refusal::UnknownCatalogue,
                "This site has no such catalogue; its site record lists those it has.",
            )
        })
    }

    /// The name of a catalogue as the engine has it; the default for none.
    fn catalogue(&self, site: SiteId, name: Option<&str>) -> Option<Arc<str>> {
        let facts = self.facts(site)?;
        let catalogues = &facts.catalogues;
        let found = match name {
            Some(name) => catalogues.iter().find(|c| c.name.eq_ignore_ascii_case(name)),
            None => catalogues.iter().find(|c| c.is_default).or_else(|| catalogues.first()),
        };
        found.map(|c| c.name.as_str().into())
    }

    /// The pairing of a peer whose certificate is not retired.
    fn known(&self, peer: &Peer, site: SiteId) -> Result<Arc<PairingRecord>, Refused> {
        if peer.kind != Kind::Integrator {
            return Err(not_paired());
        }
        let found = read(&self.pairings).get(&(site, IntegratorId(peer.id))).cloned();
        let pairing = found.filter(|p| p.root_spki == peer.root_spki).ok_or_else(not_paired)?;
        if peer.not_after <= self.clock.now() {
            return Err(Refused::new(
                Refusal::NotPaired,
                "This gateway's certificate has expired; it must issue a new one.",
            ));
        }
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

    fn reload(&self) -> Result<(), StoreError> {
        // Held while reading, so that two reloads can't leave the older answer in place.
        let mut pairings = write(&self.pairings);
        *pairings =
            self.store.pairings()?.into_iter().map(|p| ((p.site, p.integrator), Arc::new(p))).collect();
        Ok(())
    }
}

fn not_paired() -> Refused {
    let how = "The integrator is not paired with this site. Ask the practice for a pairing code and pair.";
    Refused::new(Refusal::NotPaired, how)
}

fn repeated() -> Refused {
    let how =
        "This query's id was used before: nothing was run. Ask for its outcome, or send it under a new id.";
    Refused::new(Refusal::Repeated, how)
}

fn effect_name(effect: Effect) -> &'static str {
    match effect {
        Effect::NotExecuted => "not-executed",
        Effect::Executed => "executed",
        Effect::Unknown => "unknown",
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}
