//! Sending pages: each opened, turned into the form that is wanted, packed, and paced by what the reader acknowledges.

use super::{
    Jobs, StoreError, owner,
    pacer::{Pacer, Read},
    state::page_facts,
};
use crate::{
    door::Refused,
    pace::PIECE,
    pairing::Caller,
    store::{Job, LedgerKey, Page, View},
};
use database::json::{Reform, RowForm};
use link_api::{
    Status,
    pack::Packer,
    proto::{self, JobKind, JobStatus, PagesOutcome, PagesPiece, Refusal, pages_piece::What},
};
use model::{IntegratorId, QueryId};
use spool::{PageReader, ReadError};
use std::sync::Arc;
use tokio::sync::{mpsc, watch};

/// Which pages.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub(crate) query: QueryId,
    pub(crate) first: u32,
    /// 0: all there will be.
    pub(crate) count: u32,
    pub(crate) have_hash: Vec<u8>,
    pub(crate) form: RowForm,
}

/// Why sending ended.
enum Stop {
    Outcome(PagesOutcome),
    /// The reader is gone.
    Gone,
    Failed(Status),
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "a job can't be read");
        Stop::Failed(Status::unavailable("the site can't read its disk"))
    }
}

/// A reader of pages, and what it was sent.
pub(crate) struct Sender {
    jobs: Arc<Jobs>,
    caller: Caller,
    ask: Ask,
    pieces: mpsc::Sender<Result<PagesPiece, Status>>,
    pacer: Pacer,
    packer: Packer,
    /// Pages begun.
    sent: u32,
}

impl Jobs {
    /// Sends what is asked for, to the end or until the reader is gone. `read`: how much of it was acknowledged.
    pub(crate) async fn send_pages(
        self: Arc<Self>,
        caller: Caller,
        ask: Ask,
        read: watch::Receiver<Read>,
        pieces: mpsc::Sender<Result<PagesPiece, Status>>,
    ) {
        let all = ask.count == 0;
        let pacer = Pacer::new(read, self.door.clock().clone());
        let (packer, pieces_too) = (Packer::default(), pieces.clone());
        let mut sender = Sender { jobs: self, caller, ask, pieces: pieces_too, pacer, packer, sent: 0 };
        let gone = pieces.clone();
        let (door, caller) = (sender.jobs.door.clone(), sender.caller.clone());
        let shut = async {
            let refused = door.until_shut(&caller.peer, caller.site).await;
            if refused.refusal == Refusal::NotPaired {
                // A stranger is told what a stranger is told: that it has no such job.
                std::future::pending::<()>().await;
            }
            refused
        };
        let stop = tokio::select! {
            // Before anything is sent, and in the middle of a page too: whoever is not let in gets nothing.
            biased;
            refused = shut => Stop::Failed(denied(&refused)),
            stop = sender.send_all() => stop,
            () = gone.closed() => return,
        };
        let outcome = match stop {
            Stop::Outcome(outcome) => outcome,
            Stop::Gone => return,
            Stop::Failed(status) => return drop(pieces.send(Err(status)).await),
        };
        let job = match (all, outcome) {
            (true, _) | (_, PagesOutcome::PagesNoPage) => sender.job_state().await,
            _ => None,
        };
        let end = proto::PagesEnd { outcome: outcome.into(), job };
        let _ = pieces.send(Ok(PagesPiece { what: Some(What::End(end)) })).await;
    }
}

impl Sender {
    async fn send_all(&mut self) -> Stop {
        let Err(stop) = self.try_send_all().await;
        stop
    }

    /// Never ends well: it ends with an outcome.
    async fn try_send_all(&mut self) -> Result<std::convert::Infallible, Stop> {
        let first = self.view(0).await?;
        let mut changed = self.jobs.changed.listen(first.job.id);
        if first.job.kind == JobKind::Registered {
            return Err(self.send_newest().await);
        }
        let (mut next, mut left) = (self.ask.first.max(1), self.ask.count);
        loop {
            let view = self.view(next - 1).await?;
            if view.job.expired {
                return Err(Stop::Outcome(PagesOutcome::PagesExpired));
            }
            let over = view.job.state == JobStatus::JobEnded;
            for (i, page) in view.pages.iter().enumerate() {
                if page.number != next {
                    break;
                }
                let last = over && i + 1 == view.pages.len();
                self.send_page(&view, *page, last).await?;
                next += 1;
                if left > 0 {
                    left -= 1;
                    if left == 0 {
                        return Err(Stop::Outcome(PagesOutcome::PagesSent));
                    }
                }
            }
            let whole = self.ask.count == 0;
            if over || !whole {
                let outcome = if whole { PagesOutcome::PagesSent } else { PagesOutcome::PagesNoPage };
                return Err(Stop::Outcome(outcome));
            }
            // An error means that the bell is gone, and it never is while we have it.
            let _ = changed.changed().await;
        }
    }

    async fn send_newest(&mut self) -> Stop {
        let mut tries = 0;
        loop {
            let (sent, attempt) = self.try_send_newest().await;
            let stop = match sent {
                Ok(()) => return Stop::Outcome(PagesOutcome::PagesSent),
                Err(stop) => stop,
            };
            tries += 1;
            // A newer result took its place before anything was sent.
            let newer = match self.view(0).await {
                Ok(view) => attempt.is_some_and(|attempt| view.job.attempt != attempt),
                Err(stop) => return stop,
            };
            if tries >= 3 || !newer || !matches!(stop, Stop::Outcome(PagesOutcome::PagesNoPage)) {
                return stop;
            }
        }
    }

    /// Answers also which attempt's result it was, while nothing of it was sent.
    async fn try_send_newest(&mut self) -> (Result<(), Stop>, Option<u32>) {
        let view = match self.view(0).await {
            Ok(view) => view,
            Err(stop) => return (Err(stop), None),
        };
        let no = |outcome| (Err(Stop::Outcome(outcome)), None);
        if view.job.expired {
            return no(PagesOutcome::PagesExpired);
        }
        let hash = view.schedule.as_ref().and_then(|row| row.hash.as_ref());
        let (Some(hash), Some(page)) = (hash, view.pages.first().copied()) else {
            return no(PagesOutcome::PagesNoPage);
        };
        if *hash == self.ask.have_hash {
            return no(PagesOutcome::PagesUnchanged);
        }
        let before = self.sent;
        let sent = self.send_page(&view, page, true).await;
        (sent, Some(view.job.attempt).filter(|_| self.sent == before))
    }

    async fn send_page(&mut self, view: &View, page: Page, last: bool) -> Result<(), Stop> {
        // Asked for each: whoever is switched off gets no more.
        if let Err(refused) = self.jobs.door.check(&self.caller.peer, self.caller.site) {
            return Err(Stop::Failed(denied(&refused)));
        }
        let job = &view.job;
        let (jobs, of) = (self.jobs.clone(), job.clone());
        let hash = view.schedule.as_ref().and_then(|row| row.hash.clone()).unwrap_or_default();
        let opened = on_disk(move || jobs.open_page(&of, page, last, hash)).await?;
        let Some((head, mut reader)) = opened else { return Err(self.vanished(job).await) };
        self.sent += 1;
        self.send(What::Head(head), 0).await?;
        self.packer.restart().map_err(|_| no_memory())?;
        let (mut reform, mut out) = (Reform::into(self.ask.form), Vec::new());
        loop {
            let reading = tokio::task::spawn_blocking(move || {
                out.clear();
                let more =
                    reader.piece().map(|piece| piece.map(|piece| reform.push(piece, &mut out)).is_some());
                (reader, reform, out, more)
            });
            let read = reading.await.map_err(|_| Stop::Failed(Status::internal("the site failed")))?;
            let more;
            (reader, reform, out, more) = read;
            for piece in out.chunks(PIECE) {
                let rows = self.packer.pack(piece.to_vec(), false).map_err(|_| no_memory())?;
                let bytes = rows.data.len();
                self.send(What::Rows(rows), bytes).await?;
            }
            match more {
                Ok(true) => {}
                Ok(false) => return Ok(()),
                Err(error) => return Err(self.unreadable(job, &error).await),
            }
        }
    }

    async fn send(&mut self, what: What, bytes: usize) -> Result<(), Stop> {
        self.pacer.send(bytes).await;
        self.pieces.send(Ok(PagesPiece { what: Some(what) })).await.map_err(|_| Stop::Gone)
    }

    /// A page does not read: its job may have let it go meanwhile, or the disk is at fault.
    async fn unreadable(&self, job: &Job, error: &ReadError) -> Stop {
        let stop = self.vanished(job).await;
        if matches!(stop, Stop::Outcome(PagesOutcome::PagesDamaged)) {
            tracing::error!(query = %job.key.query, %error, "a result page on the disk is damaged");
        }
        stop
    }

    async fn vanished(&self, job: &Job) -> Stop {
        match self.job().await {
            Ok(Some(now)) if now.expired => Stop::Outcome(PagesOutcome::PagesExpired),
            // Another attempt, a newer result, or a failure took its place.
            Ok(Some(now)) if now.attempt != job.attempt || now.sealed_key.is_none() => {
                Stop::Outcome(PagesOutcome::PagesNoPage)
            }
            Ok(Some(_)) => Stop::Outcome(PagesOutcome::PagesDamaged),
            Ok(None) => Stop::Outcome(PagesOutcome::PagesNoJob),
            Err(stop) => stop,
        }
    }

    async fn job(&self) -> Result<Option<Job>, Stop> {
        let (jobs, key) = (self.jobs.clone(), self.key());
        on_disk(move || jobs.store.job(&key)).await
    }

    async fn view(&self, after: u32) -> Result<View, Stop> {
        let (jobs, key) = (self.jobs.clone(), self.key());
        let view = on_disk(move || jobs.store.job_view(&key, after)).await?;
        view.ok_or(Stop::Outcome(PagesOutcome::PagesNoJob))
    }

    async fn job_state(&self) -> Option<proto::JobState> {
        let (jobs, key) = (self.jobs.clone(), self.key());
        let state = on_disk(move || {
            let job = jobs.store.job(&key)?;
            job.map(|job| jobs.state(&job, 0)).transpose()
        });
        state.await.ok().flatten()
    }

    fn key(&self) -> LedgerKey {
        let integrator = IntegratorId(self.caller.peer.id);
        LedgerKey { site: self.caller.site, integrator, query: self.ask.query }
    }
}

fn no_memory() -> Stop {
    Stop::Failed(Status::resource_exhausted("no memory at the site"))
}

fn denied(refused: &Refused) -> Status {
    link_api::refusal::status(refused.refusal, refused.message.as_str())
}

type Opened = (proto::PageHead, PageReader<std::fs::File>);

impl Jobs {
    /// Opens a page and says what is in it; `None` when it is not there, or not whole at its very beginning.
    fn open_page(
        &self,
        job: &Job,
        page: Page,
        last: bool,
        hash: Vec<u8>,
    ) -> Result<Option<Opened>, StoreError> {
        let Some(key) = self.store.job_key(job)? else { return Ok(None) };
        let Ok(reader) = self.spool.page(owner(&job.key), job.attempt, page.number, &key) else {
            return Ok(None);
        };
        let outputs = match self.store.job_ended(job)? {
            Some(ended) if last => ended.outputs,
            _ => Vec::new(),
        };
        let head = proto::PageHead {
            page: Some(page_facts(&page)),
            first_row: page.first_row,
            columns: self.store.job_columns(job)?,
            outputs,
            hash,
            attempt: job.attempt,
        };
        Ok(Some((head, reader)))
    }
}

async fn on_disk<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, Stop> {
    match tokio::task::spawn_blocking(work).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(Stop::Failed(Status::internal("the site failed"))),
    }
}
