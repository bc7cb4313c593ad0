//! A gateway with a site behind it, all in memory, and a client that checks what it gets.

mod audit;
mod cloud;
mod jobs;
mod site;

pub(crate) use self::audit::{FakeAudit, Receipts};
use axum::{Router, body::Body, http::Request};
pub(crate) use cloud::FakeCloud;
use gateway::{Gateway, Limits, Login, Options, desktop::DesktopSettings, keys, router, store::Store};
use http_body_util::BodyExt;
pub(crate) use jobs::{FakeJob, FakeJobs, ROW, id_bytes, run as run_schedule};
use model::{Clock, Pms, SystemClock, Timestamp};
use rand::{SeedableRng, rngs::StdRng};
use serde_json::{Value, json};
pub(crate) use site::{FakeSite, Pairing, Probing};
use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};
use tempfile::TempDir;
use tower::ServiceExt;
use trust::{Kind, Root};

pub(crate) const INTEGRATOR_NAME: &str = "Acme Recalls";
pub(crate) const DB_PASSWORD: &str = "canary-database-password";

pub(crate) struct World {
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) router: Router,
    pub(crate) cloud: Arc<FakeCloud>,
    pub(crate) site: Arc<FakeSite>,
    pub(crate) key: String,
    pub(crate) data: TempDir,
    pub(crate) root: Root,
    limits: Limits,
    desktop: DesktopSettings,
    clock: Arc<Shifted>,
}

/// The machine's clocks, and the wall's set by the test.
#[derive(Default)]
struct Shifted(AtomicI64);

impl Clock for Shifted {
    fn now(&self) -> Timestamp {
        Timestamp(SystemClock.now().0 + self.0.load(Ordering::SeqCst))
    }

    fn monotonic(&self) -> Duration {
        SystemClock.monotonic()
    }
}

/// An answer, already held against the published document.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: axum::http::HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl World {
    pub(crate) async fn new() -> World {
        World::with(Limits::default()).await
    }

    pub(crate) async fn with(limits: Limits) -> World {
        World::made(limits, DesktopSettings::default()).await
    }

    pub(crate) async fn made(limits: Limits, desktop: DesktopSettings) -> World {
        let data = tempfile::tempdir().unwrap();
        let root = Root::generate(Kind::Integrator).unwrap();
        let site = FakeSite::new("12345", "Halo Demo Clinic");
        let cloud = Arc::new(FakeCloud::default());
        cloud.add(&site);
        let store = Store::open(data.path()).unwrap();
        let key = keys::add(&store, "tests", &mut StdRng::seed_from_u64(3), SystemClock.now()).unwrap();
        let clock = Arc::<Shifted>::default();
        let gateway = make(&data, &root, limits, &desktop, &clock, &cloud, 1);
        let router = router(Arc::clone(&gateway));
        site.jobs.integrator.set(gateway.integrator()).unwrap();
        World { gateway, router, cloud, site, key: key.reveal().clone(), data, root, limits, desktop, clock }
    }

    /// Sets the gateway's clock forward, or back.
    pub(crate) fn set_clock(&self, seconds: i64) {
        self.clock.0.fetch_add(seconds * 1000, Ordering::SeqCst);
    }

    /// The gateway's process ends and another one starts on its data.
    pub(crate) fn restart(mut self) -> World {
        self.router = Router::new();
        self.gateway.stop();
        self.gateway = make(&self.data, &self.root, self.limits, &self.desktop, &self.clock, &self.cloud, 2);
        self.router = router(Arc::clone(&self.gateway));
        self
    }

    /// The process is killed and another one starts on the disk as it was when `data` was copied.
    pub(crate) fn reborn(mut self, data: TempDir) -> World {
        self.data = data;
        self.restart()
    }

    pub(crate) fn immediate_path(&self) -> String {
        format!("/integrator/sites/{}/queries/immediate", self.site.id())
    }

    /// Makes the site one that the gateway knows to have let it in.
    pub(crate) async fn pair(&self) {
        assert_eq!(self.run("rows").await.status, 200);
        crate::lines::until(|| self.gateway.is_paired(self.site.id())).await;
    }

    /// A path under the site's queries.
    pub(crate) fn queries(&self, rest: &str) -> String {
        format!("/integrator/sites/{}/queries{rest}", self.site.id())
    }

    pub(crate) async fn post_to(&self, path: &str, body: &Value) -> Answer {
        self.call("POST", &self.queries(path), &[("content-type", "application/json")], body.to_string())
            .await
    }

    /// Submits an async query; it is with the site when this returns.
    pub(crate) async fn submit(&self, text: &str) -> String {
        let mode = if text == "count" { "nonQuery" } else { "reader" };
        let body = json!({ "command": { "text": text, "executionMode": mode } });
        let answer = self.post_to("/async", &body).await;
        assert_eq!(answer.status, 201, "{}", String::from_utf8_lossy(&answer.body));
        let id = answer.query_id();
        crate::lines::until(|| self.site.jobs.all.lock().unwrap().contains_key(&id_bytes(&id))).await;
        id
    }

    pub(crate) async fn status_of(&self, id: &str) -> Value {
        self.get(&self.queries(&format!("/{id}"))).await.json()
    }

    /// Waits until a query stands so.
    pub(crate) async fn stands(&self, id: &str, status: &str) -> Value {
        for _ in 0..400 {
            let told = self.status_of(id).await;
            if told["status"] == status {
                return told;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        panic!("it does not become {status}: {:#}", self.status_of(id).await);
    }

    /// Runs a command text in the published form.
    pub(crate) async fn run(&self, text: &str) -> Answer {
        self.post(&json!({ "command": { "text": text } })).await
    }

    pub(crate) async fn post(&self, body: &Value) -> Answer {
        self.call("POST", &self.immediate_path(), &[("content-type", "application/json")], body.to_string())
            .await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.call("GET", path, &[], String::new()).await
    }

    pub(crate) fn request(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> Request<Body> {
        let mut request = Request::builder().method(method).uri(path);
        // Desktop applications have none.
        if !path.starts_with("/desktop/")
            && !headers.iter().any(|(name, _)| *name == "ocp-apim-subscription-key")
        {
            request = request.header("ocp-apim-subscription-key", &self.key);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(body.into()).unwrap()
    }

    /// Makes a call; the answer must be one that the contract allows.
    pub(crate) async fn call(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> Answer {
        let response = self.router.clone().oneshot(self.request(method, path, headers, body)).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.expect("a whole body").to_bytes().to_vec();
        let media = match parts.headers.get("content-type") {
            Some(media) => media.to_str().unwrap(),
            None => {
                assert!(body.is_empty(), "a body has a content type");
                ""
            }
        };
        crate::contract::check(method, path, parts.status.as_u16(), media, &body);
        Answer { status: parts.status.as_u16(), headers: parts.headers, body }
    }
}

fn make(
    data: &TempDir,
    root: &Root,
    limits: Limits,
    desktop: &DesktopSettings,
    clock: &Arc<Shifted>,
    cloud: &Arc<FakeCloud>,
    serial: u64,
) -> Arc<Gateway> {
    let own = root.issue(INTEGRATOR_NAME, serial, SystemClock.now(), Duration::from_secs(3600)).unwrap();
    let login = Login { user: "acme".into(), password: DB_PASSWORD.into() };
    Gateway::new(
        data.path(),
        Options {
            papers: gateway::papers::Papers::read(
                own.peer(),
                vec![data.path().join("approvals")],
                data.path().join(gateway::papers::REVOCATIONS),
            ),
            own,
            integrator_name: INTEGRATOR_NAME.into(),
            environment: "demo".into(),
            logins: HashMap::from([(Pms::BestPractice, login.clone()), (Pms::Zedmed, login)]),
            limits,
            tuning: link_api::Tuning::default(),
            clock: Arc::clone(clock) as Arc<dyn Clock>,
            cloud: Arc::clone(cloud) as Arc<dyn gateway::cloud::Cloud>,
            webhooks: gateway::webhooks::WebhookSettings::default(),
            desktop: desktop.clone(),
        },
    )
    .unwrap()
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn lines(&self) -> Vec<Value> {
        let text = std::str::from_utf8(&self.body).unwrap();
        assert!(text.ends_with('\n'), "whole lines");
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    pub(crate) fn message(&self) -> String {
        let json = self.json();
        let message = json.pointer("/error/message").or_else(|| json.pointer("/errorDetails/errorMessage"));
        message.and_then(Value::as_str).unwrap().to_owned()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub(crate) fn query_id(&self) -> String {
        self.header("halo-query-id").expect("every query has its id").to_owned()
    }

    /// For a snapshot: identifiers and times replaced, the rest as it is.
    pub(crate) fn shown(&self) -> Value {
        let body = match self.header("content-type") {
            Some("application/x-ndjson") => self.lines().into(),
            None => Value::Null,
            _ => self.json(),
        };
        let mut headers = serde_json::Map::new();
        for name in [
            "content-type",
            "halo-query-id",
            "retry-after",
            "allow",
            "size",
            "rows-count",
            "rows-range-start",
            "rows-range-end",
            "www-authenticate",
        ] {
            if let Some(value) = self.header(name) {
                headers.insert(name.into(), value.into());
            }
        }
        let mut shown = json!({ "status": self.status, "headers": headers, "body": body });
        redact(&mut shown);
        shown
    }
}

fn redact(value: &mut Value) {
    match value {
        Value::String(text) if uuid::Uuid::parse_str(text).is_ok() => *text = "[uuid]".into(),
        Value::String(text) if [24, 33].contains(&text.len()) && model::Timestamp::parse(text).is_some() => {
            *text = "[time]".into()
        }
        Value::String(text) => {
            let words: Vec<&str> = text
                .split(' ')
                .map(|w| if uuid::Uuid::parse_str(w).is_ok() { "[uuid]" } else { w })
                .collect();
            *text = words.join(" ");
        }
        Value::Object(members) if members.contains_key("before") && members.contains_key("line") => {
            members.insert("before".into(), "[32 bytes]".into());
            members.insert("line".into(), "[a line]".into());
            for (name, shown) in
                [("chain", "[32 bytes]"), ("signature", "[signature]"), ("at", "[time]"), ("site", "[uuid]")]
            {
                members["head"][name] = shown.into();
            }
            members["head"]["certificates"] = json!(["[certificate]", "[root]"]);
        }
        Value::Array(items) => items.iter_mut().for_each(redact),
        Value::Object(members) => members.values_mut().for_each(redact),
        _ => {}
    }
}
