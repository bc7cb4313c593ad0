//! `POST …/queries/immediate`.

use super::{
    Caller,
    request::{body_error, check_content_type, check_known, named, read, with_id},
    site_id,
};
use crate::{
    answer,
    body::{self, Asked},
    budget::Reservation,
    error::ApiError,
    gateway::Gateway,
    idempotency::{self, Start},
    lines,
    mirror::{MirrorError, QueryStatus, Record, Span, Timing},
    run::{self, Form, Job},
};
use axum::{
    Extension,
    body::Body,
    extract::{Path, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use model::{Direction, Effect, ExecutionMode, QueryId, SiteId};
use std::sync::Arc;
use uuid::Uuid;

pub(super) async fn handle(
    State(gateway): State<Arc<Gateway>>,
    Extension(caller): Extension<Caller>,
    Path(site): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let site = site_id(&site)?;
    check_content_type(&headers)?;
    let named = named(&headers)?;
    let (body, room) = read(&gateway, Some(site), &headers, body).await?;
    let request = body::parse(&body).map_err(body_error)?;
    let start = idempotency::start(&gateway, &caller, &headers, &format!("immediate {site}"), &body).await?;
    if let Start::Known { query: id, .. } = &start
        && let Some(answer) = answered_before(&gateway, *id, &request).await?
    {
        return Ok(with_id(answer, *id));
    }
    check_known(&gateway, site).await?;
    let id = named.unwrap_or_else(|| QueryId(Uuid::new_v4()));
    let (form, size) = (wanted_form(&headers), body.len());
    // Both or none, also when the caller hangs up in between: the key is held until the command is recorded.
    let task = tokio::spawn(async move {
        claim(&gateway, &start, id).await.map_err(IntoResponse::into_response)?;
        match begin(&gateway, &caller, site, id, named.is_some(), request, size, form, room).await {
            Ok(told) => Ok((told, start)),
            Err(error) => {
                unclaim(&gateway, &start).await;
                Err(with_id(error.into_response(), id))
            }
        }
    });
    let failed = || {
        let message =
            "The gateway failed; whether the command was executed is not known: ask for the query's status.";
        ApiError::internal(message).into_response()
    };
    let (told, _held) = match task.await {
        Ok(Ok(begun)) => begun,
        Ok(Err(answer)) => return Ok(answer),
        Err(_) => return Ok(with_id(failed(), id)),
    };
    Ok(with_id(told.await.unwrap_or_else(|_| failed()), id))
}

/// The answer to a request that was made before with the same key; `None`: nothing was changed by it, so it is run (again).
async fn answered_before(
    gateway: &Gateway,
    id: QueryId,
    request: &Asked,
) -> Result<Option<Response>, ApiError> {
    let known = gateway.mirror.look(id).await.map_err(|error| {
        tracing::error!(%error, "the status mirror cannot be read");
        ApiError::internal(
            "The gateway cannot read its status mirror now. The command was not executed again.",
        )
    })?;
    // Without a record nothing was sent: the intent is on disk before.
    let Some(known) = known else { return Ok(None) };
    let record = known.record;
    if known.running {
        let message = format!(
            "Query {id}, sent with this `Idempotency-Key`, is still running. It was not sent again; ask for its status."
        );
        let error = ApiError { retry_after: Some(1), ..ApiError::conflict(message) };
        return Ok(Some(error.into_response()));
    }
    let nothing_changed = record.effect == Some(Effect::NotExecuted) || request.read_only;
    if nothing_changed && record.status != QueryStatus::Executing {
        return Ok(None);
    }
    let no_values = request.command.parameters.iter().all(|p| p.direction == Direction::Input);
    if record.status == QueryStatus::Successful && record.mode == ExecutionMode::NonQuery && no_values {
        let body = answer::count(&record, gateway.integrator, &[]);
        return Ok(Some(([(header::CONTENT_TYPE, "application/json")], body).into_response()));
    }
    let message = format!(
        "Query {id} was sent with this `Idempotency-Key` and was not sent again. Its rows and values are not kept; ask for its status \
         to learn how it ended."
    );
    Ok(Some(ApiError::conflict(message).into_response()))
}

async fn claim(gateway: &Gateway, start: &Start, id: QueryId) -> Result<(), ApiError> {
    let Some(key) = start.key() else { return Ok(()) };
    let now = gateway.clock.now().0;
    gateway.jobs.on_disk(move |table| table.claim(&key, id, now)).await.map_err(|error| {
        tracing::error!(%error, "an idempotency key cannot be written");
        ApiError::internal("The gateway could not record the command. The command was not executed.")
    })
}

async fn unclaim(gateway: &Gateway, start: &Start) {
    let Some(key) = start.key() else { return };
    // When that fails the key stays used for a query that has no record: then it is run.
    let _ = gateway.jobs.on_disk(move |table| table.unclaim(&key)).await;
}

#[expect(clippy::too_many_arguments, reason = "each is one fact about the request, used once")]
async fn begin(
    gateway: &Arc<Gateway>,
    caller: &Caller,
    site: SiteId,
    id: QueryId,
    named: bool,
    request: Asked,
    request_size: usize,
    form: Form,
    room: Reservation,
) -> Result<tokio::sync::oneshot::Receiver<Response>, ApiError> {
    let began = gateway.clock.monotonic();
    let created = gateway.clock.now().0;
    // What we know of the pairing does not count: it may have changed, and the site enforces only what we ask for.
    let Asked { command, max_time_in_queue, read_only } = request;
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
        device: caller.device().cloned(),
        sent_as: None,
    };
    if named && !matches!(gateway.jobs.look(id).await, Ok(None)) {
        return Err(not_recorded(MirrorError::Used));
    }
    let running = gateway.mirror.begin(record.clone(), named, !read_only).await.map_err(not_recorded)?;
    Ok(run::start(gateway, Job { command, record, running, form, read_only, room, began }))
}

/// Why a command was not begun.
pub(super) fn not_recorded(error: MirrorError) -> ApiError {
    match error {
        MirrorError::Used => ApiError::new(
            StatusCode::CONFLICT,
            "`Halo-Query-Id` was used before. This command was not executed; ask for the status of the earlier one, or choose a new id.",
        ),
        MirrorError::Disk => {
            ApiError::internal("The gateway could not record the command. The command was not executed.")
        }
        MirrorError::Full => ApiError::unavailable(
            "The gateway has too many commands under way. The command was not executed.",
            1,
        ),
    }
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
