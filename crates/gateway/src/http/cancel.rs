//! Beyond the published document: `DELETE /integrator/sites/{siteId}/queries/{queryId}` cancels an async query.

use super::{
    job_error::find, json_response, query::shown, query_id, registered::cancel_at_site, request::with_id,
    site_id,
};
use crate::{error::ApiError, gateway::Gateway, jobs::Kind};
use axum::{
    extract::{Path, Query, State},
    http::{StatusCode, Uri},
    response::Response,
};
use std::sync::Arc;

pub(super) async fn handle(
    State(gateway): State<Arc<Gateway>>,
    Path((site, query)): Path<(String, String)>,
    uri: Uri,
) -> Result<Response, ApiError> {
    let (site, query) = (site_id(&site)?, query_id(&query)?);
    let force = read_force(&uri)?;
    let known = gateway.mirror.look(query).await.ok().flatten();
    if known.is_some_and(|known| known.record.site == site) {
        return Err(ApiError::conflict(
            "An immediate query is cancelled by hanging up, and only when it runs read-only. Nothing was cancelled.",
        ));
    }
    let record = find(&gateway, site, query, Kind::Async).await?;
    if record.is_open() {
        cancel_at_site(&gateway, site, query, force).await?;
    }
    let record = find(&gateway, site, query, Kind::Async).await?;
    // What may have written and runs finishes all the same, unless `force` is said.
    let status = if record.status.is_final() { StatusCode::OK } else { StatusCode::ACCEPTED };
    Ok(with_id(json_response(status, &shown(&gateway, &record).await), query))
}

fn read_force(uri: &Uri) -> Result<bool, ApiError> {
    let Ok(Query(pairs)) = Query::<Vec<(String, String)>>::try_from_uri(uri) else {
        return Err(ApiError::bad_request("The query string is malformed."));
    };
    match pairs.iter().find(|(name, _)| name == "force").map(|(_, value)| value.as_str()) {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(_) => Err(ApiError::bad_request("`force` must be true or false.")),
    }
}
