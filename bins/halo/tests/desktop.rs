//! A desktop application's query travels the whole way, and the practice sees which device it came from: three processes.

use anyhow::{Context, Result, ensure};
use halo::system::{INTEGRATOR, Options, System};
use serde_json::{Value, json};
use std::process::Command;

const DEVICE: &str = "FRONT-DESK-2";

fn gateway(options: &Options<'_>, system: &System, arguments: &[&str]) -> Result<String> {
    let config = system.description.data.join("config/gateway.toml");
    let program = options.programs.join("halo-gateway");
    let done = Command::new(program).arg("desktop").args(arguments).arg("--config").arg(config).output()?;
    ensure!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    Ok(String::from_utf8(done.stdout)?)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_desktop_application_asks_for_itself_and_the_practice_sees_its_device() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut options = Options::new(folder.path())?;
    options.patients = 500;
    let system = System::start(&options, &mut |_| {}).await?;
    let (mut client, site) = (system.client().await?, system.description.site_id.to_string());
    let form = format!("grant_type=urn:halo-connect:oauth:desktop-token&device_id={DEVICE}&site_id={site}");
    let headers = [("Content-Type", "application/x-www-form-urlencoded")];
    let given = client.call(http::Method::POST, "/integrator/token", &headers, form).await?;
    ensure!(given.status == 200, "{given:?}");
    let given = given.json()?;
    let bearer = format!("Bearer {}", given["access_token"].as_str().context("no token")?);
    let headers =
        [("Authorization", bearer.as_str()), ("DeviceId", DEVICE), ("Content-Type", "application/json")];
    let path = format!("/desktop/sites/{site}/queries/immediate");
    let body = json!({ "command": { "text": "SELECT TOP 3 InternalID FROM BPS_Patients" } }).to_string();
    // The practice lets an integrator's servers in by pairing, and its desktops by a word of its own.
    let answer = client.call(http::Method::POST, &path, &headers, body.clone()).await?;
    ensure!(answer.status == 403 && answer.json()?["error"]["code"] == "consent-desktop", "{answer:?}");
    system.utility(&["consent", "set", "--integrator", INTEGRATOR, "--desktop", "any", "--json"]).await?;
    let answer = client.call(http::Method::POST, &path, &headers, body.clone()).await?;
    ensure!(answer.status == 200, "{answer:?}");
    let id = answer.json()?["id"].as_str().context("no id")?.to_owned();

    let audit = system.utility(&["audit", "show", "--last", "50", "--json"]).await?;
    let lines: Vec<&Value> =
        audit.as_array().context("a list")?.iter().filter(|line| line["query"] == id.as_str()).collect();
    ensure!(lines.len() == 2 && lines.iter().all(|line| line["device"] == DEVICE), "{audit}");

    // From a process of its own it is taken back, and the running gateway takes notice at once.
    gateway(&options, &system, &["revoke", "--device", DEVICE])?;
    ensure!(gateway(&options, &system, &["list"])?.contains(DEVICE));
    let answer = client.call(http::Method::POST, &path, &headers, body).await?;
    ensure!(answer.status == 401, "{answer:?}");
    gateway(&options, &system, &["allow", "--device", DEVICE])?;
    ensure!(gateway(&options, &system, &["list"])?.is_empty());
    system.stop().await
}
