//! Checks a chain that somebody presented, and reads out of it who they are.

use crate::{
    Kind, TrustError, kind,
    root::{HOSTED, is_good_name},
};
use model::Timestamp;
use rustls::pki_types::{CertificateDer, TrustAnchor, UnixTime};
use std::{fmt, time::Duration};
use uuid::Uuid;
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert, aws_lc_rs::ECDSA_P256_SHA256};
use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};

/// Longest certificate that is looked at, in bytes. Ours have about 500, plus the name.
pub const MAX_CERTIFICATE_BYTES: usize = 4096;

/// Goes before every message that [`crate::Operational::sign`] signs.
pub(crate) const SIGNATURE_LABEL: &[u8] = b"halo-connect signature v1\0";

/// Who stands at the other end, as a verified chain says it.
#[derive(Clone, PartialEq, Eq)]
pub struct Peer {
    /// What the identity stands for.
    pub kind: Kind,
    /// The identity's GUID: the fingerprint of `root_spki`.
    pub id: Uuid,
    /// The name its owner gave to the operational certificate. For people: it proves nothing.
    pub name: String,
    /// Serial number of the operational certificate. Remember the highest per identity (and gateway instance) and
    /// refuse a lower one: that is how a certificate is retired.
    pub serial: u64,
    /// Public key of the root, SubjectPublicKeyInfo DER, 91 bytes.
    pub root_spki: Vec<u8>,
    /// Last second in which the operational certificate is valid.
    pub not_after: Timestamp,
    /// The owner says that somebody else runs the holder for it: a hosted gateway.
    pub hosted: bool,
}

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The public key's bytes say nothing that `id` does not.
        f.debug_struct("Peer")
            .field("kind", &self.kind)
            .field("id", &self.id)
            .field("name", &self.name)
            .field("serial", &self.serial)
            .field("not_after", &self.not_after)
            .field("hosted", &self.hosted)
            .finish_non_exhaustive()
    }
}

/// Checks a chain of exactly operational certificate and root, as presented by a peer of this kind.
///
/// The root is taken from the chain: the caller decides whether the [`Peer::id`] that comes out is one it trusts, and
/// whether [`Peer::serial`] is not lower than one seen before. The root certificate's own signature, names and dates
/// mean nothing and are not looked at; its public key is the identity.
///
/// # Errors
/// [`TrustError`]: never panics, whatever the bytes are.
pub fn verify_chain(kind: Kind, chain: &[CertificateDer<'_>], now: Timestamp) -> Result<Peer, TrustError> {
    verify(kind, chain, Some(now))
}

/// As [`verify_chain`] with no regard to the clock: at the certificate's own last moment.
pub(crate) fn verify_lasting(kind: Kind, chain: &[CertificateDer<'_>]) -> Result<Peer, TrustError> {
    verify(kind, chain, None)
}

fn verify(kind: Kind, chain: &[CertificateDer<'_>], now: Option<Timestamp>) -> Result<Peer, TrustError> {
    let [leaf, root] = chain else { return Err(TrustError::ChainLength(chain.len())) };
    if chain.iter().any(|certificate| certificate.len() > MAX_CERTIFICATE_BYTES) {
        return Err(TrustError::TooLong("a certificate"));
    }
    // One parser for the key that is fingerprinted and the key that verifies: they can't be two different keys.
    let anchor = anchor_from_trusted_cert(root).map_err(|_| TrustError::Malformed("the root"))?;
    let root_spki = whole_spki(&anchor);
    let id = kind::guid_of_foreign(kind, &root_spki)?;
    let described = describe(kind, id, leaf)?;
    let at = now.unwrap_or(described.not_after);
    if at < described.not_before {
        return Err(TrustError::NotYetValid { not_before: described.not_before });
    }
    let at = UnixTime::since_unix_epoch(Duration::from_millis(u64::try_from(at.0).unwrap_or(0)));
    let expired = TrustError::Expired { not_after: described.not_after };
    EndEntityCert::try_from(leaf)
        .and_then(|leaf| {
            leaf.verify_for_usage(&[ECDSA_P256_SHA256], &[anchor], &[], at, usage(kind), None, None).map(drop)
        })
        .map_err(|error| match error {
            webpki::Error::CertExpired { .. } => expired,
            webpki::Error::BadDer | webpki::Error::BadDerTime => TrustError::Malformed("the certificate"),
            webpki::Error::RequiredEkuNotFoundContext(_) => TrustError::WrongKind,
            _ => TrustError::BadSignature,
        })?;
    let Described { name, serial, not_after, hosted, .. } = described;
    Ok(Peer { kind, id, name, serial, root_spki, not_after, hosted })
}

struct Described {
    name: String,
    serial: u64,
    not_before: Timestamp,
    not_after: Timestamp,
    hosted: bool,
}

/// Reads the fields of an operational certificate; says nothing about its signature.
fn describe(kind: Kind, id: Uuid, leaf: &[u8]) -> Result<Described, TrustError> {
    let leaf = parse(leaf)?;
    let alternative_name = leaf
        .subject_alternative_name()
        .ok()
        .flatten()
        .ok_or(TrustError::Malformed("no subject alternative name"))?;
    match alternative_name.value.general_names.as_slice() {
        [GeneralName::URI(uri)] if *uri == kind.subject_uri(id) => {}
        _ => return Err(TrustError::WrongKind),
    }
    let purposes =
        leaf.extended_key_usage().ok().flatten().ok_or(TrustError::Malformed("no extended key usage"))?.value;
    let (server, client) = (kind == Kind::Site, kind != Kind::Site);
    let others = purposes.any
        || purposes.code_signing
        || purposes.email_protection
        || purposes.time_stamping
        || purposes.ocsp_signing
        || !purposes.other.is_empty();
    if (purposes.server_auth, purposes.client_auth, others) != (server, client, false) {
        return Err(TrustError::WrongKind);
    }
    let hosted = match leaf.subject().iter_organizational_unit().next().map(|unit| unit.as_str()) {
        None => false,
        Some(Ok(HOSTED)) if kind == Kind::Integrator => true,
        Some(_) => return Err(TrustError::Malformed("the subject is not one common name")),
    };
    let mut names = leaf.subject().iter_attributes();
    // Nothing else may stand there: whoever reads the subject must not take one name for another.
    let more = names.nth(1 + usize::from(hosted));
    let (Some(name), None) = (leaf.subject().iter_common_name().next(), more) else {
        return Err(TrustError::Malformed("the subject is not one common name"));
    };
    let name = name.as_str().map_err(|_| TrustError::Malformed("the name is not text"))?;
    if !is_good_name(name) {
        return Err(TrustError::Name);
    }
    let seconds = |time: x509_parser::time::ASN1Time| Timestamp(time.timestamp().saturating_mul(1000));
    Ok(Described {
        name: name.to_owned(),
        serial: serial(leaf.raw_serial())?,
        not_before: seconds(leaf.validity().not_before),
        not_after: seconds(leaf.validity().not_after),
        hosted,
    })
}

/// A positive INTEGER of at most 64 bits: DER puts a zero byte before one with the highest bit set.
fn serial(raw: &[u8]) -> Result<u64, TrustError> {
    let digits = match raw {
        [0, rest @ ..] if !rest.is_empty() => rest,
        [first, ..] if *first < 0x80 => raw,
        _ => return Err(TrustError::Malformed("the serial number")),
    };
    if digits.len() > 8 {
        return Err(TrustError::Malformed("the serial number"));
    }
    match digits.iter().fold(0u64, |sum, digit| sum << 8 | u64::from(*digit)) {
        0 => Err(TrustError::Serial),
        serial => Ok(serial),
    }
}

fn usage(kind: Kind) -> KeyUsage {
    match kind {
        Kind::Site => KeyUsage::server_auth(),
        Kind::Link | Kind::Integrator => KeyUsage::client_auth(),
    }
}

/// The anchor's key with its outer SEQUENCE again. Only the length of a P-256 key is put back: any other becomes
/// bytes that are refused.
fn whole_spki(anchor: &TrustAnchor<'_>) -> Vec<u8> {
    let inside = anchor.subject_public_key_info.as_ref();
    [&[0x30, u8::try_from(inside.len()).unwrap_or(0)], inside].concat()
}

fn parse(certificate: &[u8]) -> Result<X509Certificate<'_>, TrustError> {
    match X509Certificate::from_der(certificate) {
        Ok(([], certificate)) => Ok(certificate),
        _ => Err(TrustError::Malformed("not X.509")),
    }
}

/// Public key of an operational certificate.
pub(crate) fn leaf_spki(leaf: &[u8]) -> Result<Vec<u8>, TrustError> {
    Ok(parse(leaf)?.public_key().raw.to_vec())
}

/// Whether the certificate's subject says that it belongs to this kind. Not a proof: that is [`verify_chain`]'s.
pub(crate) fn leaf_claims(kind: Kind, leaf: &[u8]) -> Result<(), TrustError> {
    let leaf = parse(leaf)?;
    let name = leaf.subject_alternative_name().ok().flatten().ok_or(TrustError::WrongKind)?;
    match name.value.general_names.as_slice() {
        [GeneralName::URI(uri)] if uri.starts_with(&format!("halo:{}:", kind.word())) => Ok(()),
        _ => Err(TrustError::WrongKind),
    }
}

/// Checks a signature that [`crate::Operational::sign`] made. The certificate must have come out of a chain that
/// [`verify_chain`] accepted: it is not checked again here.
///
/// # Errors
/// [`TrustError::BadSignature`], or [`TrustError::Malformed`] for bytes that are no certificate.
pub fn verify_signature(
    chain_leaf: &CertificateDer<'_>,
    message: &[u8],
    signature: &[u8],
) -> Result<(), TrustError> {
    verify_labelled(chain_leaf, SIGNATURE_LABEL, message, signature)
}

pub(crate) fn verify_labelled(
    leaf: &CertificateDer<'_>,
    label: &[u8],
    message: &[u8],
    signature: &[u8],
) -> Result<(), TrustError> {
    if leaf.len() > MAX_CERTIFICATE_BYTES {
        return Err(TrustError::TooLong("a certificate"));
    }
    let leaf = EndEntityCert::try_from(leaf).map_err(|_| TrustError::Malformed("the certificate"))?;
    leaf.verify_signature(ECDSA_P256_SHA256, &[label, message].concat(), signature)
        .map_err(|_| TrustError::BadSignature)
}
