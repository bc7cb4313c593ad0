//! A server is lost, moved or copied, with real processes: the integrator's program keeps its Halo ID and its pairing, and one server serves.

use anyhow::{Context, Result, bail, ensure};
use halo::system::{Options, System, Which};
use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::Duration,
};

const SQL: &str = "SELECT TOP 1 InternalID FROM BPS_Patients ORDER BY InternalID";

async fn start(folder: &tempfile::TempDir) -> Result<System> {
    let mut options = Options::new(folder.path())?;
    options.patients = 200;
    System::start(&options, &mut |_| {}).await
}

fn program(name: &str) -> Result<PathBuf> {
    Ok(Options::new("unused")?.programs.join(name))
}

fn config(system: &System) -> PathBuf {
    system.description.data.join("config")
}

/// As an administrator types it, in the folder of link.toml.
fn utility(system: &System, arguments: &[&str]) -> Result<Output> {
    Ok(Command::new(program("HaloLinkUtility")?)
        .args(arguments)
        .current_dir(config(system))
        .stdin(Stdio::null())
        .output()?)
}

fn said(output: Output) -> Result<String> {
    ensure!(output.status.success(), "{output:?}");
    Ok(String::from_utf8(output.stdout)?)
}

fn refused(output: Output) -> Result<String> {
    ensure!(!output.status.success(), "{output:?}");
    Ok(String::from_utf8(output.stderr)?)
}

async fn query_with(system: &System, id: Option<&str>, sql: &str) -> Result<u16> {
    let path = format!("/integrator/sites/{}/queries/immediate", system.description.site_id);
    let body = json!({ "command": { "text": sql } }).to_string();
    let mut headers = vec![("Content-Type", "application/json")];
    headers.extend(id.map(|id| ("Halo-Query-Id", id)));
    Ok(system.client().await?.call(http::Method::POST, &path, &headers, body).await?.status)
}

async fn answers(system: &System, wanted: u16) -> Result<()> {
    let mut last = 0;
    for _ in 0..150 {
        last = query_with(system, None, SQL).await?;
        if last == wanted {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    bail!("never answered {wanted}; last: {last}")
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        match entry.file_type()? {
            kind if kind.is_dir() => copy(&entry.path(), &to)?,
            kind if kind.is_file() => drop(fs::copy(entry.path(), to)?),
            _ => {}
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_server_is_replaced_with_the_kit_and_nobody_pairs_again() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut system = start(&folder).await?;
    answers(&system, 200).await?;
    let passphrase = config(&system).join("passphrase.txt");
    fs::write(&passphrase, "four words that are long\n")?;
    let from = ["--passphrase-file", "passphrase.txt"];
    said(utility(&system, &[&["recovery", "kit", "--out", "kit.txt"], &from[..]].concat())?)?;
    let again = refused(utility(&system, &[&["recovery", "kit", "--out", "kit.txt"], &from[..]].concat())?)?;
    ensure!(again.contains("nothing is overwritten"), "{again}");
    let checked = said(utility(&system, &[&["recovery", "check", "kit.txt"], &from[..]].concat())?)?;
    ensure!(checked.contains(&system.description.site_id), "{checked}");
    ensure!(!checked.contains(&system.kept_password()?), "no secrets: {checked}");

    system.link.kill().await?;
    let data = system.description.data.join("link");
    fs::rename(&data, system.description.data.join("lost"))?;
    let restore = [&["recovery", "restore", "--kit", "kit.txt"], &from[..]].concat();
    fs::write(&passphrase, "four words that are wrong\n")?;
    let wrong = refused(utility(&system, &restore)?)?;
    ensure!(wrong.contains("passphrase"), "{wrong}");
    fs::write(&passphrase, "four words that are long\n")?;
    said(utility(&system, &restore)?)?;
    let twice = refused(utility(&system, &restore)?)?;
    ensure!(twice.contains("--set-aside"), "{twice}");
    system.restart(Which::Link).await?;
    answers(&system, 200).await?;
    let audit = system.utility(&["audit", "show", "--last", "1000", "--json"]).await?;
    ensure!(audit[0]["what"] == "restored", "{audit}");
    system.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_loses_nothing_and_what_wrote_before_it_is_not_run_again() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut system = start(&folder).await?;
    answers(&system, 200).await?;
    let id = "01890a5d-ac96-774b-bcce-b302099a8057";
    ensure!(query_with(&system, Some(id), SQL).await? == 200);
    fs::write(config(&system).join("passphrase.txt"), "four words that are long\n")?;
    let from = ["--passphrase-file", "passphrase.txt"];
    said(utility(&system, &[&["move", "out", "--out", "moved.halo", "--yes"], &from[..]].concat())?)?;
    ensure!(query_with(&system, None, SQL).await? != 200, "the old one serves nobody");
    system.link.kill().await?;
    let refused_start = Command::new(program("HaloLinkService")?)
        .args(["run", "--config", "link.toml"])
        .current_dir(config(&system))
        .output()?;
    // On purpose: no failure that a service manager would try again.
    ensure!(refused_start.status.success(), "{refused_start:?}");
    let why = String::from_utf8(refused_start.stderr)?;
    ensure!(why.contains("moved out at") && why.contains("move undo"), "{why}");

    let data = system.description.data.join("link");
    fs::rename(&data, system.description.data.join("old"))?;
    said(utility(&system, &[&["move", "in", "moved.halo"], &from[..]].concat())?)?;
    system.restart(Which::Link).await?;
    answers(&system, 200).await?;
    // Another gateway's memory is not asked: the site itself knows it.
    system.gateway.kill().await?;
    system.restart(Which::Gateway).await?;
    let audit = system.utility(&["audit", "show", "--last", "1000", "--json"]).await?;
    let all: Vec<&Value> = audit.as_array().context("no lines")?.iter().collect();
    let begun = all.iter().filter(|row| row["query"] == id && row["what"] == "begin").count();
    ensure!(begun == 1 && all.iter().any(|row| row["what"] == "moved-in"), "{audit}");
    ensure!(query_with(&system, Some(id), SQL).await? != 200, "it is not run twice");
    system.stop().await
}

/// A second Link on a copy of the first one's data, ended with the test.
struct Clone {
    child: Child,
}

impl Drop for Clone {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn start_clone(system: &System) -> Result<Clone> {
    let data = system.description.data.join("clone");
    let toml = fs::read_to_string(config(system).join("link.toml"))?;
    let lines = toml.lines().map(|line| match line.starts_with("data = ") {
        true => format!("data = {}", json!(data.display().to_string())),
        false => line.to_owned(),
    });
    fs::write(config(system).join("clone.toml"), lines.collect::<Vec<_>>().join("\n"))?;
    let log = fs::File::create(system.description.logs.join("clone.log"))?;
    let child = Command::new(program("HaloLinkService")?)
        .args(["run", "--config", "clone.toml"])
        .current_dir(config(system))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()?;
    Ok(Clone { child })
}

/// Why one of the two serves nobody, once it says so.
async fn stopped(system: &System, config: &str, wanted: bool) -> Result<Value> {
    let mut last = Value::Null;
    for _ in 0..300 {
        let output = utility(system, &["status", "--json", "--config", config])?;
        last = serde_json::from_slice(&output.stdout).unwrap_or_default();
        if last.is_object() && last["stopped"].is_object() == wanted {
            return Ok(last["stopped"].clone());
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    bail!("{config}: {last}")
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_server_and_its_copy_one_stops_and_the_practice_says_which_is_real() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut system = start(&folder).await?;
    answers(&system, 200).await?;
    system.link.kill().await?;
    copy(&system.description.data.join("link"), &system.description.data.join("clone"))?;
    system.restart(Which::Link).await?;
    answers(&system, 200).await?;

    // Both were started once since the copy was made: the same epoch, and the first one lives.
    let _clone = start_clone(&system)?;
    let why = stopped(&system, "clone.toml", true).await?;
    ensure!(why["why"] == "doubled-epoch", "{why}");
    let text = why["text"].as_str().context("no text")?;
    ensure!(text.contains("confirm-server") && text.contains("remove Halo Link here"), "{text}");
    answers(&system, 200).await?;
    stopped(&system, "link.toml", false).await?;

    said(utility(&system, &["confirm-server", "--yes", "--config", "clone.toml"])?)?;
    let why = stopped(&system, "link.toml", true).await?;
    ensure!(why["why"] == "older-epoch", "{why}");
    stopped(&system, "clone.toml", false).await?;
    answers(&system, 200).await?;
    let doctor = utility(&system, &["doctor", "--json"])?;
    ensure!(String::from_utf8_lossy(&doctor.stdout).contains("HL-0240"), "{doctor:?}");
    said(utility(&system, &["confirm-server", "--yes"])?)?;
    stopped(&system, "link.toml", false).await?;
    let why = stopped(&system, "clone.toml", true).await?;
    ensure!(why["why"] == "older-epoch", "{why}");
    answers(&system, 200).await?;
    system.stop().await
}
