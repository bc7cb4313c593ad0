//! The choke point: the only way from a request to a database session.
//!
//! A request becomes an [`Admission`] (who, where, with which access: asked and answered), an admission becomes a
//! [`Permit`] (its intent is written down), and only a permit connects. Each of them, dropped, writes down how it ended.

mod admission;
mod approved;
mod asking;
mod budget;
mod change;
#[cfg(test)]
mod consent_tests;
mod credentials;
mod instances;
mod known;
mod places;
mod proof;
#[cfg(test)]
mod proof_tests;
mod reach;
mod refused;
mod reload;
mod rights;
mod site;
mod standing;
mod switch;
#[cfg(test)]
mod tests;
mod time;
mod watched;
mod watching;

use admission::unwritten;
pub use admission::{Admission, Permit};
pub(crate) use admission::{SessionKey, Witness};
pub(crate) use approved::Unapproved;
pub(crate) use budget::Purse;
pub use change::ChangeError;
pub(crate) use credentials::Replaced;
pub use instances::Instance;
use instances::Instances;
pub(crate) use places::Freed;
use places::Place;
pub use reach::Reach;
pub use refused::Refused;
use refused::{not_paired, repeated};
pub(crate) use rights::writes_to_proto;
pub use site::{LastLook, Looked, SiteDoor, Words};
pub use standing::Held;
pub(crate) use standing::words;
use switch::site_off;
use time::LocalTime;
pub(crate) use watching::{Stage, Watch};

use crate::{
    consent::{Approval, Meter, Origin, State, Takes, Used, Wants},
    journal::{Entry, Journal},
    store::{
        AuditLine, AuditRow, Happened, Known, LedgerKey, NewPairing, PairingRecord, Store, StoreError,
        Ticket, Who,
    },
};
use link_api::proto::{self, Refusal};
use model::{Access, Clock, Command, DeviceId, Effect, IntegratorId, QueryId, SiteFacts, SiteId, Timestamp};
use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    time::Duration,
};
use tokio::sync::watch;
use trust::{Operational, Peer};

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
    /// Its gateway was a hosted one.
    pub(crate) hosted: bool,
    /// It was counted when it was taken.
    pub(crate) counted: bool,
}

/// What is known of a request beside what it asks for.
#[derive(Clone, Copy)]
struct Source {
    /// Its gateway is a hosted one.
    hosted: bool,
    takes: Takes,
    /// It comes again when too many are under way.
    waits: bool,
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
    /// Whether the practice has stopped everything.
    halted: AtomicBool,
    /// Whether this server is the one that serves.
    standing: standing::Standing,
    /// Pairings that were ended.
    unpaired: RwLock<HashSet<Who>>,
    /// What integrators have used up.
    meters: Mutex<HashMap<Who, Arc<Meter>>>,
    /// As kept when the process began, for meters that are not made yet.
    used_before: Mutex<HashMap<Who, Used>>,
    /// For whom a place is free again.
    freed: Arc<Freed>,
    /// By which consents expire and budgets begin anew.
    time: LocalTime,
    /// Counts changes of what the practice consents to.
    consents: watch::Sender<u64>,
    /// Held while somebody changes what an integrator may do.
    changing: Mutex<()>,
    /// Logins that were offered by integrators.
    tries: Mutex<HashMap<Who, credentials::Tries>>,
    serials: Mutex<HashMap<(SiteId, IntegratorId), Serials>>,
    /// Single gateways that are out.
    instances: Instances,
    running: Mutex<HashSet<LedgerKey>>,
    /// What the sites sign the audit's heads with.
    signers: RwLock<HashMap<SiteId, Operational>>,
    /// How long lines of the audit are kept; 0: for ever.
    keep_audit_ms: AtomicI64,
    /// Who walks over which site's audit, and when they last asked.
    walks: Mutex<HashMap<(SiteId, String), Duration>>,
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
        store.chain_older_lines(store.latest(clock.now())?)?;
        let pairings = store
            .pairings()?
            .into_iter()
            .map(|p| ((p.site, p.integrator), Arc::new(p)))
            .collect::<HashMap<_, _>>();
        let mut serials: HashMap<_, Serials> = HashMap::new();
        for (site, integrator, name, serial) in store.serials()? {
            serials.entry((site, integrator)).or_default().insert(name.into(), serial);
        }
        let time = LocalTime::from(store.latest(clock.now())?, &*clock);
        let door = Arc::new(Door {
            journal: Journal::start(store.clone())?,
            off: RwLock::new(store.sites_off()?),
            halted: AtomicBool::new(store.is_halted()?),
            standing: standing::Standing::default(),
            unpaired: RwLock::new(store.unpaired()?.into_iter().collect()),
            meters: Mutex::default(),
            used_before: Mutex::new(store.used()?),
            freed: Arc::default(),
            time,
            consents: watch::Sender::new(0),
            changing: Mutex::default(),
            tries: Mutex::default(),
            instances: Instances::load(&store)?,
            store,
            clock,
            sites: sites.into_iter().map(|site| (site.id, Arc::new(site))).collect(),
            changed: watch::Sender::new(0),
            pairings: RwLock::new(pairings),
            serials: Mutex::new(serials),
            running: Mutex::default(),
            signers: RwLock::default(),
            keep_audit_ms: AtomicI64::new(0),
            walks: Mutex::default(),
        });
        door.check_approvals()?;
        Ok(door)
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
        let source = Source { hosted: peer.hosted, takes: Takes::QueryAndPlace, waits: false };
        self.admit(pairing, peer.name.as_str().into(), site, request, source)
    }

    /// Asks what must be asked before work may be taken that runs later, without its caller. All of it is asked again at
    /// its turn. What was taken before is not counted again, nor is it written down as refused: it may have run.
    ///
    /// # Errors
    /// As [`Door::enter`].
    pub(crate) fn take_on(
        &self,
        peer: &Peer,
        site: SiteId,
        request: Request,
        before: bool,
    ) -> Result<Taken, Refused> {
        let pairing = self.known(peer, site)?;
        let instance: Arc<str> = peer.name.as_str().into();
        let from = (Origin::of(request.device.as_ref()), peer.hosted);
        let asked =
            self.may_enter(&pairing, site, (&request.command, &OnceLock::new()), from).and_then(|_| {
                match before {
                    true => Ok(()),
                    false => self.meter(&pairing).enter(Takes::Query, self.now()).map_err(Refused::from),
                }
            });
        if let Err(refused) = asked {
            return Err(if before { refused } else { self.refuse(&pairing, &instance, &request, refused) });
        }
        let read_only = request.read_only || pairing.access == Access::ReadOnly;
        let (integrator, device) = (pairing.integrator, request.device);
        Ok(Taken { site, integrator, instance, read_only, device, hosted: peer.hosted, counted: true })
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
        let pairing = pairing.ok_or_else(|| self.stranger(taken.site, taken.integrator))?;
        let request = Request { query, command, read_only: taken.read_only, device: taken.device.clone() };
        let takes = if taken.counted { Takes::Place } else { Takes::QueryAndPlace };
        let source = Source { hosted: taken.hosted, takes, waits: true };
        self.admit(pairing, taken.instance.clone(), taken.site, request, source)
    }

    /// Whether `peer` is let in now.
    ///
    /// # Errors
    /// Why not.
    pub fn check(&self, peer: &Peer, site: SiteId) -> Result<(), Refused> {
        let pairing = self.known(peer, site)?;
        self.is_open(site)?;
        pairing.consent.stands(self.now(), peer.hosted).map_err(Refused::by_practice)
    }

    /// Whether `peer` is paired, let in now or not.
    pub fn is_paired(&self, peer: &Peer, site: SiteId) -> bool {
        self.paired(peer, site).is_ok()
    }

    /// The same, and why not.
    pub(crate) fn paired(&self, peer: &Peer, site: SiteId) -> Result<(), Refused> {
        let pairing = self.known(peer, site)?;
        match pairing.consent.state {
            State::Revoked => Err(Refused::by_practice(Refusal::ConsentRevoked)),
            State::Granted | State::Suspended => Ok(()),
        }
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
        self.keep_used();
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
        self.is_open(site)?;
        self.sites.get(&site).map_or(Ok(()), |site| self.make_sure(site, false))
    }

    /// Stores a pairing and lets it in. `false` when its ticket was used meanwhile. Blocks on the disk.
    pub(crate) fn pair<'a>(
        &self,
        new: &NewPairing<'_>,
        ticket: impl Into<Ticket<'a>>,
    ) -> Result<bool, StoreError> {
        let (ticket, now) = (ticket.into(), self.clock.now());
        let line = AuditLine {
            integrator: Some(new.integrator),
            access: Some(new.access),
            status: Some(writes_to_proto(new.rights.writes).as_str_name()),
            detail: ticket.approval.map(approved::detail),
            ..AuditLine::new(now, Happened::Paired, new.site)
        };
        // Not while its consent is looked at: a new pairing makes one good again whose time was over.
        let _one = lock(&self.changing);
        self.journal.flush()?;
        let stored = self.store.pair(new, ticket, now, &line)?;
        if stored {
            write(&self.unpaired).remove(&(new.site, new.integrator));
        }
        self.reload_one((new.site, new.integrator))?;
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
        source: Source,
    ) -> Result<Admission, Refused> {
        let refuse = |refused: Refused| Err(self.refuse(&pairing, &instance, &request, refused));
        let from = (Origin::of(request.device.as_ref()), source.hosted);
        let approval = Arc::new(OnceLock::new());
        let catalogue = match self.may_enter(&pairing, site, (&request.command, &approval), from) {
            Ok(catalogue) => catalogue,
            Err(refused) => return refuse(refused),
        };
        let access = if request.read_only { Access::ReadOnly } else { pairing.access };
        let key = LedgerKey { site, integrator: pairing.integrator, query: request.query };
        let place = match Place::take(
            ((site, pairing.integrator), self.meter(&pairing)),
            &self.freed,
            source.takes,
            self.now(),
        ) {
            Ok(place) => place,
            // It comes again by itself: that it waits is no refusal.
            Err(spent) if source.waits && spent.refusal == Refusal::BudgetAtOnce => return Err(spent.into()),
            Err(spent) => return refuse(spent.into()),
        };
        if !lock(&self.running).insert(key) {
            return refuse(repeated());
        }
        Ok(Admission::new(
            self.clone(),
            (pairing, instance, place),
            key,
            access,
            catalogue,
            (request, approval, source.hosted),
        ))
    }

    /// Writes a refusal down, and gives it back.
    fn refuse(
        &self,
        pairing: &PairingRecord,
        instance: &Arc<str>,
        request: &Request,
        mut refused: Refused,
    ) -> Refused {
        // Only integrators that the practice let in leave a line, and so many a minute: nobody can fill its disk.
        if !self.is_moved() && self.meter(pairing).may_note(self.now()) {
            refused.noted = true;
            self.note(AuditLine {
                integrator: Some(pairing.integrator),
                instance: Some(instance.clone()),
                query: Some(request.query),
                device: request.device.clone(),
                status: Some(refused.refusal.as_str_name()),
                effect: Some(effect_name(Effect::NotExecuted)),
                ..AuditLine::new(self.clock.now(), Happened::Refused, pairing.site)
            });
        }
        refused
    }

    /// Whether a paired integrator may run this now, and in which catalogue.
    fn may_enter(
        &self,
        pairing: &PairingRecord,
        site: SiteId,
        (command, approval): (&Command, &OnceLock<Approval>),
        (origin, hosted): (Origin, bool),
    ) -> Result<Arc<str>, Refused> {
        self.is_open(site)?;
        // Asked before anything is said of the site: who is not let in learns nothing of it.
        pairing.consent.stands(self.now(), hosted).map_err(Refused::by_practice)?;
        if !self.journal.is_well() {
            return Err(unwritten());
        }
        self.sites.get(&site).map_or(Ok(()), |site| site.is_own())?;
        let catalogue = self.catalogue(site, command.catalogue.as_deref()).ok_or_else(|| {
            Refused::new(
                Refusal::UnknownCatalogue,
                "This site has no such catalogue; its site record lists those it has.",
            )
        })?;
        let wants = Wants { catalogue: &catalogue, command, approval, origin, hosted };
        pairing.consent.judge(&wants, self.now()).map_err(Refused::by_practice)?;
        Ok(catalogue)
    }

    /// Whether anybody is let into a site.
    fn is_open(&self, site: SiteId) -> Result<(), Refused> {
        self.serves()?;
        self.is_allowed(site)
    }

    /// Whether the practice lets anybody into a site.
    fn is_allowed(&self, site: SiteId) -> Result<(), Refused> {
        if self.halted.load(Ordering::Relaxed) {
            return Err(Refused::by_practice(Refusal::Halted));
        }
        if self.is_on(site) { Ok(()) } else { Err(site_off()) }
    }

    /// Why somebody without a pairing is not let in.
    fn stranger(&self, site: SiteId, integrator: IntegratorId) -> Refused {
        match read(&self.unpaired).contains(&(site, integrator)) {
            true => Refused::by_practice(Refusal::Unpaired),
            false => not_paired(),
        }
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
