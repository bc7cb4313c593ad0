//! The PMS vendor's approval at the site: who pairs with it and who does not without, and what its end and its successors mean.

use super::{
    tests::{login, *},
    *,
};
use crate::testkit::{Bench, DAY, FakeEngine, GOOD};
use model::{Clock, Pms, Timestamp};
use proto::{Refusal, pair_reply::Step};
use trust::approval::{Approval, Environments, Signer, VendorKey, sign};

/// A site whose PMS file has this vendor's key.
fn bench(vendor: &VendorKey) -> Bench {
    let engine = FakeEngine::default();
    engine.vendor_keys.lock().unwrap().push(vendor.spki().to_vec());
    Bench::of(Arc::new(engine), Some("1001"), crate::executor::Limits::default())
}

/// For the bench's integrator, in production and stage, for ten days.
fn approval(bench: &Bench, serial: u64) -> Approval {
    let now = Timestamp(bench.clock.now().0 / 1000 * 1000);
    Approval {
        integrator_root: bench.integrator.spki().to_vec(),
        integrator_name: "Acme Pty Ltd".to_owned(),
        pms: Pms::BestPractice,
        environments: Environments::of(["production", "stage"]).unwrap(),
        access: Access::ReadWrite,
        note: String::new(),
        not_before: now,
        expires: now.plus(DAY * 10),
        serial,
    }
}

fn signed(vendor: &VendorKey, approval: &Approval) -> Vec<u8> {
    sign(approval, vendor).unwrap().to_bytes()
}

/// Pairs at a site of this environment with this approval.
fn pair_in(
    bench: &Bench,
    environment: &str,
    code: &Code,
    approval: Vec<u8>,
) -> Result<proto::PairDone, Refused> {
    let own = Presence { environment: environment.to_owned(), ..own(bench) };
    let caller = bench.caller();
    let transcript = Transcript {
        version: VERSION,
        environment,
        site_root: &own.root_spki,
        integrator_root: &caller.peer.root_spki,
        integrator_name: NAME,
        code_name: code.name(),
        exporter: caller.exporter.reveal(),
    };
    let mac = prove(code, Role::Gateway, &transcript).to_vec();
    let mut exchange = Exchange::new(bench.door().clone(), caller.clone(), own.clone());
    let begin = proto::PairBegin { environment: environment.to_owned(), approval, ..begin(code) };
    exchange.step(say(pair_request::Step::Begin(begin)))?;
    exchange.step(proof(mac))?;
    match exchange.step(login(GOOD.1))? {
        Step::Done(done) => Ok(done),
        other => panic!("{other:?}"),
    }
}

fn show(bench: &Bench, environment: &str, documents: &[Vec<u8>]) {
    bench.door().take_approvals(&bench.peer(), bench.site, environment, documents).unwrap();
}

fn stands(bench: &Bench) -> Option<Refusal> {
    bench.door().check(&bench.peer(), bench.site).err().map(|refused| refused.refusal)
}

#[test]
fn in_production_only_whom_the_vendor_approved_pairs_and_the_code_stays_good_for_others() {
    let vendor = VendorKey::generate().unwrap();
    let bench = bench(&vendor);
    let code = bench.code(NAME, false);
    let good = approval(&bench, 1);
    let wrong = [
        Vec::new(),
        vec![1, 2, 3],
        signed(&VendorKey::generate().unwrap(), &good),
        signed(&vendor, &Approval { pms: Pms::Zedmed, ..good.clone() }),
        signed(&vendor, &Approval { environments: Environments::of(["stage"]).unwrap(), ..good.clone() }),
        signed(
            &vendor,
            &Approval {
                expires: Timestamp(good.not_before.0 - 1000),
                not_before: Timestamp(0),
                ..good.clone()
            },
        ),
        signed(&vendor, &Approval { not_before: good.not_before.plus(DAY), ..good.clone() }),
        signed(&vendor, &Approval { integrator_root: vendor.spki().to_vec(), ..good.clone() }),
    ];
    for document in wrong {
        refused(pair_in(&bench, "production", &code, document), PairRefusal::NotApproved);
    }
    let line = bench.audit().pop().unwrap();
    assert_eq!((line.what.as_str(), line.status.as_deref()), ("pairing-refused", Some("NOT_APPROVED")));
    assert!(!bench.door().is_paired(&bench.peer(), bench.site));

    let done = pair_in(&bench, "production", &code, signed(&vendor, &good)).unwrap();
    assert!(!done.read_only);
    let kept = bench.door().pairings()[0].approval.clone().unwrap();
    assert_eq!((kept.signed.approval(), kept.over), (&good, false));
    let line = bench.audit().pop().unwrap();
    assert!(line.what == "paired" && line.detail.unwrap()["approval"]["name"] == "Acme Pty Ltd");
}

#[test]
fn whoever_has_not_proved_the_code_is_told_nothing_of_approvals() {
    let bench = bench(&VendorKey::generate().unwrap());
    let (other, own) = (Code::from_parts("0000", &[1; 10]).unwrap(), own(&bench));
    let begin = |code: &Code| proto::PairBegin {
        environment: "demo".to_owned(),
        approval: vec![9; 50],
        ..begin(code)
    };
    let mut exchange = Exchange::new(bench.door().clone(), bench.caller(), own.clone());
    refused(exchange.step(say(pair_request::Step::Begin(begin(&other)))), PairRefusal::UnknownCode);
    let code = bench.code(NAME, false);
    let mut exchange = Exchange::new(bench.door().clone(), bench.caller(), own.clone());
    exchange.step(say(pair_request::Step::Begin(begin(&code)))).unwrap();
    refused(exchange.step(proof(vec![0; 32])), PairRefusal::WrongProof);
    let long = proto::PairBegin { approval: vec![0; trust::approval::MAX_BYTES + 1], ..begin(&code) };
    let mut exchange = Exchange::new(bench.door().clone(), bench.caller(), own);
    refused(exchange.step(say(pair_request::Step::Begin(long))), PairRefusal::Protocol);
}

#[test]
fn elsewhere_none_is_needed_but_a_wrong_one_is_refused() {
    let vendor = VendorKey::generate().unwrap();
    let bench = bench(&vendor);
    let wrong = signed(&VendorKey::generate().unwrap(), &approval(&bench, 1));
    for environment in ["stage", "demo"] {
        refused(
            pair_in(&bench, environment, &bench.code(NAME, false), wrong.clone()),
            PairRefusal::NotApproved,
        );
        pair_in(&bench, environment, &bench.code(NAME, false), Vec::new()).unwrap();
        assert_eq!(bench.door().pairings()[0].approval, None);
    }
}

#[test]
fn where_the_vendor_has_no_key_nobody_can_vouch_and_nobody_is_asked_to() {
    let bench = Bench::new();
    pair_in(&bench, "production", &bench.code(NAME, false), vec![1, 2, 3]).unwrap();
    assert_eq!(bench.door().pairings()[0].approval, None);
}

#[test]
fn a_vendor_that_allows_reading_bounds_what_the_practice_can_allow() {
    let vendor = VendorKey::generate().unwrap();
    let bench = bench(&vendor);
    let reads = Approval { access: Access::ReadOnly, ..approval(&bench, 1) };
    assert!(pair_in(&bench, "stage", &bench.code(NAME, false), signed(&vendor, &reads)).unwrap().read_only);
    let integrator = IntegratorId(bench.integrator.id());
    let write = crate::consent::Form { access: Some("read-write".to_owned()), ..Default::default() };
    let said = bench.door().set_terms(bench.site, integrator, &write, "0:root").unwrap_err().to_string();
    assert!(said.contains("vendor's approval"), "{said}");
    // The vendor allows more: now it is for the practice to say so.
    show(&bench, "stage", &[signed(&vendor, &approval(&bench, 2))]);
    assert_eq!(bench.door().pairings()[0].access, Access::ReadOnly);
    bench.door().set_terms(bench.site, integrator, &write, "0:root").unwrap();
    assert_eq!(bench.door().pairings()[0].access, Access::ReadWrite);
    // And less again: at once.
    show(&bench, "stage", &[signed(&vendor, &Approval { serial: 3, ..reads })]);
    assert_eq!(bench.door().pairings()[0].access, Access::ReadOnly);
}

#[test]
fn its_end_shuts_the_door_for_good_and_a_newer_one_opens_it() {
    let vendor = VendorKey::generate().unwrap();
    let bench = bench(&vendor);
    let first = approval(&bench, 1);
    pair_in(&bench, "production", &bench.code(NAME, false), signed(&vendor, &first)).unwrap();
    assert_eq!(stands(&bench), None);
    bench.clock.advance(DAY * 10);
    assert_eq!(stands(&bench), Some(Refusal::ApprovalExpired));
    bench.door().tend().unwrap();
    assert_eq!(bench.audit().pop().unwrap().what, "approval-ended");
    bench.clock.set_back(DAY * 5);
    let bench = bench.restart();
    assert_eq!(stands(&bench), Some(Refusal::ApprovalExpired), "a clock set back makes none good again");
    let line = bench.audit().len();
    bench.door().tend().unwrap();
    assert_eq!(bench.audit().len(), line, "written down once");

    bench.clock.advance(DAY * 5);
    // Shown by its own gateway, and no longer good by itself: none of these is taken.
    let second = Approval { serial: 2, expires: first.expires.plus(DAY * 30), ..first.clone() };
    let other = Approval { pms: Pms::D4w, ..second.clone() };
    show(&bench, "production", &[vec![0; 9], signed(&vendor, &first), signed(&vendor, &other)]);
    assert_eq!(stands(&bench), Some(Refusal::ApprovalExpired));
    show(&bench, "production", &[signed(&vendor, &other), signed(&vendor, &second)]);
    assert_eq!(stands(&bench), None);
    assert_eq!(bench.audit().pop().unwrap().what, "approval-kept");
    let lines = bench.audit().len();
    show(&bench, "production", &[signed(&vendor, &second)]);
    assert_eq!(bench.audit().len(), lines, "what is no news leaves no line");
}

#[test]
fn a_lower_serial_is_never_taken_again_not_even_after_the_pairing_was_ended() {
    let vendor = VendorKey::generate().unwrap();
    let bench = bench(&vendor);
    pair_in(&bench, "production", &bench.code(NAME, false), signed(&vendor, &approval(&bench, 5))).unwrap();
    show(&bench, "production", &[signed(&vendor, &approval(&bench, 4))]);
    assert_eq!(bench.door().pairings()[0].approval.as_ref().unwrap().signed.approval().serial, 5);
    bench.door().unpair(bench.site, IntegratorId(bench.integrator.id()), Some("0:root")).unwrap();
    let bench = bench.restart();
    let code = bench.code(NAME, false);
    let old = signed(&vendor, &approval(&bench, 4));
    refused(pair_in(&bench, "production", &code, old), PairRefusal::NotApproved);
    pair_in(&bench, "production", &code, signed(&vendor, &approval(&bench, 5))).unwrap();
}

#[test]
fn a_key_that_leaves_the_file_takes_back_what_it_signed() {
    let (vendor, next) = (VendorKey::generate().unwrap(), VendorKey::generate().unwrap());
    let bench = bench(&vendor);
    pair_in(&bench, "production", &bench.code(NAME, false), signed(&vendor, &approval(&bench, 1))).unwrap();
    bench.engine.vendor_keys.lock().unwrap().push(next.spki().to_vec());
    let bench = bench.restart();
    assert_eq!(stands(&bench), None, "a new key beside it changes nothing");
    bench.engine.vendor_keys.lock().unwrap().remove(0);
    let bench = bench.restart();
    assert_eq!(stands(&bench), Some(Refusal::ApprovalExpired));
    show(&bench, "production", &[signed(&next, &approval(&bench, 2))]);
    assert_eq!(stands(&bench), None);
}

#[test]
fn the_only_key_that_leaves_takes_back_too_and_the_same_signed_anew_counts_again() {
    let (vendor, next) = (VendorKey::generate().unwrap(), VendorKey::generate().unwrap());
    let bench = bench(&vendor);
    let said = approval(&bench, 1);
    let (first, second) = (signed(&vendor, &said), signed(&next, &said));
    pair_in(&bench, "production", &bench.code(NAME, false), first.clone()).unwrap();
    bench.engine.vendor_keys.lock().unwrap().clear();
    let bench = bench.restart();
    assert_eq!(stands(&bench), Some(Refusal::ApprovalExpired));
    assert_eq!(bench.audit().pop().unwrap().what, "approval-ended");

    // The vendor changes its key and signs all that it had signed once more.
    bench.engine.vendor_keys.lock().unwrap().push(next.spki().to_vec());
    let bench = bench.restart();
    show(&bench, "production", std::slice::from_ref(&first));
    assert_eq!(stands(&bench), Some(Refusal::ApprovalExpired));
    show(&bench, "production", std::slice::from_ref(&second));
    assert_eq!(stands(&bench), None);
    let lines = bench.audit().len();
    bench.engine.vendor_keys.lock().unwrap().push(vendor.spki().to_vec());
    let bench = bench.restart();
    show(&bench, "production", &[first, second]);
    assert_eq!(bench.audit().len(), lines, "of two that count neither takes the other's place");
}

#[test]
fn nobody_elses_approval_is_taken_for_ones_own() {
    let vendor = VendorKey::generate().unwrap();
    let bench = bench(&vendor);
    pair_in(&bench, "stage", &bench.code(NAME, false), Vec::new()).unwrap();
    let other = trust::Root::generate(trust::Kind::Integrator).unwrap();
    let others = Approval { integrator_root: other.spki().to_vec(), ..approval(&bench, 1) };
    show(&bench, "stage", &[signed(&vendor, &others)]);
    assert_eq!(bench.door().pairings()[0].approval, None);
    show(&bench, "stage", &[signed(&vendor, &approval(&bench, 1))]);
    assert!(
        bench.door().pairings()[0].approval.is_some(),
        "one that was paired without may be vouched for later"
    );
}
