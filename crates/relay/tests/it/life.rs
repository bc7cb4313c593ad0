//! Connections come, go, double, die silently, and are drained.

use crate::kit::{Cloud, Echo, PATIENCE, Practice, connect, eventually, exchange, online, reaches};
use relay::{DoorLimits, Limits};
use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::{Instant, timeout},
};
use tunnel::{Status, control::RefusedReason, head::Reason};

#[tokio::test]
async fn a_higher_epoch_takes_the_site_over_and_the_older_server_is_told_why_it_may_not_come_back() {
    let (cloud, practice) = (Cloud::start().await, Practice::new("1"));
    let older = cloud.link(&practice, 1).await;
    let gateway = cloud.gateway().await;
    let mut fenced = connect(&gateway, practice.id()).await.unwrap();
    exchange(&mut fenced, b"old").await;

    let mut newer = cloud.link(&practice, 2).await;
    let end = timeout(PATIENCE, fenced.read(&mut [0; 16])).await.expect("the fence is heard");
    assert!(end.is_err(), "a stream of the fenced server breaks");
    let status = reaches(&older.dialer, |s| matches!(s, Status::Refused { .. })).await;
    assert!(
        matches!(&status, Status::Refused { reason: RefusedReason::OlderEpoch, why, epoch: Some(2) }
            if why.contains("clone or a restored backup")),
        "{status:?}"
    );

    let mut stream = connect(&gateway, practice.id()).await.unwrap();
    exchange(&mut stream, b"new").await;
    drop(stream);
    assert!(
        timeout(PATIENCE, newer.ended.recv()).await.unwrap().is_some(),
        "the newer server had the stream"
    );
}

#[tokio::test]
async fn the_same_epoch_from_two_living_servers_leaves_the_first_in_place() {
    let (cloud, practice) = (Cloud::start().await, Practice::new("1"));
    let mut first = cloud.link(&practice, 1).await;
    let second = cloud.link_soon(&practice, 1);
    let status = reaches(&second.dialer, |s| matches!(s, Status::Refused { .. })).await;
    assert!(
        matches!(&status, Status::Refused { reason: RefusedReason::DoubledEpoch, why, epoch: Some(1) }
            if why.contains("already connected")),
        "{status:?}"
    );
    let gateway = cloud.gateway().await;
    exchange(&mut connect(&gateway, practice.id()).await.unwrap(), b"first").await;
    // The probe for a sign of life was a stream without content.
    assert_eq!(first.ended.recv().await, Some(Ok(0)));
    eventually("one is counted", || cloud.relay.counts().links == 1).await;
}

/// Forwards bytes to the relay until it goes silent: connections stay open and nothing moves, as behind a dead NAT.
async fn silent_proxy(to: SocketAddr) -> (SocketAddr, Arc<AtomicBool>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let silent = Arc::new(AtomicBool::new(false));
    let flag = silent.clone();
    tokio::spawn(async move {
        loop {
            let (near, _) = listener.accept().await.unwrap();
            let far = TcpStream::connect(to).await.unwrap();
            let (near, far) = (near.into_split(), far.into_split());
            tokio::spawn(forward(near.0, far.1, flag.clone()));
            tokio::spawn(forward(far.0, near.1, flag.clone()));
        }
    });
    (address, silent)
}

async fn forward(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    silent: Arc<AtomicBool>,
) {
    let mut buffer = [0; 4096];
    while let Ok(n @ 1..) = from.read(&mut buffer).await {
        if silent.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        if to.write_all(&buffer[..n]).await.is_err() {
            return;
        }
    }
}

#[tokio::test]
async fn a_link_whose_connection_died_silently_comes_back_with_its_epoch_within_seconds() {
    let (cloud, practice) = (Cloud::start().await, Practice::new("1"));
    let (address, silent) = silent_proxy(cloud.address).await;
    let dead = Echo::new(cloud.dial_through(address, practice.credentials(1)));
    online(&dead.dialer).await;
    silent.store(true, Ordering::SeqCst);

    let before = Instant::now();
    let _back = cloud.link(&practice, 1).await;
    assert!(before.elapsed() < Duration::from_secs(8), "{:?}", before.elapsed());
    let gateway = cloud.gateway().await;
    exchange(&mut connect(&gateway, practice.id()).await.unwrap(), b"back").await;
    eventually("the dead connection is counted out", || cloud.relay.counts().links == 1).await;
}

#[tokio::test]
async fn a_link_that_breaks_and_comes_straight_back_is_let_in() {
    let (cloud, practice) = (Cloud::start().await, Practice::new("1"));
    let gateway = cloud.gateway().await;
    for _ in 0..5 {
        let link = cloud.link(&practice, 7).await;
        exchange(&mut connect(&gateway, practice.id()).await.unwrap(), b"again").await;
        link.cut().await;
    }
    eventually("the last one is counted out", || cloud.relay.counts().links == 0).await;
    assert_eq!(connect(&gateway, practice.id()).await.unwrap_err(), Reason::Offline);
}

#[tokio::test]
async fn a_drain_lets_a_running_stream_finish_and_ends_in_time() {
    let (cloud, practice) = (Cloud::start().await, Practice::new("1"));
    let _link = cloud.link(&practice, 1).await;
    let gateway = cloud.gateway().await;
    let mut running = connect(&gateway, practice.id()).await.unwrap();
    exchange(&mut running, b"before").await;
    let began = Instant::now();
    cloud.stop.cancel();
    eventually("nobody can connect", || std::net::TcpStream::connect(cloud.address).is_err()).await;
    exchange(&mut running, b"while draining").await;
    running.shutdown().await.unwrap();
    let mut rest = Vec::new();
    timeout(PATIENCE, running.read_to_end(&mut rest)).await.unwrap().unwrap();
    assert_eq!(rest, b"|end");
    timeout(PATIENCE, cloud.serving).await.unwrap().unwrap();
    assert!(began.elapsed() < Duration::from_secs(4), "nothing was left to wait for: {:?}", began.elapsed());
    let left = cloud.directory.look(practice.id()).unwrap().unwrap();
    assert_eq!(left.availability, model::Availability::Offline);
}

#[tokio::test]
async fn a_drain_cuts_off_who_does_not_finish() {
    let (cloud, practice) = (Cloud::start().await, Practice::new("1"));
    let _link = cloud.link(&practice, 1).await;
    let gateway = cloud.gateway().await;
    let mut endless = connect(&gateway, practice.id()).await.unwrap();
    exchange(&mut endless, b"before").await;
    let began = Instant::now();
    cloud.stop.cancel();
    timeout(PATIENCE, cloud.serving).await.unwrap().unwrap();
    assert!(began.elapsed() < Duration::from_millis(4900), "{:?}", began.elapsed());
    assert!(timeout(PATIENCE, endless.read(&mut [0; 16])).await.unwrap().is_err());
}

#[tokio::test]
async fn garbage_at_the_port_leaves_the_relay_serving() {
    let (cloud, practice) = (Cloud::start().await, Practice::new("1"));
    let _link = cloud.link(&practice, 1).await;
    let mut held = Vec::new();
    for garbage in [
        &b""[..],
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"\x16\x03\x01\xff\xff",
        b"\x16\x03\x01\x00\x05hello",
        &[0xff; 4096],
        &[0; 100_000],
    ] {
        for _ in 0..20 {
            let mut tcp = TcpStream::connect(cloud.address).await.unwrap();
            let _ = tcp.write_all(garbage).await;
            held.push(tcp);
        }
    }
    let gateway = cloud.gateway().await;
    exchange(&mut connect(&gateway, practice.id()).await.unwrap(), b"serving").await;
}

#[tokio::test]
async fn silent_strangers_are_bounded_and_shown_out() {
    let door = DoorLimits { strangers: 3, ..DoorLimits::default() };
    let cloud =
        Cloud::with(Limits { door, handshake: Duration::from_millis(700), ..Limits::default() }).await;
    let mut silent = Vec::new();
    for _ in 0..3 {
        silent.push(TcpStream::connect(cloud.address).await.unwrap());
    }
    let mut fourth = TcpStream::connect(cloud.address).await.unwrap();
    let before = Instant::now();
    let end = timeout(PATIENCE, fourth.read(&mut [0; 1])).await.unwrap();
    assert!(
        matches!(end, Ok(0) | Err(_)) && before.elapsed() < Duration::from_millis(500),
        "turned away at once"
    );
    for tcp in &mut silent {
        let end = timeout(PATIENCE, tcp.read(&mut [0; 1])).await.expect("shown out in time");
        assert!(matches!(end, Ok(0) | Err(_)));
    }
    let practice = Practice::new("1");
    cloud.link(&practice, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn three_hundred_idle_links_are_all_there() {
    let cloud = Cloud::start().await;
    let practices: Vec<_> = (0..300).map(|n| Practice::new(&n.to_string())).collect();
    let links: Vec<_> = practices.iter().map(|p| cloud.link_soon(p, 1)).collect();
    for link in &links {
        online(&link.dialer).await;
    }
    eventually("all are counted", || {
        let counts = cloud.relay.counts();
        (counts.links, counts.sites) == (300, 300)
    })
    .await;
    let gateway = cloud.gateway().await;
    for practice in practices.iter().step_by(50) {
        exchange(&mut connect(&gateway, practice.id()).await.unwrap(), b"hello").await;
    }
}
