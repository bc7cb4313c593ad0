//! An integrator's own word that certificates of some of its gateway instances count no more, signed with its root.
//!
//! Each word replaces the ones before it: it names every instance that is out, and its number rises. A site learns it from
//! any of the integrator's gateways. An instance comes back with a certificate of a higher serial number.

use crate::{
    Kind, MAX_NAME_CHARS, Peer, Root, TrustError,
    bytes::{Reader, push_sized},
    key,
    root::is_good_name,
};
use std::collections::BTreeMap;

/// Goes before every word that is signed.
const LABEL: &[u8] = b"halo-connect instance revocation v1\0";
/// Most instances in one word.
pub const MAX_INSTANCES: usize = 64;
/// Largest word with its signature, in bytes: a stranger's question, which it travels in, may have no more than 64 KiB.
pub const MAX_BYTES: usize = 32 * 1024;
/// Longest name, in bytes.
const MAX_NAME_BYTES: usize = 4 * MAX_NAME_CHARS;
const MAX_SIGNATURE_BYTES: usize = 72;
const VERSION: u8 = 1;

/// Which certificates count no more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Revocations {
    /// Rises with every change; at least 1, at most 2^63 − 1.
    pub number: u64,
    /// The highest serial number that is revoked, by the name of the instance.
    pub instances: BTreeMap<String, u64>,
}

impl Revocations {
    /// Whether a certificate of this instance and serial number is revoked.
    pub fn cover(&self, instance: &str, serial: u64) -> bool {
        self.instances.get(instance).is_some_and(|highest| serial <= *highest)
    }

    /// Whether the peer's certificate is revoked. Of another integrator's peer it says nothing: ask only where the word was
    /// read with the peer's own root.
    pub fn cover_peer(&self, peer: &Peer) -> bool {
        self.cover(&peer.name, peer.serial)
    }
}

/// Signs a word with the integrator's root: length and statement, length and signature.
///
/// # Errors
/// [`TrustError::WrongKind`] for another kind of root; [`TrustError::Name`], [`TrustError::Serial`],
/// [`TrustError::TooLong`] for what can't be said.
pub fn sign(root: &Root, revocations: &Revocations) -> Result<Vec<u8>, TrustError> {
    if root.kind() != Kind::Integrator {
        return Err(TrustError::WrongKind);
    }
    let statement = write(revocations)?;
    let signature = root.sign_labelled(LABEL, &statement)?;
    let mut bytes = Vec::with_capacity(4 + statement.len() + signature.len());
    push_sized(&mut bytes, &statement, "the revocations")?;
    push_sized(&mut bytes, &signature, "the signature")?;
    if bytes.len() > MAX_BYTES { Err(TrustError::TooLong("the revocations")) } else { Ok(bytes) }
}

/// Reads a word and checks that this root signed it.
///
/// # Errors
/// [`TrustError`]: never panics, whatever the bytes are.
pub fn verify(root_spki: &[u8], bytes: &[u8]) -> Result<Revocations, TrustError> {
    let (revocations, statement, signature) = split(bytes)?;
    key::verify(root_spki, &[LABEL, statement].concat(), signature)?;
    Ok(revocations)
}

/// Reads a word, whoever signed it: nothing may be decided by it.
///
/// # Errors
/// As [`verify`], but for the signature.
pub fn peek(bytes: &[u8]) -> Result<Revocations, TrustError> {
    split(bytes).map(|(revocations, ..)| revocations)
}

fn split(bytes: &[u8]) -> Result<(Revocations, &[u8], &[u8]), TrustError> {
    if bytes.len() > MAX_BYTES {
        return Err(TrustError::TooLong("the revocations"));
    }
    let mut reader = Reader::new(bytes);
    let statement = reader.sized(MAX_BYTES, "the revocations")?;
    let signature = reader.sized(MAX_SIGNATURE_BYTES, "the signature")?;
    reader.end()?;
    Ok((read(statement)?, statement, signature))
}

fn write(revocations: &Revocations) -> Result<Vec<u8>, TrustError> {
    let mut out = vec![VERSION];
    out.extend_from_slice(&revocations.number.to_be_bytes());
    let count =
        u8::try_from(revocations.instances.len()).map_err(|_| TrustError::TooLong("the revocations"))?;
    out.push(count);
    // A map's order: sorted by the names' bytes.
    for (name, serial) in &revocations.instances {
        push_sized(&mut out, name.as_bytes(), "an instance's name")?;
        out.extend_from_slice(&serial.to_be_bytes());
    }
    // What can't be read again is not signed.
    read(&out)?;
    Ok(out)
}

fn read(statement: &[u8]) -> Result<Revocations, TrustError> {
    let mut reader = Reader::new(statement);
    if reader.byte("the version")? != VERSION {
        return Err(TrustError::Statement("its version is not 1"));
    }
    let number = reader.long("the number")?;
    if number == 0 || i64::try_from(number).is_err() {
        return Err(TrustError::Statement("the number"));
    }
    let count = usize::from(reader.byte("the count")?);
    if count > MAX_INSTANCES {
        return Err(TrustError::TooLong("the revocations"));
    }
    let mut instances = BTreeMap::new();
    for _ in 0..count {
        let name = reader.text(MAX_NAME_BYTES, "an instance's name")?;
        if !is_good_name(name) {
            return Err(TrustError::Name);
        }
        let serial = reader.long("a serial number")?;
        if serial == 0 {
            return Err(TrustError::Serial);
        }
        // One set of instances has one form.
        if instances.last_key_value().is_some_and(|(last, _): (&String, _)| last.as_str() >= name) {
            return Err(TrustError::Statement("the instances are not in order"));
        }
        instances.insert(name.to_owned(), serial);
    }
    reader.end()?;
    Ok(Revocations { number, instances })
}
