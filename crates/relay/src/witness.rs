//! Where audits end, on its way from a Link to the registry.

use crate::{Shared, presence::LinkConnection};
use std::sync::Arc;
use tunnel::AuditHead;

/// Keeps what a Link said. A Link speaks for the sites of its own connection and for no others.
pub(crate) fn keep(shared: &Arc<Shared>, connection: &LinkConnection, mut heads: Vec<AuditHead>) {
    heads.retain(|head| connection.sites.iter().any(|(site, _)| *site == head.site));
    if heads.is_empty() {
        return;
    }
    // Beside the connection: its hints and streams do not wait for the registry's disk. How often it says so is bounded by the tunnel.
    let desk = shared.desk.clone();
    shared.tasks.spawn(async move {
        let told = desk.ask(move |registry| {
            heads.into_iter().for_each(|head| registry.witnessed(head));
            Ok(())
        });
        if told.await.is_err() {
            tracing::error!("the directory could not be told where audits end");
        }
    });
}
