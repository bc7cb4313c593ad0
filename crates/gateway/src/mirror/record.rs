//! What the mirror keeps of one query: metadata and status. No text, no values, no rows, no database words.

use model::{DeviceId, Effect, ErrorType, ExecutionMode, QueryId, SiteId, Timestamp};
use serde::{Deserialize, Serialize};

/// Where a query stands, in the published words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum QueryStatus {
    /// Sent to the site, or about to be.
    Executing,
    /// Done.
    Successful,
    /// Failed, for the reason in `error`.
    ExecutionFailed,
    /// Its turn did not come in time.
    ExpiredInQueue,
}

impl QueryStatus {
    /// The published word.
    pub fn name(self) -> &'static str {
        match self {
            QueryStatus::Executing => "executing",
            QueryStatus::Successful => "successful",
            QueryStatus::ExecutionFailed => "executionFailed",
            QueryStatus::ExpiredInQueue => "expiredInQueue",
        }
    }
}

/// When the phases of a query began and ended, milliseconds since 1970, by the gateway's clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timing {
    /// Request read, until its turn came at the site.
    pub initialising: Span,
    /// In the database.
    pub executing: Span,
    /// From the database's first answer until the gateway had the last byte.
    pub uploading: Span,
    /// When the gateway began to hand it to the caller.
    pub downloading: Span,
}

/// Start and end of a phase; `None`: not reached, or not known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// Start.
    pub start: Option<i64>,
    /// End.
    pub end: Option<i64>,
}

/// One query.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Its name.
    pub id: QueryId,
    /// Where it went.
    pub site: SiteId,
    /// When the request had been read, milliseconds since 1970.
    pub created: i64,
    /// When `status` last changed.
    pub updated: i64,
    /// Where it stands.
    pub status: QueryStatus,
    /// What the command asked for.
    pub mode: ExecutionMode,
    /// It was asked to run read-only.
    pub read_only: bool,
    /// Milliseconds.
    pub max_time_in_queue: u32,
    /// Bytes of the command's text.
    pub command_size: u64,
    /// Bytes of the request's body.
    pub request_size: u64,
    /// Phases.
    pub timing: Timing,
    /// From handing it to the database until the first answer, milliseconds.
    pub sql_ms: u32,
    /// Rows read.
    pub rows: u64,
    /// Bytes of row JSON.
    pub size: u64,
    /// As the database counted; `None` without a count.
    pub rows_affected: Option<i64>,
    /// Row JSON and parameter values, bytes.
    pub result_size: u64,
    /// Kind and code of the failure.
    pub error: Option<(ErrorType, i32)>,
    /// What is known of the effect; `None` while it runs.
    pub effect: Option<Effect>,
    /// The device of the desktop application that sent it; `None`: the integrator's own server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<DeviceId>,
    /// The name under which the site knows its second attempt; `None`: there was one alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent_as: Option<QueryId>,
}

impl Record {
    /// When it ended, if it has.
    pub fn completed(&self) -> Option<Timestamp> {
        (self.status != QueryStatus::Executing).then_some(Timestamp(self.updated))
    }
}
