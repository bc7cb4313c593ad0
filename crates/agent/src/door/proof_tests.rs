//! The audit is what was written, or somebody finds out: through the door, on the file itself, and with a raw connection for who tampers.

use super::*;
use crate::{
    store::{AuditFilter, ChainEntry},
    testkit::{Bench, DAY, command},
};
use audit::{Checker, Head, Report, Start, Wrong};
use model::Clock;
use rand::{Rng, SeedableRng, rngs::StdRng};
use rusqlite::Connection;

/// A paired site that can sign.
fn bench() -> Bench {
    let bench = Bench::new();
    bench.host.issue().unwrap();
    bench.pair(Access::ReadWrite);
    bench
}

fn again(bench: Bench) -> Bench {
    let bench = bench.restart();
    bench.host.issue().unwrap();
    bench
}

fn query(id: u128) -> QueryId {
    QueryId(uuid::Uuid::from_u128(id))
}

fn run(bench: &Bench, id: u128) {
    bench.clock.advance(std::time::Duration::from_secs(1));
    let request = Request {
        query: query(id),
        command: command("update x"),
        read_only: id.is_multiple_of(2),
        device: None,
    };
    let permit = bench.door().enter(&bench.peer(), bench.site, request).unwrap().begin().unwrap();
    permit.finish(&proto::Ended {
        status: proto::Status::Successful.into(),
        effect: proto::Effect::Executed.into(),
        rows: 7,
        ..proto::Ended::default()
    });
}

fn receipt(bench: &Bench, id: u128) -> Option<audit::Receipt> {
    let integrator = IntegratorId(bench.integrator.id());
    bench.door().receipt(integrator, bench.site, query(id)).unwrap()
}

/// Walks over all lines, in pieces of seven.
fn verify(bench: &Bench, witnesses: &[Head]) -> Report {
    let (walk, head) = bench.door().audit_walk(bench.site, None, None).unwrap().unwrap();
    let start = match &walk.cut {
        Some(cut) => Start::Cut(cut.head.check().unwrap().number, cut.place.chain),
        None => Start::First,
    };
    let own = *head.unwrap().check().unwrap();
    let mut checker = Checker::new(bench.site, start, [witnesses, &[own]].concat());
    let mut after = Some(walk.after);
    while let Some(from) = after {
        let piece = bench.door().store().audit_entries(bench.site, from, walk.until, 7).unwrap();
        after = piece.last().map(|last| last.id);
        for ChainEntry { place, line, .. } in &piece {
            let place = place.map(|place| (place.number, place.chain));
            checker.line(audit::Entry { place, line: line.as_deref() });
        }
    }
    checker.finish()
}

#[track_caller]
fn well(report: &Report) {
    assert_eq!(report.findings, []);
}

fn wrongs(report: &Report) -> Vec<(Wrong, u64, u64)> {
    report.findings.iter().map(|finding| (finding.wrong, finding.number, finding.to)).collect()
}

fn raw(bench: &Bench) -> Connection {
    bench.door().flush().unwrap();
    let raw = Connection::open(bench.folder.path().join("link.db")).unwrap();
    raw.busy_timeout(std::time::Duration::from_secs(5)).unwrap();
    raw
}

fn tamper(bench: &Bench, sql: &str) {
    raw(bench).execute_batch(sql).unwrap();
}

#[test]
fn every_line_has_its_number_and_nothing_is_found_where_nothing_was_done() {
    let bench = bench();
    (1..=20).for_each(|id| run(&bench, id));
    let rows = bench.audit();
    let numbers: Vec<_> = rows.iter().map(|row| row.number.unwrap()).collect();
    assert_eq!(numbers, (1..=i64::try_from(rows.len()).unwrap()).collect::<Vec<_>>());
    let seen = bench.door().head(bench.site).unwrap().unwrap();
    let bench = again(bench);
    run(&bench, 21);
    let report = verify(&bench, &[*seen.check().unwrap()]);
    well(&report);
    assert_eq!((report.lines, report.first, report.agreed), (rows.len() as u64 + 2, 1, 2));
}

#[test]
fn a_receipt_says_how_the_integrators_own_query_ended() {
    let bench = bench();
    assert_eq!(receipt(&bench, 1), None, "there is no such query yet");
    run(&bench, 1);
    let line = receipt(&bench, 1).unwrap().check().unwrap();
    assert_eq!((line.what.as_str(), line.query, line.rows), ("end", Some(query(1)), Some(7)));
    assert_eq!(line.statement, None, "the text's hash stands in the line of its beginning");
    let other = IntegratorId(uuid::Uuid::from_u128(5));
    assert_eq!(bench.door().receipt(other, bench.site, query(1)).unwrap(), None);
    let request = Request { query: query(2), command: command("update x"), read_only: false, device: None };
    let permit = bench.door().enter(&bench.peer(), bench.site, request).unwrap().begin().unwrap();
    assert_eq!(receipt(&bench, 2), None, "it has not ended");
    drop(permit);
    assert!(receipt(&bench, 2).is_some(), "one that broke has ended too");
    bench.door().switch(bench.site, IntegratorId(bench.integrator.id()), false).unwrap();
    let request = Request { query: query(3), command: command("update x"), read_only: false, device: None };
    assert!(bench.door().enter(&bench.peer(), bench.site, request).is_err());
    let refused = receipt(&bench, 3).unwrap().check().unwrap();
    assert_eq!((refused.what.as_str(), refused.effect.as_deref()), ("refused", Some("not-executed")));
    well(&verify(&bench, &[receipt(&bench, 1).unwrap().head.head]));
}

/// Sent again and refused, the first one's end is still what a receipt says; both while the first runs and after.
#[test]
fn a_refused_repeat_does_not_become_the_querys_receipt() {
    let bench = bench();
    let request =
        || Request { query: query(1), command: command("update x"), read_only: false, device: None };
    let enter = || bench.door().enter(&bench.peer(), bench.site, request());
    let permit = enter().unwrap().begin().unwrap();
    assert_eq!(enter().unwrap_err().refusal, Refusal::Repeated);
    permit.finish(&proto::Ended {
        status: proto::Status::Successful.into(),
        effect: proto::Effect::Executed.into(),
        ..proto::Ended::default()
    });
    assert_eq!(enter().unwrap().begin().unwrap_err().refusal, Refusal::Repeated);
    let audit = bench.audit();
    let last = audit.last().unwrap();
    assert_eq!((last.what.as_str(), last.status.as_deref()), ("refused", Some("REPEATED")));
    let line = receipt(&bench, 1).unwrap().check().unwrap();
    assert_eq!((line.what.as_str(), line.status.as_deref()), ("end", Some("SUCCESSFUL")));
}

/// What was changed is not attested.
#[test]
fn there_is_no_receipt_for_a_line_that_was_changed() {
    let bench = bench();
    run(&bench, 1);
    tamper(&bench, "UPDATE audit SET rows = 0 WHERE what = 'end'");
    let integrator = IntegratorId(bench.integrator.id());
    let said = bench.door().receipt(integrator, bench.site, query(1)).unwrap_err().to_string();
    assert!(said.contains("was changed"), "{said}");
}

#[test]
fn whatever_is_done_to_the_file_is_found_at_its_place() {
    let bench = bench();
    (1..=10).for_each(|id| run(&bench, id));
    let all = i64::try_from(bench.audit().len()).unwrap().cast_unsigned();
    for (sql, found) in [
        ("UPDATE audit SET rows = 8 WHERE id = 10", (Wrong::Changed, 10, 10)),
        ("UPDATE audit SET sha256 = x'00' WHERE id = 9", (Wrong::Changed, 9, 9)),
        ("UPDATE audit_chain SET chain = zeroblob(32) WHERE number = 6", (Wrong::Changed, 6, 6)),
        ("INSERT INTO audit_more (id, done_by) VALUES (9, '0:root') ON CONFLICT (id) DO UPDATE SET done_by = '1:me'", (Wrong::Changed, 9, 9)),
        ("INSERT INTO audit_device (audit, device) VALUES (10, 'pc')", (Wrong::Changed, 10, 10)),
        ("DELETE FROM audit WHERE id = 10", (Wrong::Removed, 10, 10)),
        ("DELETE FROM audit WHERE id = 10; DELETE FROM audit_chain WHERE id = 10", (Wrong::Removed, 10, 10)),
        ("DELETE FROM audit WHERE id <= 4; DELETE FROM audit_chain WHERE id <= 4", (Wrong::Beginning, 1, 4)),
        ("UPDATE audit SET id = 1000 WHERE id = 10; UPDATE audit SET id = 10 WHERE id = 12; UPDATE audit SET id = 12 WHERE id = 1000",
         (Wrong::Moved, 10, 10)),
        ("UPDATE audit_chain SET number = 1000 WHERE number = 10; UPDATE audit_chain SET number = 10 WHERE number = 12;
          UPDATE audit_chain SET number = 12 WHERE number = 1000", (Wrong::Moved, 10, 10)),
        ("DELETE FROM audit_chain WHERE id = 10", (Wrong::Removed, 10, 10)),
    ] {
        let copy = bench.folder.path().join("link.db");
        let raw = raw(&bench);
        let keep = tempfile::tempdir().unwrap();
        raw.execute("VACUUM INTO ?1", [keep.path().join("copy").to_str().unwrap()]).unwrap();
        raw.execute_batch(sql).unwrap();
        let report = verify(&bench, &[]);
        assert!(wrongs(&report).contains(&found), "{sql}: {:?}", report.findings);
        drop(raw);
        restore(&copy, &keep.path().join("copy"));
        well(&verify(&bench, &[]));
        assert_eq!(verify(&bench, &[]).last, all);
    }
}

/// Puts all rows back as they were in a copy.
fn restore(file: &std::path::Path, copy: &std::path::Path) {
    let raw = Connection::open(file).unwrap();
    raw.execute("ATTACH ?1 AS was", [copy.to_str().unwrap()]).unwrap();
    for table in [
        "audit",
        "audit_more",
        "audit_device",
        "audit_chain",
        "audit_head",
        "audit_query",
        "audit_cut",
        "meta",
    ] {
        raw.execute_batch(&format!("DELETE FROM {table}; INSERT INTO {table} SELECT * FROM was.{table}"))
            .unwrap();
    }
}

/// The file alone can't tell: what tells is what somebody outside has.
#[test]
fn an_end_that_was_cut_off_and_a_past_written_anew_are_found_by_a_witness() {
    let bench = bench();
    (1..=6).for_each(|id| run(&bench, id));
    let (early, late) = (receipt(&bench, 1).unwrap(), receipt(&bench, 6).unwrap());
    let (early, late) = (early.head.head, late.head.head);
    let cut = "DELETE FROM audit WHERE id > 8; DELETE FROM audit_chain WHERE id > 8";
    tamper(&bench, cut);
    let found = wrongs(&verify(&bench, &[]));
    assert_eq!(found, [(Wrong::Cut, 9, late.number)], "whoever forgets the head is found without");
    tamper(
        &bench,
        "UPDATE audit_head SET (number, chain) = (SELECT number, chain FROM audit_chain ORDER BY number DESC LIMIT 1)",
    );
    well(&verify(&bench, &[]));
    assert_eq!(wrongs(&verify(&bench, &[early, late])), [(Wrong::Cut, 9, late.number)]);
    // And goes on as if nothing had been.
    (11..=16).for_each(|id| run(&bench, id));
    well(&verify(&bench, &[]));
    let report = verify(&bench, &[early, late]);
    assert_eq!(wrongs(&report), [(Wrong::Rewritten, early.number + 1, late.number)]);
}

#[test]
fn lines_after_a_cut_end_never_take_the_numbers_of_those_that_are_gone() {
    let bench = bench();
    (1..=3).for_each(|id| run(&bench, id));
    let before = bench.audit().len() as u64;
    tamper(&bench, "DELETE FROM audit WHERE id > 4");
    run(&bench, 4);
    let report = verify(&bench, &[]);
    assert_eq!(wrongs(&report), [(Wrong::Removed, 5, before)]);
    assert_eq!(report.last, before + 2);
}

#[test]
fn a_chain_whose_tables_were_removed_says_so_when_it_begins_anew() {
    let bench = bench();
    (1..=3).for_each(|id| run(&bench, id));
    let seen = receipt(&bench, 3).unwrap().head.head;
    tamper(&bench, "DROP TABLE audit_chain; DROP TABLE audit_head; DROP TABLE audit_query");
    let bench = again(bench);
    run(&bench, 4);
    assert_eq!(wrongs(&verify(&bench, &[])), [(Wrong::Beginning, 1, 1)]);
    let found = wrongs(&verify(&bench, &[seen]));
    assert!(found.contains(&(Wrong::Cut, 4, seen.number)), "{found:?}");
    assert!(receipt(&bench, 1).is_none(), "a line without a number has no receipt");
    assert!(receipt(&bench, 4).is_some());
}

/// As a version before would have written them.
fn older(bench: &Bench, count: u64) {
    let raw = raw(bench);
    for number in 0..count {
        raw.execute(
            "INSERT INTO audit (at, what, site, query, rows) VALUES (?1, 'end', ?2, ?3, 5)",
            rusqlite::params![
                bench.clock.now().0,
                &bench.site.as_bytes()[..],
                &query(u128::from(number) + 500).as_bytes()[..]
            ],
        )
        .unwrap();
    }
}

#[test]
fn what_a_version_before_wrote_is_held_from_the_first_start_on_and_again_when_it_was_put_back() {
    let bench = Bench::new();
    older(&bench, 5);
    let bench = again(bench);
    bench.pair(Access::ReadWrite);
    let rows = bench.audit();
    assert_eq!((rows[5].what.as_str(), rows[5].number), ("chained", Some(1)));
    assert_eq!(rows[5].detail.as_ref().unwrap()["lines"], 5);
    let report = verify(&bench, &[]);
    well(&report);
    assert_eq!(report.older, 5);
    let found =
        bench.door().audit_where(&AuditFilter { last: 9, query: Some(query(502)), ..AuditFilter::default() });
    assert_eq!(found.unwrap().len(), 1, "a query of then is found");
    older(&bench, 2);
    let bench = again(bench);
    assert_eq!(bench.audit().last().unwrap().what, "unchained");
    well(&verify(&bench, &[]));
    tamper(&bench, "UPDATE audit SET rows = 6 WHERE id = 3");
    assert_eq!(wrongs(&verify(&bench, &[])), [(Wrong::Older, 1, 1)]);
    tamper(
        &bench,
        "UPDATE audit SET rows = 5 WHERE id = 3; DELETE FROM audit WHERE id = (SELECT max(id) - 1 FROM audit)",
    );
    let found = wrongs(&verify(&bench, &[]));
    assert!(matches!(found[..], [(Wrong::Older, ..)]), "{found:?}");
}

#[test]
fn lines_that_are_older_than_the_practice_keeps_go_and_what_stays_is_provable() {
    let bench = bench();
    (1..=5).for_each(|id| run(&bench, id));
    let old = receipt(&bench, 2).unwrap().head.head;
    bench.door().keep_audit(Some(30 * DAY));
    bench.door().cut_audit().unwrap();
    assert_eq!(bench.audit()[0].number, Some(1), "none is too old");
    bench.clock.advance(20 * DAY);
    (11..=13).for_each(|id| run(&bench, id));
    bench.clock.advance(20 * DAY);
    let bench = again(bench);
    bench.door().keep_audit(Some(30 * DAY));
    bench.door().cut_audit().unwrap();
    let rows = bench.audit();
    let first = rows[0].number.unwrap().cast_unsigned();
    assert_eq!(rows.last().unwrap().what, "audit-cut");
    assert_eq!(rows.last().unwrap().detail.as_ref().unwrap()["number"], first - 1);
    assert_eq!(rows[0].query.as_deref(), Some(query(11).0.to_string().as_str()));
    let report = verify(&bench, &[old, receipt(&bench, 12).unwrap().head.head]);
    well(&report);
    assert_eq!((report.too_old, report.agreed, report.first), (1, 2, first));
    assert_eq!(receipt(&bench, 2), None);
    let left: i64 = raw(&bench)
        .query_row("SELECT count(*) FROM audit_chain WHERE id NOT IN (SELECT id FROM audit)", [], |row| {
            row.get(0)
        })
        .unwrap();
    assert_eq!(left, 0);
    // Nothing more is too old: no line is written for that.
    let count = bench.audit().len();
    bench.door().cut_audit().unwrap();
    assert_eq!(bench.audit().len(), count);
    tamper(&bench, "DELETE FROM audit WHERE what = 'audit-cut'");
    assert!(!verify(&bench, &[]).findings.is_empty(), "a cut that nobody tells of");
}

#[test]
fn a_removal_that_was_cut_off_goes_on_and_texts_that_nobody_refers_to_go() {
    let bench = bench();
    let text = |id: u128, text: &str| {
        let request = Request { query: query(id), command: command(text), read_only: true, device: None };
        drop(bench.door().enter(&bench.peer(), bench.site, request).unwrap().begin().unwrap());
    };
    text(1, "old alone");
    text(2, "still used");
    bench.clock.advance(20 * DAY);
    text(3, "still used");
    bench.door().flush().unwrap();
    bench.door().keep_audit(Some(10 * DAY));
    // Written down, and then the process ends.
    let store = bench.door().store();
    let now = bench.clock.now();
    let before = Timestamp(now.0 - (10 * DAY).as_millis() as i64);
    let (place, line) = store.audit_old(bench.site, before, before, 100).unwrap().unwrap();
    let head = bench.door().sign(bench.site, place).unwrap();
    store.cut_audit(&crate::store::CutRecord { place, line, head }, now, before).unwrap();
    well(&verify(&bench, &[]));
    let bench = again(bench);
    bench.door().keep_audit(Some(10 * DAY));
    bench.door().cut_audit().unwrap();
    well(&verify(&bench, &[]));
    assert!(bench.audit()[0].number.unwrap().cast_unsigned() > place.number);
    let raw = raw(&bench);
    let mut texts = raw.prepare("SELECT text FROM statement").unwrap();
    let texts: Vec<String> = texts.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    assert_eq!(texts, ["still used"]);
}

/// Lines from before there were numbers go with the one that holds them, however many they are.
#[test]
fn older_lines_than_are_looked_at_at_once_keep_nothing_from_being_removed() {
    let bench = bench();
    (1..=10).for_each(|id| run(&bench, id));
    tamper(
        &bench,
        "DELETE FROM audit_chain; DELETE FROM audit_head; DELETE FROM meta WHERE name LIKE 'audit chain%'",
    );
    let bench = again(bench);
    let older = bench.audit().iter().filter(|row| row.number.is_none()).count();
    assert!(older > 10);
    bench.clock.advance(20 * DAY);
    run(&bench, 11);
    bench.door().flush().unwrap();
    let before = Timestamp(bench.clock.now().0 - (10 * DAY).as_millis() as i64);
    let (place, _) = bench.door().store().audit_old(bench.site, before, before, 2).unwrap().unwrap();
    assert!(place.number >= 1);
    bench.door().keep_audit(Some(10 * DAY));
    bench.door().cut_audit().unwrap();
    assert!(bench.audit().iter().all(|row| row.number.is_some()));
    well(&verify(&bench, &[]));
}

/// A chain that was written anew without the key does not lead to what was signed before.
#[test]
fn the_head_that_was_signed_last_is_kept_and_a_chain_that_does_not_lead_to_it_leaves_it_there() {
    let bench = bench();
    (1..=3).for_each(|id| run(&bench, id));
    let door = bench.door();
    door.keep_heads().unwrap();
    let first = door.store().kept_head(bench.site).unwrap().unwrap();
    first.check().unwrap();
    run(&bench, 4);
    door.keep_heads().unwrap();
    let second = door.store().kept_head(bench.site).unwrap().unwrap();
    assert!(second.head.number > first.head.number && door.store().leads_to(&second.head).unwrap());
    tamper(&bench, "DELETE FROM audit_chain; DELETE FROM audit_head; DELETE FROM audit_query");
    let bench = again(bench);
    run(&bench, 5);
    bench.door().keep_heads().unwrap();
    let store = bench.door().store();
    assert_eq!(
        store.kept_head(bench.site).unwrap(),
        Some(second.clone()),
        "what shows it is not written over"
    );
    assert!(!store.leads_to(&second.head).unwrap());
    // What the practice's rule removed is no such thing.
    bench.clock.advance(20 * DAY);
    run(&bench, 6);
    bench.door().keep_audit(Some(10 * DAY));
    bench.door().cut_audit().unwrap();
    assert!(store.leads_to(&Head { number: 1, ..second.head }).unwrap());
}

/// Of several sites on one Link, each is shown, walked over and cut by itself.
#[test]
fn another_sites_lines_are_left_alone_and_not_shown() {
    let bench = bench();
    let other = SiteId(uuid::Uuid::from_u128(77));
    let write = |count: i64| {
        let lines: Vec<_> =
            (0..count).map(|_| AuditLine::new(bench.clock.now(), Happened::SiteOn, other)).collect();
        bench.door().flush().unwrap();
        bench.door().store().write_lines(&lines).unwrap();
    };
    run(&bench, 1);
    write(5);
    run(&bench, 2);
    bench.clock.advance(20 * DAY);
    run(&bench, 3);
    write(5);
    bench.door().flush().unwrap();
    let show = |site, last| {
        bench.door().audit_where(&AuditFilter { last, site: Some(site), ..AuditFilter::default() }).unwrap()
    };
    let own = show(bench.site, 3);
    assert_eq!(own.len(), 3);
    assert!(own.iter().all(|row| row.site == bench.site.to_string()));
    assert!(own.windows(2).all(|two| two[0].number < two[1].number));
    assert_eq!(show(other, 100).len(), 10, "all that there are");
    bench.door().keep_audit(Some(10 * DAY));
    bench.door().cut_audit().unwrap();
    assert_eq!(show(other, 100).len(), 10);
    assert!(show(bench.site, 100).len() < 10);
    well(&verify(&bench, &[]));
}

#[test]
fn a_statement_whose_text_was_changed_is_named_by_its_hash() {
    let bench = bench();
    run(&bench, 1);
    let texts = bench.door().store().check_texts(&[]).unwrap();
    assert_eq!((texts.looked, texts.wrong, texts.after), (1, vec![], None));
    tamper(&bench, "UPDATE statement SET text = 'select 1'");
    let sha256 = bench.audit().into_iter().find_map(|row| row.sha256).unwrap();
    let check = || bench.door().store().check_texts(&[]).unwrap();
    assert_eq!(check().wrong, [sha256.as_str()]);
    // A long text that was not one can't be put there as one that was cut.
    tamper(&bench, &format!("UPDATE statement SET text = '{}'", "x".repeat(70_000)));
    assert_eq!((check().wrong, check().cut), (vec![sha256.clone()], 0));
    tamper(&bench, "DELETE FROM statement");
    let gone = bench.door().store().texts_gone(bench.site, 0, 100).unwrap();
    assert_eq!((gone, check().looked), (vec![sha256], 0));
}

#[test]
fn a_text_that_was_cut_is_counted_as_one_that_can_not_be_checked() {
    let bench = bench();
    // Cut within a character of three bytes: two less than the most.
    let text = format!("{}{}", "x".repeat(64 * 1024 - 2), "€ and more");
    let request = Request { query: query(1), command: command(&text), read_only: true, device: None };
    drop(bench.door().enter(&bench.peer(), bench.site, request).unwrap().begin().unwrap());
    bench.door().flush().unwrap();
    let texts = bench.door().store().check_texts(&[]).unwrap();
    assert_eq!((texts.looked, texts.cut, texts.wrong), (1, 1, vec![]));
    assert!(bench.door().store().texts_gone(bench.site, 0, 100).unwrap().is_empty());
    tamper(&bench, "UPDATE statement SET text = substr(text, 1, 65000)");
    assert_eq!(bench.door().store().check_texts(&[]).unwrap().wrong.len(), 1);
}

#[test]
fn lines_are_chosen_by_who_what_and_when() {
    let bench = bench();
    (1..=4).for_each(|id| run(&bench, id));
    let began = bench.clock.now();
    (5..=6).for_each(|id| run(&bench, id));
    let show = |filter: AuditFilter| {
        let rows = bench.door().audit_where(&filter).unwrap();
        rows.iter().map(|row| row.number.unwrap()).collect::<Vec<_>>()
    };
    let all = bench.audit();
    let base = AuditFilter { last: 100, ..AuditFilter::default() };
    let of = |keep: &dyn Fn(&AuditRow) -> bool| {
        all.iter().filter(|row| keep(row)).map(|row| row.number.unwrap()).collect::<Vec<_>>()
    };
    let acme = IntegratorId(bench.integrator.id());
    assert_eq!(show(base), of(&|_| true));
    assert_eq!(show(AuditFilter { integrator: Some(acme), ..base }), of(&|row| row.integrator.is_some()));
    let third = query(3).0.to_string();
    assert_eq!(
        show(AuditFilter { query: Some(query(3)), ..base }),
        of(&|row| row.query.as_deref() == Some(&third))
    );
    let after = Timestamp(began.0 + 1);
    let late = of(&|row| row.at > began.to_rfc3339());
    assert_eq!(show(AuditFilter { since: Some(after), ..base }), late);
    assert_eq!(show(AuditFilter { since: Some(after), integrator: Some(acme), ..base }), late);
    assert_eq!(show(AuditFilter { until: Some(after), ..base }).len() + late.len(), all.len());
    assert_eq!(show(AuditFilter { last: 2, until: Some(after), ..base }).len(), 2);
    let nobody = AuditFilter { query: Some(query(3)), integrator: Some(IntegratorId(query(9).0)), ..base };
    assert!(show(nobody).is_empty());
}

/// Statements that somebody with the file may run, and no key.
fn act(rng: &mut StdRng, most: i64) -> String {
    let (one, other) = (rng.random_range(2..=most), rng.random_range(2..=most));
    match rng.random_range(0..9) {
        0 => format!("UPDATE audit SET rows = coalesce(rows, 0) + 1 WHERE id = {one}"),
        1 => format!("UPDATE audit SET at = at + 1 WHERE id = {one}"),
        2 => format!("DELETE FROM audit WHERE id = {one}"),
        3 => format!("DELETE FROM audit WHERE id = {one}; DELETE FROM audit_chain WHERE id = {one}"),
        4 => format!("DELETE FROM audit_chain WHERE id = {one}"),
        5 => format!("UPDATE audit_chain SET chain = randomblob(32) WHERE id = {one}"),
        6 => format!(
            "DELETE FROM audit WHERE id >= {one}; DELETE FROM audit_chain WHERE id >= {one}; DELETE FROM audit_head"
        ),
        7 => format!("INSERT INTO audit (at, what, site) SELECT at, 'end', site FROM audit WHERE id = {one}"),
        _ => format!(
            "UPDATE OR REPLACE audit SET id = {one} WHERE id = {}",
            if one == other { 1 } else { other }
        ),
    }
}

/// With a witness of the newest line nothing that is done stays unseen. The seed is in the message of a failure.
#[test]
fn nothing_that_is_done_at_random_stays_unseen() {
    let bench = bench();
    (1..=12).for_each(|id| run(&bench, id));
    let witness = [*bench.door().head(bench.site).unwrap().unwrap().check().unwrap()];
    let most = i64::try_from(bench.audit().len()).unwrap();
    let keep = tempfile::tempdir().unwrap();
    let copy = keep.path().join("copy");
    raw(&bench).execute("VACUUM INTO ?1", [copy.to_str().unwrap()]).unwrap();
    for seed in 0..200 {
        let mut rng = StdRng::seed_from_u64(seed);
        let acts: Vec<_> = (0..rng.random_range(1..4)).map(|_| act(&mut rng, most)).collect();
        acts.iter().for_each(|act| raw(&bench).execute_batch(act).unwrap());
        let report = verify(&bench, &witness);
        let same = same(&bench.folder.path().join("link.db"), &copy);
        assert_eq!(report.findings.is_empty(), same, "seed {seed}: {acts:?}: {:?}", report.findings);
        restore(&bench.folder.path().join("link.db"), &copy);
    }
    well(&verify(&bench, &witness));
}

/// Whether lines and chain are those of the copy: an act may have done nothing, or another may have undone it.
fn same(file: &std::path::Path, copy: &std::path::Path) -> bool {
    let raw = Connection::open(file).unwrap();
    raw.execute("ATTACH ?1 AS was", [copy.to_str().unwrap()]).unwrap();
    ["audit", "audit_chain"].iter().all(|table| {
        let differ = |a: &str, b: &str| -> i64 {
            let sql =
                format!("SELECT count(*) FROM (SELECT * FROM {a}{table} EXCEPT SELECT * FROM {b}{table})");
            raw.query_row(&sql, [], |row| row.get(0)).unwrap()
        };
        differ("main.", "was.") + differ("was.", "main.") == 0
    })
}
