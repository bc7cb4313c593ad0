//! A running Halo Link: the host, its connection to Halo Cloud, its housekeeping, and an orderly end.

#[cfg(test)]
mod tests;

use crate::{
    authority,
    control::Service,
    door::Looked,
    host::{Host, RENEW, StartError},
    self_test::SelfTest,
    store::StopReason,
};
use model::{Clock, SiteId};
use rand::{RngCore, SeedableRng, rngs::StdRng};
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::{oneshot, watch},
    task::{JoinHandle, JoinSet},
    time::{Instant, interval, sleep, timeout, timeout_at},
};
use tokio_rustls::rustls;
use tunnel::{DialOptions, Dialer, Opener, Proxy, RelayAddress, Status, Tuning, control::RefusedReason};

/// Everything that is under way has this long to end.
const STOP: Duration = Duration::from_secs(7);
/// Of which saying goodbye to the relay may take this long.
const CLOSE: Duration = Duration::from_secs(1);
/// What was written down last reaches the disk within this time, or with the next start's word that it was interrupted.
const FLUSH: Duration = Duration::from_secs(1);
/// Old outcomes are forgotten this often.
const FORGET: Duration = Duration::from_secs(60 * 60);
/// The first connection waits this long for what the sites' databases say; one that comes later causes another dial.
const FIRST_LOOK: Duration = Duration::from_secs(1);
/// Idle sessions are looked at this often.
const TIDY: Duration = Duration::from_secs(10);

/// How Halo Cloud is reached.
#[derive(Clone)]
pub struct Outer {
    /// Where to.
    pub relay: RelayAddress,
    /// From [`tunnel::outer_client_tls`].
    pub tls: Arc<rustls::ClientConfig>,
    /// On the way.
    pub proxy: Option<Proxy>,
    /// Sizes and time spans.
    pub tuning: Tuning,
    /// Spreads retries.
    pub seed: u64,
}

impl std::fmt::Debug for Outer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Outer").field("relay", &self.relay).finish_non_exhaustive()
    }
}

/// A Link that is connected to Halo Cloud, or tries to be.
#[derive(Debug)]
pub struct Link {
    host: Arc<Host>,
    status: watch::Receiver<Status>,
    self_test: SelfTest,
    stop: watch::Sender<bool>,
    running: JoinHandle<()>,
    tidying: JoinHandle<()>,
    driving: JoinHandle<()>,
    looking: JoinSet<()>,
}

impl Link {
    /// Starts dialling. Must run inside a tokio runtime.
    ///
    /// # Errors
    /// When no certificates can be issued.
    pub async fn start(host: Arc<Host>, outer: Outer, clock: Arc<dyn Clock>) -> Result<Self, StartError> {
        let (mut looking, mut looks) = (JoinSet::new(), Vec::new());
        for (site, seed) in host.sites().into_iter().zip(outer.seed..) {
            let (told, tells) = oneshot::channel();
            looking.spawn(keep_looking(host.clone(), site, seed, told));
            looks.push(tells);
        }
        host.tell_standing();
        let _ = timeout(FIRST_LOOK, futures::future::join_all(looks)).await;
        // From before the credentials are made: what changes later is not in them.
        let changes = host.door().changes();
        let first = dial(&host, &outer, &clock).await?;
        let (report, status) = watch::channel(Status::Connecting);
        let (stop, stopping) = watch::channel(false);
        let (opens, opener) = watch::channel(first.opener());
        looking.spawn(authority::keep_asking(host.clone(), opener.clone()));
        looking.spawn(stand(host.clone(), status.clone()));
        let self_test = SelfTest { host: host.clone(), opener, clock: clock.clone() };
        let tells = Tells { report, opens };
        let running = tokio::spawn(run(host.clone(), outer, clock, (first, changes), tells, stopping));
        let tidying = tokio::spawn(tidy(host.clone()));
        let driving = tokio::spawn(host.jobs().clone().drive());
        Ok(Link { host, status, self_test, stop, running, tidying, driving, looking })
    }

    /// Its sites.
    pub fn host(&self) -> &Arc<Host> {
        &self.host
    }

    /// How its connection stands.
    pub fn status(&self) -> watch::Receiver<Status> {
        self.status.clone()
    }

    /// What answers at the control socket.
    pub fn service(&self) -> Service {
        Service {
            host: self.host.clone(),
            status: self.status.clone(),
            self_test: Some(self.self_test.clone()),
        }
    }

    /// Takes nothing new, lets what runs end, says goodbye to the relay. Returns within about twelve seconds, whatever hangs.
    pub async fn stop(mut self) {
        let _ = self.stop.send(true);
        self.tidying.abort();
        // What waits goes on waiting; what runs ends, if it does so in time.
        self.driving.abort();
        self.looking.abort_all();
        let _ = timeout(STOP, self.running).await;
        let host = self.host.clone();
        let flushing =
            tokio::task::spawn_blocking(move || host.door().flush().and_then(|()| host.door().keep_heads()));
        match timeout(FLUSH, flushing).await {
            Ok(Ok(Ok(()))) => {}
            Ok(Ok(Err(error))) => tracing::error!(%error, "the last lines of the audit are not on disk"),
            _ => tracing::error!(
                "the disk does not take the last lines of the audit in time; stopping without"
            ),
        }
    }
}

async fn dial(host: &Arc<Host>, outer: &Outer, clock: &Arc<dyn Clock>) -> Result<Dialer, StartError> {
    let issuing = host.clone();
    let credentials = tokio::task::spawn_blocking(move || issuing.issue())
        .await
        .unwrap_or_else(|error| Err(std::io::Error::other(error).into()))?;
    Ok(Dialer::start(DialOptions {
        relay: outer.relay.clone(),
        tls: outer.tls.clone(),
        proxy: outer.proxy.clone(),
        environment: host.environment().to_owned(),
        credentials,
        tuning: outer.tuning.clone(),
        clock: clock.clone(),
        seed: outer.seed,
    }))
}

/// What others hear of the connection.
struct Tells {
    report: watch::Sender<Status>,
    opens: watch::Sender<Opener>,
}

async fn run(
    host: Arc<Host>,
    outer: Outer,
    clock: Arc<dyn Clock>,
    (mut dialer, mut changes): (Dialer, watch::Receiver<u64>),
    Tells { report, opens }: Tells,
    mut stopping: watch::Receiver<bool>,
) {
    let mut news = host.jobs().news();
    loop {
        let hinter = dialer.hinter();
        // Ends with this connection.
        let mut telling = JoinSet::new();
        telling.spawn(crate::receipts::tell_platform(host.clone(), dialer.teller()));
        let (end, ending) = watch::channel(false);
        let mut sessions = JoinSet::new();
        let mut status = dialer.status();
        status.mark_changed();
        let renew = sleep(RENEW);
        tokio::pin!(renew);
        let stop = loop {
            tokio::select! {
                stream = dialer.accept() => match stream {
                    Some(stream) => {
                        sessions.spawn(host.clone().accept(stream, ending.clone()));
                    }
                    None => break true,
                },
                Some(_) = sessions.join_next() => {}
                // What was missed does no harm: gateways look by themselves too, only later.
                Ok((site, integrator)) = news.recv() => hinter.hint(site, integrator),
                Ok(()) = status.changed() => {
                    let now = status.borrow_and_update().clone();
                    log(&host, &now);
                    report.send_replace(now);
                }
                () = &mut renew => {
                    tracing::info!("certificates are renewed");
                    break false;
                }
                Ok(()) = changes.changed() => {
                    tracing::info!("Halo Cloud is told what changed");
                    break false;
                }
                _ = stopping.wait_for(|stop| *stop) => break true,
            }
        };
        let by = Instant::now() + STOP - CLOSE;
        let _ = end.send(true);
        while sessions.join_next().await.is_some() {}
        if stop {
            // Commands whose callers are gone end under their own limits; wait for them as long as there is time.
            let quiet = async {
                while host.door().running() > 0 {
                    sleep(Duration::from_millis(20)).await;
                }
            };
            let _ = timeout_at(by, quiet).await;
            dialer.close().await;
            report.send_replace(Status::Closed);
            return;
        }
        dialer.close().await;
        dialer = loop {
            changes.mark_unchanged();
            match dial(&host, &outer, &clock).await {
                Ok(dialer) => {
                    opens.send_replace(dialer.opener());
                    break dialer;
                }
                Err(error) => tracing::error!(%error, "certificates can't be renewed"),
            }
            if timeout(Duration::from_secs(60), stopping.wait_for(|stop| *stop)).await.is_ok() {
                return;
            }
        };
    }
}

/// Halo Cloud says whether this server is the one that serves: does what follows, one word after the other. The latest is what counts.
async fn stand(host: Arc<Host>, mut status: watch::Receiver<Status>) {
    while status.changed().await.is_ok() {
        let now = status.borrow_and_update().clone();
        let host = host.clone();
        let told = match now {
            Status::Refused { reason: RefusedReason::OlderEpoch, epoch, .. } => {
                tokio::task::spawn_blocking(move || host.fence(StopReason::Older, epoch))
            }
            Status::Refused { reason: RefusedReason::DoubledEpoch, epoch, .. } => {
                tokio::task::spawn_blocking(move || host.fence(StopReason::Doubled, epoch))
            }
            // With the epoch that it was refused with before: Halo Cloud knows of no later one now.
            Status::Online if host.door().held().is_some() => {
                tokio::task::spawn_blocking(move || host.taken_again())
            }
            _ => continue,
        };
        let _ = told.await;
    }
}

fn log(host: &Host, status: &Status) {
    let link = host.id();
    match status {
        Status::Online => tracing::info!(%link, epoch = host.epoch(), "connected to Halo Cloud"),
        Status::Waiting { retry_in_ms, why } => {
            tracing::warn!(%link, retry_in_ms, why, "not connected to Halo Cloud")
        }
        Status::Refused { why, .. } => tracing::error!(%link, why, "Halo Cloud refuses this Link"),
        Status::Connecting | Status::Closed => tracing::debug!(%link, ?status, "outer leg"),
    }
}

/// Asks a site's database whose it is, and what integrators may do there: now, then about every hour, sooner when there
/// was no answer. `told` hears of the first look.
async fn keep_looking(host: Arc<Host>, site: SiteId, seed: u64, told: oneshot::Sender<()>) {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut told = Some(told);
    loop {
        let looking = host.clone();
        let looked = tokio::task::spawn_blocking(move || looking.door().look(site)).await;
        if let Some(told) = told.take() {
            let _ = told.send(());
        }
        let looked = looked.unwrap_or(Looked::Unreachable);
        if looked == Looked::Well {
            let reading = host.clone();
            let _ = tokio::task::spawn_blocking(move || reading.door().read_rights(site)).await;
        }
        sleep(looked.again_in(rng.next_u64())).await;
    }
}

async fn tidy(host: Arc<Host>) {
    let mut ticks = interval(TIDY);
    let mut count = 0;
    loop {
        ticks.tick().await;
        count += 1;
        let first = count == 1;
        let forget = count % (FORGET.as_secs() / TIDY.as_secs()) == 0;
        let host = host.clone();
        let done = tokio::task::spawn_blocking(move || {
            host.executor().close_idle();
            if let Err(error) = host.jobs().tidy() {
                tracing::error!(%error, "results that expired can't be removed; tried again");
            }
            if let Err(error) = host.door().tend() {
                tracing::error!(%error, "what was used up, or has expired, can't be written down; tried again");
            }
            if let Err(error) = crate::recovery::keep_backup(&host) {
                tracing::error!(%error, "the backup for the recovery kit can't be written; tried again");
            }
            if forget && let Err(error) = host.door().forget_outcomes() {
                tracing::error!(%error, "old outcomes can't be forgotten");
            }
            // Also soon after a start: what was done to the file while nothing ran is told then.
            if (forget || first)
                && let Err(error) = host.door().keep_heads()
            {
                tracing::error!(%error, "where the audit ends can't be signed and kept; tried again");
            }
            if forget && let Err(error) = host.door().cut_audit() {
                tracing::error!(%error, "old lines of the audit can't be removed; tried again");
            }
        });
        let _ = done.await;
    }
}
