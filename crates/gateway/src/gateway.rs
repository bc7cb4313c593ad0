//! The gateway's parts, put together.

use crate::{
    budget::Budget,
    cloud::Cloud,
    desktop::{Desktop, DesktopSettings},
    jobs::{EventSink, Jobs, OPEN, follow},
    keys::Keys,
    liveness::Liveness,
    mirror::Mirror,
    papers::Papers,
    rate::{Limiter, Rate},
    session::{Lane, Sessions, Showing},
    store::{Store, StoreError},
    webhooks::{self, WebhookSettings},
    witness::{self, Witnesses},
};
use link_api::Tuning;
use model::{Clock, Hidden, IntegratorId, Pms, SiteId, limit};
use std::{
    collections::HashMap,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::sync::{Notify, watch};
use trust::Operational;
use tunnel::head::AuthorityChange;
use webhook::Webhooks;

/// Figures that the one who runs a gateway may change.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Row JSON of one published answer, bytes.
    pub immediate_result_bytes: usize,
    /// All bodies and published answers in memory at once, bytes.
    pub answer_memory_bytes: usize,
    /// One request body, bytes.
    pub request_body_bytes: usize,
    /// Longest run of an immediate command in the database, milliseconds.
    pub execution_ms: u32,
    /// The same of a command whose rows are streamed, milliseconds. A site allows one hour at most.
    pub stream_execution_ms: u32,
    /// A caller who takes nothing of a stream for this long has gone away, milliseconds.
    pub stalled_caller_ms: u64,
    /// Longest run of an async query in the database, milliseconds; 0: as long as the site allows.
    pub async_execution_ms: u32,
    /// The same of each run of a registered one.
    pub registered_execution_ms: u32,
    /// `maxTimeInQueue` of an async query that says none, milliseconds.
    pub async_queue_ms: u32,
    /// How long a site keeps a job's result after its end, milliseconds. A site keeps it for a week at most.
    pub result_keep_ms: u64,
    /// Row JSON of an async query, bytes; 0: no cap but the site's disk.
    pub async_result_bytes: u64,
    /// Row JSON of a registered query's result, bytes.
    pub registered_result_bytes: u64,
    /// Jobs of this gateway that are not over; one more is 503.
    pub open_jobs: usize,
    /// How often each subscription key may ask; `None`: as often as it likes.
    pub key_rate: Option<Rate>,
    /// The same of each device of a desktop application.
    pub device_rate: Option<Rate>,
    /// A site that says nothing for this long while a job is handed over counts as unreachable, milliseconds.
    pub hand_over_ms: u64,
    /// A whole result whose site is lost is gone on with for this long, milliseconds; then its stream breaks off.
    pub resume_ms: u64,
    /// Beyond queue and execution: how long the way there and back may take, milliseconds.
    pub transfer_slack_ms: u64,
    /// That a site has proved to be able to work counts for so long, milliseconds.
    pub proof_ms: u64,
    /// A site that does not answer whether it can work within this time is not there, milliseconds.
    pub probe_ms: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            immediate_result_bytes: limit::IMMEDIATE_RESULT_BYTES,
            answer_memory_bytes: 256 * 1024 * 1024,
            request_body_bytes: limit::REQUEST_BODY_BYTES,
            execution_ms: limit::IMMEDIATE_EXECUTION_MS,
            stream_execution_ms: 60 * 60 * 1000,
            stalled_caller_ms: 60_000,
            async_execution_ms: 0,
            registered_execution_ms: 0,
            async_queue_ms: limit::ASYNC_QUEUE_DEFAULT_MS,
            result_keep_ms: 24 * 60 * 60 * 1000,
            async_result_bytes: 0,
            registered_result_bytes: limit::REGISTERED_RESULT_BYTES as u64,
            open_jobs: OPEN,
            key_rate: None,
            // No person at a PC asks so often; a program gone wild does.
            device_rate: Some(Rate { per_second: 25, burst: 100 }),
            hand_over_ms: 120_000,
            resume_ms: 120_000,
            transfer_slack_ms: 15_000,
            proof_ms: 30_000,
            probe_ms: 5_000,
        }
    }
}

/// A database login that the PMS vendor issued to this integrator.
#[derive(Clone, Debug)]
pub struct Login {
    /// User name.
    pub user: Hidden<String>,
    /// Password.
    pub password: Hidden<String>,
}

/// What a gateway is made of.
pub struct Options {
    /// Key and chain of this gateway.
    pub own: Operational,
    /// Shown at the site when pairing; part of the pairing transcript.
    pub integrator_name: String,
    /// `production`, `stage` or `demo`.
    pub environment: String,
    /// Handed over as the last step of pairing.
    pub logins: HashMap<Pms, Login>,
    /// See there.
    pub limits: Limits,
    /// Windows and keepalive of inner sessions.
    pub tuning: Tuning,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// The way to the sites.
    pub cloud: Arc<dyn Cloud>,
    /// How notifications are sent.
    pub webhooks: WebhookSettings,
    /// What desktop applications may.
    pub desktop: DesktopSettings,
    /// What sites are shown.
    pub papers: Papers,
}

/// One gateway. Handlers share it.
pub struct Gateway {
    pub(crate) integrator: IntegratorId,
    pub(crate) integrator_root: Vec<u8>,
    pub(crate) integrator_name: String,
    pub(crate) environment: String,
    pub(crate) logins: HashMap<Pms, Login>,
    pub(crate) limits: Limits,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) cloud: Arc<dyn Cloud>,
    pub(crate) store: Arc<Store>,
    pub(crate) keys: Keys,
    pub(crate) mirror: Mirror,
    pub(crate) jobs: Jobs,
    pub(crate) sessions: Sessions,
    pub(crate) papers: Arc<Papers>,
    pub(crate) liveness: Liveness,
    pub(crate) witnesses: Arc<Witnesses>,
    pub(crate) budget: Budget,
    pub(crate) under_way: UnderWay,
    pub(crate) webhooks: Arc<Webhooks>,
    pub(crate) desktop: Desktop,
    pub(crate) key_rate: Limiter,
    pub(crate) device_rate: Limiter,
    /// Changes of authority that were logged.
    pub(crate) changes: Mutex<HashMap<SiteId, AuthorityChange>>,
    stopping: watch::Sender<bool>,
}

impl std::fmt::Debug for Gateway {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gateway").field("integrator", &self.integrator).finish_non_exhaustive()
    }
}

impl Gateway {
    /// Over the data folder, where the database is opened or made.
    pub fn new(data: &Path, options: Options) -> Result<Arc<Gateway>, StoreError> {
        let Options {
            own,
            integrator_name,
            environment,
            logins,
            limits,
            tuning,
            clock,
            cloud,
            webhooks,
            desktop,
            papers,
        } = options;
        let papers = Arc::new(papers);
        // From here on sessions are opened with what they say now.
        papers.have_turned(&environment, clock.now());
        let store = Arc::new(Store::open(data)?);
        let peer = own.peer().clone();
        let witnesses = Witnesses::open(Arc::clone(&store), Arc::clone(&clock))?;
        let kept = (Arc::clone(&store), Arc::clone(&witnesses));
        let showing = Showing { papers: Arc::clone(&papers), environment: environment.clone() };
        let sessions = Sessions::new(Arc::clone(&cloud), own, kept, Arc::clone(&clock), tuning, showing);
        let jobs = Jobs::open(data, Arc::clone(&clock))?;
        let [fresh, within] = [limits.proof_ms, limits.probe_ms].map(Duration::from_millis);
        let liveness = Liveness::new(sessions.clone(), Arc::clone(&clock), fresh, within);
        let integrator = IntegratorId(peer.id);
        let desktop = Desktop::open(data, desktop, &environment, integrator, Arc::clone(&clock))?;
        let gateway = Arc::new(Gateway {
            integrator,
            integrator_root: peer.root_spki,
            integrator_name,
            environment,
            logins,
            limits,
            keys: Keys::new(Arc::clone(&store), Arc::clone(&clock)),
            mirror: Mirror::open(data, Arc::clone(&clock))?,
            jobs,
            sessions,
            papers,
            liveness,
            witnesses,
            budget: Budget::new(limits.answer_memory_bytes),
            under_way: UnderWay::default(),
            webhooks: Arc::new(webhooks::open(data, webhooks, Arc::clone(&clock))?),
            desktop,
            key_rate: Limiter::new(limits.key_rate),
            device_rate: Limiter::new(limits.device_rate),
            changes: Mutex::default(),
            stopping: watch::Sender::new(false),
            clock,
            cloud,
            store,
        });
        let weak = Arc::downgrade(&gateway);
        gateway.sessions.on_open(move |site| {
            if let Some(gateway) = weak.upgrade() {
                follow::session_opened(&gateway, site);
            }
        });
        Ok(gateway)
    }

    /// Whether this gateway knows a site as one that let it in.
    pub fn is_paired(&self, site: SiteId) -> bool {
        self.store.paired(site).is_some()
    }

    /// Hands each event of every site to `sink`, once. Set it before [`Gateway::resume`].
    pub fn set_event_sink(&self, sink: Arc<dyn EventSink>) {
        self.jobs.set_sink(sink);
    }

    /// Takes up what an earlier life of this process left: jobs that were being handed over, or run at their sites.
    pub fn resume(self: &Arc<Self>) {
        // One after the other: all of them at once would be a storm on the platform.
        const APART: Duration = Duration::from_millis(20);
        for (place, site) in (0_u32..).zip(self.jobs.open_sites()) {
            let (gateway, wait) = (Arc::downgrade(self), APART * place);
            tokio::spawn(async move {
                tokio::time::sleep(wait).await;
                if let Some(gateway) = gateway.upgrade() {
                    follow::watch(&gateway, site);
                }
            });
        }
    }

    /// Somebody says that a site has news. May be lost, doubled or invented: what there is says the site itself.
    pub fn hint(self: &Arc<Self>, site: SiteId) {
        follow::hint(self, site);
    }

    /// Endpoints and outbox: run it in a task.
    pub fn webhooks(&self) -> Arc<Webhooks> {
        Arc::clone(&self.webhooks)
    }

    /// Who this gateway speaks for.
    pub fn integrator(&self) -> IntegratorId {
        self.integrator
    }

    /// Reads what every site that was heard of before has to tell, hints or not.
    pub async fn catch_up(self: &Arc<Self>) {
        follow::catch_up(self).await;
    }

    /// Takes up what was left, closes idle sessions, removes old records, and asks every site for its news once an hour, for
    /// ever. Run it in a task.
    pub async fn housekeeping(self: Arc<Self>) {
        self.resume();
        let mut tick = tokio::time::interval(Duration::from_secs(30));
        for round in 0_u64.. {
            tick.tick().await;
            self.sessions.sweep();
            follow::mend(&self);
            // Not at the start: what is open then is taken up one site after the other.
            let waited_for = if round > 0 { self.jobs.open_sites() } else { Vec::new() };
            for site in waited_for {
                // Somebody waits for its work: a session that answers nothing must not stay until the next command. Where there is none,
                // whoever follows the site's jobs dials, in its own time.
                if self.sessions.is_warm(site, Lane::Prompt) {
                    self.liveness.prove_soon(site);
                }
            }
            let witnesses = Arc::clone(&self.witnesses);
            let _ = tokio::task::spawn_blocking(move || witnesses.flush()).await;
            if round % 20 == 0 {
                self.jobs.sweep().await;
            }
            if round % 20 == 10 {
                let gateway = Arc::clone(&self);
                tokio::spawn(async move { witness::ask_around(&gateway).await });
            }
            if round % 120 == 119 {
                // Of many sites it takes minutes, one after the other; nothing else waits for that.
                let gateway = Arc::clone(&self);
                tokio::spawn(async move { gateway.catch_up().await });
            }
        }
    }

    /// Ends what runs in the background: nothing is handed over or asked for any longer. What was under way is taken up by
    /// the next life of this process.
    pub fn stop(&self) {
        self.witnesses.flush();
        self.stopping.send_replace(true);
    }

    /// Resolves when the gateway stops.
    pub(crate) fn stopped(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut stopping = self.stopping.subscribe();
        async move {
            let _ = stopping.wait_for(|stop| *stop).await;
        }
    }

    /// Waits until every command under way has ended, or for `at_most`; how many are left.
    pub async fn drain(&self, at_most: Duration) -> usize {
        let all = async {
            loop {
                let changed = self.under_way.changed.notified();
                if self.under_way.count.load(Ordering::SeqCst) == 0 {
                    return;
                }
                changed.await;
            }
        };
        let _ = tokio::time::timeout(at_most, all).await;
        self.under_way.count.load(Ordering::SeqCst)
    }
}

/// Counts commands that run in tasks of their own.
#[derive(Debug, Default)]
pub(crate) struct UnderWay {
    count: AtomicUsize,
    changed: Notify,
}

/// One of them.
#[derive(Debug)]
pub(crate) struct OneMore(Arc<Gateway>);

impl OneMore {
    pub(crate) fn begin(gateway: &Arc<Gateway>) -> Self {
        gateway.under_way.count.fetch_add(1, Ordering::SeqCst);
        OneMore(Arc::clone(gateway))
    }
}

impl Drop for OneMore {
    fn drop(&mut self) {
        self.0.under_way.count.fetch_sub(1, Ordering::SeqCst);
        self.0.under_way.changed.notify_waiters();
    }
}
