//! Whole inner sessions over a byte stream: real TLS, real gRPC, real pairing; no relay.

mod jobs;
mod papers;
mod receipts;

use super::*;
use crate::testkit::{Bench, DAY, GOOD};
use futures::{StreamExt, stream};
use link_api::{LinkClient, client::Channel, pack::Unpacker, proto};
use model::Clock as _;
use proto::{pair_reply::Step as Reply, pair_request::Step};
use std::{io::Write, sync::Mutex};
use tokio::sync::mpsc;
use tokio_rustls::TlsConnector;
use trust::pairing::{Code, Role, Transcript, check, prove};

struct Session {
    client: LinkClient<Channel>,
    exporter: Hidden<Vec<u8>>,
    site_root: Vec<u8>,
    _stop: watch::Sender<bool>,
}

async fn open(bench: &Bench) -> Session {
    let own = bench.integrator.issue("gateway one", 5, bench.clock.now(), DAY).unwrap();
    open_as(bench, &own, bench.site).await.unwrap()
}

async fn open_as(bench: &Bench, own: &Operational, site: SiteId) -> io::Result<Session> {
    let (here, mut relay) = tokio::io::duplex(256 * 1024);
    let (stop, stopping) = watch::channel(false);
    let host = bench.host.clone();
    let accepted = bench.site;
    tokio::spawn(async move {
        // What the relay does: say which site, then copy.
        let (mut there, link) = tokio::io::duplex(256 * 1024);
        let serving = tokio::spawn(host.accept(link, stopping));
        head::write(&mut there, &head::Incoming { site: accepted }).await.unwrap();
        let _ = tokio::io::copy_bidirectional(&mut relay, &mut there).await;
        drop(there);
        serving.await.unwrap();
    });
    let config = inner::client(own, site, bench.clock.clone()).unwrap();
    let tls = TlsConnector::from(config).connect(inner::server_name(), here).await?;
    let connection = tls.get_ref().1;
    let exporter = inner::exporter(connection).unwrap();
    let site_root = inner::peer_of_client(connection).unwrap().root_spki;
    let opened = link_api::client::open(tls, link_api::Tuning::default()).await;
    let (client, _, connection) = opened.map_err(io::Error::other)?;
    tokio::spawn(connection);
    Ok(Session { client, exporter, site_root, _stop: stop })
}

async fn pair(bench: &Bench, session: &mut Session, code: &Code, login: (&str, &str)) -> Reply {
    let name = "Acme";
    let own = bench.integrator.spki().to_vec();
    let transcript = Transcript {
        version: 1,
        environment: "demo",
        site_root: &session.site_root,
        integrator_root: &own,
        integrator_name: name,
        code_name: code.name(),
        exporter: session.exporter.reveal(),
    };
    let (say, said) = mpsc::channel(4);
    let tell = async |step| say.send(proto::PairRequest { step: Some(step) }).await.unwrap();
    tell(Step::Begin(proto::PairBegin {
        version: 1,
        environment: "demo".to_owned(),
        code_name: code.name().to_owned(),
        integrator_name: name.to_owned(),
        ..proto::PairBegin::default()
    }))
    .await;
    let outgoing = stream::unfold(said, async |mut said| said.recv().await.map(|step| (step, said)));
    let mut replies = session.client.pair(outgoing).await.unwrap().into_inner();
    let mut hear = async || replies.next().await.unwrap().unwrap().step.unwrap();
    let reply = hear().await;
    let Reply::Proof(site) = reply else { return reply };
    assert!(check(code, Role::Site, &transcript, &site.mac));
    tell(Step::Proof(proto::PairProof { mac: prove(code, Role::Gateway, &transcript).to_vec() })).await;
    assert!(matches!(hear().await, Reply::LoginWanted(_)));
    tell(Step::Login(proto::DatabaseLogin { user: login.0.to_owned(), password: login.1.to_owned() })).await;
    hear().await
}

fn order(id: u128, text: &str) -> proto::RunRequest {
    let command = link_api::convert::command_to_proto(&crate::testkit::command(text));
    proto::RunRequest {
        query_id: uuid::Uuid::from_u128(id).as_bytes().to_vec(),
        command: Some(command),
        queue_ms: 1000,
        run_ms: 5000,
        form: proto::RowForm::Array.into(),
        read_only: false,
        max_row_bytes: 0,
        all_sets: false,
        device: None,
        receipt: false,
    }
}

async fn run(session: &mut Session, id: u128, text: &str) -> (String, proto::Ended) {
    let mut events = session.client.run(order(id, text)).await.unwrap().into_inner();
    let (mut json, mut ended, mut unpacker) = (Vec::new(), None, Unpacker::default());
    while let Some(event) = events.next().await {
        let event = event.unwrap();
        if let Some(rows) = event.rows {
            json.extend_from_slice(&unpacker.unpack(rows).unwrap());
        }
        ended = event.ended;
    }
    (String::from_utf8(json).unwrap(), ended.expect("the last message ends it"))
}

async fn hello(session: &mut Session) -> proto::HelloReply {
    session
        .client
        .hello(proto::HelloRequest { version: 1, ..proto::HelloRequest::default() })
        .await
        .unwrap()
        .into_inner()
}

async fn ready() -> Bench {
    let bench = Bench::new();
    bench.host.issue().unwrap();
    bench
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_pairs_and_queries_over_one_sealed_session() {
    let bench = ready().await;
    let mut session = open(&bench).await;
    let before = hello(&mut session).await;
    assert_eq!((before.paired, before.facts), (false, None));
    let (_, refused) = run(&mut session, 1, "rows 1").await;
    assert_eq!(refused.refusal(), proto::Refusal::NotPaired);
    let query_id = uuid::Uuid::from_u128(1).as_bytes().to_vec();
    let asked =
        session.client.outcome(proto::OutcomeRequest { query_id: query_id.clone() }).await.unwrap_err();
    assert_eq!(asked.code(), link_api::Code::PermissionDenied);

    let code = bench.code("Acme", true);
    let Reply::Done(done) = pair(&bench, &mut session, &code, GOOD).await else { panic!("not paired") };
    assert!(done.read_only);
    assert!(hello(&mut session).await.facts.is_some());
    let (json, ended) = run(&mut session, 2, "rows 3").await;
    assert_eq!(json.matches("\"id\"").count(), 3);
    assert!(ended.read_only);
    let (json, ended) = run(&mut session, 3, "rows 50000").await;
    assert_eq!((ended.rows, ended.row_bytes), (50_000, json.len() as u64));
    let query_id = uuid::Uuid::from_u128(3).as_bytes().to_vec();
    let known = session.client.outcome(proto::OutcomeRequest { query_id }).await.unwrap().into_inner();
    assert_eq!(known.ended.unwrap().rows, 50_000);

    let Reply::Refused(refused) = pair(&bench, &mut session, &code, GOOD).await else {
        panic!("paired twice")
    };
    assert_eq!(refused.reason(), proto::PairRefusal::UsedCode);
}

/// A gateway that opens sessions without end, by mistake or on purpose, keeps no other integrator from the site.
#[tokio::test(flavor = "multi_thread")]
async fn one_integrator_can_not_use_up_the_sessions_of_others() {
    let limits = Limits { sessions: 100, sessions_each: 2, ..Limits::default() };
    let bench = Bench::with(limits);
    bench.host.issue().unwrap();
    bench.pair(model::Access::ReadOnly);
    let own = bench.integrator.issue("gateway one", 5, bench.clock.now(), DAY).unwrap();
    let other = Root::generate(Kind::Integrator).unwrap();
    bench.pair_as(IntegratorId(other.id()), other.spki(), "Other", model::Access::ReadOnly);
    let other = other.issue("other gateway", 5, bench.clock.now(), DAY).unwrap();
    let answers = async |own: &Operational| match open_as(&bench, own, bench.site).await {
        Ok(mut session) => {
            let asked =
                session.client.hello(proto::HelloRequest { version: 1, ..proto::HelloRequest::default() });
            asked.await.is_ok().then_some(session)
        }
        Err(_) => None,
    };
    let held = [answers(&own).await.unwrap(), answers(&own).await.unwrap()];
    assert!(answers(&own).await.is_none(), "a third one");
    assert!(answers(&other).await.is_some());
    drop(held);
    for _ in 0..500 {
        if answers(&own).await.is_some() {
            return;
        }
        sleep(Duration::from_millis(10)).await;
    }
    panic!("sessions that have ended give no place back");
}

#[tokio::test(flavor = "multi_thread")]
async fn dropping_the_stream_cancels_the_read_in_the_database() {
    let bench = ready().await;
    bench.pair(model::Access::ReadOnly);
    let mut session = open(&bench).await;
    let mut events = session.client.run(order(1, "slow")).await.unwrap().into_inner();
    events.next().await.unwrap().unwrap();
    drop(events);
    let query = model::QueryId(uuid::Uuid::from_u128(1));
    for _ in 0..500 {
        let known = bench.door().outcome(&bench.peer(), bench.site, query).unwrap().unwrap();
        if known.status() == proto::Status::Cancelled {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it still runs");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_wants_another_site_does_not_get_this_one() {
    let bench = ready().await;
    let own = bench.integrator.issue("gateway", 1, bench.clock.now(), DAY).unwrap();
    assert!(open_as(&bench, &own, SiteId(uuid::Uuid::from_u128(7))).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_requests_are_refused_and_the_session_lives_on() {
    let bench = ready().await;
    bench.pair(model::Access::ReadWrite);
    let mut session = open(&bench).await;
    let broken = [
        proto::RunRequest { query_id: vec![1], ..order(1, "rows 1") },
        proto::RunRequest { command: None, ..order(1, "rows 1") },
        proto::RunRequest { form: 9, ..order(1, "rows 1") },
        proto::RunRequest { run_ms: 0, ..order(1, "rows 1") },
    ];
    for request in broken {
        let error = session.client.run(request).await.unwrap_err();
        assert_eq!(error.code(), link_api::Code::InvalidArgument);
    }
    assert_eq!(run(&mut session, 2, "rows 1").await.1.status(), proto::Status::Successful);
    assert_eq!(bench.door().running(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn noise_instead_of_a_head_or_a_handshake_ends_that_stream_only() {
    let bench = ready().await;
    for noise in [&b"\xff\xffnoise"[..], b"\x00\x02{}", b""] {
        let (mut here, there) = tokio::io::duplex(1024);
        let (_stop, stopping) = watch::channel(false);
        let serving = tokio::spawn(bench.host.clone().accept(there, stopping));
        tokio::io::AsyncWriteExt::write_all(&mut here, noise).await.unwrap();
        drop(here);
        timeout(Duration::from_secs(5), serving).await.unwrap().unwrap();
    }
    hello(&mut open(&bench).await).await;
}

#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_logs_of_a_run_hold_no_text_no_value_no_login_no_code() {
    let captured = Captured::default();
    let writer = captured.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    // Of the whole process: blocking threads log too, and other tests' lines may hold no secrets either.
    tracing::subscriber::set_global_default(subscriber).expect("the only test that captures");
    let bench = ready().await;
    let mut session = open(&bench).await;
    let code = bench.code("Acme", false);
    let secret = code.display().reveal().clone();
    pair(&bench, &mut session, &code, (GOOD.0, "canary-password")).await;
    pair(&bench, &mut session, &code, GOOD).await;
    run(&mut session, 1, "rows 3 canary-text").await;
    run(&mut session, 2, "error canary-text").await;
    run(&mut session, 3, "panic canary-text").await;
    let logs = captured.0.lock().unwrap().clone();
    let logs = String::from_utf8_lossy(&logs);
    assert!(logs.contains("paired") && logs.contains("LOGIN_FAILED"), "logs were captured");
    for secret in ["canary", "a name for number", GOOD.1, &secret, &secret[5..]] {
        assert!(!logs.contains(secret), "{secret} is in the logs");
    }
}

/// The gateway shows a site as online only on the strength of this answer (K 28).
#[tokio::test(flavor = "multi_thread")]
async fn k28_a_site_says_over_the_session_itself_whether_each_lane_and_its_database_answer() {
    let bench = Bench::new();
    bench.host.issue().unwrap();
    let mut stranger = open(&bench).await;
    let refused = stranger.client.probe(proto::ProbeRequest {}).await.unwrap_err();
    assert_eq!(refused.code(), link_api::Code::PermissionDenied);
    bench.pair(model::Access::ReadOnly);
    let mut session = open(&bench).await;
    let mut probe = async || session.client.probe(proto::ProbeRequest {}).await.unwrap().into_inner();
    let before = probe().await;
    assert_eq!(before.lanes.len(), 4);
    assert!(before.lanes.iter().all(|lane| !lane.answers), "nothing drives it yet");
    assert_eq!(before.database(), proto::DatabaseState::Unspecified);
    bench.drive();
    let mut after = probe().await;
    for _ in 0..1_000 {
        if after.lanes.iter().all(|lane| lane.answers) {
            break;
        }
        sleep(Duration::from_millis(10)).await;
        after = probe().await;
    }
    assert!(after.lanes.iter().all(|lane| lane.answers), "{after:?}");
    bench.engine.tell("1001", "Riverside", "9.1");
    let (host, site) = (bench.host.clone(), bench.site);
    let look = async || {
        let host = host.clone();
        tokio::task::spawn_blocking(move || host.door().look(site)).await.unwrap();
    };
    look().await;
    assert_eq!(probe().await.database(), proto::DatabaseState::DatabaseAnswered);
    bench.engine.down.store(true, std::sync::atomic::Ordering::SeqCst);
    look().await;
    assert_eq!(probe().await.database(), proto::DatabaseState::DatabaseAway);
    bench.clock.pass(Duration::from_secs(91));
    assert_eq!(probe().await.database(), proto::DatabaseState::Unspecified, "nobody tried since");
}

/// Whoever is kept out may know how its queries ended, and gets nothing that could be a patient's.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_kept_out_is_told_why_and_gets_no_practice_data() {
    let bench = ready().await;
    bench.pair(model::Access::ReadWrite);
    let mut session = open(&bench).await;
    let (_, failed) = run(&mut session, 1, "error").await;
    assert!(failed.error.unwrap().message.contains("canary-message"));
    let id = model::IntegratorId(bench.integrator.id());
    bench.door().suspend(bench.site, id, false, "0:root").unwrap();
    let told = hello(&mut session).await;
    assert_eq!((told.paired, told.facts.clone(), told.refusal()), (false, None, proto::Refusal::SwitchedOff));
    let asked = proto::OutcomeRequest { query_id: uuid::Uuid::from_u128(1).as_bytes().to_vec() };
    let known = session.client.outcome(asked.clone()).await.unwrap().into_inner().ended.unwrap();
    let error = known.error.unwrap();
    assert_eq!((known.status, error.code), (proto::Status::Failed as i32, 207));
    assert!(!error.message.contains("canary-message"), "{}", error.message);

    bench.door().unpair(bench.site, id, Some("0:root")).unwrap();
    assert_eq!(hello(&mut session).await.refusal(), proto::Refusal::Unpaired);
    let denied = session.client.outcome(asked).await.unwrap_err();
    assert_eq!(link_api::refusal::of_status(&denied), Some(proto::Refusal::Unpaired));
    let (_, refused) = run(&mut session, 2, "rows 1").await;
    assert_eq!((refused.refusal(), refused.error.unwrap().code), (proto::Refusal::Unpaired, 403));
}

/// The reader of events hears at once, not with the next event, that there will be none.
#[tokio::test(flavor = "multi_thread")]
async fn a_reader_of_events_is_told_when_its_pairing_is_ended() {
    let bench = ready().await;
    bench.pair(model::Access::ReadOnly);
    let mut session = open(&bench).await;
    let mut events = session.client.events(proto::EventsRequest::default()).await.unwrap().into_inner();
    events.next().await.unwrap().unwrap();
    let id = model::IntegratorId(bench.integrator.id());
    bench.door().revoke(bench.site, id, "0:root").unwrap();
    let told = timeout(Duration::from_secs(20), events.next()).await.expect("at once").unwrap();
    assert_eq!(link_api::refusal::of_status(&told.unwrap_err()), Some(proto::Refusal::ConsentRevoked));
}
