//! What the one who runs a gateway sets bounds to.

use crate::{
    kit::World,
    tokens::{FORM, form, token},
};
use gateway::{Limits, Rate};
use insta::assert_json_snapshot as snapshot;
use serde_json::{Value, json};

const JSON: (&str, &str) = ("content-type", "application/json");

/// An integrator's own program gone wild must not use up what its other programs need.
#[tokio::test]
async fn k18_a_key_that_asks_too_often_is_429_and_other_keys_are_not() {
    let slow = Some(Rate { per_second: 1, burst: 2 });
    let world = World::with(Limits { key_rate: slow, ..Limits::default() }).await;
    let mut answers = Vec::new();
    for _ in 0..4 {
        answers.push(world.run("rows").await);
    }
    let refused = answers.iter().filter(|answer| answer.status == 429).count();
    // A second may have passed in between.
    assert!((1..=2).contains(&refused), "{refused}");
    let last = answers.iter().find(|answer| answer.status == 429).unwrap();
    snapshot!("too_often", last.shown());
    assert_eq!(world.site.runs.lock().unwrap().len(), 4 - refused, "what is refused is not run");
    let store = gateway::store::Store::open(world.data.path()).unwrap();
    let mut rng = <rand::rngs::StdRng as rand::SeedableRng>::seed_from_u64(11);
    let now = model::Clock::now(&model::SystemClock);
    let other = gateway::keys::add(&store, "another", &mut rng, now).unwrap();
    let headers = [JSON, ("ocp-apim-subscription-key", other.reveal().as_str())];
    // A key that is new is known within 200 ms.
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    let body = json!({ "command": { "text": "rows" } }).to_string();
    assert_eq!(world.call("POST", &world.immediate_path(), &headers, body).await.status, 200);
}

#[tokio::test]
async fn a_device_that_asks_too_often_is_429_and_other_devices_are_not() {
    let slow = Some(Rate { per_second: 1, burst: 2 });
    let world = World::with(Limits { device_rate: slow, ..Limits::default() }).await;
    let path = format!("/desktop/sites/{}/queries/registered", world.site.id());
    let ask = async |device: &str, token: &str| {
        let bearer = format!("Bearer {token}");
        world.call("GET", &path, &[("authorization", &bearer), ("deviceid", device)], "").await
    };
    let (one, two) = (token(&world, "PC-7").await, token(&world, "PC-8").await);
    let mut statuses = Vec::new();
    for _ in 0..4 {
        statuses.push(ask("PC-7", &one).await.status);
    }
    assert!(statuses.contains(&429) && statuses[0] == 200, "{statuses:?}");
    assert_eq!(ask("PC-8", &two).await.status, 200);
    // What has no good token takes none of the device's share.
    for _ in 0..5 {
        assert_eq!(ask("PC-9", &one).await.status, 401);
    }
    for _ in 0..9 {
        assert_eq!(
            world.call("POST", "/integrator/token", &[FORM], form(world.site.id(), "PC-7")).await.status,
            200
        );
    }
}

#[tokio::test]
async fn what_a_job_may_is_said_to_its_site() {
    let limits = Limits {
        async_queue_ms: 5_000,
        result_keep_ms: 7_200_000,
        async_result_bytes: 1_000_000,
        registered_result_bytes: 2_000_000,
        ..Limits::default()
    };
    let world = World::with(limits).await;
    let id = world.submit("rows").await;
    let registration = json!({
        "name": "r", "registeredQueryType": "query", "frequency": 60, "duration": 60,
        "registerCommand": { "command": { "text": "rows" } }
    });
    assert_eq!(world.post_to("/registered", &registration).await.status, 202);
    {
        let submits = world.site.jobs.submits.lock().unwrap();
        let told = |n: usize| (submits[n].queue_ms, submits[n].keep_ms, submits[n].max_row_bytes);
        assert_eq!(told(0), (5_000, 7_200_000, 1_000_000));
        assert_eq!(told(1), (60_000, 7_200_000, 2_000_000));
    }
    world.stands(&id, "successful").await;
    let page = world.queries(&format!("/{id}/results/1"));
    assert_eq!(world.get(&page).await.status, 200);
    world.set_clock(2 * 60 * 60 + 1);
    assert_eq!(world.get(&page).await.status, 410);
}

/// A site goes on keeping what it was told to keep: who configures less is not refused what is there.
#[tokio::test]
async fn lowering_result_keep_hours_turns_no_kept_result_into_410() {
    let before = World::new().await;
    let id = before.submit("rows").await;
    before.stands(&id, "successful").await;
    let page = before.queries(&format!("/{id}/results/1"));
    assert_eq!(before.get(&page).await.status, 200);
    // The process ends. The next one on its data is told to have results kept for a second.
    let world = World::with(Limits { result_keep_ms: 1_000, ..Limits::default() }).await;
    world.cloud.add(&before.site);
    before.gateway.stop();
    let World { data, .. } = before;
    let world = world.reborn(data);
    world.set_clock(60);
    assert_eq!(world.get(&page).await.status, 200);
    // A job of its own is kept as it says.
    let own = world.submit("rows").await;
    world.stands(&own, "successful").await;
    world.set_clock(60);
    assert_eq!(world.get(&world.queries(&format!("/{own}/results/1"))).await.status, 410);
    world.set_clock(24 * 60 * 60);
    assert_eq!(world.get(&page).await.status, 410);
}

#[tokio::test]
async fn more_unfinished_jobs_than_allowed_are_503_and_not_executed() {
    let world = World::with(Limits { open_jobs: 2, ..Limits::default() }).await;
    for _ in 0..2 {
        world.submit("queued").await;
    }
    let refused = world.post_to("/async", &json!({ "command": { "text": "queued" } })).await;
    snapshot!("too_many_open_jobs", refused.shown());
    assert_eq!(world.site.jobs.submits.lock().unwrap().len(), 2);
}

const ALL: &str = "/integrator/webhooks";

async fn keyed(world: &World, path: &str, key: &str, body: &Value) -> crate::kit::Answer {
    world.call("POST", path, &[JSON, ("idempotency-key", key)], body.to_string()).await
}

/// The answer has the secret, once: whoever lost it must get it again, and not a second endpoint.
#[tokio::test]
async fn a_webhook_is_made_once_per_key_and_its_secret_comes_again() {
    let world = World::new().await;
    let body = json!({ "url": "https://hooks.example.com/" });
    let first = keyed(&world, ALL, "hook", &body).await;
    assert_eq!(first.status, 201);
    let again = keyed(&world, ALL, "hook", &body).await;
    assert_eq!(
        (again.status, &again.body, again.header("cache-control")),
        (201, &first.body, Some("no-store"))
    );
    let secret = first.json()["secret"].as_str().unwrap().to_owned();
    let other = keyed(&world, ALL, "hook", &json!({ "url": "https://hooks.example.com/other" })).await;
    assert_eq!(other.status, 422);
    let world = world.restart();
    assert_eq!(keyed(&world, ALL, "hook", &body).await.body, first.body);
    assert_eq!(world.get(ALL).await.json()["webhooks"].as_array().unwrap().len(), 1);
    // Sealed: nothing in the folder shows it.
    for file in std::fs::read_dir(world.data.path()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()));
    }
    // A day later the key is free.
    let file = rusqlite::Connection::open(world.data.path().join("gateway.db")).unwrap();
    file.execute("UPDATE idempotency SET created = created - 86400001", []).unwrap();
    assert_ne!(keyed(&world, ALL, "hook", &body).await.json()["id"], first.json()["id"]);
}

#[tokio::test]
async fn each_other_post_of_webhooks_is_done_once_per_key() {
    let world = World::new().await;
    let made = keyed(&world, ALL, "hook", &json!({ "url": "https://hooks.example.com/" })).await;
    let path = format!("{ALL}/{}", made.json()["id"].as_str().unwrap());
    let nothing = json!({});
    let begun = keyed(&world, &format!("{path}/secrets"), "begin", &nothing).await;
    assert_eq!(begun.status, 200);
    let again = keyed(&world, &format!("{path}/secrets"), "begin", &nothing).await;
    assert_eq!((again.status, &again.body), (200, &begun.body), "without the key a second begin is 409");
    let sent = keyed(&world, &format!("{path}/test"), "test", &nothing).await;
    assert_eq!(sent.status, 202);
    assert_eq!(keyed(&world, &format!("{path}/test"), "test", &nothing).await.body, sent.body);
    let deliveries = format!("{ALL}/deliveries");
    let sent_so_far = async || world.get(&deliveries).await.json()["deliveries"].as_array().unwrap().len();
    assert_eq!(sent_so_far().await, 1);
    let one = format!("{deliveries}/{}/redeliver", sent.json()["id"].as_str().unwrap());
    let redelivered = keyed(&world, &one, "again", &nothing).await;
    assert_eq!(keyed(&world, &one, "again", &nothing).await.body, redelivered.body);
    let since = json!({ "since": "2026-02-03T04:05:06Z" });
    let all = format!("{deliveries}/redeliver");
    let redelivered = keyed(&world, &all, "all", &since).await;
    assert_eq!(redelivered.status, 202);
    assert_eq!(keyed(&world, &all, "all", &since).await.body, redelivered.body);
    assert_eq!(keyed(&world, &all, "test", &since).await.status, 422, "a key is for one request");
}

#[tokio::test]
async fn what_is_refused_may_come_again_under_its_key_and_what_was_cut_off_is_not_done_twice() {
    let world = World::new().await;
    let path = format!("{ALL}/01890a5d-ac96-774b-bcce-b302099a8057/test");
    for _ in 0..2 {
        assert_eq!(keyed(&world, &path, "early", &json!({})).await.status, 404);
    }
    // The gateway ended between the key and the answer.
    let body = json!({ "url": "https://hooks.example.com/" });
    assert_eq!(keyed(&world, ALL, "cut", &body).await.status, 201);
    let file = rusqlite::Connection::open(world.data.path().join("gateway.db")).unwrap();
    file.execute("DELETE FROM kept_answers", []).unwrap();
    snapshot!("idempotency_cut_off", keyed(&world, ALL, "cut", &body).await.shown());
    assert_eq!(world.get(ALL).await.json()["webhooks"].as_array().unwrap().len(), 1);
}
