//! Memory for large messages, shared by all connections: many clients at once can't take what none of them may.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// Messages up to this size are free: the cap on connections bounds them.
const FREE: usize = 1024 * 1024;

/// Bytes left for large messages.
#[derive(Debug)]
pub struct Budget(AtomicUsize);

impl Budget {
    /// That many bytes.
    pub fn new(bytes: usize) -> Arc<Budget> {
        Arc::new(Budget(AtomicUsize::new(bytes)))
    }

    fn take(&self, bytes: usize) -> bool {
        self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, |left| left.checked_sub(bytes)).is_ok()
    }
}

/// What one message holds of it; given back when dropped.
#[derive(Debug)]
pub(super) struct Lease {
    budget: Arc<Budget>,
    taken: usize,
}

impl Lease {
    pub(super) fn new(budget: &Arc<Budget>) -> Lease {
        Lease { budget: Arc::clone(budget), taken: 0 }
    }

    /// For a message that has become that long; false when there is no memory for it.
    pub(super) fn reach(&mut self, length: usize) -> bool {
        let wanted = length.saturating_sub(FREE);
        // In steps: not one atomic operation for each packet.
        while self.taken < wanted {
            if !self.budget.take(FREE) {
                return false;
            }
            self.taken += FREE;
        }
        true
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.budget.0.fetch_add(self.taken, Ordering::AcqRel);
    }
}
