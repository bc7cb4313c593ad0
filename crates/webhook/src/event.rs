//! What endpoints are told: the words, and the identifier that is the same however often an event is told.

use model::{QueryId, SiteId, Timestamp};
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// Words with a place in a bit set each.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident, $(#[$set_doc:meta])* $set:ident, { $($(#[$word_doc:meta])* $word:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name { $($(#[$word_doc])* $word,)* }

        impl $name {
            /// All of them, in the order in which they are shown.
            pub const ALL: &[$name] = &[$($name::$word),*];

            /// As it is written in JSON and in the database.
            pub fn as_str(self) -> &'static str {
                match self { $($name::$word => $text,)* }
            }

            /// Reads one.
            pub fn parse(text: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|word| word.as_str() == text)
            }
        }

        $(#[$set_doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct $set(pub(crate) u16);

        impl $set {
            /// These.
            pub fn of(words: &[$name]) -> Self {
                $set(words.iter().fold(0, |bits, word| bits | 1 << *word as u16))
            }

            /// Whether it is among them.
            pub fn has(self, word: $name) -> bool {
                self.0 & 1 << word as u16 != 0
            }

            /// Whether some are in both.
            pub fn meets(self, other: Self) -> bool {
                self.0 & other.0 != 0
            }

            /// Those of either.
            pub fn and(self, other: Self) -> Self {
                $set(self.0 | other.0)
            }

            /// In the order of [`Self::of`]'s words.
            pub fn iter(self) -> impl Iterator<Item = $name> {
                $name::ALL.iter().copied().filter(move |word| self.has(*word))
            }
        }
    };
}

words! {
    /// Where an event comes from: the published `webhookSource`, and one of ours.
    Source,
    /// Some of [`Source`].
    Sources,
    {
        /// An async query.
        Async = "async",
        /// A registered query.
        Registered = "registered",
        /// The site itself. Ours.
        Site = "site",
    }
}

words! {
    /// What happened. Places in the database are by position: new ones come last.
    Kind,
    /// Some of [`Kind`].
    Kinds,
    {
        /// An async query ended well. Published.
        Successful = "successful",
        /// A registered query has another result than before, or its first. Published.
        ResultChanged = "resultChanged",
        /// The database said no, or the result could not be kept.
        Failed = "failed",
        /// Its turn did not come in time; not executed.
        ExpiredInQueue = "expiredInQueue",
        /// Somebody cancelled it.
        Cancelled = "cancelled",
        /// It may have been executed, wholly or in part: nobody saw its end.
        OutcomeUnknown = "outcomeUnknown",
        /// A registered query came to the end of its duration.
        Completed = "completed",
        /// A result is not kept any longer.
        ResultExpired = "resultExpired",
        /// A site can be reached again.
        SiteOnline = "siteOnline",
        /// A site can't be reached.
        SiteOffline = "siteOffline",
        /// Sent on request, to try an endpoint. Nobody can ask for these.
        Test = "test",
        /// Another site is about to become the one to use for the practice.
        AuthorityPending = "authorityPending",
    }
}

impl Kinds {
    /// What today's integrators get, and expect.
    pub fn published() -> Kinds {
        Kinds::of(&[Kind::Successful, Kind::ResultChanged])
    }

    /// What an endpoint gets that says nothing of events: the published ones, and for `site` all that come from there.
    pub fn usual(sources: Sources) -> Kinds {
        let site = if sources.has(Source::Site) { Kinds::from(Source::Site) } else { Kinds::default() };
        if sources.meets(Sources::of(&[Source::Async, Source::Registered])) {
            site.and(Kinds::published())
        } else {
            site
        }
    }

    /// Whether some of them are ours: then every notification says which one it is.
    pub fn beyond_published(self) -> bool {
        self.0 & !Kinds::published().0 != 0
    }

    /// Those that can come from a source.
    pub fn from(source: Source) -> Kinds {
        use Kind::{
            Cancelled, Completed, ExpiredInQueue, Failed, OutcomeUnknown, ResultChanged, ResultExpired,
            Successful,
        };
        let job = Kinds::of(&[Failed, ExpiredInQueue, Cancelled, OutcomeUnknown, ResultExpired]);
        match source {
            Source::Async => job.and(Kinds::of(&[Successful])),
            Source::Registered => job.and(Kinds::of(&[ResultChanged, Completed])),
            Source::Site => Kinds::of(&[Kind::SiteOnline, Kind::SiteOffline, Kind::AuthorityPending]),
        }
    }
}

/// Something that happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// The same for each telling: see [`event_id`].
    pub id: Uuid,
    /// What.
    pub kind: Kind,
    /// From where.
    pub source: Source,
    /// At which site.
    pub site: SiteId,
    /// To which query; site events have none.
    pub query: Option<QueryId>,
    /// When, by the site's clock where it comes from there.
    pub occurred: Timestamp,
}

/// The identifier of an event: made from its place in the site's journal, so that whoever tells it, and however often,
/// tells it under the same one. `chain`, the journal's hash up to it, is in it: a journal that was restored uses its numbers
/// again for other events.
pub fn event_id(site: SiteId, journal: &[u8], number: u64, chain: &[u8]) -> Uuid {
    let mut hash = Sha256::new_with_prefix(b"halo-webhook-event-v2");
    hash.update(site.as_bytes());
    hash.update((journal.len() as u64).to_be_bytes());
    hash.update(journal);
    hash.update(number.to_be_bytes());
    hash.update(chain);
    of_hash(hash)
}

impl Event {
    /// That a site came or went, as the gateway saw it.
    pub fn of_site(site: SiteId, online: bool, at: Timestamp) -> Event {
        let kind = if online { Kind::SiteOnline } else { Kind::SiteOffline };
        let mut hash = Sha256::new_with_prefix(b"halo-webhook-site-v1");
        hash.update(site.as_bytes());
        hash.update([u8::from(online)]);
        hash.update(at.0.to_be_bytes());
        Event { id: of_hash(hash), kind, source: Source::Site, site, query: None, occurred: at }
    }
}

impl Event {
    /// That `to` is about to become the one to use for the practice of a site, at `ready_at` at the earliest: one event, however often it is seen.
    pub fn of_authority(site: SiteId, to: SiteId, ready_at: Timestamp, at: Timestamp) -> Event {
        let mut hash = Sha256::new_with_prefix(b"halo-webhook-authority-v1");
        hash.update(site.as_bytes());
        hash.update(to.as_bytes());
        hash.update(ready_at.0.to_be_bytes());
        let (kind, source) = (Kind::AuthorityPending, Source::Site);
        Event { id: of_hash(hash), kind, source, site, query: None, occurred: at }
    }
}

/// Names one event on its way to one endpoint.
pub(crate) fn delivery_id(endpoint: Uuid, event: Uuid) -> Uuid {
    let mut hash = Sha256::new_with_prefix(b"halo-webhook-delivery-v1");
    hash.update(endpoint.as_bytes());
    hash.update(event.as_bytes());
    of_hash(hash)
}

fn of_hash(hash: Sha256) -> Uuid {
    let hash: [u8; 32] = hash.finalize().into();
    Uuid::new_v8(hash.first_chunk().copied().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_has_one_identifier_however_often_it_is_told() {
        let site = SiteId(Uuid::from_u128(1));
        let id = event_id(site, &[7; 16], 9, &[1; 32]);
        assert_eq!(id, event_id(site, &[7; 16], 9, &[1; 32]));
        assert_eq!(id.get_version_num(), 8);
        for other in [
            event_id(SiteId(Uuid::from_u128(2)), &[7; 16], 9, &[1; 32]),
            event_id(site, &[8; 16], 9, &[1; 32]),
            event_id(site, &[7; 16], 10, &[1; 32]),
            // A journal that was restored: the same number, another event.
            event_id(site, &[7; 16], 9, &[2; 32]),
        ] {
            assert_ne!(id, other);
        }
        // The journal's length is hashed too: no two places run into each other.
        assert_ne!(
            event_id(site, b"a", u64::from_be_bytes(*b"bbbbbbbb"), b""),
            event_id(site, b"ab", u64::from_be_bytes(*b"bbbbbbb\0"), b"")
        );
    }

    #[test]
    fn an_endpoint_that_says_nothing_gets_what_is_published_and_not_a_thing_more() {
        let usual = Kinds::usual(Sources::of(&[Source::Async, Source::Registered]));
        assert_eq!(usual.iter().map(Kind::as_str).collect::<Vec<_>>(), ["successful", "resultChanged"]);
        assert!(!usual.beyond_published());
        assert_eq!(Kinds::usual(Sources::of(&[Source::Site])), Kinds::from(Source::Site));
        assert!(Source::ALL.iter().all(|source| !Kinds::from(*source).has(Kind::Test)));
        for kind in Kind::ALL {
            assert_eq!(Kind::parse(kind.as_str()), Some(*kind));
        }
    }
}
