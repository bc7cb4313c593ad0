use super::*;
use crate::testkit::{Bench, DAY, command};
use model::Clock;
use trust::Kind;

fn request(id: u128, text: &str) -> Request {
    Request {
        query: QueryId(uuid::Uuid::from_u128(id)),
        command: command(text),
        read_only: false,
        device: None,
    }
}

fn enter(bench: &Bench, request: Request) -> Result<Admission, Refused> {
    bench.door().enter(&bench.peer(), bench.site, request)
}

#[track_caller]
fn refusal(answer: Result<Admission, Refused>) -> Refusal {
    answer.unwrap_err().refusal
}

fn successful() -> proto::Ended {
    proto::Ended {
        status: proto::Status::Successful.into(),
        effect: proto::Effect::Executed.into(),
        rows: 7,
        ..proto::Ended::default()
    }
}

#[test]
fn only_paired_integrators_come_in_and_only_while_switched_on() {
    let bench = Bench::new();
    assert_eq!(refusal(enter(&bench, request(1, "update x"))), Refusal::NotPaired);
    bench.pair(Access::ReadWrite);
    assert!(enter(&bench, request(1, "update x")).is_ok());
    let id = IntegratorId(bench.integrator.id());
    assert!(bench.door().switch(bench.site, id, false).unwrap());
    assert_eq!(refusal(enter(&bench, request(2, "update x"))), Refusal::SwitchedOff);
    let bench = bench.restart();
    assert_eq!(refusal(enter(&bench, request(3, "update x"))), Refusal::SwitchedOff);
    assert!(bench.door().switch(bench.site, id, true).unwrap());
    assert!(enter(&bench, request(4, "update x")).is_ok());
}

#[test]
fn one_that_is_switched_off_while_it_waits_does_not_begin() {
    let bench = Bench::new();
    bench.pair(Access::ReadWrite);
    let waiting = enter(&bench, request(1, "update x")).unwrap();
    bench.door().switch(bench.site, IntegratorId(bench.integrator.id()), false).unwrap();
    assert_eq!(waiting.begin().unwrap_err().refusal, Refusal::SwitchedOff);
}

#[test]
fn a_site_that_is_switched_off_lets_nobody_in_not_even_who_waits() {
    let bench = Bench::new();
    bench.pair(Access::ReadWrite);
    let waiting = enter(&bench, request(1, "update x")).unwrap();
    bench.door().switch_site(bench.site, false).unwrap();
    assert_eq!(waiting.begin().unwrap_err().refusal, Refusal::SiteOff);
    assert_eq!(refusal(enter(&bench, request(2, "update x"))), Refusal::SiteOff);
    bench.door().switch_site(bench.site, true).unwrap();
    assert!(enter(&bench, request(3, "update x")).unwrap().begin().is_ok());
}

#[test]
fn a_site_or_a_link_or_another_integrator_is_not_paired() {
    let bench = Bench::new();
    bench.pair(Access::ReadWrite);
    let mut site = bench.peer();
    site.kind = Kind::Site;
    assert!(bench.door().check(&site, bench.site).is_err());
    let mut other = bench.peer();
    other.root_spki = vec![1];
    assert!(bench.door().check(&other, bench.site).is_err());
    assert!(bench.door().check(&bench.peer(), SiteId(uuid::Uuid::from_u128(1))).is_err());
}

#[test]
fn a_higher_serial_retires_the_lower_ones_of_that_instance_for_good() {
    let bench = Bench::new();
    bench.pair(Access::ReadWrite);
    let check =
        |bench: &Bench, name: &str, serial| bench.door().check(&bench.peer_with(name, serial), bench.site);
    assert!(check(&bench, "one", 5).is_ok());
    assert!(check(&bench, "one", 9).is_ok());
    assert_eq!(check(&bench, "one", 5).unwrap_err().refusal, Refusal::NotPaired);
    assert!(check(&bench, "two", 1).is_ok(), "another instance counts for itself");
    let bench = bench.restart();
    assert!(check(&bench, "one", 8).is_err());
    assert!(check(&bench, "one", 9).is_ok());
}

#[test]
fn an_expired_certificate_is_not_let_in_even_in_an_old_session() {
    let bench = Bench::new();
    bench.pair(Access::ReadWrite);
    let peer = bench.peer();
    bench.clock.advance(DAY * 31);
    assert!(bench.door().check(&peer, bench.site).is_err());
}

#[test]
fn an_unknown_catalogue_is_refused_and_names_compare_without_case() {
    let bench = Bench::new();
    bench.pair(Access::ReadWrite);
    let at = |name: &str| Command { catalogue: Some(name.to_owned()), ..(*command("x")).clone() };
    let with = |id, name| Request { command: Arc::new(at(name)), ..request(id, "x") };
    assert_eq!(refusal(enter(&bench, with(1, "Secrets"))), Refusal::UnknownCatalogue);
    assert!(enter(&bench, with(2, "drugs")).is_ok());
}

#[test]
fn access_is_the_lesser_of_what_is_granted_and_what_is_asked() {
    let bench = Bench::new();
    bench.pair(Access::ReadWrite);
    let asks = Request { read_only: true, ..request(1, "x") };
    assert_eq!(enter(&bench, asks).unwrap().access(), Access::ReadOnly);
    assert_eq!(enter(&bench, request(2, "x")).unwrap().access(), Access::ReadWrite);
    bench.pair(Access::ReadOnly);
    assert_eq!(enter(&bench, request(3, "x")).unwrap().access(), Access::ReadOnly);
}

#[test]
fn a_possible_write_is_on_disk_before_it_begins_and_both_lines_tell_of_it() {
    let bench = Bench::new();
    bench.pair(Access::ReadWrite);
    let permit = enter(&bench, request(1, "update x set y = @p")).unwrap().begin().unwrap();
    // Read from the file itself: nothing has been flushed by asking.
    let rows = bench.door().store().audit(10).unwrap();
    let begin = rows.last().unwrap();
    assert_eq!((begin.what.as_str(), begin.access.as_deref()), ("begin", Some("read-write")));
    assert_eq!(begin.statement.as_deref(), Some("update x set y = @p"));
    assert_eq!(begin.catalogue.as_deref(), Some("Patients"));
    permit.finish(&successful());
    let rows = bench.audit();
    let end = rows.last().unwrap();
    assert_eq!((end.what.as_str(), end.status.as_deref(), end.rows), ("end", Some("SUCCESSFUL"), Some(7)));
    assert_eq!(end.query, begin.query);
    assert!(!format!("{rows:?}").contains("canary-value"), "no parameter values");
}

/// A practice must be able to see what came from an untrusted PC and not from the integrator's server.
#[test]
fn a_desktops_lines_name_its_device_and_others_none() {
    let bench = Bench::new();
    bench.pair(Access::ReadWrite);
    bench.allow_desktops();
    let device = Some(DeviceId::parse("PC-7").unwrap());
    let from_desktop = Request { device: device.clone(), ..request(1, "update x") };
    enter(&bench, from_desktop).unwrap().begin().unwrap().finish(&successful());
    enter(&bench, request(2, "update x")).unwrap().begin().unwrap().finish(&successful());
    bench.door().switch(bench.site, IntegratorId(bench.integrator.id()), false).unwrap();
    let refused = Request { device, ..request(3, "update x") };
    assert_eq!(refusal(enter(&bench, refused)), Refusal::SwitchedOff);
    let lines: Vec<_> = bench.audit().into_iter().map(|row| (row.what, row.device)).collect();
    let of =
        |what: &str| lines.iter().filter(|(w, _)| w == what).map(|(_, d)| d.as_deref()).collect::<Vec<_>>();
    assert_eq!(of("begin"), [Some("PC-7"), None]);
    assert_eq!(of("end"), [Some("PC-7"), None]);
    assert_eq!(of("refused"), [Some("PC-7")]);
    assert_eq!(of("switched-off"), [None]);
}

#[test]
fn reads_are_written_down_in_groups_soon_after() {
    let bench = Bench::new();
    bench.pair(Access::ReadOnly);
    for id in 0..100 {
        enter(&bench, request(id, "select 1")).unwrap().begin().unwrap().finish(&successful());
    }
    let end = bench.clock.monotonic() + std::time::Duration::from_secs(5);
    while bench.door().store().audit(1000).unwrap().iter().filter(|row| row.what == "end").count() < 100 {
        assert!(bench.clock.monotonic() < end, "the group was not committed");
        std::thread::yield_now();
    }
}

#[test]
fn what_is_dropped_is_written_down_too() {
    let bench = Bench::new();
    bench.pair(Access::ReadWrite);
    drop(enter(&bench, request(1, "update x")).unwrap());
    drop(enter(&bench, request(2, "update x")).unwrap().begin().unwrap());
    let outcome = |id| {
        let query = QueryId(uuid::Uuid::from_u128(id));
        bench.door().outcome(&bench.peer(), bench.site, query).unwrap().unwrap()
    };
    assert_eq!(outcome(1).status(), proto::Status::Cancelled);
    assert_eq!(outcome(1).effect(), proto::Effect::NotExecuted);
    assert_eq!(outcome(2).status(), proto::Status::Interrupted);
    assert_eq!(outcome(2).effect(), proto::Effect::Unknown);
    assert_eq!(bench.door().running(), 0);
}

#[test]
fn nothing_that_may_have_written_is_started_twice() {
    let bench = Bench::new();
    bench.pair(Access::ReadWrite);
    let first = enter(&bench, request(1, "update x")).unwrap().begin().unwrap();
    assert_eq!(refusal(enter(&bench, request(1, "update x"))), Refusal::Repeated);
    first.finish(&successful());
    let again = enter(&bench, request(1, "update x")).unwrap();
    assert_eq!(again.begin().unwrap_err().refusal, Refusal::Repeated);
    let as_a_read = Request { read_only: true, ..request(1, "select 1") };
    enter(&bench, as_a_read).unwrap().begin().unwrap().finish(&proto::Ended::default());
    let query = QueryId(uuid::Uuid::from_u128(1));
    let outcome = bench.door().outcome(&bench.peer(), bench.site, query).unwrap();
    assert_eq!(outcome, Some(successful()), "the first one's outcome stands");
    let bench = bench.restart();
    let again = enter(&bench, request(1, "update x")).unwrap();
    assert_eq!(again.begin().unwrap_err().refusal, Refusal::Repeated);
}

#[test]
fn after_a_crash_nobody_saw_the_end_and_reads_say_that_they_were_reads() {
    let bench = Bench::new();
    bench.pair(Access::ReadWrite);
    let read = Request { read_only: true, ..request(1, "select 1") };
    // A crash runs no destructors.
    std::mem::forget(enter(&bench, read).unwrap().begin().unwrap());
    std::mem::forget(enter(&bench, request(2, "update x")).unwrap().begin().unwrap());
    bench.door().flush().unwrap();
    let query = |id| QueryId(uuid::Uuid::from_u128(id));
    let running = bench.door().outcome(&bench.peer(), bench.site, query(2)).unwrap().unwrap();
    assert_eq!(running.status(), proto::Status::Unspecified);
    let store = bench.door().store().clone();
    let door = Door::new(store, Vec::new(), bench.clock.clone()).unwrap();
    let outcome = |id| door.outcome(&bench.peer(), bench.site, query(id)).unwrap().unwrap();
    assert!(outcome(1).read_only && !outcome(2).read_only);
    assert_eq!(
        (outcome(1).status(), outcome(1).effect()),
        (proto::Status::Interrupted, proto::Effect::Unknown)
    );
    assert_eq!(
        (outcome(2).status(), outcome(2).effect()),
        (proto::Status::Interrupted, proto::Effect::Unknown)
    );
    assert_eq!(door.outcome(&bench.peer(), bench.site, query(3)).unwrap(), None);
}

#[test]
fn outcomes_are_the_integrators_own_and_are_forgotten_after_a_day() {
    let bench = Bench::new();
    bench.pair(Access::ReadWrite);
    enter(&bench, request(1, "update x")).unwrap().begin().unwrap().finish(&successful());
    let query = QueryId(uuid::Uuid::from_u128(1));
    let other = trust::Root::generate(Kind::Integrator).unwrap();
    let other = other.issue("x", 1, bench.clock.now(), DAY).unwrap().peer().clone();
    assert_eq!(bench.door().outcome(&other, bench.site, query).unwrap(), None);
    bench.clock.advance(DAY - std::time::Duration::from_secs(1));
    bench.door().forget_outcomes().unwrap();
    assert!(bench.door().outcome(&bench.peer(), bench.site, query).unwrap().is_some());
    bench.clock.advance(std::time::Duration::from_secs(2));
    bench.door().forget_outcomes().unwrap();
    assert_eq!(bench.door().outcome(&bench.peer(), bench.site, query).unwrap(), None);
}

#[test]
fn a_databases_words_are_kept_sealed() {
    let bench = Bench::new();
    bench.pair(Access::ReadWrite);
    let message = "canary-in-a-message".to_owned();
    let error = proto::Error { kind: 2, code: 207, message, ..proto::Error::default() };
    let ended = proto::Ended { error: Some(error), ..successful() };
    enter(&bench, request(1, "update x")).unwrap().begin().unwrap().finish(&ended);
    let query = QueryId(uuid::Uuid::from_u128(1));
    assert_eq!(bench.door().outcome(&bench.peer(), bench.site, query).unwrap(), Some(ended));
    for name in ["link.db", "link.db-wal"] {
        let bytes = std::fs::read(bench.folder.path().join(name)).unwrap();
        assert!(!bytes.windows(9).any(|w| w == b"canary-in"), "{name}");
    }
}
