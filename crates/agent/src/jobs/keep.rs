//! Where the rows of a job go: into pages as they come, or, of a schedule, into memory until it is known whether they are new.

use super::{Jobs, owner, settle::Kept};
use crate::{
    executor::bulk::{Keep, NotKept},
    store::{Job, Page},
};
use aws_lc_rs::digest;
use link_api::proto;
use model::{Timestamp, limit};
use prost::Message;
use spool::{Attempt, Key, WriteError};
use std::sync::Arc;

/// A page is cut between two rows once it has so many bytes of row JSON.
const PAGE: u64 = 1024 * 1024;

/// Pages of one attempt of an async query.
pub(super) struct Pages {
    jobs: Arc<Jobs>,
    /// With the attempt that runs.
    job: Job,
    key: Key,
    /// Most bytes of all rows together; 0 is no bound.
    cap: u64,
    attempt: Option<Attempt>,
    columns: Option<Vec<proto::Column>>,
    answered: Option<Timestamp>,
    all: u64,
    /// Of the present page.
    number: u32,
    first_row: u64,
    rows: u64,
    bytes: u64,
}

impl Pages {
    pub(super) fn new(jobs: Arc<Jobs>, job: Job, key: Key, cap: u64) -> Self {
        Pages {
            jobs,
            job,
            key,
            cap,
            attempt: None,
            columns: None,
            answered: None,
            all: 0,
            number: 1,
            first_row: 0,
            rows: 0,
            bytes: 0,
        }
    }

    /// The last page, and what else belongs to the result. A result with columns has at least one page.
    pub(super) fn finish(mut self) -> Result<Kept, NotKept> {
        let open = self.bytes > 0 || (self.number == 1 && self.columns.is_some());
        let last = if open { Some(self.end_page()?) } else { None };
        Ok(Kept { last, columns: self.columns.unwrap_or_default(), answered: self.answered })
    }

    fn attempt(&mut self) -> Result<&mut Attempt, NotKept> {
        if self.attempt.is_none() {
            let begun = self.jobs.spool.attempt(owner(&self.job.key), self.job.attempt, &self.key);
            self.attempt = Some(begun.map_err(|error| not_kept(error.into()))?);
        }
        self.attempt.as_mut().ok_or(NotKept::NoRoom)
    }

    fn end_page(&mut self) -> Result<Page, NotKept> {
        self.attempt()?.end_page().map_err(not_kept)?;
        let page = Page {
            number: self.number,
            first_row: self.first_row,
            rows: self.rows,
            bytes: json_bytes(self.bytes),
        };
        self.number += 1;
        self.first_row += self.rows;
        (self.rows, self.bytes) = (0, 0);
        Ok(page)
    }
}

impl Keep for Pages {
    fn columns(&mut self, columns: Vec<proto::Column>) -> Result<(), NotKept> {
        self.answered.get_or_insert_with(|| self.jobs.time.now());
        self.columns = Some(columns);
        Ok(())
    }

    fn rows(&mut self, json: &[u8], whole: bool) -> Result<(), NotKept> {
        self.all += json.len() as u64;
        if self.cap > 0 && self.all > self.cap {
            return Err(NotKept::TooLarge);
        }
        self.attempt()?.write(json).map_err(not_kept)?;
        self.bytes += json.len() as u64;
        self.rows += u64::from(whole);
        if !whole || self.bytes < PAGE {
            return Ok(());
        }
        let page = self.end_page()?;
        self.jobs.fault("page in the spool");
        let now = self.jobs.time.now();
        let answered = self.answered.unwrap_or(now);
        let columns = self.columns.as_deref().unwrap_or_default();
        match self.jobs.store.add_page(&self.job, &page, columns, answered, now) {
            Ok(true) => {
                self.jobs.fault("page told");
                self.jobs.changed.ring(&self.job.id);
                Ok(())
            }
            Ok(false) => Err(NotKept::Unwanted),
            Err(error) => {
                tracing::error!(%error, "a result page can't be written down");
                Err(NotKept::NoRoom)
            }
        }
    }
}

/// The newest result of a schedule, while it is being read.
pub(super) struct Newest {
    cap: usize,
    pub(super) columns: Vec<proto::Column>,
    pub(super) json: Vec<u8>,
    rows: u64,
}

impl Newest {
    pub(super) fn new(cap: u64) -> Self {
        let most = limit::IMMEDIATE_RESULT_BYTES;
        let cap = usize::try_from(cap).ok().filter(|cap| *cap > 0).map_or(most, |cap| cap.min(most));
        Newest { cap, columns: Vec::new(), json: Vec::new(), rows: 0 }
    }

    /// What it is kept as.
    pub(super) fn page(&self) -> Page {
        Page { number: 1, first_row: 0, rows: self.rows, bytes: json_bytes(self.json.len() as u64) }
    }

    /// SHA-256 over columns, rows and outputs, each with its length before it.
    pub(super) fn hash(&self, outputs: &[proto::Parameter]) -> Vec<u8> {
        let columns = proto::Columns { columns: self.columns.clone() }.encode_to_vec();
        let outputs = proto::Ended { outputs: outputs.to_vec(), ..proto::Ended::default() }.encode_to_vec();
        let mut hash = digest::Context::new(&digest::SHA256);
        hash.update(b"halo-result-v1");
        for part in [&columns, &self.json, &outputs] {
            hash.update(&(part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        hash.finish().as_ref().to_vec()
    }
}

impl Keep for Newest {
    fn columns(&mut self, columns: Vec<proto::Column>) -> Result<(), NotKept> {
        self.columns = columns;
        Ok(())
    }

    fn rows(&mut self, json: &[u8], whole: bool) -> Result<(), NotKept> {
        if self.json.len() + json.len() > self.cap {
            self.json = Vec::new();
            return Err(NotKept::TooLarge);
        }
        self.json.extend_from_slice(json);
        self.rows += u64::from(whole);
        Ok(())
    }
}

/// Of a JSON array, where rows as they are kept have a line feed each: commas between them, and two brackets.
fn json_bytes(bare: u64) -> u64 {
    if bare == 0 { 2 } else { bare + 1 }
}

pub(super) fn not_kept(error: WriteError) -> NotKept {
    if let WriteError::Io(error) = error {
        tracing::error!(%error, "result pages can't be written");
    }
    NotKept::NoRoom
}
