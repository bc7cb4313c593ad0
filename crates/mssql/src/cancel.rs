//! Cancelling from another thread: through the driver's own handle, a new one for each command.

use database::Cancel;
use mssql_tds::core::CancelHandle;
use std::sync::{Arc, Mutex, PoisonError};

/// Longest that a server may take to say that it has stopped, in seconds. Past it the connection is given up: before Link
/// answers the command's caller without waiting (5 s), so that it is one and the same answer each time.
const SETTLE: u32 = 4;

#[derive(Default)]
pub(crate) struct Canceller {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Somebody asked before the command that is meant had begun.
    asked: bool,
    runs: Option<Arc<CancelHandle>>,
}

impl Canceller {
    /// A command begins: its handle; `None` when it was cancelled before.
    pub(crate) fn begin(&self) -> Option<Arc<CancelHandle>> {
        let mut state = self.state();
        if std::mem::take(&mut state.asked) {
            return None;
        }
        let mut handle = CancelHandle::new();
        handle.set_cancel_timeout_secs(SETTLE);
        let handle = Arc::new(handle);
        state.runs = Some(Arc::clone(&handle));
        Some(handle)
    }

    /// It has ended: who asks from now on means the next.
    pub(crate) fn end(&self) {
        self.state().runs = None;
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Cancel for Canceller {
    fn cancel(&self) {
        let mut state = self.state();
        match &state.runs {
            Some(handle) => handle.cancel(),
            None => state.asked = true,
        }
    }
}
