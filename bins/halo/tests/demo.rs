//! What a newcomer does: start the demo, paste its commands, stop it.

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::{
    io::{BufRead, BufReader, Read},
    net::TcpListener,
    path::Path,
    process::{Command, Stdio},
};

fn halo(data: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_halo"));
    command.args(["demo", "--patients", "500", "--data"]).arg(data);
    command
}

fn lives(pid: u64) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

fn pids(description: &Value) -> Vec<u64> {
    ["cloud", "link", "gateway"].iter().filter_map(|part| description["pids"][part].as_u64()).collect()
}

#[test]
fn in_the_background_it_prints_one_json_object_and_stop_ends_all_of_it() -> Result<()> {
    let folder = tempfile::tempdir()?;
    // A taken port is replaced by a free one.
    let taken = TcpListener::bind("127.0.0.1:0")?;
    let port = taken.local_addr()?.port().to_string();
    let detach = || {
        halo(folder.path())
            .args(["--detach", "--cloud-port", "0", "--gateway-port", &port])
            .output()
            .context("halo runs")
    };
    let first = detach()?;
    assert!(first.status.success(), "{}", String::from_utf8_lossy(&first.stderr));
    let description: Value = serde_json::from_slice(&first.stdout)?;
    for field in [
        "gateway",
        "subscriptionKey",
        "siteId",
        "practiceManagementSiteId",
        "practiceManagementName",
        "logs",
        "data",
    ] {
        assert!(description[field].as_str().is_some_and(|text| !text.is_empty()), "{field} in {description}");
    }
    assert!(!description["gateway"].as_str().unwrap_or_default().ends_with(&port));
    assert_eq!(pids(&description).into_iter().filter(|pid| lives(*pid)).count(), 3);

    // A second start finds the first.
    assert_eq!(serde_json::from_slice::<Value>(&detach()?.stdout)?, description);

    let stop = halo(folder.path()).arg("--stop").output()?;
    assert!(stop.status.success(), "{}", String::from_utf8_lossy(&stop.stderr));
    assert_eq!(pids(&description).into_iter().filter(|pid| lives(*pid)).count(), 0);

    // Started again in the same folder it is the same site, still paired, with the same key.
    let again: Value = serde_json::from_slice(&detach()?.stdout)?;
    assert_eq!(
        (&again["siteId"], &again["subscriptionKey"]),
        (&description["siteId"], &description["subscriptionKey"])
    );
    halo(folder.path()).arg("--stop").output()?;
    Ok(())
}

#[test]
fn the_three_commands_that_it_prints_work_when_pasted_and_ctrl_c_stops_it() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut child = halo(folder.path())
        .args(["--cloud-port", "0", "--gateway-port", "0"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut lines = BufReader::new(child.stdout.take().context("stdout")?).lines();
    let mut commands = Vec::new();
    for line in &mut lines {
        let line = line?;
        if line.starts_with("curl ") {
            commands.push(line);
        } else if line.starts_with("Ctrl-C") {
            break;
        }
    }
    if commands.len() != 3 {
        let mut said = String::new();
        child.stderr.take().context("stderr")?.read_to_string(&mut said)?;
        anyhow::bail!("it printed {} commands: {said}", commands.len());
    }
    for (command, expected) in commands.iter().zip(["\"sites\"", "\"successful\"", "{\"end\":"]) {
        let output = Command::new("sh").args(["-c", command]).output()?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success() && said.contains(expected), "{command}\n{said}");
    }
    let parts: Vec<u64> = std::fs::read_to_string(folder.path().join("running.json"))
        .map(|text| serde_json::from_str::<Value>(&text).map(|v| pids(&v["description"])))??;
    let pid = Pid::from_raw(i32::try_from(child.id())?).context("a process id")?;
    kill_process(pid, Signal::INT)?;
    assert!(child.wait()?.success());
    assert_eq!(parts.into_iter().filter(|pid| lives(*pid)).count(), 0);
    Ok(())
}
