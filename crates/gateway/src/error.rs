//! The published error envelope: `{"error":{"status","statusText","message"}}`.

use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};

/// An answer that is not about a query that ran: refused, not found, not possible now.
///
/// The message is for the caller: what is wrong, whether a command was executed, what to do next. It never holds SQL text,
/// values, rows or database messages; so it may be logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiError {
    /// HTTP status.
    pub status: StatusCode,
    /// For the caller.
    pub message: String,
    /// `Retry-After`, seconds.
    pub retry_after: Option<u32>,
    /// `Allow`, for 405.
    pub allow: Option<&'static str>,
    /// It is about an access token, or getting one: published for those is also `{"statusCode","message"}`, and the answer has
    /// the members of both forms.
    pub token: bool,
    /// What a practice refused, as a word for programs: `code` beside the message.
    pub code: Option<&'static str>,
}

impl ApiError {
    /// An envelope with this status and message.
    pub fn new(status: StatusCode, message: impl Into<String>) -> Self {
        ApiError { status, message: message.into(), retry_after: None, allow: None, token: false, code: None }
    }

    /// 400.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// 401 in the published words.
    pub fn key_missing() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "Access denied due to missing subscription key. Make sure to include subscription key when making requests to an API.",
        )
    }

    /// 401 in the published words.
    pub fn key_wrong() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "Access denied due to invalid subscription key. Make sure to provide a valid key for an active subscription.",
        )
    }

    /// 401 of the desktop's door.
    pub fn token_wrong(message: impl Into<String>) -> Self {
        ApiError { token: true, ..Self::new(StatusCode::UNAUTHORIZED, message) }
    }

    /// 429: `seconds` until one more is taken.
    pub fn too_often(seconds: u32) -> Self {
        let message = format!(
            "Rate limit is exceeded. Nothing was executed. Try again in {seconds} seconds, or have whoever runs the gateway raise the limit."
        );
        ApiError { retry_after: Some(seconds), ..Self::new(StatusCode::TOO_MANY_REQUESTS, message) }
    }

    /// 403.
    pub fn forbidden(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, message)
    }

    /// 403: the practice has not let this integrator in, or no longer does.
    pub fn not_paired() -> Self {
        Self::forbidden(
            "This integrator is not paired with the site. The command was not executed. Ask the practice for a pairing code and pair with \
             POST /integrator/pair-site; if you were paired before, look the site up again, because its Halo GUID may have changed.",
        )
    }

    /// 403: the site says when a session opens that it does not serve this integrator, not which of the two reasons it has.
    pub fn not_let_in() -> Self {
        Self::forbidden(
            "The site does not let this integrator in: it is not paired with the site, or the practice has switched it off. The command was \
             not executed. Ask the practice; a new pairing code goes to POST /integrator/pair-site. If you were paired before, look the \
             site up again, because its Halo GUID may have changed.",
        )
    }

    /// What the practice does not consent to; `so` says what became of what was asked. `None` for a refusal that is not the
    /// practice's decision, or that this version does not know.
    pub fn by_practice(refusal: i32, so: &str, retry_after_ms: u64) -> Option<Self> {
        let words = link_api::refusal::words_of(refusal)?;
        let status = StatusCode::from_u16(words.status).ok()?;
        let retry_after = match retry_after_ms {
            0 if status == StatusCode::FORBIDDEN => None,
            0 => Some(1),
            ms => Some(u32::try_from(ms.div_ceil(1000)).unwrap_or(u32::MAX)),
        };
        let message = format!("{} {so} {}", words.why, words.next);
        Some(ApiError { retry_after, code: Some(words.code), ..Self::new(status, message) })
    }

    /// 404.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, message)
    }

    /// 404: no such Halo GUID.
    pub fn unknown_site() -> Self {
        Self::not_found(
            "The server cannot find the requested resource: no site has this Halo GUID. Look it up with GET /integrator/sites.",
        )
    }

    /// 409.
    pub fn conflict(message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, message)
    }

    /// 410: the result was there and is not kept any longer.
    pub fn gone() -> Self {
        Self::new(
            StatusCode::GONE,
            "Access to the target resource is permanently no longer available at the origin server: results are kept for 24 hours, or as long as the gateway is set to. Run the query again.",
        )
    }

    /// 503 with `Retry-After`.
    pub fn unavailable(message: impl Into<String>, retry_after: u32) -> Self {
        ApiError { retry_after: Some(retry_after), ..Self::new(StatusCode::SERVICE_UNAVAILABLE, message) }
    }

    /// 504.
    pub fn timed_out(message: impl Into<String>) -> Self {
        Self::new(StatusCode::GATEWAY_TIMEOUT, message)
    }

    /// 500: our own fault; the log says more.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, message)
    }

    /// The envelope as JSON.
    pub fn body(&self) -> Vec<u8> {
        let text = self.status.canonical_reason().unwrap_or("Error");
        let mut value = serde_json::json!({
            "error": { "status": self.status.as_u16(), "statusText": text, "message": self.message }
        });
        if self.token {
            value["statusCode"] = self.status.as_u16().into();
            value["message"] = self.message.as_str().into();
        }
        if let Some(code) = self.code {
            value["error"]["code"] = code.into();
        }
        value.to_string().into_bytes()
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.body()));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        if let Some(allow) = self.allow {
            headers.insert(header::ALLOW, HeaderValue::from_static(allow));
        }
        response
    }
}
