//! Identities as small certificate authorities, Halo GUIDs, inner TLS, challenges and the pairing proof.
//!
//! An identity is a root key made where its owner lives. It signs short certificates for operational keys, and the
//! fingerprint of its public key is the identity's GUID: whoever holds the right GUID can't be handed a wrong peer.
//! Cryptography is aws-lc-rs alone, and every signature is ECDSA on P-256 with SHA-256: of the curves we could use it
//! is the one that a TPM, Windows CNG and a cloud KMS can all hold, so a root may move into hardware without a new GUID.
//!
//! Nothing here does I/O or reads a clock of its own. `docs/protocol/` holds the normative text, and
//! `tests/vectors/` the values that bind text and code together.

mod bytes;
mod error;
mod hand_over;
mod key;
mod kind;
mod operational;
mod root;
mod verify;

pub mod approval;
pub mod inner;
pub mod outer;
pub mod pairing;
pub mod revocation;

pub use error::TrustError;
pub use hand_over::{HandOver, MAX_HAND_OVER_BYTES};
pub use key::is_p256_spki;
pub use kind::{Kind, guid};
pub use operational::Operational;
pub use root::{BACKDATED, MAX_NAME_CHARS, Root};
pub use verify::{MAX_CERTIFICATE_BYTES, Peer, verify_chain, verify_signature};
