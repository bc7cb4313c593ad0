//! The relay from outside: real sockets and TLS on loopback, the real directory, the real dialer at both ends.

mod bytes;
mod kit;
mod life;
mod refusals;
