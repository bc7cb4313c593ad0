//! Jobs and schedules when the practice changes what it consents to.

use super::*;
use crate::consent::{Form, Most};

const MINUTE: Duration = Duration::from_secs(60);

fn who(bench: &Bench) -> IntegratorId {
    IntegratorId(bench.integrator.id())
}

fn set(bench: &Bench, change: Form) {
    bench.door().set_terms(bench.site, who(bench), &change, "0:root").unwrap();
}

fn scheduled(n: u128, text: &str, runs: u64) -> proto::SubmitRequest {
    let duration_ms = (runs - 1) * 60_000;
    let schedule = proto::Schedule { name: "waiting room".into(), frequency_ms: 60_000, duration_ms };
    proto::SubmitRequest { schedule: Some(schedule), ..request(n, text) }
}

async fn executing(bench: &Bench, n: u128) {
    until(bench, n, |state| matches!(state.status(), JobStatus::JobExecuting | JobStatus::JobUploading))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspended_integrators_waiting_jobs_are_refused_at_once_and_its_reading_ones_cancelled() {
    let bench = Bench::with(Limits { bulk: 1, ..Limits::default() });
    bench.pair(Access::ReadOnly);
    bench.host.issue().unwrap();
    bench.drive();
    submit(&bench, request(1, "sleep"));
    executing(&bench, 1).await;
    submit(&bench, request(2, "rows 1"));
    bench.door().suspend(bench.site, who(&bench), false, "0:root").unwrap();
    let (running, _) = ended(&bench, 1).await;
    assert_eq!((running.status(), running.refusal()), (proto::Status::Cancelled, Refusal::SwitchedOff));
    let (waiting, _) = ended(&bench, 2).await;
    assert_eq!((waiting.status(), waiting.refusal()), (proto::Status::Refused, Refusal::SwitchedOff));
    assert_eq!(bench.engine.runs.load(Ordering::SeqCst), 1);
    nothing_is_kept(&bench).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schedule_pauses_while_its_integrator_is_suspended_and_goes_on() {
    let bench = bench(Access::ReadOnly);
    submit(&bench, scheduled(1, "value", 4));
    let facts = async |wanted: fn(&proto::ScheduleFacts) -> bool| {
        until(&bench, 1, |state| wanted(state.schedule.as_ref().unwrap())).await.schedule.unwrap()
    };
    facts(|facts| facts.succeeded == 1).await;
    let runs = bench.engine.runs.load(Ordering::SeqCst);
    bench.door().suspend(bench.site, who(&bench), false, "0:root").unwrap();
    bench.clock.pass(MINUTE);
    bench.host.jobs().wake.notify_one();
    let paused = facts(|facts| facts.failed == 1).await;
    assert_eq!(paused.last_error.unwrap().code, 403);
    assert_eq!(bench.engine.runs.load(Ordering::SeqCst), runs, "it did not reach the database");
    bench.door().suspend(bench.site, who(&bench), true, "0:root").unwrap();
    bench.clock.pass(MINUTE);
    bench.host.jobs().wake.notify_one();
    facts(|facts| facts.succeeded == 2).await;
}

/// What a revoked integrator left goes: schedules end, pages are erased, nothing more is told.
#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_integrators_schedules_end_and_its_pages_are_erased_and_refused() {
    let bench = bench(Access::ReadOnly);
    submit(&bench, request(1, "rows 10"));
    submit(&bench, scheduled(2, "value", 100));
    ended(&bench, 1).await;
    until(&bench, 2, |state| state.schedule.as_ref().unwrap().succeeded == 1).await;
    assert_eq!(fetch(&bench, 1, 1, 0, RowForm::Array).await.pages.len(), 1);
    bench.door().revoke(bench.site, who(&bench), "0:root").unwrap();
    until(&bench, 2, |state| state.status() == JobStatus::JobCancelled).await;
    nothing_is_kept(&bench).await;
    let (_tell, read) = watch::channel(None);
    let (pieces, mut receiver) = mpsc::channel(4);
    let ask = PagesAsk { query: id(1), first: 1, count: 0, have_hash: Vec::new(), form: RowForm::Array };
    bench.host.jobs().clone().send_pages(bench.caller(), ask, read, pieces).await;
    let status = receiver.recv().await.unwrap().unwrap_err();
    assert_eq!(link_api::refusal::of_status(&status), Some(Refusal::ConsentRevoked));
}

/// An integrator that pairs again after it was unpaired begins a journal of its own: nothing of the old one is told.
#[tokio::test(flavor = "multi_thread")]
async fn an_unpaired_integrators_journal_is_closed() {
    let bench = bench(Access::ReadOnly);
    submit(&bench, request(1, "rows 10"));
    ended(&bench, 1).await;
    let site_store = bench.door().store().clone();
    let head = || site_store.journal_head(bench.site, who(&bench)).unwrap();
    let before = head();
    assert!(before.head > 0);
    bench.door().unpair(bench.site, who(&bench), Some("0:root")).unwrap();
    nothing_is_kept(&bench).await;
    let of = (bench.site, who(&bench));
    for _ in 0..500 {
        if site_store.open_jobs(&of).unwrap().is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    bench.pair(Access::ReadOnly);
    let after = head();
    assert!(after.journal != before.journal && after.head <= 1, "{after:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_whose_rows_are_too_much_for_the_day_keeps_nothing() {
    let bench = bench(Access::ReadOnly);
    set(&bench, Form { rows_per_day: Some(Most::Number(50)), ..Form::default() });
    submit(&bench, request(1, "rows 60"));
    let (end, state) = ended(&bench, 1).await;
    assert_eq!((end.status(), end.refusal()), (proto::Status::Cancelled, Refusal::BudgetRows));
    assert!(state.pages.is_empty());
    nothing_is_kept(&bench).await;
    let refused = submit(&bench, request(2, "rows 1")).ended.unwrap();
    assert_eq!(refused.refusal(), Refusal::BudgetRows);
    assert!(refused.retry_after_ms > 0);
}

/// Too many at once is nothing that a job is refused for: it waits until one of them has ended.
#[tokio::test(flavor = "multi_thread")]
async fn a_job_waits_for_a_place_among_those_that_may_be_under_way() {
    let bench = bench(Access::ReadOnly);
    set(&bench, Form { at_once: Some(Most::Number(1)), ..Form::default() });
    submit(&bench, request(1, "sleep"));
    executing(&bench, 1).await;
    submit(&bench, request(2, "rows 1"));
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(state(&bench, 2).status(), JobStatus::JobQueued);
    bench.engine.release();
    assert_eq!(ended(&bench, 2).await.0.status(), proto::Status::Successful);
}

/// A job that has no place is not looked at again and again: who gives a place back wakes it, and so does a practice that allows one
/// more.
#[tokio::test(flavor = "multi_thread")]
async fn a_job_without_a_place_is_left_alone_until_there_is_one() {
    let bench = bench(Access::ReadOnly);
    set(&bench, Form { at_once: Some(Most::Number(1)), ..Form::default() });
    submit(&bench, request(1, "sleep"));
    executing(&bench, 1).await;
    let turns = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = turns.clone();
    let hook = move |at| {
        counted.fetch_add(usize::from(at == "turn"), Ordering::SeqCst);
    };
    *bench.host.jobs().faults.lock().unwrap() = Some(Arc::new(hook));
    submit(&bench, request(2, "rows 1"));
    submit(&bench, request(3, "rows 1"));
    // Long enough for whoever would look every second to have done so.
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    assert_eq!(state(&bench, 2).status(), JobStatus::JobQueued);
    // Its own turn, and perhaps the other's before the first was found to have no place.
    assert!((1..=2).contains(&turns.load(Ordering::SeqCst)), "{turns:?}");
    set(&bench, Form { at_once: Some(Most::Number(2)), ..Form::default() });
    for n in [2, 3] {
        assert_eq!(ended(&bench, n).await.0.status(), proto::Status::Successful);
    }
    assert_eq!(state(&bench, 1).status(), JobStatus::JobExecuting, "it had its place all the while");
}

/// It has not run, and never will: its integrator is told so when that is decided, not hours later at its turn.
#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_waits_ends_when_the_practice_narrows_its_consent() {
    let bench = Bench::with(Limits { bulk: 1, ..Limits::default() });
    bench.pair(Access::ReadOnly);
    bench.host.issue().unwrap();
    bench.drive();
    // Deaf: nothing gives its turn on.
    submit(&bench, request(1, "stuck"));
    executing(&bench, 1).await;
    submit(&bench, request(2, "rows 1"));
    submit(&bench, request(3, "rows 2"));
    let approved = ["stuck", "rows 2"];
    let approve = approved.map(|text| format!("{:?}", crate::consent::Approval::of(&command(text)))).to_vec();
    let statements = Some("approved".to_owned());
    set(&bench, Form { statements, approve: Some(approve), ..Form::default() });
    let (end, _) = ended(&bench, 2).await;
    assert_eq!((end.status(), end.refusal()), (proto::Status::Refused, Refusal::ConsentStatement));
    assert!(events(&bench).contains(&(EventKind::EventFailed, 2)), "{:?}", events(&bench));
    assert_eq!(state(&bench, 3).status(), JobStatus::JobQueued, "what is still allowed waits on");
    assert_eq!(bench.engine.runs.load(Ordering::SeqCst), 1);
    bench.engine.release();
    assert_eq!(ended(&bench, 3).await.0.status(), proto::Status::Successful);
}

/// A gateway that is impatient, or two instances of one, send the same id twice at once: that is one query.
#[tokio::test(flavor = "multi_thread")]
async fn two_that_bring_the_same_job_at_once_are_counted_once() {
    let bench = bench(Access::ReadOnly);
    // Whoever takes a job waits for the other to come as far, but not for long: it must not come.
    let both = Arc::new((Mutex::new(0), std::sync::Condvar::new()));
    let meet = both.clone();
    let hook = move |at| {
        if at == "taking" {
            let mut here = meet.0.lock().unwrap();
            *here += 1;
            meet.1.notify_all();
            drop(meet.1.wait_timeout_while(here, Duration::from_millis(500), |here| *here < 2).unwrap());
        }
    };
    *bench.host.jobs().faults.lock().unwrap() = Some(Arc::new(hook));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| submit(&bench, request(1, "rows 1")));
        }
    });
    let pairing = bench.door().pairing(bench.site, who(&bench)).unwrap();
    assert_eq!(bench.door().used(&pairing).0.queries, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn submitting_counts_as_a_query_and_running_what_was_submitted_does_not() {
    let bench = bench(Access::ReadOnly);
    set(&bench, Form { queries_per_minute: Some(Most::Number(2)), ..Form::default() });
    submit(&bench, request(1, "rows 1"));
    submit(&bench, request(2, "rows 1"));
    assert_eq!(ended(&bench, 1).await.0.status(), proto::Status::Successful);
    assert_eq!(ended(&bench, 2).await.0.status(), proto::Status::Successful);
    assert_eq!(submit(&bench, request(3, "rows 1")).ended.unwrap().refusal(), Refusal::BudgetQueries);
}

/// A hosted gateway's job does not outlive the permission: the site remembers where it came from, whatever the gateway says.
#[tokio::test(flavor = "multi_thread")]
async fn a_job_remembers_that_a_hosted_gateway_brought_it() {
    let bench = Bench::new();
    bench.pair(Access::ReadOnly);
    bench.host.issue().unwrap();
    set(&bench, Form { hosted: Some(true), ..Form::default() });
    let peer = bench.integrator.issue_hosted("hosted", 7, model::Clock::now(&*bench.clock), DAY).unwrap();
    let caller = crate::pairing::Caller { peer: std::sync::Arc::new(peer.peer().clone()), ..bench.caller() };
    let wanted = Wanted::read(proto::SubmitRequest { by_hosted: false, ..request(1, "rows 1") }).unwrap();
    bench.host.jobs().submit(&caller, wanted).unwrap();
    set(&bench, Form { hosted: Some(false), ..Form::default() });
    bench.drive();
    let (end, _) = ended(&bench, 1).await;
    assert_eq!((end.status(), end.refusal()), (proto::Status::Refused, Refusal::ConsentHosted));
}

/// A repeat is how a gateway asks again when an answer was lost: it pays once. What is refused leaves a line, as it does live.
#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_submit_is_counted_once_and_a_refused_one_is_written_down() {
    let bench = bench(Access::ReadOnly);
    set(&bench, Form { queries_per_minute: Some(Most::Number(2)), ..Form::default() });
    let taken = |n| {
        submit(&bench, request(n, "rows 1")).ended.is_none_or(|end| end.refusal() == Refusal::Unspecified)
    };
    assert!((0..5).all(|_| taken(1)));
    assert!(taken(2), "the repeats were counted");
    assert!(taken(1), "a repeat is answered when nothing is left, too");
    let lines = || bench.audit().iter().filter(|row| row.what == "refused").count();
    let before = lines();
    assert_eq!(submit(&bench, request(3, "rows 1")).ended.unwrap().refusal(), Refusal::BudgetQueries);
    assert_eq!(lines(), before + 1);
}

/// Whoever is kept out may know how its job ended, by this way as by the other.
#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_submit_tells_who_is_kept_out_no_practice_data() {
    let bench = bench(Access::ReadOnly);
    submit(&bench, request(1, "error"));
    let (whole, _) = ended(&bench, 1).await;
    assert!(whole.error.unwrap().message.contains("canary-message"));
    bench.door().suspend(bench.site, who(&bench), false, "0:root").unwrap();
    let told = submit(&bench, request(1, "error")).ended.unwrap();
    let error = told.error.clone().unwrap();
    assert_eq!((told.status(), error.code), (proto::Status::Failed, 207));
    assert!(!error.message.contains("canary-message"), "{}", error.message);
    bench.door().revoke(bench.site, who(&bench), "0:root").unwrap();
    let told = submit(&bench, request(1, "error")).ended.unwrap();
    assert_eq!((told.refusal(), told.effect()), (Refusal::ConsentRevoked, proto::Effect::Unknown));
}
