//! How a job ends: written down with its event, once.

use super::{Job, Page, find};
use crate::store::{Moment, Store, StoreError, clock_high};
use link_api::{
    convert,
    proto::{self, EventKind, JobStatus},
};
use model::Timestamp;
use rusqlite::{Transaction, params};

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

impl Store {
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
}

/// A good end whose result can't be kept; any other stays as it is.
pub(crate) fn unkept(ended: proto::Ended, code: i32, how: &str) -> proto::Ended {
    if ended.status() != proto::Status::Successful {
        return ended;
    }
    let error = Some(convert::halo_error(code, how));
    proto::Ended { status: proto::Status::TooLarge.into(), error, outputs: Vec::new(), ..ended }
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
