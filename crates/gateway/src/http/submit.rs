//! What submitting an async and a registered query have in common, for whichever API it came through: the intent is recorded,
//! then the job is on its way.

use super::{
    immediate::not_recorded,
    request::{body_error, check_content_type, check_open, named, read},
};
use crate::{
    body::{self, Asked},
    budget::Reservation,
    error::ApiError,
    gateway::Gateway,
    http::Caller,
    idempotency::{self, Start},
    jobs::{JobRecord, Kind, Schedule, deliver},
    mirror::MirrorError,
};
use axum::{body::Body, http::HeaderMap};
use link_api::{convert, proto};
use model::{Command, DeviceId, QueryId, SiteId};
use sha2::{Digest, Sha256};
use std::{sync::Arc, time::Duration};
use tokio::sync::oneshot;
use uuid::Uuid;

/// A registration is answered when the site has it; when that takes longer, it goes on in the background.
const REGISTER_WITHIN: Duration = Duration::from_secs(10);

/// Submits an async query: its record as it stands when it was taken.
pub(super) async fn submit_async(
    gateway: &Arc<Gateway>,
    caller: &Caller,
    site: SiteId,
    headers: &HeaderMap,
    body: Body,
) -> Result<JobRecord, ApiError> {
    check_content_type(headers)?;
    let named = named(headers)?;
    let (body, room) = read(gateway, Some(site), headers, body).await?;
    let asked = body::parse_async(&body, gateway.limits.async_queue_ms).map_err(body_error)?;
    let Asked { command, max_time_in_queue, read_only } = asked;
    let start = idempotency::start(gateway, caller, headers, &format!("async {site}"), &body).await?;
    if let Start::Known { query: id, .. } = &start
        && let Some(record) = look(gateway, *id).await?
    {
        return Ok(record);
    }
    check_open(gateway, site).await?;
    let job = Job {
        id: named.unwrap_or_else(|| QueryId(Uuid::new_v4())),
        site,
        kind: Kind::Async,
        command,
        max_time_in_queue,
        read_only,
        request_size: body.len() as u64,
        digest: Sha256::digest(&body).to_vec(),
        run_ms: gateway.limits.async_execution_ms,
        max_row_bytes: gateway.limits.async_result_bytes,
        schedule: None,
        device: caller.device().cloned(),
    };
    let (record, _, _) = job.begin(gateway, start, room).await?;
    Ok(record)
}

/// Registers a query: its id, once the site has it.
pub(super) async fn register(
    gateway: &Arc<Gateway>,
    caller: &Caller,
    site: SiteId,
    headers: &HeaderMap,
    body: Body,
) -> Result<QueryId, ApiError> {
    check_content_type(headers)?;
    let named = named(headers)?;
    let (body, room) = read(gateway, Some(site), headers, body).await?;
    let asked = body::parse_registered(&body).map_err(body_error)?;
    let start = idempotency::start(gateway, caller, headers, &format!("registered {site}"), &body).await?;
    if let Start::Known { query: id, .. } = &start
        && look(gateway, *id).await?.is_some()
    {
        return Ok(*id);
    }
    check_open(gateway, site).await?;
    let job = Job {
        id: named.unwrap_or_else(|| QueryId(Uuid::new_v4())),
        site,
        kind: Kind::Registered,
        command: asked.command,
        max_time_in_queue: asked.max_time_in_queue,
        read_only: asked.read_only,
        request_size: body.len() as u64,
        digest: Sha256::digest(&body).to_vec(),
        run_ms: gateway.limits.registered_execution_ms,
        max_row_bytes: gateway.limits.registered_result_bytes,
        schedule: Some(Schedule {
            name: asked.name,
            frequency: asked.frequency,
            duration: asked.duration,
            ..Schedule::default()
        }),
        device: caller.device().cloned(),
    };
    let id = job.id;
    let (_, handed_over, start) = job.begin(gateway, start, room).await?;
    let _ = tokio::time::timeout(REGISTER_WITHIN, handed_over).await;
    let Some(record) = look(gateway, id).await? else { return Ok(id) };
    let Some(why) = record.why.filter(|_| record.status.is_final() && !record.given_up) else {
        return Ok(id);
    };
    // Said at once, so there is nothing to list, and the key is free again.
    let key = start.key();
    let _ = gateway
        .jobs
        .on_disk(move |table| {
            table.remove(id)?;
            key.map_or(Ok(()), |key| table.unclaim(&key))
        })
        .await;
    Err(super::job_error::not_taken(why))
}

async fn look(gateway: &Gateway, id: QueryId) -> Result<Option<JobRecord>, ApiError> {
    gateway.jobs.look(id).await.map_err(super::job_error::mirror_unreadable)
}

/// The record, when it was handed over, and the key that it came with.
type Begun = (JobRecord, oneshot::Receiver<()>, Start);

struct Job {
    id: QueryId,
    site: SiteId,
    kind: Kind,
    command: Command,
    max_time_in_queue: u32,
    read_only: bool,
    request_size: u64,
    /// Of all that the caller asked for.
    digest: Vec<u8>,
    run_ms: u32,
    max_row_bytes: u64,
    schedule: Option<Schedule>,
    device: Option<DeviceId>,
}

impl Job {
    /// Records the intent, and starts the handing over: both, also when the caller hangs up in between.
    async fn begin(self, gateway: &Arc<Gateway>, start: Start, room: Reservation) -> Result<Begun, ApiError> {
        let gateway = Arc::clone(gateway);
        let task = tokio::spawn(async move { self.begin_here(&gateway, start, room).await });
        task.await.unwrap_or_else(|_| Err(not_recorded(MirrorError::Disk)))
    }

    async fn begin_here(
        self,
        gateway: &Arc<Gateway>,
        start: Start,
        room: Reservation,
    ) -> Result<Begun, ApiError> {
        if gateway.jobs.has_open(gateway.limits.open_jobs) {
            return Err(not_recorded(MirrorError::Full));
        }
        let now = gateway.clock.now().0;
        let record = JobRecord {
            read_only: self.read_only,
            max_time_in_queue: self.max_time_in_queue,
            command_size: self.command.text.reveal().len() as u64,
            request_size: self.request_size,
            keep_ms: gateway.limits.result_keep_ms,
            schedule: self.schedule,
            device: self.device,
            ..JobRecord::new(self.id, self.site, self.kind, self.command.mode, now)
        };
        let request = proto::SubmitRequest {
            query_id: self.id.as_bytes().to_vec(),
            command: Some(convert::command_to_proto(&self.command)),
            queue_ms: self.max_time_in_queue,
            run_ms: self.run_ms,
            read_only: self.read_only,
            keep_ms: record.keep_ms,
            digest: self.digest,
            schedule: record.schedule.as_ref().map(|schedule| proto::Schedule {
                name: schedule.name.clone(),
                frequency_ms: schedule.frequency * 1000,
                duration_ms: schedule.duration * 1000,
            }),
            max_row_bytes: self.max_row_bytes,
            device: record.device.clone().map(String::from),
            ..proto::SubmitRequest::default()
        };
        gateway.jobs.begin(record.clone(), start.key()).await.map_err(not_recorded)?;
        let handed_over = deliver::start(gateway, &record, request, room);
        Ok((record, handed_over, start))
    }
}
