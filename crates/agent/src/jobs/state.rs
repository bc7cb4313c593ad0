//! How jobs stand, in the contract's words; and cancelling them.

use super::{Jobs, StoreError, ago};
use crate::{
    pairing::Caller,
    store::{Cancelled, Job, LedgerKey},
};
use link_api::{
    convert,
    proto::{self, JobKind, JobState, JobStatus},
};
use model::{IntegratorId, QueryId, SiteId};

/// Most jobs in one answer.
pub(crate) const MOST: usize = 500;

/// What is asked about jobs.
#[derive(Debug)]
pub(crate) struct Ask {
    pub(crate) site: SiteId,
    pub(crate) integrator: IntegratorId,
    /// Empty: all.
    pub(crate) queries: Vec<QueryId>,
    pub(crate) pages_after: u32,
    pub(crate) kind: Option<JobKind>,
    /// Cancel them first; `true`: by force.
    pub(crate) cancel: Option<bool>,
    /// What is not here is not taken any more.
    pub(crate) fence: bool,
}

impl Ask {
    /// Reads a request.
    ///
    /// # Errors
    /// A sentence that names the field.
    pub(crate) fn read(caller: &Caller, request: proto::JobsRequest) -> Result<Self, String> {
        if request.query_ids.len() > MOST {
            return Err(format!("more than {MOST} queryIds"));
        }
        let kind = match request.kind() {
            JobKind::Unspecified => None,
            kind => Some(kind),
        };
        let queries = request.query_ids.iter().map(|id| convert::query_id(id).map_err(|e| e.to_string()));
        let queries = queries.collect::<Result<Vec<_>, _>>()?;
        if (request.cancel || request.fence) && queries.is_empty() {
            return Err("no queryIds to cancel".to_owned());
        }
        Ok(Ask {
            site: caller.site,
            integrator: IntegratorId(caller.peer.id),
            queries,
            pages_after: request.pages_after,
            kind,
            cancel: request.cancel.then_some(request.force),
            // What is cancelled before it came must not run when it comes.
            fence: request.fence || request.cancel,
        })
    }
}

impl Jobs {
    /// How jobs stand. Blocks on the disk.
    pub(crate) fn states(&self, ask: &Ask) -> Result<Vec<JobState>, StoreError> {
        let key = |query| LedgerKey { site: ask.site, integrator: ask.integrator, query };
        if ask.queries.is_empty() {
            let all = self.store.jobs(&key(QueryId(uuid::Uuid::nil())), ask.kind, MOST as u32)?;
            return all.iter().map(|job| self.state(job, 0)).collect();
        }
        let mut states = Vec::with_capacity(ask.queries.len());
        for (i, query) in ask.queries.iter().enumerate() {
            let key = key(*query);
            if let Some(force) = ask.cancel
                && let Some(job) = self.store.job(&key)?
            {
                self.cancel(&job, force)?;
            }
            let after = if i == 0 { ask.pages_after } else { 0 };
            let mut known = self.store.job(&key)?;
            let mut fenced = false;
            if known.is_none() && ask.fence {
                fenced = self.store.fence(&key, self.time.now())?;
                if !fenced {
                    // It may have come in between; then that is how it stands.
                    known = self.store.job(&key)?;
                    if let (Some(job), Some(force)) = (&known, ask.cancel) {
                        self.cancel(job, force)?;
                        known = self.store.job(&key)?;
                    }
                }
            }
            states.push(match known {
                Some(job) => self.state(&job, after)?,
                None => JobState {
                    query_id: query.as_bytes().to_vec(),
                    status: JobStatus::JobUnknown.into(),
                    fenced,
                    may_come: ask.fence && !fenced,
                    ..JobState::default()
                },
            });
        }
        Ok(states)
    }

    /// How a job stands, with the pages after this one.
    pub(super) fn state(&self, job: &Job, pages_after: u32) -> Result<JobState, StoreError> {
        let now = self.time.now();
        let since = |at: Option<i64>| at.map(|at| ago(now, at));
        let registered = job.kind == JobKind::Registered;
        let pages = match registered {
            true => Vec::new(),
            false => self.store.job_pages(job.id, pages_after)?,
        };
        Ok(JobState {
            query_id: job.key.query.as_bytes().to_vec(),
            status: job.state.into(),
            taken_ago_ms: Some(ago(now, job.taken_at)),
            began_ago_ms: since(job.began_at),
            answered_ago_ms: since(job.answered_at),
            ended_ago_ms: since(job.ended_at),
            // Of a schedule that is the newest result's, and travels with it.
            ended: if registered { None } else { self.store.job_ended(job)? },
            pages: pages.iter().map(page_facts).collect(),
            expired: job.expired,
            schedule: if registered { self.schedule_facts(job)? } else { None },
            revision: job.revision,
            fenced: false,
            may_come: false,
        })
    }

    fn schedule_facts(&self, job: &Job) -> Result<Option<proto::ScheduleFacts>, StoreError> {
        let Some(row) = self.store.schedule(job.id)? else { return Ok(None) };
        let now = self.time.now();
        let since = |at: Option<i64>| at.map(|at| ago(now, at));
        Ok(Some(proto::ScheduleFacts {
            schedule: Some(proto::Schedule {
                name: self.store.schedule_name(&job.key, &row)?,
                frequency_ms: row.frequency_ms,
                duration_ms: row.duration_ms,
            }),
            last_error: self.store.schedule_error(&job.key, &row)?,
            succeeded: row.succeeded,
            failed: row.failed,
            last_succeeded_ago_ms: since(row.last_succeeded_at),
            last_failed_ago_ms: since(row.last_failed_at),
            last_run_ms: row.last_run_ms,
            result_bytes_sum: row.bytes_sum,
            result_rows: row.rows,
            result_bytes: row.bytes,
            changes: row.changes,
            last_hash: row.hash.unwrap_or_default(),
        }))
    }

    pub(super) fn cancel(&self, job: &Job, force: bool) -> Result<(), StoreError> {
        let cancelled = self.store.cancel_job(job, self.moment())?;
        if cancelled == Cancelled::Over {
            return Ok(());
        }
        let over = cancelled == Cancelled::Now;
        if over {
            self.queue().remove(job.id);
        }
        // A run of a schedule may be going on.
        if let Some(reins) = self.reins().get(&job.id) {
            reins.cancel(force);
        }
        self.ring(job.id, &job.key, over);
        Ok(())
    }
}

pub(super) fn page_facts(page: &crate::store::Page) -> proto::PageFacts {
    proto::PageFacts { number: page.number, rows: page.rows, bytes: page.bytes }
}
