//! A server is moved: nothing is lost, nothing is done twice, and what is cut off is said.

use super::*;

fn move_to(bench: &Bench, new: &Path) -> Restored {
    let moved = move_out(
        &bench.host,
        &passphrase(),
        (CHEAP, Duration::ZERO),
        &mut StdRng::seed_from_u64(2),
        "0:root",
    )
    .unwrap();
    let file = new.with_extension("halo");
    take_file(&moved.file, &file).unwrap();
    assert!(take_file(&file, &file).is_err(), "nothing is overwritten");
    let wrong = move_in(&file, &"four words that are wrong".into(), &into(bench, new, false)).unwrap_err();
    assert!(wrong.to_string().contains("passphrase"), "{wrong}");
    let there = move_in(&file, &passphrase(), &into(bench, new, false)).unwrap();
    fs::remove_file(file).unwrap();
    there
}

#[test]
fn a_move_takes_everything_along_and_nothing_that_may_have_written_runs_again() {
    let bench = Bench::new();
    bench.pair(Access::ReadWrite);
    let code = bench.code("Somebody Else", true);
    begin(&bench.host, &bench, 1).unwrap().finish(&ended());
    // One that never ends: the server is moved in the middle of it.
    let stuck = begin(&bench.host, &bench, 2).unwrap();
    std::mem::forget(stuck);

    let new = tempfile::tempdir().unwrap();
    let restored = move_to(&bench, new.path());
    assert_eq!(restored.about.integrators, ["Acme"]);
    let host = start(&bench, new.path()).unwrap();
    assert_eq!(host.epoch(), (1 << 32) + 1);
    for id in [1, 2] {
        assert_eq!(begin(&host, &bench, id).unwrap_err(), proto::Refusal::Repeated, "{id}");
    }
    let outcome = |id| {
        host.door().outcome(&bench.peer(), bench.site, QueryId(uuid::Uuid::from_u128(id))).unwrap().unwrap()
    };
    assert_eq!(outcome(1).rows, 7, "its outcome can still be asked for");
    assert_eq!(outcome(2).effect(), proto::Effect::Unknown);
    assert!(begin(&host, &bench, 3).is_ok());
    assert_eq!(host.open_codes().unwrap()[0].name, code.name());
    let audit = host.door().audit(100).unwrap();
    let moved = whats(&audit).windows(2).any(|pair| pair == ["moved-out", "moved-in"]);
    assert!(moved && whats(&audit).contains(&"paired"), "{:?}", whats(&audit));
}

/// Also of lines that a version without salted values has written, and over a second move.
#[test]
fn an_audit_that_was_moved_is_whole_and_a_value_that_was_changed_is_found() {
    let bench = Bench::new();
    bench.pair(Access::ReadWrite);
    let said = consent::Form { audit: Some("values".to_owned()), ..Default::default() };
    bench.door().set_terms(bench.site, IntegratorId(bench.integrator.id()), &said, "0:root").unwrap();
    (1..=3).for_each(|id| begin(&bench.host, &bench, id).unwrap().finish(&ended()));
    bench.door().flush().unwrap();
    older_values(&bench);
    let found = |host: &crate::host::Host| {
        host.door().flush().unwrap();
        let report = host.door().store().check_audit(bench.site).unwrap();
        report.findings.iter().map(|finding| finding.number).collect::<Vec<_>>()
    };
    assert_eq!(found(&bench.host), [0; 0]);

    let (new, newer) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    move_to(&bench, new.path());
    let host = start(&bench, new.path()).unwrap();
    assert_eq!(found(&host), [0; 0]);
    begin(&host, &bench, 4).unwrap().finish(&ended());
    let moved =
        move_out(&host, &passphrase(), (CHEAP, Duration::ZERO), &mut StdRng::seed_from_u64(3), "0:root");
    move_in(&moved.unwrap().file, &passphrase(), &into(&bench, newer.path(), false)).unwrap();
    drop(host);
    let host = start(&bench, newer.path()).unwrap();
    assert_eq!(found(&host), [0; 0]);
    let begun: Vec<_> = host.door().audit(100).unwrap();
    let begun: Vec<_> = begun.iter().filter(|row| row.what == "begin").collect();
    assert_eq!(begun.len(), 4);
    assert!(begun.iter().all(|row| row.parameters.iter().any(|of| of.value.is_some())), "{begun:?}");

    // Each value in the place of another, one that was sealed by an older version among them; and one that nobody sealed.
    let raw = rusqlite::Connection::open(newer.path().join("link.db")).unwrap();
    for (at, other) in [(0, 3), (3, 0), (0, 1), (1, 2)] {
        let (at, other) = (begun[at].id, begun[other].id);
        let keep = "CREATE TEMP TABLE was AS SELECT * FROM audit_more; CREATE TEMP TABLE said AS SELECT * FROM audit_values;";
        raw.execute_batch(keep).unwrap();
        for values in [
            "",
            "UPDATE audit_values SET sealed = (SELECT sealed FROM audit_values WHERE id = ?2) WHERE id = ?1",
        ] {
            let of = "UPDATE audit_more SET parameters = (SELECT parameters FROM audit_more WHERE id = ?2) WHERE id = ?1";
            raw.execute(of, [at, other]).unwrap();
            if !values.is_empty() {
                raw.execute(values, [at, other]).unwrap();
            }
            assert_eq!(found(&host), [u64::try_from(at).unwrap()], "{values}");
        }
        raw.execute("UPDATE audit_more SET parameters = x'00' WHERE id = ?1", [at]).unwrap();
        assert_eq!(found(&host), [u64::try_from(at).unwrap()]);
        let back = "DELETE FROM audit_more; INSERT INTO audit_more SELECT * FROM was; DROP TABLE was;
                    DELETE FROM audit_values; INSERT INTO audit_values SELECT * FROM said; DROP TABLE said;";
        raw.execute_batch(back).unwrap();
        assert_eq!(found(&host), [0; 0]);
    }
}

/// Makes the values of the first two lines such as a version before this one wrote them, and chains all lines anew.
fn older_values(bench: &Bench) {
    use crate::protect::Protector;
    let key = KeyFile::open(&bench.folder.path().join("identity").join("seal.key")).unwrap();
    let raw = rusqlite::Connection::open(bench.folder.path().join("link.db")).unwrap();
    let ids: Vec<i64> = raw
        .prepare("SELECT id FROM audit_more WHERE parameters IS NOT NULL ORDER BY id LIMIT 2")
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    for id in ids {
        let sealed: Vec<u8> =
            raw.query_row("SELECT parameters FROM audit_more WHERE id = ?1", [id], |row| row.get(0)).unwrap();
        let purpose = format!("audit parameters {}", bench.site);
        let clear = key.open(&purpose, &sealed).unwrap();
        let clear: serde_json::Value = serde_json::from_slice(clear.reveal()).unwrap();
        assert!(clear["salt"].as_str().is_some_and(|salt| salt.len() == 32));
        let older = serde_json::to_vec(&clear["parameters"]).unwrap();
        let sealed = key.seal(&purpose, &older).unwrap();
        raw.execute("UPDATE audit_more SET parameters = ?2 WHERE id = ?1", rusqlite::params![id, sealed])
            .unwrap();
        raw.execute("DELETE FROM audit_values WHERE id = ?1", [id]).unwrap();
    }
    bench.door().store().chain_anew(bench.site).unwrap();
}

fn ended() -> proto::Ended {
    proto::Ended {
        status: proto::Status::Successful.into(),
        effect: proto::Effect::Executed.into(),
        rows: 7,
        ..proto::Ended::default()
    }
}

#[test]
fn the_old_server_serves_nobody_from_then_on_and_does_not_start_again_but_by_an_undo() {
    let bench = Bench::new();
    bench.pair(Access::ReadWrite);
    let new = tempfile::tempdir().unwrap();
    move_to(&bench, new.path());
    assert_eq!(begin(&bench.host, &bench, 1).unwrap_err(), proto::Refusal::Busy);
    assert!(bench.host.confirm("0:root").unwrap_err().contains("move undo"));
    let Bench { folder, host, clock, engine, .. } = bench;
    assert!(matches!(undo_move(folder.path(), clock.now(), "0:root"), Err(StartError::Running)));
    drop(host);
    let start = || open(folder.path(), &engine, &clock, Some("1001"), Limits::default());
    let refused = start().unwrap_err().to_string();
    assert!(refused.contains("moved out at") && refused.contains("move undo"), "{refused}");
    assert!(undo_move(folder.path(), clock.now(), "0:root").unwrap().is_some());
    assert!(undo_move(folder.path(), clock.now(), "0:root").unwrap().is_none());
    let host = start().unwrap();
    assert_eq!(host.epoch(), 2, "of the generation before: whoever was moved in is above it");
    assert_eq!(whats(&host.door().audit(1).unwrap()), ["move-undone"]);
}

/// A power cut while it is packed: the same server says so, and goes on after an undo.
#[test]
fn a_packing_that_was_cut_off_is_told_apart_from_a_move() {
    let bench = Bench::new();
    bench.pair(Access::ReadWrite);
    let new = tempfile::tempdir().unwrap();
    move_to(&bench, new.path());
    let mark = bench.folder.path().join(MARK);
    assert!(moved(bench.folder.path()).unwrap().unwrap().packed);
    let Bench { folder, host, clock, engine, .. } = bench;
    drop(host);
    let start = || open(folder.path(), &engine, &clock, Some("1001"), Limits::default());
    assert!(matches!(start(), Err(StartError::MovedOut { .. })));
    let cut = Moved { at: "2026".to_owned(), by: "0:root".to_owned(), packed: false };
    fs::write(mark, serde_json::to_vec(&cut).unwrap()).unwrap();
    let refused = start().unwrap_err().to_string();
    assert!(refused.contains("cut off") && refused.contains("`HaloLinkUtility move out` again"), "{refused}");
    undo_move(folder.path(), clock.now(), "0:root").unwrap();
    assert!(start().is_ok());
}

/// The practice goes back to its old server, or to a kit on it.
#[test]
fn a_server_that_was_moved_out_can_be_the_next_one_again() {
    let bench = Bench::new();
    bench.pair(Access::ReadWrite);
    let new = tempfile::tempdir().unwrap();
    move_to(&bench, new.path());
    let host = start(&bench, new.path()).unwrap();
    let moved_back =
        move_out(&host, &passphrase(), (CHEAP, Duration::ZERO), &mut StdRng::seed_from_u64(3), "0:root");
    let file = moved_back.unwrap().file;
    let Bench { folder, host: old, clock, engine, site, integrator, .. } = bench;
    drop(old);
    let into = Brought {
        root: folder.path(),
        data: folder.path(),
        environment: "demo",
        set_aside: true,
        by: "0:root",
        now: clock.now(),
    };
    let back = move_in(&file, &passphrase(), &into).unwrap();
    assert!(back.aside.unwrap().join(MARK).exists());
    assert!(moved(folder.path()).unwrap().is_none());
    let host = open(folder.path(), &engine, &clock, Some("1001"), Limits::default()).unwrap();
    assert!(host.door().pairing(site, IntegratorId(integrator.id())).is_some());
}

/// Its audit goes on at the new server: what the old one added would contradict it.
#[test]
fn the_old_server_writes_no_line_and_signs_nothing_after_the_copy() {
    let bench = Bench::new();
    bench.host.issue().unwrap();
    bench.pair(Access::ReadWrite);
    let runs = begin(&bench.host, &bench, 1).unwrap();
    let new = tempfile::tempdir().unwrap();
    move_to(&bench, new.path());
    let door = bench.door();
    assert_eq!(begin(&bench.host, &bench, 2).unwrap_err(), proto::Refusal::Busy);
    runs.finish(&ended());
    assert!(door.switch_site(bench.site, false).is_err(), "what would leave a line is not done");
    door.note_read(None, "0:root", &serde_json::Value::Null);
    assert_eq!(whats(&door.store().audit(1).unwrap()), ["moved-out"]);
    let acme = IntegratorId(bench.integrator.id());
    let query = QueryId(uuid::Uuid::from_u128(1));
    assert!(door.head(bench.site).is_err() && door.receipt(acme, bench.site, query).is_err());
    assert!(door.audit_walk(bench.site, None, None).unwrap().is_some(), "it can still be read");
}

#[test]
fn a_move_that_can_not_be_packed_leaves_the_server_serving() {
    let bench = Bench::new();
    bench.pair(Access::ReadWrite);
    // A file where the folder for it would be.
    fs::write(bench.folder.path().join(FOLDER), "").unwrap();
    assert!(
        move_out(
            &bench.host,
            &passphrase(),
            (CHEAP, Duration::ZERO),
            &mut StdRng::seed_from_u64(2),
            "0:root"
        )
        .is_err()
    );
    assert!(begin(&bench.host, &bench, 1).is_ok());
    bench.door().switch_site(bench.site, false).unwrap();
    assert_eq!(whats(&bench.door().audit(1).unwrap()), ["site-off"]);
    assert!(moved(bench.folder.path()).unwrap().is_none());
}
