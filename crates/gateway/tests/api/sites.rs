use crate::kit::{FakeSite, World};
use gateway::cloud::CloudError;
use insta::assert_json_snapshot as snapshot;
use model::{Availability, Clock, SystemClock, Timestamp};
use serde_json::json;
use std::sync::atomic::Ordering;

const FIND: &str = "/integrator/sites?practiceManagementSiteId=12345&practiceManagementName=Best%20Practice";

#[tokio::test]
async fn sites_are_found_by_the_vendors_identifier() {
    let world = World::new().await;
    world.cloud.add(&FakeSite::new("12345", "Halo Demo Clinic, backup"));
    world.cloud.add(&FakeSite::new("99", "Another"));
    let answer = world.get(FIND).await;
    assert_eq!(answer.json()["sites"].as_array().unwrap().len(), 2);
    snapshot!("sites", answer.shown());
    assert_eq!(world.get(&FIND.replace("12345", "0")).await.json(), json!({ "sites": [] }));
}

#[tokio::test]
async fn a_site_that_let_us_in_shows_itself() {
    let world = World::new().await;
    let path = format!("/integrator/sites/{}", world.site.id());
    snapshot!("site", world.get(&path).await.shown());
    world.site.paired.store(false, Ordering::SeqCst);
    let world = world.restart();
    snapshot!("site_unpaired", world.get(&path).await.shown());
    world.site.change(|record| record.availability = Availability::Offline);
    assert_eq!(world.get(&path).await.status, 403);
    let unknown = "/integrator/sites/01890a5d-ac96-774b-bcce-b302099a8057";
    snapshot!("site_unknown", world.get(unknown).await.shown());
}

#[tokio::test]
async fn what_the_site_says_of_itself_counts_more_than_what_the_platform_says() {
    let world = World::new().await;
    let path = format!("/integrator/sites/{}", world.site.id());
    assert_eq!(world.run("rows").await.status, 200);
    world.site.change(|record| record.facts.practice_name = "as the platform tells it".into());
    let site = world.get(&path).await.json();
    assert_eq!(site["practiceMetadata"]["practiceName"], "Halo Demo Clinic");
}

#[tokio::test]
async fn a_site_was_enriched_when_its_database_told_of_it_and_never_in_the_future() {
    let world = World::new().await;
    let path = format!("/integrator/sites/{}", world.site.id());
    let platforms = "2026-02-03T04:05:06.007Z";
    assert_eq!(world.get(&path).await.json()["enrichedAt"], platforms, "a site that does not say it");
    world.site.change(|record| record.facts.enriched_at = Some(Timestamp(1_770_000_000_000)));
    let world = world.restart();
    assert_eq!(world.get(&path).await.json()["enrichedAt"], "2026-02-02T02:40:00.000Z");
    world.site.change(|record| record.facts.enriched_at = Some(Timestamp(i64::MAX)));
    let world = world.restart();
    let shown = world.get(&path).await.json()["enrichedAt"].as_str().unwrap().to_owned();
    assert!(Timestamp::parse(&shown).unwrap() <= SystemClock.now(), "{shown}");
}

#[tokio::test]
async fn without_the_platform_the_gateway_says_so() {
    let world = World::new().await;
    *world.cloud.failing.lock().unwrap() = Some(CloudError::Down);
    snapshot!("platform_down", world.get(FIND).await.shown());
    assert_eq!(world.run("rows").await.status, 503);
    *world.cloud.failing.lock().unwrap() = Some(CloudError::NotEntitled);
    assert_eq!(world.get(FIND).await.status, 403);
}
