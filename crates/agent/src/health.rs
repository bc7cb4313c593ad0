//! Whether each lane of a site's work answers: what the watchdog asks, who answers, and what others are told of it.
//!
//! A lane proves itself on the way that real work takes: it is woken as by work, and its own loop says that it came round. Who has
//! not answered for [`STALE`] does not answer; it does not matter whether somebody noticed, so a watchdog that is dead itself is no
//! proof of anything either.

mod watch;

use model::{Clock, SiteId};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use watch::Watch;
pub(crate) use watch::{ROUND, Todo};

/// A lane whose last answer is older than this does not answer.
pub(crate) const STALE: Duration = Duration::from_secs(60);

/// Where work can get stuck.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lane {
    /// Of a site: commands whose caller waits.
    Immediate,
    /// Of a site: who takes turns for async and registered queries.
    Bulk,
    /// Of the whole Link: when runs are due, and what waited too long.
    Planner,
    /// Of the whole Link: audit, ledger, jobs and events on their way to the disk.
    Journal,
}

impl Lane {
    /// Its name, for people and programs.
    pub fn name(self) -> &'static str {
        match self {
            Lane::Immediate => "immediate",
            Lane::Bulk => "async",
            Lane::Planner => "planner",
            Lane::Journal => "journal",
        }
    }
}

/// Which lane of which site; `None`: of all.
pub(crate) type Key = (Option<SiteId>, Lane);

/// How one lane stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LaneHealth {
    /// Whose; `None`: of all sites.
    pub site: Option<SiteId>,
    /// Which.
    pub lane: Lane,
    /// Whether it has answered lately.
    pub answers: bool,
    /// How long ago; `None`: not since the start.
    pub ago: Option<Duration>,
}

/// All lanes of a Link.
pub(crate) struct Health {
    lanes: Mutex<BTreeMap<Key, Watch>>,
    clock: Arc<dyn Clock>,
}

impl Health {
    pub(crate) fn new(sites: impl IntoIterator<Item = SiteId>, clock: Arc<dyn Clock>) -> Self {
        let of_site = |site| [(Some(site), Lane::Immediate), (Some(site), Lane::Bulk)];
        let keys = sites.into_iter().flat_map(of_site).chain([(None, Lane::Planner), (None, Lane::Journal)]);
        Health { lanes: Mutex::new(keys.map(|key| (key, Watch::default())).collect()), clock }
    }

    /// A lane came round. Says so in the log when it had been said that it does not.
    pub(crate) fn answered(&self, key: Key) {
        let now = self.clock.monotonic();
        let news = self.lock().get_mut(&key).is_some_and(|watch| watch.answered(now));
        if news {
            tracing::info!(
                lane = key.1.name(),
                site = key.0.map(tracing::field::display),
                "the lane answers again"
            );
        }
    }

    /// One round of the watchdog: what is to be done about each lane.
    ///
    /// What can't write waits for the disk, whoever it is: while that does not answer no other lane is begun anew, which would only leave
    /// one more waiting, and only the disk is told of.
    pub(crate) fn round(&self) -> Vec<(Key, Todo)> {
        const DISK: Key = (None, Lane::Journal);
        let mut lanes = self.lock();
        let writes = lanes.get(&DISK).is_none_or(Watch::is_prompt);
        lanes.iter_mut().map(|(key, watch)| (*key, watch.round(writes || *key == DISK))).collect()
    }

    /// Whether one lane answers.
    #[cfg(test)]
    pub(crate) fn answers(&self, key: Key) -> bool {
        let now = self.clock.monotonic();
        self.lock().get(&key).is_some_and(|watch| watch.answers(now))
    }

    /// Every lane, those of one site alone with `site`.
    pub(crate) fn lanes(&self, site: Option<SiteId>) -> Vec<LaneHealth> {
        let now = self.clock.monotonic();
        let lanes = self.lock();
        let wanted = lanes.iter().filter(|((of, _), _)| site.is_none() || of.is_none() || *of == site);
        let told = wanted.map(|((site, lane), watch)| LaneHealth {
            site: *site,
            lane: *lane,
            answers: watch.answers(now),
            ago: watch.ago(now),
        });
        told.collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Key, Watch>> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
