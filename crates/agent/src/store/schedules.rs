//! Registered queries: how their runs went, and the newest result.

use super::{
    Job, LedgerKey, Moment, Page, Store, StoreError, clock_high,
    jobs::{by_id, event_of, purpose},
};
use link_api::proto::{self, EventKind, JobStatus};
use model::Timestamp;
use prost::Message;
use rusqlite::{OptionalExtension, Transaction, params};

/// Beside a job that runs more than once.
#[derive(Clone, Debug)]
pub(crate) struct ScheduleRow {
    pub(crate) frequency_ms: u64,
    pub(crate) duration_ms: u64,
    /// The newest run that began or was left out.
    pub(crate) last_run: Option<u64>,
    running: bool,
    /// For people.
    sealed_name: Vec<u8>,
    pub(crate) succeeded: u64,
    pub(crate) failed: u64,
    pub(crate) changes: u64,
    pub(crate) last_succeeded_at: Option<i64>,
    pub(crate) last_failed_at: Option<i64>,
    pub(crate) last_run_ms: u32,
    pub(crate) bytes_sum: u64,
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
    pub(crate) hash: Option<Vec<u8>>,
    sealed_error: Option<Vec<u8>>,
    /// How many of its newest runs in a row were cut off by the end of the process.
    cut: u32,
    /// No run begins before.
    pub(crate) paused_until: i64,
}

/// So many runs in a row that were cut off may be chance. After them it is asked whether the run itself takes the process down,
const CUT: u32 = 3;
/// by letting time pass before the next one: this long at first, twice as long each time,
const PAUSE_MS: i64 = 10 * 60 * 1000;
/// and a day at most.
const PAUSE_MOST_MS: i64 = 24 * 60 * 60 * 1000;

/// How long the next run is left out for, after so many that were cut off in a row.
fn pause_after(cut: u32) -> i64 {
    match cut.checked_sub(CUT) {
        None => 0,
        Some(more) => PAUSE_MS.saturating_mul(1 << more.min(20)).min(PAUSE_MOST_MS),
    }
}

/// How a run went.
#[derive(Clone, Debug)]
pub(crate) struct RunEnd {
    /// The run, when it had begun.
    pub(crate) began: Option<u64>,
    /// The newest that began or was left out.
    pub(crate) run: u64,
    pub(crate) ended: proto::Ended,
    /// Of a good one: SHA-256 of its result.
    pub(crate) hash: Option<Vec<u8>>,
    /// Of one with another result than before: where that is kept.
    pub(crate) kept: Option<Kept>,
}

/// A result that is in the spool.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    pub(crate) attempt: u32,
    pub(crate) sealed_key: Vec<u8>,
    pub(crate) columns: Vec<proto::Column>,
    pub(crate) page: Page,
}

impl Store {
    /// What belongs to a job that is a schedule.
    pub(crate) fn schedule(&self, id: i64) -> Result<Option<ScheduleRow>, StoreError> {
        schedule(&self.lock(), id)
    }

    /// Run `n` begins, unless the schedule is over.
    pub(crate) fn begin_run(
        &self,
        t: &Transaction<'_>,
        id: i64,
        n: u64,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        clock_high(t, now)?;
        let changed = t
            .prepare_cached(
                "UPDATE schedule SET last_run = ?2, running = 1
                 WHERE job = ?1 AND running = 0 AND (last_run IS NULL OR last_run < ?2)
                     AND EXISTS (SELECT 1 FROM job WHERE id = ?1 AND state = ?3)",
            )?
            .execute(params![id, n.cast_signed(), JobStatus::JobEnabled as i32])?;
        Ok(changed == 1)
    }

    /// A run has ended, or was not let in. What changed is told: answers whether anything was.
    pub(crate) fn end_run(
        &self,
        t: &Transaction<'_>,
        job: &Job,
        end: &RunEnd,
        now: Moment,
    ) -> Result<bool, StoreError> {
        let local = clock_high(t, now.local)?;
        let Some(before) = schedule(t, job.id)? else { return Ok(false) };
        // It had ended before: without it, when it did not end in time.
        if end.began.is_some() && (!before.running || end.began != before.last_run) {
            return Ok(false);
        }
        let mut told = None;
        // One that was cancelled meanwhile has said its last.
        let enabled = by_id(t, job.id)?.is_some_and(|job| job.state == JobStatus::JobEnabled);
        let last_run = before.last_run.map_or(end.run, |last| last.max(end.run)).cast_signed();
        let ended = &end.ended;
        if ended.status() == proto::Status::Successful {
            t.prepare_cached(
                "UPDATE schedule SET running = 0, last_run = ?2, succeeded = succeeded + 1, last_succeeded_at = ?3,
                     last_run_ms = ?4, bytes_sum = bytes_sum + ?5, rows = ?6, bytes = ?5, error = NULL WHERE job = ?1",
            )?
            .execute(params![
                job.id,
                last_run,
                local.0,
                ended.run_ms,
                ended.row_bytes.cast_signed(),
                ended.rows.cast_signed()
            ])?;
        } else {
            let error = ended.error.clone().unwrap_or_else(|| why(ended));
            let sealed = self.protector.seal(&purpose("error", &job.key), &error.encode_to_vec())?;
            t.prepare_cached(
                "UPDATE schedule SET running = 0, last_run = ?2, failed = failed + 1, last_failed_at = ?3,
                     last_run_ms = ?4, error = ?5 WHERE job = ?1",
            )?
            .execute(params![job.id, last_run, local.0, ended.run_ms, sealed])?;
            // The first failure in a row is told, and each that may have written.
            if event_of(ended) == EventKind::EventOutcomeUnknown {
                told = Some(job.event(EventKind::EventOutcomeUnknown, None));
            } else if before.sealed_error.is_none() && enabled {
                told = Some(job.event(EventKind::EventFailed, None));
            }
        }
        if let Some(kept) = end.kept.as_ref().filter(|_| enabled) {
            let sealed_ended = self.seal_ended(&job.key, ended)?;
            let columns = self.seal_columns(&job.key, &kept.columns)?;
            t.execute(
                "UPDATE job SET attempt = ?2, key = ?3, columns = ?4, ended = ?5 WHERE id = ?1",
                params![job.id, kept.attempt, kept.sealed_key, columns, sealed_ended],
            )?;
            t.execute("DELETE FROM job_page WHERE job = ?1", [job.id])?;
            kept.page.write(t, job.id)?;
            t.execute(
                "UPDATE schedule SET hash = ?2, changes = changes + 1 WHERE job = ?1",
                params![job.id, end.hash],
            )?;
            told = Some(job.event(EventKind::EventResultChanged, end.hash.clone()));
        }
        if end.began.is_some() && before.cut > 0 {
            // The process outlived it. What was cut off says so itself, after this.
            t.prepare_cached("DELETE FROM schedule_cut WHERE job = ?1")?.execute([job.id])?;
        }
        t.execute("UPDATE job SET revision = revision + 1 WHERE id = ?1", [job.id])?;
        told.iter().try_for_each(|event| event.write(t, now))?;
        Ok(told.is_some())
    }

    /// No run comes any more.
    pub(crate) fn close_schedule(
        &self,
        t: &Transaction<'_>,
        job: &Job,
        state: JobStatus,
        now: Moment,
    ) -> Result<bool, StoreError> {
        let local = clock_high(t, now.local)?;
        let changed = t.execute(
            "UPDATE job SET state = ?2, ended_at = ?3, request = NULL, revision = revision + 1
             WHERE id = ?1 AND state = ?4",
            params![job.id, state as i32, local.0, JobStatus::JobEnabled as i32],
        )?;
        if changed == 1 {
            let kind = match state {
                JobStatus::JobCancelled => EventKind::EventCancelled,
                _ => EventKind::EventCompleted,
            };
            job.event(kind, None).write(t, now)?;
        }
        Ok(changed == 1)
    }

    /// As the integrator calls it.
    pub(crate) fn schedule_name(&self, of: &LedgerKey, row: &ScheduleRow) -> Result<String, StoreError> {
        let clear = self.protector.open(&purpose("name", of), &row.sealed_name)?;
        String::from_utf8(clear.into_inner()).map_err(|_| StoreError::Broken("a schedule's name"))
    }

    /// What went wrong with the newest run.
    pub(crate) fn schedule_error(
        &self,
        of: &LedgerKey,
        row: &ScheduleRow,
    ) -> Result<Option<proto::Error>, StoreError> {
        let Some(sealed) = &row.sealed_error else { return Ok(None) };
        let clear = self.protector.open(&purpose("error", of), sealed)?;
        let error = proto::Error::decode(&clear.reveal()[..]);
        error.map(Some).map_err(|_| StoreError::Broken("a run's error"))
    }

    /// Runs that were cut off when the process ended count as failed; after some in a row the next ones are left out for a while.
    pub(super) fn recover_schedules(&self, t: &Transaction<'_>, now: Moment) -> Result<usize, StoreError> {
        let mut statement = t.prepare("SELECT job, last_run FROM schedule WHERE running = 1")?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?.cast_unsigned())))?;
        let cut: Vec<(i64, u64)> = rows.collect::<Result<_, _>>()?;
        for (id, run) in &cut {
            let Some(job) = by_id(t, *id)? else { continue };
            let query = crate::jobs::run_id(job.key.query, *run);
            let read_only = super::ledger::ran_read_only(t, &LedgerKey { query, ..job.key })?;
            let times = schedule(t, *id)?.map_or(0, |row| row.cut).saturating_add(1);
            let pause = pause_after(times);
            let ended = proto::Ended {
                status: proto::Status::Interrupted.into(),
                effect: proto::Effect::Unknown.into(),
                read_only,
                error: (pause > 0).then(|| paused(times, pause)),
                ..proto::Ended::default()
            };
            self.end_run(
                t,
                &job,
                &RunEnd { began: Some(*run), run: *run, ended, hash: None, kept: None },
                now,
            )?;
            t.execute(
                "INSERT OR REPLACE INTO schedule_cut (job, times, until) VALUES (?1, ?2, ?3)",
                params![id, times, if pause > 0 { now.local.0.saturating_add(pause) } else { 0 }],
            )?;
        }
        Ok(cut.len())
    }
}

pub(super) fn schedule(
    connection: &rusqlite::Connection,
    id: i64,
) -> Result<Option<ScheduleRow>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT frequency_ms, duration_ms, last_run, succeeded, failed, changes, last_succeeded_at, last_failed_at,
             last_run_ms, bytes_sum, rows, bytes, hash, error, running, name,
             coalesce((SELECT times FROM schedule_cut WHERE schedule_cut.job = schedule.job), 0),
             coalesce((SELECT until FROM schedule_cut WHERE schedule_cut.job = schedule.job), 0)
         FROM schedule WHERE job = ?1",
    )?;
    let number = |row: &rusqlite::Row<'_>, at| row.get::<_, i64>(at).map(i64::cast_unsigned);
    let row = statement.query_row([id], |row| {
        Ok(ScheduleRow {
            frequency_ms: number(row, 0)?,
            duration_ms: number(row, 1)?,
            last_run: row.get::<_, Option<i64>>(2)?.map(i64::cast_unsigned),
            succeeded: number(row, 3)?,
            failed: number(row, 4)?,
            changes: number(row, 5)?,
            last_succeeded_at: row.get(6)?,
            last_failed_at: row.get(7)?,
            last_run_ms: row.get(8)?,
            bytes_sum: number(row, 9)?,
            rows: number(row, 10)?,
            bytes: number(row, 11)?,
            hash: row.get(12)?,
            sealed_error: row.get(13)?,
            running: row.get(14)?,
            sealed_name: row.get(15)?,
            cut: row.get(16)?,
            paused_until: row.get(17)?,
        })
    });
    Ok(row.optional()?)
}

/// Why the next runs are left out.
fn paused(times: u32, pause: i64) -> proto::Error {
    let minutes = pause / 60_000;
    link_api::convert::halo_error(
        500,
        format!(
            "Halo Link ended {times} times in a row while this query ran: its runs are left out for {minutes} minutes, and the next one \
             shows whether it was chance. Ask for less, or cancel it; the practice's IT provider finds in Halo Link's log why it ended."
        ),
    )
}

/// A failure that nobody has said anything of, in people's words.
fn why(ended: &proto::Ended) -> proto::Error {
    let (code, how) = match ended.status() {
        proto::Status::ExpiredInQueue => {
            (504, "Its turn did not come in time: the practice's server is busy.")
        }
        proto::Status::TimedOut => (504, "It ran longer than it may."),
        proto::Status::Cancelled => (499, "It was cancelled."),
        proto::Status::TooLarge => (413, "The result is larger than a registered query's may be."),
        _ => (500, "Halo Link was restarted while it ran, or lost its database; how it ended is not known."),
    };
    link_api::convert::halo_error(code, how)
}
