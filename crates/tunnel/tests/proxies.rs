//! Through an HTTP CONNECT proxy: with credentials, without, with wrong ones, and through things that are no proxy.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, clippy::print_stdout, reason = "tests")]

mod support;

use model::Hidden;
use std::{net::SocketAddr, time::Duration};
use support::*;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
};
use tunnel::{Dialer, Proxy, Status};

/// A CONNECT proxy as small as can be. With `wants` it asks for that `Proxy-Authorization`.
async fn proxy(wants: Option<&'static str>, answer: Option<&'static str>) -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut client, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(client.read_u8().await?);
                }
                let head = String::from_utf8(head).unwrap();
                if let Some(answer) = answer {
                    return client.write_all(answer.as_bytes()).await;
                }
                let allowed = match wants {
                    Some(wanted) => head.contains(&format!("Proxy-Authorization: Basic {wanted}\r\n")),
                    None => true,
                };
                if !allowed {
                    let refusal = "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=\"x\"\r\nContent-Length: 6\r\n\r\nsorry\n";
                    return client.write_all(refusal.as_bytes()).await;
                }
                let target = head.strip_prefix("CONNECT ").unwrap().split(' ').next().unwrap().to_owned();
                let mut server = TcpStream::connect(target.replace("localhost", "127.0.0.1")).await?;
                client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await?;
                copy_bidirectional(&mut client, &mut server).await.map(|_| ())
            });
        }
    });
    address
}

async fn through(relay: &Relay, address: SocketAddr, credentials: Option<(&str, &str)>) -> Dialer {
    let mut options = relay.options(gateway());
    let credentials = credentials.map(|(user, password)| (user.to_owned(), Hidden::from(password)));
    options.proxy = Some(Proxy { host: address.ip().to_string(), port: address.port(), credentials });
    Dialer::start(options)
}

/// Base64 of `ann:secret`.
const ANN: &str = "YW5uOnNlY3JldA==";

#[tokio::test]
async fn a_proxy_without_credentials_lets_the_tunnel_through() {
    let mut relay = Relay::start().await;
    let dialer = through(&relay, proxy(None, None).await, None).await;
    let joined = relay.next().await.unwrap();
    let mut stream = dialer.open().await.unwrap();
    stream.write_all(b"x").await.unwrap();
    assert_eq!(joined.accept().await.unwrap().read_u8().await.unwrap(), b'x');
}

#[tokio::test]
async fn a_proxy_with_credentials_gets_them() {
    let mut relay = Relay::start().await;
    let dialer = through(&relay, proxy(Some(ANN), None).await, Some(("ann", "secret"))).await;
    relay.next().await.unwrap();
    until(&dialer, |s| *s == Status::Online).await;
}

#[tokio::test]
async fn missing_and_wrong_credentials_are_told_apart_and_never_shown() {
    let relay = Relay::start().await;
    let address = proxy(Some(ANN), None).await;
    let told = failure(&through(&relay, address, None).await).await;
    assert!(told.contains("asks for a user and password"), "{told}");
    let told = failure(&through(&relay, address, Some(("ann", "wrong-one"))).await).await;
    assert!(told.contains("does not accept") && !told.contains("wrong-one"), "{told}");
}

#[tokio::test]
async fn what_a_proxy_forbids_or_garbles_is_explained() {
    let relay = Relay::start().await;
    for (answer, word) in [
        ("HTTP/1.1 403 Forbidden\r\n\r\n", "forbids"),
        ("HTTP/1.1 502 Bad Gateway\r\n\r\n", "could not reach"),
        ("220 mail.example ESMTP\r\n", "not that of an HTTP proxy"),
        ("HTTP/1.1 200 OK\r\n\r\nextra bytes that nobody asked for", "not that of an HTTP proxy"),
    ] {
        let told = failure(&through(&relay, proxy(None, Some(answer)).await, None).await).await;
        assert!(told.contains(word), "{answer:?}: {told}");
    }
}

#[tokio::test]
async fn an_endless_or_absent_proxy_ends_in_bounded_time_and_memory() {
    let relay = Relay::start().await;
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut client, _) = listener.accept().await.unwrap();
        let _ = client.write_all(b"HTTP/1.1 200 OK\r\n").await;
        while client.write_all(b"X-Padding: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n").await.is_ok() {}
    });
    let told =
        tokio::time::timeout(Duration::from_secs(10), failure(&through(&relay, address, None).await)).await;
    assert!(told.unwrap().contains("not that of an HTTP proxy"));
}
