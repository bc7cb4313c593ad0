//! Looks from time to time whether paired sites can be reached, for integrators that want to be told.

use crate::gateway::Gateway;
use futures::StreamExt;
use model::{Availability, SiteId, Timestamp};
use std::{sync::Arc, time::Duration};
use tunnel::head::AuthorityChange;
use webhook::Event;

/// Between two rounds. A site that is gone twice in a row is told of.
const EVERY: Duration = Duration::from_secs(60);
/// Sites of a round that are asked at once: one is cheap, a thousand are not, and those that do not answer take their time.
const AT_ONCE: usize = 8;

impl Gateway {
    /// Runs for ever: in a task. As long as no endpoint wants to know, nobody is asked.
    pub async fn watch_sites(self: Arc<Self>) {
        loop {
            tokio::time::sleep(EVERY).await;
            match self.webhooks.wants_sites().await {
                Ok(true) => self.look_at_sites().await,
                Ok(false) => {}
                Err(error) => tracing::error!(%error, "webhooks can't be read"),
            }
        }
    }

    /// One round. What the platform can't say now, and what can't be asked, is no news.
    pub async fn look_at_sites(&self) {
        let sites = futures::stream::iter(self.store.paired_sites());
        sites.for_each_concurrent(AT_ONCE, |site| self.look_at(site)).await;
    }

    async fn look_at(&self, site: SiteId) {
        let Ok(Some(record)) = self.cloud.look(site).await else { return };
        if let Some(change) = &record.authority_change {
            self.tell_of_change(site, change).await;
        }
        let Some(found) = self.found(&record).await else { return };
        let online = found == Availability::Online;
        match self.webhooks.saw_site(site, online).await {
            Ok(true) => tracing::info!(%site, online, "a site came or went"),
            Ok(false) => {}
            Err(error) => tracing::error!(%site, %error, "what was seen of a site can't be written"),
        }
    }

    /// Once for each change, whatever the platform makes of it later: the event's identifier is the change's.
    async fn tell_of_change(&self, site: SiteId, change: &AuthorityChange) {
        // A time that is none is the platform's fault; the change is told all the same.
        let ready_at = Timestamp::parse(&change.ready_at).unwrap_or(Timestamp(0));
        let event = Event::of_authority(site, change.to, ready_at, self.clock.now());
        match self.webhooks.tell(event).await {
            Ok(0) => {}
            Ok(_) => {
                tracing::warn!(%site, to = %change.to, ready_at = change.ready_at, "another site is about to become authoritative");
            }
            Err(error) => tracing::error!(%site, %error, "what was seen of a site can't be written"),
        }
    }
}
