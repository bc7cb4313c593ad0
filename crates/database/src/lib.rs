//! One narrow door to a practice's database: log in, run a command, read typed rows as they come, cancel.
//!
//! Engines implement [`Engine`] and [`Session`]; they block, and are run on threads made for that.
//! [`json`] writes rows as the published contract has them, for every engine alike.

pub mod json;
pub mod value;

use model::{Access, Catalogue, Command, Hidden, ParameterType};
use std::sync::Arc;
pub use value::{Date, Time, Value};

/// A database login as the PMS vendor issued it to one integrator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// User name.
    pub user: Hidden<String>,
    /// Password.
    pub password: Hidden<String>,
}

/// One practice-management database system: makes sessions.
pub trait Engine: Send + Sync + 'static {
    /// Its databases, one of them the default.
    fn catalogues(&self) -> Vec<Catalogue>;

    /// Logs in to one catalogue (a name from [`Engine::catalogues`]; names compare without case).
    /// With [`Access::ReadOnly`] the engine itself refuses every write of this session.
    fn connect(&self, login: &Login, catalogue: &str, access: Access) -> Result<Box<dyn Session>, Failure>;
}

/// One connection of one login to one catalogue. Runs one command at a time.
pub trait Session: Send {
    /// Runs a command to its end. Columns and rows go to `sink` as the database yields them: for `reader` the first
    /// result set that has columns, for `scalar` at most its first value, for `nonQuery` none.
    fn run(&mut self, command: &Command, sink: &mut dyn Sink) -> Result<Done, Failure>;

    /// Makes the command that runs now, or the next one if none runs yet, end with [`Failure::Cancelled`]; from any thread.
    fn canceller(&self) -> Arc<dyn Cancel>;

    /// A cheap round trip: whether the connection still lives.
    fn ping(&mut self) -> Result<(), Failure>;
}

/// Cancels from another thread.
pub trait Cancel: Send + Sync {
    /// Asks once; the command's own end says whether it worked.
    fn cancel(&self);
}

/// A column of a result set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// As the database names it; empty when it has none. ([`json`] makes names unique and present.)
    pub name: String,
    /// The database's own name of the type, for example `varchar`.
    pub type_name: String,
}

/// Takes columns and rows. An `Err` from it ends the command as if cancelled.
pub trait Sink {
    /// Once, before the first row; also when no row follows.
    fn columns(&mut self, columns: &[Column]) -> Result<(), Stopped>;
    /// One row: as many values as columns. Blocks while the reader is slow: that is how back pressure reaches the cursor.
    fn row(&mut self, values: &[Value<'_>]) -> Result<(), Stopped>;
}

/// The reader wants no more rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stopped;

/// How a command ended well.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Done {
    /// Rows inserted, updated or deleted; `None` when the database gave no count.
    pub rows_affected: Option<i64>,
    /// Output, inputOutput and returnValue parameters, in the command's order.
    pub outputs: Vec<Output>,
}

/// The value that came back in one parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// Index into the command's parameters.
    pub parameter: usize,
    /// The declared type.
    pub kind: ParameterType,
    /// Text as in row JSON without quotes; `None` is NULL.
    pub value: Option<Hidden<String>>,
}

/// Which engine's numbering an error has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// SQL Server.
    Mssql,
    /// Firebird.
    Fbsql,
}

/// An error that the database itself reported. The message may quote data: it can't be printed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqlError {
    /// Numbering.
    pub dialect: Dialect,
    /// SQL Server's error number, Firebird's SQL code.
    pub number: i32,
    /// SQL Server's state; 0 elsewhere.
    pub state: u8,
    /// SQL Server's severity; 0 elsewhere.
    pub class: u8,
    /// Line in the batch, from 1; 0 when unknown.
    pub line: u32,
    /// The database's words.
    pub message: Hidden<String>,
}

/// How a command, or a connect, can fail.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The database said no (a wrong login too: 18456).
    #[error("database error {}", .0.number)]
    Sql(SqlError),
    /// A parameter's text is not of its type; the statement was not run.
    #[error("a parameter does not convert to its type")]
    Parameter {
        /// Name with its `@`.
        name: String,
        /// What it should have been; never quotes the value.
        expected: String,
    },
    /// No such catalogue.
    #[error("unknown catalogue")]
    Catalogue,
    /// Cancelled through [`Cancel`] or by the sink.
    #[error("cancelled")]
    Cancelled,
    /// The connection is gone; whether the statement took effect is not known.
    #[error("connection to the database lost")]
    Lost,
}
