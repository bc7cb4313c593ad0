//! Parameter values of audited commands: sealed, and committed to in their line.
//!
//! A line holds a hash of what is sealed, not of how it is sealed: a practice that goes over to another server seals all of it
//! anew, and its chain goes on. So that nobody guesses a value from its hash, a random salt is sealed with it.

use super::{AuditParameter, Store, StoreError, chain::digest, ledger::LedgerKey, trail::hex};
use crate::protect::Protector;
use model::{Command, CommandType, Hidden, SiteId};
use rusqlite::{Transaction, params};
use serde::{Deserialize, Serialize};

/// So much of a command's parameter values is kept, where the practice wants them.
const VALUES_BYTES: usize = 64 * 1024;
/// Before the clear bytes, in the hash that a line holds.
const DOMAIN: &[u8] = b"halo-connect audit parameters v1\0";
const SALT: usize = 16;

/// For a line of the audit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SealedValues {
    pub(super) sealed: Vec<u8>,
    /// What the line holds.
    pub(super) hash: [u8; 32],
}

/// What is sealed.
#[derive(Serialize, Deserialize)]
struct Values {
    /// Hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    salt: Option<String>,
    /// Of a value from before there was a salt, once it is sealed anew: SHA-256 of how it was sealed first, which its line holds;
    /// hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    was: Option<String>,
    parameters: Vec<AuditParameter>,
}

/// A plain list: a version before this one sealed it.
#[derive(Deserialize)]
#[serde(untagged)]
enum Form {
    Values(Values),
    Older(Vec<AuditParameter>),
}

impl Store {
    /// Parameters for a line of the audit: their values where `values` is said, else the names of those that do not stand in
    /// the text. Sealed, and `None` when there is nothing to keep.
    pub(crate) fn seal_parameters(
        &self,
        of: &LedgerKey,
        command: &Command,
        values: bool,
    ) -> Result<Option<Box<SealedValues>>, StoreError> {
        let named = values || command.kind == CommandType::StoredProcedure;
        if !named || command.parameters.is_empty() {
            return Ok(None);
        }
        let mut room = VALUES_BYTES;
        let parameters: Vec<AuditParameter> = command
            .parameters
            .iter()
            .map(|parameter| {
                let value = parameter.value.as_ref().filter(|_| values).map(|value| {
                    let text = audit::cut_text(value.reveal(), room);
                    room -= text.len();
                    text.to_owned()
                });
                AuditParameter { name: parameter.name.clone(), value }
            })
            .collect();
        let mut salt = [0; SALT];
        aws_lc_rs::rand::fill(&mut salt).map_err(|_| StoreError::Broken("the system's randomness"))?;
        let kept = Values { salt: Some(hex(&salt)), was: None, parameters };
        let clear = Hidden::new(serde_json::to_vec(&kept).map_err(|_| StoreError::Broken("parameters"))?);
        let sealed = self.protector.seal(&purpose(of.site), clear.reveal())?;
        Ok(Some(Box::new(SealedValues { sealed, hash: commitment(clear.reveal()) })))
    }

    /// What does not open was sealed with a key that is lost.
    pub(super) fn open_parameters(&self, sealed: Option<(SiteId, Vec<u8>)>) -> Vec<AuditParameter> {
        let Some((site, sealed)) = sealed else { return Vec::new() };
        let Ok(clear) = self.protector.open(&purpose(site), &sealed) else { return Vec::new() };
        match serde_json::from_slice(clear.reveal()) {
            Ok(Form::Values(values)) => values.parameters,
            Ok(Form::Older(parameters)) => parameters,
            Err(_) => Vec::new(),
        }
    }
}

pub(super) fn purpose(site: SiteId) -> String {
    format!("audit parameters {site}")
}

/// Notes what a line holds of its values, and how they are sealed now.
pub(super) fn keep(t: &Transaction<'_>, id: i64, hash: &[u8; 32], sealed: &[u8]) -> Result<(), StoreError> {
    t.prepare_cached("INSERT OR REPLACE INTO audit_values (id, hash, sealed) VALUES (?1, ?2, ?3)")?
        .execute(params![id, &hash[..], &digest(sealed)[..]])?;
    Ok(())
}

/// What a line holds of these values. `kept` is what was noted beside them: the line's hash, and the hash of the sealed form.
///
/// What is sealed says it, where it opens: what is noted anybody who can write the file can note. What does not open was sealed with a
/// key that is lost, when it is still what was noted; else somebody changed it, and its line with it.
pub(super) fn held(
    site: SiteId,
    sealed: &[u8],
    kept: Option<(&[u8], &[u8])>,
    key: Option<&dyn Protector>,
) -> [u8; 32] {
    let as_sealed = digest(sealed);
    // A version before this one wrote it, and it was never sealed anew.
    let Some((hash, of_sealed)) = kept else { return as_sealed };
    match key.and_then(|key| key.open(&purpose(site), sealed).ok()) {
        Some(clear) => of_clear(clear.reveal(), as_sealed),
        None if of_sealed == as_sealed => hash.try_into().unwrap_or(as_sealed),
        None => as_sealed,
    }
}

/// The same values, to be sealed with another key, and what their line holds of them.
pub(super) fn to_be_sealed_anew(
    clear: &[u8],
    sealed: &[u8],
) -> Result<(Hidden<Vec<u8>>, [u8; 32]), StoreError> {
    let as_sealed = digest(sealed);
    if let Ok(Form::Older(parameters)) = serde_json::from_slice(clear) {
        // Inside of what is sealed, where nobody changes it without the key.
        let values = Values { salt: None, was: Some(hex(&as_sealed)), parameters };
        let clear = serde_json::to_vec(&values).map_err(|_| StoreError::Broken("parameters"))?;
        return Ok((Hidden::new(clear), as_sealed));
    }
    Ok((Hidden::new(clear.to_vec()), of_clear(clear, as_sealed)))
}

fn of_clear(clear: &[u8], as_sealed: [u8; 32]) -> [u8; 32] {
    match serde_json::from_slice(clear) {
        Ok(Form::Values(Values { was: Some(was), .. })) => unhex(&was).unwrap_or(as_sealed),
        Ok(Form::Values(_)) => commitment(clear),
        Ok(Form::Older(_)) | Err(_) => as_sealed,
    }
}

fn commitment(clear: &[u8]) -> [u8; 32] {
    let mut hash = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
    hash.update(DOMAIN);
    hash.update(clear);
    let mut value = [0; 32];
    value.copy_from_slice(hash.finish().as_ref());
    value
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    let bytes = (0..32).map(|at| u8::from_str_radix(text.get(at * 2..at * 2 + 2)?, 16).ok());
    bytes.collect::<Option<Vec<u8>>>()?.try_into().ok().filter(|_| text.len() == 64)
}
