//! A site on the real demo practice, asked by the built-in PMS file.

use super::*;
use crate::{
    door::{Looked, Request},
    pms::PmsFiles,
    protect::KeyFile,
    store::NewPairing,
    testkit::{DAY, TestClock, command},
};
use database::{Login, Sink, Terms, Writes};
use model::{Access, IntegratorId, QueryId};
use practice::{BuildOptions, DemoEngine, PracticeLogin};
use std::path::PathBuf;

const USER: &str = "bpsrawdata";
const PASSWORD: &str = "open sesame";

struct Nothing;

impl Sink for Nothing {
    fn columns(&mut self, _: &[database::Column]) -> Result<database::Wanted, database::Stopped> {
        Ok(database::Wanted::NoMore)
    }

    fn row(&mut self, _: &[database::Value<'_>]) -> Result<database::Wanted, database::Stopped> {
        Ok(database::Wanted::NoMore)
    }

    fn part(&mut self, _: database::Part<'_>) -> Result<database::Wanted, database::Stopped> {
        Ok(database::Wanted::NoMore)
    }
}

fn build(folder: &Path, name: &str) -> PathBuf {
    let path = folder.join(name);
    let options = BuildOptions {
        patients: 3,
        seed: 1,
        today: database::Date { year: 2026, month: 2, day: 3 },
        logins: vec![PracticeLogin {
            user: USER.to_owned(),
            password: PASSWORD.to_owned().into(),
            read_only: false,
        }],
    };
    practice::build(&path, &options, &mut |_, _| {}).unwrap();
    path
}

fn login() -> Login {
    Login { user: USER.into(), password: PASSWORD.into() }
}

/// The same practice under another identifier and name.
fn other_practice(folder: &Path) -> PathBuf {
    let path = build(folder, "other");
    let engine = DemoEngine::open(&path).unwrap();
    let mut session = engine.connect(&login(), "Patients", Access::ReadWrite).unwrap();
    for sql in ["UPDATE DEMOSITE SET SITEID = '2002'", "UPDATE PRACTICE SET PRACTICENAME = 'Somebody Else'"] {
        let change = model::Command { parameters: Vec::new(), ..(*command(sql)).clone() };
        session.run(&change, &Terms::default(), &mut Nothing).unwrap();
    }
    path
}

fn open_host(data: &Path, database: &Path, clock: &Arc<TestClock>) -> Arc<Host> {
    let key = KeyFile::open(&data.join("identity").join("seal.key")).unwrap();
    let setup = SiteSetup {
        key: Some("BestPractice".to_owned()),
        pms: Pms::BestPractice,
        pms_id: None,
        practice_name: None,
        pms_version: None,
        file: PmsFiles::load(None).unwrap().of(Pms::BestPractice, "demo").unwrap(),
        engine: Arc::new(DemoEngine::open(database).unwrap()),
        patience: Duration::from_secs(30),
    };
    Host::open(data, "demo", vec![setup], Arc::new(key), Limits::default(), clock.clone()).unwrap()
}

#[test]
fn the_demo_practice_says_whose_it_is_and_another_one_in_its_place_is_not_served() {
    let folder = tempfile::tempdir().unwrap();
    let (data, database) = (folder.path().join("link"), build(folder.path(), "practice"));
    let clock = TestClock::new();
    let host = open_host(&data, &database, &clock);
    let (site, door) = (host.sites()[0], host.door().clone());
    assert_eq!(door.look(site), Looked::Well);
    let facts = door.facts(site).unwrap();
    assert_eq!(facts.pms_id, practice::SITE_ID);
    assert_eq!(facts.practice_name, "Halo Demo Family Practice");
    assert_eq!(facts.pms_version, practice::PMS_VERSION);
    assert_eq!(facts.catalogues.len(), 2);
    assert_eq!(facts.enriched_at, Some(clock.now()));
    assert_eq!(door.site(site).unwrap().last_look(), crate::door::LastLook::default());

    let rights = door.try_login(site, &login(), Access::ReadWrite).unwrap();
    assert_eq!(rights.writes, Writes::Yes);
    let integrator = trust::Root::generate(Kind::Integrator).unwrap();
    let peer = integrator.issue("gateway", 1, clock.now(), DAY).unwrap().peer().clone();
    let made_for = NewCode { site, integrator_name: "Acme".to_owned(), read_only: false };
    let mut rng = <rand::rngs::StdRng as rand::SeedableRng>::seed_from_u64(1);
    let (_, code) = host.make_code(&made_for, &mut rng).unwrap();
    let new = NewPairing {
        site,
        integrator: IntegratorId(integrator.id()),
        name: "Acme",
        root_spki: integrator.spki(),
        access: Access::ReadWrite,
        login: &login(),
        rights: &rights,
    };
    assert!(door.pair(&new, code.name.as_str()).unwrap());
    let enter = |door: &Arc<Door>, id| {
        let query = QueryId(uuid::Uuid::from_u128(id));
        door.enter(
            &peer,
            site,
            Request { query, command: command("SELECT 1"), read_only: false, device: None },
        )
    };
    enter(&door, 1).unwrap().begin().unwrap().connect().unwrap();

    // Another practice's backup is restored in its place, while the service is down.
    drop((door, host));
    let other = other_practice(folder.path());
    std::fs::rename(&other, &database).unwrap();
    std::fs::rename(other.with_extension("drugs"), database.with_extension("drugs")).unwrap();
    let host = open_host(&data, &database, &clock);
    assert_eq!(host.sites(), [site], "the old GUID");
    let refused = enter(host.door(), 2).unwrap().begin().expect_err("its first command is refused");
    assert!(refused.message.contains("another practice"), "{}", refused.message);
    assert_eq!(host.door().site(site).unwrap().last_look().other_pms_id.as_deref(), Some("2002"));
    assert_eq!(*host.door().facts(site).unwrap(), *facts, "nothing of the other practice is shown");
}
