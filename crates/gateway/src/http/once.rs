//! Small operations that are done once per `Idempotency-Key`: their answer is kept sealed for 24 hours and given again. (Those that make
//! a query make their answer anew from its record instead.)

use super::Caller;
use crate::{
    error::ApiError,
    gateway::Gateway,
    idempotency::{self, Start},
    store::StoreError,
};
use axum::{
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use model::{Hidden, QueryId};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use uuid::Uuid;

/// An answer that can be given again.
#[derive(Serialize, Deserialize)]
pub(super) struct Told {
    status: u16,
    /// JSON.
    body: String,
    /// It holds a secret: no cache may keep it.
    secret: bool,
}

impl Told {
    pub(super) fn new(status: StatusCode, body: &serde_json::Value) -> Self {
        Told { status: status.as_u16(), body: body.to_string(), secret: false }
    }

    pub(super) fn with_secret(self) -> Self {
        Told { secret: true, ..self }
    }
}

impl IntoResponse for Told {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, [(header::CONTENT_TYPE, "application/json")], self.body).into_response();
        if self.secret {
            response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        }
        response
    }
}

/// Does `work`, unless it was done before with the same key. `what` is all that it depends on beside the body. What it refuses is
/// not kept: mended, the request may come again under the same key.
pub(super) async fn once(
    gateway: &Arc<Gateway>,
    headers: &HeaderMap,
    what: &str,
    body: &[u8],
    work: impl Future<Output = Result<Told, ApiError>> + Send + 'static,
) -> Result<Response, ApiError> {
    let start = idempotency::start(gateway, &Caller::Integrator, headers, what, body).await?;
    match &start {
        Start::Free => {}
        Start::Known { query, .. } => return known(gateway, *query).await,
        Start::New { .. } => {}
    }
    // To its end, also when the caller hangs up: else it would be done and its answer lost.
    let gateway = Arc::clone(gateway);
    let task = tokio::spawn(async move {
        let Some(key) = start.key() else { return work.await };
        let (name, now) = (QueryId(Uuid::new_v4()), gateway.clock.now().0);
        // Before it is done: whatever happens in between, it is not done twice.
        gateway.jobs.on_disk(move |table| table.claim(&key, name, now)).await.map_err(not_kept)?;
        let done = work.await;
        let kept = match &done {
            Ok(told) => keep(&gateway, name, told, now).await,
            Err(_) => gateway.jobs.on_disk(move |table| table.unclaim(&key)).await,
        };
        if let Err(error) = kept {
            // It stands, and is answered; a repeat is told to look.
            tracing::error!(%error, "an answer cannot be kept under its idempotency key");
        }
        drop(start);
        done
    });
    let done = task.await;
    let failed = |_| {
        ApiError::internal("The gateway failed; whether it was done is not known: look at what is there.")
    };
    done.map_err(failed)?.map(IntoResponse::into_response)
}

async fn keep(gateway: &Gateway, name: QueryId, told: &Told, now: i64) -> Result<(), StoreError> {
    let clear = serde_json::to_string(told).map(Hidden::new);
    let sealed = clear.ok().and_then(|clear| gateway.webhooks.sealer().seal(name.as_bytes(), &clear));
    let sealed = sealed.ok_or_else(|| StoreError::other(&"can't seal an answer"))?;
    gateway.jobs.on_disk(move |table| table.keep_answer(name, &sealed, now)).await
}

async fn known(gateway: &Gateway, name: QueryId) -> Result<Response, ApiError> {
    let sealed = gateway.jobs.on_disk(move |table| table.answer(name)).await.map_err(|error| {
        tracing::error!(%error, "kept answers cannot be read");
        ApiError::internal("The gateway cannot read the answer of then. Nothing was done again.")
    })?;
    let clear = sealed.and_then(|sealed| gateway.webhooks.sealer().open(name.as_bytes(), &sealed));
    let told = clear.and_then(|clear| serde_json::from_str::<Told>(clear.reveal()).ok());
    told.map(IntoResponse::into_response).ok_or_else(|| {
        ApiError::conflict(
            "A request with this `Idempotency-Key` was begun before, and its answer is not there: the gateway was cut off just then. \
             Nothing was done again: look at what is there, then go on with a new key.",
        )
    })
}

fn not_kept(error: StoreError) -> ApiError {
    tracing::error!(%error, "an idempotency key cannot be written");
    ApiError::internal("The gateway could not record the request. Nothing was done.")
}
