//! The practice's consent at the choke point: whatever a gateway says, this is where it is enforced.

use super::*;
use crate::{
    consent::{Form, Most, Names},
    testkit::{Bench, DAY, command},
};
use std::time::Duration;

fn request(id: u128, text: &str) -> Request {
    let query = QueryId(uuid::Uuid::from_u128(id));
    Request { query, command: command(text), read_only: true, device: None }
}

fn enter(bench: &Bench, request: Request) -> Result<Admission, Refused> {
    bench.door().enter(&bench.peer(), bench.site, request)
}

#[track_caller]
fn refused(answer: Result<Admission, Refused>) -> Refusal {
    answer.map(drop).unwrap_err().refusal
}

fn who(bench: &Bench) -> IntegratorId {
    IntegratorId(bench.integrator.id())
}

fn set(bench: &Bench, change: Form) {
    bench.door().set_terms(bench.site, who(bench), &change, "0:root").unwrap();
}

fn paired() -> Bench {
    let bench = Bench::new();
    bench.pair(Access::ReadWrite);
    bench
}

fn word(word: &str) -> Option<String> {
    Some(word.to_owned())
}

/// A gateway that lies about everything it can lie about gets no further than its practice lets it: the site asks its own book.
#[test]
fn a_lying_gateway_passes_none_of_the_practices_rules() {
    let bench = paired();
    set(&bench, Form { catalogues: Some(Names::List(vec!["drugs".to_owned()])), ..Form::default() });
    // It says read-only, its own servers, the default catalogue: the site's default is the one that is not allowed.
    assert_eq!(refused(enter(&bench, request(1, "select 1"))), Refusal::ConsentCatalogue);
    let drugs = Command { catalogue: Some("DRUGS".to_owned()), ..(*command("select 1")).clone() };
    let drugs = |id| Request { command: Arc::new(drugs.clone()), ..request(id, "") };
    assert!(enter(&bench, drugs(2)).is_ok());
    set(&bench, Form { statements: word("approved"), ..Form::default() });
    assert_eq!(refused(enter(&bench, drugs(3))), Refusal::ConsentStatement);
    let hash = format!("{:?}", crate::consent::Approval::of(&command("select 1")));
    set(&bench, Form { approve: Some(vec![hash]), ..Form::default() });
    assert!(enter(&bench, drugs(4)).is_ok(), "the same text, whatever its parameters say");
    let desktop = Request { device: DeviceId::parse("reception-2").ok(), ..drugs(5) };
    assert_eq!(refused(enter(&bench, desktop.clone())), Refusal::ConsentDesktop);
    set(&bench, Form { desktop: word("approved"), ..Form::default() });
    assert!(enter(&bench, desktop).is_ok());
    // Under a read-only consent it asks for all that it once had.
    set(&bench, Form { access: word("read-only"), ..Form::default() });
    let writes = Request { read_only: false, ..drugs(6) };
    assert_eq!(enter(&bench, writes).unwrap().access(), Access::ReadOnly);
}

/// The certificate says it, under the integrator's own key: nothing that the session says can take it back.
#[test]
fn a_hosted_gateway_is_let_in_only_where_the_practice_allows_it() {
    let bench = paired();
    let now = bench.clock.now();
    let hosted = bench.integrator.issue_hosted("hosted one", 7, now, DAY).unwrap().peer().clone();
    let enter = |id| bench.door().enter(&hosted, bench.site, request(id, "select 1"));
    assert_eq!(refused(enter(1)), Refusal::ConsentHosted);
    assert_eq!(bench.door().check(&hosted, bench.site).unwrap_err().refusal, Refusal::ConsentHosted);
    assert!(self::enter(&bench, request(2, "select 1")).is_ok(), "the integrator's own gateway is");
    set(&bench, Form { hosted: Some(true), ..Form::default() });
    assert!(enter(3).is_ok());
}

#[test]
fn suspended_revoked_halted_and_switched_off_each_say_so_and_survive_a_restart() {
    let bench = paired();
    let id = who(&bench);
    bench.door().suspend(bench.site, id, false, "0:root").unwrap();
    assert_eq!(refused(enter(&bench, request(1, "x"))), Refusal::SwitchedOff);
    let bench = bench.restart();
    assert_eq!(refused(enter(&bench, request(1, "x"))), Refusal::SwitchedOff);
    bench.door().suspend(bench.site, id, true, "0:root").unwrap();
    bench.door().halt(true, Some("0:root")).unwrap();
    assert_eq!(refused(enter(&bench, request(2, "x"))), Refusal::Halted);
    let bench = bench.restart();
    assert_eq!(refused(enter(&bench, request(2, "x"))), Refusal::Halted);
    bench.door().halt(false, Some("0:root")).unwrap();
    bench.door().switch_site(bench.site, false).unwrap();
    assert_eq!(refused(enter(&bench, request(3, "x"))), Refusal::SiteOff);
    bench.door().switch_site(bench.site, true).unwrap();
    assert!(enter(&bench, request(4, "x")).is_ok());
    bench.door().revoke(bench.site, id, "0:root").unwrap();
    assert_eq!(refused(enter(&bench, request(5, "x"))), Refusal::ConsentRevoked);
    let bench = bench.restart();
    assert_eq!(refused(enter(&bench, request(5, "x"))), Refusal::ConsentRevoked);
    let again = bench.door().suspend(bench.site, id, true, "0:root");
    assert!(matches!(again, Err(ChangeError::Revoked)), "what was revoked can't be resumed");
    let acts: Vec<_> =
        bench.audit().into_iter().filter(|row| row.by.is_some()).map(|row| (row.what, row.by)).collect();
    let by = |what: &str| (what.to_owned(), word("0:root"));
    let expected = ["switched-off", "switched-on", "halted", "unhalted", "consent-revoked"].map(by);
    assert_eq!(acts, expected);
}

/// In the file, or in the log beside it.
fn on_disk(bench: &Bench, what: &[u8]) -> bool {
    ["link.db", "link.db-wal"].iter().any(|name| {
        let bytes = std::fs::read(bench.folder.path().join(name)).unwrap();
        bytes.windows(what.len()).any(|window| window == what)
    })
}

/// Erased is erased: neither the file nor what the service holds of it has the login any more.
#[test]
fn a_revoked_integrators_login_is_gone_and_a_new_pairing_keeps_what_was_bounded() {
    let bench = paired();
    let sealed = bench.door().pairing(bench.site, who(&bench)).unwrap().login.clone();
    let most = Some(Most::Number(3));
    set(&bench, Form { expires: word("2027-01-31"), rows_per_day: most, ..Form::default() });
    bench.door().revoke(bench.site, who(&bench), "0:root").unwrap();
    assert!(bench.door().pairing(bench.site, who(&bench)).unwrap().login.is_empty());
    bench.door().flush().unwrap();
    assert!(!on_disk(&bench, &sealed), "the sealed login is still there");
    bench.clock.advance(DAY * 400);
    bench.pair(Access::ReadOnly);
    let terms = bench.door().pairing(bench.site, who(&bench)).unwrap().consent.terms.clone();
    assert_eq!((terms.expires, terms.budgets.rows_per_day, terms.access), (None, Some(3), Access::ReadOnly));
}

#[test]
fn an_ended_pairing_is_told_as_that_until_it_pairs_again_with_a_clean_slate() {
    let bench = paired();
    set(&bench, Form { hosted: Some(true), ..Form::default() });
    bench.door().unpair(bench.site, who(&bench), Some("0:root")).unwrap();
    assert_eq!(refused(enter(&bench, request(1, "x"))), Refusal::Unpaired);
    assert!(!bench.door().is_paired(&bench.peer(), bench.site));
    let bench = bench.restart();
    assert_eq!(refused(enter(&bench, request(1, "x"))), Refusal::Unpaired);
    let twice = bench.door().unpair(bench.site, who(&bench), None);
    assert!(matches!(twice, Err(ChangeError::NotPaired)));
    bench.pair(Access::ReadOnly);
    assert!(enter(&bench, request(2, "x")).is_ok());
    assert!(!bench.door().pairing(bench.site, who(&bench)).unwrap().consent.terms.hosted);
}

/// Setting the clock back is the oldest trick: neither in a running service nor over a restart does it make a consent good again.
#[test]
fn a_clock_set_back_makes_no_expired_consent_good_again() {
    let bench = paired();
    let expires = bench.clock.now().plus(DAY).to_rfc3339();
    set(&bench, Form { expires: Some(expires), ..Form::default() });
    assert!(enter(&bench, request(1, "x")).is_ok());
    bench.clock.advance(DAY + Duration::from_secs(1));
    assert_eq!(refused(enter(&bench, request(2, "x"))), Refusal::ConsentExpired);
    bench.clock.set_back(DAY * 2);
    assert_eq!(refused(enter(&bench, request(3, "x"))), Refusal::ConsentExpired);
    bench.door().tend().unwrap();
    let bench = bench.restart();
    assert_eq!(refused(enter(&bench, request(4, "x"))), Refusal::ConsentExpired);
    let whats: Vec<_> = bench.audit().into_iter().map(|row| row.what).collect();
    assert_eq!(whats.iter().filter(|what| *what == "consent-expired").count(), 1, "{whats:?}");
    assert!(matches!(bench.door().suspend(bench.site, who(&bench), true, "x"), Err(ChangeError::Expired)));
    set(&bench, Form { access: word("read-only"), ..Form::default() });
    assert_eq!(
        refused(enter(&bench, request(5, "x"))),
        Refusal::ConsentExpired,
        "another change renews nothing"
    );
    set(&bench, Form { expires: word("never"), ..Form::default() });
    assert!(enter(&bench, request(6, "x")).is_ok());
}

#[test]
fn what_waits_is_asked_again_at_its_turn_and_a_lesser_access_is_no_reason_to_run_with_more() {
    let bench = paired();
    let write = |id| Request { read_only: false, ..request(id, "update x") };
    let waiting = enter(&bench, write(1)).unwrap();
    set(&bench, Form { access: word("read-only"), ..Form::default() });
    assert_eq!(waiting.begin().unwrap_err().refusal, Refusal::ConsentChanged);
    let waiting = enter(&bench, request(2, "select 1")).unwrap();
    set(&bench, Form { statements: word("approved"), ..Form::default() });
    assert_eq!(waiting.begin().unwrap_err().refusal, Refusal::ConsentStatement);
    set(&bench, Form { statements: word("any"), ..Form::default() });
    let waiting = enter(&bench, request(3, "select 1")).unwrap();
    bench.door().revoke(bench.site, who(&bench), "0:root").unwrap();
    assert_eq!(waiting.begin().unwrap_err().refusal, Refusal::ConsentRevoked);
}

#[test]
fn budgets_are_counted_told_with_when_to_come_again_and_given_back() {
    let bench = paired();
    set(
        &bench,
        Form { queries_per_minute: Some(Most::Number(3)), at_once: Some(Most::Number(1)), ..Form::default() },
    );
    let first = enter(&bench, request(1, "x")).unwrap();
    let second = enter(&bench, request(2, "x")).map(drop).unwrap_err();
    assert_eq!((second.refusal, second.again), (Refusal::BudgetAtOnce, Some(Duration::from_secs(1))));
    first.begin().unwrap().finish(&proto::Ended::default());
    drop(enter(&bench, request(3, "x")).unwrap());
    drop(enter(&bench, request(4, "x")).unwrap());
    let fifth = enter(&bench, request(5, "x")).map(drop).unwrap_err();
    assert_eq!(fifth.refusal, Refusal::BudgetQueries);
    let ended = fifth.ended();
    assert!((1..=60_000).contains(&ended.retry_after_ms));
    assert_eq!(ended.error.unwrap().code, 429);
    bench.clock.advance(Duration::from_secs(61));
    assert!(enter(&bench, request(6, "x")).is_ok());
}

/// A crash forgets nothing of what was answered: what was used up goes to disk with the line that tells of the end.
#[test]
fn a_restart_and_a_crash_give_nobody_a_new_day() {
    let bench = paired();
    set(&bench, Form { rows_per_day: Some(Most::Number(10)), ..Form::default() });
    let permit = enter(&bench, request(1, "x")).unwrap();
    permit.purse().spend(7, 700).unwrap();
    permit.begin().unwrap().finish(&proto::Ended::default());
    bench.door().flush().unwrap();
    let bench = bench.crash();
    let pairing = bench.door().pairing(bench.site, who(&bench)).unwrap();
    assert_eq!(bench.door().used(&pairing).0.rows, 7);
    let admission = enter(&bench, request(2, "x")).unwrap();
    assert_eq!(
        admission.purse().spend(4, 1),
        Err(Refusal::BudgetRows),
        "more than is left is not handed out"
    );
    admission.purse().spend(3, 1).unwrap();
    // Still running: housekeeping keeps it.
    bench.door().tend().unwrap();
    bench.door().flush().unwrap();
    drop(admission);
    let bench = bench.restart();
    assert_eq!(refused(enter(&bench, request(3, "x"))), Refusal::BudgetRows);
    bench.clock.set_back(DAY);
    assert_eq!(
        refused(enter(&bench, request(4, "x"))),
        Refusal::BudgetRows,
        "a clock set back begins no new day"
    );
    bench.clock.advance(DAY * 2 + Duration::from_secs(1));
    assert!(enter(&bench, request(5, "x")).is_ok());
}

/// Parameters' values are practice data: kept only where the practice says so, and not in clear.
#[test]
fn the_audit_keeps_values_only_where_the_practice_wants_them_and_sealed() {
    let bench = paired();
    enter(&bench, request(1, "select @p")).unwrap().begin().unwrap().finish(&proto::Ended::default());
    set(&bench, Form { audit: word("values"), ..Form::default() });
    enter(&bench, request(2, "select @p")).unwrap().begin().unwrap().finish(&proto::Ended::default());
    let begins: Vec<_> = bench.audit().into_iter().filter(|row| row.what == "begin").collect();
    assert!(begins[0].parameters.is_empty());
    let kept = &begins[1].parameters[0];
    assert_eq!((kept.name.as_str(), kept.value.as_deref()), ("@p", Some("canary-value")));
    assert!(!format!("{begins:?}").contains("canary-value"), "no log shows it by accident");
    for name in ["link.db", "link.db-wal"] {
        let bytes = std::fs::read(bench.folder.path().join(name)).unwrap();
        assert!(!bytes.windows(12).any(|w| w == b"canary-value"), "{name}");
    }
}

/// Terms of a later version may forbid what this one does not know: it lets nobody in by them.
#[test]
fn terms_that_do_not_read_let_nobody_in() {
    let bench = paired();
    set(&bench, Form { hosted: Some(true), ..Form::default() });
    let raw = rusqlite::Connection::open(bench.folder.path().join("link.db")).unwrap();
    raw.execute("UPDATE consent SET terms = '{\"only_on_weekdays\":true}'", []).unwrap();
    let bench = bench.restart();
    assert_eq!(refused(enter(&bench, request(1, "x"))), Refusal::SwitchedOff);
    set(&bench, Form { hosted: Some(false), ..Form::default() });
    assert!(enter(&bench, request(2, "x")).is_ok());
}

#[test]
fn an_integrator_that_hammers_a_shut_door_does_not_fill_the_practices_disk() {
    let bench = paired();
    bench.door().suspend(bench.site, who(&bench), false, "0:root").unwrap();
    for id in 0..500 {
        assert_eq!(refused(enter(&bench, request(id, "x"))), Refusal::SwitchedOff);
    }
    assert_eq!(bench.audit().iter().filter(|row| row.what == "refused").count(), 60);
}

/// A thousand integrators at one site: each has its own book, and none is asked for another's. What is changed for one is read for
/// that one: the others neither wait for it nor pay for it.
#[test]
fn a_thousand_integrators_each_have_their_own_consent_and_budget() {
    let bench = Bench::new();
    bench.pair_others(1_000);
    bench.pair(Access::ReadOnly);
    let read = || bench.door().store().pairings_read.swap(0, Ordering::Relaxed);
    assert_eq!(read(), 1_001, "each was read when it paired, and no other");
    set(&bench, Form { queries_per_minute: Some(Most::Number(1)), ..Form::default() });
    assert_eq!(bench.door().pairings().len(), 1_001);
    assert!(enter(&bench, request(1, "x")).is_ok());
    assert_eq!(refused(enter(&bench, request(2, "x"))), Refusal::BudgetQueries);
    let other = IntegratorId(uuid::Uuid::from_u128(7));
    let used = bench.door().used(&bench.door().pairing(bench.site, other).unwrap()).0;
    assert_eq!(used.queries, 0);
    bench.door().suspend(bench.site, other, false, "0:root").unwrap();
    bench.door().revoke(bench.site, other, "0:root").unwrap();
    bench.door().unpair(bench.site, other, Some("0:root")).unwrap();
    bench.door().tend().unwrap();
    assert_eq!(read(), 3, "one for each change that leaves a pairing");
    assert_eq!(bench.door().pairings().len(), 1_000);
    let bench = bench.restart();
    assert_eq!(bench.door().pairings().len(), 1_000);
}

/// The practice sets a bound while a statement of the integrator comes in: that statement was let in with what was read before, and
/// all that come later are counted by the new bound.
#[test]
fn a_bound_counts_at_once_also_for_whoever_was_read_before_it_was_set() {
    let bench = paired();
    let before = bench.door().pairing(bench.site, who(&bench)).unwrap();
    set(&bench, Form { at_once: Some(Most::Number(1)), ..Form::default() });
    // The first to count is one that came in before.
    let meter = bench.door().meter(&before);
    meter.enter(Takes::QueryAndPlace, bench.door().now()).unwrap();
    assert_eq!(refused(enter(&bench, request(1, "x"))), Refusal::BudgetAtOnce);
}

/// A site that integrators come to and leave for years keeps nothing of those that left, nor does a statement that outlives its
/// pairing bring the counts back.
#[test]
fn an_ended_pairing_leaves_no_counts_behind() {
    let bench = paired();
    set(&bench, Form { rows_per_day: Some(Most::Number(100)), ..Form::default() });
    enter(&bench, request(1, "x")).unwrap().purse().spend(7, 700).unwrap();
    bench.door().flush().unwrap();
    let bench = bench.restart();
    assert_eq!(lock(&bench.door().used_before).len(), 1);
    bench.door().unpair(bench.site, who(&bench), Some("0:root")).unwrap();
    assert!(lock(&bench.door().used_before).is_empty() && lock(&bench.door().meters).is_empty());

    bench.pair(Access::ReadWrite);
    set(&bench, Form { rows_per_day: Some(Most::Number(100)), ..Form::default() });
    let running = enter(&bench, request(2, "x")).unwrap();
    let purse = running.purse();
    let running = running.begin().unwrap();
    bench.door().unpair(bench.site, who(&bench), Some("0:root")).unwrap();
    purse.spend(7, 700).unwrap();
    running.finish(&proto::Ended::default());
    bench.door().flush().unwrap();
    assert!(lock(&bench.door().meters).is_empty());
    assert!(bench.door().store().used().unwrap().is_empty());
}

#[test]
fn an_integrator_leaves_by_itself_and_the_audit_says_which_gateway_asked() {
    let bench = paired();
    bench.door().leave(&bench.peer(), bench.site).unwrap();
    let line = bench.audit().into_iter().find(|row| row.what == "unpaired").unwrap();
    assert_eq!((line.instance.as_deref(), line.by), (Some("gateway one"), None));
    assert_eq!(bench.door().leave(&bench.peer(), bench.site).unwrap_err().refusal, Refusal::Unpaired);
}

/// A wrong login changes nothing, and who guesses on is stopped before the database locks the account.
#[test]
fn a_login_is_replaced_only_by_one_that_the_database_takes() {
    let bench = paired();
    let login =
        |password: &str| database::Login { user: crate::testkit::GOOD.0.into(), password: password.into() };
    let replace = |password: &str| bench.door().replace_login(&bench.peer(), bench.site, &login(password));
    let before = bench.door().pairing(bench.site, who(&bench)).unwrap();
    for _ in 0..5 {
        assert_eq!(replace("wrong"), Ok(Replaced::No));
    }
    assert_eq!(bench.door().pairing(bench.site, who(&bench)).unwrap().revision, before.revision);
    assert!(matches!(replace(crate::testkit::GOOD.1), Ok(Replaced::Later(after)) if !after.is_zero()));
    bench.clock.advance(Duration::from_secs(601));
    assert!(matches!(replace(crate::testkit::GOOD.1), Ok(Replaced::Yes(_))));
    let after = bench.door().pairing(bench.site, who(&bench)).unwrap();
    assert!(after.revision > before.revision && after.login != before.login);
    assert!(bench.door().store().open_login(&after).is_ok());
    bench.door().suspend(bench.site, who(&bench), false, "0:root").unwrap();
    assert_eq!(replace(crate::testkit::GOOD.1).unwrap_err().refusal, Refusal::SwitchedOff);
    bench.door().suspend(bench.site, who(&bench), true, "0:root").unwrap();
    bench.door().revoke(bench.site, who(&bench), "0:root").unwrap();
    assert_eq!(replace(crate::testkit::GOOD.1).unwrap_err().refusal, Refusal::ConsentRevoked);
    assert!(
        bench.door().pairing(bench.site, who(&bench)).unwrap().login.is_empty(),
        "not back by this way either"
    );
}

/// Sessions, waiting statements and tried logins are held against it: used again, those of the old login would pass for the new one's.
#[test]
fn a_revision_never_comes_again_however_often_a_pairing_is_ended() {
    let bench = paired();
    let revision = |bench: &Bench| bench.door().pairing(bench.site, who(bench)).unwrap().revision;
    let mut seen = vec![revision(&bench)];
    bench.pair(Access::ReadWrite);
    seen.push(revision(&bench));
    bench.door().unpair(bench.site, who(&bench), Some("0:root")).unwrap();
    let bench = bench.restart();
    bench.pair(Access::ReadWrite);
    seen.push(revision(&bench));
    bench.door().revoke(bench.site, who(&bench), "0:root").unwrap();
    seen.push(revision(&bench));
    bench.door().unpair(bench.site, who(&bench), Some("0:root")).unwrap();
    bench.pair(Access::ReadWrite);
    seen.push(revision(&bench));
    assert!(seen.windows(2).all(|two| two[0] < two[1]), "{seen:?}");
}

/// A pairing that is ended, or has another login, leaves the old one no more than a revoked one does.
#[test]
fn a_login_is_off_the_disk_once_its_pairing_is_ended_or_has_another() {
    let bench = paired();
    let sealed = |bench: &Bench| bench.door().pairing(bench.site, who(bench)).unwrap().login.clone();
    let first = sealed(&bench);
    let good =
        database::Login { user: crate::testkit::GOOD.0.into(), password: crate::testkit::GOOD.1.into() };
    assert!(matches!(bench.door().replace_login(&bench.peer(), bench.site, &good), Ok(Replaced::Yes(_))));
    let second = sealed(&bench);
    assert!(!on_disk(&bench, &first), "a login that was replaced is still there");
    bench.pair(Access::ReadOnly);
    let third = sealed(&bench);
    assert!(!on_disk(&bench, &second), "a login from before it paired again is still there");
    bench.door().unpair(bench.site, who(&bench), Some("0:root")).unwrap();
    assert!(!on_disk(&bench, &third), "the login of a pairing that was ended is still there");
}

/// A backup or a scanner that has the file open in that moment only puts it off.
#[test]
fn a_login_that_somebody_else_kept_on_the_disk_is_erased_with_the_next_housekeeping() {
    let bench = paired();
    let sealed = bench.door().pairing(bench.site, who(&bench)).unwrap().login.clone();
    let other = rusqlite::Connection::open(bench.folder.path().join("link.db")).unwrap();
    other.execute_batch("BEGIN").unwrap();
    other.query_row("SELECT count(*) FROM pairing", [], |row| row.get::<_, i64>(0)).unwrap();
    bench.door().revoke(bench.site, who(&bench), "0:root").unwrap();
    assert!(on_disk(&bench, &sealed), "nobody was in the way");
    other.execute_batch("ROLLBACK").unwrap();
    bench.door().tend().unwrap();
    assert!(!on_disk(&bench, &sealed));
}

/// Side by side they would all be begun before the first is counted, and a right one now and then would pay for guesses.
#[test]
fn logins_are_tried_one_at_a_time_and_a_right_one_counts_too() {
    let bench = paired();
    let replace = |password: &str| {
        let login = database::Login { user: crate::testkit::GOOD.0.into(), password: password.into() };
        bench.door().replace_login(&bench.peer(), bench.site, &login)
    };
    let connects = || bench.engine.connects.load(Ordering::SeqCst);
    let going_on = bench.door().begin_try((bench.site, who(&bench)), bench.door().now()).unwrap();
    let before = connects();
    assert_eq!(replace(crate::testkit::GOOD.1), Ok(Replaced::Later(Duration::from_secs(1))));
    assert_eq!(connects(), before, "the database was asked");
    drop(going_on);
    for _ in 0..4 {
        assert_eq!(replace("wrong"), Ok(Replaced::No));
    }
    assert!(matches!(replace(crate::testkit::GOOD.1), Ok(Replaced::Yes(_))));
    let before = connects();
    assert!(matches!(replace("wrong"), Ok(Replaced::Later(_))));
    assert_eq!(connects(), before, "the database was asked");
}

#[test]
fn a_pairing_that_failed_leaves_an_ended_one_told_as_ended() {
    let bench = Bench::new();
    let code = bench.code("Acme", false);
    let login =
        database::Login { user: crate::testkit::GOOD.0.into(), password: crate::testkit::GOOD.1.into() };
    let new = NewPairing {
        site: bench.site,
        integrator: who(&bench),
        name: "Acme",
        root_spki: bench.integrator.spki(),
        access: Access::ReadOnly,
        login: &login,
        rights: &database::Rights::default(),
    };
    assert!(bench.door().pair(&new, code.name()).unwrap());
    bench.door().unpair(bench.site, who(&bench), Some("0:root")).unwrap();
    assert!(!bench.door().pair(&new, code.name()).unwrap(), "the code was used");
    assert_eq!(refused(enter(&bench, request(1, "x"))), Refusal::Unpaired);
}

/// An older version, put back, knows nothing of the revoking: what the practice paired with it is paired.
#[test]
fn a_pairing_made_again_by_an_older_version_is_not_taken_for_revoked() {
    let bench = paired();
    bench.door().revoke(bench.site, who(&bench), "0:root").unwrap();
    let raw = rusqlite::Connection::open(bench.folder.path().join("link.db")).unwrap();
    raw.execute("UPDATE pairing SET is_on = 1, login = x'01', revision = revision + 1", []).unwrap();
    drop(raw);
    let bench = bench.restart();
    assert!(enter(&bench, request(1, "x")).is_ok());
}
