//! Whose turn it is: the client's, or the server's that answers. ATTENTION is only meant for the latter, and may come when
//! it is just over.

use database::Cancel;
use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicBool, Ordering},
};

/// Shared by the connection, which hears, and the session, which answers.
#[derive(Default)]
pub(super) struct Turn {
    answering: Mutex<bool>,
    attention: AtomicBool,
}

/// What an ATTENTION met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Met {
    /// A request in progress: its answer will end with the acknowledgement.
    Running,
    /// Nothing: the acknowledgement is an answer of its own.
    Nothing,
}

impl Turn {
    fn answering(&self) -> std::sync::MutexGuard<'_, bool> {
        self.answering.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A request has come; false when one is running already, which no client may do.
    #[must_use]
    pub(super) fn begin(&self) -> bool {
        !std::mem::replace(&mut *self.answering(), true)
    }

    /// Whether a request is running.
    pub(super) fn is_answering(&self) -> bool {
        *self.answering()
    }

    /// An ATTENTION has come.
    pub(super) fn attention(&self, stopper: &dyn Cancel) -> Met {
        let answering = self.answering();
        if !*answering {
            return Met::Nothing;
        }
        self.attention.store(true, Ordering::Release);
        // Under the lock: after `end` nothing is stopped that came later.
        stopper.cancel();
        Met::Running
    }

    /// Whether the client wants the running request stopped.
    pub(super) fn asked(&self) -> bool {
        self.attention.load(Ordering::Acquire)
    }

    /// The answer is about to end. True when an ATTENTION came for it, and must be acknowledged in it.
    pub(super) fn end(&self) -> bool {
        let mut answering = self.answering();
        *answering = false;
        self.attention.swap(false, Ordering::AcqRel)
    }
}
