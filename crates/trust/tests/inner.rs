//! Inner TLS: who gets through, and who does not.
#![allow(clippy::unwrap_used, reason = "a test ends where something is missing")]

mod common;

use common::{At, Broken, DAY, NOW, Session, before, clock, connect, issued, pair, session, site_id};
use model::SiteId;
use rustls::{
    CertificateError, ClientConfig, HandshakeKind, NamedGroup, ProtocolVersion, ServerConfig,
    SupportedProtocolVersion,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject as _},
    version::{TLS12, TLS13},
};
use std::sync::Arc;
use trust::{Kind, Operational, Root, TrustError, inner};

#[test]
fn both_ends_learn_who_the_other_is() {
    let (site, gateway) = pair();
    let Session { client, server } = session(&site, &gateway).unwrap();
    assert_eq!(&inner::peer_of_client(&client).unwrap(), site.peer());
    assert_eq!(&inner::peer_of_server(&server).unwrap(), gateway.peer());
    for common in [&client as &rustls::CommonState, &server] {
        assert_eq!(common.protocol_version(), Some(ProtocolVersion::TLSv1_3));
        assert_eq!(common.alpn_protocol(), Some(&b"halo-link/1"[..]));
        assert_eq!(common.negotiated_key_exchange_group().unwrap().name(), NamedGroup::X25519MLKEM768);
    }
    assert_eq!(server.server_name(), None, "the relay has no name to read");
}

#[test]
fn another_site_than_the_one_asked_for_is_refused() {
    let (site, gateway) = pair();
    let other = issued(Kind::Site, "other", 1);
    let client = inner::client(&gateway, site_id(&other), clock()).unwrap();
    let broken = connect(client, inner::server(&site, clock()).unwrap()).err().unwrap();
    let expected = TrustError::WrongIdentity { expected: other.peer().id, met: site.peer().id };
    assert_eq!(reason(broken), expected);
}

/// Our own reason inside a refusal.
fn reason(broken: Broken) -> TrustError {
    let (Broken::Client(error) | Broken::Server(error)) = broken;
    let rustls::Error::InvalidCertificate(CertificateError::Other(other)) = error else {
        panic!("{error:?}")
    };
    other.0.downcast_ref::<TrustError>().unwrap().clone()
}

#[test]
fn expired_certificates_are_refused_at_both_ends_by_the_verifiers_own_clock() {
    let (site, gateway) = pair();
    let late = || Arc::new(At(NOW.plus(2 * DAY)));
    let client = |clock| inner::client(&gateway, site_id(&site), clock).unwrap();
    let broken = connect(client(late()), inner::server(&site, clock()).unwrap());
    let expired = rustls::Error::InvalidCertificate(CertificateError::Expired);
    assert!(matches!(broken, Err(Broken::Client(error)) if error == expired));
    let broken = connect(client(Arc::new(At(NOW))), inner::server(&site, late()).unwrap());
    assert!(matches!(broken, Err(Broken::Server(error)) if error == expired));
    let early = Arc::new(At(before(2 * DAY)));
    let broken = connect(client(early), inner::server(&site, clock()).unwrap());
    let not_yet = rustls::Error::InvalidCertificate(CertificateError::NotValidYet);
    assert!(matches!(broken, Err(Broken::Client(error)) if error == not_yet));
}

#[test]
fn an_identity_in_the_wrong_role_makes_no_configuration() {
    for kind in Kind::ALL {
        let own = issued(kind, "x", 1);
        let site = SiteId(own.peer().id);
        let client = inner::client(&own, site, clock()).err();
        assert_eq!(client, (kind != Kind::Integrator).then_some(TrustError::WrongKind));
        let server = inner::server(&own, clock()).err();
        assert_eq!(server, (kind != Kind::Site).then_some(TrustError::WrongKind));
    }
}

/// A client that accepts any server: what an attacker or an old program would be.
#[derive(Debug)]
struct Anyone;

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        aws_lc_rs::default_provider().signature_verification_algorithms.supported_schemes()
    }
}

fn lax_client(
    groups: &[NamedGroup],
    version: &'static SupportedProtocolVersion,
    chain: Option<(Vec<CertificateDer<'static>>, &Operational)>,
) -> ClientConfig {
    let mut provider: CryptoProvider = aws_lc_rs::default_provider();
    provider.kx_groups = aws_lc_rs::ALL_KX_GROUPS.to_vec();
    provider.kx_groups.retain(|group| groups.contains(&group.name()));
    let builder = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[version])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anyone));
    let mut config = match chain {
        Some((chain, own)) => builder.with_client_auth_cert(chain, private_key(own)).unwrap(),
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![inner::ALPN.to_vec()];
    config.enable_early_data = true;
    config
}

fn private_key(own: &Operational) -> PrivateKeyDer<'static> {
    PrivateKeyDer::from_pem_slice(own.to_pem().reveal().as_bytes()).unwrap()
}

const HYBRID: &[NamedGroup] = &[NamedGroup::X25519MLKEM768];

/// How a site answers a client of another make that presents this chain.
fn answer(chain: Vec<CertificateDer<'static>>, own: &Operational) -> Result<Session, Broken> {
    let site = issued(Kind::Site, "site", 1);
    let client = lax_client(HYBRID, &TLS13, Some((chain, own)));
    connect(Arc::new(client), inner::server(&site, clock()).unwrap())
}

#[test]
fn clients_of_tls_1_2_or_without_the_hybrid_key_exchange_are_refused() {
    let (site, gateway) = pair();
    let server = || inner::server(&site, clock()).unwrap();
    let chain = || Some((gateway.chain().to_vec(), &gateway));
    assert!(connect(Arc::new(lax_client(HYBRID, &TLS13, chain())), server()).is_ok());
    let plain = &[NamedGroup::X25519, NamedGroup::secp256r1];
    for (groups, version) in [(&plain[..], &TLS13), (&plain[..], &TLS12), (&plain[..1], &TLS13)] {
        let broken = connect(Arc::new(lax_client(groups, version, chain())), server());
        assert!(
            matches!(broken, Err(Broken::Server(rustls::Error::PeerIncompatible(_)))),
            "{:?}",
            broken.err()
        );
    }
}

#[test]
fn servers_of_tls_1_2_or_without_the_hybrid_key_exchange_are_refused() {
    let (site, gateway) = pair();
    for (version, group) in [(&TLS12, NamedGroup::X25519), (&TLS13, NamedGroup::X25519)] {
        let mut provider = aws_lc_rs::default_provider();
        provider.kx_groups.retain(|known| known.name() == group);
        let server = ServerConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(&[version])
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(site.chain().to_vec(), private_key(&site))
            .unwrap();
        let client = inner::client(&gateway, site_id(&site), clock()).unwrap();
        assert!(connect(client, Arc::new(server)).is_err());
    }
}

#[test]
fn nothing_of_a_session_is_kept_for_the_next_no_tickets_no_resumption_no_early_data() {
    let (site, gateway) = pair();
    let server = inner::server(&site, clock()).unwrap();
    // A client that would take all of it.
    let eager = Arc::new(lax_client(HYBRID, &TLS13, Some((gateway.chain().to_vec(), &gateway))));
    for _ in 0..3 {
        let mut session = connect(eager.clone(), server.clone()).unwrap();
        assert_eq!(session.client.tls13_tickets_received(), 0);
        assert_eq!(session.server.handshake_kind(), Some(HandshakeKind::Full));
        assert!(session.client.early_data().is_none() && session.server.early_data().is_none());
    }
    let own = inner::client(&gateway, site_id(&site), clock()).unwrap();
    let mut session = connect(own, server).unwrap();
    assert!(session.client.early_data().is_none());
}

#[test]
fn a_client_without_a_certificate_is_refused() {
    let site = issued(Kind::Site, "site", 1);
    let client = lax_client(HYBRID, &TLS13, None);
    let broken = connect(Arc::new(client), inner::server(&site, clock()).unwrap());
    assert!(matches!(broken, Err(Broken::Server(rustls::Error::NoCertificatesPresented))));
}

#[test]
fn chains_of_one_or_three_are_refused() {
    let gateway = issued(Kind::Integrator, "x", 1);
    let [leaf, root] = gateway.chain() else { unreachable!() };
    for chain in [vec![leaf.clone()], vec![leaf.clone(), root.clone(), root.clone()]] {
        let length = chain.len();
        assert_eq!(reason(answer(chain, &gateway).err().unwrap()), TrustError::ChainLength(length));
    }
}

#[test]
fn a_leaf_under_another_root_is_refused() {
    let (own, other) = (issued(Kind::Integrator, "x", 1), issued(Kind::Integrator, "x", 1));
    let chain = vec![own.chain()[0].clone(), other.chain()[1].clone()];
    assert_eq!(reason(answer(chain, &own).err().unwrap()), TrustError::WrongKind);
}

#[test]
fn somebody_elses_chain_without_its_key_is_refused() {
    let (site, gateway) = pair();
    let thief = issued(Kind::Integrator, "thief", 1);
    let certified = rustls::sign::CertifiedKey::new(
        gateway.chain().to_vec(),
        aws_lc_rs::sign::any_ecdsa_type(&private_key(&thief)).unwrap(),
    );
    let mut client = lax_client(HYBRID, &TLS13, None);
    client.client_auth_cert_resolver = Arc::new(rustls::sign::SingleCertAndKey::from(certified));
    let broken = connect(Arc::new(client), inner::server(&site, clock()).unwrap());
    assert!(matches!(
        broken,
        Err(Broken::Server(rustls::Error::InvalidCertificate(CertificateError::BadSignature)))
    ));
}

#[test]
fn sites_and_links_are_refused_as_clients() {
    for kind in [Kind::Site, Kind::Link] {
        let own = issued(kind, "x", 1);
        assert_eq!(reason(answer(own.chain().to_vec(), &own).err().unwrap()), TrustError::WrongKind);
    }
}

#[test]
fn an_integrator_or_a_link_is_refused_as_a_server_even_with_the_sites_own_root_key() {
    let root = Root::generate(Kind::Site).unwrap();
    let gateway = issued(Kind::Integrator, "x", 1);
    for kind in [Kind::Integrator, Kind::Link] {
        let posing =
            Root::from_pkcs8(kind, root.to_pkcs8().reveal()).unwrap().issue("x", 1, NOW, DAY).unwrap();
        let server = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_protocol_versions(&[&TLS13])
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(posing.chain().to_vec(), private_key(&posing))
            .unwrap();
        let client = inner::client(&gateway, SiteId(root.id()), clock()).unwrap();
        let broken = connect(client, Arc::new(server)).err().unwrap();
        assert_eq!(reason(broken), TrustError::WrongKind);
    }
}

#[test]
fn a_session_without_our_protocol_name_has_no_peer() {
    let (site, gateway) = pair();
    let mut client = lax_client(HYBRID, &TLS13, Some((gateway.chain().to_vec(), &gateway)));
    client.alpn_protocols.clear();
    let session = connect(Arc::new(client.clone()), inner::server(&site, clock()).unwrap()).unwrap();
    assert_eq!(inner::peer_of_server(&session.server), Err(TrustError::OtherProtocol));
    client.alpn_protocols = vec![b"h2".to_vec()];
    assert!(connect(Arc::new(client), inner::server(&site, clock()).unwrap()).is_err());
}

#[test]
fn before_the_handshake_ends_there_is_no_peer_and_no_exporter() {
    let (site, gateway) = pair();
    let client = inner::client(&gateway, site_id(&site), clock()).unwrap();
    let client = rustls::ClientConnection::new(client, inner::server_name()).unwrap();
    let server = rustls::ServerConnection::new(inner::server(&site, clock()).unwrap()).unwrap();
    assert_eq!(inner::peer_of_client(&client), Err(TrustError::Unfinished));
    assert_eq!(inner::peer_of_server(&server), Err(TrustError::Unfinished));
    assert_eq!(inner::exporter(&client).err(), Some(TrustError::Unfinished));
    assert_eq!(inner::exporter(&server).err(), Some(TrustError::Unfinished));
}

#[test]
fn a_session_of_another_configuration_lends_nobody_its_certificates() {
    // Nobody checked this server's chain: a client that trusts anything, and a server with one certificate only.
    let site = issued(Kind::Site, "x", 1);
    let mut server = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(site.chain()[..1].to_vec(), private_key(&site))
        .unwrap();
    server.alpn_protocols = vec![inner::ALPN.to_vec()];
    let session = connect(Arc::new(lax_client(HYBRID, &TLS13, None)), Arc::new(server)).unwrap();
    assert_eq!(inner::peer_of_client(&session.client), Err(TrustError::ChainLength(1)));
}

#[test]
fn the_exporter_is_equal_at_both_ends_and_new_in_every_session() {
    let (site, gateway) = pair();
    let (one, two) = (session(&site, &gateway).unwrap(), session(&site, &gateway).unwrap());
    let [a, b, c, d] = [
        inner::exporter(&one.client).unwrap(),
        inner::exporter(&one.server).unwrap(),
        inner::exporter(&two.client).unwrap(),
        inner::exporter(&two.server).unwrap(),
    ];
    assert_eq!(a.reveal().len(), inner::EXPORTER_BYTES);
    assert!(a == b && c == d && a != c);
    assert_eq!(format!("{a:?}"), "(hidden)");
}
