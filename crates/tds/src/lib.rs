//! A test kit: a server of SQL Server's protocol (TDS) over the demo practice, for clients that speak nothing else.
//!
//! Why a codec of our own: the protocol crates there are belong to clients. They write LOGIN7 and RPC and read tokens;
//! a server reads the former and writes the latter. So [`wire`] reads what clients send (bytes in, messages out, no I/O),
//! `answer` writes what they get, and `serve` joins both to sockets, TLS and a session's thread.

mod answer;
mod backend;
mod calendar;
mod codepage;
mod serve;
pub mod wire;

pub use answer::{
    cell::Unfit,
    kind::{Kind, write_value},
};
pub use backend::{Backend, Conversation, Refused};
pub use serve::{Options, Server, Tls};
pub use wire::Version;
