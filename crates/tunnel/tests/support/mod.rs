//! A relay with real sockets and TLS, and identities to dial it with.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    dead_code,
    missing_docs,
    unreachable_pub,
    reason = "each test file uses a part of it"
)]

use model::{Catalogue, Clock, Pms, SiteFacts, SystemClock, Timestamp};
use rand::RngCore;
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tokio::{net::TcpListener, sync::mpsc, task::JoinHandle, time::timeout};
use trust::{Kind, Operational, Root};
use tunnel::{
    AcceptOptions, Credentials, Denied, DialOptions, Dialer, JoinError, Joined, Party, RelayAddress, Roots,
    SiteIdentity, Status, Tuning, join, outer_client_tls, outer_server_tls,
};

pub const HOST: &str = "localhost";
pub const DAY: Duration = Duration::from_secs(86_400);

pub fn identity(kind: Kind) -> Operational {
    identity_at(kind, SystemClock.now(), DAY)
}

pub fn identity_at(kind: Kind, now: Timestamp, valid: Duration) -> Operational {
    Root::generate(kind).unwrap().issue("Test", 1, now, valid).unwrap()
}

pub fn facts() -> SiteFacts {
    SiteFacts {
        enriched_at: None,
        pms: Pms::BestPractice,
        pms_id: "10001".to_owned(),
        practice_name: "Riverside Clinic".to_owned(),
        pms_version: "1.12".to_owned(),
        link_version: "2026.11.0".to_owned(),
        catalogues: vec![Catalogue { name: "Patients".to_owned(), is_default: true }],
    }
}

pub fn gateway() -> Credentials {
    Credentials::Gateway { operational: identity(Kind::Integrator), epoch: 3 }
}

pub fn link() -> Credentials {
    let site = SiteIdentity { operational: identity(Kind::Site), facts: facts(), epoch: 8 };
    Credentials::Link { operational: identity(Kind::Link), epoch: 7, sites: vec![site] }
}

/// Short waits between attempts, so that tests that reconnect are quick.
pub fn quick() -> Tuning {
    let mut tuning = Tuning::default();
    tuning.timing.backoff_base = Duration::from_millis(20);
    tuning.timing.backoff_cap = Duration::from_millis(200);
    tuning.timing.drain_jitter = Duration::from_millis(20);
    tuning.drain_within = Duration::from_secs(2);
    tuning
}

/// The relay's and its clients'.
pub const ENVIRONMENT: &str = "stage";

pub struct Relay {
    pub address: SocketAddr,
    pub ca: Vec<u8>,
    pub joined: mpsc::UnboundedReceiver<Result<Joined, JoinError>>,
    task: JoinHandle<()>,
}

#[derive(Clone)]
pub struct RelaySettings {
    pub names: Vec<String>,
    pub tuning: Tuning,
    pub denies: Option<Denied>,
    /// Certificate names; empty for `localhost`.
    pub certificate_for: String,
}

impl Default for RelaySettings {
    fn default() -> Self {
        RelaySettings {
            names: vec!["relay.example".to_owned(), HOST.to_owned()],
            tuning: quick(),
            denies: None,
            certificate_for: HOST.to_owned(),
        }
    }
}

impl Relay {
    pub async fn start() -> Relay {
        Relay::with(RelaySettings::default()).await
    }

    pub async fn with(settings: RelaySettings) -> Relay {
        let made = rcgen::generate_simple_self_signed(vec![settings.certificate_for.clone()]).unwrap();
        let ca = made.cert.pem().into_bytes();
        let tls = outer_server_tls(&ca, made.signing_key.serialize_pem().as_bytes()).unwrap();
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, joined) = mpsc::unbounded_channel();
        let options = AcceptOptions {
            relay_names: settings.names,
            environment: ENVIRONMENT.to_owned(),
            clock: Arc::new(SystemClock),
            tuning: settings.tuning,
            max_sites: 4,
        };
        let task = tokio::spawn(async move {
            loop {
                let (tcp, _) = listener.accept().await.unwrap();
                tunnel::tune_socket(&tcp);
                let (tls, options, sender) = (tls.clone(), options.clone(), sender.clone());
                let denies = settings.denies.clone();
                tokio::spawn(async move {
                    let Ok(io) = tokio_rustls::TlsAcceptor::from(tls).accept(tcp).await else { return };
                    let mut nonce = [0; 32];
                    rand::rng().fill_bytes(&mut nonce);
                    let admit = async |_: &Party| {
                        tokio::task::yield_now().await;
                        denies.map_or(Ok(()), Err)
                    };
                    let _ = sender.send(join(io, &options, nonce, admit).await);
                });
            }
        });
        Relay { address, ca, joined, task }
    }

    pub fn options(&self, credentials: Credentials) -> DialOptions {
        let relay = RelayAddress::parse(&format!("wss://{HOST}:{}/tunnel/v1", self.address.port())).unwrap();
        options(relay, outer_client_tls(Roots::Pem(&self.ca)).unwrap(), credentials, quick())
    }

    pub fn dial(&self, credentials: Credentials) -> Dialer {
        Dialer::start(self.options(credentials))
    }

    pub async fn next(&mut self) -> Result<Joined, JoinError> {
        timeout(Duration::from_secs(20), self.joined.recv()).await.expect("nobody joined").unwrap()
    }

    pub async fn pair(&mut self, credentials: Credentials) -> (Dialer, Joined) {
        let dialer = self.dial(credentials);
        let joined = self.next().await.unwrap();
        (dialer, joined)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub fn options(
    relay: RelayAddress,
    tls: Arc<rustls::ClientConfig>,
    credentials: Credentials,
    tuning: Tuning,
) -> DialOptions {
    let seed = rand::rng().next_u64();
    let (environment, clock) = (ENVIRONMENT.to_owned(), Arc::new(SystemClock));
    DialOptions { relay, tls, proxy: None, environment, credentials, tuning, clock, seed }
}

pub async fn until(dialer: &Dialer, wanted: impl Fn(&Status) -> bool) -> Status {
    let mut status = dialer.status();
    let found = timeout(Duration::from_secs(20), status.wait_for(|s| wanted(s))).await;
    let last = dialer.status().borrow().clone();
    found.unwrap_or_else(|_| panic!("waited in vain; last status {last:?}")).unwrap().clone()
}

pub fn why(status: &Status) -> &str {
    match status {
        Status::Waiting { why, .. } | Status::Refused { why, .. } => why,
        _ => "",
    }
}

pub async fn failure(dialer: &Dialer) -> String {
    let status = until(dialer, |s| matches!(s, Status::Waiting { .. } | Status::Refused { .. })).await;
    why(&status).to_owned()
}
