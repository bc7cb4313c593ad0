//! `/integrator/webhooks`: the integrator's own endpoints, managed by the integrator.

mod deliveries;
mod shape;

use super::{
    once::{Told, once},
    request::read_small,
    sites::json_response,
};
use crate::{error::ApiError, gateway::Gateway};
use axum::{
    Router,
    body::Body,
    extract::{Path, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use bytes::Bytes;
use model::Hidden;
use serde_json::{Map, Value, json};
use std::sync::Arc;
use uuid::Uuid;
use webhook::{Endpoint, Kind, Kinds, Settings, Source, Sources, Step, UrlTemplate, WebhookError};

/// Settings are small.
const BODY_BYTES: usize = 16 * 1024;

/// The routes of this part.
pub(super) fn routes() -> Router<Arc<Gateway>> {
    Router::new()
        .route("/integrator/webhooks", get(list).post(add))
        .route("/integrator/webhooks/deliveries", get(deliveries::list))
        .route("/integrator/webhooks/deliveries/redeliver", post(deliveries::redeliver_failed))
        .route("/integrator/webhooks/deliveries/{deliveryId}", get(deliveries::look))
        .route("/integrator/webhooks/deliveries/{deliveryId}/redeliver", post(deliveries::redeliver))
        .route("/integrator/webhooks/{webhookId}", get(look).put(replace).delete(remove))
        .route("/integrator/webhooks/{webhookId}/secrets", post(change_secret))
        .route("/integrator/webhooks/{webhookId}/test", post(deliveries::test))
}

/// What `Allow` says for a path of this part; `None` for another one.
pub(super) fn allowed(path: &str) -> Option<&'static str> {
    let rest = path.strip_prefix("/integrator/webhooks")?;
    Some(match rest.split('/').skip(1).collect::<Vec<_>>().as_slice() {
        [] => "GET,HEAD,POST",
        ["deliveries", "redeliver"] | [_, "secrets" | "test"] | [_, _, "redeliver"] => "POST",
        ["deliveries"] | ["deliveries", _] => "GET,HEAD",
        _ => "GET,HEAD,PUT,DELETE",
    })
}

async fn list(State(gateway): State<Arc<Gateway>>) -> Result<Response, ApiError> {
    let all = gateway.webhooks.endpoints().await.map_err(refused)?;
    Ok(json_response(&json!({ "webhooks": all.iter().map(shape::endpoint).collect::<Value>() })))
}

async fn add(
    State(gateway): State<Arc<Gateway>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let bytes = read(&headers, body).await?;
    let body = members(&bytes)?;
    let settings = settings(&gateway, &body)?;
    let own = secret(&body)?;
    let webhooks = gateway.webhooks();
    once(&gateway, &headers, "webhooks", &bytes, async move {
        let (made, secret) = webhooks.add(settings, own).await.map_err(refused)?;
        Ok(with_secret(StatusCode::CREATED, &made, Some(&secret)))
    })
    .await
}

async fn look(State(gateway): State<Arc<Gateway>>, Path(id): Path<String>) -> Result<Response, ApiError> {
    let found = gateway.webhooks.endpoint(webhook_id(&id)?).await.map_err(refused)?.ok_or_else(no_webhook)?;
    Ok(json_response(&shape::endpoint(&found)))
}

async fn replace(
    State(gateway): State<Arc<Gateway>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let id = webhook_id(&id)?;
    let settings = settings(&gateway, &members(&read(&headers, body).await?)?)?;
    let changed = gateway.webhooks.replace(id, settings).await.map_err(refused)?.ok_or_else(no_webhook)?;
    Ok(json_response(&shape::endpoint(&changed)))
}

async fn remove(State(gateway): State<Arc<Gateway>>, Path(id): Path<String>) -> Result<Response, ApiError> {
    match gateway.webhooks.remove(webhook_id(&id)?).await.map_err(refused)? {
        true => Ok(StatusCode::NO_CONTENT.into_response()),
        false => Err(no_webhook()),
    }
}

async fn change_secret(
    State(gateway): State<Arc<Gateway>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let id = webhook_id(&id)?;
    let bytes = read(&headers, body).await?;
    let body = members(&bytes)?;
    let step = match body.get("step") {
        None | Some(Value::Null) => Step::Begin,
        Some(Value::String(word)) if word == "begin" => Step::Begin,
        Some(Value::String(word)) if word == "finish" => Step::Finish,
        Some(Value::String(word)) if word == "cancel" => Step::Cancel,
        Some(_) => return Err(ApiError::bad_request("`step` must be one of `begin`, `finish`, `cancel`.")),
    };
    let (own, webhooks) = (secret(&body)?, gateway.webhooks());
    once(&gateway, &headers, &format!("webhooks {id} secrets"), &bytes, async move {
        let changed = webhooks.change_secret(id, step, own).await.map_err(refused)?;
        let (endpoint, secret) = changed.ok_or_else(no_webhook)?;
        Ok(with_secret(StatusCode::OK, &endpoint, secret.as_ref()))
    })
    .await
}

/// An endpoint, and the secret where it is shown: this once.
fn with_secret(status: StatusCode, endpoint: &Endpoint, secret: Option<&Hidden<String>>) -> Told {
    let mut shown = shape::endpoint(endpoint);
    if let (Some(secret), Value::Object(members)) = (secret, &mut shown) {
        members.insert("secret".into(), secret.reveal().as_str().into());
    }
    Told::new(status, &shown).with_secret()
}

/// A body, of JSON in UTF-8 where its type is said.
async fn read(headers: &HeaderMap, body: Body) -> Result<Bytes, ApiError> {
    if let Some(media) = headers.get(header::CONTENT_TYPE) {
        let media = media.to_str().unwrap_or_default().to_ascii_lowercase();
        if media.split(';').next().is_none_or(|media| media.trim() != "application/json") {
            let message = "The body must be JSON in UTF-8: send `Content-Type: application/json`.";
            return Err(ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, message));
        }
    }
    read_small(body, BODY_BYTES).await
}

/// Its members. It may be left out: then it is `{}`.
fn members(bytes: &[u8]) -> Result<Map<String, Value>, ApiError> {
    if bytes.is_empty() {
        return Ok(Map::new());
    }
    match serde_json::from_slice(bytes) {
        Ok(Value::Object(members)) => Ok(members),
        Ok(_) => Err(ApiError::bad_request("The body must be a JSON object.")),
        Err(error) => Err(ApiError::bad_request(format!(
            "The body is not JSON: line {}, column {}.",
            error.line(),
            error.column()
        ))),
    }
}

fn settings(gateway: &Gateway, body: &Map<String, Value>) -> Result<Settings, ApiError> {
    let Some(url) = body.get("url").and_then(Value::as_str) else {
        return Err(ApiError::bad_request("`url` is missing: where notifications are sent, text."));
    };
    let url =
        UrlTemplate::parse(url, gateway.webhooks.plain_http()).map_err(|error| refused(error.into()))?;
    let published = Sources::of(&[Source::Async, Source::Registered]);
    let sources =
        words(body, "sources", Source::parse, Source::ALL)?.map_or(published, |all| Sources::of(&all));
    let kinds: Vec<Kind> = Kind::ALL.iter().copied().filter(|kind| *kind != Kind::Test).collect();
    let wanted = words(body, "events", |text| Kind::parse(text).filter(|kind| kinds.contains(kind)), &kinds)?;
    let enabled = match body.get("enabled") {
        None | Some(Value::Null) => true,
        Some(Value::Bool(enabled)) => *enabled,
        Some(_) => return Err(ApiError::bad_request("`enabled` must be true or false.")),
    };
    let kinds = wanted.map_or(Kinds::usual(sources), |all| Kinds::of(&all));
    Ok(Settings { url, sources, kinds, enabled })
}

/// A list of words; `None` when it is left out.
fn words<W: Copy + Named>(
    body: &Map<String, Value>,
    name: &str,
    parse: impl Fn(&str) -> Option<W>,
    all: &[W],
) -> Result<Option<Vec<W>>, ApiError> {
    let wrong = || {
        let all: Vec<String> = all.iter().map(|word| format!("`{}`", word.name())).collect();
        ApiError::bad_request(format!("`{name}` must be a list of {}.", all.join(", ")))
    };
    match body.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Array(items)) => {
            let read = items.iter().map(|item| item.as_str().and_then(&parse).ok_or_else(wrong));
            read.collect::<Result<_, _>>().map(Some)
        }
        Some(_) => Err(wrong()),
    }
}

trait Named {
    fn name(self) -> &'static str;
}

impl Named for Source {
    fn name(self) -> &'static str {
        self.as_str()
    }
}

impl Named for Kind {
    fn name(self) -> &'static str {
        self.as_str()
    }
}

fn secret(body: &Map<String, Value>) -> Result<Option<Hidden<String>>, ApiError> {
    match body.get("secret") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(own)) => Ok(Some(own.as_str().into())),
        Some(_) => Err(ApiError::bad_request("`secret` must be text.")),
    }
}

fn webhook_id(text: &str) -> Result<Uuid, ApiError> {
    text.parse().map_err(|_| ApiError::bad_request("`webhookId` in the path must be a UUID."))
}

fn no_webhook() -> ApiError {
    ApiError::not_found("The server cannot find the requested resource: there is no webhook of this id.")
}

/// What the caller is told of what went wrong.
fn refused(error: WebhookError) -> ApiError {
    use WebhookError as E;
    let status = match error {
        E::Url(_) | E::Target(_) | E::QueryOfSite | E::NoSource | E::NothingOf(_) | E::BadSecret => {
            StatusCode::BAD_REQUEST
        }
        E::TooMany | E::TwoAlready | E::OneOnly => StatusCode::CONFLICT,
        E::Store(_) | E::Stopping | E::Sealed => {
            tracing::error!(%error, "webhooks can't be read or written");
            return ApiError::internal("The gateway cannot read or write its webhooks now.");
        }
    };
    let mut message = error.to_string();
    if !message.starts_with('`') {
        message[..1].make_ascii_uppercase();
    }
    ApiError::new(status, message + ".")
}
