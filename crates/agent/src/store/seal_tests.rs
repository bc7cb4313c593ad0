use super::{Counter, Store, StoreError, sealed, tests::store};
use crate::{
    executor::Limits,
    forget::forget_pairings,
    protect::{KeyFile, Whence},
    testkit::{Bench, FakeEngine, TestClock, open},
};
use model::{Access, Clock};
use std::{fs, path::Path, sync::Arc};

/// A site with a pairing, at rest.
fn paired() -> Bench {
    let bench = Bench::new();
    bench.pair(Access::ReadOnly);
    bench
}

fn key_of(folder: &Path) -> std::path::PathBuf {
    folder.join("identity").join("seal.key")
}

fn start_with(folder: &Path, key: KeyFile) -> Result<Store, StoreError> {
    Store::open(folder, Arc::new(key))
}

fn other_key() -> KeyFile {
    KeyFile::open(&tempfile::tempdir().unwrap().path().join("other.key")).unwrap()
}

fn raw(folder: &Path) -> rusqlite::Connection {
    rusqlite::Connection::open(folder.join("link.db")).unwrap()
}

#[test]
fn another_key_is_refused_with_both_named_and_the_right_one_is_taken_again() {
    let Bench { folder, host, .. } = paired();
    drop(host);
    let folder = folder.path();
    let refused = start_with(folder, other_key()).unwrap_err();
    let text = refused.to_string();
    assert!(matches!(refused, StoreError::OtherKey { now: Whence::File, was: Some(Whence::File) }), "{text}");
    assert!(text.contains("identity/seal.key") && text.contains("forget-pairings"), "{text}");
    assert!(sealed(folder).unwrap().refused, "for the doctor");

    let from_systemd = start_with(folder, KeyFile::from_bytes(&[7; 32]).unwrap()).unwrap_err().to_string();
    assert!(from_systemd.contains("does not open with systemd's credential"), "{from_systemd}");
    assert!(from_systemd.contains("was sealed with the key file identity/seal.key"), "{from_systemd}");

    start_with(folder, KeyFile::open(&key_of(folder)).unwrap()).unwrap();
    let now = sealed(folder).unwrap();
    assert!(!now.refused && now.rows >= 1, "{now:?}");
}

#[test]
fn a_file_from_before_there_was_a_canary_is_refused_to_another_key_and_gets_one_with_its_own() {
    let Bench { folder, host, .. } = paired();
    drop(host);
    let folder = folder.path();
    raw(folder).execute_batch("DROP TABLE seal; DELETE FROM code").unwrap();
    let refused = start_with(folder, other_key());
    assert!(matches!(refused, Err(StoreError::OtherKey { was: None, .. })), "{refused:?}");
    start_with(folder, KeyFile::open(&key_of(folder)).unwrap()).unwrap();
    assert_eq!(sealed(folder).unwrap().whence, Some(Whence::File));
    // Codes and outcomes say it too, where nobody is paired.
    let alone = Bench::new();
    alone.code("Acme", false);
    let Bench { folder, host, .. } = alone;
    drop(host);
    raw(folder.path()).execute_batch("DROP TABLE seal").unwrap();
    assert!(matches!(start_with(folder.path(), other_key()), Err(StoreError::OtherKey { .. })));
    start_with(folder.path(), KeyFile::open(&key_of(folder.path())).unwrap()).unwrap();
}

#[test]
fn where_nothing_is_sealed_another_key_is_as_good() {
    let folder = tempfile::tempdir().unwrap();
    drop(store(folder.path()));
    assert_eq!(sealed(folder.path()).unwrap().rows, 0);
    start_with(folder.path(), KeyFile::from_bytes(&[7; 32]).unwrap()).unwrap();
    assert_eq!(sealed(folder.path()).unwrap().whence, Some(Whence::Systemd));
    assert_eq!(sealed(tempfile::tempdir().unwrap().path()).unwrap(), Default::default(), "no file at all");
}

#[test]
fn starting_over_forgets_what_the_lost_key_sealed_and_nothing_else() {
    let bench = paired();
    bench.door().ask_to_pair(&bench.peer(), bench.site, "Acme", None).unwrap();
    let asks = bench.door().pairing_requests().unwrap().remove(0);
    assert!(bench.door().decide_pairing(&asks, true, false, "0:root").unwrap());
    let (site, before) = (bench.site, bench.audit().len());
    assert!(
        forget_pairings(bench.folder.path(), bench.clock.now(), "0:root").is_err(),
        "a service runs on it"
    );
    let Bench { folder, host, clock, integrator, .. } = bench;
    let epoch = host.epoch();
    drop(host);
    let path = folder.path();
    let mut ledger = raw(path);
    let write = ledger.transaction().unwrap();
    let ended = "INSERT INTO ledger (site, integrator, query, read_only, started_at, ended, sealed) VALUES (?1, ?2, ?3, 0, 0, x'00', 1)";
    write.execute(ended, (site.as_bytes(), integrator.id().as_bytes(), [1_u8; 16])).unwrap();
    write.commit().unwrap();
    drop(ledger);

    let forgotten = forget_pairings(path, clock.now(), "0:root").unwrap();
    assert_eq!((forgotten.pairings, forgotten.codes), (1, 1));
    assert_eq!(sealed(path).unwrap(), Default::default());
    assert!(!key_of(path).exists() && path.join("identity/seal.key.old").exists());
    let kept: (i64, i64) = raw(path)
        .query_row("SELECT count(*), sum(sealed) FROM ledger", [], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap();
    assert_eq!(kept, (1, 0), "what may have written does not run twice");

    let engine = Arc::new(FakeEngine::default());
    let again = open(path, &engine, &clock, Some("1001"), Limits::default()).unwrap();
    assert_eq!(again.sites(), [site], "the Halo GUID stays");
    assert_eq!(again.epoch(), epoch + 1);
    assert!(again.door().pairing_requests().unwrap().is_empty(), "no yes is left to pair with");
    let audit = again.door().audit(1000).unwrap();
    let last = audit.last().unwrap();
    assert_eq!((audit.len(), last.what.as_str()), (before + 1, "forgotten"));
    assert_eq!(last.by.as_deref(), Some("0:root"), "whoever sat at the server is named");
}

#[test]
fn starting_over_where_nothing_was_started_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let error = forget_pairings(folder.path(), TestClock::new().now(), "0:root").unwrap_err().to_string();
    assert!(error.contains("no link.db"), "{error}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "and nothing is made there");
    assert_eq!(store(folder.path()).raise(Counter::Serial, 0).unwrap(), 1);
}
