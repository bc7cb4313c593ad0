//! `/integrator/webhooks/deliveries`: what was sent, and sending it again.

use super::{members, no_webhook, read, refused, shape, webhook_id};
use crate::{
    error::ApiError,
    gateway::Gateway,
    http::{
        once::{Told, once},
        sites::json_response,
    },
};
use axum::{
    body::Body,
    extract::{Path, Query, State},
    http::{HeaderMap, StatusCode, Uri},
    response::Response,
};
use model::Timestamp;
use serde_json::{Value, json};
use std::sync::Arc;
use uuid::Uuid;
use webhook::{Filter, State as Standing};

/// Entries of a list that does not say how many.
const LIMIT: u32 = 50;
/// And of one that does.
const MOST: u32 = 200;

pub(super) async fn list(State(gateway): State<Arc<Gateway>>, uri: Uri) -> Result<Response, ApiError> {
    let filter = filter(&uri)?;
    let found = gateway.webhooks.deliveries(filter).await.map_err(refused)?;
    let more = found.len() >= usize::try_from(filter.limit).unwrap_or(usize::MAX);
    let next = found.last().filter(|_| more).map(|last| last.number);
    let deliveries = found.iter().map(shape::delivery).collect::<Value>();
    Ok(json_response(&json!({ "deliveries": deliveries, "before": next })))
}

pub(super) async fn look(
    State(gateway): State<Arc<Gateway>>,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let found =
        gateway.webhooks.delivery(delivery_id(&id)?).await.map_err(refused)?.ok_or_else(no_delivery)?;
    Ok(json_response(&shape::delivery(&found)))
}

pub(super) async fn redeliver(
    State(gateway): State<Arc<Gateway>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let (id, webhooks) = (delivery_id(&id)?, gateway.webhooks());
    once(&gateway, &headers, &format!("redeliver {id}"), b"", async move {
        let again = webhooks.redeliver(id).await.map_err(refused)?.ok_or_else(no_delivery)?;
        Ok(accepted(&shape::delivery(&again)))
    })
    .await
}

/// All that were given up since a time.
pub(super) async fn redeliver_failed(
    State(gateway): State<Arc<Gateway>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let bytes = read(&headers, body).await?;
    let body = members(&bytes)?;
    let since = body.get("since").and_then(Value::as_str).and_then(Timestamp::parse).ok_or_else(|| {
        ApiError::bad_request("`since` is missing or no time: send for example `2026-02-03T04:05:06Z`.")
    })?;
    let endpoint = match body.get("webhookId") {
        None | Some(Value::Null) => None,
        Some(Value::String(id)) => {
            Some(webhook_id(id).map_err(|_| ApiError::bad_request("`webhookId` must be a UUID."))?)
        }
        Some(_) => return Err(ApiError::bad_request("`webhookId` must be a UUID.")),
    };
    let webhooks = gateway.webhooks();
    once(&gateway, &headers, "redeliver", &bytes, async move {
        let count = webhooks.redeliver_failed(endpoint, since).await.map_err(refused)?;
        Ok(accepted(&json!({ "redelivered": count })))
    })
    .await
}

pub(super) async fn test(
    State(gateway): State<Arc<Gateway>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let (id, webhooks) = (webhook_id(&id)?, gateway.webhooks());
    once(&gateway, &headers, &format!("webhooks {id} test"), b"", async move {
        let sent = webhooks.test(id).await.map_err(refused)?.ok_or_else(no_webhook)?;
        Ok(accepted(&shape::delivery(&sent)))
    })
    .await
}

fn accepted(value: &Value) -> Told {
    Told::new(StatusCode::ACCEPTED, value)
}

fn filter(uri: &Uri) -> Result<Filter, ApiError> {
    let Ok(Query(pairs)) = Query::<Vec<(String, String)>>::try_from_uri(uri) else {
        return Err(ApiError::bad_request("The query string is malformed."));
    };
    let mut filter = Filter { limit: LIMIT, ..Filter::default() };
    let bad = |what: &str| ApiError::bad_request(format!("The query parameter {what}."));
    for (name, value) in pairs {
        match name.as_str() {
            "webhookId" => {
                filter.endpoint = Some(value.parse().map_err(|_| bad("`webhookId` must be a UUID"))?)
            }
            "state" => {
                let state = Standing::parse(&value);
                filter.state = Some(
                    state.ok_or_else(|| bad("`state` must be one of `pending`, `delivered`, `failed`"))?,
                );
            }
            "since" => {
                let since = Timestamp::parse(&value);
                filter.since =
                    Some(since.ok_or_else(|| bad("`since` must be a time such as `2026-02-03T04:05:06Z`"))?);
            }
            "before" => {
                let before = value.parse();
                filter.before = Some(before.map_err(|_| bad("`before` must be what the last list said"))?);
            }
            "limit" => {
                let limit = value.parse().ok().filter(|limit| (1..=MOST).contains(limit));
                filter.limit =
                    limit.ok_or_else(|| bad(&format!("`limit` must be a number from 1 to {MOST}")))?;
            }
            _ => {}
        }
    }
    Ok(filter)
}

fn delivery_id(text: &str) -> Result<Uuid, ApiError> {
    text.parse().map_err(|_| ApiError::bad_request("`deliveryId` in the path must be a UUID."))
}

fn no_delivery() -> ApiError {
    ApiError::not_found(
        "The server cannot find the requested resource: no delivery of this id within seven days.",
    )
}
