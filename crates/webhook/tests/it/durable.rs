use crate::kit::{Reply, Server, World, database, event};
use rusqlite::TransactionBehavior;
use std::time::Duration;
use webhook::{Filter, Kind, Source, State};

#[tokio::test]
async fn what_was_taken_back_is_never_sent_and_what_was_committed_is() {
    let server = Server::start(&[Reply::Status(200)]).await;
    let world = World::new(&[&server]);
    world.endpoint(&server.url("/"), &[Source::Async], None).await;
    let mut own = database(world.data.path());
    let now = model::Timestamp(1_770_094_506_007);
    let transaction = own.transaction_with_behavior(TransactionBehavior::Immediate).unwrap();
    assert_eq!(webhook::enqueue(&transaction, &event(1, Source::Async, Kind::Successful), now).unwrap(), 1);
    transaction.rollback().unwrap();
    let transaction = own.transaction_with_behavior(TransactionBehavior::Immediate).unwrap();
    assert_eq!(webhook::enqueue(&transaction, &event(2, Source::Async, Kind::Successful), now).unwrap(), 1);
    transaction.commit().unwrap();
    world.until(|all| all.len() == 1 && all[0].state == State::Delivered).await;
    assert_eq!(server.count(), 1);
    assert!(server.last().body.contains("00000000-0000-0000-0000-000000000002"));
}

#[tokio::test]
async fn an_event_that_is_told_twice_is_sent_once() {
    let server = Server::start(&[Reply::Status(200)]).await;
    let world = World::new(&[&server]);
    world.endpoint(&server.url("/"), &[Source::Async], None).await;
    assert_eq!(world.hooks.tell(event(1, Source::Async, Kind::Successful)).await.unwrap(), 1);
    assert_eq!(world.hooks.tell(event(1, Source::Async, Kind::Successful)).await.unwrap(), 0);
    world.until(|all| all[0].state == State::Delivered).await;
    let world = world.killed().await;
    assert_eq!(
        world.hooks.tell(event(1, Source::Async, Kind::Successful)).await.unwrap(),
        0,
        "also after a restart"
    );
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(server.count(), 1);
}

#[tokio::test]
async fn after_a_kill_only_what_had_not_been_recorded_is_sent_again() {
    let server = Server::start(&[Reply::Status(200)]).await;
    let world = World::new(&[&server]);
    world.endpoint(&server.url("/"), &[Source::Async], None).await;
    for number in 0..20 {
        world.hooks.tell(event(number, Source::Async, Kind::Successful)).await.unwrap();
    }
    world.until(|all| all.len() == 20 && all.iter().all(|one| one.state == State::Delivered)).await;
    // One attempt hangs when the process is killed.
    server.now_replies(Reply::Silence);
    world.hooks.tell(event(99, Source::Async, Kind::Successful)).await.unwrap();
    world.until(|_| server.count() == 21).await;
    let world = world.killed().await;
    server.now_replies(Reply::Status(200));
    world.until(|all| all.iter().all(|one| one.state == State::Delivered)).await;
    assert_eq!(server.count(), 22, "the interrupted one again, and none of the others");
    let seen = server.seen.lock().unwrap();
    assert_eq!(seen[20].header("x-halo-id"), seen[21].header("x-halo-id"), "the receiver can tell");
}

#[tokio::test]
async fn stopping_waits_for_attempts_and_records_them() {
    let server = Server::start(&[Reply::SlowBody(200)]).await;
    let mut world = World::new(&[&server]);
    world.endpoint(&server.url("/"), &[Source::Async], None).await;
    world.hooks.tell(event(1, Source::Async, Kind::Successful)).await.unwrap();
    world.until(|_| server.count() == 1).await;
    world.stop().await;
    assert_eq!(world.all().await[0].state, State::Delivered);
    let world = world.killed().await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!((server.count(), world.all().await.len()), (1, 1));
}

#[tokio::test]
async fn waits_go_on_where_they_were_after_a_restart_and_survive_a_clock_that_goes_back() {
    let server = Server::start(&[Reply::Status(500)]).await;
    let world = World::new(&[&server]);
    world.endpoint(&server.url("/"), &[Source::Async], None).await;
    world.hooks.tell(event(1, Source::Async, Kind::Successful)).await.unwrap();
    world.until(|all| all[0].attempts.len() == 1).await;
    let world = world.killed().await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(server.count(), 1, "not due yet");
    world.clock.forward(Duration::from_secs(10));
    world.until(|all| all[0].attempts.len() == 2).await;
    server.now_replies(Reply::Status(200));
    // The clock was two days ahead when the wait was written.
    world.clock.back(Duration::from_secs(2 * 86_400));
    world.until(|all| all[0].state == State::Delivered).await;
}

#[tokio::test]
async fn an_endpoint_that_is_off_gets_nothing_of_what_happens_meanwhile_and_keeps_what_waited() {
    let server = Server::start(&[Reply::Status(500)]).await;
    let world = World::new(&[&server]);
    let endpoint = world.endpoint(&server.url("/"), &[Source::Async], None).await;
    world.hooks.tell(event(1, Source::Async, Kind::Successful)).await.unwrap();
    world.until(|all| all[0].attempts.len() == 1).await;
    let off = webhook::Settings { enabled: false, ..endpoint.settings.clone() };
    world.hooks.replace(endpoint.id, off).await.unwrap().unwrap();
    assert_eq!(world.hooks.tell(event(2, Source::Async, Kind::Successful)).await.unwrap(), 0);
    world.clock.forward(Duration::from_secs(60));
    world.hooks.wake();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(server.count(), 1);
    server.now_replies(Reply::Status(200));
    world.hooks.replace(endpoint.id, endpoint.settings).await.unwrap().unwrap();
    world.until(|all| all.len() == 1 && all[0].state == State::Delivered).await;
}

#[tokio::test]
async fn the_log_is_kept_seven_days_and_removed_with_its_endpoint() {
    let server = Server::start(&[Reply::Status(200)]).await;
    let world = World::new(&[&server]);
    let endpoint = world.endpoint(&server.url("/"), &[Source::Async], None).await;
    world.hooks.tell(event(1, Source::Async, Kind::Successful)).await.unwrap();
    world.until(|all| all[0].state == State::Delivered).await;
    world.clock.forward(Duration::from_secs(6 * 86_400));
    world.hooks.tell(event(2, Source::Async, Kind::Successful)).await.unwrap();
    world.until(|all| all.len() == 2 && all[0].state == State::Delivered).await;
    world.clock.forward(Duration::from_secs(86_400 + 60));
    world.until(|all| all.len() == 1).await;
    assert!(world.hooks.remove(endpoint.id).await.unwrap());
    assert!(!world.hooks.remove(endpoint.id).await.unwrap());
    assert_eq!(world.hooks.deliveries(Filter { limit: 1, ..Filter::default() }).await.unwrap(), []);
}

#[tokio::test]
async fn neither_secrets_nor_their_hex_are_on_the_disk() {
    let server = Server::start(&[Reply::Status(200)]).await;
    let mut world = World::new(&[&server]);
    world.endpoint(&server.url("/"), &[Source::Async], None).await;
    world.hooks.tell(event(1, Source::Async, Kind::Successful)).await.unwrap();
    world.until(|all| all[0].state == State::Delivered).await;
    world.stop().await;
    for file in std::fs::read_dir(world.data.path()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        assert!(!bytes.windows(14).any(|w| w == &crate::kit::SECRET.as_bytes()[..14]));
    }
}

#[tokio::test]
async fn events_of_queries_that_nobody_here_knows_are_bounded_by_site_and_hold_up_nobody() {
    let world = World::new(&[]);
    let endpoint = world.endpoint("https://nowhere.test/", &[Source::Async], None).await;
    let mut own = database(world.data.path());
    let now = model::Timestamp(1_770_094_506_007);
    let put = |own: &mut rusqlite::Connection, number: u64, foreign: bool| {
        let transaction = own.transaction_with_behavior(TransactionBehavior::Immediate).unwrap();
        let enqueue = if foreign { webhook::enqueue_foreign } else { webhook::enqueue };
        let count = enqueue(&transaction, &event(number, Source::Async, Kind::Successful), now).unwrap();
        transaction.commit().unwrap();
        count
    };
    assert_eq!(put(&mut own, 1, true), 1);
    // A site that invents as many as it can.
    let many = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 9999)
        INSERT INTO webhook_deliveries (id, endpoint, event, kind, source, site, query, occurred, state, tries, waited, due, created, changed)
        SELECT randomblob(16), endpoint, event, kind, source, site, query, occurred, 0, 0, 0, due + 3600000, created, changed
        FROM webhook_deliveries, n WHERE endpoint = ?1";
    assert_eq!(own.execute(many, [endpoint.id.as_bytes()]).unwrap(), 9_999);
    assert_eq!(put(&mut own, 2, true), 0, "there is no room for one more of them");
    assert_eq!(put(&mut own, 3, false), 1, "but for one's own");
}
