//! Why a key, a certificate or a session was not trusted.

use model::Timestamp;
use uuid::Uuid;

/// Why a key, a certificate or a session was not trusted. Holds nothing secret: it may be logged and shown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TrustError {
    /// A chain is exactly the operational certificate and its root.
    #[error("a certificate chain must hold exactly 2 certificates, this one holds {0}")]
    ChainLength(usize),
    /// Not a certificate of the profile in `docs/protocol/identity.md`.
    #[error("not a certificate of ours: {0}")]
    Malformed(&'static str),
    /// Not a P-256 key in the one encoding we accept.
    #[error("not a P-256 key in its usual encoding")]
    NotP256,
    /// The certificate was made for another kind of identity, or for another root.
    #[error("the certificate was issued for another role")]
    WrongKind,
    /// A well-formed peer, but not the one asked for.
    #[error("expected the identity {expected}, met {met}")]
    WrongIdentity {
        /// The GUID that was asked for.
        expected: Uuid,
        /// The GUID of the root that was presented.
        met: Uuid,
    },
    /// Past the certificate's last moment, by the verifier's clock.
    #[error("the certificate expired at {not_after:?}")]
    Expired {
        /// The certificate's last valid second.
        not_after: Timestamp,
    },
    /// Before the certificate's first moment: one of the two clocks is wrong.
    #[error("the certificate is valid from {not_before:?} only: check both clocks")]
    NotYetValid {
        /// The certificate's first valid second.
        not_before: Timestamp,
    },
    /// A signature by another key, or of other bytes.
    #[error("the signature does not match")]
    BadSignature,
    /// A name that may not stand in a certificate: empty, too long, or with control characters.
    #[error("a name must have 1 to {} characters and no control characters", crate::MAX_NAME_CHARS)]
    Name,
    /// Serial 0 is never issued, so that a counter that was never stored is found.
    #[error("a certificate's serial number must be at least 1")]
    Serial,
    /// A time that a certificate can't say.
    #[error("the time lies outside what a certificate can say")]
    Time,
    /// Not a private key with its certificates, as [`crate::Operational::to_pem`] writes them.
    #[error("not a private key with its two certificates: {0}")]
    Pem(&'static str),
    /// Not a statement of the form in `docs/protocol/identity.md`: which field.
    #[error("not a statement that this version can read: {0}")]
    Statement(&'static str),
    /// The TLS session has not finished its handshake.
    #[error("the handshake has not finished")]
    Unfinished,
    /// The TLS session speaks another protocol (ALPN).
    #[error("the session does not speak {}", String::from_utf8_lossy(crate::inner::ALPN))]
    OtherProtocol,
    /// A field is longer than its limit.
    #[error("{0} is too long")]
    TooLong(&'static str),
    /// The cryptographic library refused; it does not say why.
    #[error("the cryptographic library refused: {0}")]
    Crypto(&'static str),
}
