//! What the site runs on its own: async queries once, registered ones again and again. docs/jobs.md has the states.
//!
//! The store is the truth and every change is in it before anybody hears of it; what is here in memory says only whose turn
//! it is, and is made anew at each start.

mod barred;
pub(crate) mod bell;
mod events;
mod fair;
mod keep;
mod lane;
mod narrowed;
mod pacer;
mod pages;
mod places;
mod planner;
mod queue;
mod run;
mod settle;
mod state;
mod submit;
#[cfg(test)]
mod tests;
pub(crate) mod time;
mod watchdog;

pub(crate) use events::Ask as EventsAsk;
pub(crate) use pacer::Read;
pub(crate) use pages::Ask as PagesAsk;
pub(crate) use state::Ask as StateAsk;
pub(crate) use submit::Wanted;

use crate::{
    door::Door,
    executor::{Executor, bulk::Reins},
    health::Health,
    store::{JobLimits, LedgerKey, Moment, Store, StoreError},
};
use aws_lc_rs::digest;
use bell::Bell;
use link_api::proto::JobStatus;
use model::{IntegratorId, QueryId, SiteId, Timestamp};
use queue::Queue;
use spool::{Owner, Spool};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
};
use time::SiteTime;
use tokio::sync::{Notify, broadcast};
use trust::Operational;

/// News that nobody fetched yet: more are lost, which does no harm.
const HINTS: usize = 256;

/// What a Link may be asked to do on its own.
const LIMITS: JobLimits = JobLimits { kept: 10_000, remembered: 100_000, waiting: 1_000, schedules: 1_000 };

/// Jobs that may be taken at once; two of the same id never are.
const TAKING: usize = 16;

/// Hears where a thread is.
#[cfg(test)]
type Fault = Arc<dyn Fn(&'static str) + Send + Sync>;

/// All jobs of a Link.
pub struct Jobs {
    door: Arc<Door>,
    executor: Arc<Executor>,
    store: Arc<Store>,
    spool: Spool,
    time: SiteTime,
    limits: JobLimits,
    queue: Mutex<Queue>,
    /// Something is to be done sooner than was thought.
    wake: Notify,
    /// Something waits, by site.
    waiting: HashMap<SiteId, Notify>,
    health: Health,
    /// What runs, by number.
    running: Mutex<HashMap<i64, Arc<Reins>>>,
    /// Ends that could not be written yet.
    unsettled: Mutex<Vec<settle::Unsettled>>,
    /// Held while a job is taken: of those that bring the same one at once only the first is counted.
    taking: [Mutex<()>; TAKING],
    changed: Bell<i64>,
    told: Bell<(SiteId, IntegratorId)>,
    hints: broadcast::Sender<(SiteId, IntegratorId)>,
    signers: RwLock<HashMap<SiteId, Operational>>,
    #[cfg(test)]
    faults: Mutex<Option<Fault>>,
}

impl std::fmt::Debug for Jobs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Jobs").field("spool", &self.spool).finish_non_exhaustive()
    }
}

/// How much a Link does on its own, and keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Load {
    /// Jobs that wait for their turn.
    pub waiting: u32,
    /// Jobs in a database.
    pub running: u32,
    /// Registered queries that go on.
    pub schedules: u32,
    /// Bytes of result pages.
    pub spool_used: u64,
    /// Most of them.
    pub spool_most: u64,
}

impl Jobs {
    /// Takes up what there is. What ran when the last process ended was put right before.
    pub(crate) fn open(
        door: Arc<Door>,
        executor: Arc<Executor>,
        store: Arc<Store>,
        spool: Spool,
        time: SiteTime,
    ) -> Result<Arc<Self>, StoreError> {
        let mut queue = Queue::default();
        for job in store.jobs_in(JobStatus::JobQueued)? {
            queue.wait(job.key.site, job.key.integrator, job.id, job.taken_at.saturating_add(job.queue_ms));
        }
        for job in store.jobs_in(JobStatus::JobEnabled)? {
            if let Some(row) = store.schedule(job.id)? {
                queue.schedule(&job, &row);
            }
        }
        let jobs = Arc::new(Jobs {
            waiting: door.sites().map(|site| (site.id, Notify::new())).collect(),
            health: Health::new(door.sites().map(|site| site.id), door.clock().clone()),
            door,
            executor,
            store,
            spool,
            time,
            limits: LIMITS,
            queue: Mutex::new(queue),
            wake: Notify::new(),
            running: Mutex::default(),
            unsettled: Mutex::default(),
            taking: Default::default(),
            changed: Bell::default(),
            told: Bell::default(),
            hints: broadcast::Sender::new(HINTS),
            signers: RwLock::default(),
            #[cfg(test)]
            faults: Mutex::default(),
        });
        jobs.sweep()?;
        Ok(jobs)
    }

    /// Whoever has something new in the journal of a site: to be hinted at through the relay. May be lost.
    pub fn news(&self) -> broadcast::Receiver<(SiteId, IntegratorId)> {
        self.hints.subscribe()
    }

    /// Whether each lane answers.
    pub(crate) fn health(&self) -> &Health {
        &self.health
    }

    /// How much there is to do, and how much is kept. Blocks on the disk.
    ///
    /// # Errors
    /// When the store can't be read.
    pub fn load(&self) -> Result<Load, StoreError> {
        let count = |state| self.store.count_jobs(state);
        Ok(Load {
            waiting: count(JobStatus::JobQueued)?,
            running: count(JobStatus::JobExecuting)? + count(JobStatus::JobUploading)?,
            schedules: count(JobStatus::JobEnabled)?,
            spool_used: self.spool.used(),
            spool_most: self.spool.most(),
        })
    }

    /// Lets results go that were kept long enough, and forgets what is old. Blocks on the disk.
    pub(crate) fn tidy(&self) -> Result<(), StoreError> {
        loop {
            let expired = self.store.expire_jobs(self.moment())?;
            for job in &expired {
                self.forget(&job.key);
                self.ring(job.id, &job.key, true);
            }
            if expired.is_empty() {
                break;
            }
        }
        let now = self.time.now();
        self.store.forget_jobs(now)?;
        self.store.forget_fences(now)?;
        self.store.forget_events(now)?;
        Ok(())
    }

    /// Signs the heads of a site's journals from now on.
    pub(crate) fn sign_with(&self, site: SiteId, operational: Operational) {
        self.signers.write().unwrap_or_else(PoisonError::into_inner).insert(site, operational);
    }

    /// Removes files that belong to no result.
    fn sweep(&self) -> Result<(), StoreError> {
        let mut kept = HashMap::new();
        let states =
            [JobStatus::JobEnded, JobStatus::JobEnabled, JobStatus::JobCompleted, JobStatus::JobCancelled];
        for state in states {
            for job in self.store.jobs_in(state)? {
                if job.sealed_key.is_some() {
                    kept.insert(owner(&job.key), job.attempt);
                }
            }
        }
        Ok(self.spool.sweep(|owner, attempt| kept.get(&owner) == Some(&attempt))?)
    }

    /// The key is forgotten: the files may go too. When they can't, the sweep at the next start takes them.
    fn forget(&self, of: &LedgerKey) {
        if let Err(error) = self.spool.forget(owner(of)) {
            tracing::warn!(%error, "result pages could not be removed; the next start tries again");
        }
    }

    /// Something about a job has changed; `told`: and its integrator's journal too.
    fn ring(&self, id: i64, of: &LedgerKey, told: bool) {
        self.changed.ring(&id);
        if !told {
            return;
        }
        let whose = (of.site, of.integrator);
        self.told.ring(&whose);
        let _ = self.hints.send(whose);
    }

    fn moment(&self) -> Moment {
        Moment { local: self.time.now(), wall: self.time.wall() }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn reins(&self) -> MutexGuard<'_, HashMap<i64, Arc<Reins>>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where a test may end the process.
    #[cfg(test)]
    fn fault(&self, at: &'static str) {
        let hook = self.faults.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(hook) = hook {
            hook(at);
        }
    }

    #[cfg(not(test))]
    #[expect(clippy::unused_self, reason = "tests stop here")]
    fn fault(&self, _: &'static str) {}
}

/// The folder of a job's pages. Two integrators may use the same id.
fn owner(of: &LedgerKey) -> Owner {
    let hash = hash(b"halo-pages-v1", &[of.site.as_bytes(), of.integrator.as_bytes(), of.query.as_bytes()]);
    Owner(hash)
}

/// The id under which one run of a registered query is in ledger and audit.
pub(crate) fn run_id(registered: QueryId, run: u64) -> QueryId {
    let hash = hash(b"halo-run-v1", &[registered.as_bytes(), &run.to_be_bytes()]);
    QueryId(uuid::Uuid::new_v8(hash))
}

fn hash(label: &[u8], parts: &[&[u8]]) -> [u8; 16] {
    let mut hash = digest::Context::new(&digest::SHA256);
    hash.update(label);
    parts.iter().for_each(|part| hash.update(part));
    let mut half = [0; 16];
    half.copy_from_slice(&hash.finish().as_ref()[..16]);
    half
}

/// How long ago, for the wire.
fn ago(now: Timestamp, at: i64) -> u64 {
    u64::try_from(now.0.saturating_sub(at)).unwrap_or(0)
}
