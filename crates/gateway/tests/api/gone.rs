//! Callers that go away.

use crate::{
    kit::{Pairing, World},
    lines::until,
};
use model::QueryId;
use serde_json::{Value, json};
use std::{sync::atomic::Ordering, time::Duration};
use tower::ServiceExt;

const ID: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

/// Asks, and goes away once the site has the command.
async fn ask_and_leave(world: &World, read_only: bool, accept: &str) {
    let arrived = world.site.arrived.notified();
    let headers = [("content-type", "application/json"), ("accept", accept), ("halo-query-id", ID)];
    let body = json!({ "readOnly": read_only, "command": { "text": "wait" } }).to_string();
    let request = world.request("POST", &world.immediate_path(), &headers, body);
    let asking = world.router.clone().oneshot(request);
    tokio::select! {
        biased;
        // The streaming form answers at once; its body is dropped then.
        answer = asking => drop(answer),
        () = async { arrived.await; tokio::time::sleep(Duration::from_millis(50)).await } => {}
    }
}

async fn status(world: &World) -> Value {
    world.get(&format!("/integrator/sites/{}/queries/{ID}", world.site.id())).await.json()
}

#[tokio::test]
async fn a_read_only_command_is_cancelled_when_its_caller_goes() {
    for accept in ["application/json", "application/x-ndjson"] {
        let world = World::new().await;
        ask_and_leave(&world, true, accept).await;
        until(|| world.site.cancelled.load(Ordering::SeqCst) == 1).await;
        assert_eq!(world.gateway.drain(Duration::from_secs(5)).await, 0);
        let status = status(&world).await;
        assert_eq!(
            (&status["status"], &status["errorDetails"]["errorCode"]),
            (&json!("executionFailed"), &json!(499))
        );
    }
}

#[tokio::test]
async fn any_other_command_finishes_and_its_outcome_can_be_asked_for() {
    for accept in ["application/json", "application/x-ndjson"] {
        let world = World::new().await;
        ask_and_leave(&world, false, accept).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert_eq!(world.site.cancelled.load(Ordering::SeqCst), 0);
        assert_eq!(status(&world).await["status"], "executing");
        world.site.release.notify_one();
        assert_eq!(world.gateway.drain(Duration::from_secs(5)).await, 0);
        let status = status(&world).await;
        assert_eq!((&status["status"], &status["effect"]), (&json!("successful"), &json!("executed")));
        assert_eq!(status["result"]["rows"], 2);
    }
}

async fn pair_read_only(world: &World) {
    let mut rng = <rand::rngs::StdRng as rand::SeedableRng>::seed_from_u64(5);
    let code = trust::pairing::Code::generate(&mut rng).display().reveal().clone();
    *world.site.pairing.lock().unwrap() =
        Pairing::Honest { code: code.clone(), read_only: true, login_works: true };
    assert_eq!(crate::pairing::pair(world, &code).await.status, 200);
}

#[tokio::test]
async fn a_read_only_pairing_alone_cancels_nothing_for_it_may_have_changed() {
    let world = World::new().await;
    pair_read_only(&world).await;
    ask_and_leave(&world, false, "application/json").await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(world.site.cancelled.load(Ordering::SeqCst), 0);
    world.site.release.notify_one();
    assert_eq!(world.gateway.drain(Duration::from_secs(5)).await, 0);
    assert_eq!(status(&world).await["status"], "successful");
}

#[tokio::test]
async fn under_a_read_only_pairing_that_has_changed_a_write_is_never_sent_twice() {
    let world = World::new().await;
    pair_read_only(&world).await;
    let answer = world.run("connection dies").await;
    assert_eq!(answer.status, 504);
    assert!(answer.message().contains("not known: ask for the status"), "{}", answer.message());
    let runs = world.site.runs.lock().unwrap();
    assert_eq!((runs.len(), runs[0].read_only), (1, false));
}

#[tokio::test]
async fn an_intent_is_recorded_before_a_possible_write_is_sent() {
    let world = World::new().await;
    ask_and_leave(&world, false, "application/json").await;
    let known = rusqlite::Connection::open(world.data.path().join("gateway.db")).unwrap();
    let id: QueryId = ID.parse().unwrap();
    let count: i64 = known
        .query_row("SELECT count(*) FROM queries WHERE id = ?1", [id.as_bytes()], |row| row.get(0))
        .unwrap();
    assert_eq!(count, 1);
}
