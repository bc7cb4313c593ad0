//! Hints: "this site has news for that integrator". A hint holds nothing else, and nothing rests on it: it may be lost, doubled or
//! invented, and then somebody asks too late or in vain. So both ends may throw away what is too much.

use crate::arrivals::{Arrivals, Pace, Used, lock};
use model::{IntegratorId, SiteId};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeSet, ops::Bound, sync::Mutex, time::Duration};

/// Hints of one message; more in it are not looked at.
const PER_MESSAGE: usize = 128;
/// Different hints that wait on one side of a connection. Another one is thrown away.
const PENDING: usize = 1024;
/// A sender's messages: so many at once, then one in this time. Together they stay below the unread control messages that a
/// peer allows, also when the way between is stuck for as long as a connection can be before it counts as dead.
const SENDS: Pace = Pace { burst: 3, every: Duration::from_secs(5) };
/// A receiver allows more than a sender may use, so that nothing is lost to a difference of clocks. The rest is not looked at.
const TAKES: Pace = Pace { burst: 8, every: Duration::from_secs(2) };

/// One hint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Hint {
    /// Where something happened.
    pub site: SiteId,
    /// For whom: from a Link to the relay. On the way to a gateway it goes without saying.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub integrator: Option<IntegratorId>,
}

/// Hints on their way out. The same one twice is one.
#[derive(Default)]
pub(crate) struct Outgoing(Mutex<Leaving>);

#[derive(Default)]
struct Leaving {
    pending: BTreeSet<Hint>,
    /// The last one of the last message: the next goes on behind it, so that none waits for ever behind busier ones.
    last: Option<Hint>,
    used: Used,
}

impl Outgoing {
    pub(crate) fn add(&self, hint: Hint) {
        let pending = &mut lock(&self.0).pending;
        if pending.len() < PENDING {
            pending.insert(hint);
        }
    }

    /// What may be sent now.
    pub(crate) fn take(&self, now: Duration) -> Option<Vec<Hint>> {
        let mut leaving = lock(&self.0);
        if leaving.pending.is_empty() || !leaving.used.take(&SENDS, now) {
            return None;
        }
        let behind = leaving.last.map_or(Bound::Unbounded, Bound::Excluded);
        let next = leaving.pending.range((behind, Bound::Unbounded)).chain(&leaving.pending);
        let mut news: Vec<Hint> = next.take(PER_MESSAGE.min(leaving.pending.len())).copied().collect();
        news.retain(|hint| leaving.pending.remove(hint));
        leaving.last = news.last().copied();
        Some(news)
    }

    /// How long until there is something to send, if there is.
    pub(crate) fn wait(&self, now: Duration) -> Option<Duration> {
        let leaving = lock(&self.0);
        (!leaving.pending.is_empty()).then(|| leaving.used.wait(&SENDS, now))
    }
}

/// Hints that came and that nobody has looked at yet.
pub(crate) type Incoming = Arrivals<BTreeSet<Hint>>;

impl Incoming {
    pub(crate) fn push(&self, news: Vec<Hint>, now: Duration) {
        self.arrive(&TAKES, now, |hints| {
            for hint in news.into_iter().take(PER_MESSAGE) {
                if hints.len() < PENDING {
                    hints.insert(hint);
                }
            }
        });
    }

    /// As [`Arrivals::all`].
    pub(crate) async fn next(&self) -> Option<Vec<Hint>> {
        Some(self.all().await?.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn hint(site: u128) -> Hint {
        Hint { site: SiteId(Uuid::from_u128(site)), integrator: None }
    }

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn the_first_hints_go_at_once_and_many_become_few() {
        let out = Outgoing::default();
        assert_eq!(out.wait(s(100)), None);
        let mut sent = Vec::new();
        // A thousand events of one site in a minute.
        for millis in (0..60_000).step_by(60) {
            let now = s(100) + Duration::from_millis(millis);
            out.add(hint(1));
            sent.extend(out.take(now).map(|news| (now, news.len())));
        }
        assert_eq!(sent[0], (s(100), 1), "the first at once");
        assert!((14..=16).contains(&sent.len()), "{}", sent.len());
        assert!(sent.iter().all(|(_, length)| *length == 1));
        // The last one is not forgotten.
        out.add(hint(1));
        let wait = out.wait(s(160)).unwrap();
        assert!(wait <= s(5));
        assert_eq!(out.take(s(160) + wait), Some(vec![hint(1)]));
    }

    #[test]
    fn none_waits_for_ever_behind_busier_ones() {
        let out = Outgoing::default();
        let busy = 3 * PER_MESSAGE as u128;
        let mut seen = BTreeSet::new();
        for second in (0..60).step_by(5) {
            (0..busy).for_each(|at| out.add(hint(at)));
            let news = out.take(s(second)).unwrap();
            assert_eq!(news.len(), PER_MESSAGE);
            assert_eq!(news.iter().collect::<BTreeSet<_>>().len(), PER_MESSAGE, "none twice");
            seen.extend(news);
        }
        assert_eq!(seen.len() as u128, busy);
    }

    #[test]
    fn a_peer_that_is_stuck_for_a_minute_finds_fewer_messages_than_it_allows() {
        let out = Outgoing::default();
        let messages = (0..55_000u64).step_by(10).filter(|millis| {
            out.add(hint(1));
            out.take(Duration::from_millis(*millis)).is_some()
        });
        assert!(messages.count() <= 14);
    }

    #[tokio::test]
    async fn a_flood_is_cut_down_and_memory_is_bounded() {
        let incoming = Incoming::default();
        for message in 0..1000u128 {
            incoming.push((0..PER_MESSAGE as u128 * 2).map(|at| hint(message * 1000 + at)).collect(), s(1));
        }
        assert_eq!(incoming.next().await.unwrap().len(), TAKES.burst as usize * PER_MESSAGE);
        incoming.push(vec![hint(1)], s(1));
        incoming.push(vec![hint(2)], s(3));
        assert_eq!(incoming.next().await.unwrap(), [hint(2)], "time lets the next one through");
        let out = Outgoing::default();
        (0..PENDING as u128 + 500).for_each(|at| out.add(hint(at)));
        let mut left = 0;
        for second in 0..1000 {
            left += out.take(s(second)).map_or(0, |news| news.len());
        }
        assert_eq!(left, PENDING);
        incoming.end();
        assert_eq!(incoming.next().await, None);
    }
}
