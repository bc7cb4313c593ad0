//! How a site's events are chained, and what it signs: one rule for the site that writes them and the gateway that checks
//! (docs/jobs.md, events).

use crate::proto::Event;
use model::{IntegratorId, SiteId};
use sha2::{Digest, Sha256};

/// The hash before the first event.
pub fn origin(site: SiteId, integrator: IntegratorId, journal: &[u8]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(b"halo-events-v1");
    hash.update(site.as_bytes());
    hash.update(integrator.as_bytes());
    hash.update(journal);
    hash.finalize().into()
}

/// The hash of an event after the one with hash `before`. Its own `chain` does not count.
pub fn link(before: &[u8], event: &Event) -> [u8; 32] {
    let byte = |n: i32| u8::try_from(n).unwrap_or(u8::MAX);
    let mut hash = Sha256::new();
    hash.update(before);
    hash.update(event.number.to_be_bytes());
    hash.update([byte(event.kind)]);
    hash.update(&event.query_id);
    hash.update([byte(event.job_kind)]);
    hash.update(event.at.to_be_bytes());
    hash.update(&event.hash);
    hash.finalize().into()
}

/// What the site signs: the event `number` with hash `chain`, or the origin, is where its journal stands.
pub fn signed(site: SiteId, integrator: IntegratorId, journal: &[u8], number: u64, chain: &[u8]) -> Vec<u8> {
    [
        b"halo-events-head-v1",
        &site.as_bytes()[..],
        &integrator.as_bytes()[..],
        journal,
        &number.to_be_bytes()[..],
        chain,
    ]
    .concat()
}
