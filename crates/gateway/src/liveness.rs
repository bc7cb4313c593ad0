//! Whether a site can be used, proved on the way that its work takes.
//!
//! That a site holds a connection to the platform says that its machine runs, and no more. Here the site itself is asked, in the inner
//! session that commands go over: one question at a time for each site, and a session that answers nothing is opened anew.

use crate::{
    cloud::CloudError,
    gateway::Gateway,
    session::{CallError, Lane, OpenError, Session, Sessions, call},
};
use futures::{
    FutureExt,
    future::{BoxFuture, Shared},
};
use link_api::{Code, Status, proto};
use model::{Availability, Clock, SiteId};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tunnel::head::SiteRecord;

/// Whoever asks waits so long; the question itself goes on.
const WAIT: Duration = Duration::from_secs(10);
/// What is wrong with a site may be over soon: it is asked again after this long.
const AGAIN: Duration = Duration::from_secs(5);

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Proof {
    /// It answered, and can work.
    Usable,
    /// It did not answer, or can't work.
    Unusable,
    /// The platform says that its Link has left.
    Offline,
    /// It could not be asked, for reasons that are not its own.
    Unasked,
}

type Question = Shared<BoxFuture<'static, Proof>>;

/// What is known of all sites. Cloning shares it.
#[derive(Clone)]
pub(crate) struct Liveness(Arc<Inner>);

struct Inner {
    sessions: Sessions,
    clock: Arc<dyn Clock>,
    /// A good proof counts for so long.
    fresh: Duration,
    /// A session has so long to answer.
    within: Duration,
    sites: Mutex<HashMap<SiteId, Known>>,
}

#[derive(Default)]
struct Known {
    /// On the monotonic clock.
    found: Option<(Duration, Proof)>,
    asking: Option<Question>,
}

impl Liveness {
    pub(crate) fn new(sessions: Sessions, clock: Arc<dyn Clock>, fresh: Duration, within: Duration) -> Self {
        Liveness(Arc::new(Inner { sessions, clock, fresh, within, sites: Mutex::default() }))
    }

    /// What is known of a site that let us in; asked now, unless it just was.
    pub(crate) async fn prove(&self, site: SiteId) -> Proof {
        match self.known_or_asked(site) {
            Ok(proof) => proof,
            Err(question) => tokio::time::timeout(WAIT, question).await.unwrap_or(Proof::Unusable),
        }
    }

    /// The same for nobody who waits.
    pub(crate) fn prove_soon(&self, site: SiteId) {
        // The question runs in a task of its own.
        let _ = self.known_or_asked(site);
    }

    fn known_or_asked(&self, site: SiteId) -> Result<Proof, Question> {
        let now = self.0.clock.monotonic();
        let mut sites = self.0.lock();
        let known = sites.entry(site).or_default();
        if let Some((at, proof)) = known.found {
            let counts = if proof == Proof::Usable { self.0.fresh } else { self.0.fresh.min(AGAIN) };
            if now.saturating_sub(at) < counts {
                return Ok(proof);
            }
        }
        Err(known.asking.get_or_insert_with(|| self.question(site)).clone())
    }

    /// In a task of its own, so that it does not end with whoever happened to ask first.
    fn question(&self, site: SiteId) -> Question {
        let inner = Arc::clone(&self.0);
        let task = tokio::spawn(async move {
            let asked = tokio::spawn({
                let inner = Arc::clone(&inner);
                async move { inner.ask(site).await }
            });
            let proof = asked.await.unwrap_or(Proof::Unasked);
            let now = inner.clock.monotonic();
            inner.lock().insert(site, Known { found: Some((now, proof)), asking: None });
            proof
        });
        async move { task.await.unwrap_or(Proof::Unasked) }.boxed().shared()
    }
}

impl Inner {
    async fn ask(&self, site: SiteId) -> Proof {
        let mut tried = false;
        loop {
            let session = match self.sessions.get(site, Lane::Prompt).await {
                Ok(session) => session,
                Err(error) => return unopened(&error),
            };
            let Err(why) = self.ask_on(&session).await.map_err(|error| match error {
                CallError::NotSent => None,
                CallError::Failed(status) => Some(status.code()),
            }) else {
                return Proof::Usable;
            };
            match why {
                // It can't work, in its own words.
                Some(Code::FailedPrecondition) => return Proof::Unusable,
                // From before there was such a question, or it has put us out meanwhile: alive.
                Some(Code::Unimplemented | Code::PermissionDenied) => return Proof::Usable,
                _ => {}
            }
            self.sessions.discard(&session, Lane::Prompt);
            if std::mem::replace(&mut tried, true) {
                return Proof::Unusable;
            }
            tracing::info!(%site, "a session to a site answers nothing: it is opened anew");
        }
    }

    async fn ask_on(&self, session: &Arc<Session>) -> Result<(), CallError> {
        let within = self.within;
        call(session, async move |mut client| {
            let answer = tokio::time::timeout(within, client.probe(proto::ProbeRequest {}));
            let answer =
                answer.await.map_err(|_| Status::deadline_exceeded("no answer in time"))??.into_inner();
            match can_work(&answer) {
                true => Ok(()),
                false => Err(Status::failed_precondition("the site can't work")),
            }
        })
        .await
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SiteId, Known>> {
        self.sites.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Every lane answers, and nobody has just found its database away.
fn can_work(reply: &proto::ProbeReply) -> bool {
    reply.lanes.iter().all(|lane| lane.answers) && reply.database() != proto::DatabaseState::DatabaseAway
}

/// No session came about.
fn unopened(error: &OpenError) -> Proof {
    match error {
        OpenError::Cloud(CloudError::Offline) => Proof::Offline,
        OpenError::Cloud(CloudError::Busy | CloudError::Down) | OpenError::Internal(_) => Proof::Unasked,
        // It answered. That it does not let us in is another matter.
        OpenError::NotPaired | OpenError::Refused(_) => Proof::Usable,
        OpenError::Cloud(CloudError::Unreachable | CloudError::UnknownSite | CloudError::NotEntitled)
        | OpenError::NoAnswer(_)
        | OpenError::NotTheSite(_)
        | OpenError::Stale
        | OpenError::Version(_) => Proof::Unusable,
    }
}

impl Gateway {
    /// How a site that let us in is found, by the platform's word and its own. `None`: it could not be asked.
    pub(crate) async fn found(&self, record: &SiteRecord) -> Option<Availability> {
        if record.availability != Availability::Online {
            return Some(record.availability);
        }
        match self.liveness.prove(record.site).await {
            Proof::Usable => Some(Availability::Online),
            Proof::Unusable => Some(Availability::Unreachable),
            Proof::Offline => Some(Availability::Offline),
            Proof::Unasked => None,
        }
    }

    /// Puts the site's own word in the place of the platform's. Nobody asks a site that did not let us in.
    pub(crate) async fn prove_availability(&self, record: &mut SiteRecord) {
        // Whatever the reason is, from here it can't be reached.
        record.availability = self.found(record).await.unwrap_or(Availability::Unreachable);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A kind of lane that this gateway does not know yet can stop a site just as well.
    #[test]
    fn a_site_can_work_while_every_lane_answers_and_its_database_was_not_found_away() {
        let lane = |lane, answers| proto::LaneState { lane, answers, answered_ago_ms: None };
        let reply =
            |lanes, database: proto::DatabaseState| proto::ProbeReply { lanes, database: database.into() };
        assert!(can_work(&reply(vec![], proto::DatabaseState::Unspecified)));
        assert!(can_work(&reply(
            vec![lane(1, true), lane(99, true)],
            proto::DatabaseState::DatabaseAnswered
        )));
        assert!(!can_work(&reply(
            vec![lane(1, true), lane(99, false)],
            proto::DatabaseState::DatabaseAnswered
        )));
        assert!(!can_work(&reply(vec![lane(1, true)], proto::DatabaseState::DatabaseAway)));
    }
}
