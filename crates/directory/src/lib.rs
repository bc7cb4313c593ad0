//! What the platform knows of sites and integrators: names, presence, epochs. Nothing clinical.
//!
//! One SQLite file. The running cloud and the operator's commands (`halo-cloud admit`, …) may have it open at the
//! same time: whatever decides about access is read from the file, or from a copy that is at most a second old.
//!
//! **Availability** has three published words, and a Link can be in four situations:
//!
//! | situation | word |
//! |---|---|
//! | its connection is open | `online` |
//! | it said goodbye | `offline` |
//! | its connection broke less than two minutes ago | `offline`: its session is closed, and it usually comes straight back |
//! | its connection broke two minutes ago or more | `unreachable`: two minutes of silence |
//!
//! A start of the cloud finds no site online: those that were are counted as broken at the last moment at which the
//! previous run is known to have been alive.

mod authority;
#[cfg(test)]
mod authority_tests;
mod claim;
mod integrators;
mod presence;
mod registry;
mod schema;
mod sites;
mod text;
mod witnesses;

#[cfg(test)]
mod tests;

pub use authority::{Act, Authority, AuthorityError, Change};
pub use claim::{Claim, Refused};
pub use integrators::Integrator;
pub use presence::Departure;
pub use sites::Site;
pub use text::clean;
pub use witnesses::{Witness, Witnessed};

use model::{Clock, IntegratorId};
use rusqlite::Connection;
use std::{
    collections::HashMap,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// Why the directory could not answer.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// The file can't be opened, read or written. SQLite's words name tables and files, never values.
    #[error("the directory's database failed: {0}")]
    Database(#[from] rusqlite::Error),
    /// A newer version of the program has written this file.
    #[error("the directory's database has version {found}; this program knows versions up to {known}")]
    Newer {
        /// Version in the file.
        found: i64,
        /// Newest version known here.
        known: i64,
    },
    /// A stored record can't be read; somebody else wrote to the file.
    #[error("the directory's record of site {0} can't be read")]
    Damaged(model::SiteId),
}

/// Sites and integrators. Calls block for as long as SQLite takes (microseconds, or up to two seconds while another
/// process writes): call it from a thread that may wait.
pub struct Directory {
    writer: Mutex<Connection>,
    reader: Mutex<Connection>,
    clock: Arc<dyn Clock>,
    /// Integrators seen to be admitted, and when (monotonic).
    admitted: Mutex<HashMap<IntegratorId, Duration>>,
}

impl Directory {
    /// Opens or creates the file and brings it to this program's version. Presence is left as it was found: the
    /// process that accepts Links calls [`Directory::start_afresh`] next.
    pub fn open(path: &Path, clock: Arc<dyn Clock>) -> Result<Directory, DirectoryError> {
        let mut writer = schema::connect(path)?;
        schema::migrate(&mut writer)?;
        let reader = schema::connect(path)?;
        Ok(Directory {
            writer: Mutex::new(writer),
            reader: Mutex::new(reader),
            clock,
            admitted: Mutex::default(),
        })
    }

    fn writer(&self) -> MutexGuard<'_, Connection> {
        unpoisoned(&self.writer)
    }

    fn reader(&self) -> MutexGuard<'_, Connection> {
        unpoisoned(&self.reader)
    }
}

/// A panic in another thread leaves nothing half done here: SQLite rolls its transaction back, maps hold whole values.
fn unpoisoned<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
