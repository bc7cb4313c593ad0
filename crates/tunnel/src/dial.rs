//! The client's side: a connection to the relay that comes back by itself.

use crate::{
    OpenError, Proxy, RelayAddress, Stream, Tuning,
    connect::{ConnectError, Seen, connect},
    control::{Message, RefusedReason},
    hello::{Rejected, prove},
    hint::{Hint, Incoming, Outgoing},
    jitter::Jitter,
    line::{Inbound, Line},
    machine::{self, ConnectionId, DialerAction, DialerEvent, DialerState, Report},
    session::{Opening, Session, SessionEvent},
    tuning::GOODBYE_WITHIN,
    wire::{WebSocket, Wire},
    witness::{self, AuditHead},
};
use futures::future::BoxFuture;
use model::{Clock, IntegratorId, SiteFacts, SiteId};
use std::{fmt, sync::Arc, time::Duration};
use tokio::{
    sync::{Notify, watch},
    task::{JoinHandle, JoinSet},
    time::timeout,
};
use trust::Operational;

/// One site that a Link serves.
#[derive(Clone)]
pub struct SiteIdentity {
    /// Its operational key and chain.
    pub operational: Operational,
    /// What it says of itself; at most 16 catalogues, each text at most 512 bytes.
    pub facts: SiteFacts,
    /// Raised when the Link starts.
    pub epoch: u64,
}

/// Who dials.
#[derive(Clone)]
pub enum Credentials {
    /// A Halo Link and the sites that it serves.
    Link {
        /// The installation's operational key and chain.
        operational: Operational,
        /// Raised by every start.
        epoch: u64,
        /// May be empty.
        sites: Vec<SiteIdentity>,
    },
    /// A gateway instance of an integrator.
    Gateway {
        /// The instance's operational key and chain under the integrator's root.
        operational: Operational,
        /// Raised by every start.
        epoch: u64,
    },
}

/// Everything a [`Dialer`] needs.
#[derive(Clone)]
pub struct DialOptions {
    /// Where to.
    pub relay: RelayAddress,
    /// From [`outer_client_tls`](crate::outer_client_tls).
    pub tls: Arc<rustls::ClientConfig>,
    /// On the way.
    pub proxy: Option<Proxy>,
    /// Which environment we are set to: a relay of another one refuses us.
    pub environment: String,
    /// Who we are.
    pub credentials: Credentials,
    /// Sizes and time spans.
    pub tuning: Tuning,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Spreads retries and pings; take it from the system's randomness.
    pub seed: u64,
}

/// How a [`Dialer`] stands, for watchers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// An attempt runs.
    Connecting,
    /// Streams can be opened and accepted.
    Online,
    /// The last attempt failed or the connection broke; the next attempt comes by itself.
    Waiting {
        /// When the wait began it was this long.
        retry_in_ms: u64,
        /// For people: what went wrong and what to do.
        why: String,
    },
    /// The relay said no. It is asked again, but seldom.
    Refused {
        /// For programs.
        reason: RefusedReason,
        /// For people: the relay's words.
        why: String,
        /// The highest epoch that the relay has seen, where it refuses this client's.
        epoch: Option<u64>,
    },
    /// [`Dialer::close`] was called.
    Closed,
}

/// Keeps one connection to a relay. Dropping it breaks the connection; [`Dialer::close`] ends it properly.
pub struct Dialer {
    front: Arc<Front>,
    status: watch::Receiver<Status>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct Front {
    line: Line,
    inbound: Inbound,
    hints: Outgoing,
    hinted: Incoming,
    witness: witness::Outgoing,
    /// Tells connections that finish their streams after a drain to stop.
    stop: Notify,
}

impl fmt::Debug for Dialer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dialer").field("status", &*self.status.borrow()).finish_non_exhaustive()
    }
}

impl Dialer {
    /// Starts dialling, in a task of its own: must run inside a tokio runtime.
    pub fn start(options: DialOptions) -> Dialer {
        let front = Arc::new(Front::default());
        let (report, status) = watch::channel(Status::Connecting);
        let driver = Driver {
            machine: machine::Dialer::new(options.clock.monotonic(), options.tuning.timing.clone()),
            rng: Jitter(options.seed),
            options: Arc::new(options),
            front: front.clone(),
            report,
            stage: Stage::None,
            refused: (RefusedReason::Other, None),
            waiting: Vec::new(),
            lingering: JoinSet::new(),
        };
        Dialer { front, status, task: tokio::spawn(driver.run()) }
    }

    /// Opens a stream to the relay. While an attempt runs it is waited for; 10 s in all.
    ///
    /// # Errors
    /// [`OpenError`]; `Offline` at once when no attempt runs.
    pub async fn open(&self) -> Result<Stream, OpenError> {
        self.front.line.open().await
    }

    /// Opens streams for somebody else, for as long as this dialer lives.
    pub fn opener(&self) -> Opener {
        Opener(self.front.clone())
    }

    /// Tells the relay of news, for as long as this dialer lives. For a Link.
    pub fn hinter(&self) -> Hinter {
        Hinter(self.front.clone())
    }

    /// Tells the relay where the audits of its sites end, for as long as this dialer lives. For a Link.
    pub fn teller(&self) -> Teller {
        Teller(self.front.clone())
    }

    /// Hears of news from the relay, until this dialer ends. For a gateway, and for one listener.
    pub fn hints(&self) -> Hints {
        Hints(self.front.clone())
    }

    /// The next stream that the relay opened; waits through reconnects. `None` after the end.
    pub async fn accept(&self) -> Option<Stream> {
        self.front.inbound.next().await
    }

    /// To watch.
    pub fn status(&self) -> watch::Receiver<Status> {
        self.status.clone()
    }

    /// Says goodbye, so that the relay knows that this is no fault, and ends. Takes at most some seconds.
    pub async fn close(mut self) {
        self.front.line.close();
        let _ = timeout(GOODBYE_WITHIN * 3, &mut self.task).await;
    }
}

/// Opens streams on a [`Dialer`]'s connection; does not keep it alive.
#[derive(Clone)]
pub struct Opener(Arc<Front>);

impl fmt::Debug for Opener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Opener")
    }
}

impl Opener {
    /// As [`Dialer::open`].
    ///
    /// # Errors
    /// [`OpenError`]; `Offline` also when the dialer has ended.
    pub async fn open(&self) -> Result<Stream, OpenError> {
        self.0.line.open().await
    }
}

/// Tells the relay that a site has news for an integrator; does not keep the connection alive.
#[derive(Clone)]
pub struct Hinter(Arc<Front>);

impl fmt::Debug for Hinter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hinter")
    }
}

impl Hinter {
    /// Soon, and together with others: never waits, may be lost.
    pub fn hint(&self, site: SiteId, integrator: IntegratorId) {
        self.0.hints.add(Hint { site, integrator: Some(integrator) });
        self.0.line.work.notify_one();
    }
}

/// Tells the relay where audits end; does not keep the connection alive.
#[derive(Clone)]
pub struct Teller(Arc<Front>);

impl fmt::Debug for Teller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Teller")
    }
}

impl Teller {
    /// Soon, and no more often than every two minutes: of each site the newest. So all that there is to tell is better told at once. Never
    /// waits; told again on every new connection.
    pub fn tell(&self, heads: &[AuditHead]) {
        self.0.witness.add(heads);
        self.0.line.work.notify_one();
    }
}

/// Hears which sites may have news; does not keep the connection alive.
pub struct Hints(Arc<Front>);

impl fmt::Debug for Hints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hints")
    }
}

impl Hints {
    /// Sites that were hinted at since the last call, each once; waits for one, also through reconnects. `None` after the end.
    pub async fn next(&mut self) -> Option<Vec<SiteId>> {
        let mut sites: Vec<SiteId> = self.0.hinted.next().await?.into_iter().map(|hint| hint.site).collect();
        sites.dedup();
        Some(sites)
    }
}

impl Drop for Dialer {
    fn drop(&mut self) {
        self.task.abort();
        self.front.end();
    }
}

impl Front {
    fn end(&self) {
        self.line.end();
        self.inbound.end();
        self.hinted.end();
    }
}

/// What the current attempt or connection is busy with.
enum Stage {
    None,
    Dialing(BoxFuture<'static, Result<WebSocket, ConnectError>>),
    Proving(BoxFuture<'static, Result<WebSocket, Rejected>>),
    Live(Box<Session>),
}

enum StageEvent {
    Dialed(Result<WebSocket, ConnectError>),
    Proved(Result<WebSocket, Rejected>),
    Session(SessionEvent),
}

impl Stage {
    async fn next(&mut self) -> StageEvent {
        match self {
            Stage::None => std::future::pending().await,
            Stage::Dialing(dialing) => StageEvent::Dialed(dialing.await),
            Stage::Proving(proving) => StageEvent::Proved(proving.await),
            Stage::Live(session) => StageEvent::Session(session.next().await),
        }
    }
}

/// Feeds the machine and does what it says.
struct Driver {
    options: Arc<DialOptions>,
    machine: machine::Dialer,
    rng: Jitter,
    front: Arc<Front>,
    report: watch::Sender<Status>,
    stage: Stage,
    /// Why the relay said no last.
    refused: (RefusedReason, Option<u64>),
    /// Those who asked for a stream while an attempt runs.
    waiting: Vec<Opening>,
    /// Connections that finish their streams after a drain.
    lingering: JoinSet<()>,
}

impl Drop for Driver {
    /// However it ends, nobody may wait for it any more.
    fn drop(&mut self) {
        self.front.end();
    }
}

impl Driver {
    async fn run(mut self) {
        let mut actions = self.handle(DialerEvent::Start);
        loop {
            for action in actions {
                self.perform(action).await;
            }
            self.serve_openings();
            self.send_hints();
            if self.machine.state() == DialerState::Closed {
                break;
            }
            let event = self.next_event().await;
            if let Stage::Live(session) = &self.stage {
                let heard = session.heard();
                self.handle(DialerEvent::Heard(self.machine.current(), heard));
            }
            // The machine names its waits from the time it was last told. So whatever woke us is told to it, if only as
            // a tick: callers who ask for a stream again and again must not put the next attempt off for ever.
            actions = self.handle(event.unwrap_or(DialerEvent::Tick));
        }
        self.front.end();
        self.front.stop.notify_waiters();
        let rest = async { while self.lingering.join_next().await.is_some() {} };
        let _ = timeout(GOODBYE_WITHIN, rest).await;
    }

    fn handle(&mut self, event: DialerEvent) -> Vec<DialerAction> {
        self.machine.handle(self.options.clock.monotonic(), event, &mut self.rng)
    }

    async fn next_event(&mut self) -> Option<DialerEvent> {
        let wait = self.machine.wait().unwrap_or(Duration::MAX).min(self.hints_wait());
        let id = self.machine.current();
        tokio::select! {
            event = self.stage.next() => self.on_stage(id, event),
            () = self.front.line.work.notified() => {
                let requests = self.front.line.take();
                self.waiting.extend(requests.openings);
                requests.close.then_some(DialerEvent::Close)
            }
            Some(_) = self.lingering.join_next() => None,
            () = tokio::time::sleep(wait) => Some(DialerEvent::Tick),
        }
    }

    fn on_stage(&mut self, id: ConnectionId, event: StageEvent) -> Option<DialerEvent> {
        match event {
            StageEvent::Dialed(Ok(mut socket)) => {
                let options = self.options.clone();
                self.stage = Stage::Proving(Box::pin(async move {
                    prove(&mut socket, options.relay.host(), &options.environment, &options.credentials)
                        .await?;
                    Ok(socket)
                }));
                Some(DialerEvent::Connected(id))
            }
            StageEvent::Proved(Ok(socket)) => {
                self.stage = Stage::Live(Box::new(self.session(socket)));
                self.front.witness.again();
                Some(DialerEvent::Welcomed(id))
            }
            StageEvent::Dialed(Err(error)) => Some(DialerEvent::Lost(id, error.to_string())),
            StageEvent::Proved(Err(Rejected::Broken(why))) => Some(DialerEvent::Lost(id, why)),
            StageEvent::Proved(Err(Rejected::Refused(refused))) => {
                let passing = refused.reason.is_passing();
                self.refused = (refused.reason, refused.epoch);
                Some(DialerEvent::Refused(id, refused.message, passing))
            }
            StageEvent::Session(SessionEvent::Inbound(stream)) => {
                self.front.inbound.push(stream);
                None
            }
            StageEvent::Session(SessionEvent::Control(Message::Drain { within_ms })) => {
                Some(DialerEvent::Drain(id, Duration::from_millis(within_ms)))
            }
            StageEvent::Session(SessionEvent::Control(Message::Goodbye)) => {
                Some(DialerEvent::Lost(id, "the relay closed the connection".to_owned()))
            }
            StageEvent::Session(SessionEvent::Control(Message::Hint { news })) => {
                self.front.hinted.push(news, self.options.clock.monotonic());
                None
            }
            StageEvent::Session(SessionEvent::Control(_)) => None,
            StageEvent::Session(SessionEvent::Ended(why)) => Some(DialerEvent::Lost(id, why)),
        }
    }

    async fn perform(&mut self, action: DialerAction) {
        match action {
            DialerAction::Dial(_) => {
                let options = self.options.clone();
                self.stage = Stage::Dialing(Box::pin(async move {
                    let (relay, proxy) = (&options.relay, options.proxy.as_ref());
                    connect(relay, proxy, options.tls.clone(), options.clock.clone(), &mut Seen::default())
                        .await
                }));
            }
            DialerAction::Drop(_) => self.stage = Stage::None,
            DialerAction::Ping(_) => {
                if let Stage::Live(session) = &mut self.stage {
                    session.ping();
                }
            }
            DialerAction::Linger(_, within) => {
                if let Stage::Live(session) = std::mem::replace(&mut self.stage, Stage::None) {
                    self.lingering.spawn(linger(session, within, self.front.clone()));
                }
            }
            DialerAction::Goodbye(_) => match std::mem::replace(&mut self.stage, Stage::None) {
                Stage::Live(session) => session.goodbye().await,
                Stage::Proving(proving) => {
                    if let Ok(Ok(socket)) = timeout(GOODBYE_WITHIN, proving).await {
                        self.session(socket).goodbye().await;
                    }
                }
                Stage::None | Stage::Dialing(_) => {}
            },
            DialerAction::Report(report) => self.report(report),
        }
    }

    fn session(&self, socket: WebSocket) -> Session {
        Session::new(Wire::new(socket), &self.options.tuning, yamux::Mode::Client)
    }

    fn serve_openings(&mut self) {
        match (&mut self.stage, self.machine.state()) {
            (Stage::Live(session), DialerState::Online) => {
                self.waiting.drain(..).for_each(|opening| session.open(opening));
            }
            (_, DialerState::Dialing | DialerState::Authenticating | DialerState::Draining) => {
                self.waiting.retain(|opening| !opening.is_closed());
            }
            _ => self.waiting.drain(..).for_each(|opening| drop(opening.send(Err(OpenError::Offline)))),
        }
    }

    fn send_hints(&mut self) {
        if let (Stage::Live(session), DialerState::Online) = (&mut self.stage, self.machine.state()) {
            let now = self.options.clock.monotonic();
            if let Some(news) = self.front.hints.take(now) {
                session.send(&Message::Hint { news });
            }
            if let Some(audit) = self.front.witness.take(now) {
                session.send(&Message::Witness { audit });
            }
        }
    }

    /// While there is no connection hints and heads wait for one.
    fn hints_wait(&self) -> Duration {
        if self.machine.state() != DialerState::Online {
            return Duration::MAX;
        }
        let now = self.options.clock.monotonic();
        let waits = [self.front.hints.wait(now), self.front.witness.wait(now)];
        waits.into_iter().flatten().min().unwrap_or(Duration::MAX)
    }

    fn report(&self, report: Report) {
        let relay = self.options.relay.host();
        let status = match report {
            Report::Connecting => Status::Connecting,
            Report::Online => {
                tracing::info!(relay, "connected to the relay");
                Status::Online
            }
            Report::Waiting(wait, why) => {
                let retry_in_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
                tracing::warn!(relay, retry_in_ms, why, "not connected to the relay");
                Status::Waiting { retry_in_ms, why }
            }
            Report::Refused(wait, why) => {
                let retry_in_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
                tracing::error!(relay, retry_in_ms, why, "the relay refused this client");
                let (reason, epoch) = self.refused;
                Status::Refused { reason, why, epoch }
            }
            Report::Closed => Status::Closed,
        };
        self.report.send_replace(status);
    }
}

/// Carries what still runs on a drained connection, then closes it.
async fn linger(mut session: Box<Session>, within: Duration, front: Arc<Front>) {
    session.stop();
    let places = session.places();
    let end = tokio::time::sleep(within);
    tokio::pin!(end);
    while !places.is_empty() {
        tokio::select! {
            event = session.next() => match event {
                SessionEvent::Ended(_) | SessionEvent::Control(Message::Goodbye) => return,
                SessionEvent::Inbound(_) | SessionEvent::Control(_) => {}
            },
            () = places.freed.notified() => {}
            () = &mut end => break,
            () = front.stop.notified() => break,
        }
    }
    session.goodbye().await;
}
