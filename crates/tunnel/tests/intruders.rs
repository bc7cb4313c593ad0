//! Those who do not get in, and those who misbehave once they are in. The relay serves others all the while.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, clippy::print_stdout, reason = "tests")]

mod support;

use futures::{SinkExt, StreamExt};
use model::{Clock, SystemClock, Timestamp};
use rustls::pki_types::ServerName;
use sha2::{Digest, Sha256};
use std::time::Duration;
use support::*;
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tokio_tungstenite::{WebSocketStream, client_async, tungstenite::Message as Frame};
use trust::{
    Kind, Operational,
    outer::{self, OuterRole, Statement},
};
use tunnel::{
    CloseKind, Credentials, JoinError, Roots, SUBPROTOCOL, SiteIdentity, Status,
    control::{self, Certificate, Challenge, Hello, Message, RefusedReason, Role, Signature},
    outer_client_tls,
};

type Socket = WebSocketStream<TlsStream<TcpStream>>;

/// A client made by hand, up to the challenge.
async fn raw(relay: &Relay) -> (Socket, Challenge) {
    let tcp = TcpStream::connect(relay.address).await.unwrap();
    let tls = TlsConnector::from(outer_client_tls(Roots::Pem(&relay.ca)).unwrap());
    let io = tls.connect(ServerName::try_from(HOST).unwrap(), tcp).await.unwrap();
    let request = http_request(relay, "/tunnel/v1", SUBPROTOCOL);
    let (mut socket, _) = client_async(request, io).await.unwrap();
    let Message::Challenge(challenge) = receive(&mut socket).await else { panic!("no challenge") };
    (socket, challenge)
}

fn http_request(
    relay: &Relay,
    path: &str,
    protocol: &str,
) -> tokio_tungstenite::tungstenite::http::Request<()> {
    use tokio_tungstenite::tungstenite::client::IntoClientRequest;
    let url = format!("wss://{HOST}:{}{path}", relay.address.port());
    let mut request = url.into_client_request().unwrap();
    request.headers_mut().insert("Sec-WebSocket-Protocol", protocol.parse().unwrap());
    request
}

async fn receive(socket: &mut Socket) -> Message {
    let frame = timeout(Duration::from_secs(5), socket.next()).await.expect("silence").unwrap().unwrap();
    control::parse(frame.to_text().unwrap()).unwrap()
}

async fn send(socket: &mut Socket, message: &Message) {
    socket.send(Frame::Text(control::write(message).unwrap().into())).await.unwrap();
}

struct Claim {
    relay: String,
    nonce: [u8; 32],
    epoch_signed: u64,
    role_signed: OuterRole,
}

impl Claim {
    fn honest(challenge: &Challenge) -> Claim {
        Claim {
            relay: HOST.to_owned(),
            nonce: challenge.nonce.0,
            epoch_signed: 3,
            role_signed: OuterRole::Gateway,
        }
    }

    fn hello(&self, shown: &Operational, signer: &Operational) -> Message {
        let statement = Statement {
            role: self.role_signed,
            relay: &self.relay,
            nonce: &self.nonce,
            epoch: self.epoch_signed,
            facts_hash: [0; 32],
        };
        Message::Hello(Box::new(Hello {
            version: control::VERSION,
            role: Role::Gateway,
            relay: self.relay.clone(),
            environment: ENVIRONMENT.to_owned(),
            epoch: 3,
            chain: shown.chain().iter().map(|c| Certificate(c.to_vec())).collect(),
            signature: Signature(outer::sign(signer, &statement).unwrap()),
        }))
    }
}

async fn refused(relay: &mut Relay, socket: &mut Socket) -> RefusedReason {
    let Message::Refused(told) = receive(socket).await else { panic!("not refused") };
    let Err(JoinError::Refused { reason, .. }) = relay.next().await else { panic!("joined") };
    assert_eq!(told.reason, reason);
    assert!(!told.message.is_empty());
    reason
}

async fn welcomed(relay: &mut Relay) -> Socket {
    let (mut socket, challenge) = raw(relay).await;
    let own = identity(Kind::Integrator);
    send(&mut socket, &Claim::honest(&challenge).hello(&own, &own)).await;
    assert_eq!(receive(&mut socket).await, Message::Welcome);
    socket
}

#[tokio::test]
async fn an_honest_client_made_by_hand_gets_in_so_that_the_refusals_below_mean_something() {
    let mut relay = Relay::start().await;
    let _socket = welcomed(&mut relay).await;
    assert!(relay.next().await.is_ok());
}

#[tokio::test]
async fn a_client_that_names_another_environment_or_none_is_refused_before_its_proof_is_looked_at() {
    let mut relay = Relay::start().await;
    for environment in ["production", "", "moon"] {
        let (mut socket, challenge) = raw(&relay).await;
        let (own, other) = (identity(Kind::Integrator), identity(Kind::Integrator));
        let Message::Hello(mut hello) = Claim::honest(&challenge).hello(&own, &other) else { panic!() };
        hello.environment = environment.to_owned();
        send(&mut socket, &Message::Hello(hello)).await;
        assert_eq!(refused(&mut relay, &mut socket).await, RefusedReason::Environment);
    }
}

#[tokio::test]
async fn a_signature_by_another_key_is_refused() {
    let mut relay = Relay::start().await;
    let (mut socket, challenge) = raw(&relay).await;
    let hello = Claim::honest(&challenge).hello(&identity(Kind::Integrator), &identity(Kind::Integrator));
    send(&mut socket, &hello).await;
    assert_eq!(refused(&mut relay, &mut socket).await, RefusedReason::Signature);
}

#[tokio::test]
async fn a_hello_recorded_on_another_connection_is_refused() {
    let mut relay = Relay::start().await;
    let (_first, old) = raw(&relay).await;
    let (mut socket, new) = raw(&relay).await;
    assert_ne!(old.nonce, new.nonce);
    let own = identity(Kind::Integrator);
    send(&mut socket, &Claim::honest(&old).hello(&own, &own)).await;
    assert_eq!(refused(&mut relay, &mut socket).await, RefusedReason::Signature);
}

#[tokio::test]
async fn an_epoch_or_role_that_was_not_signed_is_refused() {
    let own = identity(Kind::Integrator);
    for change in [0, 1] {
        let mut relay = Relay::start().await;
        let (mut socket, challenge) = raw(&relay).await;
        let mut claim = Claim::honest(&challenge);
        match change {
            0 => claim.epoch_signed = 2,
            _ => claim.role_signed = OuterRole::Link,
        }
        let Message::Hello(mut hello) = claim.hello(&own, &own_for(claim.role_signed, &own)) else {
            unreachable!()
        };
        hello.chain = own.chain().iter().map(|c| Certificate(c.to_vec())).collect();
        send(&mut socket, &Message::Hello(hello)).await;
        assert_eq!(refused(&mut relay, &mut socket).await, RefusedReason::Signature);
    }
}

#[tokio::test]
async fn a_site_left_out_put_in_or_moved_on_the_way_is_noticed() {
    let (link, sites) = (identity(Kind::Link), [identity(Kind::Site), identity(Kind::Site)]);
    let listed: Vec<u8> = sites.iter().flat_map(|s| *s.peer().id.as_bytes()).collect();
    let all: [&[usize]; 4] = [&[0, 1], &[0], &[], &[1, 0]];
    for (arriving, signed) in all.into_iter().map(|a| (a, &listed[..])).chain([(all[0], &listed[..16])]) {
        let mut relay = Relay::start().await;
        let (mut socket, challenge) = raw(&relay).await;
        let proven = |own: &Operational, role, epoch, declared: &[u8]| {
            let facts_hash = Sha256::digest(declared).into();
            let statement = Statement { role, relay: HOST, nonce: &challenge.nonce.0, epoch, facts_hash };
            let chain = own.chain().iter().map(|c| Certificate(c.to_vec())).collect();
            (chain, Signature(outer::sign(own, &statement).unwrap()))
        };
        let (chain, signature) = proven(&link, OuterRole::Link, 7, signed);
        let (version, host, environment) = (control::VERSION, HOST.to_owned(), ENVIRONMENT.to_owned());
        let hello = Hello { version, role: Role::Link, relay: host, environment, epoch: 7, chain, signature };
        send(&mut socket, &Message::Hello(Box::new(hello))).await;
        for at in arriving {
            let facts = serde_json::to_string(&facts()).unwrap();
            let (chain, signature) = proven(&sites[*at], OuterRole::Site, 8, facts.as_bytes());
            let site = control::Site { epoch: 8, chain, facts, signature };
            send(&mut socket, &Message::Site(Box::new(site))).await;
        }
        send(&mut socket, &Message::Ready).await;
        if arriving == [0, 1] && signed == listed {
            assert_eq!(receive(&mut socket).await, Message::Welcome);
        } else {
            assert_eq!(refused(&mut relay, &mut socket).await, RefusedReason::Signature);
        }
    }
}

/// trust refuses to sign for a role that is not the key's own.
fn own_for(role: OuterRole, own: &Operational) -> Operational {
    if role == OuterRole::Link { identity(Kind::Link) } else { own.clone() }
}

#[tokio::test]
async fn a_hello_made_for_another_relay_is_refused() {
    let mut relay = Relay::start().await;
    let (mut socket, challenge) = raw(&relay).await;
    let own = identity(Kind::Integrator);
    let claim = Claim { relay: "elsewhere.example".to_owned(), ..Claim::honest(&challenge) };
    send(&mut socket, &claim.hello(&own, &own)).await;
    assert_eq!(refused(&mut relay, &mut socket).await, RefusedReason::RelayName);

    // The dialler's own view of the same: the relay does not know the name by which it was dialled.
    let names = vec!["relay.example".to_owned()];
    let mut relay = Relay::with(RelaySettings { names, ..Default::default() }).await;
    let dialer = relay.dial(gateway());
    assert!(failure(&dialer).await.contains("name"), "{:?}", dialer.status().borrow());
    assert!(relay.next().await.is_err());
}

#[tokio::test]
async fn expired_and_wrong_kinds_of_certificates_are_refused() {
    let mut relay = Relay::start().await;
    let last_year = Timestamp(SystemClock.now().0 - 365 * 86_400_000);
    let expired = identity_at(Kind::Integrator, last_year, DAY);
    for operational in [expired, identity(Kind::Site), identity(Kind::Link)] {
        let (mut socket, challenge) = raw(&relay).await;
        let signer = identity(Kind::Integrator);
        send(&mut socket, &Claim::honest(&challenge).hello(&operational, &signer)).await;
        assert_eq!(refused(&mut relay, &mut socket).await, RefusedReason::Certificate);
    }
}

#[tokio::test]
async fn too_many_sites_and_a_site_named_twice_are_refused() {
    let site = SiteIdentity { operational: identity(Kind::Site), facts: facts(), epoch: 1 };
    let many = (0..5).map(|_| SiteIdentity { operational: identity(Kind::Site), ..site.clone() }).collect();
    for sites in [vec![site.clone(), site], many] {
        let mut relay = Relay::start().await;
        let dialer = relay.dial(Credentials::Link { operational: identity(Kind::Link), epoch: 1, sites });
        let error = relay.next().await.unwrap_err();
        assert!(matches!(error, JoinError::Refused { reason: RefusedReason::Sites, .. }), "{error:?}");
        until(&dialer, |s| matches!(s, Status::Refused { .. })).await;
    }
}

#[tokio::test]
async fn malformed_unknown_oversize_and_early_messages_are_refused_before_welcome() {
    let early = Frame::Binary(vec![0; 12].into());
    let unknown = Frame::Text(r#"{"type":"surprise"}"#.into());
    let oversize = Frame::Text(format!(r#"{{"type":"hello","x":"{}"}}"#, "x".repeat(40_000)).into());
    for frame in
        [Frame::Text("{".into()), unknown, oversize, early, Frame::Text(r#"{"type":"ready"}"#.into())]
    {
        let mut relay = Relay::start().await;
        let (mut socket, _) = raw(&relay).await;
        socket.send(frame).await.unwrap();
        assert_eq!(refused(&mut relay, &mut socket).await, RefusedReason::Protocol);
    }
}

#[tokio::test]
async fn another_path_or_subprotocol_is_no_tunnel() {
    for (path, protocol) in [("/", SUBPROTOCOL), ("/tunnel/v2", SUBPROTOCOL), ("/tunnel/v1", "chat")] {
        let mut relay = Relay::start().await;
        let tcp = TcpStream::connect(relay.address).await.unwrap();
        let tls = TlsConnector::from(outer_client_tls(Roots::Pem(&relay.ca)).unwrap());
        let io = tls.connect(ServerName::try_from(HOST).unwrap(), tcp).await.unwrap();
        assert!(client_async(http_request(&relay, path, protocol), io).await.is_err());
        assert!(matches!(relay.next().await, Err(JoinError::Upgrade(_))));
    }
}

#[tokio::test]
async fn a_client_that_says_nothing_is_dropped_in_time() {
    let mut tuning = quick();
    tuning.timing.authenticate_within = Duration::from_millis(300);
    let mut relay = Relay::with(RelaySettings { tuning, ..Default::default() }).await;
    let (_silent, _) = raw(&relay).await;
    assert!(matches!(relay.next().await, Err(JoinError::TimedOut)));
}

#[tokio::test]
async fn unknown_control_messages_are_ignored_after_welcome() {
    let mut relay = Relay::start().await;
    let mut socket = welcomed(&mut relay).await;
    let joined = relay.next().await.unwrap();
    socket.send(Frame::Text(r#"{"type":"surprise","more":[1]}"#.into())).await.unwrap();
    assert!(timeout(Duration::from_millis(300), joined.closed()).await.is_err());
    socket.send(Frame::Text(r#"{"type":"goodbye"}"#.into())).await.unwrap();
    assert_eq!(timeout(Duration::from_secs(2), joined.closed()).await.unwrap(), CloseKind::Goodbye);
}

#[tokio::test]
async fn garbage_after_welcome_ends_that_connection_and_no_other() {
    let oversize_text = Frame::Text("x".repeat(40_000).into());
    let oversize_binary = Frame::Binary(vec![0; 2 << 20].into());
    let garbage = Frame::Binary(vec![0xff; 64].into());
    let malformed = Frame::Text("{".into());
    let mut relay = Relay::start().await;
    let (_dialer, healthy) = relay.pair(link()).await;
    for frame in [garbage, oversize_text, oversize_binary, malformed] {
        let mut socket = welcomed(&mut relay).await;
        let joined = relay.next().await.unwrap();
        let _ = socket.send(frame).await;
        assert_eq!(timeout(Duration::from_secs(5), joined.closed()).await.unwrap(), CloseKind::Lost);
    }
    assert!(healthy.open().await.is_ok());
}

#[tokio::test]
async fn a_client_that_falls_silent_without_closing_is_noticed() {
    let mut tuning = quick();
    tuning.timing.ping_every = Duration::from_millis(250);
    tuning.timing.dead_after = Duration::from_millis(550);
    let mut relay = Relay::with(RelaySettings { tuning, ..Default::default() }).await;
    // It never reads, so it never answers a ping.
    let _silent = welcomed(&mut relay).await;
    let joined = relay.next().await.unwrap();
    assert_eq!(timeout(Duration::from_secs(3), joined.closed()).await.unwrap(), CloseKind::Lost);
}

#[tokio::test]
async fn an_idle_connection_lives_on_pings_alone() {
    let mut tuning = quick();
    tuning.timing.ping_every = Duration::from_millis(100);
    tuning.timing.dead_after = Duration::from_millis(400);
    let mut relay = Relay::with(RelaySettings { tuning: tuning.clone(), ..Default::default() }).await;
    let mut options = relay.options(link());
    options.tuning = tuning;
    let dialer = tunnel::Dialer::start(options);
    let joined = relay.next().await.unwrap();
    assert!(timeout(Duration::from_millis(1500), joined.closed()).await.is_err());
    assert_eq!(*dialer.status().borrow(), Status::Online);
}

#[tokio::test]
async fn an_untrusted_or_misnamed_relay_certificate_is_explained() {
    let mut relay = Relay::start().await;
    let other = Relay::start().await;
    let mut options = relay.options(gateway());
    options.tls = outer_client_tls(Roots::Pem(&other.ca)).unwrap();
    let told = failure(&tunnel::Dialer::start(options)).await;
    assert!(told.contains("TLS-inspecting") && told.contains("ca"), "{told}");

    let certificate_for = "relay.example".to_owned();
    let named_otherwise = Relay::with(RelaySettings { certificate_for, ..Default::default() }).await;
    let told = failure(&named_otherwise.dial(gateway())).await;
    assert!(told.contains("not one for localhost"), "{told}");
    assert!(relay.joined.try_recv().is_err());
}
