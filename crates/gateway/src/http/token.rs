//! `POST /integrator/token`: the integrator's server gets a token for a desktop application on one device, for one site.
//!
//! An `Idempotency-Key` is not looked at here: a second token does no more harm than the first, and keeping tokens would.

use super::{
    desktop::switched_off,
    request::{check_open, read_small},
    site_id,
};
use crate::{error::ApiError, gateway::Gateway};
use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use model::{DeviceId, SiteId};
use serde_json::json;
use std::sync::Arc;

/// The published word.
const GRANT_TYPE: &str = "urn:halo-connect:oauth:desktop-token";
const FORM: &str = "application/x-www-form-urlencoded";
/// Three short members.
const BODY_BYTES: usize = 16 * 1024;

pub(super) async fn handle(
    State(gateway): State<Arc<Gateway>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    if !gateway.desktop.settings.enabled {
        return Err(switched_off());
    }
    if !is_form(&headers) {
        let message = format!("The body must be a form: send `Content-Type: {FORM}`.");
        return Err(ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, message));
    }
    let (site, device) = parse(&read_small(body, BODY_BYTES).await?)?;
    check_open(&gateway, site).await?;
    let issuing = Arc::clone(&gateway);
    let issued = tokio::task::spawn_blocking(move || issuing.desktop.issue(site, &device)).await;
    let failed = |error: &dyn std::fmt::Display| {
        tracing::error!(%error, "desktop tokens can't be made");
        ApiError::internal("The gateway cannot make access tokens now.")
    };
    let issued = issued.map_err(|error| failed(&error))?.map_err(|error| failed(&error))?;
    let Some(issued) = issued else {
        return Err(ApiError::forbidden(
            "This device is revoked and gets no access token. DELETE /integrator/desktop/revocations/{deviceId} lets it have tokens again.",
        ));
    };
    let body = json!({ "access_token": issued.token, "token_type": "Bearer", "expires_in": issued.seconds });
    let json = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    Ok((json, body.to_string()).into_response())
}

fn is_form(headers: &HeaderMap) -> bool {
    // A client that names no type is taken at the published word.
    let Some(value) = headers.get(header::CONTENT_TYPE) else { return true };
    let media = value.to_str().unwrap_or_default().split(';').next().unwrap_or_default();
    media.trim().eq_ignore_ascii_case(FORM)
}

fn parse(body: &[u8]) -> Result<(SiteId, DeviceId), ApiError> {
    let (mut grant, mut device, mut site) = (None, None, None);
    for (name, value) in form_urlencoded::parse(body) {
        let place = match &*name {
            "grant_type" => &mut grant,
            "device_id" => &mut device,
            "site_id" => &mut site,
            _ => continue,
        };
        if place.replace(value).is_some() {
            return Err(ApiError::bad_request("A member of the form is given twice."));
        }
    }
    let missing = |name: &str| ApiError::bad_request(format!("`{name}` is missing from the form."));
    let grant = grant.ok_or_else(|| missing("grant_type"))?;
    if grant != GRANT_TYPE {
        return Err(ApiError::bad_request(format!("`grant_type` must be `{GRANT_TYPE}`.")));
    }
    let device = device.ok_or_else(|| missing("device_id"))?;
    let device = DeviceId::parse(&device).map_err(|_| {
        ApiError::bad_request(format!(
            "`device_id` must have 1 to {} visible ASCII characters and no spaces.",
            DeviceId::BYTES
        ))
    })?;
    let site = site.ok_or_else(|| missing("site_id"))?;
    let site = site_id(&site)
        .map_err(|_| ApiError::bad_request("`site_id` must be a UUID: the Halo GUID of a site."))?;
    Ok((site, device))
}
