//! Which site answered first for a practice's identifier. Where no code proves who a site is, no other one is ever asked, until
//! whoever runs the gateway says so.

use crate::store::{Store, StoreError};
use model::{Pms, SiteId, Timestamp};
use rusqlite::params;

/// One practice's identifier, and its site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pin {
    /// Which software.
    pub pms: Pms,
    /// The vendor's identifier of the practice.
    pub pms_id: String,
    /// The site that was asked first.
    pub site: SiteId,
    /// When.
    pub since: Timestamp,
}

impl Store {
    /// The site that was asked first for this identifier: `site`, unless another one was before.
    ///
    /// # Errors
    /// When it can't be kept: then nothing may be sent to it.
    pub(crate) fn pin(
        &self,
        pms: Pms,
        pms_id: &str,
        site: SiteId,
        now: Timestamp,
    ) -> Result<SiteId, StoreError> {
        let kept: Vec<u8> = self.lock().query_row(
            "INSERT INTO pinned_sites (pms, pms_id, site, since) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (pms, pms_id) DO UPDATE SET site = site RETURNING site",
            params![pms.type_name(), pms_id, site.as_bytes(), now.0],
            |row| row.get(0),
        )?;
        SiteId::from_slice(&kept).ok_or_else(|| StoreError::other(&"has a site that can't be read"))
    }

    /// All of them.
    ///
    /// # Errors
    /// When they can't be read.
    pub fn pins(&self) -> Result<Vec<Pin>, StoreError> {
        let connection = self.lock();
        let mut statement =
            connection.prepare("SELECT pms, pms_id, site, since FROM pinned_sites ORDER BY pms, pms_id")?;
        let mut rows = statement.query([])?;
        let mut pins = Vec::new();
        while let Some(row) = rows.next()? {
            let of = Pms::from_type_name(&row.get::<_, String>(0)?)
                .zip(SiteId::from_slice(&row.get::<_, Vec<u8>>(2)?));
            if let Some((pms, site)) = of {
                pins.push(Pin { pms, pms_id: row.get(1)?, site, since: Timestamp(row.get(3)?) });
            }
        }
        Ok(pins)
    }

    /// Forgets one: the next site that is authoritative for this identifier is asked. `false` when there is none.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn clear_pin(&self, pms: Pms, pms_id: &str) -> Result<bool, StoreError> {
        let gone = self.lock().execute(
            "DELETE FROM pinned_sites WHERE pms = ?1 AND pms_id = ?2",
            params![pms.type_name(), pms_id],
        )?;
        Ok(gone == 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[test]
    fn the_first_site_stays_until_it_is_cleared_over_restarts() {
        let folder = tempfile::tempdir().unwrap();
        let [first, second] = [1, 2].map(|n| SiteId(Uuid::from_u128(n)));
        {
            let store = Store::open(folder.path()).unwrap();
            assert_eq!(store.pin(Pms::Zedmed, "7", first, Timestamp(1)).unwrap(), first);
        }
        let store = Store::open(folder.path()).unwrap();
        assert_eq!(store.pin(Pms::Zedmed, "7", second, Timestamp(2)).unwrap(), first);
        assert_eq!(
            store.pin(Pms::D4w, "7", second, Timestamp(2)).unwrap(),
            second,
            "another software is another practice"
        );
        assert_eq!(
            store.pins().unwrap()[1],
            Pin { pms: Pms::Zedmed, pms_id: "7".to_owned(), site: first, since: Timestamp(1) }
        );
        assert!(store.clear_pin(Pms::Zedmed, "7").unwrap() && !store.clear_pin(Pms::Zedmed, "7").unwrap());
        assert_eq!(store.pin(Pms::Zedmed, "7", second, Timestamp(3)).unwrap(), second);
    }
}
