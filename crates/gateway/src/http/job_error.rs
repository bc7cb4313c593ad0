//! What callers are told about jobs that are not there, not taken, or not of the kind they asked for.

use super::Caller;
use crate::{
    error::ApiError,
    gateway::Gateway,
    jobs::{JobRecord, Kind, Why},
    store::StoreError,
};
use axum::http::StatusCode;
use model::{QueryId, SiteId};

pub(super) fn mirror_unreadable(error: StoreError) -> ApiError {
    tracing::error!(%error, "the status mirror cannot be read");
    ApiError::internal("The gateway cannot read its status mirror now.")
}

/// A job of this kind at this site, for the integrator itself.
pub(super) async fn find(
    gateway: &Gateway,
    site: SiteId,
    id: QueryId,
    kind: Kind,
) -> Result<JobRecord, ApiError> {
    find_for(gateway, &Caller::Integrator, site, id, kind).await
}

/// A job of this kind at this site that the caller may see.
pub(super) async fn find_for(
    gateway: &Gateway,
    caller: &Caller,
    site: SiteId,
    id: QueryId,
    kind: Kind,
) -> Result<JobRecord, ApiError> {
    let found = gateway.jobs.look(id).await.map_err(mirror_unreadable)?;
    let seen = |record: &JobRecord| record.site == site && caller.may_see(record.device.as_ref());
    let Some(record) = found.filter(seen) else {
        return Err(ApiError::not_found(
            "The server cannot find the requested resource: no such query of this gateway is known at the site.",
        ));
    };
    match (record.kind, kind) {
        (Kind::Registered, Kind::Async) => Err(ApiError::not_found(
            "This query is a registered one: it is found under …/queries/registered/{queryId}.",
        )),
        (Kind::Async, Kind::Registered) => {
            Err(ApiError::not_found("This query is an async one: it is found under …/queries/{queryId}."))
        }
        _ => Ok(record),
    }
}

/// A registration that came to nothing at once.
pub(super) fn not_taken(why: Why) -> ApiError {
    let unavailable =
        |what: &str, after| ApiError::unavailable(format!("{what} The query was not registered."), after);
    match why {
        Why::Offline => {
            unavailable("The server is not ready to handle the request: the site is offline.", 30)
        }
        Why::Unreachable => {
            unavailable("The server is not ready to handle the request: the site is unreachable.", 30)
        }
        Why::Busy => unavailable("The site has too many commands waiting.", 2),
        Why::NoRoom => unavailable("The site has no room for another registered query or its result.", 300),
        Why::TooOld => unavailable("The site's Halo Link keeps no results and needs an update.", 60),
        Why::NotPaired => ApiError::not_let_in(),
        Why::SwitchedOff => ApiError::forbidden(
            "The practice has switched this integrator off for the site. The query was not registered. Ask the practice to switch it on.",
        ),
        Why::ByPractice(refusal) => ApiError::by_practice(refusal, "The query was not registered.", 0)
            .unwrap_or_else(|| ApiError::forbidden("The site refused the query. It was not registered.")),
        Why::NoWay => ApiError::forbidden(
            "The platform does not let this integrator reach the site, or knows no such site. The query was not registered.",
        ),
        Why::UnknownCatalogue => ApiError::bad_request(
            "The site has no such catalogue. The query was not registered. GET /integrator/sites/{siteId} lists its catalogues.",
        ),
        Why::Repeated => ApiError::new(
            StatusCode::CONFLICT,
            "The site has seen this query id before. The query was not registered; choose a new id.",
        ),
        _ => ApiError::bad_request("The site refused the query. It was not registered."),
    }
}
