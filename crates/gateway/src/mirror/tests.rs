use super::*;
use model::{Effect, ErrorType, ExecutionMode, SiteId, SystemClock};
use uuid::Uuid;

fn record(id: u128) -> Record {
    Record {
        id: QueryId(Uuid::from_u128(id)),
        site: SiteId(Uuid::from_u128(9)),
        created: SystemClock.now().0,
        updated: SystemClock.now().0,
        status: QueryStatus::Executing,
        mode: ExecutionMode::Reader,
        read_only: false,
        max_time_in_queue: 30_000,
        command_size: 8,
        request_size: 30,
        timing: Timing::default(),
        sql_ms: 0,
        rows: 0,
        size: 0,
        rows_affected: None,
        result_size: 0,
        error: None,
        effect: None,
        device: None,
        sent_as: None,
    }
}

#[tokio::test]
async fn an_end_is_readable_at_once_and_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let mirror = Mirror::open(folder.path(), Arc::new(SystemClock)).unwrap();
    let running = mirror.begin(record(1), false, true).await.unwrap();
    assert!(mirror.look(record(1).id).await.unwrap().unwrap().running);
    let ended = Record {
        status: QueryStatus::ExecutionFailed,
        error: Some((ErrorType::Mssql, 208)),
        effect: Some(Effect::Executed),
        ..record(1)
    };
    running.end(ended.clone());
    assert_eq!(mirror.look(ended.id).await.unwrap(), Some(Known { record: ended.clone(), running: false }));
    drop(mirror);
    let again = Mirror::open(folder.path(), Arc::new(SystemClock)).unwrap();
    assert_eq!(again.look(ended.id).await.unwrap(), Some(Known { record: ended, running: false }));
}

#[tokio::test]
async fn a_durable_intent_is_on_disk_before_the_command_goes() {
    let folder = tempfile::tempdir().unwrap();
    let mirror = Mirror::open(folder.path(), Arc::new(SystemClock)).unwrap();
    let _running = mirror.begin(record(1), false, true).await.unwrap();
    // Another connection, as another process would see it.
    let other = rusqlite::Connection::open(folder.path().join(store::FILE)).unwrap();
    let n: i64 = other.query_row("SELECT count(*) FROM queries", [], |row| row.get(0)).unwrap();
    assert_eq!(n, 1);
}

#[tokio::test]
async fn a_name_is_used_once_also_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let mirror = Mirror::open(folder.path(), Arc::new(SystemClock)).unwrap();
    let running = mirror.begin(record(1), true, true).await.unwrap();
    assert_eq!(mirror.begin(record(1), true, true).await.err(), Some(MirrorError::Used));
    running.end(record(1));
    assert_eq!(mirror.begin(record(1), true, true).await.err(), Some(MirrorError::Used));
    drop(mirror);
    let again = Mirror::open(folder.path(), Arc::new(SystemClock)).unwrap();
    assert_eq!(again.begin(record(1), true, false).await.err(), Some(MirrorError::Used));
    assert!(
        again.look(record(1).id).await.unwrap().is_some(),
        "the refused second one did not take the first away"
    );
}

#[tokio::test]
async fn a_query_that_a_crash_cut_is_found_as_executing_but_not_running() {
    let folder = tempfile::tempdir().unwrap();
    let mirror = Mirror::open(folder.path(), Arc::new(SystemClock)).unwrap();
    drop(mirror.begin(record(1), false, true).await.unwrap());
    let known = mirror.look(record(1).id).await.unwrap().unwrap();
    assert_eq!((known.record.status, known.running), (QueryStatus::Executing, false));
}

#[tokio::test]
async fn records_older_than_a_day_are_swept() {
    let folder = tempfile::tempdir().unwrap();
    let mirror = Mirror::open(folder.path(), Arc::new(SystemClock)).unwrap();
    let old = Record { created: SystemClock.now().0 - limit::MIRROR_KEEP_MS - 1000, ..record(1) };
    mirror.begin(old.clone(), false, true).await.unwrap().end(old.clone());
    drop(mirror);
    let again = Mirror::open(folder.path(), Arc::new(SystemClock)).unwrap();
    // The sweep comes first in the writer's loop: whoever waited for a later write has seen it done.
    drop(again.begin(record(2), false, true).await.unwrap());
    assert_eq!(again.look(old.id).await.unwrap(), None);
}

#[tokio::test]
async fn a_record_that_cannot_be_read_is_an_error_and_not_a_query_that_never_was() {
    let folder = tempfile::tempdir().unwrap();
    let mirror = Mirror::open(folder.path(), Arc::new(SystemClock)).unwrap();
    drop(mirror.begin(record(1), false, true).await.unwrap());
    drop(mirror);
    let other = rusqlite::Connection::open(folder.path().join(store::FILE)).unwrap();
    assert_eq!(other.execute("UPDATE queries SET record = '{}'", []).unwrap(), 1);
    let again = Mirror::open(folder.path(), Arc::new(SystemClock)).unwrap();
    assert!(again.look(record(1).id).await.is_err());
    assert_eq!(again.begin(record(1), true, true).await.err(), Some(MirrorError::Disk), "not executed");
}
