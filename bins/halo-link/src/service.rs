//! `HaloLinkService`: the service beside the practice's database.
#![allow(non_snake_case, reason = "the name that practices know")]

mod cloud;
mod kinds;
mod logs;
mod managed;
mod publish;
mod sealing;

use agent::{
    config::{self, Config, Site},
    control,
    host::{Host, SiteSetup, StartError},
    link::{Link, Outer},
    pms::PmsFiles,
};
use anyhow::{Context, Result, anyhow};
use clap::{Parser, Subcommand};
use model::{Clock, SystemClock};
use rand::{TryRngCore, rngs::OsRng};
use std::{io::Write, path::PathBuf, process::ExitCode, sync::Arc, time::Duration};
use tokio::sync::watch;
use tunnel::Status;

/// Streams come and go: mimalloc gives freed pages back, where the C library's allocator keeps them.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Halo Link Service: connects practice databases on this server to Halo Connect. Opens no inbound port.
#[derive(Parser)]
#[command(
    name = "HaloLinkService",
    version = agent::host::VERSION,
    after_help = "\
link.toml (relative paths start at its own folder):
  data        = \"/var/lib/halo-link\"    # identity, link.db, logs and the control socket are made here
  environment = \"stage\"                 # production, stage or demo
  [cloud]
  url   = \"wss://relay.example.com/tunnel/v1\"
  ca    = \"extra-roots.pem\"             # optional, beside the system's
  proxy = \"http://user:password@proxy:3128\"   # optional
  [pms]
  folder = \"pms\"                        # optional: PMS files of your own (docs/pms.md)
  [[site]]
  pms           = \"BestPractice\"        # or Zedmed, D4w
  pms_id        = \"1001\"                # may be left out where the database says it (docs/pms.md)
  practice_name = \"Example Clinic\"      # these two count where the database does not say it
  pms_version   = \"1.14\"
  [site.database]
  kind = \"demo\"
  path = \"practice\"

Then let an integrator in:  HaloLinkUtility pairing-code --integrator NAME --config link.toml
When the service has reached Halo Cloud it prints {\"ready\":true,\"link\":\"…\",\"sites\":[\"…\"]} on stdout; logs are JSON lines
on stderr (RUST_LOG chooses how many). SIGTERM or Ctrl-C: what runs ends first, seven seconds at most."
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve until SIGTERM or Ctrl-C: for consoles, and for systemd
    Run {
        /// The configuration file; without it link.toml in this folder if there is one, else the installed one
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// What Windows' service manager starts. Logs go to the folder `logs` in `data`, and what the practice should know to the event log
    Service {
        /// The configuration file
        #[arg(long, default_value_os_t = machine::paths::config(), value_name = "FILE")]
        config: PathBuf,
    },
}

fn main() -> ExitCode {
    crash::guard();
    let done = match Arguments::parse().command {
        Command::Run { config } => Config::read(&config::path(config)).map_err(Into::into).and_then(by_hand),
        Command::Service { config } => managed::dispatch(config),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "HaloLinkService: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn by_hand(config: Config) -> Result<()> {
    logs::to_stderr();
    let done = block_on(async {
        let stop = stopped()?;
        serve(config, stop, || Ok(())).await
    });
    match done {
        Err(error) if was_moved(&error) => {
            tracing::warn!("{error:#}");
            Ok(())
        }
        done => done,
    }
}

/// It does not start on purpose: no failure, and nothing to try again.
fn was_moved(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(StartError::MovedOut { .. }))
}

fn block_on(serving: impl Future<Output = Result<()>>) -> Result<()> {
    // Half the cores: the server belongs to the practice's own software, and a query that crosses several tasks is
    // slower when each wakes another core. Statements and row encoding run on threads of their own.
    let workers = std::thread::available_parallelism().map_or(1, |cores| cores.get().div_ceil(2));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(workers).enable_all().build()?;
    let done = runtime.block_on(serving);
    // What runs had its seven seconds. A look-up of a name or a database that hangs must not keep the service from ending: what may
    // have been written is in the ledger, and the next start tells it as interrupted.
    runtime.shutdown_timeout(Duration::from_secs(1));
    done
}

/// Serves until `stop` becomes true; `up` is called once everything that can go wrong at a start has gone well. A stop ends a start
/// too, at once: whatever it waits for is left behind.
async fn serve(
    config: Config,
    mut stop: watch::Receiver<bool>,
    up: impl FnOnce() -> Result<()>,
) -> Result<()> {
    let started = tokio::select! {
        biased;
        // A sender that is gone means the same.
        _ = stop.wait_for(|stop| *stop) => None,
        started = start(config) => Some(started?),
    };
    let Some((data, link)) = started else {
        tracing::info!("stopped while it started");
        return Ok(());
    };
    let host = link.host().clone();
    let control = control::listen(&data, link.service()).context("control socket")?;
    tracing::info!(link = %host.id(), epoch = host.epoch(), sites = host.sites().len(), "started");
    up()?;
    let publishing = tokio::spawn(publish::keep(data, host.clone(), link.status()));
    let announcing = tokio::spawn(announce(link.status(), host));
    let _ = stop.wait_for(|stop| *stop).await;
    tracing::info!("stopping");
    announcing.abort();
    publishing.abort();
    control.abort();
    link.stop().await;
    tracing::info!("stopped");
    Ok(())
}

/// Everything up to the first dial; gives the data folder and what runs.
async fn start(config: Config) -> Result<(PathBuf, Link)> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let outer = outer(&config)?;
    let files = PmsFiles::load(config.pms.folder.as_deref()).map_err(|wrong| anyhow!(wrong))?;
    let sites =
        config.sites.iter().map(|site| open_site(site, &config, &files)).collect::<Result<Vec<_>>>()?;
    let (limits, keep_audit) = (config.limits(), config.audit.keep());
    let (data, environment) = (config.data, config.environment);
    let host = {
        let (data, clock) = (data.clone(), clock.clone());
        let open = move || {
            let key = sealing::key(&data)?;
            Ok::<_, anyhow::Error>(Host::open(&data, &environment, sites, Arc::new(key), limits, clock)?)
        };
        tokio::task::spawn_blocking(open).await??
    };
    host.door().keep_audit(keep_audit);
    Ok((data, Link::start(host, outer, clock).await?))
}

/// How long a first start waits for a database that alone knows which practice it belongs to.
const PATIENCE: Duration = Duration::from_secs(30);

fn open_site(site: &Site, config: &Config, files: &PmsFiles) -> Result<SiteSetup> {
    let named =
        || format!("site {}", site.pms_id.as_deref().or(site.key.as_deref()).unwrap_or(site.pms.type_name()));
    let (file, engine) =
        kinds::open(site, files, &config.folder).map_err(|wrong| anyhow!(wrong)).with_context(named)?;
    Ok(SiteSetup {
        key: config.key_of(site),
        pms: site.pms,
        pms_id: site.pms_id.clone(),
        practice_name: site.practice_name.clone(),
        pms_version: site.pms_version.clone(),
        file,
        engine,
        patience: PATIENCE,
    })
}

fn outer(config: &Config) -> Result<Outer> {
    let update::Cloud { relay, tls, proxy } = cloud::of(config)?;
    let seed = OsRng.try_next_u64().map_err(|error| anyhow!("no randomness: {error}"))?;
    Ok(Outer { relay, tls, proxy, tuning: tunnel::Tuning::default(), seed })
}

/// Says once, on stdout, that Halo Cloud was reached.
async fn announce(mut status: watch::Receiver<Status>, host: Arc<Host>) -> Result<()> {
    status.wait_for(|status| *status == Status::Online).await?;
    let line = serde_json::json!({ "ready": true, "link": host.id(), "sites": host.sites() });
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}

/// Becomes true on SIGTERM or Ctrl-C.
fn stopped() -> Result<watch::Receiver<bool>> {
    let (stop, stopped) = watch::channel(false);
    #[cfg(unix)]
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::spawn(async move {
        #[cfg(unix)]
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminate.recv() => {}
        }
        #[cfg(not(unix))]
        let _ = tokio::signal::ctrl_c().await;
        let _ = stop.send(true);
    });
    Ok(stopped)
}
