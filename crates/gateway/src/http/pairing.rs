//! Beyond the published document: `DELETE /integrator/sites/{siteId}/pairing` ends a pairing,
//! `PUT /integrator/sites/{siteId}/credentials` replaces the database login that the site has of us. Both go inside of the sealed
//! session: the platform learns neither.

use super::{
    json_response,
    request::{check_content_type, check_known, read},
    site_id,
};
use crate::{
    error::ApiError,
    gateway::Gateway,
    run,
    session::{CallError, Session, call},
};
use axum::{
    body::Body,
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use link_api::{Code, Status, proto};
use model::{Hidden, SiteId};
use proto::Refusal;
use serde_json::json;
use std::{sync::Arc, time::Duration};

/// Trying a login takes as long as the practice's database lets it.
const WITHIN: Duration = Duration::from_secs(60);
/// Longest user name or password, bytes.
const LOGIN_BYTES: usize = 1024;

const NOT_ENDED: &str = "The pairing was not ended.";
const NOT_REPLACED: &str = "The login was not replaced.";

/// Ends the pairing; one that was ended before is ended.
pub(super) async fn unpair(
    State(gateway): State<Arc<Gateway>>,
    Path(site): Path<String>,
) -> Result<Response, ApiError> {
    let site = site_id(&site)?;
    check_known(&gateway, site).await?;
    // Of one's own: it must be possible also while the practice keeps us out.
    let session = open(&gateway, site, NOT_ENDED).await?;
    let asked = call(&session, async move |mut client| client.unpair(proto::UnpairRequest {}).await);
    match answer(asked, NOT_ENDED).await? {
        Ok(_) => {}
        Err(status) if link_api::refusal::of_status(&status) == Some(Refusal::Unpaired) => {}
        Err(status) => return Err(denied(&status, NOT_ENDED)),
    }
    gateway.sessions.forget(site);
    let store = Arc::clone(&gateway.store);
    let forgotten = tokio::task::spawn_blocking(move || store.set_unpaired(site)).await;
    if !matches!(forgotten, Ok(Ok(()))) {
        // The site says so again with the next request.
        tracing::warn!(%site, "that a pairing was ended could not be stored");
    }
    tracing::info!(%site, "a pairing was ended");
    Ok(StatusCode::NO_CONTENT.into_response())
}

#[derive(serde::Deserialize)]
struct Credentials {
    user: Hidden<String>,
    password: Hidden<String>,
}

/// Replaces the login, when the practice's database takes the new one.
pub(super) async fn replace(
    State(gateway): State<Arc<Gateway>>,
    Path(site): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let site = site_id(&site)?;
    check_content_type(&headers)?;
    let (body, _room) = read(&gateway, Some(site), &headers, body).await?;
    let body = Hidden::new(body);
    // Where it goes wrong is not said: the error would quote what stands there.
    let Ok(Credentials { user, password }) = serde_json::from_slice(body.reveal()) else {
        return Err(ApiError::bad_request(format!(
            "The body must be a JSON object with the members `user` and `password`, both text. {NOT_REPLACED}"
        )));
    };
    for (name, text) in [("user", &user), ("password", &password)] {
        if text.reveal().is_empty() || text.reveal().len() > LOGIN_BYTES {
            return Err(ApiError::bad_request(format!(
                "`{name}` must have 1 to {LOGIN_BYTES} bytes. {NOT_REPLACED}"
            )));
        }
    }
    check_known(&gateway, site).await?;
    let session = open(&gateway, site, NOT_REPLACED).await?;
    let login = proto::DatabaseLogin { user: user.reveal().clone(), password: password.reveal().clone() };
    let asked = call(&session, async move |mut client| client.credentials(login).await);
    let reply = match answer(asked, NOT_REPLACED).await? {
        Ok(reply) => reply,
        Err(status) => return Err(denied(&status, NOT_REPLACED)),
    };
    if reply.retry_after_ms > 0 {
        let seconds = u32::try_from(reply.retry_after_ms.div_ceil(1000)).unwrap_or(u32::MAX);
        let message = format!(
            "Too many logins were tried at this site lately, or one is being tried, so this one was not tried. {NOT_REPLACED}"
        );
        return Err(ApiError {
            retry_after: Some(seconds),
            ..ApiError::new(StatusCode::TOO_MANY_REQUESTS, message)
        });
    }
    if !reply.replaced {
        return Err(ApiError::bad_request(
            "Login failed: the practice's database refused the login, or could not be reached. The old one stays. Check the login with the PMS vendor.",
        ));
    }
    let writes = match reply.writes() {
        proto::LoginWrites::Yes => "yes",
        proto::LoginWrites::No => "no",
        proto::LoginWrites::Unspecified => "unknown",
    };
    Ok(json_response(StatusCode::OK, &json!({ "loginWrites": writes })))
}

async fn open(gateway: &Gateway, site: SiteId, so: &str) -> Result<Session, ApiError> {
    gateway.sessions.open_apart(site).await.map_err(|error| run::no_session(gateway, site, &error, so))
}

/// What the site answered, or its refusal.
async fn answer<T>(
    asked: impl Future<Output = Result<link_api::Response<T>, CallError>>,
    so: &str,
) -> Result<Result<T, Status>, ApiError> {
    let lost =
        |what: &str| ApiError::unavailable(format!("{what} Whether it was done is not known: ask again."), 2);
    match tokio::time::timeout(WITHIN, asked).await {
        Ok(Ok(reply)) => Ok(Ok(reply.into_inner())),
        Ok(Err(CallError::NotSent)) => Err(ApiError::unavailable(
            format!("The connection to the site was lost before the attempt. {so}"),
            2,
        )),
        Ok(Err(CallError::Failed(status))) => match status.code() {
            Code::PermissionDenied | Code::Unauthenticated => Ok(Err(status)),
            Code::Unimplemented => Err(ApiError::unavailable(
                format!("The site's Halo Link does not know this request and needs an update. {so}"),
                60,
            )),
            Code::InvalidArgument => {
                Err(ApiError::bad_request(format!("The site could not read the request. {so}")))
            }
            Code::Unavailable => Err(ApiError::unavailable(format!("The site can't do this now. {so}"), 10)),
            _ => Err(lost("The connection to the site was lost during the attempt.")),
        },
        Err(_) => Err(lost("The site did not answer in time.")),
    }
}

fn denied(status: &Status, so: &str) -> ApiError {
    let refusal = link_api::refusal::of_status(status).map_or(0, i32::from);
    ApiError::by_practice(refusal, so, 0).unwrap_or_else(|| {
        ApiError::forbidden(format!(
            "This integrator is not paired with the site. {so} Ask the practice for a pairing code and pair with POST /integrator/pair-site."
        ))
    })
}
