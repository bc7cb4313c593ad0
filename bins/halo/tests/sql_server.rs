//! The whole way to a database server that is a process of its own and speaks SQL Server's protocol, as in a clinic.

use anyhow::{Context, Result};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use halo::{
    http::{Answer, Client},
    system::{Engine, Options, System, Which},
};
use lab::Canary;
use serde_json::{Value, json};
use std::{fs, time::Duration};

async fn start(folder: &tempfile::TempDir) -> Result<System> {
    let mut options = Options::new(folder.path())?;
    options.patients = 500;
    options.engine = Engine::Mssql;
    // Everything that Link's libraries would say, if they were let.
    options.environment = vec![("RUST_LOG".to_owned(), "trace,mssql_tds::connection=trace".to_owned())];
    System::start(&options, &mut |_| {}).await
}

fn path(system: &System) -> String {
    format!("/integrator/sites/{}/queries/immediate", system.description.site_id)
}

fn command(text: &str) -> Value {
    json!({ "command": { "text": text } })
}

fn read_only(text: &str) -> Value {
    json!({ "readOnly": true, "command": { "text": text } })
}

fn rows(answer: &Answer) -> Result<Value> {
    let body = answer.json()?;
    let data = body["result"]["data"].as_str().with_context(|| format!("no rows in {body}"))?;
    Ok(serde_json::from_slice(&STANDARD.decode(data)?)?)
}

async fn lines(client: &mut Client, path: &str, body: &Value) -> Result<Vec<Value>> {
    let headers = [("Content-Type", "application/json"), ("Accept", "application/x-ndjson")];
    let answer = client.call(http::Method::POST, path, &headers, body.to_string()).await?;
    let lines = answer.body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    Ok(lines.map(serde_json::from_slice).collect::<Result<_, _>>()?)
}

#[tokio::test]
async fn an_integrators_sql_behaves_as_on_the_databases_own_driver() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let system = start(&folder).await?;
    let (mut client, path) = (system.client().await?, path(&system));

    let [text, value, row] = [1, 2, 3].map(Canary::new);
    let body = json!({ "readOnly": true, "command": {
        "text": format!("/* {} */ SELECT TOP 2 InternalID, Surname, @p AS P, '{}' AS R FROM BPS_Patients ORDER BY InternalID", text.text(), row.text()),
        "parameters": [{ "name": "@p", "type": "NVarChar", "value": value.text() }],
    }});
    let found = rows(&client.post(&path, &body).await?)?;
    assert_eq!((&found[1]["P"], &found[1]["R"]), (&json!(value.text()), &json!(row.text())));

    // Each catalogue is another database.
    let drugs = json!({ "catalogue": "Drugs", "command": { "text": "SELECT DB_NAME() AS D" } });
    assert_eq!(rows(&client.post(&path, &drugs).await?)?, json!([{ "D": "BPSDrugs" }]));

    for (sql, number) in [("SELECT Nonsense FROM BPS_Patients", 207), ("RAISERROR('of ours', 16, 1)", 50_000)]
    {
        let answer = client.post(&path, &command(sql)).await?;
        let details = answer.json()?["errorDetails"].clone();
        assert_eq!((answer.status, &details["errorCode"]), (400, &json!(number)), "{details}");
        assert_eq!(details["errorType"], "mssql");
    }

    // Published: the first result set that has a row. Streamed: each, with its columns.
    let sets = read_only("SELECT 1 AS A WHERE 1 = 0; SELECT 2 AS B UNION ALL SELECT 3; SELECT 'x' AS C");
    assert_eq!(rows(&client.post(&path, &sets).await?)?, json!([{ "B": 2 }, { "B": 3 }]));
    let streamed = lines(&mut client, &path, &sets).await?;
    let shown: Vec<_> = streamed[1..streamed.len() - 1]
        .iter()
        .map(|line| match &line["columns"] {
            Value::Null => line["row"].to_string(),
            columns => columns[0]["name"].to_string(),
        })
        .collect();
    assert_eq!(shown, ["\"A\"", "\"B\"", "{\"B\":2}", "{\"B\":3}", "\"C\"", "{\"C\":\"x\"}"]);
    assert_eq!(streamed.last().context("no end")?["end"]["rows"], 3);

    let logs = fs::read_to_string(folder.path().join("logs/link.log"))?;
    assert!(logs.contains("\"level\":\"TRACE\""), "the log was to say all that it can");
    for canary in [text, value, row] {
        assert!(!logs.contains(canary.text()), "Link's log holds what passes");
    }
    assert!(!logs.contains("Invalid column name"), "Link's log holds the database's words");
    system.stop().await
}

#[tokio::test]
async fn a_database_that_is_lost_is_said_with_what_may_be_sent_again() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut system = start(&folder).await?;
    let (mut client, path) = (system.client().await?, path(&system));
    assert_eq!(client.post(&path, &command("SELECT 1 AS A")).await?.status, 200);

    // Killed while a write may run: nobody knows.
    let mut writer = system.client().await?;
    let slow = command("WAITFOR DELAY '00:00:20'; UPDATE PRACTICE SET PRACTICENAME = PRACTICENAME");
    let (to, body) = (path.clone(), slow);
    let writing = tokio::spawn(async move { writer.post(&to, &body).await });
    tokio::time::sleep(Duration::from_secs(2)).await;
    system.practice.as_mut().context("no server")?.kill().await?;
    let lost = writing.await??;
    assert_eq!(lost.status, 504, "{lost:?}");
    assert!(String::from_utf8_lossy(&lost.body).contains("is not known"), "{lost:?}");

    // Not there at all: nothing was executed, come again.
    let refused = client.post(&path, &command("SELECT 1 AS A")).await?;
    assert_eq!(refused.status, 503, "{refused:?}");
    assert!(refused.headers.contains_key("retry-after"));
    assert!(String::from_utf8_lossy(&refused.body).contains("was not executed"), "{refused:?}");

    system.restart(Which::Practice).await?;
    let mut last = None;
    for _ in 0..100 {
        let answer = client.post(&path, &read_only("SELECT 1 AS A")).await?;
        if answer.status == 200 {
            return system.stop().await;
        }
        last = Some(answer);
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    anyhow::bail!("it did not come back: {last:?}")
}
