//! The published JSON of one query: built in one buffer, rows encoded into it as they arrive.

pub(crate) mod job;

use crate::{
    budget::{Budget, Exhausted, Reservation},
    mirror::{Record, Span},
};
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use bytes::Bytes;
use link_api::proto;
use model::{ErrorDetails, ErrorType, ExecutionMode, IntegratorId, Timestamp};
use serde_json::{Map, Value, json};

/// Room that every answer takes up at once.
const FIRST_ROOM: usize = 16 * 1024;

/// Collects the rows of one answer as base64, within the caller's limit and the gateway's memory.
#[derive(Debug)]
pub(crate) struct Rows {
    /// The object as far as `"data":"`, then base64.
    buffer: Vec<u8>,
    room: Reservation,
    carry: [u8; 3],
    carried: usize,
    /// Row JSON so far, without the brackets.
    pub(crate) bytes: u64,
}

impl Rows {
    /// Takes its first room; the head is what is known before the command is sent.
    pub(crate) fn new(budget: &Budget) -> Result<Self, Exhausted> {
        let room = budget.reserve(FIRST_ROOM)?;
        Ok(Rows { buffer: Vec::new(), room, carry: [b'[', 0, 0], carried: 1, bytes: 0 })
    }

    /// Forgets what was collected, for a second attempt.
    pub(crate) fn clear(&mut self) {
        self.buffer.clear();
        (self.carry, self.carried, self.bytes) = ([b'[', 0, 0], 1, 0);
    }

    /// Adds a piece of the inside of the JSON array.
    pub(crate) fn push(&mut self, head: impl FnOnce() -> Vec<u8>, piece: &[u8]) -> Result<(), Exhausted> {
        if self.buffer.is_empty() {
            self.buffer = head();
        }
        self.bytes += piece.len() as u64;
        self.encode(piece)
    }

    fn encode(&mut self, mut piece: &[u8]) -> Result<(), Exhausted> {
        let needed = self.buffer.len() + (self.carried + piece.len()) / 3 * 4 + 2 * 1024;
        if needed > self.buffer.capacity() {
            // Grown by doubling, as a Vec does itself, but counted first.
            let capacity = needed.max(self.buffer.capacity() * 2).max(FIRST_ROOM);
            self.room.grow_to(capacity)?;
            self.buffer.reserve_exact(capacity - self.buffer.len());
        }
        while self.carried > 0 && self.carried < 3 && !piece.is_empty() {
            self.carry[self.carried] = piece[0];
            self.carried += 1;
            piece = &piece[1..];
        }
        if self.carried == 3 {
            let carry = self.carry;
            self.append(&carry);
            self.carried = 0;
        }
        if self.carried == 0 {
            let whole = piece.len() / 3 * 3;
            self.append(&piece[..whole]);
            let rest = &piece[whole..];
            self.carry[..rest.len()].copy_from_slice(rest);
            self.carried = rest.len();
        }
        Ok(())
    }

    fn append(&mut self, bytes: &[u8]) {
        let at = self.buffer.len();
        self.buffer.resize(at + bytes.len().div_ceil(3) * 4, b'=');
        BASE64
            .encode_slice(bytes, &mut self.buffer[at..])
            .expect("the buffer was made as long as the encoding is");
    }

    /// The whole object of a command that yields rows.
    pub(crate) fn finish(
        self,
        head: impl FnOnce() -> Vec<u8>,
        record: &Record,
        outputs: &[proto::Parameter],
    ) -> Result<Bytes, Exhausted> {
        let (mut buffer, room) = self.close(head)?;
        let mut tail = Map::new();
        tail.insert("rows".into(), record.rows.into());
        tail.insert("size".into(), record.size.into());
        add_parameters(&mut tail, outputs);
        buffer.push(b',');
        buffer.extend_from_slice(inside(Value::Object(tail)).as_bytes());
        buffer.push(b',');
        buffer.extend_from_slice(inside(success_tail(record)).as_bytes());
        Ok(held(buffer, Some(room)))
    }

    /// The whole object of one page, or of a registered query's newest result: `tail` after the data.
    pub(crate) fn finish_page(self, tail: Map<String, Value>) -> Result<Bytes, Exhausted> {
        let (mut buffer, room) = self.close(open_page)?;
        if tail.is_empty() {
            buffer.push(b'}');
        } else {
            buffer.push(b',');
            buffer.extend_from_slice(inside(Value::Object(tail)).as_bytes());
        }
        Ok(held(buffer, Some(room)))
    }

    /// The array's end and the string's.
    fn close(mut self, head: impl FnOnce() -> Vec<u8>) -> Result<(Vec<u8>, Reservation), Exhausted> {
        self.push(head, b"")?;
        self.encode(b"]")?;
        let (carry, carried) = (self.carry, self.carried);
        self.append(&carry[..carried]);
        self.buffer.push(b'"');
        Ok((self.buffer, self.room))
    }
}

/// An answer on its way out keeps its share of the budget until its last byte is gone.
pub(crate) fn held<T: AsRef<[u8]> + Send + 'static>(buffer: T, room: Option<Reservation>) -> Bytes {
    Bytes::from_owner(Held { buffer, _room: room })
}

struct Held<T> {
    buffer: T,
    _room: Option<Reservation>,
}

impl<T: AsRef<[u8]>> AsRef<[u8]> for Held<T> {
    fn as_ref(&self) -> &[u8] {
        self.buffer.as_ref()
    }
}

/// `{…}` without the first brace.
fn inside(object: Value) -> String {
    let mut text = object.to_string();
    text.remove(0);
    text
}

/// The members that stand before the command is sent.
pub(crate) fn head(record: &Record, integrator: IntegratorId) -> Map<String, Value> {
    let mut object = Map::new();
    object.insert("id".into(), record.id.to_string().into());
    object.insert("integratorId".into(), integrator.to_string().into());
    object.insert("siteId".into(), record.site.to_string().into());
    object.insert("mode".into(), "immediate".into());
    object.insert("status".into(), record.status.name().into());
    object.insert("maxTimeInQueue".into(), record.max_time_in_queue.into());
    object.insert("commandSize".into(), record.command_size.into());
    object.insert("requestSize".into(), record.request_size.into());
    object.insert("createdAt".into(), time(record.created));
    object
}

/// The head of a successful answer with rows, as far as the rows.
pub(crate) fn open_rows(record: &Record, integrator: IntegratorId) -> Vec<u8> {
    let mut head = head(record, integrator);
    // Written before it is known: if it ends otherwise, all of this is thrown away.
    head.insert("status".into(), "successful".into());
    let mut text = Value::Object(head).to_string().into_bytes();
    text.pop();
    text.extend_from_slice(b",\"result\":{\"data\":\"");
    text
}

/// The head of a page.
pub(crate) fn open_page() -> Vec<u8> {
    b"{\"data\":\"".to_vec()
}

/// The whole object of a command that yields a count.
pub(crate) fn count(record: &Record, integrator: IntegratorId, outputs: &[proto::Parameter]) -> Bytes {
    let mut object = head(record, integrator);
    let mut result = Map::new();
    result.insert("rowsAffected".into(), rows_affected(record).into());
    result.insert("size".into(), record.size.into());
    add_parameters(&mut result, outputs);
    object.insert("result".into(), Value::Object(result));
    if let Value::Object(tail) = success_tail(record) {
        object.extend(tail);
    }
    Value::Object(object).to_string().into()
}

/// -1 where the database gave no count, as SQL Server's own clients say it.
pub(crate) fn rows_affected(record: &Record) -> i64 {
    record.rows_affected.unwrap_or(-1)
}

fn success_tail(record: &Record) -> Value {
    json!({
        "updatedAt": time(record.updated),
        "statusTiming": timing(record),
        "metrics": { "sqlExecutionDuration": record.sql_ms },
        "resultSize": record.result_size,
        "completedAt": time(record.updated),
    })
}

/// The published failed-query object.
pub(crate) fn failed(record: &Record, integrator: IntegratorId, details: &ErrorDetails) -> Vec<u8> {
    let mut object = head(record, integrator);
    object.insert("status".into(), "executionFailed".into());
    object.insert("updatedAt".into(), time(record.updated));
    object.insert("statusTiming".into(), timing(record));
    object.insert("errorDetails".into(), error_details(details));
    // Deprecated since 2023, and still read by somebody.
    object.insert("errorCode".into(), details.code.into());
    object.insert("errorMessage".into(), details.message.reveal().as_str().into());
    object.insert("completedAt".into(), time(record.updated));
    Value::Object(object).to_string().into_bytes()
}

/// What GET says of a query: all but rows, values and the database's words.
pub(crate) fn status(record: &Record, integrator: IntegratorId) -> Vec<u8> {
    let mut object = head(record, integrator);
    object.insert("updatedAt".into(), time(record.updated));
    object.insert("statusTiming".into(), timing(record));
    if record.completed().is_some() {
        object.insert("completedAt".into(), time(record.updated));
    }
    if record.status == crate::mirror::QueryStatus::Successful {
        object.insert("metrics".into(), json!({ "sqlExecutionDuration": record.sql_ms }));
        let result = match record.mode {
            ExecutionMode::NonQuery => json!({ "rowsAffected": rows_affected(record), "size": record.size }),
            _ => json!({ "rows": record.rows, "size": record.size }),
        };
        object.insert("result".into(), result);
        object.insert("resultSize".into(), record.result_size.into());
    }
    if let Some((kind, code)) = record.error {
        let message =
            "The reason was part of the answer to the command; of messages only kind and code are kept.";
        object.insert("errorDetails".into(), error_details(&ErrorDetails::new(kind, code, message)));
    }
    if let Some(effect) = record.effect {
        object.insert("effect".into(), json!(effect));
    }
    Value::Object(object).to_string().into_bytes()
}

/// `{"errorType","errorCode","errorMessage"}`, and ours beside them where the database says them: `"errorState"`, `"errorLine"`.
pub(crate) fn error_details(details: &ErrorDetails) -> Value {
    let kind = match details.kind {
        ErrorType::Http => "http",
        ErrorType::Mssql => "mssql",
        ErrorType::Fbsql => "fbsql",
        ErrorType::HaloLink => "haloLink",
    };
    let mut told =
        json!({ "errorType": kind, "errorCode": details.code, "errorMessage": details.message.reveal() });
    if let Some(state) = details.state {
        told["errorState"] = state.into();
    }
    if let Some(line) = details.line {
        told["errorLine"] = line.into();
    }
    told
}

/// Adds `parameters` when there are any: values are base64 of the text that a JSON value would have.
pub(crate) fn add_parameters(object: &mut Map<String, Value>, outputs: &[proto::Parameter]) {
    if !outputs.is_empty() {
        object.insert("parameters".into(), outputs.iter().map(parameter).collect());
    }
}

pub(crate) fn parameter(output: &proto::Parameter) -> Value {
    let direction = match proto::Direction::try_from(output.direction) {
        Ok(proto::Direction::InputOutput) => "inputOutput",
        Ok(proto::Direction::ReturnValue) => "returnValue",
        _ => "output",
    };
    let mut object = Map::new();
    object.insert("name".into(), output.name.as_str().into());
    object.insert("direction".into(), direction.into());
    object.insert("type".into(), output.r#type.as_str().into());
    object.insert("value".into(), output.value.as_ref().map(|value| BASE64.encode(value)).into());
    if let Some(size) = output.size {
        object.insert("size".into(), size.into());
    }
    Value::Object(object)
}

/// Bytes of the returned values, before base64.
pub(crate) fn outputs_size(outputs: &[proto::Parameter]) -> u64 {
    outputs.iter().filter_map(|output| output.value.as_ref()).map(|value| value.len() as u64).sum()
}

/// What returned parameters take up in memory while the answer is written, bytes: as received, in base64, as JSON.
pub(crate) fn outputs_room(outputs: &[proto::Parameter]) -> usize {
    let one = |p: &proto::Parameter| p.name.len() + p.r#type.len() + p.value.as_ref().map_or(0, String::len);
    outputs.iter().map(|output| one(output) * 4 + 256).sum()
}

/// The phases that were reached; for a success `executing` always, as published.
pub(crate) fn timing(record: &Record) -> Value {
    let timing = &record.timing;
    let mut object = Map::new();
    let mut phase = |name: &str, span: &Span, always: bool| {
        let mut phase = Map::new();
        if let Some(start) = span.start {
            phase.insert("startTime".into(), time(start));
        }
        if let Some(end) = span.end {
            phase.insert("endTime".into(), time(end));
        }
        if always || !phase.is_empty() {
            object.insert(name.into(), Value::Object(phase));
        }
    };
    phase("initialising", &timing.initialising, true);
    phase("executing", &timing.executing, record.status == crate::mirror::QueryStatus::Successful);
    phase("uploading", &timing.uploading, false);
    phase("downloading", &timing.downloading, false);
    Value::Object(object)
}

pub(crate) fn time(millis: i64) -> Value {
    Timestamp(millis).to_rfc3339().into()
}

#[cfg(test)]
mod tests;
