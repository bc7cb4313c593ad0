//! Pairing, the site's side: begin, proof of the site, proof of the gateway, login, done.
//!
//! **How tries are counted.** A try is counted, on disk, before the site shows its own proof, and taken back only when
//! the gateway's proof is right. So a wrong proof, a missing one and a cut connection all count: whoever knows no more
//! than the code's four public characters gets five guesses at 80 bits, however many sessions it opens at once. A
//! practice loses a try only when its connection breaks within the one round trip between the two proofs; a break
//! before or after (also during the login) costs nothing, and a login that the database refuses costs nothing.

mod agreed;
#[cfg(test)]
mod approval_tests;
#[cfg(test)]
mod tests;
mod without_code;

use crate::{
    door::{Door, writes_to_proto},
    store::{AuditLine, CODE_TRIES, CodeState, Happened, NewPairing},
};
use agreed::{Agreed, Grounds};
use database::Login;
use link_api::proto::{self, PairRefusal, pair_reply, pair_request};
use model::{Access, Hidden, IntegratorId, SiteId};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use trust::{
    Peer,
    pairing::{Code, Role, Transcript, VERSION, check, prove},
};

/// The whole exchange takes no longer.
pub const WITHIN: Duration = Duration::from_secs(30);
/// Longest name of an integrator, bytes.
const NAME_BYTES: usize = 256;
/// Longest user name or password of a database login, bytes.
const LOGIN_BYTES: usize = 1024;

/// Who pairs, and in which session.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The integrator's gateway at the other end.
    pub peer: Arc<Peer>,
    /// The site that was asked for.
    pub site: SiteId,
    /// Binds the proofs to this session.
    pub exporter: Arc<Hidden<Vec<u8>>>,
}

/// What this site is to those who pair with it.
#[derive(Clone, Debug)]
pub struct Presence {
    /// `production`, `stage` or `demo`.
    pub environment: String,
    /// The site's root, public-key info in DER.
    pub root_spki: Vec<u8>,
}

/// Why the exchange ended without a pairing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// In the contract's words.
    pub reason: PairRefusal,
    /// A sentence that says what to do.
    pub message: String,
}

impl From<Refused> for proto::PairReply {
    fn from(refused: Refused) -> Self {
        let refused = proto::PairRefused { reason: refused.reason.into(), message: refused.message };
        proto::PairReply { step: Some(pair_reply::Step::Refused(refused)) }
    }
}

/// One exchange. Each step blocks on the disk, the last on the database too: not for async threads.
pub struct Exchange {
    door: Arc<Door>,
    caller: Caller,
    own: Presence,
    /// Nothing is stored after this, on the door's monotonic clock.
    deadline: Duration,
    abandoned: Arc<AtomicBool>,
    state: State,
}

enum State {
    Begin,
    Proof(Named),
    Login(Agreed),
    Over,
}

/// A code that was named rightly.
struct Named {
    code: Code,
    integrator_name: String,
    access: Access,
    /// Tries left, this one counted.
    left: u32,
    /// The vendor's approval as it came. Looked at once the code is proved: a stranger has no signatures checked.
    approval: Vec<u8>,
}

impl std::fmt::Debug for Exchange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Exchange").field("caller", &self.caller).finish_non_exhaustive()
    }
}

impl Exchange {
    /// An exchange that waits for its first message.
    pub fn new(door: Arc<Door>, caller: Caller, own: Presence) -> Self {
        let deadline = door.clock().monotonic() + WITHIN;
        Exchange { door, caller, own, deadline, abandoned: Arc::default(), state: State::Begin }
    }

    /// Set to true when nobody waits for the exchange any more: it stores nothing from then on.
    pub fn abandoned(&self) -> Arc<AtomicBool> {
        self.abandoned.clone()
    }

    /// Takes one message and answers it. After `Done`, or an error, the exchange is over.
    ///
    /// # Errors
    /// The refusal that goes to the caller as the last reply.
    pub fn step(&mut self, request: proto::PairRequest) -> Result<pair_reply::Step, Refused> {
        let (site, integrator) = (self.caller.site, self.caller.peer.id);
        let answer = self.take(request);
        match &answer {
            Ok(pair_reply::Step::Done(done)) => {
                tracing::info!(%site, %integrator, read_only = done.read_only, "paired");
            }
            Ok(_) => {}
            Err(refused) => {
                tracing::info!(%site, %integrator, reason = refused.reason.as_str_name(), "pairing refused");
                self.state = State::Over;
            }
        }
        answer
    }

    fn take(&mut self, request: proto::PairRequest) -> Result<pair_reply::Step, Refused> {
        self.in_time()?;
        match (std::mem::replace(&mut self.state, State::Over), request.step) {
            (State::Begin, Some(pair_request::Step::Begin(begin))) => self.begin(begin),
            (State::Proof(named), Some(pair_request::Step::Proof(proof))) => self.proof(named, &proof),
            (State::Login(agreed), Some(pair_request::Step::Login(login))) => self.login(&agreed, login),
            _ => Err(protocol("The gateway sent a pairing step out of order; it needs an update.")),
        }
    }

    fn begin(&mut self, begin: proto::PairBegin) -> Result<pair_reply::Step, Refused> {
        if begin.version != VERSION {
            let how = format!(
                "This site pairs by version {VERSION} of the protocol; update the older of the two ends."
            );
            return refuse(PairRefusal::UnsupportedVersion, how);
        }
        if begin.environment != self.own.environment {
            let how = format!(
                "This site belongs to the environment {}; use a gateway of that one.",
                self.own.environment
            );
            return refuse(PairRefusal::OtherEnvironment, how);
        }
        let name = begin.integrator_name;
        if name.len() > NAME_BYTES || begin.code_name.len() > NAME_BYTES {
            return Err(protocol("A name in the pairing request is longer than 256 bytes."));
        }
        if begin.approval.len() > trust::approval::MAX_BYTES {
            return Err(protocol("The approval in the pairing request is longer than 4,096 bytes."));
        }
        if let Err(out) = self.door.instance(&self.caller.peer, self.caller.site) {
            return refuse(PairRefusal::RevokedInstance, out.message);
        }
        self.own_practice()?;
        if begin.without_code {
            return self.without_code(&proto::PairBegin { integrator_name: name, ..begin });
        }
        let names_it = |made_for: &str| made_for.trim().to_lowercase() == name.trim().to_lowercase();
        let (site, now) = (self.caller.site, self.door.clock().now());
        let state = self.door.store().code(site, &begin.code_name, now, |record| {
            // Of another name it is refused before anything is proved: nothing was guessed, no try is counted.
            names_it(&record.made_for.integrator_name)
        });
        let (reason, how) = match state.map_err(unwritten)? {
            CodeState::Open { code, record } if names_it(&record.made_for.integrator_name) => {
                let access = if record.made_for.read_only { Access::ReadOnly } else { Access::ReadWrite };
                let left = CODE_TRIES.saturating_sub(record.tries);
                let named = Named { code, integrator_name: name, access, left, approval: begin.approval };
                let mac = prove(&named.code, Role::Site, &self.transcript(&named)).to_vec();
                self.state = State::Proof(named);
                return Ok(pair_reply::Step::Proof(proto::PairProof { mac }));
            }
            CodeState::Open { .. } => (
                PairRefusal::OtherIntegrator,
                "The code was made for an integrator of another name. Ask the practice to make one for the name that this gateway is configured with.",
            ),
            CodeState::Unknown => (
                PairRefusal::UnknownCode,
                "This site knows no code of that name. Check its first four characters and the site, or ask the practice for a new one.",
            ),
            CodeState::Used => (
                PairRefusal::UsedCode,
                "The code was used before. Each code pairs once: ask the practice for a new one.",
            ),
            CodeState::Expired => (
                PairRefusal::ExpiredCode,
                "The code is older than seven days. Ask the practice for a new one.",
            ),
            CodeState::Exhausted => (
                PairRefusal::TooManyTries,
                "The code was tried wrongly five times and is no longer good. Ask the practice for a new one.",
            ),
        };
        refuse(reason, how)
    }

    fn proof(&mut self, named: Named, proof: &proto::PairProof) -> Result<pair_reply::Step, Refused> {
        if proof.mac.len() != 32 {
            return Err(protocol("The gateway's proof has not 32 bytes; it needs an update."));
        }
        if !check(&named.code, Role::Gateway, &self.transcript(&named), &proof.mac) {
            self.door.note(AuditLine {
                integrator: Some(IntegratorId(self.caller.peer.id)),
                status: Some(PairRefusal::WrongProof.as_str_name()),
                ..AuditLine::new(self.door.clock().now(), Happened::PairingRefused, self.caller.site)
            });
            let how = format!(
                "The code is not right. Check it with the practice, character by character; {} tries are left.",
                named.left
            );
            return refuse(PairRefusal::WrongProof, how);
        }
        self.door.store().give_try_back(self.caller.site, named.code.name()).map_err(unwritten)?;
        let approval = self.approved(&named.approval, "; the code is still good")?;
        let name = named.integrator_name.trim().to_owned();
        let grounds = Grounds::Code(named.code.name().to_owned());
        self.state = State::Login(Agreed::new(grounds, name, named.access, approval));
        Ok(pair_reply::Step::LoginWanted(proto::LoginWanted {}))
    }

    fn login(&mut self, agreed: &Agreed, login: proto::DatabaseLogin) -> Result<pair_reply::Step, Refused> {
        let login = self::login(login).map_err(protocol)?;
        let site = self.caller.site;
        self.own_practice()?;
        let rights = self.door.try_login(site, &login, agreed.access).map_err(|failure| {
            tracing::info!(%site, %failure, "a login offered at pairing does not work");
            Refused {
                reason: PairRefusal::LoginFailed,
                message: "The practice's database refused the login, or could not be reached. Check the login that the \
                          PMS vendor issued, then pair again with the same code."
                    .to_owned(),
            }
        })?;
        // The database may have taken its time.
        self.in_time()?;
        let new = NewPairing {
            site,
            integrator: IntegratorId(self.caller.peer.id),
            name: &agreed.integrator_name,
            root_spki: &self.caller.peer.root_spki,
            access: agreed.access,
            login: &login,
            rights: &rights,
        };
        if !self.door.pair(&new, agreed.ticket()).map_err(unwritten)? {
            return Err(agreed.used());
        }
        Ok(pair_reply::Step::Done(proto::PairDone {
            facts: self.door.facts(site).map(|facts| link_api::convert::facts_to_proto(&facts)),
            read_only: agreed.access == Access::ReadOnly,
            writes: writes_to_proto(rights.writes).into(),
        }))
    }

    fn transcript<'a>(&'a self, named: &'a Named) -> Transcript<'a> {
        Transcript {
            version: VERSION,
            environment: &self.own.environment,
            site_root: &self.own.root_spki,
            integrator_root: &self.caller.peer.root_spki,
            integrator_name: &named.integrator_name,
            code_name: named.code.name(),
            exporter: self.caller.exporter.reveal(),
        }
    }

    /// Nobody pairs with a database of another practice.
    fn own_practice(&self) -> Result<(), Refused> {
        let checked = self.door.check_practice(self.caller.site);
        checked.map_err(|refused| Refused { reason: PairRefusal::LoginFailed, message: refused.message })
    }

    fn in_time(&self) -> Result<(), Refused> {
        let late = self.door.clock().monotonic() > self.deadline || self.abandoned.load(Ordering::Relaxed);
        if late { Err(too_late()) } else { Ok(()) }
    }
}

/// A login as it came, within the limits; out of reach of every log from here on.
pub(crate) fn login(login: proto::DatabaseLogin) -> Result<Login, &'static str> {
    let (user, password) = login.into_parts();
    let login = Login { user: Hidden::new(user), password: Hidden::new(password) };
    match login.user.reveal().len() > LOGIN_BYTES || login.password.reveal().len() > LOGIN_BYTES {
        true => Err("The database login is longer than 1,024 bytes."),
        false => Ok(login),
    }
}

/// The exchange took longer than [`WITHIN`].
pub(crate) fn too_late() -> Refused {
    protocol(
        "Pairing took longer than 30 seconds. Pair again; the code is still good unless it says otherwise.",
    )
}

fn refuse<T>(reason: PairRefusal, message: impl Into<String>) -> Result<T, Refused> {
    Err(Refused { reason, message: message.into() })
}

fn protocol(message: &str) -> Refused {
    Refused { reason: PairRefusal::Protocol, message: message.to_owned() }
}

fn unwritten(error: crate::store::StoreError) -> Refused {
    tracing::error!(%error, "pairing stops: the store does not work");
    protocol(
        "The site can't write to its disk. The practice must look at its server's disk; then pair again.",
    )
}
