//! (g) Immediate queries of one row while an extract is fetched, over a practice's uplink.

use crate::{
    report::{Aim, Report},
    rows,
    uplink::{self, RATE, ROUND_TRIP},
};
use anyhow::{Context, Result, bail};
use halo::{http::Client, system::System};
use http::Method;
use http_body_util::BodyExt;
use model::{Clock, SystemClock};
use serde_json::{Value, json};
use std::{path::Path, sync::Arc, time::Duration};
use tokio::sync::watch;

/// Of the extract, bytes of row JSON.
const EXTRACT: u64 = 200_000_000;

pub(crate) async fn measure(data: &Path, queries: usize, quick: bool, report: &mut Report) -> Result<()> {
    let Some((system, _uplink)) = uplink::system("g", &data.join("lanes")).await? else { return Ok(()) };
    let outcome = compare(&system, queries, if quick { EXTRACT / 10 } else { EXTRACT }, report).await;
    system.stop().await?;
    outcome
}

async fn compare(system: &System, queries: usize, bytes: u64, report: &mut Report) -> Result<()> {
    let job = extract(system, bytes / 210).await?;
    let mut asking = Asking::new(system).await?;
    asking.ask(queries.min(100)).await?;
    let alone = asking.ask(queries).await?;
    let (stop, stopped) = watch::channel(false);
    let reader = system.client().await?;
    let path = format!("{}/{job}/results", queries_path(system));
    let reading = tokio::task::LocalSet::new();
    let read = reading.spawn_local(fetch(reader, path, stopped));
    let beside = reading.run_until(asking.ask(queries)).await?;
    let _ = stop.send(true);
    let (fetched, took) = reading.run_until(read).await??;
    report.group(&format!(
        "(g) one-row queries while a result of {} MB is fetched over {} Mbit/s, {} ms there and back; {queries} in sequence",
        bytes / 1_000_000,
        RATE / 1_000_000,
        ROUND_TRIP.as_millis()
    ));
    report.figure("alone, p50", "ms", Aim::None, alone.percentile(50), 1);
    report.figure("alone, p99", "ms", Aim::None, alone.percentile(99), 1);
    report.figure("beside the extract, p50", "ms", Aim::None, beside.percentile(50), 1);
    report.figure("beside the extract, p99", "ms", Aim::None, beside.percentile(99), 1);
    let ratio = beside.percentile(99) / alone.percentile(99);
    report.figure("p99 beside / alone", "times", Aim::AtMost(2.0), ratio, 2);
    report.figure(
        "row JSON fetched meanwhile",
        "MB/s",
        Aim::None,
        fetched as f64 / took.as_secs_f64() / 1e6,
        1,
    );
    Ok(())
}

fn queries_path(system: &System) -> String {
    format!("/integrator/sites/{}/queries", system.description.site_id)
}

/// Has the site make a result of so many rows, and waits for it.
async fn extract(system: &System, rows: u64) -> Result<String> {
    let mut client = system.client().await?;
    let body = json!({ "command": { "text": rows::statement(rows) }, "readOnly": true });
    let made = client.post(&format!("{}/async", queries_path(system)), &body).await?;
    if made.status != 201 {
        bail!("the extract was answered {}: {}", made.status, String::from_utf8_lossy(&made.body));
    }
    let id = made.json()?["id"].as_str().context("an async query without an id")?.to_owned();
    for _ in 0..600 {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let state: Value = client.get(&format!("{}/{id}", queries_path(system))).await?.json()?;
        match state["status"].as_str() {
            Some("successful") => return Ok(id),
            Some("initialising" | "queued" | "executing" | "uploading") => {}
            _ => bail!("the extract ended: {state}"),
        }
    }
    bail!("the extract did not end within five minutes")
}

/// Reads the result over and over until it is told to stop; bytes and time.
async fn fetch(mut client: Client, path: String, stopped: watch::Receiver<bool>) -> Result<(u64, Duration)> {
    let start = SystemClock.monotonic();
    let mut bytes = 0;
    let headers = [("Accept", "application/x-ndjson")];
    while !*stopped.borrow() {
        let mut answer = client.send(Method::GET, &path, &headers, "").await?;
        if answer.status() != 200 {
            bail!("the result was answered {}", answer.status());
        }
        while let Some(frame) = answer.body_mut().frame().await {
            bytes += frame.context("the result was cut")?.data_ref().map_or(0, |data| data.len() as u64);
            if *stopped.borrow() {
                return Ok((bytes, SystemClock.monotonic() - start));
            }
        }
    }
    Ok((bytes, SystemClock.monotonic() - start))
}

/// Milliseconds, in order.
struct Times(Vec<f64>);

impl Times {
    fn percentile(&self, percent: usize) -> f64 {
        self.0[(self.0.len() * percent / 100).min(self.0.len() - 1)]
    }
}

struct Asking {
    client: Client,
    path: Arc<str>,
    sent: usize,
}

impl Asking {
    async fn new(system: &System) -> Result<Asking> {
        let path = format!("{}/immediate", queries_path(system)).into();
        Ok(Asking { client: system.client().await?, path, sent: 0 })
    }

    async fn ask(&mut self, queries: usize) -> Result<Times> {
        let headers = [("Content-Type", "application/json")];
        let mut times = Vec::with_capacity(queries);
        for _ in 0..queries {
            self.sent += 1;
            let body = crate::latency::body(self.sent);
            let start = SystemClock.monotonic();
            let answer = self.client.call(Method::POST, &self.path, &headers, body).await?;
            times.push((SystemClock.monotonic() - start).as_secs_f64() * 1e3);
            if answer.status != 200 {
                bail!("a query was answered {}: {}", answer.status, String::from_utf8_lossy(&answer.body));
            }
        }
        times.sort_by(f64::total_cmp);
        Ok(Times(times))
    }
}
