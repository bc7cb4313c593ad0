//! The inner contract between a gateway and a site: gRPC messages, HTTP/2 client and server glue, row packing.
//!
//! Runs over any byte stream; in life that is the inner TLS session, so whoever is at the other end is already
//! authenticated and arrives as the `Peer` type of the caller's choice.

pub mod client;
pub mod convert;
pub mod pack;
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

/// HTTP/2 windows and keepalive of one session. Both ends use the same figures.
#[derive(Clone, Copy, Debug)]
pub struct Tuning {
    /// Receive window per stream at the start, bytes; adaptive from there on.
    pub stream_window: u32,
    /// Ping an idle connection this often, milliseconds.
    pub keepalive_ms: u64,
    /// And give it up when no answer came for this long, milliseconds.
    pub keepalive_timeout_ms: u64,
}

impl Default for Tuning {
    fn default() -> Self {
        Tuning { stream_window: 1024 * 1024, keepalive_ms: 20_000, keepalive_timeout_ms: 20_000 }
    }
}
