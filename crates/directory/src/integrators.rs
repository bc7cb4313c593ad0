//! Who may use the platform: integrators, admitted and removed by the operator.

use crate::{Directory, DirectoryError, text, unpoisoned};
use model::{IntegratorId, Timestamp};
use rusqlite::{OptionalExtension, Row, params};
use std::time::Duration;

/// For how long an admission, once read, is believed without looking again.
const BELIEVED: Duration = Duration::from_secs(1);
/// Most admissions remembered; the file answers for the rest.
const REMEMBERED: usize = 10_000;

/// One integrator as the operator sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Integrator {
    /// The fingerprint of its root key.
    pub id: IntegratorId,
    /// Given by the operator; at most 200 characters, no control characters.
    pub name: String,
    /// When it was first, or last again, admitted.
    pub admitted_at: Timestamp,
    /// When it was removed, if it is.
    pub removed_at: Option<Timestamp>,
}

impl Directory {
    /// Admits an integrator, or admits it again after a removal, or renames it. The answer is the stored record.
    pub fn admit(&self, id: IntegratorId, name: &str) -> Result<Integrator, DirectoryError> {
        let writer = self.writer();
        writer
            .prepare_cached(
                "INSERT INTO integrators (id, name, admitted_at, removed_at) VALUES (?1, ?2, ?3, NULL)
             ON CONFLICT (id) DO UPDATE SET name = excluded.name, removed_at = NULL,
                 admitted_at = iif(removed_at IS NULL, admitted_at, excluded.admitted_at)",
            )?
            .execute(params![id.as_bytes(), text::clean(name, text::NAME), self.clock.now().0])?;
        // The operator was told "admitted": that outlives a power cut.
        writer.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))?;
        Ok(writer.query_row(&format!("{SELECT} WHERE id = ?1"), [id.as_bytes()], read)?)
    }

    /// Removes an integrator's admission. Open streams go on; the next request is refused within a second. The answer
    /// says whether there was anything to remove.
    pub fn remove_integrator(&self, id: IntegratorId) -> Result<bool, DirectoryError> {
        let changed = self
            .writer()
            .prepare_cached("UPDATE integrators SET removed_at = ?2 WHERE id = ?1 AND removed_at IS NULL")?
            .execute(params![id.as_bytes(), self.clock.now().0])?;
        unpoisoned(&self.admitted).remove(&id);
        Ok(changed > 0)
    }

    /// Whether the integrator is admitted: true at once after [`Directory::admit`] by any process, false at most one
    /// second after a removal.
    pub fn is_admitted(&self, id: IntegratorId) -> Result<bool, DirectoryError> {
        let now = self.clock.monotonic();
        let remembered = unpoisoned(&self.admitted).get(&id).copied();
        if remembered.is_some_and(|at| now.saturating_sub(at) < BELIEVED) {
            return Ok(true);
        }
        let admitted = self
            .reader()
            .prepare_cached("SELECT 1 FROM integrators WHERE id = ?1 AND removed_at IS NULL")?
            .query_row([id.as_bytes()], |_| Ok(()))
            .optional()?
            .is_some();
        // Only a yes is remembered: whoever was just admitted should not wait, and a no costs microseconds.
        let mut memory = unpoisoned(&self.admitted);
        if admitted {
            if memory.len() >= REMEMBERED {
                memory.clear();
            }
            memory.insert(id, now);
        } else {
            memory.remove(&id);
        }
        Ok(admitted)
    }

    /// All integrators, removed ones too, by name.
    pub fn integrators(&self) -> Result<Vec<Integrator>, DirectoryError> {
        let reader = self.reader();
        let mut statement = reader.prepare_cached(&format!("{SELECT} ORDER BY name, id"))?;
        let found = statement.query_map([], read)?.collect::<Result<_, _>>()?;
        Ok(found)
    }
}

const SELECT: &str = "SELECT id, name, admitted_at, removed_at FROM integrators";

fn read(row: &Row<'_>) -> rusqlite::Result<Integrator> {
    Ok(Integrator {
        id: IntegratorId(crate::sites::uuid(row.get(0)?)),
        name: row.get(1)?,
        admitted_at: Timestamp(row.get(2)?),
        removed_at: row.get::<_, Option<i64>>(3)?.map(Timestamp),
    })
}
