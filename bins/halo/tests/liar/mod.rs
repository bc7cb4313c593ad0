//! A relay that lies: made of the outer leg's own pieces, so that Link and gateway take it for theirs, with everything in its hands
//! that a relay has. It sees who dials, each question, each hint, and the ciphertext; and does with them as it is told.

// Each test program uses some of it.
#![allow(dead_code)]

mod tamper;

use model::{Availability, Clock, IntegratorId, SiteFacts, SiteId, SiteStatus, SystemClock};
use rand::{Rng, SeedableRng, rngs::StdRng, seq::SliceRandom};
use std::{
    collections::HashMap,
    net::SocketAddr,
    path::Path,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};
use tamper::Tamper;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    sync::broadcast,
    time::timeout,
};
use tokio_rustls::TlsAcceptor;
use trust::{Kind, Operational, Root};
use tunnel::{
    AcceptOptions, Joined, Party, Stream, Tuning,
    head::{self, Answer, Ask, Reason, SiteRecord},
};

/// What it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ways {
    /// As a relay should.
    Honest,
    /// Whatever comes to its mind, for hints and streams alike.
    Random,
    /// It swallows each hint, and is honest otherwise.
    NoHints,
    /// It splices each stream to another site than the one that was asked for.
    WrongSite,
}

/// The liar.
pub(crate) struct Liar {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    ways: Mutex<Ways>,
    rng: Mutex<StdRng>,
    /// Lies that are still to be told before any is told again, so that none is left out by chance.
    bag: Mutex<Vec<u8>>,
    links: Mutex<HashMap<SiteId, (Arc<Joined>, SiteFacts)>>,
    gateways: Mutex<Vec<Arc<Joined>>>,
    /// Ends every spliced stream.
    cut: broadcast::Sender<()>,
    /// A site that nobody asked for.
    other: Operational,
    told: Counts,
    /// What went to a site on the stream that it carried last.
    recorded: Mutex<Record>,
}

/// Ciphertext of one stream, towards the site.
type Record = Arc<Mutex<Vec<u8>>>;

/// What it did.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) hints_dropped: AtomicUsize,
    pub(crate) hints_invented: AtomicUsize,
    pub(crate) refused: AtomicUsize,
    pub(crate) tampered: AtomicUsize,
    pub(crate) misled: AtomicUsize,
    /// Handshakes that a misled gateway went through with.
    pub(crate) fooled: AtomicUsize,
    pub(crate) dropped: AtomicUsize,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("nobody panics with it")
}

impl Liar {
    /// Starts one with the demo's own certificate.
    pub(crate) fn start(certificates: &Path, seed: u64) -> Liar {
        let read =
            |name: &str| std::fs::read(certificates.join(name)).expect("the demo made its certificates");
        let server =
            tunnel::outer_server_tls(&read("server.pem"), &read("server.key")).expect("a certificate");
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a loopback port");
        listener.set_nonblocking(true).expect("a socket");
        let address = listener.local_addr().expect("an address");
        let listener = TcpListener::from_std(listener).expect("within a runtime");
        let other = Root::generate(Kind::Site).expect("a key");
        let hour = Duration::from_secs(3600);
        let shared = Arc::new(Shared {
            ways: Mutex::new(Ways::Honest),
            rng: Mutex::new(StdRng::seed_from_u64(seed)),
            bag: Mutex::default(),
            links: Mutex::default(),
            gateways: Mutex::default(),
            cut: broadcast::Sender::new(1),
            other: other.issue("another practice", 1, SystemClock.now(), hour).expect("a certificate"),
            told: Counts::default(),
            recorded: Mutex::default(),
        });
        tokio::spawn(accept(shared.clone(), listener, TlsAcceptor::from(server)));
        Liar { address, shared }
    }

    pub(crate) fn now(&self, ways: Ways) {
        *locked(&self.shared.ways) = ways;
    }

    /// Every stream that it carries breaks.
    pub(crate) fn cut_streams(&self) {
        let _ = self.shared.cut.send(());
    }

    pub(crate) fn told(&self) -> &Counts {
        &self.shared.told
    }

    /// What went to a site on the stream that it carried last.
    pub(crate) fn recorded(&self) -> Vec<u8> {
        locked(&locked(&self.shared.recorded)).clone()
    }

    /// Plays a record to a site on a stream of its own; gives what the site says to it, until it hangs up or has been silent for two seconds.
    pub(crate) async fn replay(&self, site: SiteId, record: &[u8]) -> Vec<u8> {
        let held = locked(&self.shared.links).get(&site).map(|(joined, _)| joined.clone());
        let mut stream = held.expect("its Link is connected").open().await.expect("a stream");
        head::write(&mut stream, &head::Incoming { site }).await.expect("a head");
        // It may hang up in the middle of it.
        let _ = stream.write_all(record).await;
        let _ = stream.flush().await;
        let (mut said, mut buffer) = (Vec::new(), vec![0; 4096]);
        while let Ok(Ok(count @ 1..)) = timeout(Duration::from_secs(2), stream.read(&mut buffer)).await {
            said.extend_from_slice(&buffer[..count]);
        }
        said
    }

    /// One of its connections, to a Link or a gateway, is closed by it; they dial again.
    pub(crate) fn drop_somebody(&self) {
        let link = locked(&self.shared.rng).random_bool(0.5);
        if link {
            locked(&self.shared.links).drain().for_each(|(_, (joined, _))| joined.close());
        } else {
            locked(&self.shared.gateways).drain(..).for_each(|joined| joined.close());
        }
        self.shared.told.dropped.fetch_add(1, Ordering::SeqCst);
    }
}

async fn accept(shared: Arc<Shared>, listener: TcpListener, tls: TlsAcceptor) {
    static NONCES: AtomicU64 = AtomicU64::new(1);
    let options = AcceptOptions {
        relay_names: vec!["localhost".to_owned()],
        environment: "demo".to_owned(),
        clock: Arc::new(SystemClock),
        tuning: Tuning::default(),
        max_sites: 8,
    };
    while let Ok((tcp, _)) = listener.accept().await {
        let (shared, tls, options) = (shared.clone(), tls.clone(), options.clone());
        let mut nonce = [0; 32];
        nonce[..8].copy_from_slice(&NONCES.fetch_add(1, Ordering::SeqCst).to_le_bytes());
        tokio::spawn(async move {
            let Ok(io) = tls.accept(tcp).await else { return };
            let Ok(joined) = tunnel::join(io, &options, nonce, async |_| Ok(())).await else { return };
            let joined = Arc::new(joined);
            match &joined.party {
                Party::Link { sites, .. } => {
                    for site in sites {
                        let held = (joined.clone(), site.facts.clone());
                        locked(&shared.links).insert(SiteId(site.peer.id), held);
                    }
                    link(&shared, &joined).await;
                }
                Party::Gateway { .. } => {
                    locked(&shared.gateways).push(joined.clone());
                    while let Some(stream) = joined.accept().await {
                        tokio::spawn(answer(shared.clone(), stream));
                    }
                }
            }
        });
    }
}

async fn link(shared: &Arc<Shared>, joined: &Joined) {
    loop {
        tokio::select! {
            hints = joined.hints() => {
                let Some(hints) = hints else { return };
                for hint in hints {
                    tell(shared, hint.site, hint.integrator);
                }
            }
            // A Link that tries its own way: not here.
            stream = joined.accept() => if stream.is_none() { return },
        }
    }
}

/// A hint on its way, or not.
fn tell(shared: &Arc<Shared>, site: SiteId, _: Option<IntegratorId>) {
    let hint = |site| locked(&shared.gateways).iter().for_each(|gateway| gateway.hint(site));
    let ways = *locked(&shared.ways);
    match ways {
        Ways::Honest | Ways::WrongSite => hint(site),
        Ways::NoHints => _ = shared.told.hints_dropped.fetch_add(1, Ordering::SeqCst),
        Ways::Random => {
            let (choice, wait, invented) = {
                let mut rng = locked(&shared.rng);
                (rng.random_range(0..5), rng.random_range(0..3_000), rng.random::<u128>())
            };
            match choice {
                0 => _ = shared.told.hints_dropped.fetch_add(1, Ordering::SeqCst),
                1 => {
                    hint(site);
                    hint(site);
                }
                2 => {
                    let shared = shared.clone();
                    tokio::spawn(async move {
                        tokio::time::sleep(Duration::from_millis(wait)).await;
                        locked(&shared.gateways).iter().for_each(|gateway| gateway.hint(site));
                    });
                }
                3 => {
                    // Of sites that are none, and of one that has no news.
                    shared.told.hints_invented.fetch_add(1, Ordering::SeqCst);
                    let nobody = |n| SiteId::from_slice(&invented.wrapping_add(n).to_be_bytes());
                    (0..20).filter_map(nobody).for_each(&hint);
                    hint(site);
                }
                _ => hint(site),
            }
        }
    }
}

async fn answer(shared: Arc<Shared>, mut stream: Stream) {
    let Ok(ask) = head::read::<Ask>(&mut stream).await else { return };
    let site = match ask {
        Ask::Connect { site } => site,
        Ask::Look { site } => return say(stream, &sites(&shared, |id, _| *id == site)).await,
        Ask::Find { pms_id, .. } => {
            return say(stream, &sites(&shared, |_, facts| facts.pms_id == pms_id)).await;
        }
    };
    let ways = *locked(&shared.ways);
    let lie = if ways == Ways::Random { next_lie(&shared) } else { 9 };
    let wait = locked(&shared.rng).random_range(0..400);
    match lie {
        // It is there, and is said not to be.
        0 | 1 => {
            shared.told.refused.fetch_add(1, Ordering::SeqCst);
            let reason = if lie == 0 { Reason::Offline } else { Reason::Unreachable };
            say(stream, &Answer::Refused { reason, message: "so it says".to_owned() }).await;
        }
        // Nobody is there, and it is said to be.
        2 => {
            shared.told.refused.fetch_add(1, Ordering::SeqCst);
            if head::write(&mut stream, &Answer::Connected).await.is_ok() {
                tokio::time::sleep(Duration::from_millis(wait * 5)).await;
            }
        }
        3 => mislead(&shared, stream).await,
        _ if ways == Ways::WrongSite => mislead(&shared, stream).await,
        _ => {
            let tamper = match lie {
                4..=7 => Some(Tamper::random(&mut locked(&shared.rng))),
                _ => None,
            };
            if tamper.is_some() {
                shared.told.tampered.fetch_add(1, Ordering::SeqCst);
            }
            splice(&shared, site, stream, tamper).await;
        }
    }
}

fn next_lie(shared: &Shared) -> u8 {
    let mut bag = locked(&shared.bag);
    if bag.is_empty() {
        bag.extend(0..10);
        bag.shuffle(&mut *locked(&shared.rng));
    }
    bag.pop().unwrap_or_default()
}

/// Another site answers: one with a key, a certificate and a TLS of its own, like any.
async fn mislead(shared: &Shared, mut stream: Stream) {
    shared.told.misled.fetch_add(1, Ordering::SeqCst);
    if head::write(&mut stream, &Answer::Connected).await.is_err() {
        return;
    }
    let config = trust::inner::server(&shared.other, Arc::new(SystemClock)).expect("a site's own");
    if TlsAcceptor::from(config).accept(stream).await.is_ok() {
        shared.told.fooled.fetch_add(1, Ordering::SeqCst);
    }
}

async fn splice(shared: &Shared, site: SiteId, mut gateway: Stream, tamper: Option<Tamper>) {
    let held = locked(&shared.links).get(&site).map(|(joined, _)| joined.clone());
    let no = |reason| Answer::Refused { reason, message: "not here".to_owned() };
    let Some(joined) = held else { return say(gateway, &no(Reason::Offline)).await };
    let Ok(mut towards) = joined.open().await else { return say(gateway, &no(Reason::Busy)).await };
    drop(joined);
    if head::write(&mut towards, &head::Incoming { site }).await.is_err()
        || head::write(&mut gateway, &Answer::Connected).await.is_err()
    {
        return;
    }
    let mut cut = shared.cut.subscribe();
    let record = Record::default();
    *locked(&shared.recorded) = record.clone();
    tokio::select! {
        () = tamper::carry(gateway, towards, tamper, &record) => {}
        _ = cut.recv() => {}
    }
}

fn sites(shared: &Shared, wanted: impl Fn(&SiteId, &SiteFacts) -> bool) -> Answer {
    let time = SystemClock.now().to_rfc3339();
    let links = locked(&shared.links);
    let found = links.iter().filter(|(site, (_, facts))| wanted(site, facts));
    let record = |(site, (_, facts)): (&SiteId, &(Arc<Joined>, SiteFacts))| SiteRecord {
        site: *site,
        link: None,
        facts: facts.clone(),
        availability: Availability::Online,
        status: SiteStatus::Active,
        authoritative: true,
        created_at: time.clone(),
        enriched_at: time.clone(),
        last_seen_at: time.clone(),
        authority_change: None,
    };
    Answer::Sites { sites: found.map(record).collect() }
}

async fn say(mut stream: Stream, answer: &Answer) {
    if head::write(&mut stream, answer).await.is_ok() {
        let _ = stream.shutdown().await;
    }
}
