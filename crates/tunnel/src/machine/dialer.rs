//! The client's side: dial, prove, stay, come back.

use super::{Forward, Liveness, Timing, Verdict, backoff, full_jitter};
use rand::RngCore;
use std::time::Duration;

/// Names one dial attempt and the connection that comes of it. Events of any other one are ignored.
pub type ConnectionId = u64;

/// Where a dialer stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DialerState {
    /// Not started.
    Idle,
    /// Between attempts.
    Waiting,
    /// DNS, TCP, proxy, TLS, WebSocket upgrade.
    Dialing,
    /// The WebSocket is open; proving who we are.
    Authenticating,
    /// In use.
    Online,
    /// The relay asked us to go: the old connection finishes its streams by itself, the next dial is about to start.
    Draining,
    /// Over, on our own wish.
    Closed,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DialerEvent {
    /// Begin.
    Start,
    /// The time that [`Dialer::wait`] named has come, or may have: a tick that is early does nothing.
    Tick,
    /// The WebSocket is open.
    Connected(ConnectionId),
    /// The relay said welcome.
    Welcomed(ConnectionId),
    /// The relay said no. `passing`: it may say yes soon.
    Refused(ConnectionId, String, bool),
    /// Bytes were received, last at this time of the driver's clock.
    Heard(ConnectionId, Duration),
    /// The relay asked us to go within this.
    Drain(ConnectionId, Duration),
    /// The attempt failed or the connection broke (or the relay said goodbye); why, for people.
    Lost(ConnectionId, String),
    /// We want to stop.
    Close,
}

/// What the driver must do, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DialerAction {
    /// Start an attempt under this name.
    Dial(ConnectionId),
    /// Drop this attempt or connection.
    Drop(ConnectionId),
    /// Send a WebSocket ping.
    Ping(ConnectionId),
    /// Open nothing more on this connection; close it when its streams are done, at the latest after this.
    Linger(ConnectionId, Duration),
    /// Say goodbye on this connection and close it; when it is not welcome yet, wait shortly for that.
    Goodbye(ConnectionId),
    /// Tell whoever watches.
    Report(Report),
}

/// What a watcher is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    /// An attempt runs.
    Connecting,
    /// In use.
    Online,
    /// The next attempt starts in so long.
    Waiting(Duration, String),
    /// The relay said no, so an attempt in so long is but a small hope.
    Refused(Duration, String),
    /// Over.
    Closed,
}

/// The machine. See [`crate::machine`].
#[derive(Clone, Debug)]
pub struct Dialer {
    timing: Timing,
    time: Forward,
    state: DialerState,
    /// Current attempt or connection; the number only rises.
    id: ConnectionId,
    /// When the state ends by itself.
    deadline: Option<Duration>,
    liveness: Option<Liveness>,
    online_since: Option<Duration>,
    /// Attempts that failed, and refusals, since the last steady connection.
    failures: u32,
    refusals: u32,
}

impl Dialer {
    /// A dialer that has not started.
    pub fn new(now: Duration, timing: Timing) -> Self {
        Dialer {
            timing,
            time: Forward::starting_at(now),
            state: DialerState::Idle,
            id: 0,
            deadline: None,
            liveness: None,
            online_since: None,
            failures: 0,
            refusals: 0,
        }
    }

    /// Where it stands.
    pub fn state(&self) -> DialerState {
        self.state
    }

    /// The current attempt or connection.
    pub fn current(&self) -> ConnectionId {
        self.id
    }

    /// How long after the last event a [`DialerEvent::Tick`] is due; `None` when idle or closed.
    pub fn wait(&self) -> Option<Duration> {
        let live = self.liveness.as_ref().map(Liveness::deadline);
        let due = [self.deadline, live].into_iter().flatten().min()?;
        Some(due.saturating_sub(self.time.inner))
    }

    /// Takes an event and says what to do. After [`DialerState::Closed`] it does nothing.
    pub fn handle(&mut self, now: Duration, event: DialerEvent, rng: &mut dyn RngCore) -> Vec<DialerAction> {
        let now = self.time.advance(now);
        match event {
            _ if self.state == DialerState::Closed => vec![],
            DialerEvent::Start if self.state == DialerState::Idle => self.dial(now),
            DialerEvent::Start => vec![],
            DialerEvent::Close => self.close(),
            DialerEvent::Tick => self.tick(now, rng),
            DialerEvent::Connected(id) if self.is(id, DialerState::Dialing) => {
                self.state = DialerState::Authenticating;
                self.deadline = Some(now + self.timing.authenticate_within);
                vec![]
            }
            DialerEvent::Welcomed(id) if self.is(id, DialerState::Authenticating) => {
                self.state = DialerState::Online;
                self.deadline = None;
                self.liveness = Some(Liveness::start(now, &self.timing, rng));
                self.online_since = Some(now);
                self.refusals = 0;
                vec![DialerAction::Report(Report::Online)]
            }
            DialerEvent::Refused(id, why, false) if self.is(id, DialerState::Authenticating) => {
                self.refused(now, why, rng)
            }
            DialerEvent::Refused(id, why, true) if self.is(id, DialerState::Authenticating) => {
                self.lost(now, why, rng)
            }
            DialerEvent::Heard(id, at) if id == self.id => {
                let at = self.time.place(at);
                if let Some(liveness) = &mut self.liveness {
                    liveness.heard(at, &self.timing, rng);
                }
                vec![]
            }
            DialerEvent::Drain(id, within) if self.is(id, DialerState::Online) => {
                self.drain(now, within, rng)
            }
            DialerEvent::Lost(id, why) if id == self.id && self.is_connected_or_trying() => {
                self.lost(now, why, rng)
            }
            // What an earlier connection still had to say.
            DialerEvent::Connected(id) | DialerEvent::Welcomed(id) if id != self.id => {
                vec![DialerAction::Drop(id)]
            }
            _ => vec![],
        }
    }

    fn is(&self, id: ConnectionId, state: DialerState) -> bool {
        id == self.id && state == self.state
    }

    fn is_connected_or_trying(&self) -> bool {
        matches!(self.state, DialerState::Dialing | DialerState::Authenticating | DialerState::Online)
    }

    fn tick(&mut self, now: Duration, rng: &mut dyn RngCore) -> Vec<DialerAction> {
        if self.deadline.is_some_and(|at| now >= at) {
            let why = match self.state {
                DialerState::Dialing => "the relay could not be reached in time",
                DialerState::Authenticating => {
                    "the relay did not answer in time after the connection was open"
                }
                _ => return self.dial(now),
            };
            return self.lost(now, why.to_owned(), rng);
        }
        let Some(liveness) = &mut self.liveness else { return vec![] };
        match liveness.check(now, &self.timing, rng) {
            Verdict::Alive => vec![],
            Verdict::Ping => vec![DialerAction::Ping(self.id)],
            Verdict::Dead => self.lost(now, "the relay fell silent".to_owned(), rng),
        }
    }

    fn dial(&mut self, now: Duration) -> Vec<DialerAction> {
        self.state = DialerState::Dialing;
        self.id += 1;
        self.deadline = Some(now + self.timing.dial_within);
        vec![DialerAction::Dial(self.id), DialerAction::Report(Report::Connecting)]
    }

    fn lost(&mut self, now: Duration, why: String, rng: &mut dyn RngCore) -> Vec<DialerAction> {
        self.leave_online(now);
        let wait = full_jitter(self.timing.backoff_base, self.timing.backoff_cap, self.failures, rng);
        self.failures = self.failures.saturating_add(1);
        self.wait_for(now, wait);
        vec![DialerAction::Drop(self.id), DialerAction::Report(Report::Waiting(wait, why))]
    }

    fn refused(&mut self, now: Duration, why: String, rng: &mut dyn RngCore) -> Vec<DialerAction> {
        let doubled = self.timing.refused_base.saturating_mul(1 << self.refusals.min(16));
        let ceiling = doubled.min(self.timing.refused_cap);
        let wait = backoff::between(ceiling / 2, ceiling, rng);
        self.refusals = self.refusals.saturating_add(1);
        self.wait_for(now, wait);
        vec![DialerAction::Drop(self.id), DialerAction::Report(Report::Refused(wait, why))]
    }

    fn drain(&mut self, now: Duration, within: Duration, rng: &mut dyn RngCore) -> Vec<DialerAction> {
        self.leave_online(now);
        self.state = DialerState::Draining;
        // A relay that drains again and again must not be dialled in a tight loop: short connections count as failures.
        let jitter = backoff::between(Duration::ZERO, self.timing.drain_jitter, rng);
        let wait = match self.failures {
            0 => jitter,
            n => full_jitter(self.timing.backoff_base, self.timing.backoff_cap, n - 1, rng).max(jitter),
        };
        self.failures = self.failures.saturating_add(1);
        self.deadline = Some(now + wait);
        let linger = within.min(self.timing.linger_cap);
        vec![DialerAction::Linger(self.id, linger), DialerAction::Report(Report::Connecting)]
    }

    fn close(&mut self) -> Vec<DialerAction> {
        let last = match self.state {
            // The relay may have let us in already, and would take silence for a fault.
            DialerState::Online | DialerState::Authenticating => Some(DialerAction::Goodbye(self.id)),
            DialerState::Dialing => Some(DialerAction::Drop(self.id)),
            _ => None,
        };
        self.state = DialerState::Closed;
        self.deadline = None;
        self.liveness = None;
        last.into_iter().chain([DialerAction::Report(Report::Closed)]).collect()
    }

    fn wait_for(&mut self, now: Duration, wait: Duration) {
        self.state = DialerState::Waiting;
        self.liveness = None;
        self.deadline = Some(now + wait);
    }

    fn leave_online(&mut self, now: Duration) {
        self.liveness = None;
        if self.online_since.take().is_some_and(|since| now.saturating_sub(since) >= self.timing.steady_after)
        {
            self.failures = 0;
        }
    }
}
