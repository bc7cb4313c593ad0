//! `POST …/queries/async`.

use super::{Caller, json_response, request::with_id, site_id, submit::submit_async};
use crate::{answer, error::ApiError, gateway::Gateway};
use axum::{
    Extension,
    body::Body,
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    response::Response,
};
use std::sync::Arc;

pub(super) async fn handle(
    State(gateway): State<Arc<Gateway>>,
    Extension(caller): Extension<Caller>,
    Path(site): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let site = site_id(&site)?;
    let record = submit_async(&gateway, &caller, site, &headers, body).await?;
    let body = answer::job::taken(&record, gateway.integrator);
    Ok(with_id(json_response(StatusCode::CREATED, &body), record.id))
}
