//! SQL Server's errors, made here.

use database::{Dialect, SqlError};

/// An error with SQL Server's number and words.
pub(crate) fn fault(number: i32, line: u64, message: impl Into<String>) -> SqlError {
    let class = match number {
        102 | 105 | 107 | 113 | 134 | 135 | 136 | 137 | 145 | 147 | 156 | 170 | 174 | 178 | 191 | 195
        | 319 | 1033 | 4108 | 4145 | 10753 => 15,
        229 | 262 | 2601 | 2627 | 18456 => 14,
        3701 => 11,
        _ => 16,
    };
    SqlError {
        dialect: Dialect::Mssql,
        number,
        state: 1,
        class,
        line: u32::try_from(line).unwrap_or(0),
        message: message.into().into(),
    }
}

/// What this demo does not know: refused by name, never passed on to an engine that might read it otherwise.
pub(crate) fn unsupported(line: u64, what: &str) -> SqlError {
    fault(102, line, format!("Incorrect syntax near '{what}': the demo practice does not support it."))
}

/// An error raised inside a function of the embedded engine, on its way through that engine's text.
#[derive(Debug)]
pub(crate) struct Raised(pub(crate) i32, pub(crate) String);

impl std::fmt::Display for Raised {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "\u{1}{}\u{1}{}", self.0, self.1)
    }
}

impl std::error::Error for Raised {}

impl From<Raised> for rusqlite::Error {
    fn from(raised: Raised) -> Self {
        rusqlite::Error::UserFunctionError(Box::new(raised))
    }
}

impl Raised {
    /// Finds a raised error in the embedded engine's message.
    pub(crate) fn read(message: &str) -> Option<Raised> {
        let (number, words) = message.strip_prefix('\u{1}')?.split_once('\u{1}')?;
        Some(Raised(number.parse().ok()?, words.to_owned()))
    }
}

/// An error on its way: reported to the caller, or to the CATCH around it.
#[derive(Clone, Debug)]
pub(crate) struct Caught {
    pub(crate) number: i32,
    pub(crate) state: u8,
    pub(crate) class: u8,
    pub(crate) line: u32,
    pub(crate) procedure: String,
    pub(crate) text: String,
}

impl From<SqlError> for Caught {
    fn from(error: SqlError) -> Caught {
        Caught {
            number: error.number,
            state: error.state,
            class: error.class,
            line: error.line,
            procedure: String::new(),
            text: error.message.reveal().clone(),
        }
    }
}

impl Caught {
    /// SQL Server ends the whole batch at these, and rolls its transaction back: conversions above all.
    pub(crate) fn ends_batch(&self) -> bool {
        matches!(
            self.number,
            208 | 217
                | 235
                | 241
                | 244
                | 245
                | 248
                | 293
                | 295
                | 529
                | 1205
                | 1087
                | 3930
                | 3998
                | 8114
                | 8169
                | 8623
                | 8630
        ) || self.class >= 17
    }
}
