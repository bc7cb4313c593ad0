//! The front of this room: endpoints, the log, and what wakes the sender.

use crate::{
    delivery::{self, Delivery, Filter},
    endpoint::{self, Endpoint, Settings},
    error::WebhookError,
    event::{Event, Source},
    outbox,
    seal::Sealer,
    secret::{self, Step},
    site,
    store::Store,
    template::Host,
    transport::Transport,
};
use model::{Clock, Hidden, SiteId, Timestamp};
use rand::RngCore;
use rusqlite::Connection;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Notify;
use uuid::Uuid;

/// What [`Webhooks`] are made of.
pub struct Options {
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// For identifiers, secrets and waits.
    pub rng: Box<dyn RngCore + Send>,
    /// Shuts the secrets.
    pub sealer: Sealer,
    /// Sends.
    pub transport: Transport,
}

/// Endpoints and outbox in one database.
pub struct Webhooks {
    pub(crate) store: Store,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) sealer: Arc<Sealer>,
    pub(crate) transport: Arc<Transport>,
    pub(crate) wake: Notify,
    rng: Mutex<Box<dyn RngCore + Send>>,
}

impl std::fmt::Debug for Webhooks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Webhooks")
    }
}

impl Webhooks {
    /// Over a connection of its own, whose tables are made where they are missing.
    ///
    /// # Errors
    /// The database's own.
    pub fn new(connection: Connection, options: Options) -> Result<Webhooks, WebhookError> {
        Ok(Webhooks {
            store: Store::new(connection)?,
            clock: options.clock,
            sealer: Arc::new(options.sealer),
            transport: Arc::new(options.transport),
            wake: Notify::new(),
            rng: Mutex::new(options.rng),
        })
    }

    /// Something was put into the outbox, and is on disk.
    pub fn wake(&self) {
        self.wake.notify_one();
    }

    /// What shuts the secrets, for other small things that the same database keeps.
    pub fn sealer(&self) -> &Sealer {
        &self.sealer
    }

    /// Whether `http://` may be used.
    pub fn plain_http(&self) -> bool {
        self.transport.policy.plain_http
    }

    /// Puts an event into the outbox in a transaction of its own, and wakes the sender; for how many endpoints.
    ///
    /// # Errors
    /// The database's own.
    pub async fn tell(&self, event: Event) -> Result<usize, WebhookError> {
        let now = self.clock.now();
        let told = self.store.ask(move |connection| Ok(outbox::enqueue(connection, &event, now)?)).await;
        self.wake();
        told
    }

    /// Whether an endpoint wants to know when sites come and go.
    ///
    /// # Errors
    /// The database's own.
    pub async fn wants_sites(&self) -> Result<bool, WebhookError> {
        let all = self.store.read(endpoint::enabled).await?;
        Ok(all.iter().any(|endpoint| endpoint.settings.sources.has(Source::Site)))
    }

    /// How a site was found just now; whether that is news, which is on its way then.
    ///
    /// # Errors
    /// The database's own.
    pub async fn saw_site(&self, site: SiteId, online: bool) -> Result<bool, WebhookError> {
        let now = self.clock.now();
        let news = self.store.ask(move |connection| site::saw(connection, site, online, now)).await?;
        if news {
            self.wake();
        }
        Ok(news)
    }

    /// All endpoints, oldest first.
    ///
    /// # Errors
    /// The database's own.
    pub async fn endpoints(&self) -> Result<Vec<Endpoint>, WebhookError> {
        self.store.read(endpoint::list).await
    }

    /// One of them.
    ///
    /// # Errors
    /// The database's own.
    pub async fn endpoint(&self, id: Uuid) -> Result<Option<Endpoint>, WebhookError> {
        self.store.read(move |connection| endpoint::get(connection, id)).await
    }

    /// A new one, with its secret: `own`, or one that is made now. It can't be had later.
    ///
    /// # Errors
    /// [`WebhookError`].
    pub async fn add(
        &self,
        settings: Settings,
        own: Option<Hidden<String>>,
    ) -> Result<(Endpoint, Hidden<String>), WebhookError> {
        self.check(&settings)?;
        let id = self.new_id();
        let secret = self.with_rng(|rng| secret::choose(own, rng))?;
        let (sealer, now) = (Arc::clone(&self.sealer), self.clock.now());
        self.store
            .ask(move |connection| {
                endpoint::insert(connection, id, &settings, now)?;
                secret::add(connection, &sealer, id, &secret, now)?;
                let made = endpoint::get(connection, id)?.ok_or(rusqlite::Error::QueryReturnedNoRows)?;
                Ok((made, secret))
            })
            .await
    }

    /// Other settings for one; `None` when it is not there.
    ///
    /// # Errors
    /// [`WebhookError`].
    pub async fn replace(&self, id: Uuid, settings: Settings) -> Result<Option<Endpoint>, WebhookError> {
        self.check(&settings)?;
        let now = self.clock.now();
        let replaced = self
            .store
            .ask(move |connection| {
                endpoint::replace(connection, id, &settings, now)?;
                endpoint::get(connection, id)
            })
            .await;
        self.wake();
        replaced
    }

    /// Forgets one, and all that was to be sent to it. Whether it was there.
    ///
    /// # Errors
    /// The database's own.
    pub async fn remove(&self, id: Uuid) -> Result<bool, WebhookError> {
        self.store.ask(move |connection| endpoint::remove(connection, id)).await
    }

    /// One step of changing an endpoint's secret; with the new secret when one began. `None` when there is no such endpoint.
    ///
    /// # Errors
    /// [`WebhookError`].
    pub async fn change_secret(
        &self,
        id: Uuid,
        step: Step,
        own: Option<Hidden<String>>,
    ) -> Result<Option<(Endpoint, Option<Hidden<String>>)>, WebhookError> {
        let secret = self.with_rng(|rng| secret::choose(own, rng))?;
        let (sealer, now) = (Arc::clone(&self.sealer), self.clock.now());
        self.store
            .ask(move |connection| {
                if endpoint::get(connection, id)?.is_none() {
                    return Ok(None);
                }
                secret::step(connection, &sealer, id, step, &secret, now)?;
                let shown = (step == Step::Begin).then_some(secret);
                Ok(endpoint::get(connection, id)?.map(|endpoint| (endpoint, shown)))
            })
            .await
    }

    /// Puts a test into the outbox of one endpoint, switched on or not to be sent yet; `None` when there is no such endpoint.
    ///
    /// # Errors
    /// The database's own.
    pub async fn test(&self, id: Uuid) -> Result<Option<Delivery>, WebhookError> {
        let (event, now) = (self.new_id(), self.clock.now());
        let put = self
            .store
            .ask(move |connection| match outbox::test(connection, id, event, now)? {
                Some(delivery) => delivery::get(connection, delivery),
                None => Ok(None),
            })
            .await;
        self.wake();
        put
    }

    /// From the log, newest first.
    ///
    /// # Errors
    /// The database's own.
    pub async fn deliveries(&self, filter: Filter) -> Result<Vec<Delivery>, WebhookError> {
        self.store.read(move |connection| delivery::list(connection, &filter)).await
    }

    /// One of them.
    ///
    /// # Errors
    /// The database's own.
    pub async fn delivery(&self, id: Uuid) -> Result<Option<Delivery>, WebhookError> {
        self.store.read(move |connection| delivery::get(connection, id)).await
    }

    /// Sends one again, under the same event id; `None` when it is not in the log.
    ///
    /// # Errors
    /// The database's own.
    pub async fn redeliver(&self, id: Uuid) -> Result<Option<Delivery>, WebhookError> {
        let now = self.clock.now();
        let again = self
            .store
            .ask(move |connection| {
                delivery::again(connection, id, now)?;
                delivery::get(connection, id)
            })
            .await;
        self.wake();
        again
    }

    /// Sends again what was given up since then; how many.
    ///
    /// # Errors
    /// The database's own.
    pub async fn redeliver_failed(
        &self,
        endpoint: Option<Uuid>,
        since: Timestamp,
    ) -> Result<usize, WebhookError> {
        let now = self.clock.now();
        let again =
            self.store.ask(move |connection| delivery::again_failed(connection, endpoint, since, now)).await;
        self.wake();
        again
    }

    /// What is wrong from the beginning. What a name leads to is seen when it is called.
    fn check(&self, settings: &Settings) -> Result<(), WebhookError> {
        settings.check()?;
        match settings.url.host() {
            Host::Address(address) => self.transport.policy.check(*address).map_err(WebhookError::Target),
            Host::Name(_) => Ok(()),
        }
    }

    fn new_id(&self) -> Uuid {
        let mut bytes = [0; 16];
        self.with_rng(|rng| rng.fill_bytes(&mut bytes));
        uuid::Builder::from_random_bytes(bytes).into_uuid()
    }

    pub(crate) fn with_rng<T>(&self, work: impl FnOnce(&mut dyn RngCore) -> T) -> T {
        work(self.rng.lock().unwrap_or_else(PoisonError::into_inner).as_mut())
    }
}
