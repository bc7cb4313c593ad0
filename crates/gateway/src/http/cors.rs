//! Desktop applications are often web pages in a window: their browser asks before it lets them call (the Fetch standard's CORS).
//! Allowed are the origins of `[desktop] origins`, each by name. Cookies are not used here, so credentials are never allowed.

use crate::{error::ApiError, gateway::Gateway};
use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use std::sync::Arc;

const METHODS: &str = "GET, HEAD, POST, DELETE";
/// What a desktop application sends beside what every page may.
const HEADERS: &str = "authorization, deviceid, content-type, accept, idempotency-key, halo-query-id";
/// What it may read beside what every page may.
const EXPOSED: &str =
    "halo-query-id, retry-after, size, rows-count, rows-range-start, rows-range-end, www-authenticate";
/// A browser need not ask again for so long, seconds.
const MAX_AGE: &str = "600";

/// Answers what browsers ask beforehand, and says on answers who may read them.
pub(super) async fn apply(State(gateway): State<Arc<Gateway>>, request: Request, next: Next) -> Response {
    let Some(origin) = request.headers().get(header::ORIGIN).cloned() else { return next.run(request).await };
    let settings = &gateway.desktop.settings;
    let known =
        settings.enabled && settings.origins.iter().any(|known| known.as_bytes() == origin.as_bytes());
    let asks_first = request.method() == Method::OPTIONS
        && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let mut response = match (asks_first, known) {
        (true, true) => {
            let mut response = StatusCode::NO_CONTENT.into_response();
            let headers = response.headers_mut();
            headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(METHODS));
            headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(HEADERS));
            headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static(MAX_AGE));
            response
        }
        (true, false) => {
            let message = "This origin may not ask. Whoever runs the gateway lists it under `origins` of [desktop] in gateway.toml.";
            ApiError::forbidden(message).into_response()
        }
        (false, _) => next.run(request).await,
    };
    say(response.headers_mut(), known.then_some(origin));
    response
}

fn say(headers: &mut HeaderMap, allowed: Option<HeaderValue>) {
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
    if let Some(origin) = allowed {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
    }
}
