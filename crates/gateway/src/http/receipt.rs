//! Beyond the published document: `GET …/queries/{queryId}/receipt`, what the site's audit holds of a query's newest end.

use super::{Caller, job_error::mirror_unreadable, json_response, query_id, request::with_id, site_id};
use crate::{
    error::ApiError,
    gateway::Gateway,
    receipts::{self, About},
};
use axum::{
    Extension,
    extract::{Path, State},
    http::StatusCode,
    response::Response,
};
use model::DeviceId;
use std::sync::Arc;

pub(super) async fn handle(
    State(gateway): State<Arc<Gateway>>,
    Extension(caller): Extension<Caller>,
    Path((site, query)): Path<(String, String)>,
) -> Result<Response, ApiError> {
    let (site, query) = (site_id(&site)?, query_id(&query)?);
    let known = gateway.mirror.look(query).await.map_err(mirror_unreadable)?;
    // A second attempt went under a name of its own. The mirror forgets after a day, the site's audit does not: it is asked for any id.
    let sent_as = known.filter(|known| known.record.site == site).and_then(|known| known.record.sent_as);
    let about = About { site, integrator: gateway.integrator, query: sent_as.unwrap_or(query) };
    let found = receipts::fetch(&gateway, &about).await?;
    // The line itself says which device asked.
    let found = found.filter(|(_, line)| {
        caller.may_see(line.device.as_deref().and_then(|device| DeviceId::parse(device).ok()).as_ref())
    });
    let Some((receipt, _)) = found else {
        return Err(ApiError::not_found(
            "The server cannot find the requested resource: the site's audit has no line of how this query ended. It still runs, was never \
             sent, was not written down because too much was refused in a minute, or is older than the practice keeps its audit.",
        ));
    };
    Ok(with_id(json_response(StatusCode::OK, &receipts::shown(&receipt)), query))
}
