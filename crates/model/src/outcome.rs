//! How a command can end, in the published words, and what is known of its effect.

use crate::Hidden;
use serde::{Deserialize, Serialize};

/// Who speaks in an error: the transfer, a database engine, or Halo itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ErrorType {
    /// The transfer (size, time); the code is an HTTP status.
    Http,
    /// SQL Server; the code is its error number.
    Mssql,
    /// Firebird; the code is its SQL code.
    Fbsql,
    /// Halo Link or Gateway.
    HaloLink,
}

/// The published `errorDetails`. The message may quote data, so it can't be printed by accident.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorDetails {
    /// Who speaks.
    pub kind: ErrorType,
    /// Number in the speaker's own numbering.
    pub code: i32,
    /// SQL Server's state, 0 to 255: what tells errors of one number apart. `None` where there is no such thing.
    pub state: Option<u8>,
    /// Line of the statement, from 1, where the database says one.
    pub line: Option<u32>,
    /// The speaker's own words.
    pub message: Hidden<String>,
}

impl ErrorDetails {
    /// An error that has neither state nor line.
    pub fn new(kind: ErrorType, code: i32, message: impl Into<Hidden<String>>) -> Self {
        ErrorDetails { kind, code, state: None, line: None, message: message.into() }
    }
}

/// Whether a statement can have changed the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Effect {
    /// It never reached the database.
    NotExecuted,
    /// It reached the database and its end is known (it may still have ended with a database error).
    Executed,
    /// It reached the database and nobody saw how it ended.
    Unknown,
}
