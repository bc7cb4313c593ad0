//! What a site says of a job, taken into the record. Pure.

use super::record::{JobRecord, JobStatus as S, Kind, Page, Schedule, Why};
use crate::{answer, mirror::Span};
use link_api::{convert, proto};
use model::{Effect, ErrorDetails};

/// A result of more pages than this is none (100 GB).
const PAGES: usize = 100_000;

/// Takes in what the site says now; whether anything changed. The database's own words come out, where it said any.
pub(crate) fn apply(
    record: &mut JobRecord,
    state: proto::JobState,
    now: i64,
) -> (bool, Option<ErrorDetails>) {
    let words = words(&state);
    let before = record.clone();
    let over = record.status.is_final() && !record.given_up;
    if over {
        // An end stays. Only that its pages are gone is news.
        record.expired |= state.expired;
        if let (Some(schedule), Some(facts)) = (&mut record.schedule, &state.schedule) {
            take_schedule(schedule, facts, now);
        }
        return (*record != before, words);
    }
    let Ok(status) = proto::JobStatus::try_from(state.status) else { return (false, None) };
    let ended = status == proto::JobStatus::JobEnded;
    if state.revision < record.revision && !ended {
        // An older answer that came late; or a site that was set back, which will say its end all the same.
        return (false, None);
    }
    use proto::JobStatus as J;
    match status {
        J::Unspecified => return (false, None),
        J::JobUnknown => {
            unknown(record, now);
            return (*record != before, None);
        }
        J::JobQueued => record.status = S::Queued,
        J::JobExecuting => record.status = S::Executing,
        J::JobUploading => record.status = S::Uploading,
        J::JobEnabled => record.status = S::Enabled,
        J::JobCompleted => record.status = S::Completed,
        J::JobCancelled => record.status = S::Cancelled,
        J::JobEnded => {}
    }
    record.revision = record.revision.max(state.revision);
    // It may have been given up: what the site says stands.
    (record.why, record.effect, record.completed) = (None, None, None);
    record.given_up = false;
    take_phases(record, &state, now, before.status);
    record.pages = state
        .pages
        .iter()
        .take(PAGES)
        .enumerate()
        .take_while(|(i, page)| page.number as usize == i + 1)
        .map(|(_, page)| Page { rows: page.rows, bytes: page.bytes })
        .collect();
    record.rows = record.pages.iter().map(|page| page.rows).sum();
    record.expired |= state.expired;
    if let Some(facts) = &state.schedule {
        take_schedule(record.schedule.get_or_insert_default(), facts, now);
    }
    if let Some(ended) = &state.ended {
        record.sql_ms = ended.sql_ms;
        record.read_only |= ended.read_only;
    }
    if status == J::JobEnded {
        end(record, state.ended.as_ref());
    }
    if record.status.is_final() {
        let at = state.ended_ago_ms.map_or(now, |ago| ago_to_time(record, ago, now));
        record.completed = Some(at);
        close_phases(record, at);
    }
    if record.status != before.status {
        record.updated = record.completed.unwrap_or(now);
    } else {
        record.updated = before.updated;
    }
    (*record != before, words)
}

/// The site has no record of it: it never arrived, or was forgotten long after its end.
fn unknown(record: &mut JobRecord, now: i64) {
    match record.status {
        // Asked for after this gateway was started anew, or after it gave up.
        S::Initialising => {
            record.fail(S::InitialisationFailedCacheError, Why::NotHandedOver, Effect::NotExecuted, now);
        }
        status if status.is_final() => {
            record.given_up = false;
            record.effect = Some(Effect::NotExecuted);
        }
        // It was there: its disk was set back, or it is long forgotten. What became of it nobody can say.
        _ if record.kind == Kind::Async => {
            record.fail(S::ExecutionFailed, Why::Interrupted, Effect::Unknown, now);
            record.expired = true;
        }
        _ => {
            record.status = S::Cancelled;
            (record.updated, record.completed) = (now, Some(now));
        }
    }
}

fn end(record: &mut JobRecord, ended: Option<&proto::Ended>) {
    use proto::Status as E;
    let Some(ended) = ended else {
        (record.status, record.why, record.effect) =
            (S::ExecutionFailed, Some(Why::Refused), Some(Effect::Unknown));
        return;
    };
    let effect = convert::effect_from_proto(ended.effect);
    record.effect = Some(effect);
    record.rows_affected = ended.rows_affected;
    record.values_size = answer::outputs_size(&ended.outputs);
    let failed = |why| (S::ExecutionFailed, Some(why));
    (record.status, record.why) = match E::try_from(ended.status) {
        Ok(E::Successful) => (S::Successful, None),
        Ok(E::Failed) => {
            let said = ended.error.clone().map(convert::error_from_proto);
            failed(said.map_or(Why::Refused, |e| Why::Said(e.kind, e.code)))
        }
        Ok(E::ExpiredInQueue) => (S::ExpiredInQueue, Some(Why::Expired)),
        Ok(E::TimedOut) => failed(Why::TimedOut),
        Ok(E::Cancelled) if is_known(ended.refusal) => failed(Why::ByPractice(ended.refusal)),
        Ok(E::Cancelled) => failed(Why::Cancelled),
        Ok(E::Interrupted) => failed(Why::Interrupted),
        // Over the budget of the site's disk, or over the job's own bound.
        Ok(E::TooLarge) => {
            let no_room = ended.error.as_ref().is_some_and(|error| error.code == 507);
            (S::UploadFailed, Some(if no_room { Why::NoRoom } else { Why::TooLarge }))
        }
        Ok(E::Refused) => refused(ended.refusal, effect),
        Ok(E::Unspecified) | Err(_) => failed(Why::Refused),
    };
    if record.status == S::Successful && record.mode != model::ExecutionMode::NonQuery {
        record.rows = ended.rows;
    }
}

fn refused(refusal: i32, effect: Effect) -> (S, Option<Why>) {
    use proto::Refusal as R;
    let why = match R::try_from(refusal) {
        Ok(R::NoRoom) if effect == Effect::NotExecuted => {
            return (S::InitialisationFailedCacheError, Some(Why::NoRoom));
        }
        Ok(R::NoRoom) => return (S::UploadFailed, Some(Why::NoRoom)),
        Ok(R::NotPaired) => Why::NotPaired,
        Ok(R::SwitchedOff) => Why::SwitchedOff,
        Ok(R::UnknownCatalogue) => Why::UnknownCatalogue,
        Ok(R::Busy) => Why::Busy,
        Ok(R::Repeated) => Why::Repeated,
        Ok(_) if is_known(refusal) => Why::ByPractice(refusal),
        Ok(_) | Err(_) => Why::Refused,
    };
    (S::ExecutionFailed, Some(why))
}

/// Whether it is a practice's decision that this version has words for.
fn is_known(refusal: i32) -> bool {
    link_api::refusal::words_of(refusal).is_some()
}

/// Times are computed when a phase is first heard of, and then stay: two polls never tell two stories.
fn take_phases(record: &mut JobRecord, state: &proto::JobState, now: i64, before: S) {
    if rank(record.status) < rank(before) {
        // Another attempt: it was running read-only when the site was started anew.
        record.phases.queued.end = None;
        record.phases.executing = Span::default();
        record.phases.uploading = Span::default();
    }
    let time = |ago: Option<u64>| ago.map(|ago| ago_to_time(record, ago, now));
    let (taken, began, answered) =
        (time(state.taken_ago_ms), time(state.began_ago_ms), time(state.answered_ago_ms));
    // A phase that the site passes over began with the one after it.
    let began = began.or(answered);
    let taken = taken.or(began);
    let phases = &mut record.phases;
    if let Some(taken) = taken {
        phases.initialising.end.get_or_insert(taken);
        phases.queued.start.get_or_insert(taken);
    }
    if let Some(began) = began {
        let began = began.max(phases.queued.start.unwrap_or(began));
        phases.queued.end.get_or_insert(began);
        phases.executing.start.get_or_insert(began);
    }
    if let Some(answered) = answered {
        let answered = answered.max(phases.executing.start.unwrap_or(answered));
        phases.executing.end.get_or_insert(answered);
        phases.uploading.start.get_or_insert(answered);
    }
}

fn close_phases(record: &mut JobRecord, at: i64) {
    let phases = &mut record.phases;
    let spans = [&mut phases.initialising, &mut phases.queued, &mut phases.executing, &mut phases.uploading];
    for span in spans {
        if let Some(start) = span.start {
            span.end.get_or_insert(at.max(start));
        }
    }
}

fn rank(status: S) -> u8 {
    match status {
        S::Initialising => 0,
        S::Queued | S::Enabled => 1,
        S::Executing => 2,
        S::Uploading => 3,
        _ => 4,
    }
}

/// Never before the job was made, whatever the site's clock did.
fn ago_to_time(record: &JobRecord, ago: u64, now: i64) -> i64 {
    now.saturating_sub(i64::try_from(ago).unwrap_or(i64::MAX)).clamp(record.created, now.max(record.created))
}

fn take_schedule(schedule: &mut Schedule, facts: &proto::ScheduleFacts, now: i64) {
    let at = |ago: Option<u64>| ago.map(|ago| now.saturating_sub(i64::try_from(ago).unwrap_or(i64::MAX)));
    // As phases: computed when a run is first heard of.
    if facts.succeeded != schedule.succeeded || schedule.last_succeeded.is_none() {
        schedule.last_succeeded = at(facts.last_succeeded_ago_ms);
    }
    if facts.failed != schedule.failed || schedule.last_failed.is_none() {
        schedule.last_failed = at(facts.last_failed_ago_ms);
    }
    schedule.last_hash.clone_from(&facts.last_hash);
    let said = facts.last_error.clone().map(convert::error_from_proto);
    schedule.last_error = said.map(|error| (error.kind, error.code));
    (schedule.succeeded, schedule.failed) = (facts.succeeded, facts.failed);
    schedule.last_run_ms = facts.last_run_ms;
    schedule.result_bytes_sum = facts.result_bytes_sum;
    schedule.changes = facts.changes;
}

fn words(state: &proto::JobState) -> Option<ErrorDetails> {
    let of_run = state.schedule.as_ref().and_then(|facts| facts.last_error.as_ref());
    let error = of_run.or(state.ended.as_ref().and_then(|ended| ended.error.as_ref()))?;
    Some(convert::error_from_proto(error.clone()))
}

#[cfg(test)]
mod tests;
