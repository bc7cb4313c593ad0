//! The words of the control socket: what the Utility may ask, and what the service answers.

use crate::{consent::Form, jobs::Load};
use model::{Hidden, IntegratorId, QueryId, SiteId};
use serde::{Deserialize, Serialize};

/// What may be asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Ask {
    /// Make a pairing code.
    PairingCode {
        /// The one integrator that may use it, by name.
        integrator: String,
        /// Whether the pairing may only read.
        #[serde(default)]
        read_only: bool,
        /// Which site; may be left out when there is one.
        #[serde(default)]
        site: Option<SiteId>,
    },
    /// How things stand.
    Status,
    /// The newest audit lines.
    Audit {
        /// How many, at most 1,000.
        last: u32,
    },
    /// Lines of the audit, chosen.
    AuditShow {
        /// How many, the newest, at most 1,000.
        last: u32,
        /// Of one integrator, by name or id.
        #[serde(default)]
        integrator: Option<String>,
        /// Of one query.
        #[serde(default)]
        query: Option<QueryId>,
        /// From then on, RFC 3339.
        #[serde(default)]
        since: Option<String>,
        /// Before then, RFC 3339.
        #[serde(default)]
        until: Option<String>,
        /// Which site; all when it is left out.
        #[serde(default)]
        site: Option<SiteId>,
    },
    /// Begin a walk over a site's lines.
    AuditWalk {
        /// What for: `verify` or `export`. It is written down.
        purpose: String,
        /// Which site.
        site: SiteId,
        /// From then on, RFC 3339.
        #[serde(default)]
        since: Option<String>,
        /// Before then, RFC 3339.
        #[serde(default)]
        until: Option<String>,
    },
    /// The next piece of a walk.
    AuditPiece {
        /// Which site.
        site: SiteId,
        /// As the piece before said; at first as the walk's beginning said.
        after: i64,
        /// As the walk's beginning said.
        until: i64,
    },
    /// Look at statements' texts, from a hash on.
    AuditTexts {
        /// As the piece before said; none at first.
        #[serde(default)]
        after: Option<String>,
    },
    /// Let anybody into a site's database, or nobody.
    Site {
        /// Which.
        on: bool,
        /// Which site; may be left out when there is one.
        #[serde(default)]
        site: Option<SiteId>,
    },
    /// Reach each site the whole way round, through Halo Cloud, as a gateway does.
    SelfTest,
    /// Ask each site's database, and log in with each integrator's login.
    Check,
    /// What integrators may do, and what they have used up.
    Consent {
        /// One of them, by name or id; all when it is left out.
        #[serde(default)]
        integrator: Option<String>,
        /// Which site; may be left out when there is one.
        #[serde(default)]
        site: Option<SiteId>,
        /// At most so many, by id; without it all, by name. A thousand integrators with thousands of approved statements each are
        /// more than one answer takes.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        most: Option<u32>,
        /// With `most`: those after this one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<After>,
    },
    /// Change what an integrator may do.
    ConsentSet {
        /// Its name or id, as status shows it.
        integrator: String,
        /// What is absent stays as it is.
        change: Box<Form>,
        /// Which site; may be left out when there is one.
        #[serde(default)]
        site: Option<SiteId>,
    },
    /// Withdraw a consent for good, and erase its login.
    Revoke {
        /// Its name or id, as status shows it.
        integrator: String,
        /// Which site; may be left out when there is one.
        #[serde(default)]
        site: Option<SiteId>,
    },
    /// End a pairing.
    Unpair {
        /// Its name or id, as status shows it.
        integrator: String,
        /// Which site; may be left out when there is one.
        #[serde(default)]
        site: Option<SiteId>,
    },
    /// Integrators that ask to be let in without a code.
    PairingRequests {
        /// Which site; all when it is left out.
        #[serde(default)]
        site: Option<SiteId>,
    },
    /// Say yes or no to one of them.
    PairingDecide {
        /// Its name or id.
        integrator: String,
        /// Which: true lets it pair.
        approve: bool,
        /// The id that it must have.
        #[serde(default)]
        fingerprint: Option<IntegratorId>,
        /// Whether the pairing may only read.
        #[serde(default)]
        read_only: bool,
        /// Which site; may be left out when there is one.
        #[serde(default)]
        site: Option<SiteId>,
    },
    /// The gateways of a paired integrator; shut one out first (true), or let it in again, where one is named.
    Instances {
        /// Its name or id, as status shows it.
        integrator: String,
        /// The gateway's name, and whether it is to be out.
        #[serde(default)]
        change: Option<(String, bool)>,
        /// Which site; may be left out when there is one.
        #[serde(default)]
        site: Option<SiteId>,
    },
    /// Stop everything for all integrators at all sites, or let it go on.
    Halt {
        /// Which: true stops.
        on: bool,
    },
    /// Make a recovery kit.
    RecoveryKit {
        /// Seals it.
        passphrase: Spoken,
    },
    /// The kit that was just made is on paper, on a stick, in a file: it is the one that backups are for from now on.
    RecoveryKitKept {
        /// That its maker was told.
        public: String,
    },
    /// Stop serving for good, and make the file that the next server goes on with.
    MoveOut {
        /// Seals it.
        passphrase: Spoken,
    },
    /// Say, signed by a site's own key, that another site is the one to use for its practice.
    HandOver {
        /// The site that is to be used.
        to: SiteId,
        /// Which site hands over; may be left out when there is one.
        #[serde(default)]
        site: Option<SiteId>,
    },
    /// This server is the practice's real one, whatever copies there are.
    ConfirmServer,
    /// Let an integrator in, or keep it out.
    Switch {
        /// Its name or id, as status shows it.
        integrator: String,
        /// Which.
        on: bool,
        /// Which site; may be left out when there is one.
        #[serde(default)]
        site: Option<SiteId>,
    },
}

/// The last one of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct After {
    /// Where.
    pub site: SiteId,
    /// Who.
    pub integrator: IntegratorId,
}

impl Ask {
    /// Whether it takes longer than a question: a passphrase is worked with, a whole file is packed.
    pub(super) fn is_long(&self) -> bool {
        matches!(self, Ask::RecoveryKit { .. } | Ask::MoveOut { .. })
    }
}

/// A secret on its way over the socket. Not printed; wiped when it is dropped.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Spoken(pub Hidden<String>);

impl Serialize for Spoken {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.reveal())
    }
}

/// What is ready for the day on which this server is lost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RecoveryAnswer {
    /// When the newest kit was made, RFC 3339; `None` when none was.
    pub made_at: Option<String>,
    /// The operating system's user who had it made.
    pub made_by: Option<String>,
    /// What has changed since, in words; the backup has it.
    pub changed: Vec<String>,
    /// The newest backup: where it lies.
    pub backup: Option<String>,
    /// RFC 3339.
    pub backup_at: Option<String>,
}

/// Why a server serves nobody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StoppedAnswer {
    /// `older-epoch`, `doubled-epoch`, `other-machine`, `moved-out`.
    pub why: String,
    /// What it is, and what to do: sentences.
    pub text: String,
}

/// A code just made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MadeCode {
    /// All of it. Shown once.
    pub code: String,
    /// Who may use it.
    pub integrator: String,
    /// Whether the pairing may only read.
    pub read_only: bool,
    /// Where.
    pub site: SiteId,
    /// RFC 3339.
    pub expires_at: String,
}

/// How things stand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StatusAnswer {
    /// The Link GUID.
    pub link: String,
    /// Version of Halo Link.
    pub version: String,
    /// `production`, `stage` or `demo`.
    pub environment: String,
    /// How often this Link was started.
    pub epoch: u64,
    /// `online`, `connecting`, `waiting`, `refused`, `closed`.
    pub cloud: String,
    /// Why it is not online.
    pub why: Option<String>,
    /// Commands waiting for their turn.
    pub waiting: usize,
    /// Commands that may be in the databases at once now: fewer while a server is slow.
    pub at_once: usize,
    /// Commands in the database.
    pub running: usize,
    /// Async and registered queries, and what is kept of them; absent from a service that has none.
    #[serde(default)]
    pub jobs: Option<Load>,
    /// Whether each lane of work answers; none from a service that does not look.
    #[serde(default)]
    pub lanes: Vec<LaneAnswer>,
    /// Whether the practice has stopped everything.
    #[serde(default)]
    pub halted: bool,
    /// Why this server serves nobody, when it does not.
    #[serde(default)]
    pub stopped: Option<StoppedAnswer>,
    /// Recovery kit and backup; absent from a service that has none.
    #[serde(default)]
    pub recovery: Option<RecoveryAnswer>,
    /// Its sites.
    pub sites: Vec<SiteAnswer>,
}

/// What one integrator may do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConsentAnswer {
    /// Where.
    pub site: SiteId,
    /// Fingerprint of its root.
    pub integrator: IntegratorId,
    /// Its name.
    pub name: String,
    /// `granted`, `suspended`, `expired`, `unapproved` (the vendor's approval is over), `revoked`.
    pub state: String,
    /// All terms.
    pub terms: Form,
    /// RFC 3339; absent while they are those of the pairing.
    pub changed_at: Option<String>,
    /// The operating system's user.
    pub changed_by: Option<String>,
    /// What it has used up.
    pub used: UsedAnswer,
    /// The PMS vendor's approval that it stands on, if any.
    #[serde(default)]
    pub approval: Option<ApprovalAnswer>,
}

/// What an integrator has used up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct UsedAnswer {
    /// Queries in the present minute.
    pub queries: u64,
    /// Rows in the present day.
    pub rows: u64,
    /// Bytes of row JSON in the present day.
    pub bytes: u64,
    /// Statements under way.
    pub at_once: u64,
}

/// One site.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SiteAnswer {
    /// The Halo GUID.
    pub site: SiteId,
    /// Which software.
    pub pms: String,
    /// The vendor's identifier of the practice.
    pub pms_id: String,
    /// The practice's name.
    pub practice_name: String,
    /// Version of the software.
    #[serde(default)]
    pub pms_version: String,
    /// When the database last told of itself, RFC 3339.
    #[serde(default)]
    pub enriched_at: Option<String>,
    /// Why the database could not be asked, or is not what it should be.
    #[serde(default)]
    pub trouble: Option<String>,
    /// What the database was asked and did not tell, with why.
    #[serde(default)]
    pub untold: Vec<String>,
    /// Whether the practice lets anybody into its database.
    #[serde(default = "yes")]
    pub on: bool,
    /// The practice that the database says it belongs to, when that is another than this site's: nothing is run then.
    #[serde(default)]
    pub other_pms_id: Option<String>,
    /// Keys of the PMS vendor whose approvals this site checks; with none nobody vouches for integrators. `None` from a service
    /// that does not ask.
    #[serde(default)]
    pub vendor_keys: Option<usize>,
    /// Another Halo ID is about to be the one to use for this practice.
    #[serde(default)]
    pub authority_change: Option<AuthorityAnswer>,
    /// Who is paired.
    pub integrators: Vec<IntegratorAnswer>,
    /// Integrators that ask to be let in without a code, and what was said to them.
    #[serde(default)]
    pub requests: Vec<super::RequestAnswer>,
    /// Codes that could still be used.
    pub open_codes: Vec<CodeAnswer>,
}

/// A change that Halo Cloud's operator has begun.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AuthorityAnswer {
    /// The Halo ID that is to be used.
    pub to: SiteId,
    /// Not before, RFC 3339.
    pub ready_at: String,
}

/// How one lane of work stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LaneAnswer {
    /// Whose; none: of all sites.
    pub site: Option<SiteId>,
    /// `immediate`, `async` (registered queries too), `planner`, `journal`.
    pub lane: String,
    /// Whether it answered within the last minute.
    pub answers: bool,
    /// How long ago it did, ms; none: not since the start.
    pub ago_ms: Option<u64>,
    /// Of `immediate`: statements of the site, of either lane, that do not end although they were told to.
    #[serde(default)]
    pub lost: usize,
}

/// One paired integrator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IntegratorAnswer {
    /// Fingerprint of its root.
    pub integrator: IntegratorId,
    /// Its name.
    pub name: String,
    /// Whether it may only read.
    pub read_only: bool,
    /// Whether it is let in.
    pub on: bool,
    /// `granted`, `suspended`, `expired`, `unapproved` (the vendor's approval is over), `revoked`.
    #[serde(default)]
    pub state: String,
    /// RFC 3339.
    pub paired_at: String,
    /// Whether its database login may write, by the database's own grants: `yes`, `no`, `unknown`.
    #[serde(default)]
    pub login_writes: String,
    /// Those grants, in the database's words; at most 100, what lets it write first.
    #[serde(default)]
    pub login_grants: Vec<String>,
    /// When they were read, RFC 3339.
    #[serde(default)]
    pub login_read_at: Option<String>,
    /// The PMS vendor's approval that it stands on, if any.
    #[serde(default)]
    pub approval: Option<ApprovalAnswer>,
}

/// A PMS vendor's approval.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ApprovalAnswer {
    /// The vendor's number of it.
    pub serial: u64,
    /// The name that the vendor knows the integrator by.
    pub name: String,
    /// `read-only` or `read-write`.
    pub access: String,
    /// RFC 3339.
    pub expires_at: String,
    /// Whether it counts now.
    pub counts: bool,
    /// The vendor's own words.
    pub note: String,
    /// When this site took it, RFC 3339.
    pub since: String,
}

/// One open code, without its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CodeAnswer {
    /// Its four public characters.
    pub name: String,
    /// Who may use it.
    pub integrator: String,
    /// Whether the pairing may only read.
    pub read_only: bool,
    /// RFC 3339.
    pub expires_at: String,
    /// Tries used up, of five.
    pub tries: u32,
}

/// How one site was reached the whole way round.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SelfTested {
    /// Which site.
    pub site: SiteId,
    /// From the first byte to the site's own answer, ms; `None` when it was not reached.
    pub ms: Option<u64>,
    /// Why it was not reached.
    pub why: Option<String>,
}

/// How the databases answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Checked {
    /// One for each site.
    pub sites: Vec<SiteChecked>,
}

/// How one site's database answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SiteChecked {
    /// Which site.
    pub site: SiteId,
    /// `well`, `unreachable`, `refused` (Link's own login, or not a database of this software), `not-asked` (Link has no
    /// login of its own there), `late` (no answer in time).
    pub database: String,
    /// What was wrong, without the database's own words.
    pub why: Option<String>,
    /// Each switched-on integrator's login.
    pub logins: Vec<LoginChecked>,
}

/// How one integrator's login was taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LoginChecked {
    /// Whose.
    pub integrator: IntegratorId,
    /// Its name.
    pub name: String,
    /// `well`, `refused` (by the database), `unreachable`, `sealed` (this server can't open it any more), `late`.
    pub login: String,
    /// What was wrong, without the database's own words.
    pub why: Option<String>,
}

fn yes() -> bool {
    true
}
