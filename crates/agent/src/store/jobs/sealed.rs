//! What of a job is sealed: what was asked for, the key of its pages, its columns, its end.

use super::{Job, row::purpose};
use crate::store::{LedgerKey, Store, StoreError};
use link_api::proto;
use prost::Message;
use rusqlite::OptionalExtension;

impl Store {
    /// What was asked for; `None` when the job will never run again.
    pub(crate) fn job_request(&self, job: &Job) -> Result<Option<proto::SubmitRequest>, StoreError> {
        let sealed: Option<Vec<u8>> = self
            .lock()
            .prepare_cached("SELECT request FROM job WHERE id = ?1")?
            .query_row([job.id], |row| row.get(0))
            .optional()?
            .flatten();
        let Some(sealed) = sealed else { return Ok(None) };
        let clear = self.protector.open(&purpose("request", &job.key), &sealed)?;
        let request = proto::SubmitRequest::decode(&clear.reveal()[..]);
        request.map(Some).map_err(|_| StoreError::Broken("a job's request"))
    }

    /// A new attempt's key, sealed.
    pub(crate) fn seal_key(&self, of: &LedgerKey, key: &spool::Key) -> Result<Vec<u8>, StoreError> {
        Ok(self.protector.seal(&purpose("key", of), key.bytes())?)
    }

    /// How it ended; `None` when it has not.
    pub(crate) fn job_ended(&self, job: &Job) -> Result<Option<proto::Ended>, StoreError> {
        let Some(sealed) = &job.sealed_ended else { return Ok(None) };
        let clear = self.protector.open(&purpose("ended", &job.key), sealed)?;
        let ended = proto::Ended::decode(&clear.reveal()[..]);
        ended.map(Some).map_err(|_| StoreError::Broken("a job's end"))
    }

    /// The columns of its result.
    pub(crate) fn job_columns(&self, job: &Job) -> Result<Vec<proto::Column>, StoreError> {
        let Some(sealed) = &job.sealed_columns else { return Ok(Vec::new()) };
        let clear = self.protector.open(&purpose("columns", &job.key), sealed)?;
        let columns = proto::Columns::decode(&clear.reveal()[..]);
        Ok(columns.map_err(|_| StoreError::Broken("a job's columns"))?.columns)
    }

    /// The key of its pages; `None` when it was forgotten.
    pub(crate) fn job_key(&self, job: &Job) -> Result<Option<spool::Key>, StoreError> {
        let Some(sealed) = &job.sealed_key else { return Ok(None) };
        let clear = self.protector.open(&purpose("key", &job.key), sealed)?;
        spool::Key::from_bytes(clear.reveal()).map(Some).ok_or(StoreError::Broken("a page's key"))
    }

    pub(in crate::store) fn seal_ended(
        &self,
        of: &LedgerKey,
        ended: &proto::Ended,
    ) -> Result<Vec<u8>, StoreError> {
        Ok(self.protector.seal(&purpose("ended", of), &ended.encode_to_vec())?)
    }

    pub(in crate::store) fn seal_columns(
        &self,
        of: &LedgerKey,
        columns: &[proto::Column],
    ) -> Result<Vec<u8>, StoreError> {
        let columns = proto::Columns { columns: columns.to_vec() };
        Ok(self.protector.seal(&purpose("columns", of), &columns.encode_to_vec())?)
    }
}
