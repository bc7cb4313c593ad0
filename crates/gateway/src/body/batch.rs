//! The body of `POST …/queries/status`.

use super::{BodyError, Loose, invalid, json_problem};
use model::QueryId;
use serde::Deserialize;

/// Queries of one request.
pub(crate) const MOST: usize = 500;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Raw<'a> {
    #[serde(default, borrow)]
    query_ids: Option<Vec<Loose<'a>>>,
}

/// Reads the JSON body: at most 500 identifiers, in their order, also when one stands there twice.
pub fn parse(body: &[u8]) -> Result<Vec<QueryId>, BodyError> {
    let raw: Raw<'_> = serde_json::from_slice(body).map_err(|e| match e.is_data() {
        true => invalid("The body must be an object, and `queryIds` in it an array of UUIDs.".into()),
        false => invalid(json_problem(&e)),
    })?;
    let Some(ids) = raw.query_ids else { return Err(invalid("`queryIds` is missing.".into())) };
    if ids.len() > MOST {
        return Err(invalid(format!(
            "`queryIds` holds more than {MOST} identifiers: ask in several requests."
        )));
    }
    let id = |(at, id): (usize, &Loose<'_>)| {
        match id {
            Loose::Text(text) => text.parse().ok(),
            _ => None,
        }
        .ok_or_else(|| invalid(format!("`queryIds[{at}]` must be a UUID.")))
    };
    ids.iter().enumerate().map(id).collect()
}
