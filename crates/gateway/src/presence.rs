//! Looks from time to time whether paired sites can be reached, for integrators that want to be told.

use crate::gateway::Gateway;
use futures::StreamExt;
use model::{Availability, SiteId, Timestamp};
use std::{
    sync::{Arc, PoisonError},
    time::Duration,
};
use tunnel::head::AuthorityChange;
use webhook::Event;

/// Between two rounds. A site that is gone twice in a row is told of.
const EVERY: Duration = Duration::from_secs(60);
/// Rounds after which also a gateway that tells nobody looks whether another site is about to take one's place: an hour.
const RARELY: u32 = 60;
/// Sites of a round that are asked at once: one is cheap, a thousand are not, and those that do not answer take their time.
const AT_ONCE: usize = 8;

impl Gateway {
    /// Runs for ever: in a task. As long as no endpoint wants to know, sites are asked for rarely, and not whether they answer.
    pub async fn watch_sites(self: Arc<Self>) {
        let mut rounds = RARELY;
        loop {
            tokio::time::sleep(EVERY).await;
            rounds += 1;
            let wants = self.webhooks.wants_sites().await;
            if let Err(error) = &wants {
                tracing::error!(%error, "webhooks can't be read");
            }
            if wants.unwrap_or(false) {
                self.look_at_sites().await;
            } else if rounds > RARELY {
                self.look_for_changes().await;
            } else {
                continue;
            }
            rounds = 0;
        }
    }

    /// Looks alone for sites that are about to be replaced: whoever runs this gateway finds it in the log.
    pub async fn look_for_changes(&self) {
        let sites = futures::stream::iter(self.store.paired_sites());
        let look = |site| async move {
            if let Ok(Some(record)) = self.cloud.look(site).await {
                self.see_change(site, record.authority_change.as_ref()).await;
            }
        };
        sites.for_each_concurrent(AT_ONCE, look).await;
    }

    /// One round. What the platform can't say now, and what can't be asked, is no news.
    pub async fn look_at_sites(&self) {
        let sites = futures::stream::iter(self.store.paired_sites());
        sites.for_each_concurrent(AT_ONCE, |site| self.look_at(site)).await;
    }

    async fn look_at(&self, site: SiteId) {
        let Ok(Some(record)) = self.cloud.look(site).await else { return };
        self.see_change(site, record.authority_change.as_ref()).await;
        let Some(found) = self.found(&record).await else { return };
        let online = found == Availability::Online;
        match self.webhooks.saw_site(site, online).await {
            Ok(true) => tracing::info!(%site, online, "a site came or went"),
            Ok(false) => {}
            Err(error) => tracing::error!(%site, %error, "what was seen of a site can't be written"),
        }
    }

    /// Into the log once for each change and run of this gateway, and to whoever wants to know once at all, whatever the platform makes of it
    /// later: the event's identifier is the change's.
    async fn see_change(&self, site: SiteId, change: Option<&AuthorityChange>) {
        let news = {
            let mut seen = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
            match change {
                None => {
                    seen.remove(&site);
                    return;
                }
                Some(change) => seen.insert(site, change.clone()).as_ref() != Some(change),
            }
        };
        let Some(change) = change else { return };
        if news {
            tracing::warn!(%site, to = %change.to, ready_at = change.ready_at, "another site is about to become authoritative");
        }
        // A time that is none is the platform's fault; the change is told all the same.
        let ready_at = Timestamp::parse(&change.ready_at).unwrap_or(Timestamp(0));
        let event = Event::of_authority(site, change.to, ready_at, self.clock.now());
        match self.webhooks.tell(event).await {
            Ok(_) => {}
            Err(error) => tracing::error!(%site, %error, "what was seen of a site can't be written"),
        }
    }
}
