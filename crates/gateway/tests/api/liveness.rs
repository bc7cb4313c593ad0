//! A site is shown online only if its work path answers, and a session that lost its other end is opened anew by itself.

use crate::kit::{Probing, World};
use gateway::Limits;
use link_api::proto::LaneKind;
use model::Availability;
use serde_json::json;
use std::sync::atomic::Ordering;

const FIND: &str = "/integrator/sites?practiceManagementSiteId=12345&practiceManagementName=Best%20Practice";

/// Proofs are not remembered, and nobody is waited for long.
fn limits() -> Limits {
    Limits { proof_ms: 0, probe_ms: 200, ..Limits::default() }
}

async fn availability(world: &World) -> (String, String) {
    let one = world.get(&format!("/integrator/sites/{}", world.site.id())).await.json();
    let all = world.get(FIND).await.json();
    let word = |value: &serde_json::Value| value["availability"].as_str().unwrap().to_owned();
    (word(&one), word(&all["sites"][0]))
}

fn both(word: &str) -> (String, String) {
    (word.to_owned(), word.to_owned())
}

/// The incumbent's sites were online by their heartbeat while nothing could be run at them (K 28).
#[tokio::test]
async fn k28_a_site_whose_work_path_is_dead_is_not_shown_online() {
    let world = World::with(limits()).await;
    world.pair().await;
    assert_eq!(availability(&world).await, both("online"));
    let dead = [
        Probing::Silent,
        Probing::Stuck(LaneKind::LaneImmediate),
        Probing::Stuck(LaneKind::LaneBulk),
        Probing::Stuck(LaneKind::LanePlanner),
        Probing::Stuck(LaneKind::LaneJournal),
        Probing::DatabaseAway,
    ];
    for probing in dead {
        *world.site.probing.lock().unwrap() = probing;
        assert_eq!(availability(&world).await, both("unreachable"), "{probing:?}");
    }
    *world.site.probing.lock().unwrap() = Probing::Well;
    assert_eq!(availability(&world).await, both("online"));
    world.site.change(|record| record.availability = Availability::Offline);
    assert_eq!(availability(&world).await, both("offline"), "the platform's word, without asking");
}

/// A site that is not updated yet must not vanish when the gateway is.
#[tokio::test]
async fn a_site_that_does_not_know_the_question_is_alive() {
    let world = World::with(limits()).await;
    world.pair().await;
    *world.site.probing.lock().unwrap() = Probing::Old;
    assert_eq!(availability(&world).await, both("online"));
}

/// Many who ask at once cost a site one question, and a proof is good for a while.
#[tokio::test]
async fn a_site_is_asked_once_for_all_who_want_to_know() {
    let world = World::new().await;
    world.pair().await;
    let path = format!("/integrator/sites/{}", world.site.id());
    futures::future::join_all((0..50).map(|_| world.get(&path))).await;
    assert_eq!(world.get(&path).await.json()["availability"], "online");
    assert_eq!(world.site.probes.load(Ordering::SeqCst), 1);
}

/// Nobody can make a gateway dial a site that never let it in.
#[tokio::test]
async fn a_site_that_did_not_let_us_in_is_not_asked() {
    let world = World::with(limits()).await;
    *world.site.probing.lock().unwrap() = Probing::Silent;
    assert_eq!(world.get(FIND).await.json()["sites"][0]["availability"], "online");
    assert_eq!(world.cloud.connects.load(Ordering::SeqCst), 0);
}

/// The incumbent's immediate queries ended as 504 for ever once their thread had lost its socket, while the site stayed online (B 10, J
/// 26.202).
#[tokio::test]
async fn b10_504_while_online_heals_by_itself_after_one_answer() {
    let world = World::with(Limits { execution_ms: 100, transfer_slack_ms: 100, ..limits() }).await;
    world.pair().await;
    let body = json!({ "maxTimeInQueue": 0, "command": { "text": "rows" } });
    world.site.lose_sessions();
    assert_eq!(world.post(&body).await.status, 504);
    assert_eq!(world.post(&body).await.status, 200, "on a session of its own");
    world.site.lose_sessions();
    assert_eq!(availability(&world).await, both("online"), "who looks at the site finds and mends it too");
    assert_eq!(world.post(&body).await.status, 200);
}
