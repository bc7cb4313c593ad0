//! A life of a system in which every secret and every kind of practice data passes once at least.

use crate::secrets::Secrets;
use anyhow::{Context, Result, bail, ensure};
use base64::{Engine, engine::general_purpose::STANDARD};
use halo::{
    http::{Answer, Client},
    system::{INTEGRATOR, Options, PMS_ID, System},
};
use http::Method;
use serde_json::{Value, json};
use std::{
    io::Read,
    path::Path,
    process::{Command, Output},
    time::Duration,
};
use tokio::time::sleep;

const JSON: (&str, &str) = ("Content-Type", "application/json");

pub(crate) struct Scenario<'a> {
    system: &'a System,
    secrets: &'a mut Secrets,
    client: Client,
    queries: String,
    /// Two halves that meet in the database: what they become, nobody has sent.
    halves: [String; 2],
    joined: String,
}

impl<'a> Scenario<'a> {
    pub(crate) async fn new(system: &'a System, secrets: &'a mut Secrets) -> Result<Self> {
        let halves = [secrets.plant("value"), secrets.plant("value")];
        let joined = format!("{}{}", &halves[0][..12], &halves[1][12..]);
        secrets.add_text("row", &joined);
        let queries = format!("/integrator/sites/{}/queries", system.description.site_id);
        Ok(Scenario { client: system.client().await?, system, secrets, queries, halves, joined })
    }

    async fn call(
        &mut self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Result<Answer> {
        self.client.call(method, path, headers, body.to_owned()).await
    }

    async fn post(&mut self, path: &str, body: &Value, status: u16) -> Result<Value> {
        let answer = self.client.post(path, body).await?;
        ensure!(answer.status == status, "{path} was answered {answer:?}");
        answer.json()
    }

    /// A statement whose rows, and whose output value, are made of what was sent in pieces.
    fn command(&mut self) -> Value {
        let text = self.secrets.plant("statement");
        let [left, right] = &self.halves;
        json!({ "text": format!("/* {text} */ SELECT LEFT(@l, 12) + RIGHT(@r, 12) AS Joined, '{text}' AS Said"),
            "parameters": [
                { "name": "@l", "type": "NVarChar", "value": left },
                { "name": "@r", "type": "NVarChar", "value": right },
            ] })
    }

    /// A statement at which the database quotes what it was given.
    fn failing(&mut self) -> Value {
        let value = self.secrets.plant("quoted");
        json!({ "text": "SELECT CAST(@p AS int) AS N", "parameters": [{ "name": "@p", "type": "NVarChar", "value": value }] })
    }

    /// A new code, mistyped codes, and the right one again after it was used.
    pub(crate) async fn pair(&mut self) -> Result<()> {
        let made = self.system.utility(&["pairing-code", "--integrator", INTEGRATOR, "--json"]).await?;
        let code = made["code"].as_str().context("no code")?.to_owned();
        let secret = &code[5..];
        self.secrets.add_text("code", secret);
        self.secrets.add_text("code", &secret.replace('-', ""));
        let wrong = format!("{}-{}", &code[..4], secret.chars().rev().collect::<String>());
        self.secrets.add_text("wrong code", &wrong[5..]);
        for (code, status) in [(&wrong, 403), (&code, 200), (&code, 403)] {
            let path = format!(
                "/integrator/pair-site?practiceManagementSiteId={PMS_ID}&practiceManagementName=Best%20Practice&pairingCode={code}"
            );
            let answer = self.call(Method::POST, &path, &[], "").await?;
            ensure!(answer.status == status, "{answer:?}");
        }
        Ok(())
    }

    /// Immediate queries, as one answer and as lines, with values that come back.
    pub(crate) async fn ask(&mut self) -> Result<()> {
        self.system
            .utility(&["consent", "set", "--integrator", INTEGRATOR, "--audit", "values", "--json"])
            .await?;
        let path = format!("{}/immediate", self.queries);
        let body = json!({ "command": self.command() });
        let answer = self.post(&path, &body, 200).await?;
        let rows = STANDARD.decode(answer["result"]["data"].as_str().context("no rows")?)?;
        ensure!(String::from_utf8(rows)?.contains(&self.joined), "the halves did not meet");
        let lines = [JSON, ("Accept", "application/x-ndjson")];
        let answer = self.call(Method::POST, &path, &lines, &body.to_string()).await?;
        ensure!(answer.status == 200 && String::from_utf8_lossy(&answer.body).contains(&self.joined));

        let mut body = json!({ "command": self.command() });
        body["command"]["text"] = json!("SET @o = LEFT(@l, 12) + RIGHT(@r, 12)");
        body["command"]["executionMode"] = json!("nonQuery");
        let output = json!({ "name": "@o", "type": "NVarChar", "direction": "output", "size": 100 });
        body["command"]["parameters"].as_array_mut().context("no list")?.push(output);
        let key = self.secrets.plant("idempotency key");
        let answer =
            self.call(Method::POST, &path, &[JSON, ("Idempotency-Key", &key)], &body.to_string()).await?;
        let value =
            answer.json()?["result"]["parameters"][0]["value"].as_str().map(|value| STANDARD.decode(value));
        ensure!(value.transpose()? == Some(self.joined.clone().into_bytes()), "{answer:?}");
        Ok(())
    }

    /// What goes wrong in the database and before it.
    pub(crate) async fn fail(&mut self) -> Result<()> {
        let path = format!("{}/immediate", self.queries);
        let body = json!({ "command": self.failing() });
        let quoted = body["command"]["parameters"][0]["value"].as_str().context("a value")?.to_owned();
        let answer = self.post(&path, &body, 400).await?;
        ensure!(
            answer["errorDetails"]["errorMessage"].as_str().is_some_and(|words| words.contains(&quoted)),
            "{answer}"
        );
        let mut unknown = json!({ "command": self.command() });
        unknown["catalogue"] = json!(self.secrets.plant("catalogue"));
        self.post(&path, &unknown, 400).await?;

        let marker = self.secrets.plant("bad body");
        for body in [
            format!("{{\"command\": {{\"text\": \"SELECT '{marker}"),
            format!("{{\"command\":{{\"text\":\"SELECT 1\",\"executionMode\":\"{marker}\"}}}}"),
            format!("{{\"command\":{{\"text\":[\"{marker}\"]}}}}"),
            format!(
                "{{\"command\":{{\"text\":\"SELECT 1\",\"parameters\":[{{\"name\":\"@p\",\"type\":\"Int\",\"value\":\"{marker}\"}}]}}}}"
            ),
            format!("\u{1b}[2J{marker}"),
        ] {
            let answer = self.call(Method::POST, &path, &[JSON], &body).await?;
            ensure!(answer.status == 400, "{answer:?}");
        }
        let answer = self.call(Method::POST, &path, &[("Content-Type", &marker)], &marker).await?;
        ensure!(answer.status == 415, "{answer:?}");
        let answer = self.call(Method::POST, &path, &[JSON, ("Halo-Query-Id", &marker)], "{}").await?;
        ensure!(answer.status == 400, "{answer:?}");
        for path in [
            format!("/{marker}?{marker}={marker}"),
            format!("/integrator/sites/{marker}"),
            format!("{}/{marker}", self.queries),
            format!("/integrator/sites?practiceManagementSiteId={marker}&practiceManagementName={marker}"),
        ] {
            let status = self.call(Method::GET, &path, &[], "").await?.status;
            ensure!((400..500).contains(&status), "{path} was answered {status}");
        }
        let mut stranger =
            Client::connect(&self.system.description.gateway, &self.secrets.plant("wrong key")).await?;
        ensure!(stranger.get(&self.queries).await?.status == 401);
        Ok(())
    }

    async fn ended(&mut self, id: &str) -> Result<Value> {
        let path = format!("{}/{id}", self.queries);
        for _ in 0..300 {
            let state = self.client.get(&path).await?.json()?;
            if state.get("effect").is_some() {
                return Ok(state);
            }
            sleep(Duration::from_millis(100)).await;
        }
        bail!("{id} never ended")
    }

    /// Async and registered queries.
    pub(crate) async fn jobs(&mut self) -> Result<()> {
        let path = format!("{}/async", self.queries);
        let good = json!({ "command": self.command(), "readOnly": true });
        let id = self.post(&path, &good, 201).await?["id"].as_str().context("no id")?.to_owned();
        ensure!(self.ended(&id).await?["status"] == "successful");
        let page = self.client.get(&format!("{}/{id}/results/1", self.queries)).await?;
        ensure!(page.status == 200, "{page:?}");
        let bad = json!({ "command": self.failing(), "readOnly": true });
        let id = self.post(&path, &bad, 201).await?["id"].as_str().context("no id")?.to_owned();
        ensure!(self.ended(&id).await?["status"] == "executionFailed");

        let path = format!("{}/registered", self.queries);
        for command in [self.command(), self.failing()] {
            let body = json!({ "name": self.secrets.plant("registered name"), "registeredQueryType": "query", "frequency": 5,
                "duration": 20, "registerCommand": { "command": command } });
            let id = self.post(&path, &body, 202).await?["id"].as_str().context("no id")?.to_owned();
            let mut ran = false;
            for _ in 0..200 {
                let state = self.client.get(&format!("{path}/{id}")).await?.json()?;
                ran =
                    ["lastSucceededAt", "lastFailedAt"].iter().any(|when| state["metrics"][when].is_string());
                if ran {
                    break;
                }
                sleep(Duration::from_millis(100)).await;
            }
            ensure!(ran, "the registered query never ran");
            let _ = self.client.get(&format!("{path}/{id}/results")).await?;
        }
        Ok(())
    }

    pub(crate) async fn webhooks(&mut self) -> Result<()> {
        let url =
            format!("https://hooks.invalid/{{queryId}}?token={}", self.secrets.plant("webhook address"));
        let made =
            self.post("/integrator/webhooks", &json!({ "url": url, "sources": ["async"] }), 201).await?;
        self.secrets.add_text("webhook secret", made["secret"].as_str().context("no secret")?);
        let id = made["id"].as_str().context("no id")?;
        let answer = self.call(Method::POST, &format!("/integrator/webhooks/{id}/test"), &[], "").await?;
        ensure!(answer.status < 300, "{answer:?}");
        let job = json!({ "command": self.command(), "readOnly": true });
        let path = format!("{}/async", self.queries);
        let id = self.post(&path, &job, 201).await?["id"].as_str().context("no id")?.to_owned();
        self.ended(&id).await?;
        // Until it was tried: its address has no host, and the log says so.
        for _ in 0..100 {
            let tried = self.client.get("/integrator/webhooks/deliveries").await?.json()?;
            if tried.to_string().contains("nameNotFound") {
                break;
            }
            sleep(Duration::from_millis(100)).await;
        }
        let key = std::fs::read(self.system.description.data.join("gateway/webhooks.key"))?;
        self.secrets.add_bytes("webhook key", &key);
        Ok(())
    }

    pub(crate) async fn desktop(&mut self) -> Result<()> {
        let form = format!(
            "grant_type=urn:halo-connect:oauth:desktop-token&device_id=FRONT-DESK-2&site_id={}",
            self.system.description.site_id
        );
        let headers = [("Content-Type", "application/x-www-form-urlencoded")];
        let given = self.call(Method::POST, "/integrator/token", &headers, &form).await?.json()?;
        let token = given["access_token"].as_str().context("no token")?.to_owned();
        // Its last part is the signature, and the whole is what opens the door.
        self.secrets.add_text("token", token.rsplit('.').next().unwrap_or_default());
        let keys = std::fs::read_to_string(self.system.description.data.join("gateway/desktop-tokens.keys"))?;
        let hex = keys.split_whitespace().find(|word| word.len() == 64).context("no key in the file")?;
        let bytes = (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16));
        self.secrets.add_bytes("desktop key", &bytes.collect::<Result<Vec<u8>, _>>()?);

        let bearer = format!("Bearer {token}");
        let path = format!("/desktop/sites/{}/queries/immediate", self.system.description.site_id);
        let headers = [("Authorization", bearer.as_str()), ("DeviceId", "FRONT-DESK-2"), JSON];
        let body = json!({ "command": self.command() }).to_string();
        ensure!(self.call(Method::POST, &path, &headers, &body).await?.status == 403);
        self.system
            .utility(&["consent", "set", "--integrator", INTEGRATOR, "--desktop", "any", "--json"])
            .await?;
        ensure!(self.call(Method::POST, &path, &headers, &body).await?.status == 200);
        let wrong = format!("Bearer {}.{}", &token[..token.len() / 2], self.secrets.plant("wrong token"));
        let headers = [("Authorization", wrong.as_str()), ("DeviceId", "FRONT-DESK-2"), JSON];
        ensure!(self.call(Method::POST, &path, &headers, &body).await?.status == 401);
        Ok(())
    }

    /// A login that the database does not take, and the right one again.
    pub(crate) async fn logins(&mut self) -> Result<()> {
        let path = format!("/integrator/sites/{}/credentials", self.system.description.site_id);
        let wrong = json!({ "user": self.secrets.plant("wrong user"), "password": self.secrets.plant("wrong password") });
        ensure!(self.call(Method::PUT, &path, &[JSON], &wrong.to_string()).await?.status == 400);
        let right = json!({ "user": "halo_demo", "password": self.system.kept_password()? });
        ensure!(self.call(Method::PUT, &path, &[JSON], &right.to_string()).await?.status == 200);
        Ok(())
    }

    /// The practice says no, in several ways.
    pub(crate) async fn refusals(&mut self) -> Result<()> {
        let path = format!("{}/immediate", self.queries);
        for (no, yes) in [
            (&["suspend"][..], &["resume"][..]),
            (&["set", "--statements", "approved"], &["set", "--statements", "any"]),
        ] {
            let whom = ["--integrator", INTEGRATOR, "--json"];
            self.system.utility(&[&["consent"], no, &whom].concat()).await?;
            let body = json!({ "command": self.command() });
            self.post(&path, &body, 403).await?;
            self.system.utility(&[&["consent"], yes, &whom].concat()).await?;
        }
        Ok(())
    }

    /// What the programs say of it all to people: but for the audit itself, which shows what was run.
    pub(crate) async fn programs(&self, folder: &Path) -> Result<Vec<(String, Vec<u8>)>> {
        let config = self.system.description.data.join("config");
        let programs = Options::new(folder)?.programs;
        // As an installed service has it, so that the archive has something to take.
        let logs = self.system.description.data.join("link/logs");
        std::fs::create_dir_all(&logs)?;
        std::fs::copy(self.system.description.logs.join("link.log"), logs.join("HaloLinkService.log"))?;
        let archive = folder.join("support.zip");
        let out = archive.display().to_string();
        let run = |program: &str, words: &[&str], file: &str| -> Result<Output> {
            let mut command = Command::new(programs.join(program));
            command.args(words).arg("--config").arg(config.join(file)).current_dir(&config);
            command.output().with_context(|| format!("{program} is not built"))
        };
        let mut said = Vec::new();
        for (program, words, file) in [
            ("HaloLinkUtility", &["status"][..], "link.toml"),
            ("HaloLinkUtility", &["status", "--json"], "link.toml"),
            ("HaloLinkUtility", &["doctor"], "link.toml"),
            ("HaloLinkUtility", &["doctor", "--json"], "link.toml"),
            ("HaloLinkUtility", &["consent", "list", "--json"], "link.toml"),
            ("HaloLinkUtility", &["consent", "show", "--toml", "--integrator", INTEGRATOR], "link.toml"),
            ("HaloLinkUtility", &["environment"], "link.toml"),
            ("HaloLinkUtility", &["support-bundle", "--out", &out], "link.toml"),
            ("halo-gateway", &["key", "list"], "gateway.toml"),
            ("halo-gateway", &["identity"], "gateway.toml"),
            ("halo-cloud", &["sites"], "cloud.toml"),
            ("halo-cloud", &["integrators"], "cloud.toml"),
        ] {
            let done = run(program, words, file)?;
            ensure!(!done.stdout.is_empty(), "{program} {words:?} says nothing: {done:?}");
            said.push((format!("{program} {words:?}"), [done.stdout, done.stderr].concat()));
        }
        let mut archive = zip::ZipArchive::new(std::fs::File::open(&archive)?)?;
        for i in 0..archive.len() {
            let mut file = archive.by_index(i)?;
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            said.push((format!("{} of the archive for support", file.name()?), bytes));
        }
        Ok(said)
    }
}
