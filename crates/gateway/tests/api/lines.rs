use crate::kit::World;
use axum::{body::Body, http::Response};
use gateway::Limits;
use http_body_util::BodyExt;
use insta::assert_json_snapshot as snapshot;
use serde_json::{Value, json};
use std::{sync::atomic::Ordering, time::Duration};
use tower::ServiceExt;

const HEADERS: [(&str, &str); 2] = [("content-type", "application/json"), ("accept", "application/x-ndjson")];

async fn lines(world: &World, text: &str, mode: &str) -> crate::kit::Answer {
    let body = json!({ "command": { "text": text, "executionMode": mode } }).to_string();
    world.call("POST", &world.immediate_path(), &HEADERS, body).await
}

async fn begin(world: &World, text: &str, read_only: bool) -> Response<Body> {
    let body = json!({ "readOnly": read_only, "command": { "text": text } }).to_string();
    world
        .router
        .clone()
        .oneshot(world.request("POST", &world.immediate_path(), &HEADERS, body))
        .await
        .unwrap()
}

#[tokio::test]
async fn each_line_has_one_key_and_the_last_one_says_how_it_ended() {
    let world = World::new().await;
    snapshot!("lines_rows", lines(&world, "rows", "reader").await.shown());
    snapshot!("lines_outputs", lines(&world, "outputs", "reader").await.shown());
    snapshot!("lines_count", lines(&world, "count", "nonQuery").await.shown());
    snapshot!("lines_deadlock_after_rows", lines(&world, "deadlock after rows", "reader").await.shown());
    let runs = world.site.runs.lock().unwrap();
    assert_eq!((runs[0].max_row_bytes, runs[0].run_ms), (0, 3_600_000), "no cap, and time to read it all");
}

#[tokio::test]
async fn each_result_set_comes_with_its_columns() {
    let world = World::new().await;
    snapshot!("lines_sets", lines(&world, "sets", "reader").await.shown());
    world.run("rows").await;
    let asked: Vec<_> = world.site.runs.lock().unwrap().iter().map(|run| run.all_sets).collect();
    assert_eq!(asked, [true, false], "the published form has room for one");
}

#[tokio::test]
async fn a_row_that_was_cut_stands_on_a_line_of_its_own() {
    let world = World::new().await;
    let mut body = begin(&world, "half a row", false).await.into_body();
    let mut got = Vec::new();
    while let Some(Ok(frame)) = body.frame().await {
        got.extend_from_slice(frame.data_ref().unwrap());
    }
    let lines: Vec<_> = std::str::from_utf8(&got).unwrap().lines().collect();
    assert_eq!(lines[2], "{\"row\":{\"id\":1,\"name\":\"ha");
    let end: Value = serde_json::from_str(lines[3]).unwrap();
    assert_eq!(end["end"]["errorDetails"]["errorCode"], 504);
}

#[tokio::test]
async fn an_error_before_the_first_line_keeps_its_status() {
    let world = World::new().await;
    for (text, status) in [("unknown table", 400), ("busy", 503), ("expires", 504), ("switched off", 403)] {
        assert_eq!(lines(&world, text, "reader").await.status, status, "{text}");
    }
}

#[tokio::test]
async fn the_first_row_comes_before_the_query_ends() {
    let world = World::new().await;
    let mut body = begin(&world, "wait", false).await.into_body();
    let mut got = String::new();
    while !got.contains("\"row\"") {
        let frame = body.frame().await.unwrap().unwrap();
        got.push_str(std::str::from_utf8(frame.data_ref().unwrap()).unwrap());
    }
    assert!(!got.contains("\"end\""));
    world.site.release.notify_one();
    let rest = body.collect().await.unwrap().to_bytes();
    let end: Value = serde_json::from_slice(&rest).unwrap();
    assert_eq!(end["end"]["status"], "successful");
}

#[tokio::test]
async fn a_cut_stream_is_a_broken_transfer_or_an_end_that_says_failed() {
    let world = World::new().await;
    // The site's stream stops without an end: the gateway knows, and says so.
    let answer = lines(&world, "cut", "reader").await;
    assert_eq!(answer.lines().last().unwrap()["end"]["status"], "executionFailed");
    assert_eq!(answer.lines().last().unwrap()["end"]["effect"], "unknown");
    let answer = lines(&world, "a piece less", "reader").await;
    assert_eq!(answer.lines().last().unwrap()["end"]["status"], "executionFailed");
    // The caller takes nothing for too long: the transfer breaks off without an end.
    let world = World::with(Limits { stalled_caller_ms: 50, ..Limits::default() }).await;
    let response = begin(&world, "endless", true).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let mut body = response.into_body();
    let broken = loop {
        match body.frame().await {
            Some(Ok(frame)) => assert!(!frame.data_ref().unwrap().starts_with(b"{\"end\"")),
            Some(Err(_)) => break true,
            None => break false,
        }
    };
    assert!(broken, "an HTTP client must see that the transfer did not end");
    until(|| world.site.cancelled.load(Ordering::SeqCst) == 1).await;
}

#[tokio::test]
async fn a_slow_caller_makes_the_database_wait_instead_of_filling_memory() {
    let world = World::new().await;
    let response = begin(&world, "endless", true).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    let mut body = response.into_body();
    let mut bytes = 0;
    while bytes < 20_000_000 {
        bytes += body.frame().await.unwrap().unwrap().data_ref().unwrap().len();
    }
    drop(body);
    until(|| world.site.cancelled.load(Ordering::SeqCst) == 1).await;
}

#[tokio::test]
async fn streams_and_plain_answers_have_a_session_each() {
    let world = World::new().await;
    let mut stream = begin(&world, "wait", false).await.into_body();
    assert_eq!(world.run("rows").await.status, 200);
    assert_eq!(world.cloud.connects.load(Ordering::SeqCst), 2);
    world.site.release.notify_one();
    while stream.frame().await.is_some() {}
}

pub(crate) async fn until(mut done: impl FnMut() -> bool) {
    for _ in 0..2000 {
        if done() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it did not happen within twenty seconds");
}
