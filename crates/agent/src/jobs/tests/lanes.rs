//! Lanes that get stuck, and heal by themselves.

use super::*;
use crate::{
    health::{Lane, ROUND},
    jobs::watchdog::Watchdog,
};
use std::sync::mpsc as blocking;

fn stalled(limits: Limits) -> Bench {
    let bench = Bench::with(limits);
    bench.pair(Access::ReadWrite);
    bench.host.issue().unwrap();
    bench
}

fn answers(bench: &Bench, lane: Lane) -> bool {
    let site = matches!(lane, Lane::Immediate | Lane::Bulk).then_some(bench.site);
    bench.host.jobs().health().answers((site, lane))
}

async fn comes_to(what: &str, wanted: impl Fn() -> bool) {
    for _ in 0..1_000 {
        if wanted() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it does not come to that: {what}");
}

const ALL: [Lane; 4] = [Lane::Immediate, Lane::Bulk, Lane::Planner, Lane::Journal];

/// The incumbent's async queries stayed in `executing` for ever, and those behind them in the queue (J 26.0518).
#[tokio::test(flavor = "multi_thread")]
async fn j_26_0518_async_stuck_in_executing_ends_and_those_behind_it_run() {
    let bench = stalled(Limits { bulk: 1, leave_ms: 50, ..Limits::default() });
    bench.drive();
    submit(&bench, proto::SubmitRequest { run_ms: 50, ..request(1, "stuck") });
    let (end, _) = ended(&bench, 1).await;
    assert_eq!((end.status(), end.effect()), (proto::Status::TimedOut, proto::Effect::Unknown));
    submit(&bench, request(2, "rows 3"));
    assert_eq!(
        ended(&bench, 2).await.0.status(),
        proto::Status::Successful,
        "the first one still holds its session"
    );
    assert_eq!(bench.host.executor().lost(bench.site), 1);
    let lines = bench.audit();
    assert!(lines.iter().any(|line| line.status.as_deref() == Some("TIMED_OUT")), "the practice can see it");
    bench.engine.release();
    comes_to("its thread ends", || bench.host.executor().lost(bench.site) == 0).await;
    assert_eq!(state(&bench, 1).ended.unwrap().status(), proto::Status::TimedOut, "told once, and not again");
    let begun = bench.engine.log.lock().unwrap().iter().filter(|(text, _)| text == "stuck").count();
    assert_eq!(begun, 1, "nothing starts twice");
}

/// One that is cancelled and does not heed it is not waited for until its time is up.
#[tokio::test(flavor = "multi_thread")]
async fn j_26_0518_a_cancelled_query_that_is_deaf_ends_at_once_and_gives_its_place_back() {
    let bench = stalled(Limits { bulk: 1, leave_ms: 50, ..Limits::default() });
    bench.drive();
    submit(&bench, request(1, "stuck"));
    until(&bench, 1, |state| state.status() == JobStatus::JobExecuting).await;
    comes_to("it runs", || bench.engine.runs.load(Ordering::SeqCst) == 1).await;
    cancel(&bench, 1, true);
    let (end, _) = ended(&bench, 1).await;
    assert_eq!((end.status(), end.effect()), (proto::Status::Cancelled, proto::Effect::Unknown));
    submit(&bench, request(2, "rows 3"));
    assert_eq!(ended(&bench, 2).await.0.status(), proto::Status::Successful);
    bench.engine.release();
}

/// A registered query whose run never ends goes on with the next one (J 26.0330: registered and async stalls).
#[tokio::test(flavor = "multi_thread")]
async fn j_26_0330_a_registered_query_goes_on_after_a_run_that_never_ends() {
    let bench = stalled(Limits { leave_ms: 50, ..Limits::default() });
    bench.drive();
    let schedule = proto::Schedule { name: "n".to_owned(), frequency_ms: 6_000, duration_ms: 600_000 };
    submit(&bench, proto::SubmitRequest { schedule: Some(schedule), run_ms: 50, ..request(1, "stuck") });
    let failed =
        until(&bench, 1, |state| state.schedule.as_ref().is_some_and(|facts| facts.failed == 1)).await;
    assert_eq!(failed.status(), JobStatus::JobEnabled);
    comes_to("its place is given back", || bench.host.executor().lost(bench.site) == 1).await;
    bench.engine.release();
    bench.clock.pass(Duration::from_secs(6));
    bench.host.jobs().wake.notify_one();
    until(&bench, 1, |state| state.schedule.as_ref().is_some_and(|facts| facts.succeeded == 1)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_lane_proves_itself_at_once_and_none_claims_to_answer_before() {
    let bench = stalled(Limits::default());
    assert!(ALL.iter().all(|lane| !answers(&bench, *lane)), "nobody asked yet");
    bench.drive();
    for lane in ALL {
        comes_to(lane.name(), || answers(&bench, lane)).await;
    }
    bench.clock.pass(Duration::from_secs(61));
    assert!(!answers(&bench, Lane::Bulk), "what was proved once is not proved for ever");
}

/// Full of work is not stuck: a lane that has no place for the next one is not begun anew, nor its site told to be unreachable.
#[tokio::test(flavor = "multi_thread")]
async fn a_lane_that_is_busy_answers() {
    let bench = stalled(Limits { running: 1, bulk: 1, ..Limits::default() });
    let mut watchdog = Watchdog::new(bench.host.jobs().clone());
    submit(&bench, request(1, "sleep"));
    comes_to("it runs", || bench.engine.runs.load(Ordering::SeqCst) == 1).await;
    submit(&bench, proto::SubmitRequest { queue_ms: 600_000, ..request(2, "rows 1") });
    for _ in 0..9 {
        bench.clock.pass(ROUND);
        watchdog.round();
        for lane in ALL {
            comes_to(lane.name(), || answers(&bench, lane)).await;
        }
        // The lanes were asked in this round: each answers for it, not for an earlier one.
        comes_to("this round", || {
            let lanes = bench.host.jobs().health().lanes(None);
            lanes.iter().all(|lane| lane.ago.is_some_and(|ago| ago < ROUND))
        })
        .await;
    }
    assert_eq!(watchdog.begun_anew, 0);
    bench.engine.release();
    assert_eq!(ended(&bench, 2).await.0.status(), proto::Status::Successful);
}

/// Whatever ended the task that takes turns, its site's queries must not wait for a restart of the service (J 26.0330).
#[tokio::test(flavor = "multi_thread")]
async fn j_26_0330_drivers_that_are_gone_are_found_and_begun_anew() {
    let bench = stalled(Limits::default());
    let mut watchdog = Watchdog::new(bench.host.jobs().clone());
    watchdog.round();
    for lane in ALL {
        comes_to(lane.name(), || answers(&bench, lane)).await;
    }
    watchdog.end_drivers();
    submit(&bench, request(1, "rows 1"));
    let schedule = proto::Schedule { name: "n".to_owned(), frequency_ms: 60_000, duration_ms: 600_000 };
    submit(&bench, proto::SubmitRequest { schedule: Some(schedule), ..request(2, "rows 1") });
    for _ in 0..4 {
        bench.clock.pass(ROUND);
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!(watchdog.begun_anew, 0);
        watchdog.round();
    }
    assert_eq!(watchdog.begun_anew, 2, "those two, and not the lanes that answer");
    assert_eq!(ended(&bench, 1).await.0.status(), proto::Status::Successful);
    until(&bench, 2, |state| state.schedule.as_ref().is_some_and(|facts| facts.succeeded == 1)).await;
    for lane in ALL {
        comes_to(lane.name(), || answers(&bench, lane)).await;
    }
}

/// A disk that hangs is no driver's fault: it is told, and nothing is begun anew, which would only leave more threads waiting for it.
#[tokio::test(flavor = "multi_thread")]
async fn k28_a_disk_that_hangs_is_found_and_when_it_is_back_all_lanes_answer() {
    let bench = stalled(Limits::default());
    let mut watchdog = Watchdog::new(bench.host.jobs().clone());
    watchdog.round();
    comes_to("the first proof", || answers(&bench, Lane::Journal)).await;
    let (release, held) = blocking::channel::<()>();
    let (tell, holds) = blocking::channel();
    let host = bench.host.clone();
    let disk = std::thread::spawn(move || {
        host.hold_store(|| {
            tell.send(()).unwrap();
            let _ = held.recv();
        });
    });
    holds.recv().unwrap();
    for _ in 0..9 {
        bench.clock.pass(ROUND);
        watchdog.round();
    }
    assert!(!answers(&bench, Lane::Journal));
    assert_eq!(watchdog.commits, 2, "one that is answered and one that waits: each more would cost a thread");
    drop(release);
    disk.join().unwrap();
    for _ in 0..2 {
        tokio::time::sleep(Duration::from_millis(50)).await;
        watchdog.round();
    }
    for lane in ALL {
        comes_to(lane.name(), || answers(&bench, lane)).await;
    }
    assert_eq!(watchdog.begun_anew, 2, "the journal itself, twice");
}
