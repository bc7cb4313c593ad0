//! Pairing, the gateway's side: the site proves first that it knows the code; the login goes last.

pub(crate) mod without_code;

use crate::{
    gateway::{Gateway, Login},
    session::{OpenError, Session, call},
    store::Paired,
};
use futures::stream;
use link_api::{Streaming, convert, proto};
use model::{Pms, SiteFacts, SiteId};
use std::time::Duration;
use tokio::sync::mpsc;
use trust::pairing::{self, Code, Role, Transcript};

/// One step of the site may take this long; the last one includes a database login.
const STEP_WITHIN: Duration = Duration::from_secs(30);

/// Why pairing failed. Each sentence is for the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PairError {
    #[error(
        "The site knows no open pairing code that begins like this one: it was mistyped, or never made. Ask the practice for a new one."
    )]
    UnknownCode,
    #[error("The pairing code has expired: a code is good for seven days. Ask the practice for a new one.")]
    ExpiredCode,
    #[error("The pairing code has been used: a code pairs once. Ask the practice for a new one.")]
    UsedCode,
    #[error(
        "The pairing code was tried wrongly five times and is no longer good. Ask the practice for a new one."
    )]
    TooManyTries,
    #[error(
        "The pairing code is wrong: it begins like one of the site's codes but the rest differs. Check it with the practice."
    )]
    WrongProof,
    #[error(
        "The pairing code was made for an integrator of another name. Ask the practice to make one for yours."
    )]
    OtherIntegrator,
    #[error("The site belongs to another environment (production, stage or demo) than this gateway.")]
    OtherEnvironment,
    #[error("The site's Halo Link speaks another version of the pairing. It needs an update.")]
    OtherVersion,
    #[error(
        "Whoever answered for the site could not prove that it knows the pairing code. Nothing was sent to it. Check the code with the \
         practice."
    )]
    SiteProof,
    #[error(
        "Login failed: the practice's database refused this integrator's login, or could not be asked. The code was not used up."
    )]
    LoginFailed,
    #[error(
        "The practice lets nobody in just now: it has stopped Halo Link or switched this database off, or its database could not be asked whose \
         it is. No login was sent, and a pairing code was not used up. Ask the practice, and pair again when it goes on."
    )]
    NotNow,
    #[error(
        "The practice lets in only integrators that the vendor of its practice software has approved, and this gateway has no approval for \
         that software. Ask the vendor for one, have whoever runs the gateway put its file where `approvals` says, and pair again."
    )]
    NoApproval,
    #[error(
        "The practice did not take the PMS vendor's approval that this gateway has: it has expired, was replaced by a newer one, is for \
         another environment, or another vendor signed it. `halo vendor show` prints what it says. Ask the vendor for another one, and pair \
         again."
    )]
    ApprovalRefused,
    #[error(
        "The integrator has revoked this gateway's certificate, or the practice has shut this gateway out. Pair with another of the \
         integrator's gateways, or issue this one a new certificate."
    )]
    RevokedInstance,
    #[error("The practice has to let this integrator in first.")]
    Waiting,
    #[error(
        "The practice has said no to this integrator. Ask it why: it can change its mind with `HaloLinkUtility pairing approve` at its server, \
         or make a pairing code."
    )]
    Denied,
    #[error(
        "As many integrators ask this practice to be let in as its site keeps, and it has decided on none of them yet. Ask the practice to look at \
         `HaloLinkUtility pairing list`, or for a pairing code."
    )]
    TooManyRequests,
    #[error("This site pairs with a code only. Ask the practice for one and send it as `pairingCode`.")]
    CodeNeeded,
    #[error(
        "The site's Halo Link is from before there was pairing without a code. The practice must update it, or make a pairing code."
    )]
    OldSite,
    #[error("The site could not be reached. The code was not used up: try again when the site is online.")]
    Unreachable,
    #[error(
        "The site broke off the pairing. Try again; if it happens again, ask the practice for a new code."
    )]
    Protocol,
    #[error(
        "This gateway has no database login for the site's practice management software. Add one to its configuration."
    )]
    NoLogin,
    #[error(
        "The site has paired, but the gateway could not store it. Try a query: the site knows this integrator."
    )]
    Store,
}

impl PairError {
    /// Of several sites that could not prove anything, the one with the highest rank is told of. A refusal names
    /// more than a silence; yet none is believed, for anybody may claim to have the practice's identifier.
    pub(crate) fn rank(self) -> u8 {
        match self {
            PairError::Unreachable => 0,
            PairError::Protocol => 1,
            PairError::UnknownCode => 2,
            PairError::SiteProof => 3,
            _ => 4,
        }
    }
}

/// What the caller is told of a refused approval: whether there was one.
pub(crate) fn told(gateway: &Gateway, pms: Pms, error: PairError) -> PairError {
    match error {
        PairError::ApprovalRefused if approval(gateway, pms).is_empty() => PairError::NoApproval,
        error => error,
    }
}

/// A site that has proved to know the code.
pub(crate) struct Proven {
    site: SiteId,
    session: Session,
    talk: Talk,
}

/// Opens a session and has the site prove that it knows the code. Nothing that fails here says anything of the code:
/// whoever answered may be anybody.
pub(crate) async fn meet(
    gateway: &Gateway,
    site: SiteId,
    pms: Pms,
    code: &Code,
) -> Result<Proven, PairError> {
    let session = gateway.sessions.open_apart(site).await.map_err(|error| unreachable(site, &error))?;
    let mut talk = Talk::begin(&session).await?;
    talk.ask(gateway, pms, Some(code)).await?;
    let proof = match talk.hear().await.map_err(before_login) {
        Ok(proto::pair_reply::Step::Proof(proof)) => proof,
        // An approval that it looks at once the code is proved, what belongs to pairing without one.
        Ok(_)
        | Err(
            PairError::ApprovalRefused
            | PairError::Waiting
            | PairError::Denied
            | PairError::TooManyRequests
            | PairError::CodeNeeded,
        ) => return Err(PairError::Protocol),
        Err(error) => return Err(error),
    };
    if !pairing::check(code, Role::Site, &transcript(gateway, &session, code), &proof.mac) {
        tracing::warn!(%site, "a site could not prove that it knows the pairing code");
        return Err(PairError::SiteProof);
    }
    Ok(Proven { site, session, talk })
}

/// Proves ourselves and hands over the login; what the site says of itself, where it says it. An error here is the
/// answer: no other site made the code.
pub(crate) async fn finish(
    gateway: &Gateway,
    proven: Proven,
    login: &Login,
    code: &Code,
) -> Result<Option<SiteFacts>, PairError> {
    let Proven { site, session, mut talk } = proven;
    let mac = pairing::prove(code, Role::Gateway, &transcript(gateway, &session, code)).to_vec();
    talk.say(proto::pair_request::Step::Proof(proto::PairProof { mac })).await?;
    let proto::pair_reply::Step::LoginWanted(_) = talk.hear().await.map_err(before_login)? else {
        return Err(PairError::Protocol);
    };
    stored(gateway, site, talk.hand_over(login).await?)
}

/// A site to which there is no session to pair in.
fn unreachable(site: SiteId, error: &OpenError) -> PairError {
    tracing::info!(%site, %error, "a site could not be reached for pairing");
    match error {
        OpenError::NotTheSite(_) => PairError::SiteProof,
        _ => PairError::Unreachable,
    }
}

/// What an error means that is heard before the login was sent: none was refused.
fn before_login(error: PairError) -> PairError {
    match error {
        PairError::LoginFailed => PairError::NotNow,
        error => error,
    }
}

/// The site has let us in.
fn stored(gateway: &Gateway, site: SiteId, done: proto::PairDone) -> Result<Option<SiteFacts>, PairError> {
    gateway.sessions.forget(site);
    let paired = Paired { read_only: done.read_only };
    gateway.store.set_paired(site, paired, gateway.clock.now()).map_err(|error| {
        tracing::error!(%site, %error, "a pairing could not be stored");
        PairError::Store
    })?;
    tracing::info!(%site, read_only = done.read_only, "paired");
    Ok(done.facts.and_then(|facts| convert::facts_from_proto(facts).ok()))
}

/// The PMS vendor's, for a software; empty when there is none.
fn approval(gateway: &Gateway, pms: Pms) -> Vec<u8> {
    let held = gateway.papers.approval(pms, &gateway.environment, gateway.clock.now());
    held.map(|signed| signed.to_bytes()).unwrap_or_default()
}

fn transcript<'a>(gateway: &'a Gateway, session: &'a Session, code: &'a Code) -> Transcript<'a> {
    Transcript {
        version: pairing::VERSION,
        environment: &gateway.environment,
        site_root: &session.peer.root_spki,
        integrator_root: &gateway.integrator_root,
        integrator_name: &gateway.integrator_name,
        code_name: code.name(),
        exporter: session.exporter.reveal(),
    }
}

/// One step there, one step back.
struct Talk {
    say: mpsc::Sender<proto::PairRequest>,
    hear: Option<Streaming<proto::PairReply>>,
    opening: Option<futures::future::BoxFuture<'static, Result<Streaming<proto::PairReply>, PairError>>>,
}

impl Talk {
    async fn begin(session: &Session) -> Result<Self, PairError> {
        let (say, said) = mpsc::channel(1);
        let outgoing = stream::unfold(said, |mut said| async move { Some((said.recv().await?, said)) });
        let mut client =
            call(session, async move |client| Ok(client)).await.map_err(|_| PairError::Unreachable)?;
        // The answer's head may come only after our first message: it is waited for together with the first reply.
        let opening = Box::pin(async move {
            client.pair(outgoing).await.map(link_api::Response::into_inner).map_err(|_| PairError::Protocol)
        });
        Ok(Talk { say, hear: None, opening: Some(opening) })
    }

    /// Asks to be let in, with a code or without.
    async fn ask(&mut self, gateway: &Gateway, pms: Pms, code: Option<&Code>) -> Result<(), PairError> {
        self.say(proto::pair_request::Step::Begin(proto::PairBegin {
            version: pairing::VERSION,
            environment: gateway.environment.clone(),
            code_name: code.map(|code| code.name().to_owned()).unwrap_or_default(),
            integrator_name: gateway.integrator_name.clone(),
            approval: approval(gateway, pms),
            without_code: code.is_none(),
        }))
        .await
    }

    /// Hands over the login, which the site has asked for.
    async fn hand_over(&mut self, login: &Login) -> Result<proto::PairDone, PairError> {
        self.say(proto::pair_request::Step::Login(proto::DatabaseLogin {
            user: login.user.reveal().clone(),
            password: login.password.reveal().clone(),
        }))
        .await?;
        match self.hear().await? {
            proto::pair_reply::Step::Done(done) => Ok(done),
            _ => Err(PairError::Protocol),
        }
    }

    async fn say(&mut self, step: proto::pair_request::Step) -> Result<(), PairError> {
        self.say.send(proto::PairRequest { step: Some(step) }).await.map_err(|_| PairError::Protocol)
    }

    async fn hear(&mut self) -> Result<proto::pair_reply::Step, PairError> {
        tokio::time::timeout(STEP_WITHIN, self.next()).await.unwrap_or(Err(PairError::Protocol))
    }

    async fn next(&mut self) -> Result<proto::pair_reply::Step, PairError> {
        if let Some(opening) = self.opening.take() {
            self.hear = Some(opening.await?);
        }
        let Some(hear) = &mut self.hear else { return Err(PairError::Protocol) };
        let reply = hear.message().await.map_err(|_| PairError::Protocol)?;
        match reply.and_then(|reply| reply.step) {
            Some(proto::pair_reply::Step::Refused(refused)) => Err(refusal(refused.reason)),
            Some(step) => Ok(step),
            None => Err(PairError::Protocol),
        }
    }
}

fn refusal(reason: i32) -> PairError {
    use proto::PairRefusal as R;
    match R::try_from(reason) {
        Ok(R::UnknownCode) => PairError::UnknownCode,
        Ok(R::ExpiredCode) => PairError::ExpiredCode,
        Ok(R::UsedCode) => PairError::UsedCode,
        Ok(R::TooManyTries) => PairError::TooManyTries,
        Ok(R::WrongProof) => PairError::WrongProof,
        Ok(R::OtherIntegrator) => PairError::OtherIntegrator,
        Ok(R::OtherEnvironment) => PairError::OtherEnvironment,
        Ok(R::UnsupportedVersion) => PairError::OtherVersion,
        Ok(R::LoginFailed) => PairError::LoginFailed,
        Ok(R::NotApproved) => PairError::ApprovalRefused,
        Ok(R::RevokedInstance) => PairError::RevokedInstance,
        Ok(R::Waiting) => PairError::Waiting,
        Ok(R::Denied) => PairError::Denied,
        Ok(R::TooManyRequests) => PairError::TooManyRequests,
        Ok(R::CodeNeeded) => PairError::CodeNeeded,
        Ok(R::Protocol | R::Unspecified) | Err(_) => PairError::Protocol,
    }
}
