//! Registered queries: runs at their times, and only what changed is kept and told.

use super::*;

const MINUTE: Duration = Duration::from_secs(60);

fn register(bench: &Bench, n: u128, text: &str, runs: u64) -> JobState {
    let duration_ms = (runs - 1) * 60_000;
    let schedule = proto::Schedule { name: "waiting room".into(), frequency_ms: 60_000, duration_ms };
    submit(bench, proto::SubmitRequest { schedule: Some(schedule), ..request(n, text) })
}

fn pass(bench: &Bench, span: Duration) {
    bench.clock.pass(span);
    bench.host.jobs().wake.notify_one();
}

async fn after(bench: &Bench, n: u128, succeeded: u64, failed: u64) -> proto::ScheduleFacts {
    let wanted = |state: &JobState| {
        let facts = state.schedule.as_ref().unwrap();
        (facts.succeeded, facts.failed) == (succeeded, failed)
    };
    until(bench, n, wanted).await.schedule.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn it_runs_at_its_times_and_only_what_changed_is_kept_and_told() {
    let bench = bench(Access::ReadOnly);
    let taken = register(&bench, 1, "value", 3);
    assert_eq!(taken.status(), JobStatus::JobEnabled);
    assert_eq!(taken.schedule.unwrap().schedule.unwrap().name, "waiting room");
    let first = after(&bench, 1, 1, 0).await;
    assert_eq!((first.changes, first.result_rows, first.last_hash.len()), (1, 1, 32));
    let fetched = fetch(&bench, 1, 0, 0, RowForm::Array).await;
    assert_eq!(
        (fetched.pages[0].1.as_str(), fetched.end.outcome()),
        (r#"{"id":0}"#, PagesOutcome::PagesSent)
    );
    assert_eq!(fetched.pages[0].0.hash, first.last_hash);
    pass(&bench, MINUTE);
    let second = after(&bench, 1, 2, 0).await;
    assert_eq!((second.changes, &second.last_hash), (1, &first.last_hash));
    bench.engine.value.store(7, Ordering::SeqCst);
    pass(&bench, MINUTE);
    let third = after(&bench, 1, 3, 0).await;
    assert_eq!(third.changes, 2);
    until(&bench, 1, |state| state.status() == JobStatus::JobCompleted).await;
    assert_eq!(fetch(&bench, 1, 0, 0, RowForm::Array).await.pages[0].1, r#"{"id":7}"#);
    let changed = (EventKind::EventResultChanged, 1);
    assert_eq!(events(&bench), [changed, changed, (EventKind::EventCompleted, 1)]);
    let have =
        PagesAsk { query: id(1), first: 0, count: 0, have_hash: third.last_hash, form: RowForm::Array };
    let (_tell, read) = watch::channel(None);
    let (pieces, mut receiver) = mpsc::channel(4);
    bench.host.jobs().clone().send_pages(bench.caller(), have, read, pieces).await;
    let Some(What::End(end)) = receiver.recv().await.unwrap().unwrap().what else { panic!("only an end") };
    assert_eq!(end.outcome(), PagesOutcome::PagesUnchanged);
    // Each run has an id of its own in the audit.
    let mut queries: Vec<_> =
        bench.audit().into_iter().filter(|r| r.what == "begin").map(|r| r.query).collect();
    queries.dedup();
    assert_eq!(queries.len(), 3);
    // Kept for a day after its end.
    pass(&bench, DAY + MINUTE);
    bench.host.jobs().tidy().unwrap();
    assert_eq!(fetch(&bench, 1, 0, 0, RowForm::Array).await.end.outcome(), PagesOutcome::PagesExpired);
    assert_eq!(bench.host.jobs().load().unwrap().spool_used, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_still_going_on_is_not_doubled() {
    let bench = bench(Access::ReadOnly);
    register(&bench, 1, "sleep", 4);
    while bench.engine.runs.load(Ordering::SeqCst) == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    for _ in 0..2 {
        pass(&bench, MINUTE);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(bench.engine.runs.load(Ordering::SeqCst), 1);
    bench.engine.release();
    after(&bench, 1, 1, 0).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(bench.engine.runs.load(Ordering::SeqCst), 1, "those that came due meanwhile are left out");
    pass(&bench, MINUTE);
    after(&bench, 1, 2, 0).await;
    until(&bench, 1, |state| state.status() == JobStatus::JobCompleted).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_are_counted_and_it_goes_on() {
    let bench = bench(Access::ReadOnly);
    register(&bench, 1, "error", 3);
    after(&bench, 1, 0, 1).await;
    pass(&bench, MINUTE);
    after(&bench, 1, 0, 2).await;
    pass(&bench, MINUTE);
    let facts = after(&bench, 1, 0, 3).await;
    assert_eq!((facts.last_error.unwrap().code, facts.last_hash.len()), (207, 0));
    until(&bench, 1, |state| state.status() == JobStatus::JobCompleted).await;
    // Told once, not each minute.
    assert_eq!(events(&bench), [(EventKind::EventFailed, 1), (EventKind::EventCompleted, 1)]);
    assert_eq!(fetch(&bench, 1, 0, 0, RowForm::Array).await.end.outcome(), PagesOutcome::PagesNoPage);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_set_and_a_restart_neither_double_nor_lose_a_run() {
    let bench = bench(Access::ReadOnly);
    register(&bench, 1, "value", 5);
    after(&bench, 1, 1, 0).await;
    bench.clock.set_back(DAY);
    bench.host.jobs().wake.notify_one();
    tokio::time::sleep(Duration::from_millis(50)).await;
    bench.clock.advance(DAY + MINUTE / 2);
    bench.host.jobs().wake.notify_one();
    tokio::time::sleep(Duration::from_millis(50)).await;
    after(&bench, 1, 1, 0).await;
    let bench = crash(bench);
    tokio::time::sleep(Duration::from_millis(50)).await;
    after(&bench, 1, 1, 0).await;
    // Down over two of its times: the newest is run.
    bench.clock.advance(MINUTE * 2);
    let bench = crash(bench);
    after(&bench, 1, 2, 0).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(bench.engine.log.lock().unwrap().len(), 2);
    assert_eq!(fetch(&bench, 1, 0, 0, RowForm::Array).await.pages.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_was_cut_off_counts_as_failed_and_is_not_run_again() {
    for access in [Access::ReadOnly, Access::ReadWrite] {
        let bench = bench(access);
        register(&bench, 1, "sleep", 3);
        while bench.engine.runs.load(Ordering::SeqCst) == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let bench = crash(bench);
        after(&bench, 1, 0, 1).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!(bench.engine.log.lock().unwrap().len(), 1);
        let told =
            if access == Access::ReadOnly { EventKind::EventFailed } else { EventKind::EventOutcomeUnknown };
        assert_eq!(events(&bench), [(told, 1)]);
        bench.engine.release();
        pass(&bench, MINUTE);
        after(&bench, 1, 1, 1).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_cancelled_runs_no_more_and_keeps_its_result_for_a_day() {
    let bench = bench(Access::ReadOnly);
    register(&bench, 1, "value", 100);
    after(&bench, 1, 1, 0).await;
    assert_eq!(cancel(&bench, 1, false).status(), JobStatus::JobCancelled);
    pass(&bench, MINUTE);
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(bench.engine.runs.load(Ordering::SeqCst), 1);
    assert_eq!(fetch(&bench, 1, 0, 0, RowForm::Array).await.pages.len(), 1);
    assert_eq!(events(&bench).last(), Some(&(EventKind::EventCancelled, 1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_beyond_eight_mib_fails_and_the_one_before_stays() {
    let bench = bench(Access::ReadOnly);
    register(&bench, 1, "giant", 2);
    let facts = after(&bench, 1, 0, 1).await;
    assert_eq!(facts.last_error.unwrap().code, 413);
    assert_eq!(bench.host.jobs().load().unwrap().spool_used, 0);
}

/// So many runs have reached the database.
async fn began(bench: &Bench, runs: usize) {
    while bench.engine.log.lock().unwrap().len() < runs {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// The process dies in the middle of the first three runs, each at its time.
async fn cut_off_three_runs(mut bench: Bench) -> Bench {
    for times in 1..=3 {
        began(&bench, times).await;
        bench = crash(bench);
        after(&bench, 1, 0, times as u64).await;
        if times < 3 {
            pass(&bench, MINUTE);
        }
    }
    bench
}

/// A run that takes the whole process down with it must not do so each minute for ever; one that only was unlucky goes on by itself.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_cut_off_three_times_in_a_row_lets_time_pass_and_says_why() {
    let mut bench = bench(Access::ReadOnly);
    register(&bench, 1, "sleep", 200);
    bench = cut_off_three_runs(bench).await;
    let why = after(&bench, 1, 0, 3).await.last_error.unwrap();
    assert_eq!(why.code, 500);
    assert!(
        why.message.contains("3 times in a row") && why.message.contains("10 minutes"),
        "{}",
        why.message
    );
    // Its times come and are left out, also after a start that cut nothing off.
    pass(&bench, MINUTE * 5);
    let mut bench = crash(bench);
    pass(&bench, MINUTE * 4);
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(bench.engine.log.lock().unwrap().len(), 3);
    // The next one is cut off as well: twice as long.
    pass(&bench, MINUTE);
    began(&bench, 4).await;
    bench = crash(bench);
    let why = after(&bench, 1, 0, 4).await.last_error.unwrap();
    assert!(why.message.contains("20 minutes"), "{}", why.message);
    pass(&bench, MINUTE * 19);
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(bench.engine.log.lock().unwrap().len(), 4);
    // It was chance after all: the process outlives a run, and all is as before.
    pass(&bench, MINUTE);
    began(&bench, 5).await;
    bench.engine.release();
    assert_eq!(after(&bench, 1, 1, 4).await.last_error, None);
    pass(&bench, MINUTE);
    after(&bench, 1, 2, 4).await;
    assert_eq!(events(&bench)[..2], [(EventKind::EventFailed, 1), (EventKind::EventResultChanged, 1)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_whose_duration_ends_while_its_runs_are_left_out_is_completed() {
    let mut bench = bench(Access::ReadOnly);
    register(&bench, 1, "sleep", 5);
    bench = cut_off_three_runs(bench).await;
    pass(&bench, MINUTE * 3);
    until(&bench, 1, |state| state.status() == JobStatus::JobCompleted).await;
    assert_eq!(bench.engine.log.lock().unwrap().len(), 3);
}
