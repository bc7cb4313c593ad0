//! `halo-cloud run`: composes directory and relay, and ends them in order.

use crate::{config::Config, operator, updates};
use anyhow::{Context, Result, bail};
use directory::Directory;
use model::SystemClock;
use rand::{TryRngCore, rngs::OsRng};
use relay::{Limits, Nonces, Options, Relay};
use std::{
    fs::{File, TryLockError},
    io::Write,
    path::Path,
    sync::Arc,
    time::Duration,
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tunnel::{AcceptOptions, Tuning};

/// How often the directory notes that the cloud runs: the error of a site's last contact after a crash.
const SIGN_OF_LIFE: Duration = Duration::from_secs(15);
/// A hosted practice system may have hundreds of databases behind one Link; each costs a signature check at its join.
const SITES_OF_ONE_LINK: usize = 256;

pub(crate) fn run(config: Config) -> Result<()> {
    log();
    let directory = Arc::new(operator::open(&config)?);
    let options = options(&config)?;
    raise_file_limit();
    // Half the cores: a query crosses several tasks one after another, and waking another core for each costs more than
    // it gains; the kernel's share of the work has the rest.
    let workers = std::thread::available_parallelism().map_or(1, |cores| cores.get().div_ceil(2));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(workers).enable_all().build()?;
    let Some(_lock) = runtime.block_on(lock_soon(&config.data))? else {
        bail!("data: another halo-cloud runs on {}", config.data.display());
    };
    directory.start_afresh()?;
    let result = runtime.block_on(serve(&config, directory, options));
    // Whatever still waits for a thread has had its time in the drain.
    runtime.shutdown_timeout(Duration::from_millis(200));
    result
}

async fn serve(config: &Config, directory: Arc<Directory>, options: Options) -> Result<()> {
    let listener = TcpListener::bind(config.listen)
        .await
        .with_context(|| format!("listen: can't listen on {} (is the port taken?)", config.listen))?;
    let address = listener.local_addr()?;
    let stop = CancellationToken::new();
    let mut signals = Signals::new()?;
    let life = tokio::spawn(note_life(directory.clone()));
    let relay = Relay::new(directory, options);
    let serving = tokio::spawn({
        let (relay, stop) = (relay.clone(), stop.clone());
        async move { relay.serve(listener, stop).await }
    });
    tracing::info!(listen = %address, environment = config.environment, "halo-cloud serves");
    say_ready(address)?;

    let signal = signals.next().await;
    tracing::info!(signal, "halo-cloud is told to stop");
    stop.cancel();
    serving.await.context("the relay failed")?;
    life.abort();
    for usage in relay.usage() {
        tracing::info!(
            integrator = %usage.integrator, site = %usage.site, streams = usage.streams,
            to_site = usage.to_site, to_gateway = usage.to_gateway, "usage"
        );
    }
    tracing::info!("halo-cloud has stopped");
    Ok(())
}

fn options(config: &Config) -> Result<Options> {
    let read = |field: &str, path: &Path| {
        std::fs::read(path).with_context(|| format!("{field}: can't read {}", path.display()))
    };
    let cert = read("tls_cert", &config.tls_cert)?;
    let key = read("tls_key", &config.tls_key)?;
    let tls = tunnel::outer_server_tls(&cert, &key).with_context(|| {
        format!("tls_cert, tls_key: {} with {}", config.tls_cert.display(), config.tls_key.display())
    })?;
    let clock = Arc::new(SystemClock);
    let nonces: Nonces = Arc::new(|| {
        let mut nonce = [0; 32];
        // Without randomness nobody can be let in: end the connection's task, not the process.
        OsRng.try_fill_bytes(&mut nonce).expect("the operating system gives random bytes");
        nonce
    });
    let accept = AcceptOptions {
        relay_names: config.names.clone(),
        environment: config.environment.clone(),
        clock: clock.clone(),
        tuning: Tuning::default(),
        max_sites: SITES_OF_ONE_LINK,
    };
    let guests = config.updates.as_ref();
    let guests = guests.map(|about| updates::guests(about.folder.clone(), config.environment.clone()));
    Ok(Options { tls, accept, nonces, clock, limits: Limits::default(), guests })
}

async fn note_life(directory: Arc<Directory>) {
    let mut every = tokio::time::interval(SIGN_OF_LIFE);
    loop {
        every.tick().await;
        let directory = directory.clone();
        let noted = tokio::task::spawn_blocking(move || directory.still_alive()).await;
        if let Ok(Err(error)) = noted {
            tracing::error!(%error, "the directory can't be written");
        }
    }
}

/// Like [`lock`], with a little patience: `halo-cloud sites` takes the lock for a moment.
async fn lock_soon(data: &Path) -> Result<Option<File>> {
    for _ in 0..10 {
        if let Some(file) = lock(data)? {
            return Ok(Some(file));
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(None)
}

/// Takes the folder for this process until the answer is dropped; `None` when another process has it.
pub(crate) fn lock(data: &Path) -> Result<Option<File>> {
    let path = data.join("cloud.lock");
    let file = File::create(&path).with_context(|| format!("data: can't write {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("data: can't lock {}", path.display()))
        }
    }
}

fn say_ready(address: std::net::SocketAddr) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", serde_json::json!({ "ready": true, "listen": address.to_string() }))?;
    Ok(out.flush()?)
}

/// JSON lines on stderr; `RUST_LOG` chooses, `info` is the default.
fn log() {
    use tracing_subscriber::EnvFilter;
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
}

/// One connection is one file descriptor, and the usual soft limit is 1,024: take all that the hard limit allows.
fn raise_file_limit() {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
        let now = getrlimit(Resource::Nofile);
        if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: now.maximum, maximum: now.maximum })
        {
            tracing::warn!(%error, files = now.current, "can't raise the limit of open files");
        }
    }
}

/// What asks the process to stop.
struct Signals {
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
}

impl Signals {
    /// From here on the signals are ours: one that comes between this and [`Signals::next`] is not lost.
    fn new() -> Result<Signals> {
        #[cfg(unix)]
        {
            use tokio::signal::unix::{SignalKind, signal};
            Ok(Signals {
                terminate: signal(SignalKind::terminate())?,
                interrupt: signal(SignalKind::interrupt())?,
            })
        }
        #[cfg(not(unix))]
        Ok(Signals {})
    }

    async fn next(&mut self) -> &'static str {
        #[cfg(unix)]
        {
            tokio::select! {
                _ = self.terminate.recv() => "SIGTERM",
                _ = self.interrupt.recv() => "SIGINT",
            }
        }
        #[cfg(not(unix))]
        {
            // Without a handler Ctrl-C ends the process at once, which is an end as well.
            let _ = tokio::signal::ctrl_c().await;
            "Ctrl-C"
        }
    }
}
