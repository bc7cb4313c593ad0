//! What all requests with a body share: its type, its length, the memory it takes, and the names a caller gives.

use super::QUERY_ID;
use crate::{
    body::BodyError,
    budget::{Exhausted, Reservation},
    error::ApiError,
    gateway::Gateway,
    run,
    session::{Lane, OpenError},
};
use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::Response,
};
use bytes::Bytes;
use futures::StreamExt;
use model::{QueryId, SiteId};
use std::time::Duration;

/// A body must arrive within this time.
const BODY_WITHIN: Duration = Duration::from_secs(60);
/// Parsed and packed for the site, a body takes up to this many times its size.
const COPIES: usize = 3;

/// A site that we know to have let us in, or one that the platform knows at all (another gateway of ours may have paired
/// with it: the site itself will say).
pub(super) async fn check_known(gateway: &Gateway, site: SiteId) -> Result<(), ApiError> {
    if gateway.store.paired(site).is_some() {
        return Ok(());
    }
    match gateway.cloud.look(site).await {
        Ok(Some(_)) => Ok(()),
        Ok(None) => Err(ApiError::unknown_site()),
        Err(error) => Err(run::open_error(gateway, site, &error.into())),
    }
}

pub(super) fn check_content_type(headers: &HeaderMap) -> Result<(), ApiError> {
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

pub(super) fn named(headers: &HeaderMap) -> Result<Option<QueryId>, ApiError> {
    let Some(value) = headers.get(QUERY_ID) else { return Ok(None) };
    let id = value.to_str().ok().and_then(|text| text.parse().ok());
    id.map(Some).ok_or_else(|| ApiError::bad_request("`Halo-Query-Id` must be a UUID."))
}

/// Reads the body under its limit and under the gateway's memory budget; of that, what is to go to one `site` gets a share.
pub(super) async fn read(
    gateway: &Gateway,
    site: Option<SiteId>,
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
    let no_room = |exhausted| match exhausted {
        Exhausted::All => ApiError::unavailable(
            "The gateway holds too many requests at once. The command was not executed.",
            1,
        ),
        Exhausted::Site => ApiError::unavailable(
            "The gateway holds as many requests for this site as it may: the site does not take them quickly enough. The command was not \
             executed. Send it again, with growing pauses.",
            5,
        ),
    };
    let said = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|v| v.to_str().ok())
        .and_then(|v| v.parse::<usize>().ok());
    if said.is_some_and(|length| length > limit) {
        return Err(too_large());
    }
    let copies = said.unwrap_or(0) * COPIES;
    let room =
        site.map_or_else(|| gateway.budget.reserve(copies), |site| gateway.budget.reserve_for(site, copies));
    let mut room = room.map_err(no_room)?;
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

/// Reads a body of a few members, which needs no share of the memory budget.
pub(super) async fn read_small(body: Body, limit: usize) -> Result<Bytes, ApiError> {
    let Ok(read) = tokio::time::timeout(BODY_WITHIN, axum::body::to_bytes(body, limit)).await else {
        return Err(ApiError::new(StatusCode::REQUEST_TIMEOUT, "The request's body did not arrive in time."));
    };
    read.map_err(|_| {
        let message = format!("The request's body broke off, or is larger than {limit} bytes.");
        ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, message)
    })
}

/// What a caller is told whose body is not what it should be.
pub(super) fn body_error(error: BodyError) -> ApiError {
    match error {
        BodyError::Invalid(message) => ApiError::bad_request(message),
        BodyError::TooLarge(message) => ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, message),
    }
}

/// A site that a job may be given to: known, and not known to keep us out.
pub(super) async fn check_open(gateway: &Gateway, site: SiteId) -> Result<(), ApiError> {
    check_known(gateway, site).await?;
    if gateway.store.paired(site).is_some() {
        return Ok(());
    }
    // Perhaps another gateway of ours has paired with it: the site itself says. That it can't be asked is said by the job.
    match gateway.sessions.get(site, Lane::Prompt).await {
        Err(error @ (OpenError::NotPaired | OpenError::Refused(_))) => {
            Err(run::open_error(gateway, site, &error))
        }
        _ => Ok(()),
    }
}

/// Every answer about a query carries its name.
pub(super) fn with_id(mut response: Response, id: QueryId) -> Response {
    let value = HeaderValue::from_str(&id.to_string()).expect("a UUID's text is a header value");
    response.headers_mut().insert(QUERY_ID, value);
    response
}
