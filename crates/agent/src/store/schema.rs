//! The shape of `link.db`. Steps are only ever added, and each is one that the previous version can live with.

use super::StoreError;
use rusqlite::Connection;

/// Step n brings a file from version n to n + 1.
const STEPS: &[&str] = &["
    CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;

    CREATE TABLE code (
        site BLOB NOT NULL, name TEXT NOT NULL,
        secret BLOB NOT NULL,            -- sealed
        integrator_name TEXT NOT NULL, read_only INTEGER NOT NULL,
        made_at INTEGER NOT NULL, expires_at INTEGER NOT NULL,
        tries INTEGER NOT NULL DEFAULT 0, used_at INTEGER,
        PRIMARY KEY (site, name)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE pairing (
        site BLOB NOT NULL, integrator BLOB NOT NULL,
        name TEXT NOT NULL, root_spki BLOB NOT NULL,
        read_only INTEGER NOT NULL, is_on INTEGER NOT NULL DEFAULT 1,
        paired_at INTEGER NOT NULL,
        login BLOB NOT NULL,             -- sealed
        revision INTEGER NOT NULL DEFAULT 1,
        PRIMARY KEY (site, integrator)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE instance (              -- highest certificate serial seen of each gateway instance
        site BLOB NOT NULL, integrator BLOB NOT NULL, name TEXT NOT NULL, serial INTEGER NOT NULL,
        PRIMARY KEY (site, integrator, name)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE ledger (
        site BLOB NOT NULL, integrator BLOB NOT NULL, query BLOB NOT NULL,
        read_only INTEGER NOT NULL, started_at INTEGER NOT NULL,
        ended BLOB, sealed INTEGER NOT NULL DEFAULT 0,
        PRIMARY KEY (site, integrator, query)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX ledger_age ON ledger (started_at);

    CREATE TABLE statement (sha256 BLOB PRIMARY KEY, text TEXT NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE audit (
        id INTEGER PRIMARY KEY, at INTEGER NOT NULL, what TEXT NOT NULL,
        site BLOB NOT NULL, integrator BLOB, instance TEXT, query BLOB,
        access TEXT, catalogue TEXT, sha256 BLOB,
        status TEXT, effect TEXT, rows INTEGER, bytes INTEGER, ms INTEGER
    ) STRICT;
"];

pub(super) fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    let transaction = connection.transaction()?;
    let version: i64 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let done =
        usize::try_from(version).ok().filter(|v| *v <= STEPS.len()).ok_or(StoreError::Newer(version))?;
    for step in &STEPS[done..] {
        transaction.execute_batch(step)?;
    }
    transaction.pragma_update(None, "user_version", i64::try_from(STEPS.len()).unwrap_or(i64::MAX))?;
    transaction.commit()?;
    Ok(())
}
