use crate::kit::World;
use base64::{Engine, engine::general_purpose::STANDARD};
use gateway::Limits;
use insta::assert_json_snapshot as snapshot;
use model::Availability;
use serde_json::{Value, json};
use std::sync::atomic::Ordering;

fn decoded(answer: &Value) -> Value {
    let data = STANDARD.decode(answer["result"]["data"].as_str().unwrap()).unwrap();
    assert_eq!(answer["result"]["size"], data.len());
    serde_json::from_slice(&data).unwrap()
}

#[tokio::test]
async fn rows_come_back_as_published() {
    let world = World::new().await;
    let answer = world.run("rows").await;
    assert_eq!(decoded(&answer.json()), json!([{"id": 1, "name": "Ann"}, {"id": 2, "name": "Bo"}]));
    assert_eq!(answer.json()["id"].as_str().unwrap(), answer.query_id());
    snapshot!("rows", answer.shown());
}

#[tokio::test]
async fn the_request_arrives_at_the_site_as_it_was_made() {
    let world = World::new().await;
    let body = json!({
        "maxTimeInQueue": 1500, "catalogue": "Drugs", "readOnly": true,
        "command": { "text": "count", "executionMode": "nonQuery", "type": "storedProcedure",
                     "parameters": [{ "name": "@a", "direction": "inputOutput", "type": "Int", "value": "5", "size": 4 }] }
    });
    assert_eq!(world.post(&body).await.status, 200);
    let runs = world.site.runs.lock().unwrap();
    let command = runs[0].command.as_ref().unwrap();
    assert_eq!(
        (runs[0].queue_ms, runs[0].run_ms, runs[0].read_only, runs[0].max_row_bytes),
        (1500, 60_000, true, 8 << 20)
    );
    assert_eq!(
        (command.catalogue.as_deref(), command.parameters[0].value.as_deref()),
        (Some("Drugs"), Some("5"))
    );
}

#[tokio::test]
async fn every_kind_of_success_has_its_form() {
    let world = World::new().await;
    let command = |text: &str, mode: &str| json!({ "command": { "text": text, "executionMode": mode } });
    snapshot!("non_query", world.post(&command("count", "nonQuery")).await.shown());
    snapshot!("non_query_without_count", world.post(&command("no count", "nonQuery")).await.shown());
    let scalar = world.post(&command("rows", "scalar")).await;
    assert_eq!((scalar.status, decoded(&scalar.json())[0]["id"].clone()), (200, json!(1)));
    let outputs = world.run("outputs").await;
    let parameters = &outputs.json()["result"]["parameters"];
    assert_eq!(STANDARD.decode(parameters[0]["value"].as_str().unwrap()).unwrap(), b"42");
    assert!(parameters[1]["value"].is_null());
    snapshot!("output_parameters", outputs.shown());
    // No columns, no rows: an empty array, not a missing one.
    assert_eq!(decoded(&world.run("no count").await.json()), json!([]));
}

#[tokio::test]
async fn a_failed_command_is_an_object_that_says_who_failed() {
    let world = World::new().await;
    for (name, text) in [
        ("database_error", "unknown table"),
        ("login_failed", "login failed"),
        ("parameter_does_not_convert", "bad parameter"),
        ("unknown_catalogue", "unknown catalogue"),
        ("deadlock_after_rows", "deadlock after rows"),
        ("too_large", "too large"),
    ] {
        snapshot!(name, world.run(text).await.shown());
    }
}

#[tokio::test]
async fn what_the_site_did_not_run_is_an_envelope_that_says_so() {
    let world = World::new().await;
    for (name, text) in [
        ("expired_in_queue", "expires"),
        ("timed_out", "times out"),
        ("interrupted", "interrupted"),
        ("switched_off", "switched off"),
        ("busy", "busy"),
        ("repeated", "repeated"),
        ("not_paired_any_more", "not paired"),
    ] {
        snapshot!(name, world.run(text).await.shown());
    }
}

#[tokio::test]
async fn a_site_that_breaks_the_contract_is_a_500_that_does_not_guess() {
    let world = World::new().await;
    for text in ["cut", "garbage", "more than asked for", "a piece less", "wide"] {
        let answer = world.run(text).await;
        assert_eq!(answer.status, 500, "{text}");
        assert!(answer.message().contains("not known: ask for the status"), "{}", answer.message());
    }
    assert_eq!(world.run("rows").await.status, 200, "and the gateway still serves");
}

#[tokio::test]
async fn a_site_that_breaks_off_is_believed_only_before_its_first_word() {
    let world = World::new().await;
    for text in ["denied after rows", "unread after rows"] {
        let answer = world.run(text).await;
        assert_eq!(answer.status, 504, "{text}");
        assert!(answer.message().contains("not known: ask for the status"), "{}", answer.message());
    }
    for (text, status) in [("denied", 403), ("what the kit does not know", 400)] {
        let answer = world.run(text).await;
        assert_eq!(answer.status, status, "{text}");
        assert!(answer.message().contains("not executed"), "{}", answer.message());
    }
}

#[tokio::test]
async fn what_a_site_says_beside_rows_has_its_limits_too() {
    let world = World::with(Limits { answer_memory_bytes: 2_000_000, ..Limits::default() }).await;
    assert!(world.run("long message").await.message().len() <= 64 * 1024);
    let body = json!({ "command": { "text": "large outputs", "executionMode": "nonQuery" } });
    assert_eq!(world.post(&body).await.status, 503, "they take their room from the same memory");
    assert_eq!(world.run("outputs").await.status, 200, "which is given back");
}

#[tokio::test]
async fn an_offline_site_is_answered_at_once() {
    let world = World::new().await;
    world.site.change(|record| record.availability = Availability::Offline);
    snapshot!("offline", world.run("rows").await.shown());
    world.site.change(|record| record.availability = Availability::Unreachable);
    assert!(world.run("rows").await.message().contains("unreachable"));
    assert!(world.site.runs.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_site_that_does_not_know_us_is_403_and_not_asked_again_at_once() {
    let world = World::new().await;
    world.site.paired.store(false, Ordering::SeqCst);
    snapshot!("unpaired", world.run("rows").await.shown());
    assert_eq!(world.run("rows").await.status, 403);
    assert_eq!(world.cloud.connects.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_site_that_is_somebody_else_gets_nothing() {
    let world = World::new().await;
    world.site.impersonate();
    let answer = world.run("rows").await;
    assert_eq!(answer.status, 503);
    assert!(answer.message().contains("could not prove to be the site"), "{}", answer.message());
    assert!(world.site.runs.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_retired_certificate_is_refused_also_after_a_restart() {
    let world = World::new().await;
    world.site.reissue(11);
    assert_eq!(world.run("rows").await.status, 200);
    world.site.reissue(10);
    let world = world.restart();
    assert_eq!(world.run("rows").await.status, 503);
    world.site.reissue(12);
    assert_eq!(world.run("rows").await.status, 200);
}

#[tokio::test]
async fn concurrent_callers_share_one_session() {
    let world = World::new().await;
    let answers = futures::future::join_all((0..20).map(|_| world.run("rows"))).await;
    assert!(answers.iter().all(|answer| answer.status == 200));
    assert_eq!(world.cloud.connects.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_session_that_died_while_idle_costs_no_query() {
    let world = World::new().await;
    for _ in 0..5 {
        assert_eq!(world.run("rows").await.status, 200);
        world.site.break_connections();
        tokio::task::yield_now().await;
    }
    assert_eq!(world.run("rows").await.status, 200);
}

#[tokio::test]
async fn a_connection_lost_during_the_attempt_is_a_504_that_does_not_send_twice() {
    let world = World::new().await;
    let answer = world.run("connection dies").await;
    assert_eq!(answer.status, 504);
    assert!(answer.message().contains("not known: ask for the status"), "{}", answer.message());
    assert_eq!(world.site.runs.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_read_only_command_is_sent_again_once() {
    let world = World::new().await;
    let answer =
        world.post(&json!({ "readOnly": true, "command": { "text": "connection dies once" } })).await;
    assert_eq!(answer.status, 200);
    let runs = world.site.runs.lock().unwrap();
    assert_eq!(runs.len(), 2);
    assert_ne!(runs[0].query_id, runs[1].query_id, "an id is used once");
}

#[tokio::test]
async fn a_lost_database_is_tried_again_for_the_reader_and_never_for_anybody_else() {
    let world = World::new().await;
    let read_only =
        async |text: &str| world.post(&json!({ "readOnly": true, "command": { "text": text } })).await;
    assert_eq!(read_only("database lost once").await.status, 200);
    assert_eq!(world.site.runs.lock().unwrap().len(), 2);
    let lost = read_only("database lost").await;
    assert_eq!((lost.status, lost.header("retry-after")), (503, Some("2")));
    assert!(lost.message().contains("changed nothing and may be sent again"), "{}", lost.message());
    world.site.runs.lock().unwrap().clear();
    let lost = world.run("database lost").await;
    assert_eq!((lost.status, lost.header("retry-after")), (504, None));
    assert!(lost.message().contains("not known: ask for the status"), "{}", lost.message());
    let away = world.run("database away").await;
    assert_eq!((away.status, away.header("retry-after")), (503, Some("10")));
    assert!(away.message().contains("was not executed"), "{}", away.message());
    assert_eq!(world.site.runs.lock().unwrap().len(), 2, "each once");
}

#[tokio::test]
async fn without_memory_for_an_answer_nothing_is_sent() {
    let world = World::with(Limits { answer_memory_bytes: 8 * 1024, ..Limits::default() }).await;
    let answer = world.run("rows").await;
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("1")));
    assert!(answer.message().contains("not executed"));
    assert!(world.site.runs.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_query_id_is_used_once() {
    let world = World::new().await;
    let id = "01890a5d-ac96-774b-bcce-b302099a8057";
    let headers = [("content-type", "application/json"), ("halo-query-id", id)];
    let body = json!({ "command": { "text": "rows" } }).to_string();
    let first = world.call("POST", &world.immediate_path(), &headers, body.clone()).await;
    assert_eq!((first.status, first.query_id().as_str()), (200, id));
    assert_eq!(world.call("POST", &world.immediate_path(), &headers, body.clone()).await.status, 409);
    let world = world.restart();
    snapshot!("query_id_used", world.call("POST", &world.immediate_path(), &headers, body).await.shown());
    assert_eq!(world.site.runs.lock().unwrap().len(), 1);
}
