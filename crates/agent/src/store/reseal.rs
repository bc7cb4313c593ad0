//! The same values under another key: for a file that comes from another server, sealed with a key that came with it.

use super::{AuditLine, Store, StoreError, codes, jobs, ledger, pairings, seal, trail};
use crate::protect::Protector;
use model::{IntegratorId, QueryId, SiteId};
use rusqlite::{Connection, Transaction, params_from_iter, types::Value};
use std::path::Path;

/// A sealed column: how its values are found with what names them, how they are put back, and what they are sealed for.
struct Column {
    name: &'static str,
    select: &'static str,
    update: &'static str,
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
                ", site, integrator, query FROM job WHERE ",
                $column,
                " IS NOT NULL"
            ),
            update: concat!(
                "UPDATE job SET ",
                $column,
                " = ?1 WHERE site = ?2 AND integrator = ?3 AND query = ?4"
            ),
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
                ", site, integrator, query FROM schedule JOIN job ON job.id = schedule.job WHERE schedule.",
                $column,
                " IS NOT NULL"
            ),
            update: concat!(
                "UPDATE schedule SET ",
                $column,
                " = ?1 WHERE job = (SELECT id FROM job WHERE site = ?2 AND integrator = ?3 AND query = ?4)"
            ),
            purpose: |key| Some(jobs::purpose($column, &query(key)?)),
        }
    };
}

/// All of them; a test looks whether one was forgotten.
const COLUMNS: &[Column] = &[
    Column {
        name: "pairing.login",
        select: "SELECT login, site, integrator FROM pairing WHERE login <> x''",
        update: "UPDATE pairing SET login = ?1 WHERE site = ?2 AND integrator = ?3",
        purpose: |key| Some(pairings::purpose(site(key)?, IntegratorId::from_slice(key.get(1)?)?)),
    },
    Column {
        name: "code.secret",
        select: "SELECT secret, site, CAST(name AS BLOB) FROM code",
        update: "UPDATE code SET secret = ?1 WHERE site = ?2 AND name = CAST(?3 AS TEXT)",
        purpose: |key| Some(codes::purpose(site(key)?, std::str::from_utf8(key.get(1)?).ok()?)),
    },
    Column {
        name: "ledger.ended",
        select: "SELECT ended, site, integrator, query FROM ledger WHERE sealed = 1 AND ended IS NOT NULL",
        update: "UPDATE ledger SET ended = ?1 WHERE site = ?2 AND integrator = ?3 AND query = ?4",
        purpose: |key| Some(ledger::purpose(&query(key)?)),
    },
    job!("request"),
    job!("key"),
    job!("columns"),
    job!("ended"),
    schedule!("name"),
    schedule!("error"),
    Column {
        name: "audit_more.parameters",
        select: "SELECT audit_more.parameters, audit.site, CAST(audit_more.id AS TEXT) FROM audit_more JOIN audit USING (id)
                 WHERE audit_more.parameters IS NOT NULL",
        update: "UPDATE audit_more SET parameters = ?1 WHERE ?2 IS NOT NULL AND id = CAST(CAST(?3 AS TEXT) AS INTEGER)",
        purpose: |key| Some(trail::parameters_purpose(site(key)?)),
    },
];

/// Seals everything that `from` has sealed with `to`. What `from` does not open stays as it is: it was sealed with an even older key.
pub(crate) fn reseal(
    t: &Transaction<'_>,
    from: &dyn Protector,
    to: &dyn Protector,
) -> Result<(), StoreError> {
    for column in COLUMNS {
        let mut found: Vec<(Vec<u8>, Vec<Vec<u8>>)> = Vec::new();
        {
            let mut statement = t.prepare(column.select)?;
            let width = statement.column_count();
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                let bytes = |at: usize| -> Result<Vec<u8>, StoreError> {
                    let value = row.get_ref(at)?;
                    value
                        .as_bytes()
                        .map(<[u8]>::to_vec)
                        .map_err(|_| StoreError::Broken("a sealed value's name"))
                };
                found.push((bytes(0)?, (1..width).map(bytes).collect::<Result<_, _>>()?));
            }
        }
        tracing::debug!(column = column.name, values = found.len(), "sealed anew");
        let mut update = t.prepare(column.update)?;
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
    seal::keep_canary(t, to)
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
        "audit.integrator",
        "audit.query",
        "audit.sha256",
        "audit.site",
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
        "recovery_kit.public",
        "rights.integrator",
        "rights.site",
        "schedule.hash",
        "seal.canary",
        "site_off.site",
        "site_said.site",
        "statement.sha256",
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
            .map(str::to_owned)
            .collect();
        assert_eq!(there, known, "say in store/reseal.rs what seals a new column, or that nothing does");
    }
}
