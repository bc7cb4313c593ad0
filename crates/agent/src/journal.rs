//! Audit lines and ledger entries on their way to disk: in groups for reads, at once before a possible write.
//!
//! One order for all: entries are committed as they were handed in, so an end never stands before its begin.

use crate::store::{AuditLine, Finished, KeptUse, Started, Store, StoreError, clock_high};
use model::Timestamp;
use rusqlite::Transaction;
use std::{
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

/// Entries of reads are on disk about this long after they happened.
const GROUP: Duration = Duration::from_millis(50);
/// More than this waiting means that the disk does not take them: the door shuts.
const MOST_WAITING: usize = 20_000;
/// A commit is tried again this long after one failed.
const RETRY: Duration = Duration::from_secs(1);

/// One thing to be written.
#[derive(Clone, Debug)]
pub(crate) enum Entry {
    Audit(AuditLine),
    Started(Started),
    Finished(Box<Finished>),
    /// What an integrator has used up.
    Used(KeptUse),
}

/// Why a possible write may not begin.
#[derive(Debug)]
pub(crate) enum NotBegun {
    /// The same query was here before.
    Repeated,
    /// Whoever wanted it does not any more.
    Unwanted,
    /// Its intent can't be made durable. Why was logged.
    Store,
}

pub(crate) struct Journal {
    shared: Arc<Shared>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    store: Arc<Store>,
    waiting: Mutex<Vec<Entry>>,
    /// Held from taking the waiting entries until they are on disk, so that no later entry overtakes them.
    committing: Mutex<()>,
    news: Condvar,
    stop: AtomicBool,
    /// The last commit failed.
    ailing: AtomicBool,
    /// The audit goes on elsewhere: nothing is taken any more.
    shut: AtomicBool,
}

impl Journal {
    pub(crate) fn start(store: Arc<Store>) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            store,
            waiting: Mutex::default(),
            committing: Mutex::default(),
            news: Condvar::new(),
            stop: AtomicBool::new(false),
            ailing: AtomicBool::new(false),
            shut: AtomicBool::new(false),
        });
        let writer = Mutex::new(Some(shared.start_writer()?));
        Ok(Journal { shared, writer })
    }

    /// Whether what is handed in reaches the disk: commits what waits, and the time with it, as before a possible write. Sees to it that
    /// there is a writer. Blocks on the disk.
    pub(crate) fn proves(&self, now: Timestamp) -> bool {
        let mut writer = lock(&self.writer);
        if writer.as_ref().is_some_and(JoinHandle::is_finished) {
            tracing::error!("the thread that writes the audit broke; it begins anew");
            match self.shared.start_writer() {
                Ok(anew) => *writer = Some(anew),
                Err(error) => {
                    tracing::error!(%error, "no thread can be made that writes the audit");
                    return false;
                }
            }
        }
        drop(writer);
        self.shared.commit(|t| clock_high(t, now).map(drop)).is_ok()
    }

    /// Hands entries in; they are on disk within about [`GROUP`]. Never blocks on the disk.
    pub(crate) fn append(&self, entries: impl IntoIterator<Item = Entry>) {
        let mut waiting = lock(&self.shared.waiting);
        if self.shared.shut.load(Ordering::Relaxed) {
            return;
        }
        let first = waiting.is_empty();
        waiting.extend(entries);
        drop(waiting);
        if first {
            self.shared.news.notify_one();
        }
    }

    /// Whether new work may be let in: entries reach the disk, and not too many wait.
    pub(crate) fn is_well(&self) -> bool {
        !self.shared.ailing.load(Ordering::Relaxed) && lock(&self.shared.waiting).len() < MOST_WAITING
    }

    /// Puts the intent of a possible write on disk, after all that was handed in before it. Blocks on the disk.
    pub(crate) fn begin(&self, started: &Started, line: AuditLine) -> Result<(), NotBegun> {
        self.begin_with(started, line, |_| Ok(true))
    }

    /// The same, together with what `work` writes: it answers `false`, having written nothing, when the command is not
    /// wanted any more. A read counts as no repeat.
    pub(crate) fn begin_with(
        &self,
        started: &Started,
        line: AuditLine,
        work: impl FnOnce(&Transaction<'_>) -> Result<bool, StoreError>,
    ) -> Result<(), NotBegun> {
        let begun = self.shared.commit(|t| {
            if !started.read_only && started.is_repeat(t)? {
                return Ok(Err(NotBegun::Repeated));
            }
            if !work(t)? {
                return Ok(Err(NotBegun::Unwanted));
            }
            line.write(t)?;
            started.write(t)?;
            Ok(Ok(()))
        });
        begun.unwrap_or(Err(NotBegun::Store))
    }

    /// Puts entries on disk together with what `work` writes. When that fails, the entries are written later, and what `work`
    /// would have written is the caller's to try again. Blocks on the disk.
    pub(crate) fn settle<T>(
        &self,
        entries: Vec<Entry>,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let store = &self.shared.store;
        let settled = self.shared.commit(|t| {
            entries.iter().try_for_each(|entry| entry.write(t, store))?;
            work(t)
        });
        if settled.is_err() {
            self.append(entries);
        }
        settled
    }

    /// Puts all that was handed in on disk, then what `last` writes; what comes later is dropped. Blocks on the disk.
    pub(crate) fn shut(&self, last: impl FnOnce() -> Result<(), StoreError>) -> Result<(), StoreError> {
        self.flush()?;
        let _order = lock(&self.shared.committing);
        let mut waiting = lock(&self.shared.waiting);
        let store = &self.shared.store;
        store.transaction(|t| waiting.iter().try_for_each(|entry| entry.write(t, store)))?;
        waiting.clear();
        self.shared.shut.store(true, Ordering::Relaxed);
        drop(waiting);
        last()
    }

    /// Takes entries again.
    pub(crate) fn reopen(&self) {
        self.shared.shut.store(false, Ordering::Relaxed);
    }

    /// Puts all that was handed in on disk. Blocks on the disk.
    pub(crate) fn flush(&self) -> Result<(), StoreError> {
        self.shared.flush()
    }
}

impl Entry {
    fn write(&self, t: &Transaction<'_>, store: &Store) -> Result<(), StoreError> {
        match self {
            Entry::Audit(line) => line.write(t),
            Entry::Started(started) => started.write(t),
            Entry::Finished(finished) => finished.write(t, store),
            Entry::Used(used) => used.write(t),
        }
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        // Taken and let go, so that the writer is either before its check of `stop` or already waiting.
        drop(lock(&self.shared.waiting));
        self.shared.news.notify_all();
        if let Some(writer) = lock(&self.writer).take() {
            let _ = writer.join();
        }
    }
}

impl Shared {
    fn start_writer(self: &Arc<Self>) -> std::io::Result<JoinHandle<()>> {
        let shared = self.clone();
        std::thread::Builder::new().name("journal".to_owned()).spawn(move || shared.write_groups())
    }

    fn write_groups(&self) {
        loop {
            let mut waiting = lock(&self.waiting);
            while waiting.is_empty() && !self.stop.load(Ordering::Relaxed) {
                waiting = self.news.wait(waiting).unwrap_or_else(PoisonError::into_inner);
            }
            let pause = if self.ailing.load(Ordering::Relaxed) { RETRY } else { GROUP };
            if !self.stop.load(Ordering::Relaxed) {
                let stopping = |_: &mut Vec<Entry>| !self.stop.load(Ordering::Relaxed);
                drop(self.news.wait_timeout_while(waiting, pause, stopping));
            } else {
                drop(waiting);
            }
            let failed = self.flush().is_err();
            if self.stop.load(Ordering::Relaxed) && (failed || lock(&self.waiting).is_empty()) {
                return;
            }
        }
    }

    /// Commits what waits.
    fn flush(&self) -> Result<(), StoreError> {
        if lock(&self.waiting).is_empty() {
            // What somebody else is committing now must be on disk too.
            drop(lock(&self.committing));
            return Ok(());
        }
        self.commit(|_| Ok(()))
    }

    /// Commits what waits and, after it, what `work` writes, in one transaction.
    fn commit<T>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let _order = lock(&self.committing);
        if self.shut.load(Ordering::Relaxed) {
            return Err(StoreError::Moved);
        }
        let entries = std::mem::take(&mut *lock(&self.waiting));
        let answer = self.store.transaction(|t| {
            entries.iter().try_for_each(|entry| entry.write(t, &self.store))?;
            work(t)
        });
        let was_ailing = self.ailing.swap(answer.is_err(), Ordering::Relaxed);
        if let Err(error) = &answer {
            if !was_ailing {
                tracing::error!(%error, "the audit can't be written: no query is let in until it can");
            }
            lock(&self.waiting).splice(0..0, entries);
        }
        answer
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tests::store;

    /// Reads are written by nobody else: without their writer they would be on disk only when something else is.
    #[test]
    fn a_writer_that_broke_is_begun_anew() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::start(Arc::new(store(folder.path()))).unwrap();
        let ends = || lock(&journal.writer).as_ref().unwrap().is_finished();
        let until = |wanted: &dyn Fn() -> bool| {
            for _ in 0..1_000 {
                if wanted() {
                    return;
                }
                let (news, waiting) = (&journal.shared.news, lock(&journal.shared.waiting));
                drop(news.wait_timeout(waiting, Duration::from_millis(10)).unwrap());
            }
            panic!("it does not come to that");
        };
        journal.shared.stop.store(true, Ordering::Relaxed);
        journal.shared.news.notify_all();
        until(&ends);
        journal.shared.stop.store(false, Ordering::Relaxed);
        assert!(journal.proves(Timestamp(1)));
        assert!(!ends());
        let site = model::SiteId(uuid::Uuid::from_u128(1));
        journal.append([Entry::Audit(AuditLine::new(Timestamp(2), crate::store::Happened::SiteOff, site))]);
        until(&|| journal.shared.store.audit(9).unwrap().len() == 1);
    }
}
