//! The gateway's small durable facts in SQLite: subscription keys, paired sites, serial numbers seen, its own epoch.
//!
//! The status mirror lives in the same file and has its own connection and thread: see [`crate::mirror`].

use model::{SiteId, Timestamp};
use rusqlite::{Connection, OptionalExtension, params};
use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError, RwLock},
    time::Duration,
};

/// Name of the file in the gateway's data folder.
pub const FILE: &str = "gateway.db";

/// The database could not be opened, read or written.
#[derive(Debug, thiserror::Error)]
#[error("the gateway's database {0}")]
pub struct StoreError(String);

impl StoreError {
    /// A file beside it.
    pub(crate) fn file(name: &str, error: &std::io::Error) -> Self {
        StoreError(format!("needs {name}: {error}"))
    }

    /// A part of it that another room keeps.
    pub(crate) fn other(error: &dyn std::fmt::Display) -> Self {
        StoreError(error.to_string())
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        StoreError(error.to_string())
    }
}

/// Additive only: the previous version must be able to live with them.
const MIGRATIONS: &[&str] = &["
CREATE TABLE subscription_keys (id INTEGER PRIMARY KEY, name TEXT NOT NULL, hash BLOB NOT NULL UNIQUE, created INTEGER NOT NULL) STRICT;
CREATE TABLE paired_sites (site BLOB PRIMARY KEY, read_only INTEGER NOT NULL, paired INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE site_serials (site BLOB PRIMARY KEY, serial INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE queries (id BLOB PRIMARY KEY, created INTEGER NOT NULL, record TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE INDEX queries_by_age ON queries (created);
", "
CREATE INDEX queries_by_site ON queries (record ->> '$.site', created, id);
CREATE TABLE jobs (id BLOB PRIMARY KEY, site BLOB NOT NULL, kind INTEGER NOT NULL, created INTEGER NOT NULL, status TEXT NOT NULL, open INTEGER NOT NULL,
    keep_until INTEGER NOT NULL, record TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE INDEX jobs_by_site ON jobs (site, created, id);
CREATE INDEX jobs_open ON jobs (open) WHERE open = 1;
CREATE TABLE journals (site BLOB PRIMARY KEY, journal BLOB NOT NULL, number INTEGER NOT NULL, chain BLOB NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE idempotency (key BLOB PRIMARY KEY, digest BLOB NOT NULL, query BLOB NOT NULL, created INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_by_age ON idempotency (created);
", "
CREATE TABLE rereadings (site BLOB PRIMARY KEY, until INTEGER NOT NULL) STRICT, WITHOUT ROWID;
", "
CREATE TABLE desktop_devices (device TEXT PRIMARY KEY, revoked INTEGER NOT NULL, times INTEGER NOT NULL, at INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE kept_answers (name BLOB PRIMARY KEY, sealed BLOB NOT NULL, created INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE INDEX kept_answers_by_age ON kept_answers (created);
", "
CREATE TABLE audit_heads (site BLOB NOT NULL, number INTEGER NOT NULL, chain BLOB NOT NULL, head BLOB NOT NULL, seen INTEGER NOT NULL, back INTEGER,
    kept INTEGER NOT NULL, UNIQUE (site, number, chain)) STRICT;
CREATE TABLE pinned_sites (pms TEXT NOT NULL, pms_id TEXT NOT NULL, site BLOB NOT NULL, since INTEGER NOT NULL, PRIMARY KEY (pms, pms_id)) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS site_epochs (site BLOB PRIMARY KEY, epoch INTEGER NOT NULL) STRICT, WITHOUT ROWID;
"];

/// Opens the file with the settings that every connection needs, and brings its tables up to date.
pub(crate) fn connect(path: &Path) -> Result<Connection, StoreError> {
    let mut connection = Connection::open(path)?;
    connection.busy_timeout(Duration::from_secs(5))?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    let done: usize = transaction
        .query_row("PRAGMA user_version", [], |row| row.get::<_, i64>(0))
        .map(|v| usize::try_from(v).unwrap_or(0))?;
    for migration in MIGRATIONS.iter().skip(done) {
        transaction.execute_batch(migration)?;
    }
    if done < MIGRATIONS.len() {
        transaction.execute_batch(&format!("PRAGMA user_version = {}", MIGRATIONS.len()))?;
    }
    transaction.commit()?;
    Ok(connection)
}

/// Reads a record. One that can't be read is an error and not none: whoever takes it for none runs a command twice.
pub(crate) fn parse<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text)
        .map_err(|error| StoreError(format!("has a record that can't be read: {error}")))
}

/// A site that let this integrator in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Paired {
    /// As the site said last: everything runs under enforced read-only. For people; nothing is decided by it.
    pub read_only: bool,
}

/// Opened database. Calls block for a disk write at most.
pub struct Store {
    path: PathBuf,
    connection: Mutex<Connection>,
    paired: RwLock<HashMap<SiteId, Paired>>,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Store {
    /// Opens or makes `<data>/gateway.db`.
    pub fn open(data: &Path) -> Result<Store, StoreError> {
        let path = data.join(FILE);
        let connection = connect(&path)?;
        let paired = connection
            .prepare("SELECT site, read_only FROM paired_sites")?
            .query_map([], |row| Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, bool>(1)?)))?
            .filter_map(|row| {
                row.map(|(site, read_only)| Some((SiteId::from_slice(&site)?, Paired { read_only })))
                    .transpose()
            })
            .collect::<Result<_, _>>()?;
        Ok(Store { path, connection: Mutex::new(connection), paired: RwLock::new(paired) })
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether this site is known to have let us in.
    pub fn paired(&self, site: SiteId) -> Option<Paired> {
        self.paired.read().unwrap_or_else(PoisonError::into_inner).get(&site).copied()
    }

    /// All sites that are known to have let us in.
    pub fn paired_sites(&self) -> Vec<SiteId> {
        self.paired.read().unwrap_or_else(PoisonError::into_inner).keys().copied().collect()
    }

    /// Remembers that a site let us in.
    pub fn set_paired(&self, site: SiteId, paired: Paired, now: Timestamp) -> Result<(), StoreError> {
        self.lock().execute(
            "INSERT INTO paired_sites VALUES (?1, ?2, ?3) ON CONFLICT (site) DO UPDATE SET read_only = ?2, paired = ?3",
            params![site.as_bytes(), paired.read_only, now.0],
        )?;
        self.paired.write().unwrap_or_else(PoisonError::into_inner).insert(site, paired);
        Ok(())
    }

    /// The site says that it no longer knows us.
    pub fn set_unpaired(&self, site: SiteId) -> Result<(), StoreError> {
        self.paired.write().unwrap_or_else(PoisonError::into_inner).remove(&site);
        self.lock().execute("DELETE FROM paired_sites WHERE site = ?1", params![site.as_bytes()])?;
        Ok(())
    }

    /// Whether a site's certificate may be believed: a serial number lower than the highest seen is a retired key.
    pub fn accept_serial(&self, site: SiteId, serial: u64) -> Result<bool, StoreError> {
        // SQLite's integers are signed; serials in use are far below.
        let serial = i64::try_from(serial).unwrap_or(i64::MAX);
        let connection = self.lock();
        let highest: Option<i64> = connection
            .query_row("SELECT serial FROM site_serials WHERE site = ?1", params![site.as_bytes()], |row| {
                row.get(0)
            })
            .optional()?;
        match highest {
            Some(highest) if serial < highest => return Ok(false),
            Some(highest) if serial == highest => {}
            _ => {
                connection.execute(
                    "INSERT INTO site_serials VALUES (?1, ?2) ON CONFLICT (site) DO UPDATE SET serial = ?2",
                    params![site.as_bytes(), serial],
                )?;
            }
        }
        Ok(true)
    }

    /// Whether a server of this epoch may be the site's present one: a lower epoch than the highest seen is a copy's. 0 is one that does not say it.
    pub fn accept_epoch(&self, site: SiteId, epoch: u64) -> Result<bool, StoreError> {
        if epoch == 0 {
            return Ok(true);
        }
        let epoch = i64::try_from(epoch).unwrap_or(i64::MAX);
        let connection = self.lock();
        let kept: Option<i64> = connection
            .query_row(
                "INSERT INTO site_epochs VALUES (?1, ?2)
                 ON CONFLICT (site) DO UPDATE SET epoch = ?2 WHERE epoch < ?2 RETURNING epoch",
                params![site.as_bytes(), epoch],
                |row| row.get(0),
            )
            .optional()?;
        if kept.is_some() {
            return Ok(true);
        }
        let highest: i64 = connection.query_row(
            "SELECT epoch FROM site_epochs WHERE site = ?1",
            params![site.as_bytes()],
            |row| row.get(0),
        )?;
        Ok(epoch >= highest)
    }

    /// Raises a named counter by one, or to `at_least` if that is higher, and gives the new value.
    pub fn raise(&self, counter: &str, at_least: u64) -> Result<u64, StoreError> {
        let at_least = i64::try_from(at_least).unwrap_or(i64::MAX);
        let value: i64 = self.lock().query_row(
            "INSERT INTO counters VALUES (?1, max(1, ?2)) ON CONFLICT (name) DO UPDATE SET value = max(value + 1, ?2) RETURNING value",
            params![counter, at_least],
            |row| row.get(0),
        )?;
        Ok(value.unsigned_abs())
    }

    /// Where a counter stands, if it was ever raised.
    pub fn counter(&self, name: &str) -> Result<Option<u64>, StoreError> {
        let value: Option<i64> = self
            .lock()
            .query_row("SELECT value FROM counters WHERE name = ?1", [name], |row| row.get(0))
            .optional()?;
        Ok(value.map(i64::unsigned_abs))
    }

    /// The number kept under a name: `value`, unless another was kept before.
    pub fn keep(&self, name: &str, value: u32) -> Result<u32, StoreError> {
        let kept: i64 = self.lock().query_row(
            "INSERT INTO counters VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = value RETURNING value",
            params![name, value],
            |row| row.get(0),
        )?;
        Ok(u32::try_from(kept).unwrap_or(value))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[test]
    fn what_was_stored_is_there_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let site = SiteId(Uuid::from_u128(7));
        {
            let store = Store::open(folder.path()).unwrap();
            assert_eq!(store.paired(site), None);
            store.set_paired(site, Paired { read_only: true }, Timestamp(1)).unwrap();
            assert_eq!(store.raise("epoch", 0).unwrap(), 1);
            assert!(store.accept_serial(site, 5).unwrap());
            assert_eq!(store.keep("instance", 7).unwrap(), 7);
        }
        let store = Store::open(folder.path()).unwrap();
        assert_eq!(store.paired(site), Some(Paired { read_only: true }));
        assert_eq!(store.raise("epoch", 0).unwrap(), 2);
        assert_eq!(store.keep("instance", 8).unwrap(), 7, "the first stays");
        assert_eq!(store.raise("epoch", 100).unwrap(), 100);
        assert!(!store.accept_serial(site, 4).unwrap(), "a retired certificate");
        assert!(store.accept_serial(site, 5).unwrap());
        assert!(store.accept_epoch(site, 7).unwrap() && store.accept_epoch(site, 7).unwrap());
        assert!(store.accept_epoch(site, 1 << 32).unwrap(), "a new generation");
        assert!(!store.accept_epoch(site, 8).unwrap(), "a copy from before");
        assert!(store.accept_epoch(site, 0).unwrap(), "a site from before epochs were told");
        assert!(store.accept_epoch(SiteId(Uuid::from_u128(8)), 1).unwrap(), "each site has its own");
        store.set_unpaired(site).unwrap();
        assert_eq!(store.paired(site), None);
    }
}
