//! Test kit: a network that delays, drops, cuts and goes half-open, and a search of processes' memory, files and wires.
//!
//! For tests and benchmarks only; no shipped program links it. Everything here blocks and uses threads of its own,
//! so that an asynchronous program under test is never slowed by its own test kit.
//! Reading other processes' memory and counters works on Linux only.

pub mod canary;
pub mod child;
pub mod line;
pub mod memory;
pub mod named;
pub mod proxy;
pub mod scan;
pub mod tap;

pub use canary::Canary;
pub use child::Child;
pub use proxy::{DelayProxy, Direction};
pub use scan::{Hit, Needle};

use std::time::Instant;

/// The machine's monotonic clock: a delay line made of real time is what this crate is for.
#[expect(
    clippy::disallowed_methods,
    reason = "measures and shapes real time; nothing here runs on a simulated clock"
)]
pub(crate) fn now() -> Instant {
    Instant::now()
}
