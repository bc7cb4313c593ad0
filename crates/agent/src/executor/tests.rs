use super::*;
use crate::{
    door::Request,
    testkit::{Bench, command},
};
use link_api::pack::Unpacker;
use model::QueryId;
use proto::{Effect, Status};
use std::sync::atomic::Ordering;
use trust::{Kind, Peer, Root};

mod consent;

const ORDER: Order = Order {
    queue_ms: 10_000,
    run_ms: 10_000,
    form: database::json::RowForm::Array,
    sets: database::pick::Sets::One,
    max_row_bytes: 0,
};

fn bench(access: Access) -> Bench {
    let bench = Bench::new();
    bench.pair(access);
    bench
}

fn start(bench: &Bench, id: u128, text: &str, order: Order) -> mpsc::Receiver<RunEvent> {
    start_as(bench, &bench.peer(), id, text, order)
}

fn start_as(bench: &Bench, peer: &Peer, id: u128, text: &str, order: Order) -> mpsc::Receiver<RunEvent> {
    let query = QueryId(uuid::Uuid::from_u128(id));
    let request = Request { query, command: command(text), read_only: false, device: None };
    let admission = bench.door().enter(peer, bench.site, request).unwrap();
    bench.host.executor().start(admission, order)
}

struct Answer {
    events: Vec<RunEvent>,
    json: String,
    ended: proto::Ended,
}

async fn collect(mut events: mpsc::Receiver<RunEvent>) -> Answer {
    let (mut all, mut json, mut unpacker) = (Vec::new(), Vec::new(), Unpacker::default());
    while let Some(event) = events.recv().await {
        if let Some(rows) = event.rows.clone() {
            json.extend_from_slice(&unpacker.unpack(rows).unwrap());
        }
        all.push(event);
    }
    let ended = all.last().expect("there is an end").ended.clone().expect("the last message has it");
    assert_eq!(ended.row_bytes, json.len() as u64);
    Answer { events: all, json: String::from_utf8(json).unwrap(), ended }
}

async fn run(bench: &Bench, id: u128, text: &str, order: Order) -> Answer {
    collect(start(bench, id, text, order)).await
}

async fn outcome(bench: &Bench, id: u128) -> proto::Ended {
    for _ in 0..500 {
        let query = QueryId(uuid::Uuid::from_u128(id));
        let known = bench.door().outcome(&bench.peer(), bench.site, query).unwrap().unwrap();
        if known.status() != Status::Unspecified {
            return known;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it did not end");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_small_answer_is_one_message() {
    let bench = bench(Access::ReadOnly);
    let answer = run(&bench, 1, "rows 1", ORDER).await;
    assert_eq!(answer.events.len(), 1);
    let only = &answer.events[0];
    assert!(only.started.is_some() && only.columns.is_some() && only.rows.is_some());
    assert_eq!(answer.json, r#"{"id":0,"name":"a name for number 00000000"}"#);
    assert_eq!((answer.ended.status(), answer.ended.effect()), (Status::Successful, Effect::Executed));
    assert_eq!((answer.ended.rows, answer.ended.read_only), (1, true));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_rows_still_have_columns() {
    let bench = bench(Access::ReadOnly);
    let answer = run(&bench, 1, "rows 0", ORDER).await;
    assert_eq!(answer.events[0].columns.as_ref().unwrap().columns[1].name, "name");
    assert!(answer.events[0].rows.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn many_rows_come_whole_and_in_order_in_pieces() {
    let bench = bench(Access::ReadOnly);
    let answer = run(&bench, 1, "rows 20000", ORDER).await;
    assert!(answer.events.len() > 5);
    let rows: Vec<serde_json::Value> = serde_json::from_str(&format!("[{}]", answer.json)).unwrap();
    assert_eq!(rows.len(), 20_000);
    assert!(rows.iter().enumerate().all(|(i, row)| row["id"] == i));
    assert!(answer.events[1..].iter().all(|event| event.started.is_none() && event.columns.is_none()));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_giant_row_travels_in_messages_that_are_not_too_large() {
    let bench = bench(Access::ReadOnly);
    let answer = run(&bench, 1, "giant", ORDER).await;
    assert_eq!(answer.ended.status(), Status::Successful);
    assert!(answer.json.len() > 9 * 1024 * 1024);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_row_arrives_while_the_database_still_works_on_the_second() {
    let bench = bench(Access::ReadOnly);
    let mut events = start(&bench, 1, "slow", ORDER);
    let first = timeout(Duration::from_secs(5), events.recv()).await.unwrap().unwrap();
    assert!(first.columns.is_some() && first.rows.is_some() && first.ended.is_none());
    bench.engine.release();
    assert_eq!(events.recv().await.unwrap().ended.unwrap().status(), Status::Successful);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_reader_holds_the_cursor_back() {
    let bench = bench(Access::ReadOnly);
    let mut events = start(&bench, 1, "rows 1000000", ORDER);
    events.recv().await.unwrap();
    let mut before = usize::MAX;
    // Until it stands still.
    while bench.engine.rows_read.load(Ordering::SeqCst) != before {
        before = bench.engine.rows_read.load(Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(before < 30_000, "{before} rows were read for a caller that took one message");
    drop(events);
    assert_eq!(outcome(&bench, 1).await.status(), Status::Cancelled);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_goes_away_cancels_reads_in_the_database() {
    let bench = bench(Access::ReadOnly);
    let mut events = start(&bench, 1, "slow", ORDER);
    events.recv().await.unwrap();
    drop(events);
    let ended = outcome(&bench, 1).await;
    assert_eq!((ended.status(), ended.effect()), (Status::Cancelled, Effect::Executed));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_write_finishes_without_its_caller_and_can_be_asked_for() {
    let bench = bench(Access::ReadWrite);
    let mut events = start(&bench, 1, "slow", ORDER);
    events.recv().await.unwrap();
    drop(events);
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(bench.door().running(), 1, "it still runs");
    bench.engine.release();
    let ended = outcome(&bench, 1).await;
    assert_eq!((ended.status(), ended.rows_affected), (Status::Successful, Some(3)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_over_its_time_is_cancelled() {
    for (access, effect) in [(Access::ReadOnly, Effect::Executed), (Access::ReadWrite, Effect::Unknown)] {
        let bench = bench(access);
        let answer = run(&bench, 1, "sleep", Order { run_ms: 50, ..ORDER }).await;
        assert_eq!((answer.ended.status(), answer.ended.effect()), (Status::TimedOut, effect));
        // Counted from the start of execution, a little after the time limit began.
        assert!(answer.ended.run_ms >= 25);
        // The session was cancelled: the next command gets another.
        run(&bench, 2, "rows 1", ORDER).await;
        assert_eq!(bench.engine.connects.load(Ordering::SeqCst), 2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_deaf_to_cancel_is_answered_without_and_its_real_end_is_kept() {
    let bench = bench(Access::ReadWrite);
    let answer = run(&bench, 1, "stuck", Order { run_ms: 50, ..ORDER }).await;
    assert_eq!((answer.ended.status(), answer.ended.effect()), (Status::TimedOut, Effect::Unknown));
    bench.engine.release();
    assert_eq!(outcome(&bench, 1).await.status(), Status::Successful);
}

/// A place that a deaf statement keeps for ever is one less for everybody; with all of them gone so, the incumbent's sites answered 504
/// until somebody restarted them (B 10).
#[tokio::test(flavor = "multi_thread")]
async fn b10_a_statement_that_never_ends_gives_its_place_to_others_and_its_late_end_is_kept() {
    for (access, effect) in [(Access::ReadOnly, Effect::Executed), (Access::ReadWrite, Effect::Unknown)] {
        let bench = Bench::with(Limits { running: 1, leave_ms: 50, ..Limits::default() });
        bench.pair(access);
        let answer = run(&bench, 1, "stuck", Order { run_ms: 50, ..ORDER }).await;
        assert_eq!((answer.ended.status(), answer.ended.effect()), (Status::TimedOut, effect));
        assert_eq!(run(&bench, 2, "rows 1", ORDER).await.ended.status(), Status::Successful, "it still runs");
        let known = outcome(&bench, 1).await;
        assert_eq!((known.status(), known.effect()), (Status::TimedOut, effect), "written down without it");
        assert_eq!((bench.host.executor().lost(bench.site), bench.door().running()), (1, 0));
        bench.engine.release();
        until(|| bench.host.executor().lost(bench.site) == 0).await;
        // What may have written is told as what it was, when that is known at last.
        let late = if access == Access::ReadWrite { Status::Successful } else { Status::TimedOut };
        assert_eq!(outcome(&bench, 1).await.status(), late);
        let again = bench.engine.log.lock().unwrap().iter().filter(|(text, _)| text == "stuck").count();
        assert_eq!(again, 1, "nothing starts twice");
    }
}

/// One integrator's statements must neither use up what a site has, nor keep others out.
#[tokio::test(flavor = "multi_thread")]
async fn who_leaves_too_many_behind_runs_nothing_more_and_a_site_without_a_free_place_says_that_it_cannot_work()
 {
    let bench = Bench::with(Limits { running: 32, leave_ms: 50, ..Limits::default() });
    bench.pair(Access::ReadOnly);
    let one = bench.peer();
    let mut bench = bench;
    bench.integrator = Root::generate(Kind::Integrator).unwrap();
    bench.pair(Access::ReadOnly);
    let other = bench.peer_with("gateway two", 6);
    bench.integrator = Root::generate(Kind::Integrator).unwrap();
    bench.pair(Access::ReadOnly);
    let (third, last) = (bench.peer_with("gateway three", 7), bench.peer_with("gateway three", 7));
    let site = bench.site;
    let stuck = Order { run_ms: 50, ..ORDER };
    let all = |peer: &Peer, from: u128| -> Vec<_> {
        (from..from + 4).map(|id| start_as(&bench, peer, id, "stuck", stuck)).map(collect).collect()
    };
    futures::future::join_all(all(&one, 10)).await;
    until(|| bench.host.executor().lost(site) == 4).await;
    let refused = collect(start_as(&bench, &one, 20, "rows 1", ORDER)).await.ended;
    assert_eq!((refused.refusal(), refused.effect()), (proto::Refusal::Busy, Effect::NotExecuted));
    let others = collect(start_as(&bench, &other, 21, "rows 1", ORDER)).await.ended;
    assert_eq!(others.status(), Status::Successful);
    assert!(bench.host.executor().proves(site));
    futures::future::join_all(all(&other, 30)).await;
    until(|| bench.host.executor().lost(site) == 8).await;
    let third = collect(start_as(&bench, &third, 50, "rows 1", ORDER)).await.ended;
    assert_eq!(third.status(), Status::Successful, "places are free, whatever was given up");
    assert!(bench.host.executor().proves(site));
    // With no place free nothing more is given up, and nothing can run.
    bench.host.executor().places[&site].lane.allow(1);
    let stuck = start_as(&bench, &last, 51, "stuck", stuck);
    until(|| !bench.host.executor().proves(site)).await;
    bench.engine.release();
    drop(stuck);
    until(|| bench.host.executor().lost(site) == 0).await;
    assert!(bench.host.executor().proves(site), "and it heals by itself");
    let again = collect(start_as(&bench, &one, 40, "rows 1", ORDER)).await.ended;
    assert_eq!(again.status(), Status::Successful);
}

async fn until(wanted: impl Fn() -> bool) {
    for _ in 0..1_000 {
        if wanted() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it does not come to that");
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_the_cap_stops_a_read_and_lets_a_write_finish() {
    let order = Order { max_row_bytes: 10_000, ..ORDER };
    for (access, all) in [(Access::ReadOnly, false), (Access::ReadWrite, true)] {
        let bench = bench(access);
        let answer = run(&bench, 1, "rows 5000", order).await;
        assert_eq!((answer.ended.status(), answer.ended.effect()), (Status::TooLarge, Effect::Executed));
        assert!(answer.json.len() <= 10_000 && answer.json.len() > 9_900);
        assert_eq!(answer.ended.error.unwrap().code, 413);
        assert_eq!(bench.engine.rows_read.load(Ordering::SeqCst) == 5000, all);
    }
}

/// Whoever is told "executed" does not book again: a command that was cut short may have been undone.
#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_ran_on_beyond_its_cap_and_then_out_of_time_is_not_told_as_executed() {
    let bench = bench(Access::ReadWrite);
    let order = Order { max_row_bytes: 10_000, run_ms: 100, ..ORDER };
    let ended = run(&bench, 1, "flood", order).await.ended;
    assert_eq!((ended.status(), ended.effect()), (Status::TimedOut, Effect::Unknown));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_time_out_after_which_the_connection_breaks_is_still_a_time_out() {
    for access in [Access::ReadOnly, Access::ReadWrite] {
        let bench = bench(access);
        let ended = run(&bench, 1, "break", Order { run_ms: 50, ..ORDER }).await.ended;
        assert_eq!((ended.status(), ended.effect()), (Status::TimedOut, Effect::Unknown));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_lost_before_read_only_was_proved_is_never_called_harmless() {
    let bench = bench(Access::ReadOnly);
    let ended = run(&bench, 1, "unproven", ORDER).await.ended;
    assert_eq!((ended.status(), ended.effect()), (Status::Interrupted, Effect::Unknown));
    assert!(!ended.read_only, "it may not be sent again");
    run(&bench, 2, "rows 1", ORDER).await;
    assert_eq!(bench.engine.connects.load(Ordering::SeqCst), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn pairing_again_with_the_same_access_takes_no_session_of_the_pairing_before() {
    let bench = bench(Access::ReadWrite);
    run(&bench, 1, "leave", ORDER).await;
    bench.pair(Access::ReadWrite);
    assert_eq!(run(&bench, 2, "look", ORDER).await.ended.rows_affected, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lane_runs_so_many_lets_so_many_wait_and_refuses_the_rest() {
    let bench = Bench::with(Limits { running: 1, waiting: 1, ..Limits::default() });
    bench.pair(Access::ReadWrite);
    let running = start(&bench, 1, "sleep", ORDER);
    tokio::time::sleep(Duration::from_millis(50)).await;
    let waiting = start(&bench, 2, "update x", Order { queue_ms: 100, ..ORDER });
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert_eq!(bench.host.executor().load(), (1, 1, 1));
    let third = run(&bench, 3, "update x", ORDER).await;
    assert_eq!(third.ended.refusal(), proto::Refusal::Busy);
    let waiting = collect(waiting).await;
    assert_eq!(
        (waiting.ended.status(), waiting.ended.effect()),
        (Status::ExpiredInQueue, Effect::NotExecuted)
    );
    assert!(waiting.events[0].started.unwrap().queued_ms >= 100);
    bench.engine.release();
    assert_eq!(collect(running).await.ended.status(), Status::Successful);
    assert_eq!(bench.engine.runs.load(Ordering::SeqCst), 1, "what expired or was refused did not run");
    assert_eq!(outcome(&bench, 2).await.status(), Status::ExpiredInQueue);
    assert_eq!(run(&bench, 4, "update x", ORDER).await.ended.status(), Status::Successful);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_goes_away_while_waiting_is_not_run() {
    let bench = Bench::with(Limits { running: 1, ..Limits::default() });
    bench.pair(Access::ReadWrite);
    let running = start(&bench, 1, "sleep", ORDER);
    tokio::time::sleep(Duration::from_millis(50)).await;
    drop(start(&bench, 2, "update x", ORDER));
    let ended = outcome(&bench, 2).await;
    assert_eq!((ended.status(), ended.effect()), (Status::Cancelled, Effect::NotExecuted));
    bench.engine.release();
    collect(running).await;
    assert_eq!(bench.engine.runs.load(Ordering::SeqCst), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_keep_their_numbers_and_what_is_known_of_their_effect() {
    let bench = bench(Access::ReadWrite);
    let error = run(&bench, 1, "error", ORDER).await.ended;
    assert_eq!((error.status(), error.effect()), (Status::Failed, Effect::Executed));
    let told = error.error.map(|e| (e.kind(), e.code, e.state, e.line));
    assert_eq!(told, Some((proto::ErrorKind::Mssql, 207, Some(1), Some(1))));
    let lost = run(&bench, 2, "lost", ORDER).await.ended;
    assert_eq!((lost.status(), lost.effect()), (Status::Interrupted, Effect::Unknown));
    let broke = run(&bench, 3, "panic", ORDER).await.ended;
    assert_eq!((broke.status(), broke.effect()), (Status::Interrupted, Effect::Unknown));
    assert_eq!(outcome(&bench, 3).await.effect(), Effect::Unknown);
    assert_eq!(run(&bench, 4, "rows 1", ORDER).await.ended.status(), Status::Successful, "the lane lives on");
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_are_shared_by_login_and_access_and_never_across_them() {
    let bench = bench(Access::ReadWrite);
    for id in 0..5 {
        run(&bench, id, "rows 1", ORDER).await;
    }
    assert_eq!(bench.engine.connects.load(Ordering::SeqCst), 1);
    bench.pair(Access::ReadOnly);
    assert_eq!(run(&bench, 9, "update x", ORDER).await.ended.status(), Status::Failed);
    assert_eq!(*bench.engine.accesses.lock().unwrap(), [Access::ReadWrite, Access::ReadOnly]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_integrator_left_in_its_session_another_never_sees_though_nothing_clears_it() {
    let mut bench = bench(Access::ReadWrite);
    let one = bench.peer();
    // With the same login: what keeps them apart is not the database.
    bench.integrator = Root::generate(Kind::Integrator).unwrap();
    bench.pair(Access::ReadWrite);
    let other = bench.peer_with("gateway two", 6);
    collect(start_as(&bench, &one, 1, "leave", ORDER)).await;
    for id in 0..4 {
        let seen = collect(start_as(&bench, &other, 10 + id, "look", ORDER)).await.ended.rows_affected;
        assert_eq!(seen, Some(0));
        let own = collect(start_as(&bench, &one, 20 + id, "look", ORDER)).await.ended.rows_affected;
        assert_eq!(own, Some(1), "its own session served it again, or this test shows nothing");
    }
    assert_eq!(bench.engine.connects.load(Ordering::SeqCst), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_cannot_be_reset_serves_nobody_else() {
    let bench = bench(Access::ReadWrite);
    bench.engine.unclean.store(true, Ordering::SeqCst);
    for id in 0..3 {
        assert_eq!(run(&bench, id, "rows 1", ORDER).await.ended.status(), Status::Successful);
    }
    assert_eq!(bench.engine.connects.load(Ordering::SeqCst), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn work_that_may_only_read_gives_way_and_waits_for_no_lock_long() {
    let bench = bench(Access::ReadWrite);
    run(&bench, 1, "rows 1", ORDER).await;
    bench.pair(Access::ReadOnly);
    run(&bench, 2, "rows 1", ORDER).await;
    let reading = Terms { lock_wait: Some(Duration::from_secs(5)), gives_way: true };
    assert_eq!(*bench.engine.terms.lock().unwrap(), [Terms::default(), reading]);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_answer_gets_the_first_result_set_with_a_row_and_a_stream_gets_each() {
    let bench = bench(Access::ReadOnly);
    let one = run(&bench, 1, "sets", ORDER).await;
    assert_eq!(one.json, r#"{"id":1,"name":null},{"id":2,"name":null}"#);
    let order = Order { form: database::json::RowForm::Lines, sets: Sets::All, ..ORDER };
    let all = run(&bench, 2, "sets", order).await;
    let heads: Vec<_> =
        all.events.iter().filter_map(|event| event.columns.as_ref()).map(|c| c.columns.len()).collect();
    assert_eq!(heads, [1, 2, 2]);
    assert_eq!(all.ended.rows, 3);
    let rows: Vec<serde_json::Value> =
        all.json.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(rows[2]["row"]["name"].as_str().map(str::len), Some(2_000_000), "the long value is whole");
    // Columns never share a message with rows of the result set before.
    let mut seen = Vec::new();
    for event in &all.events {
        seen.extend(event.columns.as_ref().map(|_| "columns"));
        seen.extend(event.rows.as_ref().map(|_| "rows"));
    }
    seen.dedup();
    assert_eq!(seen, ["columns", "rows", "columns", "rows"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_time_cuts_in_the_middle_is_no_whole_row() {
    let bench = bench(Access::ReadOnly);
    let answer = run(&bench, 1, "cut", Order { run_ms: 100, ..ORDER }).await;
    assert_eq!((answer.ended.status(), answer.ended.rows), (Status::TimedOut, 0));
    assert_eq!(answer.json, r#"{"id":1,"name":"half a"#);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_that_leaves_its_read_only_transaction_is_never_called_harmless() {
    let bench = bench(Access::ReadOnly);
    let escaped = run(&bench, 1, "escape", ORDER).await.ended;
    assert_eq!((escaped.status(), escaped.effect()), (Status::Failed, Effect::Unknown));
    assert!(!escaped.read_only, "nobody may take it for one that can be sent again");
    run(&bench, 2, "rows 1", ORDER).await;
    assert_eq!(bench.engine.connects.load(Ordering::SeqCst), 2, "its session is closed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_warm_query_costs_little() {
    let bench = bench(Access::ReadOnly);
    run(&bench, 0, "rows 1", ORDER).await;
    // In a task, as the server's calls are: a test's own thread would add a wake-up each way.
    let each = tokio::spawn(async move {
        let begun = bench.clock.monotonic();
        for id in 1..=1000 {
            run(&bench, id, "rows 1", ORDER).await;
        }
        (bench.clock.monotonic() - begun) / 1000
    });
    let each = each.await.unwrap();
    println!("warm one-row command through door and executor: {each:?}");
    // A tenth of this is usual; the bound only notices a timer or a disk on the way.
    assert!(each < Duration::from_millis(2), "{each:?}");
}
