//! Bytes and streams per integrator and site. Numbers only.

use model::{IntegratorId, SiteId};
use std::{
    collections::HashMap,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
};

/// What passed between one integrator and one site since the relay started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// Whose gateway.
    pub integrator: IntegratorId,
    /// Which site.
    pub site: SiteId,
    /// Streams that were connected.
    pub streams: u64,
    /// Bytes towards the site, as spliced (ciphertext).
    pub to_site: u64,
    /// Bytes towards the gateway.
    pub to_gateway: u64,
}

#[derive(Default)]
pub(crate) struct Counters {
    pub(crate) streams: AtomicU64,
    pub(crate) to_site: AtomicU64,
    pub(crate) to_gateway: AtomicU64,
    /// Streams that stand now, or are being connected.
    open: AtomicUsize,
}

/// One of a pair's streams; counted out when it is dropped.
pub(crate) struct Open(Arc<Counters>);

impl Counters {
    /// One more stream, unless there are as many as there may be.
    pub(crate) fn open(self: &Arc<Self>, most: usize) -> Option<Open> {
        let more = self.open.fetch_update(Relaxed, Relaxed, |open| (open < most).then_some(open + 1));
        more.is_ok().then(|| Open(self.clone()))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Relaxed);
    }
}

#[derive(Default)]
pub(crate) struct Meter {
    pairs: RwLock<HashMap<(IntegratorId, SiteId), Arc<Counters>>>,
}

impl Meter {
    /// The counters of a pair. There are as many pairs as there are pairings that were ever used: few.
    pub(crate) fn of(&self, integrator: IntegratorId, site: SiteId) -> Arc<Counters> {
        let known =
            self.pairs.read().unwrap_or_else(PoisonError::into_inner).get(&(integrator, site)).cloned();
        known.unwrap_or_else(|| {
            let mut pairs = self.pairs.write().unwrap_or_else(PoisonError::into_inner);
            pairs.entry((integrator, site)).or_default().clone()
        })
    }

    pub(crate) fn read(&self) -> Vec<Usage> {
        let pairs = self.pairs.read().unwrap_or_else(PoisonError::into_inner);
        let read = |(&(integrator, site), c): (&(IntegratorId, SiteId), &Arc<Counters>)| Usage {
            integrator,
            site,
            streams: c.streams.load(Relaxed),
            to_site: c.to_site.load(Relaxed),
            to_gateway: c.to_gateway.load(Relaxed),
        };
        pairs.iter().map(read).collect()
    }
}
