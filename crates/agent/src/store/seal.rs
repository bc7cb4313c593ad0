//! Is the key at hand the one that sealed what is kept? A sealed canary says so at every start, before anything is served.

use super::{Store, StoreError, codes, ledger, pairings};
use crate::protect::{Protector, Whence};
use model::{IntegratorId, QueryId, SiteId};
use rusqlite::{Connection, OpenFlags, OptionalExtension, Transaction, params};
use std::path::Path;

/// What the canary is sealed for, and what is in it.
pub(super) const PURPOSE: &str = "seal canary";
/// Outcomes looked at in a file from before there was a canary.
const OUTCOMES: u32 = 100;

/// What `link.db` says of its seal; no key is needed to ask.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sealed {
    /// Codes, logins, outcomes and jobs that are sealed in it.
    pub rows: u64,
    /// Where the key that sealed them came from, where that was noted.
    pub whence: Option<Whence>,
    /// The last start had another key, and was refused.
    pub refused: bool,
}

/// Asks the `link.db` in `folder`; nothing is sealed in one that is not there.
///
/// # Errors
/// When the file can't be read.
pub fn sealed(folder: &Path) -> Result<Sealed, StoreError> {
    let path = folder.join("link.db");
    if !path.try_exists()? {
        return Ok(Sealed::default());
    }
    let mut connection = Connection::open_with_flags(&path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    connection.busy_timeout(super::BUSY)?;
    let t = connection.transaction()?;
    let rows = rows(&t)?;
    let kept = if has(&t, "seal")? { kept(&t)? } else { None };
    Ok(kept.map_or(Sealed { rows, ..Sealed::default() }, |kept| Sealed {
        rows,
        whence: kept.whence,
        refused: kept.refused,
    }))
}

impl Store {
    /// Refuses a key that is not the one which sealed what is kept, and remembers that for the doctor.
    pub(super) fn check_seal(&self) -> Result<(), StoreError> {
        let protector = &*self.protector;
        let wrong = self.transaction(|t| {
            let now = protector.whence();
            let (fits, kept) = match kept(t)? {
                Some(kept) => (protector.open(PURPOSE, &kept.canary).is_ok(), Some(kept)),
                None => (any_opens(t, protector)?, None),
            };
            // Where nothing is sealed, nothing is lost with another key.
            if !fits && rows(t)? > 0 {
                t.execute("UPDATE seal SET refused = 1", [])?;
                return Ok(Some(StoreError::OtherKey { now, was: kept.and_then(|kept| kept.whence) }));
            }
            if !fits || kept.is_none_or(|kept| kept.whence != Some(now) || kept.refused) {
                keep_canary(t, protector)?;
            }
            Ok(None)
        })?;
        wrong.map_or(Ok(()), Err)
    }
}

/// Notes that all that is sealed was sealed with this key.
pub(super) fn keep_canary(t: &Transaction<'_>, key: &dyn Protector) -> Result<(), StoreError> {
    let canary = key.seal(PURPOSE, b"canary")?;
    t.execute(
        "INSERT OR REPLACE INTO seal (one, canary, whence, refused) VALUES (1, ?1, ?2, 0)",
        params![canary, key.whence().name()],
    )?;
    Ok(())
}

/// The canary, where there is one.
pub(super) fn canary(t: &Transaction<'_>) -> Result<Option<Vec<u8>>, StoreError> {
    Ok(kept(t)?.map(|kept| kept.canary))
}

struct Kept {
    canary: Vec<u8>,
    whence: Option<Whence>,
    refused: bool,
}

fn kept(t: &Transaction<'_>) -> Result<Option<Kept>, StoreError> {
    let kept = t.query_row("SELECT canary, whence, refused FROM seal", [], |row| {
        let whence: String = row.get(1)?;
        Ok(Kept { canary: row.get(0)?, whence: Whence::named(&whence), refused: row.get(2)? })
    });
    Ok(kept.optional()?)
}

fn has(t: &Transaction<'_>, table: &str) -> Result<bool, StoreError> {
    Ok(t.prepare("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?1")?.exists([table])?)
}

/// How much is sealed. A file that a first start left empty has no tables.
fn rows(t: &Transaction<'_>) -> Result<u64, StoreError> {
    if !has(t, "pairing")? {
        return Ok(0);
    }
    let rows: i64 = t.query_row(
        "SELECT (SELECT count(*) FROM code) + (SELECT count(*) FROM pairing WHERE login <> x'')
              + (SELECT count(*) FROM ledger WHERE sealed = 1)",
        [],
        |row| row.get(0),
    )?;
    // Their tables came later than these.
    let jobs: i64 =
        if has(t, "job")? { t.query_row("SELECT count(*) FROM job", [], |row| row.get(0))? } else { 0 };
    Ok((rows + jobs).cast_unsigned())
}

/// Whether anything that is sealed opens with this key; true when nothing is. A file from before there was a canary may hold values of two
/// keys, for versions of that time made a new one without a word: what opens is worth serving.
fn any_opens(t: &Transaction<'_>, protector: &dyn Protector) -> Result<bool, StoreError> {
    let mut sealed: Vec<(Option<String>, Vec<u8>)> = Vec::new();
    let mut take = |sql: &str, purpose: &dyn Fn(&[Vec<u8>]) -> Option<String>| -> Result<(), StoreError> {
        let mut statement = t.prepare(sql)?;
        let columns = statement.column_count();
        let mut found = statement.query([])?;
        while let Some(row) = found.next()? {
            let words = (1..columns).map(|at| row.get(at)).collect::<Result<Vec<Vec<u8>>, _>>()?;
            sealed.push((purpose(&words), row.get(0)?));
        }
        Ok(())
    };
    let site = |words: &[Vec<u8>]| SiteId::from_slice(words.first()?);
    let integrator = |words: &[Vec<u8>]| IntegratorId::from_slice(words.get(1)?);
    take("SELECT login, site, integrator FROM pairing WHERE login <> x''", &|words| {
        Some(pairings::purpose(site(words)?, integrator(words)?))
    })?;
    take("SELECT secret, site, CAST(name AS BLOB) FROM code", &|words| {
        Some(codes::purpose(site(words)?, std::str::from_utf8(words.get(1)?).ok()?))
    })?;
    let newest = format!(
        "SELECT ended, site, integrator, query FROM ledger WHERE sealed = 1 ORDER BY started_at DESC LIMIT {OUTCOMES}"
    );
    take(&newest, &|words| {
        let query = QueryId::from_slice(words.get(2)?)?;
        let of = ledger::LedgerKey { site: site(words)?, integrator: integrator(words)?, query };
        Some(ledger::purpose(&of))
    })?;
    let opens = |(purpose, value): &(Option<String>, Vec<u8>)| {
        purpose.as_ref().is_some_and(|purpose| protector.open(purpose, value).is_ok())
    };
    Ok(sealed.is_empty() || sealed.iter().any(opens))
}
