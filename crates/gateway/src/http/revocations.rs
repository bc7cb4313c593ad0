//! Beyond the published document, which has no way back: `/integrator/desktop/…` takes back what devices were given.

use super::json_response;
use crate::{
    desktop::{self, Revocation},
    error::ApiError,
    gateway::Gateway,
    store::StoreError,
};
use axum::{
    Router,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{delete, get, put},
};
use model::DeviceId;
use serde_json::{Value, json};
use std::sync::Arc;

/// The routes of this part.
pub(super) fn routes() -> Router<Arc<Gateway>> {
    Router::new()
        .route("/integrator/desktop/revocations", get(list))
        .route("/integrator/desktop/revocations/{deviceId}", put(revoke).delete(allow))
        .route("/integrator/desktop/tokens", delete(revoke_all))
}

/// What `Allow` says for a path of this part, and the same in words.
pub(super) fn allowed(path: &str) -> Option<(&'static str, &'static str)> {
    let rest = path.strip_prefix("/integrator/desktop/")?;
    Some(match rest {
        "revocations" => ("GET,HEAD", "GET"),
        "tokens" => ("DELETE", "DELETE"),
        _ => ("PUT,DELETE", "PUT or DELETE"),
    })
}

async fn list(State(gateway): State<Arc<Gateway>>) -> Result<Response, ApiError> {
    let all = on_disk(&gateway, |gateway| gateway.desktop.revocations.list()).await?;
    Ok(json_response(StatusCode::OK, &json!({ "revocations": all.iter().map(shown).collect::<Value>() })))
}

async fn revoke(
    State(gateway): State<Arc<Gateway>>,
    Path(device): Path<String>,
) -> Result<Response, ApiError> {
    let device = device_id(&device)?;
    let now = gateway.clock.now();
    let revoked = on_disk(&gateway, move |gateway| desktop::revoke(&gateway.store, &device, now)).await?;
    Ok(json_response(StatusCode::OK, &shown(&revoked)))
}

async fn allow(
    State(gateway): State<Arc<Gateway>>,
    Path(device): Path<String>,
) -> Result<Response, ApiError> {
    let device = device_id(&device)?;
    let now = gateway.clock.now();
    match on_disk(&gateway, move |gateway| desktop::allow(&gateway.store, &device, now)).await? {
        true => Ok(StatusCode::NO_CONTENT.into_response()),
        false => Err(ApiError::not_found(
            "The server cannot find the requested resource: this device is not revoked.",
        )),
    }
}

async fn revoke_all(State(gateway): State<Arc<Gateway>>) -> Result<Response, ApiError> {
    let now = gateway.clock.now();
    on_disk(&gateway, move |gateway| desktop::revoke_all(&gateway.store, now)).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

fn shown(revocation: &Revocation) -> Value {
    json!({ "deviceId": revocation.device.as_str(), "revokedAt": revocation.at.to_rfc3339() })
}

fn device_id(text: &str) -> Result<DeviceId, ApiError> {
    DeviceId::parse(text).map_err(|_| {
        ApiError::bad_request(format!(
            "`deviceId` in the path must have 1 to {} visible ASCII characters and no spaces.",
            DeviceId::BYTES
        ))
    })
}

async fn on_disk<T: Send + 'static>(
    gateway: &Arc<Gateway>,
    work: impl FnOnce(&Gateway) -> Result<T, StoreError> + Send + 'static,
) -> Result<T, ApiError> {
    let gateway = Arc::clone(gateway);
    let done = tokio::task::spawn_blocking(move || work(&gateway)).await;
    done.unwrap_or_else(|_| Err(rusqlite::Error::InvalidQuery.into())).map_err(|error| {
        tracing::error!(%error, "revocations of devices can't be read or written");
        ApiError::internal("The gateway cannot read or write its revocations now.")
    })
}
