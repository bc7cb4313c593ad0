//! The site's own time: from the monotonic clock while the process runs, and over a restart never earlier than before.

use model::{Clock, Timestamp};
use std::{sync::Arc, time::Duration};

/// Does not jump when somebody sets the clock: what waits, runs and is kept is measured by it.
#[derive(Clone)]
pub(crate) struct SiteTime {
    clock: Arc<dyn Clock>,
    base: Timestamp,
    started: Duration,
}

impl std::fmt::Debug for SiteTime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SiteTime").field("base", &self.base).finish_non_exhaustive()
    }
}

impl SiteTime {
    /// Goes on from `base`, the latest time that was ever seen here.
    pub(crate) fn from(base: Timestamp, clock: Arc<dyn Clock>) -> Self {
        SiteTime { base, started: clock.monotonic(), clock }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.base.plus(self.clock.monotonic().saturating_sub(self.started))
    }

    /// What people's clocks say, for what people read.
    pub(crate) fn wall(&self) -> Timestamp {
        self.clock.now()
    }
}
