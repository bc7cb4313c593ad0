//! The gateway's process is killed at every step of a job's way: each time the next one begins on the disk as it was at that
//! moment, with a site that has seen what it had seen. What was acknowledged ends, truly, once, and is told once.

use crate::{
    kit::{World, id_bytes},
    lines::until,
};
use gateway::{
    Limits,
    cloud::CloudError,
    jobs::{EventSink, JobEvent},
};
use link_api::proto::EventKind as E;
use serde_json::{Value, json};
use std::{
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tempfile::TempDir;

/// What a kill would leave on the disk now: all that was committed, nothing else.
fn disk(data: &Path) -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(data).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if path.is_file() && !name.starts_with("gateway.db") {
            std::fs::copy(&path, copy.path().join(name)).unwrap();
        }
    }
    let connection = rusqlite::Connection::open(data.join("gateway.db")).unwrap();
    let to = copy.path().join("gateway.db");
    connection.execute("VACUUM INTO ?1", [to.to_str().unwrap()]).unwrap();
    copy
}

/// Kills at a step, once: takes what is on the disk, and nothing that the gateway does afterwards reaches anybody.
#[derive(Clone)]
struct Axe {
    data: PathBuf,
    disk: Arc<Mutex<Option<TempDir>>>,
    fell: Arc<AtomicBool>,
}

impl Axe {
    fn new(world: &World) -> Axe {
        Axe { data: world.data.path().to_owned(), disk: Arc::default(), fell: Arc::default() }
    }

    fn fall(&self) {
        let mut kept = self.disk.lock().unwrap();
        if !self.fell.load(Ordering::SeqCst) {
            *kept = Some(disk(&self.data));
            // Only now: whoever sees it takes the disk.
            self.fell.store(true, Ordering::SeqCst);
        }
    }

    /// The next process, once the axe has fallen.
    async fn next(&self, world: World) -> (World, Arc<Sink>) {
        until(|| self.fell.load(Ordering::SeqCst)).await;
        world.gateway.stop();
        world.site.break_connections();
        *world.site.jobs.hook.lock().unwrap() = None;
        *world.cloud.dialled.lock().unwrap() = None;
        let data = self.disk.lock().unwrap().take().unwrap();
        let world = world.reborn(data);
        let sink = Sink::set(&world, None);
        *world.cloud.failing.lock().unwrap() = None;
        world.gateway.resume();
        (world, sink)
    }
}

/// Writes events down in the transaction that it is given, as the outbox does.
struct Sink {
    axe: Option<(Axe, &'static str)>,
}

impl Sink {
    fn set(world: &World, axe: Option<(Axe, &'static str)>) -> Arc<Sink> {
        let sink = Arc::new(Sink { axe });
        world.gateway.set_event_sink(Arc::clone(&sink) as Arc<dyn EventSink>);
        sink
    }

    fn step(&self, step: &str) {
        if let Some((axe, at)) = &self.axe
            && *at == step
        {
            axe.fall();
        }
    }
}

impl EventSink for Sink {
    fn take(&self, transaction: &rusqlite::Transaction<'_>, event: &JobEvent) -> rusqlite::Result<()> {
        transaction.execute("CREATE TABLE IF NOT EXISTS told (number INTEGER, query BLOB)", [])?;
        let number = i64::try_from(event.number).unwrap();
        transaction.execute("INSERT INTO told VALUES (?1, ?2)", (number, event.query.as_bytes()))?;
        self.step("event taken, not committed");
        Ok(())
    }

    fn committed(&self) {
        self.step("event committed");
    }
}

/// Numbers of all events that were told, in the order in which they were.
fn told(world: &World) -> Vec<i64> {
    let file = rusqlite::Connection::open(world.data.path().join("gateway.db")).unwrap();
    let Ok(mut all) = file.prepare("SELECT number FROM told ORDER BY rowid") else { return Vec::new() };
    all.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

/// A world with an axe that falls when the site comes to `step`, where `lost` says whether the site goes on.
async fn armed(step: &'static str, lost: bool) -> (World, Axe) {
    let world = World::new().await;
    world.pair().await;
    let axe = Axe::new(&world);
    let falls = axe.clone();
    *world.site.jobs.hook.lock().unwrap() = Some(Box::new(move |at| {
        let here = at == step;
        if here {
            falls.fall();
        }
        here && lost
    }));
    (world, axe)
}

fn command(text: &str) -> Value {
    json!({ "command": { "text": text } })
}

fn registration(text: &str) -> Value {
    json!({ "name": "r", "registeredQueryType": "query", "frequency": 60, "duration": 600, "registerCommand": command(text) })
}

/// Submits, async or registered; its id, as the site or the gateway's disk has it: the answer may be lost in the kill.
async fn send(world: &World, registered: bool, text: &str) -> String {
    let (router, key) = (world.router.clone(), world.key.clone());
    let (path, body) = match registered {
        true => (world.queries("/registered"), registration(text)),
        false => (world.queries("/async"), command(text)),
    };
    let id = uuid::Uuid::new_v4().to_string();
    let request = axum::http::Request::post(path)
        .header("ocp-apim-subscription-key", key)
        .header("content-type", "application/json")
        .header("halo-query-id", &id)
        .body(axum::body::Body::from(body.to_string()))
        .unwrap();
    tokio::spawn(tower::ServiceExt::oneshot(router, request));
    id
}

async fn stands(world: &World, registered: bool, id: &str, status: &str) -> Value {
    if !registered {
        return world.stands(id, status).await;
    }
    for _ in 0..400 {
        let shown = world.get(&world.queries(&format!("/registered/{id}"))).await;
        if shown.status == 200 && shown.json()["status"] == status {
            return shown.json();
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{id} does not become {status}")
}

#[tokio::test]
async fn killed_between_the_mirror_and_the_hand_over_it_was_not_executed() {
    for registered in [false, true] {
        let world = World::new().await;
        world.pair().await;
        let axe = Axe::new(&world);
        world.site.break_connections();
        tokio::time::sleep(Duration::from_millis(50)).await;
        let falls = axe.clone();
        *world.cloud.dialled.lock().unwrap() = Some(Box::new(move || falls.fall()));
        *world.cloud.failing.lock().unwrap() = Some(CloudError::Down);
        let id = send(&world, registered, "rows").await;
        let (world, _) = axe.next(world).await;
        stands(&world, registered, &id, "initialisationFailedCacheError").await;
        assert!(world.site.jobs.all.lock().unwrap().is_empty(), "nothing was executed");
    }
}

#[tokio::test]
async fn a_submit_that_is_still_on_its_way_when_its_end_is_told_is_not_executed_when_it_comes() {
    for registered in [false, true] {
        let (world, axe) = armed("submit came", true).await;
        let id = send(&world, registered, "rows").await;
        let (world, _) = axe.next(world).await;
        let said = stands(&world, registered, &id, "initialisationFailedCacheError").await;
        // The relay has held it back until now.
        let late = world.site.jobs.submits.lock().unwrap()[0].clone();
        let answer = world.site.jobs.submit(&world.site, late).unwrap().unwrap();
        assert_eq!(answer.ended.unwrap().effect(), link_api::proto::Effect::NotExecuted);
        assert!(world.site.jobs.all.lock().unwrap().is_empty(), "what was said of it stays true");
        assert_eq!(stands(&world, registered, &id, "initialisationFailedCacheError").await, said);
    }
}

#[tokio::test]
async fn a_submit_that_comes_after_the_gateway_gave_up_is_not_executed() {
    let world = World::with(Limits { hand_over_ms: 500, ..Limits::default() }).await;
    *world.site.jobs.hook.lock().unwrap() = Some(Box::new(|at| at == "submit came"));
    let id = world.post_to("/async", &command("rows")).await.query_id();
    world.stands(&id, "initialisationFailedSiteUnreachable").await;
    // First nobody knows; then the site promises not to take it.
    let gave_up = async {
        while world.status_of(&id).await["effect"] != "notExecuted" {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), gave_up).await.expect("the site is asked");
    *world.site.jobs.hook.lock().unwrap() = None;
    let late = world.site.jobs.submits.lock().unwrap()[0].clone();
    world.site.jobs.submit(&world.site, late).unwrap().unwrap();
    assert!(world.site.jobs.all.lock().unwrap().is_empty());
}

#[tokio::test]
async fn an_older_site_that_makes_no_promise_is_asked_twice() {
    let (world, axe) = armed("submit came", true).await;
    world.site.jobs.fenceless.store(true, Ordering::SeqCst);
    let id = send(&world, false, "rows").await;
    let (world, _) = axe.next(world).await;
    world.stands(&id, "initialisationFailedCacheError").await;
    let asks = world.site.jobs.asks.lock().unwrap();
    let asked = asks.iter().filter(|ask| ask.query_ids.contains(&id_bytes(&id))).count();
    assert!(asked >= 2, "one word is not enough: {asked}");
}

/// What may still be taken must not be called *not executed*, however often the site is asked.
#[tokio::test]
async fn a_site_that_can_not_promise_keeps_the_job_open_until_it_can() {
    let (world, axe) = armed("submit came", true).await;
    world.site.jobs.fences_full.store(true, Ordering::SeqCst);
    let id = send(&world, false, "rows").await;
    let (world, _) = axe.next(world).await;
    let asked = || {
        let asks = world.site.jobs.asks.lock().unwrap();
        asks.iter().filter(|ask| ask.query_ids.contains(&id_bytes(&id))).count()
    };
    let begun = tokio::time::Instant::now();
    // Longer than an older site's second word takes, which would be believed.
    while asked() < 3 || begun.elapsed() < Duration::from_secs(4) {
        assert!(begun.elapsed() < Duration::from_secs(120), "asked {} times", asked());
        tokio::time::sleep(Duration::from_millis(100)).await;
        // Whoever polls has the site asked.
        let told = world.get(&world.queries(&format!("/{id}"))).await.json();
        assert_eq!(told["status"], "initialising", "{told}");
    }
    world.site.jobs.fences_full.store(false, Ordering::SeqCst);
    world.stands(&id, "initialisationFailedCacheError").await;
}

#[tokio::test]
async fn killed_between_the_hand_over_and_its_answer_the_job_is_the_sites_and_starts_once() {
    for (lost, registered) in [(true, false), (false, false), (true, true), (false, true)] {
        // Lost: before the answer. Not lost: the answer was on its way when the disk was as it is.
        let (world, axe) = armed("submit durable", lost).await;
        let id = send(&world, registered, "rows").await;
        let (world, _) = axe.next(world).await;
        let status = if registered { "enabled" } else { "successful" };
        stands(&world, registered, &id, status).await;
        assert_eq!(world.site.jobs.all.lock().unwrap().len(), 1);
        assert_eq!(
            world.site.jobs.submits.lock().unwrap().len(),
            1,
            "it is asked for, not handed over again"
        );
    }
}

#[tokio::test]
async fn killed_in_the_middle_of_a_cancel_the_job_ends_as_the_site_says() {
    for (step, lost, status) in [
        ("cancel came", true, "queued"),
        ("cancel done", true, "executionFailed"),
        ("cancel done", false, "executionFailed"),
    ] {
        let (world, axe) = armed(step, lost).await;
        let id = world.submit("queued").await;
        world.stands(&id, "queued").await;
        let (router, path) = (world.router.clone(), world.queries(&format!("/{id}")));
        let request = world.request("DELETE", &path, &[], String::new());
        tokio::spawn(tower::ServiceExt::oneshot(router, request));
        let (world, _) = axe.next(world).await;
        let told = world.stands(&id, status).await;
        if status != "queued" {
            assert_eq!(
                (&told["effect"], &told["errorDetails"]["errorCode"]),
                (&json!("notExecuted"), &json!(499))
            );
        }
    }
}

#[tokio::test]
async fn a_cancel_that_was_acknowledged_during_the_hand_over_outlives_the_process() {
    for arrived in [false, true] {
        let world = World::new().await;
        world.pair().await;
        let axe = Axe::new(&world);
        // The site has it, or not; either way its answer does not come.
        let step = if arrived { "submit durable" } else { "submit came" };
        *world.site.jobs.hook.lock().unwrap() = Some(Box::new(move |at| at == step));
        let id = world.post_to("/async", &command("queued")).await.query_id();
        until(|| !world.site.jobs.submits.lock().unwrap().is_empty()).await;
        let answer = world.call("DELETE", &world.queries(&format!("/{id}")), &[], "").await;
        assert_eq!(answer.status, 202, "it is promised");
        axe.fall();
        let (world, _) = axe.next(world).await;
        let status = if arrived { "executionFailed" } else { "initialisationFailedCacheError" };
        assert_eq!(world.stands(&id, status).await["effect"], "notExecuted");
        if arrived {
            let all = world.site.jobs.all.lock().unwrap();
            let ended = all[&id_bytes(&id)].state.ended.clone().unwrap();
            assert_eq!(ended.status(), link_api::proto::Status::Cancelled);
        } else {
            assert!(world.site.jobs.fences.lock().unwrap().contains(&id_bytes(&id)));
        }
    }
}

#[tokio::test]
async fn an_event_its_cursor_and_what_is_to_be_told_of_it_are_on_disk_together_or_not_at_all() {
    for (step, on_disk) in [("event taken, not committed", 0), ("event committed", 1)] {
        let world = World::new().await;
        world.pair().await;
        let axe = Axe::new(&world);
        Sink::set(&world, Some((axe.clone(), step)));
        let id = world.submit("executing").await;
        until(|| world.site.jobs.event_streams.load(Ordering::SeqCst) > 0).await;
        world.site.jobs.change(&id, |job| job.succeed());
        world.site.jobs.tell(&world.site, &id, E::EventSucceeded, &[]);
        until(|| axe.fell.load(Ordering::SeqCst)).await;
        {
            let disk = axe.disk.lock().unwrap();
            let file = rusqlite::Connection::open(disk.as_ref().unwrap().path().join("gateway.db")).unwrap();
            let count = |sql: &str| file.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap_or(0);
            let cursor = count("SELECT number FROM journals WHERE number > 0");
            assert_eq!((count("SELECT count(*) FROM told"), cursor), (on_disk, on_disk), "{step}");
        }
        let (world, _) = axe.next(world).await;
        let next = world.submit("executing").await;
        world.site.jobs.change(&next, |job| job.succeed());
        world.site.jobs.tell(&world.site, &next, E::EventSucceeded, &[]);
        until(|| told(&world).len() >= 2).await;
        world.gateway.hint(world.site.id());
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert_eq!(told(&world), [1, 2], "{step}: each once, in order");
        assert_eq!(world.status_of(&id).await["status"], "successful");
    }
}

/// Found by killing the cloud: the journal told of the end on a new session before the answer to the hand-over came, and the result
/// was held to be gone.
#[tokio::test]
async fn an_end_that_is_told_before_the_hand_over_is_answered_is_the_whole_end_and_stays() {
    let world = World::with(Limits { hand_over_ms: 2_000, ..Limits::default() }).await;
    world.pair().await;
    *world.site.jobs.hook.lock().unwrap() = Some(Box::new(|at| at == "submit durable"));
    let id = world.post_to("/async", &command("rows")).await.query_id();
    until(|| world.site.jobs.all.lock().unwrap().contains_key(&id_bytes(&id))).await;
    world.site.jobs.tell(&world.site, &id, E::EventSucceeded, &[]);
    world.gateway.hint(world.site.id());
    let whole = |told: &Value| (told["result"]["rows"].clone(), told["effect"].clone());
    let told = world.stands(&id, "successful").await;
    assert_eq!(whole(&told), (json!(3), json!("executed")), "{told}");
    assert_eq!(world.get(&world.queries(&format!("/{id}/results/2"))).await.status, 200);
    // The hand-over is given up, and that says nothing any more.
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    let told = world.stands(&id, "successful").await;
    assert_eq!(whole(&told), (json!(3), json!("executed")), "{told}");
}
