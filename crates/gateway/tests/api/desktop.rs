//! What a desktop application may do with its token: each published operation, held against desktop.json.

use crate::{
    kit::{Answer, ROW, World, id_bytes, run_schedule},
    lines::until,
    tokens::token,
};
use axum::{body::Body, http::Request};
use gateway::{Limits, desktop::DesktopSettings};
use insta::assert_json_snapshot as snapshot;
use model::Availability;
use serde_json::{Value, json};
use std::time::Duration;
use tower::ServiceExt;

const JSON: (&str, &str) = ("content-type", "application/json");

/// One application with its token.
struct Device<'a> {
    world: &'a World,
    name: &'a str,
    bearer: String,
}

impl<'a> Device<'a> {
    async fn new(world: &'a World, name: &'a str) -> Device<'a> {
        Device { world, name, bearer: format!("Bearer {}", token(world, name).await) }
    }

    fn path(&self, rest: &str) -> String {
        format!("/desktop/sites/{}/queries{rest}", self.world.site.id())
    }

    async fn with(&self, method: &str, rest: &str, more: &[(&str, &str)], body: String) -> Answer {
        let own = [("authorization", self.bearer.as_str()), ("deviceid", self.name)];
        let headers: Vec<_> = own.iter().chain(more).copied().collect();
        self.world.call(method, &self.path(rest), &headers, body).await
    }

    async fn get(&self, rest: &str) -> Answer {
        self.with("GET", rest, &[], String::new()).await
    }

    async fn post(&self, rest: &str, body: &Value) -> Answer {
        self.with("POST", rest, &[JSON], body.to_string()).await
    }

    /// Submits an async query; it is with the site when this returns.
    async fn submit(&self, text: &str) -> String {
        let answer = self.post("/async", &command(text)).await;
        assert_eq!(answer.status, 201, "{}", String::from_utf8_lossy(&answer.body));
        let id = answer.query_id();
        until(|| self.world.site.jobs.all.lock().unwrap().contains_key(&id_bytes(&id))).await;
        id
    }

    async fn stands(&self, id: &str, status: &str) -> Answer {
        for _ in 0..400 {
            let told = self.get(&format!("/{id}")).await;
            if told.json()["status"] == status {
                return told;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("it does not become {status}");
    }
}

fn command(text: &str) -> Value {
    json!({ "command": { "text": text } })
}

fn registration(text: &str) -> Value {
    json!({
        "name": "Recalls due", "registeredQueryType": "query", "frequency": 60, "duration": 120,
        "registerCommand": { "command": { "text": text } }
    })
}

/// Long enough that the next poll asks the site again.
async fn later() {
    tokio::time::sleep(Duration::from_millis(300)).await;
}

#[tokio::test]
async fn immediate_queries_go_their_published_way_and_the_site_is_told_of_the_device() {
    let world = World::new().await;
    let device = Device::new(&world, "PC-7").await;
    let answer = device.post("/immediate", &command("rows")).await;
    snapshot!("desktop_immediate", answer.shown());
    snapshot!("desktop_immediate_status", device.get(&format!("/{}", answer.query_id())).await.shown());
    for (text, status) in [
        ("unknown table", 400),
        ("switched off", 403),
        ("busy", 503),
        ("times out", 504),
        ("interrupted", 504),
    ] {
        assert_eq!(device.post("/immediate", &command(text)).await.status, status, "{text}");
    }
    assert_eq!(device.post("/immediate", &json!({})).await.status, 400);
    let xml = device.with("POST", "/immediate", &[("content-type", "text/xml")], "<a/>".into()).await;
    assert_eq!(xml.status, 415);
    assert_eq!(world.run("rows").await.status, 200);
    let runs = world.site.runs.lock().unwrap();
    let (last, desktops) = runs.split_last().unwrap();
    assert!(desktops.len() >= 6 && desktops.iter().all(|run| run.device.as_deref() == Some("PC-7")));
    assert_eq!(last.device, None, "the integrator's own server is no device");
}

#[tokio::test]
async fn async_queries_go_their_published_way() {
    let world = World::new().await;
    let device = Device::new(&world, "PC-7").await;
    let answer = device.post("/async", &command("rows")).await;
    snapshot!("desktop_async_taken", answer.shown());
    let id = answer.query_id();
    snapshot!("desktop_async_done", device.stands(&id, "successful").await.shown());
    snapshot!("desktop_page", device.get(&format!("/{id}/results/1")).await.shown());
    snapshot!("desktop_no_such_page", device.get(&format!("/{id}/results/9")).await.shown());
    assert_eq!(device.get(&format!("/{id}/results/0")).await.status, 400);
    let failed = device.submit("unknown table").await;
    device.stands(&failed, "executionFailed").await;
    assert_eq!(device.get(&format!("/{failed}/results/1")).await.status, 404);
    world.set_clock(24 * 60 * 60 + 60);
    let later = Device::new(&world, "PC-7").await;
    snapshot!("desktop_page_gone", later.get(&format!("/{id}/results/1")).await.shown());
    assert_eq!(world.site.jobs.submits.lock().unwrap()[0].device.as_deref(), Some("PC-7"));
}

#[tokio::test]
async fn registered_queries_go_their_published_way() {
    let world = World::new().await;
    let device = Device::new(&world, "PC-7").await;
    let created = device.post("/registered", &registration("queued")).await;
    snapshot!("desktop_registered_created", created.shown());
    let id = created.json()["id"].as_str().unwrap().to_owned();
    let path = format!("/registered/{id}");
    snapshot!("desktop_registered_no_result", device.get(&format!("{path}/results")).await.shown());
    world.site.jobs.change(&id, |job| run_schedule(job, &ROW[..2], 7));
    later().await;
    snapshot!("desktop_registered", device.get(&path).await.shown());
    snapshot!("desktop_registered_list", device.get("/registered").await.shown());
    snapshot!("desktop_registered_result", device.get(&format!("{path}/results")).await.shown());
    for _ in 0..2 {
        let cancelled = device.with("DELETE", &path, &[], String::new()).await;
        assert_eq!((cancelled.status, cancelled.body.len()), (204, 0));
    }
    assert_eq!(device.get(&path).await.json()["status"], "cancelled");
    assert_eq!(device.post("/registered", &json!({})).await.status, 400);
    assert_eq!(device.post("/registered", &registration("switched off")).await.status, 403);
    assert_eq!(world.site.jobs.submits.lock().unwrap()[0].device.as_deref(), Some("PC-7"));
}

/// A token lies on a PC that nobody vouches for: it must not open what other PCs, or the integrator's server, asked for.
#[tokio::test]
async fn a_device_sees_its_own_queries_and_the_integrator_sees_all() {
    let world = World::new().await;
    let (one, two) = (Device::new(&world, "PC-7").await, Device::new(&world, "PC-8").await);
    let immediate = one.post("/immediate", &command("rows")).await.query_id();
    let job = one.submit("rows").await;
    one.stands(&job, "successful").await;
    let schedule =
        one.post("/registered", &registration("rows")).await.json()["id"].as_str().unwrap().to_owned();
    let own = [
        format!("/{immediate}"),
        format!("/{job}"),
        format!("/{job}/results/1"),
        format!("/registered/{schedule}"),
        format!("/registered/{schedule}/results"),
    ];
    for path in &own {
        assert_eq!(one.get(path).await.status, 200, "{path}");
        assert_eq!(two.get(path).await.status, 404, "{path}");
        assert_eq!(world.get(&world.queries(path)).await.status, 200, "{path}");
    }
    let cancel = format!("/registered/{schedule}");
    assert_eq!(two.with("DELETE", &cancel, &[], String::new()).await.status, 404);
    assert_eq!(one.get(&cancel).await.json()["status"], "enabled");
    let listed = |answer: Answer| answer.json()["registeredQueries"].as_array().unwrap().len();
    assert_eq!(listed(one.get("/registered").await), 1);
    assert_eq!(listed(two.get("/registered").await), 0);
    assert_eq!(listed(world.get(&world.queries("/registered")).await), 1);
    // Nor the integrator's.
    let servers = world.run("rows").await.query_id();
    assert_eq!(one.get(&format!("/{servers}")).await.status, 404);
    let job = world.submit("rows").await;
    world.stands(&job, "successful").await;
    assert_eq!(one.get(&format!("/{job}/results/1")).await.status, 404);
    // Whose it is, is on disk. (The mirror of immediate queries writes a little later.)
    later().await;
    let world = world.restart();
    let (one, two) = (Device::new(&world, "PC-7").await, Device::new(&world, "PC-8").await);
    for path in &own[..3] {
        assert_eq!((one.get(path).await.status, two.get(path).await.status), (200, 404), "{path}");
    }
}

#[tokio::test]
async fn the_same_key_on_two_devices_is_two_keys() {
    let world = World::new().await;
    let (one, two) = (Device::new(&world, "PC-7").await, Device::new(&world, "PC-8").await);
    let key = [JSON, ("idempotency-key", "1")];
    let submit = async |device: &Device<'_>, text: &str| {
        device.with("POST", "/async", &key, command(text).to_string()).await
    };
    let first = submit(&one, "rows").await;
    assert_eq!(submit(&one, "rows").await.body, first.body);
    assert_eq!(submit(&one, "queued").await.status, 422);
    assert_ne!(submit(&two, "rows").await.query_id(), first.query_id());
    let servers = world.call("POST", &world.queries("/async"), &key, command("queued").to_string()).await;
    assert_eq!(servers.status, 201);
}

#[tokio::test]
async fn what_is_not_published_for_desktops_is_not_there() {
    let world = World::new().await;
    let device = Device::new(&world, "PC-7").await;
    let id = device.submit("rows").await;
    device.stands(&id, "successful").await;
    for rest in ["", &format!("/{id}/results"), &format!("/{id}/results/1/stream")] {
        assert_eq!(device.get(rest).await.status, 404, "{rest}");
    }
    for (method, rest, allow) in [
        ("GET", "/immediate", "POST"),
        ("GET", "/async", "POST"),
        ("POST", "/status", "GET,HEAD"),
        ("PUT", "/registered", "POST,GET,HEAD"),
        ("POST", &format!("/registered/{id}"), "GET,HEAD,DELETE"),
        ("DELETE", &format!("/{id}"), "GET,HEAD"),
    ] {
        let answer = device.with(method, rest, &[], String::new()).await;
        assert_eq!((answer.status, answer.header("allow")), (405, Some(allow)), "{method} {rest}");
    }
    // FHIR is not served yet, by neither door: as any path that there is not.
    for path in ["/desktop/sites", &format!("/desktop/sites/{}/fhir/R4/Patient/1", world.site.id())] {
        let request = Request::get(path).header("authorization", &device.bearer).header("deviceid", "PC-7");
        let answer = world.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(answer.status(), 404, "{path}");
    }
}

#[tokio::test]
async fn an_unreachable_site_is_said_as_it_is_to_the_integrator() {
    let world = World::new().await;
    let device = Device::new(&world, "PC-7").await;
    let id = device.submit("rows").await;
    device.stands(&id, "successful").await;
    world.site.change(|record| record.availability = Availability::Offline);
    world.site.break_connections();
    later().await;
    snapshot!("desktop_immediate_offline", device.post("/immediate", &command("rows")).await.shown());
    snapshot!("desktop_page_offline", device.get(&format!("/{id}/results/1")).await.shown());
    assert_eq!(device.get(&format!("/{id}")).await.status, 200, "the mirror answers");
}

async fn from_page(world: &World, method: &str, origin: &str, headers: &[(&str, &str)]) -> (u16, Value) {
    let path = format!("/desktop/sites/{}/queries/immediate", world.site.id());
    let mut request = Request::builder().method(method).uri(path).header("origin", origin);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = world.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let shown = answer.headers().iter().filter(|(name, _)| {
        name.as_str().starts_with("access-control") || *name == "vary" || *name == "content-type"
    });
    let shown = shown.map(|(name, value)| (name.to_string(), value.to_str().unwrap().into())).collect();
    (answer.status().as_u16(), Value::Object(shown))
}

/// Applications in a web view are pages: their browser asks first, without a token.
#[tokio::test]
async fn a_browser_is_told_which_pages_may_ask() {
    let origins = vec!["https://app.example.com".to_owned(), "tauri://localhost".to_owned()];
    let world =
        World::made(Limits::default(), DesktopSettings { origins, ..DesktopSettings::default() }).await;
    let asks = [
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "authorization,deviceid"),
    ];
    snapshot!("cors_preflight", from_page(&world, "OPTIONS", "https://app.example.com", &asks).await);
    assert_eq!(from_page(&world, "OPTIONS", "tauri://localhost", &asks).await.0, 204);
    for stranger in
        ["https://evil.example.com", "https://app.example.com.evil.net", "http://app.example.com", "null"]
    {
        let (status, headers) = from_page(&world, "OPTIONS", stranger, &asks).await;
        assert_eq!(status, 403, "{stranger}");
        assert!(headers.get("access-control-allow-origin").is_none(), "{stranger}");
    }
    // A refusal too may be read by the page, else it learns nothing but that something failed.
    snapshot!("cors_answer", from_page(&world, "POST", "https://app.example.com", &[]).await);
    let (status, headers) = from_page(&world, "POST", "https://evil.example.com", &[]).await;
    assert_eq!((status, headers.get("access-control-allow-origin")), (401, None));
    assert_eq!(
        from_page(&world, "OPTIONS", "https://app.example.com", &[]).await.0,
        401,
        "no question of a browser's"
    );
    // The integrator's door is for servers.
    let request = Request::options("/integrator/sites").header("origin", "https://app.example.com");
    let request = request.header("access-control-request-method", "GET").body(Body::empty()).unwrap();
    let answer = world.router.clone().oneshot(request).await.unwrap();
    assert!(answer.headers().get("access-control-allow-origin").is_none());
    let nobody = World::new().await;
    assert_eq!(from_page(&nobody, "OPTIONS", "https://app.example.com", &asks).await.0, 403);
}
