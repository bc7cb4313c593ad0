//! The practice changes its mind while statements wait and run.

use super::*;
use crate::{
    consent::{Form, Most},
    executor::{
        course::{Stop, Tally},
        ending,
    },
};
use model::IntegratorId;
use proto::Refusal;
use tokio::time::timeout;

/// Far beyond what any of this takes; what is waited for comes by itself.
const LONG: Duration = Duration::from_secs(20);

fn who(bench: &Bench) -> IntegratorId {
    IntegratorId(bench.integrator.id())
}

fn suspend(bench: &Bench) {
    bench.door().suspend(bench.site, who(bench), false, "0:root").unwrap();
}

/// Until the statement is in the database.
async fn in_database(bench: &Bench, runs: usize) {
    let waiting = async {
        while bench.engine.runs.load(Ordering::SeqCst) < runs {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(LONG, waiting).await.expect("it reaches the database");
}

/// Nothing releases the engine: had it not been cancelled in the database, it would run for its ten seconds.
#[tokio::test(flavor = "multi_thread")]
async fn what_only_reads_is_cancelled_in_the_database_and_told_why() {
    let bench = bench(Access::ReadOnly);
    let running = start(&bench, 1, "sleep", ORDER);
    in_database(&bench, 1).await;
    suspend(&bench);
    let ended = collect(running).await.ended;
    assert_eq!(
        (ended.status(), ended.refusal(), ended.read_only),
        (Status::Cancelled, Refusal::SwitchedOff, true)
    );
    assert!(ended.run_ms < ORDER.run_ms, "by the practice, not by the clock");
    assert_eq!(ended.error.unwrap().code, 403);
    assert_eq!(outcome(&bench, 1).await.refusal(), Refusal::SwitchedOff);
}

/// The whole point of not cancelling it: it finishes, and is told as executed. Its rows stay with the practice.
#[tokio::test(flavor = "multi_thread")]
async fn what_may_write_finishes_its_effect_is_told_and_its_rows_stay_here() {
    let bench = bench(Access::ReadWrite);
    let counting = start(&bench, 1, "sleep", ORDER);
    let reading = start(&bench, 2, "flood 20000", ORDER);
    in_database(&bench, 2).await;
    bench.door().revoke(bench.site, who(&bench), "0:root").unwrap();
    bench.engine.release();
    let counted = collect(counting).await.ended;
    assert_eq!(
        (counted.status(), counted.effect(), counted.rows_affected),
        (Status::Successful, Effect::Executed, Some(3))
    );
    let read = collect(reading).await.ended;
    assert_eq!(read.effect(), Effect::Executed, "whatever else is told, it was executed");
    assert!(matches!(
        (read.status(), read.refusal()),
        // It may have had all its rows on their way before.
        (Status::Cancelled, Refusal::ConsentRevoked) | (Status::Successful, Refusal::Unspecified)
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_is_refused_at_once_and_not_when_its_turn_comes() {
    let bench = Bench::with(Limits { running: 1, ..Limits::default() });
    bench.pair(Access::ReadWrite);
    // Deaf: nothing gives its turn back.
    let running = start(&bench, 1, "stuck", ORDER);
    in_database(&bench, 1).await;
    let waiting = start(&bench, 2, "update x", ORDER);
    bench.door().halt(true, None).unwrap();
    let ended = collect(waiting).await.ended;
    assert_eq!(
        (ended.status(), ended.refusal(), ended.effect()),
        (Status::Refused, Refusal::Halted, Effect::NotExecuted)
    );
    assert_eq!(bench.engine.runs.load(Ordering::SeqCst), 1);
    bench.engine.release();
    assert_eq!(collect(running).await.ended.effect(), Effect::Executed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consent_that_expires_ends_what_runs() {
    let bench = bench(Access::ReadOnly);
    let expires = bench.door().now().plus(Duration::from_secs(3600)).to_rfc3339();
    let change = Form { expires: Some(expires), ..Form::default() };
    bench.door().set_terms(bench.site, who(&bench), &change, "0:root").unwrap();
    let running = start(&bench, 1, "sleep", ORDER);
    in_database(&bench, 1).await;
    bench.clock.advance(Duration::from_secs(3601));
    let ended = collect(running).await.ended;
    assert_eq!((ended.status(), ended.refusal()), (Status::Cancelled, Refusal::ConsentExpired));
}

/// Bounds that let a running statement stay as it is do not touch it.
#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_still_allows_it_leaves_it_alone() {
    let bench = bench(Access::ReadWrite);
    let running = start(&bench, 1, "sleep", ORDER);
    in_database(&bench, 1).await;
    let change =
        Form { access: Some("read-only".to_owned()), at_once: Some(Most::Number(1)), ..Form::default() };
    bench.door().set_terms(bench.site, who(&bench), &change, "0:root").unwrap();
    bench.engine.release();
    assert_eq!(collect(running).await.ended.status(), Status::Successful);
}

/// One statement can't take the budgets of a year: rows stop at the bound, not at the statement's end.
#[tokio::test(flavor = "multi_thread")]
async fn a_statement_gets_the_rows_that_are_left_and_no_more() {
    let bench = bench(Access::ReadOnly);
    let change = Form { rows_per_day: Some(Most::Number(100)), ..Form::default() };
    bench.door().set_terms(bench.site, who(&bench), &change, "0:root").unwrap();
    let first = run(&bench, 1, "rows 60", ORDER).await;
    assert_eq!((first.ended.status(), first.ended.rows), (Status::Successful, 60));
    let second = run(&bench, 2, "rows 60", ORDER).await;
    assert_eq!((second.ended.status(), second.ended.refusal()), (Status::Cancelled, Refusal::BudgetRows));
    assert_eq!((second.ended.rows, second.ended.effect()), (40, Effect::Executed));
    let third = bench.door().enter(
        &bench.peer(),
        bench.site,
        Request {
            query: QueryId(uuid::Uuid::from_u128(3)),
            command: command("rows 1"),
            read_only: true,
            device: None,
        },
    );
    assert_eq!(third.map(drop).unwrap_err().refusal, Refusal::BudgetRows);
}

/// Of what may write the rows stop too; what it does goes on.
#[tokio::test(flavor = "multi_thread")]
async fn a_budget_in_bytes_stops_rows_and_not_a_write() {
    let bench = bench(Access::ReadWrite);
    let change = Form { bytes_per_day: Some(Most::Number(1_000)), ..Form::default() };
    bench.door().set_terms(bench.site, who(&bench), &change, "0:root").unwrap();
    let answer = run(&bench, 1, "rows 500", ORDER).await;
    assert_eq!((answer.ended.status(), answer.ended.refusal()), (Status::Cancelled, Refusal::BudgetBytes));
    assert!(answer.json.len() <= 1_000 && answer.ended.effect() == Effect::Executed);
    assert_eq!(
        bench.engine.rows_read.load(Ordering::SeqCst),
        500,
        "it was not stopped in the middle of its work"
    );
}

/// Rows that are on their way to a reader who takes his time are the practice's until he has them: no reader outruns its word.
#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_is_slow_gets_no_more_rows_once_the_practice_has_said_no() {
    let bench = bench(Access::ReadOnly);
    // Some 30 MB: far more than waits between.
    let running = start(&bench, 1, "flood 1000000", Order { max_row_bytes: 0, ..ORDER });
    // As many pieces as there is room for are under way, and one waits.
    while running.len() < running.max_capacity() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    suspend(&bench);
    let refused = async {
        while bench.door().running() > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(LONG, refused).await.expect("the statement ends though nobody reads");
    let Answer { json, ended, .. } = collect(running).await;
    assert_eq!((ended.status(), ended.refusal()), (Status::Cancelled, Refusal::SwitchedOff));
    assert!(ended.rows < 1_000_000, "{}", ended.rows);
    // What is told, written down and paid for is what left, to the row.
    let left = (json.matches("\"id\"").count() as u64, json.len() as u64);
    assert_eq!((ended.rows, ended.row_bytes), left);
    let used = bench.door().used(&bench.door().pairing(bench.site, who(&bench)).unwrap()).0;
    assert_eq!((used.rows, used.bytes), left);
}

/// It can't be taken back that it ran; what came of it is the practice's, and does not leave any more.
#[test]
fn what_was_refused_in_the_middle_tells_neither_values_nor_the_databases_words() {
    let stop = Some(Stop::Refused(Refusal::SwitchedOff));
    let times = ending::Times { sql_ms: 1, run_ms: 1 };
    let told = |result, stop| {
        let tally = Tally { rows: 0, bytes: 0, stop, cut: false, cancelled: false };
        ending::run(result, tally, &command("update x"), false, times)
    };
    let answer = || {
        let output = database::Output {
            parameter: 0,
            kind: model::ParameterType::NVarChar,
            value: Some("canary-output".into()),
        };
        Ok(database::Done { rows_affected: Some(3), outputs: vec![output] })
    };
    let failure = || {
        Err(database::Failure::Sql(database::SqlError {
            dialect: database::Dialect::Mssql,
            number: 2627,
            state: 1,
            class: 14,
            line: 1,
            message: "The duplicate key value is (canary-message).".into(),
        }))
    };
    // Nobody refused it: both are told.
    assert_eq!(told(answer(), None).outputs.len(), 1);
    assert!(told(failure(), None).error.unwrap().message.contains("canary-message"));

    let answered = told(answer(), stop);
    assert!(answered.outputs.is_empty());
    assert_eq!(
        (answered.status(), answered.refusal(), answered.effect(), answered.rows_affected),
        (Status::Cancelled, Refusal::SwitchedOff, Effect::Executed, Some(3)),
        "without its values it is no answer, and it was executed"
    );
    let failed = told(failure(), stop);
    let error = failed.error.clone().unwrap();
    assert_eq!((failed.status(), failed.effect(), error.code), (Status::Failed, Effect::Executed, 2627));
    assert!(!error.message.contains("canary-message"), "{}", error.message);
    assert!(error.message.contains("keeps this integrator out"), "{}", error.message);
    // Nobody keeps it out whose day's rows are used up: it is told what it is.
    let spent = told(failure(), Some(Stop::Refused(Refusal::BudgetRows))).error.unwrap().message;
    assert!(spent.contains("used up") && !spent.contains("keeps this integrator out"), "{spent}");
}

/// The integrator pairs again with another login: sessions that the old one opened are not that login's.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_of_an_ended_pairing_serves_no_new_one() {
    let bench = bench(Access::ReadWrite);
    run(&bench, 1, "rows 1", ORDER).await;
    let before = bench.engine.connects.load(Ordering::SeqCst);
    bench.door().unpair(bench.site, who(&bench), Some("0:root")).unwrap();
    bench.pair(Access::ReadWrite);
    run(&bench, 2, "rows 1", ORDER).await;
    assert_eq!(bench.engine.connects.load(Ordering::SeqCst), before + 1);
}
