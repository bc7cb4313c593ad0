//! Asking a whole system as an integrator's program does, while parts of it go away and come back.

// Each test program uses some of it.
#![allow(dead_code)]

use anyhow::{Context, Result, bail};
use base64::{Engine, engine::general_purpose::STANDARD};
use halo::{
    http::Answer,
    system::{Options, System},
};
use http::Method;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::sleep;

/// A small practice whose gateway is found where it was after a restart.
pub(crate) async fn start(folder: &tempfile::TempDir) -> Result<System> {
    let mut options = Options::new(folder.path())?;
    options.patients = 500;
    options.gateway_port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    System::start(&options, &mut |_| {}).await
}

/// Where this site's queries are.
pub(crate) fn queries(system: &System) -> String {
    format!("/integrator/sites/{}/queries", system.description.site_id)
}

/// Asks on a connection of its own, for as long as something is on its way up again.
pub(crate) async fn ask(
    system: &System,
    method: Method,
    path: &str,
    body: Option<&Value>,
    status: u16,
) -> Result<Answer> {
    let mut last = String::new();
    for _ in 0..300 {
        let asked = async {
            let body = body.map(Value::to_string).unwrap_or_default();
            let json = [("Content-Type", "application/json")];
            system.client().await?.call(method.clone(), path, &json, body).await
        };
        match asked.await {
            Ok(answer) if answer.status == status => return Ok(answer),
            Ok(answer) => last = format!("{} {}", answer.status, String::from_utf8_lossy(&answer.body)),
            Err(error) => last = error.to_string(),
        }
        sleep(Duration::from_millis(200)).await;
    }
    bail!("{path} was not answered {status}: {last}")
}

/// Submits an async query.
pub(crate) async fn submit(system: &System, sql: &str, read_only: bool) -> Result<String> {
    let body = json!({ "command": { "text": sql, "executionMode": if read_only { "reader" } else { "nonQuery" } }, "readOnly": read_only });
    let made =
        ask(system, Method::POST, &format!("{}/async", queries(system)), Some(&body), 201).await?.json()?;
    assert_eq!(made["status"], "initialising");
    Ok(made["id"].as_str().context("no id")?.to_owned())
}

/// Polls as an integrator does, until the status is one that ends.
pub(crate) async fn ended(system: &System, id: &str) -> Result<Value> {
    let path = format!("{}/{id}", queries(system));
    let mut last = Value::Null;
    for _ in 0..600 {
        last = ask(system, Method::GET, &path, None, 200).await?.json()?;
        let goes_on = ["initialising", "queued", "executing", "uploading"];
        // What the site has yet to say may still become better known.
        if !goes_on.contains(&last["status"].as_str().unwrap_or_default()) && last.get("effect").is_some() {
            return Ok(last);
        }
        sleep(Duration::from_millis(100)).await;
    }
    bail!("it never ended: {last}")
}

/// What an immediate query says of a patient's address.
pub(crate) async fn email(system: &System, patient: usize) -> Result<String> {
    let sql = format!("SELECT EMAIL FROM PATIENTS WHERE INTERNALID = {patient}");
    let body = json!({ "command": { "text": sql }, "readOnly": true });
    let answer =
        ask(system, Method::POST, &format!("{}/immediate", queries(system)), Some(&body), 200).await?;
    let data = answer.json()?["result"]["data"].as_str().context("no rows")?.to_owned();
    let rows: Value = serde_json::from_slice(&STANDARD.decode(data)?)?;
    Ok(rows[0]["EMAIL"].as_str().context("no address")?.to_owned())
}
