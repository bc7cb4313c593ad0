//! The engine against a real Firebird 3, through the door of `database`.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, clippy::print_stderr, reason = "tests")]

mod commands;
mod first;
mod kit;
mod protection;
mod size;
mod types;
