//! Hangs our chain check into rustls.

use crate::{Kind, TrustError, verify_chain};
use model::{SiteId, Timestamp};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError, PeerIncompatible,
    SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{WebPkiSupportedAlgorithms, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
    server::danger::{ClientCertVerified, ClientCertVerifier},
};
use std::sync::Arc;
use webpki::aws_lc_rs::ECDSA_P256_SHA256;

/// The one signature scheme of our certificates.
pub(super) const SIGNATURES: WebPkiSupportedAlgorithms = WebPkiSupportedAlgorithms {
    all: &[ECDSA_P256_SHA256],
    mapping: &[(SignatureScheme::ECDSA_NISTP256_SHA256, &[ECDSA_P256_SHA256])],
};

/// Accepts chains of one kind, and of one GUID where one is asked for.
#[derive(Debug)]
pub(super) struct Verifier {
    kind: Kind,
    only: Option<uuid::Uuid>,
}

impl Verifier {
    pub(super) fn of_site(site: SiteId) -> Verifier {
        Verifier { kind: Kind::Site, only: Some(site.0) }
    }

    pub(super) fn of_integrators() -> Verifier {
        Verifier { kind: Kind::Integrator, only: None }
    }

    fn verify(
        &self,
        leaf: &CertificateDer<'_>,
        rest: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), Error> {
        let [root] = rest else { return Err(refused(TrustError::ChainLength(1 + rest.len()))) };
        let seconds = i64::try_from(now.as_secs()).unwrap_or(i64::MAX / 1000);
        let now = Timestamp(seconds.saturating_mul(1000));
        // Borrowed again, since a chain is one slice here and two arguments there.
        let chain = [CertificateDer::from(leaf.as_ref()), CertificateDer::from(root.as_ref())];
        let peer = verify_chain(self.kind, &chain, now).map_err(refused)?;
        match self.only {
            Some(expected) if expected != peer.id => {
                Err(refused(TrustError::WrongIdentity { expected, met: peer.id }))
            }
            _ => Ok(()),
        }
    }
}

/// Keeps our own reason inside the rustls error, and lets rustls choose the alert.
fn refused(error: TrustError) -> Error {
    Error::InvalidCertificate(match error {
        TrustError::Expired { .. } => CertificateError::Expired,
        TrustError::NotYetValid { .. } => CertificateError::NotValidYet,
        TrustError::Malformed(_) => CertificateError::BadEncoding,
        TrustError::BadSignature => CertificateError::BadSignature,
        other => CertificateError::Other(OtherError(Arc::new(other))),
    })
}

fn no_tls12() -> Error {
    Error::PeerIncompatible(PeerIncompatible::Tls12NotOffered)
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.verify(end_entity, intermediates, now)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(no_tls12())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &SIGNATURES)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        SIGNATURES.supported_schemes()
    }
}

impl ClientCertVerifier for Verifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.verify(end_entity, intermediates, now)?;
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(no_tls12())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &SIGNATURES)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        SIGNATURES.supported_schemes()
    }
}
