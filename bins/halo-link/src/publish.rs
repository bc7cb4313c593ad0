//! What the practice's checks read of a running service: version and environment at once, a Halo GUID once the cloud has accepted it.

use agent::host::{Host, VERSION};
use machine::{
    events::{self, Level},
    published::{self, Published},
};
use std::{path::PathBuf, sync::Arc};
use tokio::sync::watch;
use tunnel::Status;

/// Publishes now, and again when Halo Cloud has accepted the keys of this Link's sites. What was accepted before stays published: a site
/// keeps its GUID when the network is closed for a while.
pub(crate) async fn keep(data: PathBuf, host: Arc<Host>, mut status: watch::Receiver<Status>) {
    let sites: Vec<String> = host.sites().iter().map(|site| hex(&site.to_string())).collect();
    let before = published::read(&data).unwrap_or_default();
    let mut now = Published {
        environment: host.environment().to_owned(),
        version: VERSION.to_owned(),
        link: Some(hex(&host.id().to_string())),
        sites: accepted(before, host.environment(), &sites),
    };
    publish(&data, &now).await;
    if status.wait_for(|status| *status == Status::Online).await.is_err() || now.sites == sites {
        return;
    }
    now.sites = sites;
    publish(&data, &now).await;
    let ids = now.sites.join(", ");
    events::report(Level::Information, 4, &format!("Halo Cloud has accepted this practice's ID: {ids}"));
}

/// Those of this service's sites that the same environment's cloud had accepted before.
fn accepted(before: Option<Published>, environment: &str, sites: &[String]) -> Vec<String> {
    let before = before.filter(|before| before.environment == environment).unwrap_or_default();
    sites.iter().filter(|site| before.sites.contains(site)).cloned().collect()
}

async fn publish(data: &std::path::Path, now: &Published) {
    let (data, now) = (data.to_owned(), now.clone());
    let written = tokio::task::spawn_blocking(move || published::write(&data, &now)).await;
    // The service works without; whoever looks for the ID is told why it isn't there.
    if let Err(error) = written.unwrap_or_else(|error| Err(std::io::Error::other(error))) {
        tracing::warn!(%error, "what the practice's checks read can't be published: install again, or run as the service's account");
    }
}

/// A GUID as the registry has it: 32 lower-case hex characters.
fn hex(guid: &str) -> String {
    guid.chars().filter(char::is_ascii_hexdigit).map(|c| c.to_ascii_lowercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_another_environments_cloud_accepted_is_not_published_in_this_one() {
        let sites = ["a".to_owned(), "b".to_owned()];
        let before = |environment: &str| {
            let sites = vec!["b".to_owned(), "gone".to_owned()];
            Some(Published { environment: environment.to_owned(), sites, ..Published::default() })
        };
        assert_eq!(accepted(before("stage"), "stage", &sites), ["b"]);
        assert!(accepted(before("stage"), "production", &sites).is_empty());
        assert!(accepted(None, "stage", &sites).is_empty());
    }

    #[test]
    fn guids_are_published_as_32_hex_characters() {
        assert_eq!(hex("15331F1C-64b6-84ea-8ca1-0bfd7bd28c90"), "15331f1c64b684ea8ca10bfd7bd28c90");
    }
}
