//! Keeps the drivers of a Link's work, asks every lane whether it answers, and begins those anew that do not.
//!
//! Each lane is asked on the way of its own work: who takes turns for jobs and who looks at the time are woken as by a job; the
//! immediate lane gives its turns out from a thread as its commands run on; the journal commits, as it does before a possible write.

use super::Jobs;
use crate::health::{Key, Lane, ROUND, Todo};
use std::{collections::HashMap, sync::Arc};
use tokio::{
    task::JoinHandle,
    time::{MissedTickBehavior, interval},
};

/// Number in the event log of a lane that does not answer.
const STUCK: u32 = 6;

/// A task that ends with its owner.
struct Driver(JoinHandle<()>);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

pub(super) struct Watchdog {
    jobs: Arc<Jobs>,
    drivers: HashMap<Key, Driver>,
    /// Questions that block: one at a time for each lane, or a disk that hangs would cost a thread a round.
    asked: HashMap<Key, JoinHandle<()>>,
    #[cfg(test)]
    pub(super) begun_anew: usize,
    /// Commits asked for.
    #[cfg(test)]
    pub(super) commits: usize,
}

impl Watchdog {
    /// Starts all drivers.
    pub(super) fn new(jobs: Arc<Jobs>) -> Self {
        let mut watchdog = Watchdog {
            jobs,
            drivers: HashMap::new(),
            asked: HashMap::new(),
            #[cfg(test)]
            begun_anew: 0,
            #[cfg(test)]
            commits: 0,
        };
        for lane in watchdog.jobs.health.lanes(None) {
            watchdog.drive((lane.site, lane.lane));
        }
        watchdog
    }

    /// For ever.
    pub(super) async fn run(mut self) {
        let mut ticks = interval(ROUND);
        // A machine that slept has no rounds to catch up with.
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.round();
        }
    }

    /// One round. Blocks on nothing.
    pub(super) fn round(&mut self) {
        for (key, todo) in self.jobs.health.round() {
            match todo {
                Todo::Ask => {}
                Todo::BeginAnew => {
                    tracing::warn!(
                        lane = key.1.name(),
                        site = key.0.map(tracing::field::display),
                        "a lane of work does not answer: it is begun anew"
                    );
                    self.begin_anew(key);
                }
                Todo::Tell => tell(key),
            }
            self.ask(key);
        }
    }

    fn drive(&mut self, key: Key) {
        let jobs = self.jobs.clone();
        let task = match key {
            (Some(site), Lane::Bulk) => {
                tokio::spawn(super::lane::keep_on(move || jobs.clone().drive_site(site)))
            }
            (_, Lane::Planner) => tokio::spawn(super::lane::keep_on(move || jobs.clone().watch_time())),
            _ => return,
        };
        self.drivers.insert(key, Driver(task));
    }

    /// Ends all drivers, as a fault would.
    #[cfg(test)]
    pub(super) fn end_drivers(&self) {
        self.drivers.values().for_each(|driver| driver.0.abort());
    }

    fn begin_anew(&mut self, key: Key) {
        #[cfg(test)]
        {
            self.begun_anew += 1;
        }
        if let (Some(site), Lane::Immediate) = key {
            let executor = self.jobs.executor.clone();
            tokio::task::spawn_blocking(move || executor.begin_anew(site));
        }
        self.drive(key);
    }

    fn ask(&mut self, key: Key) {
        let jobs = self.jobs.clone();
        match key {
            (Some(site), Lane::Bulk) => {
                if let Some(waiting) = jobs.waiting.get(&site) {
                    waiting.notify_one();
                }
            }
            (_, Lane::Planner) => jobs.wake.notify_one(),
            (site, Lane::Immediate | Lane::Journal) => {
                if self.asked.get(&key).is_some_and(|asked| !asked.is_finished()) {
                    return;
                }
                #[cfg(test)]
                {
                    self.commits += usize::from(site.is_none());
                }
                let question = move || {
                    let proved = match site {
                        Some(site) => jobs.executor.proves(site),
                        None => jobs.door.proves_its_disk(jobs.time.now()),
                    };
                    if proved {
                        jobs.health.answered(key);
                    }
                };
                self.asked.insert(key, tokio::task::spawn_blocking(question));
            }
            (None, Lane::Bulk) => {}
        }
    }
}

/// It was begun anew, and does not answer.
fn tell((site, lane): Key) {
    let lane = lane.name();
    tracing::error!(
        lane,
        site = site.map(tracing::field::display),
        "a lane of work does not answer although it was begun anew: integrators see the site as unreachable. `HaloLinkUtility doctor` \
         says what to do (HL-0524)"
    );
    machine::events::report(
        machine::events::Level::Error,
        STUCK,
        &format!(
            "A part of Halo Link's work ({lane}) does not answer, and integrators see the practice as unreachable. Look at the server's disk \
             and database, then restart the service \"Halo Link Service\". HaloLinkUtility doctor says more (HL-0524)."
        ),
    );
}
