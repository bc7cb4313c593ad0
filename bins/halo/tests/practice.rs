//! `halo practice`: started, asked by FreeTDS's tsql, stopped.

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, Command, Stdio},
};

fn halo(data: &Path, more: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_halo"));
    command.args(["practice", "--patients", "500", "--data"]).arg(data).args(more);
    command
}

fn start(data: &Path, more: &[&str]) -> Result<(Child, Value)> {
    let mut child = halo(data, &["--tds", "127.0.0.1:0", "--json"])
        .args(more)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let mut line = String::new();
    BufReader::new(child.stdout.take().context("it has an output")?).read_line(&mut line)?;
    Ok((child, serde_json::from_str(&line)?))
}

fn stop(mut child: Child) -> Result<()> {
    kill_process(Pid::from_raw(child.id().try_into()?).context("a process id")?, Signal::TERM)?;
    assert!(child.wait()?.success());
    Ok(())
}

fn ask(description: &Value, password: &str, text: &str) -> Result<String> {
    let field = |name: &str| description[name].as_str().with_context(|| format!("{name} in {description}"));
    let (host, port) = field("tds")?.rsplit_once(':').context("host and port")?;
    let mut child = Command::new("tsql")
        .args(["-H", host, "-p", port, "-U", field("user")?, "-P", password, "-D", field("database")?])
        .env("TDSVER", "7.4")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("tsql is missing: apt-get install freetds-bin")?;
    child.stdin.take().context("it has an input")?.write_all(format!("{text}\ngo\n").as_bytes())?;
    let output = child.wait_with_output()?;
    Ok(String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

#[test]
fn it_is_built_once_served_and_stopped() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (child, first) = start(folder.path(), &[])?;
    let password = first["password"].as_str().context("a password")?;
    let said = ask(&first, password, "SELECT COUNT(*) AS patients FROM PATIENTS")?;
    assert!(said.contains("patients\n500\n(1 row affected)"), "{said}");
    assert!(ask(&first, "wrong", "SELECT 1")?.contains("Msg 18456"));
    let certificate = first["certificate"].as_str().context("a certificate")?;
    assert!(std::fs::read_to_string(certificate)?.starts_with("-----BEGIN CERTIFICATE-----"));
    stop(child)?;

    let (child, second) = start(folder.path(), &[])?;
    assert_eq!(second["password"], first["password"], "kept");
    stop(child)?;
    let other = halo(folder.path(), &["--user", "me", "--password", "mine"]).output()?;
    assert!(!other.status.success());
    assert!(String::from_utf8_lossy(&other.stderr).contains("another login"));
    Ok(())
}

#[test]
fn a_login_of_ones_own_and_no_strangers() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (child, description) = start(folder.path(), &["--user", "me", "--password", "mine"])?;
    assert!(ask(&description, "mine", "SELECT 1 AS one")?.contains("one\n1\n"));
    stop(child)?;
    let open = halo(folder.path(), &["--tds", "0.0.0.0:0"]).output()?;
    assert!(!open.status.success());
    assert!(String::from_utf8_lossy(&open.stderr).contains("--anywhere"));
    Ok(())
}
