//! Attacks on a whole system, each through a door that an attacker really has: the public API, the relay's port, a gateway's own place in a
//! sealed session, a disk, a clock. Real parts on the other side.
//!
//! Each case says what it *tries*, what it is *stopped by*, and as what it is *seen*. What is tried in depth elsewhere is not tried again
//! here: docs/THREAT-MODEL.md names the test of every defence, and [`listed`] holds that each of them exists.

mod codes;
mod doors;
mod gateways;
#[path = "../liar/mod.rs"]
mod liar;
mod listed;
mod logs;
mod relays;
mod rogue;
mod stale;
mod world;
