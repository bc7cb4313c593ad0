//! A box that inspects TLS, as some networks have: ends the outer TLS, keeps a copy in clear, and begins it anew.

use std::{
    net::SocketAddr,
    path::Path,
    sync::{Arc, Mutex},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::{TlsAcceptor, TlsConnector, rustls::pki_types::ServerName};

/// What passed, in clear of the outer TLS, both ways.
pub(crate) type Seen = Arc<Mutex<Vec<u8>>>;

/// Starts one in front of `target` with the demo's own certificate; gives its address.
pub(crate) fn start(target: SocketAddr, certificates: &Path, seen: &Seen) -> SocketAddr {
    let read = |name: &str| std::fs::read(certificates.join(name)).expect("the demo made its certificates");
    let server = tunnel::outer_server_tls(&read("server.pem"), &read("server.key")).expect("a certificate");
    let ca = read("ca.pem");
    let client = tunnel::outer_client_tls(tunnel::Roots::Pem(&ca)).expect("a root");
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a loopback port");
    listener.set_nonblocking(true).expect("a socket");
    let address = listener.local_addr().expect("an address");
    let listener = TcpListener::from_std(listener).expect("within a runtime");
    let seen = seen.clone();
    tokio::spawn(async move {
        while let Ok((inbound, _)) = listener.accept().await {
            let (acceptor, connector) =
                (TlsAcceptor::from(server.clone()), TlsConnector::from(client.clone()));
            let seen = seen.clone();
            tokio::spawn(async move {
                let name = ServerName::try_from("localhost").expect("a name");
                let (near, far) = tokio::join!(acceptor.accept(inbound), async {
                    connector.connect(name, TcpStream::connect(target).await?).await
                });
                let (Ok(near), Ok(far)) = (near, far) else { return };
                let (near_read, near_write) = tokio::io::split(near);
                let (far_read, far_write) = tokio::io::split(far);
                tokio::join!(copy(near_read, far_write, &seen), copy(far_read, near_write, &seen));
            });
        }
    });
    address
}

async fn copy(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, seen: &Seen) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        seen.lock().expect("no panic").extend_from_slice(&buffer[..count]);
        if to.write_all(&buffer[..count]).await.is_err() || to.flush().await.is_err() {
            break;
        }
    }
    let _ = to.shutdown().await;
}
