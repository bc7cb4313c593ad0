//! Keeps what passed on a wire, up to a limit, so that a test can search it.

use std::sync::{Mutex, PoisonError};

/// Bytes of one direction of all connections of a proxy, in the order in which they came.
///
/// Bytes of several connections are mixed at the borders of single reads; a marker that one connection carried in two
/// reads can be torn apart by another connection's bytes: for a strict search let one connection speak at a time.
#[derive(Debug, Default)]
pub struct Tap {
    limit: usize,
    kept: Mutex<Vec<u8>>,
}

impl Tap {
    /// Keeps the first `limit` bytes; zero keeps nothing.
    pub fn new(limit: usize) -> Tap {
        Tap { limit, kept: Mutex::default() }
    }

    pub(crate) fn record(&self, bytes: &[u8]) {
        if self.limit == 0 {
            return;
        }
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let room = self.limit - kept.len().min(self.limit);
        kept.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    /// A copy of what was kept.
    pub fn bytes(&self) -> Vec<u8> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether the limit was reached, so that a search would miss what came after.
    pub fn is_full(&self) -> bool {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).len() >= self.limit
    }
}
