//! `halo demo`: in the foreground until Ctrl-C, or in the background with `--detach` and `--stop`.

use crate::system::{Description, Engine, Options, Part, System, signal_and_wait, write_private};
use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use std::{
    fs,
    io::{BufRead, BufReader, Write},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};
use tokio::signal::unix::{SignalKind, signal};

/// What the background process leaves for `--stop` and for a second `--detach`.
#[derive(Serialize, Deserialize)]
struct Running {
    supervisor: u32,
    description: Description,
}

fn state_file(data: &Path) -> PathBuf {
    data.join("running.json")
}

/// The one that runs now, if it does.
fn running(data: &Path) -> Option<Running> {
    let state: Running = serde_json::from_slice(&fs::read(state_file(data)).ok()?).ok()?;
    // The number may have gone to another program since: look at its name.
    let name = fs::read_to_string(format!("/proc/{}/comm", state.supervisor)).ok()?;
    (name.trim() == "halo").then_some(state)
}

/// Runs the system until Ctrl-C or SIGTERM, or until one of its parts ends.
/// With `json`, prints the description as one line and nothing else.
pub async fn run(options: &Options<'_>, json: bool) -> Result<()> {
    if let Some(other) = running(&options.data) {
        bail!(
            "the demo runs already at {} (data in {}): `./x demo --stop` ends it",
            other.description.gateway,
            other.description.data.display()
        );
    }
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut step = 0;
    let mut say = |text: &str| {
        step += 1;
        let _ = writeln!(std::io::stderr(), "  {step}. {text}");
    };
    let mut system = tokio::select! {
        started = System::start(options, &mut say) => started?,
        _ = interrupt.recv() => bail!("stopped before it was ready"),
        _ = terminate.recv() => bail!("stopped before it was ready"),
    };
    let state = Running { supervisor: std::process::id(), description: system.description.clone() };
    write_private(&state_file(&options.data), &serde_json::to_vec(&state)?)?;
    let mut out = std::io::stdout();
    if json {
        writeln!(out, "{}", serde_json::to_string(&system.description)?)?;
    } else {
        out.write_all(welcome(&system.description).as_bytes())?;
    }
    out.flush()?;

    let failed = tokio::select! {
        _ = interrupt.recv() => None,
        _ = terminate.recv() => None,
        _ = system.cloud.ended() => Some("Halo Cloud"),
        _ = system.link.ended() => Some("Halo Link"),
        _ = system.gateway.ended() => Some("Halo Gateway"),
        _ = ended(&mut system.practice) => Some("the practice's database server"),
    };
    let logs = system.description.logs.clone();
    let _ = fs::remove_file(state_file(&options.data));
    system.stop().await?;
    match failed {
        Some(part) => bail!("{part} ended by itself; its log is in {}", logs.display()),
        None => Ok(()),
    }
}

async fn ended(part: &mut Option<Part>) {
    match part {
        // How it ended does not matter: it should not have.
        Some(part) => drop(part.ended().await),
        None => std::future::pending().await,
    }
}

/// Starts this program again in the background and prints its description when it is ready.
pub fn detach(options: &Options<'_>) -> Result<()> {
    let mut out = std::io::stdout();
    if let Some(running) = running(&options.data) {
        writeln!(out, "{}", serde_json::to_string(&running.description)?)?;
        return Ok(());
    }
    fs::create_dir_all(&options.data)?;
    let log = options.data.join("demo.log");
    let mut child = Command::new(std::env::current_exe()?)
        .args(["demo", "--json", "--data"])
        .arg(&options.data)
        .args(["--patients", &options.patients.to_string()])
        .args(["--engine", if options.engine == Engine::Mssql { "mssql" } else { "demo" }])
        .args(["--gateway-port", &options.gateway_port.to_string()])
        .args(["--cloud-port", &options.cloud_port.to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(fs::File::create(&log)?)
        // Out of the terminal's process group: Ctrl-C there does not reach it.
        .process_group(0)
        .spawn()?;
    let stdout = child.stdout.take().context("no standard output")?;
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line)?;
    if line.is_empty() {
        child.wait()?;
        bail!("the demo did not start:\n{}", fs::read_to_string(&log).unwrap_or_default().trim_end());
    }
    out.write_all(line.as_bytes())?;
    Ok(())
}

/// Stops the one in the background; says so when there is none.
pub fn stop(data: &Path) -> Result<()> {
    let mut err = std::io::stderr();
    match running(data) {
        None => writeln!(err, "no demo runs here ({})", data.display())?,
        Some(running) => {
            signal_and_wait(running.supervisor, Duration::from_secs(40))?;
            writeln!(err, "stopped")?;
        }
    }
    Ok(())
}

/// What a newcomer reads when everything runs.
fn welcome(d: &Description) -> String {
    let (base, key, site) = (&d.gateway, &d.subscription_key, &d.site_id);
    format!(
        r#"
Halo Connect runs on this machine:

  Halo Cloud    process {cloud}   relay and directory; sees ciphertext only
  Halo Link     process {link}   beside the demo practice's database{server}
  Halo Gateway  process {gateway}   the public API at {base}

  logs  {logs}
  data  {data}

Three things to try (paste them into another terminal):

1. Find the site by the practice's own identifier

curl -s -H 'Ocp-Apim-Subscription-Key: {key}' '{base}/integrator/sites?practiceManagementSiteId={pms_id}&practiceManagementName=Best%20Practice'

2. Ask the practice's database; the rows come as base64, as published

curl -s -H 'Ocp-Apim-Subscription-Key: {key}' -H 'Content-Type: application/json' -d '{{"command":{{"text":"SELECT TOP 3 InternalID, Firstname, Surname, DOB FROM BPS_Patients WHERE Surname LIKE @name","parameters":[{{"name":"@name","type":"VarChar","value":"S%"}}]}}}}' {base}/integrator/sites/{site}/queries/immediate

3. The same as a stream of rows, beyond the published API

curl -sN -H 'Ocp-Apim-Subscription-Key: {key}' -H 'Content-Type: application/json' -H 'Accept: application/x-ndjson' -d '{{"readOnly":true,"command":{{"text":"SELECT TOP 5 * FROM BPS_Appointments ORDER BY AppointmentDate DESC"}}}}' {base}/integrator/sites/{site}/queries/immediate

Ctrl-C stops everything.
"#,
        cloud = d.pids.cloud,
        link = d.pids.link,
        server = d.pids.practice.map_or_else(String::new, |pid| format!(
            "\n  Practice      process {pid}   the database server: SQL Server's protocol over the demo practice"
        )),
        gateway = d.pids.gateway,
        logs = d.logs.display(),
        data = d.data.display(),
        pms_id = d.practice_management_site_id,
    )
}
