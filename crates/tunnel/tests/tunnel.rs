//! Dialer and relay over real sockets and TLS: who gets in, what streams carry, how it ends.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, clippy::print_stdout, reason = "tests")]

mod support;

use std::time::{Duration, Instant};
use support::*;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};
use tunnel::{CloseKind, Denied, JoinError, OpenError, Party, Status, control::RefusedReason, head};

#[tokio::test]
async fn a_link_proves_itself_and_its_sites() {
    let mut relay = Relay::start().await;
    let (dialer, joined) = relay.pair(link()).await;
    until(&dialer, |s| *s == Status::Online).await;
    let Party::Link { peer, epoch, sites } = &joined.party else { panic!("not a link") };
    assert_eq!((peer.kind, *epoch), (trust::Kind::Link, 7));
    assert_eq!((sites.len(), &sites[0].facts, sites[0].epoch), (1, &facts(), 8));
    assert_eq!(sites[0].peer.id, trust::guid(trust::Kind::Site, &sites[0].peer.root_spki));
}

#[tokio::test]
async fn streams_open_both_ways_on_one_connection() {
    let mut relay = Relay::start().await;
    let (dialer, joined) = relay.pair(gateway()).await;
    assert!(matches!(joined.party, Party::Gateway { epoch: 3, .. }));

    let mut up = dialer.open().await.unwrap();
    let ask = head::Ask::Connect { site: model::SiteId(uuid::Uuid::from_u128(1)) };
    head::write(&mut up, &ask).await.unwrap();
    let mut at_relay = joined.accept().await.unwrap();
    assert_eq!(head::read::<head::Ask>(&mut at_relay).await.unwrap(), ask);
    head::write(&mut at_relay, &head::Answer::Connected).await.unwrap();
    assert_eq!(head::read::<head::Answer>(&mut up).await.unwrap(), head::Answer::Connected);

    let mut down = joined.open().await.unwrap();
    down.write_all(b"ping").await.unwrap();
    down.shutdown().await.unwrap();
    let mut at_client = dialer.accept().await.unwrap();
    let mut text = String::new();
    at_client.read_to_string(&mut text).await.unwrap();
    assert_eq!(text, "ping");
    at_client.write_all(b"pong").await.unwrap();
    at_client.shutdown().await.unwrap();
    text.clear();
    down.read_to_string(&mut text).await.unwrap();
    assert_eq!(text, "pong");
}

#[tokio::test]
async fn a_stream_carries_fifty_megabytes_unchanged_each_way() {
    const SIZE: usize = 50 * 1024 * 1024;
    let mut relay = Relay::start().await;
    let (dialer, joined) = relay.pair(link()).await;
    let echo = tokio::spawn(async move {
        let mut stream = dialer.accept().await.unwrap();
        let mut seen = Vec::with_capacity(SIZE);
        stream.read_to_end(&mut seen).await.unwrap();
        stream.write_all(&seen).await.unwrap();
        stream.shutdown().await.unwrap();
        dialer
    });
    let sent: Vec<u8> =
        (0..SIZE as u32 / 4).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    let started = Instant::now();
    let mut stream = joined.open().await.unwrap();
    stream.write_all(&sent).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut back = Vec::with_capacity(SIZE);
    stream.read_to_end(&mut back).await.unwrap();
    assert!(back == sent, "bytes changed on the way");
    println!("100 MiB in {:?}", started.elapsed());
    drop(echo.await.unwrap());
}

#[tokio::test]
async fn a_slow_reader_holds_back_its_own_stream_and_no_other() {
    let mut relay = Relay::start().await;
    let (dialer, joined) = relay.pair(link()).await;
    let mut stuck = joined.open().await.unwrap();
    let filled = timeout(Duration::from_millis(500), stuck.write_all(&vec![7; 8 << 20])).await;
    assert!(filled.is_err(), "8 MiB went into a stream that nobody reads");
    let _unread = dialer.accept().await.unwrap();
    let mut other = joined.open().await.unwrap();
    other.write_all(b"x").await.unwrap();
    let mut there = timeout(Duration::from_secs(5), dialer.accept()).await.unwrap().unwrap();
    assert_eq!(there.read_u8().await.unwrap(), b'x');
}

#[tokio::test]
async fn a_dropped_stream_breaks_its_other_end_at_once() {
    let mut relay = Relay::start().await;
    let (dialer, joined) = relay.pair(link()).await;
    let mut ours = joined.open().await.unwrap();
    ours.write_all(b"x").await.unwrap();
    let mut theirs = dialer.accept().await.unwrap();
    assert_eq!(theirs.read_u8().await.unwrap(), b'x');
    drop(theirs);
    let read = timeout(Duration::from_secs(2), ours.read_u8()).await.expect("the reset did not arrive");
    assert_eq!(read.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
    assert!(ours.write_all(b"y").await.is_err());
}

#[tokio::test]
async fn one_stream_too_many_is_refused_and_the_connection_lives() {
    let mut tuning = quick();
    tuning.streams = 3;
    let mut relay = Relay::with(RelaySettings { tuning: tuning.clone(), ..Default::default() }).await;
    let mut options = relay.options(link());
    options.tuning.streams = 5;
    let dialer = tunnel::Dialer::start(options);
    let joined = relay.next().await.unwrap();
    let three = [joined.open().await.unwrap(), joined.open().await.unwrap(), joined.open().await.unwrap()];
    assert_eq!(joined.open().await.unwrap_err(), OpenError::TooMany);
    drop(three);
    let mut open = Vec::new();
    for _ in 0..5 {
        let mut stream = dialer.open().await.unwrap();
        stream.write_all(b"x").await.unwrap();
        open.push(stream);
    }
    assert!(
        timeout(Duration::from_secs(2), open[4].read_u8()).await.unwrap().is_err(),
        "the fifth was not reset"
    );
    assert!(timeout(Duration::from_secs(2), joined.open()).await.unwrap().is_ok());
}

#[tokio::test]
async fn a_goodbye_is_told_from_a_loss() {
    let mut relay = Relay::start().await;
    let (dialer, joined) = relay.pair(link()).await;
    // At once: perhaps before the client has read its welcome.
    dialer.close().await;
    assert_eq!(timeout(Duration::from_secs(5), joined.closed()).await.unwrap(), CloseKind::Goodbye);
    assert!(joined.accept().await.is_none());
    assert_eq!(joined.open().await.unwrap_err(), OpenError::Offline);

    let (dialer, joined) = relay.pair(link()).await;
    drop(dialer);
    assert_eq!(timeout(Duration::from_secs(5), joined.closed()).await.unwrap(), CloseKind::Lost);
}

#[tokio::test]
async fn a_broken_connection_is_dialled_again_and_its_streams_break() {
    let mut relay = Relay::start().await;
    let (dialer, joined) = relay.pair(link()).await;
    let mut old = joined.open().await.unwrap();
    old.write_all(b"x").await.unwrap();
    let mut at_client = dialer.accept().await.unwrap();
    at_client.read_u8().await.unwrap();
    drop(joined);
    let broken = timeout(Duration::from_secs(5), at_client.read_u8()).await.expect("the stream hangs");
    assert!(broken.is_err());
    let joined = relay.next().await.unwrap();
    until(&dialer, |s| *s == Status::Online).await;
    let mut stream = joined.open().await.unwrap();
    stream.write_all(b"again").await.unwrap();
    let mut there = dialer.accept().await.unwrap();
    let mut five = [0; 5];
    there.read_exact(&mut five).await.unwrap();
    assert_eq!(&five, b"again");
}

#[tokio::test]
async fn a_drained_client_comes_back_at_once_while_its_old_streams_finish() {
    let mut relay = Relay::start().await;
    let (dialer, old) = relay.pair(link()).await;
    let mut running = old.open().await.unwrap();
    running.write_all(b"a").await.unwrap();
    let mut at_client = dialer.accept().await.unwrap();
    at_client.read_u8().await.unwrap();

    let began = Instant::now();
    old.drain();
    let new = relay.next().await.unwrap();
    assert!(began.elapsed() < Duration::from_millis(1500), "came back after {:?}", began.elapsed());
    assert_eq!(old.open().await.unwrap_err(), OpenError::Draining);
    at_client.write_all(b"still here").await.unwrap();
    let mut ten = [0; 10];
    running.read_exact(&mut ten).await.unwrap();
    assert_eq!(&ten, b"still here");
    drop((running, at_client));
    assert_eq!(timeout(Duration::from_secs(1), old.closed()).await.unwrap(), CloseKind::Goodbye);
    assert!(new.open().await.is_ok());
}

#[tokio::test]
async fn a_drain_ends_in_time_even_when_a_stream_does_not() {
    let mut relay = Relay::start().await;
    let (dialer, old) = relay.pair(link()).await;
    let _running = old.open().await.unwrap();
    old.drain();
    let kind = timeout(Duration::from_secs(4), old.closed()).await.expect("the drain has no end");
    assert_eq!(kind, CloseKind::Goodbye);
    drop(dialer);
}

#[tokio::test]
async fn an_unadmitted_gateway_is_told_why_and_does_not_storm() {
    let denies = Some(Denied::NotAdmitted("ask the operator to admit you".to_owned()));
    let mut relay = Relay::with(RelaySettings { denies, ..Default::default() }).await;
    let dialer = relay.dial(gateway());
    let refused = relay.next().await.unwrap_err();
    assert!(matches!(refused, JoinError::Refused { reason: RefusedReason::NotAdmitted, .. }), "{refused:?}");
    let status = until(&dialer, |s| matches!(s, Status::Refused { .. })).await;
    assert_eq!(why(&status), "ask the operator to admit you");
    assert_eq!(dialer.open().await.unwrap_err(), OpenError::Offline);
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(relay.joined.try_recv().is_err(), "a refused client came again at once");
}

#[tokio::test]
async fn a_client_refused_for_a_passing_fault_comes_back_as_after_a_loss() {
    let denies = Some(Denied::Busy("the directory failed; try again".to_owned()));
    let mut relay = Relay::with(RelaySettings { denies, ..Default::default() }).await;
    let dialer = relay.dial(link());
    for _ in 0..3 {
        let refused = relay.next().await.unwrap_err();
        assert!(matches!(refused, JoinError::Refused { reason: RefusedReason::Busy, .. }), "{refused:?}");
    }
    assert_eq!(failure(&dialer).await, "the directory failed; try again");
    let status = dialer.status().borrow().clone();
    assert!(!matches!(status, Status::Refused { .. }), "{status:?}");
}

#[tokio::test]
async fn open_waits_for_a_connection_that_is_being_made_and_fails_at_once_when_there_is_none() {
    let mut relay = Relay::start().await;
    let dialer = relay.dial(gateway());
    assert!(dialer.open().await.is_ok());
    drop(relay.next().await);

    let mut options = relay.options(gateway());
    options.relay = tunnel::RelayAddress::parse("wss://localhost:1").unwrap();
    options.tuning.timing.backoff_base = Duration::from_secs(60);
    let nowhere = tunnel::Dialer::start(options);
    let told = failure(&nowhere).await;
    assert!(told.contains("outgoing connections"), "{told}");
    let asked = Instant::now();
    assert_eq!(nowhere.open().await.unwrap_err(), OpenError::Offline);
    assert!(asked.elapsed() < Duration::from_millis(200));
}

#[tokio::test]
async fn callers_who_keep_asking_do_not_put_the_next_attempt_off() {
    let mut relay = Relay::start().await;
    let mut options = relay.options(gateway());
    // Whatever the seed draws, the wait is longer than the callers' pause.
    options.tuning.timing.backoff_base = Duration::from_millis(1500);
    options.tuning.timing.backoff_cap = Duration::from_millis(1500);
    let dialer = tunnel::Dialer::start(options);
    let joined = relay.next().await.unwrap();
    until(&dialer, |s| *s == Status::Online).await;
    drop(joined);
    until(&dialer, |s| matches!(s, Status::Waiting { .. })).await;
    let back = async {
        while dialer.open().await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(Duration::from_secs(5), back).await.expect("the attempt came in spite of the callers");
    relay.next().await.unwrap();
}

#[tokio::test]
async fn the_last_bytes_before_a_draining_connection_closes_arrive_with_their_end() {
    for _ in 0..20 {
        let mut relay = Relay::start().await;
        let (dialer, joined) = relay.pair(link()).await;
        let mut theirs = joined.open().await.unwrap();
        theirs.write_all(b"x").await.unwrap();
        let mut ours = dialer.accept().await.unwrap();
        ours.read_u8().await.unwrap();
        joined.drain();
        until(&dialer, |s| *s != Status::Online).await;
        // At once afterwards the connection has no stream at either end, and both may close it.
        ours.shutdown().await.unwrap();
        theirs.write_all(&[7; 60_000]).await.unwrap();
        theirs.shutdown().await.unwrap();
        drop(theirs);
        let mut last = Vec::new();
        let read = timeout(Duration::from_secs(5), ours.read_to_end(&mut last)).await.expect("no end");
        assert_eq!((read.unwrap(), last.len()), (60_000, 60_000));
    }
}
