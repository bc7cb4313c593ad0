//! Which sites the practice has switched off.

use super::{Store, StoreError, trail::AuditLine};
use model::{SiteId, Timestamp};
use rusqlite::params;
use std::collections::HashSet;

impl Store {
    /// Sites into whose databases nobody is let.
    pub(crate) fn sites_off(&self) -> Result<HashSet<SiteId>, StoreError> {
        let connection = self.lock();
        let mut statement = connection.prepare("SELECT site FROM site_off")?;
        let mut rows = statement.query([])?;
        let mut sites = HashSet::new();
        while let Some(row) = rows.next()? {
            let site = SiteId::from_slice(&row.get::<_, Vec<u8>>(0)?);
            sites.insert(site.ok_or(StoreError::Broken("a site's identifier"))?);
        }
        Ok(sites)
    }

    /// Lets anybody into a site's database, or nobody.
    pub(crate) fn switch_site(
        &self,
        site: SiteId,
        on: bool,
        now: Timestamp,
        audit: &AuditLine,
    ) -> Result<(), StoreError> {
        self.transaction(|t| {
            let id = &site.as_bytes()[..];
            if on {
                t.execute("DELETE FROM site_off WHERE site = ?1", [id])?;
            } else {
                t.execute("INSERT OR IGNORE INTO site_off (site, at) VALUES (?1, ?2)", params![id, now.0])?;
            }
            audit.write(t)
        })
    }
}
