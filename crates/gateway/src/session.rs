//! Inner sessions: TLS end to end to a site and gRPC in it, one per site and lane, kept warm.

mod call;
mod open;
mod pool;

pub use call::{CallError, call};
pub use open::{OpenError, Session, Showing};
pub use pool::{Lane, Sessions};
