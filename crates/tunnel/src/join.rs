//! The relay's side of one connection: upgrade, examine, admit, carry.

use crate::{
    OpenError, PATH, SUBPROTOCOL, Stream, Tuning,
    control::{self, Message, RefusedReason},
    date,
    hello::{self, Fault},
    hint::{Hint, Incoming, Outgoing},
    jitter::Jitter,
    line::{Inbound, Line},
    machine::{Acceptor, AcceptorAction, AcceptorEvent, AcceptorState},
    session::{Session, SessionEvent},
    wire::{Heard, WebSocket, Wire, websocket_config},
    witness::{self, AuditHead},
};
use model::{Clock, SiteFacts, SiteId, Timestamp};
use std::{
    fmt, io,
    sync::{Arc, OnceLock},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::Notify,
    time::timeout,
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        handshake::server::{ErrorResponse, Request, Response},
        http::{HeaderValue, StatusCode},
        protocol::Role,
    },
};
use trust::Peer;

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CloseKind {
    /// On purpose: the client said goodbye, or the relay closed it or drained it.
    Goodbye,
    /// It broke or fell silent.
    Lost,
}

/// What a relay needs to let clients in.
#[derive(Clone)]
pub struct AcceptOptions {
    /// Host names (and addresses) by which clients dial this relay; they sign the one they used. The first is shown.
    pub relay_names: Vec<String>,
    /// The one environment whose clients are let in.
    pub environment: String,
    /// Time: certificates are checked against it, silence is measured with it.
    pub clock: Arc<dyn Clock>,
    /// Settings of every connection.
    pub tuning: Tuning,
    /// Most sites of one Link.
    pub max_sites: usize,
}

/// One site of a Link, proven.
#[derive(Clone, Debug)]
pub struct JoinedSite {
    /// Its identity; `peer.id` is the Halo GUID.
    pub peer: Peer,
    /// What it says of itself.
    pub facts: SiteFacts,
    /// Raised when its Link starts.
    pub epoch: u64,
}

/// Who is on the other end, proven.
#[derive(Clone, Debug)]
pub enum Party {
    /// A Halo Link with its sites.
    Link {
        /// Its identity; `peer.id` is the Link GUID.
        peer: Peer,
        /// Raised by every start.
        epoch: u64,
        /// At most [`AcceptOptions::max_sites`], each once; may be empty.
        sites: Vec<JoinedSite>,
    },
    /// An integrator's gateway.
    Gateway {
        /// Its identity; `peer.id` is the integrator's.
        peer: Peer,
        /// Raised by every start.
        epoch: u64,
    },
}

impl Party {
    /// The identity that said hello.
    pub fn peer(&self) -> &Peer {
        match self {
            Party::Link { peer, .. } | Party::Gateway { peer, .. } => peer,
        }
    }
}

/// Why a connection did not become a [`Joined`].
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// No WebSocket upgrade for our path and subprotocol.
    #[error("no usable WebSocket upgrade: {0}")]
    Upgrade(String),
    /// The client did not prove itself, or was not admitted; it was told.
    #[error("refused ({reason:?}): {message}")]
    Refused {
        /// What it was told, for programs.
        reason: RefusedReason,
        /// What it was told, for people.
        message: String,
    },
    /// Not done within the time for authentication.
    #[error("the client did not prove itself in time")]
    TimedOut,
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Io(io::Error),
}

/// Why `admit` does not let in a client that has proven itself. The text is what the client is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Denied {
    /// A passing fault: the client comes back as after a loss.
    Busy(String),
    /// Somebody has to change something first: the client comes back, but seldom.
    NotAdmitted(String),
    /// Another server has served one of the Link's sites, with this epoch or (`doubled`) serves it with the Link's own.
    Fenced {
        /// With the Link's own epoch.
        doubled: bool,
        /// The highest epoch seen.
        epoch: u64,
        /// For people.
        why: String,
    },
}

impl From<Denied> for Fault {
    fn from(denied: Denied) -> Fault {
        match denied {
            Denied::Busy(message) => Fault::Refuse(RefusedReason::Busy, message),
            Denied::NotAdmitted(message) => Fault::Refuse(RefusedReason::NotAdmitted, message),
            Denied::Fenced { doubled: true, epoch, why } => {
                Fault::Fence(RefusedReason::DoubledEpoch, why, epoch)
            }
            Denied::Fenced { doubled: false, epoch, why } => {
                Fault::Fence(RefusedReason::OlderEpoch, why, epoch)
            }
        }
    }
}

/// A client that has proven itself and was let in. Dropping it says goodbye and closes the connection.
pub struct Joined {
    /// Who it is.
    pub party: Party,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    line: Line,
    inbound: Inbound,
    hints: Outgoing,
    hinted: Incoming,
    witnessed: witness::Incoming,
    kind: OnceLock<CloseKind>,
    closed: Notify,
}

impl fmt::Debug for Joined {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Joined").field("party", &self.party).finish_non_exhaustive()
    }
}

/// Takes a fresh connection (TLS is already done) through upgrade and authentication, asks `admit`, and says welcome.
///
/// `nonce` must be random and never used before. On success the connection is carried by a task of its own, so this
/// must run inside a tokio runtime.
///
/// # Errors
/// [`JoinError`]; the client has been told where that was possible.
pub async fn join<Io>(
    io: Io,
    options: &AcceptOptions,
    nonce: [u8; 32],
    admit: impl AsyncFnOnce(&Party) -> Result<(), Denied>,
) -> Result<Joined, JoinError>
where
    Io: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut machine = Acceptor::new(options.clock.monotonic(), &options.tuning.timing);
    let within = machine.wait().unwrap_or_default();
    let io = Heard::new(io, options.clock.clone());
    let authenticated = Box::pin(authenticate(io, options, nonce, admit));
    let (party, socket) = timeout(within, authenticated).await.map_err(|_| JoinError::TimedOut)??;

    let mut rng = Jitter(u64::from_le_bytes(nonce.first_chunk().copied().unwrap_or_default()));
    let now = options.clock.monotonic();
    machine.handle(now, AcceptorEvent::Authenticated, &options.tuning.timing, &mut rng);
    let shared = Arc::new(Shared::default());
    let driver = Driver {
        session: Session::new(Wire::new(socket), &options.tuning, yamux::Mode::Server),
        machine,
        rng,
        shared: Ending(shared.clone()),
        clock: options.clock.clone(),
        takes_hints: matches!(party, Party::Link { .. }),
        // Shared by all connections of a relay that clones its options once.
        tuning: options.tuning.clone(),
    };
    // Boxed: a task that moved the driver into itself would hold it twice.
    tokio::spawn(Box::new(driver).run());
    Ok(Joined { party, shared })
}

impl Joined {
    /// Opens a stream to the client; waits at most 10 s.
    ///
    /// # Errors
    /// [`OpenError`].
    pub async fn open(&self) -> Result<Stream, OpenError> {
        self.shared.line.open().await
    }

    /// The next stream that the client opened; `None` when the connection is over.
    pub async fn accept(&self) -> Option<Stream> {
        self.shared.inbound.next().await
    }

    /// Tells a gateway that a site may have news for it: soon, and together with others. May be lost.
    pub fn hint(&self, site: SiteId) {
        self.shared.hints.add(Hint { site, integrator: None });
        self.shared.line.work.notify_one();
    }

    /// The hints of a Link since the last call, as they came: waits for one. `None` when the connection is over. For one caller.
    pub async fn hints(&self) -> Option<Vec<Hint>> {
        self.shared.hinted.next().await
    }

    /// Where a Link says that audits end, since the last call: of each site the last word. Waits for one. `None` when the connection is over.
    /// For one caller.
    pub async fn audit_heads(&self) -> Option<Vec<AuditHead>> {
        self.shared.witnessed.next().await
    }

    /// Tells the client to finish what runs and to dial again; the connection closes when its streams are done, at the
    /// latest after [`Tuning::drain_within`].
    pub fn drain(&self) {
        self.shared.line.drain();
    }

    /// From now on the client may have this many streams open at once, at most [`Tuning::streams`]; one more is reset.
    pub fn limit_streams(&self, streams: usize) {
        self.shared.line.limit(streams);
    }

    /// Says goodbye and closes; open streams break.
    pub fn close(&self) {
        self.shared.line.close();
    }

    /// Waits for the end of the connection.
    pub async fn closed(&self) -> CloseKind {
        loop {
            let closed = self.shared.closed.notified();
            if let Some(kind) = self.shared.kind.get() {
                return *kind;
            }
            closed.await;
        }
    }
}

impl Drop for Joined {
    fn drop(&mut self) {
        self.close();
    }
}

async fn authenticate(
    io: Heard,
    options: &AcceptOptions,
    nonce: [u8; 32],
    admit: impl AsyncFnOnce(&Party) -> Result<(), Denied>,
) -> Result<(Party, WebSocket), JoinError> {
    let now = options.clock.now();
    #[expect(clippy::result_large_err, reason = "the type is tungstenite's")]
    let callback = |request: &Request, response: Response| check_request(request, response, now);
    let upgraded =
        tokio_tungstenite::accept_hdr_async_with_config(io, callback, Some(websocket_config(false))).await;
    let mut socket = upgraded.map_err(|e| JoinError::Upgrade(e.to_string()))?;
    let examined = match hello::examine(&mut socket, nonce, options).await {
        Ok(party) => match admit(&party).await {
            Ok(()) => hello::tell(&mut socket, &Message::Welcome).await.map(|()| party),
            Err(denied) => Err(denied.into()),
        },
        Err(fault) => Err(fault),
    };
    match examined {
        // Larger messages only from clients that are known. The client has been silent since `ready`, so nothing of it
        // is left in the old buffers.
        Ok(party) => {
            let config = Some(websocket_config(true));
            Ok((party, WebSocketStream::from_raw_socket(socket.into_inner(), Role::Server, config).await))
        }
        Err(Fault::Refuse(reason, message)) => {
            hello::tell_refusal(&mut socket, reason, &message, None).await;
            Err(JoinError::Refused { reason, message })
        }
        Err(Fault::Fence(reason, message, epoch)) => {
            hello::tell_refusal(&mut socket, reason, &message, Some(epoch)).await;
            Err(JoinError::Refused { reason, message })
        }
        Err(Fault::Gone(error)) => Err(JoinError::Io(error)),
    }
}

#[expect(clippy::result_large_err, reason = "the type is tungstenite's")]
fn check_request(
    request: &Request,
    mut response: Response,
    now: Timestamp,
) -> Result<Response, ErrorResponse> {
    let refuse = |status, text: &str| {
        let mut refusal = ErrorResponse::new(Some(text.to_owned()));
        *refusal.status_mut() = status;
        Err(refusal)
    };
    if request.uri().path() != PATH {
        return refuse(StatusCode::NOT_FOUND, "the tunnel is at /tunnel/v1\n");
    }
    let offered = request.headers().get_all("Sec-WebSocket-Protocol");
    let ours =
        |value: &HeaderValue| value.to_str().is_ok_and(|v| v.split(',').any(|p| p.trim() == SUBPROTOCOL));
    if !offered.iter().any(ours) {
        return refuse(StatusCode::BAD_REQUEST, "the WebSocket subprotocol is halo-tunnel-v1\n");
    }
    response.headers_mut().insert("Sec-WebSocket-Protocol", HeaderValue::from_static(SUBPROTOCOL));
    if let Some(date) = date::write(now).and_then(|date| HeaderValue::from_str(&date).ok()) {
        response.headers_mut().insert("Date", date);
    }
    Ok(response)
}

/// However a driver ends, nobody may wait for it any more.
struct Ending(Arc<Shared>);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.line.end();
        self.0.inbound.end();
        self.0.hinted.end();
        self.0.witnessed.end();
        self.0.kind.get_or_init(|| CloseKind::Lost);
        self.0.closed.notify_waiters();
    }
}

/// Feeds the machine and does what it says.
struct Driver {
    session: Session,
    machine: Acceptor,
    rng: Jitter,
    shared: Ending,
    clock: Arc<dyn Clock>,
    /// A gateway has neither hints nor audit heads to give.
    takes_hints: bool,
    tuning: Tuning,
}

impl Driver {
    async fn run(mut self: Box<Self>) {
        let (kind, action) = loop {
            self.send_hints();
            let event = self.next_event().await;
            self.handle(AcceptorEvent::Heard(self.session.heard()));
            let action = event.and_then(|event| self.handle(event));
            match action {
                Some(AcceptorAction::Ping) => self.session.ping(),
                Some(AcceptorAction::SendDrain(within)) => {
                    let within_ms = u64::try_from(within.as_millis()).unwrap_or(u64::MAX);
                    self.session.send(&control::Message::Drain { within_ms });
                    self.session.stop();
                }
                Some(AcceptorAction::SendGoodbye | AcceptorAction::Drop) | None => {}
            }
            if let AcceptorState::Closed(kind) = self.machine.state() {
                break (kind, action);
            }
        };
        let Driver { session, shared, .. } = *self;
        shared.0.line.end();
        if action == Some(AcceptorAction::SendGoodbye) {
            // Rarely needed, so not part of every task's size.
            Box::pin(session.goodbye()).await;
        } else {
            drop(session);
        }
        let _ = shared.0.kind.set(kind);
    }

    fn handle(&mut self, event: AcceptorEvent) -> Option<AcceptorAction> {
        self.machine.handle(self.clock.monotonic(), event, &self.tuning.timing, &mut self.rng)
    }

    async fn next_event(&mut self) -> Option<AcceptorEvent> {
        let draining = self.machine.state() == AcceptorState::Draining;
        let places = self.session.places();
        if draining && places.is_empty() {
            return Some(AcceptorEvent::Idle);
        }
        let wait = self.machine.wait().unwrap_or(Duration::ZERO).min(self.hints_wait());
        tokio::select! {
            event = self.session.next() => match event {
                SessionEvent::Inbound(stream) => {
                    self.shared.0.inbound.push(stream);
                    None
                }
                SessionEvent::Control(Message::Goodbye) => Some(AcceptorEvent::Goodbye),
                SessionEvent::Control(Message::Hint { news }) if self.takes_hints => {
                    self.shared.0.hinted.push(news, self.clock.monotonic());
                    None
                }
                SessionEvent::Control(Message::Witness { audit }) if self.takes_hints => {
                    self.shared.0.witnessed.push(audit, self.clock.monotonic());
                    None
                }
                SessionEvent::Control(_) => None,
                SessionEvent::Ended(why) => {
                    tracing::debug!(why, "connection lost");
                    Some(AcceptorEvent::Lost)
                }
            },
            () = self.shared.0.line.work.notified() => self.requested(),
            () = places.freed.notified(), if draining => None,
            () = tokio::time::sleep(wait) => Some(AcceptorEvent::Tick),
        }
    }

    fn send_hints(&mut self) {
        if self.machine.state() == AcceptorState::Online
            && let Some(news) = self.shared.0.hints.take(self.clock.monotonic())
        {
            self.session.send(&Message::Hint { news });
        }
    }

    fn hints_wait(&self) -> Duration {
        let online = self.machine.state() == AcceptorState::Online;
        let wait = online.then(|| self.shared.0.hints.wait(self.clock.monotonic()));
        wait.flatten().unwrap_or(Duration::MAX)
    }

    fn requested(&mut self) -> Option<AcceptorEvent> {
        let requests = self.shared.0.line.take();
        if let Some(streams) = requests.limit {
            self.session.limit_inbound(streams.min(self.tuning.streams));
        }
        for opening in requests.openings {
            self.session.open(opening);
        }
        match requests {
            _ if requests.close => Some(AcceptorEvent::Close),
            _ if requests.drain => Some(AcceptorEvent::Drain(self.tuning.drain_within)),
            _ => None,
        }
    }
}
