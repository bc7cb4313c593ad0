//! Firebird behind the door of `database`: its wire protocol spoken directly, values exact, cancelled within moments.
//!
//! The client is our own because none there is does what money and patients need. `rsfbclient` turns NUMERIC into a float and
//! DATE into a timestamp and can't cancel; `firebirust` holds whole results, can't cancel, and stands on `rust-crypto`, which
//! nobody keeps and which has advisories; Firebird's official library needs unsafe bindings. [`wire`] is the protocol without
//! I/O, [`channel`] the connection, [`session`] the commands, [`tokens`] what makes `@name` positional.
//!
//! Servers: Firebird 3.0 and later (protocol 13 to 16, logins by SRP). `docs/engines/firebird.md` is the page for people.

mod channel;
mod connect;
mod convert;
mod engine;
mod fault;
mod kind;
mod procedure;
mod rights;
mod session;
mod text;
pub mod tokens;
mod values;
pub mod wire;

pub use kind::KIND;
