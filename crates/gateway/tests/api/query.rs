use crate::kit::World;
use insta::assert_json_snapshot as snapshot;
use link_api::proto;
use serde_json::json;

async fn status(world: &World, id: &str) -> crate::kit::Answer {
    world.get(&format!("/integrator/sites/{}/queries/{id}", world.site.id())).await
}

#[tokio::test]
async fn the_status_is_there_as_soon_as_the_answer_and_holds_no_rows() {
    let world = World::new().await;
    let rows = world.run("rows").await;
    let answer = status(&world, &rows.query_id()).await;
    assert!(!String::from_utf8_lossy(&answer.body).contains("Ann"));
    let (rows, told) = (rows.json(), answer.json());
    for same in [
        "id",
        "createdAt",
        "updatedAt",
        "completedAt",
        "statusTiming",
        "metrics",
        "resultSize",
        "commandSize",
        "requestSize",
    ] {
        assert_eq!(rows[same], told[same], "{same}");
    }
    snapshot!("status_rows", answer.shown());
    let count = world.post(&json!({ "command": { "text": "count", "executionMode": "nonQuery" } })).await;
    snapshot!("status_count", status(&world, &count.query_id()).await.shown());
}

#[tokio::test]
async fn a_failure_keeps_kind_and_code_and_not_the_databases_words() {
    let world = World::new().await;
    let failed = world.run("unknown table").await;
    assert!(failed.message().contains("canary"), "the caller himself gets them");
    let answer = status(&world, &failed.query_id()).await;
    assert!(!String::from_utf8_lossy(&answer.body).contains("canary"));
    snapshot!("status_failed", answer.shown());
    let expired = world.run("expires").await;
    snapshot!("status_expired", status(&world, &expired.query_id()).await.shown());
    let id = failed.query_id();
    let world = world.restart();
    assert_eq!(status(&world, &id).await.json()["errorDetails"]["errorCode"], 208);
    let file = std::fs::read(world.data.path().join("gateway.db")).unwrap();
    assert!(!file.windows(6).any(|w| w == b"canary"));
}

#[tokio::test]
async fn after_a_crash_the_sites_ledger_says_how_it_ended() {
    let world = World::new().await;
    let lost = world.run("connection dies").await;
    assert_eq!(lost.status, 504);
    let told = status(&world, &lost.query_id()).await.json();
    assert_eq!((&told["status"], &told["effect"]), (&json!("executionFailed"), &json!("unknown")));
    let running = proto::OutcomeReply { ended: Some(proto::Ended::default()) };
    world.site.outcomes.lock().unwrap().insert(bytes(&lost.query_id()), running);
    assert_eq!(status(&world, &lost.query_id()).await.json()["status"], "executing");
    let ended = proto::Ended {
        status: proto::Status::Successful.into(),
        effect: proto::Effect::Executed.into(),
        ..proto::Ended::default()
    };
    world
        .site
        .outcomes
        .lock()
        .unwrap()
        .insert(bytes(&lost.query_id()), proto::OutcomeReply { ended: Some(ended) });
    assert_eq!(status(&world, &lost.query_id()).await.json()["status"], "successful");
    // A crash: a command that outlives its gateway.
    let id = "01890a5d-ac96-774b-bcce-b302099a8057";
    let headers = [("content-type", "application/json"), ("halo-query-id", id)];
    let body = json!({ "command": { "text": "wait" } }).to_string();
    let (arrived, path) = (world.site.arrived.notified(), world.immediate_path());
    tokio::select! {
        _ = world.call("POST", &path, &headers, body) => panic!("it waits"),
        () = arrived => {}
    }
    let world = world.restart();
    assert_eq!(status(&world, id).await.json()["status"], "executing", "the site has no record yet");
    let ended = proto::Ended {
        status: proto::Status::Successful.into(),
        effect: proto::Effect::Executed.into(),
        rows: 2,
        row_bytes: 40,
        ..proto::Ended::default()
    };
    world.site.outcomes.lock().unwrap().insert(bytes(id), proto::OutcomeReply { ended: Some(ended) });
    snapshot!("status_from_the_sites_ledger", status(&world, id).await.shown());
    // Learnt once, it stays, also when the site is gone.
    world.site.change(|record| record.availability = model::Availability::Offline);
    assert_eq!(status(&world, id).await.json()["status"], "successful");
}

#[tokio::test]
async fn a_site_without_a_record_proves_nothing() {
    let world = World::new().await;
    let lost = world.run("connection dies").await;
    let id = lost.query_id();
    let world = world.restart();
    let file = rusqlite::Connection::open(world.data.path().join("gateway.db")).unwrap();
    let an_hour_ago = "UPDATE queries SET record = json_set(record, '$.created', record ->> '$.created' - 3600000, '$.effect', NULL, \
                       '$.status', 'executing', '$.error', NULL)";
    assert_eq!(file.execute(an_hour_ago, []).unwrap(), 1);
    let told = status(&world, &id).await.json();
    assert_eq!((&told["status"], &told["effect"]), (&json!("executionFailed"), &json!("unknown")));
    let ended = proto::Ended {
        status: proto::Status::Successful.into(),
        effect: proto::Effect::Executed.into(),
        ..proto::Ended::default()
    };
    world.site.outcomes.lock().unwrap().insert(bytes(&id), proto::OutcomeReply { ended: Some(ended) });
    assert_eq!(status(&world, &id).await.json()["effect"], "executed", "it is asked again");
}

#[tokio::test]
async fn unknown_queries_are_404() {
    let world = World::new().await;
    snapshot!("status_unknown", status(&world, "01890a5d-ac96-774b-bcce-b302099a8057").await.shown());
    let rows = world.run("rows").await;
    let elsewhere = "/integrator/sites/01890a5d-ac96-774b-bcce-b302099a8057/queries/";
    assert_eq!(world.get(&format!("{elsewhere}{}", rows.query_id())).await.status, 404, "of another site");
}

fn bytes(id: &str) -> Vec<u8> {
    uuid::Uuid::parse_str(id).unwrap().as_bytes().to_vec()
}
