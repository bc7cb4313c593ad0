//! How things go wrong.

use model::Hidden;

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
    /// The database said no (a wrong login too: 18456 of SQL Server, -902 of Firebird).
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
    /// Cancelled through [`crate::Cancel`] or by the sink.
    #[error("cancelled")]
    Cancelled,
    /// The statement itself ended the transaction that was to be rolled back after it: what it wrote may stand. With the
    /// error that it ended with, if any. The session must be closed.
    #[error("the statement left its read-only transaction")]
    Escaped(Option<Box<SqlError>>),
    /// The connection is gone before it could be shown that the statement, whose words could have ended its read-only
    /// transaction, did not.
    #[error(
        "connection to the database lost within a read-only transaction that the statement could have ended"
    )]
    Unproven,
    /// The connection is gone; whether the statement took effect is not known.
    #[error("connection to the database lost")]
    Lost,
}
