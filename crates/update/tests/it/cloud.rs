//! A cloud that says whatever a test wants, over real TLS.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
};
use tunnel::{RelayAddress, Roots};
use update::Cloud;

/// A path's answer: all bytes of it, head and body. Whatever follows, the connection is closed then.
pub(crate) type Answers = Arc<dyn Fn(&str) -> Vec<u8> + Send + Sync>;

/// The usual head before a body.
pub(crate) fn good(body: &[u8]) -> Vec<u8> {
    [format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len()).as_bytes(), body].concat()
}

pub(crate) fn not_found() -> Vec<u8> {
    b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\n{}".to_vec()
}

pub(crate) async fn start(answers: Answers) -> Cloud {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let (cert, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    let tls = tunnel::outer_server_tls(cert.as_bytes(), key.as_bytes()).unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(tls);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            let (acceptor, answers) = (acceptor.clone(), answers.clone());
            tokio::spawn(async move {
                let mut io = acceptor.accept(tcp).await.unwrap();
                let mut asked = Vec::new();
                while !asked.ends_with(b"\r\n\r\n") {
                    if io.read_buf(&mut asked).await.unwrap() == 0 {
                        return;
                    }
                }
                let asked = String::from_utf8(asked).unwrap();
                let path = asked.split(' ').nth(1).unwrap();
                // Whoever has enough hangs up.
                let _ = io.write_all(&answers(path)).await;
                let _ = io.shutdown().await;
            });
        }
    });
    Cloud {
        relay: RelayAddress::parse(&format!("wss://localhost:{port}")).unwrap(),
        tls: tunnel::outer_client_tls(Roots::Pem(cert.as_bytes())).unwrap(),
        proxy: None,
    }
}

/// A CONNECT proxy that wants `ann` and `secret`, and counts whom it lets through.
pub(crate) async fn proxy() -> (std::net::SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let passed = Arc::new(AtomicUsize::new(0));
    let counted = passed.clone();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let passed = counted.clone();
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(client.read_u8().await?);
                }
                let head = String::from_utf8(head).unwrap();
                if !head.contains("Proxy-Authorization: Basic YW5uOnNlY3JldA==\r\n") {
                    return client.write_all(b"HTTP/1.1 407 Who are you\r\nContent-Length: 0\r\n\r\n").await;
                }
                let target = head.strip_prefix("CONNECT ").unwrap().split(' ').next().unwrap().to_owned();
                let mut server = TcpStream::connect(target.replace("localhost", "127.0.0.1")).await?;
                client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await?;
                passed.fetch_add(1, Ordering::Relaxed);
                copy_bidirectional(&mut client, &mut server).await.map(|_| ())
            });
        }
    });
    (address, passed)
}
