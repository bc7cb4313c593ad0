//! What a gateway is given of the audit: with an answer, when it asks, and when it says hello.

use super::*;
use ::audit::{Line, Receipt, SignedHead};
use model::{Access, QueryId};

async fn ask(session: &mut Session, id: u128, text: &str, receipt: bool) -> proto::Ended {
    let order = proto::RunRequest { receipt, ..order(id, text) };
    let mut events = session.client.run(order).await.unwrap().into_inner();
    let mut ended = None;
    while let Some(event) = events.next().await {
        ended = event.unwrap().ended;
    }
    ended.expect("the last message ends it")
}

async fn later(session: &mut Session, id: u128) -> Vec<u8> {
    let query_id = uuid::Uuid::from_u128(id).as_bytes().to_vec();
    session.client.receipt(proto::ReceiptRequest { query_id }).await.unwrap().into_inner().receipt
}

fn checked(bench: &Bench, bytes: &[u8], id: u128) -> (Line, u64) {
    let receipt = Receipt::decode(bytes).unwrap();
    let line = receipt.check().unwrap();
    assert_eq!((line.site, line.query), (bench.site, Some(QueryId(uuid::Uuid::from_u128(id)))));
    assert_eq!(line.integrator.map(|id| id.0), Some(bench.integrator.id()));
    (line, receipt.head.head.number)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_comes_with_its_receipt_where_it_is_asked_for() {
    let bench = ready().await;
    bench.pair(Access::ReadWrite);
    let mut session = open(&bench).await;
    let plain = ask(&mut session, 1, "rows 2", false).await;
    assert_eq!((plain.receipt.len(), plain.no_receipt()), (0, proto::NoReceipt::Unspecified));
    let ended = ask(&mut session, 2, "rows 3", true).await;
    let (line, number) = checked(&bench, &ended.receipt, 2);
    assert_eq!((line.what.as_str(), line.status.as_deref(), line.rows), ("end", Some("SUCCESSFUL"), Some(3)));
    assert_eq!(line.bytes, Some(ended.row_bytes));
    // One that was not asked for with its answer can be had later, and proves an earlier line.
    let (_, earlier) = checked(&bench, &later(&mut session, 1).await, 1);
    assert!(earlier < number);
    // A large answer has several messages, of which the last one has it.
    let ended = ask(&mut session, 3, "rows 50000", true).await;
    assert_eq!(checked(&bench, &ended.receipt, 3).0.rows, Some(50_000));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_has_a_receipt_too() {
    let bench = ready().await;
    bench.pair(Access::ReadOnly);
    let mut session = open(&bench).await;
    let mut elsewhere = order(1, "rows 1");
    elsewhere.command.as_mut().unwrap().catalogue = Some("Nowhere".to_owned());
    elsewhere.receipt = true;
    let mut events = session.client.run(elsewhere).await.unwrap().into_inner();
    let ended = events.next().await.unwrap().unwrap().ended.unwrap();
    assert_eq!(ended.refusal(), proto::Refusal::UnknownCatalogue);
    let (line, _) = checked(&bench, &ended.receipt, 1);
    assert_eq!((line.what.as_str(), line.status.as_deref()), ("refused", Some("UNKNOWN_CATALOGUE")));
}

/// Whom `Receipt` refuses, `Run` gives nothing either: not even of what it ran when it was let in.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_gives_no_receipt_to_whom_the_practice_let_out_nor_one_of_another_call() {
    let bench = ready().await;
    bench.pair(Access::ReadWrite);
    let mut session = open(&bench).await;
    ask(&mut session, 1, "update x", true).await;
    let again = ask(&mut session, 1, "update x", true).await;
    assert_eq!(again.refusal(), proto::Refusal::Repeated);
    assert_eq!((again.receipt.len(), again.no_receipt()), (0, proto::NoReceipt::NoLine));
    let acme = model::IntegratorId(bench.integrator.id());
    bench.door().revoke(bench.site, acme, "0:root").unwrap();
    let out = ask(&mut session, 1, "update x", true).await;
    assert_eq!(out.refusal(), proto::Refusal::ConsentRevoked);
    assert_eq!((out.receipt.len(), out.no_receipt()), (0, proto::NoReceipt::NoLine));
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_given_a_receipt_of_what_is_not_its_own() {
    let bench = ready().await;
    bench.pair(Access::ReadWrite);
    let mut session = open(&bench).await;
    ask(&mut session, 1, "rows 1", false).await;
    assert!(later(&mut session, 9).await.is_empty(), "never sent");
    let stranger = trust::Root::generate(Kind::Integrator).unwrap();
    let own = stranger.issue("stranger", 1, bench.clock.now(), DAY).unwrap();
    let mut stranger = open_as(&bench, &own, bench.site).await.unwrap();
    let query_id = uuid::Uuid::from_u128(1).as_bytes().to_vec();
    let refused = stranger.client.receipt(proto::ReceiptRequest { query_id }).await.unwrap_err();
    assert_eq!(refused.code(), link_api::Code::PermissionDenied);
    assert!(hello(&mut stranger).await.audit.is_empty(), "nor how much is asked of the practice");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hello_says_where_the_audit_ends_and_it_only_grows() {
    let bench = ready().await;
    bench.pair(Access::ReadWrite);
    let mut session = open(&bench).await;
    let mut before = 0;
    for id in 1..4 {
        let ended = ask(&mut session, id, "rows 1", true).await;
        let (_, number) = checked(&bench, &ended.receipt, id);
        let head = SignedHead::decode(&hello(&mut session).await.audit).unwrap();
        let head = *head.check().unwrap();
        assert_eq!(head.site, bench.site);
        assert!(before < number && number <= head.number, "{before} {number} {}", head.number);
        before = head.number;
    }
}

/// So a gateway finds out at once that a past was exchanged, however far the new one has come.
#[tokio::test(flavor = "multi_thread")]
async fn a_hello_says_what_the_audit_holds_at_the_line_that_the_gateway_knows() {
    let bench = ready().await;
    bench.pair(Access::ReadWrite);
    let mut session = open(&bench).await;
    ask(&mut session, 1, "rows 1", true).await;
    let known = SignedHead::decode(&hello(&mut session).await.audit).unwrap().head;
    ask(&mut session, 2, "rows 1", true).await;
    let mut at = async |audit_number| {
        let asks = proto::HelloRequest { version: 1, audit_number, ..proto::HelloRequest::default() };
        session.client.hello(asks).await.unwrap().into_inner().audit_at
    };
    assert_eq!(at(known.number).await, known.chain);
    assert!(at(0).await.is_empty() && at(1 << 40).await.is_empty());
}

/// Many at once share few commits; none waits for another's.
#[tokio::test(flavor = "multi_thread")]
async fn receipts_of_many_at_once_are_each_of_its_own_query() {
    let bench = ready().await;
    bench.pair(Access::ReadWrite);
    let session = open(&bench).await;
    let asked = (1..30).map(|id| {
        let mut client = session.client.clone();
        async move {
            let order = proto::RunRequest { receipt: true, ..order(id, "rows 2") };
            let mut events = client.run(order).await.unwrap().into_inner();
            let mut ended = None;
            while let Some(event) = events.next().await {
                ended = event.unwrap().ended;
            }
            (id, ended.unwrap())
        }
    });
    let mut numbers = Vec::new();
    for (id, ended) in futures::future::join_all(asked).await {
        numbers.push(checked(&bench, &ended.receipt, id).1);
    }
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), 29, "each has a line of its own");
}

/// A disk that takes nothing keeps no answer back: its caller has the rows, and is told why there is no proof of them.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_goes_out_without_its_receipt_when_the_disk_hangs() {
    let bench = ready().await;
    bench.pair(Access::ReadWrite);
    let mut session = open(&bench).await;
    ask(&mut session, 1, "rows 1", true).await;
    let (held, holds) = std::sync::mpsc::channel();
    let (release, released) = std::sync::mpsc::channel::<()>();
    let host = bench.host.clone();
    let hanging = std::thread::spawn(move || {
        host.hold_store(|| {
            held.send(()).unwrap();
            let _ = released.recv();
        });
    });
    tokio::task::spawn_blocking(move || holds.recv()).await.unwrap().unwrap();
    let order = proto::RunRequest { receipt: true, read_only: true, ..order(2, "rows 4") };
    let mut events = session.client.run(order).await.unwrap().into_inner();
    let mut ended = None;
    while let Some(event) = events.next().await {
        ended = event.unwrap().ended;
    }
    let ended = ended.unwrap();
    assert_eq!((ended.status(), ended.rows), (proto::Status::Successful, 4));
    assert_eq!((ended.receipt.len(), ended.no_receipt()), (0, proto::NoReceipt::Disk));
    drop(release);
    hanging.join().unwrap();
    // It can be asked for once the disk takes it.
    assert_eq!(checked(&bench, &later(&mut session, 2).await, 2).0.rows, Some(4));
}
