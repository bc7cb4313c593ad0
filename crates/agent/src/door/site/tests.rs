use super::*;
use crate::{
    door::{Admission, Permit, Request},
    executor::Limits,
    host::{Host, SiteSetup, StartError},
    protect::KeyFile,
    testkit::{Bench, DAY, FakeEngine, TestClock, command, open, setup},
};
use link_api::proto;
use model::{Access, QueryId};

fn engine() -> Arc<FakeEngine> {
    let engine = Arc::new(FakeEngine::default());
    engine.tell("1001", "Riverside", "9.1");
    engine
}

fn bench() -> Bench {
    let bench = Bench::of(engine(), Some("1001"), Limits::default());
    bench.pair(Access::ReadWrite);
    bench
}

fn enter(bench: &Bench, id: u128) -> Result<Admission, Refused> {
    let query = QueryId(uuid::Uuid::from_u128(id));
    bench.door().enter(
        &bench.peer(),
        bench.site,
        Request { query, command: command("update x"), read_only: false, device: None },
    )
}

fn begin(bench: &Bench, id: u128) -> Result<Permit, Refused> {
    enter(bench, id)?.begin()
}

#[track_caller]
fn other_practice<T>(answer: Result<T, Refused>) {
    let refused = answer.err().expect("nothing is run");
    assert_eq!(refused.refusal, Refusal::Busy);
    assert!(
        refused.message.contains("another practice") && refused.message.contains("HaloLinkUtility status")
    );
    assert!(!refused.message.contains("1001") && !refused.message.contains("2002"), "{}", refused.message);
}

fn events(bench: &Bench) -> Vec<String> {
    bench.audit().into_iter().map(|row| row.what).filter(|what| what.ends_with("practice")).collect()
}

#[test]
fn a_site_says_what_its_database_says_and_still_knows_it_when_the_database_is_away() {
    let bench = bench();
    assert_eq!(bench.door().facts(bench.site).unwrap().practice_name, "Test Clinic", "not asked yet");
    assert_eq!(bench.door().look(bench.site), Looked::Well);
    let facts = bench.door().facts(bench.site).unwrap();
    assert_eq!((facts.practice_name.as_str(), facts.pms_version.as_str()), ("Riverside", "9.1"));
    assert_eq!(facts.enriched_at, Some(bench.door().clock().now()));
    bench.engine.down.store(true, Ordering::SeqCst);
    bench.clock.advance(DAY);
    let bench = bench.restart();
    assert_eq!(bench.door().look(bench.site), Looked::Unreachable);
    assert_eq!(bench.door().facts(bench.site).unwrap(), facts);
    assert!(
        bench.door().site(bench.site).unwrap().last_look().trouble.unwrap().contains("could not be asked")
    );
}

#[test]
fn where_the_database_does_not_say_it_the_configurations_words_count() {
    let bench = bench();
    bench.engine.tells.lock().unwrap().remove("its name?");
    bench.door().look(bench.site);
    let facts = bench.door().facts(bench.site).unwrap();
    assert_eq!((facts.practice_name.as_str(), facts.pms_version.as_str()), ("Test Clinic", "9.1"));
    let look = bench.door().site(bench.site).unwrap().last_look();
    assert_eq!((look.untold.len(), look.untold[0].0), (1, "practice_name"));
    bench.engine.tells.lock().unwrap().clear();
    let bench = Bench::of(Arc::default(), Some("1001"), Limits::default());
    assert_eq!(bench.door().look(bench.site), Looked::Well, "no login of Link's own: nothing to ask");
    assert_eq!(bench.door().facts(bench.site).unwrap().enriched_at, None);
}

#[test]
fn only_a_change_is_told_to_the_cloud() {
    let bench = bench();
    let mut changes = bench.door().changes();
    let mut changed = || {
        bench.door().look(bench.site);
        let changed = changes.has_changed().unwrap();
        changes.mark_unchanged();
        changed
    };
    assert!(changed());
    bench.clock.advance(DAY);
    assert!(!changed(), "asked again, and nothing is new but the time");
    bench.engine.tell("1001", "Riverside", "9.2");
    assert!(changed());
}

#[test]
fn another_practices_database_behind_a_site_is_not_served() {
    let bench = bench();
    bench.door().look(bench.site);
    let waiting = enter(&bench, 1).unwrap();
    bench.engine.tell("2002", "Somebody Else", "9.1");
    bench.door().look(bench.site);
    other_practice(enter(&bench, 2));
    other_practice(waiting.begin());
    let facts = bench.door().facts(bench.site).unwrap();
    assert_eq!(
        (facts.pms_id.as_str(), facts.practice_name.as_str()),
        ("1001", "Riverside"),
        "not the other's name"
    );
    assert_eq!(events(&bench), ["other-practice"]);

    bench.engine.down.store(true, Ordering::SeqCst);
    let bench = bench.restart();
    other_practice(enter(&bench, 3));
    bench.engine.down.store(false, Ordering::SeqCst);
    bench.door().look(bench.site);
    other_practice(enter(&bench, 4));

    bench.engine.tell("1001", "Riverside", "9.1");
    bench.door().look(bench.site);
    assert!(begin(&bench, 5).is_ok(), "the right one is back");
    assert_eq!(events(&bench), ["other-practice", "own-practice"]);
}

#[test]
fn nobody_pairs_with_another_practices_database() {
    use crate::pairing::{Exchange, Presence};
    let bench = bench();
    bench.engine.tell("2002", "Somebody Else", "9.1");
    let code = bench.code("Acme", false);
    let own = Presence { environment: "demo".to_owned(), root_spki: Vec::new() };
    let begin = proto::PairBegin {
        version: trust::pairing::VERSION,
        environment: "demo".to_owned(),
        code_name: code.name().to_owned(),
        integrator_name: "Acme".to_owned(),
        ..proto::PairBegin::default()
    };
    let step = Some(proto::pair_request::Step::Begin(begin));
    let refused = Exchange::new(bench.door().clone(), bench.caller(), own)
        .step(proto::PairRequest { step })
        .unwrap_err();
    assert_eq!(refused.reason, proto::PairRefusal::LoginFailed);
    assert!(refused.message.contains("another practice"), "{}", refused.message);
    assert_eq!(bench.host.open_codes().unwrap()[0].tries, 0, "it costs no try");
}

#[test]
fn a_database_that_was_swapped_while_it_was_away_is_seen_before_the_next_command() {
    let bench = bench();
    let connect = |id| begin(&bench, id).unwrap().connect();
    assert!(connect(1).is_ok());
    let looks = || bench.engine.looks.load(Ordering::SeqCst);
    let asked = looks();
    assert!(connect(2).is_ok());
    assert_eq!(looks(), asked, "a database that did not go away is not asked at each command");

    bench.engine.down.store(true, Ordering::SeqCst);
    assert!(matches!(connect(3), Err(Failure::Lost)));
    bench.engine.down.store(false, Ordering::SeqCst);
    bench.engine.tell("2002", "Somebody Else", "9.1");
    other_practice(begin(&bench, 4));
}

#[test]
fn a_connection_that_is_refused_is_reason_to_ask_again() {
    let bench = bench();
    assert!(begin(&bench, 1).unwrap().connect().is_ok());
    bench.engine.refuses.store(true, Ordering::SeqCst);
    assert!(matches!(begin(&bench, 2).unwrap().connect(), Err(Failure::Sql(_))));
    bench.engine.refuses.store(false, Ordering::SeqCst);
    bench.engine.tell("2002", "Somebody Else", "9.1");
    other_practice(begin(&bench, 3));
}

#[test]
fn a_session_that_breaks_is_reason_to_ask_again() {
    let bench = bench();
    let permit = begin(&bench, 1).unwrap();
    let mut session = permit.connect().unwrap();
    bench.engine.tell("2002", "Somebody Else", "9.1");
    let lost = session.run(&command("lost"), &database::Terms::default(), &mut Nowhere);
    assert_eq!(lost.err(), Some(Failure::Lost));
    // As the pool does when a waiting session is dead: within the same command.
    assert!(matches!(permit.connect(), Err(Failure::Lost)), "the other practice's database is not reached");
    other_practice(begin(&bench, 2));
}

struct Nowhere;

impl database::Sink for Nowhere {
    fn columns(&mut self, _: &[database::Column]) -> Result<database::Wanted, database::Stopped> {
        Err(database::Stopped)
    }

    fn row(&mut self, _: &[database::Value<'_>]) -> Result<database::Wanted, database::Stopped> {
        Err(database::Stopped)
    }

    fn part(&mut self, _: database::Part<'_>) -> Result<database::Wanted, database::Stopped> {
        Err(database::Stopped)
    }
}

#[test]
fn a_database_that_is_away_is_not_asked_by_each_command() {
    let bench = bench();
    bench.engine.down.store(true, Ordering::SeqCst);
    for id in 1..10 {
        assert!(matches!(begin(&bench, id).unwrap().connect(), Err(Failure::Lost)));
    }
    assert_eq!(bench.engine.looks.load(Ordering::SeqCst), 1);
}

#[test]
fn a_database_that_comes_back_as_another_practices_is_seen_however_soon() {
    let bench = bench();
    bench.engine.down.store(true, Ordering::SeqCst);
    assert!(matches!(begin(&bench, 1).unwrap().connect(), Err(Failure::Lost)));
    bench.engine.down.store(false, Ordering::SeqCst);
    bench.engine.tell("2002", "Somebody Else", "9.1");
    let permit = begin(&bench, 2).expect("nobody asks a database again that was away a moment ago");
    assert!(
        matches!(permit.connect(), Err(Failure::Lost)),
        "but one that answers is asked before it is used"
    );
    other_practice(begin(&bench, 3));
}

#[test]
fn two_sites_never_belong_to_the_same_practice() {
    let (engine, clock, folder) = (engine(), TestClock::new(), tempfile::tempdir().unwrap());
    let setups = ["one", "two"].map(|key| SiteSetup { key: Some(key.to_owned()), ..setup(&engine, None) });
    let key = KeyFile::open(&folder.path().join("seal.key")).unwrap();
    let opened =
        Host::open(folder.path(), "demo", setups.into(), Arc::new(key), Limits::default(), clock.clone());
    assert!(matches!(opened.err(), Some(StartError::Twice { pms_id, .. }) if pms_id == "1001"));
}

#[test]
fn a_database_that_is_not_of_the_software_leaves_what_was_known_and_is_told_to_the_practice() {
    let bench = bench();
    bench.door().look(bench.site);
    bench.engine.tells.lock().unwrap().insert("is it?", vec![]);
    assert_eq!(bench.door().look(bench.site), Looked::Refused);
    assert_eq!(bench.door().facts(bench.site).unwrap().practice_name, "Riverside");
    let trouble = bench.door().site(bench.site).unwrap().last_look().trouble.unwrap();
    assert!(trouble.contains("does not look like"), "{trouble}");
    assert!(begin(&bench, 1).is_ok());
}

#[test]
fn a_site_without_an_identifier_takes_its_databases_and_keeps_it() {
    let engine = engine();
    let bench = Bench::of(engine.clone(), None, Limits::default());
    bench.pair(Access::ReadWrite);
    let site = bench.site;
    assert_eq!(bench.door().facts(site).unwrap().pms_id, "1001");
    engine.down.store(true, Ordering::SeqCst);
    let bench = bench.restart();
    assert_eq!(bench.site, site, "it starts without the database");
    engine.down.store(false, Ordering::SeqCst);
    engine.tell("2002", "Somebody Else", "9.1");
    let bench = bench.restart();
    assert_eq!(bench.site, site);
    other_practice(begin(&bench, 1));
}

#[test]
fn a_first_start_says_what_to_do_when_nobody_knows_which_practice_it_is() {
    let engine = engine();
    let bench = Bench::new();
    let start = |engine: &Arc<FakeEngine>| {
        let folder = tempfile::tempdir().unwrap();
        open(folder.path(), engine, &bench.clock, None, Limits::default()).err().unwrap()
    };
    engine.down.store(true, Ordering::SeqCst);
    let wrong = start(&engine);
    assert!(matches!(wrong, StartError::Unnamed { .. }) && wrong.to_string().contains("pms_id"), "{wrong}");
    engine.down.store(false, Ordering::SeqCst);
    engine.tells.lock().unwrap().insert("whose?", vec![None]);
    assert!(start(&engine).to_string().contains("empty"), "{}", start(&engine));
    assert!(start(&Arc::default()).to_string().contains("no login"), "{}", start(&Arc::default()));
}

#[test]
fn a_database_that_is_away_is_looked_at_sooner_and_one_that_refuses_later() {
    let minutes = |looked: Looked, random| looked.again_in(random).as_secs() / 60;
    assert_eq!(minutes(Looked::Well, 0), 60);
    assert_eq!(minutes(Looked::Well, 199), 65, "spread by up to a tenth");
    assert_eq!((minutes(Looked::Unreachable, 0), minutes(Looked::Refused, 0)), (1, 15));
}
