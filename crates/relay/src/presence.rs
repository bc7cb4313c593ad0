//! Which Link connection serves a site now.

use model::{LinkId, SiteId};
use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};
use tokio_util::sync::CancellationToken;
use tunnel::Joined;

/// One Link's connection.
pub(crate) struct LinkConnection {
    pub(crate) link: LinkId,
    pub(crate) joined: Joined,
    /// Site and epoch, as they were claimed when it joined.
    pub(crate) sites: Box<[(SiteId, u64)]>,
    /// Cancelled to end this connection: another one has taken over.
    pub(crate) fence: CancellationToken,
    /// Cancelled when it has ended and the registry knows.
    pub(crate) gone: CancellationToken,
}

struct Holder {
    epoch: u64,
    connection: Arc<LinkConnection>,
}

/// Sites to connections, in shards so that a storm of joins does not hold up every look-up.
pub(crate) struct Presence {
    shards: Box<[RwLock<HashMap<SiteId, Holder>>]>,
}

const SHARDS: usize = 64;

impl Presence {
    pub(crate) fn new() -> Presence {
        Presence { shards: (0..SHARDS).map(|_| RwLock::default()).collect() }
    }

    pub(crate) fn get(&self, site: SiteId) -> Option<(u64, Arc<LinkConnection>)> {
        let shard = self.shard(site).read().unwrap_or_else(PoisonError::into_inner);
        shard.get(&site).map(|held| (held.epoch, held.connection.clone()))
    }

    /// Puts a connection in charge of all its sites. Whoever was in charge with an older epoch is fenced; where a newer
    /// one is in charge already, this connection is.
    pub(crate) fn enter(&self, connection: &Arc<LinkConnection>) {
        for &(site, epoch) in &connection.sites {
            let mut shard = self.shard(site).write().unwrap_or_else(PoisonError::into_inner);
            if shard.get(&site).is_some_and(|held| held.epoch > epoch) {
                connection.fence.cancel();
                continue;
            }
            if let Some(old) = shard.insert(site, Holder { epoch, connection: connection.clone() }) {
                old.connection.fence.cancel();
            }
        }
    }

    /// Takes a connection out wherever it still is in charge.
    pub(crate) fn leave(&self, connection: &Arc<LinkConnection>) {
        for (site, _) in &connection.sites {
            let mut shard = self.shard(*site).write().unwrap_or_else(PoisonError::into_inner);
            if shard.get(site).is_some_and(|held| Arc::ptr_eq(&held.connection, connection)) {
                shard.remove(site);
            }
        }
    }

    pub(crate) fn sites(&self) -> usize {
        self.shards.iter().map(|s| s.read().unwrap_or_else(PoisonError::into_inner).len()).sum()
    }

    fn shard(&self, site: SiteId) -> &RwLock<HashMap<SiteId, Holder>> {
        // The last byte of a fingerprint is as good as any hash.
        &self.shards[usize::from(site.as_bytes()[15]) % SHARDS]
    }
}
