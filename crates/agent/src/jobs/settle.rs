//! How something ended, put on disk: at once, or as soon as the disk takes it again.

use super::{Jobs, StoreError};
use crate::store::{Page, RunEnd};
use link_api::proto::{self, JobStatus};
use model::Timestamp;
use rusqlite::Transaction;
use std::sync::PoisonError;

/// An end that is to be written.
#[derive(Debug)]
pub(super) enum Unsettled {
    /// Of a job that runs once: `attempt` is the one that ended, `None` one that never began.
    Job { id: i64, attempt: Option<u32>, ended: proto::Ended, kept: Kept },
    /// Of one run of a schedule.
    Run { id: i64, run: RunEnd },
}

/// What belongs to a good end.
#[derive(Debug, Default)]
pub(super) struct Kept {
    /// The last page, which is not written down yet.
    pub(super) last: Option<Page>,
    pub(super) columns: Vec<proto::Column>,
    pub(super) answered: Option<Timestamp>,
}

impl Jobs {
    /// Writes an end down, now or later.
    pub(super) fn settle_or_keep(&self, end: Unsettled) {
        if let Err(error) = self.settle(&end) {
            tracing::error!(%error, "how a job ended can't be written down; tried again until it can");
            self.keep_trying(end);
        }
    }

    /// Writes an end down as soon as the disk takes it.
    pub(super) fn keep_trying(&self, end: Unsettled) {
        self.unsettled.lock().unwrap_or_else(PoisonError::into_inner).push(end);
        self.wake.notify_one();
    }

    /// Tries again what could not be written.
    pub(super) fn settle_again(&self) -> Result<(), StoreError> {
        let ends = std::mem::take(&mut *self.unsettled.lock().unwrap_or_else(PoisonError::into_inner));
        let mut failed = None;
        for end in ends {
            if let Err(error) = self.settle(&end) {
                failed = Some(error);
                self.unsettled.lock().unwrap_or_else(PoisonError::into_inner).push(end);
            }
        }
        failed.map_or(Ok(()), Err)
    }

    fn settle(&self, end: &Unsettled) -> Result<(), StoreError> {
        let id = match end {
            Unsettled::Job { id, .. } | Unsettled::Run { id, .. } => *id,
        };
        let Some(job) = self.store.job_by_id(id)? else { return Ok(()) };
        let told = self.store.transaction(|t| self.write_end(t, end))?;
        self.forget_unkept(id)?;
        self.ring(id, &job.key, told);
        Ok(())
    }

    /// Writes an end within a transaction. Answers whether anything of it is told: it may have ended before.
    pub(super) fn write_end(&self, t: &Transaction<'_>, end: &Unsettled) -> Result<bool, StoreError> {
        let now = self.moment();
        let (Unsettled::Job { id, .. } | Unsettled::Run { id, .. }) = end;
        let Some(job) = self.store.job_in(t, *id)? else { return Ok(false) };
        match end {
            Unsettled::Job { attempt, ended, kept, .. } => {
                let ours = match attempt {
                    Some(attempt) => *attempt == job.attempt,
                    None => job.state == JobStatus::JobQueued,
                };
                if !ours {
                    return Ok(false);
                }
                let Kept { last, columns, answered } = kept;
                self.store.end_job(t, &job, ended, last.as_ref(), columns, *answered, now)
            }
            Unsettled::Run { run, .. } => self.store.end_run(t, &job, run, now),
        }
    }

    /// Removes pages that belong to no result.
    pub(super) fn forget_unkept(&self, id: i64) -> Result<(), StoreError> {
        let Some(job) = self.store.job_by_id(id)? else { return Ok(()) };
        let kept = job.sealed_key.as_ref().map(|_| job.attempt);
        if let Err(error) =
            self.spool.forget_attempts(super::owner(&job.key), |attempt| Some(attempt) == kept)
        {
            tracing::warn!(%error, "result pages could not be removed; the next start tries again");
        }
        Ok(())
    }
}
