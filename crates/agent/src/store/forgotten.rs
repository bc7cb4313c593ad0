//! Forgetting what a lost key has sealed, and nothing else.

use super::{AuditLine, Happened, StoreError, consents, ledger};
use model::{IntegratorId, SiteId, Timestamp};
use rusqlite::{Connection, Transaction, TransactionBehavior, params};
use std::path::Path;

/// What was forgotten with its key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Forgotten {
    /// Integrators that pair again.
    pub pairings: usize,
    /// Pairing codes, used ones too.
    pub codes: usize,
}

/// Forgets all that is sealed in the `link.db` in `folder`, for a key that is lost for good. Identity, audit, counters and what may not
/// run twice stay. No service may run on the folder.
///
/// # Errors
/// When one does, or the file can't be written.
pub(crate) fn forget(folder: &Path, now: Timestamp, by: &str) -> Result<Forgotten, StoreError> {
    let mut connection = Connection::open(folder.join("link.db"))?;
    connection.busy_timeout(super::BUSY)?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "secure_delete", true)?;
    super::schema::migrate(&mut connection)?;
    let t = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let now = super::clock_high(&t, now)?;
    super::chain::chain_older(&t, now, None)?;
    for (site, integrator) in paired(&t)? {
        let line =
            AuditLine { integrator: Some(integrator), ..AuditLine::new(now, Happened::Forgotten, site) };
        line.by(Some(by)).write(&t)?;
    }
    consents::keep_revision(&t)?;
    let forgotten = Forgotten {
        pairings: t.execute("DELETE FROM pairing", [])?,
        codes: t.execute("DELETE FROM code", [])?,
    };
    t.execute("DELETE FROM rights", [])?;
    // Everybody is asked about anew; only a no stays.
    t.execute("DELETE FROM pairing_request WHERE state <> 2", [])?;
    // Neither their texts nor their results can be read; the folders of pages go with the next start's sweep.
    t.execute_batch(
        "DELETE FROM job; DELETE FROM job_page; DELETE FROM schedule; DELETE FROM schedule_cut;",
    )?;
    // That a query was here stays: one that may have written does not run again.
    for read_only in [true, false] {
        t.execute(
            "UPDATE ledger SET ended = ?1, sealed = 0 WHERE sealed = 1 AND read_only = ?2",
            params![ledger::unknown(read_only), read_only],
        )?;
    }
    t.execute("DELETE FROM seal", [])?;
    t.commit()?;
    Ok(forgotten)
}

fn paired(t: &Transaction<'_>) -> Result<Vec<(SiteId, IntegratorId)>, StoreError> {
    let mut statement = t.prepare("SELECT site, integrator FROM pairing")?;
    let rows = statement.query_map([], |row| Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, Vec<u8>>(1)?)))?;
    let ids = |row: rusqlite::Result<(Vec<u8>, Vec<u8>)>| {
        let (site, integrator) = row?;
        let ids = SiteId::from_slice(&site).zip(IntegratorId::from_slice(&integrator));
        ids.ok_or(StoreError::Broken("a pairing"))
    };
    rows.map(ids).collect()
}
