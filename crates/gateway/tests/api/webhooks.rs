//! An integrator manages its own endpoints. What is sent to them is tried in crates/webhook; here what callers see.

use crate::kit::{Answer, Probing, World};
use gateway::{
    Limits,
    cloud::CloudError,
    store::{Paired, Store},
};
use insta::assert_json_snapshot as snapshot;
use link_api::proto::{self, EventKind};
use model::{Availability, Timestamp};
use serde_json::{Value, json};
use std::{
    io::Write,
    process::{Command, Stdio},
};

const ALL: &str = "/integrator/webhooks";
const JSON: (&str, &str) = ("content-type", "application/json");

async fn post(world: &World, path: &str, body: &Value) -> Answer {
    world.call("POST", path, &[JSON], body.to_string()).await
}

async fn made(world: &World) -> String {
    let answer =
        post(world, ALL, &json!({ "url": "https://hooks.example.com/{source}/{siteId}?q={queryId}" })).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    format!("{ALL}/{}", answer.json()["id"].as_str().unwrap())
}

/// Secrets are another one each time.
fn shown(answer: &Answer) -> Value {
    let mut shown = answer.shown();
    if let Some(secret) = shown.pointer_mut("/body/secret") {
        assert_eq!(secret.as_str().unwrap().len(), 64);
        *secret = "[secret]".into();
    }
    shown
}

#[tokio::test]
async fn an_endpoint_is_made_shown_changed_and_removed() {
    let world = World::new().await;
    snapshot!("webhooks_none", world.get(ALL).await.shown());
    let answer =
        post(&world, ALL, &json!({ "url": "https://hooks.example.com/{source}/{siteId}?q={queryId}" })).await;
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    snapshot!("webhook_made", shown(&answer));
    let path = format!("{ALL}/{}", answer.json()["id"].as_str().unwrap());
    let secret = answer.json()["secret"].as_str().unwrap().to_owned();
    snapshot!("webhook", world.get(&path).await.shown());
    snapshot!("webhooks", world.get(ALL).await.shown());
    for path in [&path, ALL] {
        assert!(
            !String::from_utf8(world.get(path).await.body).unwrap().contains(&secret),
            "it is shown once"
        );
    }
    let other = json!({
        "url": "https://hooks.example.com/other", "sources": ["async", "site"], "events": ["successful", "failed", "siteOffline"],
        "enabled": false, "id": "what a GET gave may be sent back",
    });
    let replaced = world.call("PUT", &path, &[JSON], other.to_string()).await;
    snapshot!("webhook_replaced", replaced.shown());
    assert_eq!(world.get(&path).await.json(), replaced.json());
    assert_eq!(world.call("DELETE", &path, &[], "").await.status, 204);
    snapshot!("webhook_gone", world.get(&path).await.shown());
    assert_eq!(world.call("DELETE", &path, &[], "").await.status, 404);
    assert_eq!(world.call("PUT", &path, &[JSON], other.to_string()).await.status, 404);
}

#[tokio::test]
async fn endpoints_and_their_secrets_are_there_after_a_restart() {
    let world = World::new().await;
    let path = made(&world).await;
    let before = world.get(&path).await.json();
    let world = world.restart();
    assert_eq!(world.get(&path).await.json(), before);
    let answer = post(&world, &format!("{path}/secrets"), &json!({})).await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn a_secret_is_changed_in_two_steps() {
    let world = World::new().await;
    let secrets = format!("{}/secrets", made(&world).await);
    let begun = world.call("POST", &secrets, &[], "").await;
    snapshot!("webhook_secret_begun", shown(&begun));
    snapshot!("webhook_secret_twice", post(&world, &secrets, &json!({ "step": "begin" })).await.shown());
    snapshot!("webhook_secret_finished", shown(&post(&world, &secrets, &json!({ "step": "finish" })).await));
    snapshot!("webhook_secret_one_only", post(&world, &secrets, &json!({ "step": "cancel" })).await.shown());
    let own = json!({ "secret": "brought-along-from-elsewhere" });
    let begun = post(&world, &secrets, &own).await;
    assert_eq!(begun.json()["secret"], own["secret"]);
    assert_eq!(
        post(&world, &secrets, &json!({ "step": "cancel" })).await.json()["secrets"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    snapshot!("webhook_secret_bad", post(&world, &secrets, &json!({ "secret": "short" })).await.shown());
    assert_eq!(post(&world, &secrets, &json!({ "step": "jump" })).await.status, 400);
    assert_eq!(
        post(&world, &format!("{ALL}/01890a5d-ac96-774b-bcce-b302099a8057/secrets"), &json!({})).await.status,
        404
    );
}

#[tokio::test]
async fn each_mistake_is_named() {
    let world = World::new().await;
    let url = "https://hooks.example.com/";
    let bad = [
        ("no_url", json!({})),
        ("plain_http", json!({ "url": "http://hooks.example.com/" })),
        ("loopback", json!({ "url": "https://127.0.0.1/" })),
        ("metadata", json!({ "url": "https://169.254.169.254/latest" })),
        ("variable", json!({ "url": "https://hooks.example.com/{patient}" })),
        ("credentials", json!({ "url": "https://me:word@hooks.example.com/" })),
        ("sources_no_list", json!({ "url": url, "sources": "async" })),
        ("sources_unknown", json!({ "url": url, "sources": ["desktop"] })),
        ("sources_none", json!({ "url": url, "sources": [] })),
        ("events_unknown", json!({ "url": url, "events": ["test"] })),
        ("events_of_another_source", json!({ "url": url, "sources": ["async"], "events": ["siteOffline"] })),
        ("query_of_site", json!({ "url": "https://hooks.example.com/{queryId}", "sources": ["site"] })),
        ("enabled_is_text", json!({ "url": url, "enabled": "yes" })),
        ("secret_is_number", json!({ "url": url, "secret": 7 })),
    ];
    for (name, body) in bad {
        let answer = post(&world, ALL, &body).await;
        assert_eq!(answer.status, 400, "{name}");
        assert!(!answer.message().contains("word@"), "{name}: nothing secret is repeated");
        snapshot!(format!("webhook_bad_{name}"), answer.shown());
    }
    for (body, headers, status) in [
        ("{", vec![JSON], 400),
        ("[]", vec![JSON], 400),
        ("url=x", vec![("content-type", "application/x-www-form-urlencoded")], 415),
        (&*format!("\"{}\"", "a".repeat(20_000)), vec![JSON], 413),
    ] {
        assert_eq!(world.call("POST", ALL, &headers, body.to_owned()).await.status, status, "{body:.20}");
    }
    assert_eq!(world.get(ALL).await.json(), json!({ "webhooks": [] }));
    assert_eq!(world.get(&format!("{ALL}/x")).await.status, 400);
}

#[tokio::test]
async fn there_are_thirty_two_at_most() {
    let world = World::new().await;
    for _ in 0..webhook::ENDPOINTS {
        made(&world).await;
    }
    snapshot!(
        "webhook_too_many",
        post(&world, ALL, &json!({ "url": "https://hooks.example.com/" })).await.shown()
    );
}

#[tokio::test]
async fn a_test_is_in_the_log_and_can_be_sent_again() {
    let world = World::new().await;
    let path = made(&world).await;
    let sent = world.call("POST", &format!("{path}/test"), &[], "").await;
    snapshot!("webhook_test", sent.shown());
    let id = sent.json()["id"].as_str().unwrap().to_owned();
    snapshot!("deliveries", world.get(&format!("{ALL}/deliveries?state=pending&limit=1")).await.shown(), {
        ".body.before" => "[number]"
    });
    let one = format!("{ALL}/deliveries/{id}");
    assert_eq!(world.get(&one).await.json(), sent.json());
    snapshot!("redelivered", world.call("POST", &format!("{one}/redeliver"), &[], "").await.shown());
    let since = json!({ "since": "2026-01-01T00:00:00Z" });
    snapshot!(
        "redelivered_failed",
        post(&world, &format!("{ALL}/deliveries/redeliver"), &since).await.shown()
    );
    snapshot!(
        "redeliver_without_since",
        post(&world, &format!("{ALL}/deliveries/redeliver"), &json!({})).await.shown()
    );
    let nobody = "01890a5d-ac96-774b-bcce-b302099a8057";
    snapshot!("delivery_unknown", world.get(&format!("{ALL}/deliveries/{nobody}")).await.shown());
    assert_eq!(
        world.call("POST", &format!("{ALL}/deliveries/{nobody}/redeliver"), &[], "").await.status,
        404
    );
    assert_eq!(world.call("POST", &format!("{ALL}/{nobody}/test"), &[], "").await.status, 404);
    let of_nobody = world.get(&format!("{ALL}/deliveries?webhookId={nobody}")).await;
    assert_eq!(of_nobody.json(), json!({ "deliveries": [], "before": null }));
    for bad in
        ["webhookId=x", "state=lost", "since=yesterday", "before=x", "limit=0", "limit=201", "limit=-1"]
    {
        let answer = world.get(&format!("{ALL}/deliveries?{bad}")).await;
        assert_eq!(answer.status, 400, "{bad}");
    }
}

#[tokio::test]
async fn a_long_log_is_read_piece_by_piece() {
    let world = World::new().await;
    let path = made(&world).await;
    for _ in 0..5 {
        world.call("POST", &format!("{path}/test"), &[], "").await;
    }
    let (mut seen, mut before) = (Vec::new(), String::new());
    loop {
        let answer = world.get(&format!("{ALL}/deliveries?limit=2{before}")).await.json();
        seen.extend(answer["deliveries"].as_array().unwrap().iter().map(|one| one["id"].to_string()));
        match answer["before"].as_i64() {
            Some(number) => before = format!("&before={number}"),
            None => break,
        }
    }
    assert_eq!(seen.len(), 5);
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), 5, "none twice");
}

#[tokio::test]
async fn sites_that_come_and_go_are_told_to_whoever_wants_to_know() {
    let world = World::new().await;
    let paired = Paired { read_only: false };
    Store::open(world.data.path()).unwrap().set_paired(world.site.id(), paired, Timestamp(1)).unwrap();
    let world = world.restart();
    world.gateway.look_at_sites().await;
    let of_sites = json!({ "url": "https://hooks.example.com/{siteId}", "sources": ["site"] });
    assert_eq!(post(&world, ALL, &of_sites).await.status, 201);
    world.site.change(|record| record.availability = Availability::Unreachable);
    world.gateway.look_at_sites().await;
    *world.cloud.failing.lock().unwrap() = Some(CloudError::Down);
    world.gateway.look_at_sites().await;
    assert_eq!(
        world.get(&format!("{ALL}/deliveries")).await.json()["deliveries"],
        json!([]),
        "not twice yet"
    );
    *world.cloud.failing.lock().unwrap() = None;
    world.gateway.look_at_sites().await;
    let log = world.get(&format!("{ALL}/deliveries")).await;
    assert_eq!(log.json()["deliveries"][0]["event"], "siteOffline");
    snapshot!("delivery_of_site", log.shown());
}

/// What is told to endpoints and what is shown is one truth (K 28).
#[tokio::test]
async fn k28_a_connected_site_whose_work_path_is_dead_is_told_as_offline_and_again_when_it_can_work() {
    let limits = Limits { proof_ms: 0, probe_ms: 200, ..Limits::default() };
    let world = World::with(limits).await;
    world.pair().await;
    world.gateway.look_at_sites().await;
    let of_sites = json!({ "url": "https://hooks.example.com/{siteId}", "sources": ["site"] });
    assert_eq!(post(&world, ALL, &of_sites).await.status, 201);
    *world.site.probing.lock().unwrap() = Probing::Stuck(proto::LaneKind::LaneBulk);
    world.gateway.look_at_sites().await;
    world.gateway.look_at_sites().await;
    *world.site.probing.lock().unwrap() = Probing::Well;
    world.gateway.look_at_sites().await;
    let log = world.get(&format!("{ALL}/deliveries")).await.json();
    let told: Vec<_> = log["deliveries"].as_array().unwrap().iter().map(|one| one["event"].clone()).collect();
    assert_eq!(told.len(), 2);
    assert!(told.contains(&json!("siteOffline")) && told.contains(&json!("siteOnline")), "{told:?}");
}

#[tokio::test]
async fn what_happens_to_a_query_is_in_the_outbox_once_under_an_id_made_from_its_place_in_the_journal() {
    let world = World::new().await;
    world.gateway.set_event_sink(world.gateway.outbox());
    world.pair().await;
    let all =
        json!({ "url": "https://hooks.example.com/", "events": ["successful", "failed", "outcomeUnknown"] });
    assert_eq!(post(&world, ALL, &all).await.status, 201);
    made(&world).await;
    let id = world.submit("executing").await;
    world.site.jobs.change(&id, |job| job.succeed());
    world.site.jobs.tell(&world.site, &id, EventKind::EventSucceeded, &[]);
    let lost = world.submit("executing").await;
    world.site.jobs.tell(&world.site, &lost, EventKind::EventOutcomeUnknown, &[]);
    let log = loop {
        world.gateway.hint(world.site.id());
        let log = world.get(&format!("{ALL}/deliveries")).await.json()["deliveries"].clone();
        if log.as_array().unwrap().len() == 3 {
            break log;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    };
    let told: Vec<_> = log
        .as_array()
        .unwrap()
        .iter()
        .rev()
        .map(|one| (one["event"].clone(), one["queryId"].clone()))
        .collect();
    let good = (json!("successful"), json!(id));
    assert_eq!(
        told,
        [good.clone(), good, (json!("outcomeUnknown"), json!(lost))],
        "the published one to both, ours to who asked"
    );
    assert_eq!(log[1]["eventId"], log[2]["eventId"]);
    assert_ne!(log[0]["eventId"], log[1]["eventId"]);
}

#[tokio::test]
async fn a_key_is_needed_and_methods_are_named() {
    let world = World::new().await;
    for (method, path, allow) in [
        ("PATCH", ALL.to_owned(), "GET,HEAD,POST"),
        ("POST", format!("{ALL}/01890a5d-ac96-774b-bcce-b302099a8057"), "GET,HEAD,PUT,DELETE"),
        ("GET", format!("{ALL}/01890a5d-ac96-774b-bcce-b302099a8057/test"), "POST"),
        ("GET", format!("{ALL}/01890a5d-ac96-774b-bcce-b302099a8057/secrets"), "POST"),
        ("DELETE", format!("{ALL}/deliveries"), "GET,HEAD"),
        ("PATCH", format!("{ALL}/deliveries/redeliver"), "POST"),
    ] {
        let answer = world.call(method, &path, &[], "").await;
        assert_eq!((answer.status, answer.header("allow")), (405, Some(allow)), "{method} {path}");
    }
    let stranger = world.call("GET", ALL, &[("ocp-apim-subscription-key", "wrong")], "").await;
    assert_eq!(stranger.status, 401);
}

/// What docs/webhooks.md tells integrators to run.
#[tokio::test]
async fn the_snippets_of_the_document_say_yes_to_a_genuine_notification_and_no_to_others() {
    let document = include_str!("../../../../docs/webhooks.md");
    let snippet = |language: &str| {
        let (_, rest) = document.split_once(&format!("```{language}\n")).unwrap();
        rest.split_once("\n```").unwrap().0.to_owned()
    };
    let now = model::Clock::now(&model::SystemClock);
    let (stamp, old) = (webhook::written_time(now), webhook::written_time(Timestamp(now.0 - 6 * 60_000)));
    let body = r#"{"id":"x"}"#;
    let secret = "a-secret-of-some-length".into();
    let (good, late) =
        (webhook::sign(&secret, body.as_bytes(), &stamp), webhook::sign(&secret, body.as_bytes(), &old));
    let next = webhook::sign(&"the-one-that-comes-next".into(), body.as_bytes(), &stamp);

    let python = format!(
        "{}\nb={body:?}.encode()\ns=[{:?}]\nt={stamp:?}\n\
         print(is_genuine(s,b,{{'X-Halo-Timestamp':t,'X-Halo-Signature-256':{good:?}}}),\
         is_genuine(['other secret'],b,{{'X-Halo-Timestamp':t,'X-Halo-Signature-256':{good:?}}}),\
         is_genuine(s,b+b' ',{{'X-Halo-Timestamp':t,'X-Halo-Signature-256':{good:?}}}),\
         is_genuine(s,b,{{'X-Halo-Timestamp':{old:?},'X-Halo-Signature-256':{late:?}}}),\
         is_genuine(['the-one-that-comes-next'],b,{{'X-Halo-Timestamp':t,'X-Halo-Signature-256':{good:?},'X-Halo-Signature-256-Next':{next:?}}}))",
        snippet("python"),
        secret.reveal()
    );
    assert_eq!(run("python3", &["-"], &python, &[]), "True False False False True");

    let script = format!(
        "{}\nconst b=Buffer.from({body:?}),t={stamp:?},s=[{:?}],h=(x)=>({{'x-halo-timestamp':t,'x-halo-signature-256':x}});\n\
         console.log(isGenuine(s,b,h({good:?})),isGenuine(['other'],b,h({good:?})),isGenuine(s,Buffer.from('x'),h({good:?})),\
         isGenuine(s,b,{{...h({late:?}),'x-halo-timestamp':{old:?}}}),isGenuine(s,b,{{}}))",
        snippet("js"),
        secret.reveal()
    );
    // Not on every machine, as Python is.
    if Command::new("node").arg("--version").output().is_ok() {
        assert_eq!(run("node", &["-"], &script, &[]), "true false false false false");
    }

    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("body.json"), body).unwrap();
    let shell = format!("cd '{}'\n{}", folder.path().display(), snippet("sh"));
    let said = run("sh", &["-s"], &shell, &[("TIMESTAMP", &stamp), ("SECRET", secret.reveal())]);
    assert!(said.ends_with(&good), "{said}");
}

fn run(program: &str, arguments: &[&str], input: &str, environment: &[(&str, &str)]) -> String {
    let mut child = Command::new(program)
        .args(arguments)
        .envs(environment.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{program} is needed: {error}"));
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{program}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}
