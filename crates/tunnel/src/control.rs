//! Control messages of the outer leg: JSON in WebSocket text messages, each at most [`MESSAGE_BYTES`].
//!
//! `docs/protocol/outer-leg.md` is the normative text; `tests/vectors/control.json` holds one example of each.

use crate::{hint::Hint, witness::AuditHead};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Largest control message, in bytes of UTF-8.
pub const MESSAGE_BYTES: usize = 32 * 1024;
/// The version of the outer leg that this crate speaks.
pub const VERSION: u32 = 1;
/// Largest DER certificate that is read from a control message.
const CERTIFICATE_BYTES: usize = 4 * 1024;
/// Largest signature that is read from a control message (ECDSA P-256 in DER is at most 72).
const SIGNATURE_BYTES: usize = 256;
/// Largest text for people that is kept of a control message.
const WORDS_BYTES: usize = 512;

/// One control message. Unknown fields are ignored; an unknown `type` reads as [`Message::Unknown`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Message {
    /// Relay to client, first: sign this.
    Challenge(Challenge),
    /// Client to relay: who I am.
    Hello(Box<Hello>),
    /// Link to relay: one site that this Link serves.
    Site(Box<Site>),
    /// Link to relay: that were all the sites.
    Ready,
    /// Relay to client: you are in; binary messages may flow.
    Welcome,
    /// Relay to client: you are not in; the connection closes.
    Refused(Refused),
    /// Relay to client: finish what runs, open nothing more, dial again at once.
    Drain {
        /// The relay closes after this many milliseconds.
        within_ms: u64,
    },
    /// Either way: I close on purpose.
    Goodbye,
    /// Link to relay, and on to the gateways of the integrators it names: ask this site for events.
    Hint {
        /// The first 128 are looked at.
        news: Vec<Hint>,
    },
    /// Link to relay, to keep: where the audits of its sites end.
    Witness {
        /// The first 128 are looked at.
        audit: Vec<AuditHead>,
    },
    /// A type that this version does not know: ignored after `welcome`, a fault before it.
    #[serde(other, skip_serializing)]
    Unknown,
}

/// What the relay asks a client to sign.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Challenge {
    /// Highest version of the outer leg that the relay speaks.
    pub version: u32,
    /// The relay's own name for itself: for people and logs. A client signs the host it dialled, never this.
    pub relay: String,
    /// 32 random bytes, used once.
    pub nonce: Fixed32,
}

/// Who a client is, and its proof.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// The version that the client speaks.
    pub version: u32,
    /// Link or gateway.
    pub role: Role,
    /// The host that the client dialled; it is part of what is signed.
    pub relay: String,
    /// `production`, `stage` or `demo`; empty from a client that is too old to say it. Not signed: it keeps a wrong setting from
    /// mixing two environments, and keeps nobody out who wants to lie.
    #[serde(default)]
    pub environment: String,
    /// Raised by every start of the client's installation.
    pub epoch: u64,
    /// Operational certificate, then its root (DER).
    pub chain: Vec<Certificate>,
    /// Signature over the outer statement, by the operational key (ECDSA P-256, SHA-256, DER).
    pub signature: Signature,
}

/// One site of a Link, and its proof.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Site {
    /// Raised when the site's Link starts.
    pub epoch: u64,
    /// Operational certificate, then its root (DER).
    pub chain: Vec<Certificate>,
    /// The site's facts as JSON *text*: the signature covers SHA-256 of these very bytes.
    pub facts: String,
    /// Signature over the outer statement, by the site's operational key.
    pub signature: Signature,
}

/// Why a client is not let in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// For programs.
    pub reason: RefusedReason,
    /// For people; at most 512 bytes. As it is read it has nothing that a terminal or a log takes for an order.
    #[serde(deserialize_with = "words_for_people")]
    pub message: String,
    /// With `older_epoch` and `doubled_epoch`: the highest that the relay has seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<u64>,
}

/// A relay's words reach logs and the screens of administrators, and a relay may lie.
fn words_for_people<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
    let turns = |c| matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let mut words = String::new();
    for c in text.chars().filter(|c| !c.is_control() && !turns(*c)) {
        if words.len() + c.len_utf8() > WORDS_BYTES {
            break;
        }
        words.push(c);
    }
    Ok(words)
}

/// Reasons of [`Refused`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefusedReason {
    /// The relay does not speak the client's version.
    Version,
    /// A message was malformed, too large, unknown or out of order.
    Protocol,
    /// The client signed the name of some other relay.
    RelayName,
    /// The client is set to another environment than the relay's.
    Environment,
    /// A certificate chain does not verify (expired, wrong role, wrong root).
    Certificate,
    /// A signature does not verify: wrong key, other nonce, other facts.
    Signature,
    /// Proven, but not let in.
    NotAdmitted,
    /// A Link with a higher epoch has served one of its sites: this one is a copy, or the other is. It must not serve.
    OlderEpoch,
    /// Another connection with the same epoch serves one of its sites. It must not serve.
    DoubledEpoch,
    /// More sites than the relay takes from one Link, or one site twice.
    Sites,
    /// The relay is full or shutting down: try again soon.
    Busy,
    /// Written by a newer relay.
    #[serde(other)]
    Other,
}

impl RefusedReason {
    /// True when a short wait may help; otherwise somebody has to change something first.
    pub fn is_passing(self) -> bool {
        matches!(self, RefusedReason::Busy)
    }
}

/// Which kind of client says hello.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// A Halo Link: serves sites.
    Link,
    /// An integrator's gateway: asks for sites.
    Gateway,
}

/// Why a text message is no control message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ControlError {
    /// Larger than [`MESSAGE_BYTES`].
    #[error("control message of {0} bytes is over the limit of {MESSAGE_BYTES}")]
    TooLarge(usize),
    /// Not JSON, or not of its type's shape. The text says where, never what.
    #[error("control message is malformed near column {column}")]
    Malformed {
        /// Where the reader stopped.
        column: usize,
    },
}

/// Reads one text message.
///
/// # Errors
/// [`ControlError`] when it is too large or malformed. An unknown type is no error here.
pub fn parse(text: &str) -> Result<Message, ControlError> {
    if text.len() > MESSAGE_BYTES {
        return Err(ControlError::TooLarge(text.len()));
    }
    serde_json::from_str(text).map_err(|e| ControlError::Malformed { column: e.column() })
}

/// Writes one message as the text that goes on the wire.
///
/// # Errors
/// [`ControlError::TooLarge`] when it would be over the limit (facts that are too long).
pub fn write(message: &Message) -> Result<String, ControlError> {
    let text = serde_json::to_string(message).map_err(|_| ControlError::Malformed { column: 0 })?;
    if text.len() > MESSAGE_BYTES { Err(ControlError::TooLarge(text.len())) } else { Ok(text) }
}

macro_rules! base64_bytes {
    ($(#[$doc:meta])* $name:ident, $limit:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq)]
        pub struct $name(pub Vec<u8>);

        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&STANDARD.encode(&self.0))
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                let bytes = STANDARD.decode(text.as_bytes()).map_err(serde::de::Error::custom)?;
                if bytes.len() > $limit {
                    return Err(serde::de::Error::custom("too long"));
                }
                Ok($name(bytes))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "({} bytes)", self.0.len())
            }
        }
    };
}

base64_bytes!(
    /// A DER certificate; standard base64 with padding on the wire.
    Certificate,
    CERTIFICATE_BYTES
);
base64_bytes!(
    /// A signature; standard base64 with padding on the wire.
    Signature,
    SIGNATURE_BYTES
);

/// 32 bytes; standard base64 with padding on the wire.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Fixed32(pub [u8; 32]);

impl Serialize for Fixed32 {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(self.0))
    }
}

impl<'de> Deserialize<'de> for Fixed32 {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = Certificate::deserialize(deserializer)?.0;
        let bytes = bytes.try_into().map_err(|_| serde::de::Error::custom("not 32 bytes"))?;
        Ok(Fixed32(bytes))
    }
}

impl fmt::Debug for Fixed32 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(32 bytes)")
    }
}
