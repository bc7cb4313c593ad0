//! What a practice has consented to: whether an integrator is let in, to what, how much of it, and until when.
//!
//! [`Terms`] are what the practice writes, [`Form`] is how it writes them, [`Consent::judge`] decides, and [`Meter`] counts
//! what was used up. Nothing here reads a clock or a disk: the door asks, and keeps.

mod form;
mod judge;
mod meter;
#[cfg(test)]
mod tests;

pub use form::{Form, Invalid, Most, Names};
pub use judge::Origin;
pub(crate) use judge::Wants;
pub(crate) use meter::{Meter, Spent, Takes, Used};

use model::{Access, Timestamp};
use std::collections::BTreeSet;

/// SHA-256 of a statement's text, exactly as it is sent: the same that the audit shows. Line ends and blanks count, for
/// they may stand inside of a literal, and two texts that do different things must never be one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Approval(pub [u8; 32]);

impl std::fmt::Debug for Approval {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&form::hex(&self.0))
    }
}

/// One integrator's consent at one site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consent {
    /// Whether it is let in at all.
    pub state: State,
    /// To what.
    pub terms: Terms,
    /// Its time was seen to be over: it stays so, whatever the clock says later, until the practice renews it.
    pub expired: bool,
    /// When and by whom the terms were changed last; `None`: they are those of the pairing.
    pub changed: Option<Changed>,
    /// What the PMS vendor's approval bounds; `None`: the pairing stands on none.
    pub vendor: Option<Vendor>,
}

/// The bounds of a PMS vendor's approval. Whatever the practice allows, an integrator gets no more than that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vendor {
    /// At this moment it counts no more.
    pub until: Timestamp,
    /// It was seen to count no more, and stays so until there is a newer one.
    pub over: bool,
    /// The vendor allows no more than reading.
    pub read_only: bool,
}

impl Vendor {
    /// Whether its time is over.
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.over || self.until <= now
    }
}

/// Who changed something, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// By the site's clock.
    pub at: Timestamp,
    /// The operating system's user.
    pub by: String,
}

/// Whether an integrator is let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It is.
    Granted,
    /// Not now: the practice switched it off, and can switch it on again.
    Suspended,
    /// No more: its login is erased. Only a new pairing lets it in again.
    Revoked,
}

impl State {
    /// As it is shown.
    pub fn name(self) -> &'static str {
        match self {
            State::Granted => "granted",
            State::Suspended => "suspended",
            State::Revoked => "revoked",
        }
    }
}

/// What a practice has consented to. [`Terms::of_pairing`] is what a new pairing has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// The most that it may do.
    pub access: Access,
    /// Until when; `None` is without end.
    pub expires: Option<Timestamp>,
    /// Where.
    pub catalogues: Catalogues,
    /// Whether any statement, or those in `approved` alone.
    pub statements: Statements,
    /// Statements that the practice has looked at.
    pub approved: BTreeSet<Approval>,
    /// Whether it may use FHIR.
    pub fhir: bool,
    /// What its applications on desktops may run.
    pub desktop: Desktop,
    /// Whether a gateway may ask that somebody else runs for the integrator.
    pub hosted: bool,
    /// How much of its commands the audit keeps.
    pub audit: Detail,
    /// How much of it all.
    pub budgets: Budgets,
}

impl Terms {
    /// What a pairing code grants: all catalogues and statements under this access, without end; what reaches beyond the
    /// integrator's own servers (desktops, hosted gateways) is for the practice to allow.
    pub fn of_pairing(access: Access) -> Self {
        Terms {
            access,
            expires: None,
            catalogues: Catalogues::All,
            statements: Statements::Any,
            approved: BTreeSet::new(),
            fhir: true,
            desktop: Desktop::Off,
            hosted: false,
            audit: Detail::Names,
            budgets: Budgets::default(),
        }
    }
}

/// Which of a practice's databases.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Catalogues {
    /// Each that the site has.
    All,
    /// These alone; names compare without case.
    Only(Vec<String>),
}

/// Which statements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Statements {
    /// Any.
    Any,
    /// Approved ones.
    Approved,
}

/// Which statements of an integrator's applications on desktops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Desktop {
    /// None.
    Off,
    /// Approved ones, whatever its own servers may run.
    Approved,
    /// Those that its own servers may run.
    Any,
}

/// How much of a command the audit keeps. Its text is always kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// Names of its parameters.
    Names,
    /// Their values too, sealed.
    Values,
}

/// How much an integrator may do; `None` is without bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Budgets {
    /// Queries within 60 seconds, counted from the first of them.
    pub queries_per_minute: Option<u64>,
    /// Rows within 24 hours, counted from the first query in them.
    pub rows_per_day: Option<u64>,
    /// Bytes of row JSON within 24 hours.
    pub bytes_per_day: Option<u64>,
    /// Statements under way at once, with those that wait for their turn.
    pub at_once: Option<u64>,
}
