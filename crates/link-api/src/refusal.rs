//! What a practice's refusals are called and what they say: once, for the site's audit and the gateway's answers alike.

use crate::proto::{Refusal, RefusedDetail};
use prost::Message;
use tonic::{Code, Status};

/// One refusal in people's words. Between `why` and `next` belongs what became of the command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Words {
    /// Stable, for programs.
    pub code: &'static str,
    /// As an HTTP status.
    pub status: u16,
    /// What the practice decided, in one sentence.
    pub why: &'static str,
    /// What to do, in one sentence.
    pub next: &'static str,
}

/// All refusals that are the practice's own decision. The codes are part of the contract: none is ever renamed.
pub const ALL: [(Refusal, Words); 19] = [
    (
        Refusal::SwitchedOff,
        Words {
            code: "consent-suspended",
            status: 403,
            why: "The practice has switched this integrator off for the site.",
            next: "Ask the practice to switch it on.",
        },
    ),
    (
        Refusal::SiteOff,
        Words {
            code: "site-off",
            status: 403,
            why: "The practice has switched this database off for all integrators.",
            next: "Ask the practice to switch it on.",
        },
    ),
    (
        Refusal::Halted,
        Words {
            code: "halted",
            status: 403,
            why: "The practice has stopped Halo Link for all integrators.",
            next: "Ask the practice when it goes on.",
        },
    ),
    (
        Refusal::ConsentRevoked,
        Words {
            code: "consent-revoked",
            status: 403,
            why: "The practice has withdrawn its consent to this integrator, and its database login was erased.",
            next: "Ask the practice for a pairing code and pair again.",
        },
    ),
    (
        Refusal::ConsentExpired,
        Words {
            code: "consent-expired",
            status: 403,
            why: "The practice's consent to this integrator has expired.",
            next: "Ask the practice to renew it.",
        },
    ),
    (
        Refusal::ApprovalExpired,
        Words {
            code: "approval-expired",
            status: 403,
            why: "The PMS vendor's approval of this integrator has expired.",
            next: "Ask the vendor for a new one and put its file where this gateway's `approvals` are: the site takes it at once.",
        },
    ),
    (
        Refusal::InstanceRevoked,
        Words {
            code: "instance-revoked",
            status: 403,
            why: "The integrator has revoked the certificate of this gateway.",
            next: "Use another of the integrator's gateways, or issue this one a new certificate.",
        },
    ),
    (
        Refusal::InstanceShutOut,
        Words {
            code: "instance-shut-out",
            status: 403,
            why: "The practice has shut this gateway out, not the integrator's others.",
            next: "Use another of the integrator's gateways, or ask the practice to let this one in again.",
        },
    ),
    (
        Refusal::ConsentHosted,
        Words {
            code: "consent-hosted",
            status: 403,
            why: "The practice does not let hosted gateways in, which decrypt its data outside the integrator's own servers.",
            next: "Use a gateway of your own, or ask the practice to allow hosted ones.",
        },
    ),
    (
        Refusal::ConsentDesktop,
        Words {
            code: "consent-desktop",
            status: 403,
            why: "The practice does not let this integrator's desktop applications run this.",
            next: "Send it from your own server, or ask the practice to allow it.",
        },
    ),
    (
        Refusal::ConsentFhir,
        Words {
            code: "consent-fhir",
            status: 403,
            why: "The practice does not let this integrator use FHIR.",
            next: "Ask the practice to allow it.",
        },
    ),
    (
        Refusal::ConsentCatalogue,
        Words {
            code: "consent-catalogue",
            status: 403,
            why: "The practice does not let this integrator into this catalogue.",
            next: "Name another catalogue, or ask the practice to allow this one.",
        },
    ),
    (
        Refusal::ConsentStatement,
        Words {
            code: "consent-statement",
            status: 403,
            why: "The practice lets this integrator run approved statements only, and this is none of them: one that differs in a \
                  single character is another one.",
            next: "Send the approved text as it is, with what varies as parameters, or ask the practice to approve this one.",
        },
    ),
    (
        Refusal::ConsentChanged,
        Words {
            code: "consent-changed",
            status: 503,
            why: "The practice changed what this integrator may do while the command waited.",
            next: "Send it again.",
        },
    ),
    (
        Refusal::BudgetQueries,
        Words {
            code: "budget-queries",
            status: 429,
            why: "This integrator has sent as many queries within a minute as the practice allows.",
            next: "Send it again after Retry-After, with fewer queries, or ask the practice for more.",
        },
    ),
    (
        Refusal::BudgetRows,
        Words {
            code: "budget-rows",
            status: 403,
            why: "This integrator has had as many rows within a day as the practice allows.",
            next: "Try again when the day is over, or ask the practice for more.",
        },
    ),
    (
        Refusal::BudgetBytes,
        Words {
            code: "budget-bytes",
            status: 403,
            why: "This integrator has had as much data within a day as the practice allows.",
            next: "Try again when the day is over, or ask the practice for more.",
        },
    ),
    (
        Refusal::BudgetAtOnce,
        Words {
            code: "budget-at-once",
            status: 429,
            why: "As many statements of this integrator are under way at once as the practice allows.",
            next: "Send it again when one of them has ended.",
        },
    ),
    (
        Refusal::Unpaired,
        Words {
            code: "unpaired",
            status: 403,
            why: "The pairing of this integrator with the site was ended.",
            next: "Ask the practice for a pairing code and pair again.",
        },
    ),
];

/// What a refusal says; `None` for one that is not the practice's decision, or that this version does not know.
pub fn words(refusal: Refusal) -> Option<&'static Words> {
    ALL.iter().find(|(of, _)| *of == refusal).map(|(_, words)| words)
}

/// The same of a number off the wire.
pub fn words_of(refusal: i32) -> Option<&'static Words> {
    words(Refusal::try_from(refusal).ok()?)
}

/// A gRPC status that says which refusal it is, to those who know.
pub fn status(refusal: Refusal, message: impl Into<String>) -> Status {
    let detail = RefusedDetail { refusal: refusal.into() };
    Status::with_details(Code::PermissionDenied, message, detail.encode_to_vec().into())
}

/// Which refusal a gRPC status says, if any.
pub fn of_status(status: &Status) -> Option<Refusal> {
    if status.code() != Code::PermissionDenied {
        return None;
    }
    let refusal = RefusedDetail::decode(status.details()).ok()?.refusal();
    (refusal != Refusal::Unspecified).then_some(refusal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unlike_and_every_sentence_ends() {
        for (at, (refusal, words)) in ALL.iter().enumerate() {
            assert!(words.why.ends_with('.') && words.next.ends_with('.'), "{}", words.code);
            assert!(ALL[..at].iter().all(|(of, w)| of != refusal && w.code != words.code), "{}", words.code);
        }
        assert_eq!(words(Refusal::Busy), None, "what is not the practice's decision has no such words");
        assert_eq!(words_of(1_000), None, "nor has what a later version says");
    }

    #[test]
    fn a_refusal_survives_the_way_in_a_status_and_another_status_says_none() {
        assert_eq!(of_status(&status(Refusal::Halted, "no")), Some(Refusal::Halted));
        assert_eq!(of_status(&Status::permission_denied("not paired")), None);
        assert_eq!(
            of_status(&Status::with_details(Code::PermissionDenied, "x", vec![0xff, 1, 2].into())),
            None
        );
        let elsewhere = RefusedDetail { refusal: Refusal::Halted.into() }.encode_to_vec();
        assert_eq!(of_status(&Status::with_details(Code::Unavailable, "x", elsewhere.into())), None);
    }
}
