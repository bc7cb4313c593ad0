//! Kinds of identity and the GUID that is an identity's fingerprint.

use crate::{TrustError, key};
use aws_lc_rs::digest::{Context, SHA256};
use uuid::Uuid;

/// What an identity stands for. A certificate issued for one kind never verifies as another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// One practice database; its GUID is the Halo GUID.
    Site,
    /// One Halo Link installation.
    Link,
    /// An integrator; its operational certificates belong to gateway instances.
    Integrator,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Kind; 3] = [Kind::Site, Kind::Link, Kind::Integrator];

    /// What is hashed before the root's public key, so that one key has a different GUID per kind. Ends in a zero
    /// byte, so that no label is the beginning of another.
    pub fn label(self) -> &'static str {
        match self {
            Kind::Site => "halo-connect site root v1\0",
            Kind::Link => "halo-connect link root v1\0",
            Kind::Integrator => "halo-connect integrator root v1\0",
        }
    }

    /// The word that stands for the kind in certificates: `site`, `link`, `integrator`.
    pub fn word(self) -> &'static str {
        match self {
            Kind::Site => "site",
            Kind::Link => "link",
            Kind::Integrator => "integrator",
        }
    }

    /// The only subject alternative name (a URI) in an operational certificate: `halo:site:<guid of the root>`.
    pub(crate) fn subject_uri(self, id: Uuid) -> String {
        format!("halo:{}:{}", self.word(), id.hyphenated())
    }
}

/// The GUID of an identity: UUIDv8 (RFC 9562) over the first 16 bytes of SHA-256(label || `spki_der`).
///
/// `spki_der` is the root's SubjectPublicKeyInfo. Any bytes are hashed; [`crate::verify_chain`] is what insists on
/// the one P-256 encoding, so that one key can't appear under two GUIDs.
pub fn guid(kind: Kind, spki_der: &[u8]) -> Uuid {
    let mut hash = Context::new(&SHA256);
    hash.update(kind.label().as_bytes());
    hash.update(spki_der);
    let mut first = [0u8; 16];
    first.copy_from_slice(&hash.finish().as_ref()[..16]);
    Uuid::new_v8(first)
}

/// As [`guid`], for a public key that somebody else sent.
///
/// # Errors
/// [`TrustError::NotP256`] unless it is a P-256 key in its usual (uncompressed) encoding.
pub(crate) fn guid_of_foreign(kind: Kind, spki_der: &[u8]) -> Result<Uuid, TrustError> {
    if key::is_p256_spki(spki_der) { Ok(guid(kind, spki_der)) } else { Err(TrustError::NotP256) }
}
