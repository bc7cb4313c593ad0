//! The gateway's door to Halo Cloud: streams to sites, and the directory's answers.

use futures::future::BoxFuture;
use model::{Pms, SiteId};
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::watch,
};
use tunnel::head::{self, Answer, Ask, Reason, SiteRecord};

/// The relay answers a question within this time, or it counts as out of reach.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// A byte stream to a site. What passes is ciphertext: TLS goes on top.
pub trait Io: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Io for T {}

/// Why the cloud did not do what was asked. Nothing was sent to any site.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CloudError {
    /// The site's Link closed its connection.
    #[error("the site is offline")]
    Offline,
    /// The site's Link fell silent.
    #[error("the site is unreachable")]
    Unreachable,
    /// No site has this GUID.
    #[error("no such site")]
    UnknownSite,
    /// The platform does not let this integrator use it, or this site.
    #[error("the platform does not let this integrator reach the site")]
    NotEntitled,
    /// A limit is reached for now.
    #[error("the platform is busy")]
    Busy,
    /// This gateway has no working connection to the platform now.
    #[error("the gateway has no connection to Halo Cloud")]
    Down,
}

/// What the gateway asks of the cloud.
pub trait Cloud: Send + Sync + 'static {
    /// A stream to a site's Link. Answers at once when the site is offline.
    fn connect(&self, site: SiteId) -> BoxFuture<'_, Result<Box<dyn Io>, CloudError>>;
    /// Sites with this identifier of the PMS vendor.
    fn find<'a>(&'a self, pms: Pms, pms_id: &'a str) -> BoxFuture<'a, Result<Vec<SiteRecord>, CloudError>>;
    /// What is known of one site.
    fn look(&self, site: SiteId) -> BoxFuture<'_, Result<Option<SiteRecord>, CloudError>>;
}

/// The real one: questions and streams through the outer leg.
#[derive(Debug)]
pub struct Relay {
    /// Taken away when the gateway stops.
    dialer: Mutex<Option<Arc<tunnel::Dialer>>>,
    status: watch::Receiver<tunnel::Status>,
    hints: Mutex<Option<tunnel::Hints>>,
}

impl Relay {
    /// Over a dialer that keeps the outer connection.
    pub fn new(dialer: tunnel::Dialer) -> Self {
        let hints = Mutex::new(Some(dialer.hints()));
        Relay { status: dialer.status(), hints, dialer: Mutex::new(Some(Arc::new(dialer))) }
    }

    /// Follows the outer connection.
    pub fn status(&self) -> watch::Receiver<tunnel::Status> {
        self.status.clone()
    }

    /// Which sites may have news for us, as the platform says: for one listener, so it can be had once.
    pub fn hints(&self) -> Option<tunnel::Hints> {
        self.hints.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Says goodbye to the platform. Whoever asks afterwards learns that it is down.
    pub async fn close(&self) {
        let dialer = self.dialer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(dialer) = dialer.and_then(Arc::into_inner) {
            dialer.close().await;
        }
    }

    async fn ask(&self, ask: Ask) -> Result<(tunnel::Stream, Answer), CloudError> {
        let whole = async {
            let dialer = self.dialer.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let mut stream = dialer.ok_or(CloudError::Down)?.open().await.map_err(|_| CloudError::Down)?;
            head::write(&mut stream, &ask).await.map_err(|_| CloudError::Down)?;
            let answer = head::read::<Answer>(&mut stream).await.map_err(|_| CloudError::Down)?;
            Ok((stream, answer))
        };
        tokio::time::timeout(ANSWER_WITHIN, whole).await.unwrap_or(Err(CloudError::Down))
    }

    async fn sites(&self, ask: Ask) -> Result<Vec<SiteRecord>, CloudError> {
        match self.ask(ask).await?.1 {
            Answer::Sites { sites } => Ok(sites),
            Answer::Refused { reason: Reason::UnknownSite, .. } => Ok(Vec::new()),
            Answer::Refused { reason, .. } => Err(reason.into()),
            Answer::Connected => Err(CloudError::Down),
        }
    }
}

impl From<Reason> for CloudError {
    fn from(reason: Reason) -> Self {
        match reason {
            Reason::Offline => CloudError::Offline,
            Reason::Unreachable => CloudError::Unreachable,
            Reason::UnknownSite => CloudError::UnknownSite,
            Reason::NotEntitled => CloudError::NotEntitled,
            Reason::Busy => CloudError::Busy,
            Reason::Draining | Reason::Protocol => CloudError::Down,
        }
    }
}

impl Cloud for Relay {
    fn connect(&self, site: SiteId) -> BoxFuture<'_, Result<Box<dyn Io>, CloudError>> {
        Box::pin(async move {
            match self.ask(Ask::Connect { site }).await? {
                (stream, Answer::Connected) => Ok(Box::new(stream) as Box<dyn Io>),
                (_, Answer::Refused { reason, .. }) => Err(reason.into()),
                (_, Answer::Sites { .. }) => Err(CloudError::Down),
            }
        })
    }

    fn find<'a>(&'a self, pms: Pms, pms_id: &'a str) -> BoxFuture<'a, Result<Vec<SiteRecord>, CloudError>> {
        Box::pin(self.sites(Ask::Find { pms, pms_id: pms_id.to_owned() }))
    }

    fn look(&self, site: SiteId) -> BoxFuture<'_, Result<Option<SiteRecord>, CloudError>> {
        Box::pin(async move {
            let found = self.sites(Ask::Look { site }).await?;
            Ok(found.into_iter().find(|record| record.site == site))
        })
    }
}
