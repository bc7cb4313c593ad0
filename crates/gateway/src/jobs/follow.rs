//! Follows the journals of sites with jobs that are not over: what happens there reaches the mirror, and whoever is to be told,
//! once. What the platform says is a hint; the truth is the journal, read over the inner session from our own cursor.

use super::{
    Jobs, ask,
    journal::{self, Checked, Trouble},
    table::Cursor,
};
use crate::{
    gateway::Gateway,
    session::{Lane, Session, call},
};
use link_api::{Code, proto};
use model::{QueryId, SiteId};
use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, OnceLock, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::{sync::Notify, task::AbortHandle, time::Instant};

/// A journal is read at least this often.
const EVERY: Duration = Duration::from_secs(60);
/// While the site's second word on a job that may never have arrived is waited for.
const DOUBTING: Duration = Duration::from_secs(4);
/// Two readings begin at least so far apart, whatever hints come.
const APART: Duration = Duration::from_secs(1);
/// A site that can't be read is tried again after this long, and then less and less often;
const AGAIN: Duration = Duration::from_secs(5);
/// down to this when none of its jobs is open.
const SELDOM: Duration = Duration::from_secs(15 * 60);
/// All open jobs of a site are asked for at most this often.
const ASK_ALL_EVERY: Duration = Duration::from_secs(30);

/// The followers under way.
#[derive(Default)]
pub(super) struct Followers(Mutex<HashMap<SiteId, Arc<Follower>>>);

#[derive(Default)]
struct Follower {
    /// Read now.
    nudge: Notify,
    /// It opens sessions itself just now, and reads on them.
    reading: AtomicBool,
    /// Its task.
    task: OnceLock<AbortHandle>,
}

impl Follower {
    /// Its task broke: it follows nothing any more.
    fn is_broken(&self) -> bool {
        self.task.get().is_some_and(AbortHandle::is_finished)
    }
}

/// Follows a site until none of its jobs is open.
pub(crate) fn watch(gateway: &Arc<Gateway>, site: SiteId) {
    start(gateway, site, false);
}

/// Reads a site's journal now, if it is paired.
pub(crate) fn hint(gateway: &Arc<Gateway>, site: SiteId) {
    // Whoever invents hints must not make us dial the whole world.
    let ours = gateway.store.paired(site).is_some() || gateway.jobs.open_sites().contains(&site);
    if ours {
        start(gateway, site, true);
    }
}

/// Reads, one after the other, the journals of all sites that were read before and let us in: whoever withholds hints withholds
/// nothing for long.
pub(crate) async fn catch_up(gateway: &Arc<Gateway>) {
    // All of them at once would be a storm on the platform.
    const APART: Duration = Duration::from_millis(20);
    let sites: Vec<SiteId> = gateway.jobs.lock().journals.iter().copied().collect();
    for site in sites {
        if gateway.store.paired(site).is_some() {
            start(gateway, site, false);
            tokio::time::sleep(APART).await;
        }
    }
}

/// A session to the site is open again: what happened meanwhile?
pub(crate) fn session_opened(gateway: &Arc<Gateway>, site: SiteId) {
    let jobs = &gateway.jobs;
    let follower =
        jobs.0.followers.0.lock().unwrap_or_else(PoisonError::into_inner).get(&site).map(Arc::clone);
    match follower {
        Some(follower) if follower.reading.load(Ordering::SeqCst) => {}
        Some(follower) => follower.nudge.notify_one(),
        None if jobs.has_journal(site) || jobs.open_sites().contains(&site) => start(gateway, site, true),
        None => {}
    }
}

/// Begins those anew whose task broke: without it nobody would look at their site's jobs any more.
pub(crate) fn mend(gateway: &Arc<Gateway>) {
    let broken: Vec<SiteId> = {
        let followers = gateway.jobs.0.followers.0.lock().unwrap_or_else(PoisonError::into_inner);
        followers.iter().filter(|(_, follower)| follower.is_broken()).map(|(site, _)| *site).collect()
    };
    for site in broken {
        tracing::error!(%site, "what follows a site's journal broke; it begins anew");
        start(gateway, site, true);
    }
}

fn start(gateway: &Arc<Gateway>, site: SiteId, at_once: bool) {
    let mut followers = gateway.jobs.0.followers.0.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(follower) = followers.get(&site).filter(|follower| !follower.is_broken()) {
        if at_once {
            follower.nudge.notify_one();
        }
        return;
    }
    let follower = Arc::new(Follower::default());
    followers.insert(site, Arc::clone(&follower));
    let (weak, stopped) = (Arc::downgrade(gateway), gateway.stopped());
    let follows = Arc::clone(&follower);
    let task = tokio::spawn(async move {
        tokio::select! {
            () = stopped => {}
            () = follow(weak, site, follows) => {}
        }
    });
    let _ = follower.task.set(task.abort_handle());
}

async fn follow(gateway: Weak<Gateway>, site: SiteId, follower: Arc<Follower>) {
    let mut asked_all: Option<Duration> = None;
    let mut said: Option<Trouble> = None;
    let mut again = AGAIN;
    loop {
        let began = Instant::now();
        let Some(gateway) = gateway.upgrade() else { return };
        let jobs = &gateway.jobs;
        let now = jobs.monotonic();
        follower.reading.store(true, Ordering::SeqCst);
        if jobs.doubts(site) || asked_all.is_none_or(|at| now.saturating_sub(at) >= ASK_ALL_EVERY) {
            asked_all = Some(now);
            ask_for_all(&gateway, site).await;
        }
        let mut until = began + if jobs.doubts(site) { DOUBTING } else { EVERY };
        let read = read(&gateway, site, &follower, until).await;
        follower.reading.store(false, Ordering::SeqCst);
        let busy = jobs.open_sites().contains(&site);
        match read {
            Ok(Read::Nudged) => {}
            Ok(Read::Quiet) => {
                (said, again) = (None, AGAIN);
                if !busy && jobs.leave(site) {
                    return;
                }
            }
            Err(stop) => {
                // Whether somebody must act is said once, not every minute.
                if let Stop::Trouble(trouble) = stop
                    && said.as_ref() != Some(&trouble)
                {
                    tracing::error!(%site, %trouble, "a site's journal of events can't be followed: jobs are asked for one by one");
                    said = Some(trouble);
                }
                // What happened there is still to be read, some time.
                until = Instant::now() + again;
                again = (again * 2).min(if busy { EVERY } else { SELDOM });
            }
        }
        drop(gateway);
        let _ = tokio::time::timeout_at(until, follower.nudge.notified()).await;
        // Whoever invents hints must not make us ask without a pause.
        tokio::time::sleep_until(began + APART).await;
    }
}

/// Brings every open job of the site up to date.
async fn ask_for_all(gateway: &Arc<Gateway>, site: SiteId) {
    for some in gateway.jobs.open_at(site).chunks(ask::AT_ONCE) {
        if ask::ask_about(gateway, site, some).await.is_err() {
            return;
        }
    }
}

/// How a reading ended that found nothing wrong.
enum Read {
    /// All that is there was read.
    Quiet,
    /// Somebody wants it read anew.
    Nudged,
}

enum Stop {
    /// No session, a broken one, or a site that has no journal: later.
    Later,
    Trouble(Trouble),
}

/// Reads what is new and what comes, until then.
async fn read(
    gateway: &Arc<Gateway>,
    site: SiteId,
    follower: &Follower,
    until: Instant,
) -> Result<Read, Stop> {
    let mut session = gateway.sessions.get(site, Lane::Prompt).await.map_err(|_| Stop::Later)?;
    let (mut begun_anew, mut tried) = (false, false);
    loop {
        match read_from_cursor(gateway, &session, follower, until, &mut tried).await {
            Err(Stop::Trouble(Trouble::OtherJournal)) if !begun_anew => {
                begun_anew = true;
                tracing::warn!(%site, "a site has another journal of events than before: it is read from its beginning, and what was told already is not told again");
                let reset = Cursor { reread: Cursor::WHOLE, ..Cursor::default() };
                let store = gateway.jobs.on_disk(move |table| table.advance(site, &reset, &[], |_| Ok(())));
                store.await.map_err(|_| Stop::Later)?;
                session = gateway.sessions.get(site, Lane::Prompt).await.map_err(|_| Stop::Later)?;
            }
            // It may have been a session that was dead already: on a new one.
            Err(Stop::Later) if !tried => {
                tried = true;
                gateway.sessions.discard(&session, Lane::Prompt);
                session = gateway.sessions.get(site, Lane::Prompt).await.map_err(|_| Stop::Later)?;
            }
            done => {
                if matches!(done, Err(Stop::Trouble(_))) {
                    // A site that has renewed its certificate signs with another key than this session's.
                    gateway.sessions.discard(&session, Lane::Prompt);
                }
                return done;
            }
        }
    }
}

async fn read_from_cursor(
    gateway: &Arc<Gateway>,
    session: &Arc<Session>,
    follower: &Follower,
    until: Instant,
    tried: &mut bool,
) -> Result<Read, Stop> {
    let (jobs, site) = (&gateway.jobs, session.site);
    let mut cursor =
        jobs.on_disk(move |table| table.cursor(site)).await.map_err(|_| Stop::Later)?.unwrap_or_default();
    let request = proto::EventsRequest {
        journal: cursor.journal.clone(),
        after: cursor.number,
        chain: cursor.chain.clone(),
        once: false,
    };
    let opening = call(session, async move |mut client| client.events(request).await);
    let opened = tokio::time::timeout(Duration::from_millis(gateway.limits.transfer_slack_ms), opening).await;
    let mut replies = match opened {
        Ok(Ok(replies)) => replies.into_inner(),
        Ok(Err(error)) => {
            gateway.sessions.discard_broken(session, Lane::Prompt, &error);
            return Err(Stop::Later);
        }
        Err(_) => return Err(Stop::Later),
    };
    loop {
        let next = tokio::select! {
            biased;
            next = tokio::time::timeout_at(until, replies.message()) => next,
            () = follower.nudge.notified() => {
                follower.nudge.notify_one();
                return Ok(Read::Nudged);
            }
        };
        let reply = match next {
            Ok(Ok(Some(reply))) => reply,
            Ok(Err(status)) if status.code() != Code::Unimplemented => return Err(Stop::Later),
            // A site that ends the stream without a word is asked again later.
            Ok(Ok(None)) => return Err(Stop::Later),
            _ => return Ok(Read::Quiet),
        };
        let verify = |message: &[u8], signature: &[u8]| {
            trust::verify_signature(&session.leaf, message, signature).is_ok()
        };
        let checked =
            journal::check(site, gateway.integrator, &cursor, &reply, verify).map_err(Stop::Trouble)?;
        if let Some((from, to)) = checked.forgotten {
            tracing::warn!(%site, from, to, "a site does not keep these events any longer and they were never read: nobody is told of them");
        }
        if checked.cursor == cursor {
            continue;
        }
        cursor = checked.cursor.clone();
        take(gateway, session, checked).await?;
        // A session that brought something was not a dead one: when it breaks, the next one is opened at once, too.
        *tried = false;
    }
}

/// The mirror first, then whoever is to be told, with the cursor in one transaction.
async fn take(gateway: &Arc<Gateway>, session: &Arc<Session>, checked: Checked) -> Result<(), Stop> {
    let (jobs, site) = (gateway.jobs.clone(), session.site);
    let mut ids: Vec<QueryId> =
        checked.fresh.iter().filter_map(|event| QueryId::from_slice(&event.query_id)).collect();
    ids.sort_unstable();
    ids.dedup();
    let mut states = Vec::new();
    for some in ids.chunks(ask::AT_ONCE) {
        let request = proto::JobsRequest { query_ids: ask::bytes(some), ..proto::JobsRequest::default() };
        states.extend(ask::ask_on(gateway, session, request).await.map_err(|_| Stop::Later)?);
    }
    // What the site has forgotten since: the event itself says how it ended.
    states.retain(|state| state.status != i32::from(proto::JobStatus::JobUnknown));
    let _changing = jobs.0.changing.lock().await;
    jobs.take_in(site, states).await;
    let this = jobs.clone();
    let handed = tokio::task::spawn_blocking(move || this.hand_on(site, &checked)).await;
    match handed {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => {
            tracing::error!(%site, %error, "a site's events cannot be written down");
            Err(Stop::Later)
        }
        Err(_) => Err(Stop::Later),
    }
}

impl Jobs {
    /// Ends a follower; false: a job has begun meanwhile.
    fn leave(&self, site: SiteId) -> bool {
        // Under the lock: a job that begins now finds us gone, or we find it.
        let mut followers = self.0.followers.0.lock().unwrap_or_else(PoisonError::into_inner);
        if self.open_sites().contains(&site) {
            return false;
        }
        followers.remove(&site);
        true
    }
}
