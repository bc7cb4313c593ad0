//! The relay from outside: real sockets and TLS on loopback, the real directory, the real dialer at both ends.
#![expect(clippy::unwrap_used, reason = "a test and its helpers may panic")]

mod bytes;
mod guests;
mod hints;
mod kit;
mod life;
mod own;
mod refusals;
mod witness;
