//! Registered queries.

use crate::kit::{ROW, World, run_schedule};
use insta::assert_json_snapshot as snapshot;
use link_api::proto;
use model::Availability;
use serde_json::{Value, json};
use std::time::Duration;

fn body(text: &str) -> Value {
    json!({
        "name": "Recalls due", "registeredQueryType": "query", "frequency": 60, "duration": 120,
        "registerCommand": { "command": { "text": text } }
    })
}

async fn register(world: &World, text: &str) -> String {
    let answer = world.post_to("/registered", &body(text)).await;
    assert_eq!(answer.status, 202, "{}", answer.json());
    answer.json()["id"].as_str().unwrap().to_owned()
}

/// Long enough that the next poll asks the site again.
async fn later() {
    tokio::time::sleep(Duration::from_millis(300)).await;
}

#[tokio::test]
async fn a_registration_goes_its_published_way() {
    let world = World::new().await;
    let answer = world.post_to("/registered", &body("queued")).await;
    snapshot!("registered_created", answer.shown());
    let id = answer.json()["id"].as_str().unwrap().to_owned();
    let path = world.queries(&format!("/registered/{id}"));
    snapshot!("registered_before_the_first_run", world.get(&path).await.shown());
    let results = format!("{path}/results");
    snapshot!("registered_no_result_yet", world.get(&results).await.shown());
    world.site.jobs.change(&id, |job| run_schedule(job, &ROW[..2], 7));
    later().await;
    snapshot!("registered_after_a_run", world.get(&path).await.shown());
    snapshot!("registered_result", world.get(&results).await.shown());
    world.site.jobs.change(&id, |job| {
        job.state.status = proto::JobStatus::JobCompleted.into();
        job.state.ended_ago_ms = Some(5);
        job.state.revision += 1;
    });
    later().await;
    snapshot!("registered_completed", world.get(&path).await.shown());
    snapshot!("registered_list", world.get(&world.queries("/registered")).await.shown());
    let submits = world.site.jobs.submits.lock().unwrap();
    let sent = submits[0].schedule.clone().unwrap();
    assert_eq!((sent.name.as_str(), sent.frequency_ms, sent.duration_ms), ("Recalls due", 60_000, 120_000));
    assert_eq!((submits[0].queue_ms, submits[0].max_row_bytes), (60_000, 8 * 1024 * 1024));
}

#[tokio::test]
async fn a_failing_run_is_told_with_the_databases_words() {
    let world = World::new().await;
    let id = register(&world, "unknown table").await;
    later().await;
    let told = world.get(&world.queries(&format!("/registered/{id}"))).await;
    assert_eq!(told.json()["lastErrorDetails"]["errorMessage"], "Invalid object name 'canary'.");
    snapshot!("registered_failing", told.shown());
}

#[tokio::test]
async fn an_unchanged_result_is_not_sent_again_and_is_there_when_the_site_is_away() {
    let world = World::new().await;
    let id = register(&world, "rows").await;
    let path = world.queries(&format!("/registered/{id}/results"));
    let first = world.get(&path).await;
    assert_eq!(first.status, 200);
    assert_eq!(world.get(&path).await.body, first.body);
    {
        let asks = world.site.jobs.page_asks.lock().unwrap();
        assert_eq!((asks[0].have_hash.len(), asks[1].have_hash.len()), (0, 32));
    }
    world.site.change(|record| record.availability = Availability::Offline);
    world.site.break_connections();
    later().await;
    assert_eq!(world.get(&path).await.body, first.body, "the newest that anybody knows of");
    world.site.change(|record| record.availability = Availability::Online);
    world.site.jobs.change(&id, |job| run_schedule(job, &ROW[2..], 8));
    let second = world.get(&path).await;
    assert_eq!(second.json()["rows"], 1);
    world.site.change(|record| record.availability = Availability::Offline);
    world.site.break_connections();
    let world = world.restart();
    assert_eq!(world.get(&path).await.status, 503, "kept in memory alone");
}

#[tokio::test]
async fn cancelling_ends_it_and_can_be_said_twice() {
    let world = World::new().await;
    let id = register(&world, "rows").await;
    let path = world.queries(&format!("/registered/{id}"));
    world.site.change(|record| record.availability = Availability::Offline);
    world.site.break_connections();
    later().await;
    snapshot!("registered_cancel_offline", world.call("DELETE", &path, &[], "").await.shown());
    world.site.change(|record| record.availability = Availability::Online);
    for _ in 0..2 {
        let answer = world.call("DELETE", &path, &[], "").await;
        assert_eq!((answer.status, answer.body.len()), (204, 0));
    }
    assert_eq!(world.get(&path).await.json()["status"], "cancelled");
    let unknown = world.queries("/registered/01890a5d-ac96-774b-bcce-b302099a8057");
    assert_eq!(world.call("DELETE", &unknown, &[], "").await.status, 404);
    assert_eq!(world.get(&unknown).await.status, 404);
}

#[tokio::test]
async fn what_comes_to_nothing_at_once_is_an_error_and_not_a_registration() {
    let world = World::new().await;
    for text in ["no room", "busy", "switched off", "unknown catalogue", "denied", "too old"] {
        let answer = world.post_to("/registered", &body(text)).await;
        snapshot!(format!("registered_refused_{}", text.replace(' ', "_")), answer.shown());
    }
    world.site.change(|record| record.availability = Availability::Offline);
    world.site.break_connections();
    later().await;
    snapshot!("registered_refused_offline", world.post_to("/registered", &body("rows")).await.shown());
    let list = world.get(&world.queries("/registered")).await.json();
    assert_eq!(list["registeredQueries"], json!([]));
}

#[tokio::test]
async fn limits_are_named() {
    let world = World::new().await;
    let with = |name: &str, value: Value| {
        let mut body = body("rows");
        body[name] = value;
        body
    };
    for (case, body) in [
        ("frequency_low", with("frequency", 4.into())),
        ("frequency_text", with("frequency", "canary".into())),
        ("duration_long", with("duration", 34_560_001.into())),
        ("duration_zero", with("duration", 0.into())),
        ("type", with("registeredQueryType", "canary".into())),
        ("no_name", with("name", Value::Null)),
        ("no_command", with("registerCommand", json!({}))),
        ("queue", with("maxTimeInQueue", 7_200_001.into())),
    ] {
        let answer = world.post_to("/registered", &body).await;
        assert!(!answer.message().contains("canary"));
        snapshot!(format!("registered_bad_{case}"), answer.shown());
    }
    for (frequency, duration) in [(5, 1), (34_560_000, 34_560_000)] {
        let mut body = with("frequency", frequency.into());
        body["duration"] = duration.into();
        assert_eq!(world.post_to("/registered", &body).await.status, 202);
    }
}

#[tokio::test]
async fn catalogue_and_queue_are_taken_beside_the_command_and_at_the_top() {
    let world = World::new().await;
    let mut top = body("rows");
    top["catalogue"] = "Drugs".into();
    top["maxTimeInQueue"] = 1000.into();
    top["readOnly"] = true.into();
    let mut beside = top.clone();
    beside["registerCommand"]["catalogue"] = "Patients".into();
    beside["registerCommand"]["maxTimeInQueue"] = 2000.into();
    beside["registerCommand"]["readOnly"] = false.into();
    for body in [&top, &beside] {
        assert_eq!(world.post_to("/registered", body).await.status, 202);
    }
    let submits = world.site.jobs.submits.lock().unwrap();
    let told = |n: usize| {
        let command = submits[n].command.as_ref().unwrap();
        (command.catalogue.clone().unwrap(), submits[n].queue_ms, submits[n].read_only)
    };
    assert_eq!(told(0), ("Drugs".to_owned(), 1000, true));
    assert_eq!(told(1), ("Patients".to_owned(), 2000, false));
}

#[tokio::test]
async fn the_two_kinds_are_not_mistaken_for_one_another() {
    let world = World::new().await;
    let (once, again) = (world.submit("rows").await, register(&world, "rows").await);
    let get = async |path: String| world.get(&world.queries(&path)).await.status;
    assert_eq!(get(format!("/{again}")).await, 404);
    assert_eq!(get(format!("/{again}/results/1")).await, 404);
    assert_eq!(get(format!("/registered/{once}")).await, 404);
    let wrong = world.call("PUT", &world.queries("/registered"), &[], "").await;
    assert_eq!((wrong.status, wrong.header("allow")), (405, Some("POST,GET,HEAD")));
}
