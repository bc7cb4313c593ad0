//! A small practice, and the words in which all cases ask it.

use anyhow::{Context, Result, ensure};
use base64::{Engine, engine::general_purpose::STANDARD};
use halo::{
    http::{Answer, Client},
    system::{Options, System},
};
use serde_json::{Value, json};
use std::{
    io::Read,
    process::{Command, Output},
};

pub(crate) const ONE: &str = "SELECT TOP 1 InternalID FROM BPS_Patients ORDER BY InternalID";
pub(crate) const JSON: (&str, &str) = ("Content-Type", "application/json");

pub(crate) async fn start(folder: &tempfile::TempDir) -> Result<System> {
    let mut options = Options::new(folder.path())?;
    options.patients = 100;
    System::start(&options, &mut |_| {}).await
}

pub(crate) fn immediate(system: &System) -> String {
    format!("/integrator/sites/{}/queries/immediate", system.description.site_id)
}

pub(crate) fn read_only(sql: &str) -> Value {
    json!({ "command": { "text": sql }, "readOnly": true })
}

/// Whoever has a key and nothing else against them is still served.
pub(crate) async fn is_served(system: &System) -> Result<()> {
    let answer = system.client().await?.post(&immediate(system), &read_only(ONE)).await?;
    ensure!(answer.status == 200, "an honest caller is answered {answer:?}");
    Ok(())
}

pub(crate) fn rows(answer: &Answer) -> Result<Value> {
    let body = answer.json()?;
    let data = body["result"]["data"].as_str().with_context(|| format!("no rows in {body}"))?;
    Ok(serde_json::from_slice(&STANDARD.decode(data)?)?)
}

/// What stands in a patient's record, as the honest integrator sees it.
pub(crate) async fn email(client: &mut Client, system: &System, patient: u32) -> Result<String> {
    let sql = format!("SELECT EMAIL FROM PATIENTS WHERE INTERNALID = {patient}");
    let found = rows(&client.post(&immediate(system), &read_only(&sql)).await?)?;
    Ok(found[0]["EMAIL"].as_str().unwrap_or_default().trim_end().to_owned())
}

/// As an administrator types it, in the folder of link.toml.
pub(crate) fn typed(system: &System, words: &[&str]) -> Result<Output> {
    let programs = Options::new("unused")?.programs;
    let folder = system.description.data.join("config");
    Ok(Command::new(programs.join("HaloLinkUtility")).args(words).current_dir(folder).output()?)
}

/// How many lines the audit has of commands that began.
pub(crate) async fn begun(system: &System) -> Result<usize> {
    let audit = system.utility(&["audit", "show", "--last", "1000", "--json"]).await?;
    Ok(audit.as_array().context("no list")?.iter().filter(|line| line["query"].is_string()).count())
}

/// Sends bytes as they are to a gateway, and gives what it answers, until it hangs up or is silent for `patience`.
pub(crate) fn raw(url: &str, bytes: &[u8], patience: std::time::Duration) -> Result<String> {
    use std::io::Write;
    let mut socket = std::net::TcpStream::connect(url.trim_start_matches("http://"))?;
    socket.set_read_timeout(Some(patience))?;
    // It may hang up in the middle of them.
    let _ = socket.write_all(bytes);
    let (mut said, mut buffer) = (Vec::new(), [0; 4096]);
    while let Ok(count @ 1..) = socket.read(&mut buffer) {
        said.extend_from_slice(&buffer[..count]);
    }
    Ok(String::from_utf8_lossy(&said).into_owned())
}
