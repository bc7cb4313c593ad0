//! What loopback hides: delay, cuts and connections that go silent, through a real proxy that makes them.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, clippy::print_stdout, reason = "tests")]

mod support;

use lab::proxy::{DelayProxy, Direction, Options};
use std::time::{Duration, Instant};
use support::*;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};
use tunnel::{CloseKind, Dialer, Status};

/// A relay behind a proxy; dial `options` with the proxy's port.
async fn behind(delay: Duration) -> (Relay, DelayProxy) {
    let mut tuning = quick();
    tuning.timing.ping_every = Duration::from_millis(400);
    tuning.timing.dead_after = Duration::from_millis(1000);
    let relay = Relay::with(RelaySettings { tuning, ..Default::default() }).await;
    let proxy = DelayProxy::start(Options::delayed(relay.address, delay)).unwrap();
    (relay, proxy)
}

fn dial(relay: &Relay, proxy: &DelayProxy) -> Dialer {
    let mut options = relay.options(link());
    options.relay =
        tunnel::RelayAddress::parse(&format!("wss://localhost:{}", proxy.address().port())).unwrap();
    options.tuning.timing.ping_every = Duration::from_millis(400);
    options.tuning.timing.dead_after = Duration::from_millis(1000);
    Dialer::start(options)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn windows_grow_so_that_one_stream_fills_a_long_path() {
    const ROUND_TRIP: Duration = Duration::from_millis(160);
    const WARM: usize = 64 << 20;
    const MEASURED: usize = 100 << 20;
    let (mut relay, proxy) = behind(ROUND_TRIP / 2).await;
    let dialer = dial(&relay, &proxy);
    let joined = relay.next().await.unwrap();
    let sender = tokio::spawn(async move {
        let mut stream = joined.open().await.unwrap();
        let piece = vec![7; 1 << 20];
        for _ in 0..(WARM + MEASURED) >> 20 {
            stream.write_all(&piece).await.unwrap();
        }
        stream.shutdown().await.unwrap();
        joined
    });
    let mut stream = dialer.accept().await.unwrap();
    let mut buffer = vec![0; 256 << 10];
    let (mut got, mut warm) = (0, None);
    loop {
        let count = stream.read(&mut buffer).await.unwrap();
        if count == 0 {
            break;
        }
        got += count;
        if warm.is_none() && got >= WARM {
            warm = Some((got, Instant::now()));
        }
    }
    assert_eq!(got, WARM + MEASURED);
    let (at, since) = warm.unwrap();
    let rate = (got - at) as f64 / since.elapsed().as_secs_f64() / 1e6;
    println!("{rate:.0} MB/s at {ROUND_TRIP:?} round trip");
    // Without growing windows it would be 256 KiB per round trip: 1.6 MB/s. The aim is 50; a busy test machine gets less.
    assert!(rate > 15.0, "{rate:.1} MB/s");
    drop(sender.await.unwrap());
}

#[tokio::test]
async fn a_half_open_connection_is_noticed_at_both_ends_and_replaced() {
    for direction in [Direction::Up, Direction::Down] {
        let (mut relay, proxy) = behind(Duration::from_millis(5)).await;
        let dialer = dial(&relay, &proxy);
        let joined = relay.next().await.unwrap();
        until(&dialer, |s| *s == Status::Online).await;
        proxy.silence(direction, true);
        // Deaf one way, each end notices by itself or is told by the other: silence lasts 1 s at most.
        let kind = timeout(Duration::from_secs(4), joined.closed()).await;
        assert_eq!(kind.expect("the relay still believes in it"), CloseKind::Lost);
        until(&dialer, |s| *s != Status::Online).await;
        proxy.silence(direction, false);
        proxy.cut();
        timeout(Duration::from_secs(20), async { while relay.next().await.is_err() {} }).await.unwrap();
        until(&dialer, |s| *s == Status::Online).await;
    }
}

#[tokio::test]
async fn a_cut_breaks_streams_at_once_and_the_client_comes_back() {
    let (mut relay, proxy) = behind(Duration::from_millis(5)).await;
    let dialer = dial(&relay, &proxy);
    let joined = relay.next().await.unwrap();
    let mut stream = joined.open().await.unwrap();
    stream.write_all(b"x").await.unwrap();
    let mut there = dialer.accept().await.unwrap();
    there.read_u8().await.unwrap();
    proxy.cut();
    assert!(timeout(Duration::from_millis(500), stream.read_u8()).await.unwrap().is_err());
    assert!(timeout(Duration::from_millis(500), there.read_u8()).await.unwrap().is_err());
    assert_eq!(joined.closed().await, CloseKind::Lost);
    assert!(relay.next().await.is_ok());
}
