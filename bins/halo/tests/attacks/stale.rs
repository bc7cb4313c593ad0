//! State from before: a disk that was put back, a clock that was set back.

use crate::world::{JSON, email, immediate, is_served, start};
use anyhow::{Context, Result, ensure};
use halo::{
    http::Answer,
    system::{INTEGRATOR, Options, PMS_ID, System, Which},
};
use http::Method;
use serde_json::json;
use std::{
    fs,
    os::unix::process::CommandExt,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

async fn eventually(system: &System) -> Result<()> {
    for _ in 0..100 {
        if is_served(system).await.is_ok() {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    is_served(system).await
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for file in
        fs::read_dir(from)?.flatten().filter(|file| file.file_name().to_string_lossy().starts_with("link.db"))
    {
        fs::copy(file.path(), to.join(file.file_name()))?;
    }
    Ok(())
}

/// Tries: the site's `link.db` is put back to before a write, as a backup would; then the same write, under the same id and key, is asked
/// for once more.
/// Stopped by: the gateway's own memory of ids and keys: it refuses the id, and answers the key without sending anything.
/// Seen as: 409. **Open:** a site whose ledger was put back does not know the id any more; an attacker who has the integrator's key, and
/// not only its subscription key, can have it run again (docs/THREAT-MODEL.md, "What is not stopped").
#[tokio::test(flavor = "multi_thread")]
async fn a_write_is_not_made_twice_through_its_gateway_when_the_sites_ledger_is_put_back() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut system = start(&folder).await?;
    let (path, link) = (immediate(&system), system.description.data.join("link"));
    let mut client = system.client().await?;
    let before = email(&mut client, &system, 7).await?;
    system.link.kill().await?;
    let kept = folder.path().join("kept");
    copy(&link, &kept)?;
    system.restart(Which::Link).await?;
    eventually(&system).await?;

    let body = json!({ "command": { "text": "UPDATE PATIENTS SET EMAIL = EMAIL + 'x' WHERE INTERNALID = 7", "executionMode": "nonQuery" } })
        .to_string();
    let headers =
        [JSON, ("Halo-Query-Id", "00000000-0000-4000-8000-0000000000aa"), ("Idempotency-Key", "booking 1")];
    let send = async |headers: &[(&str, &str)]| -> Result<Answer> {
        system.client().await?.call(Method::POST, &path, headers, body.clone()).await
    };
    let answer = send(&headers).await?;
    ensure!(answer.status == 200, "{answer:?}");
    system.link.kill().await?;
    for file in fs::read_dir(&link)?
        .flatten()
        .filter(|file| file.file_name().to_string_lossy().starts_with("link.db"))
    {
        fs::remove_file(file.path())?;
    }
    copy(&kept, &link)?;
    system.restart(Which::Link).await?;
    eventually(&system).await?;
    let by_id = system.client().await?.call(Method::POST, &path, &headers[..2], body.clone()).await?;
    ensure!(by_id.status == 409, "{by_id:?}");
    let by_key = system.client().await?.call(Method::POST, &path, &headers, body.clone()).await?;
    ensure!(by_key.status == 200 || by_key.status == 409, "{by_key:?}");
    ensure!(
        email(&mut system.client().await?, &system, 7).await? == format!("{before}x"),
        "it was made twice"
    );
    system.stop().await
}

/// Tries: the server's clock is set on by nine days, so that a code expires, and back again.
/// Stopped by: the highest time that was ever seen is on disk, and expiry goes by it.
/// Seen as: 403, expired.
#[tokio::test(flavor = "multi_thread")]
async fn a_code_that_has_expired_stays_so_when_the_clock_is_set_back() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut system = start(&folder).await?;
    let made = system.utility(&["pairing-code", "--integrator", INTEGRATOR, "--json"]).await?;
    let code = made["code"].as_str().context("no code")?.to_owned();
    system.link.kill().await?;

    // Nine days on: nobody is reached, because every certificate says so, but the service lives and looks at its clock.
    let config = system.description.data.join("config/link.toml");
    let service = Options::new("unused")?.programs.join("HaloLinkService");
    let mut later = Command::new("faketime");
    later
        .args(["-f", "+9d"])
        .arg(service)
        .args(["run", "--config"])
        .arg(&config)
        .env("DONT_FAKE_MONOTONIC", "1");
    // A group of its own: faketime is another process than what it starts.
    let mut later = later.stdout(Stdio::null()).stderr(Stdio::null()).process_group(0).spawn()?;
    let mut seen = false;
    for _ in 0..100 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        // Making a code asks for the time.
        seen = system.utility(&["pairing-code", "--integrator", "Somebody", "--json"]).await.is_ok();
        if seen {
            break;
        }
    }
    ensure!(Command::new("kill").args(["-KILL", "--", &format!("-{}", later.id())]).status()?.success());
    later.wait()?;
    ensure!(seen, "the service did not come up nine days on");

    // The folder is its own until the very last thread of it is gone.
    for _ in 0..20 {
        if system.restart(Which::Link).await.is_ok() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let path = format!(
        "/integrator/pair-site?practiceManagementSiteId={PMS_ID}&practiceManagementName=Best%20Practice&pairingCode={code}"
    );
    let mut answer = system.client().await?.call(Method::POST, &path, &[], "").await?;
    for _ in 0..50 {
        if answer.status == 403 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
        answer = system.client().await?.call(Method::POST, &path, &[], "").await?;
    }
    ensure!(answer.status == 403 && String::from_utf8_lossy(&answer.body).contains("expired"), "{answer:?}");
    system.stop().await
}
