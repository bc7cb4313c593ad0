//! `Idempotency-Key`: the same key with the same request gets the same answer, for 24 hours; with another request it is refused.
//! Kept: hash of the key, digest of the request, the query's id. The answer is made anew from the query's record.

use crate::{
    error::ApiError,
    gateway::Gateway,
    http::Caller,
    jobs::{HeldKey, table::Key},
};
use axum::http::{HeaderMap, HeaderName, StatusCode};
use model::QueryId;
use sha2::{Digest, Sha256};

/// Ours, as draft-ietf-httpapi-idempotency-key-header has it.
pub(crate) const HEADER: HeaderName = HeaderName::from_static("idempotency-key");
/// Longest key, bytes.
const KEY_BYTES: usize = 255;

/// What a request's key says.
pub(crate) enum Start {
    /// It has none.
    Free,
    /// Used for the first time: nobody else gets on with it while this is held.
    New { key: Key, _held: HeldKey },
    /// Used before, for this query, with the same request.
    Known { key: Key, query: QueryId, _held: HeldKey },
}

impl Start {
    /// To be written down with the query.
    pub(crate) fn key(&self) -> Option<Key> {
        match self {
            Start::Free => None,
            Start::New { key, .. } | Start::Known { key, .. } => Some(*key),
        }
    }
}

/// Looks the request's key up. `what` is all that the answer depends on beside the body.
pub(crate) async fn start(
    gateway: &Gateway,
    caller: &Caller,
    headers: &HeaderMap,
    what: &str,
    body: &[u8],
) -> Result<Start, ApiError> {
    let Some(text) = read(headers)? else { return Ok(Start::Free) };
    let mut digest = Sha256::new();
    digest.update(what.len().to_be_bytes());
    digest.update(what);
    digest.update(body);
    let hash = Sha256::new_with_prefix(caller.scope()).chain_update(text).finalize();
    let key = Key { hash: hash.into(), digest: digest.finalize().into() };
    let jobs = &gateway.jobs;
    let held = jobs.hold_key(key.hash).ok_or_else(|| ApiError {
        retry_after: Some(1),
        ..ApiError::conflict(
            "A request with this `Idempotency-Key` is being answered just now. This one was not executed; ask again in a moment.",
        )
    })?;
    let now = gateway.clock.now().0;
    let known = jobs.on_disk(move |table| table.key(&key.hash, now)).await.map_err(|error| {
        tracing::error!(%error, "idempotency keys cannot be read");
        ApiError::internal(
            "The gateway cannot check the `Idempotency-Key` now. The command was not executed.",
        )
    })?;
    match known {
        None => Ok(Start::New { key, _held: held }),
        Some((digest, query)) if digest == key.digest => Ok(Start::Known { key, query, _held: held }),
        Some(_) => Err(ApiError::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "This `Idempotency-Key` was used within 24 hours for another request. This one was not executed; choose a new key for it.",
        )),
    }
}

fn read(headers: &HeaderMap) -> Result<Option<&[u8]>, ApiError> {
    let mut values = headers.get_all(HEADER).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let bytes = value.as_bytes();
    let printable = bytes.iter().all(|byte| (0x20..0x7F).contains(byte));
    if values.next().is_some() || bytes.is_empty() || bytes.len() > KEY_BYTES || !printable {
        return Err(ApiError::bad_request(format!(
            "`Idempotency-Key` must stand there once, with 1 to {KEY_BYTES} printable ASCII characters."
        )));
    }
    Ok(Some(bytes))
}
