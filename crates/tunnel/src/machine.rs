//! The connection's state machines: no I/O, no clock, no randomness of their own.
//!
//! A driver feeds [`Dialer`] or [`Acceptor`] with what happened and what time it is, does the actions it gets back, and
//! comes again with a tick when [`Dialer::wait`] has passed. `now` is any monotonic time; it may jump (a suspended
//! machine), and it may even go back: neither breaks a promise made here.

mod acceptor;
mod backoff;
mod dialer;
mod liveness;

pub use acceptor::{Acceptor, AcceptorAction, AcceptorEvent, AcceptorState};
pub use backoff::full_jitter;
pub use dialer::{ConnectionId, Dialer, DialerAction, DialerEvent, DialerState, Report};
pub use liveness::{Liveness, Verdict};

use std::time::Duration;

/// Every time span that the machines know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timing {
    /// A ping is sent when nothing was received for this long, less a random fifth.
    pub ping_every: Duration,
    /// A connection on which nothing was received for this long is dead.
    pub dead_after: Duration,
    /// A tick that comes this late means that the machine was suspended: a silent peer gets `grace` to answer a ping.
    pub late: Duration,
    /// See `late`.
    pub grace: Duration,
    /// DNS, TCP, proxy, TLS and WebSocket upgrade together.
    pub dial_within: Duration,
    /// From the WebSocket upgrade (the relay: from accepting) to `welcome`.
    pub authenticate_within: Duration,
    /// Full-jitter exponential backoff starts here …
    pub backoff_base: Duration,
    /// … and ends here.
    pub backoff_cap: Duration,
    /// A connection that was online this long makes the backoff start again.
    pub steady_after: Duration,
    /// After a refusal the first wait is between half of this and all of it; it doubles with each refusal in a row …
    pub refused_base: Duration,
    /// … up to this.
    pub refused_cap: Duration,
    /// After a drain the next dial starts within this (jitter, so that a relay's clients do not come as one).
    pub drain_jitter: Duration,
    /// A draining connection may finish its streams for this long at most, whatever the relay allows.
    pub linger_cap: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Timing {
            ping_every: Duration::from_secs(25),
            dead_after: Duration::from_secs(55),
            late: Duration::from_secs(10),
            grace: Duration::from_secs(10),
            dial_within: Duration::from_secs(30),
            authenticate_within: Duration::from_secs(15),
            backoff_base: Duration::from_millis(500),
            backoff_cap: Duration::from_secs(60),
            steady_after: Duration::from_secs(60),
            refused_base: Duration::from_secs(60),
            refused_cap: Duration::from_secs(600),
            drain_jitter: Duration::from_millis(500),
            linger_cap: Duration::from_secs(30),
        }
    }
}

/// Time that only moves forward, whatever the driver's clock does: going back counts as standing still.
#[derive(Clone, Debug, Default)]
struct Forward {
    told: Duration,
    inner: Duration,
}

impl Forward {
    fn starting_at(told: Duration) -> Self {
        Forward { told, inner: Duration::ZERO }
    }

    fn advance(&mut self, told: Duration) -> Duration {
        self.inner += told.saturating_sub(self.told);
        self.told = told;
        self.inner
    }

    /// A moment of the driver's clock, not later than its last one, in inner time.
    fn place(&self, told: Duration) -> Duration {
        self.inner.saturating_sub(self.told.saturating_sub(told))
    }
}
