use crate::kit::{Answer, DB_PASSWORD, FakeSite, Pairing, World};
use insta::assert_json_snapshot as snapshot;
use link_api::proto::PairRefusal;
use model::Availability;
use rand::{SeedableRng, rngs::StdRng};
use std::{
    io::Write,
    sync::{Arc, Mutex, atomic::Ordering},
};
use trust::pairing::Code;

const PATH: &str =
    "/integrator/pair-site?practiceManagementSiteId=12345&practiceManagementName=Best%20Practice";

pub(crate) fn code(seed: u64) -> String {
    Code::generate(&mut StdRng::seed_from_u64(seed)).display().reveal().clone()
}

pub(crate) async fn pair(world: &World, code: &str) -> Answer {
    world.call("POST", &format!("{PATH}&pairingCode={code}"), &[], "").await
}

fn site_pairs(site: &FakeSite, code: &str) {
    *site.pairing.lock().unwrap() =
        Pairing::Honest { code: code.into(), read_only: false, login_works: true };
}

#[tokio::test]
async fn with_the_code_of_the_site_it_is_paired_and_has_the_login() {
    let world = World::new().await;
    world.site.paired.store(false, Ordering::SeqCst);
    assert_eq!(world.run("rows").await.status, 403);
    site_pairs(&world.site, &code(1));
    let answer = pair(&world, &code(1).to_lowercase()).await;
    snapshot!("paired", answer.shown());
    assert_eq!(world.site.logins.lock().unwrap()[0].password, DB_PASSWORD);
    assert_eq!(world.run("rows").await.status, 200, "at once, whatever was known of the site before");
}

#[tokio::test]
async fn the_same_key_pairs_once_and_answers_the_same() {
    let world = World::new().await;
    site_pairs(&world.site, &code(1));
    let path = format!("{PATH}&pairingCode={}", code(1));
    let key = [("idempotency-key", "pair once")];
    let first = world.call("POST", &path, &key, "").await;
    // The code is used up by now.
    *world.site.pairing.lock().unwrap() = Pairing::Refuses(PairRefusal::UsedCode);
    let again = world.call("POST", &path, &key, "").await;
    assert_eq!((first.status, again.status, first.json()), (200, 200, again.json()));
    assert_eq!(world.site.logins.lock().unwrap().len(), 1);
    let other = format!("{PATH}&pairingCode={}", code(2));
    assert_eq!(world.call("POST", &other, &key, "").await.status, 422);
    assert_eq!(pair(&world, &code(1)).await.status, 403, "without the key it is another request");
}

#[tokio::test]
async fn the_deprecated_path_does_the_same() {
    let world = World::new().await;
    site_pairs(&world.site, &code(1));
    let path = format!("{PATH}&pairingCode={}", code(1)).replace("pair-site", "pairSite");
    assert_eq!(world.call("POST", &path, &[], "").await.status, 200);
}

#[tokio::test]
async fn a_lying_site_gets_neither_proof_nor_login() {
    for behaviour in [Pairing::Liar, Pairing::Echo] {
        let world = World::new().await;
        *world.site.pairing.lock().unwrap() = behaviour;
        snapshot!("lying_site", pair(&world, &code(1)).await.shown());
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        assert_eq!(world.site.proofs.load(Ordering::SeqCst), 0);
        assert!(world.site.logins.lock().unwrap().is_empty());
    }
}

#[tokio::test]
async fn a_site_that_knows_another_code_of_the_same_name_is_not_believed() {
    let world = World::new().await;
    let (ours, other) = (code(1), code(2));
    site_pairs(&world.site, &format!("{}{}", &ours[..4], &other[4..]));
    assert_eq!(pair(&world, &ours).await.status, 403);
    assert_eq!(world.site.proofs.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn each_refusal_has_its_reason() {
    let world = World::new().await;
    for reason in [
        PairRefusal::UnknownCode,
        PairRefusal::ExpiredCode,
        PairRefusal::UsedCode,
        PairRefusal::TooManyTries,
        PairRefusal::WrongProof,
        PairRefusal::OtherIntegrator,
        PairRefusal::OtherEnvironment,
        PairRefusal::UnsupportedVersion,
        PairRefusal::Protocol,
    ] {
        *world.site.pairing.lock().unwrap() = Pairing::Refuses(reason);
        snapshot!(format!("pairing_refused_{}", reason.as_str_name()), pair(&world, &code(1)).await.shown());
    }
    *world.site.pairing.lock().unwrap() =
        Pairing::Honest { code: code(1), read_only: false, login_works: false };
    snapshot!("pairing_login_failed", pair(&world, &code(1)).await.shown());
}

#[tokio::test]
async fn of_several_sites_the_one_that_made_the_code_is_paired() {
    let world = World::new().await;
    let (other, asleep) = (FakeSite::new("12345", "second"), FakeSite::new("12345", "third"));
    asleep.change(|record| record.availability = Availability::Offline);
    world.cloud.add(&asleep);
    world.cloud.add(&other);
    site_pairs(&other, &code(1));
    let answer = pair(&world, &code(1)).await;
    assert_eq!(answer.json()["id"], other.id().to_string());
    assert!(world.site.logins.lock().unwrap().is_empty());
}

#[tokio::test]
async fn somebody_who_claims_the_same_identifier_cannot_keep_the_real_site_from_pairing() {
    for squat in [
        Pairing::Liar,
        Pairing::Echo,
        Pairing::Refuses(PairRefusal::UsedCode),
        Pairing::Refuses(PairRefusal::WrongProof),
        Pairing::Refuses(PairRefusal::LoginFailed),
        Pairing::Refuses(PairRefusal::Protocol),
    ] {
        let world = World::new().await;
        // First in line.
        *world.site.pairing.lock().unwrap() = squat;
        let real = FakeSite::new("12345", "the real one");
        real.change(|record| record.authoritative = false);
        world.cloud.add(&real);
        site_pairs(&real, &code(1));
        let answer = pair(&world, &code(1)).await;
        assert_eq!((answer.status, &answer.json()["id"]), (200, &real.id().to_string().into()));
        assert_eq!(world.site.proofs.load(Ordering::SeqCst), 0);
        assert!(world.site.logins.lock().unwrap().is_empty());
    }
}

#[tokio::test]
async fn of_several_refusals_the_one_that_says_most_is_told() {
    let world = World::new().await;
    *world.site.pairing.lock().unwrap() = Pairing::Liar;
    let real = FakeSite::new("12345", "the real one");
    world.cloud.add(&real);
    *real.pairing.lock().unwrap() = Pairing::Refuses(PairRefusal::ExpiredCode);
    let answer = pair(&world, &code(1)).await;
    assert!(answer.message().contains("expired"), "{}", answer.message());
}

#[tokio::test]
async fn what_cannot_be_paired_says_why() {
    let world = World::new().await;
    snapshot!("pairing_without_code", world.call("POST", PATH, &[], "").await.shown());
    snapshot!("pairing_malformed_code", pair(&world, "ABC123").await.shown());
    let zedmed = PATH.replace("Best%20Practice", "Zedmed");
    snapshot!("pairing_zedmed", world.call("POST", &zedmed, &[], "").await.shown());
    let nobody = PATH.replace("12345", "0");
    snapshot!(
        "pairing_no_site",
        world.call("POST", &format!("{nobody}&pairingCode={}", code(1)), &[], "").await.shown()
    );
    world.site.change(|record| record.availability = Availability::Offline);
    snapshot!("pairing_offline", pair(&world, &code(1)).await.shown());
}

#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

// The subscriber is the process's own: whatever other tests log meanwhile must hold none of it either.
#[tokio::test]
async fn logs_hold_no_code_no_key_no_command_and_no_login() {
    let captured = Captured::default();
    let writer = captured.clone();
    tracing_subscriber::fmt()
        .with_max_level(tracing::Level::DEBUG)
        .with_writer(move || writer.clone())
        .init();
    let world = World::new().await;
    site_pairs(&world.site, &code(1));
    assert_eq!(pair(&world, &code(1)).await.status, 200);
    *world.site.pairing.lock().unwrap() = Pairing::Liar;
    assert_eq!(pair(&world, &code(1)).await.status, 403);
    assert_eq!(world.run("unknown table").await.status, 400);
    let logs = String::from_utf8_lossy(&captured.0.lock().unwrap()).into_owned();
    assert!(logs.contains("/integrator/pair-site") && logs.contains("answered"), "{logs}");
    let secret = &code(1)[5..];
    for canary in
        [secret, &secret.replace('-', ""), &world.key, DB_PASSWORD, "unknown table", "canary", "pairingCode"]
    {
        assert!(!logs.contains(canary), "{canary} in {logs}");
    }
}
