//! Asks a site how jobs stand: one question at a time per site, about all that callers want to know meanwhile.

use super::{JobStatus, Jobs};
use crate::{
    gateway::Gateway,
    session::{CallError, Lane, OpenError, Session, call},
};
use link_api::{Status, proto};
use model::{QueryId, SiteId};
use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::sync::oneshot;

/// A job is asked for at most this often.
const EVERY: Duration = Duration::from_millis(250);
/// A poller waits for the site's answer for at most this long; then it gets what is known.
const WAIT: Duration = Duration::from_secs(2);
/// One question, the session for it included.
const WITHIN: Duration = Duration::from_secs(20);
/// Jobs of one question.
pub(crate) const AT_ONCE: usize = 500;

/// Questions under way.
#[derive(Default)]
pub(super) struct Asks(Mutex<HashMap<SiteId, Asking>>);

#[derive(Default)]
struct Asking {
    wanted: BTreeSet<QueryId>,
    waiting: Vec<oneshot::Sender<()>>,
    /// Those of the question under way.
    now: BTreeSet<QueryId>,
    waiting_now: Vec<oneshot::Sender<()>>,
    busy: bool,
}

impl Asks {
    fn lock(&self) -> MutexGuard<'_, HashMap<SiteId, Asking>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Brings the mirror up to date with what the site knows of these jobs, unless it just was, or the site can't say in time.
pub(crate) async fn refresh(gateway: &Arc<Gateway>, site: SiteId, ids: &[QueryId]) {
    let jobs = &gateway.jobs;
    let wanted: Vec<QueryId> = {
        let (state, now) = (jobs.lock(), jobs.monotonic());
        let due = |id: &&QueryId| match state.open.get(id) {
            Some(entry) => !entry.delivering && entry.asked.is_none_or(|at| now.saturating_sub(at) >= EVERY),
            // Over; asked for its words alone.
            None => true,
        };
        ids.iter().filter(due).copied().collect()
    };
    if wanted.is_empty() {
        return;
    }
    let told = {
        let mut asks = jobs.0.asks.lock();
        let asking = asks.entry(site).or_default();
        let (tell, told) = oneshot::channel();
        let before = asking.wanted.len();
        asking.wanted.extend(wanted.iter().filter(|id| !asking.now.contains(id)));
        let new = asking.wanted.len() > before || wanted.iter().any(|id| asking.wanted.contains(id));
        if new {
            asking.waiting.push(tell)
        } else {
            asking.waiting_now.push(tell)
        }
        if !std::mem::replace(&mut asking.busy, true) {
            tokio::spawn(ask_all(Arc::clone(gateway), site));
        }
        told
    };
    let _ = tokio::time::timeout(WAIT, told).await;
}

/// Whoever asks breaks: the next one to want something asks anew.
struct Asker(Arc<Gateway>, SiteId);

impl Drop for Asker {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.jobs.0.asks.lock().remove(&self.1);
        }
    }
}

async fn ask_all(gateway: Arc<Gateway>, site: SiteId) {
    let _asker = Asker(Arc::clone(&gateway), site);
    loop {
        let ids: Vec<QueryId> = {
            let mut asks = gateway.jobs.0.asks.lock();
            let Some(asking) = asks.get_mut(&site).filter(|asking| !asking.wanted.is_empty()) else {
                asks.remove(&site);
                return;
            };
            let ids: Vec<QueryId> = asking.wanted.iter().take(AT_ONCE).copied().collect();
            asking.wanted.retain(|id| !ids.contains(id));
            asking.now = ids.iter().copied().collect();
            asking.waiting_now = std::mem::take(&mut asking.waiting);
            ids
        };
        let asked = tokio::time::timeout(WITHIN, ask_about(&gateway, site, &ids)).await;
        let _ = asked.unwrap_or(Err(AskError::Call));
        gateway.jobs.note_asked(&ids);
        let mut asks = gateway.jobs.0.asks.lock();
        if let Some(asking) = asks.get_mut(&site) {
            asking.now.clear();
            for tell in asking.waiting_now.drain(..) {
                let _ = tell.send(());
            }
        }
    }
}

/// Takes in how jobs stand; what was given up or cancelled here is cancelled there. Of what may never have arrived the site promises
/// not to take it any more before it is believed that it has no record of it.
pub(crate) async fn ask_about(gateway: &Gateway, site: SiteId, ids: &[QueryId]) -> Result<(), AskError> {
    let Sorted { look, fence, cancel, force } = gateway.jobs.sort(ids);
    let request = proto::JobsRequest::default;
    let questions = [
        (look, request()),
        (fence, proto::JobsRequest { fence: true, ..request() }),
        (cancel, proto::JobsRequest { cancel: true, ..request() }),
        (force, proto::JobsRequest { cancel: true, force: true, ..request() }),
    ];
    for (ids, request) in questions {
        if ids.is_empty() {
            continue;
        }
        let force = request.force;
        let asks_to_cancel = request.cancel;
        let request = proto::JobsRequest { query_ids: bytes(&ids), ..request };
        let states = ask(gateway, site, request).await?;
        let answered = if asks_to_cancel { known(&states) } else { Vec::new() };
        gateway.jobs.learn(site, states).await;
        for id in answered {
            if gateway.jobs.look(id).await.is_ok_and(|record| record.is_some_and(|record| record.cancel)) {
                gateway.jobs.change(id, move |record| record.cancel_answered(force)).await;
            }
        }
    }
    Ok(())
}

/// Jobs by what the site is to be told of them.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Sorted {
    pub(super) look: Vec<QueryId>,
    /// It may have none of them, and one may still be on its way.
    pub(super) fence: Vec<QueryId>,
    pub(super) cancel: Vec<QueryId>,
    pub(super) force: Vec<QueryId>,
}

/// The jobs that the site has. What it does not know it may just be writing.
fn known(states: &[proto::JobState]) -> Vec<QueryId> {
    let known = |state: &&proto::JobState| state.status != i32::from(proto::JobStatus::JobUnknown);
    states.iter().filter(known).filter_map(|state| QueryId::from_slice(&state.query_id)).collect()
}

/// Why a site did not say.
#[derive(Debug)]
pub(crate) enum AskError {
    Open(OpenError),
    Call,
}

/// One question, in the lane of prompt answers.
pub(crate) async fn ask(
    gateway: &Gateway,
    site: SiteId,
    request: proto::JobsRequest,
) -> Result<Vec<proto::JobState>, AskError> {
    let session = gateway.sessions.get(site, Lane::Prompt).await.map_err(AskError::Open)?;
    ask_on(gateway, &session, request).await.map_err(|_| AskError::Call)
}

pub(crate) async fn ask_on(
    gateway: &Gateway,
    session: &Arc<Session>,
    request: proto::JobsRequest,
) -> Result<Vec<proto::JobState>, CallError> {
    let within = Duration::from_millis(gateway.limits.transfer_slack_ms);
    let answer = call(session, async move |mut client| {
        tokio::time::timeout(within, client.jobs(request))
            .await
            .map_err(|_| Status::deadline_exceeded("no answer in time"))?
    })
    .await;
    match answer {
        Ok(reply) => Ok(reply.into_inner().jobs),
        Err(error) => {
            gateway.sessions.discard_broken(session, Lane::Prompt, &error);
            Err(error)
        }
    }
}

pub(crate) fn bytes(ids: &[QueryId]) -> Vec<Vec<u8>> {
    ids.iter().map(|id| id.as_bytes().to_vec()).collect()
}

impl Jobs {
    pub(super) fn sort(&self, ids: &[QueryId]) -> Sorted {
        let state = self.lock();
        let mut sorted = Sorted::default();
        for id in ids {
            let entry = state.open.get(id).filter(|entry| entry.record.is_open());
            let list = match entry.map(|entry| (&entry.record, entry.delivering)) {
                Some((record, _)) if record.cancel && record.cancel_force => &mut sorted.force,
                Some((record, _)) if record.cancel || record.given_up => &mut sorted.cancel,
                Some((record, false)) if record.status == JobStatus::Initialising => &mut sorted.fence,
                _ => &mut sorted.look,
            };
            list.push(*id);
        }
        sorted
    }

    /// Also when the site could not be asked: it is not dialled anew for every poll.
    fn note_asked(&self, ids: &[QueryId]) {
        let now = self.monotonic();
        let mut state = self.lock();
        for id in ids {
            if let Some(entry) = state.open.get_mut(id) {
                entry.asked = Some(now);
            }
        }
    }
}
