//! Tokens of desktop applications: how they are got, and every way to get in with something else.

use crate::kit::{Answer, FakeSite, World};
use axum::{body::Body, http::Request};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL};
use gateway::{Limits, desktop, desktop::DesktopSettings, store::Store};
use insta::assert_json_snapshot as snapshot;
use model::{DeviceId, SiteId, Timestamp};
use serde_json::{Value, json};
use tempfile::TempDir;
use tower::ServiceExt;

pub(crate) const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
const TOKEN: &str = "/integrator/token";
const GRANT: &str = "grant_type=urn:halo-connect:oauth:desktop-token";

pub(crate) fn form(site: SiteId, device: &str) -> String {
    format!("{GRANT}&device_id={device}&site_id={site}")
}

async fn ask_for(world: &World, site: SiteId, device: &str) -> Answer {
    world.call("POST", TOKEN, &[FORM], form(site, device)).await
}

/// A token for this device at the kit's site.
pub(crate) async fn token(world: &World, device: &str) -> String {
    let answer = ask_for(world, world.site.id(), device).await;
    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
    answer.json()["access_token"].as_str().unwrap().to_owned()
}

/// Whether the desktop's door lets it in: it asks for a query that there is not.
async fn tried(world: &World, token: &str, device: &str) -> Answer {
    let bearer = format!("Bearer {token}");
    let path = format!("/desktop/sites/{}/queries/01890a5d-ac96-774b-bcce-b302099a8057", world.site.id());
    world.call("GET", &path, &[("authorization", &bearer), ("deviceid", device)], "").await
}

async fn is_let_in(world: &World, token: &str, device: &str) -> bool {
    match tried(world, token, device).await.status {
        404 => true,
        401 | 403 => false,
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn a_token_is_given_as_published_and_opens_the_door_for_its_device() {
    let world = World::new().await;
    let answer = ask_for(&world, world.site.id(), "example-device-123").await;
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let mut shown = answer.shown();
    let token = shown.pointer_mut("/body/access_token").unwrap();
    let given = std::mem::replace(token, "[token]".into());
    snapshot!("token_given", shown);
    let given = given.as_str().unwrap();
    assert!(is_let_in(&world, given, "example-device-123").await);
    // Anybody may read what it says: there is nothing in it but what its bearer knows.
    let claims: Value =
        serde_json::from_slice(&BASE64URL.decode(given.split('.').nth(1).unwrap()).unwrap()).unwrap();
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 900);
    assert_eq!((&claims["sub"], &claims["site"]), (&json!("example-device-123"), &json!(world.site.id())));
    // A gateway that is started anew, or another one on the same data, takes it too.
    let world = world.restart();
    assert!(is_let_in(&world, given, "example-device-123").await);
}

#[tokio::test]
async fn each_mistake_in_asking_for_a_token_is_named() {
    let world = World::new().await;
    let site = world.site.id();
    for (name, body) in [
        ("empty", String::new()),
        ("no_grant", format!("device_id=a&site_id={site}")),
        ("other_grant", format!("grant_type=client_credentials&device_id=a&site_id={site}")),
        ("no_device", format!("{GRANT}&site_id={site}")),
        ("device_with_spaces", format!("{GRANT}&device_id=a+canary&site_id={site}")),
        ("device_too_long", format!("{GRANT}&device_id={}&site_id={site}", "a".repeat(129))),
        ("no_site", format!("{GRANT}&device_id=a")),
        ("site_is_no_uuid", format!("{GRANT}&device_id=a&site_id=canary")),
        ("twice", format!("{}&device_id=b", form(site, "a"))),
    ] {
        let answer = world.call("POST", TOKEN, &[FORM], body).await;
        assert_eq!(answer.status, 400, "{name}");
        assert!(!answer.message().contains("canary"));
        snapshot!(format!("token_bad_{name}"), answer.shown());
    }
    let json = world.call("POST", TOKEN, &[("content-type", "application/json")], "{}").await;
    snapshot!("token_not_a_form", json.shown());
    assert_eq!(world.call("POST", TOKEN, &[FORM], "a".repeat(20_000)).await.status, 413);
    let unknown = "01890a5d-ac96-774b-bcce-b302099a8057".parse().unwrap();
    snapshot!("token_unknown_site", ask_for(&world, unknown, "a").await.shown());
    world.site.paired.store(false, std::sync::atomic::Ordering::SeqCst);
    snapshot!("token_not_paired", ask_for(&world, site, "a").await.shown());
    let wrong = [FORM, ("ocp-apim-subscription-key", "wrong")];
    snapshot!("token_wrong_key", world.call("POST", TOKEN, &wrong, form(site, "a")).await.shown());
    let get = world.get(TOKEN).await;
    assert_eq!((get.status, get.header("allow")), (405, Some("POST")));
}

/// Published of a 401 at the token's door are two forms: whichever a client reads, it finds.
#[tokio::test]
async fn a_401_has_the_members_of_both_published_forms() {
    let world = World::new().await;
    let request = Request::post(TOKEN).header(FORM.0, FORM.1).body(Body::from(form(world.site.id(), "a")));
    let answer = world.router.clone().oneshot(request.unwrap()).await.unwrap();
    assert_eq!(answer.status(), 401);
    let body = axum::body::to_bytes(answer.into_body(), 10_000).await.unwrap();
    snapshot!("token_no_key", serde_json::from_slice::<Value>(&body).unwrap());
}

#[tokio::test]
async fn whatever_is_no_token_of_this_device_stays_outside() {
    let world = World::new().await;
    let good = token(&world, "PC-7").await;
    assert!(is_let_in(&world, &good, "PC-7").await);
    let parts: Vec<&str> = good.split('.').collect();
    let [header, claims, tag] = parts[..] else { panic!("three parts") };
    let claims_json: Value = serde_json::from_slice(&BASE64URL.decode(claims).unwrap()).unwrap();
    let with = |name: &str, value: Value| {
        let mut changed = claims_json.clone();
        changed[name] = value;
        format!("{header}.{}.{tag}", BASE64URL.encode(changed.to_string()))
    };
    let kid = serde_json::from_slice::<Value>(&BASE64URL.decode(header).unwrap()).unwrap()["kid"].clone();
    let none = |alg: &str| BASE64URL.encode(json!({ "alg": alg, "typ": "JWT", "kid": kid }).to_string());
    let elsewhere = World::new().await;
    let foreign = token(&elsewhere, "PC-7").await;
    for (what, token) in [
        ("an empty one", String::new()),
        ("alg none, unsigned", format!("{}.{claims}.", none("none"))),
        ("alg none, signed", format!("{}.{claims}.{tag}", none("none"))),
        ("another algorithm", format!("{}.{claims}.{tag}", none("HS512"))),
        ("another device written in", with("sub", "PC-8".into())),
        ("another site written in", with("site", "01890a5d-ac96-774b-bcce-b302099a8057".into())),
        ("a longer life written in", with("exp", 4_000_000_000_i64.into())),
        ("an older revocation written in", with("rev", 7.into())),
        ("no signature", format!("{header}.{claims}")),
        ("half a signature", good[..good.len() - 20].to_owned()),
        ("another gateway's key", foreign),
        ("the subscription key", world.key.clone()),
        ("a very long one", "a".repeat(5_000)),
    ] {
        let answer = tried(&world, &token, "PC-7").await;
        assert_eq!(answer.status, 401, "{what}");
        assert!(answer.message().contains("not one of this gateway's"), "{what}: {}", answer.message());
    }
    snapshot!("desktop_not_ours", tried(&world, "canary", "PC-7").await.shown());
    for device in ["PC-8", "pc-7", "PC", "PC-77"] {
        assert_eq!(tried(&world, &good, device).await.status, 401, "{device}");
    }
    snapshot!("desktop_other_device", tried(&world, &good, "PC-8").await.shown());
    let path = format!("/desktop/sites/{}/queries/registered", world.site.id());
    let bearer = format!("Bearer {good}");
    snapshot!("desktop_no_token", world.call("GET", &path, &[("deviceid", "PC-7")], "").await.shown());
    snapshot!("desktop_no_device", world.call("GET", &path, &[("authorization", &bearer)], "").await.shown());
    let basic = format!("Basic {good}");
    let basic = [("authorization", basic.as_str()), ("deviceid", "PC-7")];
    assert_eq!(world.call("GET", &path, &basic, "").await.status, 401);
    // The subscription key opens the integrator's door alone, and a token the desktop's.
    let key = [("ocp-apim-subscription-key", world.key.as_str())];
    assert_eq!(world.call("GET", &path, &key, "").await.status, 401);
    let request = Request::get(world.queries("/registered")).header("authorization", &bearer);
    let request = request.header("deviceid", "PC-7").body(Body::empty()).unwrap();
    assert_eq!(world.router.clone().oneshot(request).await.unwrap().status(), 401);
    assert!(is_let_in(&world, &good, "PC-7").await, "and the right one still does");
}

#[tokio::test]
async fn a_token_is_for_one_site() {
    let world = World::new().await;
    let other = FakeSite::new("67890", "Another Clinic");
    world.cloud.add(&other);
    let answer = ask_for(&world, other.id(), "PC-7").await;
    let foreign = answer.json()["access_token"].as_str().unwrap().to_owned();
    snapshot!("desktop_other_site", tried(&world, &foreign, "PC-7").await.shown());
    let bearer = format!("Bearer {}", token(&world, "PC-7").await);
    let headers = [("authorization", bearer.as_str()), ("deviceid", "PC-7")];
    let nowhere = world.call("GET", "/desktop/sites/nowhere/queries/registered", &headers, "").await;
    assert_eq!(nowhere.status, 400);
}

#[tokio::test]
async fn a_token_lives_as_long_as_it_says_by_the_gateways_own_clock() {
    let world =
        World::made(Limits::default(), DesktopSettings { token_minutes: 5, ..DesktopSettings::default() })
            .await;
    let good = token(&world, "PC-7").await;
    world.set_clock(4 * 60);
    assert!(is_let_in(&world, &good, "PC-7").await);
    world.set_clock(61);
    snapshot!("desktop_expired", tried(&world, &good, "PC-7").await.shown());
    // Set back, a clock makes none good that it should not know yet.
    world.set_clock(-20 * 60);
    snapshot!("desktop_not_yet", tried(&world, &good, "PC-7").await.shown());
}

#[tokio::test]
async fn k16_a_revoked_device_is_out_at_once_and_an_old_token_never_comes_back() {
    let world = World::new().await;
    let (old, other) = (token(&world, "PC-7").await, token(&world, "PC-8").await);
    let path = "/integrator/desktop/revocations/PC-7";
    snapshot!("revocations_none", world.get("/integrator/desktop/revocations").await.shown());
    let revoked = world.call("PUT", path, &[], "").await;
    snapshot!("device_revoked", revoked.shown());
    assert_eq!(world.call("PUT", path, &[], "").await.body, revoked.body, "again the same");
    snapshot!("desktop_revoked", tried(&world, &old, "PC-7").await.shown());
    snapshot!("token_revoked_device", ask_for(&world, world.site.id(), "PC-7").await.shown());
    assert!(is_let_in(&world, &other, "PC-8").await);
    let world = world.restart();
    assert!(!is_let_in(&world, &old, "PC-7").await, "it is on disk");
    snapshot!("revocations_one", world.get("/integrator/desktop/revocations").await.shown());
    assert_eq!(world.call("DELETE", path, &[], "").await.status, 204);
    assert_eq!(world.call("DELETE", path, &[], "").await.status, 404);
    assert!(!is_let_in(&world, &old, "PC-7").await);
    let new = token(&world, "PC-7").await;
    assert!(is_let_in(&world, &new, "PC-7").await);
    // All at once.
    assert_eq!(world.call("DELETE", "/integrator/desktop/tokens", &[], "").await.status, 204);
    assert!(!is_let_in(&world, &new, "PC-7").await && !is_let_in(&world, &other, "PC-8").await);
    let newest = token(&world, "PC-8").await;
    assert!(is_let_in(&world, &newest, "PC-8").await);
    // As the command line does, in another process.
    let store = Store::open(world.data.path()).unwrap();
    desktop::revoke(&store, &DeviceId::parse("PC-8").unwrap(), Timestamp(0)).unwrap();
    assert!(!is_let_in(&world, &newest, "PC-8").await);
    let long = format!("/integrator/desktop/revocations/{}", "a".repeat(129));
    assert_eq!(world.call("PUT", &long, &[], "").await.status, 400);
    assert_eq!(world.call("PUT", "/integrator/desktop/revocations/a%20b", &[], "").await.status, 400);
    let odd = "/integrator/desktop/revocations/domain%5Cuser%2F7";
    assert_eq!(world.call("PUT", odd, &[], "").await.json()["deviceId"], "domain\\user/7");
    let wrong = world.call("POST", "/integrator/desktop/revocations", &[], "").await;
    assert_eq!((wrong.status, wrong.header("allow")), (405, Some("GET,HEAD")));
}

/// The data folder of a second gateway of the integrator: of the first one's it has the keys of tokens alone.
fn second(world: &World) -> TempDir {
    let data = tempfile::tempdir().unwrap();
    let file = |folder: &TempDir| folder.path().join(desktop::KEY_FILE);
    std::fs::copy(file(&world.data), file(&data)).unwrap();
    let store = Store::open(data.path()).unwrap();
    // The kit's seed: the subscription key is the same, and so each call can go to both.
    let mut rng = <rand::rngs::StdRng as rand::SeedableRng>::seed_from_u64(3);
    let now = model::Clock::now(&model::SystemClock);
    let key = gateway::keys::add(&store, "tests", &mut rng, now).unwrap();
    assert_eq!(key.reveal().as_str(), world.key);
    data
}

/// Goes over to the gateway of another data folder; the folder of the one before comes back.
fn go_over(mut world: World, to: TempDir) -> (World, TempDir) {
    let from = std::mem::replace(&mut world.data, to);
    (world.restart(), from)
}

async fn revoke_all(world: &World) {
    assert_eq!(world.call("DELETE", "/integrator/desktop/tokens", &[], "").await.status, 204);
}

/// Each counts for itself what it revoked. A gateway that came later has counted less, and must not refuse the others' tokens for
/// good, nor be refused.
#[tokio::test]
async fn gateways_of_one_key_take_one_anothers_tokens_whatever_each_has_revoked_before() {
    let world = World::new().await;
    let later = second(&world);
    revoke_all(&world).await;
    revoke_all(&world).await;
    let device = "/integrator/desktop/revocations/PC-7";
    assert_eq!(world.call("PUT", device, &[], "").await.status, 200);
    assert_eq!(world.call("DELETE", device, &[], "").await.status, 204);
    world.set_clock(62);
    let of_the_first = token(&world, "PC-7").await;
    assert!(is_let_in(&world, &of_the_first, "PC-7").await);
    let (world, first) = go_over(world, later);
    assert!(is_let_in(&world, &of_the_first, "PC-7").await);
    let of_the_later = token(&world, "PC-7").await;
    let (world, _later) = go_over(world, first);
    assert!(is_let_in(&world, &of_the_later, "PC-7").await);
    assert!(is_let_in(&world, &of_the_first, "PC-7").await);
}

/// The count in another gateway's token may happen to be the one that is reached here: it says nothing of what was taken back here.
#[tokio::test]
async fn a_revocation_also_kills_what_another_gateway_of_the_key_gave_before() {
    let world = World::new().await;
    let here = second(&world);
    revoke_all(&world).await;
    let given = token(&world, "PC-7").await;
    // By a clock that is ahead, as far as clocks may be apart.
    world.set_clock(50);
    let ahead = token(&world, "PC-7").await;
    world.set_clock(-50);
    let (world, elsewhere) = go_over(world, here);
    assert!(is_let_in(&world, &given, "PC-7").await && is_let_in(&world, &ahead, "PC-7").await);
    // Once here, as it was once there.
    revoke_all(&world).await;
    assert!(!is_let_in(&world, &given, "PC-7").await, "revoked after it was given");
    assert!(!is_let_in(&world, &ahead, "PC-7").await, "the same, though its clock was ahead");
    let own = token(&world, "PC-7").await;
    assert!(is_let_in(&world, &own, "PC-7").await, "its own are good at once");
    world.set_clock(62);
    let (world, here) = go_over(world, elsewhere);
    let (seven, eight) = (token(&world, "PC-7").await, token(&world, "PC-8").await);
    let (world, _elsewhere) = go_over(world, here);
    assert!(is_let_in(&world, &seven, "PC-7").await && is_let_in(&world, &eight, "PC-8").await);
    let device = "/integrator/desktop/revocations/PC-7";
    assert_eq!(world.call("PUT", device, &[], "").await.status, 200);
    assert!(!is_let_in(&world, &seven, "PC-7").await, "revoked");
    assert_eq!(world.call("DELETE", device, &[], "").await.status, 204);
    assert!(!is_let_in(&world, &seven, "PC-7").await, "allowed again, and none from before");
    assert!(is_let_in(&world, &eight, "PC-8").await, "another device is none of it");
}

#[tokio::test]
async fn a_new_signing_key_takes_over_and_tokens_of_the_old_one_live_on() {
    let world = World::new().await;
    let old = token(&world, "PC-7").await;
    let now = model::Clock::now(&model::SystemClock);
    let mut rng = <rand::rngs::StdRng as rand::SeedableRng>::seed_from_u64(9);
    desktop::rotate(world.data.path(), now, desktop::Former::Signs(std::time::Duration::ZERO), &mut rng)
        .unwrap();
    let world = world.restart();
    let new = token(&world, "PC-7").await;
    assert_ne!(old.split('.').next(), new.split('.').next(), "another key's name");
    assert!(is_let_in(&world, &old, "PC-7").await && is_let_in(&world, &new, "PC-7").await);
}

#[tokio::test]
async fn switched_off_means_no_tokens_and_no_door() {
    let world = World::new().await;
    let good = token(&world, "PC-7").await;
    let settings = DesktopSettings { enabled: false, ..DesktopSettings::default() };
    let off = World::made(Limits::default(), settings).await;
    snapshot!("token_switched_off", ask_for(&off, off.site.id(), "PC-7").await.shown());
    snapshot!("desktop_switched_off", tried(&off, &good, "PC-7").await.shown());
}
