//! One narrow door to a practice's database: log in, run a command, read typed rows as they come, cancel, describe.
//!
//! An engine is a crate of its own that offers a [`Kind`]; whoever composes a program lists the kinds it serves. Engines
//! implement [`Engine`] and [`Session`]; they block, and are run on threads made for that. [`json`] writes rows as the
//! published contract has them, for every engine alike.

mod describe;
mod failure;
pub mod json;
mod kind;
pub mod pick;
mod session;
mod sink;
pub mod text;
pub mod value;

pub use describe::{Description, Rights, Writes};
pub use failure::{Dialect, Failure, SqlError};
pub use kind::{Kind, OpenError, Settings};
pub use session::{Cancel, Done, Engine, Login, Output, Session, Terms};
pub use sink::{Column, Part, Sink, Stopped, Wanted};
pub use value::{Date, Time, Value};
