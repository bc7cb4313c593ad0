//! A gateway's connection: each of its streams is a question, and one kind of question becomes a splice.

use crate::{
    Counted, DRAIN, Fault, Limits, Shared, hints::Listeners, presence::LinkConnection, splice::splice,
};
use model::{Availability, IntegratorId, SiteId};
use std::{
    sync::{Arc, Mutex, PoisonError, Weak, atomic::Ordering::Relaxed},
    time::Duration,
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout},
};
use tokio_util::task::TaskTracker;
use tunnel::{
    Denied, Joined, Stream,
    head::{self, Answer, Ask, Reason, SiteRecord},
};

/// For the refusal of one stream too many: whoever has that many open does not wait long for a no.
const REFUSAL: Duration = Duration::from_secs(1);

/// Between a Link's welcome and its presence here, which follows within microseconds: how often, and how long, to look.
const SETTLING: Duration = Duration::from_millis(10);
const SETTLING_LOOKS: u32 = 50;

/// How a gateway came in.
pub(crate) enum Entry {
    /// Its integrator is admitted.
    Admitted,
    /// It is not, or not yet: this is the connection's place among those.
    Waiting { _place: OwnedSemaphorePermit },
}

/// Anybody can make an integrator's identity, so one that is not admitted comes in (to be told so, and to be served as
/// soon as it is), but there are few places, and few streams in each.
pub(crate) async fn admit(shared: &Shared, integrator: IntegratorId) -> Result<Entry, Denied> {
    match shared.desk.ask(move |registry| registry.admit_gateway(integrator)).await {
        Ok(true) => Ok(Entry::Admitted),
        Ok(false) => match shared.waiting_room.clone().try_acquire_owned() {
            Ok(place) => Ok(Entry::Waiting { _place: place }),
            Err(_) => Err(Denied::Busy(format!(
                "integrator {integrator} is not admitted to this platform, and too many such gateways are connected"
            ))),
        },
        Err(fault) => Err(Denied::Busy(fault.to_string())),
    }
}

/// Whether the integrator is admitted, as last seen; it decides how many streams the connection may carry.
pub(crate) struct Standing {
    joined: Joined,
    entry: Mutex<Entry>,
    limits: (usize, usize),
}

impl Standing {
    fn new(joined: Joined, entry: Entry, limits: &Limits) -> Standing {
        let limits = (limits.streams_per_gateway, limits.streams_per_unadmitted);
        if matches!(entry, Entry::Waiting { .. }) {
            joined.limit_streams(limits.1);
        }
        Standing { joined, entry: Mutex::new(entry), limits }
    }

    /// A site may have news for it. Who is not admitted gets nothing, not even this.
    pub(crate) fn hint(&self, site: SiteId) {
        if matches!(*self.entry.lock().unwrap_or_else(PoisonError::into_inner), Entry::Admitted) {
            self.joined.hint(site);
        }
    }

    /// The registry has said yes: the connection's place among the unadmitted is free again.
    fn is_admitted(&self) {
        let mut entry = self.entry.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*entry, Entry::Waiting { .. }) {
            *entry = Entry::Admitted;
            // One more than it may have: the surplus one is told why.
            self.joined.limit_streams(self.limits.0.saturating_add(1));
        }
    }
}

/// The connection stands: its streams are served from now on.
pub(crate) fn start(shared: &Arc<Shared>, integrator: IntegratorId, joined: Joined, entry: Entry) {
    tracing::info!(%integrator, admitted = matches!(entry, Entry::Admitted), "a gateway joined");
    let standing = Arc::new(Standing::new(joined, entry, &shared.options.limits));
    shared.tasks.spawn(live(shared.clone(), integrator, standing));
}

async fn live(shared: Arc<Shared>, integrator: IntegratorId, standing: Arc<Standing>) {
    let joined = &standing.joined;
    let _counted = Counted::new(&shared, |s| &s.gateways);
    let _listening = Listeners::enter(&shared, integrator, &standing);
    let places = Arc::new(Semaphore::new(shared.options.limits.streams_per_gateway));
    let streams = TaskTracker::new();
    loop {
        let stream = tokio::select! {
            () = shared.draining.cancelled() => break,
            stream = joined.accept() => stream,
        };
        let Some(stream) = stream else { break };
        match places.clone().try_acquire_owned() {
            Ok(place) => {
                let (shared, standing) = (shared.clone(), Arc::downgrade(&standing));
                streams.spawn(async move {
                    answer(&shared, integrator, &standing, stream).await;
                    drop(place);
                });
            }
            Err(_) => {
                streams.spawn(async move {
                    let no = refused(Reason::Busy, "this gateway has too many streams open");
                    let _ = timeout(REFUSAL, say(stream, &no)).await;
                });
            }
        }
    }
    if shared.draining.is_cancelled() {
        joined.drain();
        streams.close();
        let over = async {
            // New streams while draining get the reason instead of silence.
            while let Some(stream) = joined.accept().await {
                let no = refused(Reason::Draining, "this relay is shutting down: dial again");
                let _ = timeout(REFUSAL, say(stream, &no)).await;
            }
        };
        let _ = timeout(DRAIN, over).await;
    }
    tracing::info!(%integrator, "a gateway left");
}

async fn answer(
    shared: &Arc<Shared>,
    integrator: IntegratorId,
    standing: &Weak<Standing>,
    mut stream: Stream,
) {
    let limits = &shared.options.limits;
    let ask = match timeout(limits.head, head::read::<Ask>(&mut stream)).await {
        Ok(Ok(ask)) => ask,
        Ok(Err(error)) => {
            tracing::debug!(%integrator, %error, "a stream began with no question");
            let no = refused(Reason::Protocol, "the question can't be read");
            let _ = timeout(limits.head, say(stream, &no)).await;
            return;
        }
        Err(_) => return,
    };
    let admitted = shared.desk.ask(move |registry| registry.admit_gateway(integrator)).await;
    if admitted == Ok(true)
        && let Some(standing) = standing.upgrade()
    {
        standing.is_admitted();
    }
    let answer = match (admitted, ask) {
        (Err(fault), _) => failed(fault),
        (Ok(false), _) => {
            tracing::warn!(%integrator, "an integrator that is not admitted was refused");
            refused(Reason::NotEntitled, &format!("integrator {integrator} is not admitted to this platform"))
        }
        (Ok(true), Ask::Connect { site }) => match connect(shared, site).await {
            // Counted once the site is known to be there: whoever asks for sites that there are not leaves no counters behind.
            Ok(towards_site) => match shared.meter.of(integrator, site).open(limits.streams_per_site) {
                Some(_open) => return carry(shared, integrator, site, stream, towards_site).await,
                None => refused(Reason::Busy, "this integrator has too many streams to this site open"),
            },
            Err(no) => no,
        },
        (Ok(true), Ask::Find { pms, pms_id }) => {
            let found = shared.desk.ask(move |registry| registry.find(pms, &pms_id)).await;
            found.map_or_else(failed, sites)
        }
        (Ok(true), Ask::Look { site }) => {
            let found = shared.desk.ask(move |registry| registry.look(site)).await;
            found.map_or_else(failed, |site| sites(site.into_iter().collect()))
        }
    };
    let _ = timeout(limits.head, say(stream, &answer)).await;
}

/// A stream on the connection of the Link that serves the site; otherwise the refusal to answer with.
async fn connect(shared: &Shared, site: SiteId) -> Result<Stream, Answer> {
    let connection = present(shared, site).await?;
    let opening = async {
        let mut stream = connection.joined.open().await.map_err(|e| e.to_string())?;
        head::write(&mut stream, &head::Incoming { site }).await.map_err(|e| e.to_string())?;
        Ok::<_, String>(stream)
    };
    match timeout(shared.options.limits.open, opening).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(why)) => {
            tracing::info!(%site, link = %connection.link, why, "a Link did not take a stream");
            // It may just have gone; if it has not, it is at its limit.
            match shared.presence.get(site) {
                Some(_) => {
                    Err(refused(Reason::Busy, &format!("the site's Halo Link takes no more streams: {why}")))
                }
                None => Err(absent(shared, site).await.unwrap_or_else(|| {
                    refused(Reason::Offline, "the site's Halo Link is just reconnecting")
                })),
            }
        }
        Err(_) => Err(refused(Reason::Unreachable, "the site's Halo Link did not take the stream in time")),
    }
}

/// The connection that serves the site. A Link hears its welcome, and may say that it is ready, a moment before presence
/// does: where the registry's record says online, that moment is waited for.
async fn present(shared: &Shared, site: SiteId) -> Result<Arc<LinkConnection>, Answer> {
    for _ in 0..SETTLING_LOOKS {
        if let Some((_, connection)) = shared.presence.get(site) {
            return Ok(connection);
        }
        let no = absent(shared, site).await;
        if let Some(no) = no {
            return Err(no);
        }
        tokio::time::sleep(SETTLING).await;
    }
    Err(refused(Reason::Offline, "the site's Halo Link is not connected"))
}

/// Why a site without a connection can't be reached; `None` while the registry counts it as online.
async fn absent(shared: &Shared, site: SiteId) -> Option<Answer> {
    let found = match shared.desk.ask(move |registry| registry.look(site)).await {
        Ok(found) => found,
        Err(fault) => return Some(failed(fault)),
    };
    match found.map(|SiteRecord { availability, .. }| availability) {
        None => Some(refused(Reason::UnknownSite, "no Halo Link has ever connected with this site")),
        Some(Availability::Unreachable) => {
            Some(refused(Reason::Unreachable, "the site's Halo Link has been silent for two minutes or more"))
        }
        Some(Availability::Offline) => {
            Some(refused(Reason::Offline, "the site's Halo Link is not connected"))
        }
        Some(Availability::Online) => None,
    }
}

async fn carry(
    shared: &Arc<Shared>,
    integrator: IntegratorId,
    site: SiteId,
    mut gateway: Stream,
    mut towards_site: Stream,
) {
    match timeout(shared.options.limits.head, head::write(&mut gateway, &Answer::Connected)).await {
        Ok(Ok(())) => {}
        Ok(Err(_)) | Err(_) => return,
    }
    let _counted = Counted::new(shared, |s| &s.streams);
    let total = shared.meter.of(integrator, site);
    total.streams.fetch_add(1, Relaxed);
    let started = Instant::now();
    // Counted in the pair's totals as bytes pass, so that a stream of days is metered while it runs.
    let ended = splice(&mut gateway, &mut towards_site, &total.to_site, &total.to_gateway).await;
    tracing::info!(
        %integrator, %site,
        ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
        to_site = ended.forth,
        to_gateway = ended.back,
        end = if ended.result.is_ok() { "closed" } else { "broken" },
        "a stream ended"
    );
}

/// As many records as fit into one answer; they come best first.
fn sites(mut sites: Vec<SiteRecord>) -> Answer {
    loop {
        let answer = Answer::Sites { sites };
        if head::to_bytes(&answer).is_ok() {
            return answer;
        }
        let Answer::Sites { sites: cut } = answer else { return answer };
        sites = cut;
        sites.pop();
    }
}

fn refused(reason: Reason, message: &str) -> Answer {
    Answer::Refused { reason, message: message.to_owned() }
}

/// A fault of the registry is never an answer about a site or an integrator.
fn failed(fault: Fault) -> Answer {
    refused(Reason::Busy, &fault.to_string())
}

async fn say(mut stream: Stream, answer: &Answer) -> std::io::Result<()> {
    head::write(&mut stream, answer).await?;
    tokio::io::AsyncWriteExt::shutdown(&mut stream).await
}
