//! The same values under another key: for a file that comes from another server, sealed with a key that came with it.

use super::{AuditLine, Store, StoreError, codes, jobs, ledger, pairings, seal, values};
use crate::protect::Protector;
use model::{IntegratorId, QueryId, SiteId};
use rusqlite::{Connection, Transaction, params, params_from_iter, types::Value};
use std::path::Path;

/// Values that are sealed anew before the next are read: so many, or so many bytes. A server may have millions.
const PIECE: usize = 1_000;
const PIECE_BYTES: usize = 16 * 1024 * 1024;

/// A sealed column. `select` gives its values with what names them, in the order of those names and behind some (`?1` and on); `update`
/// puts one back (`?1`) by them (`?2` and on).
struct Column {
    name: &'static str,
    select: &'static str,
    update: &'static str,
    /// How many name a value. Empty bytes stand before all of them.
    names: usize,
    purpose: fn(&[Vec<u8>]) -> Option<String>,
}

fn site(key: &[Vec<u8>]) -> Option<SiteId> {
    SiteId::from_slice(key.first()?)
}

fn query(key: &[Vec<u8>]) -> Option<ledger::LedgerKey> {
    let integrator = IntegratorId::from_slice(key.get(1)?)?;
    Some(ledger::LedgerKey { site: site(key)?, integrator, query: QueryId::from_slice(key.get(2)?)? })
}

macro_rules! job {
    ($column:literal) => {
        Column {
            name: concat!("job.", $column),
            select: concat!(
                "SELECT ",
                $column,
                ", site, integrator, query FROM job WHERE (site, integrator, query) > (?1, ?2, ?3) AND ",
                $column,
                " IS NOT NULL ORDER BY site, integrator, query"
            ),
            update: concat!(
                "UPDATE job SET ",
                $column,
                " = ?1 WHERE site = ?2 AND integrator = ?3 AND query = ?4"
            ),
            names: 3,
            purpose: |key| Some(jobs::purpose($column, &query(key)?)),
        }
    };
}

macro_rules! schedule {
    ($column:literal) => {
        Column {
            name: concat!("schedule.", $column),
            select: concat!(
                "SELECT schedule.",
                $column,
                ", site, integrator, query FROM job JOIN schedule ON job.id = schedule.job
                 WHERE (site, integrator, query) > (?1, ?2, ?3) AND schedule.",
                $column,
                " IS NOT NULL ORDER BY site, integrator, query"
            ),
            update: concat!(
                "UPDATE schedule SET ",
                $column,
                " = ?1 WHERE job = (SELECT id FROM job WHERE site = ?2 AND integrator = ?3 AND query = ?4)"
            ),
            names: 3,
            purpose: |key| Some(jobs::purpose($column, &query(key)?)),
        }
    };
}

/// All of them but for the audit's; a test looks whether one was forgotten.
const COLUMNS: &[Column] = &[
    Column {
        name: "pairing.login",
        select:
            "SELECT login, site, integrator FROM pairing WHERE (site, integrator) > (?1, ?2) AND login <> x''
                 ORDER BY site, integrator",
        update: "UPDATE pairing SET login = ?1 WHERE site = ?2 AND integrator = ?3",
        names: 2,
        purpose: |key| Some(pairings::purpose(site(key)?, IntegratorId::from_slice(key.get(1)?)?)),
    },
    Column {
        name: "code.secret",
        select:
            "SELECT secret, site, CAST(name AS BLOB) FROM code WHERE (site, name) > (?1, CAST(?2 AS TEXT))
                 ORDER BY site, name",
        update: "UPDATE code SET secret = ?1 WHERE site = ?2 AND name = CAST(?3 AS TEXT)",
        names: 2,
        purpose: |key| Some(codes::purpose(site(key)?, std::str::from_utf8(key.get(1)?).ok()?)),
    },
    Column {
        name: "ledger.ended",
        select:
            "SELECT ended, site, integrator, query FROM ledger WHERE (site, integrator, query) > (?1, ?2, ?3)
                   AND sealed = 1 AND ended IS NOT NULL ORDER BY site, integrator, query",
        update: "UPDATE ledger SET ended = ?1 WHERE site = ?2 AND integrator = ?3 AND query = ?4",
        names: 3,
        purpose: |key| Some(ledger::purpose(&query(key)?)),
    },
    job!("request"),
    job!("key"),
    job!("columns"),
    job!("ended"),
    schedule!("name"),
    schedule!("error"),
];

/// Seals everything that `from` has sealed with `to`. What `from` does not open stays as it is: it was sealed with an even older key.
pub(crate) fn reseal(
    t: &Transaction<'_>,
    from: &dyn Protector,
    to: &dyn Protector,
) -> Result<(), StoreError> {
    for column in COLUMNS {
        let mut behind = vec![Vec::new(); column.names];
        loop {
            let found = piece(t, column, &behind)?;
            let Some((_, last)) = found.last() else { break };
            behind.clone_from(last);
            let mut update = t.prepare_cached(column.update)?;
            for (sealed, key) in found {
                let Some(purpose) = (column.purpose)(&key) else { continue };
                let Ok(clear) = from.open(&purpose, &sealed) else { continue };
                let sealed = to.seal(&purpose, clear.reveal())?;
                let values = std::iter::once(sealed).chain(key).map(Value::Blob);
                if update.execute(params_from_iter(values))? != 1 {
                    return Err(StoreError::Broken("a sealed value's place"));
                }
            }
        }
        tracing::debug!(column = column.name, "sealed anew");
    }
    reseal_audit(t, from, to)?;
    seal::keep_canary(t, to)
}

/// A value, and what names it.
type Named = (Vec<u8>, Vec<Vec<u8>>);

fn piece(t: &Transaction<'_>, column: &Column, behind: &[Vec<u8>]) -> Result<Vec<Named>, StoreError> {
    let mut statement = t.prepare_cached(column.select)?;
    let mut rows = statement.query(params_from_iter(behind))?;
    let (mut found, mut bytes) = (Vec::new(), 0);
    while found.len() < PIECE
        && bytes < PIECE_BYTES
        && let Some(row) = rows.next()?
    {
        let of = |at: usize| -> Result<Vec<u8>, StoreError> {
            let value = row.get_ref(at)?;
            value.as_bytes().map(<[u8]>::to_vec).map_err(|_| StoreError::Broken("a sealed value's name"))
        };
        let value = of(0)?;
        bytes += value.len();
        found.push((value, (1..=column.names).map(of).collect::<Result<_, _>>()?));
    }
    Ok(found)
}

/// The audit's parameter values: what their lines hold of them stays what it was, whoever sealed them.
fn reseal_audit(t: &Transaction<'_>, from: &dyn Protector, to: &dyn Protector) -> Result<(), StoreError> {
    let mut behind = i64::MIN;
    loop {
        let mut statement = t.prepare_cached(
            "SELECT m.id, a.site, m.parameters FROM audit_more m JOIN audit a ON a.id = m.id
             WHERE m.id > ?1 AND m.parameters IS NOT NULL ORDER BY m.id LIMIT ?2",
        )?;
        let rows = statement
            .query_map(params![behind, PIECE as i64], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        let found: Vec<(i64, Vec<u8>, Vec<u8>)> = rows.collect::<Result<_, _>>()?;
        let Some((last, ..)) = found.last() else { return Ok(()) };
        behind = *last;
        for (id, site, sealed) in found {
            let Some(purpose) = SiteId::from_slice(&site).map(values::purpose) else { continue };
            let Ok(clear) = from.open(&purpose, &sealed) else { continue };
            let (clear, hash) = values::to_be_sealed_anew(clear.reveal(), &sealed)?;
            let sealed = to.seal(&purpose, clear.reveal())?;
            t.prepare_cached("UPDATE audit_more SET parameters = ?2 WHERE id = ?1")?
                .execute(params![id, sealed])?;
            values::keep(t, id, &hash, &sealed)?;
        }
    }
}

/// Whether a file is sealed with this key already.
pub(crate) fn is_sealed_with(t: &Transaction<'_>, key: &dyn Protector) -> Result<bool, StoreError> {
    match seal::canary(t)? {
        Some(canary) => Ok(key.open(seal::PURPOSE, &canary).is_ok()),
        None => Ok(false),
    }
}

impl Store {
    /// Copies the whole file to `to`, which must not be there, and seals the copy with `key`. The log is in it; nothing else may write meanwhile
    /// that has to be in it.
    pub(crate) fn copy_sealed_with(&self, to: &Path, key: &dyn Protector) -> Result<(), StoreError> {
        let name = to.to_str().ok_or(StoreError::Broken("the copy's name"))?;
        crate::files::touch_private(to)?;
        // Into an empty file: SQLite takes one as a new database.
        self.lock().execute("VACUUM INTO ?1", [name])?;
        let mut copy = Connection::open(to)?;
        copy.pragma_update(None, "secure_delete", true)?;
        let t = copy.transaction()?;
        reseal(&t, &*self.protector, key)?;
        t.commit()?;
        // What was sealed with this server's key is not to be in free pages.
        Ok(copy.execute_batch("VACUUM")?)
    }

    /// Writes lines that belong to nothing else.
    pub(crate) fn write_lines(&self, lines: &[AuditLine]) -> Result<(), StoreError> {
        self.transaction(|t| lines.iter().try_for_each(|line| line.write(t)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit::Bench;
    use std::collections::BTreeSet;

    /// Bytes that nobody seals: identifiers, hashes, public keys. The canary is made anew.
    const PLAIN: &[&str] = &[
        "approval.document",
        "approval.integrator",
        "approval.site",
        "approval_seen.integrator",
        "approval_seen.site",
        "audit.integrator",
        "audit.query",
        "audit.sha256",
        "audit.site",
        "audit_chain.chain",
        "audit_chain.site",
        "audit_cut.chain",
        "audit_cut.head",
        "audit_cut.site",
        "audit_head.chain",
        "audit_head.site",
        "audit_query.query",
        "audit_signed.head",
        "audit_signed.site",
        "audit_values.hash",
        "audit_values.sealed",
        "code.site",
        "consent.integrator",
        "consent.site",
        "consent_used.integrator",
        "consent_used.site",
        "event.chain",
        "event.hash",
        "event.integrator",
        "event.query",
        "event.site",
        "event_journal.chain",
        "event_journal.integrator",
        "event_journal.journal",
        "event_journal.site",
        "fence.integrator",
        "fence.query",
        "fence.site",
        "instance.integrator",
        "instance.site",
        "instance_shut.integrator",
        "instance_shut.site",
        "job.digest",
        "job.integrator",
        "job.query",
        "job.site",
        "ledger.integrator",
        "ledger.query",
        "ledger.site",
        "machine.print",
        "pairing.integrator",
        "pairing.root_spki",
        "pairing.site",
        "pairing_request.approval",
        "pairing_request.integrator",
        "pairing_request.root_spki",
        "pairing_request.site",
        "recovery_kit.public",
        "revocation.document",
        "revocation.integrator",
        "revocation.root_spki",
        "rights.integrator",
        "rights.site",
        "schedule.hash",
        "seal.canary",
        "site_off.site",
        "site_said.site",
        "statement.sha256",
        "statement_used.sha256",
        "unpaired.integrator",
        "unpaired.site",
    ];

    /// A column that is sealed and not here would be lost with a move, without a word until somebody needs it.
    #[test]
    fn every_column_of_bytes_is_either_sealed_anew_or_plain() {
        let bench = Bench::new();
        let there: BTreeSet<String> = bench
            .door()
            .store()
            .transaction(|t| {
                let mut statement = t.prepare(
                    "SELECT m.name || '.' || c.name FROM sqlite_master m JOIN pragma_table_info(m.name) c
                     WHERE m.type = 'table' AND c.type = 'BLOB'",
                )?;
                let names = statement.query_map([], |row| row.get(0))?;
                Ok(names.collect::<Result<_, _>>()?)
            })
            .unwrap();
        let known: BTreeSet<String> = PLAIN
            .iter()
            .copied()
            .chain(COLUMNS.iter().map(|column| column.name))
            .chain(["audit_more.parameters"])
            .map(str::to_owned)
            .collect();
        assert_eq!(there, known, "say in store/reseal.rs what seals a new column, or that nothing does");
    }
}
