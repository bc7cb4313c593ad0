//! Places among an integrator's statements that are under way, and who is told when one is free again.

use super::lock;
use crate::{
    consent::{Meter, Spent, Takes},
    store::Who,
};
use model::Timestamp;
use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};
use tokio::sync::Notify;

/// Those for whom a place is free again that was waited for, until somebody asks.
#[derive(Debug, Default)]
pub(crate) struct Freed {
    who: Mutex<HashSet<Who>>,
    news: Notify,
}

impl Freed {
    /// Whoever waits for a place of this one is to try again.
    pub(super) fn tell(&self, of: Who) {
        lock(&self.who).insert(of);
        self.news.notify_one();
    }

    /// Resolves when there are some, with all of them.
    pub(crate) async fn next(&self) -> HashSet<Who> {
        loop {
            let freed = std::mem::take(&mut *lock(&self.who));
            if !freed.is_empty() {
                return freed;
            }
            self.news.notified().await;
        }
    }
}

/// A place among an integrator's statements that are under way; free again when it is dropped.
pub(super) struct Place {
    pub(super) meter: Arc<Meter>,
    of: Who,
    freed: Arc<Freed>,
    free: AtomicBool,
}

impl Place {
    pub(super) fn take(
        (of, meter): (Who, Arc<Meter>),
        freed: &Arc<Freed>,
        takes: Takes,
        now: Timestamp,
    ) -> Result<Self, Spent> {
        meter.enter(takes, now)?;
        Ok(Place { meter, of, freed: freed.clone(), free: AtomicBool::new(false) })
    }

    /// Gives it free before its statement has ended: one that is left to its thread is counted elsewhere.
    pub(super) fn free(&self) {
        if !self.free.swap(true, Ordering::SeqCst) && self.meter.leave() {
            self.freed.tell(self.of);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.free();
    }
}
