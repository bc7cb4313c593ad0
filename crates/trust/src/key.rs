//! One P-256 private key: the single place that signs, so that a key in a TPM can take its place later.

use crate::TrustError;
use aws_lc_rs::{
    encoding::AsDer as _,
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _, UnparsedPublicKey,
    },
};
use model::Hidden;
use rustls::{SignatureAlgorithm, SignatureScheme, pki_types::SubjectPublicKeyInfoDer, sign};
use std::{fmt, sync::Arc};

/// SubjectPublicKeyInfo of an uncompressed P-256 point, up to the point itself: `SEQUENCE { SEQUENCE { id-ecPublicKey,
/// prime256v1 }, BIT STRING { 04 …`. With 64 bytes of coordinates the whole has 91.
const SPKI_PREFIX: [u8; 27] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86,
    0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04,
];

/// Length of every SubjectPublicKeyInfo that we accept.
const SPKI_BYTES: usize = 91;

/// Whether the bytes have the one form of a P-256 public key that we accept. Whether the point lies on the curve is
/// checked by the library when a signature is.
pub fn is_p256_spki(spki: &[u8]) -> bool {
    spki.len() == SPKI_BYTES && spki.starts_with(&SPKI_PREFIX)
}

/// Checks an ECDSA signature (SHA-256, ASN.1) over these very bytes by the key of this public-key info.
pub(crate) fn verify(spki: &[u8], message: &[u8], signature: &[u8]) -> Result<(), TrustError> {
    if !is_p256_spki(spki) {
        return Err(TrustError::NotP256);
    }
    // The prefix ends with the byte that says that the point is not compressed, which belongs to the point.
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, &spki[SPKI_PREFIX.len() - 1..])
        .verify(message, signature)
        .map_err(|_| TrustError::BadSignature)
}

/// A P-256 private key and its public key. Cheap to clone; the library wipes its copy on drop.
#[derive(Clone)]
pub(crate) struct Key(Arc<Inner>);

struct Inner {
    pair: EcdsaKeyPair,
    spki: Vec<u8>,
}

impl Key {
    pub(crate) fn generate() -> Result<Key, TrustError> {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING)
            .map_err(|_| TrustError::Crypto("making a P-256 key"))?;
        Key::new(pair)
    }

    pub(crate) fn from_pkcs8(der: &[u8]) -> Result<Key, TrustError> {
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, der)
            .map_err(|_| TrustError::NotP256)?;
        Key::new(pair)
    }

    fn new(pair: EcdsaKeyPair) -> Result<Key, TrustError> {
        let spki = pair
            .public_key()
            .as_der()
            .map_err(|_| TrustError::Crypto("encoding a public key"))?
            .as_ref()
            .to_vec();
        if is_p256_spki(&spki) { Ok(Key(Arc::new(Inner { pair, spki }))) } else { Err(TrustError::NotP256) }
    }

    pub(crate) fn to_pkcs8(&self) -> Result<Hidden<Vec<u8>>, TrustError> {
        let document = self.0.pair.to_pkcs8v1().map_err(|_| TrustError::Crypto("encoding a private key"))?;
        Ok(Hidden::new(document.as_ref().to_vec()))
    }

    pub(crate) fn spki(&self) -> &[u8] {
        &self.0.spki
    }

    /// ECDSA with SHA-256 over the message, as ASN.1. Callers put a label of their own before what they sign.
    pub(crate) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, TrustError> {
        let signature =
            self.0.pair.sign(&SystemRandom::new(), message).map_err(|_| TrustError::Crypto("signing"))?;
        Ok(signature.as_ref().to_vec())
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(hidden)")
    }
}

impl rcgen::PublicKeyData for Key {
    fn der_bytes(&self) -> &[u8] {
        self.0.pair.public_key().as_ref()
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        &rcgen::PKCS_ECDSA_P256_SHA256
    }
}

impl rcgen::SigningKey for Key {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        Key::sign(self, message).map_err(|_| rcgen::Error::RemoteKeyError)
    }
}

impl sign::SigningKey for Key {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn sign::Signer>> {
        offered
            .contains(&SignatureScheme::ECDSA_NISTP256_SHA256)
            .then(|| Box::new(self.clone()) as Box<dyn sign::Signer>)
    }

    fn public_key(&self) -> Option<SubjectPublicKeyInfoDer<'_>> {
        Some(SubjectPublicKeyInfoDer::from(self.spki()))
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::ECDSA
    }
}

impl sign::Signer for Key {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rustls::Error> {
        Key::sign(self, message).map_err(|e| rustls::Error::General(e.to_string()))
    }

    fn scheme(&self) -> SignatureScheme {
        SignatureScheme::ECDSA_NISTP256_SHA256
    }
}
