//! What went wrong in the history of today's system and can't here: those that take a whole system to show, and that
//! docs/history.md names a test for each.

mod asking;

use anyhow::{Context, Result, ensure};
use asking::{ask, email, ended, queries, start, submit};
use halo::system::{Engine, Options, System};
use http::Method;
use http_body_util::BodyExt;
use lab::{memory, named::tests_below};
use serde_json::{Value, json};
use std::{collections::HashSet, fs, path::Path, time::Duration};

/// Rows of some 380 bytes, and less than half of them all: no part may hold a result, also where its allocator gives back late. Where it
/// went wrong it was three and a half times.
const ROWS: u64 = 1_000_000;
const MOST: u64 = 180 << 20;

/// K1: integrators send a booking again when its answer is lost, and today it is then made twice.
#[tokio::test(flavor = "multi_thread")]
async fn k1_a_write_whose_answer_was_lost_is_sent_again_and_made_once() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let system = start(&folder).await?;
    let path = format!("{}/immediate", queries(&system));
    let write = |text: &str| json!({ "command": { "text": text, "executionMode": "nonQuery" } });
    let reset = write("UPDATE PATIENTS SET EMAIL = 'a' WHERE INTERNALID = 1");
    ask(&system, Method::POST, &path, Some(&reset), 200).await?;
    let booking =
        write("WAITFOR DELAY '00:00:00.500'; UPDATE PATIENTS SET EMAIL = EMAIL + 'x' WHERE INTERNALID = 1")
            .to_string();
    let headers = [("Content-Type", "application/json"), ("Idempotency-Key", "booking 4711")];
    let mut client = system.client().await?;
    let lost = client.call(Method::POST, &path, &headers, booking.clone());
    ensure!(
        tokio::time::timeout(Duration::from_millis(200), lost).await.is_err(),
        "it was answered too soon to be lost"
    );
    drop(client);

    // Again and again, as a program does that got no answer.
    let mut answers = Vec::new();
    for _ in 0..100 {
        let answer = system.client().await?.call(Method::POST, &path, &headers, booking.clone()).await?;
        answers.push(answer.status);
        match answer.status {
            409 => tokio::time::sleep(Duration::from_millis(100)).await,
            status => {
                ensure!(status == 200, "{status}: {}", String::from_utf8_lossy(&answer.body));
                assert_eq!(answer.json()?["result"]["rowsAffected"], 1);
                break;
            }
        }
    }
    assert_eq!(answers.last(), Some(&200), "{answers:?}");
    assert_eq!(email(&system, 1).await?, "ax", "written once");
    system.stop().await
}

/// B10 and J (2024): large extracts were held in memory three and a half times over, until the process ended.
#[tokio::test(flavor = "multi_thread")]
async fn j_2024_a_large_extract_passes_through_little_memory_and_loses_no_row() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut options = Options::new(folder.path())?;
    // A process of its own: what the database needs for itself is not Link's.
    (options.patients, options.engine) = (500, Engine::Mssql);
    let system = System::start(&options, &mut |_| {}).await?;
    // Numbers made by the practice's own tables: enough rows from few patients.
    let text = format!(
        "SELECT TOP {ROWS} a.INTERNALID AS N, a.SURNAME, a.FIRSTNAME, b.SURNAME AS Other, b.FIRSTNAME AS OtherFirst, \
         REPLICATE('x', 120) AS Filling FROM PATIENTS a CROSS JOIN PATIENTS b CROSS JOIN (SELECT TOP 8 INTERNALID FROM PATIENTS) c"
    );
    let id = submit(&system, &text, true).await?;
    let mut client = system.client().await?;
    let path = format!("{}/{id}/results", queries(&system));
    let answer = loop {
        let answer = client.send(Method::GET, &path, &[("Accept", "application/x-ndjson")], "").await?;
        // 503: it is still on its way to the site.
        if answer.status() != 503 {
            break answer;
        }
        answer.into_body().collect().await?;
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    ensure!(answer.status() == 200, "the result was answered {}", answer.status());
    let (mut rows, mut bytes, mut body) = (0, 0, answer.into_body());
    let mut tail = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.context("the stream was cut")?.into_data() else { continue };
        bytes += data.len() as u64;
        rows += data.iter().filter(|byte| **byte == b'\n').count() as u64;
        tail.extend_from_slice(&data);
        tail.drain(..tail.len().saturating_sub(4_096));
    }
    let last = String::from_utf8(tail)?.lines().last().context("no line")?.to_owned();
    let last: Value = serde_json::from_str(&last)?;
    assert_eq!(last["end"]["rows"], ROWS, "{last}");
    assert!(rows >= ROWS, "{rows} lines");
    assert!(bytes > 2 * MOST, "{bytes} bytes are no large result");
    let done = ended(&system, &id).await?;
    assert_eq!(done["result"]["rows"], ROWS);
    let pids = system.description.pids;
    for (part, pid) in [("link", pids.link), ("gateway", pids.gateway), ("cloud", pids.cloud)] {
        let peak = memory::of(pid)?.peak;
        assert!(peak < MOST, "{part} used {peak} bytes for a result of {bytes}");
    }
    system.stop().await
}

/// The list is worth something only as long as the tests that it names are there.
#[test]
fn each_failure_of_the_list_has_tests_that_exist() -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut there = HashSet::new();
    tests_below(&root.join("crates"), &mut there)?;
    tests_below(&root.join("bins"), &mut there)?;
    let list = fs::read_to_string(root.join("docs/history.md"))?;
    let rows: Vec<&str> = list.lines().filter(|line| line.starts_with("| ") && line.contains('`')).collect();
    assert!(rows.len() > 20, "the list is read wrongly: {} rows", rows.len());
    for row in rows {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let named: Vec<&str> = cells[3].split('`').skip(1).step_by(2).collect();
        assert!(!named.is_empty(), "no test is named: {row}");
        for name in named {
            assert!(there.contains(name), "docs/history.md names a test that isn't there: {name}");
        }
    }
    Ok(())
}
