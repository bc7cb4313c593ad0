//! Benchmarks: the whole system measured beside its aims, and beside a plain system with the same hops. `./x bench`.

mod choke;
mod engines;
mod flood;
mod idle;
mod lanes;
mod latency;
mod many;
mod peak;
mod plain;
mod practice;
mod report;
mod rows;
mod site;
mod system;
mod trail;
mod uplink;

use anyhow::Result;
use clap::{Parser, Subcommand, ValueEnum};
use report::Report;
use std::{net::SocketAddr, path::PathBuf, time::Duration};
use system::Bench;

/// Measures Halo Connect on this machine and prints aims and figures side by side.
#[derive(Parser)]
#[command(version, about)]
struct Arguments {
    /// A smoke run: few repetitions, figures for nobody to quote.
    #[arg(long)]
    quick: bool,
    /// Only these: a (latency), b (a million rows), c (bytes on the uplink), d (memory per idle Link),
    /// e (the demo practice alone), f (each engine beside its database's own driver), g (immediate queries beside an extract),
    /// h (one integrator that floods a site, beside others), i (the audit of a busy practice), j (what consent, budgets and
    /// audit cost a read), k (a thousand integrators at one site).
    #[arg(long, value_delimiter = ',')]
    only: Vec<Part>,
    /// Also write the figures to bench/last.json.
    #[arg(long)]
    json: bool,
    /// Keep identities, databases and logs in this folder (default: a temporary one).
    #[arg(long)]
    data: Option<PathBuf>,
    #[command(subcommand)]
    helper: Option<Helper>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    A,
    B,
    C,
    D,
    E,
    F,
    G,
    H,
    I,
    J,
    K,
}

/// Processes of the bench's own: it starts itself again.
#[derive(Subcommand)]
#[command(hide = true)]
enum Helper {
    /// The plain system's database end.
    PlainServer { practice: PathBuf, user: String, password: String },
    /// The plain system's relay.
    PlainRelay { target: SocketAddr },
    /// The plain system's gateway.
    PlainGateway { target: SocketAddr },
    /// One side of an engine's comparison.
    Engine { which: engines::Which, how: engines::How, task: PathBuf },
    /// Many Links that connect and then idle.
    IdleLinks { relay: String, ca: PathBuf, count: u32 },
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    // One thread: the measuring end should take as little of a small machine as it can.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        match arguments.helper {
            None => run(arguments).await,
            Some(Helper::PlainServer { practice, user, password }) => {
                plain::server(&practice, user, password).await
            }
            Some(Helper::PlainRelay { target }) => plain::relay(target).await,
            Some(Helper::PlainGateway { target }) => plain::gateway(target).await,
            Some(Helper::IdleLinks { relay, ca, count }) => idle::links(&relay, &ca, count).await,
            Some(Helper::Engine { which, how, task }) => engines::helper(which, how, &task).await,
        }
    })
}

/// The full run's figure or the quick run's.
fn pick<T>(quick: bool, full: T, small: T) -> T {
    if quick { small } else { full }
}

async fn run(arguments: Arguments) -> Result<()> {
    let wanted = |part| arguments.only.is_empty() || arguments.only.contains(&part);
    let temporary = tempfile::tempdir()?;
    let data = arguments.data.clone().unwrap_or_else(|| temporary.path().to_owned());
    let mut report = Report::new(arguments.quick);
    let quick = arguments.quick;
    let rows = pick(quick, 1_000_000, 100_000);

    if wanted(Part::A) || wanted(Part::B) {
        let bench = Bench::start(&data, false).await?;
        if wanted(Part::A) {
            latency::loopback(&bench, pick(quick, 5_000, 500), &mut report).await?;
        }
        if wanted(Part::B) {
            rows::loopback(&bench, rows, &mut report).await?;
        }
        bench.stop().await?;
    }
    if wanted(Part::A) || wanted(Part::B) || wanted(Part::C) {
        let bench = Bench::start(&data, true).await?;
        if wanted(Part::A) {
            bench.delay(Duration::from_millis(10)).await?;
            latency::delayed(&bench, pick(quick, 300, 40), &mut report).await?;
        }
        if wanted(Part::B) || wanted(Part::C) {
            bench.delay(if wanted(Part::B) { Duration::from_millis(40) } else { Duration::ZERO }).await?;
            rows::delayed(&bench, rows, wanted(Part::B), wanted(Part::C), &mut report).await?;
        }
        bench.stop().await?;
    }
    if wanted(Part::D) {
        idle::measure(&data, pick(quick, 5_000, 200), pick(quick, 30, 3), &mut report).await?;
    }
    if wanted(Part::E) {
        practice::measure(&data, rows, &mut report).await?;
    }
    if wanted(Part::F) {
        engines::measure(&data, quick, &mut report).await?;
    }
    if wanted(Part::G) {
        lanes::measure(&data, pick(quick, 1_000, 150), quick, &mut report).await?;
    }
    if wanted(Part::H) {
        flood::measure(&data, pick(quick, 20, 6), pick(quick, 30, 4), &mut report).await?;
    }
    if wanted(Part::I) {
        trail::measure(&data, pick(quick, 5_000_000, 200_000), &mut report)?;
    }
    if wanted(Part::J) {
        choke::measure(&data, (pick(quick, 5_000, 500), 5_000), pick(quick, 1_000, 50), &mut report).await?;
        choke::over_the_wire(&data, pick(quick, 5_000, 500), &mut report).await?;
    }
    if wanted(Part::K) {
        let asking = (pick(quick, 3_000, 200), Duration::from_secs(pick(quick, 20, 3)));
        many::measure(&data, pick(quick, 1_000, 50), asking, &mut report).await?;
    }
    if arguments.json {
        report.write("bench/last.json".as_ref())?;
    }
    report.finish();
    Ok(())
}
