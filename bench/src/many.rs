//! (k) A thousand integrators at one site, each with an identity and an inner session of its own through the real relay.

mod guest;

use crate::report::{Aim, Report, say};
use agent::control::{self, Ask, MadeCode};
use anyhow::{Context, Result, bail};
use futures::{StreamExt, stream};
use guest::{Guest, Way};
use halo::system::{Options, System, Which};
use lab::memory;
use model::{Clock, IntegratorId, SystemClock};
use rand::{Rng, SeedableRng, rngs::StdRng};
use std::{path::Path, sync::Arc, time::Duration};
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

/// Guests that connect, or pair, at the same time.
const AT_ONCE: usize = 32;
/// Between two queries, whoever asks them.
const PERIOD: Duration = Duration::from_millis(10);
/// Memory and processor are looked at after this long without anything to do.
const SETTLE: Duration = Duration::from_secs(2);
/// All sessions stand again within this, or the part fails.
const STORM: Duration = Duration::from_secs(120);

pub(crate) async fn measure(
    data: &Path,
    count: usize,
    (queries, idle): (usize, Duration),
    report: &mut Report,
) -> Result<()> {
    say(&format!("\nstarting anew, then {count} integrators at one site"));
    let files = lab::child::raise_open_files(count as u64 * 4 + 1_000);
    if files < count as u64 * 2 + 200 {
        bail!(
            "{count} integrators need as many open files, and only {files} are permitted: raise `ulimit -n`"
        );
    }
    let data = data.join("many");
    let mut system = System::start(&Options::new(data.clone())?, &mut |_| {}).await?;
    let outcome = run(&mut system, &data, count, (queries, idle), report).await;
    system.stop().await?;
    outcome
}

async fn run(
    system: &mut System,
    data: &Path,
    count: usize,
    (queries, idle): (usize, Duration),
    report: &mut Report,
) -> Result<()> {
    let way = Arc::new(Way::to(system, data)?);
    let link = system.link.pid;
    let before = memory::private_dirty(link)?;
    let mut guests = paired(&way, data, count).await?;
    sleep(SETTLE).await;
    let stand = memory::private_dirty(link)?;
    let one = ask(&mut guests[..1], queries).await?;
    let all = ask(&mut guests, queries).await?;
    sleep(SETTLE).await;
    let asked = memory::private_dirty(link)?;
    let used = memory::processor(link)?;
    let start = SystemClock.monotonic();
    sleep(idle).await;
    let during = SystemClock.monotonic() - start;
    let used = memory::processor(link)?.saturating_sub(used);
    let storm = storm(system, &mut guests).await?;

    report.group(&format!("(k) {count} integrators at one site, each with a session of its own"));
    let each = |bytes: u64| bytes.saturating_sub(before) as f64 / 1024.0 / count as f64;
    report.figure("link, user-space memory per session", "KiB", Aim::None, each(stand), 1);
    report.figure("the same, once each has asked", "KiB", Aim::None, each(asked), 1);
    report.figure("a hundred queries a second of one, p50", "ms", Aim::None, percentile(&one, 50), 2);
    report.figure("a hundred queries a second of one, p99", "ms", Aim::None, percentile(&one, 99), 2);
    report.figure("the same, each of another integrator, p50", "ms", Aim::None, percentile(&all, 50), 2);
    report.figure("the same, each of another integrator, p99", "ms", Aim::None, percentile(&all, 99), 2);
    report.figure(
        "link, processor while nobody asks",
        "%",
        Aim::None,
        used.as_secs_f64() * 100.0 / during.as_secs_f64(),
        1,
    );
    report.figure("link started anew until all sessions stand", "s", Aim::None, storm.as_secs_f64(), 2);
    Ok(())
}

/// All of them: admitted, connected, and paired each with a code of its own.
async fn paired(way: &Arc<Way>, data: &Path, count: usize) -> Result<Vec<Guest>> {
    let directory = directory::Directory::open(&data.join("cloud/directory.db"), Arc::new(SystemClock))?;
    let mut guests = Vec::with_capacity(count);
    for number in 0..count {
        let guest = Guest::new(way.clone(), number)?;
        directory.admit(IntegratorId(guest.id()), &guest.name)?;
        // One after the other: the control socket is for a person, not for a crowd.
        let code = Ask::PairingCode { integrator: guest.name.clone(), read_only: true, site: None };
        let made: MadeCode = control::ask(&data.join("link"), &code).await?;
        guests.push((guest, made));
    }
    drop(directory);
    let pairing = stream::iter(guests).map(|(mut guest, made)| {
        async move {
            guest.connect().await?;
            guest.pair(&made.code).await?;
            // The one that it paired in was a stranger's.
            guest.open().await?;
            anyhow::Ok(guest)
        }
    });
    let paired: Vec<Result<Guest>> = pairing.buffered(AT_ONCE).collect().await;
    paired.into_iter().collect()
}

/// So many queries, one each period, of one guest after the other in no order; how long each took from when it was due, ms, sorted.
async fn ask(guests: &mut [Guest], queries: usize) -> Result<Vec<f64>> {
    let mut rng = StdRng::seed_from_u64(1);
    // Each once, for nobody: its database session is open then.
    for guest in guests.iter_mut() {
        guest.ask(1).await?;
    }
    let mut ticks = interval(PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let (start, mut free) = (SystemClock.monotonic(), Duration::ZERO);
    let mut millis = Vec::with_capacity(queries);
    for number in 0..queries {
        ticks.tick().await;
        // A slow answer hides nothing: the one after it counts from when it was due.
        let due = start + PERIOD * u32::try_from(number)?;
        let began = if free > due { due } else { SystemClock.monotonic() };
        let at = rng.random_range(0..guests.len());
        guests[at].ask(u32::try_from(number % 100)? + 1).await?;
        free = SystemClock.monotonic();
        millis.push((free - began).as_secs_f64() * 1e3);
    }
    millis.sort_by(f64::total_cmp);
    Ok(millis)
}

/// Link ends and starts again, and everybody opens another session as soon as it can.
async fn storm(system: &mut System, guests: &mut [Guest]) -> Result<Duration> {
    signal(system.link.pid)?;
    system.restart(Which::Link).await?;
    let start = SystemClock.monotonic();
    let opening = guests.iter_mut().map(|guest| async move {
        while guest.open().await.is_err() {
            sleep(Duration::from_millis(200)).await;
        }
    });
    let all = futures::future::join_all(opening);
    timeout(STORM, all).await.context("not all sessions stood within two minutes")?;
    Ok(SystemClock.monotonic() - start)
}

/// Ends a process as a power cut would.
fn signal(pid: u32) -> Result<()> {
    let killed = std::process::Command::new("kill").args(["-KILL", &pid.to_string()]).status()?;
    if !killed.success() {
        bail!("Link could not be ended");
    }
    Ok(())
}

fn percentile(sorted: &[f64], percent: usize) -> f64 {
    let at = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
    sorted.get(at).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_what_is_there() {
        let sorted: Vec<f64> = (1..=200).map(f64::from).collect();
        assert_eq!((percentile(&sorted, 50), percentile(&sorted, 99)), (101.0, 199.0));
        assert_eq!(percentile(&[], 99), 0.0);
    }
}
