//! The two TLS configurations.

use super::{ALPN, verifier::Verifier};
use crate::{Kind, Operational, TrustError};
use model::{Clock, SiteId};
use rustls::{
    ClientConfig, ServerConfig,
    client::Resumption,
    crypto::{CryptoProvider, aws_lc_rs, aws_lc_rs::cipher_suite},
    pki_types::UnixTime,
    server::NoServerSessionStorage,
    sign::SingleCertAndKey,
    time_provider::TimeProvider,
    version::TLS13,
};
use std::{fmt, sync::Arc, time::Duration};

/// What a gateway opens sessions to one site with. Only a chain whose root has the GUID `site` is accepted.
///
/// # Errors
/// [`TrustError::WrongKind`] unless `own` is an integrator's.
pub fn client(
    own: &Operational,
    site: SiteId,
    clock: Arc<dyn Clock>,
) -> Result<Arc<ClientConfig>, TrustError> {
    if own.peer().kind != Kind::Integrator {
        return Err(TrustError::WrongKind);
    }
    let mut config = ClientConfig::builder_with_details(Arc::new(provider()), Arc::new(Time(clock)))
        .with_protocol_versions(&[&TLS13])
        .map_err(|_| TrustError::Crypto("TLS 1.3"))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Verifier::of_site(site)))
        .with_client_cert_resolver(Arc::new(SingleCertAndKey::from(own.certified())));
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.resumption = Resumption::disabled();
    config.enable_early_data = false;
    // The relay would read it, and it says nothing.
    config.enable_sni = false;
    Ok(Arc::new(config))
}

/// What a site answers with. Any well-formed integrator is let through the handshake: the door asks who is paired.
///
/// # Errors
/// [`TrustError::WrongKind`] unless `own` is a site's.
pub fn server(own: &Operational, clock: Arc<dyn Clock>) -> Result<Arc<ServerConfig>, TrustError> {
    if own.peer().kind != Kind::Site {
        return Err(TrustError::WrongKind);
    }
    let mut config = ServerConfig::builder_with_details(Arc::new(provider()), Arc::new(Time(clock)))
        .with_protocol_versions(&[&TLS13])
        .map_err(|_| TrustError::Crypto("TLS 1.3"))?
        .with_client_cert_verifier(Arc::new(Verifier::of_integrators()))
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(own.certified())));
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config.max_early_data_size = 0;
    Ok(Arc::new(config))
}

/// 256-bit ciphers, one hybrid key exchange, one signature scheme: nothing to negotiate down to.
fn provider() -> CryptoProvider {
    CryptoProvider {
        cipher_suites: vec![
            cipher_suite::TLS13_AES_256_GCM_SHA384,
            cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
        ],
        kx_groups: vec![aws_lc_rs::kx_group::X25519MLKEM768],
        signature_verification_algorithms: super::verifier::SIGNATURES,
        ..aws_lc_rs::default_provider()
    }
}

/// Our clock as rustls asks for it.
struct Time(Arc<dyn Clock>);

impl TimeProvider for Time {
    fn current_time(&self) -> Option<UnixTime> {
        let millis = u64::try_from(self.0.now().0).ok()?;
        Some(UnixTime::since_unix_epoch(Duration::from_millis(millis)))
    }
}

impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Time")
    }
}
