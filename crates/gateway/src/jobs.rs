//! Jobs: async and registered queries. The site runs them and keeps their results; here is the mirror of their state, durable,
//! without text, rows, values or a database's words (docs/jobs.md).
//!
//! [`deliver`] hands a job to its site, [`ask`] asks how it stands, [`follow`] reads the site's journal, [`pages`] fetches
//! results. What any of them learns comes in through [`Jobs::learn`].

pub(crate) mod ask;
pub(crate) mod deliver;
pub(crate) mod follow;
mod hand_on;
mod journal;
pub(crate) mod newest;
pub(crate) mod pages;
pub(crate) mod record;
mod state;
pub(crate) mod table;
mod words;

use crate::{mirror::MirrorError, store::StoreError};
pub use hand_on::{EventSink, JobEvent};
use link_api::proto;
use model::{Clock, ErrorDetails, QueryId, SiteId};
pub use record::{JobRecord, JobStatus, Kind, Page, Phases, Schedule, Why};
use std::{
    collections::{HashMap, HashSet},
    path::Path,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};
use table::{Key, Table};

/// Jobs that are not over, in memory: beyond it nothing new begins, whatever the gateway is set to.
pub(crate) const OPEN: usize = 100_000;
/// A site that has no record of what we may have handed it, and does not promise to take it no more (an older version), is asked once
/// more after this long: it may just be writing it.
const UNKNOWN_FOR: Duration = Duration::from_secs(3);

/// All jobs of this gateway. Cloning shares them.
#[derive(Clone)]
pub(crate) struct Jobs(Arc<Inner>);

struct Inner {
    clock: Arc<dyn Clock>,
    table: Table,
    state: Mutex<State>,
    /// One change at a time, from reading a record to having written it: what leaves memory in between would come back as it
    /// was before.
    changing: tokio::sync::Mutex<()>,
    /// One write at a time, each of what is newest then.
    writing: Mutex<()>,
    pub(super) asks: ask::Asks,
    pub(super) followers: follow::Followers,
    pub(super) newest: newest::Newest,
    sink: OnceLock<Arc<dyn EventSink>>,
}

#[derive(Default)]
struct State {
    open: HashMap<QueryId, Entry>,
    words: words::Words,
    /// Idempotency keys that a request is being made with.
    keys: HashSet<[u8; 32]>,
    /// Sites whose journal was read before.
    journals: HashSet<SiteId>,
}

struct Entry {
    record: JobRecord,
    version: u64,
    /// This process is handing it over.
    delivering: bool,
    /// When the site last said how it stands, or could not be asked.
    asked: Option<Duration>,
    /// When the site first said that it has no record of it.
    unknown: Option<Duration>,
}

impl Entry {
    fn new(record: JobRecord, delivering: bool) -> Self {
        Entry { record, version: 0, delivering, asked: None, unknown: None }
    }
}

impl Jobs {
    pub(crate) fn open(data: &Path, clock: Arc<dyn Clock>) -> Result<Jobs, StoreError> {
        let table = Table::open(data)?;
        table.sweep(clock.now().0)?;
        let open = table.open_ones()?.into_iter().map(|r| (r.id, Entry::new(r, false))).collect();
        let journals = table.journals()?.into_iter().collect();
        let state = Mutex::new(State { open, journals, ..State::default() });
        Ok(Jobs(Arc::new(Inner {
            clock,
            table,
            state,
            changing: tokio::sync::Mutex::default(),
            writing: Mutex::new(()),
            asks: ask::Asks::default(),
            followers: follow::Followers::default(),
            newest: newest::Newest::default(),
            sink: OnceLock::new(),
        })))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn monotonic(&self) -> Duration {
        self.0.clock.monotonic()
    }

    /// Runs something that blocks for the disk.
    pub(crate) async fn on_disk<T: Send + 'static>(
        &self,
        run: impl FnOnce(&Table) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let inner = Arc::clone(&self.0);
        match tokio::task::spawn_blocking(move || run(&inner.table)).await {
            Ok(answer) => answer,
            Err(_) => Err(rusqlite::Error::InvalidQuery.into()),
        }
    }

    /// Records the intent to hand a job over, on disk when this returns. Whoever calls hands it over now.
    pub(crate) async fn begin(&self, record: JobRecord, key: Option<Key>) -> Result<(), MirrorError> {
        if self.lock().open.len() >= OPEN {
            return Err(MirrorError::Full);
        }
        let id = record.id;
        let on_disk = record.clone();
        match self.on_disk(move |table| table.insert(&on_disk, key.as_ref())).await {
            Ok(true) => {}
            Ok(false) => return Err(MirrorError::Used),
            Err(error) => {
                tracing::error!(%error, "a job cannot be recorded");
                return Err(MirrorError::Disk);
            }
        }
        self.lock().open.insert(id, Entry::new(record, true));
        Ok(())
    }

    /// Whether so many jobs are not over.
    pub(crate) fn has_open(&self, most: usize) -> bool {
        self.lock().open.len() >= most
    }

    /// What is known of a job; `None`: never seen, or long over.
    pub(crate) async fn look(&self, id: QueryId) -> Result<Option<JobRecord>, StoreError> {
        if let Some(entry) = self.lock().open.get(&id) {
            return Ok(Some(entry.record.clone()));
        }
        self.on_disk(move |table| table.get(id)).await
    }

    /// Changes a record; the new state is readable at once and on disk soon. Done to its end, also when the caller goes away.
    pub(crate) async fn change(&self, id: QueryId, change: impl FnOnce(&mut JobRecord) + Send + 'static) {
        let this = self.clone();
        let task = tokio::spawn(async move {
            let _changing = this.0.changing.lock().await;
            let Ok(Some(record)) = this.look(id).await else { return };
            let is_open = record.is_open();
            // What is over leaves memory with its last writing.
            if this.change_in_memory(record, change) || !is_open {
                this.write(vec![id]).await;
            }
        });
        let _ = task.await;
    }

    fn change_in_memory(&self, record: JobRecord, change: impl FnOnce(&mut JobRecord)) -> bool {
        let mut state = self.lock();
        let entry = state.open.entry(record.id).or_insert_with(|| Entry::new(record, false));
        let before = entry.record.clone();
        change(&mut entry.record);
        let changed = entry.record != before;
        entry.version += u64::from(changed);
        changed
    }

    /// Takes in what a site says of its jobs, as [`Jobs::change`] does.
    pub(crate) async fn learn(&self, site: SiteId, states: Vec<proto::JobState>) {
        let this = self.clone();
        let task = tokio::spawn(async move {
            let _changing = this.0.changing.lock().await;
            let changed = this.take_in(site, states).await;
            if !changed.is_empty() {
                this.write(changed).await;
            }
        });
        let _ = task.await;
    }

    /// The same in memory alone: which records have changed. Whoever calls holds `changing` until they are written.
    async fn take_in(&self, site: SiteId, states: Vec<proto::JobState>) -> Vec<QueryId> {
        let now = self.0.clock.now().0;
        let mut changed = Vec::new();
        for job in states {
            let Some(id) = QueryId::from_slice(&job.query_id) else { continue };
            let Ok(Some(known)) = self.look(id).await else { continue };
            if known.site != site {
                continue;
            }
            let monotonic = self.monotonic();
            let mut state = self.lock();
            let entry = state.open.entry(id).or_insert_with(|| Entry::new(known, false));
            entry.asked = Some(monotonic);
            // While it is handed over, that the site has no record of it says nothing; that it has one, everything: the journal may
            // tell of an end before the answer to the handing over comes.
            let unknown = job.status == i32::from(proto::JobStatus::JobUnknown);
            if (entry.delivering && unknown) || !entry.believes_unknown(&job, monotonic) {
                continue;
            }
            let (new, words) = state::apply(&mut entry.record, job, now);
            if new {
                entry.version += 1;
                changed.push(id);
            } else if !entry.record.is_open() && !entry.delivering {
                state.open.remove(&id);
            }
            if let Some(words) = words {
                state.words.keep(id, words);
            }
        }
        changed
    }

    /// Writes what is newest of these; what is over leaves memory.
    async fn write(&self, ids: Vec<QueryId>) {
        let this = self.clone();
        let written = tokio::task::spawn_blocking(move || {
            let _one_at_a_time = this.0.writing.lock().unwrap_or_else(PoisonError::into_inner);
            let records: Vec<(JobRecord, u64)> = {
                let state = this.lock();
                ids.iter()
                    .filter_map(|id| state.open.get(id))
                    .map(|e| (e.record.clone(), e.version))
                    .collect()
            };
            let only: Vec<JobRecord> = records.iter().map(|(record, _)| record.clone()).collect();
            this.0.table.update(&only)?;
            this.written(&records);
            Ok::<_, StoreError>(())
        });
        if let Ok(Err(error)) = written.await {
            // It stays in memory, and is asked for again after a restart.
            tracing::error!(%error, "the mirror of jobs cannot be written");
        }
    }

    fn written(&self, records: &[(JobRecord, u64)]) {
        let mut state = self.lock();
        for (record, version) in records {
            let over =
                |entry: &Entry| entry.version == *version && !entry.record.is_open() && !entry.delivering;
            if state.open.get(&record.id).is_some_and(over) {
                state.open.remove(&record.id);
            }
        }
    }

    /// The job is with the site, or never will be: from now on it is asked for.
    fn handed_over(&self, id: QueryId) {
        let mut state = self.lock();
        if let Some(entry) = state.open.get_mut(&id) {
            entry.delivering = false;
        }
    }

    /// Whether this process is handing it over just now.
    pub(crate) fn is_delivering(&self, id: QueryId) -> bool {
        self.lock().open.get(&id).is_some_and(|entry| entry.delivering)
    }

    /// See there.
    pub(crate) fn newest_results(&self) -> &newest::Newest {
        &self.0.newest
    }

    /// Jobs of a site from which something is still to be learnt.
    fn open_at(&self, site: SiteId) -> Vec<QueryId> {
        let state = self.lock();
        let of_site = state.open.values().filter(|e| e.record.site == site && !e.delivering);
        of_site.filter(|e| e.record.is_open()).map(|e| e.record.id).collect()
    }

    /// Sites with jobs from which something is still to be learnt.
    pub(crate) fn open_sites(&self) -> Vec<SiteId> {
        let mut sites: Vec<SiteId> = self.lock().open.values().map(|e| e.record.site).collect();
        sites.sort_unstable();
        sites.dedup();
        sites
    }

    fn has_journal(&self, site: SiteId) -> bool {
        self.lock().journals.contains(&site)
    }

    /// Whether some job waits for the site's second word.
    fn doubts(&self, site: SiteId) -> bool {
        self.lock().open.values().any(|e| e.record.site == site && e.unknown.is_some())
    }

    /// The database's own words of a failure, while they are remembered.
    pub(crate) fn words(&self, id: QueryId) -> Option<ErrorDetails> {
        self.lock().words.get(id)
    }

    /// Marks a key as in use by one request; `None`: it is already.
    pub(crate) fn hold_key(&self, hash: [u8; 32]) -> Option<HeldKey> {
        self.lock().keys.insert(hash).then(|| HeldKey { jobs: self.clone(), hash })
    }

    /// Removes what is long over.
    pub(crate) async fn sweep(&self) {
        let now = self.0.clock.now().0;
        if let Err(error) = self.on_disk(move |table| table.sweep(now)).await {
            tracing::warn!(%error, "old records of jobs could not be removed");
        }
    }

    /// Who is handed each event once. Set before anything is served.
    pub(crate) fn set_sink(&self, sink: Arc<dyn EventSink>) {
        let _ = self.0.sink.set(sink);
    }
}

impl Entry {
    /// That a site has no record of what we may just have handed it counts when it will not take it any more either. An older
    /// site can't say so: its word counts the second time. One that says that it still may take it is asked until it promises.
    fn believes_unknown(&mut self, job: &proto::JobState, now: Duration) -> bool {
        let fresh = self.record.status == JobStatus::Initialising || self.record.given_up;
        if job.status != i32::from(proto::JobStatus::JobUnknown) || !fresh || job.fenced {
            self.unknown = None;
            return true;
        }
        if job.may_come {
            self.unknown = None;
            return false;
        }
        let since = *self.unknown.get_or_insert(now);
        let believed = now.saturating_sub(since) >= UNKNOWN_FOR;
        if believed {
            self.unknown = None;
        }
        believed
    }
}

/// A key in use. Dropping it gives it free.
pub(crate) struct HeldKey {
    jobs: Jobs,
    hash: [u8; 32],
}

impl Drop for HeldKey {
    fn drop(&mut self) {
        self.jobs.lock().keys.remove(&self.hash);
    }
}

#[cfg(test)]
mod tests;
