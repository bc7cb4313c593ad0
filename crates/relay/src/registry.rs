//! What the relay asks of a directory, and the desk where it waits for answers.

use model::{IntegratorId, LinkId, Pms, SiteFacts, SiteId};
use std::sync::Arc;
use tokio::sync::Semaphore;
use tunnel::{AuditHead, CloseKind, head::SiteRecord};

/// "I serve this site", said by a Link that has proved it holds the site's key.
#[derive(Clone, Debug)]
pub struct Claim {
    /// The Halo GUID.
    pub site: SiteId,
    /// The Link's start counter for this site.
    pub epoch: u64,
    /// What the site says of itself.
    pub facts: SiteFacts,
}

/// Why a Link may not join. The text is for the Link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JoinRefused {
    /// A connection with the same epoch is counted as open. The relay looks whether it is, and may ask again.
    Doubled {
        /// That both have.
        epoch: u64,
        /// For the Link.
        why: String,
    },
    /// A higher epoch was seen: the Link is fenced.
    Older {
        /// The highest that was seen.
        epoch: u64,
        /// For the Link.
        why: String,
    },
    /// No.
    Refused(String),
    /// The registry could not decide: the Link may try again soon.
    Failed,
}

/// The registry could not answer now; the cause is in its own log. Never to be read as a yes, a no or a nothing found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the directory failed; try again")]
pub struct Fault;

/// What the relay needs to know, and tells. Calls may block: the relay makes them off its own threads, a few at a time.
pub trait Registry: Send + Sync + 'static {
    /// Whether the integrator may use the platform now.
    ///
    /// # Errors
    /// [`Fault`].
    fn admit_gateway(&self, integrator: IntegratorId) -> Result<bool, Fault>;
    /// A Link joins with its sites: afterwards all are online, or on refusal none is.
    ///
    /// # Errors
    /// [`JoinRefused`]: an epoch that is too low or doubled, or a fault of the registry's own.
    fn link_joined(&self, link: LinkId, claims: &[Claim]) -> Result<(), JoinRefused>;
    /// The connection that served the site with this epoch has ended; nothing changes when a newer one took over.
    fn site_left(&self, site: SiteId, epoch: u64, how: CloseKind);
    /// A site's Link says where its audit ends. A registry that keeps none of it is no witness.
    fn witnessed(&self, _head: AuditHead) {}
    /// All sites with a vendor's identifier, the authoritative one first.
    ///
    /// # Errors
    /// [`Fault`].
    fn find(&self, pms: Pms, pms_id: &str) -> Result<Vec<SiteRecord>, Fault>;
    /// One site.
    ///
    /// # Errors
    /// [`Fault`].
    fn look(&self, site: SiteId) -> Result<Option<SiteRecord>, Fault>;
}

/// Blocking answers at a time: a registry is one file, more threads would only queue inside it.
const CLERKS: usize = 4;

/// Takes questions to a [`Registry`] on threads that may wait.
#[derive(Clone)]
pub(crate) struct Desk {
    registry: Arc<dyn Registry>,
    clerks: Arc<Semaphore>,
}

impl Desk {
    pub(crate) fn new(registry: Arc<dyn Registry>) -> Desk {
        Desk { registry, clerks: Arc::new(Semaphore::new(CLERKS)) }
    }

    /// A panic of the registry is a [`Fault`]; it is in the log.
    pub(crate) async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&dyn Registry) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Fault> {
        let clerk = self.clerks.clone().acquire_owned().await.map_err(|_| Fault)?;
        let registry = self.registry.clone();
        tokio::task::spawn_blocking(move || {
            let _clerk = clerk;
            question(registry.as_ref())
        })
        .await
        .unwrap_or(Err(Fault))
    }
}
