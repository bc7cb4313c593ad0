//! The inner contract between a gateway and a site: gRPC messages, HTTP/2 client and server glue, row packing.
//!
//! Runs over any byte stream; in life that is the inner TLS session, so whoever is at the other end is already
//! authenticated and arrives as the `Peer` type of the caller's choice.

pub mod client;
pub mod convert;
pub mod journal;
pub mod pack;
pub mod refusal;
mod secrets;
pub mod server;

/// Generated from `proto/link.proto`.
#[allow(missing_docs, unreachable_pub, clippy::all, reason = "generated; the proto file documents it")]
pub mod proto {
    tonic::include_proto!("halo.link.v1");
}

pub use proto::link_client::LinkClient;
pub use proto::link_server::{Link, LinkServer};
pub use tonic::{Code, Request, Response, Status, Streaming};

/// Version of the contract that this code speaks.
pub const VERSION: u32 = 1;

/// HTTP/2 windows, keepalive and bounds of one session.
#[derive(Clone, Copy, Debug)]
pub struct Tuning {
    /// Receive window per stream, bytes: what may be under way to one reader. Fixed, not adaptive: hyper's adaptive
    /// windows make the connection's as small as one stream's, so that one stalled reader would stop all others.
    pub stream_window: u32,
    /// Receive window of the whole connection, bytes: as many stalled readers as fit leave room for the next.
    pub connection_window: u32,
    /// Ping an idle connection this often, milliseconds.
    pub keepalive_ms: u64,
    /// And give it up when no answer came for this long, milliseconds.
    pub keepalive_timeout_ms: u64,
    /// Server: calls open at once; a client that wants more waits at its own end.
    pub calls: u32,
    /// Server: largest request message, bytes.
    pub request_bytes: usize,
}

impl Default for Tuning {
    fn default() -> Self {
        Tuning {
            // 11 MB/s of packed rows (50 MB/s of content) over 160 ms of round trip need 2 MiB under way.
            stream_window: 4 * 1024 * 1024,
            connection_window: 64 * 1024 * 1024,
            keepalive_ms: 20_000,
            keepalive_timeout_ms: 20_000,
            calls: 256,
            request_bytes: model::limit::MESSAGE_BYTES,
        }
    }
}

impl Tuning {
    /// What a site grants to a peer that it does not know yet: enough to say hello and to pair.
    pub fn for_strangers() -> Self {
        Tuning {
            stream_window: 64 * 1024,
            connection_window: 128 * 1024,
            calls: 4,
            request_bytes: 64 * 1024,
            ..Tuning::default()
        }
    }
}
