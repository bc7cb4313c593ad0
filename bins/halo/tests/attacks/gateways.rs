//! Gateways that lie: stolen keys, copied stores, identities of their own making, and a paired one that wants more than it was given.

use crate::{
    rogue::{self, Rogue, command},
    world::{JSON, email, immediate, is_served, read_only, rows, start},
};
use anyhow::{Context, Result, ensure};
use halo::{http::Client, system::INTEGRATOR};
use http::Method;
use lab::memory;
use link_api::{Code, proto};
use model::QueryId;
use proto::{Mode, Refusal, Status};
use serde_json::json;
use std::{fs, time::Duration};
use tokio::io::AsyncWriteExt;
use trust::{Kind, Root};
use tunnel::{Status as Outer, control::RefusedReason};

/// Tries: a subscription key that was seen somewhere, at another integrator's gateway; then the whole store of a gateway, copied, but for
/// the root key beside it.
/// Stopped by: keys are each gateway's own; the site knows its integrators by key, and a store has none.
/// Seen as: 401 in the log of that gateway; an integrator that nobody paired in the cloud's log.
#[tokio::test(flavor = "multi_thread")]
async fn a_stolen_key_opens_no_other_gateway_and_a_copied_store_no_practice() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let system = start(&folder).await?;
    let copy = system.guest_data("thief");
    fs::create_dir_all(&copy)?;
    for file in fs::read_dir(system.description.data.join("gateway"))?.flatten() {
        if file.file_name().to_string_lossy().starts_with("gateway.db") {
            fs::copy(file.path(), copy.join(file.file_name()))?;
        }
    }
    let (elsewhere, thief) = (system.guest("Another Integrator").await?, system.stranger("thief").await?);
    let mut with_key = Client::connect(elsewhere.url(), &system.description.subscription_key).await?;
    ensure!(with_key.post(&immediate(&system), &read_only("SELECT 1 AS N")).await?.status == 401);

    // The copied store takes the key, and shows what the mirror has; the site lets nobody in for it.
    let mut with_key = Client::connect(thief.url(), &system.description.subscription_key).await?;
    let answer = with_key.post(&immediate(&system), &read_only("SELECT 1 AS N")).await?;
    ensure!(
        answer.status == 403 && !String::from_utf8_lossy(&answer.body).contains("\"data\""),
        "{answer:?}"
    );
    is_served(&system).await?;
    system.stop().await
}

/// Tries: a gateway with an identity that it made itself, admitted by nobody; then by the platform alone.
/// Stopped by: the relay asks who is admitted; the site asks who is paired, whatever the relay says, at every call.
/// Seen as: refusals in the cloud's log; no line in the audit, because nothing was asked for that could be.
#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_of_its_own_making_gets_no_further_than_hello() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let system = start(&folder).await?;
    let root = Root::generate(Kind::Integrator)?;
    let own = rogue::plain(&root)?;
    let (_, status) = rogue::dial(&system, &own).await?;
    match &status {
        Outer::Online => {
            ensure!(Rogue::open(&system, &own).await.is_err(), "it reached a site without being admitted")
        }
        Outer::Refused { reason, .. } => ensure!(*reason == RefusedReason::NotAdmitted, "{status:?}"),
        other => anyhow::bail!("{other:?}"),
    }
    system.operator(&["admit", "--integrator", &root.id().to_string(), "--name", INTEGRATOR]).await?;

    let mut rogue = Rogue::open(&system, &own).await?;
    let hello = rogue.hello().await?;
    ensure!(!hello.paired && hello.facts.is_none(), "{hello:?}");
    let denied = |code: Code| {
        matches!(code, Code::PermissionDenied | Code::FailedPrecondition | Code::Unauthenticated)
    };
    match rogue.run(command("SELECT 1 AS N", Mode::Reader, true)).await {
        Ok(ended) => ensure!(ended.refusal() == Refusal::NotPaired, "{ended:?}"),
        Err(status) => ensure!(denied(status.code()), "{status:?}"),
    }
    let link = &mut rogue.link;
    let codes = [
        link.probe(proto::ProbeRequest {}).await.err().map(|status| status.code()),
        link.jobs(proto::JobsRequest::default()).await.err().map(|status| status.code()),
        link.outcome(proto::OutcomeRequest { query_id: vec![1; 16] }).await.err().map(|status| status.code()),
        link.unpair(proto::UnpairRequest {}).await.err().map(|status| status.code()),
        link.credentials(proto::DatabaseLogin { user: "sa".into(), password: "sa".into() })
            .await
            .err()
            .map(|s| s.code()),
    ];
    // A stream is opened before it says why it ends.
    let mut events =
        link.events(proto::EventsRequest { once: true, ..Default::default() }).await?.into_inner();
    let told = events.message().await;
    ensure!(told.as_ref().is_err_and(|status| denied(status.code())), "{told:?}");
    ensure!(codes.iter().all(|code| code.is_some_and(denied)), "{codes:?}");
    is_served(&system).await?;
    system.stop().await
}

/// Tries: an integrator that is paired itself asks the site, with the identity of its own hacked gateway, for what another one ran: how it
/// ended, its pages, its events, its jobs; and to cancel them.
/// Stopped by: the ledger, jobs and journal are asked by the identity in the certificate; there is no field to say another.
/// Seen as: nothing: to the site these are ids that were never used.
#[tokio::test(flavor = "multi_thread")]
async fn a_paired_integrator_learns_nothing_of_anothers_work() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let system = start(&folder).await?;
    let mut client = system.client().await?;
    let ran = client.post(&immediate(&system), &read_only("SELECT 1 AS N")).await?.json()?["id"].clone();
    let path = format!("/integrator/sites/{}/queries", system.description.site_id);
    let job =
        client.post(&format!("{path}/async"), &read_only("WAITFOR DELAY '00:00:03'; SELECT 1 AS N")).await?;
    let job = job.json()?["id"].as_str().context("no id")?.to_owned();
    let id = |text: &str| text.parse::<QueryId>().map(|id| id.as_bytes().to_vec());
    let (ran, waits) = (id(ran.as_str().context("no id")?)?, id(&job)?);

    let _guest = system.guest("Nosy").await?;
    let own = rogue::plain(&rogue::stolen(&system.guest_data("Nosy"))?)?;
    let mut nosy = Rogue::open(&system, &own).await?;
    ensure!(nosy.hello().await?.paired, "it is paired itself");
    for query_id in [&ran, &waits] {
        let told =
            nosy.link.outcome(proto::OutcomeRequest { query_id: query_id.clone() }).await?.into_inner();
        ensure!(told.ended.is_none(), "{told:?}");
    }
    let asked = proto::JobsRequest {
        query_ids: vec![waits.clone()],
        cancel: true,
        force: true,
        ..Default::default()
    };
    let told = nosy.link.jobs(asked).await?.into_inner();
    ensure!(told.jobs.iter().all(|job| job.status() == proto::JobStatus::JobUnknown), "{told:?}");
    let told = nosy.link.jobs(proto::JobsRequest::default()).await?.into_inner();
    ensure!(told.jobs.is_empty(), "{told:?}");
    let asks = proto::PagesAsk {
        query_id: waits.clone(),
        first: 1,
        form: proto::RowForm::Array.into(),
        ..Default::default()
    };
    let mut pages = nosy.link.pages(only(asks)).await?.into_inner();
    let end = pages.message().await?.and_then(|piece| piece.what);
    ensure!(
        matches!(&end, Some(proto::pages_piece::What::End(end)) if end.outcome() == proto::PagesOutcome::PagesNoJob),
        "{end:?}"
    );
    let mut events =
        nosy.link.events(proto::EventsRequest { once: true, ..Default::default() }).await?.into_inner();
    while let Some(told) = events.message().await? {
        ensure!(told.events.is_empty(), "{told:?}");
    }

    // And the one whose job it is has lost nothing.
    for _ in 0..100 {
        let state = client.get(&format!("{path}/{job}")).await?.json()?;
        if state.get("effect").is_some() {
            ensure!(state["status"] == "successful", "{state}");
            return system.stop().await;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    anyhow::bail!("the job never ended")
}

/// One message, then nothing more.
fn only(ask: proto::PagesAsk) -> impl futures::Stream<Item = proto::PagesAsk> + Send + 'static {
    futures::stream::iter([ask])
}

/// Tries: a paired gateway that goes beyond what the practice allows: writes under a consent to read, names a desktop where none is allowed,
/// comes as a hosted gateway, sends the same id again.
/// Stopped by: the site's own door and the engine; the gateway's word is taken only where it makes things narrower.
/// Seen as: `refused` in the audit, with the reason. **Not seen:** a gateway that keeps silent about a desktop, or about being hosted by
/// somebody else: whoever has the integrator's key speaks as the integrator.
#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_wants_more_than_the_practice_allows_gets_what_it_allows() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let system = start(&folder).await?;
    let _guest = system.guest("Greedy").await?;
    let root = rogue::stolen(&system.guest_data("Greedy"))?;
    let mut greedy = Rogue::open(&system, &rogue::plain(&root)?).await?;
    // An id is good once, for whatever may write.
    let once = command("UPDATE PATIENTS SET EMAIL = EMAIL WHERE INTERNALID = 5", Mode::NonQuery, false);
    ensure!(greedy.run(once.clone()).await?.status() == Status::Successful);
    let again = greedy.run(once).await?;
    ensure!(again.refusal() == Refusal::Repeated, "{again:?}");

    let set = ["consent", "set", "--integrator", "Greedy", "--access", "read-only", "--json"];
    system.utility(&set).await?;
    let mut client = system.client().await?;
    let before = email(&mut client, &system, 5).await?;

    let write = "UPDATE PATIENTS SET EMAIL = 'stolen' WHERE INTERNALID = 5";
    for sql in
        [write.to_owned(), format!("COMMIT; {write}"), format!("EXEC('{}')", write.replace('\'', "''"))]
    {
        let ended = greedy.run(command(&sql, Mode::NonQuery, false)).await?;
        ensure!(ended.status() != Status::Successful || ended.read_only, "{sql}: {ended:?}");
        ensure!(email(&mut client, &system, 5).await? == before, "{sql} was written");
    }
    let desktop =
        proto::RunRequest { device: Some("PC-1".to_owned()), ..command("SELECT 1 AS N", Mode::Reader, true) };
    let ended = greedy.run(desktop.clone()).await?;
    ensure!(ended.refusal() == Refusal::ConsentDesktop, "{ended:?}");
    let mut hosted = Rogue::open(&system, &rogue::hosted(&root)?).await?;
    ensure!(hosted.hello().await?.refusal() == Refusal::ConsentHosted);
    let ended = hosted.run(command("SELECT 1 AS N", Mode::Reader, true)).await;
    ensure!(
        match &ended {
            Ok(ended) => ended.refusal() == Refusal::ConsentHosted,
            Err(status) => link_api::refusal::of_status(status) == Some(Refusal::ConsentHosted),
        },
        "{ended:?}"
    );
    // What can't be seen, said as plainly here as in the document.
    let silent = proto::RunRequest { device: None, query_id: vec![9; 16], ..desktop };
    ensure!(greedy.run(silent).await?.status() == Status::Successful);

    let audit = system.utility(&["audit", "show", "--last", "200", "--json"]).await?.to_string();
    ensure!(audit.contains("CONSENT_DESKTOP") && audit.contains("CONSENT_HOSTED"), "{audit}");
    system.stop().await
}

/// Tries: another integrator's rights over HTTP: its site's data with one's own database login at another catalogue, somebody else's login.
/// Stopped by: a site uses the login that it has of the very integrator, and there is no way to name another.
/// Seen as: 18456 to the caller, and `failed` in the audit.
#[tokio::test(flavor = "multi_thread")]
async fn a_login_is_the_integrators_own_and_a_wrong_one_is_locked_out_before_the_database_locks_it()
-> Result<()> {
    let folder = tempfile::tempdir()?;
    let system = start(&folder).await?;
    let guest = system.guest("Guessing").await?;
    let mut client = guest.client().await?;
    let path = format!("/integrator/sites/{}/credentials", system.description.site_id);
    let mut answers = Vec::new();
    for round in 0..8 {
        let body = json!({ "user": "halo_demo", "password": format!("guess-{round}") }).to_string();
        answers.push(client.call(Method::PUT, &path, &[JSON], body).await?.status);
    }
    ensure!(
        answers[..5].iter().all(|status| *status == 400) && answers[5..].iter().all(|s| *s == 429),
        "{answers:?}"
    );
    // Its own, good login is still the one it had.
    let answer = client.post(&immediate(&system), &read_only("SELECT 1 AS N")).await?;
    ensure!(answer.status == 200 && rows(&answer)?[0]["N"] == 1, "{answer:?}");
    is_served(&system).await?;
    system.stop().await
}

/// Frames of HTTP/2, as RFC 9113 has them: length, type, flags, stream, and what is in it.
fn frame(kind: u8, flags: u8, stream: u32, inside: &[u8]) -> Vec<u8> {
    let length = u32::try_from(inside.len()).unwrap_or(0).to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), inside].concat()
}

/// Tries: a paired gateway sends noise in its session; then floods of pings, of settings, of streams that it resets at once, and a head
/// that never ends.
/// Stopped by: the library counts what costs its end something, and ends the session; a head has a limit.
/// Seen as: a session that ended, in the site's log.
#[tokio::test(flavor = "multi_thread")]
async fn floods_inside_of_a_sealed_session_end_that_session_and_no_other() -> Result<()> {
    const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    const MOST: u64 = 256 << 20;
    let folder = tempfile::tempdir()?;
    let system = start(&folder).await?;
    let _guest = system.guest("Noisy").await?;
    let own = rogue::plain(&rogue::stolen(&system.guest_data("Noisy"))?)?;
    let begun = [PREFACE, &frame(4, 0, 0, &[])].concat();
    // `:method: GET`, `:scheme: http`, `:path: /` of the static table.
    let get = [0x82, 0x86, 0x84];
    let resets = |n: u32| [frame(1, 4, n * 2 + 1, &get), frame(3, 0, n * 2 + 1, &[0, 0, 0, 8])].concat();
    let pings = frame(6, 0, 0, &[7; 8]).repeat(100_000);
    let settings = frame(4, 0, 0, &[0, 3, 0, 0, 0, 1]).repeat(100_000);
    let streams = (0..50_000).flat_map(resets).collect::<Vec<u8>>();
    let endless = [frame(1, 0, 1, &get), frame(9, 0, 1, &[0x40; 8_192]).repeat(2_000)].concat();
    for (what, flood) in [
        ("noise", vec![0x5A; 1 << 20]),
        ("pings", [begun.clone(), pings].concat()),
        ("settings", [begun.clone(), settings].concat()),
        ("streams that are reset", [begun.clone(), streams].concat()),
        ("a head without an end", [begun, endless].concat()),
    ] {
        let (mut tls, _outer) = rogue::sealed(&system, &own).await?;
        // It reads nothing, and the site may hang up in the middle of it: either ends the sending.
        let sent = tokio::time::timeout(Duration::from_secs(3), tls.write_all(&flood)).await;
        is_served(&system).await.with_context(|| format!("after {what}, sent: {sent:?}"))?;
    }
    let peak = memory::of(system.description.pids.link)?.peak;
    ensure!(peak < MOST, "Link used {peak} bytes");
    system.stop().await
}
