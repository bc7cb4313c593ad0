//! An approval as bytes and as the text of a file.

use super::{Approval, Environments};
use crate::{
    MAX_NAME_CHARS, TrustError,
    bytes::{Reader, push_sized},
    key::is_p256_spki,
    root::is_good_name,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use model::{Access, Pms, Timestamp};
use std::fmt;

/// Largest approval with its signature, in bytes.
pub const MAX_BYTES: usize = 4096;
/// Longest note of a vendor, in bytes.
pub const MAX_NOTE_BYTES: usize = 1024;
/// Longest text of a file: base64, line ends, and words around it that people may add.
const MAX_TEXT_BYTES: usize = 4 * MAX_BYTES;
/// Longest name, in bytes.
const MAX_NAME_BYTES: usize = 4 * MAX_NAME_CHARS;
/// Longest ECDSA signature on P-256 in ASN.1.
const MAX_SIGNATURE_BYTES: usize = 72;
/// Last second that a calendar with four digits for the year can say.
const LAST_SECOND: u64 = 253_402_300_799;
const VERSION: u8 = 1;
const BEGIN: &str = "-----BEGIN HALO VENDOR APPROVAL-----";
const END: &str = "-----END HALO VENDOR APPROVAL-----";

/// An approval with its signature, read but not checked: see [`Signed::check`].
#[derive(Clone, PartialEq, Eq)]
pub struct Signed {
    approval: Approval,
    statement: Vec<u8>,
    signature: Vec<u8>,
}

impl fmt::Debug for Signed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signed").field("approval", &self.approval).finish_non_exhaustive()
    }
}

impl Signed {
    pub(super) fn new(
        approval: Approval,
        statement: Vec<u8>,
        signature: Vec<u8>,
    ) -> Result<Self, TrustError> {
        if signature.is_empty() || signature.len() > MAX_SIGNATURE_BYTES {
            return Err(TrustError::Statement("the signature"));
        }
        Ok(Signed { approval, statement, signature })
    }

    /// Reads what travels: length and statement, length and signature. Says nothing about the signature.
    ///
    /// # Errors
    /// [`TrustError::Statement`] or [`TrustError::TooLong`], whatever the bytes are.
    pub fn parse(bytes: &[u8]) -> Result<Self, TrustError> {
        if bytes.len() > MAX_BYTES {
            return Err(TrustError::TooLong("the approval"));
        }
        let mut reader = Reader::new(bytes);
        let statement = reader.sized(MAX_BYTES, "the statement")?;
        let signature = reader.sized(MAX_SIGNATURE_BYTES, "the signature")?;
        reader.end()?;
        Signed::new(read(statement)?, statement.to_vec(), signature.to_vec())
    }

    /// What travels; [`Signed::parse`] reads it.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(4 + self.statement.len() + self.signature.len());
        for part in [&self.statement, &self.signature] {
            push_sized(&mut bytes, part, "the approval")
                .expect("both were within their limits when it was made");
        }
        bytes
    }

    /// Reads a file's text: base64 between two lines that say what it is.
    ///
    /// # Errors
    /// As [`Signed::parse`].
    pub fn from_text(text: &str) -> Result<Self, TrustError> {
        if text.len() > MAX_TEXT_BYTES {
            return Err(TrustError::TooLong("the approval's file"));
        }
        let inside = text.split_once(BEGIN).and_then(|(_, rest)| rest.split_once(END));
        let (inside, _) = inside.ok_or(TrustError::Statement("no HALO VENDOR APPROVAL in it"))?;
        let packed: String = inside.split_whitespace().collect();
        Signed::parse(&STANDARD.decode(packed).map_err(|_| TrustError::Statement("the base64"))?)
    }

    /// A file's text.
    pub fn to_text(&self) -> String {
        let packed = STANDARD.encode(self.to_bytes());
        let mut text = format!("{BEGIN}\n");
        let mut rest = packed.as_str();
        while !rest.is_empty() {
            let (line, after) = rest.split_at(rest.len().min(64));
            text = text + line + "\n";
            rest = after;
        }
        text + END + "\n"
    }

    /// What it says, whoever signed it.
    pub fn approval(&self) -> &Approval {
        &self.approval
    }

    pub(super) fn statement(&self) -> &[u8] {
        &self.statement
    }

    pub(super) fn signature(&self) -> &[u8] {
        &self.signature
    }
}

/// The one form of an approval.
pub(super) fn write(approval: &Approval) -> Result<Vec<u8>, TrustError> {
    let mut out = vec![VERSION];
    out.extend_from_slice(&approval.integrator_root);
    push_sized(&mut out, approval.integrator_name.as_bytes(), "the integrator's name")?;
    out.push(match approval.pms {
        Pms::BestPractice => 1,
        Pms::Zedmed => 2,
        Pms::D4w => 3,
    });
    out.push(approval.environments.0);
    out.push(match approval.access {
        Access::ReadOnly => 1,
        Access::ReadWrite => 2,
    });
    push_sized(&mut out, approval.note.as_bytes(), "the note")?;
    for at in [approval.not_before, approval.expires] {
        let seconds = at.0.checked_div(1000).filter(|seconds| seconds * 1000 == at.0);
        let seconds = seconds.and_then(|seconds| u64::try_from(seconds).ok());
        out.extend_from_slice(&seconds.ok_or(TrustError::Time)?.to_be_bytes());
    }
    out.extend_from_slice(&approval.serial.to_be_bytes());
    // What can't be read again is not signed.
    read(&out)?;
    Ok(out)
}

fn read(statement: &[u8]) -> Result<Approval, TrustError> {
    let mut reader = Reader::new(statement);
    if reader.byte("the version")? != VERSION {
        return Err(TrustError::Statement("its version is not 1"));
    }
    let integrator_root = reader.take(91, "the integrator's root")?.to_vec();
    if !is_p256_spki(&integrator_root) {
        return Err(TrustError::NotP256);
    }
    let integrator_name = reader.text(MAX_NAME_BYTES, "the integrator's name")?.to_owned();
    if !is_good_name(&integrator_name) {
        return Err(TrustError::Name);
    }
    let pms = match reader.byte("the software")? {
        1 => Pms::BestPractice,
        2 => Pms::Zedmed,
        3 => Pms::D4w,
        _ => return Err(TrustError::Statement("the software")),
    };
    let environments = Environments::from_byte(reader.byte("the environments")?)?;
    let access = match reader.byte("the access")? {
        1 => Access::ReadOnly,
        2 => Access::ReadWrite,
        _ => return Err(TrustError::Statement("the access")),
    };
    let note = reader.text(MAX_NOTE_BYTES, "the note")?.to_owned();
    if !note.is_empty() && !note.lines().all(|line| line.is_empty() || is_good_line(line)) {
        return Err(TrustError::Statement("the note has control characters"));
    }
    let not_before = seconds(reader.long("its beginning")?)?;
    let expires = seconds(reader.long("its end")?)?;
    if expires <= not_before {
        return Err(TrustError::Statement("it ends before it begins"));
    }
    let serial = reader.long("the serial number")?;
    if serial == 0 || i64::try_from(serial).is_err() {
        return Err(TrustError::Serial);
    }
    reader.end()?;
    Ok(Approval {
        integrator_root,
        integrator_name,
        pms,
        environments,
        access,
        note,
        not_before,
        expires,
        serial,
    })
}

/// As a good name, of any length.
fn is_good_line(line: &str) -> bool {
    line.chars().all(|c| is_good_name(c.encode_utf8(&mut [0; 4])))
}

fn seconds(seconds: u64) -> Result<Timestamp, TrustError> {
    let in_range = i64::try_from(seconds).ok().filter(|_| seconds <= LAST_SECOND);
    in_range.map(|seconds| Timestamp(seconds * 1000)).ok_or(TrustError::Time)
}
