//! The process is killed at every step: no job that was acknowledged stays without an end, and nothing that may have written starts
//! twice. Each crash works on a copy of the disk as it was at that moment.

use super::*;
use rand::{Rng, SeedableRng, rngs::StdRng};
use std::{
    collections::BTreeMap,
    sync::{atomic::AtomicBool, mpsc as std_mpsc},
};

const POINTS: [&str; 6] = ["before begin", "begun", "page in the spool", "page told", "before end", "ended"];

/// A thread that stands still at a point.
pub(super) struct Parked {
    hit: std_mpsc::Receiver<()>,
    /// Dropped, it goes on.
    _hold: std_mpsc::Sender<()>,
}

impl Parked {
    /// Until a thread stands there.
    pub(super) fn wait(self) -> Parked {
        self.hit.recv_timeout(Duration::from_secs(20)).unwrap();
        self
    }
}

/// The first thread that comes to `point` stands still there.
pub(super) fn arm(bench: &Bench, point: &'static str) -> Parked {
    let (tell, hit) = std_mpsc::channel();
    let (hold, held) = std_mpsc::channel::<()>();
    let (fired, held, tell) = (AtomicBool::new(false), Mutex::new(held), Mutex::new(tell));
    let hook = move |at: &'static str| {
        if at == point && !fired.swap(true, Ordering::SeqCst) {
            let _ = tell.lock().unwrap().send(());
            let _ = held.lock().unwrap().recv();
        }
    };
    *bench.host.jobs().faults.lock().unwrap() = Some(Arc::new(hook));
    Parked { hit, _hold: hold }
}

fn count(bench: &Bench, text: &str) -> usize {
    bench.engine.log.lock().unwrap().iter().filter(|(logged, _)| logged == text).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_anywhere_a_read_runs_again_and_a_write_is_never_started_twice() {
    for point in POINTS {
        for access in [Access::ReadOnly, Access::ReadWrite] {
            let bench = bench(access);
            let parked = arm(&bench, point);
            let text = "rows 60000";
            submit(&bench, request(1, text));
            let (parked, hit) = tokio::task::spawn_blocking(move || {
                let hit = parked.hit.recv_timeout(Duration::from_secs(20));
                (parked, hit)
            })
            .await
            .unwrap();
            hit.unwrap();
            let bench = crash(bench);
            drop(parked);
            let (end, state) = ended(&bench, 1).await;
            let certain = matches!(point, "before begin" | "ended");
            if access == Access::ReadOnly || certain {
                assert_eq!(end.status(), proto::Status::Successful, "{point} {access:?}");
                let rows: u64 = state.pages.iter().map(|page| page.rows).sum();
                assert_eq!(rows, 60_000, "{point} {access:?}");
                let fetched = fetch(&bench, 1, 1, 0, RowForm::Array).await;
                assert_eq!(fetched.end.outcome(), PagesOutcome::PagesSent);
                assert_eq!(fetched.pages.len(), state.pages.len());
                assert_eq!(events(&bench), [(EventKind::EventSucceeded, 1)]);
            } else {
                assert_eq!(
                    (end.status(), end.effect()),
                    (proto::Status::Interrupted, proto::Effect::Unknown)
                );
                assert_eq!(events(&bench), [(EventKind::EventOutcomeUnknown, 1)], "{point}");
                assert_eq!(bench.host.jobs().load().unwrap().spool_used, 0);
            }
            if access == Access::ReadWrite {
                assert!(count(&bench, text) <= 1, "{point}");
            }
            // Ledger and job tell the same.
            let known = bench.door().outcome(&bench.peer(), bench.site, id(1)).unwrap().unwrap();
            assert_eq!((known.status(), known.effect()), (end.status(), end.effect()), "{point} {access:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_waits_on_with_the_time_that_it_has_left() {
    let bench = Bench::new();
    bench.pair(Access::ReadWrite);
    submit(&bench, request(1, "update one"));
    submit(&bench, proto::SubmitRequest { queue_ms: 10_000, ..request(2, "update two") });
    bench.clock.pass(Duration::from_secs(8));
    // Down for a while.
    bench.clock.advance(Duration::from_secs(4));
    let bench = crash(bench);
    assert_eq!(ended(&bench, 1).await.0.status(), proto::Status::Successful);
    assert_eq!(ended(&bench, 2).await.0.status(), proto::Status::ExpiredInQueue);
    assert_eq!(count(&bench, "update two"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_that_was_cut_off_and_then_cancelled_is_not_said_to_be_not_executed() {
    let bench = bench(Access::ReadOnly);
    submit(&bench, request(1, "sleep"));
    while count(&bench, "sleep") == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // Nobody takes turns: it waits.
    let bench = bench.crash();
    assert_eq!(state(&bench, 1).status(), JobStatus::JobQueued);
    let end = cancel(&bench, 1, false).ended.unwrap();
    assert_eq!(
        (end.status(), end.effect(), end.read_only),
        (proto::Status::Cancelled, proto::Effect::Unknown, true)
    );
    bench.host.issue().unwrap();
    assert_eq!(events(&bench), [(EventKind::EventCancelled, 1)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_that_is_cut_off_each_time_is_not_begun_for_ever() {
    let mut bench = bench(Access::ReadOnly);
    submit(&bench, request(1, "sleep"));
    for times in 1..=3 {
        while count(&bench, "sleep") < times {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        bench = crash(bench);
    }
    let (end, _) = ended(&bench, 1).await;
    assert_eq!(
        (end.status(), end.effect(), end.read_only),
        (proto::Status::Interrupted, proto::Effect::Unknown, true)
    );
    assert_eq!(count(&bench, "sleep"), 3);
    assert_eq!(events(&bench), [(EventKind::EventFailed, 1)]);
    let known = bench.door().outcome(&bench.peer(), bench.site, id(1)).unwrap().unwrap();
    assert_eq!((known.status(), known.effect()), (end.status(), end.effect()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_driver_that_breaks_begins_anew() {
    let bench = bench(Access::ReadOnly);
    let fired = AtomicBool::new(false);
    let hook = move |at: &'static str| {
        assert!(at != "turn" || fired.swap(true, Ordering::SeqCst), "the driver breaks once");
    };
    *bench.host.jobs().faults.lock().unwrap() = Some(Arc::new(hook));
    submit(&bench, request(1, "rows 1"));
    assert_eq!(ended(&bench, 1).await.0.status(), proto::Status::Successful);
    submit(&bench, request(2, "rows 1"));
    assert_eq!(ended(&bench, 2).await.0.status(), proto::Status::Successful);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_that_was_acknowledged_outlives_the_process() {
    let bench = bench(Access::ReadOnly);
    let parked = arm(&bench, "before end");
    submit(&bench, request(1, "slow"));
    until(&bench, 1, |state| state.status() == JobStatus::JobExecuting).await;
    cancel(&bench, 1, false);
    let bench = crash(bench);
    drop(parked);
    assert_eq!(ended(&bench, 1).await.0.status(), proto::Status::Cancelled);
    assert_eq!(count(&bench, "slow"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_that_the_disk_does_not_take_is_written_as_soon_as_it_does() {
    let bench = bench(Access::ReadWrite);
    let link_db = bench.folder.path().join("link.db");
    let (done, fired) = (Mutex::new(None), AtomicBool::new(false));
    let hook = move |at: &'static str| {
        if at == "before end" && !fired.swap(true, Ordering::SeqCst) {
            let other = rusqlite::Connection::open(&link_db).unwrap();
            other.execute_batch("BEGIN IMMEDIATE").unwrap();
            // Longer than the store waits for others.
            let keeper = std::thread::spawn(move || {
                std::thread::park_timeout(Duration::from_secs(6));
                other.execute_batch("ROLLBACK").unwrap();
            });
            *done.lock().unwrap() = Some(keeper);
        }
    };
    *bench.host.jobs().faults.lock().unwrap() = Some(Arc::new(hook));
    submit(&bench, request(1, "rows 3"));
    // The door opens again once the disk takes the audit.
    for _ in 0..20 {
        if state(&bench, 1).status() == JobStatus::JobEnded {
            break;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let (end, _) = ended(&bench, 1).await;
    assert_eq!((end.status(), end.rows), (proto::Status::Successful, 3));
    assert_eq!(fetch(&bench, 1, 1, 0, RowForm::Array).await.pages[0].0.page.unwrap().rows, 3);
    assert_eq!(events(&bench).len(), 1);
    assert_eq!(count(&bench, "rows 3"), 1);
}

/// What the reference knows of a job.
#[derive(Clone, Debug)]
struct Known {
    text: String,
    read_only: bool,
    request: proto::SubmitRequest,
    /// Of a schedule: how many runs at most.
    runs: Option<u64>,
}

/// The gateway: reads events from its cursor on, whatever happens.
#[derive(Default)]
struct Reader {
    journal: Vec<u8>,
    after: u64,
    chain: Vec<u8>,
    seen: Vec<(EventKind, u128)>,
}

impl Reader {
    fn read(&mut self, bench: &Bench) {
        let ask = EventsAsk {
            site: bench.site,
            integrator: IntegratorId(bench.integrator.id()),
            journal: self.journal.clone(),
            after: self.after,
            chain: self.chain.clone(),
        };
        let reply = bench.host.jobs().events(&ask).unwrap().reply;
        assert!(!reply.other_journal, "what was told once stays told");
        self.journal = reply.journal;
        for event in reply.events {
            assert_eq!(event.number, self.after + 1, "no gap and no double");
            self.after = event.number;
            self.chain = event.chain.clone();
            let query = QueryId::from_slice(&event.query_id).unwrap().0.as_u128();
            self.seen.push((event.kind(), query));
        }
    }
}

/// Random operations on the real store, scheduler and spool, beside a reference that only remembers what was acknowledged.
/// `HALO_SEED` runs one seed.
#[tokio::test(flavor = "multi_thread")]
async fn whatever_happens_every_acknowledged_job_ends_and_no_write_is_started_twice() {
    let one = std::env::var("HALO_SEED").ok().and_then(|seed| seed.parse().ok());
    for seed in one.map_or(1..=12, |seed: u64| seed..=seed) {
        println!("HALO_SEED={seed}");
        model(seed).await;
    }
}

async fn model(seed: u64) {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut bench = bench(Access::ReadWrite);
    let mut known: BTreeMap<u128, Known> = BTreeMap::new();
    // Ids of which was said that they are not here.
    let mut fenced: Vec<u128> = Vec::new();
    let mut reader = Reader::default();
    for step in 0..50_u128 {
        let n = step + 1;
        match rng.random_range(0..16) {
            0..=4 => {
                let read_only = rng.random();
                let text = match rng.random_range(0..6) {
                    0 => format!("rows {} {n}", rng.random_range(0..40_000)),
                    1 => format!("sleep {n}"),
                    2 => format!("flood 30000 {n}"),
                    3 => format!("error {n}"),
                    _ => format!("update {n}"),
                };
                let schedule = rng.random_bool(0.2).then(|| proto::Schedule {
                    name: "s".into(),
                    frequency_ms: 5_000,
                    duration_ms: 5_000 * rng.random_range(0..4),
                });
                let runs = schedule.as_ref().map(|schedule| schedule.duration_ms / 5_000 + 1);
                // Some of them expire before their turn comes.
                let queue_ms = if rng.random_bool(0.3) { 1_000 } else { 60_000 };
                let wanted = proto::SubmitRequest { read_only, schedule, queue_ms, ..request(n, &text) };
                let taken = submit(&bench, wanted.clone());
                assert_ne!(taken.status(), JobStatus::JobUnknown);
                known.insert(n, Known { text, read_only, request: wanted.clone(), runs });
                if rng.random_bool(0.3) {
                    // The answer was lost: the same again.
                    submit(&bench, wanted);
                }
            }
            // Once more, however long ago, and however it ended: the site tells how it stands.
            12 => {
                if let Some(n) = pick(&mut rng, &known) {
                    let again = submit(&bench, known[&n].request.clone());
                    let stands = state(&bench, n);
                    assert!(again.revision > 0 && stands.revision >= again.revision, "{again:?} {stands:?}");
                }
            }
            // Asked for before it comes: it is not taken then.
            13 => {
                let unknown = 1_000 + n;
                assert!(cancel(&bench, unknown, rng.random()).fenced);
                fenced.push(unknown);
            }
            14 => {
                if let Some(late) = fenced.last() {
                    let answer = submit(&bench, request(*late, &format!("update fenced {late}")));
                    assert_eq!(answer.ended.unwrap().effect(), proto::Effect::NotExecuted);
                }
            }
            // The process ends in the middle of a submit; the gateway, that has no answer, sends it again.
            15 => {
                let point = if rng.random() { "taking" } else { "taken" };
                let parked = arm(&bench, point);
                let text = format!("update {n}");
                let wanted = request(n, &text);
                let (jobs, caller, first) = (bench.host.jobs().clone(), bench.caller(), wanted.clone());
                let submitting =
                    std::thread::spawn(move || drop(jobs.submit(&caller, Wanted::read(first).unwrap())));
                let parked = tokio::task::spawn_blocking(move || parked.wait()).await.unwrap();
                bench = crash(bench);
                drop(parked);
                submitting.join().unwrap();
                let there = state(&bench, n).status() != JobStatus::JobUnknown;
                assert_eq!(there, point == "taken");
                submit(&bench, wanted.clone());
                known.insert(n, Known { text, read_only: false, request: wanted, runs: None });
            }
            5 => {
                if let Some(n) = pick(&mut rng, &known) {
                    cancel(&bench, n, rng.random());
                }
            }
            6 => bench.engine.release(),
            7 => {
                bench.clock.pass(Duration::from_millis(rng.random_range(0..20_000)));
                bench.host.jobs().wake.notify_one();
            }
            8 => bench.clock.set_back(Duration::from_secs(rng.random_range(0..100_000))),
            9 => {
                reader.read(&bench);
                bench.host.jobs().tidy().unwrap();
            }
            10 => bench = crash(bench),
            _ => {
                let parked = arm(&bench, POINTS[rng.random_range(0..POINTS.len())]);
                let parked = tokio::task::spawn_blocking(move || {
                    let _ = parked.hit.recv_timeout(Duration::from_millis(100));
                    parked
                });
                let parked = parked.await.unwrap();
                bench = crash(bench);
                drop(parked);
            }
        }
        tokio::time::sleep(Duration::from_millis(rng.random_range(0..15))).await;
    }
    let over = [JobStatus::JobEnded, JobStatus::JobCompleted, JobStatus::JobCancelled];
    for round in 0.. {
        bench.engine.release();
        let open: Vec<_> = known.keys().filter(|n| !over.contains(&state(&bench, **n).status())).collect();
        if open.is_empty() {
            break;
        }
        assert!(round < 400, "without an end: {open:?} {:?}", state(&bench, *open[0]));
        if round % 10 == 9 {
            bench.clock.pass(Duration::from_secs(5));
            bench.host.jobs().wake.notify_one();
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    reader.read(&bench);
    for (n, job) in &known {
        check(&bench, *n, job, &reader);
    }
    for n in fenced {
        assert_eq!(count(&bench, &format!("update fenced {n}")), 0, "it was said to be unknown");
    }
    let all = events(&bench);
    assert_eq!(all, reader.seen, "the reader has seen all, once, in order");
    bench.clock.pass(DAY * 2);
    bench.host.jobs().tidy().unwrap();
    nothing_is_kept(&bench).await;
}

fn pick(rng: &mut StdRng, known: &BTreeMap<u128, Known>) -> Option<u128> {
    let at = rng.random_range(0..known.len().max(1));
    known.keys().nth(at).copied()
}

/// What must be true of a job in the end.
fn check(bench: &Bench, n: u128, job: &Known, reader: &Reader) {
    let state = state(bench, n);
    let started = count(bench, &job.text);
    let told: Vec<_> = reader.seen.iter().filter(|(_, of)| *of == n).map(|(kind, _)| *kind).collect();
    if let Some(runs) = job.runs {
        let facts = state.schedule.as_ref().unwrap();
        assert!(facts.succeeded + facts.failed <= runs, "{job:?} {facts:?}");
        assert!(
            started as u64 <= facts.succeeded + facts.failed,
            "a run was started twice: {job:?} {facts:?}"
        );
        let ends = [EventKind::EventCompleted, EventKind::EventCancelled];
        assert_eq!(told.iter().filter(|kind| ends.contains(kind)).count(), 1, "{job:?} {told:?}");
        return;
    }
    let end = state.ended.as_ref().unwrap();
    assert_eq!(told, [crate::store::event_of(end)], "{job:?} {end:?}");
    if !job.read_only {
        assert!(started <= 1, "started twice: {job:?} {end:?}");
    }
    match (end.status(), end.effect()) {
        (proto::Status::Successful, _) => assert!(started >= 1),
        (_, proto::Effect::NotExecuted) => assert_eq!(started, 0, "{job:?} {end:?}"),
        // A read that was cut off and did not come to its turn again says so.
        (_, proto::Effect::Unknown) => assert_eq!(end.read_only, job.read_only, "{job:?} {end:?}"),
        _ => {}
    }
}
