//! The audit's chain: what is kept beside each line, and how a line is found again by its number or its query.
//!
//! The chain is of a site; the lines of all sites stand in one table. `audit_head` says nothing that `audit_chain` does not: where
//! the two disagree, somebody cut the end, and the chain goes on from the higher one, so that the gap stays to be seen.

use super::{AuditLine, Happened, Store, StoreError, values};
use crate::protect::Protector;
use audit::{Line, chain, genesis};
use aws_lc_rs::digest::{Context, SHA256};
use model::{IntegratorId, QueryId, SiteId, Timestamp};
use rusqlite::{OptionalExtension, Row, Transaction, params};
use serde::{Deserialize, Serialize};

/// Lines whose queries share a place in `audit_query`. An index over all queries would be written all over, one page of the log
/// for each line, the more the larger it is; this one is written at its end, and looked through from there.
const BUCKET: i64 = 1 << 16;

/// The status of a query that was here before.
const REPEATED: &str = "REPEATED";

/// More lines than this take a while to be chained.
const MANY: i64 = 100_000;

/// Everything of a line that its bytes are made of, its number and its value.
const ENTRY: &str = "SELECT a.id, a.at, a.what, a.site, a.integrator, a.instance, a.query, d.device, a.access, a.catalogue, a.sha256,
         a.status, a.effect, a.rows, a.bytes, a.ms, m.done_by, m.detail, m.parameters, c.number, c.chain, v.hash, v.sealed
     FROM audit a LEFT JOIN audit_device d ON d.audit = a.id LEFT JOIN audit_more m ON m.id = a.id
     LEFT JOIN audit_chain c ON c.id = a.id LEFT JOIN audit_values v ON v.id = a.id";

/// A place in a site's chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) number: u64,
    pub(crate) chain: [u8; 32],
}

/// One line as it lies in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) id: i64,
    /// None: nothing chains it.
    pub(crate) place: Option<Place>,
    /// Its bytes; empty when what lies there can't be a line. None: its place is kept, it is gone.
    pub(crate) line: Option<Vec<u8>>,
}

/// What a receipt is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct End {
    pub(crate) place: Place,
    /// The value before it.
    pub(crate) before: [u8; 32],
    /// Its bytes.
    pub(crate) line: Vec<u8>,
}

/// What a line over others, written by a version without a chain, says of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Covered {
    /// How many.
    lines: u64,
    /// SHA-256 over their bytes, each after its length of four bytes; hexadecimal.
    sha256: String,
    /// There was a chain before, and it is gone.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    anew: bool,
}

/// The next id of a line. Not what the engine would choose: where the newest lines were taken out, it gives their ids again.
pub(super) fn next_id(t: &Transaction<'_>) -> Result<i64, StoreError> {
    let mut statement = t.prepare_cached(
        "SELECT max(coalesce((SELECT max(id) FROM audit), 0), coalesce((SELECT max(id) FROM audit_chain), 0)) + 1",
    )?;
    Ok(statement.query_row([], |row| row.get(0))?)
}

/// Chains a line that was just written.
pub(super) fn link(t: &Transaction<'_>, id: i64, line: &Line) -> Result<(), StoreError> {
    let bytes = line.encode();
    let mut before = at_head(t, line.site)?;
    if before.is_none() {
        before = tip(t, line.site)?;
    }
    let before = match before {
        Some(before) => before,
        None => {
            begun(t, line.site)?;
            Place { number: 0, chain: genesis(line.site) }
        }
    };
    if !follow(t, id, line.site, before, &bytes)? {
        // Its number is taken: somebody set the head back. The chain goes on behind the newest line.
        let before = tip(t, line.site)?.filter(|tip| tip.number > before.number);
        let before = before.ok_or(StoreError::Broken("the audit's chain"))?;
        follow(t, id, line.site, before, &bytes)?;
    }
    if let Some(query) = &line.query {
        note_query(t, query, id)?;
    }
    if let Some(statement) = &line.statement {
        t.prepare_cached(
            "INSERT INTO statement_used (sha256, last) VALUES (?1, ?2) ON CONFLICT (sha256) DO UPDATE SET last = ?2",
        )?
        .execute(params![&statement[..], id])?;
    }
    Ok(())
}

/// Puts a line behind a place. False, and nothing is done: there is one already.
fn follow(
    t: &Transaction<'_>,
    id: i64,
    site: SiteId,
    before: Place,
    line: &[u8],
) -> Result<bool, StoreError> {
    let number = before.number + 1;
    let value = chain(&before.chain, number, line);
    let (site, kept) = (&site.as_bytes()[..], number.cast_signed());
    let done = t
        .prepare_cached(
            "INSERT OR IGNORE INTO audit_chain (id, site, number, chain) VALUES (?1, ?2, ?3, ?4)",
        )?
        .execute(params![id, site, kept, &value[..]])?;
    if done == 1 {
        t.prepare_cached(
            "INSERT INTO audit_head (site, number, chain) VALUES (?1, ?2, ?3)
             ON CONFLICT (site) DO UPDATE SET number = ?2, chain = ?3",
        )?
        .execute(params![site, kept, &value[..]])?;
    }
    Ok(done == 1)
}

/// Says in `meta` that a site's lines are chained: it stays when somebody takes out the tables of the chain.
fn mark(site: SiteId) -> String {
    format!("audit chain {site}")
}

/// Leaves that mark.
pub(super) fn begun(t: &Transaction<'_>, site: SiteId) -> Result<(), StoreError> {
    t.execute("INSERT OR IGNORE INTO meta (name, value) VALUES (?1, 1)", [mark(site)])?;
    Ok(())
}

fn note_query(t: &Transaction<'_>, query: &QueryId, id: i64) -> Result<(), StoreError> {
    t.prepare_cached("INSERT OR IGNORE INTO audit_query (bucket, query, id) VALUES (?1, ?2, ?3)")?
        .execute(params![id / BUCKET, &query.as_bytes()[..], id])?;
    Ok(())
}

/// Takes a line out of the index of queries.
pub(super) fn forget_query(t: &Transaction<'_>, id: i64) -> Result<(), StoreError> {
    let query: Option<Vec<u8>> =
        t.prepare_cached("SELECT query FROM audit WHERE id = ?1")?.query_row([id], |row| row.get(0))?;
    if let Some(query) = query {
        t.prepare_cached("DELETE FROM audit_query WHERE bucket = ?1 AND query = ?2 AND id = ?3")?
            .execute(params![id / BUCKET, query, id])?;
    }
    Ok(())
}

/// Where a site's chain stands; none: nothing was ever chained.
pub(super) fn tip(t: &Transaction<'_>, site: SiteId) -> Result<Option<Place>, StoreError> {
    let ask = |sql: &str| one(t, sql, site);
    let head = at_head(t, site)?;
    let last = ask("SELECT number, chain FROM audit_chain WHERE site = ?1 ORDER BY number DESC LIMIT 1")?;
    let tip = match (head, last) {
        (Some(head), Some(last)) => Some(if head.number > last.number { head } else { last }),
        (head, last) => head.or(last),
    };
    match tip {
        Some(tip) => Ok(Some(tip)),
        None => ask("SELECT number, chain FROM audit_cut WHERE site = ?1"),
    }
}

fn at_head(t: &Transaction<'_>, site: SiteId) -> Result<Option<Place>, StoreError> {
    one(t, "SELECT number, chain FROM audit_head WHERE site = ?1", site)
}

fn one(t: &Transaction<'_>, sql: &str, site: SiteId) -> Result<Option<Place>, StoreError> {
    let mut statement = t.prepare_cached(sql)?;
    let found =
        statement.query_row([&site.as_bytes()[..]], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    found.map(|(number, chain)| place(number, chain)).transpose()
}

pub(super) fn place(number: i64, chain: Vec<u8>) -> Result<Place, StoreError> {
    let broken = || StoreError::Broken("the audit's chain (HaloLinkUtility audit verify says more)");
    let chain = chain.try_into().map_err(|_| broken())?;
    Ok(Place { number: u64::try_from(number).map_err(|_| broken())?, chain })
}

/// Chains what a version without a chain has written: one line of each site says how many lines they are and what their hash is, so
/// that they too are held from now on. Without a key, where that is lost.
pub(super) fn chain_older(
    t: &Transaction<'_>,
    now: Timestamp,
    key: Option<&dyn Protector>,
) -> Result<(), StoreError> {
    let after: i64 = t.query_row("SELECT coalesce(max(id), 0) FROM audit_chain", [], |row| row.get(0))?;
    let mut sites = t.prepare("SELECT DISTINCT site FROM audit WHERE id > ?1")?;
    let sites = sites.query_map([after], |row| row.get::<_, Vec<u8>>(0))?.collect::<Result<Vec<_>, _>>()?;
    if sites.is_empty() {
        return Ok(());
    }
    let last: i64 = t.query_row("SELECT max(id) FROM audit", [], |row| row.get(0))?;
    if last - after > MANY {
        tracing::warn!(
            lines = last - after,
            "audit lines of a version without a chain are being chained: this one start takes longer"
        );
    }
    for site in sites.iter().filter_map(|site| SiteId::from_slice(site)) {
        let (mut lines, mut hash) = (0, Context::new(&SHA256));
        let mut statement =
            t.prepare(&format!("{ENTRY} WHERE a.id > ?1 AND a.id <= ?2 AND a.site = ?3 ORDER BY a.id"))?;
        let mut rows = statement.query(params![after, last, &site.as_bytes()[..]])?;
        while let Some(row) = rows.next()? {
            let line = line_of(row, key);
            cover(&mut hash, &line.as_ref().map(Line::encode).unwrap_or_default());
            lines += 1;
            if let Some(query) = line.and_then(|line| line.query) {
                note_query(t, &query, row.get(0)?)?;
            }
        }
        let none = tip(t, site)?.is_none();
        let what = if none { Happened::Chained } else { Happened::Unchained };
        let anew = none && t.prepare_cached("SELECT 1 FROM meta WHERE name = ?1")?.exists([mark(site)])?;
        let covered = Covered { lines, sha256: super::trail::hex(hash.finish().as_ref()), anew };
        let detail = serde_json::to_string(&covered).ok();
        AuditLine { detail, ..AuditLine::new(now, what, site) }.write(t)?;
        tracing::warn!(%site, lines, "audit lines of a version without a chain are chained now");
    }
    t.execute(
        "INSERT INTO statement_used (sha256, last)
         SELECT sha256, max(id) FROM audit WHERE id > ?1 AND id <= ?2 AND sha256 IS NOT NULL GROUP BY sha256
         ON CONFLICT (sha256) DO UPDATE SET last = max(last, excluded.last)",
        [after, last],
    )?;
    Ok(())
}

/// Adds a line that nothing chains to the hash of those like it.
fn cover(hash: &mut Context, line: &[u8]) {
    hash.update(&u32::try_from(line.len()).unwrap_or(u32::MAX).to_be_bytes());
    hash.update(line);
}

/// A row of [`ENTRY`] as a line; none when it can't be one: somebody changed it.
fn line_of(row: &Row<'_>, key: Option<&dyn Protector>) -> Option<Line> {
    let text = |at| row.get::<_, Option<String>>(at).ok();
    let blob = |at| row.get::<_, Option<Vec<u8>>>(at).ok();
    let number = |at| row.get::<_, Option<i64>>(at).ok();
    // None of it where it is there and can't be one.
    fn all<T, U>(value: Option<T>, as_it: impl FnOnce(T) -> Option<U>) -> Option<Option<U>> {
        match value {
            None => Some(None),
            Some(value) => as_it(value).map(Some),
        }
    }
    let site = SiteId::from_slice(&row.get::<_, Vec<u8>>(3).ok()?)?;
    let (hash, of_sealed) = (blob(21)?, blob(22)?);
    let kept = hash.as_deref().zip(of_sealed.as_deref());
    let parameters = blob(18)?.map(|sealed| values::held(site, &sealed, kept, key));
    Some(Line {
        at: Timestamp(row.get(1).ok()?),
        what: row.get(2).ok()?,
        site,
        integrator: all(blob(4)?, |id| IntegratorId::from_slice(&id))?,
        instance: text(5)?,
        query: all(blob(6)?, |id| QueryId::from_slice(&id))?,
        device: text(7)?,
        access: text(8)?,
        catalogue: text(9)?,
        statement: all(blob(10)?, |hash| hash.try_into().ok())?,
        status: text(11)?,
        effect: text(12)?,
        rows: number(13)?.map(i64::cast_unsigned),
        bytes: number(14)?.map(i64::cast_unsigned),
        ms: all(number(15)?, |ms| u32::try_from(ms).ok())?,
        by: text(16)?,
        detail: text(17)?,
        parameters,
    })
}

pub(super) fn digest(bytes: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(aws_lc_rs::digest::digest(&SHA256, bytes).as_ref());
    hash
}

fn entry_of(row: &Row<'_>, key: &dyn Protector) -> rusqlite::Result<Entry> {
    let number: Option<i64> = row.get(19)?;
    let chain: Option<Vec<u8>> = row.get(20)?;
    Ok(Entry {
        id: row.get(0)?,
        place: number.zip(chain).and_then(|(number, chain)| place(number, chain).ok()),
        line: Some(line_of(row, Some(key)).as_ref().map(Line::encode).unwrap_or_default()),
    })
}

impl Store {
    /// Chains what a version without a chain has written.
    ///
    /// # Errors
    /// When the store can't be written.
    pub(crate) fn chain_older_lines(&self, now: Timestamp) -> Result<(), StoreError> {
        self.transaction(|t| chain_older(t, now, Some(&*self.protector)))
    }

    /// Where a site's chain stands; none: nothing was written yet.
    pub(crate) fn audit_tip(&self, site: SiteId) -> Result<Option<Place>, StoreError> {
        self.reading(|t| tip(t, site))
    }

    /// The value of one line of a site's chain.
    pub(crate) fn audit_at(&self, site: SiteId, number: u64) -> Result<Option<Place>, StoreError> {
        self.reading(|t| place_at(t, site, number))
    }

    /// The newest line of an integrator's own query that says how it ended or why it was refused, and what stood before it. That it was
    /// refused as a repeat counts only where there is no other.
    pub(crate) fn audit_end(
        &self,
        site: SiteId,
        integrator: IntegratorId,
        query: QueryId,
    ) -> Result<Option<End>, StoreError> {
        self.reading(|t| {
            let (mut end, mut repeat) = (None, None);
            lines_of(t, query, |id| {
                let mut statement = t.prepare_cached(&format!("{ENTRY} WHERE a.id = ?1"))?;
                let key = &*self.protector;
                let found = statement
                    .query_row([id], |row| Ok((line_of(row, Some(key)), entry_of(row, key)?)))
                    .optional()?;
                let Some((Some(line), Entry { place: Some(place), line: Some(bytes), .. })) = found else {
                    return Ok(false);
                };
                // The index may name another query's line: what a line says is what counts.
                let is_it = line.site == site
                    && line.integrator == Some(integrator)
                    && line.query == Some(query)
                    && matches!(line.what.as_str(), "end" | "refused");
                if !is_it {
                    return Ok(false);
                }
                // The same query sent again says nothing of how the first one ended.
                let repeated = line.what == "refused" && line.status.as_deref() == Some(REPEATED);
                let found = if repeated { &mut repeat } else { &mut end };
                if found.is_none() {
                    let before = place_at(t, site, place.number.saturating_sub(1))?;
                    *found = before.map(|before| End { place, before: before.chain, line: bytes });
                }
                Ok(!repeated)
            })?;
            Ok(end.or(repeat))
        })
    }

    /// The lines of a site after an id, up to another, in the order in which they were written, at most `most`; places whose line is gone are
    /// among them.
    pub(crate) fn audit_entries(
        &self,
        site: SiteId,
        after: i64,
        last: i64,
        most: u32,
    ) -> Result<Vec<Entry>, StoreError> {
        self.reading(|t| {
            let mut statement =
                t.prepare_cached(&format!("{ENTRY} WHERE a.id > ?1 AND a.site = ?2 AND a.id <= ?4 ORDER BY a.id LIMIT ?3"))?;
            let site = &site.as_bytes()[..];
            let found = params![after, site, most, last];
            let found = statement.query_map(found, |row| entry_of(row, &*self.protector))?;
            let mut entries = found.collect::<Result<Vec<_>, _>>()?;
            // Where these are the last there are, what is gone may stand behind them.
            let full = entries.len() == usize::try_from(most).unwrap_or(usize::MAX);
            let until = entries.last().filter(|_| full).map_or(last, |last| last.id);
            let mut gone = t.prepare_cached(
                "SELECT id, number, chain FROM audit_chain c WHERE id > ?1 AND id <= ?2 AND +site = ?3
                   AND NOT EXISTS (SELECT 1 FROM audit WHERE audit.id = c.id AND audit.site = c.site) ORDER BY id LIMIT ?4",
            )?;
            let gone = gone.query_map(params![after, until, site, most], |row| {
                let place = place(row.get(1)?, row.get(2)?).ok();
                Ok(Entry { id: row.get(0)?, place, line: None })
            })?;
            let gone = gone.collect::<Result<Vec<_>, _>>()?;
            if !gone.is_empty() {
                entries.extend(gone);
                entries.sort_by_key(|entry| entry.id);
                entries.truncate(usize::try_from(most).unwrap_or(usize::MAX));
            }
            Ok(entries)
        })
    }
}

pub(super) fn place_at(t: &Transaction<'_>, site: SiteId, number: u64) -> Result<Option<Place>, StoreError> {
    if number == 0 {
        return Ok(Some(Place { number, chain: genesis(site) }));
    }
    let key = params![&site.as_bytes()[..], number.cast_signed()];
    for sql in [
        "SELECT chain FROM audit_chain WHERE site = ?1 AND number = ?2",
        "SELECT chain FROM audit_cut WHERE site = ?1 AND number = ?2",
    ] {
        let found = t.prepare_cached(sql)?.query_row(key, |row| row.get(0)).optional()?;
        if let Some(chain) = found {
            return place(number.cast_signed(), chain).map(Some);
        }
    }
    Ok(None)
}

/// The ids of a query's lines, newest first, until one is taken: whoever asks for a receipt asks soon.
pub(super) fn lines_of(
    t: &Transaction<'_>,
    query: QueryId,
    mut is_it: impl FnMut(i64) -> Result<bool, StoreError>,
) -> Result<(), StoreError> {
    let bound = |sql: &str| -> Result<Option<i64>, StoreError> {
        Ok(t.prepare_cached(sql)?.query_row([], |row| row.get(0))?)
    };
    let (Some(oldest), Some(newest)) =
        (bound("SELECT min(bucket) FROM audit_query")?, bound("SELECT max(bucket) FROM audit_query")?)
    else {
        return Ok(());
    };
    let mut statement =
        t.prepare_cached("SELECT id FROM audit_query WHERE bucket = ?1 AND query = ?2 ORDER BY id DESC")?;
    for bucket in (oldest..=newest).rev() {
        let ids = statement.query_map(params![bucket, &query.as_bytes()[..]], |row| row.get(0))?;
        for id in ids {
            if is_it(id?)? {
                return Ok(());
            }
        }
    }
    Ok(())
}
