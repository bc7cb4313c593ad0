//! What the practice, and the vendor where it is asked, have agreed to: all that is missing is a login that works.

use super::{Exchange, Refused, refuse, unwritten};
use crate::{
    door::Unapproved,
    store::{AuditLine, By, Happened, Ticket},
};
use link_api::proto::PairRefusal;
use model::{Access, IntegratorId};
use trust::approval::Signed;

/// What the practice's yes is.
pub(super) enum Grounds {
    /// A code of this name, that was proved.
    Code(String),
    /// Its answer to a request without a code, of this root.
    Request(Vec<u8>),
}

/// The terms of a pairing that may be stored.
pub(super) struct Agreed {
    grounds: Grounds,
    pub(super) integrator_name: String,
    /// No more than the practice said, and no more than the vendor.
    pub(super) access: Access,
    approval: Option<Signed>,
}

impl Agreed {
    pub(super) fn new(
        grounds: Grounds,
        integrator_name: String,
        access: Access,
        approval: Option<Signed>,
    ) -> Self {
        let reads = approval.as_ref().is_some_and(|signed| signed.approval().access == Access::ReadOnly);
        Agreed { grounds, integrator_name, access: if reads { Access::ReadOnly } else { access }, approval }
    }

    pub(super) fn ticket(&self) -> Ticket<'_> {
        let by = match &self.grounds {
            Grounds::Code(name) => By::Code(name),
            Grounds::Request(root) => By::Request(root),
        };
        Ticket { by, approval: self.approval.as_ref() }
    }

    /// Somebody else was faster.
    pub(super) fn used(&self) -> Refused {
        let (reason, how) = match self.grounds {
            Grounds::Code(_) => (
                PairRefusal::UsedCode,
                "The code was used before. Each code pairs once: ask the practice for a new one.",
            ),
            Grounds::Request(_) => (
                PairRefusal::Waiting,
                "The practice's yes was used before, taken back, or is older than seven days: it has to say yes again.",
            ),
        };
        Refused { reason, message: how.to_owned() }
    }
}

impl Exchange {
    /// The vendor's approval, where it is asked for or was shown. `then` ends the sentence of what to do.
    pub(super) fn approved(&self, document: &[u8], then: &str) -> Result<Option<Signed>, Refused> {
        self.vouched(document, then, true)
    }

    /// The same; a refusal is written into the audit where `note` says so.
    pub(super) fn vouched(&self, document: &[u8], then: &str, note: bool) -> Result<Option<Signed>, Refused> {
        let site = self.caller.site;
        match self.door.approval(&self.caller.peer, site, &self.own.environment, document) {
            Ok(approval) => Ok(approval),
            Err(Unapproved::Store(error)) => Err(unwritten(error)),
            Err(why) => {
                if note {
                    self.door.note(AuditLine {
                        integrator: Some(IntegratorId(self.caller.peer.id)),
                        status: Some(PairRefusal::NotApproved.as_str_name()),
                        detail: Some(serde_json::json!({ "why": why.to_string() }).to_string()),
                        ..AuditLine::new(self.door.clock().now(), Happened::PairingRefused, site)
                    });
                }
                let how = format!(
                    "{why}. Ask that vendor for one that is for this environment, put its file where `approvals` of gateway.toml says, \
                     and pair again{then}."
                );
                refuse(PairRefusal::NotApproved, how)
            }
        }
    }
}
