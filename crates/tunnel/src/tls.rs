//! TLS of the outer leg: the system's roots, TLS 1.2 tolerated, the hybrid key exchange first.
//!
//! A TLS-inspecting box may sit on this leg: what travels inside is ciphertext already, and the proof of identity does
//! not rest on this TLS.

use rustls::{
    ClientConfig, DigitallySignedStruct, RootCertStore, ServerConfig, SignatureScheme,
    client::{
        Resumption, WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject},
    server::NoServerSessionStorage,
};
use std::sync::{Arc, Mutex, PoisonError};

/// Which authorities a client of the outer leg trusts.
#[derive(Clone, Copy, Debug)]
pub enum Roots<'a> {
    /// Those of the operating system.
    System,
    /// Only those of this PEM file.
    Pem(&'a [u8]),
    /// Both.
    Both(&'a [u8]),
}

/// Why there is no TLS configuration.
#[derive(Debug, thiserror::Error)]
pub enum TlsSetupError {
    /// The operating system's store is empty or unreadable.
    #[error(
        "this computer's store of trusted certificates is empty or can't be read; name a `ca` file, or repair the store: {0}"
    )]
    NoSystemRoots(String),
    /// The PEM file holds no certificate.
    #[error("the certificate file holds no usable certificate in PEM form")]
    NoCertificate,
    /// The PEM file holds no private key.
    #[error("the key file holds no private key in PEM form")]
    NoKey,
    /// rustls refuses them, for example because key and certificate do not belong together.
    #[error("certificate and key can't be used: {0}")]
    Unusable(#[from] rustls::Error),
}

/// Client side of the outer leg.
///
/// # Errors
/// [`TlsSetupError`] when there are no roots.
pub fn outer_client_tls(roots: Roots<'_>) -> Result<Arc<ClientConfig>, TlsSetupError> {
    let store = store(roots)?;
    let config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_root_certificates(store)
        .with_no_client_auth();
    Ok(Arc::new(with_habits(config)))
}

/// The same, with somebody who looks over its shoulder: what certificates came, also those that are refused.
///
/// # Errors
/// [`TlsSetupError`] when there are no roots.
pub(crate) fn watched_client_tls(
    roots: Roots<'_>,
) -> Result<(Arc<ClientConfig>, Arc<Certificates>), TlsSetupError> {
    let checks = WebPkiServerVerifier::builder_with_provider(Arc::new(store(roots)?), provider())
        .build()
        .map_err(|error| TlsSetupError::Unusable(rustls::Error::General(error.to_string())))?;
    let seen = Arc::new(Certificates { checks, came: Mutex::default() });
    let config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(seen.clone())
        .with_no_client_auth();
    Ok((Arc::new(with_habits(config)), seen))
}

fn store(roots: Roots<'_>) -> Result<RootCertStore, TlsSetupError> {
    let mut store = RootCertStore::empty();
    match roots {
        Roots::System => add_system(&mut store, true)?,
        Roots::Pem(pem) => add_pem(&mut store, pem)?,
        Roots::Both(pem) => {
            add_system(&mut store, false)?;
            add_pem(&mut store, pem)?;
        }
    }
    Ok(store)
}

fn with_habits(mut config: ClientConfig) -> ClientConfig {
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.resumption = Resumption::disabled();
    config
}

/// Checks certificates as rustls does, and keeps what came.
#[derive(Debug)]
pub(crate) struct Certificates {
    checks: Arc<WebPkiServerVerifier>,
    came: Mutex<Vec<CertificateDer<'static>>>,
}

impl Certificates {
    /// What the other end showed last, its own first.
    pub(crate) fn came(&self) -> Vec<CertificateDer<'static>> {
        self.came.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl ServerCertVerifier for Certificates {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let all = std::iter::once(end_entity).chain(intermediates);
        let all = all.map(|certificate| certificate.clone().into_owned()).collect();
        *self.came.lock().unwrap_or_else(PoisonError::into_inner) = all;
        self.checks.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.checks.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.checks.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.checks.supported_verify_schemes()
    }
}

/// Relay side of the outer leg: certificate chain and key as PEM.
///
/// # Errors
/// [`TlsSetupError`].
pub fn outer_server_tls(cert_pem: &[u8], key_pem: &[u8]) -> Result<Arc<ServerConfig>, TlsSetupError> {
    let key = PrivateKeyDer::from_pem_slice(key_pem).map_err(|_| TlsSetupError::NoKey)?;
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(certificates(cert_pem)?, key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    // No resumption: a connection lives for days, and a table of sessions would be memory for nothing.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}

fn provider() -> Arc<CryptoProvider> {
    let mut provider = aws_lc_rs::default_provider();
    provider.kx_groups = vec![
        aws_lc_rs::kx_group::X25519MLKEM768,
        aws_lc_rs::kx_group::X25519,
        aws_lc_rs::kx_group::SECP256R1,
    ];
    Arc::new(provider)
}

fn add_system(store: &mut RootCertStore, needed: bool) -> Result<(), TlsSetupError> {
    let found = rustls_native_certs::load_native_certs();
    let (added, _) = store.add_parsable_certificates(found.certs);
    if needed && added == 0 {
        let why = found.errors.first().map_or_else(|| "no certificate found".to_owned(), ToString::to_string);
        return Err(TlsSetupError::NoSystemRoots(why));
    }
    Ok(())
}

fn add_pem(store: &mut RootCertStore, pem: &[u8]) -> Result<(), TlsSetupError> {
    let (added, _) = store.add_parsable_certificates(certificates(pem)?);
    if added == 0 { Err(TlsSetupError::NoCertificate) } else { Ok(()) }
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsSetupError> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    all.ok().filter(|all| !all.is_empty()).ok_or(TlsSetupError::NoCertificate)
}
