//! After a start: what ran when the process ended, and what becomes of it.

use super::{Job, SELECT, end::unkept, key};
use crate::store::{Known, Moment, Store, StoreError, clock_high, ledger::ran_read_only};
use link_api::proto::{self, JobStatus};
use rusqlite::{Transaction, params};

/// A read begins so often at most: one that takes the process down with it must not do so at each start.
const ATTEMPTS: u32 = 3;

impl Store {
    /// Puts right what was running: enforced reads wait again (some times), anything else may have written and ends as outcome
    /// unknown; a schedule's run counts as failed. Must come before the ledger is put right. Answers how many there were.
    pub(crate) fn recover_jobs(&self, now: Moment) -> Result<usize, StoreError> {
        self.transaction(|t| {
            clock_high(t, now.local)?;
            let mut running = Vec::new();
            for state in [JobStatus::JobExecuting, JobStatus::JobUploading] {
                let mut statement = t.prepare(&format!("{SELECT} WHERE state = ?1"))?;
                let rows = statement.query_map([state as i32], Job::read)?;
                running.extend(rows.map(|row| row?).collect::<Result<Vec<_>, StoreError>>()?);
            }
            for job in &running {
                self.recover(t, job, now)?;
            }
            Ok(running.len() + self.recover_schedules(t, now)?)
        })
    }

    fn recover(&self, t: &Transaction<'_>, job: &Job, now: Moment) -> Result<(), StoreError> {
        let [site, integrator, query] = key(&job.key);
        // Written in the transaction in which it began: it says under which access.
        let read_only = ran_read_only(t, &job.key)?;
        if read_only && !job.cancel && job.attempt < ATTEMPTS {
            t.execute(
                "DELETE FROM ledger WHERE site = ?1 AND integrator = ?2 AND query = ?3",
                params![site, integrator, query],
            )?;
            t.execute("DELETE FROM job_page WHERE job = ?1", [job.id])?;
            t.execute(
                "UPDATE job SET state = ?2, key = NULL, columns = NULL, began_at = NULL, answered_at = NULL,
                     revision = revision + 1 WHERE id = ?1",
                params![job.id, JobStatus::JobQueued as i32],
            )?;
            return Ok(());
        }
        let ended = match self.known(t, &job.key)? {
            // Its end was seen, and what belongs to it could not be written any more.
            Known::Ended(ended) => unkept(*ended, 507, "It was executed, and its result could not be kept."),
            _ => {
                let (status, effect) = match job.cancel && read_only {
                    true => (proto::Status::Cancelled, proto::Effect::Executed),
                    false => (proto::Status::Interrupted, proto::Effect::Unknown),
                };
                let (status, effect) = (status.into(), effect.into());
                proto::Ended { status, effect, read_only, ..proto::Ended::default() }
            }
        };
        self.end_job(t, job, &ended, None, &[], None, now)?;
        Ok(())
    }
}
