//! A site whose Link does what the command's text tells it to.

use super::{FakeAudit, FakeJobs};
use futures::{Stream, StreamExt, stream};
use link_api::{Link, Request, Response, Status, Streaming, Tuning, convert, pack::Packer, proto};
use model::{Availability, Catalogue, Clock, IntegratorId, Pms, SiteFacts, SiteId, SiteStatus, SystemClock};
use std::{
    collections::HashMap,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicI32, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{io::DuplexStream, sync::Notify};
use tonic::async_trait;
use trust::{
    Kind, Operational, Peer, Root,
    pairing::{self, Code, Role, Transcript},
};
use tunnel::head::SiteRecord;

/// How the site behaves when asked to pair.
#[derive(Clone)]
pub(crate) enum Pairing {
    /// Knows the code.
    Honest {
        code: String,
        read_only: bool,
        login_works: bool,
    },
    /// Claims to know it.
    Liar,
    /// Sends back what it gets.
    Echo,
    Refuses(proto::PairRefusal),
    /// Knows the code, and refuses once it is proved.
    RefusesProven {
        code: String,
        reason: proto::PairRefusal,
    },
    /// The practice has approved the integrator: no code is needed.
    Approved,
}

/// What the site says when it is asked whether it can work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Probing {
    Well,
    /// Its Link is from before there was such a question.
    Old,
    /// Nothing at all.
    Silent,
    /// One of its lanes does not answer.
    Stuck(proto::LaneKind),
    DatabaseAway,
}

pub(crate) struct FakeSite {
    own: Mutex<Operational>,
    root: Root,
    record: Mutex<SiteRecord>,
    pub(crate) paired: AtomicBool,
    pub(crate) unpaired: AtomicBool,
    /// Why not, when it is not.
    pub(crate) refusal: AtomicI32,
    /// Of its server; 0: one that does not say it.
    pub(crate) epoch: AtomicU64,
    pub(crate) pairing: Mutex<Pairing>,
    /// What arrived.
    pub(crate) runs: Mutex<Vec<proto::RunRequest>>,
    pub(crate) hellos: Mutex<Vec<proto::HelloRequest>>,
    /// The answer to the next one waits for `release`.
    pub(crate) hello_waits: AtomicBool,
    pub(crate) begins: Mutex<Vec<proto::PairBegin>>,
    pub(crate) proofs: AtomicUsize,
    pub(crate) logins: Mutex<Vec<proto::DatabaseLogin>>,
    pub(crate) outcomes: Mutex<HashMap<Vec<u8>, proto::OutcomeReply>>,
    /// Answers whose stream was dropped before its end.
    pub(crate) cancelled: AtomicUsize,
    /// Lets a command `wait` go on.
    pub(crate) release: Notify,
    pub(crate) arrived: Notify,
    pub(crate) probing: Mutex<Probing>,
    pub(crate) probes: AtomicUsize,
    /// Of each session that was opened: whether there is nobody left at this end of it.
    deaf: Mutex<Vec<Arc<AtomicBool>>>,
    pub(crate) jobs: Arc<FakeJobs>,
    pub(crate) audit: FakeAudit,
    /// Breaks all connections.
    cut: Notify,
    die_once: AtomicBool,
}

impl FakeSite {
    pub(crate) fn new(pms_id: &str, practice: &str) -> Arc<FakeSite> {
        let root = Root::generate(Kind::Site).unwrap();
        let site = SiteId(root.id());
        let time = "2026-02-03T04:05:06.007Z".to_owned();
        let record = SiteRecord {
            site,
            link: None,
            facts: SiteFacts {
                enriched_at: None,
                pms: Pms::BestPractice,
                pms_id: pms_id.into(),
                practice_name: practice.into(),
                pms_version: "1.14.0.1000".into(),
                link_version: "26.1123.1".into(),
                catalogues: vec![
                    Catalogue { name: "Patients".into(), is_default: true },
                    Catalogue { name: "Drugs".into(), is_default: false },
                ],
            },
            availability: Availability::Online,
            status: SiteStatus::Active,
            authoritative: true,
            created_at: time.clone(),
            enriched_at: time.clone(),
            last_seen_at: time,
            authority_change: None,
        };
        let own = root.issue(practice, 10, SystemClock.now(), Duration::from_secs(3600)).unwrap();
        Arc::new(FakeSite {
            own: Mutex::new(own),
            root,
            record: Mutex::new(record),
            paired: AtomicBool::new(true),
            unpaired: AtomicBool::new(false),
            refusal: AtomicI32::new(0),
            epoch: AtomicU64::new(0),
            pairing: Mutex::new(Pairing::Refuses(proto::PairRefusal::UnknownCode)),
            runs: Mutex::default(),
            hellos: Mutex::default(),
            hello_waits: AtomicBool::new(false),
            begins: Mutex::default(),
            proofs: AtomicUsize::new(0),
            logins: Mutex::default(),
            outcomes: Mutex::default(),
            cancelled: AtomicUsize::new(0),
            release: Notify::new(),
            arrived: Notify::new(),
            probing: Mutex::new(Probing::Well),
            probes: AtomicUsize::new(0),
            deaf: Mutex::default(),
            jobs: Arc::default(),
            audit: FakeAudit::default(),
            cut: Notify::new(),
            die_once: AtomicBool::new(true),
        })
    }

    pub(crate) fn id(&self) -> SiteId {
        self.record().site
    }

    pub(crate) fn record(&self) -> SiteRecord {
        self.record.lock().unwrap().clone()
    }

    pub(crate) fn change(&self, change: impl FnOnce(&mut SiteRecord)) {
        change(&mut self.record.lock().unwrap());
    }

    /// Comes with another certificate from now on.
    pub(crate) fn reissue(&self, serial: u64) {
        *self.own.lock().unwrap() =
            self.root.issue("again", serial, SystemClock.now(), Duration::from_secs(3600)).unwrap();
    }

    /// Answers under another site's key from now on.
    pub(crate) fn impersonate(&self) {
        let other = Root::generate(Kind::Site).unwrap();
        *self.own.lock().unwrap() =
            other.issue("other", 10, SystemClock.now(), Duration::from_secs(3600)).unwrap();
    }

    pub(super) fn own(&self) -> Operational {
        self.own.lock().unwrap().clone()
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.own.lock().unwrap().sign(message).unwrap()
    }

    /// The sessions that are open stay so, and nobody answers in them any more.
    pub(crate) fn lose_sessions(&self) {
        self.deaf.lock().unwrap().iter().for_each(|deaf| deaf.store(true, Ordering::SeqCst));
    }

    pub(crate) fn break_connections(&self) {
        self.cut.notify_waiters();
    }

    pub(crate) async fn serve(self: Arc<Self>, io: DuplexStream) {
        let config = trust::inner::server(&self.own.lock().unwrap(), Arc::new(SystemClock)).unwrap();
        let Ok(tls) = tokio_rustls::TlsAcceptor::from(config).accept(io).await else { return };
        let peer = trust::inner::peer_of_server(tls.get_ref().1).unwrap();
        let exporter = trust::inner::exporter(tls.get_ref().1).unwrap().reveal().clone();
        let deaf = Arc::new(AtomicBool::new(false));
        self.deaf.lock().unwrap().push(Arc::clone(&deaf));
        let service = Arc::new(FakeLink { site: Arc::clone(&self), exporter, deaf });
        let serving = link_api::server::serve(tls, service, peer, Tuning::default(), std::future::pending());
        tokio::select! {
            _ = serving => {}
            () = self.cut.notified() => {}
        }
    }
}

struct FakeLink {
    site: Arc<FakeSite>,
    exporter: Vec<u8>,
    deaf: Arc<AtomicBool>,
}

type Events = Pin<Box<dyn Stream<Item = Result<proto::RunEvent, Status>> + Send>>;

/// Counts answers that were dropped before they ended.
struct Watch(Arc<FakeSite>, bool);

impl Drop for Watch {
    fn drop(&mut self) {
        if !self.1 {
            self.0.cancelled.fetch_add(1, Ordering::SeqCst);
        }
    }
}

fn ended(status: proto::Status) -> proto::Ended {
    proto::Ended {
        status: status.into(),
        effect: proto::Effect::Executed.into(),
        sql_ms: 3,
        run_ms: 5,
        ..proto::Ended::default()
    }
}

fn failed(kind: proto::ErrorKind, code: i32, message: &str) -> proto::Ended {
    let state = (kind == proto::ErrorKind::Mssql).then_some(1);
    let error = proto::Error { kind: kind.into(), code, message: message.into(), state, line: state };
    proto::Ended { error: Some(error), ..ended(proto::Status::Failed) }
}

fn refused(refusal: proto::Refusal) -> proto::Ended {
    proto::Ended {
        refusal: refusal.into(),
        effect: proto::Effect::NotExecuted.into(),
        ..ended(proto::Status::Refused)
    }
}

fn event(lines: bool, rows: &[&str], packer: &mut Packer, last: bool) -> proto::RunEvent {
    let text = match lines {
        true => rows.iter().map(|row| format!("{{\"row\":{row}}}\n")).collect::<String>(),
        false => rows.join(","),
    };
    proto::RunEvent {
        rows: Some(packer.pack(text.into_bytes(), last).unwrap()),
        ..proto::RunEvent::default()
    }
}

fn columns() -> proto::Columns {
    let column = |name: &str, kind: &str| proto::Column { name: name.into(), r#type: kind.into() };
    proto::Columns { columns: vec![column("id", "int"), column("name", "varchar")] }
}

const ROWS: [&str; 2] = [r#"{"id":1,"name":"Ann"}"#, r#"{"id":2,"name":"Bo"}"#];

#[async_trait]
impl Link for FakeLink {
    type RunStream = Events;
    type PairStream = Pin<Box<dyn Stream<Item = Result<proto::PairReply, Status>> + Send>>;

    async fn hello(
        &self,
        request: Request<proto::HelloRequest>,
    ) -> Result<Response<proto::HelloReply>, Status> {
        self.site.hellos.lock().unwrap().push(request.into_inner());
        if self.site.hello_waits.swap(false, Ordering::SeqCst) {
            self.site.release.notified().await;
        }
        let paired = self.site.paired.load(Ordering::SeqCst);
        let facts = paired.then(|| convert::facts_to_proto(&self.site.record().facts));
        let refusal = if paired { 0 } else { self.site.refusal.load(Ordering::SeqCst) };
        let audit = if paired { self.site.audit_head() } else { Vec::new() };
        let epoch = self.site.epoch.load(Ordering::SeqCst);
        let ended = proto::HelloReply {
            version: 1,
            paired,
            facts,
            refusal,
            audit,
            epoch,
            ..proto::HelloReply::default()
        };
        Ok(Response::new(ended))
    }

    async fn unpair(&self, _: Request<proto::UnpairRequest>) -> Result<Response<proto::UnpairReply>, Status> {
        let site = &self.site;
        if site.unpaired.swap(true, Ordering::SeqCst) {
            return Err(link_api::refusal::status(proto::Refusal::Unpaired, "the pairing was ended"));
        }
        site.refusal.store(proto::Refusal::Unpaired.into(), Ordering::SeqCst);
        site.paired.store(false, Ordering::SeqCst);
        Ok(Response::new(proto::UnpairReply {}))
    }

    async fn credentials(
        &self,
        request: Request<proto::DatabaseLogin>,
    ) -> Result<Response<proto::CredentialsReply>, Status> {
        let login = request.into_inner();
        let reply = match login.password.as_str() {
            "suspended" => return Err(link_api::refusal::status(proto::Refusal::SwitchedOff, "no")),
            "wrong" => proto::CredentialsReply { message: "no".into(), ..proto::CredentialsReply::default() },
            "too often" => {
                proto::CredentialsReply { retry_after_ms: 90_500, ..proto::CredentialsReply::default() }
            }
            _ => proto::CredentialsReply {
                replaced: true,
                writes: proto::LoginWrites::No.into(),
                ..proto::CredentialsReply::default()
            },
        };
        self.site.logins.lock().unwrap().push(login);
        Ok(Response::new(reply))
    }

    async fn run(&self, request: Request<proto::RunRequest>) -> Result<Response<Events>, Status> {
        self.hears().await;
        let integrator = IntegratorId(request.extensions().get::<Peer>().unwrap().id);
        let request = request.into_inner();
        let command = request.command.clone().unwrap();
        self.site.runs.lock().unwrap().push(request.clone());
        self.site.arrived.notify_waiters();
        let lines = request.form == i32::from(proto::RowForm::Lines);
        let started = Some(proto::Started { queued_ms: 2 });
        let mut packer = Packer::default();
        // A small answer is a single message, as Link makes it.
        let whole = |mut event: proto::RunEvent, ended: proto::Ended| {
            event.started = started;
            event.ended = Some(ended);
            vec![Ok(event)]
        };
        let with_rows = |packer: &mut Packer, last| {
            let event = event(lines, &ROWS, packer, last);
            let bytes = event.rows.as_ref().unwrap().unpacked;
            (proto::RunEvent { columns: Some(columns()), started, ..event }, u64::from(bytes))
        };
        let end = |ended| proto::RunEvent { ended: Some(ended), ..proto::RunEvent::default() };
        let only = |ended| whole(proto::RunEvent::default(), ended);
        use proto::{ErrorKind as K, Refusal as R, Status as S};
        let mut events = match command.text.as_str() {
            "rows" | "readOnly rows" => {
                let (event, bytes) = with_rows(&mut packer, true);
                whole(event, proto::Ended { rows: 2, row_bytes: bytes, ..ended(S::Successful) })
            }
            "count" => only(proto::Ended { rows_affected: Some(3), ..ended(S::Successful) }),
            "no count" => only(ended(S::Successful)),
            "outputs" => {
                let (event, bytes) = with_rows(&mut packer, true);
                let output =
                    |name: &str, direction: proto::Direction, value: Option<&str>| proto::Parameter {
                        name: name.into(),
                        direction: direction.into(),
                        r#type: "Int".into(),
                        value: value.map(str::to_owned),
                        size: None,
                        type_name: None,
                    };
                let outputs = vec![
                    output("@out", proto::Direction::Output, Some("42")),
                    output("@both", proto::Direction::InputOutput, None),
                    output("@RETURN_VALUE", proto::Direction::ReturnValue, Some("-1")),
                ];
                whole(event, proto::Ended { rows: 2, row_bytes: bytes, outputs, ..ended(S::Successful) })
            }
            "unknown table" => only(failed(K::Mssql, 208, "Invalid object name 'canary'.")),
            "login failed" => only(failed(K::Mssql, 18456, "Login failed for user 'acme'.")),
            "bad parameter" => only(proto::Ended {
                effect: proto::Effect::NotExecuted.into(),
                ..failed(K::HaloLink, 400, "Parameter @a is not an Int.")
            }),
            "deadlock after rows" => {
                let (event, bytes) = with_rows(&mut packer, false);
                let ended =
                    proto::Ended { rows: 2, row_bytes: bytes, ..failed(K::Mssql, 1205, "Deadlock victim.") };
                vec![Ok(event), Ok(end(ended))]
            }
            "expires" => {
                only(proto::Ended { effect: proto::Effect::NotExecuted.into(), ..ended(S::ExpiredInQueue) })
            }
            "times out" => only(proto::Ended { effect: proto::Effect::Unknown.into(), ..ended(S::TimedOut) }),
            "interrupted" => {
                only(proto::Ended { effect: proto::Effect::Unknown.into(), ..ended(S::Interrupted) })
            }
            "database lost" => only(proto::Ended {
                effect: proto::Effect::Unknown.into(),
                read_only: request.read_only,
                ..ended(S::Interrupted)
            }),
            "database lost once" if self.site.runs.lock().unwrap().len() > 1 => only(ended(S::Successful)),
            "database lost once" => only(proto::Ended {
                effect: proto::Effect::Unknown.into(),
                read_only: request.read_only,
                ..ended(S::Interrupted)
            }),
            "database away" => {
                only(proto::Ended { effect: proto::Effect::NotExecuted.into(), ..ended(S::Interrupted) })
            }
            "sets" => {
                let first = with_rows(&mut packer, false).0;
                let second = proto::RunEvent { columns: Some(columns()), ..proto::RunEvent::default() };
                let third = event(lines, &[r#"{"id":3,"name":"Cy"}"#], &mut packer, true);
                let third = proto::RunEvent { columns: Some(columns()), ..third };
                let bytes = [&first, &third]
                    .map(|event| u64::from(event.rows.as_ref().unwrap().unpacked))
                    .iter()
                    .sum();
                let end = end(proto::Ended { rows: 3, row_bytes: bytes, ..ended(S::Successful) });
                vec![Ok(first), Ok(second), Ok(third), Ok(end)]
            }
            "half a row" => {
                let rows = packer.pack(b"{\"row\":{\"id\":1,\"name\":\"ha".to_vec(), true).unwrap();
                let bytes = u64::from(rows.unpacked);
                let half = proto::RunEvent {
                    columns: Some(columns()),
                    rows: Some(rows),
                    ..proto::RunEvent::default()
                };
                vec![Ok(half), Ok(end(proto::Ended { row_bytes: bytes, ..ended(S::TimedOut) }))]
            }
            text if text.starts_with("refusal ") => {
                let refusal = R::from_str_name(&text["refusal ".len()..]).unwrap();
                only(proto::Ended { retry_after_ms: 1_500, ..refused(refusal) })
            }
            "stopped" => only(proto::Ended {
                refusal: R::SwitchedOff.into(),
                effect: proto::Effect::Executed.into(),
                ..ended(S::Cancelled)
            }),
            "refused by a later version" => only(proto::Ended { refusal: 9_999, ..refused(R::Unspecified) }),
            "not paired" => only(refused(R::NotPaired)),
            "switched off" => only(refused(R::SwitchedOff)),
            "unknown catalogue" => only(refused(R::UnknownCatalogue)),
            "busy" => only(refused(R::Busy)),
            "repeated" => only(refused(R::Repeated)),
            "too large" => {
                let (event, bytes) = with_rows(&mut packer, false);
                vec![Ok(event), Ok(end(proto::Ended { rows: 2, row_bytes: bytes, ..ended(S::TooLarge) }))]
            }
            "more than asked for" => {
                let (event, _) = with_rows(&mut packer, false);
                let row = format!("{{\"a\":\"{}\"}}", "x".repeat(3_000_000));
                let mut events = vec![Ok(event)];
                events.extend((0..4).map(|_| Ok(self::event(lines, &[&row], &mut packer, false))));
                events
            }
            "a piece less" => {
                let (event, bytes) = with_rows(&mut packer, true);
                whole(event, proto::Ended { rows: 3, row_bytes: bytes + 1, ..ended(S::Successful) })
            }
            "wide" => {
                let column = proto::Column { name: "x".repeat(1000), r#type: "int".into() };
                let columns = proto::Columns { columns: vec![column; 2000] };
                whole(
                    proto::RunEvent { columns: Some(columns), ..proto::RunEvent::default() },
                    ended(S::Successful),
                )
            }
            "large outputs" => {
                let output = proto::Parameter {
                    name: "@out".into(),
                    direction: proto::Direction::Output.into(),
                    r#type: "NVarChar".into(),
                    value: Some("x".repeat(1_000_000)),
                    size: None,
                    type_name: None,
                };
                only(proto::Ended { outputs: vec![output], ..ended(S::Successful) })
            }
            "long message" => only(failed(K::Mssql, 50000, &"ä".repeat(100_000))),
            "denied" => return Err(Status::permission_denied("no")),
            "denied after rows" => {
                vec![Ok(with_rows(&mut packer, false).0), Err(Status::permission_denied("no"))]
            }
            "unread after rows" => {
                vec![Ok(with_rows(&mut packer, false).0), Err(Status::invalid_argument("no"))]
            }
            "cut" => vec![Ok(with_rows(&mut packer, false).0)],
            "garbage" => {
                let rows = proto::Rows { data: b"no zstd".to_vec().into(), unpacked: 100, zstd: true };
                vec![Ok(proto::RunEvent { rows: Some(rows), ..with_rows(&mut packer, true).0 })]
            }
            "connection dies" => {
                self.site.break_connections();
                return Ok(Response::new(stream::pending().boxed()));
            }
            "connection dies once" => {
                if self.site.die_once.swap(false, Ordering::SeqCst) {
                    self.site.break_connections();
                    return Ok(Response::new(stream::pending().boxed()));
                }
                let (event, bytes) = with_rows(&mut packer, true);
                whole(event, proto::Ended { rows: 2, row_bytes: bytes, ..ended(S::Successful) })
            }
            "wait" => return Ok(Response::new(self.waiting(with_rows(&mut packer, false)))),
            "endless" => {
                return Ok(Response::new(self.endless(lines, with_rows(&mut packer, false).0, packer)));
            }
            other => return Err(Status::invalid_argument(format!("the kit does not know {other}"))),
        };
        let ends = events.iter_mut().filter_map(|event| event.as_mut().ok()?.ended.as_mut());
        for ended in ends {
            let (query, device) = (&request.query_id, request.device.as_deref());
            self.site.write_down(query, integrator, device, ended, request.receipt);
        }
        Ok(Response::new(stream::iter(events).boxed()))
    }

    async fn receipt(
        &self,
        request: Request<proto::ReceiptRequest>,
    ) -> Result<Response<proto::ReceiptReply>, Status> {
        let integrator = IntegratorId(request.extensions().get::<Peer>().unwrap().id);
        let query = request.into_inner().query_id;
        // A job's end is written down when it is asked for first.
        let job = self.site.jobs.all.lock().unwrap().get(&query).cloned();
        if let Some(mut ended) =
            job.and_then(|job| job.state.ended).filter(|_| !self.site.has_receipt(&query))
        {
            self.site.write_down(&query, integrator, None, &mut ended, false);
        }
        Ok(Response::new(self.site.receipt(&query)?))
    }

    async fn probe(&self, _: Request<proto::ProbeRequest>) -> Result<Response<proto::ProbeReply>, Status> {
        self.hears().await;
        self.site.probes.fetch_add(1, Ordering::SeqCst);
        let probing = *self.site.probing.lock().unwrap();
        use proto::LaneKind::{LaneBulk, LaneImmediate, LaneJournal, LanePlanner};
        let stuck = match probing {
            Probing::Silent => std::future::pending().await,
            Probing::Old => return Err(Status::unimplemented("not known")),
            Probing::Stuck(lane) => Some(lane),
            Probing::Well | Probing::DatabaseAway => None,
        };
        let lanes = [LaneImmediate, LaneBulk, LanePlanner, LaneJournal];
        let state = |lane: proto::LaneKind| proto::LaneState {
            lane: lane.into(),
            answers: Some(lane) != stuck,
            answered_ago_ms: Some(5),
        };
        let database = match probing {
            Probing::DatabaseAway => proto::DatabaseState::DatabaseAway,
            _ => proto::DatabaseState::DatabaseAnswered,
        };
        let lanes = lanes.into_iter().map(state).collect();
        Ok(Response::new(proto::ProbeReply { lanes, database: database.into() }))
    }

    async fn outcome(
        &self,
        request: Request<proto::OutcomeRequest>,
    ) -> Result<Response<proto::OutcomeReply>, Status> {
        let outcomes = self.site.outcomes.lock().unwrap();
        Ok(Response::new(outcomes.get(&request.into_inner().query_id).cloned().unwrap_or_default()))
    }

    async fn pair(
        &self,
        request: Request<Streaming<proto::PairRequest>>,
    ) -> Result<Response<Self::PairStream>, Status> {
        let peer = request.extensions().get::<Peer>().unwrap().clone();
        let mut hear = request.into_inner();
        let (say, said) = tokio::sync::mpsc::channel(4);
        let (site, exporter) = (Arc::clone(&self.site), self.exporter.clone());
        tokio::spawn(async move { site.pair(&peer, &exporter, &mut hear, &say).await });
        let replies = stream::unfold(said, |mut said| async move { Some((Ok(said.recv().await?), said)) });
        Ok(Response::new(replies.boxed()))
    }

    type PagesStream = super::jobs::Pages;
    type EventsStream = super::jobs::Events;

    async fn submit(
        &self,
        request: Request<proto::SubmitRequest>,
    ) -> Result<Response<proto::JobState>, Status> {
        match self.site.jobs.submit(&self.site, request.into_inner())? {
            Some(state) => Ok(Response::new(state)),
            None => std::future::pending().await,
        }
    }

    async fn jobs(&self, request: Request<proto::JobsRequest>) -> Result<Response<proto::JobsReply>, Status> {
        if self.site.jobs.dumb.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        match self.site.jobs.jobs(request.into_inner()) {
            Some(reply) => Ok(Response::new(reply)),
            None => std::future::pending().await,
        }
    }

    async fn pages(
        &self,
        request: Request<Streaming<proto::PagesAsk>>,
    ) -> Result<Response<Self::PagesStream>, Status> {
        let pages = self.site.jobs.pages(Arc::clone(&self.site), request.into_inner()).await;
        Ok(Response::new(pages))
    }

    async fn events(
        &self,
        request: Request<proto::EventsRequest>,
    ) -> Result<Response<Self::EventsStream>, Status> {
        Ok(Response::new(self.site.jobs.follow(Arc::clone(&self.site), request.into_inner())))
    }
}

impl FakeLink {
    async fn hears(&self) {
        if self.deaf.load(Ordering::SeqCst) {
            std::future::pending().await
        }
    }

    /// Rows at once, the end when released.
    fn waiting(&self, (first, bytes): (proto::RunEvent, u64)) -> Events {
        let site = Arc::clone(&self.site);
        let watch = Watch(Arc::clone(&site), false);
        let last = async move {
            let mut watch = watch;
            site.release.notified().await;
            watch.1 = true;
            let ended = proto::Ended { rows: 2, row_bytes: bytes, ..ended(proto::Status::Successful) };
            Ok(proto::RunEvent { ended: Some(ended), ..proto::RunEvent::default() })
        };
        stream::iter([Ok(first)]).chain(stream::once(last)).boxed()
    }

    fn endless(&self, lines: bool, first: proto::RunEvent, packer: Packer) -> Events {
        let watch = Watch(Arc::clone(&self.site), false);
        let rows = stream::unfold((packer, watch), move |(mut packer, watch)| async move {
            let row = format!("{{\"a\":\"{}\"}}", "x".repeat(60_000));
            Some((Ok(event(lines, &[&row], &mut packer, false)), (packer, watch)))
        });
        stream::iter([Ok(first)]).chain(rows).boxed()
    }
}

impl FakeSite {
    async fn pair(
        &self,
        peer: &Peer,
        exporter: &[u8],
        hear: &mut Streaming<proto::PairRequest>,
        say: &tokio::sync::mpsc::Sender<proto::PairReply>,
    ) -> Option<()> {
        use proto::{pair_reply::Step as Out, pair_request::Step as In};
        let out = |step| proto::PairReply { step: Some(step) };
        let refuse = |reason: proto::PairRefusal| {
            out(Out::Refused(proto::PairRefused { reason: reason.into(), message: "as told".into() }))
        };
        let In::Begin(begin) = hear.message().await.ok()??.step? else { return None };
        self.begins.lock().unwrap().push(begin.clone());
        let behaviour = self.pairing.lock().unwrap().clone();
        let mut then = None;
        let (code, read_only, login_works) = match behaviour {
            Pairing::Approved => {
                say.send(out(Out::LoginWanted(proto::LoginWanted {}))).await.ok()?;
                return self.take_login(hear, say, false).await;
            }
            Pairing::RefusesProven { code, reason } => {
                then = Some(reason);
                (Code::parse(&code).unwrap(), false, true)
            }
            Pairing::Refuses(reason) => {
                say.send(refuse(reason)).await.ok()?;
                return None;
            }
            Pairing::Liar | Pairing::Echo => {
                let mac = if matches!(behaviour, Pairing::Liar) {
                    vec![7; 32]
                } else {
                    begin.code_name.into_bytes()
                };
                say.send(out(Out::Proof(proto::PairProof { mac }))).await.ok()?;
                // Whatever comes now should not have come.
                while let Some(message) = hear.message().await.ok()? {
                    match message.step? {
                        In::Proof(_) => drop(self.proofs.fetch_add(1, Ordering::SeqCst)),
                        In::Login(login) => self.logins.lock().unwrap().push(login),
                        In::Begin(_) => {}
                    }
                }
                return None;
            }
            Pairing::Honest { code, read_only, login_works } => {
                (Code::parse(&code).unwrap(), read_only, login_works)
            }
        };
        let transcript = Transcript {
            version: begin.version,
            environment: "demo",
            site_root: self.root.spki(),
            integrator_root: &peer.root_spki,
            integrator_name: &begin.integrator_name,
            code_name: code.name(),
            exporter,
        };
        let mac = pairing::prove(&code, Role::Site, &transcript).to_vec();
        say.send(out(Out::Proof(proto::PairProof { mac }))).await.ok()?;
        let In::Proof(proof) = hear.message().await.ok()??.step? else { return None };
        self.proofs.fetch_add(1, Ordering::SeqCst);
        if !pairing::check(&code, Role::Gateway, &transcript, &proof.mac) {
            say.send(refuse(proto::PairRefusal::WrongProof)).await.ok()?;
            return None;
        }
        if let Some(reason) = then {
            say.send(refuse(reason)).await.ok()?;
            return None;
        }
        say.send(out(Out::LoginWanted(proto::LoginWanted {}))).await.ok()?;
        if login_works {
            return self.take_login(hear, say, read_only).await;
        }
        let In::Login(login) = hear.message().await.ok()??.step? else { return None };
        self.logins.lock().unwrap().push(login);
        say.send(refuse(proto::PairRefusal::LoginFailed)).await.ok()
    }

    async fn take_login(
        &self,
        hear: &mut Streaming<proto::PairRequest>,
        say: &tokio::sync::mpsc::Sender<proto::PairReply>,
        read_only: bool,
    ) -> Option<()> {
        use proto::{pair_reply::Step as Out, pair_request::Step as In};
        let out = |step| proto::PairReply { step: Some(step) };
        let In::Login(login) = hear.message().await.ok()??.step? else { return None };
        self.logins.lock().unwrap().push(login);
        self.paired.store(true, Ordering::SeqCst);
        let facts = Some(convert::facts_to_proto(&self.record().facts));
        say.send(out(Out::Done(proto::PairDone { facts, read_only, writes: 0 }))).await.ok()
    }
}
