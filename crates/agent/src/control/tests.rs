use super::*;
use crate::{store::AuditRow, testkit::Bench};
use database::Writes;
use model::{Access, IntegratorId, SiteId};

fn serve(bench: &Bench) -> (JoinHandle<()>, watch::Sender<Status>) {
    let (report, status) = watch::channel(Status::Online);
    let service = Service { host: bench.host.clone(), status, self_test: None };
    (listen(bench.folder.path(), service).unwrap(), report)
}

fn code_for(integrator: &str) -> Ask {
    Ask::PairingCode { integrator: integrator.to_owned(), read_only: true, site: None }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_utility_makes_codes_and_sees_how_things_stand() {
    let bench = Bench::new();
    let (_listening, _report) = serve(&bench);
    let data = bench.folder.path();
    let made: MadeCode = ask(data, &code_for("Acme")).await.unwrap();
    assert!(made.read_only && made.site == bench.site);
    assert_eq!(made.code.len(), "NAME-XXXX-XXXX-XXXX-XXXX".len());
    bench.pair(Access::ReadWrite);
    let status: StatusAnswer = ask(data, &Ask::Status).await.unwrap();
    assert_eq!((status.cloud.as_str(), status.epoch), ("online", 1));
    let site = &status.sites[0];
    assert_eq!(site.open_codes[0].name, made.code[..4]);
    assert!(!serde_json::to_string(&status).unwrap().contains(&made.code[5..]), "the secret is shown once");
    assert!(site.integrators[0].on);

    let off = Ask::Switch { integrator: " acme".to_owned(), on: false, site: None };
    assert!(ask::<bool>(data, &off).await.unwrap());
    assert!(bench.door().check(&bench.peer(), bench.site).is_err());
    let rows: Vec<AuditRow> = ask(data, &Ask::Audit { last: 2 }).await.unwrap();
    assert_eq!(rows.iter().map(|row| row.what.as_str()).collect::<Vec<_>>(), ["paired", "switched-off"]);
}

/// A name that somebody mailed and that was pasted would otherwise make up lines of its own wherever it is shown.
#[tokio::test(flavor = "multi_thread")]
async fn a_name_with_what_nobody_can_read_in_it_gets_no_code() {
    let bench = Bench::new();
    let (_listening, _report) = serve(&bench);
    for name in ["Acme\n  Best Practice: on", "Acme\u{1b}[2J", "Acme\u{202e}", "Acme\u{9b}1A"] {
        let told = ask::<MadeCode>(bench.folder.path(), &code_for(name)).await.unwrap_err();
        assert!(told.to_string().contains("type it by hand"), "{told}");
    }
}

/// Two of the same name: only the fingerprint says which one is meant.
#[tokio::test(flavor = "multi_thread")]
async fn the_practice_decides_by_fingerprint_who_may_pair_without_a_code() {
    let bench = Bench::new();
    let (_listening, _report) = serve(&bench);
    let data = bench.folder.path();
    let other = trust::Root::generate(trust::Kind::Integrator).unwrap();
    let other = other.issue("x", 1, model::Clock::now(&*bench.clock), crate::testkit::DAY).unwrap();
    let (door, peer, site) = (bench.door().clone(), bench.peer(), bench.site);
    let (first, second) = (model::IntegratorId(peer.id), model::IntegratorId(other.peer().id));
    tokio::task::spawn_blocking(move || {
        for peer in [&peer, other.peer()] {
            door.ask_to_pair(peer, site, "Acme", None).unwrap();
        }
    })
    .await
    .unwrap();
    let list = Ask::PairingRequests { site: None };
    let all: Vec<RequestAnswer> = ask(data, &list).await.unwrap();
    assert_eq!(all.len(), 2);
    assert!(all.iter().all(|of| of.state == "waiting" && of.site == site && of.vouched == "nobody"));
    let status: StatusAnswer = ask(data, &Ask::Status).await.unwrap();
    assert_eq!((status.sites[0].requests.len(), status.sites[0].vendor_keys), (2, Some(0)));

    let decide = |integrator: String, fingerprint| Ask::PairingDecide {
        integrator,
        approve: true,
        fingerprint,
        read_only: true,
        site: None,
    };
    let said = ask::<RequestAnswer>(data, &decide("acme".to_owned(), None)).await.unwrap_err().to_string();
    assert!(said.contains("several"), "{said}");
    let said =
        ask::<RequestAnswer>(data, &decide(first.to_string(), Some(second))).await.unwrap_err().to_string();
    assert!(said.contains("nothing was changed"), "{said}");
    let done: RequestAnswer = ask(data, &decide(first.to_string(), Some(first))).await.unwrap();
    assert_eq!((done.state.as_str(), done.read_only), ("approved", true));
    let all: Vec<RequestAnswer> = ask(data, &list).await.unwrap();
    assert_eq!(all.iter().filter(|of| of.state == "waiting").count(), 1);

    bench.pair(Access::ReadWrite);
    assert!(bench.door().check(&bench.peer(), bench.site).is_ok());
    let shut = |name: &str| Ask::Instances {
        integrator: "acme".to_owned(),
        change: Some((name.to_owned(), true)),
        site: None,
    };
    let said = ask::<Vec<InstanceAnswer>>(data, &shut("no such gateway")).await.unwrap_err().to_string();
    assert!(said.contains("no gateway of that name"), "{said}");
    let all: Vec<InstanceAnswer> = ask(data, &shut("gateway one")).await.unwrap();
    assert!(all.len() == 1 && all[0].shut_out && all[0].serial == 5);
    assert!(bench.door().check(&bench.peer(), bench.site).is_err());
}

/// Anybody may call itself by somebody's fingerprint: by an id its owner is meant, and nobody else.
#[tokio::test(flavor = "multi_thread")]
async fn an_id_means_its_owner_whatever_others_call_themselves() {
    let bench = Bench::new();
    let (_listening, _report) = serve(&bench);
    let data = bench.folder.path();
    let victim = IntegratorId(bench.integrator.id());
    let thief = trust::Root::generate(trust::Kind::Integrator).unwrap();
    let certificate = thief.issue("x", 1, model::Clock::now(&*bench.clock), crate::testkit::DAY).unwrap();
    let (door, peer, site) = (bench.door().clone(), bench.peer(), bench.site);
    tokio::task::spawn_blocking(move || {
        door.ask_to_pair(certificate.peer(), site, &victim.to_string(), None).unwrap();
        door.ask_to_pair(&peer, site, "Acme", None).unwrap();
    })
    .await
    .unwrap();
    let decide = |approve| Ask::PairingDecide {
        integrator: victim.to_string().to_uppercase(),
        approve,
        fingerprint: None,
        read_only: false,
        site: None,
    };
    for approve in [false, true] {
        let done: RequestAnswer = ask(data, &decide(approve)).await.unwrap();
        assert_eq!((done.integrator, done.name.as_str()), (victim, "Acme"));
    }
    bench.pair_as(IntegratorId(thief.id()), thief.spki(), &victim.to_string(), Access::ReadOnly);
    bench.pair(Access::ReadOnly);
    let off = Ask::Switch { integrator: victim.to_string(), on: false, site: None };
    assert!(ask::<bool>(data, &off).await.unwrap());
    assert!(!bench.door().pairing(bench.site, victim).unwrap().on);
    let told = ask::<MadeCode>(data, &code_for(&victim.to_string())).await.unwrap_err().to_string();
    assert!(told.contains("fingerprint"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whom_the_practice_said_no_to_makes_no_name_ambiguous() {
    let bench = Bench::new();
    let (_listening, _report) = serve(&bench);
    let data = bench.folder.path();
    let other = trust::Root::generate(trust::Kind::Integrator).unwrap();
    let certificate = other.issue("x", 1, model::Clock::now(&*bench.clock), crate::testkit::DAY).unwrap();
    let (door, peer, site) = (bench.door().clone(), bench.peer(), bench.site);
    tokio::task::spawn_blocking(move || {
        door.ask_to_pair(certificate.peer(), site, "Acme", None).unwrap();
        door.ask_to_pair(&peer, site, "Acme", None).unwrap();
    })
    .await
    .unwrap();
    let decide = |integrator: String, approve| Ask::PairingDecide {
        integrator,
        approve,
        fingerprint: None,
        read_only: false,
        site: None,
    };
    let other = IntegratorId(other.id());
    let _: RequestAnswer = ask(data, &decide(other.to_string(), false)).await.unwrap();
    let done: RequestAnswer = ask(data, &decide("acme".to_owned(), true)).await.unwrap();
    assert_eq!(done.integrator.0, bench.integrator.id());
    let done: RequestAnswer = ask(data, &decide(other.to_string(), true)).await.unwrap();
    assert_eq!(done.state, "approved", "a no can be taken back by the id");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_is_shut_out_stays_so_after_the_end_of_its_pairing_and_can_be_let_in_by_the_id() {
    let bench = Bench::new();
    bench.pair(Access::ReadOnly);
    let (_listening, _report) = serve(&bench);
    let data = bench.folder.path();
    let of = IntegratorId(bench.integrator.id());
    assert!(bench.door().check(&bench.peer(), bench.site).is_ok());
    let instances = |integrator: &str, out: Option<bool>| Ask::Instances {
        integrator: integrator.to_owned(),
        change: out.map(|out| ("gateway one".to_owned(), out)),
        site: None,
    };
    let _: Vec<InstanceAnswer> = ask(data, &instances("acme", Some(true))).await.unwrap();
    let unpair = Ask::Unpair { integrator: "acme".to_owned(), site: None };
    assert!(ask::<bool>(data, &unpair).await.unwrap());
    assert!(bench.door().instance(&bench.peer(), bench.site).is_err());
    let told = ask::<Vec<InstanceAnswer>>(data, &instances("acme", None)).await.unwrap_err().to_string();
    assert!(told.contains("by its id"), "{told}");
    let all: Vec<InstanceAnswer> = ask(data, &instances(&of.to_string(), None)).await.unwrap();
    assert!(all.len() == 1 && all[0].shut_out);
    let all: Vec<InstanceAnswer> = ask(data, &instances(&of.to_string(), Some(false))).await.unwrap();
    assert!(!all[0].shut_out && bench.door().instance(&bench.peer(), bench.site).is_ok());
    let stranger = bench.site.to_string();
    assert!(ask::<Vec<InstanceAnswer>>(data, &instances(&stranger, None)).await.is_err());
}

/// What the vendor said when somebody asked may have ended before the practice looks.
#[tokio::test(flavor = "multi_thread")]
async fn the_vendors_word_is_looked_at_anew_whenever_it_is_shown() {
    use trust::approval::{Approval, Environments, Signer, VendorKey, sign};
    let vendor = VendorKey::generate().unwrap();
    let engine = crate::testkit::FakeEngine::default();
    engine.vendor_keys.lock().unwrap().push(vendor.spki().to_vec());
    let bench = Bench::of(Arc::new(engine), Some("1001"), crate::executor::Limits::default());
    let now = model::Timestamp(model::Clock::now(&*bench.clock).0 / 1000 * 1000);
    let approval = Approval {
        integrator_root: bench.integrator.spki().to_vec(),
        integrator_name: "Acme".to_owned(),
        pms: model::Pms::BestPractice,
        environments: Environments::of(["demo"]).unwrap(),
        access: Access::ReadWrite,
        note: String::new(),
        not_before: now,
        expires: now.plus(crate::testkit::DAY),
        serial: 1,
    };
    let signed = sign(&approval, &vendor).unwrap();
    let (door, peer, site) = (bench.door().clone(), bench.peer(), bench.site);
    let asking = move || door.ask_to_pair(&peer, site, "Acme", Some(&signed)).unwrap();
    tokio::task::spawn_blocking(asking).await.unwrap();
    let vouched = async |bench: &Bench| {
        let (_listening, _report) = serve(bench);
        let all: Vec<RequestAnswer> =
            ask(bench.folder.path(), &Ask::PairingRequests { site: None }).await.unwrap();
        (all[0].vouched.clone(), all[0].vouched_name.is_some())
    };
    assert_eq!(vouched(&bench).await, ("yes".to_owned(), true));
    bench.clock.advance(crate::testkit::DAY);
    assert_eq!(vouched(&bench).await, ("no".to_owned(), false));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_service_can_not_do_is_said_and_the_next_question_is_answered() {
    let bench = Bench::new();
    let (_listening, _report) = serve(&bench);
    let data = bench.folder.path();
    for nonsense in ["", "   ", &"x".repeat(257)] {
        assert!(matches!(ask::<MadeCode>(data, &code_for(nonsense)).await, Err(AskError::Refused(_))));
    }
    let nobody = Ask::Switch { integrator: "nobody".to_owned(), on: true, site: None };
    assert!(matches!(ask::<bool>(data, &nobody).await, Err(AskError::Refused(_))));
    let io = transport::connect(data).await.unwrap();
    let (reading, mut writing) = tokio::io::split(io);
    let mut lines = BufReader::new(reading).lines();
    for (line, why) in [
        ("not json", "one line of JSON"),
        ("{\"v\":1,\"do\":\"explode\"}", "does not know this request"),
        ("{\"v\":1,\"do\":\"audit\",\"last\":1,\"all\":true}", "does not know this request"),
        ("", "one line of JSON"),
        ("{\"do\":\"status\"}", "the request names none"),
        ("{\"v\":2,\"do\":\"status\"}", "the request has 2"),
    ] {
        writing.write_all(format!("{line}\n").as_bytes()).await.unwrap();
        let answer = lines.next_line().await.unwrap().unwrap();
        assert!(answer.starts_with("{\"v\":1,\"error\":") && answer.contains(why), "{line}: {answer}");
    }
    assert!(ask::<StatusAnswer>(data, &Ask::Status).await.is_ok());
}

#[tokio::test]
async fn a_service_that_does_not_run_is_named_as_such() {
    let folder = tempfile::tempdir().unwrap();
    let answer = ask::<StatusAnswer>(folder.path(), &Ask::Status).await;
    assert!(matches!(answer, Err(AskError::NotRunning)));
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn the_socket_is_for_its_owner_alone_and_one_left_behind_is_replaced() {
    use std::os::unix::fs::PermissionsExt;
    let bench = Bench::new();
    let path = bench.folder.path().join("control.sock");
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let (_listening, _report) = serve(&bench);
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(ask::<StatusAnswer>(bench.folder.path(), &Ask::Status).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_name_that_somebody_else_has_taken_is_tried_again_with_pauses_until_it_is_free() {
    let began = tokio::time::Instant::now();
    let mut tries = 0;
    let bind = || {
        tries += 1;
        if tries < 4 { Err(io::ErrorKind::PermissionDenied.into()) } else { Ok("the name") }
    };
    assert_eq!(until_bound(bind).await, "the name");
    assert_eq!((tries, began.elapsed()), (4, 4 * AGAIN));
}

#[test]
fn two_services_never_share_a_folder() {
    let bench = Bench::new();
    let key = crate::protect::KeyFile::open(&bench.folder.path().join("identity").join("seal.key")).unwrap();
    let limits = crate::executor::Limits::default();
    let second = Host::open(bench.folder.path(), "demo", vec![], Arc::new(key), limits, bench.clock.clone());
    assert!(matches!(second, Err(crate::host::StartError::Running)));
}

#[tokio::test(flavor = "multi_thread")]
async fn status_shows_what_logins_may_do_and_a_database_of_another_practice() {
    let engine = Arc::new(crate::testkit::FakeEngine::default());
    engine.tell("2002", "Somebody Else", "9.1");
    let bench = Bench::of(engine, Some("1001"), crate::executor::Limits::default());
    let grants = vec!["db_owner".to_owned()];
    *bench.engine.rights.lock().unwrap() = database::Rights { writes: Writes::Yes, grants };
    bench.pair(Access::ReadOnly);
    bench.door().read_rights(bench.site);
    bench.door().look(bench.site);
    let (_listening, _report) = serve(&bench);
    let status: StatusAnswer = ask(bench.folder.path(), &Ask::Status).await.unwrap();
    let site = &status.sites[0];
    assert_eq!((site.pms_id.as_str(), site.other_pms_id.as_deref()), ("1001", Some("2002")));
    assert_eq!((site.practice_name.as_str(), site.enriched_at.as_deref()), ("Test Clinic", None));
    let integrator = &site.integrators[0];
    assert_eq!((integrator.read_only, integrator.login_writes.as_str()), (true, "yes"));
    assert_eq!(integrator.login_grants, ["Patients: db_owner", "Drugs: db_owner"]);
    assert!(integrator.login_read_at.is_some());
}

#[test]
fn an_answer_of_another_version_is_named_as_such() {
    for (line, version) in [("{\"v\":2,\"ok\":true}", 2), ("{\"ok\":true}", 0)] {
        let answer = understand::<bool>(line.as_bytes());
        assert!(matches!(answer, Err(AskError::OtherVersion(v)) if v == version), "{line}: {answer:?}");
    }
    assert!(matches!(understand::<bool>(b"{\"v\":1}"), Err(AskError::Broken(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_site_is_switched_off_and_on_by_itself_and_stays_so() {
    let bench = Bench::new();
    bench.pair(Access::ReadOnly);
    let (listening, _report) = serve(&bench);
    let data = bench.folder.path();
    let switch = async |on| ask::<SiteId>(data, &Ask::Site { on, site: None }).await.unwrap();
    assert_eq!(switch(false).await, bench.site);
    let refused = bench.door().check(&bench.peer(), bench.site).unwrap_err();
    assert_eq!(refused.refusal, link_api::proto::Refusal::SiteOff);
    assert_eq!(refused.ended().error.unwrap().code, 403);
    let status: StatusAnswer = ask(data, &Ask::Status).await.unwrap();
    assert!(!status.sites[0].on && status.sites[0].integrators[0].on);
    listening.abort();
    let _ = listening.await;
    // The last conversation lets go of the folder when it sees that nobody asks any more.
    while Arc::strong_count(&bench.host) > 1 {
        tokio::task::yield_now().await;
    }

    let bench = bench.restart();
    assert!(!bench.door().is_on(bench.site), "off after a restart too");
    assert!(bench.door().check_practice(bench.site).is_err(), "nobody pairs with it");
    let (_listening, _report) = serve(&bench);
    ask::<SiteId>(bench.folder.path(), &Ask::Site { on: true, site: None }).await.unwrap();
    assert!(bench.door().check(&bench.peer(), bench.site).is_ok());
    let whats: Vec<_> = bench.audit().into_iter().map(|row| row.what).collect();
    assert!(whats.ends_with(&["site-off".to_owned(), "site-on".to_owned()]), "{whats:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_names_the_login_that_fails_and_never_the_databases_words() {
    let engine = Arc::new(crate::testkit::FakeEngine::default());
    engine.tell("1001", "Riverside", "9.1");
    let bench = Bench::of(engine, Some("1001"), crate::executor::Limits::default());
    bench.pair(Access::ReadOnly);
    let (_listening, _report) = serve(&bench);
    let check = async || ask::<Checked>(bench.folder.path(), &Ask::Check).await.unwrap().sites.remove(0);
    let well = check().await;
    assert_eq!((well.database.as_str(), well.logins[0].login.as_str(), &well.why), ("well", "well", &None));
    bench.engine.refuses.store(true, std::sync::atomic::Ordering::SeqCst);
    let refused = check().await.logins.remove(0);
    assert_eq!((refused.login.as_str(), refused.why.as_deref()), ("refused", Some("database error 4060")));
    bench.engine.down.store(true, std::sync::atomic::Ordering::SeqCst);
    let away = check().await;
    assert_eq!((away.database.as_str(), away.logins[0].login.as_str()), ("unreachable", "unreachable"));
    assert_eq!(away.logins[0].name, "Acme");
}

/// Everything that the Utility does leaves a line with the operating system's user who did it.
#[tokio::test(flavor = "multi_thread")]
async fn the_utility_sets_consent_and_every_act_is_written_down_with_who_did_it() {
    use crate::consent::{Form, Most};
    let bench = Bench::new();
    let (_listening, _report) = serve(&bench);
    let data = bench.folder.path();
    ask::<MadeCode>(data, &code_for("Acme")).await.unwrap();
    bench.pair(Access::ReadWrite);
    let acme = || "acme".to_owned();
    let change = Form {
        access: Some("read-only".to_owned()),
        expires: Some("2027-01-31".to_owned()),
        rows_per_day: Some(Most::Number(1_000)),
        ..Form::default()
    };
    let set = Ask::ConsentSet { integrator: acme(), change: Box::new(change), site: None };
    let now: ConsentAnswer = ask(data, &set).await.unwrap();
    assert_eq!((now.state.as_str(), now.terms.access.as_deref()), ("granted", Some("read-only")));
    assert_eq!(now.terms.expires.as_deref(), Some("2027-02-01T00:00:00.000Z"));
    let by = now.changed_by.unwrap();
    assert!(by.starts_with(|first: char| first.is_ascii_digit()), "{by}");
    let nowhere =
        Form { catalogues: Some(crate::consent::Names::List(vec!["Nowhere".to_owned()])), ..Form::default() };
    let nowhere = Ask::ConsentSet { integrator: acme(), change: Box::new(nowhere), site: None };
    let said = ask::<ConsentAnswer>(data, &nowhere).await.unwrap_err().to_string();
    assert!(said.contains("Nowhere") && said.contains("Patients, Drugs"), "{said}");
    ask::<bool>(data, &Ask::Switch { integrator: acme(), on: false, site: None }).await.unwrap();
    let all: Vec<ConsentAnswer> =
        ask(data, &Ask::Consent { integrator: None, site: None, most: None, after: None }).await.unwrap();
    assert_eq!(all[0].state, "suspended");
    assert!(ask::<bool>(data, &Ask::Halt { on: true }).await.unwrap());
    assert!(ask::<StatusAnswer>(data, &Ask::Status).await.unwrap().halted);
    assert!(!ask::<bool>(data, &Ask::Halt { on: false }).await.unwrap());
    ask::<Checked>(data, &Ask::Check).await.unwrap();
    ask::<Vec<AuditRow>>(data, &Ask::Audit { last: 5 }).await.unwrap();
    ask::<SiteId>(data, &Ask::Site { on: true, site: None }).await.unwrap();
    ask::<bool>(data, &Ask::Revoke { integrator: acme(), site: None }).await.unwrap();
    let again = ask::<bool>(data, &Ask::Switch { integrator: acme(), on: true, site: None }).await;
    assert!(again.unwrap_err().to_string().contains("pairing-code"), "the next step is named");
    ask::<bool>(data, &Ask::Unpair { integrator: acme(), site: None }).await.unwrap();
    let acts: Vec<_> = bench
        .audit()
        .into_iter()
        .filter(|row| row.by.as_deref() == Some(by.as_str()))
        .map(|row| row.what)
        .collect();
    let expected = [
        "code-made",
        "consent-set",
        "switched-off",
        "halted",
        "unhalted",
        "checked",
        "audit-read",
        "site-on",
        "consent-revoked",
        "unpaired",
    ];
    assert_eq!(acts, expected);
    let set = bench.audit().into_iter().find(|row| row.what == "consent-set").unwrap();
    assert_eq!(set.detail.unwrap()["rows_per_day"], 1_000, "what was changed stands there");
}

/// A site with a thousand integrators is still run by one practice with one Utility: each answer fits, nobody is left out or told
/// twice, and one can be changed and ended as if it were alone.
#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_integrators_are_told_of_in_answers_that_fit() {
    use crate::consent::Form;
    let bench = Bench::new();
    bench.pair_others(1_000);
    let approve = (0..2_000).map(|n| format!("{n:064x}")).collect();
    let change = Form { approve: Some(approve), ..Form::default() };
    let (first, last) = (IntegratorId(uuid::Uuid::from_u128(0)), IntegratorId(uuid::Uuid::from_u128(999)));
    for who in [first, last] {
        bench.door().set_terms(bench.site, who, &change, "0:root").unwrap();
    }
    let (_listening, _report) = serve(&bench);
    let data = bench.folder.path();
    let status: StatusAnswer = ask(data, &Ask::Status).await.unwrap();
    assert_eq!(status.sites[0].integrators.len(), 1_000);
    // With all that any login may be told to do, too.
    let (most_grants, grant) = (100, 200 + "\"\",".len());
    let largest = serde_json::to_vec(&status).unwrap().len() + 1_000 * most_grants * grant;
    assert!((largest as u64) < ANSWER_BYTES, "{largest}");

    let mut all: Vec<ConsentAnswer> = Vec::new();
    loop {
        let after = all.last().map(|last| After { site: last.site, integrator: last.integrator });
        let page = Ask::Consent { integrator: None, site: None, most: Some(300), after };
        let page: Vec<ConsentAnswer> = ask(data, &page).await.unwrap();
        let over = page.len() < 300;
        all.extend(page);
        if over {
            break;
        }
    }
    let ids: std::collections::BTreeSet<_> = all.iter().map(|one| one.integrator).collect();
    assert_eq!((all.len(), ids.len()), (1_000, 1_000));
    assert_eq!(all[999].terms.approved.as_ref().map(Vec::len), Some(2_000));

    ask::<bool>(data, &Ask::Unpair { integrator: "other 7".to_owned(), site: None }).await.unwrap();
    let gone = Ask::Consent { integrator: Some("Other 7".to_owned()), site: None, most: None, after: None };
    assert!(matches!(ask::<Vec<ConsentAnswer>>(data, &gone).await, Err(AskError::Refused(_))));
}
