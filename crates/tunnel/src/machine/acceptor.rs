//! The relay's side of one connection.

use super::{Forward, Liveness, Timing, Verdict};
use crate::CloseKind;
use rand::RngCore;
use std::time::Duration;

/// Where an accepted connection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AcceptorState {
    /// The client has not proven itself yet.
    Authenticating,
    /// In use.
    Online,
    /// Told to go; what runs may finish.
    Draining,
    /// Over.
    Closed(CloseKind),
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AcceptorEvent {
    /// The time that [`Acceptor::wait`] named has come.
    Tick,
    /// The client has proven itself and was let in.
    Authenticated,
    /// Bytes were received, last at this time of the driver's clock.
    Heard(Duration),
    /// The relay wants to stop: the client shall go within this.
    Drain(Duration),
    /// A draining connection has no stream left.
    Idle,
    /// The client said goodbye.
    Goodbye,
    /// The connection broke.
    Lost,
    /// The relay is done with this client.
    Close,
}

/// What the driver must do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AcceptorAction {
    /// Send a WebSocket ping.
    Ping,
    /// Tell the client to go within this.
    SendDrain(Duration),
    /// Say goodbye and close.
    SendGoodbye,
    /// Drop the connection.
    Drop,
}

/// The machine. See [`crate::machine`].
#[derive(Clone, Debug)]
pub struct Acceptor {
    time: Forward,
    state: AcceptorState,
    /// When an unproven or draining connection ends.
    deadline: Option<Duration>,
    liveness: Option<Liveness>,
}

impl Acceptor {
    /// A connection that was accepted at `now`.
    pub fn new(now: Duration, timing: &Timing) -> Self {
        let time = Forward::starting_at(now);
        Acceptor {
            deadline: Some(time.inner + timing.authenticate_within),
            time,
            state: AcceptorState::Authenticating,
            liveness: None,
        }
    }

    /// Where it stands.
    pub fn state(&self) -> AcceptorState {
        self.state
    }

    /// How long after the last event a [`AcceptorEvent::Tick`] is due; `None` when closed.
    pub fn wait(&self) -> Option<Duration> {
        let live = self.liveness.as_ref().map(Liveness::deadline);
        let due = [self.deadline, live].into_iter().flatten().min()?;
        Some(due.saturating_sub(self.time.inner))
    }

    /// Takes an event and says what to do. After [`AcceptorState::Closed`] it does nothing.
    pub fn handle(
        &mut self,
        now: Duration,
        event: AcceptorEvent,
        timing: &Timing,
        rng: &mut dyn RngCore,
    ) -> Option<AcceptorAction> {
        let now_inner = self.time.advance(now);
        match (self.state, event) {
            (AcceptorState::Closed(_), _) => None,
            (AcceptorState::Authenticating, AcceptorEvent::Authenticated) => {
                self.state = AcceptorState::Online;
                self.deadline = None;
                self.liveness = Some(Liveness::start(now_inner, timing, rng));
                None
            }
            (_, AcceptorEvent::Heard(at)) => {
                let at = self.time.place(at);
                if let Some(liveness) = &mut self.liveness {
                    liveness.heard(at, timing, rng);
                }
                None
            }
            (AcceptorState::Online, AcceptorEvent::Drain(within)) => {
                self.state = AcceptorState::Draining;
                self.deadline = Some(now_inner + within);
                Some(AcceptorAction::SendDrain(within))
            }
            (_, AcceptorEvent::Goodbye) => Some(self.close(CloseKind::Goodbye, AcceptorAction::Drop)),
            (_, AcceptorEvent::Lost) => Some(self.close(CloseKind::Lost, AcceptorAction::Drop)),
            (_, AcceptorEvent::Close) => Some(self.close(CloseKind::Goodbye, AcceptorAction::SendGoodbye)),
            (_, AcceptorEvent::Tick) => self.tick(now_inner, timing, rng),
            // A client that was told to go closes by itself; one with nothing left need not be waited for.
            (AcceptorState::Draining, AcceptorEvent::Idle) => {
                Some(self.close(CloseKind::Goodbye, AcceptorAction::SendGoodbye))
            }
            (_, AcceptorEvent::Authenticated | AcceptorEvent::Drain(_) | AcceptorEvent::Idle) => None,
        }
    }

    fn tick(&mut self, now: Duration, timing: &Timing, rng: &mut dyn RngCore) -> Option<AcceptorAction> {
        if self.deadline.is_some_and(|at| now >= at) {
            return Some(match self.state {
                AcceptorState::Draining => self.close(CloseKind::Goodbye, AcceptorAction::SendGoodbye),
                _ => self.close(CloseKind::Lost, AcceptorAction::Drop),
            });
        }
        match self.liveness.as_mut()?.check(now, timing, rng) {
            Verdict::Alive => None,
            Verdict::Ping => Some(AcceptorAction::Ping),
            Verdict::Dead => Some(self.close(CloseKind::Lost, AcceptorAction::Drop)),
        }
    }

    fn close(&mut self, kind: CloseKind, action: AcceptorAction) -> AcceptorAction {
        self.state = AcceptorState::Closed(kind);
        self.deadline = None;
        self.liveness = None;
        action
    }
}
