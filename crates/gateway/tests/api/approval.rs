//! What a gateway shows to sites: the PMS vendor's approval of its integrator, and its word about its own gateways.

use crate::{
    kit::{FakeSite, INTEGRATOR_NAME, Pairing, World},
    pairing::{self, code},
};
use insta::assert_json_snapshot as snapshot;
use link_api::proto::PairRefusal;
use model::{Access, Clock, Pms, SystemClock, Timestamp};
use std::{fs, sync::atomic::Ordering};
use trust::{
    approval::{Approval, Environments, Signed, VendorKey, sign},
    revocation::{self, Revocations},
};

/// Puts an approval where the gateway looks for them.
pub(crate) fn approve(world: &World, pms: Pms, serial: u64) -> Vec<u8> {
    let now = Timestamp(SystemClock.now().unix_seconds() * 1000);
    let of = Approval {
        integrator_root: world.root.spki().to_vec(),
        integrator_name: INTEGRATOR_NAME.to_owned(),
        pms,
        environments: Environments::of(["demo"]).unwrap(),
        access: Access::ReadWrite,
        note: String::new(),
        not_before: now,
        expires: Timestamp(now.0 + 1_000_000),
        serial,
    };
    let signed = sign(&of, &VendorKey::generate().unwrap()).unwrap();
    let folder = world.data.path().join("approvals");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join(format!("{serial}.approval")), signed.to_text()).unwrap();
    signed.to_bytes()
}

fn serials(shown: &[Vec<u8>]) -> Vec<u64> {
    shown.iter().map(|bytes| Signed::parse(bytes).unwrap().approval().serial).collect()
}

fn proven(site: &FakeSite, reason: PairRefusal) {
    *site.pairing.lock().unwrap() = Pairing::RefusesProven { code: code(1), reason };
}

#[tokio::test]
async fn a_site_that_wants_an_approval_is_told_of_as_one_and_the_next_step_depends_on_whether_there_is_any() {
    let world = World::new().await;
    proven(&world.site, PairRefusal::NotApproved);
    snapshot!("pairing_no_approval", pairing::pair(&world, &code(1)).await.shown());
    assert!(world.site.begins.lock().unwrap()[0].approval.is_empty());

    let other = approve(&world, Pms::Zedmed, 1);
    world.gateway.show_new_papers().await;
    assert!(
        pairing::pair(&world, &code(1)).await.message().contains("no approval for"),
        "of another software: none"
    );
    let ours = approve(&world, Pms::BestPractice, 2);
    world.gateway.show_new_papers().await;
    snapshot!("pairing_approval_refused", pairing::pair(&world, &code(1)).await.shown());
    let begins = world.site.begins.lock().unwrap();
    assert_eq!(begins.last().unwrap().approval, ours);
    assert_ne!(ours, other);
    assert!(world.site.logins.lock().unwrap().is_empty(), "no login leaves for one that refused");
}

#[tokio::test]
async fn an_approval_that_is_renewed_while_the_gateway_runs_is_shown_to_its_sites_at_once() {
    let world = World::new().await;
    approve(&world, Pms::BestPractice, 1);
    world.gateway.show_new_papers().await;
    world.pair().await;
    assert_eq!(serials(&world.site.hellos.lock().unwrap().last().unwrap().approvals), [1]);
    let before = world.site.hellos.lock().unwrap().len();
    world.gateway.show_new_papers().await;
    assert_eq!(world.site.hellos.lock().unwrap().len(), before, "nothing new is no reason to ask a site");
    approve(&world, Pms::BestPractice, 2);
    approve(&world, Pms::Zedmed, 3);
    world.gateway.show_new_papers().await;
    assert_eq!(serials(&world.site.hellos.lock().unwrap().last().unwrap().approvals), [2, 3]);
}

/// A site whose clock is behind takes none before its time, and says so when it is asked for something.
#[tokio::test]
async fn a_site_that_misses_the_approval_is_shown_it_in_a_new_session() {
    let world = World::new().await;
    approve(&world, Pms::BestPractice, 1);
    world.gateway.show_new_papers().await;
    world.pair().await;
    let hellos = || world.site.hellos.lock().unwrap().len();
    assert_eq!(hellos(), 1);
    assert_eq!(world.run("refusal CONSENT_EXPIRED").await.status, 403);
    assert_eq!(world.run("rows").await.status, 200);
    assert_eq!(hellos(), 1, "whatever else it refuses, the session is good");
    assert_eq!(world.run("refusal APPROVAL_EXPIRED").await.status, 403);
    assert_eq!(world.run("rows").await.status, 200);
    assert_eq!(hellos(), 2);
    assert!(world.gateway.is_paired(world.site.id()));
}

#[tokio::test]
async fn a_session_that_is_being_opened_when_papers_are_news_does_not_stay() {
    let world = World::new().await;
    world.site.hello_waits.store(true, Ordering::SeqCst);
    let hellos = || world.site.hellos.lock().unwrap().clone();
    let news = async {
        crate::lines::until(|| hellos().len() == 1).await;
        approve(&world, Pms::BestPractice, 7);
        world.gateway.show_new_papers().await;
        world.site.release.notify_one();
    };
    let (answer, ()) = tokio::join!(world.run("rows"), news);
    assert_eq!(answer.status, 200, "who waited for it gets it");
    assert!(hellos()[0].approvals.is_empty());
    assert_eq!(world.run("rows").await.status, 200);
    assert_eq!(serials(&hellos().last().unwrap().approvals), [7]);
}

#[tokio::test]
async fn a_site_that_does_not_answer_keeps_no_other_from_being_shown_papers() {
    let world = World::new().await;
    world.pair().await;
    let second = FakeSite::new("99", "Another Clinic");
    world.cloud.add(&second);
    let body = serde_json::json!({ "command": { "text": "rows" } });
    let path = format!("/integrator/sites/{}/queries/immediate", second.id());
    let json = [("content-type", "application/json")];
    assert_eq!(world.call("POST", &path, &json, body.to_string()).await.status, 200);
    crate::lines::until(|| world.gateway.is_paired(second.id())).await;
    let asked = |site: &FakeSite| site.hellos.lock().unwrap().len();
    let before = [asked(&world.site), asked(&second)];
    for site in [&world.site, &second] {
        site.hello_waits.store(true, Ordering::SeqCst);
    }
    approve(&world, Pms::BestPractice, 1);
    let both = async {
        crate::lines::until(|| [asked(&world.site), asked(&second)] == before.map(|n| n + 1)).await;
        world.site.release.notify_one();
        second.release.notify_one();
    };
    tokio::join!(world.gateway.show_new_papers(), both);
}

#[tokio::test]
async fn the_integrators_word_about_its_gateways_reaches_the_sites() {
    let world = World::new().await;
    world.pair().await;
    assert!(world.site.hellos.lock().unwrap().iter().all(|hello| hello.revocations.is_empty()));
    let word = Revocations { number: 7, instances: [("another gateway".to_owned(), 5)].into() };
    let bytes = revocation::sign(&world.root, &word).unwrap();
    fs::write(world.data.path().join(gateway::papers::REVOCATIONS), &bytes).unwrap();
    world.gateway.show_new_papers().await;
    assert_eq!(world.site.hellos.lock().unwrap().last().unwrap().revocations, bytes);
}

#[tokio::test]
async fn a_gateway_that_is_out_is_told_so_when_it_pairs() {
    let world = World::new().await;
    *world.site.pairing.lock().unwrap() = Pairing::Refuses(PairRefusal::RevokedInstance);
    snapshot!("pairing_revoked_instance", pairing::pair(&world, &code(1)).await.shown());
    assert_eq!(world.site.proofs.load(Ordering::SeqCst), 0);
}
