//! One query travels the whole way: three processes, real TLS, real sockets, a real database.

use anyhow::{Context, Result};
use base64::{Engine, engine::general_purpose::STANDARD};
use halo::{
    http::{Answer, Client},
    system::{Options, System, Which},
};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use std::time::Duration;

async fn start(folder: &tempfile::TempDir) -> Result<System> {
    let mut options = Options::new(folder.path())?;
    options.patients = 500;
    System::start(&options, &mut |_| {}).await
}

fn path(system: &System) -> String {
    format!("/integrator/sites/{}/queries/immediate", system.description.site_id)
}

fn text(sql: &str) -> Value {
    json!({ "command": { "text": sql } })
}

/// The rows of a published answer.
fn rows(answer: &Answer) -> Result<Value> {
    let body = answer.json()?;
    let data = body["result"]["data"].as_str().with_context(|| format!("no rows in {body}"))?;
    Ok(serde_json::from_slice(&STANDARD.decode(data)?)?)
}

/// Asks until the answer has the status, for things that happen soon but not at once.
async fn eventually(client: &mut Client, path: &str, body: &Value, status: u16) -> Result<Answer> {
    let mut last = None;
    for _ in 0..150 {
        let answer = client.post(path, body).await?;
        if answer.status == status {
            return Ok(answer);
        }
        last = Some(answer);
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    anyhow::bail!("never answered {status}; last: {last:?}")
}

#[tokio::test]
async fn an_integrators_request_reaches_the_practice_and_the_rows_come_back() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let system = start(&folder).await?;
    let (mut client, path) = (system.client().await?, path(&system));

    let find = "/integrator/sites?practiceManagementSiteId=99001&practiceManagementName=Best%20Practice";
    let sites = client.get(find).await?.json()?;
    assert_eq!(sites["sites"][0]["id"], json!(system.description.site_id));
    assert_eq!(sites["sites"][0]["availability"], "online");

    let body = json!({ "command": {
        "text": "SELECT TOP 2 [InternalID], Firstname FROM BPSPatients.dbo.BPS_Patients WHERE InternalID >= @from ORDER BY InternalID",
        "parameters": [{ "name": "@from", "type": "Int", "value": "3", "direction": "input" }],
    }});
    let answer = client.post(&path, &body).await?;
    assert_eq!(answer.status, 200, "{answer:?}");
    let found = rows(&answer)?;
    assert_eq!(found.as_array().map(Vec::len), Some(2));
    assert_eq!(found[0]["InternalID"], 3);

    // The same query can be asked for afterwards: metadata, no rows.
    let id = answer.json()?["id"].as_str().context("no id")?.to_owned();
    let status =
        client.get(&format!("/integrator/sites/{}/queries/{id}", system.description.site_id)).await?;
    assert_eq!((status.status, status.json()?["status"].clone()), (200, json!("successful")));
    assert!(!String::from_utf8_lossy(&status.body).contains("\"data\""));

    let procedure = json!({ "command": { "text": "BP_GetAppointmentBookUsers", "type": "storedProcedure" } });
    assert!(rows(&client.post(&path, &procedure).await?)?.as_array().is_some_and(|users| !users.is_empty()));

    for (sql, number) in
        [("SELECT Nonsense FROM BPS_Patients", 207), ("SELECT * FROM Nonsense", 208), ("EXEC Nonsense", 2812)]
    {
        let answer = client.post(&path, &text(sql)).await?;
        let body = answer.json()?;
        assert_eq!(
            (answer.status, &body["errorDetails"]["errorCode"]),
            (400, &json!(number)),
            "{sql}: {body}"
        );
        assert_eq!(body["errorDetails"]["errorType"], "mssql");
    }
    system.stop().await
}

#[tokio::test]
async fn a_stream_shows_its_rows_before_it_ends_and_says_how_it_ended() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let system = start(&folder).await?;
    let (mut client, path) = (system.client().await?, path(&system));
    let headers = [("Content-Type", "application/json"), ("Accept", "application/x-ndjson")];
    // The rows are there at once; the statement goes on for half a minute, longer than we wait for them.
    let sql =
        "SELECT TOP 100 InternalID, Surname FROM BPS_Patients ORDER BY InternalID; WAITFOR DELAY '00:00:30'";
    let body = json!({ "command": { "text": sql }, "readOnly": true }).to_string();
    let mut answer = client.send(http::Method::POST, &path, &headers, body).await?.into_body();
    let mut seen = Vec::new();
    let first = async {
        while seen.windows(7).filter(|w| w == b"{\"row\":").count() < 100 {
            let frame = answer.frame().await.context("it ended early")??;
            seen.extend_from_slice(frame.data_ref().context("no data")?);
        }
        anyhow::Ok(())
    };
    tokio::time::timeout(Duration::from_secs(20), first).await.context("no rows before the end")??;
    assert!(!String::from_utf8_lossy(&seen).contains("{\"end\":"));
    drop(answer);

    let mut client = system.client().await?;
    let body = text("SELECT TOP 100 InternalID, Surname FROM BPS_Patients ORDER BY InternalID").to_string();
    let answer = client.call(http::Method::POST, &path, &headers, body).await?;
    let lines: Vec<Value> = answer
        .body
        .split(|b| *b == b'\n')
        .filter(|l| !l.is_empty())
        .map(serde_json::from_slice)
        .collect::<Result<_, _>>()?;
    assert!(lines[0]["query"].is_object() && lines[1]["columns"].is_array(), "{lines:?}");
    assert_eq!(lines.iter().filter(|line| line["row"].is_object()).count(), 100);
    let end = &lines.last().context("no lines")?["end"];
    assert_eq!((&end["status"], &end["rows"]), (&json!("successful"), &json!(100)));
    system.stop().await
}

#[tokio::test]
async fn every_part_may_go_away_and_come_back() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut system = start(&folder).await?;
    let (mut client, path) = (system.client().await?, path(&system));
    let body = text("SELECT 1 AS One");
    eventually(&mut client, &path, &body, 200).await?;

    system.link.kill().await?;
    let answer = eventually(&mut client, &path, &body, 503).await?;
    assert_eq!(answer.json()?["error"]["status"], 503);
    system.restart(Which::Link).await?;
    eventually(&mut client, &path, &body, 200).await?;

    system.cloud.kill().await?;
    system.restart(Which::Cloud).await.context("the cloud must get its port back")?;
    eventually(&mut client, &path, &body, 200).await?;
    system.stop().await
}

#[tokio::test]
async fn a_caller_that_goes_away_stops_reading_but_never_a_write() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let system = start(&folder).await?;
    let (mut client, path) = (system.client().await?, path(&system));
    let status = |id: &str| format!("/integrator/sites/{}/queries/{id}", system.description.site_id);
    let (read, write) = ("00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-000000000002");
    let sql = "WAITFOR DELAY '00:00:03'; UPDATE PATIENTS SET EMAIL = 'changed' WHERE INTERNALID = 7";
    let slow = json!({ "command": { "text": sql, "executionMode": "nonQuery" } });
    let forever = json!({ "command": { "text": "WAITFOR DELAY '00:00:50'" }, "readOnly": true });
    for (id, body) in [(read, &forever), (write, &slow)] {
        let mut caller = system.client().await?;
        let headers = [("Content-Type", "application/json"), ("Halo-Query-Id", id)];
        let sent = caller.send(http::Method::POST, &path, &headers, body.to_string());
        assert!(
            tokio::time::timeout(Duration::from_millis(800), sent).await.is_err(),
            "it was to take longer"
        );
    }
    let mut ended = json!({});
    for _ in 0..100 {
        ended = client.get(&status(write)).await?.json()?;
        if ended["status"] == "successful" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(ended["status"], "successful", "{ended}");
    let changed = rows(&client.post(&path, &text("SELECT EMAIL FROM PATIENTS WHERE INTERNALID = 7")).await?)?;
    assert_eq!(changed[0]["EMAIL"].as_str().map(str::trim_end), Some("changed"));

    let audit = system.utility(&["audit", "show", "--last", "50", "--json"]).await?;
    let of = |id: &str| audit.to_string().matches(id).count();
    assert!(of(read) > 0 && of(write) > 0, "{audit}");
    let cancelled =
        audit.as_array().context("audit is a list")?.iter().any(|line| {
            line.to_string().contains(read) && line.to_string().to_lowercase().contains("cancel")
        });
    assert!(cancelled, "the read-only statement was cancelled in the database: {audit}");
    system.stop().await
}
