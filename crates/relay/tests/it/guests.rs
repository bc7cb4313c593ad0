//! Those who want something else than the tunnel, on the tunnel's port.

use crate::kit::{Cloud, Practice, eventually};
use relay::{DoorLimits, Guests, Limits};
use std::time::Duration;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};
use tunnel::{RelayAddress, Roots};

async fn visit(cloud: &Cloud, path: &str) -> impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin {
    let relay = RelayAddress::parse(&format!("wss://localhost:{}", cloud.address.port())).unwrap();
    let tls = tunnel::outer_client_tls(Roots::Pem(cloud.ca.as_bytes())).unwrap();
    let mut io = tunnel::dial_tls(&relay, None, tls).await.unwrap();
    io.write_all(format!("GET {path} HTTP/1.1\r\n\r\n").as_bytes()).await.unwrap();
    io
}

#[tokio::test]
async fn guests_are_served_beside_links_and_a_drain_cuts_them_off() {
    let guests = Guests::new("/updates/", |mut session| async move {
        let mut asked = vec![0; 18];
        session.read_exact(&mut asked).await.unwrap();
        session.write_all(&asked).await.unwrap();
        session.flush().await.unwrap();
        // One that never ends by itself.
        std::future::pending::<()>().await;
    });
    // One stranger at a time: a guest who stays is none, so that Links still get in.
    let door = DoorLimits { strangers: 1, ..DoorLimits::default() };
    let cloud = Cloud::with_guests(Limits { door, ..Limits::default() }, Some(guests)).await;
    let mut guest = visit(&cloud, "/updates/").await;
    let mut echoed = vec![0; 18];
    timeout(Duration::from_secs(10), guest.read_exact(&mut echoed)).await.unwrap().unwrap();
    assert_eq!(echoed, b"GET /updates/ HTTP");
    let practice = Practice::new("1001");
    let _link = cloud.link(&practice, 1).await;
    eventually("the Link is there", || cloud.relay.counts().links == 1).await;

    cloud.stop.cancel();
    let mut rest = Vec::new();
    // Cut off, with or without a goodbye.
    let _ = timeout(Duration::from_secs(10), guest.read_to_end(&mut rest)).await.expect("the drain ends it");
    assert!(rest.is_empty());
}
