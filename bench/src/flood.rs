//! (h) One integrator floods a site; what the others notice of it, over the wire, each with a gateway of its own.

use crate::{
    report::{Aim, Report, say},
    uplink::{self, RATE, ROUND_TRIP},
};
use anyhow::{Result, bail};
use futures::{StreamExt, future::try_join_all, stream::FuturesUnordered};
use halo::{
    http::Client,
    system::{Guest, System},
};
use http::Method;
use model::{Clock, SystemClock};
use serde_json::json;
use std::{path::Path, time::Duration};
use tokio::{sync::watch, time::MissedTickBehavior};

/// Queries of the one that floods, at once.
const FLOOD: usize = 64;
/// Each of the others asks so often.
const PERIOD: Duration = Duration::from_millis(100);

/// How the flood is made.
#[derive(Clone, Copy)]
enum Flood {
    None,
    /// Statements that hold a place in the database and little of the processor, which all parts share here.
    Places,
    /// One-row queries as fast as they come.
    Cheap,
}

pub(crate) async fn measure(
    data: &Path,
    integrators: usize,
    seconds: u64,
    report: &mut Report,
) -> Result<()> {
    say(&format!("\nstarting {integrators} integrators' gateways"));
    let Some((system, _uplink)) = uplink::system("h", &data.join("flood")).await? else { return Ok(()) };
    let mut guests = Vec::with_capacity(integrators);
    for number in 0..integrators {
        guests.push(system.guest(&format!("Integrator{number:02}")).await?);
    }
    let outcome = compare(&system, &guests, Duration::from_secs(seconds), report).await;
    for guest in guests {
        guest.stop().await?;
    }
    system.stop().await?;
    outcome
}

async fn compare(system: &System, guests: &[Guest], during: Duration, report: &mut Report) -> Result<()> {
    let path = format!("/integrator/sites/{}/queries/immediate", system.description.site_id);
    let run = async |flood, during| run(guests, &path, flood, during).await;
    run(Flood::None, Duration::from_secs(2)).await?;
    let alone = run(Flood::None, during).await?;
    let places = run(Flood::Places, during).await?;
    let cheap = run(Flood::Cheap, during).await?;
    report.group(&format!(
        "(h) {} integrators, each asks for one row ten times a second; one more keeps {FLOOD} statements of 20 ms going for {} s; over {} Mbit/s, {} ms there and back",
        guests.len() - 1,
        during.as_secs(),
        RATE / 1_000_000,
        ROUND_TRIP.as_millis()
    ));
    report.figure("alone, p50", "ms", Aim::None, alone.percentile(50), 2);
    report.figure("alone, p99", "ms", Aim::None, alone.percentile(99), 2);
    report.figure("beside the flood, p50", "ms", Aim::None, places.percentile(50), 2);
    report.figure("beside the flood, p99", "ms", Aim::None, places.percentile(99), 2);
    report.figure("statements of the flood per second", "1/s", Aim::None, places.flood_rate(during), 0);
    report.figure(
        "p99 beside / alone",
        "times",
        Aim::AtMost(1.5),
        places.percentile(99) / alone.percentile(99),
        2,
    );
    report.figure(
        "the same, a flood of one-row queries that takes the machine's processors",
        "times",
        Aim::None,
        cheap.percentile(99) / alone.percentile(99),
        2,
    );
    report.figure("queries of that flood per second", "1/s", Aim::None, cheap.flood_rate(during), 0);
    Ok(())
}

/// Milliseconds of the others' queries, in order, and how many the flood got through.
struct Outcome {
    millis: Vec<f64>,
    flood: usize,
}

impl Outcome {
    fn percentile(&self, percent: usize) -> f64 {
        self.millis[(self.millis.len() * percent / 100).min(self.millis.len() - 1)]
    }

    fn flood_rate(&self, during: Duration) -> f64 {
        self.flood as f64 / during.as_secs_f64()
    }
}

async fn run(guests: &[Guest], path: &str, flood: Flood, during: Duration) -> Result<Outcome> {
    let (stop, stopped) = watch::channel(false);
    let Some((flooding, calm)) = guests.split_first() else { bail!("nobody to measure") };
    let mut pours = FuturesUnordered::new();
    if !matches!(flood, Flood::None) {
        for _ in 0..FLOOD {
            pours.push(pour(flooding.client().await?, path, flood, stopped.clone()));
        }
    }
    let mut asking = Vec::with_capacity(calm.len());
    for (at, guest) in calm.iter().enumerate() {
        // They do not all ask at the same moment.
        let late = PERIOD * u32::try_from(at)? / u32::try_from(calm.len())?;
        asking.push(ask(guest.client().await?, path, late, during));
    }
    let asked = async {
        let all = try_join_all(asking).await;
        let _ = stop.send(true);
        all
    };
    let poured = async {
        let mut sum = 0;
        while let Some(count) = pours.next().await {
            sum += count?;
        }
        anyhow::Ok(sum)
    };
    let (asked, flood) = tokio::join!(asked, poured);
    let mut millis: Vec<f64> = asked?.into_iter().flatten().collect();
    millis.sort_by(f64::total_cmp);
    Ok(Outcome { millis, flood: flood? })
}

/// One query each period. One that comes late because the answer before it did counts from when it was due: a slow answer hides
/// nothing. (The timer's own millisecond does not count.)
async fn ask(mut client: Client, path: &str, late: Duration, during: Duration) -> Result<Vec<f64>> {
    tokio::time::sleep(late).await;
    let mut ticks = tokio::time::interval(PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let start = SystemClock.monotonic();
    let count = usize::try_from(during.as_millis() / PERIOD.as_millis())?;
    let mut millis = Vec::with_capacity(count);
    let mut free = start;
    for number in 0..count {
        ticks.tick().await;
        let due = start + PERIOD * u32::try_from(number)?;
        let began = if free > due { due } else { SystemClock.monotonic() };
        query(&mut client, path, crate::latency::body(number)).await?;
        free = SystemClock.monotonic();
        millis.push((free - began).as_secs_f64() * 1e3);
    }
    Ok(millis)
}

/// Statements one after the other until it is told to stop; how many.
async fn pour(mut client: Client, path: &str, flood: Flood, stopped: watch::Receiver<bool>) -> Result<usize> {
    let mut count = 0;
    while !*stopped.borrow() {
        let body = match flood {
            Flood::Cheap => crate::latency::body(count),
            _ => {
                json!({ "command": { "text": "WAITFOR DELAY '00:00:00.020'; SELECT 1 AS One" } }).to_string()
            }
        };
        query(&mut client, path, body).await?;
        count += 1;
    }
    Ok(count)
}

async fn query(client: &mut Client, path: &str, body: String) -> Result<()> {
    let answer = client.call(Method::POST, path, &[("Content-Type", "application/json")], body).await?;
    if answer.status != 200 {
        bail!("a query was answered {}: {}", answer.status, String::from_utf8_lossy(&answer.body));
    }
    Ok(())
}
