//! (b) and (c) A million rows of ten columns as NDJSON: speed, memory, and bytes on Link's uplink.

use crate::{
    peak::Peak,
    report::{Aim, Report},
    system::Bench,
};
use anyhow::{Context, Result, bail};
use http::Method;
use http_body_util::BodyExt;
use lab::{Direction, memory};
use model::{Clock, SystemClock};
use serde_json::{Value, json};
use std::time::Duration;

/// `{"row":` and `}` and the line feed around each row.
const WRAPPING: u64 = 9;

/// What came back.
struct Answer {
    rows: u64,
    /// Row JSON alone, without lines' wrapping.
    row_bytes: u64,
    took: Duration,
}

/// Appointments in their own order, each with its patient (an outer join keeps that order): numbers, dates and text as they
/// are in life. The small table stands outside, so that the whole repeats only after some ten megabytes, far beyond
/// what a compressor on the way remembers.
pub(crate) fn statement(rows: u64) -> String {
    format!(
        "SELECT TOP {rows} n.N AS Batch, a.RECORDID AS AppointmentID, a.INTERNALID AS PatientID, a.USERID AS UserID, \
         a.APPOINTMENTDATE AS AppointmentDate, a.APPOINTMENTTIME AS AppointmentTime, a.APPOINTMENTLENGTH AS Length, \
         a.REASON AS Reason, p.EMAIL AS Email, p.DOB AS DOB \
         FROM dbo.Numbers n CROSS JOIN dbo.APPOINTMENTS a LEFT JOIN dbo.PATIENTS p ON p.INTERNALID = a.INTERNALID"
    )
}

async fn stream(bench: &Bench, rows: u64) -> Result<Answer> {
    let path = format!("/integrator/sites/{}/queries/immediate", bench.halo.description.site_id);
    let body = json!({ "command": { "text": statement(rows) }, "readOnly": true }).to_string();
    let headers = [("Content-Type", "application/json"), ("Accept", "application/x-ndjson")];
    let mut client = bench.halo.client().await?;
    let start = SystemClock.monotonic();
    let mut answer = client.send(Method::POST, &path, &headers, body).await?;
    let status = answer.status();
    let (mut bytes, mut lines) = (0u64, 0u64);
    // The last line may stand in several pieces; the first two lines are no rows.
    let (mut head, mut tail) = (Vec::new(), Vec::new());
    while let Some(frame) = answer.body_mut().frame().await {
        let frame = frame.context("the answer was cut")?;
        let Some(data) = frame.data_ref() else { continue };
        bytes += data.len() as u64;
        lines += memchr::memchr_iter(b'\n', data).count() as u64;
        if lines < 3 || head.len() < 4096 {
            head.extend_from_slice(&data[..data.len().min(65_536)]);
        }
        tail.extend_from_slice(data);
        tail.drain(..tail.len().saturating_sub(4096));
    }
    let took = SystemClock.monotonic() - start;
    let last = tail.trim_ascii_end().rsplit(|b| *b == b'\n').next().unwrap_or_default();
    let end: Value = serde_json::from_slice(last).unwrap_or_default();
    if status != 200 || end["end"]["status"] != "successful" {
        bail!("the stream was answered {status} and ended with: {}", String::from_utf8_lossy(last));
    }
    let got = end["end"]["rows"].as_u64().context("the last line counts no rows")?;
    let others: u64 = head
        .split_inclusive(|b| *b == b'\n')
        .take_while(|line| !line.starts_with(b"{\"row\""))
        .map(|line| line.len() as u64)
        .sum();
    let around = lines - got;
    if got != rows || around > 4 {
        bail!("{rows} rows were asked for; {got} came in {lines} lines");
    }
    Ok(Answer { rows: got, row_bytes: bytes - others - last.len() as u64 - 1 - got * WRAPPING, took })
}

pub(crate) async fn loopback(bench: &Bench, rows: u64, report: &mut Report) -> Result<()> {
    let pids = bench.halo.description.pids;
    let parts = [("gateway", pids.gateway), ("relay (cloud)", pids.cloud), ("link", pids.link)];
    // Once before: code paged in, windows grown, as in a system that has been up for a minute.
    stream(bench, rows / 10).await?;
    let used = || parts.map(|(_, pid)| memory::processor(pid).unwrap_or_default());
    let (peak, before) = (Peak::watch(&parts.map(|(_, pid)| pid)), used());
    let answer = stream(bench, rows).await?;
    let (after, peak) = (used(), peak.end()?);
    let seconds = answer.took.as_secs_f64();
    report.group(&format!("(b) {rows} rows of ten columns as NDJSON, on loopback"));
    report.figure("rows", "per s", Aim::AtLeast(300_000.0), answer.rows as f64 / seconds, 0);
    report.figure("row JSON", "MB/s", Aim::None, answer.row_bytes as f64 / 1e6 / seconds, 0);
    report.figure("row JSON per row", "bytes", Aim::None, answer.row_bytes as f64 / answer.rows as f64, 0);
    for ((part, _), peak) in parts.iter().zip(peak) {
        report.figure(&format!("{part}, peak resident"), "MB", Aim::AtMost(64.0), peak as f64 / 1e6, 1);
    }
    for (i, (part, _)) in parts.iter().enumerate() {
        let per_row = (after[i] - before[i]).as_secs_f64() * 1e9 / answer.rows as f64;
        report.figure(&format!("{part}, processor per row"), "ns", Aim::None, per_row, 0);
    }
    Ok(())
}

/// At 40 ms per leg, and with the bytes on Link's uplink counted.
pub(crate) async fn delayed(
    bench: &Bench,
    rows: u64,
    speed: bool,
    uplink: bool,
    report: &mut Report,
) -> Result<()> {
    let leg = bench.link_leg.as_ref().context("Link's leg has no delay line")?;
    // The first stream of a session grows its windows; a warm session is what is measured.
    stream(bench, rows / 10).await?;
    let before = leg.passed(Direction::Up);
    let answer = stream(bench, rows).await?;
    let sent = leg.passed(Direction::Up) - before;
    if speed {
        report.group(&format!("(b) {rows} rows with 40 ms per leg each way"));
        let content = answer.row_bytes as f64 / 1e6 / answer.took.as_secs_f64();
        report.figure("row JSON", "MB/s", Aim::AtLeast(50.0), content, 0);
    }
    if uplink {
        report.group("(c) bytes on Link's uplink, TLS and framing included");
        report.figure(
            "per byte of row JSON",
            "bytes",
            Aim::AtMost(0.25),
            sent as f64 / answer.row_bytes as f64,
            3,
        );
    }
    Ok(())
}
