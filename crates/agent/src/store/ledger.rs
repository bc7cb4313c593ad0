//! How each query ended, kept for a day: what a caller that lost its answer can ask for, and what refuses a repeat.

use super::{Store, StoreError};
use link_api::proto;
use model::{IntegratorId, QueryId, SiteId, Timestamp};
use prost::Message;
use rusqlite::{Connection, OptionalExtension, Transaction, params};

/// Kept this long.
const KEEP_MS: i64 = 24 * 60 * 60 * 1000;
/// An answer larger than this (output parameters) is kept without them.
const KEEP_BYTES: usize = 256 * 1024;

/// Whose query it is: an integrator can neither see nor block another's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct LedgerKey {
    pub(crate) site: SiteId,
    pub(crate) integrator: IntegratorId,
    pub(crate) query: QueryId,
}

/// A query is about to reach the database.
#[derive(Clone, Debug)]
pub(crate) struct Started {
    pub(crate) key: LedgerKey,
    pub(crate) read_only: bool,
    pub(crate) at: Timestamp,
}

/// A query has ended.
#[derive(Clone, Debug)]
pub(crate) struct Finished {
    pub(crate) started: Started,
    /// Whether [`Started`] was written before.
    pub(crate) ran: bool,
    /// Its end was written down before without knowing it: this one is what happened.
    pub(crate) late: bool,
    pub(crate) ended: proto::Ended,
}

/// What the ledger knows.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Known {
    Nothing,
    Running,
    Ended(Box<proto::Ended>),
}

impl Started {
    /// Whether this query was here before as one that may have written, or (for such a one) at all.
    pub(crate) fn is_repeat(&self, t: &Transaction<'_>) -> Result<bool, StoreError> {
        let mut statement =
            t.prepare_cached("SELECT 1 FROM ledger WHERE site = ?1 AND integrator = ?2 AND query = ?3")?;
        Ok(statement.exists(key(&self.key))?)
    }

    pub(crate) fn write(&self, t: &Transaction<'_>) -> Result<(), StoreError> {
        let [site, integrator, query] = key(&self.key);
        // A read may be asked again; a row of something that may have written is never touched by it.
        t.prepare_cached(
            "INSERT INTO ledger (site, integrator, query, read_only, started_at) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (site, integrator, query) DO UPDATE
             SET started_at = excluded.started_at, ended = NULL, sealed = 0
             WHERE read_only = 1 AND excluded.read_only = 1",
        )?
        .execute(params![site, integrator, query, self.read_only, self.at.0])?;
        Ok(())
    }
}

impl Finished {
    pub(crate) fn write(&self, t: &Transaction<'_>, store: &Store) -> Result<(), StoreError> {
        let Started { key: of, read_only, at } = &self.started;
        let mut bytes = self.ended.encode_to_vec();
        if bytes.len() > KEEP_BYTES {
            bytes = proto::Ended { outputs: Vec::new(), ..self.ended.clone() }.encode_to_vec();
        }
        // Only output values and a database's words can quote data.
        let seal = self.ended.error.is_some() || !self.ended.outputs.is_empty();
        if seal {
            bytes = store.protector.seal(&purpose(of), &bytes)?;
        }
        let [site, integrator, query] = key(of);
        if self.ran {
            t.prepare_cached(
                "UPDATE ledger SET ended = ?4, sealed = ?5
                 WHERE site = ?1 AND integrator = ?2 AND query = ?3 AND read_only = ?6
                     AND (ended IS NULL OR (?7 AND read_only = 0))",
            )?
            // A read's id may have been used again meanwhile, and nobody has to know how the first one ended.
            .execute(params![site, integrator, query, bytes, seal, read_only, self.late])?;
        } else {
            t.prepare_cached(
                "INSERT OR IGNORE INTO ledger (site, integrator, query, read_only, started_at, ended, sealed)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?
            .execute(params![site, integrator, query, read_only, at.0, bytes, seal])?;
        }
        Ok(())
    }
}

impl Store {
    /// What is known of a query.
    pub(crate) fn outcome(&self, of: &LedgerKey) -> Result<Known, StoreError> {
        self.known(&self.lock(), of)
    }

    pub(super) fn known(&self, connection: &Connection, of: &LedgerKey) -> Result<Known, StoreError> {
        let found: Option<(Option<Vec<u8>>, bool)> = connection
            .prepare_cached(
                "SELECT ended, sealed FROM ledger WHERE site = ?1 AND integrator = ?2 AND query = ?3",
            )?
            .query_row(key(of), |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let bytes = match found {
            None => return Ok(Known::Nothing),
            Some((None, _)) => return Ok(Known::Running),
            Some((Some(bytes), false)) => bytes,
            Some((Some(bytes), true)) => self.protector.open(&purpose(of), &bytes)?.into_inner(),
        };
        let ended = proto::Ended::decode(&bytes[..]).map_err(|_| StoreError::Broken("an outcome"))?;
        Ok(Known::Ended(Box::new(ended)))
    }

    /// After a start: whatever was running is over, and nobody saw how it ended. Returns how many there were.
    pub(crate) fn interrupt_all(&self) -> Result<usize, StoreError> {
        self.transaction(|t| {
            let reads = t.execute(
                "UPDATE ledger SET ended = ?1, sealed = 0 WHERE ended IS NULL AND read_only = 1",
                [unknown(true)],
            )?;
            let writes =
                t.execute("UPDATE ledger SET ended = ?1, sealed = 0 WHERE ended IS NULL", [unknown(false)])?;
            Ok(reads + writes)
        })
    }

    /// Forgets what is older than a day, but for what still runs.
    pub(crate) fn forget_outcomes(&self, now: Timestamp) -> Result<usize, StoreError> {
        self.transaction(|t| {
            Ok(t.execute(
                "DELETE FROM ledger WHERE started_at < ?1 AND ended IS NOT NULL",
                [now.0 - KEEP_MS],
            )?)
        })
    }
}

/// The end of what nobody saw ending, or whose end can't be read any more.
pub(super) fn unknown(read_only: bool) -> Vec<u8> {
    proto::Ended {
        status: proto::Status::Interrupted.into(),
        effect: proto::Effect::Unknown.into(),
        read_only,
        ..proto::Ended::default()
    }
    .encode_to_vec()
}

/// Whether what began under this key could only read; `false` when nothing began.
pub(super) fn ran_read_only(t: &Transaction<'_>, of: &LedgerKey) -> Result<bool, StoreError> {
    let found = t
        .prepare_cached("SELECT read_only FROM ledger WHERE site = ?1 AND integrator = ?2 AND query = ?3")?
        .query_row(key(of), |row| row.get(0))
        .optional()?;
    Ok(found.unwrap_or(false))
}

fn key(of: &LedgerKey) -> [&[u8]; 3] {
    [of.site.as_bytes(), of.integrator.as_bytes(), of.query.as_bytes()]
}

pub(super) fn purpose(of: &LedgerKey) -> String {
    format!("outcome {} {} {}", of.site, of.integrator, of.query)
}
