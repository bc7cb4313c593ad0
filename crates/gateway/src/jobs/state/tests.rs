use super::*;
use crate::jobs::JobStatus;
use model::{ExecutionMode, QueryId, SiteId};
use proptest::prelude::*;
use uuid::Uuid;

const CREATED: i64 = 1_000_000;

fn record() -> JobRecord {
    let (id, site) = (QueryId(Uuid::from_u128(1)), SiteId(Uuid::from_u128(2)));
    JobRecord::new(id, site, Kind::Async, ExecutionMode::Reader, CREATED)
}

fn state(status: proto::JobStatus, revision: u64) -> proto::JobState {
    proto::JobState { status: status.into(), taken_ago_ms: Some(30), revision, ..proto::JobState::default() }
}

fn ended(status: proto::Status, effect: proto::Effect) -> proto::JobState {
    let ended = proto::Ended { status: status.into(), effect: effect.into(), ..proto::Ended::default() };
    proto::JobState { ended: Some(ended), ended_ago_ms: Some(0), ..state(proto::JobStatus::JobEnded, 9) }
}

#[test]
fn a_run_that_begins_anew_forgets_the_first_attempts_times_and_pages() {
    let mut record = record();
    let page = |number| proto::PageFacts { number, rows: 5, bytes: 100 };
    let uploading = proto::JobState {
        began_ago_ms: Some(20),
        answered_ago_ms: Some(10),
        pages: vec![page(1), page(2)],
        ..state(proto::JobStatus::JobUploading, 3)
    };
    assert!(apply(&mut record, uploading, CREATED + 100).0);
    assert_eq!((record.rows, record.pages.len()), (10, 2));
    assert!(apply(&mut record, state(proto::JobStatus::JobQueued, 4), CREATED + 200).0);
    assert_eq!((record.status, record.rows, record.phases.executing), (S::Queued, 0, Span::default()));
    assert_eq!(record.phases.queued, Span { start: Some(CREATED + 70), end: None }, "taken once");
}

#[test]
fn an_answer_that_is_older_than_what_is_known_changes_nothing() {
    let mut record = record();
    apply(&mut record, state(proto::JobStatus::JobExecuting, 5), CREATED + 10);
    let before = record.clone();
    assert!(!apply(&mut record, state(proto::JobStatus::JobQueued, 4), CREATED + 20).0);
    assert_eq!(record, before);
    let end = proto::JobState { revision: 2, ..ended(proto::Status::Successful, proto::Effect::Executed) };
    assert!(apply(&mut record, end, CREATED + 30).0, "an end counts also from a site that was set back");
}

#[test]
fn what_a_site_has_lost_is_unknown_and_what_never_came_was_not_executed() {
    let mut lost = record();
    apply(&mut lost, state(proto::JobStatus::JobExecuting, 1), CREATED);
    apply(&mut lost, state(proto::JobStatus::JobUnknown, 0), CREATED);
    apply(&mut lost, state(proto::JobStatus::JobUnknown, 1), CREATED);
    assert_eq!((lost.status, lost.effect), (S::ExecutionFailed, Some(Effect::Unknown)));
    let mut never = record();
    apply(&mut never, state(proto::JobStatus::JobUnknown, 0), CREATED);
    assert_eq!((never.status, never.effect), (S::InitialisationFailedCacheError, Some(Effect::NotExecuted)));
}

#[test]
fn pages_that_do_not_follow_one_another_are_not_counted() {
    let mut record = record();
    let page = |number| proto::PageFacts { number, rows: 1, bytes: 10 };
    let pages = vec![page(1), page(3), page(2)];
    apply(&mut record, proto::JobState { pages, ..state(proto::JobStatus::JobUploading, 1) }, CREATED);
    assert_eq!(record.pages.len(), 1);
}

fn any_state() -> impl Strategy<Value = proto::JobState> {
    let ago = || proptest::option::of(prop_oneof![0..500_u64, Just(u64::MAX)]);
    (
        0..12_i32,
        ago(),
        ago(),
        ago(),
        ago(),
        (0..10_i32, 0..5_i32, 0..9_i32),
        0..20_u64,
        0..4_u32,
        any::<bool>(),
    )
        .prop_map(
            |(status, taken, began, answered, ended, (end, effect, refusal), revision, pages, expired)| {
                proto::JobState {
                    query_id: vec![0; 16],
                    status,
                    taken_ago_ms: taken,
                    began_ago_ms: began,
                    answered_ago_ms: answered,
                    ended_ago_ms: ended,
                    ended: (end > 0).then(|| proto::Ended {
                        status: end,
                        effect,
                        refusal,
                        ..proto::Ended::default()
                    }),
                    pages: (1..=pages).map(|number| proto::PageFacts { number, rows: 2, bytes: 9 }).collect(),
                    expired,
                    schedule: None,
                    revision,
                    fenced: false,
                    may_come: false,
                }
            },
        )
}

proptest! {
    #[test]
    fn whatever_a_site_says_an_end_stays_and_no_time_goes_back(
        states in proptest::collection::vec((any_state(), 0..1000_i64), 0..12)
    ) {
        let (mut record, mut now) = (record(), CREATED);
        for (state, later) in states {
            now += later;
            let before = record.clone();
            apply(&mut record, state, now);
            if before.status.is_final() {
                let same = JobRecord { expired: before.expired, ..record.clone() };
                prop_assert_eq!(&same, &before);
                prop_assert!(record.expired || !before.expired);
            }
            prop_assert_eq!(record.status.is_final(), record.completed.is_some());
            if record.status.is_final() && record.kind == Kind::Async && record.status != S::Completed && record.status != S::Cancelled {
                prop_assert!(record.effect.is_some());
                prop_assert_eq!(record.status == S::Successful, record.why.is_none());
            }
            for span in [record.phases.initialising, record.phases.queued, record.phases.executing, record.phases.uploading] {
                if let (Some(start), Some(end)) = (span.start, span.end) {
                    prop_assert!(CREATED <= start && start <= end && end <= now, "{:?} at {}", record.phases, now);
                }
            }
            let text = serde_json::to_string(&record).unwrap();
            prop_assert_eq!(serde_json::from_str::<JobRecord>(&text).unwrap(), record.clone());
        }
    }
}

#[test]
fn an_event_is_told_once_also_when_many_came_since() {
    let mut record = record();
    let told = |at: i64| crate::jobs::record::Told { kind: 2, hash: Vec::new(), at };
    for at in 0..100 {
        assert!(record.tell(told(at), true), "the same kind again at another time is news");
    }
    for at in 0..100 {
        assert!(!record.tell(told(at), true), "{at}");
    }
    assert!(record.told.len() <= 16);
}

#[test]
fn what_may_have_arrived_is_never_not_executed_until_the_site_says_so() {
    // The first attempt's answer was lost; the second one was not let in, or found no way.
    for why in [Why::NotPaired, Why::NoWay, Why::TooOld, Why::Refused, Why::Unreachable] {
        let mut record = record();
        record.not_handed_over(JobStatus::ExecutionFailed, why, true, CREATED + 1);
        assert_eq!((record.effect, record.is_open()), (Some(Effect::Unknown), true), "{why:?}");
        // It did run, as the site says when it is back.
        apply(&mut record, ended(proto::Status::Successful, proto::Effect::Executed), CREATED + 2);
        assert_eq!((record.status, record.effect), (JobStatus::Successful, Some(Effect::Executed)));
        assert!(!record.is_open());
    }
    let mut record = record();
    record.not_handed_over(JobStatus::ExecutionFailed, Why::NotPaired, false, CREATED + 1);
    assert_eq!((record.effect, record.is_open()), (Some(Effect::NotExecuted), false));
}
