//! Makes the practice's two database files from a seed.

use database::Date;
use model::Hidden;
use std::path::Path;

/// What to build.
#[derive(Clone, Debug)]
pub struct BuildOptions {
    /// How many patients; 5,000 is a middling practice. At most 1,000,000.
    pub patients: u32,
    /// The same seed, options and day give the same content.
    pub seed: u64,
    /// The day that the three years of appointments lie around: two before it, one after.
    pub today: Date,
    /// Database logins; without one nobody gets in.
    pub logins: Vec<PracticeLogin>,
}

/// A database login of the demo practice.
#[derive(Clone, Debug)]
pub struct PracticeLogin {
    /// User name; compares without case, as SQL Server's do.
    pub user: String,
    /// Password.
    pub password: Hidden<String>,
    /// Whether the database refuses this login's writes.
    pub read_only: bool,
}

/// Why the practice could not be built. Nothing usable is left behind then.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// A file could not be written, or one stands there already.
    #[error("can't write the demo practice's files: {0}")]
    Io(#[from] std::io::Error),
    /// The embedded database failed.
    #[error("the embedded database failed: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// The options make no sense.
    #[error("bad option: {0}")]
    Options(&'static str),
}

/// Builds the practice at `path` (and its drug database beside it, with the extension `drugs`), replacing nothing:
/// an existing file is an error. `progress` gets a word for the step and how much of the whole is done, 0 to 1.
pub fn build(
    path: &Path,
    options: &BuildOptions,
    progress: &mut dyn FnMut(&str, f32),
) -> Result<(), BuildError> {
    let _ = (path, options);
    progress("nothing yet", 1.0);
    Err(BuildError::Options("not there yet"))
}
