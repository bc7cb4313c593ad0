//! The token: a JWT (RFC 7519) under HMAC-SHA256, made and read by this gateway alone, and those that share its keys.
//!
//! Written here over aws-lc-rs, and not with a library of JWTs: of all that those can do only one algorithm, one form of header and
//! our own clock are wanted, and what can't be chosen can't be chosen wrongly. A symmetric key will do, because nobody else has to
//! read a token.

use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL};
use model::{DeviceId, SiteId};
use serde::{Deserialize, Serialize};

/// What a token is for.
pub(super) const AUDIENCE: &str = "urn:halo-connect:desktop";
/// A token may be so much from the future: gateways of one integrator have clocks of their own.
pub(super) const SKEW_SECONDS: i64 = 60;
/// A longer text is none of ours.
const BYTES: usize = 2048;
/// The only header there is, but for the key's name.
const ALGORITHM: &str = "HS256";

/// A key that signs.
pub(super) struct Key {
    pub(super) kid: String,
    pub(super) secret: hmac::Key,
}

/// What a token says. Times are seconds since 1970.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Claims {
    pub(super) iss: String,
    pub(super) aud: String,
    /// The device.
    pub(super) sub: DeviceId,
    pub(super) site: SiteId,
    pub(super) iat: i64,
    pub(super) nbf: i64,
    pub(super) exp: i64,
    /// Which gateway gave it: the numbers that follow are its own.
    pub(super) by: String,
    /// How often all tokens had been revoked by then, and its device: a later revocation is a higher number, whatever the clock says.
    pub(super) all: u64,
    pub(super) rev: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    alg: String,
    typ: String,
    kid: String,
}

/// Signs.
pub(super) fn sign(key: &Key, claims: &Claims) -> String {
    let header = Header { alg: ALGORITHM.into(), typ: "JWT".into(), kid: key.kid.clone() };
    let part =
        |json: serde_json::Result<Vec<u8>>| BASE64URL.encode(json.expect("texts and numbers are JSON"));
    let signed = format!("{}.{}", part(serde_json::to_vec(&header)), part(serde_json::to_vec(claims)));
    let tag = hmac::sign(&key.secret, signed.as_bytes());
    format!("{signed}.{}", BASE64URL.encode(tag))
}

/// A token that has the form of one of ours. Of what it says nothing can be had before it is proved.
pub(super) struct Unproved<'a> {
    header: Header,
    signed: &'a str,
    claims: &'a str,
    tag: Vec<u8>,
}

impl<'a> Unproved<'a> {
    /// `None`: it is too long, not of three parts, or its header is not exactly ours.
    pub(super) fn read(token: &'a [u8]) -> Option<Self> {
        let text = std::str::from_utf8(token).ok().filter(|text| text.len() <= BYTES)?;
        let (signed, tag) = text.rsplit_once('.')?;
        let (header, claims) = signed.split_once('.')?;
        let header: Header = serde_json::from_slice(&BASE64URL.decode(header).ok()?).ok()?;
        let ours = header.alg == ALGORITHM && header.typ == "JWT" && !claims.contains('.');
        ours.then(|| Some(Unproved { header, signed, claims, tag: BASE64URL.decode(tag).ok()? }))?
    }

    /// Which key it says it was signed with.
    pub(super) fn kid(&self) -> &str {
        &self.header.kid
    }

    /// What it says, if this key signed it. Compared in constant time.
    pub(super) fn prove(&self, key: &Key) -> Option<Claims> {
        hmac::verify(&key.secret, self.signed.as_bytes(), &self.tag).ok()?;
        serde_json::from_slice(&BASE64URL.decode(self.claims).ok()?).ok()
    }
}

#[cfg(test)]
mod tests;
