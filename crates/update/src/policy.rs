//! Whether an offered version is to be installed. The place where rings, signed metadata and the way back will decide.

use crate::{Offer, Refusal, Version};

/// What to do with an offer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It is newer, and it is this site's turn.
    Install,
    /// It is the running one.
    UpToDate,
}

/// Decides about offers.
pub trait Policy: Send + Sync {
    /// # Errors
    /// Why the offer is not for this site.
    fn decide(&self, running: Version, offer: &Offer) -> Result<Decision, Refusal>;
}

/// Whatever is newer than what runs.
#[derive(Clone, Copy, Debug, Default)]
pub struct Newest;

impl Policy for Newest {
    fn decide(&self, running: Version, offer: &Offer) -> Result<Decision, Refusal> {
        match offer.version.cmp(&running) {
            std::cmp::Ordering::Greater => Ok(Decision::Install),
            std::cmp::Ordering::Equal => Ok(Decision::UpToDate),
            std::cmp::Ordering::Less => Err(Refusal::Lower { offered: offer.version, running }),
        }
    }
}
