//! What is kept of the newest recovery kit: when it was made, and the key to which backups are sealed. Not the kit.

use super::{AuditLine, Marks, Store, StoreError};
use model::Timestamp;
use rusqlite::{OptionalExtension, Transaction, params};

/// The newest kit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KitRecord {
    pub(crate) made_at: Timestamp,
    /// The operating system's user.
    pub(crate) made_by: Option<String>,
    /// Public half of its key.
    pub(crate) public: Vec<u8>,
    /// What was in it.
    pub(crate) marks: Marks,
    /// What is in the newest backup, and when it was written.
    pub(crate) backed: Option<(Marks, Timestamp)>,
}

impl KitRecord {
    pub(crate) fn write(&self, t: &Transaction<'_>) -> Result<(), StoreError> {
        let backed = self.backed.as_ref();
        t.execute(
            "INSERT OR REPLACE INTO recovery_kit (one, made_at, made_by, public, marks, backed_marks, backed_at)
             VALUES (1, ?1, ?2, ?3, ?4, ?5, ?6)",
            params![
                self.made_at.0,
                self.made_by,
                self.public,
                text(&self.marks)?,
                backed.map(|(marks, _)| text(marks)).transpose()?,
                backed.map(|(_, at)| at.0),
            ],
        )?;
        Ok(())
    }
}

fn text(marks: &Marks) -> Result<String, StoreError> {
    serde_json::to_string(marks).map_err(|_| StoreError::Broken("the record of a kit"))
}

fn marks(text: &str) -> Result<Marks, StoreError> {
    serde_json::from_str(text).map_err(|_| StoreError::Broken("the record of a kit"))
}

impl Store {
    /// The newest kit; `None` when none was made.
    pub(crate) fn kit(&self) -> Result<Option<KitRecord>, StoreError> {
        let connection = self.lock();
        let sql = "SELECT made_at, made_by, public, marks, backed_marks, backed_at FROM recovery_kit";
        let found = connection.query_row(sql, [], |row| {
            let record = (Timestamp(row.get(0)?), row.get(1)?, row.get(2)?);
            let backed: (Option<String>, Option<i64>) = (row.get(4)?, row.get(5)?);
            Ok((record, row.get::<_, String>(3)?, backed))
        });
        let Some(((made_at, made_by, public), of, backed)) = found.optional()? else { return Ok(None) };
        let backed = match backed {
            (Some(of), Some(at)) => Some((marks(&of)?, Timestamp(at))),
            _ => None,
        };
        Ok(Some(KitRecord { made_at, made_by, public, marks: marks(&of)?, backed }))
    }

    /// Notes a kit that somebody has.
    pub(crate) fn keep_kit(&self, kit: &KitRecord, audit: &[AuditLine]) -> Result<(), StoreError> {
        self.transaction(|t| {
            kit.write(t)?;
            audit.iter().try_for_each(|line| line.write(t))
        })
    }

    /// Notes what a backup holds that was just written for the kit with this key; nothing when there is a newer kit by now.
    pub(crate) fn keep_backed(&self, public: &[u8], of: &Marks, at: Timestamp) -> Result<(), StoreError> {
        self.transaction(|t| {
            t.execute(
                "UPDATE recovery_kit SET backed_marks = ?2, backed_at = ?3 WHERE public = ?1",
                params![public, text(of)?, at.0],
            )?;
            Ok(())
        })
    }
}
