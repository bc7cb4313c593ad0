//! Firebird's wire protocol, versions 13 to 16, without I/O: bytes in, messages out, and the other way round.
//!
//! Everything that a server says is bounded before memory is taken for it.

pub mod arc4;
pub mod blr;
pub mod info;
pub mod op;
pub mod reply;
pub mod request;
pub mod row;
pub mod srp;
pub mod status;
pub mod xdr;
