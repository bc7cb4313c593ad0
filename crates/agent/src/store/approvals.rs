//! The PMS vendors' approvals, beside the pairings that they vouch for, and the highest serial number that was seen of each
//! integrator: an older one is never taken again, also after its pairing was ended.

use super::{Store, StoreError, consents::Who, trail::AuditLine};
use crate::consent::Vendor;
use model::{Access, IntegratorId, SiteId, Timestamp};
use rusqlite::{OptionalExtension, Row, Transaction, params};
use trust::approval::Signed;

/// The approval that a pairing stands on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApprovalRecord {
    /// As the vendor signed it.
    pub signed: Signed,
    /// It was seen to be over, or no key of the vendor's made it any more: it stays so until there is a newer one.
    pub over: bool,
    /// When this site took it.
    pub since: Timestamp,
}

impl Store {
    /// The highest serial number seen of an integrator's approvals; 0 for none.
    pub(crate) fn approval_seen(&self, of: Who) -> Result<u64, StoreError> {
        let connection = self.lock();
        let seen: Option<i64> = connection
            .query_row(
                "SELECT serial FROM approval_seen WHERE site = ?1 AND integrator = ?2",
                params![&of.0.as_bytes()[..], &of.1.as_bytes()[..]],
                |row| row.get(0),
            )
            .optional()?;
        Ok(seen.map_or(0, i64::unsigned_abs))
    }

    /// A newer approval for a pairing; `false` when there is no such pairing, or one that is newer still.
    pub(crate) fn renew_approval(
        &self,
        of: Who,
        signed: &Signed,
        now: Timestamp,
        audit: &AuditLine,
    ) -> Result<bool, StoreError> {
        self.transaction(|t| {
            let there: bool = t.query_row(
                // Of two sessions that bring one each at the same time, the newer stays.
                "SELECT EXISTS (SELECT 1 FROM pairing WHERE site = ?1 AND integrator = ?2)
                     AND NOT EXISTS (SELECT 1 FROM approval_seen WHERE site = ?1 AND integrator = ?2 AND serial > ?3)",
                params![&of.0.as_bytes()[..], &of.1.as_bytes()[..], signed.approval().serial.cast_signed()],
                |row| row.get(0),
            )?;
            if there {
                keep(t, of, Some(signed), now)?;
                audit.write(t)?;
            }
            Ok(there)
        })
    }

    /// An approval counts no more, and stays so.
    pub(crate) fn end_approval(&self, of: Who, audit: &AuditLine) -> Result<(), StoreError> {
        self.transaction(|t| {
            let changed = t.execute(
                "UPDATE approval SET over = 1 WHERE site = ?1 AND integrator = ?2 AND over = 0",
                params![&of.0.as_bytes()[..], &of.1.as_bytes()[..]],
            )?;
            if changed == 1 { audit.write(t) } else { Ok(()) }
        })
    }
}

/// Keeps what a pairing stands on from now on; `None`: on no vendor's word.
pub(super) fn keep(
    t: &Transaction<'_>,
    (site, integrator): Who,
    signed: Option<&Signed>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let ids = [&site.as_bytes()[..], &integrator.as_bytes()[..]];
    t.execute("DELETE FROM approval WHERE site = ?1 AND integrator = ?2", ids)?;
    let Some(signed) = signed else { return Ok(()) };
    t.execute(
        "INSERT INTO approval (site, integrator, document, since) VALUES (?1, ?2, ?3, ?4)",
        params![ids[0], ids[1], signed.to_bytes(), now.0],
    )?;
    t.execute(
        "INSERT INTO approval_seen (site, integrator, serial) VALUES (?1, ?2, ?3)
         ON CONFLICT (site, integrator) DO UPDATE SET serial = max(serial, excluded.serial)",
        params![ids[0], ids[1], signed.approval().serial.cast_signed()],
    )?;
    Ok(())
}

/// What a pairing stands on, from three columns on, and what that means for its consent. One that does not read (a later
/// version's, say) is over.
pub(super) fn read(
    row: &Row<'_>,
    at: usize,
    (site, integrator): (SiteId, IntegratorId),
) -> Result<(Option<ApprovalRecord>, Option<Vendor>), StoreError> {
    let Some(document) = row.get::<_, Option<Vec<u8>>>(at)? else { return Ok((None, None)) };
    let (over, since) = (row.get(at + 1)?, Timestamp(row.get(at + 2)?));
    Ok(match Signed::parse(&document) {
        Ok(signed) => {
            let vendor = Vendor {
                until: signed.approval().expires,
                over,
                read_only: signed.approval().access == Access::ReadOnly,
            };
            (Some(ApprovalRecord { signed, over, since }), Some(vendor))
        }
        Err(error) => {
            tracing::error!(%site, %integrator, %error, "the vendor's approval that is kept can't be read, so it does not count");
            (None, Some(Vendor { until: Timestamp(0), over: true, read_only: true }))
        }
    })
}
