//! Jobs of the kit's site: what becomes of one is told by its text, or by the test while it goes on.

use super::FakeSite;
use futures::{StreamExt, stream};
use link_api::{Status, Streaming, journal, pack::Packer, proto};
use model::IntegratorId;
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    pin::Pin,
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering},
    },
};
use tokio::sync::{Notify, mpsc};

/// One job at the site.
#[derive(Clone)]
pub(crate) struct FakeJob {
    pub(crate) request: proto::SubmitRequest,
    pub(crate) state: proto::JobState,
    /// Rows of each page.
    pub(crate) pages: Vec<Vec<&'static str>>,
    pub(crate) outputs: Vec<proto::Parameter>,
    pub(crate) hash: Vec<u8>,
}

/// Hears of each step; `true`: the site goes no further, and what came is lost.
type Hook = Box<dyn FnMut(&str) -> bool + Send>;

/// Changes what the site says of its journal.
type Lie = Box<dyn Fn(&mut proto::EventsReply) + Send>;

#[derive(Default)]
pub(crate) struct FakeJobs {
    pub(crate) all: Mutex<BTreeMap<Vec<u8>, FakeJob>>,
    pub(crate) submits: Mutex<Vec<proto::SubmitRequest>>,
    pub(crate) asks: Mutex<Vec<proto::JobsRequest>>,
    pub(crate) page_asks: Mutex<Vec<proto::PagesAsk>>,
    pub(crate) acknowledged: AtomicU64,
    pub(crate) event_asks: Mutex<Vec<proto::EventsRequest>>,
    pub(crate) event_streams: AtomicUsize,
    pub(crate) events: Mutex<Vec<proto::Event>>,
    pub(crate) journal: Mutex<Vec<u8>>,
    pub(crate) oldest: AtomicU64,
    /// How jobs stand is not answered.
    pub(crate) dumb: AtomicBool,
    pub(crate) lie: Mutex<Option<Lie>>,
    /// Ids that it takes no more.
    pub(crate) fences: Mutex<BTreeSet<Vec<u8>>>,
    /// It is of a version that knows no fences.
    pub(crate) fenceless: AtomicBool,
    /// It has too many fences to make one more.
    pub(crate) fences_full: AtomicBool,
    pub(crate) hook: Mutex<Option<Hook>>,
    /// Streams of pages break after so many pieces, each after the next of these.
    pub(crate) cuts: Mutex<VecDeque<usize>>,
    /// Which attempt pages are of; it changes between two streams when the site begins anew.
    pub(crate) attempt: AtomicU32,
    pub(crate) integrator: OnceLock<IntegratorId>,
    changed: Notify,
}

pub(crate) const ROW: [&str; 3] =
    [r#"{"id":1,"name":"Ann"}"#, r#"{"id":2,"name":"Bo"}"#, r#"{"id":3,"name":"Cy"}"#];

fn ended(status: proto::Status, effect: proto::Effect) -> proto::Ended {
    proto::Ended {
        status: status.into(),
        effect: effect.into(),
        sql_ms: 3,
        run_ms: 5,
        ..proto::Ended::default()
    }
}

impl FakeJob {
    /// In the database.
    pub(crate) fn execute(&mut self) {
        self.state.status = proto::JobStatus::JobExecuting.into();
        self.state.began_ago_ms = Some(20);
        self.state.revision += 1;
    }

    /// One page more.
    pub(crate) fn upload(&mut self, rows: &[&'static str]) {
        self.state.status = proto::JobStatus::JobUploading.into();
        self.state.began_ago_ms = Some(20);
        self.state.answered_ago_ms = Some(10);
        self.state.ended = Some(proto::Ended { sql_ms: 3, ..proto::Ended::default() });
        self.pages.push(rows.to_vec());
        self.state.revision += 1;
    }

    /// Over.
    pub(crate) fn end(&mut self, ended: proto::Ended) {
        self.state.status = proto::JobStatus::JobEnded.into();
        if ended.effect != i32::from(proto::Effect::NotExecuted) {
            self.state.began_ago_ms = Some(20);
            self.state.answered_ago_ms = Some(10);
        }
        self.state.ended_ago_ms = Some(5);
        let rows = self.pages.iter().map(|page| page.len() as u64).sum();
        self.state.ended = Some(proto::Ended { rows, ..ended });
        self.state.revision += 1;
    }

    pub(crate) fn succeed(&mut self) {
        self.end(ended(proto::Status::Successful, proto::Effect::Executed));
    }

    fn facts(&self) -> Vec<proto::PageFacts> {
        let bytes = |rows: &Vec<&str>| rows.join(",").len() as u64 + 2;
        (1..)
            .zip(&self.pages)
            .map(|(number, rows)| proto::PageFacts { number, rows: rows.len() as u64, bytes: bytes(rows) })
            .collect()
    }

    fn told(&self) -> proto::JobState {
        proto::JobState { pages: self.facts(), ..self.state.clone() }
    }
}

impl FakeJobs {
    pub(crate) fn change(&self, id: &str, change: impl FnOnce(&mut FakeJob)) {
        change(self.all.lock().unwrap().get_mut(&id_bytes(id)).expect("the site has the job"));
        self.changed.notify_waiters();
    }

    /// Writes an event into the journal.
    pub(crate) fn tell(&self, site: &FakeSite, id: &str, kind: proto::EventKind, hash: &[u8]) {
        let mut events = self.events.lock().unwrap();
        let integrator = *self.integrator.get().unwrap();
        let journal = self.journal();
        let before = match events.last() {
            Some(last) => last.chain.clone(),
            None => journal::origin(site.id(), integrator, &journal).to_vec(),
        };
        let query_id = id_bytes(id);
        let schedule = self.all.lock().unwrap().get(&query_id).is_some_and(|j| j.request.schedule.is_some());
        let mut event = proto::Event {
            number: events.len() as u64 + 1,
            kind: kind.into(),
            query_id,
            job_kind: if schedule { proto::JobKind::Registered } else { proto::JobKind::Async }.into(),
            at: 1_770_094_506_007,
            hash: hash.to_vec(),
            chain: Vec::new(),
        };
        event.chain = journal::link(&before, &event).to_vec();
        events.push(event);
        drop(events);
        self.changed.notify_waiters();
    }

    fn journal(&self) -> Vec<u8> {
        let mut journal = self.journal.lock().unwrap();
        if journal.is_empty() {
            *journal = b"first".to_vec();
        }
        journal.clone()
    }

    /// The site's disk is set back, or its journal begun anew.
    pub(crate) fn begin_anew(&self, name: &[u8]) {
        *self.journal.lock().unwrap() = name.to_vec();
        self.events.lock().unwrap().clear();
    }

    /// Whether what came at this step is lost.
    fn lost(&self, step: &str) -> bool {
        self.hook.lock().unwrap().as_mut().is_some_and(|hook| hook(step))
    }

    pub(crate) fn submit(
        &self,
        site: &FakeSite,
        request: proto::SubmitRequest,
    ) -> Result<Option<proto::JobState>, Status> {
        use proto::{Effect as F, Refusal as R, Status as S};
        self.submits.lock().unwrap().push(request.clone());
        if self.lost("submit came") {
            return Ok(None);
        }
        if self.fences.lock().unwrap().contains(&request.query_id) {
            let ended = Some(ended(S::Cancelled, F::NotExecuted));
            return Ok(Some(proto::JobState {
                query_id: request.query_id,
                status: proto::JobStatus::JobEnded.into(),
                ended,
                ..proto::JobState::default()
            }));
        }
        if let Some(known) = self.all.lock().unwrap().get(&request.query_id) {
            let same = known.request.digest == request.digest;
            return Ok(Some(if same { known.told() } else { refused(&request, R::Repeated) }));
        }
        let text = request.command.as_ref().unwrap().text.clone();
        let mut job = FakeJob {
            state: proto::JobState {
                query_id: request.query_id.clone(),
                status: proto::JobStatus::JobQueued.into(),
                taken_ago_ms: Some(30),
                revision: 1,
                ..proto::JobState::default()
            },
            request: request.clone(),
            pages: Vec::new(),
            outputs: Vec::new(),
            hash: Vec::new(),
        };
        if let Some(schedule) = &request.schedule {
            job.state.status = proto::JobStatus::JobEnabled.into();
            job.state.schedule = Some(proto::ScheduleFacts {
                schedule: Some(schedule.clone()),
                ..proto::ScheduleFacts::default()
            });
        }
        let output = |name: &str, value: Option<&str>| proto::Parameter {
            name: name.into(),
            direction: proto::Direction::Output.into(),
            r#type: "Int".into(),
            value: value.map(str::to_owned),
            size: None,
            type_name: None,
        };
        let failed = |code, message: &str| proto::Ended {
            error: Some(proto::Error {
                kind: proto::ErrorKind::Mssql.into(),
                code,
                message: message.into(),
                state: Some(1),
                line: Some(1),
            }),
            ..ended(S::Failed, F::Executed)
        };
        match text.as_str() {
            "queued" | "submit dies after" => {}
            "submit dies" => {
                site.break_connections();
                return Ok(None);
            }
            "submit dies once" if self.submits.lock().unwrap().len() == 1 => {
                site.break_connections();
                return Ok(None);
            }
            "silent" => return Ok(None),
            "denied" => return Err(Status::permission_denied("no")),
            "too old" => return Err(Status::unimplemented("no")),
            "executing" => job.execute(),
            "uploading" => job.upload(&ROW[..2]),
            "rows" | "submit dies once" if request.schedule.is_none() => {
                job.upload(&ROW[..2]);
                job.upload(&ROW[2..]);
                job.succeed();
            }
            "rows" => run(&mut job, &ROW[..2], 7),
            "no rows" => {
                job.upload(&[]);
                job.succeed();
            }
            "count" => {
                // Without a result set there is no page.
                let outputs = vec![output("@out", Some("42")), output("@null", None)];
                let ended = ended(S::Successful, F::Executed);
                job.end(proto::Ended { rows_affected: Some(3), outputs, ..ended });
            }
            "short page" | "long page" | "page dies" | "damaged" => {
                job.upload(&ROW[..2]);
                job.succeed();
            }
            "unknown table" if request.schedule.is_some() => {
                let facts = job.state.schedule.as_mut().unwrap();
                facts.failed = 1;
                facts.last_failed_ago_ms = Some(5);
                facts.last_error = failed(208, "Invalid object name 'canary'.").error;
            }
            "unknown table" => job.end(failed(208, "Invalid object name 'canary'.")),
            "no result set" => job.succeed(),
            "expires" => job.end(ended(S::ExpiredInQueue, F::NotExecuted)),
            "times out" => job.end(ended(S::TimedOut, F::Unknown)),
            "interrupted" => job.end(ended(S::Interrupted, F::Unknown)),
            "too large" => job.end(ended(S::TooLarge, F::Executed)),
            "no room" => return Ok(Some(refused(&request, R::NoRoom))),
            "busy" => return Ok(Some(refused(&request, R::Busy))),
            "switched off" => return Ok(Some(refused(&request, R::SwitchedOff))),
            "unknown catalogue" => return Ok(Some(refused(&request, R::UnknownCatalogue))),
            text if text.starts_with("refusal ") => {
                let refusal = R::from_str_name(&text["refusal ".len()..]).unwrap();
                return Ok(Some(refused(&request, refusal)));
            }
            other => return Err(Status::invalid_argument(format!("the kit does not know {other}"))),
        }
        let told = job.told();
        self.all.lock().unwrap().insert(request.query_id, job);
        if self.lost("submit durable") {
            return Ok(None);
        }
        if text == "submit dies after" {
            site.break_connections();
            return Ok(None);
        }
        Ok(Some(told))
    }

    /// `None`: no answer.
    pub(crate) fn jobs(&self, request: proto::JobsRequest) -> Option<proto::JobsReply> {
        self.asks.lock().unwrap().push(request.clone());
        if request.cancel && self.lost("cancel came") {
            return None;
        }
        let wanted = (request.cancel || request.fence) && !self.fenceless.load(Ordering::SeqCst);
        let full = self.fences_full.load(Ordering::SeqCst);
        let fence = wanted && !full;
        let mut all = self.all.lock().unwrap();
        let jobs = request
            .query_ids
            .iter()
            .map(|id| match all.get_mut(id) {
                Some(job) => {
                    if request.cancel {
                        cancel(job, request.force);
                    }
                    job.told()
                }
                None => {
                    if fence {
                        self.fences.lock().unwrap().insert(id.clone());
                    }
                    proto::JobState {
                        query_id: id.clone(),
                        status: proto::JobStatus::JobUnknown.into(),
                        fenced: fence,
                        may_come: wanted && full,
                        ..proto::JobState::default()
                    }
                }
            })
            .collect();
        drop(all);
        let done = !(request.cancel && self.lost("cancel done"));
        done.then_some(proto::JobsReply { jobs })
    }

    pub(crate) async fn pages(
        self: &Arc<Self>,
        site: Arc<FakeSite>,
        mut asks: Streaming<proto::PagesAsk>,
    ) -> Pages {
        let ask = asks.message().await.unwrap().unwrap();
        self.page_asks.lock().unwrap().push(ask.clone());
        let this = Arc::clone(self);
        tokio::spawn(async move {
            while let Ok(Some(more)) = asks.message().await {
                this.acknowledged.store(more.read, Ordering::SeqCst);
            }
        });
        let (say, said) = mpsc::channel(2);
        let this = Arc::clone(self);
        let of = Arc::clone(&site);
        tokio::spawn(async move { this.send_pages(&of, &ask, &say).await });
        let cut = self.cuts.lock().unwrap().pop_front();
        let pieces = stream::unfold((said, cut, site), |(mut said, cut, site)| async move {
            if cut == Some(0) {
                site.break_connections();
                return None;
            }
            Some((Ok(said.recv().await?), (said, cut.map(|left| left - 1), site)))
        });
        pieces.boxed()
    }

    async fn send_pages(
        &self,
        site: &FakeSite,
        ask: &proto::PagesAsk,
        say: &mpsc::Sender<proto::PagesPiece>,
    ) -> Option<()> {
        use proto::PagesOutcome as O;
        use proto::pages_piece::What;
        let piece = |what| proto::PagesPiece { what: Some(what) };
        let end = |outcome: O, job: Option<&FakeJob>| {
            piece(What::End(proto::PagesEnd { outcome: outcome.into(), job: job.map(FakeJob::told) }))
        };
        let lines = ask.form == i32::from(proto::RowForm::Lines);
        let of_schedule = ask.first == 0;
        let mut next = ask.first.max(1) as usize;
        let mut sent = 0;
        loop {
            let changed = self.changed.notified();
            let Some(job) = self.all.lock().unwrap().get(&ask.query_id).cloned() else {
                return say.send(end(O::PagesNoJob, None)).await.ok();
            };
            if job.state.expired {
                return say.send(end(O::PagesExpired, Some(&job))).await.ok();
            }
            if of_schedule && !ask.have_hash.is_empty() && ask.have_hash == job.hash {
                return say.send(end(O::PagesUnchanged, None)).await.ok();
            }
            let text = job.request.command.as_ref().unwrap().text.as_str();
            if text == "damaged" {
                return say.send(end(O::PagesDamaged, None)).await.ok();
            }
            while let Some(rows) = job.pages.get(next - 1) {
                let mut facts = job.facts()[next - 1];
                if text == "short page" {
                    facts.bytes += 1;
                }
                let first_row = job.pages[..next - 1].iter().map(|page| page.len() as u64).sum();
                let column =
                    |name: &str, kind: &str| proto::Column { name: name.into(), r#type: kind.into() };
                let last = next == job.pages.len();
                let head = proto::PageHead {
                    page: Some(facts),
                    first_row,
                    columns: vec![column("id", "int"), column("name", "varchar")],
                    outputs: if last { job.outputs.clone() } else { Vec::new() },
                    hash: job.hash.clone(),
                    attempt: self.attempt.load(Ordering::SeqCst),
                };
                say.send(piece(What::Head(head))).await.ok()?;
                let json: String = match lines {
                    true => rows.iter().map(|row| format!("{{\"row\":{row}}}\n")).collect(),
                    false => rows.join(","),
                };
                let mut packer = Packer::default();
                if text == "page dies" {
                    say.send(piece(What::Rows(packer.pack(b"{".to_vec(), false).unwrap()))).await.ok()?;
                    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                    site.break_connections();
                    return None;
                }
                // In two pieces, so that there is something to put together.
                let (a, b) = json.as_bytes().split_at(json.len() / 2);
                for (part, last) in [(a, false), (b, true)] {
                    say.send(piece(What::Rows(packer.pack(part.to_vec(), last).unwrap()))).await.ok()?;
                }
                (next, sent) = (next + 1, sent + 1);
                if sent == ask.count {
                    return say.send(end(O::PagesSent, None)).await.ok();
                }
            }
            if of_schedule && sent > 0 {
                return say.send(end(O::PagesSent, None)).await.ok();
            }
            if ask.count > 0 {
                return say.send(end(O::PagesNoPage, Some(&job))).await.ok();
            }
            if job.state.status == i32::from(proto::JobStatus::JobEnded) {
                return say.send(end(O::PagesSent, Some(&job))).await.ok();
            }
            changed.await;
        }
    }

    pub(crate) fn follow(self: &Arc<Self>, site: Arc<FakeSite>, ask: proto::EventsRequest) -> Events {
        self.event_asks.lock().unwrap().push(ask.clone());
        self.event_streams.fetch_add(1, Ordering::SeqCst);
        let this = Arc::clone(self);
        let (say, said) = mpsc::channel(2);
        tokio::spawn(async move {
            let mut after = ask.after;
            loop {
                let changed = this.changed.notified();
                let reply = this.reply(&site, &ask, after);
                let other = reply.other_journal;
                after = reply.events.last().map_or(after, |last| last.number);
                if (after == ask.after || !reply.events.is_empty() || other) && say.send(reply).await.is_err()
                {
                    return;
                }
                if other {
                    return;
                }
                tokio::select! {
                    () = changed => {}
                    () = say.closed() => return,
                }
            }
        });
        stream::unfold(said, |mut said| async move { Some((Ok(said.recv().await?), said)) }).boxed()
    }

    fn reply(&self, site: &FakeSite, ask: &proto::EventsRequest, after: u64) -> proto::EventsReply {
        let journal = self.journal();
        let events = self.events.lock().unwrap();
        let head = events.len() as u64;
        let other_journal = !ask.journal.is_empty() && (ask.journal != journal || ask.after > head);
        let oldest = self.oldest.load(Ordering::SeqCst).max(1);
        let new: Vec<_> = events.iter().filter(|e| e.number > after && e.number >= oldest).cloned().collect();
        let chain = |number: u64| match number {
            0 => journal::origin(site.id(), *self.integrator.get().unwrap(), &journal).to_vec(),
            n => events[usize::try_from(n).unwrap() - 1].chain.clone(),
        };
        let signed =
            journal::signed(site.id(), *self.integrator.get().unwrap(), &journal, head, &chain(head));
        let mut reply = proto::EventsReply {
            journal,
            events: if other_journal { Vec::new() } else { new },
            signature: site.sign(&signed),
            oldest,
            head,
            other_journal,
        };
        if let Some(lie) = &*self.lie.lock().unwrap() {
            lie(&mut reply);
        }
        reply
    }
}

/// A run of a schedule with another result than before.
pub(crate) fn run(job: &mut FakeJob, rows: &[&'static str], hash: u8) {
    job.pages = vec![rows.to_vec()];
    job.hash = vec![hash; 32];
    job.state.revision += 1;
    let bytes = job.facts()[0].bytes;
    let facts = job.state.schedule.as_mut().unwrap();
    facts.last_hash = vec![hash; 32];
    facts.succeeded += 1;
    facts.changes += 1;
    facts.last_succeeded_ago_ms = Some(5);
    facts.last_run_ms = 4;
    facts.result_rows = rows.len() as u64;
    facts.result_bytes = bytes;
    facts.result_bytes_sum += bytes;
}

fn cancel(job: &mut FakeJob, force: bool) {
    use proto::{Effect as F, JobStatus as J, Status as S};
    match J::try_from(job.state.status).unwrap() {
        J::JobQueued => job.end(ended(S::Cancelled, F::NotExecuted)),
        J::JobExecuting | J::JobUploading if force || job.request.read_only => {
            job.end(ended(S::Cancelled, F::Unknown));
        }
        J::JobEnabled => {
            job.state.status = J::JobCancelled.into();
            job.state.ended_ago_ms = Some(5);
            job.state.revision += 1;
        }
        _ => {}
    }
}

fn refused(request: &proto::SubmitRequest, refusal: proto::Refusal) -> proto::JobState {
    proto::JobState {
        query_id: request.query_id.clone(),
        status: proto::JobStatus::JobEnded.into(),
        ended: Some(proto::Ended {
            refusal: refusal.into(),
            ..ended(proto::Status::Refused, proto::Effect::NotExecuted)
        }),
        revision: 1,
        ..proto::JobState::default()
    }
}

pub(crate) fn id_bytes(id: &str) -> Vec<u8> {
    uuid::Uuid::parse_str(id).unwrap().as_bytes().to_vec()
}

pub(crate) type Pages = Pin<Box<dyn futures::Stream<Item = Result<proto::PagesPiece, Status>> + Send>>;
pub(crate) type Events = Pin<Box<dyn futures::Stream<Item = Result<proto::EventsReply, Status>> + Send>>;
