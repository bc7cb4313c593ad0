//! `GET …/queries/{queryId}/results/{pageNumber}`, in the published envelope and as the JSON array alone.

use super::{
    Caller,
    job_error::{find_for, mirror_unreadable},
    query_id,
    request::with_id,
    site_id,
};
use crate::{
    answer::{self, Rows},
    error::ApiError,
    gateway::Gateway,
    jobs::{
        JobRecord, Kind,
        pages::{self, Piece, Reader},
    },
    lines,
    session::Lane,
};
use axum::{
    Extension,
    body::Body,
    extract::{Path, State},
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::Response,
};
use bytes::Bytes;
use link_api::proto;
use model::ExecutionMode;
use serde_json::{Map, Value};
use std::{sync::Arc, time::Duration};
use tokio::sync::mpsc;

/// Pieces on their way to a caller.
const PIECES: usize = 2;

pub(super) async fn handle(
    State(gateway): State<Arc<Gateway>>,
    Extension(caller): Extension<Caller>,
    Path((site, query, number)): Path<(String, String, String)>,
) -> Result<Response, ApiError> {
    let (record, number) = wanted(&gateway, &caller, &site, &query, &number).await?;
    let (mut reader, head) = match open(&gateway, &record, number).await? {
        Opened::Page(reader, head) => (reader, head),
        Opened::Nothing(head) => return Ok(with_id(nothing(&record, &head), record.id)),
    };
    let counts = record.mode == ExecutionMode::NonQuery;
    let full = |_| {
        ApiError::unavailable("The gateway holds too many answers at once. …/stream takes no such memory.", 1)
    };
    let mut rows = Rows::new(&gateway.budget).map_err(full)?;
    let page = loop {
        match reader.next(&gateway).await {
            Ok(Piece::Rows(piece)) => {
                if rows.bytes + piece.len() as u64 > gateway.limits.answer_memory_bytes as u64 {
                    return Err(pages::faulty());
                }
                rows.push(answer::open_page, &piece).map_err(full)?;
            }
            Ok(Piece::End(end)) if is_sent(&end) => break head,
            Ok(Piece::End(end)) => return Err(pages::refused(&end)),
            Ok(Piece::Head(_)) => return Err(pages::faulty()),
            Err(_) => return Err(pages::broken()),
        }
    };
    let facts = page.page.unwrap_or_default();
    if !counts && rows.bytes + 2 != facts.bytes {
        return Err(pages::faulty());
    }
    let _room = gateway.budget.reserve(answer::outputs_room(&page.outputs)).map_err(full)?;
    let mut tail = Map::new();
    answer::add_parameters(&mut tail, &page.outputs);
    let (size, body) = match counts {
        true => (answer::outputs_size(&page.outputs), Value::Object(tail).to_string().into()),
        false => (facts.bytes, rows.finish_page(tail).map_err(full)?),
    };
    Ok(with_id(response(&page, size, Body::from(body)), record.id))
}

pub(super) async fn stream(
    State(gateway): State<Arc<Gateway>>,
    Extension(caller): Extension<Caller>,
    Path((site, query, number)): Path<(String, String, String)>,
) -> Result<Response, ApiError> {
    let (record, number) = wanted(&gateway, &caller, &site, &query, &number).await?;
    let (reader, page) = match open(&gateway, &record, number).await? {
        Opened::Page(reader, page) => (reader, page),
        Opened::Nothing(head) => return Ok(with_id(response(&head, 2, Body::from("[]")), record.id)),
    };
    let (pieces, to_caller) = mpsc::channel(PIECES);
    let body = Body::from_stream(lines::body(to_caller));
    let size = page.page.unwrap_or_default().bytes.max(2);
    let answer = response(&page, size, body);
    tokio::spawn(async move { pass_on(&gateway, *reader, size, pieces).await });
    Ok(with_id(answer, record.id))
}

/// An end that is not the site's own is a broken transfer, never a shorter array.
async fn pass_on(gateway: &Gateway, mut reader: Reader, size: u64, pieces: mpsc::Sender<lines::Piece>) {
    let patience = Duration::from_millis(gateway.limits.stalled_caller_ms);
    let mut left = size - 2;
    let mut piece = Bytes::from_static(b"[");
    loop {
        if pieces.send_timeout(lines::Piece::Lines(piece), patience).await.is_err() {
            return;
        }
        piece = match reader.next(gateway).await {
            Ok(Piece::Rows(rows)) if rows.len() as u64 <= left => {
                left -= rows.len() as u64;
                rows
            }
            Ok(Piece::End(end)) if is_sent(&end) && left == 0 => {
                let last = lines::Piece::Last(Bytes::from_static(b"]"));
                let _ = pieces.send_timeout(last, patience).await;
                return;
            }
            _ => return,
        };
    }
}

fn is_sent(end: &proto::PagesEnd) -> bool {
    end.outcome == i32::from(proto::PagesOutcome::PagesSent)
}

/// Reads the path; a job whose result can't be had any more, or never will be, is said without asking the site.
async fn wanted(
    gateway: &Gateway,
    caller: &Caller,
    site: &str,
    query: &str,
    number: &str,
) -> Result<(JobRecord, u32), ApiError> {
    let (site, query) = (site_id(site)?, query_id(query)?);
    let number = number.parse().ok().filter(|n| *n >= 1);
    let number = number
        .ok_or_else(|| ApiError::bad_request("`pageNumber` in the path must be an integer from 1 on."))?;
    let record = find_for(gateway, caller, site, query, Kind::Async).await?;
    check_result(gateway, &record)?;
    Ok((record, number))
}

/// Whether there is any sense in asking the site for a result.
pub(super) fn check_result(gateway: &Gateway, record: &JobRecord) -> Result<(), ApiError> {
    let kept = i64::try_from(record.keep_ms).unwrap_or(i64::MAX);
    let too_old = record.completed.is_some_and(|at| gateway.clock.now().0 - at > kept);
    if record.expired || (too_old && record.why.is_none()) {
        return Err(ApiError::gone());
    }
    if record.why.is_some() {
        return Err(ApiError::not_found(format!(
            "The server cannot find the requested resource: the query ended as `{}` and has no result.",
            record.status.name()
        )));
    }
    Ok(())
}

/// The only page of a command without a result set: what it returned, if anything.
fn nothing(record: &JobRecord, head: &proto::PageHead) -> Response {
    let mut page = Map::new();
    let rows = record.mode != ExecutionMode::NonQuery;
    if rows {
        // Base64 of `[]`.
        page.insert("data".into(), "W10=".into());
    }
    answer::add_parameters(&mut page, &head.outputs);
    let size = if rows { 2 } else { answer::outputs_size(&head.outputs) };
    response(head, size, Body::from(Value::Object(page).to_string()))
}

enum Opened {
    /// Its head: from here on it is known to be there.
    Page(Box<Reader>, Box<proto::PageHead>),
    /// There was no result set: a head with what was returned beside.
    Nothing(Box<proto::PageHead>),
}

async fn open(gateway: &Gateway, record: &JobRecord, number: u32) -> Result<Opened, ApiError> {
    let ask = pages::wanted(record.id, number, 1, proto::RowForm::Array);
    let patience = Duration::from_millis(gateway.limits.transfer_slack_ms);
    let mut reader = Reader::open(gateway, record.site, ask, Lane::Bulk, Some(patience)).await?;
    match reader.next(gateway).await {
        Ok(Piece::Head(head)) if head.page.as_ref().is_some_and(|page| page.number == number) => {
            Ok(Opened::Page(Box::new(reader), head))
        }
        Ok(Piece::End(end)) => {
            let end = *end;
            if end.outcome == i32::from(proto::PagesOutcome::PagesExpired) {
                gateway.jobs.change(record.id, |record| record.expired = true).await;
            }
            if let Some(outputs) = without_pages(&end).filter(|_| number == 1) {
                let head = proto::PageHead { outputs, ..proto::PageHead::default() };
                return Ok(Opened::Nothing(Box::new(head)));
            }
            let refused = pages::refused(&end);
            if let Some(job) = end.job {
                gateway.jobs.learn(record.site, vec![job]).await;
            }
            // Whether it is there no longer may only now be known.
            match gateway.jobs.look(record.id).await.map_err(mirror_unreadable)? {
                Some(record) => check_result(gateway, &record).and(Err(refused)),
                None => Err(refused),
            }
        }
        Ok(_) => Err(pages::faulty()),
        Err(_) => Err(pages::broken()),
    }
}

/// What a job returned that ended well and has no page.
fn without_pages(end: &proto::PagesEnd) -> Option<Vec<proto::Parameter>> {
    let no_page = end.outcome == i32::from(proto::PagesOutcome::PagesNoPage);
    let job = end.job.as_ref().filter(|job| no_page && job.pages.is_empty())?;
    let over = job.status == i32::from(proto::JobStatus::JobEnded);
    let ended = job.ended.as_ref().filter(|_| over)?;
    (ended.status == i32::from(proto::Status::Successful)).then(|| ended.outputs.clone())
}

/// The four published headers: rows are counted from 0.
fn response(page: &proto::PageHead, size: u64, body: Body) -> Response {
    let facts = page.page.unwrap_or_default();
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::OK;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let end = answer::job::range_end(page.first_row, facts.rows);
    headers.insert(HeaderName::from_static("size"), size.into());
    headers.insert(HeaderName::from_static("rows-count"), facts.rows.into());
    headers.insert(HeaderName::from_static("rows-range-start"), page.first_row.into());
    headers.insert(HeaderName::from_static("rows-range-end"), end.into());
    response
}
