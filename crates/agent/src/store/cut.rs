//! The old end of the audit: what a walk over it begins with, and how lines that are older than the practice keeps are removed.
//!
//! First it is written down up to where (the value there, signed, and a line that says so), then lines go, in pieces. So what remains
//! is provable from there on, and a removal that was cut off is taken up again.

use super::{AuditLine, Happened, Place, Store, StoreError, chain, trail};
use audit::SignedHead;
use model::{SiteId, Timestamp};
use rusqlite::{OptionalExtension, Transaction, params};

/// Lines in one transaction: what is waited for at most by whoever wants to write meanwhile.
const PIECE: u32 = 2_000;

/// Up to where lines were removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CutRecord {
    /// Its number and value.
    pub(crate) place: Place,
    /// The id of the newest line that goes.
    pub(crate) line: i64,
    /// As it was signed.
    pub(crate) head: SignedHead,
}

/// The lines that a walk goes over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Walk {
    /// It begins behind this id.
    pub(crate) after: i64,
    /// And ends with this one.
    pub(crate) until: i64,
    /// What the first line follows.
    pub(crate) start: Place,
    /// Its newest line; none: there is no line with a number.
    pub(crate) end: Option<Place>,
    /// What was removed before.
    pub(crate) cut: Option<CutRecord>,
}

/// How one piece of the statements' texts is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Texts {
    pub(crate) looked: u64,
    /// Of them, so many that can't be checked: they were cut when they were written.
    pub(crate) cut: u64,
    /// Hashes of which the texts are other ones, hexadecimal.
    pub(crate) wrong: Vec<String>,
    /// Where the next piece begins; none: this was the last.
    pub(crate) after: Option<Vec<u8>>,
}

impl Store {
    /// The lines of a time; all, where none is said. None: there are none.
    pub(crate) fn audit_walk(
        &self,
        site: SiteId,
        since: Option<Timestamp>,
        until: Option<Timestamp>,
    ) -> Result<Option<Walk>, StoreError> {
        self.reading(|t| {
            let cut = cut_of(t, site)?;
            let id = &site.as_bytes()[..];
            let floor = cut.as_ref().map_or(0, |cut| cut.line);
            let after = match since {
                None => Some(floor),
                Some(since) => t
                    .query_row(
                        "SELECT id FROM audit WHERE at >= ?1 AND site = ?2 AND id > ?3 ORDER BY at, id LIMIT 1",
                        params![since.0, id, floor],
                        |row| row.get::<_, i64>(0),
                    )
                    .optional()?
                    .map(|first| first - 1),
            };
            let last = match until {
                None => Some(i64::MAX),
                Some(until) => t
                    .query_row(
                        "SELECT id FROM audit WHERE at < ?1 AND site = ?2 ORDER BY at DESC, id DESC LIMIT 1",
                        params![until.0, id],
                        |row| row.get(0),
                    )
                    .optional()?,
            };
            let Some((after, until)) = after.zip(last).filter(|(after, until)| after < until) else { return Ok(None) };
            let found = |sql: &str, bounds: [i64; 2]| -> Result<Option<u64>, StoreError> {
                let number: Option<i64> = t.query_row(sql, params![id, bounds[0], bounds[1]], |row| row.get(0)).optional()?;
                Ok(number.and_then(|number| u64::try_from(number).ok()))
            };
            // The line itself, and only where it has no number the next one that has: another site may have millions between. The plus: by
            // id, not by the site's numbers.
            let at = "SELECT number FROM audit_chain WHERE +site = ?1 AND id >= ?2 AND id <= ?3 ORDER BY id LIMIT 1";
            let first = match since {
                None => None,
                Some(_) => match found(at, [after + 1, after + 1])? {
                    None => found(at, [after + 1, until])?,
                    there => there,
                },
            };
            let last = match (until, found(at, [until, until])?) {
                (i64::MAX, _) => None,
                (_, None) => found(
                    "SELECT number FROM audit_chain WHERE +site = ?1 AND id > ?2 AND id <= ?3 ORDER BY id DESC LIMIT 1",
                    [after, until],
                )?,
                (_, there) => there,
            };
            let bottom = cut.as_ref().map_or(Place { number: 0, chain: audit::genesis(site) }, |cut| cut.place);
            // Where the line before a part is gone, the walk shows what else is: from the beginning on.
            let start = match first.filter(|_| since.is_some()) {
                Some(first) => chain::place_at(t, site, first.saturating_sub(1))?,
                None => Some(bottom),
            };
            let (start, after) = start.map_or((bottom, floor), |start| (start, after));
            let end = match (last, until) {
                // Where nothing bounds it: also what only the head knows.
                (_, i64::MAX) => chain::tip(t, site)?,
                (Some(last), _) => chain::place_at(t, site, last)?,
                (None, _) => None,
            };
            Ok(Some(Walk { after, until, start, end, cut }))
        })
    }

    /// The newest line that may go: it and all before it were written before `before`. Looks at `most` lines with a number at most, and again from there
    /// the next time; `None` when there is nothing to do, as is while fewer than a day's lines are too old.
    pub(crate) fn audit_old(
        &self,
        site: SiteId,
        before: Timestamp,
        a_day_ago: Timestamp,
        most: u32,
    ) -> Result<Option<(Place, i64)>, StoreError> {
        self.reading(|t| {
            let after = cut_of(t, site)?.map_or(0, |cut| cut.place.number);
            // Lines without a number go with the one that holds them, however many they are; those of another site are not looked at.
            let mut statement = t.prepare_cached(
                "SELECT a.id, a.at, c.number, c.chain FROM audit_chain c JOIN audit a ON a.id = c.id AND a.site = c.site
                 WHERE c.site = ?2 AND c.number > ?1 ORDER BY c.number LIMIT ?3",
            )?;
            let mut rows = statement.query(params![after.cast_signed(), &site.as_bytes()[..], most])?;
            let (mut newest, mut first) = (None, true);
            while let Some(row) = rows.next()? {
                let at: i64 = row.get(1)?;
                if at >= if first { a_day_ago.0 } else { before.0 } {
                    break;
                }
                first = false;
                newest = Some((chain::place(row.get(2)?, row.get(3)?)?, row.get(0)?));
            }
            Ok(newest)
        })
    }

    /// Writes down that lines up to there go. Nothing is removed yet.
    pub(crate) fn cut_audit(
        &self,
        cut: &CutRecord,
        now: Timestamp,
        before: Timestamp,
    ) -> Result<(), StoreError> {
        self.transaction(|t| {
            let CutRecord { place, line, head } = cut;
            t.execute(
                "INSERT INTO audit_cut (site, number, chain, line, head) VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT (site) DO UPDATE SET number = ?2, chain = ?3, line = ?4, head = ?5",
                params![
                    &head.head.site.as_bytes()[..],
                    place.number.cast_signed(),
                    &place.chain[..],
                    line,
                    head.encode()
                ],
            )?;
            let detail = serde_json::json!({
                "number": place.number,
                "chain": trail::hex(&place.chain),
                "before": before.to_rfc3339(),
            });
            let detail = Some(detail.to_string());
            AuditLine { detail, ..AuditLine::new(now, Happened::AuditCut, head.head.site) }.write(t)
        })
    }

    /// Removes one piece of what was written down to go, behind an id. Whether anything went, and where to go on; none: nothing is left.
    pub(crate) fn remove_cut(&self, site: SiteId, after: i64) -> Result<(bool, Option<i64>), StoreError> {
        self.transaction(|t| {
            let Some(cut) = cut_of(t, site)? else { return Ok((false, None)) };
            // Another site's lines count too, or looking for the few of this one between them would take long.
            let mut statement = t.prepare_cached(
                "SELECT id, site FROM audit WHERE id > ?1 AND id <= ?2 ORDER BY id LIMIT ?3",
            )?;
            let rows = statement.query_map(params![after, cut.line, PIECE], |row| {
                Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?))
            })?;
            let rows = rows.collect::<Result<Vec<_>, _>>()?;
            let last = rows.last().map(|(id, _)| *id);
            let mut removed = false;
            for (id, _) in rows.iter().filter(|(_, of)| of[..] == site.as_bytes()[..]) {
                removed = true;
                t.prepare_cached("DELETE FROM audit_more WHERE id = ?1")?.execute([id])?;
                t.prepare_cached("DELETE FROM audit_values WHERE id = ?1")?.execute([id])?;
                t.prepare_cached("DELETE FROM audit_device WHERE audit = ?1")?.execute([id])?;
                t.prepare_cached("DELETE FROM audit_chain WHERE id = ?1")?.execute([id])?;
                chain::forget_query(t, *id)?;
                t.prepare_cached("DELETE FROM audit WHERE id = ?1")?.execute([id])?;
            }
            Ok((removed, last))
        })
    }

    /// Forgets one piece of the texts that no line refers to any more, from a hash on. `None`: that was the last.
    pub(crate) fn forget_texts(&self, after: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.transaction(|t| {
            let oldest: i64 = t.query_row("SELECT coalesce(min(id), 0) FROM audit", [], |row| row.get(0))?;
            let mut statement = t.prepare_cached(
                "SELECT sha256, last FROM statement_used WHERE sha256 > ?1 ORDER BY sha256 LIMIT ?2",
            )?;
            let rows = statement.query_map(params![after, PIECE], |row| Ok((row.get(0)?, row.get(1)?)))?;
            let rows = rows.collect::<Result<Vec<(Vec<u8>, i64)>, _>>()?;
            for (hash, _) in rows.iter().filter(|(_, last)| *last < oldest) {
                t.prepare_cached("DELETE FROM statement WHERE sha256 = ?1")?.execute([hash])?;
                t.prepare_cached("DELETE FROM statement_used WHERE sha256 = ?1")?.execute([hash])?;
            }
            let full = rows.len() == usize::try_from(PIECE).unwrap_or(usize::MAX);
            Ok(rows.into_iter().next_back().map(|(hash, _)| hash).filter(|_| full))
        })
    }

    /// Looks at one piece of the statements' texts, from a hash on: how many, those that are not the ones their hashes are of, and where
    /// to go on.
    pub(crate) fn check_texts(&self, after: &[u8]) -> Result<Texts, StoreError> {
        self.reading(|t| {
            let mut statement = t.prepare_cached(
                "SELECT sha256, text FROM statement WHERE sha256 > ?1 ORDER BY sha256 LIMIT ?2",
            )?;
            let mut rows = statement.query(params![after, PIECE])?;
            let (mut texts, mut last) = (Texts::default(), None);
            while let Some(row) = rows.next()? {
                let hash: Vec<u8> = row.get(0)?;
                let text: Result<String, _> = row.get(1);
                match text.map(|text| (chain::digest(text.as_bytes())[..] == hash[..], text.len())) {
                    Ok((true, _)) => {}
                    // It was cut when it was written: there it is never longer, and hardly shorter.
                    Ok((false, trail::TEXT_SHORTEST..=trail::TEXT_BYTES)) => texts.cut += 1,
                    Ok((false, _)) | Err(_) => texts.wrong.push(trail::hex(&hash)),
                }
                texts.looked += 1;
                last = Some(hash);
            }
            texts.after = last.filter(|_| texts.looked == u64::from(PIECE));
            Ok(texts)
        })
    }

    /// The hashes of a site's lines after an id, up to another, of which no text is kept, hexadecimal. A text goes after the last line that
    /// has its hash.
    pub(crate) fn texts_gone(&self, site: SiteId, after: i64, until: i64) -> Result<Vec<String>, StoreError> {
        self.reading(|t| {
            let mut statement = t.prepare_cached(
                "SELECT DISTINCT sha256 FROM audit WHERE id > ?1 AND id <= ?2 AND site = ?3 AND sha256 IS NOT NULL
                     AND NOT EXISTS (SELECT 1 FROM statement WHERE statement.sha256 = audit.sha256)",
            )?;
            let rows = statement
                .query_map(params![after, until, &site.as_bytes()[..]], |row| row.get::<_, Vec<u8>>(0))?;
            Ok(rows.map(|hash| hash.map(|hash| trail::hex(&hash))).collect::<Result<_, _>>()?)
        })
    }
}

/// Lets a site's audit begin behind a place that is its own, as signed: nothing of it may be there yet.
pub(crate) fn begin_above(t: &Transaction<'_>, head: &SignedHead) -> Result<(), StoreError> {
    chain::begun(t, head.head.site)?;
    t.execute(
        "INSERT INTO audit_cut (site, number, chain, line, head) VALUES (?1, ?2, ?3, 0, ?4)",
        params![
            &head.head.site.as_bytes()[..],
            head.head.number.cast_signed(),
            &head.head.chain[..],
            head.encode()
        ],
    )?;
    Ok(())
}

fn cut_of(t: &Transaction<'_>, site: SiteId) -> Result<Option<CutRecord>, StoreError> {
    let mut statement =
        t.prepare_cached("SELECT number, chain, line, head FROM audit_cut WHERE site = ?1")?;
    let found = statement
        .query_row([&site.as_bytes()[..]], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get::<_, Vec<u8>>(3)?))
        })
        .optional()?;
    let Some((number, value, line, head)) = found else { return Ok(None) };
    let head = SignedHead::decode(&head).map_err(|_| StoreError::Broken("where the audit was cut"))?;
    Ok(Some(CutRecord { place: chain::place(number, value)?, line, head }))
}
