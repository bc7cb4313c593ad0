//! Beyond the published document: `GET …/queries/{queryId}/results`, the whole result as one stream of lines, in the form that
//! immediate queries have. It follows a query that still runs.

use super::{
    job_error::{find, mirror_unreadable},
    page::check_result,
    query_id,
    request::with_id,
    site_id,
    whole_reader::{Next, WholeReader},
};
use crate::{
    answer,
    budget::Reservation,
    error::ApiError,
    gateway::Gateway,
    jobs::{
        JobRecord, Kind,
        pages::{self, Broken, Piece, Reader},
    },
    lines,
    receipts::{About, Told},
    session::Lane,
};
use axum::{
    body::Body,
    extract::{Path, State},
    http::{HeaderValue, header},
    response::Response,
};
use bytes::Bytes;
use link_api::proto;
use model::ExecutionMode;
use serde_json::{Map, Value, json};
use std::{sync::Arc, time::Duration};
use tokio::sync::mpsc;

/// Pieces on their way to a caller.
const PIECES: usize = 4;
/// For so long the answer's status waits for the first row; then the stream begins with the query alone.
const FIRST_WITHIN: Duration = Duration::from_secs(2);

pub(super) async fn handle(
    State(gateway): State<Arc<Gateway>>,
    Path((site, query)): Path<(String, String)>,
) -> Result<Response, ApiError> {
    let (site, query) = (site_id(&site)?, query_id(&query)?);
    let record = find(&gateway, site, query, Kind::Async).await?;
    check_result(&gateway, &record)?;
    if gateway.jobs.is_delivering(query) {
        return Err(ApiError::unavailable(
            "The query is still being handed to the site. Ask again in a moment.",
            1,
        ));
    }
    let full = |_| ApiError::unavailable("The gateway holds too many answers at once. Ask again.", 1);
    let room = gateway.budget.reserve(0).map_err(full)?;
    let ask = pages::wanted(query, 1, 0, proto::RowForm::Lines);
    let mut reader = Reader::open(&gateway, site, ask, Lane::Bulk, None).await?;
    let first = tokio::time::timeout(FIRST_WITHIN, reader.next(&gateway)).await;
    // Not cancelled in the middle of a message: a piece that did not come is waited for by the next call.
    let first = match first {
        Ok(Err(Broken)) => return Err(pages::broken()),
        Ok(Ok(Piece::End(end))) if end.outcome != i32::from(proto::PagesOutcome::PagesSent) => {
            if end.outcome == i32::from(proto::PagesOutcome::PagesExpired) {
                gateway.jobs.change(query, |record| record.expired = true).await;
            }
            return Err(pages::refused(&end));
        }
        Ok(Ok(piece)) => Some(piece),
        Err(_) => None,
    };
    let (pieces, to_caller) = mpsc::channel(PIECES);
    let mut response = Response::new(Body::from_stream(lines::body(to_caller)));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(lines::MEDIA_TYPE));
    let stream = Stream { gateway, record, pieces, size: 0, columns: false, outputs: Vec::new(), room };
    let reader = WholeReader::new(&stream.gateway, site, query, reader);
    tokio::spawn(stream.run(reader, first));
    Ok(with_id(response, query))
}

struct Stream {
    gateway: Arc<Gateway>,
    record: JobRecord,
    pieces: mpsc::Sender<lines::Piece>,
    /// Bytes of lines with rows.
    size: u64,
    columns: bool,
    outputs: Vec<proto::Parameter>,
    /// For the largest of `outputs`.
    room: Reservation,
}

impl Stream {
    /// Returning early breaks the transfer off, so that the caller's client notices.
    async fn run(mut self, mut reader: WholeReader, first: Option<Piece>) {
        let query = answer::job::opening(&self.record, self.gateway.integrator);
        if !self.send(line(&json!({ "query": query }))).await {
            return;
        }
        let Ok(mut first) = first.map_or(Ok(None), |piece| reader.begin(piece)) else { return };
        loop {
            let next = match first.take() {
                Some(next) => next,
                None => {
                    let next = tokio::select! {
                        biased;
                        next = reader.next() => next,
                        // Whoever has hung up must not be waited for until the next row.
                        () = self.pieces.closed() => return,
                    };
                    match next {
                        Ok(next) => next,
                        Err(Broken) => return,
                    }
                }
            };
            let goes_on = match next {
                Next::Head(head) => self.head(*head).await,
                Next::Rows(rows) => {
                    self.size += rows.len() as u64;
                    self.send(rows).await
                }
                Next::End(end) => return self.end(*end).await,
            };
            if !goes_on {
                return;
            }
        }
    }

    async fn head(&mut self, head: proto::PageHead) -> bool {
        // They come with the last page: of what a site sends before, nothing is gathered.
        if self.room.grow_to(answer::outputs_room(&head.outputs)).is_err() {
            return false;
        }
        self.outputs = head.outputs;
        if std::mem::replace(&mut self.columns, true) || self.record.mode == ExecutionMode::NonQuery {
            return true;
        }
        self.send(lines::columns(&proto::Columns { columns: head.columns }).into()).await
    }

    async fn end(mut self, end: proto::PagesEnd) {
        if end.outcome != i32::from(proto::PagesOutcome::PagesSent) {
            return;
        }
        let outputs = end.job.as_ref().and_then(|job| job.ended.as_ref()).map(|ended| ended.outputs.clone());
        if let Some(job) = end.job {
            self.gateway.jobs.learn(self.record.site, vec![job]).await;
        }
        match self.gateway.jobs.look(self.record.id).await.map_err(mirror_unreadable) {
            Ok(Some(record)) if record.status.is_final() => self.record = record,
            _ => return,
        }
        if self.outputs.is_empty() {
            self.outputs = outputs.unwrap_or_default();
        }
        let (site, query) = (self.record.site, self.record.id);
        let about = About { site, integrator: self.gateway.integrator, query };
        let receipt = Told::of_run(&self.gateway, &about).await;
        let last = line(&json!({ "end": self.last(&receipt) }));
        let patience = Duration::from_millis(self.gateway.limits.stalled_caller_ms);
        let _ = self.pieces.send_timeout(lines::Piece::Last(last), patience).await;
    }

    fn last(&self, receipt: &Told) -> Value {
        let record = &self.record;
        let mut end = Map::new();
        end.insert("status".into(), record.status.name().into());
        match record.mode {
            ExecutionMode::NonQuery => {
                end.insert("rowsAffected".into(), answer::job::rows_affected(record).into())
            }
            _ => end.insert("rows".into(), record.rows.into()),
        };
        end.insert("size".into(), self.size.into());
        answer::add_parameters(&mut end, &self.outputs);
        end.insert("statusTiming".into(), answer::job::timing(record));
        end.insert("metrics".into(), answer::job::metrics(record));
        if let Some(details) = answer::job::failure(record, self.gateway.jobs.words(record.id)) {
            end.insert("errorDetails".into(), answer::error_details(&details));
        }
        end.insert("effect".into(), json!(record.effect));
        end.insert("completedAt".into(), answer::time(record.completed.unwrap_or(record.updated)));
        receipt.add_to(&mut end);
        Value::Object(end)
    }

    /// False: the caller has gone, or takes nothing.
    async fn send(&self, bytes: Bytes) -> bool {
        let patience = Duration::from_millis(self.gateway.limits.stalled_caller_ms);
        self.pieces.send_timeout(lines::Piece::Lines(bytes), patience).await.is_ok()
    }
}

fn line(value: &Value) -> Bytes {
    format!("{value}\n").into()
}
