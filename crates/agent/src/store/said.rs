//! What a site's database said of the site, and which practice each entry of the configuration belongs to.

use super::{Store, StoreError};
use model::{SiteId, Timestamp};
use rusqlite::{OptionalExtension, params};

/// What the database said last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) practice_name: Option<String>,
    pub(crate) pms_version: Option<String>,
    /// When it was last asked with success.
    pub(crate) at: Option<Timestamp>,
    /// The identifier that it gives, while that is not the one that the site is bound to.
    pub(crate) other_pms_id: Option<String>,
}

impl Store {
    /// The practice that a configuration's entry is bound to.
    pub(crate) fn binding(&self, key: &str) -> Result<Option<String>, StoreError> {
        let connection = self.lock();
        let found = connection
            .query_row("SELECT pms_id FROM site_binding WHERE key = ?1", [key], |row| row.get(0))
            .optional()?;
        Ok(found)
    }

    /// Binds an entry of the configuration to a practice, whatever it was bound to before.
    pub(crate) fn bind(&self, key: &str, pms_id: &str) -> Result<(), StoreError> {
        self.transaction(|t| {
            t.execute(
                "INSERT INTO site_binding (key, pms_id) VALUES (?1, ?2)
                 ON CONFLICT (key) DO UPDATE SET pms_id = excluded.pms_id",
                [key, pms_id],
            )?;
            Ok(())
        })
    }

    /// What a site's database said last; nothing when it was never asked.
    pub(crate) fn said(&self, site: SiteId) -> Result<Said, StoreError> {
        let connection = self.lock();
        let found = connection
            .query_row(
                "SELECT practice_name, pms_version, at, other_pms_id FROM site_said WHERE site = ?1",
                [&site.as_bytes()[..]],
                |row| {
                    Ok(Said {
                        practice_name: row.get(0)?,
                        pms_version: row.get(1)?,
                        at: row.get::<_, Option<i64>>(2)?.map(Timestamp),
                        other_pms_id: row.get(3)?,
                    })
                },
            )
            .optional()?;
        Ok(found.unwrap_or_default())
    }

    /// Keeps what a site's database said.
    pub(crate) fn keep_said(&self, site: SiteId, said: &Said) -> Result<(), StoreError> {
        self.transaction(|t| {
            t.execute(
                "INSERT OR REPLACE INTO site_said (site, practice_name, pms_version, at, other_pms_id)
                 VALUES (?1, ?2, ?3, ?4, ?5)",
                params![
                    &site.as_bytes()[..],
                    said.practice_name,
                    said.pms_version,
                    said.at.map(|at| at.0),
                    said.other_pms_id
                ],
            )?;
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tests::store;

    #[test]
    fn what_a_database_said_is_there_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let site = SiteId(uuid::Uuid::from_u128(1));
        let said = Said {
            practice_name: Some("Clinic".to_owned()),
            pms_version: None,
            at: Some(Timestamp(7)),
            other_pms_id: Some("2".to_owned()),
        };
        let first = store(folder.path());
        assert_eq!(first.said(site).unwrap(), Said::default());
        first.keep_said(site, &said).unwrap();
        first.bind("BestPractice", "1").unwrap();
        first.bind("BestPractice", "3").unwrap();
        drop(first);
        let again = store(folder.path());
        assert_eq!(again.said(site).unwrap(), said);
        assert_eq!(again.binding("BestPractice").unwrap().as_deref(), Some("3"));
        assert_eq!(again.binding("Zedmed").unwrap(), None);
    }
}
