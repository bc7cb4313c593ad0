//! Notifications to the integrator's own endpoints: the room `webhook` with this gateway's database, roots and rules.

use crate::{
    gateway::Gateway,
    identity,
    jobs::{EventSink, JobEvent, record},
    store::{self, StoreError},
};
use link_api::proto::EventKind;
use model::{Clock, Hidden, Timestamp};
use rand::{
    SeedableRng, TryRngCore,
    rngs::{OsRng, StdRng},
};
use std::{io, path::Path, sync::Arc};
use webhook::{
    Event, KEY_BYTES, Kind, Options, Policy, Resolver, Sealer, Source, SystemResolver, Transport, Webhooks,
    event_id,
};

/// The key that shuts the secrets of endpoints. Without it they have to be set anew.
pub const KEY_FILE: &str = "webhooks.key";

/// What the one who runs a gateway may set, and tests.
pub struct WebhookSettings {
    /// Roots that endpoints' certificates are checked against; `None`: nothing can be sent.
    pub tls: Option<Arc<rustls::ClientConfig>>,
    /// Which addresses may be called.
    pub policy: Policy,
    /// Names to addresses.
    pub resolver: Arc<dyn Resolver>,
}

impl Default for WebhookSettings {
    fn default() -> Self {
        WebhookSettings {
            tls: None,
            policy: Policy::default(),
            resolver: Arc::new(SystemResolver::default()),
        }
    }
}

/// Opens endpoints and outbox in the gateway's database.
pub(crate) fn open(
    data: &Path,
    settings: WebhookSettings,
    clock: Arc<dyn Clock>,
) -> Result<Webhooks, StoreError> {
    let connection = store::connect(&data.join(store::FILE))?;
    let (sealer, rng) = sealer(data).map_err(|error| StoreError::file(KEY_FILE, &error))?;
    let transport = Transport {
        tls: settings.tls,
        policy: settings.policy,
        resolver: settings.resolver,
        within: webhook::ATTEMPT_WITHIN,
    };
    Webhooks::new(connection, Options { clock, rng: Box::new(rng), sealer, transport })
        .map_err(|error| StoreError::other(&error))
}

impl Gateway {
    /// Sends notifications until the gateway stops; what was being sent then is waited for. Run it in a task.
    pub async fn notify(self: Arc<Self>) {
        let (webhooks, stopped) = (self.webhooks(), self.stopped());
        drop(self);
        webhooks.run(stopped).await;
    }

    /// Puts what happens to jobs into the outbox of webhooks.
    pub fn outbox(&self) -> Arc<dyn EventSink> {
        Arc::new(Outbox { webhooks: self.webhooks(), clock: Arc::clone(&self.clock) })
    }
}

struct Outbox {
    webhooks: Arc<Webhooks>,
    clock: Arc<dyn Clock>,
}

impl EventSink for Outbox {
    fn take(&self, transaction: &rusqlite::Transaction<'_>, event: &JobEvent) -> rusqlite::Result<()> {
        let ours = event.record.is_some();
        let Some(event) = translate(event) else { return Ok(()) };
        let enqueue = if ours { webhook::enqueue } else { webhook::enqueue_foreign };
        enqueue(transaction, &event, self.clock.now()).map(drop)
    }

    fn committed(&self) {
        self.webhooks.wake();
    }
}

/// In the words of notifications; `None` for a kind of a newer site.
fn translate(event: &JobEvent) -> Option<Event> {
    let source = match event.job_kind {
        record::Kind::Async => Source::Async,
        record::Kind::Registered => Source::Registered,
    };
    let kind = match event.kind {
        EventKind::EventSucceeded => Kind::Successful,
        EventKind::EventFailed => Kind::Failed,
        EventKind::EventExpiredInQueue => Kind::ExpiredInQueue,
        EventKind::EventCancelled => Kind::Cancelled,
        EventKind::EventOutcomeUnknown => Kind::OutcomeUnknown,
        EventKind::EventResultChanged => Kind::ResultChanged,
        EventKind::EventCompleted => Kind::Completed,
        EventKind::EventResultExpired => Kind::ResultExpired,
        EventKind::Unspecified => return None,
    };
    let id = event_id(event.site, &event.journal, event.number, &event.chain);
    Some(Event {
        id,
        kind,
        source,
        site: event.site,
        query: Some(event.query),
        occurred: Timestamp(event.at),
    })
}

fn sealer(data: &Path) -> io::Result<(Sealer, StdRng)> {
    let rng = StdRng::try_from_os_rng().map_err(io::Error::other)?;
    let key = identity::read_or_make(data, KEY_FILE, || {
        let mut key = [0; KEY_BYTES];
        OsRng.try_fill_bytes(&mut key).map_err(io::Error::other)?;
        Ok(Hidden::new(key.to_vec()))
    })?;
    let wrong = || io::Error::new(io::ErrorKind::InvalidData, "the file is damaged: it has to have 32 bytes");
    Ok((Sealer::new(key.reveal()).ok_or_else(wrong)?, rng))
}
