//! The streaming form, `application/x-ndjson`: each line an object with exactly one key.
//!
//! `query` first, `columns`, `row` per row, `end` last. A stream without `end` was cut.

use crate::{answer, mirror::Record, receipts::Told, verdict::Verdict};
use bytes::Bytes;
use futures::{Stream, stream};
use link_api::proto;
use model::{ErrorDetails, ErrorType, ExecutionMode, IntegratorId};
use serde_json::{Map, Value, json};
use std::io;
use tokio::sync::mpsc;

/// The media type.
pub const MEDIA_TYPE: &str = "application/x-ndjson";

/// One part of the body on its way to the caller.
#[derive(Debug)]
pub(crate) enum Piece {
    /// Whole lines.
    Lines(Bytes),
    /// The last line.
    Last(Bytes),
}

/// The body: ends well only after a [`Piece::Last`]; otherwise the transfer is broken off, so that the caller's HTTP client
/// notices too.
pub(crate) fn body(pieces: mpsc::Receiver<Piece>) -> impl Stream<Item = io::Result<Bytes>> {
    stream::unfold(Some(pieces), |state| async move {
        let mut pieces = state?;
        match pieces.recv().await {
            Some(Piece::Lines(bytes)) => Some((Ok(bytes), Some(pieces))),
            Some(Piece::Last(bytes)) => Some((Ok(bytes), None)),
            None => Some((Err(io::Error::new(io::ErrorKind::ConnectionAborted, "the answer was cut")), None)),
        }
    })
}

/// `{"query":{…}}` and, where the command yields any, `{"columns":[…]}`.
pub(crate) fn opening(record: &Record, integrator: IntegratorId, columns: Option<&proto::Columns>) -> Bytes {
    let mut query = answer::head(record, integrator);
    // The line says how things stood when the command was sent, also where it is written after the end.
    query.insert("status".into(), "executing".into());
    query.insert("updatedAt".into(), answer::time(record.created));
    let mut text = json!({ "query": query }).to_string();
    text.push('\n');
    if let Some(columns) = columns {
        text.push_str(&self::columns(columns));
    }
    text.into()
}

/// `{"columns":[{"name","type"}]}`.
pub(crate) fn columns(columns: &proto::Columns) -> String {
    let list: Value = columns.columns.iter().map(|c| json!({ "name": c.name, "type": c.r#type })).collect();
    format!("{}\n", json!({ "columns": list }))
}

/// `{"end":{…}}`: how it ended, in the words of the published answer, what is known of its effect, and the site's receipt.
pub(crate) fn end(record: &Record, verdict: &Verdict, outputs: &[proto::Parameter], receipt: &Told) -> Bytes {
    let mut end = Map::new();
    end.insert("status".into(), record.status.name().into());
    match record.mode {
        ExecutionMode::NonQuery => end.insert("rowsAffected".into(), answer::rows_affected(record).into()),
        _ => end.insert("rows".into(), record.rows.into()),
    };
    end.insert("size".into(), record.size.into());
    answer::add_parameters(&mut end, outputs);
    end.insert("statusTiming".into(), answer::timing(record));
    end.insert("metrics".into(), json!({ "sqlExecutionDuration": record.sql_ms }));
    let details = match verdict {
        Verdict::Success => None,
        Verdict::Failed(_, details) => Some(answer::error_details(details)),
        Verdict::Envelope(error) => Some(answer::error_details(&ErrorDetails::new(
            ErrorType::Http,
            i32::from(error.status.as_u16()),
            error.message.as_str(),
        ))),
    };
    if let Some(details) = details {
        end.insert("errorDetails".into(), details);
    }
    end.insert("effect".into(), json!(record.effect));
    end.insert("completedAt".into(), answer::time(record.updated));
    receipt.add_to(&mut end);
    format!("{}\n", json!({ "end": end })).into()
}
