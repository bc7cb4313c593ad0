//! The published JSON of jobs: their status, and why they failed.

use super::{error_details, time};
use crate::{
    jobs::{JobRecord, JobStatus, Kind, Page, Schedule, Why},
    mirror::Span,
};
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use model::{Effect, ErrorDetails, ErrorType, ExecutionMode, IntegratorId};
use serde_json::{Map, Value, json};

/// An async query as it was taken: the answer to its submission, the same however often it is given.
pub(crate) fn taken(record: &JobRecord, integrator: IntegratorId) -> Value {
    let mut object = head(record, JobStatus::Initialising, record.created, integrator);
    object.insert("statusTiming".into(), json!({ "initialising": { "startTime": time(record.created) } }));
    Value::Object(object)
}

/// An async query as it stands. `words`: the database's own, where they are at hand.
pub(crate) fn status(record: &JobRecord, integrator: IntegratorId, words: Option<ErrorDetails>) -> Value {
    let mut object = head(record, record.status, record.updated, integrator);
    object.insert("statusTiming".into(), timing(record));
    let ran = matches!(record.status, JobStatus::Uploading | JobStatus::Successful | JobStatus::UploadFailed);
    if ran {
        object.insert("metrics".into(), metrics(record));
    }
    if matches!(record.status, JobStatus::Uploading | JobStatus::Successful) {
        object.insert("result".into(), result(record));
    }
    if record.status == JobStatus::Successful {
        let rows = if record.mode == ExecutionMode::NonQuery { 0 } else { record.size() };
        object.insert("resultSize".into(), (rows + record.values_size).into());
    }
    if let Some(details) = failure(record, words) {
        object.insert("errorDetails".into(), error_details(&details));
        // Deprecated since 2023, and still read by somebody.
        object.insert("errorCode".into(), details.code.into());
        object.insert("errorMessage".into(), details.message.reveal().as_str().into());
    }
    if let Some(effect) = record.effect {
        object.insert("effect".into(), json!(effect));
    }
    if let Some(completed) = record.completed {
        object.insert("completedAt".into(), time(completed));
    }
    Value::Object(object)
}

fn head(record: &JobRecord, status: JobStatus, updated: i64, integrator: IntegratorId) -> Map<String, Value> {
    let mut object = Map::new();
    object.insert("id".into(), record.id.to_string().into());
    object.insert("integratorId".into(), integrator.to_string().into());
    object.insert("siteId".into(), record.site.to_string().into());
    object.insert("mode".into(), "async".into());
    object.insert("status".into(), status.name().into());
    object.insert("maxTimeInQueue".into(), record.max_time_in_queue.into());
    object.insert("commandSize".into(), record.command_size.into());
    object.insert("requestSize".into(), record.request_size.into());
    object.insert("createdAt".into(), time(record.created));
    object.insert("updatedAt".into(), time(updated));
    object
}

/// What goes before the rows of a whole result.
pub(crate) fn opening(record: &JobRecord, integrator: IntegratorId) -> Value {
    Value::Object(head(record, record.status, record.updated, integrator))
}

pub(crate) fn metrics(record: &JobRecord) -> Value {
    json!({ "sqlExecutionDuration": record.sql_ms })
}

pub(crate) fn rows_affected(record: &JobRecord) -> i64 {
    record.rows_affected.unwrap_or(-1)
}

/// The pages that can be had, and what they add up to.
fn result(record: &JobRecord) -> Value {
    let mut first = 0;
    // A command without a result set has no page at the site; its returned values are asked for as a page all the same.
    let empty = [Page { rows: 0, bytes: 2 }];
    let none = record.pages.is_empty() && record.status == JobStatus::Successful;
    let pages = if none { &empty[..] } else { &record.pages[..] };
    let pages: Vec<Value> = pages
        .iter()
        .zip(1..)
        .map(|(page, number)| {
            let shown = self::page(page, number, first);
            first += page.rows;
            shown
        })
        .collect();
    match record.mode {
        ExecutionMode::NonQuery => {
            json!({ "rowsAffected": rows_affected(record), "size": record.values_size, "pages": pages })
        }
        _ => {
            json!({ "rows": record.rows, "size": record.size().max(if none { 2 } else { 0 }), "pages": pages })
        }
    }
}

fn page(page: &Page, number: u32, first: u64) -> Value {
    let rows = json!({ "count": page.rows, "rangeStart": first, "rangeEnd": range_end(first, page.rows) });
    json!({ "pageNumber": number, "status": "cached", "size": page.bytes, "rows": rows })
}

/// Number of the last row, counted from 0; of a page without rows the one before its first.
pub(crate) fn range_end(first: u64, rows: u64) -> i64 {
    i64::try_from(first + rows).unwrap_or(i64::MAX) - 1
}

/// Why it failed, in words.
pub(crate) fn failure(record: &JobRecord, words: Option<ErrorDetails>) -> Option<ErrorDetails> {
    let why = record.why?;
    let effect = record.effect.unwrap_or(Effect::Unknown);
    let sentence = match effect {
        Effect::NotExecuted => "The command was not executed.",
        Effect::Executed => "The command was executed.",
        Effect::Unknown if record.read_only => "It ran read-only: it changed nothing.",
        Effect::Unknown => "Whether the command was executed, wholly or in part, is not known.",
    };
    let (code, what) = match why {
        Why::Said(kind, code) => {
            let same = words.filter(|words| words.kind == kind && words.code == code);
            return Some(same.unwrap_or_else(|| ErrorDetails::new(kind, code, UNSAID)));
        }
        Why::Expired => (504, "Its turn at the site did not come within maxTimeInQueue."),
        Why::TimedOut => (504, "The command ran longer than a query of this kind may and was stopped."),
        Why::Cancelled => (499, "The query was cancelled."),
        Why::Interrupted => (503, "The site lost its database, or was started anew, during the command."),
        Why::TooLarge => (413, "The result is larger than the site may keep."),
        Why::NoRoom => (507, "The site has no room for the result on its disk, or too many jobs."),
        Why::NotPaired => {
            (403, "The site does not let this integrator in: it is not paired, or switched off.")
        }
        Why::SwitchedOff => (403, "The practice has switched this integrator off for the site."),
        Why::ByPractice(refusal) => {
            let words = link_api::refusal::words_of(refusal)?;
            let message = format!("{} {sentence} {}", words.why, words.next);
            return Some(ErrorDetails::new(ErrorType::HaloLink, words.status.into(), message));
        }
        Why::UnknownCatalogue => (400, "The site has no such catalogue."),
        Why::Busy => (503, "The site has too many commands waiting."),
        Why::Repeated => (409, "The site has seen this query id before, with another command."),
        Why::Refused => (500, "The site refused the command, and this gateway does not know why."),
        Why::Offline => (503, "The site is offline."),
        Why::Unreachable => (504, "The site did not answer for two minutes."),
        Why::NotHandedOver => (500, "The gateway was stopped before it had handed the query over."),
        Why::NoWay => (403, "The platform knows no such site, or does not let this integrator reach it."),
        Why::TooOld => (501, "The site's Halo Link does not take such queries and needs an update."),
    };
    Some(ErrorDetails::new(ErrorType::HaloLink, code, format!("{what} {sentence}")))
}

/// Instead of a database's own words, when they can't be had.
const UNSAID: &str = "The database's own words are kept at the site, which can't be asked now; of messages the gateway keeps kind and code.";

pub(crate) fn timing(record: &JobRecord) -> Value {
    let phases = &record.phases;
    let mut object = Map::new();
    let named = [
        ("initialising", &phases.initialising),
        ("queued", &phases.queued),
        ("executing", &phases.executing),
        ("uploading", &phases.uploading),
    ];
    for (name, span) in named {
        if let Some(phase) = phase(span) {
            object.insert(name.into(), phase);
        }
    }
    Value::Object(object)
}

fn phase(span: &Span) -> Option<Value> {
    let mut phase = Map::new();
    phase.insert("startTime".into(), time(span.start?));
    if let Some(end) = span.end {
        phase.insert("endTime".into(), time(end));
    }
    Some(Value::Object(phase))
}

/// A registered query.
pub(crate) fn registered(record: &JobRecord, words: Option<ErrorDetails>) -> Value {
    debug_assert_eq!(record.kind, Kind::Registered);
    let none = Schedule::default();
    let schedule = record.schedule.as_ref().unwrap_or(&none);
    let mut object = Map::new();
    object.insert("id".into(), record.id.to_string().into());
    object.insert("name".into(), schedule.name.as_str().into());
    object.insert("registeredQueryType".into(), "query".into());
    // On its way to the site: published statuses have no word for it.
    let status = if record.status == JobStatus::Initialising { JobStatus::Enabled } else { record.status };
    object.insert("status".into(), registered_name(status).into());
    object.insert("frequency".into(), schedule.frequency.into());
    object.insert("duration".into(), schedule.duration.into());
    object.insert("createdAt".into(), time(record.created));
    if let Some(completed) = record.completed {
        object.insert("completedAt".into(), time(completed));
    }
    object.insert("lastHash".into(), BASE64.encode(&schedule.last_hash).into());
    let details = match schedule.last_error {
        Some((kind, code)) => {
            let same = words.filter(|words| words.kind == kind && words.code == code);
            Some(same.unwrap_or_else(|| ErrorDetails::new(kind, code, UNSAID)))
        }
        None => failure(record, None),
    };
    if let Some(details) = details {
        object.insert("lastErrorDetails".into(), error_details(&details));
    }
    object.insert("metrics".into(), registered_metrics(record, schedule));
    Value::Object(object)
}

/// The published words of a registered query are four.
fn registered_name(status: JobStatus) -> &'static str {
    match status {
        JobStatus::Enabled | JobStatus::Completed | JobStatus::Cancelled => status.name(),
        _ => JobStatus::InitialisationFailedCacheError.name(),
    }
}

fn registered_metrics(record: &JobRecord, schedule: &Schedule) -> Value {
    let mut metrics = Map::new();
    if let Some(at) = schedule.last_succeeded {
        metrics.insert("lastSucceededAt".into(), time(at));
    }
    if let Some(at) = schedule.last_failed {
        metrics.insert("lastFailedAt".into(), time(at));
    }
    metrics.insert("lastExecutionDuration".into(), schedule.last_run_ms.into());
    metrics.insert("executionSucceededCount".into(), schedule.succeeded.into());
    metrics.insert("executionFailedCount".into(), schedule.failed.into());
    metrics.insert("resultSizeSum".into(), schedule.result_bytes_sum.into());
    metrics.insert("requestSize".into(), record.request_size.into());
    metrics.insert("resultChangedCount".into(), schedule.changes.into());
    Value::Object(metrics)
}
