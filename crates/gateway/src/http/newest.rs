//! `GET …/queries/registered/{queryId}/results`: the newest result.

use super::{Caller, job_error::find_for, query_id, registered::fresh, request::with_id, site_id};
use crate::{
    answer::{self, Rows},
    error::ApiError,
    gateway::Gateway,
    jobs::{
        JobRecord, Kind,
        newest::Cached,
        pages::{self, Piece, Reader},
    },
    session::Lane,
};
use axum::{
    Extension,
    body::Body,
    extract::{Path, State},
    http::{HeaderValue, StatusCode, header},
    response::Response,
};
use bytes::Bytes;
use link_api::proto;
use model::limit;
use proto::PagesOutcome as Outcome;
use serde_json::{Map, Value};
use std::{sync::Arc, time::Duration};

pub(super) async fn handle(
    State(gateway): State<Arc<Gateway>>,
    Extension(caller): Extension<Caller>,
    Path((site, query)): Path<(String, String)>,
) -> Result<Response, ApiError> {
    let (site, query) = (site_id(&site)?, query_id(&query)?);
    let record = find_for(&gateway, &caller, site, query, Kind::Registered).await?;
    let body = newest(&gateway, record).await?;
    let mut response = Response::new(Body::from(body));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(with_id(response, query))
}

/// The newest result as the published document has it.
async fn newest(gateway: &Arc<Gateway>, record: JobRecord) -> Result<Bytes, ApiError> {
    if record.expired {
        gateway.jobs.newest_results().forget(record.id);
        return Err(ApiError::gone());
    }
    let cached = gateway.jobs.newest_results().get(record.id);
    let hash = cached.as_ref().map(|cached| cached.hash.clone());
    match read(gateway, &record, hash).await {
        Ok(Read::New(new)) => {
            let quarter = gateway.limits.answer_memory_bytes / 4;
            gateway.jobs.newest_results().keep(record.id, new.clone(), quarter);
            Ok(new.body)
        }
        Ok(Read::Unchanged) => cached.map(|cached| cached.body).ok_or_else(pages::faulty),
        Ok(Read::Refused(end)) => Err(refused(gateway, record, &end).await),
        Err(error) => {
            // A clinic's internet blip: what is the newest as far as anybody knows is here.
            let last = record.schedule.map(|schedule| schedule.last_hash).unwrap_or_default();
            let still = cached.filter(|cached| cached.hash == last);
            let away = error.status == StatusCode::SERVICE_UNAVAILABLE;
            still.filter(|_| away).map(|cached| cached.body).ok_or(error)
        }
    }
}

enum Read {
    New(Cached),
    Unchanged,
    Refused(Box<proto::PagesEnd>),
}

async fn read(gateway: &Gateway, record: &JobRecord, have: Option<Vec<u8>>) -> Result<Read, ApiError> {
    let full = |_| ApiError::unavailable("The gateway holds too many answers at once. Ask again.", 1);
    let mut ask = pages::wanted(record.id, 0, 1, proto::RowForm::Array);
    ask.have_hash = have.unwrap_or_default();
    let patience = Duration::from_millis(gateway.limits.transfer_slack_ms);
    let mut reader = Reader::open(gateway, record.site, ask, Lane::Bulk, Some(patience)).await?;
    let mut rows = Rows::new(&gateway.budget).map_err(full)?;
    let mut room = gateway.budget.reserve(0).map_err(full)?;
    let mut page = None;
    loop {
        match reader.next(gateway).await {
            // One page was asked for.
            Ok(Piece::Head(_)) if page.is_some() => return Err(pages::faulty()),
            Ok(Piece::Head(head)) => {
                room.grow_to(answer::outputs_room(&head.outputs)).map_err(full)?;
                page = Some(*head);
            }
            Ok(Piece::Rows(piece)) => {
                rows.push(answer::open_page, &piece).map_err(full)?;
                if rows.bytes > 2 * limit::REGISTERED_RESULT_BYTES as u64 {
                    return Err(pages::faulty());
                }
            }
            Ok(Piece::End(end)) => match Outcome::try_from(end.outcome) {
                Ok(Outcome::PagesSent) => break,
                Ok(Outcome::PagesUnchanged) => return Ok(Read::Unchanged),
                _ => return Ok(Read::Refused(end)),
            },
            Err(_) => return Err(pages::broken()),
        }
    }
    let proto::PageHead { page, outputs, hash, .. } = page.unwrap_or_default();
    let facts = page.unwrap_or_default();
    let (count, bytes) = (facts.rows, facts.bytes.saturating_sub(2));
    if rows.bytes != bytes || hash.is_empty() {
        return Err(pages::faulty());
    }
    let mut tail = Map::new();
    let parameters = match outputs.is_empty() {
        true => Value::Null,
        false => outputs.iter().map(answer::parameter).collect(),
    };
    tail.insert("parameters".into(), parameters);
    tail.insert("rows".into(), count.into());
    tail.insert("size".into(), (bytes + 2).into());
    Ok(Read::New(Cached { hash, body: rows.finish_page(tail).map_err(full)? }))
}

/// No result (yet), or none any longer.
async fn refused(gateway: &Arc<Gateway>, record: JobRecord, end: &proto::PagesEnd) -> ApiError {
    if end.outcome == i32::from(Outcome::PagesExpired) {
        gateway.jobs.change(record.id, |record| record.expired = true).await;
        gateway.jobs.newest_results().forget(record.id);
    }
    let had_none = match fresh(gateway, record).await {
        Ok(record) => record.schedule.is_none_or(|schedule| schedule.last_hash.is_empty()),
        Err(error) => return error,
    };
    match Outcome::try_from(end.outcome) {
        Ok(Outcome::PagesNoPage) if had_none => ApiError::not_found(
            "The server cannot find the requested resource: the query has no result yet. Its details say whether a run has succeeded.",
        ),
        _ => pages::refused(end),
    }
}
