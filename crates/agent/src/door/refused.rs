//! That somebody may not in: in the contract's word, in people's words, and as the end of a command.

use crate::consent::Spent;
use link_api::{
    convert,
    proto::{self, Refusal},
};
use std::time::Duration;

/// Why it may not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// In the contract's words.
    pub refusal: Refusal,
    /// In people's.
    pub message: String,
    /// When to come again, where that is known.
    pub again: Option<Duration>,
    /// A line of the audit says so.
    pub(crate) noted: bool,
}

impl Refused {
    pub(crate) fn new(refusal: Refusal, message: impl Into<String>) -> Self {
        Refused { refusal, message: message.into(), again: None, noted: false }
    }

    /// What the practice does not consent to.
    pub(crate) fn by_practice(refusal: Refusal) -> Self {
        let words = link_api::refusal::words(refusal);
        let message = words.map_or_else(
            || "The practice does not allow this.".to_owned(),
            |words| format!("{} {}", words.why, words.next),
        );
        Refused::new(refusal, message)
    }

    /// The end of a command that was refused.
    pub fn ended(&self) -> proto::Ended {
        proto::Ended {
            status: proto::Status::Refused.into(),
            refusal: self.refusal.into(),
            effect: proto::Effect::NotExecuted.into(),
            error: Some(convert::halo_error(
                match self.refusal {
                    Refusal::NotPaired => 403,
                    Refusal::UnknownCatalogue => 400,
                    Refusal::Repeated => 409,
                    other => link_api::refusal::words(other).map_or(503, |words| words.status.into()),
                },
                self.message.as_str(),
            )),
            retry_after_ms: self
                .again
                .map_or(0, |again| u64::try_from(again.as_millis()).unwrap_or(u64::MAX)),
            ..proto::Ended::default()
        }
    }
}

impl From<Spent> for Refused {
    fn from(spent: Spent) -> Self {
        Refused { again: Some(spent.again), ..Refused::by_practice(spent.refusal) }
    }
}

pub(super) fn not_paired() -> Refused {
    let how = "The integrator is not paired with this site. Ask the practice for a pairing code and pair.";
    Refused::new(Refusal::NotPaired, how)
}

pub(super) fn repeated() -> Refused {
    let how =
        "This query's id was used before: nothing was run. Ask for its outcome, or send it under a new id.";
    Refused::new(Refusal::Repeated, how)
}
