//! What the site runs on its own, and how far it is. Every change is on disk before it is told.

mod recover;
mod row;

pub(super) use row::purpose;
pub(crate) use row::{Job, Page};

use super::{LedgerKey, Moment, ScheduleRow, Started, Store, StoreError, clock_high};
use link_api::proto::{self, EventKind, JobKind, JobStatus};
use model::Timestamp;
use prost::Message;
use row::{SELECT, key};
use rusqlite::{OptionalExtension, Transaction, params};
use std::sync::Arc;

/// How long it is remembered that there was a job whose result is not kept any longer.
const REMEMBERED_MS: i64 = 7 * 24 * 60 * 60 * 1000;

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
    TooManyKept,
    TooManyWaiting,
}

/// What became of one that was to be cancelled.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Cancelled {
    /// It ended before.
    Over,
    /// It waited, or was a schedule: it has ended now.
    Now,
    /// It runs: whoever runs it is to be told.
    Running,
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

    /// How many jobs are in a state, at all sites.
    pub(crate) fn count_jobs(&self, state: JobStatus) -> Result<u32, StoreError> {
        let connection = self.lock();
        let mut statement = connection.prepare_cached("SELECT count(*) FROM job WHERE state = ?1")?;
        Ok(statement.query_row([state as i32], |row| row.get(0))?)
    }

    /// What was asked for; `None` when the job will never run again.
    pub(crate) fn job_request(&self, job: &Job) -> Result<Option<proto::SubmitRequest>, StoreError> {
        let sealed: Option<Vec<u8>> = self
            .lock()
            .prepare_cached("SELECT request FROM job WHERE id = ?1")?
            .query_row([job.id], |row| row.get(0))
            .optional()?
            .flatten();
        let Some(sealed) = sealed else { return Ok(None) };
        let clear = self.protector.open(&purpose("request", &job.key), &sealed)?;
        let request = proto::SubmitRequest::decode(&clear.reveal()[..]);
        request.map(Some).map_err(|_| StoreError::Broken("a job's request"))
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

    /// A new attempt's key, sealed.
    pub(crate) fn seal_key(&self, of: &LedgerKey, key: &spool::Key) -> Result<Vec<u8>, StoreError> {
        Ok(self.protector.seal(&purpose("key", of), key.bytes())?)
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

    /// It has ended, with its event, unless it had before. `last` is a page that is not written down yet.
    #[expect(clippy::too_many_arguments, reason = "all of it belongs to the one row that is written")]
    pub(crate) fn end_job(
        &self,
        t: &Transaction<'_>,
        job: &Job,
        ended: &proto::Ended,
        last: Option<&Page>,
        columns: &[proto::Column],
        answered: Option<Timestamp>,
        now: Moment,
    ) -> Result<bool, StoreError> {
        let good = ended.status() == proto::Status::Successful;
        let ended = &job.truth(ended);
        let sealed = self.seal_ended(&job.key, ended)?;
        let columns = if good { Some(self.seal_columns(&job.key, columns)?) } else { None };
        let local = clock_high(t, now.local)?;
        let changed = t
            .prepare_cached(
                "UPDATE job SET state = ?3, ended = ?4, ended_at = ?5, answered_at = coalesce(answered_at, ?6),
                     columns = ?7, key = iif(?8, key, NULL), request = NULL, revision = revision + 1
                 WHERE id = ?1 AND attempt = ?2 AND state IN (?9, ?10, ?11)",
            )?
            .execute(params![
                job.id,
                job.attempt,
                JobStatus::JobEnded as i32,
                sealed,
                local.0,
                answered.map(|at| at.0),
                columns,
                good,
                JobStatus::JobQueued as i32,
                JobStatus::JobExecuting as i32,
                JobStatus::JobUploading as i32
            ])?;
        if changed == 0 {
            return Ok(false);
        }
        match last {
            Some(page) if good => page.write(t, job.id)?,
            None if good => {}
            // What it left is not its result: nobody may take it for that.
            _ => _ = t.execute("DELETE FROM job_page WHERE job = ?1", [job.id])?,
        }
        job.event(event_of(ended), None).write(t, now)?;
        Ok(true)
    }

    /// Cancels what waits, and notes it of what runs.
    pub(crate) fn cancel_job(&self, job: &Job, now: Moment) -> Result<Cancelled, StoreError> {
        self.transaction(|t| {
            let Some(job) = find(t, &job.key)? else { return Ok(Cancelled::Over) };
            match job.state {
                JobStatus::JobQueued => {
                    let ended = proto::Ended {
                        status: proto::Status::Cancelled.into(),
                        effect: proto::Effect::NotExecuted.into(),
                        read_only: job.read_only,
                        ..proto::Ended::default()
                    };
                    self.end_job(t, &job, &ended, None, &[], None, now)?;
                    Ok(Cancelled::Now)
                }
                JobStatus::JobExecuting | JobStatus::JobUploading => {
                    t.execute("UPDATE job SET cancel = 1 WHERE id = ?1", [job.id])?;
                    Ok(Cancelled::Running)
                }
                JobStatus::JobEnabled => {
                    self.close_schedule(t, &job, JobStatus::JobCancelled, now)?;
                    Ok(Cancelled::Now)
                }
                _ => Ok(Cancelled::Over),
            }
        })
    }

    /// Takes the keys and page lists of results that were kept long enough, with their events. Answers whose files may go.
    pub(crate) fn expire_jobs(&self, now: Moment) -> Result<Vec<Job>, StoreError> {
        // Looked at before anything is written: mostly there is nothing to do.
        let due = self
            .lock()
            .prepare_cached(
                "SELECT 1 FROM job WHERE state IN (?2, ?3, ?4) AND expired = 0 AND ended_at <= ?1 - keep_ms",
            )?
            .exists(params![
                now.local.0,
                JobStatus::JobEnded as i32,
                JobStatus::JobCompleted as i32,
                JobStatus::JobCancelled as i32
            ])?;
        if !due {
            return Ok(Vec::new());
        }
        self.transaction(|t| {
            let local = clock_high(t, now.local)?;
            let over = [JobStatus::JobEnded, JobStatus::JobCompleted, JobStatus::JobCancelled];
            let mut all = Vec::new();
            for state in over {
                let mut statement = t.prepare_cached(&format!(
                    "{SELECT} WHERE state = ?1 AND expired = 0 AND ended_at <= ?2 - keep_ms ORDER BY ended_at LIMIT 200"
                ))?;
                let rows = statement.query_map(params![state as i32, local.0], Job::read)?;
                all.extend(rows.map(|row| row?).collect::<Result<Vec<_>, StoreError>>()?);
            }
            for job in &all {
                let had_result = job.sealed_key.is_some();
                // Output values and a database's words are part of the result.
                let ended = match self.job_ended(job)? {
                    Some(ended) => {
                        let bare = proto::Ended { outputs: Vec::new(), ..ended };
                        Some(self.seal_ended(&job.key, &bare)?)
                    }
                    None => None,
                };
                t.execute(
                    "UPDATE job SET expired = 1, key = NULL, columns = NULL, ended = ?2, revision = revision + 1
                     WHERE id = ?1",
                    params![job.id, ended],
                )?;
                t.execute("DELETE FROM job_page WHERE job = ?1", [job.id])?;
                if had_result {
                    job.event(EventKind::EventResultExpired, None).write(t, now)?;
                }
            }
            Ok(all)
        })
    }

    /// Forgets jobs whose results are long gone.
    pub(crate) fn forget_jobs(&self, now: Timestamp) -> Result<usize, StoreError> {
        self.transaction(|t| {
            let before = now.0 - REMEMBERED_MS;
            let old = "FROM job WHERE expired = 1 AND ended_at <= ?1 - keep_ms";
            t.execute(&format!("DELETE FROM schedule WHERE job IN (SELECT id {old})"), [before])?;
            Ok(t.execute(&format!("DELETE {old}"), [before])?)
        })
    }

    /// How it ended; `None` when it has not.
    pub(crate) fn job_ended(&self, job: &Job) -> Result<Option<proto::Ended>, StoreError> {
        let Some(sealed) = &job.sealed_ended else { return Ok(None) };
        let clear = self.protector.open(&purpose("ended", &job.key), sealed)?;
        let ended = proto::Ended::decode(&clear.reveal()[..]);
        ended.map(Some).map_err(|_| StoreError::Broken("a job's end"))
    }

    /// The columns of its result.
    pub(crate) fn job_columns(&self, job: &Job) -> Result<Vec<proto::Column>, StoreError> {
        let Some(sealed) = &job.sealed_columns else { return Ok(Vec::new()) };
        let clear = self.protector.open(&purpose("columns", &job.key), sealed)?;
        let columns = proto::Columns::decode(&clear.reveal()[..]);
        Ok(columns.map_err(|_| StoreError::Broken("a job's columns"))?.columns)
    }

    /// The key of its pages; `None` when it was forgotten.
    pub(crate) fn job_key(&self, job: &Job) -> Result<Option<spool::Key>, StoreError> {
        let Some(sealed) = &job.sealed_key else { return Ok(None) };
        let clear = self.protector.open(&purpose("key", &job.key), sealed)?;
        spool::Key::from_bytes(clear.reveal()).map(Some).ok_or(StoreError::Broken("a page's key"))
    }

    pub(super) fn seal_ended(&self, of: &LedgerKey, ended: &proto::Ended) -> Result<Vec<u8>, StoreError> {
        Ok(self.protector.seal(&purpose("ended", of), &ended.encode_to_vec())?)
    }

    pub(super) fn seal_columns(
        &self,
        of: &LedgerKey,
        columns: &[proto::Column],
    ) -> Result<Vec<u8>, StoreError> {
        let columns = proto::Columns { columns: columns.to_vec() };
        Ok(self.protector.seal(&purpose("columns", of), &columns.encode_to_vec())?)
    }
}

/// Forgets an integrator's oldest expired jobs before their time, but only enforced reads: of what may have written it must be
/// known for as long as was said that its id was used.
fn forget_reads(t: &Transaction<'_>, of: &LedgerKey, most: u32) -> Result<usize, StoreError> {
    let [site, integrator, _] = key(of);
    let mut statement = t.prepare_cached(
        "SELECT id FROM job WHERE site = ?1 AND integrator = ?2 AND expired = 1 AND read_only = 1 ORDER BY id LIMIT ?3",
    )?;
    let ids = statement.query_map(params![site, integrator, most], |row| row.get(0))?;
    let ids = ids.collect::<Result<Vec<i64>, _>>()?;
    for id in &ids {
        t.prepare_cached("DELETE FROM schedule WHERE job = ?1")?.execute([id])?;
        t.prepare_cached("DELETE FROM job WHERE id = ?1")?.execute([id])?;
    }
    Ok(ids.len())
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

/// What is told of an end.
pub(crate) fn event_of(ended: &proto::Ended) -> EventKind {
    let unknown = ended.effect() == proto::Effect::Unknown && !ended.read_only;
    match ended.status() {
        proto::Status::Successful => EventKind::EventSucceeded,
        // Whatever stopped it, that it may have written is what matters.
        _ if unknown => EventKind::EventOutcomeUnknown,
        proto::Status::ExpiredInQueue => EventKind::EventExpiredInQueue,
        proto::Status::Cancelled => EventKind::EventCancelled,
        _ => EventKind::EventFailed,
    }
}
