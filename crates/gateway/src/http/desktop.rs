//! `/desktop/sites/{siteId}/queries/…`: what a desktop application may do with its token. The operations are the integrator's; who
//! asks decides what it sees. Sites, pairing, the batch status and page streams are not in the published document; FHIR is not
//! served yet.

use super::{
    async_query,
    caller::{Caller, go_on},
    cors, immediate, newest, page, query, receipt, registered, site_id, wrong_method,
};
use crate::{desktop::Refusal, error::ApiError, gateway::Gateway, rate::Who};
use axum::{
    Router,
    extract::{Path, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use std::{collections::HashMap, sync::Arc};

/// The published header: the device that the token was given for.
const DEVICE_ID: HeaderName = HeaderName::from_static("deviceid");

/// The routes of this part, behind their own door.
pub(super) fn routes(gateway: &Arc<Gateway>) -> Router<Arc<Gateway>> {
    Router::new()
        .nest("/desktop/sites/{siteId}/queries", queries())
        .method_not_allowed_fallback(wrong_method)
        .route_layer(from_fn_with_state(Arc::clone(gateway), authenticate))
        // Before the door: a browser asks without a token whether it may ask.
        .route_layer(from_fn_with_state(Arc::clone(gateway), cors::apply))
}

fn queries() -> Router<Arc<Gateway>> {
    Router::new()
        .route("/immediate", post(immediate::handle).get(wrong_method))
        .route("/async", post(async_query::handle).get(wrong_method))
        .route("/registered", post(registered::create).get(registered::list))
        .route("/registered/{queryId}", get(registered::look).delete(registered::cancel))
        .route("/registered/{queryId}/results", get(newest::handle))
        .route("/{queryId}", get(query::handle))
        .route("/{queryId}/receipt", get(receipt::handle))
        .route("/{queryId}/results/{pageNumber}", get(page::handle))
}

/// What `Allow` says for a path of this part, and the same in words.
pub(super) fn allowed(path: &str) -> Option<(&'static str, &'static str)> {
    let rest = path.strip_prefix("/desktop/sites/")?.split('/').skip(2).collect::<Vec<_>>();
    Some(match rest.as_slice() {
        ["immediate" | "async"] => ("POST", "POST"),
        ["registered"] => ("POST,GET,HEAD", "POST or GET"),
        ["registered", _] => ("GET,HEAD,DELETE", "GET or DELETE"),
        _ => ("GET,HEAD", "GET"),
    })
}

/// Refuses whoever has no token of this device for this site, or asks too often with it.
async fn authenticate(
    State(gateway): State<Arc<Gateway>>,
    Path(path): Path<HashMap<String, String>>,
    request: Request,
    next: Next,
) -> Response {
    let site = path.get("siteId").map(String::as_str).unwrap_or_default();
    match by_token(&gateway, request.headers(), site) {
        Ok(caller) => go_on(caller, request, next).await,
        Err(error) => {
            let challenge =
                (error.status == StatusCode::UNAUTHORIZED).then(|| HeaderValue::from_static("Bearer"));
            let mut response = error.into_response();
            response.headers_mut().extend(challenge.map(|challenge| (header::WWW_AUTHENTICATE, challenge)));
            response
        }
    }
}

fn by_token(gateway: &Gateway, headers: &HeaderMap, asked: &str) -> Result<Caller, ApiError> {
    if !gateway.desktop.settings.enabled {
        return Err(switched_off());
    }
    let token = bearer(headers).ok_or_else(|| {
        ApiError::token_wrong(
            "Access denied: there is no access token. Your server gets one for this device with POST /integrator/token; send it as \
             `Authorization: Bearer …`.",
        )
    })?;
    let device = headers.get(DEVICE_ID).ok_or_else(|| {
        ApiError::token_wrong(
            "Access denied: the header `DeviceId` is missing. Send the device that the token was given for.",
        )
    })?;
    let checked = gateway.desktop.check(token, device.as_bytes()).map_err(|error| {
        tracing::error!(%error, "desktop tokens can't be checked");
        ApiError::internal("The gateway cannot check access tokens now. Nothing was executed.")
    })?;
    let (site, device) = checked.map_err(refused)?;
    // A path that names no site at all is named as that, once it is known who asks.
    if site_id(asked)? != site {
        return Err(ApiError::forbidden(
            "The access token was given for another site. Nothing was executed. Your server gets one for this site with POST /integrator/token.",
        ));
    }
    let now = gateway.clock.monotonic();
    gateway.device_rate.take(Who::Device(site, device.clone()), now).map_err(ApiError::too_often)?;
    Ok(Caller::Desktop { site, device })
}

/// 403: the one who runs the gateway wants no desktop applications.
pub(super) fn switched_off() -> ApiError {
    ApiError::forbidden(
        "Desktop access is switched off at this gateway. Nothing was executed. Whoever runs it sets `enabled = true` under [desktop] in \
         gateway.toml.",
    )
}

fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.as_bytes().split_first_chunk::<7>()?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| token.trim_ascii())
}

fn refused(why: Refusal) -> ApiError {
    ApiError::token_wrong(match why {
        Refusal::NotOurs => {
            "Access denied: the access token is not one of this gateway's. Your server gets one with POST /integrator/token."
        }
        Refusal::Expired => {
            "Access denied: the access token has expired. Your server gets a new one with POST /integrator/token."
        }
        Refusal::NotYet => {
            "Access denied: the access token is not valid yet: a clock was set. Your server gets a new one with POST /integrator/token."
        }
        Refusal::OtherDevice => {
            "Access denied: the access token was given for another device than the header `DeviceId` says."
        }
        Refusal::Revoked => {
            "Access denied: the access token was revoked. Your server gets a new one with POST /integrator/token, unless the device is revoked."
        }
    })
}
