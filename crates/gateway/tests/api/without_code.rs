//! Pairing without a code, where the published API has none: the practice decides, and the login goes to one site alone.

use crate::{
    approval::approve,
    kit::{Answer, DB_PASSWORD, FakeSite, Pairing, World},
};
use insta::assert_json_snapshot as snapshot;
use link_api::proto::PairRefusal;
use model::{Availability, Pms};
use std::sync::{Arc, atomic::Ordering};

const PATH: &str = "/integrator/pair-site?practiceManagementSiteId=77&practiceManagementName=Zedmed";

/// A Zedmed site that is authoritative for its identifier, beside the usual one.
async fn world() -> (World, Arc<FakeSite>) {
    let world = World::new().await;
    let site = add(&world, true);
    (world, site)
}

fn add(world: &World, authoritative: bool) -> Arc<FakeSite> {
    let site = FakeSite::new("77", "Zedmed Clinic");
    site.change(|record| (record.facts.pms, record.authoritative) = (Pms::Zedmed, authoritative));
    site.paired.store(false, Ordering::SeqCst);
    world.cloud.add(&site);
    site
}

fn says(site: &FakeSite, pairing: Pairing) {
    *site.pairing.lock().unwrap() = pairing;
}

async fn pair(world: &World) -> Answer {
    world.call("POST", PATH, &[], "").await
}

#[tokio::test]
async fn until_the_practice_has_decided_the_answer_has_both_fingerprints_and_nothing_secret_is_sent() {
    let (world, site) = world().await;
    says(&site, Pairing::Refuses(PairRefusal::Waiting));
    let answer = pair(&world).await;
    for fingerprint in [world.gateway.integrator().to_string(), site.id().to_string()] {
        assert!(answer.message().contains(&fingerprint), "{}", answer.message());
    }
    snapshot!("without_code_waiting", answer.shown());
    let begin = site.begins.lock().unwrap()[0].clone();
    assert!(begin.without_code && begin.code_name.is_empty());
    assert!(site.logins.lock().unwrap().is_empty());

    approve(&world, Pms::Zedmed, 1);
    world.gateway.show_new_papers().await;
    says(&site, Pairing::Approved);
    assert_eq!(pair(&world).await.status, 200);
    assert!(!site.begins.lock().unwrap()[1].approval.is_empty());
    assert_eq!(site.logins.lock().unwrap()[0].password, DB_PASSWORD);
    assert!(world.gateway.is_paired(site.id()));
}

#[tokio::test]
async fn each_refusal_has_its_reason() {
    let (world, site) = world().await;
    for reason in [
        PairRefusal::Denied,
        PairRefusal::TooManyRequests,
        PairRefusal::CodeNeeded,
        PairRefusal::NotApproved,
        // From before there was pairing without a code.
        PairRefusal::UnknownCode,
    ] {
        says(&site, Pairing::Refuses(reason));
        snapshot!(format!("without_code_{}", reason.as_str_name()), pair(&world).await.shown());
    }
}

#[tokio::test]
async fn the_login_goes_to_the_authoritative_site_alone() {
    let (world, site) = world().await;
    let squatter = add(&world, false);
    for of in [&site, &squatter] {
        says(of, Pairing::Approved);
    }
    site.change(|record| record.availability = Availability::Offline);
    assert_eq!(pair(&world).await.status, 502, "one that is not there is not replaced by one that is");
    assert!(squatter.begins.lock().unwrap().is_empty());
    squatter.change(|record| record.authoritative = true);
    snapshot!("without_code_two_authoritative", pair(&world).await.shown());
    assert!(squatter.begins.lock().unwrap().is_empty() && site.begins.lock().unwrap().is_empty());
}

#[tokio::test]
async fn the_site_that_was_asked_first_is_the_only_one_until_somebody_clears_it() {
    let (world, site) = world().await;
    says(&site, Pairing::Refuses(PairRefusal::Waiting));
    assert_eq!(pair(&world).await.status, 403);
    site.change(|record| record.authoritative = false);
    let other = add(&world, true);
    says(&other, Pairing::Approved);
    let answer = pair(&world).await;
    snapshot!("without_code_other_site", answer.shown());
    assert!(other.begins.lock().unwrap().is_empty());
    let world = world.restart();
    assert_eq!(pair(&world).await.status, 403, "it is kept");
    let store = gateway::store::Store::open(world.data.path()).unwrap();
    assert!(store.clear_pin(Pms::Zedmed, "77").unwrap());
    assert_eq!(pair(&world).await.status, 200);
}

#[tokio::test]
async fn a_blank_does_not_pass_the_first_site_by() {
    let (world, site) = world().await;
    says(&site, Pairing::Refuses(PairRefusal::Waiting));
    assert_eq!(pair(&world).await.status, 403);
    site.change(|record| record.authoritative = false);
    let other = add(&world, true);
    says(&other, Pairing::Approved);
    for id in ["%2077", "77%20", "77%0A", "%E2%80%8E77"] {
        let path = PATH.replace("=77&", &format!("={id}&"));
        let answer = world.call("POST", &path, &[], "").await;
        assert!(answer.status == 403 && answer.message().contains("first"), "{id:?}: {answer:?}");
    }
    assert!(other.begins.lock().unwrap().is_empty());
    assert_eq!(world.call("POST", &PATH.replace("=77&", "=%20&"), &[], "").await.status, 400);
}

#[tokio::test]
async fn a_practice_that_lets_nobody_in_just_now_has_refused_no_login() {
    let (world, site) = world().await;
    says(&site, Pairing::Refuses(PairRefusal::LoginFailed));
    let answer = pair(&world).await;
    assert!(answer.status == 403 && answer.message().contains("nobody in just now"), "{answer:?}");
    says(&world.site, Pairing::Refuses(PairRefusal::LoginFailed));
    let answer = crate::pairing::pair(&world, &crate::pairing::code(1)).await;
    assert!(answer.status == 403 && answer.message().contains("nobody in just now"), "{answer:?}");
    assert!(site.logins.lock().unwrap().is_empty() && world.site.logins.lock().unwrap().is_empty());
}

#[tokio::test]
async fn the_site_that_is_expected_belongs_to_the_request() {
    let (world, site) = world().await;
    says(&site, Pairing::Approved);
    let key = [("idempotency-key", "pair once")];
    let path = format!("{PATH}&siteId={}", site.id());
    assert_eq!(world.call("POST", &path, &key, "").await.status, 200);
    assert_eq!(world.call("POST", &path, &key, "").await.status, 200);
    assert_eq!(world.call("POST", PATH, &key, "").await.status, 422, "another request");
    assert_eq!(site.begins.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_caller_that_says_which_site_it_expects_gets_no_other() {
    let (world, site) = world().await;
    says(&site, Pairing::Approved);
    let expecting = async |guid: &str| world.call("POST", &format!("{PATH}&siteId={guid}"), &[], "").await;
    assert_eq!(expecting("no-guid").await.status, 400);
    let other = expecting(&world.site.id().to_string()).await;
    assert_eq!(other.status, 403);
    assert!(other.message().contains(&site.id().to_string()) && site.begins.lock().unwrap().is_empty());
    assert_eq!(expecting(&site.id().to_string()).await.status, 200);
}
