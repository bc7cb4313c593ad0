//! Webhooks against real HTTPS servers on this machine: what is sent, how it is signed, when it is tried again, whom it never calls.

#![allow(clippy::unwrap_used, reason = "a test's helpers may fail as loudly as the test itself")]

mod attempts;
mod durable;
mod facts;
mod kit;
mod signatures;
mod targets;
