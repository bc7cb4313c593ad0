//! Ids under which no job is taken any more. A gateway that hears "unknown" draws its conclusions, and a Submit that is still on its
//! way must not prove them wrong: what it was told stays true.

use super::{find, row::key};
use crate::store::{LedgerKey, Store, StoreError, clock_high};
use model::Timestamp;
use rusqlite::{Transaction, params};

/// A Submit lives as long as the session that it came on. That is minutes; a day leaves room for clocks.
const KEPT_MS: i64 = 24 * 60 * 60 * 1000;
/// Fences of one integrator. Above it the oldest go,
const MOST: u32 = 10_000;
/// but none younger than this: rather no new one.
const LEAST_MS: i64 = 60 * 60 * 1000;

impl Store {
    /// From now on no job is taken under this id, durable when this returns. `false`: there is one, or there are too many fences.
    pub(crate) fn fence(&self, of: &LedgerKey, now: Timestamp) -> Result<bool, StoreError> {
        self.fence_within(of, now, MOST)
    }

    pub(crate) fn fence_within(&self, of: &LedgerKey, now: Timestamp, most: u32) -> Result<bool, StoreError> {
        let [site, integrator, query] = key(of);
        self.transaction(|t| {
            let now = clock_high(t, now)?;
            if find(t, of)?.is_some() {
                return Ok(false);
            }
            if stands(t, of)? {
                return Ok(true);
            }
            t.prepare_cached("DELETE FROM fence WHERE site = ?1 AND integrator = ?2 AND at <= ?3")?
                .execute(params![site, integrator, now.0 - KEPT_MS])?;
            let count: u32 = t
                .prepare_cached("SELECT count(*) FROM fence WHERE site = ?1 AND integrator = ?2")?
                .query_row(params![site, integrator], |row| row.get(0))?;
            if count >= most {
                let removed = t
                    .prepare_cached(
                        "DELETE FROM fence WHERE (site, integrator, query) IN
                             (SELECT site, integrator, query FROM fence
                              WHERE site = ?1 AND integrator = ?2 AND at <= ?3 ORDER BY at LIMIT ?4)",
                    )?
                    .execute(params![site, integrator, now.0 - LEAST_MS, count - most + 1])?;
                if removed == 0 {
                    return Ok(false);
                }
            }
            t.prepare_cached("INSERT INTO fence (site, integrator, query, at) VALUES (?1, ?2, ?3, ?4)")?
                .execute(params![site, integrator, query, now.0])?;
            Ok(true)
        })
    }

    /// Forgets fences that nothing can run into any more.
    pub(crate) fn forget_fences(&self, now: Timestamp) -> Result<usize, StoreError> {
        self.transaction(|t| Ok(t.execute("DELETE FROM fence WHERE at <= ?1", [now.0 - KEPT_MS])?))
    }
}

/// Whether an id is fenced.
pub(super) fn stands(t: &Transaction<'_>, of: &LedgerKey) -> Result<bool, StoreError> {
    let mut statement =
        t.prepare_cached("SELECT 1 FROM fence WHERE site = ?1 AND integrator = ?2 AND query = ?3")?;
    Ok(statement.exists(key(of))?)
}
