//! What this gateway offers beyond the published document: cancel, list, the whole result, idempotency.

use crate::{
    kit::{Answer, ROW, World},
    lines::until,
};
use axum::body::Body;
use http_body_util::BodyExt;
use insta::assert_json_snapshot as snapshot;
use serde_json::{Value, json};
use std::time::Duration;
use tower::ServiceExt;

async fn cancel(world: &World, id: &str, rest: &str) -> Answer {
    world.call("DELETE", &world.queries(&format!("/{id}{rest}")), &[], "").await
}

#[tokio::test]
async fn cancelling_says_what_is_known_of_the_effect() {
    let world = World::new().await;
    let id = world.submit("queued").await;
    snapshot!("cancel_queued", cancel(&world, &id, "").await.shown());
    assert_eq!(cancel(&world, &id, "").await.status, 200, "again the same");
    let id = world.submit("executing").await;
    snapshot!("cancel_running", cancel(&world, &id, "").await.shown());
    snapshot!("cancel_running_by_force", cancel(&world, &id, "?force=true").await.shown());
    assert_eq!(cancel(&world, &id, "?force=maybe").await.status, 400);
    let id = world.submit("rows").await;
    world.stands(&id, "successful").await;
    assert_eq!(cancel(&world, &id, "").await.json()["status"], "successful");
    let immediate = world.run("rows").await.query_id();
    assert_eq!(cancel(&world, &immediate, "").await.status, 409);
    assert_eq!(cancel(&world, "01890a5d-ac96-774b-bcce-b302099a8057", "").await.status, 404);
}

#[tokio::test]
async fn a_job_that_is_still_being_handed_over_can_be_cancelled() {
    let world = World::new().await;
    world.pair().await;
    *world.cloud.failing.lock().unwrap() = Some(gateway::cloud::CloudError::Down);
    world.site.break_connections();
    tokio::time::sleep(Duration::from_millis(50)).await;
    let answer = world.post_to("/async", &json!({ "command": { "text": "rows" } })).await;
    let id = answer.query_id();
    assert_eq!(cancel(&world, &id, "").await.status, 202);
    let told = world.stands(&id, "executionFailed").await;
    assert_eq!((&told["effect"], &told["errorDetails"]["errorCode"]), (&json!("notExecuted"), &json!(499)));
    assert!(world.site.jobs.submits.lock().unwrap().is_empty());
}

#[tokio::test]
async fn the_list_pages_through_all_queries_newest_first() {
    let world = World::new().await;
    let mut made = vec![world.run("rows").await.query_id()];
    for text in ["rows", "queued", "unknown table"] {
        tokio::time::sleep(Duration::from_millis(3)).await;
        made.push(world.submit(text).await);
    }
    world.stands(&made[1], "successful").await;
    world.stands(&made[2], "queued").await;
    world.stands(&made[3], "executionFailed").await;
    // The mirror of immediate queries writes a little later.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let list = async |rest: &str| world.get(&world.queries(rest)).await;
    let ids = |answer: &Answer| -> Vec<String> {
        let json = answer.json();
        json["queries"].as_array().unwrap().iter().map(|q| q["id"].as_str().unwrap().to_owned()).collect()
    };
    let all = list("").await;
    snapshot!("list", all.shown());
    let newest_first: Vec<String> = made.iter().rev().cloned().collect();
    assert_eq!(ids(&all), newest_first);
    assert_eq!(ids(&list("?mode=immediate").await), made[..1]);
    assert_eq!(ids(&list("?mode=async&status=queued").await), made[2..3]);
    let since = all.json()["queries"][2]["createdAt"].as_str().unwrap().to_owned();
    assert_eq!(ids(&list(&format!("?createdAfter={since}")).await), newest_first[..2]);
    let (mut paged, mut rest) = (Vec::new(), "?limit=3".to_owned());
    loop {
        let answer = list(&rest).await;
        paged.extend(ids(&answer));
        let Some(cursor) = answer.json()["cursor"].as_str().map(str::to_owned) else { break };
        rest = format!("?limit=3&cursor={cursor}");
    }
    assert_eq!(paged, newest_first);
    for bad in [
        "?limit=0",
        "?limit=501",
        "?mode=registered",
        "?status=canary",
        "?createdAfter=now",
        "?cursor=x",
        "?limit=1&limit=2",
    ] {
        let answer = list(bad).await;
        assert_eq!(answer.status, 400, "{bad}");
        assert!(!answer.message().contains("canary"));
    }
}

#[tokio::test]
async fn the_whole_result_is_one_stream_of_lines() {
    let world = World::new().await;
    for text in ["rows", "count", "no rows"] {
        let id = world.submit(text).await;
        world.stands(&id, "successful").await;
        let answer = world.get(&world.queries(&format!("/{id}/results"))).await;
        snapshot!(format!("whole_{}", text.replace(' ', "_")), answer.shown());
    }
    let id = world.submit("unknown table").await;
    world.stands(&id, "executionFailed").await;
    assert_eq!(world.get(&world.queries(&format!("/{id}/results"))).await.status, 404);
}

#[tokio::test]
async fn the_stream_follows_a_query_that_still_runs() {
    let world = World::new().await;
    let id = world.submit("queued").await;
    world.stands(&id, "queued").await;
    let path = world.queries(&format!("/{id}/results"));
    let response =
        world.router.clone().oneshot(world.request("GET", &path, &[], Body::empty())).await.unwrap();
    let mut body = response.into_body();
    let mut got = String::new();
    let mut more = async |until: &str, got: &mut String| {
        while !got.contains(until) {
            let frame = body.frame().await.expect("more").unwrap();
            got.push_str(std::str::from_utf8(frame.data_ref().unwrap()).unwrap());
        }
    };
    more("\"query\"", &mut got).await;
    world.site.jobs.change(&id, |job| job.upload(&ROW[..2]));
    more("\"Bo\"", &mut got).await;
    assert!(!got.contains("\"end\""));
    world.site.jobs.change(&id, |job| {
        job.upload(&ROW[2..]);
        job.succeed();
    });
    more("\"end\"", &mut got).await;
    let last: Value = serde_json::from_str(got.lines().last().unwrap()).unwrap();
    assert_eq!((&last["end"]["status"], &last["end"]["rows"]), (&json!("successful"), &json!(3)));
    assert_eq!(got.matches("\"columns\"").count(), 1);
}

const KEY: (&str, &str) = ("idempotency-key", "order 66");
const JSON: (&str, &str) = ("content-type", "application/json");

async fn keyed(world: &World, path: &str, body: &Value) -> Answer {
    world.call("POST", &world.queries(path), &[JSON, KEY], body.to_string()).await
}

#[tokio::test]
async fn the_same_key_and_body_get_the_same_answer_also_after_a_restart() {
    let world = World::new().await;
    let registration = json!({
        "name": "r", "registeredQueryType": "query", "frequency": 60, "duration": 60,
        "registerCommand": { "command": { "text": "rows" } }
    });
    let (async_body, other) =
        (json!({ "command": { "text": "rows" } }), json!({ "command": { "text": "queued" } }));
    let first = keyed(&world, "/async", &async_body).await;
    assert_eq!(first.status, 201);
    world.stands(&first.query_id(), "successful").await;
    let again = keyed(&world, "/async", &async_body).await;
    assert_eq!((again.status, &again.body, again.query_id()), (201, &first.body, first.query_id()));
    snapshot!("idempotency_other_body", keyed(&world, "/async", &other).await.shown());
    assert_eq!(
        keyed(&world, "/immediate", &async_body).await.status,
        422,
        "another operation is another request"
    );
    let world = world.restart();
    let again = keyed(&world, "/async", &async_body).await;
    assert_eq!((again.status, &again.body), (201, &first.body));
    assert_eq!(world.site.jobs.submits.lock().unwrap().len(), 1);
    let key = [JSON, ("idempotency-key", "registration")];
    let register =
        async || world.call("POST", &world.queries("/registered"), &key, registration.to_string()).await;
    let (first, again) = (register().await, register().await);
    assert_eq!((first.status, again.status, &first.body), (202, 202, &again.body));
    assert_eq!(world.site.jobs.submits.lock().unwrap().len(), 2);
    // A day later the key is free.
    let file = rusqlite::Connection::open(world.data.path().join("gateway.db")).unwrap();
    file.execute("UPDATE idempotency SET created = created - 86400001", []).unwrap();
    assert_eq!(keyed(&world, "/async", &other).await.status, 201);
}

#[tokio::test]
async fn a_write_with_a_key_is_never_sent_twice() {
    let world = World::new().await;
    let count = json!({ "command": { "text": "count", "executionMode": "nonQuery" } });
    let first = keyed(&world, "/immediate", &count).await;
    let again = keyed(&world, "/immediate", &count).await;
    assert_eq!((again.status, again.json()), (200, first.json()));
    assert_eq!(world.site.runs.lock().unwrap().len(), 1);
    // Rows are not kept: it is said so.
    let rows = json!({ "command": { "text": "rows" } });
    let key = [JSON, ("idempotency-key", "rows")];
    let post = async || world.call("POST", &world.immediate_path(), &key, rows.to_string()).await;
    let first = post().await;
    let again = post().await;
    assert_eq!((first.status, again.query_id()), (200, first.query_id()));
    snapshot!("idempotency_rows_not_kept", again.shown());
    assert_eq!(world.site.runs.lock().unwrap().len(), 2);
    // What only read may be run again.
    let reading = json!({ "readOnly": true, "command": { "text": "rows" } });
    let key = [JSON, ("idempotency-key", "reading")];
    for _ in 0..2 {
        assert_eq!(world.call("POST", &world.immediate_path(), &key, reading.to_string()).await.status, 200);
    }
    assert_eq!(world.site.runs.lock().unwrap().len(), 4);
    // What was not executed as well.
    let busy = json!({ "command": { "text": "busy" } });
    let key = [JSON, ("idempotency-key", "busy")];
    for _ in 0..2 {
        assert_eq!(world.call("POST", &world.immediate_path(), &key, busy.to_string()).await.status, 503);
    }
    assert_eq!(world.site.runs.lock().unwrap().len(), 6);
}

#[tokio::test]
async fn while_the_first_is_answered_the_second_is_409() {
    let world = World::new().await;
    let body = json!({ "command": { "text": "wait" } });
    let first = keyed(&world, "/immediate", &body);
    let second = async {
        until(|| !world.site.runs.lock().unwrap().is_empty()).await;
        let second = keyed(&world, "/immediate", &body).await;
        world.site.release.notify_one();
        second
    };
    let (first, second) = tokio::join!(first, second);
    assert_eq!(first.status, 200);
    snapshot!("idempotency_in_flight", second.shown());
    // The caller left, and the command goes on.
    let body = json!({ "command": { "text": "wait" }, "maxTimeInQueue": 1 });
    let (key, path) = ([JSON, ("idempotency-key", "left")], world.immediate_path());
    tokio::select! {
        _ = world.call("POST", &path, &key, body.to_string()) => panic!("it waits"),
        () = until(|| world.site.runs.lock().unwrap().len() == 2) => {}
    }
    let again = world.call("POST", &world.immediate_path(), &key, body.to_string()).await;
    assert_eq!(again.status, 409);
    assert!(again.message().contains("still running"));
    world.site.release.notify_one();
}

#[tokio::test]
async fn keys_are_printable_and_not_too_long() {
    let world = World::new().await;
    let long = "k".repeat(256);
    for key in ["", "a\u{e4}b", &long] {
        let request = axum::http::HeaderValue::from_bytes(key.as_bytes()).unwrap();
        let mut asked =
            world.request("POST", &world.queries("/async"), &[JSON], "{\"command\":{\"text\":\"rows\"}}");
        asked.headers_mut().insert("idempotency-key", request);
        assert_eq!(world.router.clone().oneshot(asked).await.unwrap().status(), 400, "{key}");
    }
    assert!(world.site.jobs.submits.lock().unwrap().is_empty());
}
