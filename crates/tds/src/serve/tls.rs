//! TLS with a certificate made at the start, which no client has a reason to trust: a test kit on one's own machine.

use rcgen::{CertificateParams, DnType, KeyPair};
use std::sync::Arc;
use tokio_rustls::rustls::{
    self, ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
    version::{TLS12, TLS13},
};

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub(super) enum TlsError {
    #[error("can't make a certificate: {0}")]
    Certificate(#[from] rcgen::Error),
    #[error("can't set TLS up: {0}")]
    Setup(#[from] rustls::Error),
}

/// Two configurations for one certificate.
pub(super) struct Configs {
    /// Inside PRELOGIN.
    pub(super) inside: Arc<ServerConfig>,
    /// From the first byte on (TDS 8).
    pub(super) outside: Arc<ServerConfig>,
    /// The certificate as PEM.
    pub(super) certificate: String,
}

pub(super) fn make() -> Result<Configs, TlsError> {
    let key = KeyPair::generate()?;
    let mut params =
        CertificateParams::new(vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()])?;
    params.distinguished_name.push(DnType::CommonName, "localhost");
    let certificate = params.self_signed(&key)?;
    let config = |versions: &[&'static rustls::SupportedProtocolVersion]| {
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_protocol_versions(versions)?
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
    };
    // 1.2 only, as SQL Server has it: in 1.3 the server's tickets would come behind the handshake, where a client that
    // encrypts its login alone expects plain packets.
    let inside = config(&[&TLS12])?;
    let mut outside = config(&[&TLS13, &TLS12])?;
    outside.alpn_protocols = vec![b"tds/8.0".to_vec()];
    let certificate = certificate.pem();
    Ok(Configs { inside: Arc::new(inside), outside: Arc::new(outside), certificate })
}
