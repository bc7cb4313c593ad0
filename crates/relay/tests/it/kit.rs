//! One cloud, and Links and gateways to dial it.

use directory::Directory;
use model::{Catalogue, IntegratorId, Pms, SiteFacts, SiteId, SystemClock, Timestamp};
use relay::{Limits, Options, Relay};
use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    sync::mpsc,
    task::JoinHandle,
    time::timeout,
};
use tokio_util::sync::CancellationToken;
use trust::{Kind, Operational, Root};
use tunnel::{
    AcceptOptions, Credentials, DialOptions, Dialer, RelayAddress, Roots, SiteIdentity, Status, Stream,
    Tuning,
    head::{self, Answer, Ask, Reason},
};

/// Nothing here takes this long unless it hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Cloud {
    pub(crate) relay: Relay,
    pub(crate) directory: Arc<Directory>,
    pub(crate) address: SocketAddr,
    pub(crate) stop: CancellationToken,
    pub(crate) serving: JoinHandle<()>,
    pub(crate) ca: String,
    _folder: tempfile::TempDir,
}

impl Cloud {
    pub(crate) async fn start() -> Cloud {
        Cloud::with(Limits::default()).await
    }

    pub(crate) async fn with(limits: Limits) -> Cloud {
        Cloud::with_guests(limits, None).await
    }

    pub(crate) async fn with_guests(limits: Limits, guests: Option<relay::Guests>) -> Cloud {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let (cert, key) = (made.cert.pem(), made.signing_key.serialize_pem());
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(SystemClock);
        let directory =
            Arc::new(Directory::open(&folder.path().join("directory.db"), clock.clone()).unwrap());
        let accept = AcceptOptions {
            relay_names: vec!["localhost".to_owned()],
            environment: ENVIRONMENT.to_owned(),
            clock: clock.clone(),
            tuning: Tuning::default(),
            max_sites: 8,
        };
        let counter = AtomicU64::new(1);
        let options = Options {
            tls: tunnel::outer_server_tls(cert.as_bytes(), key.as_bytes()).unwrap(),
            accept,
            nonces: Arc::new(move || {
                let mut nonce = [0; 32];
                nonce[..8].copy_from_slice(&counter.fetch_add(1, Ordering::Relaxed).to_le_bytes());
                nonce
            }),
            clock,
            limits,
            guests,
        };
        let relay = Relay::new(directory.clone(), options);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let serving = tokio::spawn({
            let (relay, stop) = (relay.clone(), stop.clone());
            async move { relay.serve(listener, stop).await }
        });
        Cloud { relay, directory, address, stop, serving, ca: cert, _folder: folder }
    }

    pub(crate) fn dial(&self, credentials: Credentials) -> Dialer {
        self.dial_through(self.address, credentials)
    }

    /// From another environment, when it is not this cloud's.
    pub(crate) fn dial_from(&self, environment: &str, credentials: Credentials) -> Dialer {
        self.dial_as(environment, self.address, credentials)
    }

    pub(crate) fn dial_through(&self, address: SocketAddr, credentials: Credentials) -> Dialer {
        self.dial_as(ENVIRONMENT, address, credentials)
    }

    fn dial_as(&self, environment: &str, address: SocketAddr, credentials: Credentials) -> Dialer {
        Dialer::start(DialOptions {
            relay: RelayAddress::parse(&format!("wss://localhost:{}/tunnel/v1", address.port())).unwrap(),
            tls: tunnel::outer_client_tls(Roots::Pem(self.ca.as_bytes())).unwrap(),
            proxy: None,
            environment: environment.to_owned(),
            credentials,
            tuning: Tuning::default(),
            clock: Arc::new(SystemClock),
            seed: 1,
        })
    }

    /// A Link with one site, online, that echoes.
    pub(crate) async fn link(&self, site: &Practice, epoch: u64) -> Echo {
        let echo = self.link_soon(site, epoch);
        online(&echo.dialer).await;
        echo
    }

    pub(crate) fn link_soon(&self, site: &Practice, epoch: u64) -> Echo {
        Echo::new(self.dial(site.credentials(epoch)))
    }

    /// An admitted gateway, online.
    pub(crate) async fn gateway(&self) -> Dialer {
        let (id, gateway) = self.stranger().await;
        self.directory.admit(id, "Acme Recalls").unwrap();
        gateway
    }

    /// A gateway that nobody has admitted, online.
    pub(crate) async fn stranger(&self) -> (IntegratorId, Dialer) {
        let (id, gateway) = self.stranger_soon();
        online(&gateway).await;
        (id, gateway)
    }

    pub(crate) fn stranger_soon(&self) -> (IntegratorId, Dialer) {
        let credentials = gateway();
        let Credentials::Gateway { operational, .. } = &credentials else { panic!("it is one") };
        (IntegratorId(operational.peer().id), self.dial(credentials))
    }
}

/// This cloud's, and everybody's who says nothing else.
pub(crate) const ENVIRONMENT: &str = "stage";

/// A gateway of a new integrator.
pub(crate) fn gateway() -> Credentials {
    let root = Root::generate(Kind::Integrator).unwrap();
    Credentials::Gateway { operational: issue(&root, "acme"), epoch: 1 }
}

/// A practice's identities, as they lie on its server's disk.
pub(crate) struct Practice {
    link: Root,
    site: Root,
    pub(crate) facts: SiteFacts,
}

impl Practice {
    pub(crate) fn new(pms_id: &str) -> Practice {
        let facts = SiteFacts {
            enriched_at: None,
            pms: Pms::BestPractice,
            pms_id: pms_id.to_owned(),
            practice_name: "Harbour Family Practice".to_owned(),
            pms_version: "1.12".to_owned(),
            link_version: "26.1123.1".to_owned(),
            catalogues: vec![Catalogue { name: "Patients".to_owned(), is_default: true }],
        };
        Practice {
            link: Root::generate(Kind::Link).unwrap(),
            site: Root::generate(Kind::Site).unwrap(),
            facts,
        }
    }

    pub(crate) fn id(&self) -> SiteId {
        SiteId(self.site.id())
    }

    pub(crate) fn credentials(&self, epoch: u64) -> Credentials {
        let site = SiteIdentity { operational: issue(&self.site, "site"), facts: self.facts.clone(), epoch };
        Credentials::Link { operational: issue(&self.link, "link"), epoch, sites: vec![site] }
    }
}

fn issue(root: &Root, name: &str) -> Operational {
    use model::Clock;
    let now: Timestamp = SystemClock.now();
    root.issue(name, 1, now, Duration::from_secs(86_400)).unwrap()
}

/// A Link that echoes what comes, and adds `|end` when its peer has ended.
pub(crate) struct Echo {
    pub(crate) dialer: Arc<Dialer>,
    /// How each stream ended: bytes read, or the kind of error.
    pub(crate) ended: mpsc::UnboundedReceiver<Result<u64, std::io::ErrorKind>>,
    task: JoinHandle<()>,
}

impl Echo {
    pub(crate) fn new(dialer: Dialer) -> Echo {
        let dialer = Arc::new(dialer);
        let (tell, ended) = mpsc::unbounded_channel();
        let task = tokio::spawn({
            let dialer = dialer.clone();
            async move {
                while let Some(stream) = dialer.accept().await {
                    let tell = tell.clone();
                    tokio::spawn(async move {
                        let _ = tell.send(echo(stream).await.map_err(|e| e.kind()));
                    });
                }
            }
        });
        Echo { dialer, ended, task }
    }

    /// Says goodbye.
    pub(crate) async fn close(self) {
        self.task.abort();
        let _ = self.task.await;
        Arc::into_inner(self.dialer).expect("the task is over").close().await;
    }

    /// Breaks the connection without a word.
    pub(crate) async fn cut(self) {
        self.task.abort();
        let _ = self.task.await;
        drop(self.dialer);
    }
}

async fn echo(mut stream: Stream) -> std::io::Result<u64> {
    let _: head::Incoming = head::read(&mut stream).await.map_err(std::io::Error::other)?;
    let mut buffer = vec![0; 32 * 1024];
    let mut bytes = 0;
    loop {
        match stream.read(&mut buffer).await? {
            0 => break,
            n => {
                bytes += n as u64;
                stream.write_all(&buffer[..n]).await?;
                stream.flush().await?;
            }
        }
    }
    stream.write_all(b"|end").await?;
    stream.shutdown().await?;
    Ok(bytes)
}

pub(crate) async fn online(dialer: &Dialer) {
    reaches(dialer, |status| *status == Status::Online).await;
}

/// Waits until the dialer's status is as wanted, and returns it.
pub(crate) async fn reaches(dialer: &Dialer, wanted: impl Fn(&Status) -> bool) -> Status {
    let mut status = dialer.status();
    let reached = timeout(PATIENCE, status.wait_for(&wanted)).await.map(|s| s.map(|s| s.clone()));
    match reached {
        Ok(Ok(status)) => status,
        _ => panic!("the dialer stays {:?}", dialer.status().borrow().clone()),
    }
}

pub(crate) async fn ask(gateway: &Dialer, ask: &Ask) -> (Answer, Stream) {
    let asked = async {
        let mut stream = gateway.open().await.unwrap();
        head::write(&mut stream, ask).await.unwrap();
        let answer: Answer = head::read(&mut stream).await.unwrap();
        (answer, stream)
    };
    timeout(PATIENCE, asked).await.expect("an answer in time")
}

pub(crate) async fn connect(gateway: &Dialer, site: SiteId) -> Result<Stream, Reason> {
    match ask(gateway, &Ask::Connect { site }).await {
        (Answer::Connected, stream) => Ok(stream),
        (Answer::Refused { reason, .. }, _) => Err(reason),
        (other, _) => panic!("{other:?} is no answer to connect"),
    }
}

/// Sends and reads back a few bytes.
pub(crate) async fn exchange(stream: &mut Stream, words: &[u8]) {
    let exchanged = async {
        stream.write_all(words).await.unwrap();
        stream.flush().await.unwrap();
        let mut back = vec![0; words.len()];
        stream.read_exact(&mut back).await.unwrap();
        assert_eq!(back, words);
    };
    timeout(PATIENCE, exchanged).await.expect("an echo in time");
}

/// Polls for something that another task brings about.
pub(crate) async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..500 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("not in ten seconds: {what}");
}
