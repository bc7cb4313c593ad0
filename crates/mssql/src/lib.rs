//! Microsoft SQL Server as a database engine: logs in, runs commands over TDS and streams their rows.
//!
//! A session owns its connection, a small runtime for it, and nothing else. `docs/engines/mssql.md` is its manual: settings,
//! types both ways, what read-only guarantees, and which pitfalls of the driver are fenced in here.

mod calendar;
mod cancel;
mod describe;
mod engine;
mod error;
mod output;
mod parameter;
mod read_only;
mod rows;
mod run;
mod session;
mod settings;
mod structured;

pub use engine::MssqlEngine;
pub use settings::{Encrypt, Settings};

/// `kind = "mssql"`.
pub const KIND: database::Kind = database::Kind {
    name: "mssql",
    example: settings::EXAMPLE,
    open: |settings| Ok(std::sync::Arc::new(MssqlEngine::new(Settings::read(settings)?))),
};

/// How the targets begin that a program must keep out of its log, whatever its filter asks for: the driver traces
/// statements, values and the server's words at its ordinary levels.
pub const SILENCED: &str = "mssql_tds";
