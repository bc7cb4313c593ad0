//! How fast a result may flow to its reader: as fast as the line takes it without anything else having to wait.
//!
//! Delay-based, in the manner of LEDBAT (RFC 6817): the reader acknowledges what it has read, and each acknowledgement says how long the
//! way there and back took. More than the quickest one of late means that something queues, here or in a router on the
//! way; the window shrinks before an immediate answer feels it. No clock: times are arguments, monotonic.

use std::{collections::VecDeque, time::Duration};

#[cfg(test)]
mod tests;

/// So much waiting on the way is aimed at.
const TARGET: Duration = Duration::from_millis(12);
/// Never less under way than this, bytes: two pieces.
pub(crate) const LEAST: u64 = 32 * 1024;
/// Never more, bytes: 50 MB/s over 80 ms.
pub(crate) const MOST: u64 = 4 * 1024 * 1024;
/// One piece, bytes: at 20 Mbit/s it holds the line for 6 ms.
pub(crate) const PIECE: usize = 16 * 1024;
/// The quickest way is looked for among those of this long, and of as long before.
const WINDOW: Duration = Duration::from_secs(60);

/// The window of one reader.
#[derive(Debug)]
pub(crate) struct Pace {
    window: f64,
    sent: u64,
    read: u64,
    /// Where each piece ended, and when it left.
    under_way: VecDeque<(u64, Duration)>,
    quickest: [Option<Duration>; 2],
    began: Duration,
    /// Doubles each round trip until something queues for the first time.
    starting: bool,
    /// The window shrinks once per round trip at most: what is under way can't be taken back.
    settled: Duration,
}

impl Pace {
    pub(crate) fn new(now: Duration) -> Self {
        Pace {
            window: LEAST as f64,
            sent: 0,
            read: 0,
            under_way: VecDeque::new(),
            quickest: [None; 2],
            began: now,
            starting: true,
            settled: Duration::ZERO,
        }
    }

    /// Whether the next piece may leave.
    pub(crate) fn may_send(&self) -> bool {
        self.sent - self.read < self.window as u64
    }

    /// A piece left.
    pub(crate) fn sent(&mut self, bytes: usize, now: Duration) {
        if bytes == 0 {
            return;
        }
        self.sent += bytes as u64;
        self.under_way.push_back((self.sent, now));
    }

    /// The reader has read so many bytes, all together. What can't be is ignored: a reader that lies slows or hurries
    /// nobody but itself.
    pub(crate) fn read(&mut self, all: u64, now: Duration) {
        if all <= self.read || all > self.sent {
            return;
        }
        let bytes = (all - self.read) as f64;
        self.read = all;
        let mut left = None;
        while let Some((end, at)) = self.under_way.front().copied().filter(|(end, _)| *end <= all) {
            left = Some((end, at));
            self.under_way.pop_front();
        }
        let Some((_, left)) = left else { return };
        self.took(bytes, now.saturating_sub(left), now);
    }

    fn took(&mut self, bytes: f64, took: Duration, now: Duration) {
        if now.saturating_sub(self.began) >= WINDOW {
            self.quickest = [None, self.quickest[0]];
            self.began = now;
        }
        let here = self.quickest[0].map_or(took, |quickest| quickest.min(took));
        self.quickest[0] = Some(here);
        let quickest = self.quickest[1].map_or(here, |before| before.min(here));
        let queued = took.saturating_sub(quickest).as_secs_f64();
        let off = (TARGET.as_secs_f64() - queued) / TARGET.as_secs_f64();
        if off >= 0.0 {
            // Of each round trip's bytes at most one piece more; at the start as many again.
            let gain = if self.starting { 1.0 } else { PIECE as f64 / self.window };
            self.window += gain * off * bytes;
            self.starting &= off > 0.5;
        } else {
            self.starting = false;
            if now >= self.settled {
                self.window *= 1.0 + (off * 0.5).max(-0.5);
                self.settled = now + took;
            }
        }
        self.window = self.window.clamp(LEAST as f64, MOST as f64);
    }
}
