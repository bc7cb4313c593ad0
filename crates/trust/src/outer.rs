//! The outer leg's proof: a signature over the relay's challenge, not bound to the TLS session around it.
//!
//! A TLS-inspecting box may sit on that leg, so the proof can't rest on its TLS. What a box in the middle could win
//! is the place of one connection to a relay that carries ciphertext only.

use crate::{
    Kind, Operational, TrustError,
    verify::{leaf_claims, verify_labelled},
};
use rustls::pki_types::CertificateDer;

/// Goes before every statement.
const LABEL: &[u8] = b"halo-connect outer challenge v1\0";

/// What a signer wants to be for the relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OuterRole {
    /// A Halo Link installation, signed by [`Kind::Link`].
    Link,
    /// One of its sites, signed by [`Kind::Site`].
    Site,
    /// A gateway instance, signed by [`Kind::Integrator`].
    Gateway,
}

impl OuterRole {
    fn kind(self) -> Kind {
        match self {
            OuterRole::Link => Kind::Link,
            OuterRole::Site => Kind::Site,
            OuterRole::Gateway => Kind::Integrator,
        }
    }

    fn byte(self) -> u8 {
        match self {
            OuterRole::Link => 1,
            OuterRole::Site => 2,
            OuterRole::Gateway => 3,
        }
    }
}

/// What is signed.
#[derive(Clone, Copy, Debug)]
pub struct Statement<'a> {
    /// What the signer wants to be.
    pub role: OuterRole,
    /// Host name of the relay as the signer dialled it, at most 255 bytes: a statement for one relay is worth nothing
    /// at another.
    pub relay: &'a str,
    /// The relay's challenge, 32 random bytes that it never gave before.
    pub nonce: &'a [u8; 32],
    /// The signer's epoch: rises with every start.
    pub epoch: u64,
    /// SHA-256 of what else the signer declares on this connection, so that a box in the middle can't change it.
    pub facts_hash: [u8; 32],
}

impl Statement<'_> {
    /// role (1 byte), length of relay (2, big-endian), relay, nonce (32), epoch (8, big-endian), facts_hash (32).
    fn bytes(&self) -> Result<Vec<u8>, TrustError> {
        let relay = self.relay.as_bytes();
        if relay.len() > 255 {
            return Err(TrustError::TooLong("the relay's name"));
        }
        Ok([
            &[self.role.byte(), 0, relay.len() as u8],
            relay,
            self.nonce,
            &self.epoch.to_be_bytes(),
            &self.facts_hash,
        ]
        .concat())
    }
}

/// Signs a statement.
///
/// # Errors
/// [`TrustError::WrongKind`] when the identity can't play the role, [`TrustError::TooLong`] for the relay's name.
pub fn sign(own: &Operational, s: &Statement<'_>) -> Result<Vec<u8>, TrustError> {
    if own.peer().kind != s.role.kind() {
        return Err(TrustError::WrongKind);
    }
    own.sign_labelled(LABEL, &s.bytes()?)
}

/// Checks a signature over a statement. `leaf` must be the first certificate of a chain that
/// [`crate::verify_chain`] accepted for the role's kind.
///
/// # Errors
/// [`TrustError::WrongKind`] for a certificate of another role, [`TrustError::BadSignature`],
/// [`TrustError::Malformed`] for bytes that are no certificate, [`TrustError::TooLong`].
pub fn verify(leaf: &CertificateDer<'_>, s: &Statement<'_>, signature: &[u8]) -> Result<(), TrustError> {
    if leaf.len() > crate::MAX_CERTIFICATE_BYTES {
        return Err(TrustError::TooLong("a certificate"));
    }
    leaf_claims(s.role.kind(), leaf)?;
    verify_labelled(leaf, LABEL, &s.bytes()?, signature)
}
