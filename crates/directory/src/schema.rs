//! The file: connections, and migrations counted by `user_version`.

use crate::DirectoryError;
use rusqlite::{Connection, TransactionBehavior};
use std::{path::Path, time::Duration};

/// Step `n` takes the file from version `n` to `n + 1`. Steps are only ever added, and each leaves a file that the
/// previous program can still use.
const STEPS: [&str; 3] = [
    "
    CREATE TABLE integrators (
        id          BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
        name        TEXT    NOT NULL,
        admitted_at INTEGER NOT NULL,
        removed_at  INTEGER
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE sites (
        guid          BLOB    NOT NULL PRIMARY KEY CHECK (length(guid) = 16),
        link          BLOB    NOT NULL CHECK (length(link) = 16),
        pms           TEXT    NOT NULL,
        pms_id        TEXT    NOT NULL,
        facts         TEXT    NOT NULL,
        epoch         INTEGER NOT NULL,
        status        TEXT    NOT NULL,
        authoritative INTEGER NOT NULL,
        presence      TEXT    NOT NULL CHECK (presence IN ('online', 'goodbye', 'lost')),
        created_at    INTEGER NOT NULL,
        claimed_at    INTEGER NOT NULL,
        enriched_at   INTEGER NOT NULL,
        last_seen_at  INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX sites_by_pms ON sites (pms, pms_id);
    CREATE INDEX sites_online ON sites (presence) WHERE presence = 'online';

    -- One row: when the cloud last said that it runs.
    CREATE TABLE platform (
        one      INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
        alive_at INTEGER NOT NULL
    ) STRICT;
",
    "
    -- Where audits ended. `kept`: it contradicts another one, and stays.
    CREATE TABLE witnesses (
        site    BLOB    NOT NULL CHECK (length(site) = 16),
        number  INTEGER NOT NULL,
        chain   BLOB    NOT NULL CHECK (length(chain) = 32),
        at      INTEGER NOT NULL,
        back_at INTEGER,
        kept    INTEGER NOT NULL,
        PRIMARY KEY (site, number, chain)
    ) STRICT, WITHOUT ROWID;
",
    "
    -- Another site is to be authoritative for a practice; nobody could prove that the present one wants it.
    CREATE TABLE IF NOT EXISTS authority_change (
        pms      TEXT    NOT NULL,
        pms_id   TEXT    NOT NULL,
        to_site  BLOB    NOT NULL CHECK (length(to_site) = 16),
        begun_at INTEGER NOT NULL,
        ready_at INTEGER NOT NULL,
        PRIMARY KEY (pms, pms_id)
    ) STRICT, WITHOUT ROWID;
    -- Every act, for good.
    CREATE TABLE IF NOT EXISTS authority_act (
        id        INTEGER PRIMARY KEY,
        at        INTEGER NOT NULL,
        what      TEXT    NOT NULL,
        pms       TEXT    NOT NULL,
        pms_id    TEXT    NOT NULL,
        from_site BLOB,
        to_site   BLOB    NOT NULL
    ) STRICT;
    CREATE INDEX IF NOT EXISTS authority_act_by_practice ON authority_act (pms, pms_id);
    -- The newest statement of each site that was taken: none is taken twice.
    CREATE TABLE IF NOT EXISTS authority_statement (
        site BLOB    NOT NULL PRIMARY KEY CHECK (length(site) = 16),
        at   INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
",
];

/// How long to wait for another process's write.
const BUSY: Duration = Duration::from_secs(2);

pub(crate) fn connect(path: &Path) -> Result<Connection, DirectoryError> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(BUSY)?;
    // WAL: a reader never waits for the writer. NORMAL: a power cut may lose the last joins, never the file; Links
    // join again and an integrator's admission is forced to disk by the checkpoint that follows it.
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", "normal")?;
    connection.pragma_update(None, "trusted_schema", "off")?;
    Ok(connection)
}

pub(crate) fn migrate(connection: &mut Connection) -> Result<(), DirectoryError> {
    // Immediate: two processes that start together take turns, and the second finds the work done.
    let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found: i64 = tx.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let known = STEPS.len() as i64;
    if found > known {
        return Err(DirectoryError::Newer { found, known });
    }
    for step in STEPS.iter().skip(usize::try_from(found).unwrap_or(0)) {
        tx.execute_batch(step)?;
    }
    tx.pragma_update(None, "user_version", known)?;
    tx.commit()?;
    Ok(())
}
