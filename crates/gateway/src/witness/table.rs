//! Heads on disk: of each site the newest of each hour, later of each day and each month, and all that contradict one another.
//!
//! `kept` says what becomes of one: 0 it goes with age, 1 it contradicts another one and stays. Of those that a site has turned
//! away from since, -1 goes with age and 2 stays: the newest head of a site is the highest of the others.

use crate::store::{Store, StoreError};
use audit::SignedHead;
use model::{SiteId, Timestamp};
use rusqlite::{Connection, params};

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
/// The newest of each hour is kept for so long, then the newest of each day.
const HOURLY_MS: i64 = 7 * DAY_MS;
/// And for so long, then the newest of each thirty days.
const DAILY_MS: i64 = 60 * DAY_MS;
const MONTH_MS: i64 = 30 * DAY_MS;
/// And for so long: as a practice keeps its audit. The newest of all stays, however old it is.
const KEPT_MS: i64 = 7 * 366 * DAY_MS;
/// Of one site so many that contradict one another are kept, for good: the first ones.
const CONTRADICTIONS: i64 = 64;

/// A head that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// As the site signed it.
    pub head: SignedHead,
    /// When this gateway saw it first.
    pub seen_at: Timestamp,
    /// When the site showed it although it contradicts another one that is kept: one of the two is not what its audit holds now.
    pub back_at: Option<Timestamp>,
}

/// All that is kept of one site, or of all: by site, then by number.
///
/// # Errors
/// The database's own, and of a record that can't be read.
pub fn list(store: &Store, site: Option<SiteId>) -> Result<Vec<Kept>, StoreError> {
    let connection = store.lock();
    let mut statement = connection.prepare_cached(
        "SELECT head, seen, back FROM audit_heads WHERE ?1 IS NULL OR site = ?1 ORDER BY site, number, seen",
    )?;
    let rows = statement.query_map([site.as_ref().map(SiteId::as_bytes)], |row| {
        Ok((row.get::<_, Vec<u8>>(0)?, Timestamp(row.get(1)?), row.get::<_, Option<i64>>(2)?.map(Timestamp)))
    })?;
    rows.map(|row| {
        let (head, seen_at, back_at) = row?;
        Ok(Kept { head: decode(&head)?, seen_at, back_at })
    })
    .collect()
}

/// Of each site the newest head.
pub(super) fn newest(store: &Store) -> Result<Vec<SignedHead>, StoreError> {
    let connection = store.lock();
    let mut statement = connection.prepare_cached(
        "SELECT head FROM audit_heads AS this WHERE kept IN (0, 1) AND NOT EXISTS (
             SELECT 1 FROM audit_heads AS other WHERE other.site = this.site AND other.kept IN (0, 1)
                 AND (other.number > this.number OR (other.number = this.number AND other.rowid > this.rowid)))",
    )?;
    let rows = statement.query_map([], |row| row.get::<_, Vec<u8>>(0))?;
    rows.map(|row| decode(&row?)).collect()
}

/// One that goes on from those before, as far as is known. The one with the number `held` stays beside it.
pub(super) fn newer(store: &Store, head: &SignedHead, held: u64, now: Timestamp) -> Result<(), StoreError> {
    let mut connection = store.lock();
    let tx = connection.transaction()?;
    thin(&tx, head, held, now)?;
    insert(&tx, head, now, false)?;
    Ok(tx.commit()?)
}

/// One that does not: it and what it contradicts are kept for good, and it is the newest from now on.
pub(super) fn contradiction(
    store: &Store,
    was: &SignedHead,
    shown: &SignedHead,
    now: Timestamp,
) -> Result<(), StoreError> {
    let mut connection = store.lock();
    let tx = connection.transaction()?;
    // It may not have been written yet.
    thin(&tx, was, was.head.number, now)?;
    insert(&tx, was, now, false)?;
    let site = shown.head.site;
    let so_far: i64 = tx.query_row(
        "SELECT count(*) FROM audit_heads WHERE site = ?1 AND kept >= 1",
        [site.as_bytes()],
        |row| row.get(0),
    )?;
    let keep = so_far < CONTRADICTIONS;
    if keep {
        set_kept(&tx, was, 1)?;
    }
    // All that the site has turned away from: what it contradicts may be lower, too.
    tx.execute(
        "UPDATE audit_heads SET kept = iif(kept >= 1, 2, -1) WHERE site = ?1 AND number >= min(?2, ?3)",
        params![site.as_bytes(), column(was.head.number), column(shown.head.number)],
    )?;
    insert(&tx, shown, now, true)?;
    if keep {
        set_kept(&tx, shown, 1)?;
    }
    Ok(tx.commit()?)
}

fn set_kept(connection: &Connection, head: &SignedHead, kept: i64) -> Result<(), StoreError> {
    connection.execute(
        "UPDATE audit_heads SET kept = ?4 WHERE site = ?1 AND number = ?2 AND chain = ?3",
        params![head.head.site.as_bytes(), column(head.head.number), head.head.chain, kept],
    )?;
    Ok(())
}

/// What is there already counts again, and stays if it stayed.
fn insert(connection: &Connection, head: &SignedHead, now: Timestamp, back: bool) -> Result<(), StoreError> {
    connection.execute(
        "INSERT INTO audit_heads (site, number, chain, head, seen, back, kept) VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0)
         ON CONFLICT (site, number, chain) DO UPDATE SET back = coalesce(back, excluded.back), kept = iif(kept >= 1, 1, 0)",
        params![
            head.head.site.as_bytes(),
            column(head.head.number),
            head.head.chain,
            head.encode(),
            now.0,
            back.then_some(now.0)
        ],
    )?;
    Ok(())
}

/// Makes room for a newer one: what proves nothing that a later one does not prove too.
fn thin(connection: &Connection, head: &SignedHead, held: u64, now: Timestamp) -> Result<(), StoreError> {
    let (site, number, held) = (head.head.site, column(head.head.number), column(held));
    let hour = now.0.div_euclid(HOUR_MS) * HOUR_MS;
    connection.execute(
        "DELETE FROM audit_heads WHERE site = ?1 AND kept <= 0 AND number < ?2 AND number <> ?5 AND seen >= ?3 AND seen < ?4",
        params![site.as_bytes(), number, hour, hour + HOUR_MS, held],
    )?;
    connection.execute(
        "DELETE FROM audit_heads WHERE site = ?1 AND kept <= 0 AND number < ?2 AND number <> ?3 AND seen < ?4",
        params![site.as_bytes(), number, held, now.0 - KEPT_MS],
    )?;
    for (before, each) in [(HOURLY_MS, DAY_MS), (DAILY_MS, MONTH_MS)] {
        connection.execute(
            "DELETE FROM audit_heads WHERE site = ?1 AND kept <= 0 AND number < ?2 AND number <> ?5 AND seen < ?3 AND EXISTS (
                 SELECT 1 FROM audit_heads AS later WHERE later.site = ?1 AND later.kept <= 0
                     AND later.seen / ?4 = audit_heads.seen / ?4 AND later.number > audit_heads.number)",
            params![site.as_bytes(), number, now.0 - before, each, held],
        )?;
    }
    Ok(())
}

/// SQLite's integers are signed; no site writes that many lines.
fn column(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn decode(head: &[u8]) -> Result<SignedHead, StoreError> {
    SignedHead::decode(head).map_err(|error| StoreError::other(&error))
}
