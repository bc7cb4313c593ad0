//! Who asks, and what of the queries it may see.

use crate::{error::ApiError, gateway::Gateway, rate::Who};
use axum::{
    extract::{Request, State},
    http::HeaderName,
    middleware::Next,
    response::{IntoResponse, Response},
};
use model::{DeviceId, SiteId};
use std::sync::Arc;

/// The published header.
const SUBSCRIPTION_KEY: HeaderName = HeaderName::from_static("ocp-apim-subscription-key");

/// Put into each request by the door that it came through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Caller {
    /// The integrator's own server: it may see all.
    Integrator,
    /// A desktop application. Its token is on a PC that nobody vouches for, so it sees what it began itself and no more.
    Desktop { site: SiteId, device: DeviceId },
}

impl Caller {
    /// The device, where there is one.
    pub(crate) fn device(&self) -> Option<&DeviceId> {
        match self {
            Caller::Integrator => None,
            Caller::Desktop { device, .. } => Some(device),
        }
    }

    /// Whether it may see a query that came from `device`.
    pub(crate) fn may_see(&self, device: Option<&DeviceId>) -> bool {
        self.device().is_none_or(|own| device == Some(own))
    }

    /// What tells its `Idempotency-Key`s from those of others: a device must neither get another's answer nor be in its way.
    pub(crate) fn scope(&self) -> String {
        match self {
            Caller::Integrator => String::new(),
            Caller::Desktop { site, device } => format!("desktop {site} {device} "),
        }
    }
}

/// The integrator's door: refuses whoever has no key, or asks too often with it.
pub(super) async fn authenticate(
    State(gateway): State<Arc<Gateway>>,
    request: Request,
    next: Next,
) -> Response {
    match by_key(&gateway, &request) {
        Ok(()) => go_on(Caller::Integrator, request, next).await,
        Err(error) => error.into_response(),
    }
}

fn by_key(gateway: &Gateway, request: &Request) -> Result<(), ApiError> {
    // Of `POST /token` both forms are known of a 401: it answers both.
    let refused = |error: ApiError| ApiError { token: request.uri().path() == "/integrator/token", ..error };
    let key = request.headers().get(SUBSCRIPTION_KEY);
    let key = key.ok_or_else(|| refused(ApiError::key_missing()))?;
    let owner = gateway.keys.check(key.as_bytes()).map_err(|error| {
        tracing::error!(%error, "subscription keys cannot be read");
        ApiError::internal("The gateway cannot check subscription keys now.")
    })?;
    let owner = owner.ok_or_else(|| refused(ApiError::key_wrong()))?;
    let now = gateway.clock.monotonic();
    gateway.key_rate.take(Who::Key(owner.id), now).map_err(ApiError::too_often)
}

/// Lets a request in. Its answer says who it was, for the log.
pub(super) async fn go_on(caller: Caller, mut request: Request, next: Next) -> Response {
    request.extensions_mut().insert(caller.clone());
    let mut response = next.run(request).await;
    response.extensions_mut().insert(caller);
    response
}
