//! Async queries.

use crate::{
    kit::{ROW, World, id_bytes},
    lines::until,
};
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use gateway::{Limits, cloud::CloudError};
use insta::assert_json_snapshot as snapshot;
use model::Availability;
use serde_json::{Value, json};
use std::{sync::atomic::Ordering, time::Duration};

const JSON: (&str, &str) = ("content-type", "application/json");

fn body(text: &str) -> Value {
    json!({ "command": { "text": text } })
}

#[tokio::test]
async fn a_submission_says_initialising_and_the_site_gets_all_of_it_once() {
    let world = World::new().await;
    let asked = json!({ "maxTimeInQueue": 5000, "readOnly": true, "catalogue": "Drugs", "command": { "text": "queued" } });
    let answer = world.post_to("/async", &asked).await;
    snapshot!("async_taken", answer.shown());
    let id = answer.query_id();
    assert_eq!(answer.json()["id"], id.as_str());
    world.stands(&id, "queued").await;
    let submits = world.site.jobs.submits.lock().unwrap();
    assert_eq!(submits.len(), 1);
    assert_eq!((submits[0].queue_ms, submits[0].read_only, submits[0].digest.len()), (5000, true, 32));
    assert_eq!(submits[0].command.as_ref().unwrap().catalogue.as_deref(), Some("Drugs"));
    assert_eq!(submits[0].query_id, id_bytes(&id));
}

#[tokio::test]
async fn each_way_of_a_job_has_its_published_status() {
    let world = World::new().await;
    for (text, status, code) in [
        ("queued", "queued", None),
        ("executing", "executing", None),
        ("uploading", "uploading", None),
        ("rows", "successful", None),
        ("no rows", "successful", None),
        ("count", "successful", None),
        ("unknown table", "executionFailed", Some(208)),
        ("expires", "expiredInQueue", Some(504)),
        ("times out", "executionFailed", Some(504)),
        ("interrupted", "executionFailed", Some(503)),
        ("too large", "uploadFailed", Some(413)),
        ("no room", "initialisationFailedCacheError", Some(507)),
        ("busy", "executionFailed", Some(503)),
        ("switched off", "executionFailed", Some(403)),
        ("unknown catalogue", "executionFailed", Some(400)),
        ("denied", "executionFailed", Some(403)),
        ("too old", "executionFailed", Some(501)),
        ("nobody knows this", "executionFailed", Some(500)),
    ] {
        let mode = if text == "count" { "nonQuery" } else { "reader" };
        let asked = json!({ "command": { "text": text, "executionMode": mode } });
        let id = world.post_to("/async", &asked).await.query_id();
        world.stands(&id, status).await;
        let answer = world.get(&world.queries(&format!("/{id}"))).await;
        assert_eq!(answer.json()["errorDetails"]["errorCode"].as_i64(), code, "{text}");
        snapshot!(format!("async_{}", text.replace(' ', "_")), answer.shown());
    }
}

#[tokio::test]
async fn offline_and_unreachable_are_told_apart() {
    let world = World::with(Limits { hand_over_ms: 700, ..Limits::default() }).await;
    world.site.change(|record| record.availability = Availability::Offline);
    let id = world.post_to("/async", &body("rows")).await.query_id();
    let told = world.stands(&id, "initialisationFailedSiteOffline").await;
    assert_eq!(told["effect"], "notExecuted");
    world.site.change(|record| record.availability = Availability::Unreachable);
    let id = world.post_to("/async", &body("rows")).await.query_id();
    assert_eq!(world.status_of(&id).await["status"], "initialising", "it is tried for a while");
    let told = world.stands(&id, "initialisationFailedSiteUnreachable").await;
    assert_eq!(told["effect"], "notExecuted");
    assert!(world.site.jobs.submits.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_site_that_comes_back_in_time_gets_the_job() {
    let world = World::new().await;
    // So that the platform need not be asked whether it knows the site.
    world.pair().await;
    *world.cloud.failing.lock().unwrap() = Some(CloudError::Down);
    world.site.break_connections();
    let id = world.post_to("/async", &body("rows")).await.query_id();
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(world.status_of(&id).await["status"], "initialising");
    *world.cloud.failing.lock().unwrap() = None;
    world.stands(&id, "successful").await;
}

#[tokio::test]
async fn a_job_is_handed_over_again_when_the_connection_breaks_and_nothing_starts_twice() {
    let world = World::new().await;
    let id = world.post_to("/async", &body("submit dies once")).await.query_id();
    world.stands(&id, "successful").await;
    let id = world.post_to("/async", &body("submit dies after")).await.query_id();
    world.stands(&id, "queued").await;
    assert_eq!(world.site.jobs.all.lock().unwrap().len(), 2);
    assert!(world.site.jobs.submits.lock().unwrap().len() >= 4, "each came twice");
}

#[tokio::test]
async fn what_may_have_arrived_is_given_up_as_unknown_cancelled_there_and_then_told_as_it_is() {
    let world = World::with(Limits { hand_over_ms: 500, ..Limits::default() }).await;
    let id = world.post_to("/async", &body("submit dies after")).await.query_id();
    // The site is gone before the second attempt.
    until(|| !world.site.jobs.all.lock().unwrap().is_empty()).await;
    world.site.change(|record| record.availability = Availability::Unreachable);
    world.site.break_connections();
    let told = world.stands(&id, "initialisationFailedSiteUnreachable").await;
    assert_eq!(told["effect"], "unknown");
    world.site.change(|record| record.availability = Availability::Online);
    world.gateway.hint(world.site.id());
    let told = world.stands(&id, "executionFailed").await;
    assert_eq!((&told["effect"], &told["errorDetails"]["errorCode"]), (&json!("notExecuted"), &json!(499)));
}

#[tokio::test]
async fn after_a_crash_the_site_says_what_it_has_of_what_was_being_handed_over() {
    let world = World::new().await;
    let there = world.submit("rows").await;
    world.site.change(|record| record.availability = Availability::Unreachable);
    world.site.break_connections();
    let never = world.post_to("/async", &body("rows")).await.query_id();
    let file = rusqlite::Connection::open(world.data.path().join("gateway.db")).unwrap();
    world.gateway.stop();
    tokio::time::sleep(Duration::from_millis(100)).await;
    // As if the answer to the first had been lost in the crash.
    let lost = "UPDATE jobs SET open = 1, status = 'initialising', record = json_set(record, '$.status', 'initialising', '$.completed', NULL,
                '$.pages', json('[]'), '$.effect', NULL, '$.revision', 0)";
    assert_eq!(file.execute(lost, []).unwrap(), 2);
    let world = world.restart();
    assert_eq!(world.status_of(&there).await["status"], "initialising", "and the site is away");
    world.site.change(|record| record.availability = Availability::Online);
    world.gateway.resume();
    assert_eq!(world.stands(&there, "successful").await["effect"], "executed");
    // The site's word counts the second time.
    let told = world.stands(&never, "initialisationFailedCacheError").await;
    assert_eq!((&told["effect"], &told["errorDetails"]["errorCode"]), (&json!("notExecuted"), &json!(500)));
    assert_eq!(world.site.jobs.all.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn the_mirror_answers_when_the_site_is_away_and_keeps_no_words_of_the_database() {
    let world = World::new().await;
    let (queued, done, failed) =
        (world.submit("queued").await, world.submit("rows").await, world.submit("unknown table").await);
    world.stands(&queued, "queued").await;
    let before = world.stands(&done, "successful").await;
    let told = world.stands(&failed, "executionFailed").await;
    assert_eq!(told["errorDetails"]["errorMessage"], "Invalid object name 'canary'.");
    let world = world.restart();
    let asked = world.status_of(&failed).await;
    assert!(!asked.to_string().contains("canary"), "nothing is dialled for a message");
    world.run("rows").await;
    assert_eq!(
        world.status_of(&failed).await["errorMessage"],
        "Invalid object name 'canary'.",
        "the site has it"
    );
    world.site.change(|record| record.availability = Availability::Offline);
    world.site.break_connections();
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(world.status_of(&queued).await["status"], "queued");
    assert_eq!(world.status_of(&done).await, before);
    let page = world.get(&world.queries(&format!("/{done}/results/1"))).await;
    snapshot!("page_site_away", page.shown());
    for name in ["gateway.db", "gateway.db-wal"] {
        let file = std::fs::read(world.data.path().join(name)).unwrap_or_default();
        assert!(!file.windows(6).any(|w| w == b"canary"), "{name}");
        assert!(!file.windows(5).any(|w| w == b"\"Ann\""), "{name}");
    }
}

#[tokio::test]
async fn many_polls_are_few_questions() {
    let world = World::new().await;
    let ids = [world.submit("queued").await, world.submit("executing").await];
    world.stands(&ids[0], "queued").await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let before = world.site.jobs.asks.lock().unwrap().len();
    let polls = (0..60).map(|n| {
        let path = world.queries(&format!("/{}", ids[n % 2]));
        let world = &world;
        async move { assert_eq!(world.get(&path).await.status, 200) }
    });
    futures::future::join_all(polls).await;
    let asked = world.site.jobs.asks.lock().unwrap().len() - before;
    assert!((1..=4).contains(&asked), "{asked} questions for 60 polls");
}

#[tokio::test]
async fn a_site_that_is_slow_to_say_makes_no_poller_wait_for_long() {
    let world = World::new().await;
    let id = world.submit("executing").await;
    world.stands(&id, "executing").await;
    world.site.jobs.dumb.store(true, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_millis(300)).await;
    let within = Duration::from_secs(4);
    let told = tokio::time::timeout(within, world.status_of(&id)).await.expect("a bounded wait");
    assert_eq!(told["status"], "executing");
    let batch = json!({ "queryIds": [id] });
    let told = tokio::time::timeout(within, world.post_to("/status", &batch)).await.expect("a bounded wait");
    assert_eq!(told.json()["results"][0]["query"]["status"], "executing");
}

#[tokio::test]
async fn pages_come_one_by_one_while_it_runs_and_times_stay() {
    let world = World::new().await;
    let id = world.submit("executing").await;
    world.stands(&id, "executing").await;
    let missing = world.get(&world.queries(&format!("/{id}/results/1"))).await;
    snapshot!("page_not_yet", missing.shown());
    world.site.jobs.change(&id, |job| job.upload(&ROW[..2]));
    tokio::time::sleep(Duration::from_millis(300)).await;
    let uploading = world.stands(&id, "uploading").await;
    assert_eq!(uploading["result"]["pages"].as_array().unwrap().len(), 1);
    let page = world.get(&world.queries(&format!("/{id}/results/1"))).await;
    snapshot!("page_first", page.shown());
    let data = BASE64.decode(page.json()["data"].as_str().unwrap()).unwrap();
    assert_eq!(String::from_utf8(data.clone()).unwrap(), format!("[{},{}]", ROW[0], ROW[1]));
    assert_eq!(page.header("size"), Some(data.len().to_string().as_str()));
    world.site.jobs.change(&id, |job| {
        job.upload(&ROW[2..]);
        job.succeed();
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    let done = world.stands(&id, "successful").await;
    for phase in ["initialising", "queued", "executing"] {
        assert_eq!(uploading["statusTiming"][phase], done["statusTiming"][phase], "{phase}");
    }
    assert_eq!(
        done["result"]["pages"][1]["rows"],
        json!({ "count": 1, "rangeStart": 2, "rangeEnd": 2 }),
        "rows are counted from 0"
    );
    let second = world.get(&world.queries(&format!("/{id}/results/2"))).await;
    assert_eq!((second.header("rows-range-start"), second.header("rows-range-end")), (Some("2"), Some("2")));
    let streamed = world.get(&world.queries(&format!("/{id}/results/1/stream"))).await;
    assert_eq!(streamed.body, data);
    assert_eq!(streamed.header("rows-count"), Some("2"));
    assert_eq!(world.get(&world.queries(&format!("/{id}/results/3"))).await.status, 404);
    assert_eq!(world.get(&world.queries(&format!("/{id}/results/0"))).await.status, 400);
    until(|| world.site.jobs.acknowledged.load(Ordering::SeqCst) > 0).await;
}

#[tokio::test]
async fn results_without_rows_are_pages_too() {
    let world = World::new().await;
    let id = world.submit("count").await;
    world.stands(&id, "successful").await;
    snapshot!("page_count", world.get(&world.queries(&format!("/{id}/results/1"))).await.shown());
    assert_eq!(world.get(&world.queries(&format!("/{id}/results/1/stream"))).await.body, b"[]");
    let id = world.submit("no result set").await;
    world.stands(&id, "successful").await;
    snapshot!("page_no_result_set", world.get(&world.queries(&format!("/{id}/results/1"))).await.shown());
    let id = world.submit("no rows").await;
    world.stands(&id, "successful").await;
    snapshot!("page_empty", world.get(&world.queries(&format!("/{id}/results/1"))).await.shown());
}

#[tokio::test]
async fn a_page_that_is_not_what_the_site_said_is_never_passed_on_as_whole() {
    let world = World::new().await;
    let id = world.submit("short page").await;
    world.stands(&id, "successful").await;
    assert_eq!(world.get(&world.queries(&format!("/{id}/results/1"))).await.status, 500);
    assert!(is_cut(&world, &format!("/{id}/results/1/stream")).await);
    let id = world.submit("damaged").await;
    world.stands(&id, "successful").await;
    snapshot!("page_damaged", world.get(&world.queries(&format!("/{id}/results/1"))).await.shown());
    let id = world.submit("page dies").await;
    world.stands(&id, "successful").await;
    assert_eq!(world.get(&world.queries(&format!("/{id}/results/1"))).await.status, 503);
    assert!(is_cut(&world, &format!("/{id}/results/1/stream")).await);
    assert!(is_cut(&world, &format!("/{id}/results")).await);
}

/// Whether the transfer of an answer breaks off.
pub(crate) async fn is_cut(world: &World, path: &str) -> bool {
    use http_body_util::BodyExt;
    use tower::ServiceExt;
    let request = world.request("GET", &world.queries(path), &[], String::new());
    let response = world.router.clone().oneshot(request).await.unwrap();
    assert_eq!(response.status(), 200);
    response.into_body().collect().await.is_err()
}

#[tokio::test]
async fn what_is_over_is_410_and_a_failed_query_has_no_pages() {
    let world = World::new().await;
    let id = world.submit("rows").await;
    world.stands(&id, "successful").await;
    world.site.jobs.change(&id, |job| job.state.expired = true);
    let page = world.queries(&format!("/{id}/results/1"));
    snapshot!("page_gone", world.get(&page).await.shown());
    let asked = world.site.jobs.page_asks.lock().unwrap().len();
    assert_eq!(world.get(&format!("{page}/stream")).await.status, 410);
    assert_eq!(world.get(&world.queries(&format!("/{id}/results"))).await.status, 410);
    assert_eq!(
        world.site.jobs.page_asks.lock().unwrap().len(),
        asked,
        "known once, it is not asked for again"
    );
    assert_eq!(world.status_of(&id).await["status"], "successful");
    let id = world.submit("unknown table").await;
    world.stands(&id, "executionFailed").await;
    snapshot!("page_of_failed", world.get(&world.queries(&format!("/{id}/results/1"))).await.shown());
}

#[tokio::test]
async fn a_batch_says_of_each_what_is_known() {
    let world = World::new().await;
    let ids = [
        world.submit("rows").await,
        world.submit("queued").await,
        world.run("rows").await.query_id(),
        "01890a5d-ac96-774b-bcce-b302099a8057".to_owned(),
    ];
    world.stands(&ids[0], "successful").await;
    world.stands(&ids[1], "queued").await;
    let answer = world.post_to("/status", &json!({ "queryIds": ids })).await;
    snapshot!("batch", answer.shown());
    for (name, body) in [
        ("none", json!({})),
        ("not_ids", json!({ "queryIds": ["canary"] })),
        ("not_a_list", json!({ "queryIds": "canary" })),
        ("too_many", json!({ "queryIds": vec![&ids[0]; 501] })),
    ] {
        let answer = world.post_to("/status", &body).await;
        assert!(!answer.message().contains("canary"));
        snapshot!(format!("batch_{name}"), answer.shown());
    }
    assert_eq!(world.post_to("/status", &json!({ "queryIds": vec![&ids[0]; 500] })).await.status, 200);
}

#[tokio::test]
async fn wrong_requests_never_reach_the_site() {
    let world = World::new().await;
    for (name, body) in [
        ("queue_too_long", json!({ "command": { "text": "rows" }, "maxTimeInQueue": 7_200_001 })),
        ("no_command", json!({})),
    ] {
        snapshot!(format!("async_bad_{name}"), world.post_to("/async", &body).await.shown());
    }
    let longest = json!({ "command": { "text": "rows" }, "maxTimeInQueue": 7_200_000 });
    assert_eq!(world.post_to("/async", &longest).await.status, 201);
    let text = world.call("POST", &world.queries("/async"), &[("content-type", "text/plain")], "x").await;
    assert_eq!(text.status, 415);
    assert_eq!(world.get(&world.queries("/async")).await.status, 405);
    let elsewhere = "/integrator/sites/01890a5d-ac96-774b-bcce-b302099a8057/queries/async";
    assert_eq!(world.call("POST", elsewhere, &[JSON], body("rows").to_string()).await.status, 404);
    world.site.paired.store(false, Ordering::SeqCst);
    world.site.break_connections();
    tokio::time::sleep(Duration::from_millis(50)).await;
    let world = world.restart();
    assert_eq!(world.post_to("/async", &body("rows")).await.status, 403);
}

#[tokio::test]
async fn a_name_is_good_once_for_all_kinds_of_queries() {
    let world = World::new().await;
    let id = "01890a5d-ac96-774b-bcce-b302099a8057";
    let named = [JSON, ("halo-query-id", id)];
    let post = async |path: &str| {
        world.call("POST", &world.queries(path), &named, body("rows").to_string()).await.status
    };
    assert_eq!(post("/async").await, 201);
    assert_eq!(post("/async").await, 409);
    assert_eq!(post("/immediate").await, 409);
    assert_eq!(world.site.runs.lock().unwrap().len(), 0);
}
