//! An endpoint with a certificate, a clock to turn, and webhooks between them.

use futures::future::BoxFuture;
use model::{Clock, QueryId, SiteId, Timestamp};
use rand::{SeedableRng, rngs::StdRng};
use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    pki_types::{CertificateDer, PrivatePkcs8KeyDer},
};
use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpListener,
    sync::oneshot,
    task::JoinHandle,
};
use uuid::Uuid;
use webhook::{
    Delivery, Endpoint, Event, Filter, Kind, Kinds, Options, Policy, Resolver, Sealer, Settings, Source,
    Sources, State, Transport, UrlTemplate, Webhooks, event_id,
};

pub(crate) const HOST: &str = "hooks.test";
pub(crate) const SECRET: &str = "canary-webhook-secret";

/// What an endpoint does with a request.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    Status(u16),
    /// Status and head at once, a body that never ends.
    SlowBody(u16),
    /// A body without end, as fast as it is taken.
    HugeBody(u16),
    Redirect(String),
    Silence,
    HangUp,
    Garbage,
    /// A head that comes byte by byte.
    SlowHead,
}

/// What an endpoint got.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) line: String,
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: String,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).unwrap_or_else(|| panic!("no {name} in {:?}", self.headers))
    }
}

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) certificate: CertificateDer<'static>,
    pub(crate) seen: Arc<Mutex<Vec<Request>>>,
    /// Taken one after the other; the last one stays.
    pub(crate) replies: Arc<Mutex<Vec<Reply>>>,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    pub(crate) async fn start(replies: &[Reply]) -> Server {
        let made = rcgen::generate_simple_self_signed(vec![HOST.to_owned()]).unwrap();
        let certificate = made.cert.der().clone();
        let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()).into();
        let config =
            ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_no_client_auth()
                .with_single_cert(vec![certificate.clone()], key)
                .unwrap();
        let tls = tokio_rustls::TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen: Arc<Mutex<Vec<Request>>> = Arc::default();
        let replies = Arc::new(Mutex::new(replies.to_vec()));
        let (log, script) = (Arc::clone(&seen), Arc::clone(&replies));
        let task = tokio::spawn(async move {
            loop {
                let Ok((tcp, _)) = listener.accept().await else { return };
                let (tls, log, script) = (tls.clone(), Arc::clone(&log), Arc::clone(&script));
                tokio::spawn(async move {
                    let Ok(mut io) = tls.accept(tcp).await else { return };
                    let Some(request) = read(&mut io).await else { return };
                    let reply = {
                        let mut script = script.lock().unwrap();
                        if script.len() > 1 { script.remove(0) } else { script[0].clone() }
                    };
                    log.lock().unwrap().push(request);
                    let _ = answer(&mut io, reply).await;
                });
            }
        });
        Server { address, certificate, seen, replies, task }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("https://{HOST}:{}{path}", self.address.port())
    }

    pub(crate) fn count(&self) -> usize {
        self.seen.lock().unwrap().len()
    }

    pub(crate) fn last(&self) -> Request {
        self.seen.lock().unwrap().last().expect("a request").clone()
    }

    pub(crate) fn now_replies(&self, reply: Reply) {
        *self.replies.lock().unwrap() = vec![reply];
    }
}

async fn read(io: &mut (impl AsyncRead + Unpin)) -> Option<Request> {
    let mut text = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let length = io.read(&mut piece).await.ok().filter(|length| *length > 0)?;
        text.extend_from_slice(&piece[..length]);
        let whole = String::from_utf8(text.clone()).unwrap();
        let Some((head, body)) = whole.split_once("\r\n\r\n") else { continue };
        let mut lines = head.lines();
        let line = lines.next().unwrap().to_owned();
        let headers: HashMap<String, String> = lines
            .map(|line| line.split_once(": ").unwrap())
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        if body.len() == headers["content-length"].parse::<usize>().unwrap() {
            return Some(Request { line, headers, body: body.to_owned() });
        }
    }
}

async fn answer(io: &mut (impl AsyncRead + AsyncWrite + Unpin), reply: Reply) -> std::io::Result<()> {
    let head = |status: u16, rest: &str| format!("HTTP/1.1 {status} X\r\n{rest}\r\n").into_bytes();
    match &reply {
        Reply::Status(status) => io.write_all(&head(*status, "Content-Length: 2\r\n")).await?,
        Reply::SlowBody(status) | Reply::HugeBody(status) => {
            io.write_all(&head(*status, "Content-Length: 10000000000\r\n")).await?;
        }
        Reply::Redirect(to) => {
            io.write_all(&head(307, &format!("Location: {to}\r\nContent-Length: 0\r\n"))).await?
        }
        Reply::Garbage => io.write_all(b"SSH-2.0-not what you think\r\n\r\n").await?,
        Reply::SlowHead => {
            for byte in b"HTTP/1.1 200 OK\r\nX-A: ".iter().chain(std::iter::repeat_n(&b'a', 10_000)) {
                io.write_all(&[*byte]).await?;
                io.flush().await?;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        Reply::Silence | Reply::HangUp => {}
    }
    match reply {
        Reply::Status(_) => io.write_all(b"{}").await?,
        Reply::HugeBody(_) => loop {
            io.write_all(&[b' '; 16 * 1024]).await?;
        },
        Reply::SlowBody(_) | Reply::Silence => tokio::time::sleep(Duration::from_secs(60)).await,
        _ => {}
    }
    io.shutdown().await
}

/// A clock that a test turns.
#[derive(Debug)]
pub(crate) struct Turned(AtomicI64);

impl Turned {
    pub(crate) fn forward(&self, by: Duration) {
        self.0.fetch_add(i64::try_from(by.as_millis()).unwrap(), Ordering::SeqCst);
    }

    pub(crate) fn back(&self, by: Duration) {
        self.0.fetch_sub(i64::try_from(by.as_millis()).unwrap(), Ordering::SeqCst);
    }
}

impl Clock for Turned {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }

    fn monotonic(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::SeqCst).unsigned_abs())
    }
}

/// Names that a test makes up.
#[derive(Default)]
pub(crate) struct Names(pub(crate) Mutex<HashMap<String, Vec<IpAddr>>>, pub(crate) Mutex<usize>);

impl Resolver for Names {
    fn look_up<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Vec<IpAddr>> {
        *self.1.lock().unwrap() += 1;
        let found = self.0.lock().unwrap().get(name).cloned().unwrap_or_default();
        Box::pin(std::future::ready(found))
    }
}

pub(crate) struct World {
    pub(crate) hooks: Arc<Webhooks>,
    pub(crate) clock: Arc<Turned>,
    pub(crate) names: Arc<Names>,
    pub(crate) data: TempDir,
    running: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
    roots: Vec<CertificateDer<'static>>,
    policy: Policy,
    within: Duration,
}

impl World {
    pub(crate) fn new(servers: &[&Server]) -> World {
        World::with(
            servers,
            Policy { networks: vec!["127.0.0.0/8".parse().unwrap()], plain_http: false },
            webhook::ATTEMPT_WITHIN,
        )
    }

    pub(crate) fn with(servers: &[&Server], policy: Policy, within: Duration) -> World {
        let data = tempfile::tempdir().unwrap();
        let clock = Arc::new(Turned(AtomicI64::new(1_770_094_506_007)));
        let names = Arc::new(Names::default());
        names.0.lock().unwrap().insert(HOST.to_owned(), vec!["127.0.0.1".parse().unwrap()]);
        let roots: Vec<_> = servers.iter().map(|server| server.certificate.clone()).collect();
        let hooks = make(data.path(), &clock, &names, &roots, &policy, within);
        World { hooks, clock, names, data, running: None, roots, policy, within }.started()
    }

    fn started(mut self) -> World {
        let (stop, stopped) = oneshot::channel();
        let hooks = Arc::clone(&self.hooks);
        let task = tokio::spawn(async move {
            hooks
                .run(async {
                    let _ = stopped.await;
                })
                .await;
        });
        self.running = Some((stop, task));
        self
    }

    /// Stops in good order.
    pub(crate) async fn stop(&mut self) {
        if let Some((stop, task)) = self.running.take() {
            let _ = stop.send(());
            task.await.unwrap();
        }
    }

    /// The process is gone from one moment to the next, and another one starts.
    pub(crate) async fn killed(mut self) -> World {
        if let Some((_stop, task)) = self.running.take() {
            task.abort();
            let _ = task.await;
        }
        self.hooks = make(self.data.path(), &self.clock, &self.names, &self.roots, &self.policy, self.within);
        self.started()
    }

    pub(crate) async fn endpoint(&self, url: &str, sources: &[Source], kinds: Option<&[Kind]>) -> Endpoint {
        let sources = Sources::of(sources);
        let url = UrlTemplate::parse(url, true).unwrap();
        let kinds = kinds.map_or(Kinds::usual(sources), Kinds::of);
        let settings = Settings { url, sources, kinds, enabled: true };
        self.hooks.add(settings, Some(SECRET.into())).await.unwrap().0
    }

    /// Turns the clock, a minute at a time, until the log is as wanted.
    pub(crate) async fn until(&self, what: impl Fn(&[Delivery]) -> bool) -> Vec<Delivery> {
        for _ in 0..2000 {
            let all = self.all().await;
            if what(&all) {
                return all;
            }
            self.hooks.wake();
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("never came: {:#?}", self.all().await);
    }

    pub(crate) async fn all(&self) -> Vec<Delivery> {
        self.hooks.deliveries(Filter { limit: 200, ..Filter::default() }).await.unwrap()
    }

    /// Lets time pass until every delivery is over; the whole of it.
    pub(crate) async fn to_the_end(&self) -> (Vec<Delivery>, Duration) {
        let began = self.clock.now();
        for _ in 0..4000 {
            let all = self.all().await;
            if all.iter().all(|delivery| delivery.state != State::Pending) {
                return (all, self.clock.now().since(began));
            }
            if let Some(due) = all.iter().filter_map(|delivery| delivery.due).min() {
                self.clock.forward(due.since(self.clock.now()));
            }
            self.hooks.wake();
            tokio::time::sleep(Duration::from_millis(3)).await;
        }
        panic!("never over: {:#?}", self.all().await);
    }
}

fn make(
    data: &Path,
    clock: &Arc<Turned>,
    names: &Arc<Names>,
    roots: &[CertificateDer<'static>],
    policy: &Policy,
    within: Duration,
) -> Arc<Webhooks> {
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(roots.iter().cloned());
    let tls = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(store)
        .with_no_client_auth();
    let transport = Transport {
        tls: Some(Arc::new(tls)),
        policy: policy.clone(),
        resolver: Arc::clone(names) as Arc<dyn Resolver>,
        within,
    };
    let options = Options {
        clock: Arc::clone(clock) as Arc<dyn Clock>,
        rng: Box::new(StdRng::seed_from_u64(u64::try_from(clock.now().0).unwrap())),
        sealer: Sealer::new(&[7; 32]).unwrap(),
        transport,
    };
    Arc::new(Webhooks::new(database(data), options).unwrap())
}

pub(crate) fn database(data: &Path) -> rusqlite::Connection {
    let connection = rusqlite::Connection::open(data.join("test.db")).unwrap();
    connection.busy_timeout(Duration::from_secs(5)).unwrap();
    connection.pragma_update(None, "journal_mode", "WAL").unwrap();
    connection
}

pub(crate) fn site() -> SiteId {
    "15331f1c-64b6-84ea-8ca1-0bfd7bd28c90".parse().unwrap()
}

pub(crate) fn event(number: u64, source: Source, kind: Kind) -> Event {
    Event {
        id: event_id(site(), &[9; 16], number, &[8; 32]),
        kind,
        source,
        site: site(),
        query: Some(QueryId(Uuid::from_u128(number.into()))),
        occurred: Timestamp(1_770_094_500_123),
    }
}
