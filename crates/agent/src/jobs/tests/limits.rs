//! How much is remembered, and what goes when it is too much.

use super::*;
use crate::store::{NewJob, Submitted};

const FEW: JobLimits = JobLimits { kept: 2, remembered: 4, waiting: 9, schedules: 9 };

fn new_job(bench: &Bench, n: u128, read_only: bool) -> NewJob {
    let integrator = IntegratorId(bench.integrator.id());
    NewJob {
        key: LedgerKey { site: bench.site, integrator, query: id(n) },
        instance: "one".into(),
        read_only,
        request: request(n, "rows 1"),
        queue_ms: 60_000,
        keep_ms: 1_000,
    }
}

fn take(bench: &Bench, n: u128, read_only: bool) -> Submitted {
    let jobs = bench.host.jobs();
    jobs.store.submit(&new_job(bench, n, read_only), jobs.time.now(), FEW).unwrap()
}

/// All that wait end, and what was kept of them expires.
fn expire(bench: &Bench) {
    let jobs = bench.host.jobs();
    for job in jobs.store.jobs_in(JobStatus::JobQueued).unwrap() {
        jobs.store.cancel_job(&job, jobs.moment()).unwrap();
    }
    bench.clock.pass(Duration::from_secs(2));
    jobs.tidy().unwrap();
}

#[test]
fn what_has_expired_takes_no_place_and_only_old_reads_are_forgotten_early() {
    let bench = Bench::new();
    let taken = |n, read_only| matches!(take(&bench, n, read_only), Submitted::Taken(_));
    assert!(taken(1, false) && taken(2, true));
    assert!(matches!(take(&bench, 3, true), Submitted::TooManyKept));
    expire(&bench);
    assert!(taken(3, true) && taken(4, false), "those that expired lock nobody out");
    expire(&bench);
    assert_eq!(bench.host.jobs().store.jobs(&new_job(&bench, 1, true).key, None, 9).unwrap().len(), 4);
    // The oldest read makes room; what may have written is still known, and its id refused for anything else.
    assert!(taken(5, false));
    assert_eq!(state(&bench, 2).status(), JobStatus::JobUnknown);
    for n in [1, 4] {
        assert!(matches!(take(&bench, n, false), Submitted::Known(_)));
        let other = NewJob {
            request: proto::SubmitRequest { digest: vec![2; 32], ..request(n, "rows 2") },
            ..new_job(&bench, n, false)
        };
        let jobs = bench.host.jobs();
        assert!(matches!(jobs.store.submit(&other, jobs.time.now(), FEW).unwrap(), Submitted::Other));
    }
    expire(&bench);
    assert!(taken(6, false));
    expire(&bench);
    assert_eq!(state(&bench, 3).status(), JobStatus::JobUnknown);
    assert!(matches!(take(&bench, 7, true), Submitted::TooManyKept), "nothing is left that may be forgotten");
    bench.clock.pass(DAY * 8);
    bench.host.jobs().tidy().unwrap();
    assert!(taken(7, true));
}
