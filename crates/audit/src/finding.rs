//! What is wrong with an audit, in a sentence.

use model::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What was done to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Wrong {
    /// A line is not the one that was chained.
    Changed,
    /// Lines are gone.
    Removed,
    /// Lines stand there that nothing holds.
    Inserted,
    /// Two lines stand in each other's place, or one in another's.
    Moved,
    /// The newest lines are gone.
    Cut,
    /// All fits together, and it is not what was witnessed.
    Rewritten,
    /// What was written before there was a chain, or by a version without one, is not what it was when it was chained.
    Older,
    /// The oldest lines are gone, and the practice's own removal of old lines does not say so.
    Beginning,
    /// The text of a statement is not the one that was run.
    Statement,
    /// A witness that proves nothing.
    Witness,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// What was done.
    pub wrong: Wrong,
    /// The first line that it is about; of what has no number, the line after it.
    pub number: u64,
    /// The last one.
    pub to: u64,
    /// When that line, or the one nearest to it, was written, or when it was witnessed; RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub at: Option<String>,
    /// In a sentence.
    pub says: String,
}

impl Finding {
    /// One thing that is wrong. `says` is a sentence without its full stop.
    pub fn new(
        wrong: Wrong,
        (number, to): (u64, u64),
        at: Option<Timestamp>,
        says: impl Into<String>,
    ) -> Self {
        Finding { wrong, number, to, at: at.map(Timestamp::to_rfc3339), says: says.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Finding { number, to, at, says, .. } = self;
        match (number, to) {
            (0, _) => {}
            (number, to) if number == to => write!(f, "line {number}")?,
            (number, to) => write!(f, "lines {number} to {to}")?,
        }
        if let Some(at) = at {
            write!(f, " ({at})")?;
        }
        if *number > 0 || at.is_some() {
            f.write_str(": ")?;
        }
        write!(f, "{says}.")
    }
}
