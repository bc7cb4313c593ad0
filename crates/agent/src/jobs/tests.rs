use super::*;
use crate::{
    executor::Limits,
    testkit::{Bench, DAY, command},
};
use database::json::RowForm;
use link_api::{
    convert,
    pack::Unpacker,
    proto::{self, EventKind, JobState, PagesOutcome, Refusal, pages_piece::What},
};
use model::Access;
use std::{sync::atomic::Ordering, time::Duration};
use tokio::sync::{mpsc, watch};

mod consent;
mod crash;
mod fence;
mod lanes;
mod limits;
mod schedules;

fn bench(access: Access) -> Bench {
    let bench = Bench::new();
    bench.pair(access);
    bench.host.issue().unwrap();
    bench.drive();
    bench
}

fn id(n: u128) -> QueryId {
    QueryId(uuid::Uuid::from_u128(n))
}

fn request(n: u128, text: &str) -> proto::SubmitRequest {
    proto::SubmitRequest {
        query_id: id(n).as_bytes().to_vec(),
        command: Some(convert::command_to_proto(&command(text))),
        queue_ms: 60_000,
        digest: vec![1; 32],
        ..proto::SubmitRequest::default()
    }
}

fn submit(bench: &Bench, request: proto::SubmitRequest) -> JobState {
    bench.host.jobs().submit(&bench.caller(), Wanted::read(request).unwrap()).unwrap()
}

fn ask(bench: &Bench, n: u128) -> StateAsk {
    StateAsk {
        site: bench.site,
        integrator: IntegratorId(bench.integrator.id()),
        queries: vec![id(n)],
        pages_after: 0,
        kind: None,
        cancel: None,
        fence: false,
    }
}

fn state(bench: &Bench, n: u128) -> JobState {
    bench.host.jobs().states(&ask(bench, n)).unwrap().remove(0)
}

/// The process dies, and a new one takes up what is on the disk.
fn crash(bench: Bench) -> Bench {
    let bench = bench.crash();
    bench.host.issue().unwrap();
    bench.drive();
    bench
}

fn cancel(bench: &Bench, n: u128, force: bool) -> JobState {
    bench
        .host
        .jobs()
        .states(&StateAsk { cancel: Some(force), fence: true, ..ask(bench, n) })
        .unwrap()
        .remove(0)
}

async fn until(bench: &Bench, n: u128, wanted: impl Fn(&JobState) -> bool) -> JobState {
    for _ in 0..1_000 {
        let state = state(bench, n);
        if wanted(&state) {
            return state;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it stays {:?}", state(bench, n));
}

/// Nothing is kept any more.
async fn nothing_is_kept(bench: &Bench) {
    for _ in 0..500 {
        if bench.host.jobs().load().unwrap().spool_used == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{} bytes are kept", bench.host.jobs().load().unwrap().spool_used);
}

async fn ended(bench: &Bench, n: u128) -> (proto::Ended, JobState) {
    let state = until(bench, n, |state| state.status() == JobStatus::JobEnded).await;
    (state.ended.clone().unwrap(), state)
}

struct Fetched {
    pages: Vec<(proto::PageHead, String)>,
    end: proto::PagesEnd,
}

async fn fetch(bench: &Bench, n: u128, first: u32, count: u32, form: RowForm) -> Fetched {
    let (_tell, read) = watch::channel(None);
    let (pieces, mut receiver) = mpsc::channel(4);
    let ask = PagesAsk { query: id(n), first, count, have_hash: Vec::new(), form };
    tokio::spawn(bench.host.jobs().clone().send_pages(bench.caller(), ask, read, pieces));
    let (mut pages, mut unpacker) = (Vec::new(), Unpacker::default());
    loop {
        match receiver.recv().await.expect("an end").unwrap().what.unwrap() {
            What::Head(head) => {
                unpacker = Unpacker::default();
                pages.push((head, String::new()));
            }
            What::Rows(rows) => {
                let json = unpacker.unpack(rows).unwrap();
                pages.last_mut().unwrap().1.push_str(std::str::from_utf8(&json).unwrap());
            }
            What::End(end) => return Fetched { pages, end },
        }
    }
}

/// Events so far, each checked against the chain and the signature.
fn events(bench: &Bench) -> Vec<(EventKind, u128)> {
    let jobs = bench.host.jobs();
    let (site, integrator) = (bench.site, IntegratorId(bench.integrator.id()));
    let start = EventsAsk { site, integrator, journal: Vec::new(), after: 0, chain: Vec::new() };
    let reply = jobs.events(&start).unwrap().reply;
    let sha = |parts: &[&[u8]]| digest::digest(&digest::SHA256, &parts.concat()).as_ref().to_vec();
    let mut chain = sha(&[b"halo-events-v1", site.as_bytes(), integrator.as_bytes(), &reply.journal]);
    for (i, event) in reply.events.iter().enumerate() {
        assert_eq!(event.number, i as u64 + 1, "numbers have no gaps");
        let (kind, job_kind) = ([event.kind as u8], [event.job_kind as u8]);
        let (number, at) = (event.number.to_be_bytes(), event.at.to_be_bytes());
        chain = sha(&[&chain, &number, &kind, &event.query_id, &job_kind, &at, &event.hash]);
        assert_eq!(event.chain, chain);
    }
    let number = reply.head.to_be_bytes();
    let parts: [&[u8]; 6] =
        [b"halo-events-head-v1", site.as_bytes(), integrator.as_bytes(), &reply.journal, &number, &chain];
    let signers = jobs.signers.read().unwrap();
    trust::verify_signature(&signers[&site].chain()[0], &parts.concat(), &reply.signature).unwrap();
    let query = |bytes: &[u8]| QueryId::from_slice(bytes).unwrap().0.as_u128();
    reply.events.iter().map(|event| (event.kind(), query(&event.query_id))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_is_kept_in_pages_cut_between_rows() {
    let bench = bench(Access::ReadOnly);
    let taken = submit(&bench, request(1, "rows 60000"));
    assert_eq!(taken.status(), JobStatus::JobQueued);
    let (end, state) = ended(&bench, 1).await;
    assert_eq!(
        (end.status(), end.effect(), end.rows),
        (proto::Status::Successful, proto::Effect::Executed, 60_000)
    );
    assert_eq!(state.pages.len(), 3);
    assert!(state.answered_ago_ms.is_some() && state.ended_ago_ms.is_some());
    let fetched = fetch(&bench, 1, 1, 0, RowForm::Array).await;
    assert_eq!(fetched.end.outcome(), PagesOutcome::PagesSent);
    assert_eq!(fetched.end.job.unwrap().status(), JobStatus::JobEnded);
    let mut next = 0;
    for ((head, json), facts) in fetched.pages.iter().zip(&state.pages) {
        assert_eq!(head.page.as_ref(), Some(facts));
        assert_eq!((head.first_row, head.columns.len()), (next, 2));
        assert_eq!(json.len() as u64 + 2, facts.bytes);
        let rows: Vec<serde_json::Value> = serde_json::from_str(&format!("[{json}]")).unwrap();
        assert_eq!(rows.len() as u64, facts.rows);
        assert_eq!(rows[0]["id"], next);
        next += facts.rows;
    }
    assert_eq!(next, 60_000);
    let second = fetch(&bench, 1, 2, 1, RowForm::Lines).await;
    assert_eq!((second.pages.len(), second.end.outcome()), (1, PagesOutcome::PagesSent));
    assert!(second.pages[0].1.starts_with("{\"row\":{\"id\":") && second.pages[0].1.ends_with("}}\n"));
    assert_eq!(fetch(&bench, 1, 4, 1, RowForm::Lines).await.end.outcome(), PagesOutcome::PagesNoPage);
    assert_eq!(fetch(&bench, 2, 1, 0, RowForm::Lines).await.end.outcome(), PagesOutcome::PagesNoJob);
    assert_eq!(events(&bench), [(EventKind::EventSucceeded, 1)]);
    let audit: Vec<_> =
        bench.audit().into_iter().map(|row| row.what).filter(|w| w == "begin" || w == "end").collect();
    assert_eq!(audit, ["begin", "end"]);
    let known = bench.door().outcome(&bench.peer(), bench.site, id(1)).unwrap().unwrap();
    assert_eq!(known.status(), proto::Status::Successful);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_rows_are_one_empty_page_with_columns_and_no_result_set_is_none() {
    let bench = bench(Access::ReadWrite);
    submit(&bench, request(1, "rows 0"));
    let (_, state) = ended(&bench, 1).await;
    assert_eq!(state.pages, [proto::PageFacts { number: 1, rows: 0, bytes: 2 }]);
    let fetched = fetch(&bench, 1, 1, 1, RowForm::Array).await;
    assert_eq!((fetched.pages[0].1.as_str(), fetched.pages[0].0.columns.len()), ("", 2));
    submit(&bench, request(2, "update"));
    let (end, state) = ended(&bench, 2).await;
    assert_eq!((end.rows_affected, state.pages.len()), (Some(1), 0));
    let fetched = fetch(&bench, 2, 1, 0, RowForm::Array).await;
    assert_eq!((fetched.pages.len(), fetched.end.outcome()), (0, PagesOutcome::PagesSent));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_larger_than_a_page_is_one_page() {
    let bench = bench(Access::ReadOnly);
    submit(&bench, request(1, "giant"));
    submit(&bench, request(2, "sets"));
    let (_, state) = ended(&bench, 1).await;
    assert_eq!(state.pages.len(), 1);
    let fetched = fetch(&bench, 1, 1, 0, RowForm::Array).await;
    assert!(fetched.pages[0].1.len() > 9 << 20);
    serde_json::from_str::<serde_json::Value>(&fetched.pages[0].1).unwrap();
    // The first result set that has a row.
    let (end, _) = ended(&bench, 2).await;
    assert_eq!(end.rows, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_can_be_fetched_while_the_query_still_runs() {
    let bench = bench(Access::ReadOnly);
    submit(&bench, request(1, "flood 100000"));
    let state = until(&bench, 1, |state| state.pages.len() > 1).await;
    assert_eq!(state.status(), JobStatus::JobUploading);
    let first = fetch(&bench, 1, 1, 1, RowForm::Array).await;
    assert_eq!(first.end.outcome(), PagesOutcome::PagesSent);
    let none = fetch(&bench, 1, 99, 1, RowForm::Array).await;
    assert_eq!(none.end.outcome(), PagesOutcome::PagesNoPage);
    let all = fetch(&bench, 1, 1, 0, RowForm::Array);
    let release = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        bench.engine.release();
    };
    let (all, ()) = tokio::join!(all, release);
    assert_eq!(all.pages.iter().map(|(head, _)| head.page.unwrap().rows).sum::<u64>(), 100_000);
}

/// A job runs long after its caller has gone: what it came from is kept with it, sealed.
#[tokio::test(flavor = "multi_thread")]
async fn a_job_of_a_desktop_is_written_down_as_one_when_it_runs() {
    let bench = bench(Access::ReadWrite);
    bench.allow_desktops();
    submit(&bench, proto::SubmitRequest { device: Some("PC-7".into()), ..request(1, "update") });
    ended(&bench, 1).await;
    let begun = bench.audit().into_iter().find(|row| row.what == "begin").unwrap();
    assert_eq!(begun.device.as_deref(), Some("PC-7"));
    let wrong = proto::SubmitRequest { device: Some("two\nlines".into()), ..request(2, "update") };
    assert!(Wanted::read(wrong).unwrap_err().contains("device"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_again_is_the_same_job_and_something_else_under_its_id_is_refused() {
    let bench = bench(Access::ReadWrite);
    submit(&bench, request(1, "update"));
    ended(&bench, 1).await;
    assert_eq!(submit(&bench, request(1, "update")).status(), JobStatus::JobEnded);
    let other = submit(&bench, proto::SubmitRequest { digest: vec![2; 32], ..request(1, "update") });
    let end = other.ended.unwrap();
    assert_eq!((end.refusal(), end.effect()), (Refusal::Repeated, proto::Effect::NotExecuted));
    assert_eq!(bench.engine.runs.load(Ordering::SeqCst), 1);
    assert_eq!(ended(&bench, 1).await.0.status(), proto::Status::Successful);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_than_two_run_at_once_and_who_waits_too_long_is_not_run() {
    let bench = bench(Access::ReadWrite);
    for n in 1..=2 {
        submit(&bench, request(n, "sleep"));
        until(&bench, n, |state| state.status() == JobStatus::JobExecuting).await;
    }
    submit(&bench, proto::SubmitRequest { queue_ms: 1, ..request(3, "update late") });
    submit(&bench, request(4, "update in time"));
    let (end, _) = ended(&bench, 3).await;
    assert_eq!((end.status(), end.effect()), (proto::Status::ExpiredInQueue, proto::Effect::NotExecuted));
    assert_eq!(state(&bench, 4).status(), JobStatus::JobQueued);
    bench.engine.release();
    ended(&bench, 4).await;
    let log: Vec<_> = bench.engine.log.lock().unwrap().iter().map(|(text, _)| text.clone()).collect();
    assert_eq!(log, ["sleep", "sleep", "update in time"]);
    assert!(events(&bench).contains(&(EventKind::EventExpiredInQueue, 3)));
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelling_ends_what_waits_and_reads_and_leaves_a_write_to_its_end_unless_forced() {
    let reading = bench(Access::ReadOnly);
    submit(&reading, request(1, "slow"));
    until(&reading, 1, |state| state.status() == JobStatus::JobExecuting).await;
    cancel(&reading, 1, false);
    let (end, _) = ended(&reading, 1).await;
    assert_eq!((end.status(), end.effect()), (proto::Status::Cancelled, proto::Effect::Executed));
    assert_eq!(events(&reading), [(EventKind::EventCancelled, 1)]);
    let writing = bench(Access::ReadWrite);
    for n in 1..=2 {
        submit(&writing, request(n, "slow"));
        until(&writing, n, |state| state.status() == JobStatus::JobExecuting).await;
    }
    submit(&writing, request(3, "update"));
    let waited = cancel(&writing, 3, false);
    let end = waited.ended.unwrap();
    assert_eq!((end.status(), end.effect()), (proto::Status::Cancelled, proto::Effect::NotExecuted));
    cancel(&writing, 1, false);
    cancel(&writing, 2, true);
    let (end, _) = ended(&writing, 2).await;
    assert_eq!((end.status(), end.effect()), (proto::Status::Cancelled, proto::Effect::Unknown));
    assert_eq!(state(&writing, 1).status(), JobStatus::JobExecuting);
    writing.engine.release();
    assert_eq!(ended(&writing, 1).await.0.status(), proto::Status::Successful);
    assert!(events(&writing).contains(&(EventKind::EventOutcomeUnknown, 2)));
}

#[tokio::test(flavor = "multi_thread")]
async fn consent_is_asked_again_at_its_turn() {
    let bench = Bench::new();
    bench.pair(Access::ReadWrite);
    bench.host.issue().unwrap();
    submit(&bench, request(1, "update"));
    bench.door().switch(bench.site, IntegratorId(bench.integrator.id()), false).unwrap();
    bench.drive();
    let (end, _) = ended(&bench, 1).await;
    assert_eq!((end.status(), end.refusal()), (proto::Status::Refused, Refusal::SwitchedOff));
    assert_eq!(bench.engine.runs.load(Ordering::SeqCst), 0);
    let refused = submit(&bench, request(2, "update")).ended.unwrap();
    assert_eq!(refused.refusal(), Refusal::SwitchedOff);
    assert_eq!(state(&bench, 2).status(), JobStatus::JobUnknown);
    // What was taken before is told as it is.
    assert_eq!(submit(&bench, request(1, "update")).ended.unwrap().status(), proto::Status::Refused);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_is_told_and_leaves_no_pages() {
    let bench = bench(Access::ReadOnly);
    for (n, text, status) in [
        (1, "error", proto::Status::Failed),
        (2, "lost", proto::Status::Interrupted),
        (3, "panic", proto::Status::Interrupted),
    ] {
        submit(&bench, request(n, text));
        let (end, state) = ended(&bench, n).await;
        assert_eq!((end.status(), state.pages.len()), (status, 0), "{text}");
    }
    assert_eq!(events(&bench).len(), 3);
    assert!(state(&bench, 1).ended.unwrap().error.unwrap().message.contains("canary-message"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_fit_is_executed_and_not_kept() {
    let limits = Limits { spool: spool::Limits { budget: 300_000, keep_free: 0 }, ..Limits::default() };
    for access in [Access::ReadOnly, Access::ReadWrite] {
        let bench = Bench::with(limits);
        bench.pair(access);
        bench.host.issue().unwrap();
        bench.drive();
        // Compresses to a fifth or so.
        submit(&bench, request(1, "rows 200000"));
        let (end, state) = ended(&bench, 1).await;
        assert_eq!((end.status(), end.effect()), (proto::Status::TooLarge, proto::Effect::Executed));
        assert_eq!((state.pages.len(), end.error.unwrap().code), (0, 507));
        nothing_is_kept(&bench).await;
        let all = bench.engine.rows_read.load(Ordering::SeqCst);
        assert_eq!(all == 200_000, access == Access::ReadWrite, "what may have written runs to its end");
        submit(&bench, proto::SubmitRequest { max_row_bytes: 1_000, ..request(2, "rows 1000") });
        assert_eq!(ended(&bench, 2).await.0.error.unwrap().code, 413);
    }
    let bench = Bench::with(Limits { spool: spool::Limits { budget: 1, keep_free: u64::MAX }, ..limits });
    bench.pair(Access::ReadOnly);
    let refused = submit(&bench, request(1, "rows 1")).ended.unwrap();
    assert_eq!((refused.refusal(), refused.effect()), (Refusal::NoRoom, proto::Effect::NotExecuted));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_is_kept_for_a_day_and_then_gone_for_good() {
    let bench = bench(Access::ReadOnly);
    submit(&bench, request(1, "rows 10"));
    ended(&bench, 1).await;
    bench.clock.pass(DAY - Duration::from_secs(60));
    bench.host.jobs().tidy().unwrap();
    assert_eq!(fetch(&bench, 1, 1, 1, RowForm::Array).await.end.outcome(), PagesOutcome::PagesSent);
    // A clock that is set back or on changes nothing.
    bench.clock.advance(DAY * 10);
    bench.host.jobs().tidy().unwrap();
    assert!(!state(&bench, 1).expired);
    bench.clock.pass(Duration::from_secs(61));
    bench.host.jobs().tidy().unwrap();
    let gone = state(&bench, 1);
    assert!(gone.expired && gone.pages.is_empty());
    assert_eq!(gone.ended.unwrap().status(), proto::Status::Successful);
    assert_eq!(fetch(&bench, 1, 1, 1, RowForm::Array).await.end.outcome(), PagesOutcome::PagesExpired);
    assert_eq!(bench.host.jobs().load().unwrap().spool_used, 0);
    assert_eq!(events(&bench), [(EventKind::EventSucceeded, 1), (EventKind::EventResultExpired, 1)]);
    bench.clock.pass(DAY * 8);
    bench.host.jobs().tidy().unwrap();
    assert_eq!(state(&bench, 1).status(), JobStatus::JobUnknown);
    bench.clock.pass(DAY * 30);
    bench.host.jobs().tidy().unwrap();
    let (site, integrator) = (bench.site, IntegratorId(bench.integrator.id()));
    let start = EventsAsk { site, integrator, journal: Vec::new(), after: 0, chain: Vec::new() };
    let reply = bench.host.jobs().events(&start).unwrap().reply;
    assert_eq!(
        (reply.events.len(), reply.head, reply.oldest),
        (0, 2, 3),
        "forgotten, and their numbers stay used"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_of_another_past_is_told_to_begin_anew() {
    let bench = bench(Access::ReadOnly);
    for n in 1..=3 {
        submit(&bench, request(n, "rows 1"));
        ended(&bench, n).await;
    }
    let jobs = bench.host.jobs();
    let (site, integrator) = (bench.site, IntegratorId(bench.integrator.id()));
    let start = EventsAsk { site, integrator, journal: Vec::new(), after: 0, chain: Vec::new() };
    let all = jobs.events(&start).unwrap().reply;
    let at = |after: u64| EventsAsk {
        journal: all.journal.clone(),
        after,
        chain: all.events[after as usize - 1].chain.clone(),
        ..start.clone()
    };
    let rest = jobs.events(&at(1)).unwrap().reply;
    assert_eq!((rest.other_journal, rest.events.len()), (false, 2));
    assert_eq!(jobs.events(&at(3)).unwrap().reply.events.len(), 0);
    for wrong in [
        EventsAsk { journal: vec![1; 16], ..at(1) },
        EventsAsk { after: 4, ..at(3) },
        EventsAsk { chain: vec![1; 32], ..at(1) },
        EventsAsk { chain: vec![1; 32], ..at(3) },
    ] {
        let reply = jobs.events(&wrong).unwrap().reply;
        assert!(reply.other_journal && reply.events.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_a_job_is_on_the_disk_in_clear_but_what_the_audit_keeps() {
    let bench = bench(Access::ReadOnly);
    submit(&bench, request(1, "rows 5000"));
    let schedule = proto::Schedule { name: "canary-name".into(), frequency_ms: 60_000, duration_ms: 0 };
    submit(&bench, proto::SubmitRequest { schedule: Some(schedule), ..request(2, "rows 500") });
    ended(&bench, 1).await;
    until(&bench, 2, |state| state.schedule.as_ref().unwrap().succeeded == 1).await;
    submit(&bench, request(3, "error"));
    ended(&bench, 3).await;
    let mut folders = vec![bench.folder.path().to_owned()];
    let mut files = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let bytes = std::fs::read(&path).unwrap();
            for canary in ["canary-value", "a name for number", "canary-name", "canary-message"] {
                let found = bytes.windows(canary.len()).any(|w| w == canary.as_bytes());
                assert!(!found, "{canary} in {}", path.display());
            }
            files += 1;
        }
    }
    assert!(files > 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_integrators_jobs_are_nobody_elses() {
    let bench = bench(Access::ReadOnly);
    submit(&bench, request(1, "rows 1"));
    ended(&bench, 1).await;
    let other = StateAsk { integrator: IntegratorId(uuid::Uuid::from_u128(5)), ..ask(&bench, 1) };
    assert_eq!(bench.host.jobs().states(&other).unwrap()[0].status(), JobStatus::JobUnknown);
    assert!(bench.host.jobs().states(&StateAsk { queries: vec![], ..other }).unwrap().is_empty());
    let all = bench.host.jobs().states(&StateAsk { queries: vec![], ..ask(&bench, 1) }).unwrap();
    assert_eq!(all.len(), 1);
}

#[test]
fn what_is_outside_the_limits_is_refused_by_name() {
    let schedule = |frequency_ms, duration_ms| {
        let schedule = proto::Schedule { name: String::new(), frequency_ms, duration_ms };
        Wanted::read(proto::SubmitRequest { schedule: Some(schedule), ..request(1, "rows 1") })
    };
    assert!(schedule(5_000, 400 * 86_400_000).is_ok());
    assert!(schedule(4_999, 0).unwrap_err().contains("5 seconds"));
    assert!(schedule(5_000, 401 * 86_400_000).unwrap_err().contains("400 days"));
    let wrong = proto::SubmitRequest { digest: vec![1; 31], ..request(1, "rows 1") };
    assert!(Wanted::read(wrong).unwrap_err().contains("digest"));
}
