//! Beyond the published document: `GET /integrator/sites/{siteId}/queries`, what this gateway knows of a site's queries.

use super::{job_error::mirror_unreadable, json_response, request::check_known, site_id};
use crate::{
    answer,
    error::ApiError,
    gateway::Gateway,
    jobs::{
        JobStatus, Kind,
        table::{Listed, Wanted},
    },
};
use axum::{
    extract::{Path, Query, State},
    http::{StatusCode, Uri},
    response::Response,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use model::{QueryId, SiteId, Timestamp};
use serde_json::{Map, Value};
use std::{fmt::Write, sync::Arc};

/// Queries of one answer.
const LIMIT: (u32, u32) = (100, 500);
/// Immediate ones have no other.
const IMMEDIATE: [&str; 4] = ["executing", "successful", "executionFailed", "expiredInQueue"];

pub(super) async fn handle(
    State(gateway): State<Arc<Gateway>>,
    Path(site): Path<String>,
    uri: Uri,
) -> Result<Response, ApiError> {
    let site = site_id(&site)?;
    let wanted = read(site, &uri)?;
    check_known(&gateway, site).await?;
    let limit = wanted.limit as usize;
    let listed = gateway.jobs.on_disk(move |table| table.list(&wanted)).await.map_err(mirror_unreadable)?;
    let more = listed.len() == limit;
    let last = listed.last().filter(|_| more).map(|last| match last {
        Listed::Immediate(record) => cursor(record.created, record.id),
        Listed::Job(record) => cursor(record.created, record.id),
    });
    let queries = listed.into_iter().filter_map(|listed| match listed {
        Listed::Immediate(record) => {
            serde_json::from_slice(&answer::status(&record, gateway.integrator)).ok()
        }
        Listed::Job(record) => {
            let words = gateway.jobs.words(record.id);
            Some(answer::job::status(&record, gateway.integrator, words))
        }
    });
    let mut answer = Map::new();
    answer.insert("queries".into(), queries.collect::<Vec<Value>>().into());
    if let Some(last) = last {
        answer.insert("cursor".into(), last.into());
    }
    Ok(json_response(StatusCode::OK, &Value::Object(answer)))
}

fn read(site: SiteId, uri: &Uri) -> Result<Wanted, ApiError> {
    let Ok(Query(pairs)) = Query::<Vec<(String, String)>>::try_from_uri(uri) else {
        return Err(ApiError::bad_request("The query string is malformed."));
    };
    let mut wanted = Wanted {
        site,
        immediate: true,
        kind: Some(Kind::Async),
        status: None,
        from: 0,
        after: None,
        limit: LIMIT.0,
        device: None,
    };
    let mut seen = Vec::new();
    for (name, value) in &pairs {
        if seen.contains(&name) {
            return Err(ApiError::bad_request("A query parameter is given twice."));
        }
        seen.push(name);
        match name.as_str() {
            "mode" => match value.as_str() {
                "immediate" => wanted.kind = None,
                "async" => wanted.immediate = false,
                _ => {
                    return Err(ApiError::bad_request(
                        "`mode` must be one of `immediate`, `async`; registered queries are listed under …/queries/registered.",
                    ));
                }
            },
            "status" => wanted.status = Some(status(value)?),
            "createdAfter" => {
                let at = Timestamp::parse(value).ok_or_else(|| {
                    ApiError::bad_request(
                        "`createdAfter` must be a time like 2026-02-03T04:05:06Z (a `+` in it is written %2B).",
                    )
                })?;
                wanted.from = at.0.saturating_add(1);
            }
            "limit" => {
                let n = value.parse().ok().filter(|n| (1..=LIMIT.1).contains(n));
                wanted.limit = n.ok_or_else(|| {
                    ApiError::bad_request(format!("`limit` must be from 1 to {}.", LIMIT.1))
                })?;
            }
            "cursor" => {
                let after = read_cursor(value);
                wanted.after = Some(after.ok_or_else(|| {
                    ApiError::bad_request("`cursor` must be one that an earlier answer gave.")
                })?);
            }
            _ => {}
        }
    }
    Ok(wanted)
}

fn status(value: &str) -> Result<String, ApiError> {
    let known = || JobStatus::ASYNC.into_iter().map(JobStatus::name);
    if known().chain(IMMEDIATE).any(|name| name == value) {
        return Ok(value.to_owned());
    }
    let mut message = "`status` must be one of ".to_owned();
    for (i, name) in known().enumerate() {
        let _ = write!(message, "{}`{name}`", if i == 0 { "" } else { ", " });
    }
    Err(ApiError::bad_request(message + "."))
}

/// The last query of an answer: opaque to callers.
fn cursor(created: i64, id: QueryId) -> String {
    BASE64.encode([&created.to_be_bytes()[..], id.as_bytes()].concat())
}

fn read_cursor(text: &str) -> Option<(i64, QueryId)> {
    let bytes = BASE64.decode(text).ok()?;
    let (created, id) = bytes.split_first_chunk::<8>()?;
    Some((i64::from_be_bytes(*created), QueryId::from_slice(id)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use uuid::Uuid;

    proptest! {
        #[test]
        fn a_cursor_is_read_as_it_was_written_and_nothing_else_makes_it_panic(
            created: i64, id: u128, text in "\\PC{0,60}"
        ) {
            let id = QueryId(Uuid::from_u128(id));
            prop_assert_eq!(read_cursor(&cursor(created, id)), Some((created, id)));
            let _ = read_cursor(&text);
        }
    }
}
