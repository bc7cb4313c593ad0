//! Gateways that are out: by their integrator's own word, or shut out by the practice.

use super::{Store, StoreError, trail::AuditLine};
use model::{IntegratorId, SiteId, Timestamp};
use rusqlite::{OptionalExtension, params};

/// An integrator's newest word, and the root that signed it.
pub(crate) struct KeptWord {
    pub(crate) integrator: IntegratorId,
    pub(crate) root_spki: Vec<u8>,
    pub(crate) document: Vec<u8>,
}

impl Store {
    /// The newest word of every integrator.
    pub(crate) fn revocations(&self) -> Result<Vec<KeptWord>, StoreError> {
        let connection = self.lock();
        let mut statement = connection.prepare("SELECT integrator, root_spki, document FROM revocation")?;
        let mut rows = statement.query([])?;
        let mut all = Vec::new();
        while let Some(row) = rows.next()? {
            let integrator = IntegratorId::from_slice(&row.get::<_, Vec<u8>>(0)?);
            all.push(KeptWord {
                integrator: integrator.ok_or(StoreError::Broken("an integrator's identifier"))?,
                root_spki: row.get(1)?,
                document: row.get(2)?,
            });
        }
        Ok(all)
    }

    /// Keeps a newer one in the place of the one before.
    pub(crate) fn keep_revocations(&self, word: &KeptWord, audit: &[AuditLine]) -> Result<(), StoreError> {
        self.transaction(|t| {
            t.execute(
                "INSERT OR REPLACE INTO revocation (integrator, root_spki, document) VALUES (?1, ?2, ?3)",
                params![&word.integrator.as_bytes()[..], word.root_spki, word.document],
            )?;
            audit.iter().try_for_each(|line| line.write(t))
        })
    }

    /// Gateways that the practice shut out.
    pub(crate) fn shut_out(&self) -> Result<Vec<(SiteId, IntegratorId, String)>, StoreError> {
        let connection = self.lock();
        let mut statement = connection.prepare("SELECT site, integrator, name FROM instance_shut")?;
        let mut rows = statement.query([])?;
        let mut all = Vec::new();
        while let Some(row) = rows.next()? {
            let ids = SiteId::from_slice(&row.get::<_, Vec<u8>>(0)?)
                .zip(IntegratorId::from_slice(&row.get::<_, Vec<u8>>(1)?));
            let (site, integrator) = ids.ok_or(StoreError::Broken("an instance's identifier"))?;
            all.push((site, integrator, row.get(2)?));
        }
        Ok(all)
    }

    /// Shuts a gateway out, or lets it in again.
    pub(crate) fn shut_instance(
        &self,
        (site, integrator, name): (SiteId, IntegratorId, &str),
        out: bool,
        (by, now): (&str, Timestamp),
        audit: &AuditLine,
    ) -> Result<(), StoreError> {
        let ids = [&site.as_bytes()[..], &integrator.as_bytes()[..]];
        self.transaction(|t| {
            let there = t
                .query_row(
                    "SELECT 1 FROM instance_shut WHERE site = ?1 AND integrator = ?2 AND name = ?3",
                    params![ids[0], ids[1], name],
                    |_| Ok(()),
                )
                .optional()?
                .is_some();
            match (out, there) {
                (true, true) | (false, false) => return Ok(()),
                (true, false) => t.execute(
                    "INSERT INTO instance_shut (site, integrator, name, at, by_whom) VALUES (?1, ?2, ?3, ?4, ?5)",
                    params![ids[0], ids[1], name, now.0, by],
                )?,
                (false, true) => t.execute(
                    "DELETE FROM instance_shut WHERE site = ?1 AND integrator = ?2 AND name = ?3",
                    params![ids[0], ids[1], name],
                )?,
            };
            audit.write(t)
        })
    }
}
