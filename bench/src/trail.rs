//! (i) The audit of a busy practice: what its chain costs, and whether its size is felt. In this process, on a `link.db` of its own.

use crate::report::{Aim, Report, say};
use agent::{protect::KeyFile, store::Store};
use anyhow::{Result, ensure};
use model::SiteId;
use std::{path::Path, sync::Arc, time::Instant};
use uuid::Uuid;

/// Lines in one transaction: about what 50 ms of a busy minute bring.
const GROUP: u64 = 500;
/// Queries whose writing is measured.
const MEASURED: u64 = 20_000;
/// Questions of each kind.
const ASKED: u32 = 200;

/// Fills an audit with `lines` lines and measures at both ends.
#[expect(clippy::disallowed_methods, reason = "what is measured is how long it takes")]
pub(crate) fn measure(data: &Path, lines: u64, report: &mut Report) -> Result<()> {
    let folder = data.join("trail");
    let site = SiteId(Uuid::from_u128(1));
    let open = |name: &str| -> Result<Store> {
        let folder = folder.join(name);
        std::fs::create_dir_all(&folder)?;
        let key = KeyFile::open(&folder.join("seal.key"))?;
        Ok(Store::open(&folder, Arc::new(key))?)
    };
    let (plain, chained) = (open("plain")?, open("chained")?);
    report.group(&format!("(i) an audit of {lines} lines"));
    let rate = |store: &Store, from: u64, chained: bool| -> Result<f64> {
        let began = Instant::now();
        store.fill_audit(site, from..from + MEASURED, GROUP, chained)?;
        Ok(2.0 * MEASURED as f64 / began.elapsed().as_secs_f64())
    };
    let before = rate(&plain, 0, false)?;
    let small = rate(&chained, 0, true)?;
    say("  filling it");
    let most = lines / 2;
    chained.fill_audit(site, MEASURED..most, 20_000, true)?;
    let large = rate(&chained, most, true)?;
    report.figure("lines without a chain", "per s", Aim::None, before, 0);
    report.figure("lines with it, the first", "per s", Aim::None, small, 0);
    // A query has two, and the door may take 50 µs of it.
    report.figure("lines with it, the last", "per s", Aim::AtLeast(40_000.0), large, 0);
    report.figure("time of a line with / without the chain", "x", Aim::None, before / large, 2);
    report.figure("time of the last lines / the first", "x", Aim::AtMost(1.5), small / large, 2);

    let ask = |what: &dyn Fn(u32) -> Result<()>| -> Result<f64> {
        let began = Instant::now();
        (0..ASKED).try_for_each(what)?;
        Ok(began.elapsed().as_secs_f64() * 1_000.0 / f64::from(ASKED))
    };
    let shown = ask(&|_| {
        ensure!(chained.show_audit(20, false)? == 20);
        Ok(())
    })?;
    let chosen = ask(&|_| {
        ensure!(chained.show_audit(20, true)? > 0);
        Ok(())
    })?;
    let newest = ask(&|n| {
        ensure!(chained.find_end(site, most + u64::from(n))?);
        Ok(())
    })?;
    let oldest = ask(&|n| {
        ensure!(chained.find_end(site, u64::from(n))?);
        Ok(())
    })?;
    report.figure("the newest 20 lines", "ms", Aim::AtMost(5.0), shown, 2);
    report.figure("the newest 20 of one integrator in ten thousand", "ms", Aim::AtMost(5.0), chosen, 2);
    report.figure("what a receipt is made of, of a new query", "ms", Aim::AtMost(1.0), newest, 3);
    report.figure("the same, of the oldest queries", "ms", Aim::AtMost(5.0), oldest, 3);
    let began = Instant::now();
    let checked = chained.check_audit(site)?;
    ensure!(checked.findings.is_empty(), "{:?}", checked.findings);
    let rate = checked.lines as f64 / began.elapsed().as_secs_f64();
    report.figure("lines verified", "per s", Aim::AtLeast(50_000.0), rate, 0);

    // The service is up only after it: a practice that updates with a large audit waits for it once.
    say("  filling one without a chain");
    plain.fill_audit(site, MEASURED..most, 20_000, false)?;
    let began = Instant::now();
    plain.chain_filled()?;
    let took = began.elapsed().as_secs_f64();
    report.figure(
        "lines of before, chained at the first start",
        "per s",
        Aim::None,
        2.0 * most as f64 / took,
        0,
    );
    report.figure("what that start takes longer", "s", Aim::AtMost(60.0), took, 1);
    Ok(())
}
