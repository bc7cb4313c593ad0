//! The PMS vendor's approval: a statement, signed with the vendor's key, that vouches for one integrator's root.
//!
//! A site checks it against the keys in its per-PMS file. It says for which software, in which environments, for how much
//! and until when. What replaces it has a higher serial number; the vendor withdraws one by letting it end, and by giving
//! out a narrower one with a higher serial. `docs/protocol/identity.md` has the bytes.

mod form;
mod signer;

pub use form::{MAX_BYTES, MAX_NOTE_BYTES, Signed};
pub use signer::{Signer, VendorKey, der_signature};

use crate::{Kind, TrustError, guid, key};
use model::{Access, IntegratorId, Pms, Timestamp};
use std::time::Duration;

/// Goes before every approval that is signed.
const LABEL: &[u8] = b"halo-connect vendor approval v1\0";

/// A vendor's clock may be ahead of a practice's by this much: an approval counts so long before its beginning.
pub const SKEW: Duration = Duration::from_secs(5 * 60);

/// What a vendor says of one integrator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approval {
    /// The integrator's root, SubjectPublicKeyInfo DER, 91 bytes.
    pub integrator_root: Vec<u8>,
    /// The name that the vendor knows it by: 1 to [`crate::MAX_NAME_CHARS`] characters. For people.
    pub integrator_name: String,
    /// For which software.
    pub pms: Pms,
    /// Where it counts: one or more of [`model::ENVIRONMENTS`].
    pub environments: Environments,
    /// The most that the vendor allows.
    pub access: Access,
    /// The vendor's own words, at most [`MAX_NOTE_BYTES`] bytes; may be empty. Nothing is decided by them.
    pub note: String,
    /// From when on, in whole seconds; [`SKEW`] before it counts already.
    pub not_before: Timestamp,
    /// Until when, in whole seconds: at this moment it counts no more.
    pub expires: Timestamp,
    /// Rises with every approval that the vendor gives to the same integrator; at least 1.
    pub serial: u64,
}

/// A set of environments, never empty.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Environments(u8);

impl Environments {
    /// Those of these names.
    ///
    /// # Errors
    /// [`TrustError::Statement`] for none, or a name that is no environment's.
    pub fn of<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Self, TrustError> {
        let wrong = TrustError::Statement("the environments");
        let mut bits = 0;
        for name in names {
            let place = model::ENVIRONMENTS.iter().position(|of| *of == name).ok_or_else(|| wrong.clone())?;
            bits |= 1 << place;
        }
        Environments::from_byte(bits)
    }

    /// Whether this is one of them.
    pub fn contain(self, name: &str) -> bool {
        self.names().any(|of| of == name)
    }

    /// Their names.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        let named = model::ENVIRONMENTS.into_iter().enumerate();
        named.filter(move |(place, _)| self.0 & (1 << place) != 0).map(|(_, name)| name)
    }

    fn from_byte(bits: u8) -> Result<Self, TrustError> {
        let known = 0 < bits && u32::from(bits) < 1 << model::ENVIRONMENTS.len();
        if known { Ok(Environments(bits)) } else { Err(TrustError::Statement("the environments")) }
    }
}

impl std::fmt::Debug for Environments {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.names()).finish()
    }
}

/// What an approval must cover.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// Root of the integrator at the other end, from its verified chain.
    pub integrator_root: &'a [u8],
    /// The site's software.
    pub pms: Pms,
    /// The site's environment.
    pub environment: &'a str,
    /// By a clock that never goes back.
    pub now: Timestamp,
}

/// Why an approval does not cover what it must; the first reason that holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Misfit {
    /// None of the keys made the signature.
    #[error("it is not signed with a key of this practice software's vendor")]
    Signature,
    /// Of another root.
    #[error("it is for another integrator's root")]
    Integrator,
    /// For another software.
    #[error("it is for another practice software")]
    Pms,
    /// For other environments.
    #[error("it is for another environment")]
    Environment,
    /// Its time has not come.
    #[error("its time has not begun")]
    NotYet,
    /// Its time is over.
    #[error("it has expired")]
    Expired,
    /// A newer one was seen.
    #[error("the vendor has replaced it by a newer one")]
    Replaced,
}

impl Approval {
    /// The integrator's GUID.
    pub fn integrator(&self) -> IntegratorId {
        IntegratorId(guid(Kind::Integrator, &self.integrator_root))
    }

    /// Whether it covers what is wanted.
    ///
    /// # Errors
    /// Why not.
    pub fn covers(&self, wanted: &Wanted<'_>) -> Result<(), Misfit> {
        if self.integrator_root != wanted.integrator_root {
            return Err(Misfit::Integrator);
        }
        if self.pms != wanted.pms {
            return Err(Misfit::Pms);
        }
        if !self.environments.contain(wanted.environment) {
            return Err(Misfit::Environment);
        }
        if wanted.now.plus(SKEW) < self.not_before {
            return Err(Misfit::NotYet);
        }
        if self.expires <= wanted.now {
            return Err(Misfit::Expired);
        }
        Ok(())
    }
}

/// Signs an approval, and makes sure that what the signer gave is a signature by the key that it shows.
///
/// # Errors
/// [`TrustError`] for an approval that has no form, and what the signer says.
pub fn sign<S: Signer + ?Sized>(approval: &Approval, signer: &S) -> Result<Signed, S::Error> {
    let statement = form::write(approval)?;
    let signature = signer.sign(&[LABEL, &statement].concat())?;
    let signed = Signed::new(approval.clone(), statement, signature)?;
    if !signed.is_by(signer.spki()) {
        return Err(TrustError::BadSignature.into());
    }
    Ok(signed)
}

impl Signed {
    /// Whether the key of this public-key info made the signature.
    pub fn is_by(&self, spki: &[u8]) -> bool {
        key::verify(spki, &[LABEL, self.statement()].concat(), self.signature()).is_ok()
    }

    /// The approval, if one of the vendor's keys made it and it covers what is wanted.
    ///
    /// # Errors
    /// Why not.
    pub fn check(&self, keys: &[Vec<u8>], wanted: &Wanted<'_>) -> Result<&Approval, Misfit> {
        // Before the signature: of 32 keys that each cost a tenth of a millisecond none is tried for a stranger's paper.
        self.approval().covers(wanted)?;
        if keys.iter().any(|key| self.is_by(key)) { Ok(self.approval()) } else { Err(Misfit::Signature) }
    }
}
