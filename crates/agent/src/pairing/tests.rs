use super::*;
use crate::testkit::{Bench, DAY, GOOD};
use proto::pair_reply::Step;

pub(super) const NAME: &str = "Acme";

fn exchange(bench: &Bench) -> Exchange {
    exchange_of(bench, bench.caller())
}

fn exchange_of(bench: &Bench, caller: Caller) -> Exchange {
    Exchange::new(bench.door().clone(), caller, own(bench))
}

pub(super) fn own(bench: &Bench) -> Presence {
    let folder = bench.folder.path().join("identity");
    let file = crate::identity::site_file(model::Pms::BestPractice, "1001");
    let root = crate::identity::load_or_make(&folder, trust::Kind::Site, &file).unwrap();
    Presence { environment: "demo".to_owned(), root_spki: root.spki().to_vec() }
}

pub(super) fn begin(code: &Code) -> proto::PairBegin {
    proto::PairBegin {
        version: VERSION,
        environment: "demo".to_owned(),
        code_name: code.name().to_owned(),
        integrator_name: NAME.to_owned(),
        ..proto::PairBegin::default()
    }
}

pub(super) fn say(step: pair_request::Step) -> proto::PairRequest {
    proto::PairRequest { step: Some(step) }
}

pub(super) fn mac(bench: &Bench, code: &Code, role: Role, caller: &Caller, name: &str) -> Vec<u8> {
    let own = own(bench);
    let transcript = Transcript {
        version: VERSION,
        environment: "demo",
        site_root: &own.root_spki,
        integrator_root: &caller.peer.root_spki,
        integrator_name: name,
        code_name: code.name(),
        exporter: caller.exporter.reveal(),
    };
    prove(code, role, &transcript).to_vec()
}

pub(super) fn proof(mac: Vec<u8>) -> proto::PairRequest {
    say(pair_request::Step::Proof(proto::PairProof { mac }))
}

pub(super) fn login(password: &str) -> proto::PairRequest {
    let (user, password) = (GOOD.0.to_owned(), password.to_owned());
    say(pair_request::Step::Login(proto::DatabaseLogin { user, password }))
}

/// As far as the site's proof.
fn begun(bench: &Bench, code: &Code) -> Result<(Exchange, Vec<u8>), Refused> {
    let mut exchange = exchange(bench);
    match exchange.step(say(pair_request::Step::Begin(begin(code))))? {
        Step::Proof(proof) => Ok((exchange, proof.mac)),
        other => panic!("{other:?}"),
    }
}

/// As far as the wish for the login.
fn proved(bench: &Bench, code: &Code) -> Exchange {
    let (mut exchange, site) = begun(bench, code).unwrap();
    let caller = bench.caller();
    assert_eq!(site, mac(bench, code, Role::Site, &caller, NAME), "the site proves that it knows the code");
    let answer = exchange.step(proof(mac(bench, code, Role::Gateway, &caller, NAME))).unwrap();
    assert_eq!(answer, Step::LoginWanted(proto::LoginWanted {}));
    exchange
}

pub(super) fn pair(bench: &Bench, code: &Code) -> proto::PairDone {
    match proved(bench, code).step(login(GOOD.1)).unwrap() {
        Step::Done(done) => done,
        other => panic!("{other:?}"),
    }
}

#[test]
fn whoever_knows_the_code_pairs_and_is_let_in() {
    let bench = Bench::new();
    assert!(!bench.door().is_paired(&bench.peer(), bench.site));
    let done = pair(&bench, &bench.code(" ACME ", false));
    assert!(!done.read_only);
    assert_eq!(done.facts.unwrap().pms_id, "1001");
    assert!(bench.door().check(&bench.peer(), bench.site).is_ok());
    assert_eq!(bench.audit().last().unwrap().what, "paired");
    let bench = bench.restart();
    assert!(bench.door().check(&bench.peer(), bench.site).is_ok(), "it is kept");
}

#[test]
fn the_login_is_on_disk_sealed_only() {
    let bench = Bench::new();
    pair(&bench, &bench.code(NAME, true));
    bench.door().flush().unwrap();
    for file in std::fs::read_dir(bench.folder.path()).unwrap() {
        let path = file.unwrap().path();
        if path.is_file() {
            let bytes = std::fs::read(path).unwrap();
            assert!(!bytes.windows(GOOD.1.len()).any(|w| w == GOOD.1.as_bytes()));
        }
    }
    let record = bench.door().pairings()[0].clone();
    assert_eq!(bench.door().store().open_login(&record).unwrap().password.reveal(), GOOD.1);
}

#[test]
fn a_new_code_renews_login_and_access() {
    let bench = Bench::new();
    assert!(pair(&bench, &bench.code(NAME, true)).read_only);
    let first = bench.door().pairings()[0].clone();
    bench.door().switch(bench.site, first.integrator, false).unwrap();
    assert!(!pair(&bench, &bench.code(NAME, false)).read_only);
    let pairings = bench.door().pairings();
    assert_eq!(pairings.len(), 1);
    assert_eq!((pairings[0].access, pairings[0].on), (Access::ReadWrite, true));
    assert!(pairings[0].revision > first.revision, "sessions under the old login are not used again");
}

#[track_caller]
pub(super) fn refused(answer: Result<impl std::fmt::Debug, Refused>, reason: PairRefusal) {
    let refused = answer.unwrap_err();
    assert_eq!(refused.reason, reason);
    assert!(refused.message.ends_with('.') && refused.message.len() > 30, "{}", refused.message);
}

#[test]
fn an_unknown_code_is_refused() {
    let bench = Bench::new();
    bench.code(NAME, false);
    let other = Code::from_parts("0000", &[1; 10]).unwrap();
    refused(begun(&bench, &other), PairRefusal::UnknownCode);
}

#[test]
fn an_expired_code_is_refused_and_a_clock_set_back_does_not_mend_it() {
    let bench = Bench::new();
    let code = bench.code(NAME, false);
    bench.clock.advance(DAY * 7);
    refused(begun(&bench, &code), PairRefusal::ExpiredCode);
    bench.clock.set_back(DAY * 3);
    refused(begun(&bench, &code), PairRefusal::ExpiredCode);
}

#[test]
fn a_used_code_is_refused() {
    let bench = Bench::new();
    let code = bench.code(NAME, false);
    let mut late = proved(&bench, &code);
    pair(&bench, &code);
    refused(begun(&bench, &code), PairRefusal::UsedCode);
    refused(late.step(login(GOOD.1)), PairRefusal::UsedCode);
}

#[test]
fn the_sixth_try_is_refused_even_with_the_right_code() {
    let bench = Bench::new();
    let code = bench.code(NAME, false);
    for left in (0..5).rev() {
        let (mut exchange, _) = begun(&bench, &code).unwrap();
        let answer = exchange.step(proof(vec![0; 32]));
        assert!(answer.clone().unwrap_err().message.contains(&format!("{left} tries")), "{answer:?}");
        refused(answer, PairRefusal::WrongProof);
    }
    refused(begun(&bench, &code), PairRefusal::TooManyTries);
    let bench = bench.restart();
    refused(begun(&bench, &code), PairRefusal::TooManyTries);
}

#[test]
fn the_fifth_try_may_still_be_right() {
    let bench = Bench::new();
    let code = bench.code(NAME, false);
    for _ in 0..4 {
        begun(&bench, &code).unwrap();
    }
    pair(&bench, &code);
}

#[test]
fn hanging_up_after_the_sites_proof_costs_a_try_each_however_many_at_once() {
    let bench = Bench::new();
    let code = bench.code(NAME, false);
    let open: Vec<_> = (0..5).map(|_| begun(&bench, &code).unwrap()).collect();
    refused(begun(&bench, &code), PairRefusal::TooManyTries);
    drop(open);
    refused(begun(&bench, &code), PairRefusal::TooManyTries);
}

#[test]
fn a_connection_lost_after_the_right_proof_costs_nothing() {
    let bench = Bench::new();
    let code = bench.code(NAME, false);
    for _ in 0..10 {
        drop(proved(&bench, &code));
    }
    pair(&bench, &code);
}

#[test]
fn the_sites_own_proof_echoed_back_is_refused() {
    let bench = Bench::new();
    let (mut exchange, site) = begun(&bench, &bench.code(NAME, false)).unwrap();
    refused(exchange.step(proof(site)), PairRefusal::WrongProof);
}

#[test]
fn a_relay_in_the_middle_has_another_session_and_is_refused() {
    let bench = Bench::new();
    let code = bench.code(NAME, false);
    let (mut exchange, _) = begun(&bench, &code).unwrap();
    // The integrator proves to the one in the middle, in another session.
    let other = Caller { exporter: Arc::new(Hidden::new(vec![4; 32])), ..bench.caller() };
    let carried_over = mac(&bench, &code, Role::Gateway, &other, NAME);
    refused(exchange.step(proof(carried_over)), PairRefusal::WrongProof);
}

#[test]
fn a_code_for_another_integrator_is_refused_and_costs_no_try() {
    let bench = Bench::new();
    let code = bench.code("Other", false);
    for _ in 0..6 {
        refused(begun(&bench, &code), PairRefusal::OtherIntegrator);
    }
}

#[test]
fn another_environment_and_another_version_are_refused() {
    let bench = Bench::new();
    let code = bench.code(NAME, false);
    let other = proto::PairBegin { environment: "production".to_owned(), ..begin(&code) };
    refused(exchange(&bench).step(say(pair_request::Step::Begin(other))), PairRefusal::OtherEnvironment);
    let other = proto::PairBegin { version: 2, ..begin(&code) };
    refused(exchange(&bench).step(say(pair_request::Step::Begin(other))), PairRefusal::UnsupportedVersion);
}

#[test]
fn a_login_that_the_database_refuses_is_not_kept_and_leaves_the_code_good() {
    let bench = Bench::new();
    let code = bench.code(NAME, false);
    for _ in 0..6 {
        refused(proved(&bench, &code).step(login("wrong")), PairRefusal::LoginFailed);
    }
    assert!(!bench.door().is_paired(&bench.peer(), bench.site));
    pair(&bench, &code);
}

#[test]
fn steps_out_of_order_and_broken_ones_are_refused() {
    let bench = Bench::new();
    let code = bench.code(NAME, false);
    refused(exchange(&bench).step(login(GOOD.1)), PairRefusal::Protocol);
    refused(exchange(&bench).step(proto::PairRequest { step: None }), PairRefusal::Protocol);
    let (mut early, _) = begun(&bench, &code).unwrap();
    refused(early.step(login(GOOD.1)), PairRefusal::Protocol);
    refused(
        early.step(proof(mac(&bench, &code, Role::Gateway, &bench.caller(), NAME))),
        PairRefusal::Protocol,
    );
    let (mut short, _) = begun(&bench, &code).unwrap();
    refused(short.step(proof(vec![0; 31])), PairRefusal::Protocol);
    let long = proto::PairBegin { integrator_name: "x".repeat(257), ..begin(&code) };
    refused(exchange(&bench).step(say(pair_request::Step::Begin(long))), PairRefusal::Protocol);
}

#[test]
fn an_exchange_that_nobody_waits_for_stores_nothing() {
    let bench = Bench::new();
    let mut exchange = proved(&bench, &bench.code(NAME, false));
    exchange.abandoned().store(true, Ordering::Relaxed);
    refused(exchange.step(login(GOOD.1)), PairRefusal::Protocol);
    assert!(!bench.door().is_paired(&bench.peer(), bench.site));
}

#[test]
fn what_the_login_may_do_is_read_told_and_kept() {
    use database::{Rights, Writes};
    let bench = Bench::new();
    let may = |writes, grant: &str| may_of(&bench, Rights { writes, grants: vec![grant.to_owned()] });
    may(Writes::Yes, "db_datawriter");
    assert_eq!(pair(&bench, &bench.code(NAME, true)).writes(), proto::LoginWrites::Yes);
    let kept = bench.door().pairings()[0].rights.clone().unwrap();
    assert_eq!(kept.rights.writes, Writes::Yes);
    assert_eq!(kept.rights.grants, ["Patients: db_datawriter", "Drugs: db_datawriter"]);
    let line = bench.audit().pop().unwrap();
    assert_eq!((line.what.as_str(), line.status.as_deref()), ("paired", Some("LOGIN_WRITES_YES")));

    may(Writes::No, "db_datareader");
    bench.door().read_rights(bench.site);
    let line = bench.audit().pop().unwrap();
    assert_eq!((line.what.as_str(), line.status.as_deref()), ("rights-changed", Some("LOGIN_WRITES_NO")));
    bench.door().read_rights(bench.site);
    let lines = bench.audit();
    assert_eq!(lines.iter().filter(|line| line.what == "rights-changed").count(), 1, "once per change");
    let bench = bench.restart();
    assert_eq!(bench.door().pairings()[0].rights.as_ref().unwrap().rights.writes, Writes::No, "it is kept");

    may_of(&bench, Rights::default());
    assert_eq!(pair(&bench, &bench.code(NAME, false)).writes(), proto::LoginWrites::Unspecified);
}

fn may_of(bench: &Bench, rights: database::Rights) {
    *bench.engine.rights.lock().unwrap() = rights;
}
