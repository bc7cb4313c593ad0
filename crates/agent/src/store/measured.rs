//! For the benchmarks alone: the audit filled, read and checked as the door and the Utility do it, without what is around them.

use super::{AuditFilter, AuditLine, Happened, Store, StoreError};
use audit::{Checker, Entry, Report, Start};
use model::{Access, Command, CommandType, ExecutionMode, IntegratorId, QueryId, SiteId, Timestamp};
use rusqlite::params;
use std::sync::Arc;
use uuid::Uuid;

/// One query in so many is of the integrator that is looked for.
const RARE: u64 = 10_000;

impl Store {
    /// Writes the two lines of each of these queries, so many lines in one transaction. `chained` false: as a version without a chain wrote
    /// them.
    ///
    /// # Errors
    /// When the store can't be written.
    #[doc(hidden)]
    pub fn fill_audit(
        &self,
        site: SiteId,
        queries: std::ops::Range<u64>,
        group: u64,
        chained: bool,
    ) -> Result<(), StoreError> {
        let command = Arc::new(Command {
            text: "SELECT TOP 1 InternalID, Surname FROM BPS_Patients WHERE InternalID = @id".into(),
            mode: ExecutionMode::Reader,
            kind: CommandType::Text,
            parameters: Vec::new(),
            catalogue: None,
        });
        let mut next = queries.start;
        while next < queries.end {
            let until = queries.end.min(next + group.div_ceil(2));
            self.transaction(|t| {
                for number in next..until {
                    let of = AuditLine {
                        integrator: Some(measured_integrator(number)),
                        instance: Some("gateway-1".into()),
                        query: Some(measured_query(number)),
                        access: Some(Access::ReadOnly),
                        catalogue: Some("Patients".into()),
                        ..AuditLine::new(
                            Timestamp(1_790_000_000_000 + number.cast_signed()),
                            Happened::Begin,
                            site,
                        )
                    };
                    let begin = AuditLine { command: Some(command.clone()), ..of.clone() };
                    let end = AuditLine {
                        what: Happened::End,
                        status: Some("SUCCESSFUL"),
                        effect: Some("not-executed"),
                        rows: Some(1),
                        bytes: Some(120),
                        ms: Some(2),
                        ..of
                    };
                    for line in [begin, end] {
                        match chained {
                            true => line.write(t)?,
                            false => line.write_as_before(t)?,
                        }
                    }
                }
                Ok(())
            })?;
            next = until;
        }
        Ok(())
    }

    /// Shows the newest lines: all (`None`), or a rare integrator's; gives their count.
    ///
    /// # Errors
    /// When the store can't be read.
    #[doc(hidden)]
    pub fn show_audit(&self, last: u32, rare: bool) -> Result<usize, StoreError> {
        let integrator = rare.then(|| measured_integrator(0));
        Ok(self.audit_where(&AuditFilter { last, integrator, ..AuditFilter::default() })?.len())
    }

    /// Looks up what a receipt for a query is made of; whether it is there.
    ///
    /// # Errors
    /// When the store can't be read.
    #[doc(hidden)]
    pub fn find_end(&self, site: SiteId, query: u64) -> Result<bool, StoreError> {
        Ok(self.audit_end(site, measured_integrator(query), measured_query(query))?.is_some())
    }

    /// Chains what was filled in without a chain, as the first start of this version does.
    ///
    /// # Errors
    /// When the store can't be written.
    #[doc(hidden)]
    pub fn chain_filled(&self) -> Result<(), StoreError> {
        self.chain_older_lines(Timestamp(0))
    }

    /// Walks over all lines, as `audit verify` does.
    ///
    /// # Errors
    /// When the store can't be read.
    #[doc(hidden)]
    pub fn check_audit(&self, site: SiteId) -> Result<Report, StoreError> {
        let (mut checker, mut after) = (Checker::new(site, Start::First, Vec::new()), Some(0));
        while let Some(from) = after {
            let piece = self.audit_entries(site, from, i64::MAX, 2_000)?;
            after = piece.last().map(|last| last.id);
            for entry in piece {
                let place = entry.place.map(|place| (place.number, place.chain));
                checker.line(Entry { place, line: entry.line.as_deref() });
            }
        }
        Ok(checker.finish())
    }
}

#[cfg(test)]
impl Store {
    /// Chains a site's lines as they lie there, as if they had been written so.
    pub(crate) fn chain_anew(&self, site: SiteId) -> Result<(), StoreError> {
        let entries = self.audit_entries(site, 0, i64::MAX, u32::MAX)?;
        self.transaction(|t| {
            let mut before = audit::genesis(site);
            for super::ChainEntry { id, place, line } in &entries {
                let number = place.ok_or(StoreError::Broken("a line"))?.number;
                before = audit::chain(&before, number, line.as_deref().unwrap_or_default());
                t.execute("UPDATE audit_chain SET chain = ?2 WHERE id = ?1", params![id, &before[..]])?;
            }
            t.execute(
                "UPDATE audit_head SET chain = ?2 WHERE site = ?1",
                params![&site.as_bytes()[..], &before[..]],
            )?;
            Ok(())
        })
    }
}

fn measured_integrator(query: u64) -> IntegratorId {
    IntegratorId(Uuid::from_u128(if query.is_multiple_of(RARE) { 1 } else { 2 }))
}

/// Spread as random ones are.
fn measured_query(number: u64) -> QueryId {
    let spread = u128::from(number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    QueryId(Uuid::from_u128(spread << 64 | u128::from(number)))
}

impl AuditLine {
    /// What a version without a chain did.
    fn write_as_before(&self, t: &rusqlite::Transaction<'_>) -> Result<(), StoreError> {
        let line = self.line();
        if let (Some(command), Some(hash)) = (&self.command, &line.statement) {
            t.prepare_cached("INSERT OR IGNORE INTO statement (sha256, text) VALUES (?1, ?2)")?
                .execute(params![&hash[..], command.text.reveal()])?;
        }
        // The engine chooses its id.
        super::trail::insert(t, None, &line)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::store;
    use super::*;

    /// What the benchmark measures works, and what an old query's receipt is made of is found behind a border of the index.
    #[test]
    fn a_filled_audit_is_whole_and_its_oldest_query_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let (store, site) = (store(folder.path()), SiteId(Uuid::from_u128(9)));
        store.fill_audit(site, 0..40_000, 2_000, true).unwrap();
        assert!(store.find_end(site, 0).unwrap() && store.find_end(site, 39_999).unwrap());
        // The second line of the first query on the other side of the border.
        assert!(store.find_end(site, 32_767).unwrap());
        assert!(!store.find_end(site, 40_000).unwrap());
        assert_eq!(store.show_audit(100, true).unwrap(), 8);
        let report = store.check_audit(site).unwrap();
        assert_eq!((report.lines, report.last, report.findings), (80_000, 80_000, vec![]));
    }
}
