//! Asking a session to stop, from any thread.

use database::Cancel;
use std::{
    sync::{
        Condvar, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

/// A request that waits until the command that runs, or the next one, takes it.
#[derive(Default)]
pub(crate) struct Canceller {
    asked: AtomicBool,
    lock: Mutex<()>,
    woken: Condvar,
}

impl Canceller {
    pub(crate) fn asked(&self) -> bool {
        self.asked.load(Ordering::Acquire)
    }

    pub(super) fn take(&self) -> bool {
        self.asked.swap(false, Ordering::AcqRel)
    }

    /// Waits that long, or until asked; true when asked.
    pub(super) fn wait(&self, span: Duration) -> bool {
        let guard = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.woken.wait_timeout_while(guard, span, |()| !self.asked());
        drop(waited.unwrap_or_else(PoisonError::into_inner));
        self.asked()
    }
}

impl Cancel for Canceller {
    fn cancel(&self) {
        self.asked.store(true, Ordering::Release);
        // Taken so that a waiter is either before its look at the flag or already waiting.
        drop(self.lock.lock().unwrap_or_else(PoisonError::into_inner));
        self.woken.notify_all();
    }
}
