//! Sends what is due. Each endpoint has lanes of its own, so a dead one holds up nobody else.

use crate::{
    delivery::{self, State},
    endpoint::Endpoint,
    error::WebhookError,
    outbox::{self, Due, Ended, Work},
    sign::{self, HEADER_ID, HEADER_NEXT, HEADER_SIGNATURE, HEADER_TIMESTAMP},
    transport::{Failure, Transport},
    webhooks::Webhooks,
};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use model::{Clock, Hidden, Timestamp};
use std::{collections::HashSet, sync::Arc, time::Duration};
use tokio::task::JoinSet;

/// Attempts at one endpoint at a time.
pub const LANES: usize = 4;
/// Looks at the outbox at least this often: another process may have written into it.
const LOOK: Duration = Duration::from_secs(5);
/// After the database said no.
const RETRY: Duration = Duration::from_secs(1);
/// Old entries are forgotten this often.
const SWEEP: Duration = Duration::from_secs(10 * 60);

/// What came of one attempt, before it is decided what that means.
struct Tried {
    due: Due,
    began: Timestamp,
    took: Duration,
    answer: Result<StatusCode, Failure>,
}

impl Webhooks {
    /// Sends until `stop` resolves; attempts under way are then waited for and recorded.
    pub async fn run(&self, stop: impl Future<Output = ()>) {
        tokio::pin!(stop);
        let mut attempts = JoinSet::new();
        let mut under_way = HashSet::new();
        let mut swept = None::<Duration>;
        loop {
            let now = self.clock.monotonic();
            if swept.is_none_or(|at| now.saturating_sub(at) >= SWEEP) {
                swept = Some(now);
                let (store, now) = (self.store.clone(), self.clock.now());
                log(store.ask(move |connection| delivery::sweep(connection, now)).await);
            }
            // Made before the look, so that nothing falls in between.
            let woken = self.wake.notified();
            let wait = match self.start_due(&mut attempts, &mut under_way).await {
                Ok(next) => next.map_or(LOOK, |next| next.since(self.clock.now()).min(LOOK)),
                Err(error) => {
                    tracing::error!(%error, "webhooks wait");
                    RETRY
                }
            };
            tokio::select! {
                () = &mut stop => break,
                () = woken => {}
                Some(tried) = attempts.join_next() => self.settle(tried.ok(), &mut attempts, &mut under_way).await,
                () = tokio::time::sleep(wait) => {}
            }
        }
        while let Some(tried) = attempts.join_next().await {
            self.settle(tried.ok(), &mut attempts, &mut under_way).await;
        }
    }

    /// Begins what is due and has a lane; when the next one is due.
    async fn start_due(
        &self,
        attempts: &mut JoinSet<Tried>,
        under_way: &mut HashSet<i64>,
    ) -> Result<Option<Timestamp>, WebhookError> {
        let (sealer, busy, now) = (Arc::clone(&self.sealer), under_way.clone(), self.clock.now());
        let (work, next) =
            self.store.read(move |connection| outbox::due(connection, &sealer, &busy, LANES, now)).await?;
        for Work { endpoint, secrets, due } in work {
            let (endpoint, secrets) = (Arc::new(endpoint), Arc::new(secrets));
            for due in due {
                under_way.insert(due.number);
                let (transport, clock) = (Arc::clone(&self.transport), Arc::clone(&self.clock));
                attempts.spawn(attempt(transport, clock, Arc::clone(&endpoint), Arc::clone(&secrets), due));
            }
        }
        Ok(next)
    }

    /// Records one attempt that ended, and all others that have ended by now, in one transaction.
    async fn settle(
        &self,
        first: Option<Tried>,
        attempts: &mut JoinSet<Tried>,
        under_way: &mut HashSet<i64>,
    ) {
        let others = std::iter::from_fn(|| attempts.try_join_next()).filter_map(Result::ok);
        let ended: Vec<Ended> = first.into_iter().chain(others).map(|tried| self.judge(tried)).collect();
        let numbers: Vec<i64> = ended.iter().map(|one| one.number).collect();
        loop {
            let (ended, now) = (ended.clone(), self.clock.now());
            match self.store.ask(move |connection| outbox::record(connection, &ended, now)).await {
                Ok(()) | Err(WebhookError::Stopping) => break,
                // Not recorded it would be sent again at once, and again.
                Err(error) => tracing::error!(%error, "what webhooks were answered can't be written"),
            }
            tokio::time::sleep(RETRY).await;
        }
        for number in numbers {
            under_way.remove(&number);
        }
    }

    /// What an answer means.
    fn judge(&self, tried: Tried) -> Ended {
        let Tried { due: Due { number, event, mut plan }, began, took, answer } = tried;
        let again = match answer {
            Ok(status) if status.is_success() => None,
            Ok(status) => Some(
                status.is_server_error()
                    || status == StatusCode::REQUEST_TIMEOUT
                    || status == StatusCode::TOO_MANY_REQUESTS,
            ),
            Err(failure) => Some(failure.may_pass()),
        };
        let now = self.clock.now();
        let (state, due) = match again {
            None => (State::Delivered, now),
            Some(false) => (State::Failed, now),
            Some(true) => match self.with_rng(|rng| plan.next(rng)) {
                Some(wait) => (State::Pending, now.plus(wait)),
                None => (State::Failed, now),
            },
        };
        if state == State::Failed {
            tracing::warn!(event = %event.id, site = %event.site, status = answer.ok().map(|s| s.as_u16()),
                failure = answer.err().map(Failure::as_str), "a notification was given up");
        }
        Ended {
            number,
            began,
            took,
            status: answer.ok().map(|status| status.as_u16()),
            failure: answer.err().map(Failure::as_str),
            state,
            plan,
            due,
        }
    }
}

async fn attempt(
    transport: Arc<Transport>,
    clock: Arc<dyn Clock>,
    endpoint: Arc<Endpoint>,
    secrets: Arc<Option<Vec<Hidden<String>>>>,
    due: Due,
) -> Tried {
    let (began, from) = (clock.now(), clock.monotonic());
    let event = &due.event;
    let body = sign::body(event, endpoint.settings.kinds.beyond_published());
    let query = event.query.map(|query| query.to_string()).unwrap_or_default();
    let target = endpoint.settings.url.target(&event.site.to_string(), &query, event.source.as_str());
    let answer = match secrets
        .as_deref()
        .and_then(|secrets| headers(&event.id.to_string(), secrets, &body, began))
    {
        Some(headers) => transport.post(&endpoint.settings.url, &target, headers, Bytes::from(body)).await,
        None => Err(Failure::Secret),
    };
    let took = clock.monotonic().saturating_sub(from);
    Tried { due, began, took, answer }
}

fn headers(id: &str, secrets: &[Hidden<String>], body: &str, at: Timestamp) -> Option<HeaderMap> {
    let timestamp = sign::written_time(at);
    let mut headers = HeaderMap::new();
    let mut add = |name: &'static str, value: &str| {
        let value = HeaderValue::from_str(value).ok()?;
        headers.insert(HeaderName::from_static(name), value);
        Some(())
    };
    add(HEADER_ID, id)?;
    add(HEADER_TIMESTAMP, &timestamp)?;
    add(HEADER_SIGNATURE, &sign::sign(secrets.first()?, body.as_bytes(), &timestamp))?;
    if let Some(next) = secrets.get(1) {
        add(HEADER_NEXT, &sign::sign(next, body.as_bytes(), &timestamp))?;
    }
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::USER_AGENT, HeaderValue::from_static("Halo-Gateway-Webhooks/1"));
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    Some(headers)
}

fn log<T>(done: Result<T, WebhookError>) {
    if let Err(error) = done {
        tracing::warn!(%error, "old entries of the webhooks' log could not be removed");
    }
}
