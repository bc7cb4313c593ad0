//! A copy of a practice's server, to which the platform leads: it has the key, and it must not be believed.

use crate::kit::World;
use model::SiteId;
use serde_json::json;
use std::sync::atomic::Ordering;
use tunnel::head::AuthorityChange;

/// The site's server is replaced: what was open breaks, and the next session finds another epoch.
fn becomes(world: &World, epoch: u64) {
    world.site.epoch.store(epoch, Ordering::SeqCst);
    world.site.break_connections();
}

#[tokio::test]
async fn a_server_with_an_older_epoch_than_one_before_is_sent_nothing_over_restarts_too() {
    let world = World::new().await;
    becomes(&world, (1 << 32) + 2);
    world.pair().await;
    becomes(&world, 9);
    // The broken session may be found broken first.
    let mut refused = world.run("rows").await;
    for _ in 0..20 {
        if refused.json()["error"]["code"] == "site-older-copy" {
            break;
        }
        refused = world.run("rows").await;
    }
    assert_eq!(refused.status, 503, "{}", refused.message());
    assert_eq!(refused.json()["error"]["code"], "site-older-copy", "{}", refused.message());
    assert!(refused.header("retry-after").is_some());
    let runs = world.site.runs.lock().unwrap().len();
    let world = world.restart();
    let again = world.run("rows").await;
    assert_eq!(
        (again.status, &again.json()["error"]["code"]),
        (503, &"site-older-copy".into()),
        "{}",
        again.message()
    );
    assert_eq!(world.site.runs.lock().unwrap().len(), runs, "it was sent nothing");
    assert!(world.gateway.is_paired(world.site.id()), "and the pairing is not forgotten because of a copy");
    becomes(&world, (1 << 32) + 3);
    world.pair().await;
}

#[tokio::test]
async fn a_site_from_before_epochs_were_told_goes_on_working() {
    let world = World::new().await;
    world.pair().await;
    becomes(&world, 0);
    world.pair().await;
}

/// What the platform's operator is about to do is seen by whoever relies on the site, and told once.
#[tokio::test]
async fn a_change_of_authority_is_shown_with_the_site_and_told_to_endpoints_once() {
    let world = World::new().await;
    world.pair().await;
    let path = format!("/integrator/sites/{}", world.site.id());
    assert!(world.get(&path).await.json().get("authorityChange").is_none());
    let endpoint =
        json!({ "url": "https://hooks.example.com/", "sources": ["site"], "events": ["authorityPending"] });
    let headers = [("content-type", "application/json")];
    let made = world.call("POST", "/integrator/webhooks", &headers, endpoint.to_string()).await;
    assert_eq!(made.status, 201, "{}", made.message());
    let to = SiteId(uuid::Uuid::from_u128(7));
    let ready_at = "2026-02-06T04:05:06.007Z".to_owned();
    world.site.change(|record| record.authority_change = Some(AuthorityChange { to, ready_at }));
    // Also by the rare look of a gateway that tells nobody of sites.
    for _ in 0..3 {
        world.gateway.look_for_changes().await;
        world.gateway.look_at_sites().await;
    }
    let shown = world.get(&path).await.json();
    assert_eq!(shown["authorityChange"]["to"], to.to_string());
    let log = world.get("/integrator/webhooks/deliveries").await.json();
    let told: Vec<_> = log["deliveries"].as_array().unwrap().iter().map(|one| one["event"].clone()).collect();
    assert_eq!(told, [json!("authorityPending")]);
}
