//! The demo practice: synthetic data of Bp Premier's shape on an embedded engine that speaks enough T-SQL.

mod build;
mod calendar;
mod collation;
mod convert;
mod engine;
pub mod events;
mod fault;
mod functions;
mod kind;
mod login;
mod parameter;
mod procedure;
mod random;
mod rights;
mod schema;
mod session;
mod table_type;
pub mod tsql;
mod types;

pub use build::{BuildError, BuildOptions, PracticeLogin, build};
pub use engine::{DemoEngine, OpenError};
pub use kind::KIND;
pub use session::DemoSession;
