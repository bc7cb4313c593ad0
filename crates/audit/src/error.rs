//! Why bytes are no line, head or receipt, or prove nothing.

use model::SiteId;
use trust::TrustError;

/// Why something is not taken. Says nothing of what stood in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuditError {
    /// A newer program wrote it.
    #[error("{what} is of version {version}, which this program does not know: check it with a newer one")]
    Version {
        /// Which part.
        what: &'static str,
        /// Its version.
        version: u64,
    },
    /// Not what the layout says.
    #[error("{0} is not as it must be: the bytes were changed on their way, or they are something else")]
    Malformed(&'static str),
    /// Beyond its limit.
    #[error("{0} is too long to be one")]
    TooLong(&'static str),
    /// A certificate that is not the site's, or was not good when it signed.
    #[error("the certificates that came with the head do not hold: {0}")]
    Certificate(TrustError),
    /// Somebody else's root.
    #[error("another site signed it: the certificates are those of {of}, the head says {says}")]
    OtherSite {
        /// Whose certificates came with it.
        of: SiteId,
        /// Whom the head is of.
        says: SiteId,
    },
    /// The signature is not of these bytes.
    #[error("the signature does not hold: the head was changed, or the site never signed it")]
    Signature,
    /// The signed value is not that of the line.
    #[error("the line is not the one that the head was signed for")]
    OtherLine,
    /// The library gave no randomness.
    #[error("the head could not be signed: {0}")]
    Unsigned(TrustError),
}
