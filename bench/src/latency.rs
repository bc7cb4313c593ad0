//! (a) A warm immediate query of one row: ours beside the plain system.

use crate::{
    report::{Aim, Report},
    system::Bench,
};
use anyhow::{Result, bail};
use halo::http::Client;
use http::Method;
use lab::memory;
use model::{Clock, SystemClock};
use serde_json::json;
use std::time::Duration;

const WARM_UP: usize = 300;
/// The two systems take turns, so that a machine that slows down meanwhile slows both.
const ROUNDS: usize = 5;

/// One system's side of the comparison.
struct Side {
    client: Client,
    path: String,
    pids: [u32; 3],
    micros: Vec<f64>,
    processor: [Duration; 3],
    sent: usize,
}

impl Side {
    async fn ask(&mut self, queries: usize) -> Result<()> {
        let headers = [("Content-Type", "application/json")];
        for _ in 0..queries {
            self.sent += 1;
            let body = body(self.sent);
            let start = SystemClock.monotonic();
            let answer = self.client.call(Method::POST, &self.path, &headers, body).await?;
            self.micros.push((SystemClock.monotonic() - start).as_secs_f64() * 1e6);
            if answer.status != 200 {
                bail!("a query was answered {}: {}", answer.status, String::from_utf8_lossy(&answer.body));
            }
        }
        Ok(())
    }

    async fn measure(&mut self, queries: usize) -> Result<()> {
        let before = self.used()?;
        self.ask(queries).await?;
        let after = self.used()?;
        for ((sum, after), before) in self.processor.iter_mut().zip(after).zip(before) {
            *sum += after.saturating_sub(before);
        }
        Ok(())
    }

    fn used(&self) -> Result<[Duration; 3]> {
        let [a, b, c] = self.pids.map(memory::processor);
        Ok([a?, b?, c?])
    }

    fn percentile(&mut self, percent: usize) -> f64 {
        self.micros.sort_by(f64::total_cmp);
        self.micros[(self.micros.len() * percent / 100).min(self.micros.len() - 1)]
    }

    fn processor_per_query(&self, part: usize) -> f64 {
        self.processor[part].as_secs_f64() * 1e6 / self.micros.len() as f64
    }
}

/// The same statement each time, another patient each time.
pub(crate) fn body(count: usize) -> String {
    json!({
        "command": {
            "text": "SELECT InternalID, Surname, Firstname, DOB FROM BPS_Patients WHERE InternalID = @id",
            "parameters": [{ "name": "@id", "type": "Int", "value": (count % 5_000 + 1).to_string() }],
        },
        "readOnly": true,
    })
    .to_string()
}

async fn sides(bench: &Bench, queries: usize) -> Result<[Side; 2]> {
    let about = &bench.halo.description;
    let path = format!("/integrator/sites/{}/queries/immediate", about.site_id);
    let plain = &bench.plain;
    let side = |client, pids| Side {
        client,
        path: path.clone(),
        pids,
        micros: Vec::new(),
        processor: Default::default(),
        sent: 0,
    };
    let mut sides = [
        side(bench.halo.client().await?, [about.pids.gateway, about.pids.cloud, about.pids.link]),
        side(plain.client().await?, [plain.gateway.id(), plain.relay.id(), plain.server.id()]),
    ];
    for side in &mut sides {
        side.ask(WARM_UP.min(queries)).await?;
        side.micros.clear();
    }
    for _ in 0..ROUNDS {
        for side in &mut sides {
            side.measure(queries / ROUNDS).await?;
        }
    }
    Ok(sides)
}

pub(crate) async fn loopback(bench: &Bench, queries: usize, report: &mut Report) -> Result<()> {
    let [mut halo, mut plain] = sides(bench, queries).await?;
    report
        .group(&format!("(a) warm immediate query of one row, readOnly, on loopback, {queries} in sequence"));
    report.figure("Halo p50", "µs", Aim::AtMost(600.0), halo.percentile(50), 0);
    report.figure("Halo p99", "µs", Aim::None, halo.percentile(99), 0);
    report.figure("plain p50", "µs", Aim::None, plain.percentile(50), 0);
    report.figure("plain p99", "µs", Aim::None, plain.percentile(99), 0);
    for (i, part) in ["gateway", "relay (cloud)", "link"].into_iter().enumerate() {
        report.figure(
            &format!("Halo {part}, processor per query"),
            "µs",
            Aim::None,
            halo.processor_per_query(i),
            0,
        );
    }
    for (i, part) in ["gateway", "relay", "server"].into_iter().enumerate() {
        report.figure(
            &format!("plain {part}, processor per query"),
            "µs",
            Aim::None,
            plain.processor_per_query(i),
            0,
        );
    }
    Ok(())
}

pub(crate) async fn delayed(bench: &Bench, queries: usize, report: &mut Report) -> Result<()> {
    let [mut halo, mut plain] = sides(bench, queries).await?;
    report.group(&format!("(a) the same with 10 ms per leg each way, {queries} in sequence"));
    report.figure("plain p50", "µs", Aim::None, plain.percentile(50), 0);
    report.figure("Halo p50", "µs", Aim::None, halo.percentile(50), 0);
    report.figure("Halo p99", "µs", Aim::None, halo.percentile(99), 0);
    report.figure(
        "Halo p50 / plain p50",
        "times",
        Aim::AtMost(1.05),
        halo.percentile(50) / plain.percentile(50),
        3,
    );
    Ok(())
}
