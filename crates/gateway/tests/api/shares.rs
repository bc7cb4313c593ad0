//! What one site does not take must not fill the gateway's memory for the others.

use crate::kit::{FakeSite, World};
use gateway::{Limits, cloud::CloudError};
use insta::assert_json_snapshot as snapshot;
use serde_json::{Value, json};
use std::time::Duration;

/// Three times this is reserved for each.
const BODY: usize = 20_000;

fn body(named: &str) -> Value {
    json!({ "command": { "text": format!("rows -- {named} {}", "x".repeat(BODY)) } })
}

/// The bound on all memory is a 503 of its own; that on one site's share must come first.
#[tokio::test]
async fn commands_for_a_site_that_takes_none_are_refused_before_they_fill_the_memory_of_all() {
    let limits = Limits { answer_memory_bytes: 600_000, hand_over_ms: 1_500, ..Limits::default() };
    let world = World::with(limits).await;
    let other = FakeSite::new("2", "Another Practice");
    other.jobs.integrator.set(world.gateway.integrator()).unwrap();
    world.cloud.add(&other);
    world.pair().await;
    let path = |site: &FakeSite| format!("/integrator/sites/{}/queries/async", site.id());
    let send = async |site: &FakeSite, n: usize| {
        let headers = [("content-type", "application/json")];
        world.call("POST", &path(site), &headers, body(&n.to_string()).to_string()).await
    };
    // Known to the platform, and out of reach.
    world.site.change(|record| record.availability = model::Availability::Unreachable);
    world.site.break_connections();
    assert_eq!(send(&world.site, 1).await.status, 201);
    assert_eq!(send(&world.site, 2).await.status, 201);
    let refused = send(&world.site, 3).await;
    assert_eq!(refused.status, 503);
    snapshot!("site_share_used_up", refused.shown());
    // Immediate ones have their way through the same share.
    let immediate = world.post(&body("now")).await;
    assert_eq!((immediate.status, immediate.message()), (503, refused.message()));
    for n in 0..2 {
        assert_eq!(send(&other, n).await.status, 201, "another site has its own share");
    }
    // How jobs stand can be asked all the while.
    let batch = json!({ "queryIds": [uuid::Uuid::from_u128(1).to_string()] });
    assert_eq!(world.post_to("/status", &batch).await.status, 200);
    // What was given up is no longer held.
    for _ in 0..100 {
        if send(&world.site, 4).await.status == 201 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("the share is never free again");
}

/// A cloud that is down is not a site's fault, and the share is given back all the same.
#[tokio::test]
async fn a_share_is_given_back_also_when_the_command_was_refused() {
    let limits = Limits { answer_memory_bytes: 600_000, ..Limits::default() };
    let world = World::with(limits).await;
    world.pair().await;
    world.site.break_connections();
    *world.cloud.failing.lock().unwrap() = Some(CloudError::Offline);
    for _ in 0..10 {
        let answer = world.post(&body("x")).await;
        assert_eq!(answer.status, 503);
        assert!(answer.message().contains("offline"), "{}", answer.message());
    }
}
