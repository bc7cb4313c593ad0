//! A gateway draws its conclusions from "unknown": what comes under that id later is not taken.

use super::*;

/// "Is it known?", by one who will believe the answer.
fn fence(bench: &Bench, n: u128) -> JobState {
    bench.host.jobs().states(&StateAsk { fence: true, ..ask(bench, n) }).unwrap().remove(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_submit_that_comes_after_unknown_was_said_is_not_taken_also_after_a_restart() {
    let bench = bench(Access::ReadWrite);
    let told = state(&bench, 1);
    assert_eq!(
        (told.status(), told.fenced),
        (JobStatus::JobUnknown, false),
        "who only looks promises nothing"
    );
    let told = [fence(&bench, 1), cancel(&bench, 2, false)];
    assert!(told.iter().all(|told| told.status() == JobStatus::JobUnknown && told.fenced));
    let bench = crash(bench);
    for n in [1, 2] {
        for _ in 0..2 {
            let answer = submit(&bench, request(n, "update late"));
            let end = answer.ended.as_ref().unwrap();
            let expected = (JobStatus::JobEnded, proto::Status::Cancelled, proto::Effect::NotExecuted);
            assert_eq!((answer.status(), end.status(), end.effect()), expected);
        }
        assert!(fence(&bench, n).fenced, "said again it is the same");
    }
    submit(&bench, request(3, "update next"));
    ended(&bench, 3).await;
    let log = bench.engine.log.lock().unwrap();
    assert_eq!(log.iter().map(|(text, _)| text.as_str()).collect::<Vec<_>>(), ["update next"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_is_here_is_not_fenced_and_another_integrators_id_is_its_own() {
    let bench = bench(Access::ReadWrite);
    submit(&bench, request(1, "rows 1"));
    let told = fence(&bench, 1);
    assert!(told.status() != JobStatus::JobUnknown && !told.fenced);
    assert_eq!(ended(&bench, 1).await.0.status(), proto::Status::Successful);
    let other =
        StateAsk { integrator: IntegratorId(uuid::Uuid::from_u128(5)), fence: true, ..ask(&bench, 2) };
    assert!(bench.host.jobs().states(&other).unwrap()[0].fenced);
    submit(&bench, request(2, "rows 1"));
    assert_eq!(ended(&bench, 2).await.0.status(), proto::Status::Successful);
}

/// A gateway that asks for any number of ids fills no disk, and none of what it was promised of late is broken.
#[tokio::test]
async fn fences_are_bounded_kept_for_an_hour_at_least_and_forgotten_after_a_day() {
    let bench = Bench::new();
    bench.pair(Access::ReadWrite);
    let jobs = bench.host.jobs();
    let key =
        |n| LedgerKey { site: bench.site, integrator: IntegratorId(bench.integrator.id()), query: id(n) };
    let fence = |n| jobs.store.fence_within(&key(n), jobs.time.now(), 3).unwrap();
    assert!(fence(1) && fence(2) && fence(3));
    assert!(!fence(4), "rather no promise than a broken one");
    assert!(fence(3), "what stands needs no room");
    bench.clock.pass(Duration::from_secs(2 * 60 * 60));
    assert!(fence(4) && fence(5));
    let refused = |n| submit(&bench, request(n, "rows 1")).ended.is_some();
    assert!(!refused(1), "the oldest made room");
    assert!(refused(4) && refused(5));
    bench.clock.pass(DAY + Duration::from_secs(1));
    jobs.tidy().unwrap();
    assert!(!refused(4));
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_in_the_middle_of_a_submit_a_job_is_there_or_not_and_a_repeat_takes_it_once() {
    for (point, there) in [("taking", false), ("taken", true)] {
        let bench = bench(Access::ReadWrite);
        let parked = crash::arm(&bench, point);
        let (jobs, caller) = (bench.host.jobs().clone(), bench.caller());
        let submitting = std::thread::spawn(move || {
            // Its answer reaches nobody.
            let _ = jobs.submit(&caller, Wanted::read(request(1, "update once")).unwrap());
        });
        let parked = tokio::task::spawn_blocking(move || parked.wait()).await.unwrap();
        let bench = crash(bench);
        drop(parked);
        submitting.join().unwrap();
        let known = state(&bench, 1).status() != JobStatus::JobUnknown;
        assert_eq!(known, there, "{point}");
        submit(&bench, request(1, "update once"));
        assert_eq!(ended(&bench, 1).await.0.status(), proto::Status::Successful);
        assert_eq!(bench.engine.log.lock().unwrap().len(), 1, "{point}");
    }
}
