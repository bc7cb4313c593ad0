//! The sites of one Link, ready to be asked: identities, the door, and inner sessions on whatever stream they come.

#[cfg(test)]
mod tests;

use crate::{
    door::{Door, SiteDoor},
    executor::{Executor, Limits},
    identity,
    pairing::{Caller, Presence},
    protect::Protector,
    server::Server,
    store::{CodeRecord, Counter, NewCode, Store, StoreError},
};
use database::Engine;
use link_api::Tuning;
use model::{Clock, Hidden, LinkId, Pms, SiteFacts, SiteId};
use std::{
    collections::HashMap,
    io,
    path::Path,
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
/// Inner sessions at once.
const SESSIONS: usize = 512;

/// Version of Halo Link as integrators see it, CalVer.
pub const VERSION: &str = "26.1123.1";

/// One practice database to serve.
pub struct SiteSetup {
    /// Which software.
    pub pms: Pms,
    /// The vendor's identifier of the practice.
    pub pms_id: String,
    /// The practice's name.
    pub practice_name: String,
    /// Version of the software.
    pub pms_version: String,
    /// How its database is reached.
    pub engine: Arc<dyn Engine>,
}

impl std::fmt::Debug for SiteSetup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SiteSetup").field("pms_id", &self.pms_id).finish_non_exhaustive()
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
    /// Another service has this data folder.
    #[error("another HaloLinkService runs on this data folder; stop it first")]
    Running,
}

struct Own {
    root: Root,
    facts: SiteFacts,
}

/// The sites of one Link.
pub struct Host {
    door: Arc<Door>,
    executor: Arc<Executor>,
    server: Arc<Server>,
    store: Arc<Store>,
    clock: Arc<dyn Clock>,
    environment: String,
    epoch: u64,
    root: Root,
    sites: Vec<(SiteId, Own)>,
    tls: RwLock<HashMap<SiteId, Arc<ServerConfig>>>,
    sessions: Arc<Semaphore>,
    /// Held for as long as this process has the data folder.
    _lock: std::fs::File,
}

impl std::fmt::Debug for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Host").field("epoch", &self.epoch).finish_non_exhaustive()
    }
}

impl Host {
    /// Opens `data`, raises the epoch, and loads or makes the identities. Blocks on the disk.
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
        let store = Arc::new(Store::open(data, protector)?);
        let epoch = store.raise(Counter::Epoch, 0)?;
        let folder = data.join("identity");
        let root = identity::load_or_make(&folder, Kind::Link, "link")?;
        let (mut doors, mut sites, mut presences) = (Vec::new(), Vec::new(), HashMap::new());
        for setup in setups {
            let root =
                identity::load_or_make(&folder, Kind::Site, &identity::site_file(setup.pms, &setup.pms_id))?;
            let id = SiteId(root.id());
            let facts = SiteFacts {
                enriched_at: None,
                pms: setup.pms,
                pms_id: setup.pms_id,
                practice_name: setup.practice_name,
                pms_version: setup.pms_version,
                link_version: VERSION.to_owned(),
                catalogues: setup.engine.catalogues(),
            };
            let presence = Presence { environment: environment.to_owned(), root_spki: root.spki().to_vec() };
            presences.insert(id, presence);
            doors.push(SiteDoor { id, facts: facts.clone(), engine: setup.engine });
            sites.push((id, Own { root, facts }));
        }
        let door = Door::new(store.clone(), doors, clock.clone())?;
        let executor = Executor::new(&door, limits);
        let server = Server::new(door.clone(), executor.clone(), presences);
        Ok(Arc::new(Host {
            door,
            executor,
            server,
            store,
            clock,
            environment: environment.to_owned(),
            epoch,
            root,
            sites,
            tls: RwLock::default(),
            sessions: Arc::new(Semaphore::new(SESSIONS)),
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
        let mut sites = Vec::new();
        for (id, own) in &self.sites {
            let operational = issue(&own.root, "Halo Link site")?;
            configs.insert(*id, inner::server(&operational, self.clock.clone())?);
            sites.push(SiteIdentity { operational, facts: own.facts.clone(), epoch: self.epoch });
        }
        *self.tls.write().unwrap_or_else(PoisonError::into_inner) = configs;
        Ok(Credentials::Link { operational: issue(&self.root, "Halo Link")?, epoch: self.epoch, sites })
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

    /// `production`, `stage` or `demo`.
    pub fn environment(&self) -> &str {
        &self.environment
    }

    /// How often this Link was started.
    pub fn epoch(&self) -> u64 {
        self.epoch
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
        // A million names, a handful of codes: the second try is already improbable.
        for _ in 0..100 {
            let code = trust::pairing::Code::generate(rng);
            if let Some(record) = self.store.add_code(&code, new, self.clock.now())? {
                let (now, what) = (self.clock.now(), crate::store::Happened::CodeMade);
                self.door.note(crate::store::AuditLine::new(now, what, new.site));
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
        let Ok(_place) = self.sessions.clone().try_acquire_owned() else {
            tracing::warn!(%site, "too many sessions: one more was turned away");
            return;
        };
        let Some(config) = self.tls.read().unwrap_or_else(PoisonError::into_inner).get(&site).cloned() else {
            tracing::warn!(%site, "the relay sent a stream for a site that is not ours");
            return;
        };
        let tls = match timeout(HANDSHAKE, TlsAcceptor::from(config).accept(io)).await {
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
        tracing::debug!(%site, integrator = %peer.id, instance = %peer.name, "session opened");
        let (tell, told) = oneshot::channel::<()>();
        // Asked once: a stranger that pairs opens its next session as what it has become.
        let paired = self.door.is_paired(&peer, site);
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
        tokio::select! {
            _ = &mut serving => return,
            () = over => drop(tell),
        }
        let _ = timeout(GRACE, serving).await;
    }
}

/// Makes sure that one process at a time has this folder: two would show the same epoch twice.
fn lock_folder(data: &Path) -> Result<std::fs::File, StartError> {
    let path = data.join("lock");
    crate::files::touch_private(&path)?;
    let file = std::fs::File::options().read(true).write(true).open(&path)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(StartError::Running),
        Err(std::fs::TryLockError::Error(error)) => Err(error.into()),
    }
}
