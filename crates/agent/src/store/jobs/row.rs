//! One row of the table of jobs.

use crate::store::{LedgerKey, NewEvent, StoreError};
use link_api::proto::{self, EventKind, JobKind, JobStatus};
use model::{IntegratorId, QueryId, SiteId};
use rusqlite::{Row, Transaction, params};
use std::sync::Arc;

pub(super) const SELECT: &str =
    "SELECT id, site, integrator, query, kind, state, digest, instance, read_only, revision, queue_ms,
    taken_at, began_at, answered_at, ended_at, cancel, attempt, key, columns, ended, expired FROM job";

/// A job, without what was asked for.
#[derive(Clone)]
pub(crate) struct Job {
    pub(crate) id: i64,
    pub(crate) key: LedgerKey,
    pub(crate) kind: JobKind,
    pub(crate) state: JobStatus,
    pub(crate) digest: Vec<u8>,
    pub(crate) instance: Arc<str>,
    pub(crate) read_only: bool,
    pub(crate) revision: u64,
    pub(crate) queue_ms: i64,
    pub(crate) taken_at: i64,
    pub(crate) began_at: Option<i64>,
    pub(crate) answered_at: Option<i64>,
    pub(crate) ended_at: Option<i64>,
    pub(crate) cancel: bool,
    /// The newest that began; of a schedule the one whose result is kept.
    pub(crate) attempt: u32,
    pub(crate) sealed_key: Option<Vec<u8>>,
    pub(super) sealed_columns: Option<Vec<u8>>,
    pub(super) sealed_ended: Option<Vec<u8>>,
    pub(crate) expired: bool,
}

impl std::fmt::Debug for Job {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Job").field("key", &self.key).field("state", &self.state).finish_non_exhaustive()
    }
}

impl Job {
    pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Result<Job, StoreError>> {
        let site = SiteId::from_slice(&row.get::<_, Vec<u8>>(1)?);
        let integrator = IntegratorId::from_slice(&row.get::<_, Vec<u8>>(2)?);
        let query = QueryId::from_slice(&row.get::<_, Vec<u8>>(3)?);
        let (Some(site), Some(integrator), Some(query)) = (site, integrator, query) else {
            return Ok(Err(StoreError::Broken("a job's identifier")));
        };
        let kind = JobKind::try_from(row.get::<_, i32>(4)?);
        let state = JobStatus::try_from(row.get::<_, i32>(5)?);
        let (Ok(kind), Ok(state)) = (kind, state) else {
            return Ok(Err(StoreError::Broken("a job's state")));
        };
        Ok(Ok(Job {
            id: row.get(0)?,
            key: LedgerKey { site, integrator, query },
            kind,
            state,
            digest: row.get(6)?,
            instance: row.get::<_, String>(7)?.into(),
            read_only: row.get(8)?,
            revision: row.get::<_, i64>(9)?.cast_unsigned(),
            queue_ms: row.get(10)?,
            taken_at: row.get(11)?,
            began_at: row.get(12)?,
            answered_at: row.get(13)?,
            ended_at: row.get(14)?,
            cancel: row.get(15)?,
            attempt: row.get(16)?,
            sealed_key: row.get(17)?,
            sealed_columns: row.get(18)?,
            sealed_ended: row.get(19)?,
            expired: row.get(20)?,
        }))
    }

    /// A read that was cut off by a restart and did not come to its turn again can't be said not to have reached the database.
    pub(super) fn truth(&self, ended: &proto::Ended) -> proto::Ended {
        let cut = self.attempt - u32::from(self.attempt > 0 && self.state != JobStatus::JobQueued);
        let ended = ended.clone();
        match ended.effect() {
            proto::Effect::NotExecuted if cut > 0 => {
                proto::Ended { effect: proto::Effect::Unknown.into(), read_only: true, ..ended }
            }
            _ => ended,
        }
    }

    /// An event of this job.
    pub(crate) fn event(&self, kind: EventKind, hash: Option<Vec<u8>>) -> NewEvent {
        let LedgerKey { site, integrator, query } = self.key;
        NewEvent { site, integrator, kind, query, job_kind: self.kind, hash }
    }
}

/// A page that can be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Page {
    /// From 1.
    pub(crate) number: u32,
    /// Rows in the pages before.
    pub(crate) first_row: u64,
    pub(crate) rows: u64,
    /// Of row JSON with its brackets.
    pub(crate) bytes: u64,
}

impl Page {
    pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Page {
            number: row.get(0)?,
            first_row: row.get::<_, i64>(1)?.cast_unsigned(),
            rows: row.get::<_, i64>(2)?.cast_unsigned(),
            bytes: row.get::<_, i64>(3)?.cast_unsigned(),
        })
    }

    pub(in crate::store) fn write(&self, t: &Transaction<'_>, job: i64) -> Result<(), StoreError> {
        t.prepare_cached(
            "INSERT OR REPLACE INTO job_page (job, number, first_row, rows, bytes) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute(params![
            job,
            self.number,
            self.first_row.cast_signed(),
            self.rows.cast_signed(),
            self.bytes.cast_signed()
        ])?;
        Ok(())
    }
}

pub(super) fn key(of: &LedgerKey) -> [&[u8]; 3] {
    [of.site.as_bytes(), of.integrator.as_bytes(), of.query.as_bytes()]
}

/// What a sealed value is for, so that it opens nowhere else.
pub(in crate::store) fn purpose(what: &str, of: &LedgerKey) -> String {
    format!("job {what} {} {} {}", of.site, of.integrator, of.query)
}
