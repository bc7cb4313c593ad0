//! The proxy, seen through real sockets.
#![expect(clippy::unwrap_used, reason = "in a test a failure is a panic")]

use lab::{
    DelayProxy,
    Direction::{Down, Up},
    line::Shape,
    proxy::Options,
};
use std::{
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    thread,
    time::{Duration, Instant},
};

#[expect(clippy::disallowed_methods, reason = "real time is what is tested")]
fn now() -> Instant {
    Instant::now()
}

/// Echoes whatever comes, on every connection.
fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for socket in listener.incoming().map_while(Result::ok) {
            thread::spawn(move || {
                socket.set_nodelay(true).unwrap();
                let mut buffer = vec![0; 65536];
                while let Ok(n @ 1..) = (&socket).read(&mut buffer) {
                    if (&socket).write_all(&buffer[..n]).is_err() {
                        return;
                    }
                }
            });
        }
    });
    address
}

fn dial(proxy: &DelayProxy) -> TcpStream {
    let socket = TcpStream::connect(proxy.address()).unwrap();
    socket.set_nodelay(true).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    socket
}

fn ping(mut socket: &TcpStream) -> std::io::Result<Duration> {
    let start = now();
    socket.write_all(b"ping")?;
    let mut answer = [0; 4];
    socket.read_exact(&mut answer)?;
    assert_eq!(&answer, b"ping");
    Ok(start.elapsed())
}

#[test]
fn a_round_trip_takes_twice_the_delay_and_little_more() {
    let proxy = DelayProxy::start(Options::delayed(echo(), Duration::from_millis(10))).unwrap();
    let socket = dial(&proxy);
    let mut times: Vec<_> = (0..30).map(|_| ping(&socket).unwrap()).collect();
    times.sort();
    println!("median {:?}, worst {:?}", times[15], times[29]);
    assert!(times[0] >= Duration::from_millis(20));
    // 0.2 ms per direction on an idle machine; a build beside it must not fail the test.
    assert!(times[5] < Duration::from_millis(25), "{times:?}");
}

#[test]
fn delay_does_not_limit_throughput_and_bytes_stay_in_order() {
    const TOTAL: usize = 64 << 20;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let target = listener.local_addr().unwrap();
    let proxy = DelayProxy::start(Options::delayed(target, Duration::from_millis(40))).unwrap();
    let sink = thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        let (mut seen, mut buffer) = (0usize, vec![0; 1 << 16]);
        loop {
            let n = socket.read(&mut buffer).unwrap();
            if n == 0 {
                return seen;
            }
            for byte in &buffer[..n] {
                assert_eq!(*byte, (seen / 1000) as u8, "at {seen}");
                seen += 1;
            }
        }
    });
    let start = now();
    let mut socket = dial(&proxy);
    let bytes: Vec<u8> = (0..TOTAL).map(|i| (i / 1000) as u8).collect();
    socket.write_all(&bytes).unwrap();
    drop(socket);
    assert_eq!(sink.join().unwrap(), TOTAL);
    let rate = TOTAL as f64 / 1e6 / start.elapsed().as_secs_f64();
    println!("{rate:.0} MB/s at 40 ms");
    assert!(rate > 60.0, "{rate:.0} MB/s");
    assert_eq!((proxy.passed(Up), proxy.passed(Down)), (TOTAL as u64, 0));
}

#[test]
fn a_silent_direction_swallows_without_a_sign_and_spoils_only_connections_that_lost_bytes() {
    let proxy = DelayProxy::start(Options::plain(echo())).unwrap();
    let (spoilt, idle) = (dial(&proxy), dial(&proxy));
    ping(&spoilt).unwrap();
    ping(&idle).unwrap();
    proxy.silence(Down, true);
    spoilt.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    assert_eq!(ping(&spoilt).unwrap_err().kind(), ErrorKind::WouldBlock);
    assert_eq!((proxy.passed(Up), proxy.lost(Down)), (12, 4));
    proxy.silence(Down, false);
    assert_eq!(ping(&spoilt).unwrap_err().kind(), ErrorKind::WouldBlock);
    ping(&idle).unwrap();
    ping(&dial(&proxy)).unwrap();
}

#[test]
fn a_goodbye_on_a_half_open_connection_is_not_heard() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let proxy = DelayProxy::start(Options::plain(listener.local_addr().unwrap())).unwrap();
    let socket = dial(&proxy);
    let (target, _) = listener.accept().unwrap();
    (&socket).write_all(b"x").unwrap();
    (&target).read_exact(&mut [0]).unwrap();
    proxy.silence(Up, true);
    proxy.silence(Down, true);
    drop(socket);
    target.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    for _ in 0..3 {
        (&target).write_all(b"anyone there?").unwrap();
        assert_eq!((&target).read(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);
    }
}

#[test]
fn a_cut_is_a_reset_on_both_sides() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let proxy = DelayProxy::start(Options::plain(listener.local_addr().unwrap())).unwrap();
    let socket = dial(&proxy);
    let (target, _) = listener.accept().unwrap();
    (&socket).write_all(b"x").unwrap();
    (&target).read_exact(&mut [0]).unwrap();
    assert_eq!(proxy.cut(), 1);
    assert_eq!((&socket).read(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert_eq!((&target).read(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert_eq!(proxy.connections(), 0);
}

#[test]
fn a_reset_and_a_goodbye_travel_through() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let proxy = DelayProxy::start(Options::plain(listener.local_addr().unwrap())).unwrap();
    let socket = dial(&proxy);
    let (target, _) = listener.accept().unwrap();
    target.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    socket.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!((&target).read(&mut [0]).unwrap(), 0, "one direction ends");
    (&target).write_all(b"still").unwrap();
    let mut answer = [0; 5];
    (&socket).read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"still", "the other goes on");

    let socket = dial(&proxy);
    let (target, _) = listener.accept().unwrap();
    target.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    socket2::SockRef::from(&socket).set_linger(Some(Duration::ZERO)).unwrap();
    drop(socket);
    assert_eq!((&target).read(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionReset);
}

#[test]
fn refused_connections_are_reset_and_later_ones_work_again() {
    let proxy = DelayProxy::start(Options::plain(echo())).unwrap();
    proxy.refuse(true);
    let refused = dial(&proxy);
    assert!(ping(&refused).is_err());
    proxy.refuse(false);
    ping(&dial(&proxy)).unwrap();
}

#[test]
fn a_target_that_is_not_there_resets_the_dialler() {
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let proxy = DelayProxy::start(Options::plain(gone)).unwrap();
    assert!(ping(&dial(&proxy)).is_err());
}

#[test]
fn the_tap_keeps_what_passed_up_to_its_limit() {
    let proxy = DelayProxy::start(Options { tap: 6, ..Options::plain(echo()) }).unwrap();
    let socket = dial(&proxy);
    ping(&socket).unwrap();
    assert_eq!((proxy.tap(Up).bytes(), proxy.tap(Up).is_full()), (b"ping".to_vec(), false));
    ping(&socket).unwrap();
    assert_eq!((proxy.tap(Down).bytes(), proxy.tap(Down).is_full()), (b"pingpi".to_vec(), true));
}

#[test]
fn the_shape_can_change_while_connections_are_open() {
    let proxy = DelayProxy::start(Options::plain(echo())).unwrap();
    let socket = dial(&proxy);
    assert!(ping(&socket).unwrap() < Duration::from_millis(30));
    proxy.reshape(Shape { delay: Duration::from_millis(30), rate: None });
    assert!(ping(&socket).unwrap() >= Duration::from_millis(60));
}
