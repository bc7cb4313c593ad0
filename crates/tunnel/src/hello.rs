//! Who is there: challenge, hello, sites, welcome. Both sides.

use crate::{
    AcceptOptions, Credentials, JoinedSite, Party,
    control::{
        self, Certificate, Challenge, Fixed32, Hello, Message, Refused, RefusedReason, Role, Signature, Site,
    },
    tuning::DISCARD_WITHIN,
    wire::{WebSocket, from_websocket},
};
use futures::{SinkExt, StreamExt};
use model::{SiteFacts, Timestamp};
use rustls::pki_types::CertificateDer;
use sha2::{Digest, Sha256};
use std::io;
use tokio_tungstenite::tungstenite::Message as Frame;
use trust::{
    Kind, Operational, Peer,
    outer::{self, OuterRole, Statement},
};

/// Longest text of a refusal, in bytes.
const REFUSAL_BYTES: usize = 512;

/// Why a client did not get in, as the client sees it.
#[derive(Debug)]
pub(crate) enum Rejected {
    /// The relay said so.
    Refused(Refused),
    /// The conversation broke.
    Broken(String),
}

/// Why a client did not get in, as the relay sees it: what to tell it, if it can still be told.
#[derive(Debug)]
pub(crate) enum Fault {
    Refuse(RefusedReason, String),
    /// Another server may be the real one; with the highest epoch seen.
    Fence(RefusedReason, String, u64),
    Gone(io::Error),
}

fn refuse(reason: RefusedReason, message: impl Into<String>) -> Fault {
    Fault::Refuse(reason, message.into())
}

// ---- client

/// Answers the challenge on a fresh WebSocket. `host` is the host that was dialled, `environment` the client's own.
pub(crate) async fn prove(
    socket: &mut WebSocket,
    host: &str,
    environment: &str,
    credentials: &Credentials,
) -> Result<(), Rejected> {
    let Message::Challenge(challenge) = from_relay(socket).await? else {
        return Err(Rejected::Broken("the relay did not begin with a challenge".to_owned()));
    };
    for message in answers(host, environment, credentials, &challenge)? {
        let text = control::write(&message)
            .map_err(|e| Rejected::Broken(format!("a site's facts are too long: {e}")))?;
        let sent = socket.feed(Frame::Text(text.into())).await;
        sent.map_err(|e| Rejected::Broken(from_websocket(e).to_string()))?;
    }
    socket.flush().await.map_err(|e| Rejected::Broken(from_websocket(e).to_string()))?;
    match from_relay(socket).await? {
        Message::Welcome => Ok(()),
        _ => Err(Rejected::Broken("the relay answered neither welcome nor refused".to_owned())),
    }
}

fn answers(
    host: &str,
    environment: &str,
    credentials: &Credentials,
    challenge: &Challenge,
) -> Result<Vec<Message>, Rejected> {
    let signed = |own: &Operational, role, epoch, facts_hash| {
        let statement = Statement { role, relay: host, nonce: &challenge.nonce.0, epoch, facts_hash };
        let signature = outer::sign(own, &statement).map_err(|e| Rejected::Broken(e.to_string()))?;
        let chain: Vec<_> = own.chain().iter().map(|c| Certificate(c.to_vec())).collect();
        Ok::<_, Rejected>((chain, Signature(signature)))
    };
    let hello = |role, outer_role, own: &Operational, epoch, facts_hash| {
        let (chain, signature) = signed(own, outer_role, epoch, facts_hash)?;
        let (relay, environment) = (host.to_owned(), environment.to_owned());
        Ok(Message::Hello(Box::new(Hello {
            version: control::VERSION,
            role,
            relay,
            environment,
            epoch,
            chain,
            signature,
        })))
    };
    match credentials {
        Credentials::Gateway { operational, epoch } => {
            Ok(vec![hello(Role::Gateway, OuterRole::Gateway, operational, *epoch, [0; 32])?])
        }
        Credentials::Link { operational, epoch, sites } => {
            let listed = sites_hash(sites.iter().map(|site| site.operational.peer().id.as_bytes()));
            let mut all = vec![hello(Role::Link, OuterRole::Link, operational, *epoch, listed)?];
            for site in sites {
                let facts =
                    serde_json::to_string(&site.facts).map_err(|e| Rejected::Broken(e.to_string()))?;
                let hash = Sha256::digest(facts.as_bytes()).into();
                let (chain, signature) = signed(&site.operational, OuterRole::Site, site.epoch, hash)?;
                all.push(Message::Site(Box::new(Site { epoch: site.epoch, chain, facts, signature })));
            }
            all.push(Message::Ready);
            Ok(all)
        }
    }
}

async fn from_relay(socket: &mut WebSocket) -> Result<Message, Rejected> {
    match next_message(socket).await {
        Ok(Message::Refused(refused)) => Err(Rejected::Refused(refused)),
        Ok(message) => Ok(message),
        Err(Fault::Refuse(_, why) | Fault::Fence(_, why, _)) => {
            Err(Rejected::Broken(format!("the relay broke the protocol: {why}")))
        }
        Err(Fault::Gone(error)) => Err(Rejected::Broken(format!("the relay closed the connection: {error}"))),
    }
}

// ---- relay

/// Challenges a client on a fresh WebSocket and checks what it answers. It is not told `welcome` yet.
pub(crate) async fn examine(
    socket: &mut WebSocket,
    nonce: [u8; 32],
    options: &AcceptOptions,
) -> Result<Party, Fault> {
    let relay = options.relay_names.first().cloned().unwrap_or_default();
    let challenge = Challenge { version: control::VERSION, relay, nonce: Fixed32(nonce) };
    tell(socket, &Message::Challenge(challenge)).await?;

    let Message::Hello(hello) = next_message(socket).await? else {
        return Err(refuse(RefusedReason::Protocol, "hello was expected"));
    };
    if hello.version != control::VERSION {
        let why = format!("this relay speaks version {} of the outer leg", control::VERSION);
        return Err(refuse(RefusedReason::Version, why));
    }
    if !options.relay_names.iter().any(|name| name.eq_ignore_ascii_case(&hello.relay)) {
        return Err(refuse(RefusedReason::RelayName, "this relay does not go by the name that was dialled"));
    }
    if hello.environment != options.environment {
        return Err(refuse(RefusedReason::Environment, other_environment(&options.environment, &hello)));
    }
    let exam = Exam { relay: &hello.relay, nonce: &nonce, now: options.clock.now() };
    let signed = |facts_hash| Signed {
        chain: &hello.chain,
        signature: &hello.signature,
        epoch: hello.epoch,
        facts_hash,
    };
    match hello.role {
        Role::Gateway => {
            let peer = exam.check(Kind::Integrator, OuterRole::Gateway, &signed([0; 32]))?;
            Ok(Party::Gateway { peer, epoch: hello.epoch })
        }
        Role::Link => {
            let peer = exam.peer(Kind::Link, &hello.chain)?;
            let sites = sites(socket, &exam, options.max_sites).await?;
            // Only now: the Link has signed which sites it lists, so that nobody on the way drops one or adds another.
            let listed = sites_hash(sites.iter().map(|site| site.peer.id.as_bytes()));
            exam.proof(OuterRole::Link, &signed(listed))?;
            Ok(Party::Link { peer, epoch: hello.epoch, sites })
        }
    }
}

/// What a client of another environment is told: both names, and where to set it right.
fn other_environment(ours: &str, hello: &Hello) -> String {
    let (who, next) = match hello.role {
        Role::Link => (
            "Halo Link",
            format!(
                "write the address of its own cloud as `url` into [cloud] of link.toml, or go over with `HaloLinkUtility environment \
                 set {ours}`; then restart the service"
            ),
        ),
        Role::Gateway => (
            "gateway",
            "correct `environment`, or `url` in [cloud], in its configuration file and start it again"
                .to_owned(),
        ),
    };
    // Whoever is not known yet may have sent anything.
    match model::ENVIRONMENTS.contains(&hello.environment.as_str()) {
        true => {
            format!("this Halo Cloud is {ours}'s, and this {who} is set to {}: {next}", hello.environment)
        }
        false => format!(
            "this Halo Cloud is {ours}'s, and this {who} does not say which environment it is of: update it"
        ),
    }
}

/// What a Link signs of its sites: their GUIDs, in the order of their messages.
fn sites_hash<'a>(sites: impl Iterator<Item = &'a [u8; 16]>) -> [u8; 32] {
    let mut hash = Sha256::new();
    sites.for_each(|site| hash.update(site));
    hash.finalize().into()
}

async fn sites(socket: &mut WebSocket, exam: &Exam<'_>, limit: usize) -> Result<Vec<JoinedSite>, Fault> {
    let mut sites: Vec<JoinedSite> = Vec::new();
    loop {
        let site = match next_message(socket).await? {
            Message::Ready => return Ok(sites),
            Message::Site(site) => site,
            _ => return Err(refuse(RefusedReason::Protocol, "site or ready was expected")),
        };
        if sites.len() >= limit {
            return Err(refuse(
                RefusedReason::Sites,
                format!("this relay takes at most {limit} sites from one Link"),
            ));
        }
        let signed = Signed {
            chain: &site.chain,
            signature: &site.signature,
            epoch: site.epoch,
            facts_hash: Sha256::digest(site.facts.as_bytes()).into(),
        };
        let peer = exam.check(Kind::Site, OuterRole::Site, &signed)?;
        if sites.iter().any(|other| other.peer.id == peer.id) {
            return Err(refuse(RefusedReason::Sites, format!("site {} was named twice", peer.id)));
        }
        let facts = facts(&site.facts)
            .ok_or_else(|| refuse(RefusedReason::Protocol, "a site's facts are malformed"))?;
        sites.push(JoinedSite { peer, facts, epoch: site.epoch });
    }
}

/// Facts end up in a directory and in other people's answers: no field may be long.
fn facts(text: &str) -> Option<SiteFacts> {
    let facts: SiteFacts = serde_json::from_str(text).ok()?;
    let fields = [&facts.pms_id, &facts.practice_name, &facts.pms_version, &facts.link_version];
    let short = fields.into_iter().chain(facts.catalogues.iter().map(|c| &c.name)).all(|f| f.len() <= 512);
    (short && facts.catalogues.len() <= 16).then_some(facts)
}

struct Exam<'a> {
    relay: &'a str,
    nonce: &'a [u8; 32],
    now: Timestamp,
}

struct Signed<'a> {
    chain: &'a [Certificate],
    signature: &'a Signature,
    epoch: u64,
    facts_hash: [u8; 32],
}

impl Exam<'_> {
    fn check(&self, kind: Kind, role: OuterRole, signed: &Signed<'_>) -> Result<Peer, Fault> {
        let peer = self.peer(kind, signed.chain)?;
        self.proof(role, signed)?;
        Ok(peer)
    }

    fn peer(&self, kind: Kind, chain: &[Certificate]) -> Result<Peer, Fault> {
        let chain: Vec<_> = chain.iter().map(der).collect();
        trust::verify_chain(kind, &chain, self.now)
            .map_err(|e| refuse(RefusedReason::Certificate, format!("the certificate is not accepted: {e}")))
    }

    /// For a chain that [`Exam::peer`] has accepted.
    fn proof(&self, role: OuterRole, signed: &Signed<'_>) -> Result<(), Fault> {
        let Signed { chain, signature, epoch, facts_hash } = *signed;
        let leaf = chain.first().map(der).ok_or_else(|| refuse(RefusedReason::Certificate, "none came"))?;
        let statement = Statement { role, relay: self.relay, nonce: self.nonce, epoch, facts_hash };
        outer::verify(&leaf, &statement, &signature.0)
            .map_err(|_| refuse(RefusedReason::Signature, "the signature does not fit the challenge"))
    }
}

fn der(certificate: &Certificate) -> CertificateDer<'_> {
    CertificateDer::from(certificate.0.as_slice())
}

/// Sends one control message.
pub(crate) async fn tell(socket: &mut WebSocket, message: &Message) -> Result<(), Fault> {
    let text = control::write(message).map_err(|e| Fault::Gone(io::Error::other(e.to_string())))?;
    socket.send(Frame::Text(text.into())).await.map_err(|e| Fault::Gone(from_websocket(e)))
}

/// Tells a client why it is not let in; best effort.
pub(crate) async fn tell_refusal(
    socket: &mut WebSocket,
    reason: RefusedReason,
    message: &str,
    epoch: Option<u64>,
) {
    let cut = message
        .char_indices()
        .map(|(at, c)| at + c.len_utf8())
        .take_while(|end| *end <= REFUSAL_BYTES)
        .last();
    let message = message[..cut.unwrap_or(0)].to_owned();
    if tell(socket, &Message::Refused(Refused { reason, message, epoch })).await.is_ok() {
        let _ = socket.close(None).await;
        // What the client had still sent is read away: see `Wire::poll_discard`.
        let rest = async { while let Some(Ok(_)) = socket.next().await {} };
        let _ = tokio::time::timeout(DISCARD_WITHIN, rest).await;
    }
}

/// The next control message before `welcome`: anything that is none is a fault.
async fn next_message(socket: &mut WebSocket) -> Result<Message, Fault> {
    loop {
        return match socket.next().await {
            None | Some(Ok(Frame::Close(_))) => Err(Fault::Gone(io::ErrorKind::UnexpectedEof.into())),
            Some(Ok(Frame::Ping(_) | Frame::Pong(_) | Frame::Frame(_))) => continue,
            Some(Ok(Frame::Binary(_))) => {
                Err(refuse(RefusedReason::Protocol, "binary messages come after welcome"))
            }
            Some(Ok(Frame::Text(text))) => match control::parse(&text) {
                Ok(Message::Unknown) => {
                    Err(refuse(RefusedReason::Protocol, "unknown message before welcome"))
                }
                Ok(message) => Ok(message),
                Err(error) => Err(refuse(RefusedReason::Protocol, error.to_string())),
            },
            Some(Err(error)) => match from_websocket(error) {
                error if error.kind() == io::ErrorKind::InvalidData => {
                    Err(refuse(RefusedReason::Protocol, "a message is too large or malformed"))
                }
                error => Err(Fault::Gone(error)),
            },
        };
    }
}
