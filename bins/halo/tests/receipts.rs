//! What a practice wrote down is proven outside of it: by the integrator's receipts, its gateway's heads, and the platform's.

use anyhow::{Context, Result, ensure};
use halo::system::{Options, System};
use http::Method;
use serde_json::{Value, json};
use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
    time::Duration,
};

const ONE: &str = "SELECT TOP 1 InternalID FROM BPS_Patients ORDER BY InternalID";

struct World {
    system: System,
    programs: PathBuf,
    folder: tempfile::TempDir,
}

impl World {
    async fn start() -> Result<World> {
        let folder = tempfile::tempdir()?;
        let mut options = Options::new(folder.path())?;
        options.patients = 200;
        let programs = options.programs.clone();
        Ok(World { system: System::start(&options, &mut |_| {}).await?, programs, folder })
    }

    fn queries(&self, rest: &str) -> String {
        format!("/integrator/sites/{}/queries{rest}", self.system.description.site_id)
    }

    fn run(&self, program: &str, arguments: &[&str]) -> Result<Output> {
        Ok(Command::new(self.programs.join(program)).args(arguments).output()?)
    }

    /// As somebody does who has the file alone.
    fn verify(&self, file: &Path, more: &[&str]) -> Result<Output> {
        let file = file.to_str().context("a path of text")?;
        self.run("halo-gateway", &[&["verify-receipt", file], more].concat())
    }

    /// As the practice does it on its server, with what somebody outside holds.
    fn practice_stands_by(&self, witnesses: &Path) -> Result<Output> {
        let config = self.folder.path().join("config").join("link.toml");
        let [file, config] = [witnesses, &config].map(|path| path.to_str().unwrap_or_default());
        self.run("HaloLinkUtility", &["audit", "verify", "--witness", file, "--config", config])
    }

    fn file(&self, name: &str, text: &[u8]) -> Result<PathBuf> {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text)?;
        Ok(path)
    }
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_asked_can_prove_it_and_the_practice_stands_by_it() -> Result<()> {
    let world = World::start().await?;
    let mut client = world.system.client().await?;
    let body = json!({ "command": { "text": ONE }, "readOnly": true });
    let lines = [("Content-Type", "application/json"), ("Accept", "application/x-ndjson")];
    let stream = client.call(Method::POST, &world.queries("/immediate"), &lines, body.to_string()).await?;
    ensure!(stream.status == 200);
    let saved = world.file("answer.ndjson", &stream.body)?;
    let query = stream.headers["halo-query-id"].to_str()?.to_owned();
    let proven = world.verify(&saved, &["--site", &world.system.description.site_id, "--query", &query])?;
    ensure!(proven.status.success() && said(&proven).contains("Proven"), "{}", said(&proven));
    let other = world.verify(&saved, &["--query", "01890a5d-ac96-774b-bcce-b302099a8057"])?;
    ensure!(!other.status.success(), "of another query: {}", said(&other));

    // One of the published form is asked for.
    let answer = client.post(&world.queries("/immediate"), &body).await?;
    let id = answer.json()?["id"].as_str().context("an id")?.to_owned();
    let receipt = client.get(&world.queries(&format!("/{id}/receipt"))).await?;
    ensure!(receipt.status == 200, "{receipt:?}");
    let receipts = world.file("receipts.jsonl", &receipt.body)?;
    ensure!(world.verify(&receipts, &["--query", &id])?.status.success());
    let stands = world.practice_stands_by(&receipts)?;
    ensure!(stands.status.success(), "{}", said(&stands));

    // Somebody changes one character of what the site wrote.
    let mut changed: Value = receipt.json()?;
    let line = changed["line"].as_str().context("a line")?;
    changed["line"] = line.replacen('A', "B", 1).into();
    let changed = world.file("changed.jsonl", changed.to_string().as_bytes())?;
    let refused = world.verify(&changed, &[])?;
    ensure!(!refused.status.success() && said(&refused).contains("NOT PROVEN"), "{}", said(&refused));
    world.system.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn gateway_and_platform_hold_ends_that_the_practice_stands_by() -> Result<()> {
    let world = World::start().await?;
    let mut client = world.system.client().await?;
    let body = json!({ "command": { "text": ONE }, "readOnly": true });
    ensure!(client.post(&world.queries("/immediate"), &body).await?.status == 200);
    let site = world.system.description.site_id.clone();
    let config = world.folder.path().join("config").join("gateway.toml");
    let config = config.to_str().context("a path of text")?.to_owned();
    let (mut gateway, mut cloud) = (Vec::new(), Vec::new());
    // The platform is told at most every two minutes; the first time at once.
    for _ in 0..300 {
        gateway = world.run("halo-gateway", &["witnesses", "--site", &site, "--config", &config])?.stdout;
        cloud = world.system.operator(&["witnesses", "--site", &site]).await?;
        if !gateway.is_empty() && !cloud.is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    for (name, lines) in [("gateway.jsonl", &gateway), ("cloud.jsonl", &cloud)] {
        ensure!(!lines.is_empty(), "{name}: nothing is kept");
        let first: Value =
            serde_json::from_slice(lines.split(|byte| *byte == b'\n').next().unwrap_or_default())?;
        ensure!(first["site"] == site.as_str() && first.get("backAt").is_none(), "{name}: {first}");
        let stands = world.practice_stands_by(&world.file(name, lines)?)?;
        ensure!(stands.status.success(), "{name}: {}", said(&stands));
    }
    world.system.stop().await
}
