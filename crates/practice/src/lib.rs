//! The demo practice: synthetic data of Bp Premier's shape on an embedded engine that speaks enough T-SQL.

mod build;
pub mod tsql;
mod convert;
mod fault;
mod functions;
mod parameter;
mod procedure;
mod session;
mod types;
mod calendar;
mod collation;
mod engine;
mod login;
mod random;
mod schema;

pub use build::{BuildError, BuildOptions, PracticeLogin, build};
pub use engine::{DemoEngine, OpenError};
