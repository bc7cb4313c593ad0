//! Splices encrypted streams between gateways and sites, and knows who is connected.
//!
//! What passes is ciphertext under keys that the relay never has. The only words it reads are those of the outer leg:
//! who dials, and the head of each stream. It keeps presence in memory and asks a [`Registry`] about everything else.

mod accept;
mod doorman;
mod gateway;
mod guests;
mod hints;
mod link;
mod meter;
mod own;
mod presence;
mod registry;
mod splice;
mod witness;

pub use doorman::DoorLimits;
pub use guests::{Begun, Guests, Session};
pub use meter::Usage;
pub use registry::{Claim, Fault, JoinRefused, Registry};

use doorman::Doorman;
use hints::Listeners;
use meter::Meter;
use model::Clock;
use presence::Presence;
use registry::Desk;
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::{net::TcpListener, sync::Semaphore};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tunnel::AcceptOptions;

/// A drain lasts at most this long; whoever is left then is cut off.
pub const DRAIN: Duration = Duration::from_secs(4);

/// Makes the challenges: 32 fresh random bytes each time.
pub type Nonces = Arc<dyn Fn() -> [u8; 32] + Send + Sync>;

/// What a relay is made of.
pub struct Options {
    /// The certificate that this relay shows on the outer leg.
    pub tls: Arc<rustls::ServerConfig>,
    /// Names, clock and tuning of the outer leg.
    pub accept: AcceptOptions,
    /// Where challenges come from.
    pub nonces: Nonces,
    /// Time for the doorman's counts.
    pub clock: Arc<dyn Clock>,
    /// Bounds.
    pub limits: Limits,
    /// Who serves what is not the tunnel.
    pub guests: Option<Guests>,
}

/// Bounds of one relay.
#[derive(Clone, Debug)]
pub struct Limits {
    /// At the door, before anybody has said who they are.
    pub door: DoorLimits,
    /// TLS, WebSocket and challenge together.
    pub handshake: Duration,
    /// For the first words of a stream, and for the answer's way out.
    pub head: Duration,
    /// Until a Link's connection has taken a new stream.
    pub open: Duration,
    /// Streams of one gateway connection at a time.
    pub streams_per_gateway: usize,
    /// Streams of one integrator to one site at a time, over all its gateway connections. A site can't tell whose a stream is before
    /// its handshake is over: nobody must be able to fill it with streams that never come so far.
    pub streams_per_site: usize,
    /// The same as `streams_per_gateway` while its integrator is not admitted.
    pub streams_per_unadmitted: usize,
    /// Gateway connections of integrators that are not admitted, in all; the next one is told to try again.
    pub unadmitted_gateways: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            door: DoorLimits::default(),
            handshake: Duration::from_secs(10),
            head: Duration::from_secs(10),
            open: Duration::from_secs(5),
            streams_per_gateway: 1024,
            streams_per_site: 64,
            streams_per_unadmitted: 8,
            unadmitted_gateways: 256,
        }
    }
}

/// How much is connected now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    /// Link connections.
    pub links: usize,
    /// Sites that they serve.
    pub sites: usize,
    /// Gateway connections.
    pub gateways: usize,
    /// Spliced streams.
    pub streams: usize,
}

/// One relay. Clones are the same relay.
#[derive(Clone)]
pub struct Relay {
    shared: Arc<Shared>,
}

struct Shared {
    options: Options,
    desk: Desk,
    presence: Presence,
    listeners: Listeners,
    meter: Meter,
    doorman: Doorman,
    /// Cancelled when the relay begins to drain.
    draining: CancellationToken,
    /// Every connection's task.
    tasks: TaskTracker,
    links: AtomicUsize,
    gateways: AtomicUsize,
    /// Places for gateways whose integrators are not admitted.
    waiting_room: Arc<Semaphore>,
    streams: AtomicUsize,
}

impl Relay {
    /// A relay that serves nobody yet.
    pub fn new(registry: Arc<dyn Registry>, options: Options) -> Relay {
        let shared = Shared {
            desk: Desk::new(registry),
            presence: Presence::new(),
            listeners: Listeners::default(),
            meter: Meter::default(),
            doorman: Doorman::new(options.limits.door.clone()),
            draining: CancellationToken::new(),
            tasks: TaskTracker::new(),
            links: AtomicUsize::new(0),
            gateways: AtomicUsize::new(0),
            waiting_room: Arc::new(Semaphore::new(options.limits.unadmitted_gateways)),
            streams: AtomicUsize::new(0),
            options,
        };
        Relay { shared: Arc::new(shared) }
    }

    /// Serves until `stop` is cancelled, then drains: accepts nobody, asks everybody to dial again elsewhere, waits at
    /// most [`DRAIN`] for streams to finish, and cuts off the rest. When it returns the registry knows who has left.
    pub async fn serve(&self, listener: TcpListener, stop: CancellationToken) {
        accept::run(&self.shared, listener, &stop).await;
        self.shared.draining.cancel();
        self.shared.tasks.close();
        let counts = self.counts();
        tracing::info!(
            links = counts.links,
            gateways = counts.gateways,
            streams = counts.streams,
            "draining"
        );
        // Every task ends by itself within the drain; the margin is for telling the registry.
        if tokio::time::timeout(DRAIN + Duration::from_millis(500), self.shared.tasks.wait()).await.is_err() {
            tracing::warn!(connections = self.shared.tasks.len(), "connections left at the end of the drain");
        }
    }

    /// How much is connected now.
    pub fn counts(&self) -> Counts {
        let shared = &self.shared;
        Counts {
            links: shared.links.load(Relaxed),
            sites: shared.presence.sites(),
            gateways: shared.gateways.load(Relaxed),
            streams: shared.streams.load(Relaxed),
        }
    }

    /// Bytes per integrator and site since the start, running streams included. In no order.
    pub fn usage(&self) -> Vec<Usage> {
        self.shared.meter.read()
    }
}

/// Counts one of something for as long as it lives.
struct Counted<F: Fn(&Shared) -> &AtomicUsize>(Arc<Shared>, F);

impl<F: Fn(&Shared) -> &AtomicUsize> Counted<F> {
    fn new(shared: &Arc<Shared>, which: F) -> Self {
        which(shared).fetch_add(1, Relaxed);
        Counted(shared.clone(), which)
    }
}

impl<F: Fn(&Shared) -> &AtomicUsize> Drop for Counted<F> {
    fn drop(&mut self) {
        (self.1)(&self.0).fetch_sub(1, Relaxed);
    }
}
