//! Looks from time to time whether paired sites can be reached, for integrators that want to be told.

use crate::gateway::Gateway;
use model::Availability;
use std::{sync::Arc, time::Duration};

/// Between two rounds. A site that is gone twice in a row is told of.
const EVERY: Duration = Duration::from_secs(60);
/// Between two sites of a round: a look is cheap, a thousand at once are not.
const BETWEEN: Duration = Duration::from_millis(20);

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

    /// One round. What the platform can't say now is no news.
    pub async fn look_at_sites(&self) {
        for site in self.store.paired_sites() {
            let Ok(Some(record)) = self.cloud.look(site).await else { continue };
            let online = record.availability == Availability::Online;
            match self.webhooks.saw_site(site, online).await {
                Ok(true) => tracing::info!(%site, online, "a site came or went"),
                Ok(false) => {}
                Err(error) => return tracing::error!(%error, "what was seen of a site can't be written"),
            }
            tokio::time::sleep(BETWEEN).await;
        }
    }
}
