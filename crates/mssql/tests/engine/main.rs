//! The engine before the demo practice's TDS server, through the public door.
#![allow(clippy::unwrap_used, reason = "in a test a failure is a panic")]

mod cancel;
mod commands;
mod common;
mod logins;
mod parameters;
mod proxy;
mod read_only;
mod reset;
mod silence;
mod tables;
