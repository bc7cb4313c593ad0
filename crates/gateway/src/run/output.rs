//! Where a run's events go: into one buffer, into a stream of lines, or, once the caller is gone, nowhere.

use super::Form;
use crate::{
    answer::{self, Rows},
    budget::Reservation,
    error::ApiError,
    gateway::Gateway,
    lines::{self, Piece},
    mirror::Record,
    receipts::Told,
    session::Lane,
    verdict::{End, Verdict},
};
use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use link_api::proto;
use model::ExecutionMode;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// Pieces on their way to a caller, about 64 KiB each: beyond them the database's cursor waits.
const PIECES: usize = 4;

/// One run's output.
pub(super) struct Output {
    form: Form,
    lane: Lane,
    /// Until the answer's head has gone out.
    tell: Option<oneshot::Sender<Response>>,
    /// The published form's rows. `None`: not even the first room was free.
    rows: Option<Rows>,
    /// The streaming form's way out, once begun.
    pieces: Option<mpsc::Sender<Piece>>,
    columns: Option<proto::Columns>,
    /// The last piece ended in the middle of a row.
    in_a_line: bool,
    /// What the returned parameters take up, until the last byte has gone out.
    outputs_room: Option<Reservation>,
    wanted: bool,
    no_room: bool,
}

impl Output {
    pub(super) fn new(
        gateway: &Gateway,
        form: Form,
        tell: oneshot::Sender<Response>,
        record: &Record,
    ) -> Self {
        let buffers = form == Form::Whole && record.mode != ExecutionMode::NonQuery;
        let rows = if buffers { Rows::new(&gateway.budget).ok() } else { None };
        let lane = if form == Form::Lines { Lane::Bulk } else { Lane::Prompt };
        let no_room = buffers && rows.is_none();
        Output {
            form,
            lane,
            tell: Some(tell),
            rows,
            pieces: None,
            columns: None,
            in_a_line: false,
            outputs_room: None,
            wanted: true,
            no_room,
        }
    }

    /// Not even a small answer fits now: nothing should be sent.
    pub(super) fn has_no_room(&self) -> bool {
        self.no_room
    }

    /// Keeps the room of the returned parameters.
    pub(super) fn keep(&mut self, room: Reservation) {
        self.outputs_room = Some(room);
    }

    pub(super) fn lane(&self) -> Lane {
        self.lane
    }

    pub(super) fn row_form(&self) -> proto::RowForm {
        if self.form == Form::Lines { proto::RowForm::Lines } else { proto::RowForm::Array }
    }

    /// Whether somebody still takes what comes.
    pub(super) fn is_wanted(&mut self) -> bool {
        let gone = match (&self.tell, &self.pieces) {
            (Some(tell), _) => tell.is_closed(),
            (None, Some(pieces)) => pieces.is_closed(),
            (None, None) => true,
        };
        self.wanted &= !gone;
        self.wanted
    }

    /// Resolves when the caller has gone away.
    pub(super) async fn gone(&mut self) {
        match (&mut self.tell, &self.pieces) {
            (Some(tell), _) => tell.closed().await,
            (None, Some(pieces)) => pieces.closed().await,
            (None, None) => {}
        }
    }

    /// Whether nothing has gone out yet, so that a second attempt can't be seen.
    pub(super) fn can_begin_again(&mut self) -> bool {
        self.columns = None;
        if let Some(rows) = &mut self.rows {
            rows.clear();
        }
        self.tell.is_some() && self.is_wanted()
    }

    pub(super) async fn columns(&mut self, gateway: &Gateway, record: &Record, columns: proto::Columns) {
        if self.form != Form::Lines {
            return;
        }
        if self.tell.is_some() {
            self.columns = Some(columns);
            self.begin(gateway, record).await;
        } else {
            // The next result set.
            self.send(gateway, Piece::Lines(lines::columns(&columns).into())).await;
        }
    }

    /// Takes a piece of rows; an end when it can't.
    pub(super) async fn rows(&mut self, gateway: &Gateway, record: &Record, piece: Bytes) -> Option<End> {
        match self.form {
            Form::Lines => {
                self.begin(gateway, record).await;
                self.in_a_line = piece.last().is_some_and(|byte| *byte != b'\n');
                self.send(gateway, Piece::Lines(piece)).await;
                None
            }
            Form::Whole => {
                let rows = self.rows.as_mut()?;
                if rows.bytes + piece.len() as u64 > gateway.limits.immediate_result_bytes as u64 {
                    return Some(End::Broken("it sent more rows than it was asked for"));
                }
                match rows.push(|| answer::open_rows(record, gateway.integrator), &piece) {
                    Ok(()) => None,
                    Err(_) => Some(End::NoRoom),
                }
            }
        }
    }

    /// Sends the head of a stream, once: from here on the HTTP status is 200.
    async fn begin(&mut self, gateway: &Gateway, record: &Record) {
        let Some(tell) = self.tell.take() else { return };
        let (pieces, to_caller) = mpsc::channel(PIECES);
        let mut response = Response::new(Body::from_stream(lines::body(to_caller)));
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(lines::MEDIA_TYPE));
        self.wanted &= tell.send(response).is_ok();
        self.pieces = Some(pieces);
        let opening = lines::opening(record, gateway.integrator, self.columns.as_ref());
        self.send(gateway, Piece::Lines(opening)).await;
    }

    async fn send(&mut self, gateway: &Gateway, piece: Piece) {
        let Some(pieces) = self.pieces.as_ref().filter(|_| self.wanted) else { return };
        let patience = Duration::from_millis(gateway.limits.stalled_caller_ms);
        if pieces.send_timeout(piece, patience).await.is_err() {
            // Gone, or stalled, which comes to the same: the transfer is broken off.
            self.wanted = false;
            self.pieces = None;
        }
    }

    /// The answer's end, or the whole of it.
    pub(super) async fn end(
        mut self,
        gateway: &Gateway,
        record: &Record,
        verdict: Verdict,
        outputs: &[proto::Parameter],
        receipt: &Told,
    ) {
        if self.form == Form::Lines && matches!(verdict, Verdict::Success) {
            self.begin(gateway, record).await;
        }
        let room = self.outputs_room.take();
        let Some(tell) = self.tell.take() else {
            if std::mem::take(&mut self.in_a_line) {
                // A row that was cut in the middle: the last line must be one of its own.
                self.send(gateway, Piece::Lines(Bytes::from_static(b"\n"))).await;
            }
            let last = answer::held(lines::end(record, &verdict, outputs, receipt), room);
            self.send(gateway, Piece::Last(last)).await;
            return;
        };
        let response = match verdict {
            Verdict::Envelope(error) => error.into_response(),
            Verdict::Failed(status, details) => {
                json(status, answer::failed(record, gateway.integrator, &details).into())
            }
            Verdict::Success => match self.rows {
                None => json(
                    StatusCode::OK,
                    answer::held(answer::count(record, gateway.integrator, outputs), room),
                ),
                Some(rows) => {
                    match rows.finish(|| answer::open_rows(record, gateway.integrator), record, outputs) {
                        Ok(body) => json(StatusCode::OK, answer::held(body, room)),
                        Err(_) => ApiError::unavailable(
                            "The gateway holds too many answers at once. The command was executed.",
                            1,
                        )
                        .into_response(),
                    }
                }
            },
        };
        let _ = tell.send(response);
    }
}

fn json(status: StatusCode, body: Bytes) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
