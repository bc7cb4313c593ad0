//! The routes: one handler, one file. Here is what all of them share: keys, the log line, 404 and 405.

mod async_query;
mod batch;
mod caller;
mod cancel;
mod cors;
mod desktop;
mod immediate;
mod job_error;
mod list;
mod newest;
mod once;
mod page;
mod pair_site;
mod pair_without_code;
mod pairing;
mod query;
mod receipt;
mod registered;
mod request;
mod revocations;
mod sites;
mod submit;
mod token;
mod webhooks;
mod whole;
mod whole_reader;

use crate::{error::ApiError, gateway::Gateway};
use axum::{
    Router,
    extract::{MatchedPath, Request, State},
    http::{HeaderName, StatusCode, header},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::{delete, get, post, put},
};
pub(crate) use caller::Caller;
use caller::authenticate;
use model::{QueryId, SiteId};
use serde_json::Value;
use std::sync::Arc;

/// Ours: names a query, so that its outcome can be asked for when its answer was lost.
const QUERY_ID: HeaderName = HeaderName::from_static("halo-query-id");

/// All routes of the public API.
pub fn router(gateway: Arc<Gateway>) -> Router {
    Router::new()
        .route("/integrator/pair-site", post(pair_site::handle))
        .route("/integrator/pairSite", post(pair_site::handle))
        .route("/integrator/sites", get(sites::find))
        .route("/integrator/sites/{siteId}", get(sites::look))
        .route("/integrator/sites/{siteId}/pairing", delete(pairing::unpair))
        .route("/integrator/sites/{siteId}/credentials", put(pairing::replace))
        .nest("/integrator/sites/{siteId}/queries", queries())
        .route("/integrator/token", post(token::handle))
        .merge(revocations::routes())
        .merge(webhooks::routes())
        .method_not_allowed_fallback(wrong_method)
        .route_layer(from_fn_with_state(Arc::clone(&gateway), authenticate))
        .merge(desktop::routes(&gateway))
        .fallback(unknown_path)
        .layer(from_fn_with_state(Arc::clone(&gateway), log))
        .with_state(gateway)
}

/// What is under a site's `queries`. Words that stand where an id could are no ids.
fn queries() -> Router<Arc<Gateway>> {
    Router::new()
        .route("/", get(list::handle))
        .route("/immediate", post(immediate::handle).get(wrong_method))
        .route("/async", post(async_query::handle).get(wrong_method))
        .route("/status", post(batch::handle).get(wrong_method))
        .route("/registered", post(registered::create).get(registered::list))
        .route("/registered/{queryId}", get(registered::look).delete(registered::cancel))
        .route("/registered/{queryId}/results", get(newest::handle))
        .route("/{queryId}", get(query::handle).delete(cancel::handle))
        .route("/{queryId}/receipt", get(receipt::handle))
        .route("/{queryId}/results", get(whole::handle))
        .route("/{queryId}/results/{pageNumber}", get(page::handle))
        .route("/{queryId}/results/{pageNumber}/stream", get(page::stream))
}

/// One line per request. Never the address: a pairing code arrives in the query string.
async fn log(State(gateway): State<Arc<Gateway>>, request: Request, next: Next) -> Response {
    let began = gateway.clock.monotonic();
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let response = next.run(request).await;
    let took = gateway.clock.monotonic().saturating_sub(began);
    tracing::info!(
        %method,
        route = route.as_ref().map_or("unknown", MatchedPath::as_str),
        status = response.status().as_u16(),
        device = response.extensions().get::<Caller>().and_then(Caller::device).map(|device| device.as_str()),
        query = response.headers().get(QUERY_ID).and_then(|id| id.to_str().ok()),
        us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
        "answered"
    );
    response
}

async fn unknown_path() -> ApiError {
    ApiError::not_found("The server cannot find the requested resource.")
}

async fn wrong_method(route: MatchedPath) -> ApiError {
    // The whole path as it was routed: of an address a nested router sees the rest alone.
    let path = route.as_str().trim_end_matches('/');
    if let Some(allow) = webhooks::allowed(path) {
        let message = format!("This resource takes {} alone.", allow.replace(',', ", "));
        return ApiError { allow: Some(allow), ..ApiError::new(StatusCode::METHOD_NOT_ALLOWED, message) };
    }
    let ends = |words: &[&str]| words.iter().any(|word| path.ends_with(word));
    let under = |word: &str| path.rsplit_once('/').is_some_and(|(before, _)| before.ends_with(word));
    let (allow, instead) = if let Some(allowed) = desktop::allowed(path).or(revocations::allowed(path)) {
        allowed
    } else if path.ends_with("/queries/registered") {
        ("POST,GET,HEAD", "POST or GET")
    } else if ends(&[
        "/pair-site",
        "/pairSite",
        "/token",
        "/queries/immediate",
        "/queries/async",
        "/queries/status",
    ]) {
        ("POST", "POST")
    } else if ends(&["/pairing"]) {
        ("DELETE", "DELETE")
    } else if ends(&["/credentials"]) {
        ("PUT", "PUT")
    } else if under("/queries/registered") || under("/queries") {
        ("GET,HEAD,DELETE", "GET or DELETE")
    } else {
        ("GET,HEAD", "GET")
    };
    let message = format!("This resource takes {instead} alone.");
    ApiError { allow: Some(allow), ..ApiError::new(StatusCode::METHOD_NOT_ALLOWED, message) }
}

fn json_response(status: StatusCode, body: &Value) -> Response {
    let json = [(header::CONTENT_TYPE, "application/json")];
    (status, json, body.to_string()).into_response()
}

fn site_id(text: &str) -> Result<SiteId, ApiError> {
    text.parse()
        .map_err(|_| ApiError::bad_request("`siteId` in the path must be a UUID: the Halo GUID of a site."))
}

fn query_id(text: &str) -> Result<QueryId, ApiError> {
    text.parse().map_err(|_| ApiError::bad_request("`queryId` in the path must be a UUID."))
}
