//! `POST /integrator/sites/{siteId}/queries/immediate`.

use super::{QUERY_ID, site_id};
use crate::{
    body::{self, BodyError, Immediate},
    budget::Reservation,
    error::ApiError,
    gateway::Gateway,
    lines,
    mirror::{MirrorError, QueryStatus, Record, Span, Timing},
    run::{self, Form, Job},
};
use axum::{
    body::Body,
    extract::{Path, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use futures::StreamExt;
use model::{QueryId, SiteId};
use std::{sync::Arc, time::Duration};
use uuid::Uuid;

/// A body must arrive within this time.
const BODY_WITHIN: Duration = Duration::from_secs(60);
/// Parsed and packed for the site, a body takes up to this many times its size.
const COPIES: usize = 3;

pub(super) async fn handle(
    State(gateway): State<Arc<Gateway>>,
    Path(site): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let site = site_id(&site)?;
    check_content_type(&headers)?;
    let named = named(&headers)?;
    let (body, room) = read(&gateway, &headers, body).await?;
    let request = body::parse(&body).map_err(|e| match e {
        BodyError::Invalid(message) => ApiError::bad_request(message),
        BodyError::TooLarge(message) => ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, message),
    })?;
    check_known(&gateway, site).await?;
    let id = named.unwrap_or_else(|| QueryId(Uuid::new_v4()));
    let form = wanted_form(&headers);
    let mut response = match begin(&gateway, site, id, named.is_some(), request, body.len(), form, room).await {
        Ok(told) => told.await.unwrap_or_else(|_| {
            let message = "The gateway failed; whether the command was executed is not known: ask for the query's status.";
            ApiError::internal(message).into_response()
        }),
        Err(error) => error.into_response(),
    };
    response
        .headers_mut()
        .insert(QUERY_ID, HeaderValue::from_str(&id.to_string()).expect("a UUID's text is a header value"));
    Ok(response)
}

#[expect(clippy::too_many_arguments, reason = "each is one fact about the request, used once")]
async fn begin(
    gateway: &Arc<Gateway>,
    site: SiteId,
    id: QueryId,
    named: bool,
    request: Immediate,
    request_size: usize,
    form: Form,
    room: Reservation,
) -> Result<tokio::sync::oneshot::Receiver<Response>, ApiError> {
    let began = gateway.clock.monotonic();
    let created = gateway.clock.now().0;
    // What we know of the pairing does not count: it may have changed, and the site enforces only what we ask for.
    let Immediate { command, max_time_in_queue, read_only } = request;
    let record = Record {
        id,
        site,
        created,
        updated: created,
        status: QueryStatus::Executing,
        mode: command.mode,
        read_only,
        max_time_in_queue,
        command_size: command.text.reveal().len() as u64,
        request_size: request_size as u64,
        timing: Timing { initialising: Span { start: Some(created), end: None }, ..Timing::default() },
        sql_ms: 0,
        rows: 0,
        size: 0,
        rows_affected: None,
        result_size: 0,
        error: None,
        effect: None,
    };
    let running = gateway.mirror.begin(record.clone(), named, !read_only).await.map_err(|e| match e {
        MirrorError::Used => ApiError::new(
            StatusCode::CONFLICT,
            "`Halo-Query-Id` was used before. This command was not executed; ask for the status of the earlier one, or choose a new id.",
        ),
        MirrorError::Disk => {
            ApiError::internal("The gateway could not record the command. The command was not executed.")
        }
        MirrorError::Full => {
            ApiError::unavailable("The gateway has too many commands under way. The command was not executed.", 1)
        }
    })?;
    Ok(run::start(gateway, Job { command, record, running, form, read_only, room, began }))
}

/// A site that we know to have let us in, or one that the platform knows at all (another gateway of ours may have paired
/// with it: the site itself will say).
async fn check_known(gateway: &Gateway, site: SiteId) -> Result<(), ApiError> {
    if gateway.store.paired(site).is_some() {
        return Ok(());
    }
    match gateway.cloud.look(site).await {
        Ok(Some(_)) => Ok(()),
        Ok(None) => Err(ApiError::unknown_site()),
        Err(error) => Err(run::open_error(gateway, site, &error.into())),
    }
}

fn check_content_type(headers: &HeaderMap) -> Result<(), ApiError> {
    // A client that names no type is taken at the published word: JSON.
    let Some(value) = headers.get(header::CONTENT_TYPE) else { return Ok(()) };
    let text = value.to_str().unwrap_or_default().to_ascii_lowercase();
    let mut parts = text.split(';').map(str::trim);
    let json = parts.next().is_some_and(|media| media == "application/json" || media.ends_with("+json"));
    let utf8 = parts.all(|p| p.strip_prefix("charset=").is_none_or(|c| c.trim_matches('"') == "utf-8"));
    match json && utf8 {
        true => Ok(()),
        false => Err(ApiError::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "The body must be JSON in UTF-8: send `Content-Type: application/json`. The command was not executed.",
        )),
    }
}

fn named(headers: &HeaderMap) -> Result<Option<QueryId>, ApiError> {
    let Some(value) = headers.get(QUERY_ID) else { return Ok(None) };
    let id = value.to_str().ok().and_then(|text| text.parse().ok());
    id.map(Some).ok_or_else(|| ApiError::bad_request("`Halo-Query-Id` must be a UUID."))
}

fn wanted_form(headers: &HeaderMap) -> Form {
    let lines = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok()).any(|value| {
        value.split(',').any(|range| {
            let mut parts = range.split(';').map(str::trim);
            let media = parts.next().is_some_and(|media| media.eq_ignore_ascii_case(lines::MEDIA_TYPE));
            media && !parts.any(|p| p.strip_prefix("q=").is_some_and(|q| q.parse() == Ok(0.0_f32)))
        })
    });
    if lines { Form::Lines } else { Form::Whole }
}

/// Reads the body under its limit and under the gateway's memory budget.
async fn read(
    gateway: &Gateway,
    headers: &HeaderMap,
    body: Body,
) -> Result<(Vec<u8>, Reservation), ApiError> {
    let limit = gateway.limits.request_body_bytes;
    let too_large = || {
        ApiError::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("The request's body is larger than {limit} bytes. The command was not executed."),
        )
    };
    let no_room = |_| {
        ApiError::unavailable("The gateway holds too many requests at once. The command was not executed.", 1)
    };
    let said = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|v| v.to_str().ok())
        .and_then(|v| v.parse::<usize>().ok());
    if said.is_some_and(|length| length > limit) {
        return Err(too_large());
    }
    let mut room = gateway.budget.reserve(said.unwrap_or(0) * COPIES).map_err(no_room)?;
    let mut bytes = Vec::with_capacity(said.unwrap_or(0));
    let reading = async {
        let mut pieces = body.into_data_stream();
        while let Some(piece) = pieces.next().await {
            let piece = piece.map_err(|_| ApiError::bad_request("The request's body broke off."))?;
            if bytes.len() + piece.len() > limit {
                return Err(too_large());
            }
            room.grow_to((bytes.len() + piece.len()) * COPIES).map_err(no_room)?;
            bytes.extend_from_slice(&piece);
        }
        Ok(())
    };
    match tokio::time::timeout(BODY_WITHIN, reading).await {
        Ok(read) => read?,
        Err(_) => {
            return Err(ApiError::new(
                StatusCode::REQUEST_TIMEOUT,
                "The request's body did not arrive in time. The command was not executed.",
            ));
        }
    }
    Ok((bytes, room))
}
