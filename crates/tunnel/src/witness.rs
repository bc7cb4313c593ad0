//! Audit heads on their way to the relay: "this site's audit has so many lines, and ends in these 32 bytes". The platform keeps them, so that a
//! log that was cut or rewritten later is found from outside. Nothing else of the audit is said, and nothing waits for it.

use crate::{
    arrivals::{Arrivals, Pace, Used, lock},
    control::Fixed32,
};
use model::SiteId;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, ops::Bound, sync::Mutex, time::Duration};

/// Heads of one message; more in it are not looked at.
const PER_MESSAGE: usize = 128;
/// Sites whose heads are kept on one side of a connection. Another one's is thrown away.
const SITES: usize = 1024;
/// A sender's messages. With its hints they stay below the unread control messages that a peer allows.
const SENDS: Pace = Pace { burst: 1, every: Duration::from_secs(120) };
/// A receiver allows more than a sender may use. The rest is not looked at.
const TAKES: Pace = Pace { burst: 4, every: Duration::from_secs(30) };

/// Where a site's audit ended when this was said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditHead {
    /// Whose.
    pub site: SiteId,
    /// Number of its last line; the first line of a site has number 1.
    pub number: u64,
    /// What all lines up to that one come to.
    pub chain: Fixed32,
}

/// Heads on their way out: of each site the newest.
#[derive(Default)]
pub(crate) struct Outgoing(Mutex<Leaving>);

#[derive(Default)]
struct Leaving {
    waiting: BTreeMap<SiteId, AuditHead>,
    /// As they were told last on this connection.
    told: BTreeMap<SiteId, AuditHead>,
    /// The last site of the last message: the next goes on behind it.
    last: Option<SiteId>,
    used: Used,
}

impl Outgoing {
    /// Takes what is to be told; what was told already is not told again.
    pub(crate) fn add(&self, heads: &[AuditHead]) {
        let Leaving { waiting, told, .. } = &mut *lock(&self.0);
        for head in heads {
            if told.get(&head.site) == Some(head) {
                waiting.remove(&head.site);
            } else if waiting.len() < SITES || waiting.contains_key(&head.site) {
                waiting.insert(head.site, *head);
            }
        }
    }

    /// There is a new connection: whoever is at its other end may know nothing of what was told before.
    pub(crate) fn again(&self) {
        let leaving = &mut *lock(&self.0);
        for (site, head) in std::mem::take(&mut leaving.told) {
            leaving.waiting.entry(site).or_insert(head);
        }
    }

    /// What may be sent now.
    pub(crate) fn take(&self, now: Duration) -> Option<Vec<AuditHead>> {
        let leaving = &mut *lock(&self.0);
        if leaving.waiting.is_empty() || !leaving.used.take(&SENDS, now) {
            return None;
        }
        let behind = leaving.last.map_or(Bound::Unbounded, Bound::Excluded);
        let next = leaving.waiting.range((behind, Bound::Unbounded)).chain(&leaving.waiting);
        let heads: Vec<AuditHead> =
            next.take(PER_MESSAGE.min(leaving.waiting.len())).map(|(_, head)| *head).collect();
        for head in &heads {
            leaving.waiting.remove(&head.site);
            leaving.told.insert(head.site, *head);
        }
        leaving.last = heads.last().map(|head| head.site);
        Some(heads)
    }

    /// How long until there is something to send, if there is.
    pub(crate) fn wait(&self, now: Duration) -> Option<Duration> {
        let leaving = lock(&self.0);
        (!leaving.waiting.is_empty()).then(|| leaving.used.wait(&SENDS, now))
    }
}

/// Heads that came and that nobody has looked at yet: of each site the last.
pub(crate) type Incoming = Arrivals<BTreeMap<SiteId, AuditHead>>;

impl Incoming {
    pub(crate) fn push(&self, heads: Vec<AuditHead>, now: Duration) {
        self.arrive(&TAKES, now, |kept| {
            for head in heads.into_iter().take(PER_MESSAGE) {
                if kept.len() < SITES || kept.contains_key(&head.site) {
                    kept.insert(head.site, head);
                }
            }
        });
    }

    /// As [`Arrivals::all`].
    pub(crate) async fn next(&self) -> Option<Vec<AuditHead>> {
        Some(self.all().await?.into_values().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn head(site: u128, number: u64) -> AuditHead {
        AuditHead { site: SiteId(Uuid::from_u128(site)), number, chain: Fixed32([7; 32]) }
    }

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// A busy site writes a line for every query: the platform is told where it stands, not each step.
    #[test]
    fn the_first_goes_at_once_and_then_the_newest_every_two_minutes() {
        let out = Outgoing::default();
        assert_eq!(out.wait(s(1)), None);
        out.add(&[head(1, 1)]);
        assert_eq!(out.take(s(1)), Some(vec![head(1, 1)]));
        for number in 2..1000 {
            out.add(&[head(1, number)]);
            assert_eq!(out.take(s(2)), None);
        }
        let wait = out.wait(s(2)).unwrap();
        assert!(wait > s(100) && wait <= s(120), "{wait:?}");
        assert_eq!(out.take(s(2) + wait), Some(vec![head(1, 999)]));
    }

    #[test]
    fn what_was_told_is_told_again_to_a_new_connection_alone() {
        let out = Outgoing::default();
        out.add(&[head(1, 5)]);
        out.take(s(1)).unwrap();
        out.add(&[head(1, 5)]);
        assert_eq!(out.take(s(1000)), None, "nothing has changed");
        out.add(&[head(2, 1)]);
        out.again();
        // The next message goes on behind the last one.
        assert_eq!(out.take(s(1000)), Some(vec![head(2, 1), head(1, 5)]));
        // One that changed back and forth says what it is now.
        out.add(&[head(1, 6)]);
        out.again();
        assert_eq!(out.take(s(2000)), Some(vec![head(2, 1), head(1, 6)]));
    }

    #[test]
    fn no_site_waits_for_ever_behind_busier_ones() {
        let out = Outgoing::default();
        let mut seen = std::collections::BTreeSet::new();
        for round in 0..4u64 {
            (0..300).for_each(|site| out.add(&[head(site, round)]));
            let heads = out.take(s(round * 120)).unwrap();
            assert_eq!(heads.len(), PER_MESSAGE);
            seen.extend(heads.into_iter().map(|head| head.site));
        }
        assert_eq!(seen.len(), 300);
    }

    #[tokio::test]
    async fn a_flood_is_cut_down_and_memory_is_bounded() {
        let incoming = Incoming::default();
        for message in 0..1000u128 {
            incoming.push((0..500).map(|at| head(message * 1000 + at, 1)).collect(), s(1));
        }
        assert_eq!(incoming.next().await.unwrap().len(), TAKES.burst as usize * PER_MESSAGE);
        incoming.push(vec![head(1, 1)], s(1));
        incoming.push(vec![head(2, 1), head(2, 2)], s(31));
        assert_eq!(incoming.next().await.unwrap(), [head(2, 2)], "time lets the next one through");
        incoming.end();
        assert_eq!(incoming.next().await, None);
    }
}
