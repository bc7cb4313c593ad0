//! What a request holds once it is let in, and what it can't do without.

use super::{
    Door, Place, Purse, Refused, Request, effect_name, lock, repeated,
    watched::Watched,
    watching::{Stage, Watch},
};
use crate::{
    consent::{Approval, Detail, Origin},
    journal::{Entry, NotBegun},
    store::{AuditLine, Finished, Happened, LedgerKey, PairingRecord, Started, StoreError},
};
use database::{Dialect, Failure, Session};
use link_api::{convert, proto};
use model::{Access, Command, DeviceId};
use rusqlite::Transaction;
use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicBool, Ordering},
};

/// Let in, and not yet begun. Dropped, it is written down as cancelled and not executed.
#[derive(Debug)]
pub struct Admission(Option<Ticket>);

/// Begun: its intent is on disk, or (enforced read-only) on its way there. The one thing that opens a database session.
/// Dropped without [`Permit::finish`], it is written down as interrupted, outcome unknown.
#[derive(Debug)]
pub struct Permit(Option<Ticket>);

/// Writes down how a command ended when its own thread can't.
pub(crate) struct Witness(Ticket);

#[derive(Clone)]
struct Ticket {
    door: Arc<Door>,
    pairing: Arc<PairingRecord>,
    instance: Arc<str>,
    started: Started,
    access: Access,
    catalogue: Arc<str>,
    command: Arc<Command>,
    /// See [`Wants`](crate::consent::Wants).
    approval: Arc<OnceLock<Approval>>,
    /// A witness has written its end down: what comes after it is a correction.
    left: Arc<AtomicBool>,
    device: Option<DeviceId>,
    hosted: bool,
    /// Shared with a witness, who may give it free before.
    place: Arc<Place>,
}

/// Sessions with the same key may serve one another's commands.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct SessionKey {
    site: model::SiteId,
    integrator: model::IntegratorId,
    revision: u64,
    read_only: bool,
    catalogue: Arc<str>,
}

impl SessionKey {
    pub(crate) fn site(&self) -> model::SiteId {
        self.site
    }

    /// Of an integrator with this number.
    #[cfg(test)]
    pub(crate) fn of(number: u128) -> Self {
        let (site, integrator) =
            (model::SiteId(uuid::Uuid::nil()), model::IntegratorId(uuid::Uuid::from_u128(number)));
        SessionKey { site, integrator, revision: 1, read_only: true, catalogue: "Patients".into() }
    }
}

impl Admission {
    pub(super) fn new(
        door: Arc<Door>,
        (pairing, instance, place): (Arc<PairingRecord>, Arc<str>, Place),
        key: LedgerKey,
        access: Access,
        catalogue: Arc<str>,
        (request, approval, hosted): (Request, Arc<OnceLock<Approval>>, bool),
    ) -> Self {
        let Request { command, device, .. } = request;
        let started = Started { key, read_only: access == Access::ReadOnly, at: door.clock.now() };
        let left = Arc::default();
        Admission(Some(Ticket {
            door,
            pairing,
            instance,
            started,
            access,
            catalogue,
            command,
            approval,
            left,
            device,
            hosted,
            place: Arc::new(place),
        }))
    }

    /// Tells when the practice no longer consents to it.
    pub(crate) fn watch(&self) -> Watch {
        self.ticket().watch()
    }

    /// What its rows are paid for with.
    pub(crate) fn purse(&self) -> Purse {
        let ticket = self.ticket();
        Purse::new(ticket.place.meter.clone(), ticket.door.clone())
    }

    /// What it may do.
    pub fn access(&self) -> Access {
        self.ticket().access
    }

    /// What it wants to run.
    pub fn command(&self) -> &Arc<Command> {
        &self.ticket().command
    }

    /// Whose.
    pub fn integrator(&self) -> model::IntegratorId {
        self.ticket().pairing.integrator
    }

    /// Where.
    pub fn site(&self) -> model::SiteId {
        self.ticket().pairing.site
    }

    /// Its turn has come: asks again whether it is still let in, and writes its intent down. For a possible write this
    /// blocks until the intent is on disk.
    ///
    /// # Errors
    /// When it was switched off meanwhile, was here before, or its intent can't be written.
    pub fn begin(mut self) -> Result<Permit, Refused> {
        let refused = match self.ticket().begin() {
            Ok(()) => return Ok(Permit(self.0.take())),
            Err(refused) => refused,
        };
        self.end(&refused.ended());
        Err(refused)
    }

    /// The same for work that is kept: its intent is on disk together with what `work` writes, or neither is. `work` answers
    /// `false` when it is not wanted any more.
    ///
    /// # Errors
    /// As [`Admission::begin`]; `None` when it is not wanted any more: of that nothing is written down.
    pub(crate) fn begin_with(
        mut self,
        work: impl FnOnce(&Transaction<'_>) -> Result<bool, StoreError>,
    ) -> Result<Permit, Option<Refused>> {
        match self.ticket().begin_with(work) {
            Ok(()) => Ok(Permit(self.0.take())),
            Err(Some(refused)) => {
                self.end(&refused.ended());
                Err(Some(refused))
            }
            Err(None) => {
                if let Some(ticket) = self.0.take() {
                    lock(&ticket.door.running).remove(&ticket.started.key);
                }
                Err(None)
            }
        }
    }

    /// It ends without having begun: its turn did not come, or there was no room.
    pub fn give_up(mut self, ended: &proto::Ended) {
        self.end(ended);
    }

    fn end(&mut self, ended: &proto::Ended) {
        if let Some(ticket) = self.0.take() {
            ticket.end(ended, false);
        }
    }

    fn ticket(&self) -> &Ticket {
        self.0.as_ref().expect("taken only by methods that consume the admission")
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        self.end(&proto::Ended {
            status: proto::Status::Cancelled.into(),
            effect: proto::Effect::NotExecuted.into(),
            ..proto::Ended::default()
        });
    }
}

impl Permit {
    /// What it may do.
    pub fn access(&self) -> Access {
        self.ticket().access
    }

    /// Which query it is.
    pub fn query(&self) -> model::QueryId {
        self.ticket().started.key.query
    }

    /// What it runs.
    pub fn command(&self) -> &Arc<Command> {
        &self.ticket().command
    }

    /// Opens a session with the integrator's own login. Blocks on the database.
    ///
    /// # Errors
    /// As [`database::Engine::connect`].
    pub fn connect(&self) -> Result<Box<dyn Session>, Failure> {
        let ticket = self.ticket();
        let site = ticket.door.sites.get(&ticket.pairing.site).ok_or(Failure::Lost)?;
        let login = ticket.door.store.open_login(&ticket.pairing).map_err(|error| {
            tracing::error!(site = %ticket.pairing.site, integrator = %ticket.pairing.integrator, %error,
                "a database login can't be opened: pair again");
            Failure::Lost
        })?;
        let connected = site.engine.connect(&login, &ticket.catalogue, ticket.access);
        match &connected {
            Ok(_) => site.answered(ticket.door.clock.monotonic()),
            Err(Failure::Lost) => site.was_away(ticket.door.clock.monotonic()),
            Err(_) => {}
        }
        // Refused too: while a database is restored the server is there and lets nobody into it. A login that the server
        // itself does not take says nothing of the database, and its owner may try it all day.
        let inner = connected.inspect_err(|failure| {
            if !matches!(failure, Failure::Sql(error) if error.dialect == Dialect::Mssql && error.number == 18456) {
                site.doubt();
            }
        })?;
        // The database was away since this command began, or just before: what answers now may be another one.
        ticket.door.make_sure(site, true).map_err(|_| Failure::Lost)?;
        Ok(Box::new(Watched { inner, site: site.clone(), clock: ticket.door.clock.clone() }))
    }

    /// It ended like this.
    pub fn finish(mut self, ended: &proto::Ended) {
        if let Some(ticket) = self.0.take() {
            ticket.end(ended, true);
        }
    }

    /// It ended like this, on disk together with what `work` writes. When that fails, how it ended is written down later, and
    /// `work` is the caller's to try again. Blocks on the disk.
    pub(crate) fn settle<T>(
        mut self,
        ended: &proto::Ended,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let ticket = self.0.take().expect("taken only by methods that consume the permit");
        let settled = ticket.door.journal.settle(ticket.last_words(ended, true), work);
        ticket.is_over();
        settled
    }

    /// For whoever may have to say how it ended in its thread's place.
    pub(crate) fn witness(&self) -> Witness {
        Witness(self.ticket().clone())
    }

    pub(crate) fn session_key(&self) -> SessionKey {
        let ticket = self.ticket();
        SessionKey {
            site: ticket.pairing.site,
            integrator: ticket.pairing.integrator,
            revision: ticket.pairing.revision,
            read_only: ticket.access == Access::ReadOnly,
            catalogue: ticket.catalogue.clone(),
        }
    }

    fn ticket(&self) -> &Ticket {
        self.0.as_ref().expect("taken only by methods that consume the permit")
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(ticket) = self.0.take() {
            // `read_only` beside it says whether it may be sent again; that it ran at all is not ours to deny.
            let ended = proto::Ended {
                status: proto::Status::Interrupted.into(),
                effect: proto::Effect::Unknown.into(),
                read_only: ticket.access == Access::ReadOnly,
                ..proto::Ended::default()
            };
            ticket.end(&ended, true);
        }
    }
}

impl Witness {
    /// Its thread does not end: this is what is known. What the thread says later corrects it, where that may matter.
    pub(crate) fn ended(&self, ended: &proto::Ended) {
        let ticket = &self.0;
        ticket.door.journal.append(ticket.last_words(ended, true));
        ticket.is_over();
        ticket.left.store(true, Ordering::SeqCst);
        ticket.place.free();
    }
}

impl Ticket {
    fn begin(&self) -> Result<(), Refused> {
        self.may_begin()?;
        let line = self.first_line()?;
        if self.access == Access::ReadOnly {
            self.door.journal.append([Entry::Audit(line), Entry::Started(self.started.clone())]);
            return Ok(());
        }
        // Nothing else is written with it that could be unwanted.
        self.door
            .journal
            .begin(&self.started, line)
            .map_err(|error| not_begun(error).unwrap_or_else(unwritten))
    }

    fn begin_with(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<bool, StoreError>,
    ) -> Result<(), Option<Refused>> {
        self.may_begin().map_err(Some)?;
        let line = self.first_line().map_err(Some)?;
        let begun = self.door.journal.begin_with(&self.started, line, work);
        begun.map_err(not_begun)
    }

    /// Asks again, at its turn, what may have changed meanwhile.
    fn may_begin(&self) -> Result<(), Refused> {
        self.door.check_practice(self.pairing.site)?;
        self.watch().ask(Stage::Waiting)
    }

    fn watch(&self) -> Watch {
        Watch {
            door: self.door.clone(),
            pairing: self.pairing.clone(),
            access: self.access,
            catalogue: self.catalogue.clone(),
            command: self.command.clone(),
            approval: self.approval.clone(),
            origin: Origin::of(self.device.as_ref()),
            hosted: self.hosted,
        }
    }

    fn first_line(&self) -> Result<AuditLine, Refused> {
        let values = self.pairing.consent.terms.audit == Detail::Values;
        let sealed = self.door.store.seal_parameters(&self.started.key, &self.command, values);
        let parameters = sealed.map_err(|error| {
            tracing::error!(%error, "a command's parameters can't be sealed for the audit");
            unwritten()
        })?;
        Ok(AuditLine { command: Some(self.command.clone()), parameters, ..self.line(Happened::Begin) })
    }

    fn end(self, ended: &proto::Ended, ran: bool) {
        self.door.journal.append(self.last_words(ended, ran));
        self.is_over();
    }

    /// It runs no longer, as far as anybody asks. Left to its thread it was over before, and its id may be in use again.
    fn is_over(&self) {
        if !self.left.load(Ordering::SeqCst) {
            lock(&self.door.running).remove(&self.started.key);
        }
    }

    fn last_words(&self, ended: &proto::Ended, ran: bool) -> Vec<Entry> {
        // A repeat that was refused must not leave its refusal as the outcome of the first, nor as its end.
        let repeat = ended.refusal() == proto::Refusal::Repeated;
        let effect = Some(effect_name(convert::effect_from_proto(ended.effect)));
        let line = match repeat {
            true => AuditLine {
                status: Some(proto::Refusal::Repeated.as_str_name()),
                effect,
                ..self.line(Happened::Refused)
            },
            false => AuditLine {
                status: Some(ended.status().as_str_name()),
                effect,
                rows: Some(ended.rows),
                bytes: Some(ended.row_bytes),
                ms: Some(ended.run_ms),
                ..self.line(Happened::End)
            },
        };
        let finished = (!repeat).then(|| {
            let (started, late) = (self.started.clone(), self.left.load(Ordering::SeqCst));
            Entry::Finished(Box::new(Finished { started, ran, late, ended: ended.clone() }))
        });
        let of = (self.pairing.site, self.pairing.integrator);
        let used = super::budget::entry(of, &self.place.meter);
        [Entry::Audit(line)].into_iter().chain(finished).chain(used).collect()
    }

    fn line(&self, what: Happened) -> AuditLine {
        AuditLine {
            integrator: Some(self.pairing.integrator),
            instance: Some(self.instance.clone()),
            query: Some(self.started.key.query),
            device: self.device.clone(),
            access: Some(self.access),
            catalogue: Some(self.catalogue.clone()),
            ..AuditLine::new(self.door.clock.now(), what, self.pairing.site)
        }
    }
}

/// In people's words; `None` when nobody has to be told.
fn not_begun(error: NotBegun) -> Option<Refused> {
    match error {
        NotBegun::Repeated => Some(repeated()),
        NotBegun::Unwanted => None,
        NotBegun::Store => Some(unwritten()),
    }
}

pub(super) fn unwritten() -> Refused {
    let how = "The site can't write its audit log, so it runs nothing. The practice must look at its server's disk.";
    Refused::new(proto::Refusal::Busy, how)
}

impl std::fmt::Debug for Ticket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ticket").field("key", &self.started.key).finish_non_exhaustive()
    }
}
