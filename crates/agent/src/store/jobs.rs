//! What the site runs on its own, and how far it is. Every change is on disk before it is told.

mod end;
mod expire;
mod fence;
mod recover;
mod row;
mod sealed;

pub(crate) use end::{Cancelled, event_of, unkept};
use expire::forget_reads;
pub(crate) use expire::forget_results;
pub(super) use row::purpose;
pub(crate) use row::{Job, Page};

use super::{LedgerKey, ScheduleRow, Started, Store, StoreError, Who, clock_high};
use link_api::proto::{self, JobKind, JobStatus};
use model::{IntegratorId, SiteId, Timestamp};
use prost::Message;
use row::{SELECT, key};
use rusqlite::{OptionalExtension, Transaction, params};
use std::sync::Arc;

/// How many jobs one integrator may have at one site.
#[derive(Clone, Copy, Debug)]
pub(crate) struct JobLimits {
    /// With a result that has not expired, or still to come.
    pub(crate) kept: u32,
    /// With those of which it is only known that they were there.
    pub(crate) remembered: u32,
    /// Waiting for their turn.
    pub(crate) waiting: u32,
    /// Schedules that go on.
    pub(crate) schedules: u32,
}

/// One to be taken.
#[derive(Clone, Debug)]
pub(crate) struct NewJob {
    pub(crate) key: LedgerKey,
    pub(crate) instance: Arc<str>,
    pub(crate) read_only: bool,
    pub(crate) request: proto::SubmitRequest,
    pub(crate) queue_ms: u32,
    pub(crate) keep_ms: u64,
}

/// A job as it is at one moment.
#[derive(Debug)]
pub(crate) struct View {
    pub(crate) job: Job,
    pub(crate) pages: Vec<Page>,
    pub(crate) schedule: Option<ScheduleRow>,
}

/// What became of one that was to be taken.
#[derive(Debug)]
pub(crate) enum Submitted {
    Taken(Box<Job>),
    /// It was here before.
    Known(Box<Job>),
    /// Its id was, for something else.
    Other,
    /// It was cancelled, or said to be unknown here, before it came.
    Fenced,
    TooManyKept,
    TooManyWaiting,
}

impl NewJob {
    pub(crate) fn kind(&self) -> JobKind {
        if self.request.schedule.is_some() { JobKind::Registered } else { JobKind::Async }
    }
}

impl Store {
    /// Takes a job, durable when this returns, unless it is known or there are too many.
    pub(crate) fn submit(
        &self,
        new: &NewJob,
        now: Timestamp,
        limits: JobLimits,
    ) -> Result<Submitted, StoreError> {
        let sealed = self.protector.seal(&purpose("request", &new.key), &new.request.encode_to_vec())?;
        let [site, integrator, query] = key(&new.key);
        let kind = new.kind();
        let state = match kind {
            JobKind::Registered => JobStatus::JobEnabled,
            _ => JobStatus::JobQueued,
        };
        self.transaction(|t| {
            let now = clock_high(t, now)?;
            if let Some(known) = find(t, &new.key)? {
                let same = known.digest == new.request.digest && known.kind == kind;
                return Ok(if same { Submitted::Known(Box::new(known)) } else { Submitted::Other });
            }
            if fence::stands(t, &new.key)? {
                return Ok(Submitted::Fenced);
            }
            let started = Started { key: new.key, read_only: new.read_only, at: now };
            if started.is_repeat(t)? {
                return Ok(Submitted::Other);
            }
            let count = |of: &str| -> Result<u32, StoreError> {
                let sql = format!("SELECT count(*) FROM job WHERE site = ?1 AND integrator = ?2 {of}");
                Ok(t.prepare_cached(&sql)?.query_row(params![site, integrator], |row| row.get(0))?)
            };
            if count("AND expired = 0")? >= limits.kept {
                return Ok(Submitted::TooManyKept);
            }
            let all = count("")?;
            if all >= limits.remembered {
                // Some more, so that not each one that comes has to look for them.
                let most = all - limits.remembered + 1 + limits.remembered / 100;
                if forget_reads(t, &new.key, most)? == 0 {
                    return Ok(Submitted::TooManyKept);
                }
            }
            let same_state = format!("AND state = {}", state as i32);
            let most = if kind == JobKind::Registered { limits.schedules } else { limits.waiting };
            if count(&same_state)? >= most {
                return Ok(Submitted::TooManyWaiting);
            }
            t.prepare_cached(
                "INSERT INTO job (site, integrator, query, kind, state, digest, instance, read_only, request,
                     queue_ms, keep_ms, taken_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
            )?
            .execute(params![
                site,
                integrator,
                query,
                kind as i32,
                state as i32,
                new.request.digest,
                &*new.instance,
                new.read_only,
                sealed,
                new.queue_ms,
                i64::try_from(new.keep_ms).unwrap_or(i64::MAX),
                now.0
            ])?;
            if let Some(schedule) = &new.request.schedule {
                t.execute(
                    "INSERT INTO schedule (job, frequency_ms, duration_ms, name) VALUES (?1, ?2, ?3, ?4)",
                    params![
                        t.last_insert_rowid(),
                        i64::try_from(schedule.frequency_ms).unwrap_or(i64::MAX),
                        i64::try_from(schedule.duration_ms).unwrap_or(i64::MAX),
                        self.protector.seal(&purpose("name", &new.key), schedule.name.as_bytes())?
                    ],
                )?;
            }
            let taken = find(t, &new.key)?.ok_or(StoreError::Broken("a job"))?;
            Ok(Submitted::Taken(Box::new(taken)))
        })
    }

    /// A job by whose it is.
    pub(crate) fn job(&self, of: &LedgerKey) -> Result<Option<Job>, StoreError> {
        find(&self.lock(), of)
    }

    /// A job by its number.
    pub(crate) fn job_by_id(&self, id: i64) -> Result<Option<Job>, StoreError> {
        by_id(&self.lock(), id)
    }

    /// The same within a transaction.
    pub(crate) fn job_in(&self, t: &Transaction<'_>, id: i64) -> Result<Option<Job>, StoreError> {
        by_id(t, id)
    }

    /// An integrator's jobs, newest first.
    pub(crate) fn jobs(
        &self,
        of: &LedgerKey,
        kind: Option<JobKind>,
        most: u32,
    ) -> Result<Vec<Job>, StoreError> {
        let [site, integrator, _] = key(of);
        let connection = self.lock();
        let mut statement = connection.prepare_cached(&format!(
            "{SELECT} WHERE site = ?1 AND integrator = ?2 AND (?3 IS NULL OR kind = ?3) ORDER BY id DESC LIMIT ?4"
        ))?;
        let rows =
            statement.query_map(params![site, integrator, kind.map(|kind| kind as i32), most], Job::read)?;
        rows.map(|row| row?).collect()
    }

    /// All jobs in one of these states, oldest first.
    pub(crate) fn jobs_in(&self, state: JobStatus) -> Result<Vec<Job>, StoreError> {
        let connection = self.lock();
        let mut statement = connection.prepare_cached(&format!("{SELECT} WHERE state = ?1 ORDER BY id"))?;
        let rows = statement.query_map([state as i32], Job::read)?;
        rows.map(|row| row?).collect()
    }

    /// Everybody of whom a result is kept, or still to come.
    pub(crate) fn job_owners(&self) -> Result<Vec<Who>, StoreError> {
        let connection = self.lock();
        let mut statement =
            connection.prepare_cached("SELECT DISTINCT site, integrator FROM job WHERE expired = 0")?;
        let rows =
            statement.query_map([], |row| Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, Vec<u8>>(1)?)))?;
        let mut owners = Vec::new();
        for row in rows {
            let (site, integrator) = row?;
            let who = SiteId::from_slice(&site).zip(IntegratorId::from_slice(&integrator));
            owners.push(who.ok_or(StoreError::Broken("a job's owner"))?);
        }
        Ok(owners)
    }

    /// All of an integrator's jobs of which a result is kept, or still to come.
    pub(crate) fn open_jobs(&self, of: &Who) -> Result<Vec<Job>, StoreError> {
        let connection = self.lock();
        let mut statement = connection.prepare_cached(&format!(
            "{SELECT} WHERE site = ?1 AND integrator = ?2 AND expired = 0 ORDER BY id"
        ))?;
        let rows = statement.query_map(params![&of.0.as_bytes()[..], &of.1.as_bytes()[..]], Job::read)?;
        rows.map(|row| row?).collect()
    }

    /// How many jobs are in a state, at all sites.
    pub(crate) fn count_jobs(&self, state: JobStatus) -> Result<u32, StoreError> {
        let connection = self.lock();
        let mut statement = connection.prepare_cached("SELECT count(*) FROM job WHERE state = ?1")?;
        Ok(statement.query_row([state as i32], |row| row.get(0))?)
    }

    /// The pages that can be had, after page `after`.
    pub(crate) fn job_pages(&self, id: i64, after: u32) -> Result<Vec<Page>, StoreError> {
        pages(&self.lock(), id, after)
    }

    /// A job with its pages after page `after`, and what belongs to a schedule: all as of one moment.
    pub(crate) fn job_view(&self, of: &LedgerKey, after: u32) -> Result<Option<View>, StoreError> {
        let connection = self.lock();
        let Some(job) = find(&connection, of)? else { return Ok(None) };
        let schedule = super::schedules::schedule(&connection, job.id)?;
        let pages = pages(&connection, job.id, after)?;
        Ok(Some(View { job, pages, schedule }))
    }

    /// It begins, unless it is not waiting any more.
    pub(crate) fn begin_job(
        &self,
        t: &Transaction<'_>,
        id: i64,
        attempt: u32,
        sealed_key: &[u8],
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let now = clock_high(t, now)?;
        let changed = t
            .prepare_cached(
                "UPDATE job SET state = ?2, attempt = ?3, key = ?4, began_at = ?5, answered_at = NULL, columns = NULL,
                     revision = revision + 1
                 WHERE id = ?1 AND state = ?6 AND cancel = 0",
            )?
            .execute(params![
                id,
                JobStatus::JobExecuting as i32,
                attempt,
                sealed_key,
                now.0,
                JobStatus::JobQueued as i32
            ])?;
        Ok(changed == 1)
    }

    /// A page is there. `false` when the attempt is over.
    pub(crate) fn add_page(
        &self,
        job: &Job,
        page: &Page,
        columns: &[proto::Column],
        answered: Timestamp,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let columns = self.seal_columns(&job.key, columns)?;
        self.transaction(|t| {
            clock_high(t, now)?;
            let changed = t
                .prepare_cached(
                    "UPDATE job SET state = ?3, answered_at = ?4, columns = ?5, revision = revision + 1
                     WHERE id = ?1 AND attempt = ?2 AND state IN (?3, ?6)",
                )?
                .execute(params![
                    job.id,
                    job.attempt,
                    JobStatus::JobUploading as i32,
                    answered.0,
                    columns,
                    JobStatus::JobExecuting as i32
                ])?;
            if changed == 1 {
                page.write(t, job.id)?;
            }
            Ok(changed == 1)
        })
    }
}

fn find(connection: &rusqlite::Connection, of: &LedgerKey) -> Result<Option<Job>, StoreError> {
    let mut statement =
        connection.prepare_cached(&format!("{SELECT} WHERE site = ?1 AND integrator = ?2 AND query = ?3"))?;
    statement.query_row(key(of), Job::read).optional()?.transpose()
}

fn pages(connection: &rusqlite::Connection, id: i64, after: u32) -> Result<Vec<Page>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT number, first_row, rows, bytes FROM job_page WHERE job = ?1 AND number > ?2 ORDER BY number",
    )?;
    let rows = statement.query_map(params![id, after], Page::read)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(super) fn by_id(connection: &rusqlite::Connection, id: i64) -> Result<Option<Job>, StoreError> {
    let mut statement = connection.prepare_cached(&format!("{SELECT} WHERE id = ?1"))?;
    statement.query_row([id], Job::read).optional()?.transpose()
}
