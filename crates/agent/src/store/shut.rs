//! An audit that goes on elsewhere: here nothing is written to it any more, by whatever way.

use super::{AuditLine, Store, StoreError};

/// For this process alone: the file itself stays as it is, and whoever takes the move back writes on. On the table, because lines
/// are written in many transactions, each of which must fail as a whole.
const SHUT: &str = "CREATE TEMP TRIGGER IF NOT EXISTS audit_shut BEFORE INSERT ON main.audit BEGIN
    SELECT raise(ABORT, 'this server was moved out: its audit goes on at the new one'); END";

impl Store {
    /// Writes the last lines here.
    pub(crate) fn shut_audit(&self, last: &[AuditLine]) -> Result<(), StoreError> {
        self.transaction(|t| {
            last.iter().try_for_each(|line| line.write(t))?;
            Ok(t.execute_batch(SHUT)?)
        })
    }

    /// Goes on after all.
    pub(crate) fn reopen_audit(&self) -> Result<(), StoreError> {
        self.transaction(|t| Ok(t.execute_batch("DROP TRIGGER IF EXISTS temp.audit_shut")?))
    }
}
