//! What the gateway keeps of one job: metadata and status. No text, no values, no rows, no database words.

use crate::mirror::Span;
use model::{DeviceId, Effect, ErrorType, ExecutionMode, QueryId, SiteId};
use serde::{Deserialize, Serialize};

/// How long a result is kept whose record does not say it, milliseconds.
const KEPT_MS: u64 = 24 * 60 * 60 * 1000;

fn kept_ms() -> u64 {
    KEPT_MS
}

/// Runs once, or again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Kind {
    /// An async query.
    Async,
    /// A registered one.
    Registered,
}

/// Where a job stands: the published statuses of both kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum JobStatus {
    /// Taken by the gateway, not yet known to be durable at the site. Of a registered query the published word is `enabled`.
    Initialising,
    /// The site's Link is not connected.
    InitialisationFailedSiteOffline,
    /// No answer of the site for too long.
    InitialisationFailedSiteUnreachable,
    /// The site could not take it, or the gateway ended before it had handed it over.
    InitialisationFailedCacheError,
    /// Durable at the site.
    Queued,
    /// Its turn did not come in time.
    ExpiredInQueue,
    /// In the database.
    Executing,
    /// See [`Why`].
    ExecutionFailed,
    /// Pages come one by one.
    Uploading,
    /// It was executed and its result could not be kept.
    UploadFailed,
    /// Ended, all pages are there.
    Successful,
    /// A schedule that goes on.
    Enabled,
    /// A schedule that came to its end.
    Completed,
    /// A schedule that was cancelled.
    Cancelled,
}

impl JobStatus {
    /// All of an async query, in the published order.
    pub const ASYNC: [JobStatus; 11] = [
        JobStatus::Initialising,
        JobStatus::InitialisationFailedCacheError,
        JobStatus::InitialisationFailedSiteOffline,
        JobStatus::InitialisationFailedSiteUnreachable,
        JobStatus::Queued,
        JobStatus::ExpiredInQueue,
        JobStatus::Executing,
        JobStatus::ExecutionFailed,
        JobStatus::Uploading,
        JobStatus::UploadFailed,
        JobStatus::Successful,
    ];

    /// The published word.
    pub fn name(self) -> &'static str {
        match self {
            JobStatus::Initialising => "initialising",
            JobStatus::InitialisationFailedSiteOffline => "initialisationFailedSiteOffline",
            JobStatus::InitialisationFailedSiteUnreachable => "initialisationFailedSiteUnreachable",
            JobStatus::InitialisationFailedCacheError => "initialisationFailedCacheError",
            JobStatus::Queued => "queued",
            JobStatus::ExpiredInQueue => "expiredInQueue",
            JobStatus::Executing => "executing",
            JobStatus::ExecutionFailed => "executionFailed",
            JobStatus::Uploading => "uploading",
            JobStatus::UploadFailed => "uploadFailed",
            JobStatus::Successful => "successful",
            JobStatus::Enabled => "enabled",
            JobStatus::Completed => "completed",
            JobStatus::Cancelled => "cancelled",
        }
    }

    /// Nothing follows.
    pub fn is_final(self) -> bool {
        use JobStatus as S;
        !matches!(self, S::Initialising | S::Queued | S::Executing | S::Uploading | S::Enabled)
    }

    /// It never became the site's.
    pub fn never_began(self) -> bool {
        use JobStatus as S;
        matches!(
            self,
            S::InitialisationFailedSiteOffline
                | S::InitialisationFailedSiteUnreachable
                | S::InitialisationFailedCacheError
        )
    }
}

/// Why a job failed. The sentences are made from it; a database's own words are not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Why {
    /// The database said no, or a parameter does not convert.
    Said(ErrorType, i32),
    /// See `maxTimeInQueue`.
    Expired,
    /// It ran too long.
    TimedOut,
    /// Somebody cancelled it.
    Cancelled,
    /// The site lost its database, or was started anew.
    Interrupted,
    /// Larger than may be.
    TooLarge,
    /// No room on the site's disk, or too many jobs there.
    NoRoom,
    /// Not paired, or not let in.
    NotPaired,
    /// Switched off by the practice.
    SwitchedOff,
    /// The site has no such catalogue.
    UnknownCatalogue,
    /// Too much is waiting there.
    Busy,
    /// The site has seen the id before, with another command.
    Repeated,
    /// What the practice does not consent to, or no more of: a number of the contract's.
    ByPractice(i32),
    /// The site's door said no, for a reason that this version does not know.
    Refused,
    /// The site's Link closed its session, or is not connected.
    Offline,
    /// No answer for too long.
    Unreachable,
    /// The gateway ended before it had handed the job over.
    NotHandedOver,
    /// No site has this GUID any more, or the platform lets this integrator not reach it.
    NoWay,
    /// The site's Link can't read it: another version.
    TooOld,
}

/// One page of a result that can be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page {
    /// Rows in it.
    pub rows: u64,
    /// Bytes of row JSON with its brackets.
    pub bytes: u64,
}

/// When the phases of a job began and ended, milliseconds since 1970, by the gateway's clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Phases {
    /// Until it was durable at the site.
    pub initialising: Span,
    /// Until its turn came.
    pub queued: Span,
    /// Until the database answered.
    pub executing: Span,
    /// Until the last page was there.
    pub uploading: Span,
}

/// What a schedule has beside.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Schedule {
    /// Chosen by the integrator.
    pub name: String,
    /// Seconds.
    pub frequency: u64,
    /// Seconds.
    pub duration: u64,
    /// SHA-256 of the newest result.
    pub last_hash: Vec<u8>,
    /// Of the last run, when that failed.
    pub last_error: Option<(ErrorType, i32)>,
    /// Runs that succeeded.
    pub succeeded: u64,
    /// Runs that failed.
    pub failed: u64,
    /// When one last did, milliseconds since 1970.
    pub last_succeeded: Option<i64>,
    /// The same.
    pub last_failed: Option<i64>,
    /// Milliseconds.
    pub last_run_ms: u32,
    /// Of all successful runs, bytes.
    pub result_bytes_sum: u64,
    /// How often the result changed.
    pub changes: u64,
}

/// An event that was handed on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// [`link_api::proto::EventKind`].
    pub kind: i32,
    /// Of a changed result.
    pub hash: Vec<u8>,
    /// By the site's clock.
    pub at: i64,
}

/// One job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobRecord {
    /// Its name.
    pub id: QueryId,
    /// Where it goes.
    pub site: SiteId,
    /// Once, or again and again.
    pub kind: Kind,
    /// Where it stands.
    pub status: JobStatus,
    /// When the request had been read, milliseconds since 1970.
    pub created: i64,
    /// When `status` last changed.
    pub updated: i64,
    /// When it ended.
    pub completed: Option<i64>,
    /// What the command asked for.
    pub mode: ExecutionMode,
    /// It was asked to run read-only, or did.
    pub read_only: bool,
    /// Milliseconds.
    pub max_time_in_queue: u32,
    /// Bytes of the command's text.
    pub command_size: u64,
    /// Bytes of the request's body.
    pub request_size: u64,
    /// Phases.
    pub phases: Phases,
    /// From handing it to the database until its first answer, milliseconds.
    pub sql_ms: u32,
    /// Rows in all.
    pub rows: u64,
    /// As the database counted; `None` without a count.
    pub rows_affected: Option<i64>,
    /// Bytes of the returned parameters' values.
    pub values_size: u64,
    /// Pages that can be had.
    pub pages: Vec<Page>,
    /// How long the site was told to keep the result after its end, milliseconds. Said once, with the job: what is configured later is
    /// about later jobs.
    #[serde(default = "kept_ms")]
    pub keep_ms: u64,
    /// The result was there and is not kept any longer.
    pub expired: bool,
    /// Of a failed one.
    pub why: Option<Why>,
    /// What is known of the effect; `None` while it runs.
    pub effect: Option<Effect>,
    /// The gateway gave up, and the site may have it all the same: to be cancelled there, and told what it says.
    #[serde(default)]
    pub given_up: bool,
    /// The caller cancelled it while it was handed over: to be cancelled at the site, until the site has answered that.
    #[serde(default)]
    pub cancel: bool,
    /// The same, also when it may have written and runs.
    #[serde(default)]
    pub cancel_force: bool,
    /// The site's own count of changes.
    #[serde(default)]
    pub revision: u64,
    /// Its last events that were handed on, so that a journal that begins anew tells nothing twice.
    #[serde(default)]
    pub told: Vec<Told>,
    /// Of a registered one.
    pub schedule: Option<Schedule>,
    /// The device of the desktop application that sent it; `None`: the integrator's own server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<DeviceId>,
}

impl JobRecord {
    /// One that was just read, by the gateway's clock `now`: nothing is known of it but what was asked for.
    pub(crate) fn new(id: QueryId, site: SiteId, kind: Kind, mode: ExecutionMode, now: i64) -> Self {
        JobRecord {
            id,
            site,
            kind,
            status: JobStatus::Initialising,
            created: now,
            updated: now,
            completed: None,
            mode,
            read_only: false,
            max_time_in_queue: 0,
            command_size: 0,
            request_size: 0,
            phases: Phases { initialising: Span { start: Some(now), end: None }, ..Phases::default() },
            sql_ms: 0,
            rows: 0,
            rows_affected: None,
            values_size: 0,
            pages: Vec::new(),
            keep_ms: KEPT_MS,
            expired: false,
            why: None,
            effect: None,
            given_up: false,
            cancel: false,
            cancel_force: false,
            revision: 0,
            told: Vec::new(),
            schedule: None,
            device: None,
        }
    }

    /// Something is still to be learnt from the site.
    pub fn is_open(&self) -> bool {
        !self.status.is_final() || self.given_up
    }

    /// Bytes of row JSON of all pages.
    pub fn size(&self) -> u64 {
        self.pages.iter().map(|page| page.bytes).sum()
    }

    /// Notes that an event is handed on; false: it was before, which is so only while a journal is re-read. The site's clock
    /// may be set back at any time: by its numbers alone an event is new.
    pub(crate) fn tell(&mut self, event: Told, reread: bool) -> bool {
        // Of more than these the oldest are forgotten: what is older than they are was told.
        const KEPT: usize = 16;
        let forgotten = self.told.len() == KEPT && event.at < self.told[0].at;
        if reread && (forgotten || self.told.contains(&event)) {
            return false;
        }
        if self.told.len() == KEPT {
            self.told.remove(0);
        }
        self.told.push(event);
        true
    }

    /// To be cancelled at the site.
    pub(crate) fn note_cancel(&mut self, force: bool) {
        self.cancel = true;
        self.cancel_force |= force;
    }

    /// The site has answered a cancel. One that was noted meanwhile and says more is still to be sent.
    pub(crate) fn cancel_answered(&mut self, force: bool) {
        if force || !self.cancel_force {
            (self.cancel, self.cancel_force) = (false, false);
        }
    }

    /// It could not be handed over. Only the site's own word on the job says what became of an attempt that may have
    /// arrived: `maybe_there`, the site is asked when it can be, and until then nobody knows.
    pub(crate) fn not_handed_over(&mut self, status: JobStatus, why: Why, maybe_there: bool, now: i64) {
        let effect = if maybe_there { Effect::Unknown } else { Effect::NotExecuted };
        self.fail(status, why, effect, now);
        self.given_up = maybe_there;
    }

    /// It ended here, as `why` says.
    pub(crate) fn fail(&mut self, status: JobStatus, why: Why, effect: Effect, now: i64) {
        self.status = status;
        self.why = Some(why);
        self.effect = Some(effect);
        self.updated = now;
        self.completed = Some(now);
        self.phases.initialising.end.get_or_insert(now);
    }
}
