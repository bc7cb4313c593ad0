//! One job, or one run of a schedule, from its turn to its end.

use super::{
    Jobs, StoreError,
    keep::{Newest, Pages, not_kept},
    narrowed::Waiting,
    owner,
    queue::Item,
    settle::{Kept, Unsettled},
};
use crate::{
    door::{Admission, Permit, Refused, Stage},
    executor::{
        self, Held, Turn,
        bulk::{NotKept, Reins},
    },
    store::{self, Job, RunEnd},
};
use link_api::proto;
use model::{Access, SiteId};
use spool::Key;
use std::{sync::Arc, time::Duration};
use tokio::time::{sleep, timeout};

/// A statement that was told to end has this long before its end is written without it.
const GRACE: Duration = Duration::from_secs(5);
/// An async query may run this long, unless it asks for less. Source: published facts, C6.
pub(super) const ASYNC_MS: u32 = 5 * 60 * 1000;
/// A run of a registered one.
pub(super) const REGISTERED_MS: u32 = 60_000;

/// What is to be done with something whose turn has come.
enum Prepared {
    Run(Box<Ready>),
    /// It is not to be run.
    Over,
    /// As many statements of its integrator are under way as may: it waits for a place.
    Later,
}

/// Let in, and ready to begin.
struct Ready {
    job: Job,
    item: Item,
    admission: Admission,
    key: Key,
    reins: Arc<Reins>,
    run_ms: u32,
    cap: u64,
}

impl Jobs {
    /// Runs something whose turn has come.
    pub(super) async fn run(self: Arc<Self>, site: SiteId, item: Item, turn: Turn) {
        let jobs = self.clone();
        let ready = match tokio::task::spawn_blocking(move || jobs.prepare(item)).await {
            Ok(Ok(Prepared::Run(ready))) => *ready,
            Ok(Ok(Prepared::Over)) => return,
            Ok(Ok(Prepared::Later)) => {
                drop(turn);
                return self.hold_back(site, item);
            }
            not_now => {
                if let Ok(Err(error)) = not_now {
                    tracing::error!(%error, "a job can't be read; tried again");
                }
                drop(turn);
                self.pause().await;
                self.queue().put(site, item);
                self.look_at(site);
                self.wake.notify_one();
                return;
            }
        };
        let (reins, limit) = (ready.reins.clone(), Duration::from_millis(ready.run_ms.into()));
        let attempt = ready.job.attempt;
        let Some((hold, held)) = self.executor.hold(site, item.who, turn) else { return };
        let (watch, refused) = (ready.admission.watch(), reins.clone());
        let watching =
            tokio::spawn(async move { refused.refuse(watch.refused(Stage::Running).await.refusal) });
        let jobs = self.clone();
        let mut running = tokio::task::spawn_blocking(move || jobs.execute(ready, held));
        let mut ended = tokio::select! {
            biased;
            ended = &mut running => Some(ended),
            () = reins.cancelled() => None,
            () = sleep(limit) => {
                reins.time_is_up();
                None
            }
        };
        if ended.is_none() {
            ended = timeout(GRACE, &mut running).await.ok();
        }
        let broke = match ended {
            Some(ended) => ended.is_err(),
            None => {
                tracing::warn!("a job did not end when it was told to: its end is written without it");
                let ended = reins.give_up();
                self.clone().end_without_it(item, attempt, ended.clone()).await;
                match timeout(self.executor.leave(), &mut running).await {
                    Ok(ended) => ended.is_err(),
                    Err(_) if hold.leave(&ended) => {
                        executor::tell_of_lost(self.executor.lost(site));
                        false
                    }
                    Err(_) => running.await.is_err(),
                }
            }
        };
        if broke {
            // Something of ours, or of a driver's, panicked. The permit has written down that the outcome is unknown.
            let (status, effect) = (proto::Status::Interrupted.into(), proto::Effect::Unknown.into());
            let read_only = reins.read_only();
            let ended = proto::Ended { status, effect, read_only, ..proto::Ended::default() };
            self.clone().end_without_it(item, attempt, ended).await;
        }
        watching.abort();
        self.reins().remove(&item.job);
        if let Some(run) = item.run {
            self.queue().over(item.job, run);
            self.wake.notify_one();
        }
    }

    /// Reads what is to be run, and asks the door.
    fn prepare(self: Arc<Self>, item: Item) -> Result<Prepared, StoreError> {
        let Some(Waiting { mut job, request, query, taken, command }) = self.read_waiting(&item)? else {
            return Ok(Prepared::Over);
        };
        let admission = match self.door.enter_taken(&taken, query, command) {
            Ok(admission) => admission,
            Err(refused) if refused.refusal == proto::Refusal::BudgetAtOnce => return Ok(Prepared::Later),
            Err(refused) => {
                self.end_unrun(&item, refused.ended());
                return Ok(Prepared::Over);
            }
        };
        if let Some(refused) = self.executor.refuses(job.key.site, job.key.integrator) {
            admission.give_up(&refused.ended());
            self.end_unrun(&item, refused.ended());
            return Ok(Prepared::Over);
        }
        job.attempt = match item.run {
            Some(run) => u32::try_from(run).unwrap_or(u32::MAX).saturating_add(1),
            None => job.attempt.saturating_add(1),
        };
        let most = if item.run.is_some() { REGISTERED_MS } else { ASYNC_MS };
        let run_ms = if request.run_ms == 0 { most } else { request.run_ms.min(most) };
        let reins = Reins::new(admission.access() == Access::ReadOnly, admission.purse());
        let key = Key::fresh().map_err(StoreError::File)?;
        let cap = request.max_row_bytes;
        Ok(Prepared::Run(Box::new(Ready { job, item, admission, key, reins, run_ms, cap })))
    }

    /// Begins it, unless it is not wanted any more, and runs it to its end. Blocks on the database.
    fn execute(self: Arc<Self>, ready: Ready, held: Held) {
        let Ready { job, item, admission, key, reins, cap, .. } = ready;
        let sealed = match self.store.seal_key(&job.key, &key) {
            Ok(sealed) => sealed,
            Err(error) => {
                tracing::error!(%error, "a page's key can't be sealed");
                let how = "Halo Link could not make a key for its result.";
                let refused = Refused::new(proto::Refusal::Busy, how).ended();
                admission.give_up(&refused);
                return self.end_unrun(&item, refused);
            }
        };
        // Before it begins: a cancel that comes just after must find it.
        self.reins().insert(job.id, reins.clone());
        self.fault("before begin");
        let now = self.time.now();
        let begun = admission.begin_with(|t| match item.run {
            Some(run) => self.store.begin_run(t, job.id, run, now),
            None => self.store.begin_job(t, job.id, job.attempt, &sealed, now),
        });
        let permit = match begun {
            Ok(permit) => permit,
            Err(Some(refused)) => return self.end_unrun(&item, refused.ended()),
            Err(None) => return,
        };
        self.fault("begun");
        self.changed.ring(&job.id);
        let site = job.key.site;
        match item.run {
            None => {
                let keep = Pages::new(self.clone(), job.clone(), key, cap);
                self.executor.run_bulk(site, permit, &reins, keep, held, |permit, keep, ended| {
                    self.ended(&job, permit, keep, ended);
                });
            }
            Some(run) => {
                let keep = Newest::new(cap);
                self.executor.run_bulk(site, permit, &reins, keep, held, |permit, keep, ended| {
                    self.ran(&job, run, permit, keep, ended, (key, sealed));
                });
            }
        }
    }

    /// An async query has ended in the database.
    fn ended(&self, job: &Job, permit: Permit, keep: Pages, mut ended: proto::Ended) {
        let mut kept = Kept::default();
        if ended.status() == proto::Status::Successful {
            match keep.finish() {
                Ok(all) => kept = all,
                Err(why) => ended = unkept(ended, why),
            }
        } else {
            // With the page that it was writing.
            drop(keep);
        }
        self.fault("before end");
        let end = Unsettled::Job { id: job.id, attempt: Some(job.attempt), ended: ended.clone(), kept };
        let settled = permit.settle(&ended, |t| self.write_end(t, &end));
        self.fault("ended");
        match settled {
            Ok(told) => {
                if let Err(error) = self.forget_unkept(job.id) {
                    tracing::warn!(%error, "result pages could not be removed; the next start tries again");
                }
                self.ring(job.id, &job.key, told);
            }
            Err(_) => self.keep_trying(end),
        }
    }

    /// A run of a schedule has ended in the database.
    fn ran(
        &self,
        job: &Job,
        run: u64,
        permit: Permit,
        keep: Newest,
        mut ended: proto::Ended,
        (key, sealed_key): (Key, Vec<u8>),
    ) {
        let last = self.queue().after_run(job.id, run, self.time.now().0);
        let (mut hash, mut kept) = (None, None);
        if ended.status() == proto::Status::Successful {
            let new = keep.hash(&ended.outputs);
            let before = self.store.schedule(job.id).ok().flatten().and_then(|row| row.hash);
            if before.as_ref() != Some(&new) {
                match self.keep_result(job, &keep, &key) {
                    Ok(()) => {
                        let (attempt, page) = (job.attempt, keep.page());
                        kept = Some(store::Kept { attempt, sealed_key, columns: keep.columns, page });
                    }
                    Err(why) => ended = unkept(ended, why),
                }
            }
            hash = Some(new).filter(|_| ended.status() == proto::Status::Successful);
        }
        self.fault("before end");
        let end = RunEnd { began: Some(run), run: last, ended, hash, kept };
        let settled = permit.settle(&end.ended.clone(), |t| self.store.end_run(t, job, &end, self.moment()));
        self.fault("ended");
        let Ok(told) = settled else {
            return self.keep_trying(Unsettled::Run { id: job.id, run: end });
        };
        if let Err(error) = self.forget_unkept(job.id) {
            tracing::warn!(%error, "result pages could not be removed; the next start tries again");
        }
        self.ring(job.id, &job.key, told);
    }

    fn keep_result(&self, job: &Job, keep: &Newest, key: &Key) -> Result<(), NotKept> {
        let attempt = self.spool.attempt(owner(&job.key), job.attempt, key);
        let mut attempt = attempt.map_err(|error| not_kept(error.into()))?;
        attempt.write(&keep.json).and_then(|()| attempt.end_page()).map(drop).map_err(not_kept)
    }

    /// Writes an end down that nobody sees through to the end.
    async fn end_without_it(self: Arc<Self>, item: Item, attempt: u32, ended: proto::Ended) {
        let end = move || match item.run {
            None => {
                let kept = Kept::default();
                self.settle_or_keep(Unsettled::Job { id: item.job, attempt: Some(attempt), ended, kept });
            }
            Some(n) => {
                let run = self.queue().after_run(item.job, n, self.time.now().0);
                let run = RunEnd { began: Some(n), run, ended, hash: None, kept: None };
                self.settle_or_keep(Unsettled::Run { id: item.job, run });
            }
        };
        let _ = tokio::task::spawn_blocking(end).await;
    }
}

/// A good end whose result can't be kept.
fn unkept(ended: proto::Ended, why: NotKept) -> proto::Ended {
    let (code, how) = match why {
        NotKept::TooLarge => (413, "It was executed, and its result is larger than may be kept of it."),
        NotKept::NoRoom | NotKept::Unwanted => (
            507,
            "It was executed, and the site had no room to keep its result. Fetch or cancel what is kept there, ask for \
             less, or ask the practice for more room ([spool] in link.toml).",
        ),
    };
    store::unkept(ended, code, how)
}
