//! How much of the practice's disk pages may take.

use std::{
    io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

/// Free bytes on the disk that holds a path.
pub type FreeSpace = fn(&Path) -> io::Result<u64>;

/// How much of the disk may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// All pages together, bytes.
    pub budget: u64,
    /// So much always stays free on the disk, bytes.
    pub keep_free: u64,
}

pub(super) struct Budget {
    root: PathBuf,
    limits: Limits,
    free: FreeSpace,
    used: AtomicU64,
}

impl Budget {
    pub(super) fn new(root: &Path, limits: Limits, free: FreeSpace) -> Self {
        Budget { root: root.to_owned(), limits, free, used: AtomicU64::new(0) }
    }

    /// What is there already.
    pub(super) fn count(&self, bytes: u64) {
        self.used.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Takes room for so many bytes; `false` when there is none. A disk that does not say how full it is counts as full.
    pub(super) fn take(&self, bytes: u64) -> bool {
        let free = (self.free)(&self.root).unwrap_or(0);
        if free < self.limits.keep_free.saturating_add(bytes) {
            return false;
        }
        let within = |used: u64| used.checked_add(bytes).filter(|used| *used <= self.limits.budget);
        self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, within).is_ok()
    }

    pub(super) fn give_back(&self, bytes: u64) {
        // Never below nothing, whatever somebody did to the files.
        let less = |used: u64| Some(used.saturating_sub(bytes));
        let _ = self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
    }

    pub(super) fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    pub(super) fn most(&self) -> u64 {
        self.limits.budget
    }

    pub(super) fn takes_more(&self) -> bool {
        let tenth = self.limits.budget / 10;
        let free = (self.free)(&self.root).unwrap_or(0);
        self.limits.budget.saturating_sub(self.used()) >= tenth
            && free >= self.limits.keep_free.saturating_add(self.limits.keep_free / 10)
    }
}
