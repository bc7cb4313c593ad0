//! `…/queries/registered`: create, list, look, cancel.

use super::{
    Caller,
    job_error::{find_for, mirror_unreadable},
    json_response, query_id,
    request::with_id,
    site_id,
    submit::register,
};
use crate::{
    answer,
    error::ApiError,
    gateway::Gateway,
    jobs::{
        JobRecord, Kind, ask,
        table::{Listed, Wanted},
    },
    run,
};
use axum::{
    Extension,
    body::Body,
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use link_api::proto;
use model::{QueryId, SiteId};
use serde_json::{Value, json};
use std::sync::Arc;

/// Registered queries of one answer, newest first.
const LISTED: u32 = 1000;

pub(super) async fn create(
    State(gateway): State<Arc<Gateway>>,
    Extension(caller): Extension<Caller>,
    Path(site): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let site = site_id(&site)?;
    let id = register(&gateway, &caller, site, &headers, body).await?;
    // The two published documents differ in this.
    let status = if caller.device().is_some() { StatusCode::CREATED } else { StatusCode::ACCEPTED };
    Ok(with_id(json_response(status, &json!({ "id": id.to_string() })), id))
}

pub(super) async fn list(
    State(gateway): State<Arc<Gateway>>,
    Extension(caller): Extension<Caller>,
    Path(site): Path<String>,
) -> Result<Response, ApiError> {
    let site = site_id(&site)?;
    let all = list_all(&gateway, &caller, site).await?;
    Ok(json_response(StatusCode::OK, &json!({ "registeredQueries": all })))
}

pub(super) async fn look(
    State(gateway): State<Arc<Gateway>>,
    Extension(caller): Extension<Caller>,
    Path((site, query)): Path<(String, String)>,
) -> Result<Response, ApiError> {
    let (site, query) = (site_id(&site)?, query_id(&query)?);
    let record = fresh(&gateway, find_for(&gateway, &caller, site, query, Kind::Registered).await?).await?;
    Ok(with_id(json_response(StatusCode::OK, &shown(&gateway, &record)), query))
}

pub(super) async fn cancel(
    State(gateway): State<Arc<Gateway>>,
    Extension(caller): Extension<Caller>,
    Path((site, query)): Path<(String, String)>,
) -> Result<Response, ApiError> {
    let (site, query) = (site_id(&site)?, query_id(&query)?);
    let record = find_for(&gateway, &caller, site, query, Kind::Registered).await?;
    if record.is_open() {
        cancel_at_site(&gateway, site, query, false).await?;
    }
    Ok(with_id(StatusCode::NO_CONTENT.into_response(), query))
}

/// All that this gateway knows and the caller may see, newest first.
async fn list_all(gateway: &Arc<Gateway>, caller: &Caller, site: SiteId) -> Result<Vec<Value>, ApiError> {
    super::request::check_known(gateway, site).await?;
    let read = async || {
        let wanted = Wanted {
            site,
            immediate: false,
            kind: Some(Kind::Registered),
            status: None,
            from: 0,
            after: None,
            limit: LISTED,
            device: caller.device().cloned(),
        };
        gateway.jobs.on_disk(move |table| table.list(&wanted)).await.map_err(mirror_unreadable)
    };
    let open: Vec<QueryId> =
        read().await?.into_iter().filter_map(job).filter(JobRecord::is_open).map(|r| r.id).collect();
    for some in open.chunks(ask::AT_ONCE) {
        ask::refresh(gateway, site, some).await;
    }
    let mut all = Vec::new();
    for listed in read().await?.into_iter().filter_map(job) {
        // Memory is newer than the disk.
        let record = gateway.jobs.look(listed.id).await.map_err(mirror_unreadable)?.unwrap_or(listed);
        all.push(shown(gateway, &record));
    }
    Ok(all)
}

fn job(listed: Listed) -> Option<JobRecord> {
    match listed {
        Listed::Job(record) => Some(*record),
        Listed::Immediate(_) => None,
    }
}

fn shown(gateway: &Gateway, record: &JobRecord) -> Value {
    answer::job::registered(record, gateway.jobs.words(record.id))
}

/// The record as the site has it now, or as it is known.
pub(super) async fn fresh(gateway: &Arc<Gateway>, record: JobRecord) -> Result<JobRecord, ApiError> {
    if !record.is_open() {
        return Ok(record);
    }
    ask::refresh(gateway, record.site, &[record.id]).await;
    Ok(gateway.jobs.look(record.id).await.map_err(mirror_unreadable)?.unwrap_or(record))
}

/// Cancels at the site; what the site says then is in the mirror.
pub(super) async fn cancel_at_site(
    gateway: &Arc<Gateway>,
    site: SiteId,
    id: QueryId,
    force: bool,
) -> Result<(), ApiError> {
    if gateway.jobs.is_delivering(id) {
        gateway.jobs.change(id, move |record| record.note_cancel(force)).await;
        if !gateway.jobs.is_delivering(id) {
            // Handed over in between. When the site can't be asked now, it is asked as soon as it can be.
            let _ = ask::ask_about(gateway, site, &[id]).await;
        }
        return Ok(());
    }
    let request = proto::JobsRequest {
        query_ids: ask::bytes(&[id]),
        cancel: true,
        force,
        ..proto::JobsRequest::default()
    };
    const SO: &str = "The query was not cancelled.";
    match ask::ask(gateway, site, request).await {
        Ok(states) => {
            gateway.jobs.learn(site, states).await;
            Ok(())
        }
        Err(ask::AskError::Open(error)) => Err(run::no_session(gateway, site, &error, SO)),
        Err(ask::AskError::Call) => Err(ApiError::unavailable(
            "The connection to the site was lost. Whether the query was cancelled is not known: send it again.",
            2,
        )),
    }
}
