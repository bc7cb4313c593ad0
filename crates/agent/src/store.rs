//! What the site keeps: one SQLite file, `link.db`. Every commit is on disk before it returns.

mod approvals;
mod carried;
mod chain;
mod codes;
mod consents;
mod cut;
mod events;
mod forgotten;
mod instances;
mod jobs;
mod kit;
mod ledger;
mod measured;
mod pairings;
mod requests;
mod reseal;
mod said;
mod schedules;
mod schema;
mod seal;
#[cfg(test)]
mod seal_tests;
mod shut;
mod signed;
mod sites;
mod standing;
#[cfg(test)]
mod standing_sim;
mod trail;
mod values;

pub use approvals::ApprovalRecord;
pub(crate) use carried::{Marks, Table, changed, marks, put as put_carried};
pub(crate) use chain::{End, Entry as ChainEntry, Place};
pub use codes::{CodeRecord, NewCode};
pub(crate) use codes::{CodeState, TRIES as CODE_TRIES};
pub(crate) use consents::{Kept as KeptUse, Who};
pub(crate) use cut::{CutRecord, Texts, Walk, begin_above};
pub(crate) use events::{EventRow, JournalHead, Moment, NewEvent};
pub use forgotten::Forgotten;
pub(crate) use forgotten::forget;
pub(crate) use instances::KeptWord;
#[cfg(test)]
pub(crate) use jobs::event_of;
pub(crate) use jobs::{Cancelled, Job, JobLimits, NewJob, Page, Submitted, View, forget_results, unkept};
pub(crate) use kit::KitRecord;
pub(crate) use ledger::{Finished, Known, LedgerKey, Started};
pub(crate) use pairings::{By, NewPairing, Ticket};
pub use pairings::{PairingRecord, RightsRecord};
pub(crate) use requests::AskedToPair;
pub use requests::{PairingRequest, RequestState};
pub(crate) use reseal::{is_sealed_with, reseal};
pub(crate) use said::Said;
pub(crate) use schedules::{Kept, RunEnd, ScheduleRow};
pub use seal::{Sealed, sealed};
pub use standing::{StopReason, Stopped};
pub(crate) use standing::{confirmed, generation, largest_epoch, next_generation};
pub use trail::{AuditFilter, AuditParameter, AuditRow};
pub(crate) use trail::{AuditLine, Happened, hex};
pub(crate) use values::SealedValues;

use crate::protect::{Protector, SealError, Whence};
use model::Timestamp;
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};
use std::{
    path::Path,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

/// Why the store could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database file: no room, no permission, broken, or made by a newer version.
    #[error("link.db: {0}")]
    Database(#[from] rusqlite::Error),
    /// The file or its folder.
    #[error("link.db: {0}")]
    File(#[from] std::io::Error),
    /// A sealed value does not open: the key file is not the one that sealed it.
    #[error("link.db: {0}")]
    Sealed(#[from] SealError),
    /// What is sealed was sealed with another key than the one at hand. Nothing is changed.
    #[error(
        "what link.db keeps sealed does not open with {now}: it was sealed with {}. Put that key back from a backup and start the \
         service again. If it is lost for good: `HaloLinkUtility forget-pairings`; identity and audit stay, and every integrator \
         pairs again with a new code",
        of(*now, *was)
    )]
    OtherKey {
        /// Where the one at hand came from.
        now: Whence,
        /// Where the right one came from, where that was noted.
        was: Option<Whence>,
    },
    /// Another program holds it open in the middle of reading.
    #[error("link.db: another program reads it")]
    Read,
    /// A newer version of Halo Link has changed the file in a way that this one can't live with.
    #[error("link.db was made by a newer Halo Link (schema {0}); install that version again")]
    Newer(i64),
    /// The audit is closed here.
    #[error("this server was moved out: its audit goes on at the new one")]
    Moved,
    /// What is stored does not read back.
    #[error("link.db: {0} does not read back")]
    Broken(&'static str),
}

fn of(now: Whence, was: Option<Whence>) -> String {
    match was {
        Some(was) if was != now => was.to_string(),
        _ => "another one that was there before".to_owned(),
    }
}

/// Somebody else who writes is waited for this long.
const BUSY: Duration = Duration::from_secs(5);

/// The site's durable memory. Calls block on the disk: not for async threads, but where a method says so.
pub struct Store {
    connection: Mutex<Connection>,
    protector: Arc<dyn Protector>,
    /// What was erased may still stand in the log or the file.
    unscrubbed: AtomicBool,
    /// Pairings that were read.
    #[cfg(test)]
    pub(crate) pairings_read: std::sync::atomic::AtomicUsize,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Store")
    }
}

impl Store {
    /// Opens `link.db` in `folder` and brings it to this version's shape.
    ///
    /// # Errors
    /// When the file can't be opened or written, is newer than this program, or was sealed with another key.
    pub fn open(folder: &Path, protector: Arc<dyn Protector>) -> Result<Self, StoreError> {
        let path = folder.join("link.db");
        crate::files::private_folder(folder)?;
        crate::files::touch_private(&path)?;
        let mut connection = Connection::open(&path)?;
        connection.busy_timeout(BUSY)?;
        connection.set_prepared_statement_cache_capacity(64);
        // Without it each new parameter value makes the engine plan a kept statement anew.
        connection.set_db_config(rusqlite::config::DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "foreign_keys", true)?;
        connection.pragma_update(None, "secure_delete", true)?;
        schema::migrate(&mut connection)?;
        // The last process may have ended between a commit and its scrubbing.
        let unscrubbed = AtomicBool::new(true);
        let store = Store {
            connection: Mutex::new(connection),
            protector,
            unscrubbed,
            #[cfg(test)]
            pairings_read: Default::default(),
        };
        store.check_seal()?;
        Ok(store)
    }

    /// Raises a persisted counter, to `floor` at least, and returns it, on disk before use.
    ///
    /// # Errors
    /// When it can't be made durable: then the number must not be used.
    pub fn raise(&self, counter: Counter, floor: i64) -> Result<u64, StoreError> {
        let name = match counter {
            Counter::Serial => "serial",
        };
        let value: i64 = self.transaction(|t| {
            Ok(t.query_row(
                "INSERT INTO meta (name, value) VALUES (?1, max(1, ?2))
                 ON CONFLICT (name) DO UPDATE SET value = max(value + 1, ?2) RETURNING value",
                params![name, floor],
                |row| row.get(0),
            )?)
        })?;
        u64::try_from(value).map_err(|_| StoreError::Broken("a counter"))
    }

    /// Runs `work` in one transaction that is on disk when this returns.
    pub(crate) fn transaction<T>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut connection = self.lock();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let answer = work(&transaction)?;
        transaction.commit()?;
        Ok(answer)
    }

    /// Runs `work` on the file as it is at one moment, and changes nothing.
    pub(crate) fn reading<T>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        work(&self.lock().transaction_with_behavior(TransactionBehavior::Deferred)?)
    }

    /// Takes what was just erased out of the write-ahead log and out of the file below it. Where somebody else reads the file it
    /// can't be done now: [`Store::scrub_left`] tries again.
    fn scrub(&self) {
        self.unscrubbed.store(true, Ordering::Relaxed);
        if let Err(error) = self.scrub_left() {
            tracing::warn!(%error, "an erased login is not out of the log yet; tried again");
        }
    }

    /// Does what [`Store::scrub`] could not do.
    ///
    /// # Errors
    /// When it can't be done now either.
    pub(crate) fn scrub_left(&self) -> Result<(), StoreError> {
        if !self.unscrubbed.load(Ordering::Relaxed) {
            return Ok(());
        }
        // Under its lock: what is erased meanwhile sets the mark after this has cleared it.
        let connection = self.lock();
        // Nobody who reads is waited for: meanwhile nothing could be written, and a backup may read for long.
        connection.busy_timeout(Duration::ZERO)?;
        let busy = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(0));
        connection.busy_timeout(BUSY)?;
        if busy? != 0 {
            return Err(StoreError::Read);
        }
        self.unscrubbed.store(false, Ordering::Relaxed);
        Ok(())
    }

    /// Does `work` while nothing is written.
    #[cfg(test)]
    pub(crate) fn frozen<T>(&self, work: impl FnOnce() -> T) -> T {
        let _still = self.lock();
        work()
    }

    fn lock(&self) -> MutexGuard<'_, Connection> {
        // A panic inside a transaction rolled it back: the connection itself is sound.
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store {
    /// The latest time that was ever seen here.
    pub(crate) fn latest(&self, now: Timestamp) -> Result<Timestamp, StoreError> {
        self.transaction(|t| clock_high(t, now))
    }
}

/// A persisted counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counter {
    /// Operational certificates issued.
    Serial,
}

/// Local time that never goes back: a clock set back does not make an expired code good again.
pub(crate) fn clock_high(t: &Transaction<'_>, now: Timestamp) -> Result<Timestamp, StoreError> {
    let seen: Option<i64> =
        t.query_row("SELECT value FROM meta WHERE name = 'clock'", [], |row| row.get(0)).optional()?;
    let now = now.0.max(seen.unwrap_or(i64::MIN));
    t.execute(
        "INSERT INTO meta (name, value) VALUES ('clock', ?1) ON CONFLICT (name) DO UPDATE SET value = ?1",
        [now],
    )?;
    Ok(Timestamp(now))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::protect::KeyFile;

    pub(crate) fn store(folder: &Path) -> Store {
        let key = KeyFile::open(&folder.join("seal.key")).unwrap();
        Store::open(folder, Arc::new(key)).unwrap()
    }

    #[test]
    fn counters_rise_over_restarts() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(store(folder.path()).raise(Counter::Serial, 0).unwrap(), 1);
        let again = store(folder.path());
        assert_eq!(again.raise(Counter::Serial, 0).unwrap(), 2);
        assert_eq!(again.raise(Counter::Serial, 7).unwrap(), 7);
    }

    #[test]
    fn a_file_of_a_newer_version_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        drop(store(folder.path()));
        let raw = Connection::open(folder.path().join("link.db")).unwrap();
        raw.pragma_update(None, "user_version", 1000).unwrap();
        let key = KeyFile::open(&folder.path().join("seal.key")).unwrap();
        assert!(matches!(Store::open(folder.path(), Arc::new(key)), Err(StoreError::Newer(1000))));
    }

    #[cfg(unix)]
    #[test]
    fn the_file_is_for_its_owner_alone() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let _store = store(folder.path());
        for name in ["link.db", "link.db-wal"] {
            let mode = std::fs::metadata(folder.path().join(name)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
    }
}
