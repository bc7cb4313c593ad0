//! Who drives: one task per site takes turns in the bulk lane, one for all looks at the time. [`watchdog`](super::watchdog) keeps them.

use super::{
    Jobs, StoreError,
    queue::Item,
    settle::{Kept, Unsettled},
    watchdog::Watchdog,
};
use crate::{
    health::{Lane, ROUND},
    store::RunEnd,
};
use futures::FutureExt;
use link_api::proto::{self, JobStatus};
use model::SiteId;
use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};
use tokio::time::{sleep, timeout};

/// Nothing waits longer to be looked at.
const LONGEST: Duration = Duration::from_secs(60);
/// After the disk failed.
const RETRY: Duration = Duration::from_secs(1);

/// A driver that breaks begins anew: without it nothing at its site would run any more.
pub(super) async fn keep_on<F: Future<Output = ()>>(task: impl Fn() -> F) {
    while AssertUnwindSafe(task()).catch_unwind().await.is_err() {
        tracing::error!("what takes the turns of jobs broke; it begins anew");
        sleep(RETRY).await;
    }
}

impl Jobs {
    /// Runs what there is to run, until it is dropped.
    pub(crate) async fn drive(self: Arc<Self>) {
        let jobs = self.clone();
        let consent = keep_on(move || jobs.clone().watch_consent());
        let jobs = self.clone();
        let places = keep_on(move || jobs.clone().watch_places());
        tokio::join!(Watchdog::new(self).run(), consent, places);
    }

    pub(super) async fn drive_site(self: Arc<Self>, site: SiteId) {
        let Some(waiting) = self.waiting.get(&site) else { return };
        let lane = (Some(site), Lane::Bulk);
        loop {
            self.health.answered(lane);
            {
                let mut waits = std::pin::pin!(waiting.notified());
                // Before looking, so that nothing that comes meanwhile is missed.
                waits.as_mut().enable();
                if !self.queue().waits(site, self.time.now().0) {
                    waits.await;
                    continue;
                }
            }
            let mut turn = std::pin::pin!(self.executor.bulk_turn(site));
            let turn = loop {
                tokio::select! {
                    biased;
                    turn = &mut turn => break turn,
                    // That there is no turn yet is no fault of this task's.
                    () = waiting.notified() => self.health.answered(lane),
                }
            };
            let Some(turn) = turn else { return };
            if self.door.held().is_some() {
                // A place that is not used goes to whoever can use it.
                drop(turn);
                let mut serving = std::pin::pin!(self.door.until_serving());
                while timeout(ROUND, &mut serving).await.is_err() {
                    self.health.answered(lane);
                }
                continue;
            }
            self.fault("turn");
            let item = self.queue().pop(site, self.time.now().0);
            if let Some(item) = item {
                let jobs = self.clone();
                tokio::spawn(async move {
                    let began = jobs.door.clock().monotonic();
                    jobs.clone().run(site, item, turn).await;
                    let took = jobs.door.clock().monotonic().saturating_sub(began);
                    jobs.queue().ran(site, item.who, u64::try_from(took.as_millis()).unwrap_or(u64::MAX));
                });
            }
        }
    }

    pub(super) async fn watch_time(self: Arc<Self>) {
        loop {
            let jobs = self.clone();
            let ticked = tokio::task::spawn_blocking(move || jobs.tick()).await;
            // A disk that fails is the journal's to tell.
            if ticked.is_ok() {
                self.health.answered((None, Lane::Planner));
            }
            let pause = match ticked {
                Ok(Ok(Some(next))) => {
                    Duration::from_millis(super::ago(model::Timestamp(next), self.time.now().0)).min(LONGEST)
                }
                Ok(Ok(None)) => LONGEST,
                Ok(Err(error)) => {
                    tracing::error!(%error, "jobs can't be looked after; tried again");
                    RETRY
                }
                Err(_) => RETRY,
            };
            // A span of nothing would spin while the clock has a coarser grain.
            let _ = timeout(pause.max(Duration::from_millis(1)), self.wake.notified()).await;
        }
    }

    /// Does what is due. Answers when something is due next. Blocks on the disk.
    pub(super) fn tick(&self) -> Result<Option<i64>, StoreError> {
        let settled = self.settle_again();
        let todo = self.queue().tick(self.time.now().0);
        for site in &todo.due {
            if let Some(waiting) = self.waiting.get(site) {
                waiting.notify_one();
            }
        }
        for item in &todo.late {
            self.late(item);
        }
        for id in &todo.over {
            self.complete(*id)?;
        }
        settled?;
        Ok(todo.next)
    }

    /// The turn of something did not come.
    fn late(&self, item: &Item) {
        let ended = proto::Ended {
            status: proto::Status::ExpiredInQueue.into(),
            effect: proto::Effect::NotExecuted.into(),
            ..proto::Ended::default()
        };
        self.end_unrun(item, ended);
    }

    /// Something ends without having begun.
    pub(super) fn end_unrun(&self, item: &Item, ended: proto::Ended) {
        let last = item.run.map(|run| self.queue().after_run(item.job, run, self.time.now().0));
        let end = match (item.run, last) {
            (Some(_), Some(run)) => {
                let run = RunEnd { began: None, run, ended, hash: None, kept: None };
                Unsettled::Run { id: item.job, run }
            }
            _ => Unsettled::Job { id: item.job, attempt: None, ended, kept: Kept::default() },
        };
        self.settle_or_keep(end);
        if let Some(run) = item.run {
            self.queue().over(item.job, run);
            self.wake.notify_one();
        }
    }

    /// A schedule is over.
    fn complete(&self, id: i64) -> Result<(), StoreError> {
        if let Some(job) = self.store.job_by_id(id)? {
            let now = self.moment();
            self.store.transaction(|t| self.store.close_schedule(t, &job, JobStatus::JobCompleted, now))?;
            self.ring(id, &job.key, true);
        }
        self.queue().remove(id);
        Ok(())
    }

    /// After the disk failed, or a thread broke: takes a while, so that it is not tried over and over.
    pub(super) async fn pause(&self) {
        sleep(RETRY).await;
    }
}
