//! The outer leg: dial, accept, keep alive, reconnect, multiplex. It carries bytes that it does not understand.
//!
//! [`Dialer`] keeps one connection to a relay up for as long as it lives; [`join`] is the relay's side of one. Both end
//! in [`Stream`]s. What is said on the wire is in `docs/protocol/outer-leg.md`.

mod address;
mod arrivals;
mod connect;
mod date;
mod dial;
mod hello;
mod hint;
mod jitter;
mod join;
mod line;
mod probe;
mod session;
mod stream;
mod tls;
mod tuning;
mod wire;
mod witness;

pub mod control;
pub mod head;
pub mod machine;
pub mod proxy;

pub use address::{AddressError, PATH, Proxy, RelayAddress, SUBPROTOCOL};
pub use connect::{ConnectError, TlsWrong, dial_tls, tune_socket};
pub use dial::{Credentials, DialOptions, Dialer, Hinter, Hints, Opener, SiteIdentity, Status, Teller};
pub use hint::Hint;
pub use join::{AcceptOptions, CloseKind, Denied, JoinError, Joined, JoinedSite, Party, join};
pub use line::OpenError;
pub use probe::{ProbeError, Probed, probe};
pub use stream::Stream;
pub use tls::{Roots, TlsSetupError, outer_client_tls, outer_server_tls};
pub use tuning::Tuning;
pub use witness::AuditHead;
