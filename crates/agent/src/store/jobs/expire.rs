//! What becomes of jobs that are over: results go, then the memory of them.

use super::{
    Job,
    row::{SELECT, key},
};
use crate::store::{LedgerKey, Moment, Store, StoreError, Who, clock_high};
use link_api::proto::{self, EventKind, JobStatus};
use model::Timestamp;
use rusqlite::{Transaction, params};

/// How long it is remembered that there was a job whose result is not kept any longer.
const REMEMBERED_MS: i64 = 7 * 24 * 60 * 60 * 1000;

/// Forgets all results, whose pages stayed on another server's disk: what has ended is as if its result had expired, and a schedule's next
/// result counts as another one.
pub(crate) fn forget_results(t: &Transaction<'_>) -> Result<(), StoreError> {
    let over =
        [JobStatus::JobEnded, JobStatus::JobCompleted, JobStatus::JobCancelled].map(|state| state as i32);
    t.execute(
        "UPDATE job SET expired = 1, revision = revision + 1 WHERE state IN (?1, ?2, ?3) AND id IN (SELECT job FROM job_page)",
        over,
    )?;
    t.execute("UPDATE schedule SET hash = NULL WHERE job IN (SELECT job FROM job_page)", [])?;
    t.execute("UPDATE job SET key = NULL, columns = NULL WHERE id IN (SELECT job FROM job_page)", [])?;
    t.execute("DELETE FROM job_page", [])?;
    Ok(())
}

impl Store {
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
            all.iter().try_for_each(|job| self.expire_job(t, job, now))?;
            Ok(all)
        })
    }

    /// The same of all that an integrator has, however young, once it has ended.
    pub(crate) fn expire_owner(&self, of: &Who, now: Moment) -> Result<Vec<Job>, StoreError> {
        let over = [JobStatus::JobEnded, JobStatus::JobCompleted, JobStatus::JobCancelled];
        let mut all = self.open_jobs(of)?;
        all.retain(|job| over.contains(&job.state));
        self.transaction(|t| all.iter().try_for_each(|job| self.expire_job(t, job, now)))?;
        Ok(all)
    }

    fn expire_job(&self, t: &Transaction<'_>, job: &Job, now: Moment) -> Result<(), StoreError> {
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
        if job.sealed_key.is_some() {
            job.event(EventKind::EventResultExpired, None).write(t, now)?;
        }
        Ok(())
    }

    /// Forgets jobs whose results are long gone.
    pub(crate) fn forget_jobs(&self, now: Timestamp) -> Result<usize, StoreError> {
        self.transaction(|t| {
            let before = now.0 - REMEMBERED_MS;
            let old = "FROM job WHERE expired = 1 AND ended_at <= ?1 - keep_ms";
            for beside in ["schedule", "schedule_cut"] {
                t.execute(&format!("DELETE FROM {beside} WHERE job IN (SELECT id {old})"), [before])?;
            }
            Ok(t.execute(&format!("DELETE {old}"), [before])?)
        })
    }
}

/// Forgets an integrator's oldest expired jobs before their time, but only enforced reads: of what may have written it must be
/// known for as long as was said that its id was used.
pub(super) fn forget_reads(t: &Transaction<'_>, of: &LedgerKey, most: u32) -> Result<usize, StoreError> {
    let [site, integrator, _] = key(of);
    let mut statement = t.prepare_cached(
        "SELECT id FROM job WHERE site = ?1 AND integrator = ?2 AND expired = 1 AND read_only = 1 ORDER BY id LIMIT ?3",
    )?;
    let ids = statement.query_map(params![site, integrator, most], |row| row.get(0))?;
    let ids = ids.collect::<Result<Vec<i64>, _>>()?;
    for id in &ids {
        t.prepare_cached("DELETE FROM schedule WHERE job = ?1")?.execute([id])?;
        t.prepare_cached("DELETE FROM schedule_cut WHERE job = ?1")?.execute([id])?;
        t.prepare_cached("DELETE FROM job WHERE id = ?1")?.execute([id])?;
    }
    Ok(ids.len())
}
