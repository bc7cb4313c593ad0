//! `GET …/queries/{queryId}`: how an async query stands, or what became of an immediate one.

use super::{
    Caller,
    job_error::{find_for, mirror_unreadable},
    json_response, query_id,
    registered::fresh,
    request::with_id,
    site_id,
};
use crate::{
    answer,
    error::ApiError,
    gateway::Gateway,
    jobs::{JobRecord, Kind, Why, ask},
    mirror::{QueryStatus, Record},
    session::{Lane, call},
    verdict::{End, judge},
};
use axum::{
    Extension,
    extract::{Path, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use link_api::proto;
use model::{Effect, ErrorType, ExecutionMode};
use serde_json::Value;
use std::{sync::Arc, time::Duration};

/// The site is asked for an outcome for at most this long.
const ASK_WITHIN: Duration = Duration::from_secs(10);
/// A command that the site has no record of by then is no longer waited for.
const NEVER_ARRIVED_AFTER: Duration = Duration::from_secs(150);

pub(super) async fn handle(
    State(gateway): State<Arc<Gateway>>,
    Extension(caller): Extension<Caller>,
    Path((site, query)): Path<(String, String)>,
) -> Result<Response, ApiError> {
    let (site, query) = (site_id(&site)?, query_id(&query)?);
    if gateway.jobs.look(query).await.map_err(mirror_unreadable)?.is_some() {
        let record = fresh(&gateway, find_for(&gateway, &caller, site, query, Kind::Async).await?).await?;
        return Ok(with_id(json_response(StatusCode::OK, &shown(&gateway, &record).await), query));
    }
    let known = gateway.mirror.look(query).await.map_err(mirror_unreadable)?;
    let seen = |record: &Record| record.site == site && caller.may_see(record.device.as_ref());
    let Some(known) = known.filter(|known| seen(&known.record)) else {
        return Err(ApiError::not_found(
            "The server cannot find the requested resource: no query of this id was sent to the site within 24 hours.",
        ));
    };
    let open = known.record.status == QueryStatus::Executing || known.record.effect == Some(Effect::Unknown);
    let record = match open && !known.running {
        // The connection was lost, or another life of this process sent it: the site's own ledger knows.
        true => ask_the_site(&gateway, known.record).await,
        false => known.record,
    };
    let body = answer::status(&record, gateway.integrator);
    Ok(([(header::CONTENT_TYPE, "application/json")], body).into_response())
}

/// An async query's status, with the database's own words where they can be had without dialling.
pub(super) async fn shown(gateway: &Arc<Gateway>, record: &JobRecord) -> Value {
    let jobs = &gateway.jobs;
    if matches!(record.why, Some(Why::Said(..)))
        && jobs.words(record.id).is_none()
        && gateway.sessions.is_warm(record.site, Lane::Prompt)
    {
        ask::refresh(gateway, record.site, &[record.id]).await;
    }
    answer::job::status(record, gateway.integrator, jobs.words(record.id))
}

async fn ask_the_site(gateway: &Gateway, record: Record) -> Record {
    let asked = tokio::time::timeout(ASK_WITHIN, async {
        let session = gateway.sessions.get(record.site, Lane::Prompt).await.ok()?;
        let request = proto::OutcomeRequest { query_id: record.id.as_bytes().to_vec() };
        call(&session, async move |mut client| client.outcome(request).await).await.ok()
    });
    // A pollster must not see a clinic's internet blip: what is not known yet is still `executing`.
    let Ok(Some(reply)) = asked.await else { return record };
    let now = gateway.clock.now();
    let mut settled = record.clone();
    match reply.into_inner().ended {
        // It still runs there: whatever was thought when the connection broke.
        Some(ended) if ended.status == i32::from(proto::Status::Unspecified) => {
            return Record { status: QueryStatus::Executing, error: None, effect: None, ..record };
        }
        Some(ended) => {
            settled.updated = now.0;
            let (row_bytes, values) = (ended.row_bytes, answer::outputs_size(&ended.outputs));
            let limit = gateway.limits.immediate_result_bytes as u64;
            let _ = judge(&mut settled, End::Site(Box::new(ended)), limit);
            settled.size = if settled.mode == ExecutionMode::NonQuery { values } else { row_bytes };
            settled.result_size = row_bytes + values;
        }
        None if now.since(model::Timestamp(record.created)) < NEVER_ARRIVED_AFTER => return record,
        None => {
            settled.updated = now.0;
            settled.status = QueryStatus::ExecutionFailed;
            settled.error = Some((ErrorType::HaloLink, 504));
            // No proof: a site forgets, and its disk may have been restored. That it never left is known without asking.
            settled.effect = Some(Effect::Unknown);
        }
    }
    gateway.mirror.settle(settled.clone());
    settled
}
