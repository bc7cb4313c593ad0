//! What a gateway shows when a session opens, over the real session: a vendor's newer approval, and a sister that is revoked.

use super::*;
use crate::testkit::FakeEngine;
use model::{Access, Pms, Timestamp};
use trust::{
    approval::{Approval, Environments, Signer, VendorKey, sign},
    revocation::{self, Revocations},
};

async fn show(session: &mut Session, approvals: Vec<Vec<u8>>, revocations: Vec<u8>) -> proto::HelloReply {
    let hello = proto::HelloRequest { version: 1, approvals, revocations, ..proto::HelloRequest::default() };
    session.client.hello(hello).await.unwrap().into_inner()
}

fn word(bench: &Bench, instances: &[(String, u64)]) -> Vec<u8> {
    let word = Revocations { number: 1, instances: instances.iter().cloned().collect() };
    revocation::sign(&bench.integrator, &word).unwrap()
}

/// Its command may only read: it is cancelled, as for any caller that is gone. Nothing of it gets to whoever holds the key.
#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_is_revoked_loses_its_session_and_is_told_why_in_the_next() {
    let bench = ready().await;
    bench.pair(Access::ReadWrite);
    let issue = |name: &str| bench.integrator.issue(name, 5, bench.clock.now(), DAY).unwrap();
    let (stolen, sister) = (issue("stolen"), issue("sister"));
    let mut thief = open_as(&bench, &stolen, bench.site).await.unwrap();
    let mut other = open_as(&bench, &sister, bench.site).await.unwrap();
    assert!(hello(&mut thief).await.paired);
    let slow = proto::RunRequest { read_only: true, ..order(1, "slow") };
    let mut events = thief.client.run(slow).await.unwrap().into_inner();
    assert!(events.next().await.unwrap().is_ok(), "it runs");

    assert!(show(&mut other, Vec::new(), word(&bench, &[("stolen".to_owned(), 5)])).await.paired);
    while let Some(Ok(event)) = events.next().await {
        assert_eq!(event.ended, None, "nothing more is told in that session");
    }
    let again = thief.client.hello(proto::HelloRequest { version: 1, ..proto::HelloRequest::default() });
    assert!(again.await.is_err());
    let mut thief = open_as(&bench, &stolen, bench.site).await.unwrap();
    let told = hello(&mut thief).await;
    assert_eq!((told.paired, told.refusal(), told.facts), (false, proto::Refusal::InstanceRevoked, None));
    assert!(hello(&mut other).await.paired);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vendors_approval_is_taken_from_the_first_question_of_a_session() {
    let vendor = VendorKey::generate().unwrap();
    let engine = FakeEngine::default();
    engine.vendor_keys.lock().unwrap().push(vendor.spki().to_vec());
    let bench = Bench::of(Arc::new(engine), Some("1001"), crate::executor::Limits::default());
    bench.host.issue().unwrap();
    bench.pair(Access::ReadWrite);
    let now = Timestamp(bench.clock.now().0 / 1000 * 1000);
    let approval = Approval {
        integrator_root: bench.integrator.spki().to_vec(),
        integrator_name: "Acme".to_owned(),
        pms: Pms::BestPractice,
        environments: Environments::of(["demo"]).unwrap(),
        access: Access::ReadOnly,
        note: String::new(),
        not_before: now,
        expires: now.plus(DAY),
        serial: 1,
    };
    let mut session = open(&bench).await;
    let shown = vec![vec![0; 5000], sign(&approval, &vendor).unwrap().to_bytes()];
    assert!(show(&mut session, shown, vec![0; 10]).await.paired, "what is no paper harms nobody");
    let pairing = bench.door().pairings()[0].clone();
    assert_eq!(
        (pairing.approval.clone().unwrap().signed.approval(), pairing.access),
        (&approval, Access::ReadOnly)
    );
}
