//! The rule: may this be run now? Pure.

use super::{Approval, Catalogues, Consent, Desktop, State, Statements, Terms};
use aws_lc_rs::digest;
use link_api::proto::Refusal;
use model::{Command, DeviceId, Timestamp};
use std::sync::OnceLock;

/// Where a request comes from, as its gateway says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The integrator's own servers.
    Server,
    /// An application on somebody's desktop.
    Desktop,
}

impl Origin {
    /// Of a request with this device.
    pub(crate) fn of(device: Option<&DeviceId>) -> Self {
        if device.is_some() { Origin::Desktop } else { Origin::Server }
    }
}

/// What wants in, as far as consent has to know.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wants<'a> {
    /// As the site calls it.
    pub(crate) catalogue: &'a str,
    pub(crate) command: &'a Command,
    /// What it would have to be approved as, once somebody had to know: it is asked again and again while a command waits and runs,
    /// and a text may be long.
    pub(crate) approval: &'a OnceLock<Approval>,
    pub(crate) origin: Origin,
    /// The gateway's certificate says that it is a hosted one.
    pub(crate) hosted: bool,
}

impl Approval {
    /// What a command would have to be approved as.
    pub fn of(command: &Command) -> Self {
        let hash = digest::digest(&digest::SHA256, command.text.reveal().as_bytes());
        let mut approval = [0; 32];
        approval.copy_from_slice(hash.as_ref());
        Approval(approval)
    }
}

impl Consent {
    /// Whether the integrator is let in now, whatever it wants.
    ///
    /// # Errors
    /// Why not.
    pub(crate) fn stands(&self, now: Timestamp, hosted: bool) -> Result<(), Refusal> {
        match self.state {
            State::Revoked => return Err(Refusal::ConsentRevoked),
            State::Suspended => return Err(Refusal::SwitchedOff),
            State::Granted => {}
        }
        if self.is_expired(now) {
            return Err(Refusal::ConsentExpired);
        }
        if self.vendor.is_some_and(|vendor| vendor.is_over(now)) {
            return Err(Refusal::ApprovalExpired);
        }
        if hosted && !self.terms.hosted {
            return Err(Refusal::ConsentHosted);
        }
        Ok(())
    }

    /// Whether its time is over.
    pub(crate) fn is_expired(&self, now: Timestamp) -> bool {
        self.expired || self.terms.expires.is_some_and(|at| at <= now)
    }

    /// Whether the integrator may run this now.
    ///
    /// # Errors
    /// Why not: the first of all reasons, the most general first.
    pub(crate) fn judge(&self, wants: &Wants<'_>, now: Timestamp) -> Result<(), Refusal> {
        self.stands(now, wants.hosted)?;
        self.terms.allow(wants)
    }
}

impl Terms {
    fn allow(&self, wants: &Wants<'_>) -> Result<(), Refusal> {
        let desktop = wants.origin == Origin::Desktop;
        if desktop && self.desktop == Desktop::Off {
            return Err(Refusal::ConsentDesktop);
        }
        if let Catalogues::Only(names) = &self.catalogues
            && !names.iter().any(|name| name.eq_ignore_ascii_case(wants.catalogue))
        {
            return Err(Refusal::ConsentCatalogue);
        }
        let by_desktop = desktop && self.desktop == Desktop::Approved;
        if self.statements == Statements::Any && !by_desktop {
            return Ok(());
        }
        match self.approved.contains(wants.approval.get_or_init(|| Approval::of(wants.command))) {
            true => Ok(()),
            false if self.statements == Statements::Approved => Err(Refusal::ConsentStatement),
            false => Err(Refusal::ConsentDesktop),
        }
    }
}
