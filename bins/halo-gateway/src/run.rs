//! `halo-gateway run`: puts the parts together, serves, and stops in good order.

use crate::{issue, say};
use anyhow::{Context, Result, anyhow, bail};
use gateway::{
    Gateway, Options,
    cloud::{Cloud, Relay},
    config::Config,
    papers::Papers,
    serve,
    webhooks::WebhookSettings,
};
use model::{Clock, SystemClock};
use rand::{TryRngCore, rngs::OsRng};
use std::{sync::Arc, time::Duration};
use tokio::{net::TcpListener, sync::watch};
use tracing_subscriber::EnvFilter;
use tunnel::{Credentials, DialOptions, Dialer, Proxy, RelayAddress, Roots, Status, control::RefusedReason};

/// Requests under way may finish for this long after SIGTERM; commands whose callers are gone as long again.
const GRACE: Duration = Duration::from_secs(10);

pub(crate) fn run(config: Config) -> Result<()> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().json().with_env_filter(filter).with_writer(std::io::stderr).init();
    serve::check_address(config.listen, config.allow_plain_http)?;
    raise_file_limit();
    // Half the cores: a query crosses several tasks one after another, and waking another core for each costs more than
    // it gains. Measured on two cores: 0.83 of the time per query, 1.2 times the rows per second.
    let workers = std::thread::available_parallelism().map_or(1, |cores| cores.get().div_ceil(2));
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(workers)
        .enable_all()
        .build()?
        .block_on(serve_all(config))
}

/// A caller is one file descriptor, and the usual soft limit is 1,024: so many silent ones would leave none to dial the relay with.
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

async fn serve_all(config: Config) -> Result<()> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let stop = stopped()?;
    let (own, epoch) = issue::certificate(&config, clock.as_ref())?;
    let papers = Papers::read(own.peer(), config.approvals.clone(), config.revocations.clone());
    if papers.revoke_us() {
        bail!(
            "the integrator has revoked this gateway's certificate ({}): use another gateway, or give this one a new certificate",
            config.revocations.display()
        );
    }
    tracing::info!(instance = own.peer().name, serial = own.peer().serial, "this gateway's certificate");
    let dial = DialOptions {
        relay: RelayAddress::parse(&config.cloud_url).context("`cloud.url`")?,
        tls: outer_tls(&config)?,
        proxy: config
            .cloud_proxy
            .as_ref()
            .map(|p| Proxy::parse(p.reveal()))
            .transpose()
            .context("`cloud.proxy`")?,
        environment: config.environment.clone(),
        credentials: Credentials::Gateway { operational: own.clone(), epoch },
        tuning: tunnel::Tuning::default(),
        clock: Arc::clone(&clock),
        seed: OsRng.try_next_u64().map_err(|e| anyhow!("no randomness: {e}"))?,
    };
    let webhooks = webhook_settings(&config)?;
    let listener = TcpListener::bind(config.listen)
        .await
        .with_context(|| format!("cannot listen on {}", config.listen))?;
    let address = listener.local_addr()?;
    let relay = Arc::new(Relay::new(Dialer::start(dial)));
    let options = Options {
        papers,
        own,
        integrator_name: config.integrator_name,
        environment: config.environment,
        logins: config.logins,
        limits: config.limits,
        tuning: link_api::Tuning::default(),
        clock,
        cloud: Arc::clone(&relay) as Arc<dyn Cloud>,
        webhooks,
        desktop: config.desktop,
    };
    let gateway = Gateway::new(&config.data, options)?;
    tracing::info!(integrator = %gateway.integrator(), %address, "serving");
    gateway.set_event_sink(gateway.outbox());
    let hinting = tokio::spawn(follow_hints(relay.hints(), Arc::clone(&gateway)));
    let [housekeeper, watcher, notifier] = [(); 3].map(|()| Arc::clone(&gateway));
    let housekeeping = tokio::spawn(async move {
        gateway::keep_on("housekeeping", || Arc::clone(&housekeeper).housekeeping()).await;
    });
    let presence =
        tokio::spawn(
            async move { gateway::keep_on("presence", || Arc::clone(&watcher).watch_sites()).await },
        );
    let showing = Arc::clone(&gateway);
    let showing =
        tokio::spawn(async move { gateway::keep_on("papers", || Arc::clone(&showing).watch_papers()).await });
    let notifying =
        tokio::spawn(
            async move { gateway::keep_on("notifications", || Arc::clone(&notifier).notify()).await },
        );
    let watching = tokio::spawn(announce(relay.status(), format!("http://{address}")));

    let misplaced = misplaced(relay.status());
    let (tell, mut misplaced_why) = tokio::sync::oneshot::channel();
    let over = async {
        tokio::select! {
            () = wait(stop) => {}
            why = misplaced => drop(tell.send(why)),
        }
    };
    serve::serve(listener, gateway::router(Arc::clone(&gateway)), over, GRACE).await;
    watching.abort();
    housekeeping.abort();
    presence.abort();
    hinting.abort();
    showing.abort();
    let left = gateway.drain(GRACE).await;
    gateway.stop();
    if left > 0 {
        tracing::warn!(left, "stopping with commands under way: their ends can be asked for");
    }
    // What an endpoint answered is written down, so that it does not get the same again.
    let _ = tokio::time::timeout(GRACE, notifying).await;
    relay.close().await;
    if let Ok(why) = misplaced_why.try_recv() {
        bail!("{why}");
    }
    tracing::info!("stopped");
    Ok(())
}

fn outer_tls(config: &Config) -> Result<Arc<rustls::ClientConfig>> {
    let Some(path) = &config.cloud_ca else { return Ok(tunnel::outer_client_tls(Roots::System)?) };
    let pem = std::fs::read(path).with_context(|| format!("`cloud.ca`: {}", path.display()))?;
    Ok(tunnel::outer_client_tls(Roots::Both(&pem))?)
}

/// Roots for the integrator's endpoints. That this computer has none keeps nothing else from working.
fn webhook_settings(config: &Config) -> Result<WebhookSettings> {
    let tls = match &config.webhook_ca {
        None => tunnel::outer_client_tls(Roots::System),
        Some(path) => {
            let pem = std::fs::read(path).with_context(|| format!("`webhooks.ca`: {}", path.display()))?;
            Ok(tunnel::outer_client_tls(Roots::Both(&pem)).context("`webhooks.ca`")?)
        }
    };
    let tls =
        tls.inspect_err(|error| tracing::warn!(%error, "notifications to endpoints can't be sent")).ok();
    Ok(WebhookSettings { tls, policy: config.webhook_policy.clone(), ..WebhookSettings::default() })
}

/// What the platform hints at is looked at.
async fn follow_hints(hints: Option<tunnel::Hints>, gateway: Arc<Gateway>) {
    let Some(hints) = hints else { return };
    let hints = tokio::sync::Mutex::new(hints);
    gateway::keep_on("hints", async || {
        let mut hints = hints.lock().await;
        while let Some(sites) = hints.next().await {
            sites.into_iter().for_each(|site| gateway.hint(site));
        }
    })
    .await;
}

/// Says once that all is up. How the outer connection fares is logged where it is kept.
async fn announce(mut status: watch::Receiver<Status>, listen: String) {
    if status.wait_for(|status| *status == Status::Online).await.is_ok() {
        let _ = say(&serde_json::json!({ "ready": true, "listen": listen }).to_string());
    }
}

/// Ends with the relay's words when it is of another environment and this gateway was never let in: that is no start. Later it is a
/// fault of the relay's, which may pass.
async fn misplaced(mut status: watch::Receiver<Status>) -> String {
    let first = status
        .wait_for(|status| {
            matches!(status, Status::Online | Status::Refused { reason: RefusedReason::Environment, .. })
        })
        .await
        .map(|status| status.clone());
    match first {
        Ok(Status::Refused { why, .. }) => why,
        _ => std::future::pending().await,
    }
}

async fn wait(mut stop: watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

/// Becomes true with SIGTERM or SIGINT (Ctrl-C elsewhere).
fn stopped() -> Result<watch::Receiver<bool>> {
    let (tell, told) = watch::channel(false);
    #[cfg(unix)]
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::spawn(async move {
        #[cfg(unix)]
        tokio::select! {
            _ = terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
        #[cfg(not(unix))]
        let _ = tokio::signal::ctrl_c().await;
        let _ = tell.send(true);
    });
    Ok(told)
}
