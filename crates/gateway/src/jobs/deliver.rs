//! Hands a job to its site: again and again over broken connections, for two minutes. The command is in memory only.

use super::record::{JobRecord, JobStatus, Why};
use crate::{
    budget::Reservation,
    gateway::{Gateway, OneMore},
    session::{CallError, Lane, OpenError, call},
};
use link_api::{Code, Status, proto};
use model::{QueryId, SiteId};
use rand::Rng;
use std::{sync::Arc, time::Duration};
use tokio::sync::oneshot;

/// One attempt, once a session is open.
const ATTEMPT: Duration = Duration::from_secs(30);
/// First and longest pause between two attempts.
const PAUSES: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(10));

/// Starts the handing over in a task of its own. The receiver resolves when the job is with the site, or never will be.
pub(crate) fn start(
    gateway: &Arc<Gateway>,
    record: &JobRecord,
    request: proto::SubmitRequest,
    room: Reservation,
) -> oneshot::Receiver<()> {
    let (tell, told) = oneshot::channel();
    let one_more = OneMore::begin(gateway);
    let delivery = Delivery {
        gateway: Arc::clone(gateway),
        id: record.id,
        site: record.site,
        request,
        maybe_there: false,
    };
    tokio::spawn(async move {
        let gateway = Arc::clone(&delivery.gateway);
        let (site, id) = (delivery.site, delivery.id);
        // Apart: were it to break, the job must not seem to be handed over for ever.
        let mut delivering = tokio::spawn(delivery.run());
        tokio::select! {
            ended = &mut delivering => if ended.is_err() {
                tracing::error!(query = %id, "handing a job over broke: its site is asked for it");
                gateway.jobs.handed_over(id);
            },
            () = gateway.stopped() => delivering.abort(),
        }
        drop((room, one_more));
        let _ = tell.send(());
        super::follow::watch(&gateway, site);
    });
    told
}

struct Delivery {
    gateway: Arc<Gateway>,
    id: QueryId,
    site: SiteId,
    request: proto::SubmitRequest,
    /// Some attempt may have arrived.
    maybe_there: bool,
}

/// What came of one attempt.
enum Attempt {
    /// The site has it, or said why not.
    Told(Box<proto::JobState>),
    /// It never will.
    Never(JobStatus, Why),
    /// Perhaps the next time.
    Again,
}

impl Delivery {
    async fn run(mut self) {
        let gateway = Arc::clone(&self.gateway);
        let within = Duration::from_millis(gateway.limits.hand_over_ms);
        let began = gateway.clock.monotonic();
        let mut pause = PAUSES.0;
        loop {
            if self.is_cancelled().await && !self.maybe_there {
                return self.fail(JobStatus::ExecutionFailed, Why::Cancelled).await;
            }
            let left = within.saturating_sub(gateway.clock.monotonic().saturating_sub(began));
            let attempt = match tokio::time::timeout(left, self.attempt()).await {
                Ok(attempt) => attempt,
                Err(_) => Attempt::Again,
            };
            match attempt {
                Attempt::Told(state) => return self.told(*state).await,
                Attempt::Never(status, why) => return self.fail(status, why).await,
                Attempt::Again => {}
            }
            let over = gateway.clock.monotonic().saturating_sub(began);
            if over >= within {
                let status = JobStatus::InitialisationFailedSiteUnreachable;
                return self.fail(status, Why::Unreachable).await;
            }
            // Full jitter: jobs that failed together do not come back together.
            let wait = rand::rng().random_range(pause / 4..=pause);
            tokio::time::sleep(wait.min(within - over)).await;
            pause = (pause * 2).min(PAUSES.1);
        }
    }

    async fn attempt(&mut self) -> Attempt {
        use crate::cloud::CloudError as C;
        let session = match self.gateway.sessions.get(self.site, Lane::Prompt).await {
            Ok(session) => session,
            Err(error) => {
                return match error {
                    OpenError::NotPaired => Attempt::Never(JobStatus::ExecutionFailed, Why::NotPaired),
                    OpenError::Refused(why) => {
                        Attempt::Never(JobStatus::ExecutionFailed, Why::ByPractice(why))
                    }
                    // When it may be there already, it is worth while to wait for the site.
                    OpenError::Cloud(C::Offline) if !self.maybe_there => {
                        Attempt::Never(JobStatus::InitialisationFailedSiteOffline, Why::Offline)
                    }
                    OpenError::Cloud(C::UnknownSite | C::NotEntitled) => {
                        Attempt::Never(JobStatus::ExecutionFailed, Why::NoWay)
                    }
                    OpenError::Version(_) => Attempt::Never(JobStatus::ExecutionFailed, Why::TooOld),
                    _ => Attempt::Again,
                };
            }
        };
        let request = self.request.clone();
        // From here on it may arrive, also when this attempt is given up in the middle.
        let before = std::mem::replace(&mut self.maybe_there, true);
        let answer = call(&session, async move |mut client| {
            tokio::time::timeout(ATTEMPT, client.submit(request))
                .await
                .map_err(|_| Status::deadline_exceeded("no answer in time"))?
        })
        .await;
        let error = match answer {
            Ok(state) => return Attempt::Told(Box::new(state.into_inner())),
            Err(error) => error,
        };
        self.gateway.sessions.discard_broken(&session, Lane::Prompt, &error);
        let CallError::Failed(status) = error else {
            self.maybe_there = before;
            return Attempt::Again;
        };
        let never = matches!(
            status.code(),
            Code::Unimplemented | Code::InvalidArgument | Code::PermissionDenied | Code::Unauthenticated
        );
        // The site answers these before it has looked at the job: they say nothing of an earlier attempt.
        if never {
            self.maybe_there = before;
        }
        match status.code() {
            Code::Unimplemented => Attempt::Never(JobStatus::ExecutionFailed, Why::TooOld),
            Code::InvalidArgument => Attempt::Never(JobStatus::ExecutionFailed, Why::Refused),
            Code::PermissionDenied | Code::Unauthenticated => {
                self.gateway.sessions.forget(self.site);
                Attempt::Never(JobStatus::ExecutionFailed, Why::NotPaired)
            }
            _ => Attempt::Again,
        }
    }

    async fn is_cancelled(&self) -> bool {
        self.gateway.jobs.look(self.id).await.ok().flatten().is_some_and(|record| record.cancel)
    }

    async fn told(self, state: proto::JobState) {
        let jobs = &self.gateway.jobs;
        let refusal = state.ended.as_ref().map_or(0, |ended| ended.refusal);
        self.gateway.sessions.refused(self.site, refusal);
        jobs.handed_over(self.id);
        jobs.learn(self.site, vec![state]).await;
        if self.is_cancelled().await {
            // Without an answer it is said again, as long as the job is open.
            let _ = super::ask::ask_about(&self.gateway, self.site, &[self.id]).await;
        }
    }

    async fn fail(self, status: JobStatus, why: Why) {
        let now = self.gateway.clock.now().0;
        let given_up = self.maybe_there;
        let jobs = &self.gateway.jobs;
        jobs.handed_over(self.id);
        jobs.change(self.id, move |record| {
            if record.status != JobStatus::Initialising {
                // The site's journal has told of it meanwhile: it is there.
                return;
            }
            let status = match record.schedule {
                // The published words of a registered query have this one alone.
                Some(_) => JobStatus::InitialisationFailedCacheError,
                None => status,
            };
            record.not_handed_over(status, why, given_up, now);
        })
        .await;
    }
}
