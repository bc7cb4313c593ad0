//! What both ends prove that they know, over everything that they must agree on.

use super::Code;
use crate::{Kind, guid};
use aws_lc_rs::hmac::{self, HMAC_SHA256};

/// The version of the pairing transcript that this crate writes.
pub const VERSION: u32 = 1;

/// First field of every transcript.
const LABEL: &[u8] = b"halo-connect pairing v1";

/// Who proves. The site proves first. Roles are part of the proof, so that one can't be echoed as the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Halo Link, for the site.
    Site,
    /// The integrator's gateway.
    Gateway,
}

impl Role {
    fn word(self) -> &'static [u8] {
        match self {
            Role::Site => b"site",
            Role::Gateway => b"gateway",
        }
    }
}

/// What the two ends must agree on. Each end fills in what it sees itself, never what the other end says it saw.
#[derive(Clone, Copy)]
pub struct Transcript<'a> {
    /// Version of the transcript: [`VERSION`].
    pub version: u32,
    /// `production`, `stage` or `demo`.
    pub environment: &'a str,
    /// Public key of the site's root (SubjectPublicKeyInfo DER): at the gateway, of the session's peer.
    pub site_root: &'a [u8],
    /// Public key of the integrator's root: at the site, of the session's peer.
    pub integrator_root: &'a [u8],
    /// The integrator's name as it was sent in the first message of pairing.
    pub integrator_name: &'a str,
    /// The code's four public characters.
    pub code_name: &'a str,
    /// [`crate::inner::exporter`] of the session that pairing runs in.
    pub exporter: &'a [u8],
}

/// The proof of one role: HMAC-SHA-256 under the code's secret over the transcript.
pub fn prove(code: &Code, role: Role, t: &Transcript<'_>) -> [u8; 32] {
    let tag = hmac::sign(&key(code), &bytes(role, t));
    let mut mac = [0; 32];
    mac.copy_from_slice(tag.as_ref());
    mac
}

/// Whether `mac` is the proof of that role. Takes the same time wherever the first difference is.
pub fn check(code: &Code, role: Role, t: &Transcript<'_>, mac: &[u8]) -> bool {
    hmac::verify(&key(code), &bytes(role, t), mac).is_ok()
}

fn key(code: &Code) -> hmac::Key {
    hmac::Key::new(HMAC_SHA256, code.secret().reveal())
}

/// Each field with its length before it (4 bytes, big-endian), so that no two transcripts have the same bytes.
fn bytes(role: Role, t: &Transcript<'_>) -> Vec<u8> {
    let (site, integrator) = (guid(Kind::Site, t.site_root), guid(Kind::Integrator, t.integrator_root));
    let fields: [&[u8]; 11] = [
        LABEL,
        role.word(),
        &t.version.to_be_bytes(),
        t.environment.as_bytes(),
        site.as_bytes(),
        t.site_root,
        integrator.as_bytes(),
        t.integrator_root,
        t.integrator_name.as_bytes(),
        t.code_name.as_bytes(),
        t.exporter,
    ];
    let mut bytes = Vec::with_capacity(512);
    for field in fields {
        bytes.extend_from_slice(&u32::try_from(field.len()).expect("no field has 4 GiB").to_be_bytes());
        bytes.extend_from_slice(field);
    }
    bytes
}
