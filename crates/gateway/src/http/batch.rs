//! `POST /integrator/sites/{siteId}/queries/status`: how many queries stand.

use super::{
    job_error::mirror_unreadable,
    json_response,
    query::shown,
    request::{body_error, check_content_type, check_known, read},
    site_id,
};
use crate::{
    answer, body,
    error::ApiError,
    gateway::Gateway,
    jobs::{JobRecord, Kind, ask},
};
use axum::{
    body::Body,
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    response::Response,
};
use model::{QueryId, SiteId};
use serde_json::{Value, json};
use std::sync::Arc;

pub(super) async fn handle(
    State(gateway): State<Arc<Gateway>>,
    Path(site): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let site = site_id(&site)?;
    check_content_type(&headers)?;
    let (body, _room) = read(&gateway, None, &headers, body).await?;
    let ids = body::parse_batch(&body).map_err(body_error)?;
    check_known(&gateway, site).await?;
    let mut open = Vec::new();
    for id in &ids {
        if job(&gateway, site, *id).await?.is_some_and(|record| record.is_open()) {
            open.push(*id);
        }
    }
    ask::refresh(&gateway, site, &open).await;
    let mut results = Vec::with_capacity(ids.len());
    for id in ids {
        let found = found(&gateway, site, id).await?;
        results.push(match found {
            Some(query) => json!({ "queryId": id.to_string(), "status": "found", "query": query }),
            None => json!({ "queryId": id.to_string(), "status": "notFound" }),
        });
    }
    Ok(json_response(StatusCode::OK, &json!({ "results": results })))
}

async fn job(gateway: &Gateway, site: SiteId, id: QueryId) -> Result<Option<JobRecord>, ApiError> {
    let found = gateway.jobs.look(id).await.map_err(mirror_unreadable)?;
    Ok(found.filter(|record| record.site == site && record.kind == Kind::Async))
}

async fn found(gateway: &Arc<Gateway>, site: SiteId, id: QueryId) -> Result<Option<Value>, ApiError> {
    if let Some(record) = job(gateway, site, id).await? {
        return Ok(Some(shown(gateway, &record).await));
    }
    let known = gateway.mirror.look(id).await.map_err(mirror_unreadable)?;
    let known = known.filter(|known| known.record.site == site);
    Ok(known
        .and_then(|known| serde_json::from_slice(&answer::status(&known.record, gateway.integrator)).ok()))
}
