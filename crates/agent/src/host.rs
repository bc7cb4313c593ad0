//! The sites of one Link, ready to be asked: identities, the door, and inner sessions on whatever stream they come.

#[cfg(test)]
mod practice_tests;
mod sessions;
mod standing;
#[cfg(test)]
mod tests;

use crate::{
    door::{Door, SiteDoor, Words},
    enrich,
    executor::{Executor, Limits},
    identity,
    jobs::{Jobs, time::SiteTime},
    pairing::{Caller, Presence},
    pms::PmsFile,
    protect::Protector,
    recovery,
    server::Server,
    store::{CodeRecord, Counter, Moment, NewCode, Store, StoreError},
};
use database::Engine;
use link_api::Tuning;
use model::{Clock, Hidden, IntegratorId, LinkId, Pms, SiteId};
use sessions::{Guest, HANDSHAKES, Sessions};
use std::{
    collections::HashMap,
    io,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::{Semaphore, oneshot, watch},
    time::{sleep, timeout},
};
use tokio_rustls::{TlsAcceptor, rustls::ServerConfig};
use trust::{Kind, Operational, Root, TrustError, inner};
use tunnel::{Credentials, SiteIdentity, head};

/// Certificates are good for this long; they are issued anew at every start, and after [`RENEW`].
const CERTIFICATE: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// A Link that runs for this long issues new certificates and dials anew.
pub(crate) const RENEW: Duration = Duration::from_secs(15 * 24 * 60 * 60);
/// An inner handshake takes no longer.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// An integrator that is not paired has this long to pair.
const UNPAIRED: Duration = Duration::from_secs(60);
/// Calls in flight have this long to end once their session is told to.
const GRACE: Duration = Duration::from_secs(8);

pub use crate::version::VERSION;
pub(crate) use standing::sentence;

/// One practice database to serve.
pub struct SiteSetup {
    /// Names this entry of the configuration for ever: under it is remembered which practice it belongs to. `None` only
    /// beside a `pms_id`.
    pub key: Option<String>,
    /// Which software.
    pub pms: Pms,
    /// The vendor's identifier of the practice; `None`: the database says it.
    pub pms_id: Option<String>,
    /// The practice's name, where the database does not say it.
    pub practice_name: Option<String>,
    /// Version of the software, where the database does not say it.
    pub pms_version: Option<String>,
    /// What the database is asked.
    pub file: Arc<PmsFile>,
    /// How its database is reached.
    pub engine: Arc<dyn Engine>,
    /// How long the first start waits for a database that has yet to say whose it is.
    pub patience: Duration,
}

impl std::fmt::Debug for SiteSetup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SiteSetup").field("pms", &self.pms).field("key", &self.key).finish_non_exhaustive()
    }
}

/// Why a Link does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A file or folder.
    #[error("{0}")]
    File(#[from] io::Error),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An identity.
    #[error("identity: {0}")]
    Trust(#[from] TrustError),
    /// A restore was cut off.
    #[error(
        "a restore of {folder} was begun and did not come to its end: run it again (`HaloLinkUtility recovery restore` or `HaloLinkUtility \
         move in`), then start the service"
    )]
    HalfRestored {
        /// The folder.
        folder: String,
    },
    /// It was cut off while it was packed.
    #[error(
        "`move out` was begun here at {at}, and cut off before its file was whole: nothing has moved. `HaloLinkUtility move undo`, then start \
         the service; then run `HaloLinkUtility move out` again"
    )]
    HalfPacked {
        /// RFC 3339.
        at: String,
    },
    /// This server was moved out.
    #[error(
        "this server was moved out at {at} by {by}, and serves nobody any more: the practice goes on at its new server. If there is none, \
         and the file was brought in nowhere: `HaloLinkUtility move undo`, then start the service"
    )]
    MovedOut {
        /// RFC 3339.
        at: String,
        /// The operating system's user.
        by: String,
    },
    /// Another service has this data folder.
    #[error("another HaloLinkService runs on this data folder; stop it first")]
    Running,
    /// The data folder is another environment's.
    #[error(
        "the data folder {folder} belongs to another environment than {environment}: switch with `HaloLinkUtility environment \
         set`, which keeps them apart, or name another folder as `data` in link.toml"
    )]
    OtherEnvironment {
        /// The folder.
        folder: String,
        /// The environment that the configuration names.
        environment: String,
    },
    /// Nobody says which practice a site belongs to.
    #[error(
        "the {pms} database did not say which practice it belongs to: {why}. Start the database and check [site.database], \
         or write the practice's identifier into link.toml as pms_id; then start the service again"
    )]
    Unnamed {
        /// Which software.
        pms: &'static str,
        /// What went wrong.
        why: String,
    },
    /// Two sites belong to the same practice.
    #[error(
        "two sites of link.toml belong to {pms} practice {pms_id}: one of them has the other's database or pms_id; correct \
         it and start the service again"
    )]
    Twice {
        /// Which software.
        pms: &'static str,
        /// The practice.
        pms_id: String,
    },
}

/// Between two tries to ask a database whose it is.
const RETRY: Duration = Duration::from_millis(500);

/// The sites of one Link.
pub struct Host {
    door: Arc<Door>,
    executor: Arc<Executor>,
    jobs: Arc<Jobs>,
    server: Arc<Server>,
    store: Arc<Store>,
    clock: Arc<dyn Clock>,
    environment: String,
    data: PathBuf,
    root: Root,
    sites: Vec<(SiteId, Root)>,
    tls: RwLock<HashMap<SiteId, Arc<ServerConfig>>>,
    sessions: Arc<Sessions>,
    handshakes: Semaphore,
    /// Held for as long as this process has the data folder.
    kit: recovery::Waiting,
    _lock: std::fs::File,
}

impl std::fmt::Debug for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Host").field("epoch", &self.epoch()).finish_non_exhaustive()
    }
}

impl Host {
    /// Opens `data`, raises the epoch, and loads or makes the identities. Blocks on the disk; at a site's first start, when
    /// only its database knows whose it is, on that too.
    ///
    /// # Errors
    /// [`StartError`].
    pub fn open(
        data: &Path,
        environment: &str,
        setups: Vec<SiteSetup>,
        protector: Arc<dyn Protector>,
        limits: Limits,
        clock: Arc<dyn Clock>,
    ) -> Result<Arc<Self>, StartError> {
        crate::files::private_folder(data)?;
        let lock = lock_folder(data)?;
        if !crate::environment::claim(data, environment)? {
            let folder = data.display().to_string();
            return Err(StartError::OtherEnvironment { folder, environment: environment.to_owned() });
        }
        if recovery::is_half_done(data) {
            return Err(StartError::HalfRestored { folder: data.display().to_string() });
        }
        match recovery::moved(data)? {
            None => {}
            Some(recovery::Moved { at, by, packed: true }) => return Err(StartError::MovedOut { at, by }),
            Some(recovery::Moved { at, packed: false, .. }) => return Err(StartError::HalfPacked { at }),
        }
        recovery::settle(data, &*protector)?;
        let store = Arc::new(Store::open(data, protector)?);
        let (epoch, stopped) = store.start(standing::print().as_deref(), clock.now())?;
        let folder = data.join("identity");
        let root = identity::load_or_make(&folder, Kind::Link, "link")?;
        let (mut doors, mut sites, mut presences) = (Vec::new(), Vec::new(), HashMap::new());
        for setup in setups {
            let pms_id = bound_to(&store, &setup, &*clock)?;
            let root = identity::load_or_make(&folder, Kind::Site, &identity::site_file(setup.pms, &pms_id))?;
            let id = SiteId(root.id());
            if presences.contains_key(&id) {
                return Err(StartError::Twice { pms: setup.pms.type_name(), pms_id });
            }
            let presence = Presence { environment: environment.to_owned(), root_spki: root.spki().to_vec() };
            presences.insert(id, presence);
            let SiteSetup { pms, practice_name, pms_version, file, engine, .. } = setup;
            let words = Words { pms, pms_id, practice_name, pms_version };
            doors.push(SiteDoor::new(id, engine, file, words, store.said(id)?));
            sites.push((id, root));
        }
        let time = SiteTime::from(store.latest(clock.now())?, clock.clone());
        // Before the door puts the ledger right: it says under which access a job ran.
        let cut = store.recover_jobs(Moment { local: time.now(), wall: clock.now() })?;
        if cut > 0 {
            tracing::warn!(
                cut,
                "jobs were running when the service ended; what may not have written runs again"
            );
        }
        let door = Door::new(store.clone(), doors, clock.clone())?;
        crate::environment::noted::into_audit(data, environment, &door);
        door.stand(epoch, stopped);
        let executor = Executor::new(&door, limits);
        let folder = data.join("spool");
        crate::files::private_folder(&folder)?;
        let spool = spool::Spool::open(&folder, limits.spool, machine::facts::disk_free)?;
        let jobs = Jobs::open(door.clone(), executor.clone(), store.clone(), spool, time)?;
        let server = Server::new(door.clone(), executor.clone(), jobs.clone(), presences);
        Ok(Arc::new(Host {
            door,
            executor,
            jobs,
            server,
            store,
            clock,
            environment: environment.to_owned(),
            data: data.to_owned(),
            root,
            sites,
            tls: RwLock::default(),
            sessions: Sessions::new(&limits),
            handshakes: Semaphore::new(HANDSHAKES),
            kit: recovery::Waiting::default(),
            _lock: lock,
        }))
    }

    /// Issues new certificates for everything, with a serial higher than any before. Blocks on the disk.
    ///
    /// # Errors
    /// When the serial can't be kept, or a certificate can't be made.
    pub fn issue(&self) -> Result<Credentials, StartError> {
        let now = self.clock.now();
        // From the clock too, so that a restored folder does not go back to serials in use before.
        let serial = self.store.raise(Counter::Serial, now.0)?;
        let issue = |root: &Root, name: &str| -> Result<Operational, StartError> {
            Ok(root.issue(name, serial, now, CERTIFICATE)?)
        };
        let mut configs = HashMap::new();
        let (mut sites, epoch) = (Vec::new(), self.epoch());
        // Halo Cloud must not hear of sites that this server has no business with.
        let claims = !self.is_held_back();
        for (id, root) in &self.sites {
            let operational = issue(root, "Halo Link site")?;
            configs.insert(*id, inner::server(&operational, self.clock.clone())?);
            self.jobs.sign_with(*id, operational.clone());
            self.door.sign_with(*id, operational.clone());
            let facts = self.door.facts(*id).expect("the door was made with these sites");
            if claims {
                sites.push(SiteIdentity { operational, facts: (*facts).clone(), epoch });
            }
        }
        *self.tls.write().unwrap_or_else(PoisonError::into_inner) = configs;
        Ok(Credentials::Link { operational: issue(&self.root, "Halo Link")?, epoch, sites })
    }

    /// The Link GUID.
    pub fn id(&self) -> LinkId {
        LinkId(self.root.id())
    }

    /// The Halo GUIDs, in the configuration's order.
    pub fn sites(&self) -> Vec<SiteId> {
        self.sites.iter().map(|(id, _)| *id).collect()
    }

    /// The door.
    pub fn door(&self) -> &Arc<Door> {
        &self.door
    }

    /// The lane.
    pub fn executor(&self) -> &Arc<Executor> {
        &self.executor
    }

    /// What runs without its caller.
    pub fn jobs(&self) -> &Arc<Jobs> {
        &self.jobs
    }

    /// `production`, `stage` or `demo`.
    pub fn environment(&self) -> &str {
        &self.environment
    }

    /// Keeps the store busy while `meanwhile` runs, as a disk that hangs does.
    #[cfg(test)]
    pub(crate) fn hold_store(&self, meanwhile: impl FnOnce()) {
        let held = self.store.transaction(|_| {
            meanwhile();
            Ok(())
        });
        held.expect("the store was sound");
    }

    /// Generation (upper part) and starts (lower 32 bits) of this Link.
    pub fn epoch(&self) -> u64 {
        self.door.epoch()
    }

    /// Makes a pairing code; the text is for the person at the site and is not kept in clear. Blocks on the disk.
    ///
    /// # Errors
    /// When it can't be stored.
    pub fn make_code(
        &self,
        new: &NewCode,
        rng: &mut dyn rand::RngCore,
    ) -> Result<(Hidden<String>, CodeRecord), StoreError> {
        self.make_code_by(new, rng, None)
    }

    /// The same, done by this user of the operating system.
    ///
    /// # Errors
    /// When it can't be stored.
    pub fn make_code_by(
        &self,
        new: &NewCode,
        rng: &mut dyn rand::RngCore,
        by: Option<&str>,
    ) -> Result<(Hidden<String>, CodeRecord), StoreError> {
        // A million names, a handful of codes: the second try is already improbable.
        for _ in 0..100 {
            let code = trust::pairing::Code::generate(rng);
            if let Some(record) = self.store.add_code(&code, new, self.clock.now())? {
                let (now, what) = (self.clock.now(), crate::store::Happened::CodeMade);
                self.door.note(crate::store::AuditLine::new(now, what, new.site).by(by));
                return Ok((code.display(), record));
            }
        }
        Err(StoreError::Broken("the list of codes (no name is free)"))
    }

    /// Codes that could still be used. Blocks on the disk.
    ///
    /// # Errors
    /// When the store can't be read.
    pub fn open_codes(&self) -> Result<Vec<CodeRecord>, StoreError> {
        self.store.open_codes(self.clock.now())
    }

    /// Serves one stream that the relay opened, to its end.
    pub async fn accept<Io>(self: Arc<Self>, mut io: Io, stop: watch::Receiver<bool>)
    where
        Io: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        match timeout(HANDSHAKE, head::read::<head::Incoming>(&mut io)).await {
            Ok(Ok(incoming)) => self.serve(io, incoming.site, stop).await,
            Ok(Err(error)) => tracing::debug!(%error, "a stream without a head"),
            Err(_) => tracing::debug!("a stream whose head did not come"),
        }
    }

    /// Serves one inner session for `site` on `io`, until the gateway leaves or `stop` becomes true.
    pub async fn serve<Io>(self: Arc<Self>, io: Io, site: SiteId, mut stop: watch::Receiver<bool>)
    where
        Io: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let Some(config) = self.tls.read().unwrap_or_else(PoisonError::into_inner).get(&site).cloned() else {
            tracing::warn!(%site, "the relay sent a stream for a site that is not ours");
            return;
        };
        let shaking_hands = async {
            let _turn = self.handshakes.acquire().await;
            TlsAcceptor::from(config).accept(io).await
        };
        let tls = match timeout(HANDSHAKE, shaking_hands).await {
            Ok(Ok(tls)) => tls,
            Ok(Err(error)) => return tracing::debug!(%site, %error, "an inner handshake failed"),
            Err(_) => return tracing::debug!(%site, "an inner handshake took too long"),
        };
        let (_, connection) = tls.get_ref();
        let caller = match (inner::peer_of_server(connection), inner::exporter(connection)) {
            (Ok(peer), Ok(exporter)) => Caller { peer: Arc::new(peer), site, exporter: Arc::new(exporter) },
            (Err(error), _) | (_, Err(error)) => {
                return tracing::debug!(%site, %error, "an inner session failed");
            }
        };
        let peer = caller.peer.clone();
        // Asked once: a stranger that pairs opens its next session as what it has become.
        let (door, asked) = (self.door.clone(), peer.clone());
        // The first sight of a certificate waits for the disk.
        let looking = tokio::task::spawn_blocking(move || door.is_paired(&asked, site));
        let Ok(paired) = looking.await else {
            return tracing::error!(%site, "whether a gateway is paired could not be looked up");
        };
        let guest = if paired { Guest::Paired } else { Guest::Stranger };
        let _place = match self.sessions.enter((site, IntegratorId(peer.id)), guest) {
            Ok(place) => place,
            Err(full) => {
                return tracing::warn!(%site, integrator = %peer.id, instance = %peer.name, ?full,
                    "too many sessions: one more was turned away");
            }
        };
        tracing::debug!(%site, integrator = %peer.id, instance = %peer.name, "session opened");
        let (tell, told) = oneshot::channel::<()>();
        let tuning = if paired { Tuning::default() } else { Tuning::for_strangers() };
        let serving = link_api::server::serve(tls, self.server.clone(), caller, tuning, async {
            let _ = told.await;
        });
        tokio::pin!(serving);
        let over = async {
            let unpaired = async {
                match paired {
                    true => std::future::pending().await,
                    false => sleep(UNPAIRED).await,
                }
            };
            tokio::select! {
                () = unpaired => {}
                // A sender that is gone means the same.
                _ = stop.wait_for(|stop| *stop) => {}
            }
        };
        // Whoever is out already comes as a stranger does: it is told why when it says hello.
        let out = async {
            match paired {
                true => self.door.until_out(&peer, site).await,
                false => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = &mut serving => return,
            // At once, and without grace: somebody else may hold its key.
            refused = out => {
                return tracing::warn!(%site, integrator = %peer.id, instance = %peer.name, why = refused.message, "a session was cut off");
            }
            () = over => drop(tell),
        }
        let _ = timeout(GRACE, serving).await;
    }
}

/// The practice that a site belongs to: as configured, else as its database said when it was first asked.
fn bound_to(store: &Store, setup: &SiteSetup, clock: &dyn Clock) -> Result<String, StartError> {
    let known = setup.key.as_ref().map(|key| store.binding(key)).transpose()?.flatten();
    let pms_id = match (&setup.pms_id, &known) {
        (Some(configured), _) => configured.clone(),
        (None, Some(known)) => return Ok(known.clone()),
        (None, None) => ask_whose(setup, clock)?,
    };
    if let Some(key) = setup.key.as_ref().filter(|_| known.as_ref() != Some(&pms_id)) {
        store.bind(key, &pms_id)?;
    }
    Ok(pms_id)
}

/// Asks a database that has yet to say whose it is, for as long as the setup has patience.
#[expect(clippy::disallowed_methods, reason = "on a thread that may block, before anything is served")]
fn ask_whose(setup: &SiteSetup, clock: &dyn Clock) -> Result<String, StartError> {
    let unnamed = |why: String| StartError::Unnamed { pms: setup.pms.display_name(), why };
    if setup.file.facts.pms_id.is_none() {
        return Err(unnamed(format!("the PMS file {} has no question for it", setup.file.file)));
    }
    let until = clock.monotonic() + setup.patience;
    loop {
        let why = match enrich::ask(&*setup.engine, &setup.file) {
            Ok(found) => match found.pms_id {
                Some(pms_id) => return Ok(pms_id),
                None => {
                    let untold = found.untold.into_iter().find(|(name, _)| *name == "pms_id");
                    return Err(unnamed(untold.map(|(_, why)| why).unwrap_or_default()));
                }
            },
            Err(trouble @ enrich::Trouble::Unasked(_)) => trouble.to_string(),
            Err(trouble) => return Err(unnamed(trouble.to_string())),
        };
        if clock.monotonic() >= until {
            return Err(unnamed(why));
        }
        std::thread::sleep(RETRY);
    }
}

/// Makes sure that one process at a time has this folder: two would show the same epoch twice.
pub(crate) fn lock_folder(data: &Path) -> Result<std::fs::File, StartError> {
    let path = data.join("lock");
    crate::files::touch_private(&path)?;
    let file = std::fs::File::options().read(true).write(true).open(&path)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(StartError::Running),
        Err(std::fs::TryLockError::Error(error)) => Err(error.into()),
    }
}
