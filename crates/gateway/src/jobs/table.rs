//! Jobs, cursors and idempotency keys on disk. Calls block for a disk write at most.

use super::record::{JobRecord, Kind};
use crate::store::{self, StoreError};
use model::{DeviceId, QueryId, SiteId};
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};
use std::{
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// How long a job's metadata is kept after its last change, milliseconds: pages answer 410 that long, then 404.
const KEEP_MS: i64 = 7 * 24 * 60 * 60 * 1000;
/// How long an `Idempotency-Key` is remembered, milliseconds.
pub(crate) const KEY_KEEP_MS: i64 = 24 * 60 * 60 * 1000;

/// An `Idempotency-Key`: hash of the key, digest of all that was asked for with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) hash: [u8; 32],
    pub(crate) digest: [u8; 32],
}

/// What a site's journal was read up to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cursor {
    pub(crate) journal: Vec<u8>,
    pub(crate) number: u64,
    pub(crate) chain: Vec<u8>,
    /// The journal began anew: events up to this number may have been told before.
    pub(crate) reread: u64,
}

impl Cursor {
    /// The number until which a journal that begins anew is re-read, as long as its head is not known.
    pub(crate) const WHOLE: u64 = i64::MAX.unsigned_abs();
}

pub(crate) struct Table {
    writer: Mutex<Connection>,
    reader: Mutex<Connection>,
}

impl Table {
    pub(crate) fn open(data: &Path) -> Result<Self, StoreError> {
        let path = data.join(store::FILE);
        Ok(Table { writer: Mutex::new(store::connect(&path)?), reader: Mutex::new(store::connect(&path)?) })
    }

    fn writer(&self) -> MutexGuard<'_, Connection> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn reader(&self) -> MutexGuard<'_, Connection> {
        self.reader.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes an intent, on disk when this returns; false: the id is used. The key that it came with goes in with it.
    pub(crate) fn insert(&self, record: &JobRecord, key: Option<&Key>) -> Result<bool, StoreError> {
        let mut connection = self.writer();
        let transaction = begin(&mut connection, true)?;
        let used: bool = transaction.query_row(
            "SELECT EXISTS (SELECT 1 FROM jobs WHERE id = ?1) OR EXISTS (SELECT 1 FROM queries WHERE id = ?1)",
            params![record.id.as_bytes()],
            |row| row.get(0),
        )?;
        if used {
            return Ok(false);
        }
        put(&transaction, record)?;
        if let Some(key) = key {
            put_key(&transaction, key, record.id, record.created)?;
        }
        transaction.commit()?;
        Ok(true)
    }

    /// Notes changes. What is lost in a crash is learnt again from the site.
    pub(crate) fn update(&self, records: &[JobRecord]) -> Result<(), StoreError> {
        let mut connection = self.writer();
        let transaction = begin(&mut connection, false)?;
        for record in records {
            put(&transaction, record)?;
        }
        transaction.commit()?;
        Ok(())
    }

    pub(crate) fn remove(&self, id: QueryId) -> Result<(), StoreError> {
        self.writer().execute("DELETE FROM jobs WHERE id = ?1", params![id.as_bytes()])?;
        Ok(())
    }

    pub(crate) fn get(&self, id: QueryId) -> Result<Option<JobRecord>, StoreError> {
        let connection = self.reader();
        let text: Option<String> = connection
            .prepare_cached("SELECT record FROM jobs WHERE id = ?1")?
            .query_row(params![id.as_bytes()], |row| row.get(0))
            .optional()?;
        text.map(|text| store::parse(&text)).transpose()
    }

    pub(crate) fn open_ones(&self) -> Result<Vec<JobRecord>, StoreError> {
        let connection = self.reader();
        let mut statement = connection.prepare("SELECT record FROM jobs WHERE open = 1")?;
        let texts = statement.query_map([], |row| row.get::<_, String>(0))?.collect::<Result<Vec<_>, _>>()?;
        let read = |text: &String| {
            store::parse(text)
                .inspect_err(|error| tracing::error!(%error, "an open job can't be followed: its record is damaged, and asking for it is answered with an error"))
                .ok()
        };
        Ok(texts.iter().filter_map(read).collect())
    }

    /// Records of both tables as they stand there, newest first; `after` is the last one that the caller has.
    pub(crate) fn list(&self, wanted: &Wanted) -> Result<Vec<Listed>, StoreError> {
        let (until, last) = wanted.after.map_or((i64::MAX, [0xFF; 16]), |(at, id)| (at, *id.as_bytes()));
        let connection = self.reader();
        let mut statement = connection.prepare_cached(
            "SELECT 0, record, created, id FROM queries
               WHERE ?1 AND record ->> '$.site' = ?2 AND created >= ?4 AND (created, id) < (?5, ?6)
                 AND (?7 IS NULL OR record ->> '$.status' = ?7) AND (?10 IS NULL OR record ->> '$.device' = ?10)
             UNION ALL
             SELECT 1, record, created, id FROM jobs
               WHERE site = ?3 AND kind = ?8 AND created >= ?4 AND (created, id) < (?5, ?6) AND (?7 IS NULL OR status = ?7)
                 AND (?10 IS NULL OR record ->> '$.device' = ?10)
             ORDER BY 3 DESC, 4 DESC LIMIT ?9",
        )?;
        let rows = statement.query_map(
            params![
                wanted.immediate,
                wanted.site.to_string(),
                wanted.site.as_bytes(),
                wanted.from,
                until,
                last,
                wanted.status,
                wanted.kind.map_or(-1, number),
                i64::from(wanted.limit),
                wanted.device.as_ref().map(DeviceId::as_str),
            ],
            |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?)),
        )?;
        let mut listed = Vec::new();
        for row in rows {
            let (table, text) = row?;
            let one = match table {
                0 => serde_json::from_str(&text).ok().map(|r| Listed::Immediate(Box::new(r))),
                _ => serde_json::from_str(&text).ok().map(|r| Listed::Job(Box::new(r))),
            };
            listed.extend(one);
        }
        Ok(listed)
    }

    /// The query that a key was used for, and with what, within 24 hours.
    pub(crate) fn key(&self, hash: &[u8; 32], now: i64) -> Result<Option<([u8; 32], QueryId)>, StoreError> {
        let row = self
            .reader()
            .prepare_cached("SELECT digest, query FROM idempotency WHERE key = ?1 AND created >= ?2")?
            .query_row(params![hash, now - KEY_KEEP_MS], |row| {
                Ok((row.get::<_, [u8; 32]>(0)?, row.get::<_, [u8; 16]>(1)?))
            })
            .optional()?;
        Ok(row.and_then(|(digest, query)| Some((digest, QueryId::from_slice(&query)?))))
    }

    /// Notes a key, on disk when this returns.
    pub(crate) fn claim(&self, key: &Key, query: QueryId, now: i64) -> Result<(), StoreError> {
        let mut connection = self.writer();
        let transaction = begin(&mut connection, true)?;
        put_key(&transaction, key, query, now)?;
        transaction.commit()?;
        Ok(())
    }

    /// Forgets a key whose command was not executed: it may be sent again.
    pub(crate) fn unclaim(&self, key: &Key) -> Result<(), StoreError> {
        self.writer().execute("DELETE FROM idempotency WHERE key = ?1", params![key.hash])?;
        Ok(())
    }

    /// Keeps a sealed answer under its name, on disk when this returns.
    pub(crate) fn keep_answer(&self, name: QueryId, sealed: &[u8], now: i64) -> Result<(), StoreError> {
        let mut connection = self.writer();
        let transaction = begin(&mut connection, true)?;
        transaction
            .execute("INSERT INTO kept_answers VALUES (?1, ?2, ?3)", params![name.as_bytes(), sealed, now])?;
        transaction.commit()?;
        Ok(())
    }

    /// A sealed answer.
    pub(crate) fn answer(&self, name: QueryId) -> Result<Option<Vec<u8>>, StoreError> {
        let connection = self.reader();
        let mut statement = connection.prepare_cached("SELECT sealed FROM kept_answers WHERE name = ?1")?;
        Ok(statement.query_row(params![name.as_bytes()], |row| row.get(0)).optional()?)
    }

    /// Sites whose journal was read before.
    pub(crate) fn journals(&self) -> Result<Vec<SiteId>, StoreError> {
        let connection = self.reader();
        let mut statement = connection.prepare("SELECT site FROM journals")?;
        let sites =
            statement.query_map([], |row| row.get::<_, Vec<u8>>(0))?.collect::<Result<Vec<_>, _>>()?;
        Ok(sites.iter().filter_map(|site| SiteId::from_slice(site)).collect())
    }

    pub(crate) fn cursor(&self, site: SiteId) -> Result<Option<Cursor>, StoreError> {
        let cursor = self
            .reader()
            .query_row(
                "SELECT journal, number, chain, (SELECT until FROM rereadings WHERE site = ?1) FROM journals WHERE site = ?1",
                params![site.as_bytes()],
                |row| {
                    let number = row.get::<_, i64>(1)?.unsigned_abs();
                    let reread = row.get::<_, Option<i64>>(3)?.unwrap_or(0).unsigned_abs();
                    Ok(Cursor { journal: row.get(0)?, number, chain: row.get(2)?, reread })
                },
            )
            .optional()?;
        Ok(cursor)
    }

    /// Events, what they changed, what became of them and the cursor behind them: all or nothing.
    pub(crate) fn advance(
        &self,
        site: SiteId,
        cursor: &Cursor,
        records: &[JobRecord],
        also: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<()>,
    ) -> Result<(), StoreError> {
        let mut connection = self.writer();
        let transaction = begin(&mut connection, true)?;
        for record in records {
            put(&transaction, record)?;
        }
        also(&transaction)?;
        transaction.execute(
            "INSERT INTO journals VALUES (?1, ?2, ?3, ?4) ON CONFLICT (site) DO UPDATE SET journal = ?2, number = ?3, chain = ?4",
            params![
                site.as_bytes(),
                cursor.journal,
                i64::try_from(cursor.number).unwrap_or(i64::MAX),
                cursor.chain
            ],
        )?;
        transaction.execute(
            "INSERT INTO rereadings VALUES (?1, ?2) ON CONFLICT (site) DO UPDATE SET until = ?2",
            params![site.as_bytes(), i64::try_from(cursor.reread).unwrap_or(i64::MAX)],
        )?;
        transaction.commit()?;
        Ok(())
    }

    pub(crate) fn sweep(&self, now: i64) -> Result<(), StoreError> {
        let connection = self.writer();
        connection.execute("DELETE FROM jobs WHERE keep_until < ?1", params![now])?;
        connection.execute("DELETE FROM idempotency WHERE created < ?1", params![now - KEY_KEEP_MS])?;
        connection.execute("DELETE FROM kept_answers WHERE created < ?1", params![now - KEY_KEEP_MS])?;
        Ok(())
    }
}

/// Which records a caller wants to see.
pub(crate) struct Wanted {
    pub(crate) site: SiteId,
    pub(crate) immediate: bool,
    pub(crate) kind: Option<Kind>,
    pub(crate) status: Option<String>,
    /// Not older than this.
    pub(crate) from: i64,
    /// Older than this one.
    pub(crate) after: Option<(i64, QueryId)>,
    pub(crate) limit: u32,
    /// Of this device alone; `None`: of whomever.
    pub(crate) device: Option<DeviceId>,
}

pub(crate) enum Listed {
    Immediate(Box<crate::mirror::Record>),
    Job(Box<JobRecord>),
}

fn begin(connection: &mut Connection, durable: bool) -> rusqlite::Result<Transaction<'_>> {
    connection.pragma_update(None, "synchronous", if durable { "FULL" } else { "NORMAL" })?;
    connection.transaction_with_behavior(TransactionBehavior::Immediate)
}

fn number(kind: Kind) -> i64 {
    match kind {
        Kind::Async => 1,
        Kind::Registered => 2,
    }
}

fn put(transaction: &Transaction<'_>, record: &JobRecord) -> rusqlite::Result<()> {
    let text =
        serde_json::to_string(record).map_err(|e| rusqlite::Error::ToSqlConversionFailure(Box::new(e)))?;
    // A schedule is kept as long as it may run.
    let runs_until = record
        .schedule
        .as_ref()
        .filter(|_| record.is_open())
        .map_or(0, |s| record.created + i64::try_from(s.duration).unwrap_or(0) * 1000);
    let keep_until = record.updated.max(runs_until) + KEEP_MS;
    transaction
        .prepare_cached(
            "INSERT INTO jobs VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
             ON CONFLICT (id) DO UPDATE SET status = ?5, open = ?6, keep_until = ?7, record = ?8",
        )?
        .execute(params![
            record.id.as_bytes(),
            record.site.as_bytes(),
            number(record.kind),
            record.created,
            record.status.name(),
            record.is_open(),
            keep_until,
            text
        ])?;
    Ok(())
}

/// Only over an expired key or one for the same request: another request's is never taken away.
fn put_key(transaction: &Transaction<'_>, key: &Key, query: QueryId, now: i64) -> rusqlite::Result<()> {
    let written = transaction.execute(
        "INSERT INTO idempotency VALUES (?1, ?2, ?3, ?4) ON CONFLICT (key) DO UPDATE SET digest = ?2, query = ?3, created = ?4
           WHERE digest = ?2 OR created < ?5",
        params![key.hash, key.digest, query.as_bytes(), now, now - KEY_KEEP_MS],
    )?;
    if written == 1 { Ok(()) } else { Err(rusqlite::Error::StatementChangedRows(written)) }
}
