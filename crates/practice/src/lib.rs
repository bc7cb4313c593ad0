//! The demo practice: synthetic data of Bp Premier's shape on an embedded engine that speaks enough T-SQL.

mod build;
mod engine;

pub use build::{BuildError, BuildOptions, PracticeLogin, build};
pub use engine::{DemoEngine, OpenError};
