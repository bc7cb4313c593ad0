//! Sending pages: each opened, turned into the form that is wanted, packed, and paced by what the reader acknowledges.

use super::{Jobs, StoreError, owner, pacer::Pacer, state::page_facts};
use crate::{
    pairing::Caller,
    store::{Job, LedgerKey, Page},
};
use database::json::{Reform, RowForm};
use link_api::{
    Status,
    pack::Packer,
    proto::{self, JobKind, JobStatus, PagesOutcome, PagesPiece, pages_piece::What},
};
use model::{IntegratorId, QueryId, limit};
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
}

impl Jobs {
    /// Sends what is asked for, to the end or until the reader is gone. `read`: how much of it was acknowledged.
    pub(crate) async fn send_pages(
        self: Arc<Self>,
        caller: Caller,
        ask: Ask,
        read: watch::Receiver<Option<u64>>,
        pieces: mpsc::Sender<Result<PagesPiece, Status>>,
    ) {
        let all = ask.count == 0;
        let mut sender = Sender { jobs: self, caller, ask, pieces: pieces.clone(), pacer: Pacer::new(read) };
        let gone = pieces.clone();
        let stop = tokio::select! {
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
        let first = self.job().await?.ok_or(Stop::Outcome(PagesOutcome::PagesNoJob))?;
        let mut changed = self.jobs.changed.listen(first.id);
        if first.kind == JobKind::Registered {
            return Err(self.send_newest(&first).await);
        }
        let (mut next, mut left) = (self.ask.first.max(1), self.ask.count);
        loop {
            let job = self.job().await?.ok_or(Stop::Outcome(PagesOutcome::PagesNoJob))?;
            if job.expired {
                return Err(Stop::Outcome(PagesOutcome::PagesExpired));
            }
            for page in self.pages(&job, next - 1).await? {
                if page.number != next {
                    break;
                }
                self.send_page(&job, page, job.state == JobStatus::JobEnded).await?;
                next += 1;
                if left > 0 {
                    left -= 1;
                    if left == 0 {
                        return Err(Stop::Outcome(PagesOutcome::PagesSent));
                    }
                }
            }
            if job.state == JobStatus::JobEnded {
                // Pages that came after the list was read are in the next one.
                let whole = self.ask.count == 0;
                let outcome = if whole { PagesOutcome::PagesSent } else { PagesOutcome::PagesNoPage };
                return Err(Stop::Outcome(outcome));
            }
            if self.ask.count > 0 {
                return Err(Stop::Outcome(PagesOutcome::PagesNoPage));
            }
            // An error means that the bell is gone, and it never is while we have it.
            let _ = changed.changed().await;
        }
    }

    async fn send_newest(&mut self, job: &Job) -> Stop {
        if job.expired {
            return Stop::Outcome(PagesOutcome::PagesExpired);
        }
        let sent = async {
            let (jobs, id) = (self.jobs.clone(), job.id);
            let row = on_disk(move || jobs.store.schedule(id)).await?;
            let hash = row.and_then(|row| row.hash).ok_or(Stop::Outcome(PagesOutcome::PagesNoPage))?;
            if hash == self.ask.have_hash {
                return Err(Stop::Outcome(PagesOutcome::PagesUnchanged));
            }
            let page = self.pages(job, 0).await?.into_iter().next();
            let page = page.ok_or(Stop::Outcome(PagesOutcome::PagesNoPage))?;
            self.send_page(job, page, true).await
        };
        match sent.await {
            Ok(()) => Stop::Outcome(PagesOutcome::PagesSent),
            Err(stop) => stop,
        }
    }

    async fn send_page(&mut self, job: &Job, page: Page, over: bool) -> Result<(), Stop> {
        // Asked for each: whoever is switched off gets no more.
        if let Err(refused) = self.jobs.door.check(&self.caller.peer, self.caller.site) {
            return Err(Stop::Failed(Status::permission_denied(refused.message)));
        }
        let (jobs, of) = (self.jobs.clone(), job.clone());
        let opened = on_disk(move || jobs.open_page(&of, page, over)).await?;
        let Some((head, mut reader)) = opened else { return Err(self.vanished(job).await) };
        self.send(What::Head(head), 0).await?;
        let (mut packer, mut reform) = (Packer::default(), Reform::into(self.ask.form));
        loop {
            let reading = tokio::task::spawn_blocking(move || {
                let mut out = Vec::new();
                let more =
                    reader.piece().map(|piece| piece.map(|piece| reform.push(piece, &mut out)).is_some());
                (reader, reform, out, more)
            });
            let read = reading.await.map_err(|_| Stop::Failed(Status::internal("the site failed")))?;
            let more;
            let out;
            (reader, reform, out, more) = read;
            for piece in out.chunks(limit::CHUNK_BYTES) {
                let rows = packer.pack(piece.to_vec(), false);
                let rows =
                    rows.map_err(|_| Stop::Failed(Status::resource_exhausted("no memory at the site")))?;
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

    async fn pages(&self, job: &Job, after: u32) -> Result<Vec<Page>, Stop> {
        let (jobs, id) = (self.jobs.clone(), job.id);
        on_disk(move || jobs.store.job_pages(id, after)).await
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

type Opened = (proto::PageHead, PageReader<std::fs::File>);

impl Jobs {
    /// Opens a page and says what is in it; `None` when it is not there, or not whole at its very beginning.
    fn open_page(&self, job: &Job, page: Page, over: bool) -> Result<Option<Opened>, StoreError> {
        let Some(key) = self.store.job_key(job)? else { return Ok(None) };
        let Ok(reader) = self.spool.page(owner(&job.key), job.attempt, page.number, &key) else {
            return Ok(None);
        };
        let registered = job.kind == JobKind::Registered;
        let last = registered || (over && self.store.job_pages(job.id, page.number)?.is_empty());
        let outputs = match self.store.job_ended(job)? {
            Some(ended) if last => ended.outputs,
            _ => Vec::new(),
        };
        let hash = match registered {
            true => self.store.schedule(job.id)?.and_then(|row| row.hash).unwrap_or_default(),
            false => Vec::new(),
        };
        let head = proto::PageHead {
            page: Some(page_facts(&page)),
            first_row: page.first_row,
            columns: self.store.job_columns(job)?,
            outputs,
            hash,
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
