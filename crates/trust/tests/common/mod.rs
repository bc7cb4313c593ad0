//! What the tests share: a clock that stands still, identities, and two ends of a TLS session in memory.
#![allow(dead_code, unreachable_pub, reason = "every test file takes its part")]

use model::{Clock, SiteId, Timestamp};
use rustls::{ClientConfig, ClientConnection, ServerConfig, ServerConnection, pki_types::ServerName};
use std::{sync::Arc, time::Duration};
use trust::{Kind, Operational, Root, inner};

/// 2026-11-23T00:00:00Z
pub const NOW: Timestamp = Timestamp(1_795_392_000_000);
pub const DAY: Duration = Duration::from_secs(86_400);
pub const HOUR: Duration = Duration::from_secs(3_600);

pub struct At(pub Timestamp);

impl Clock for At {
    fn now(&self) -> Timestamp {
        self.0
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }
}

pub fn before(span: Duration) -> Timestamp {
    Timestamp(NOW.0 - span.as_millis() as i64)
}

pub fn clock() -> Arc<dyn Clock> {
    Arc::new(At(NOW))
}

pub fn issued(kind: Kind, name: &str, serial: u64) -> Operational {
    Root::generate(kind).unwrap().issue(name, serial, NOW, DAY).unwrap()
}

/// A site and an integrator.
pub fn pair() -> (Operational, Operational) {
    (issued(Kind::Site, "Practice Ünder Test", 3), issued(Kind::Integrator, "gateway 1", 7))
}

pub struct Session {
    pub client: ClientConnection,
    pub server: ServerConnection,
}

/// Which end gave up, and why.
#[derive(Debug)]
pub enum Broken {
    Client(rustls::Error),
    Server(rustls::Error),
}

/// Runs a handshake until both ends are done and have seen each other's last word.
pub fn connect(client: Arc<ClientConfig>, server: Arc<ServerConfig>) -> Result<Session, Broken> {
    let name: ServerName<'static> = inner::server_name();
    let mut client = ClientConnection::new(client, name).unwrap();
    let mut server = ServerConnection::new(server).unwrap();
    for _ in 0..8 {
        let mut wire = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut wire).unwrap();
        }
        feed(&mut &wire[..], |wire| server.read_tls(wire).map(drop));
        server.process_new_packets().map_err(Broken::Server)?;
        let mut wire = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut wire).unwrap();
        }
        feed(&mut &wire[..], |wire| client.read_tls(wire).map(drop));
        client.process_new_packets().map_err(Broken::Client)?;
    }
    assert!(!client.is_handshaking() && !server.is_handshaking());
    Ok(Session { client, server })
}

fn feed(wire: &mut &[u8], mut read: impl FnMut(&mut &[u8]) -> std::io::Result<()>) {
    while !wire.is_empty() {
        read(wire).unwrap();
    }
}

pub fn site_id(site: &Operational) -> SiteId {
    SiteId(site.peer().id)
}

/// A session as a gateway and a site make it.
pub fn session(site: &Operational, gateway: &Operational) -> Result<Session, Broken> {
    connect(inner::client(gateway, site_id(site), clock()).unwrap(), inner::server(site, clock()).unwrap())
}
