//! Is the peer alive? Any received byte says yes; silence is asked once, then again, then believed.

use super::{Timing, backoff::between};
use rand::RngCore;
use std::time::Duration;

/// The ping schedule and dead-peer rule of one connection, in a machine's inner time.
#[derive(Clone, Debug)]
pub struct Liveness {
    heard: Duration,
    ping_at: Duration,
    dead_at: Duration,
}

/// What [`Liveness::check`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing to do yet.
    Alive,
    /// Send a ping.
    Ping,
    /// Give the connection up.
    Dead,
}

impl Liveness {
    /// Starts at `now`, as if something had just been received.
    pub fn start(now: Duration, timing: &Timing, rng: &mut dyn RngCore) -> Self {
        let mut liveness = Liveness { heard: now, ping_at: now, dead_at: now };
        liveness.received(now, timing, rng);
        liveness
    }

    /// Bytes were received at `at`.
    pub fn heard(&mut self, at: Duration, timing: &Timing, rng: &mut dyn RngCore) {
        if at > self.heard {
            self.received(at, timing, rng);
        }
    }

    /// When [`Liveness::check`] has something to say.
    pub fn deadline(&self) -> Duration {
        self.ping_at.min(self.dead_at)
    }

    /// To be asked at `now`, after everything that was received has been told.
    pub fn check(&mut self, now: Duration, timing: &Timing, rng: &mut dyn RngCore) -> Verdict {
        if now < self.deadline() {
            return Verdict::Alive;
        }
        // Asked long after the time we named: this machine slept, and nobody listened meanwhile. The silence proves
        // nothing, so ask the peer now and believe only the silence that follows.
        if now >= self.deadline() + timing.late {
            self.dead_at = self.dead_at.max(now + timing.grace);
            self.ping_at = now + ping_span(timing, rng);
            return Verdict::Ping;
        }
        if now >= self.dead_at {
            return Verdict::Dead;
        }
        self.ping_at = now + ping_span(timing, rng);
        Verdict::Ping
    }

    fn received(&mut self, at: Duration, timing: &Timing, rng: &mut dyn RngCore) {
        self.heard = at;
        self.ping_at = at + ping_span(timing, rng);
        self.dead_at = at + timing.dead_after;
    }
}

fn ping_span(timing: &Timing, rng: &mut dyn RngCore) -> Duration {
    between(timing.ping_every.mul_f32(0.8), timing.ping_every, rng)
}
