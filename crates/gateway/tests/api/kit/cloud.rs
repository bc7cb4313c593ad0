//! A cloud whose relay is a pair of pipes.

use super::FakeSite;
use futures::future::BoxFuture;
use gateway::cloud::{Cloud, CloudError, Io};
use model::{Availability, Pms, SiteId};
use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};
use tunnel::head::SiteRecord;

#[derive(Default)]
pub(crate) struct FakeCloud {
    sites: Mutex<Vec<Arc<FakeSite>>>,
    /// Every question is answered with this.
    pub(crate) failing: Mutex<Option<CloudError>>,
    pub(crate) connects: AtomicUsize,
    /// Hears of each dial, before anything is sent.
    pub(crate) dialled: Mutex<Option<Box<dyn FnMut() + Send>>>,
}

impl FakeCloud {
    pub(crate) fn add(&self, site: &Arc<FakeSite>) {
        self.sites.lock().unwrap().push(Arc::clone(site));
    }

    fn failure(&self) -> Result<(), CloudError> {
        self.failing.lock().unwrap().map_or(Ok(()), Err)
    }

    fn site(&self, id: SiteId) -> Option<Arc<FakeSite>> {
        self.sites.lock().unwrap().iter().find(|site| site.record().site == id).cloned()
    }
}

impl Cloud for FakeCloud {
    fn connect(&self, site: SiteId) -> BoxFuture<'_, Result<Box<dyn Io>, CloudError>> {
        Box::pin(async move {
            self.connects.fetch_add(1, Ordering::SeqCst);
            if let Some(dialled) = &mut *self.dialled.lock().unwrap() {
                dialled();
            }
            self.failure()?;
            let site = self.site(site).ok_or(CloudError::UnknownSite)?;
            match site.record().availability {
                Availability::Online => {}
                Availability::Offline => return Err(CloudError::Offline),
                Availability::Unreachable => return Err(CloudError::Unreachable),
            }
            let (near, far) = tokio::io::duplex(256 * 1024);
            tokio::spawn(site.serve(far));
            Ok(Box::new(near) as Box<dyn Io>)
        })
    }

    fn find<'a>(&'a self, pms: Pms, pms_id: &'a str) -> BoxFuture<'a, Result<Vec<SiteRecord>, CloudError>> {
        Box::pin(async move {
            self.failure()?;
            let sites = self.sites.lock().unwrap();
            Ok(sites
                .iter()
                .map(|s| s.record())
                .filter(|r| r.facts.pms == pms && r.facts.pms_id == pms_id)
                .collect())
        })
    }

    fn look(&self, site: SiteId) -> BoxFuture<'_, Result<Option<SiteRecord>, CloudError>> {
        Box::pin(async move {
            self.failure()?;
            Ok(self.site(site).map(|site| site.record()))
        })
    }
}
