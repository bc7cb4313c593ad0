//! A job whose integrator has as many statements under way as it may: it waits until a place is given back, and is not looked at
//! before.

use super::{Jobs, queue::Item};
use model::SiteId;
use std::sync::Arc;

impl Jobs {
    /// Stands in line again, in front, until there is a place.
    pub(super) fn hold_back(&self, site: SiteId, item: Item) {
        self.queue().hold_back(site, item);
        // Asked after it stands there: a place that is given back meanwhile is either seen here, or told.
        if self.door.wants_place(site, item.who) {
            self.queue().let_on(site, item.who);
        }
        self.look_at(site);
        self.wake.notify_one();
    }

    /// Lets those go on for whom a place is free again, until it is dropped.
    pub(super) async fn watch_places(self: Arc<Self>) {
        loop {
            for (site, who) in self.door.freed().next().await {
                self.queue().let_on(site, who);
                self.look_at(site);
            }
        }
    }

    /// Whoever takes turns for a site is to look whether anything waits.
    pub(super) fn look_at(&self, site: SiteId) {
        if let Some(waiting) = self.waiting.get(&site) {
            waiting.notify_one();
        }
    }
}
