//! The newest head that was signed here, kept beside the chain: what somebody without the key did to the chain since does not lead to it.
//!
//! Whoever can write the file can take it out, too. It finds a copy of the lines alone, a fault, and whoever does not know of it.

use super::{Store, StoreError, chain};
use audit::{Head, SignedHead};
use model::SiteId;
use rusqlite::{OptionalExtension, params};

impl Store {
    /// Keeps a head in the place of the one before.
    pub(crate) fn keep_head(&self, head: &SignedHead) -> Result<(), StoreError> {
        self.transaction(|t| {
            t.execute(
                "INSERT INTO audit_signed (site, head) VALUES (?1, ?2) ON CONFLICT (site) DO UPDATE SET head = ?2",
                params![&head.head.site.as_bytes()[..], head.encode()],
            )?;
            Ok(())
        })
    }

    /// The one that is kept.
    pub(crate) fn kept_head(&self, site: SiteId) -> Result<Option<SignedHead>, StoreError> {
        let kept: Option<Vec<u8>> = self.reading(|t| {
            let mut statement = t.prepare_cached("SELECT head FROM audit_signed WHERE site = ?1")?;
            Ok(statement.query_row([&site.as_bytes()[..]], |row| row.get(0)).optional()?)
        })?;
        let broken = |_| StoreError::Broken("the head of the audit that was signed last");
        kept.map(|head| SignedHead::decode(&head).map_err(broken)).transpose()
    }

    /// Whether the chain leads to a head, or its line was removed as too old.
    pub(crate) fn leads_to(&self, head: &Head) -> Result<bool, StoreError> {
        self.reading(|t| match chain::place_at(t, head.site, head.number)? {
            Some(place) => Ok(place.chain == head.chain),
            None => {
                let mut statement = t.prepare_cached("SELECT number >= ?2 FROM audit_cut WHERE site = ?1")?;
                let of = params![&head.site.as_bytes()[..], head.number.cast_signed()];
                Ok(statement.query_row(of, |row| row.get(0)).optional()?.unwrap_or(false))
            }
        })
    }
}
