//! The inner contract, answered: each call finds who is at the other end of its session.

use crate::{
    door::{self, Door, Reach, Refused, Replaced, Request as DoorRequest, writes_to_proto},
    executor::{Executor, Order},
    health::{Lane, LaneHealth},
    jobs::{self, Jobs, Read},
    pairing::{self, Exchange, Presence},
    receipts::{self, Wanted},
    store::StoreError,
    untold::{bare, strip},
};
use database::{json::RowForm, pick::Sets};
use futures::Stream;
use link_api::{
    Code, Link, Request, Response, Status, Streaming, VERSION, convert,
    proto::{
        self, HelloReply, HelloRequest, OutcomeReply, OutcomeRequest, PairReply, PairRequest,
        RowForm as WireForm, RunEvent, RunRequest,
    },
};
use model::{Clock, IntegratorId, SiteId};
pub use pairing::Caller;
use std::{
    collections::HashMap,
    pin::Pin,
    sync::{Arc, atomic::AtomicBool, atomic::Ordering},
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    sync::{mpsc, watch},
    time::timeout,
};

/// Answers gateways, for all sites of a Link.
#[derive(Debug)]
pub struct Server {
    door: Arc<Door>,
    executor: Arc<Executor>,
    jobs: Arc<Jobs>,
    sites: HashMap<SiteId, Presence>,
}

impl Server {
    /// A server for the sites behind `door`.
    pub fn new(
        door: Arc<Door>,
        executor: Arc<Executor>,
        jobs: Arc<Jobs>,
        sites: HashMap<SiteId, Presence>,
    ) -> Arc<Self> {
        Arc::new(Server { door, executor, jobs, sites })
    }
}

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl Link for Server {
    type RunStream = Events;
    type PairStream = Answers<PairReply>;

    async fn hello(&self, request: Request<HelloRequest>) -> Result<Response<HelloReply>, Status> {
        let caller = caller(&request)?;
        if request.get_ref().version < VERSION {
            return Err(Status::failed_precondition("this gateway is too old for this site: update it"));
        }
        if let Some(held) = self.door.held() {
            // No answer that says who is paired: a gateway must not conclude from a copy that it is not.
            return Err(Status::unavailable(door::words(held)));
        }
        let (door, site) = (self.door.clone(), caller.site);
        let environment = self.sites.get(&caller.site).map(|own| own.environment.clone()).unwrap_or_default();
        let papers = request.into_inner();
        let known = papers.audit_number;
        // The first sight of a new certificate is written down, and so are papers that are news.
        let mut reply = blocking(move || {
            let taken = [
                door.take_approvals(&caller.peer, caller.site, &environment, &papers.approvals),
                door.take_revocations(&caller.peer, caller.site, &papers.revocations),
            ];
            // It is shown again in the next session.
            for error in taken.into_iter().filter_map(Result::err) {
                tracing::error!(%error, "what a gateway showed can't be kept");
            }
            let checked = door.check(&caller.peer, caller.site);
            let facts = checked.is_ok().then(|| door.facts(caller.site)).flatten();
            let facts = facts.map(|facts| convert::facts_to_proto(&facts));
            let refusal = checked.as_ref().err().map_or(0, |refused| refused.refusal.into());
            Ok(HelloReply {
                version: VERSION,
                paired: checked.is_ok(),
                facts,
                refusal,
                epoch: door.epoch(),
                ..HelloReply::default()
            })
        })
        .await?;
        if reply.paired {
            (reply.audit, reply.audit_at) = receipts::head(self.door.clone(), site, known).await;
        }
        Ok(Response::new(reply))
    }

    async fn run(&self, request: Request<RunRequest>) -> Result<Response<Events>, Status> {
        let caller = caller(&request)?;
        let asks = request.get_ref().receipt;
        let (wanted, order) = read(request.into_inner())?;
        let receipt =
            asks.then(|| Wanted { door: self.door.clone(), caller: caller.clone(), query: wanted.query });
        let rest = match self.door.enter(&caller.peer, caller.site, wanted) {
            Ok(admission) => self.executor.start(admission, order),
            Err(refused) => {
                let mut ended = refused.ended();
                match &receipt {
                    // Not another line of the same id, nor anything for somebody whom `Receipt` would refuse.
                    Some(_) if !refused.noted || !self.door.is_paired(&caller.peer, caller.site) => {
                        ended.set_no_receipt(proto::NoReceipt::NoLine);
                    }
                    Some(receipt) => receipt.add_to(&mut ended).await,
                    None => {}
                }
                let only = RunEvent { ended: Some(ended), ..RunEvent::default() };
                return Ok(Response::new(Events { first: Some(only), rest: None }));
            }
        };
        let mut rest = match receipt {
            Some(receipt) => receipt.follow(rest),
            None => rest,
        };
        // With the first message at hand, head, rows and trailers of a small answer leave together.
        let first = rest.recv().await;
        Ok(Response::new(Events { first, rest: Some(rest) }))
    }

    async fn outcome(&self, request: Request<OutcomeRequest>) -> Result<Response<OutcomeReply>, Status> {
        let caller = caller(&request)?;
        let query = convert::query_id(&request.get_ref().query_id).map_err(invalid)?;
        let door = self.door.clone();
        blocking(move || {
            let whole = standing(&door, &caller)?;
            let ended = door.outcome(&caller.peer, caller.site, query).map_err(|error| {
                tracing::error!(%error, "an outcome could not be read");
                Status::unavailable("the site can't read its ledger")
            })?;
            let ended = if whole { ended } else { ended.map(bare) };
            Ok(Response::new(OutcomeReply { ended }))
        })
        .await
    }

    async fn receipt(
        &self,
        request: Request<proto::ReceiptRequest>,
    ) -> Result<Response<proto::ReceiptReply>, Status> {
        let caller = caller(&request)?;
        let query = convert::query_id(&request.get_ref().query_id).map_err(invalid)?;
        let door = self.door.clone();
        blocking(move || receipts::answer(&door, &caller, query).map(Response::new)).await
    }

    async fn pair(
        &self,
        request: Request<Streaming<PairRequest>>,
    ) -> Result<Response<Self::PairStream>, Status> {
        let caller = caller(&request)?;
        let own = self.sites.get(&caller.site).ok_or_else(|| Status::not_found("no such site"))?;
        let exchange = Exchange::new(self.door.clone(), caller, own.clone());
        let (replies, receiver) = mpsc::channel(4);
        tokio::spawn(converse(exchange, request.into_inner(), replies));
        let replies: Self::PairStream = Box::pin(futures::stream::unfold(receiver, async |mut receiver| {
            receiver.recv().await.map(|reply| (Ok(reply), receiver))
        }));
        Ok(Response::new(replies))
    }

    async fn unpair(
        &self,
        request: Request<proto::UnpairRequest>,
    ) -> Result<Response<proto::UnpairReply>, Status> {
        let caller = caller(&request)?;
        let door = self.door.clone();
        blocking(move || match door.leave(&caller.peer, caller.site) {
            Ok(()) => Ok(Response::new(proto::UnpairReply {})),
            Err(refused) if refused.refusal == proto::Refusal::Busy => {
                Err(Status::unavailable(refused.message))
            }
            Err(refused) => Err(refused_status(&refused)),
        })
        .await
    }

    async fn credentials(
        &self,
        request: Request<proto::DatabaseLogin>,
    ) -> Result<Response<proto::CredentialsReply>, Status> {
        let caller = caller(&request)?;
        let login = pairing::login(request.into_inner()).map_err(Status::invalid_argument)?;
        let door = self.door.clone();
        blocking(move || {
            let replaced = door.replace_login(&caller.peer, caller.site, &login);
            Ok(Response::new(match replaced.map_err(|refused| credentials_refused(&refused))? {
                Replaced::Yes(writes) => proto::CredentialsReply {
                    replaced: true,
                    writes: writes_to_proto(writes).into(),
                    ..proto::CredentialsReply::default()
                },
                Replaced::No => proto::CredentialsReply {
                    message: "The practice's database refused the login, or could not be reached: the old one stays.".to_owned(),
                    ..proto::CredentialsReply::default()
                },
                Replaced::Later(after) => proto::CredentialsReply {
                    message: "Too many logins were tried, or one is being tried right now: this one is not tried yet, and the old one stays.".to_owned(),
                    retry_after_ms: u64::try_from(after.as_millis()).unwrap_or(u64::MAX).max(1),
                    ..proto::CredentialsReply::default()
                },
            }))
        })
        .await
    }

    type PagesStream = Answers<proto::PagesPiece>;
    type EventsStream = Answers<proto::EventsReply>;

    async fn submit(
        &self,
        request: Request<proto::SubmitRequest>,
    ) -> Result<Response<proto::JobState>, Status> {
        let caller = caller(&request)?;
        let wanted = jobs::Wanted::read(request.into_inner()).map_err(Status::invalid_argument)?;
        let jobs = self.jobs.clone();
        blocking(move || Ok(Response::new(jobs.submit(&caller, wanted).map_err(disk)?))).await
    }

    async fn jobs(&self, request: Request<proto::JobsRequest>) -> Result<Response<proto::JobsReply>, Status> {
        let caller = caller(&request)?;
        let ask = jobs::StateAsk::read(&caller, request.into_inner()).map_err(Status::invalid_argument)?;
        let (door, jobs) = (self.door.clone(), self.jobs.clone());
        blocking(move || {
            let whole = standing(&door, &caller)?;
            let mut jobs = jobs.states(&ask).map_err(disk)?;
            if !whole {
                jobs.iter_mut().for_each(strip);
            }
            Ok(Response::new(proto::JobsReply { jobs }))
        })
        .await
    }

    async fn pages(
        &self,
        request: Request<Streaming<proto::PagesAsk>>,
    ) -> Result<Response<Self::PagesStream>, Status> {
        let caller = caller(&request)?;
        let mut said = request.into_inner();
        let first =
            said.message().await?.ok_or_else(|| Status::invalid_argument("no pages were asked for"))?;
        let ask = jobs::PagesAsk {
            query: convert::query_id(&first.query_id).map_err(invalid)?,
            form: row_form(first.form())?,
            first: first.first,
            count: first.count,
            have_hash: first.have_hash,
        };
        let clock = self.door.clock().clone();
        let (acknowledge, read) = watch::channel(Some((0, clock.monotonic())));
        let (pieces, receiver) = mpsc::channel(4);
        tokio::spawn(async move {
            tokio::select! {
                () = acknowledged(said, &acknowledge, &*clock) => {}
                () = acknowledge.closed() => {}
            }
        });
        tokio::spawn(self.jobs.clone().send_pages(caller, ask, read, pieces));
        Ok(Response::new(answers(receiver)))
    }

    async fn events(
        &self,
        request: Request<proto::EventsRequest>,
    ) -> Result<Response<Self::EventsStream>, Status> {
        let caller = caller(&request)?;
        let request = request.into_inner();
        let (once, site, integrator) = (request.once, caller.site, IntegratorId(caller.peer.id));
        let ask = jobs::EventsAsk {
            site,
            integrator,
            journal: request.journal,
            after: request.after,
            chain: request.chain,
        };
        let (replies, receiver) = mpsc::channel(1);
        let feed = Feed { door: self.door.clone(), jobs: self.jobs.clone(), caller, ask, once, replies };
        tokio::spawn(feed.run());
        Ok(Response::new(answers(receiver)))
    }

    async fn probe(
        &self,
        request: Request<proto::ProbeRequest>,
    ) -> Result<Response<proto::ProbeReply>, Status> {
        let caller = caller(&request)?;
        self.door.paired(&caller.peer, caller.site).map_err(|refused| refused_status(&refused))?;
        let now = self.door.clock().monotonic();
        let site = self.door.site(caller.site);
        let database = match site.map(|site| site.reach(now)) {
            Some(Reach::Answered(_)) => proto::DatabaseState::DatabaseAnswered,
            Some(Reach::Away) => proto::DatabaseState::DatabaseAway,
            Some(Reach::Untried) | None => proto::DatabaseState::Unspecified,
        };
        if site.is_some_and(|site| site.wants_look(now)) {
            // Its answer is told to the next question: this one waits for nothing.
            let (door, site) = (self.door.clone(), caller.site);
            tokio::task::spawn_blocking(move || door.look(site));
        }
        let lanes = self.jobs.health().lanes(Some(caller.site)).into_iter().map(lane_state).collect();
        Ok(Response::new(proto::ProbeReply { lanes, database: database.into() }))
    }
}

/// As the contract has it.
fn lane_state(lane: LaneHealth) -> proto::LaneState {
    let kind = match lane.lane {
        Lane::Immediate => proto::LaneKind::LaneImmediate,
        Lane::Bulk => proto::LaneKind::LaneBulk,
        Lane::Planner => proto::LaneKind::LanePlanner,
        Lane::Journal => proto::LaneKind::LaneJournal,
    };
    let ago = |ago: Duration| u64::try_from(ago.as_millis()).unwrap_or(u64::MAX);
    proto::LaneState { lane: kind.into(), answers: lane.answers, answered_ago_ms: lane.ago.map(ago) }
}

/// Events on their way to one gateway.
struct Feed {
    door: Arc<Door>,
    jobs: Arc<Jobs>,
    caller: Caller,
    ask: jobs::EventsAsk,
    once: bool,
    replies: mpsc::Sender<Result<proto::EventsReply, Status>>,
}

impl Feed {
    async fn run(mut self) {
        let (replies, door, caller) = (self.replies.clone(), self.door.clone(), self.caller.clone());
        tokio::select! {
            () = self.feed() => {}
            () = replies.closed() => {}
            refused = door.until_unpaired(&caller.peer, caller.site) => {
                let _ = replies.send(Err(refused_status(&refused))).await;
            }
        }
    }

    async fn feed(&mut self) {
        // From before the first look, so that nothing is missed between two.
        let mut news = self.jobs.listen(self.ask.site, self.ask.integrator);
        let mut first = true;
        loop {
            let (door, jobs) = (self.door.clone(), self.jobs.clone());
            let (ask, peer, site) = (self.ask.clone(), self.caller.peer.clone(), self.caller.site);
            let looked = blocking(move || {
                door.paired(&peer, site).map_err(|refused| refused_status(&refused))?;
                jobs.events(&ask).map_err(disk)
            });
            let page = match looked.await {
                Ok(page) => page,
                Err(status) => return drop(self.replies.send(Err(status)).await),
            };
            let over = page.reply.other_journal || (self.once && !page.more);
            if first || !page.reply.events.is_empty() || over {
                self.ask.after = page.after;
                self.ask.journal.clone_from(&page.reply.journal);
                self.ask.chain = page.reply.events.last().map_or(Vec::new(), |event| event.chain.clone());
                if self.replies.send(Ok(page.reply)).await.is_err() || over {
                    return;
                }
            }
            first = false;
            if !page.more {
                news.wait().await;
            }
        }
    }
}

/// Passes on what a reader of pages acknowledges.
async fn acknowledged(
    mut said: Streaming<proto::PagesAsk>,
    acknowledge: &watch::Sender<Read>,
    clock: &dyn Clock,
) {
    while let Ok(Some(ask)) = said.message().await {
        acknowledge.send_if_modified(|read| {
            let more = read.is_some_and(|(read, _)| ask.read > read);
            if more {
                *read = Some((ask.read, clock.monotonic()));
            }
            more
        });
    }
    // It says nothing any more: whoever only reads gets it slowly.
    acknowledge.send_replace(None);
}

fn answers<T: Send + 'static>(receiver: mpsc::Receiver<Result<T, Status>>) -> Answers<T> {
    Box::pin(futures::stream::unfold(receiver, async |mut receiver| {
        receiver.recv().await.map(|reply| (reply, receiver))
    }))
}

/// Whether a caller gets all of what it asks for, or (not let in now) what has no practice data in it.
fn standing(door: &Door, caller: &Caller) -> Result<bool, Status> {
    door.paired(&caller.peer, caller.site).map_err(|refused| refused_status(&refused))?;
    Ok(door.check(&caller.peer, caller.site).is_ok())
}

/// What is no decision of the practice's passes.
fn credentials_refused(refused: &Refused) -> Status {
    match refused.refusal {
        proto::Refusal::Busy => Status::unavailable(refused.message.as_str()),
        _ => refused_status(refused),
    }
}

fn refused_status(refused: &Refused) -> Status {
    link_api::refusal::status(refused.refusal, refused.message.as_str())
}

fn disk(error: StoreError) -> Status {
    tracing::error!(%error, "the store can't be read or written");
    Status::unavailable("the site can't read or write its disk")
}

/// Drives one pairing to its end, within its time.
async fn converse(exchange: Exchange, mut said: Streaming<PairRequest>, replies: mpsc::Sender<PairReply>) {
    let abandoned = Abandon(exchange.abandoned());
    let talk = async {
        let mut exchange = exchange;
        loop {
            // A stream that ends or breaks is a caller that left: what was counted stays counted.
            let Ok(Some(request)) = said.message().await else { return };
            let stepping = tokio::task::spawn_blocking(move || {
                let answer = exchange.step(request);
                (exchange, answer)
            });
            let Ok((back, answer)) = stepping.await else { return };
            exchange = back;
            let over = matches!(&answer, Err(_) | Ok(link_api::proto::pair_reply::Step::Done(_)));
            let reply = match answer {
                Ok(step) => PairReply { step: Some(step) },
                Err(refused) => refused.into(),
            };
            if replies.send(reply).await.is_err() || over {
                return;
            }
        }
    };
    tokio::select! {
        ended = timeout(pairing::WITHIN, talk) => {
            if ended.is_err() {
                let _ = replies.try_send(pairing::too_late().into());
            }
        }
        () = replies.closed() => {}
    }
    drop(abandoned);
}

struct Abandon(Arc<AtomicBool>);

impl Drop for Abandon {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// What a Run sends: the last message ends the stream at once.
#[derive(Debug)]
pub struct Events {
    first: Option<RunEvent>,
    rest: Option<mpsc::Receiver<RunEvent>>,
}

impl Stream for Events {
    type Item = Result<RunEvent, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let event = match self.first.take() {
            Some(event) => Some(event),
            None => match &mut self.rest {
                Some(rest) => std::task::ready!(rest.poll_recv(cx)),
                None => None,
            },
        };
        if event.as_ref().is_none_or(|event| event.ended.is_some()) {
            self.rest = None;
        }
        Poll::Ready(event.map(Ok))
    }
}

fn caller<T>(request: &Request<T>) -> Result<Caller, Status> {
    // Put there by the one who accepted the session; without it there is nobody to answer.
    request.extensions().get::<Caller>().cloned().ok_or_else(|| Status::unauthenticated("no session"))
}

fn read(request: RunRequest) -> Result<(DoorRequest, Order), Status> {
    let form = row_form(request.form())?;
    if request.run_ms == 0 {
        return Err(Status::invalid_argument("run_ms is 0"));
    }
    let order = Order {
        queue_ms: request.queue_ms,
        run_ms: request.run_ms,
        form,
        sets: if request.all_sets { Sets::All } else { Sets::One },
        max_row_bytes: request.max_row_bytes,
    };
    let query = convert::query_id(&request.query_id).map_err(invalid)?;
    let command = request.command.ok_or_else(|| Status::invalid_argument("no command"))?;
    let command = Arc::new(convert::command_from_proto(command).map_err(invalid)?);
    let device = convert::device(request.device.as_deref()).map_err(invalid)?;
    Ok((DoorRequest { query, command, read_only: request.read_only, device }, order))
}

fn row_form(form: WireForm) -> Result<RowForm, Status> {
    match form {
        WireForm::Array => Ok(RowForm::Array),
        WireForm::Lines => Ok(RowForm::Lines),
        WireForm::Unspecified => Err(Status::invalid_argument("form is not one that this Link knows")),
    }
}

fn invalid(error: convert::Invalid) -> Status {
    Status::invalid_argument(error.to_string())
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Status> + Send + 'static,
) -> Result<T, Status> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|_| Err(Status::new(Code::Internal, "the site failed")))
}
