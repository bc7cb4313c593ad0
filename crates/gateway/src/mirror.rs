//! The status mirror: what became of each query, for 24 hours, durable, readable at once.
//!
//! One thread writes to SQLite in groups; until a change is on disk it is read from memory. An intent that may lead to a
//! write at a site is on disk before the command is sent; everything else may be a few milliseconds late.

mod record;

use crate::store::{self, StoreError};
use model::{Clock, QueryId, Timestamp, limit};
pub use record::{QueryStatus, Record, Span, Timing};
use rusqlite::{Connection, OptionalExtension, params};
use std::{
    collections::HashMap,
    path::Path,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::JoinHandle,
    time::Duration,
};
use tokio::sync::oneshot;

/// How long a change that nobody waits for may gather company.
const LINGER: Duration = Duration::from_millis(50);
/// How often old records are swept out.
const SWEEP: Duration = Duration::from_secs(600);
/// After a failed write the next attempt waits this long.
const RETRY: Duration = Duration::from_secs(1);
/// Records in memory (running or not yet written): beyond it nothing new begins.
const IN_MEMORY: usize = 100_000;

/// A query could not be recorded; nothing was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MirrorError {
    /// A query of this name exists, or existed within 24 hours.
    #[error("the query id was used before")]
    Used,
    /// The disk did not take it.
    #[error("the status mirror cannot be written")]
    Disk,
    /// Too many queries at once.
    #[error("too many queries at once")]
    Full,
}

/// What is known of one query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// Newest state.
    pub record: Record,
    /// This process is still waiting for its end.
    pub running: bool,
}

/// The mirror. Dropping it writes what is left.
pub struct Mirror {
    shared: Arc<Shared>,
    reader: Arc<Mutex<Connection>>,
    writer: Option<JoinHandle<()>>,
}

struct Shared {
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Default)]
struct State {
    entries: HashMap<QueryId, Entry>,
    changed: Vec<QueryId>,
    waiting: Vec<oneshot::Sender<bool>>,
    stop: bool,
}

struct Entry {
    record: Record,
    version: u64,
    written: u64,
    running: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a change. Wakes the writer for the first one, which starts its gathering, and when somebody waits; for
    /// the others it would wake only to sleep again.
    fn changed(&self, mut state: MutexGuard<'_, State>, id: QueryId) {
        let wake = state.changed.is_empty() || !state.waiting.is_empty();
        state.changed.push(id);
        drop(state);
        if wake {
            self.wake.notify_one();
        }
    }
}

impl std::fmt::Debug for Mirror {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Mirror")
    }
}

/// Keeps a query known as running; dropped without [`Running::end`] it stays `executing`, to be asked for at the site.
#[derive(Debug)]
pub struct Running {
    shared: Arc<Shared>,
    id: QueryId,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Shared")
    }
}

impl Mirror {
    /// Opens the mirror in the gateway's data folder and starts its writer.
    pub fn open(data: &Path, clock: Arc<dyn Clock>) -> Result<Mirror, StoreError> {
        let path = data.join(store::FILE);
        let (writing, reading) = (store::connect(&path)?, store::connect(&path)?);
        let shared = Arc::new(Shared { state: Mutex::default(), wake: Condvar::new() });
        let for_writer = Arc::clone(&shared);
        let writer = std::thread::Builder::new()
            .name("mirror".into())
            .spawn(move || write_loop(&for_writer, &writing, clock.as_ref()))
            .map_err(|_| StoreError::from(rusqlite::Error::InvalidQuery))?;
        Ok(Mirror { shared, reader: Arc::new(Mutex::new(reading)), writer: Some(writer) })
    }

    /// Records the intent to run a query. `named`: the caller chose the id, so it may have been used before.
    /// `durable`: resolves only when it is on disk.
    pub async fn begin(&self, record: Record, named: bool, durable: bool) -> Result<Running, MirrorError> {
        let id = record.id;
        {
            let mut state = self.shared.lock();
            if state.entries.len() >= IN_MEMORY {
                return Err(MirrorError::Full);
            }
            if state.entries.contains_key(&id) {
                return Err(MirrorError::Used);
            }
            // The entry stands before the disk is asked, so that of two callers with one name only one gets on.
            state.entries.insert(id, Entry { record, version: 1, written: 1, running: true });
        }
        let running = Running { shared: Arc::clone(&self.shared), id };
        if named && self.on_disk(id).await.map_err(|_| MirrorError::Disk)?.is_some() {
            return Err(MirrorError::Used);
        }
        let written = {
            let mut state = self.shared.lock();
            if let Some(entry) = state.entries.get_mut(&id) {
                entry.version += 1;
            }
            let written = durable.then(|| {
                let (tell, told) = oneshot::channel();
                state.waiting.push(tell);
                told
            });
            self.shared.changed(state, id);
            written
        };
        if let Some(written) = written
            && !written.await.unwrap_or(false)
        {
            running.abandon();
            return Err(MirrorError::Disk);
        }
        Ok(running)
    }

    /// What is known of a query; `None`: never seen, or older than 24 hours.
    pub async fn look(&self, id: QueryId) -> Result<Option<Known>, StoreError> {
        if let Some(entry) = self.shared.lock().entries.get(&id) {
            return Ok(Some(Known { record: entry.record.clone(), running: entry.running }));
        }
        Ok(self.on_disk(id).await?.map(|record| Known { record, running: false }))
    }

    /// Replaces the record of a query that no longer runs here (its end was learnt from the site).
    pub fn settle(&self, record: Record) {
        let mut state = self.shared.lock();
        let id = record.id;
        let entry = state.entries.entry(id).or_insert_with(|| Entry {
            record: record.clone(),
            version: 0,
            written: 0,
            running: false,
        });
        entry.record = record;
        entry.version += 1;
        self.shared.changed(state, id);
    }

    async fn on_disk(&self, id: QueryId) -> Result<Option<Record>, StoreError> {
        let reader = Arc::clone(&self.reader);
        let read = move || -> Result<Option<Record>, StoreError> {
            let connection = reader.lock().unwrap_or_else(PoisonError::into_inner);
            let text: Option<String> = connection
                .prepare_cached("SELECT record FROM queries WHERE id = ?1")?
                .query_row(params![id.as_bytes()], |row| row.get(0))
                .optional()?;
            text.map(|text| store::parse(&text)).transpose()
        };
        match tokio::task::spawn_blocking(read).await {
            Ok(answer) => answer,
            Err(_) => Err(rusqlite::Error::InvalidQuery.into()),
        }
    }
}

impl Running {
    /// The query's id.
    pub fn id(&self) -> QueryId {
        self.id
    }

    /// It was not sent after all.
    fn abandon(self) {
        let mut state = self.shared.lock();
        if let Some(entry) = state.entries.get_mut(&self.id) {
            entry.record.status = QueryStatus::ExecutionFailed;
            entry.record.error = Some((model::ErrorType::HaloLink, 500));
            entry.record.effect = Some(model::Effect::NotExecuted);
            entry.version += 1;
        }
    }

    /// The query has ended as `record` says: readable at once, on disk soon.
    pub fn end(self, record: Record) {
        let mut state = self.shared.lock();
        if let Some(entry) = state.entries.get_mut(&self.id) {
            entry.record = record;
            entry.version += 1;
        }
        let id = self.id;
        self.shared.changed(state, id);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        if let Some(entry) = state.entries.get_mut(&self.id) {
            entry.running = false;
            if entry.version == entry.written {
                state.entries.remove(&self.id);
            }
        }
    }
}

impl Drop for Mirror {
    fn drop(&mut self) {
        self.shared.lock().stop = true;
        self.shared.wake.notify_one();
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
    }
}

fn write_loop(shared: &Shared, connection: &Connection, clock: &dyn Clock) {
    let mut swept: Option<Duration> = None;
    let mut failing = false;
    loop {
        if swept.is_none_or(|at| clock.monotonic().saturating_sub(at) >= SWEEP) {
            swept = Some(clock.monotonic());
            sweep(connection, clock.now());
        }
        let (records, waiting, stop) = gather(shared, failing);
        if !records.is_empty() || !waiting.is_empty() {
            let written = write(connection, &records, !waiting.is_empty());
            if let Err(error) = &written
                && !failing
            {
                tracing::error!(%error, "the status mirror cannot be written");
            }
            failing = written.is_err();
            settle(shared, &records, failing);
            for waiter in waiting {
                let _ = waiter.send(!failing);
            }
        }
        if stop {
            return;
        }
    }
}

/// Waits for changes; a change that somebody waits for is taken at once.
fn gather(shared: &Shared, failing: bool) -> (Vec<(Record, u64)>, Vec<oneshot::Sender<bool>>, bool) {
    let idle = |state: &mut State| state.changed.is_empty() && state.waiting.is_empty() && !state.stop;
    let (state, _) = shared
        .wake
        .wait_timeout_while(shared.lock(), SWEEP, |state| idle(state))
        .unwrap_or_else(PoisonError::into_inner);
    let linger = if failing { RETRY } else { LINGER };
    let (mut state, _) = shared
        .wake
        .wait_timeout_while(state, linger, |state| state.waiting.is_empty() && !state.stop)
        .unwrap_or_else(PoisonError::into_inner);
    let mut changed = std::mem::take(&mut state.changed);
    changed.sort_unstable();
    changed.dedup();
    let records = changed
        .iter()
        .filter_map(|id| state.entries.get(id))
        .map(|e| (e.record.clone(), e.version))
        .collect();
    (records, std::mem::take(&mut state.waiting), state.stop)
}

fn write(connection: &Connection, records: &[(Record, u64)], durable: bool) -> Result<(), rusqlite::Error> {
    connection.pragma_update(None, "synchronous", if durable { "FULL" } else { "NORMAL" })?;
    let transaction = connection.unchecked_transaction()?;
    {
        let mut insert = transaction.prepare_cached(
            "INSERT INTO queries VALUES (?1, ?2, ?3) ON CONFLICT (id) DO UPDATE SET record = ?3",
        )?;
        for (record, _) in records {
            let text = serde_json::to_string(record)
                .map_err(|e| rusqlite::Error::ToSqlConversionFailure(Box::new(e)))?;
            insert.execute(params![record.id.as_bytes(), record.created, text])?;
        }
    }
    transaction.commit()
}

fn settle(shared: &Shared, records: &[(Record, u64)], failed: bool) {
    let mut state = shared.lock();
    if failed {
        state.changed.extend(records.iter().map(|(record, _)| record.id));
        return;
    }
    for (record, version) in records {
        if let Some(entry) = state.entries.get_mut(&record.id) {
            entry.written = *version;
            if !entry.running && entry.version == *version {
                state.entries.remove(&record.id);
            }
        }
    }
}

fn sweep(connection: &Connection, now: Timestamp) {
    let before = now.0.saturating_sub(limit::MIRROR_KEEP_MS);
    if let Err(error) = connection.execute("DELETE FROM queries WHERE created < ?1", params![before]) {
        tracing::warn!(%error, "old records of the status mirror could not be removed");
    }
}

#[cfg(test)]
mod tests;
