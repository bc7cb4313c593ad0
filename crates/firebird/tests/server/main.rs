//! The engine against a real Firebird 3, through the door of `database`.
#![expect(clippy::unwrap_used, reason = "a test may")]

mod commands;
mod first;
mod kit;
mod protection;
mod size;
mod types;
