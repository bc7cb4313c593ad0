//! The bodies of requests: bytes in, a checked command out. Pure, so that it can be fuzzed.
//!
//! Unknown fields are ignored, as existing clients expect. No message quotes the body: it holds SQL and values.

mod batch;
mod loose;
mod registered;

pub use batch::parse as parse_batch;
use loose::Loose;
use model::{Command, CommandType, Direction, ExecutionMode, Hidden, Parameter, ParameterType, limit};
pub use registered::{Registration, parse as parse_registered};
use serde::Deserialize;
use std::fmt::Write;

/// A checked request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// What to run, and in which catalogue.
    pub command: Command,
    /// How long it may wait for its turn, milliseconds. Immediate: 0 to 60,000, default 30,000; async: 0 to 7,200,000, default as
    /// the gateway is set.
    pub max_time_in_queue: u32,
    /// Our extension `readOnly`: run it so that the database refuses writes. Default false.
    pub read_only: bool,
}

/// Why a body is not a command. The text names field, position and what is allowed; it never quotes the body.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// Not JSON, or not of the published form: HTTP 400.
    #[error("{0}")]
    Invalid(String),
    /// Well-formed but longer than a command may be: HTTP 413.
    #[error("{0}")]
    TooLarge(String),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawBody<'a> {
    #[serde(default, borrow)]
    command: Option<RawCommand<'a>>,
    #[serde(default, borrow)]
    max_time_in_queue: Loose<'a>,
    #[serde(default, borrow)]
    catalogue: Loose<'a>,
    #[serde(default, borrow)]
    read_only: Loose<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawCommand<'a> {
    #[serde(default, borrow)]
    text: Loose<'a>,
    #[serde(default, borrow)]
    execution_mode: Loose<'a>,
    #[serde(default, borrow, rename = "type")]
    kind: Loose<'a>,
    #[serde(default, borrow)]
    parameters: Option<Vec<RawParameter<'a>>>,
}

#[derive(Deserialize)]
struct RawParameter<'a> {
    #[serde(default, borrow)]
    name: Loose<'a>,
    #[serde(default, borrow)]
    direction: Loose<'a>,
    #[serde(default, borrow, rename = "type")]
    kind: Loose<'a>,
    #[serde(default, borrow)]
    value: Loose<'a>,
    #[serde(default, borrow)]
    size: Loose<'a>,
    /// Beyond the published form: the database's own type, for `Structured` and `Udt`.
    #[serde(borrow, default, rename = "typeName")]
    type_name: Loose<'a>,
}

/// Reads the JSON body of `POST …/queries/immediate`. Whoever calls has limited its length already
/// ([`limit::REQUEST_BODY_BYTES`]).
pub fn parse(body: &[u8]) -> Result<Asked, BodyError> {
    asked(body, limit::IMMEDIATE_QUEUE_DEFAULT_MS, limit::IMMEDIATE_QUEUE_MAX_MS)
}

/// The same of `POST …/queries/async`; `queue_ms` is the `maxTimeInQueue` of a body that says none.
pub fn parse_async(body: &[u8], queue_ms: u32) -> Result<Asked, BodyError> {
    asked(body, queue_ms, limit::ASYNC_QUEUE_MAX_MS)
}

fn asked(body: &[u8], default: u32, most: u32) -> Result<Asked, BodyError> {
    let raw: RawBody<'_> = serde_json::from_slice(body).map_err(|e| invalid(json_problem(&e)))?;
    let Some(command) = raw.command else {
        return Err(invalid("The body has no `command`: {\"command\": {\"text\": \"…\"}}.".into()));
    };
    let max_time_in_queue = queue(&raw.max_time_in_queue, most)?.unwrap_or(default);
    let read_only = truth("readOnly", &raw.read_only)?.unwrap_or(false);
    let catalogue = name("catalogue", raw.catalogue)?;
    Ok(Asked { command: command_of(command, catalogue)?, max_time_in_queue, read_only })
}

fn queue(raw: &Loose<'_>, most: u32) -> Result<Option<u32>, BodyError> {
    let Some(n) = integer("maxTimeInQueue", raw)? else { return Ok(None) };
    let fits = u32::try_from(n).ok().filter(|n| *n <= most);
    fits.map(Some).ok_or_else(|| invalid(format!("`maxTimeInQueue` must be from 0 to {most} milliseconds.")))
}

fn truth(field: &str, raw: &Loose<'_>) -> Result<Option<bool>, BodyError> {
    match raw {
        Loose::Null => Ok(None),
        Loose::Bool(b) => Ok(Some(*b)),
        _ => Err(invalid(format!("`{field}` must be true or false."))),
    }
}

fn command_of(raw: RawCommand<'_>, catalogue: Option<String>) -> Result<Command, BodyError> {
    let text = match raw.text {
        Loose::Text(text) if text.trim().is_empty() => None,
        Loose::Text(text) => Some(Hidden::new(text.into_owned())),
        Loose::Null => None,
        _ => return Err(invalid("`command.text` must be a string.".into())),
    };
    let Some(text) = text else {
        return Err(invalid("`command.text` is missing or empty.".into()));
    };
    if text.reveal().len() > limit::COMMAND_TEXT_BYTES {
        return Err(BodyError::TooLarge(format!(
            "`command.text` is larger than {} bytes. The command was not executed.",
            limit::COMMAND_TEXT_BYTES
        )));
    }
    let raw_parameters = raw.parameters.unwrap_or_default();
    if raw_parameters.len() > limit::PARAMETERS {
        return Err(invalid(format!(
            "`command.parameters` holds more than {} parameters.",
            limit::PARAMETERS
        )));
    }
    let parameters =
        raw_parameters.into_iter().enumerate().map(|(i, p)| parameter(i, p)).collect::<Result<_, _>>()?;
    Ok(Command {
        text,
        mode: one_of("command.executionMode", &raw.execution_mode, &MODES)?.unwrap_or_default(),
        kind: one_of("command.type", &raw.kind, &KINDS)?.unwrap_or_default(),
        parameters,
        catalogue,
    })
}

const MODES: [(&str, ExecutionMode); 3] = [
    ("reader", ExecutionMode::Reader),
    ("nonQuery", ExecutionMode::NonQuery),
    ("scalar", ExecutionMode::Scalar),
];
const KINDS: [(&str, CommandType); 2] =
    [("text", CommandType::Text), ("storedProcedure", CommandType::StoredProcedure)];
const DIRECTIONS: [(&str, Direction); 4] = [
    ("output", Direction::Output),
    ("input", Direction::Input),
    ("inputOutput", Direction::InputOutput),
    ("returnValue", Direction::ReturnValue),
];

fn parameter(index: usize, raw: RawParameter<'_>) -> Result<Parameter, BodyError> {
    let field = |name: &str| format!("command.parameters[{index}].{name}");
    let direction = one_of(&field("direction"), &raw.direction, &DIRECTIONS)?.unwrap_or_default();
    let name = match name(&field("name"), raw.name)? {
        Some(name) => name,
        // A RETURN has no name of its own in SQL: existing clients leave it out.
        None if direction == Direction::ReturnValue => "@RETURN_VALUE".to_owned(),
        None => return Err(invalid(format!("`{}` is missing.", field("name")))),
    };
    let types: Vec<_> = ParameterType::ALL.into_iter().map(|t| (t.name(), t)).collect();
    let kind = match &raw.kind {
        Loose::Null => ParameterType::NVarChar,
        _ => one_of(&field("type"), &raw.kind, &types)?.unwrap_or(ParameterType::NVarChar),
    };
    let value = match raw.value {
        Loose::Null => None,
        Loose::Text(text) => Some(Hidden::new(text.into_owned())),
        _ => {
            return Err(invalid(format!(
                "`{}` must be a string or null: values of every type are sent as text.",
                field("value")
            )));
        }
    };
    let size = match integer(&field("size"), &raw.size)? {
        // -1 is how SQL Server clients say `max`.
        None | Some(-1) => None,
        Some(n) => Some(u32::try_from(n).map_err(|_| {
            invalid(format!("`{}` must be from 0 to {}, or -1 for the largest.", field("size"), u32::MAX))
        })?),
    };
    let type_name = self::name(&field("typeName"), raw.type_name)?;
    Ok(Parameter { name, direction, kind, value, size, type_name })
}

fn invalid(message: String) -> BodyError {
    BodyError::Invalid(message)
}

/// serde's own words can quote the body, so only position and kind are taken from them.
fn json_problem(error: &serde_json::Error) -> String {
    let (line, column) = (error.line(), error.column());
    match error.classify() {
        serde_json::error::Category::Eof => {
            format!("The body is not complete JSON: it ends at line {line}, column {column}.")
        }
        serde_json::error::Category::Data => format!(
            "The body does not have the published form near line {line}, column {column}: it must be an object; `command` an \
             object; `parameters` an array of objects; no field twice."
        ),
        _ => format!("The body is not valid JSON: see line {line}, column {column}."),
    }
}

fn one_of<T: Copy>(field: &str, raw: &Loose<'_>, allowed: &[(&str, T)]) -> Result<Option<T>, BodyError> {
    let found = match raw {
        Loose::Null => return Ok(None),
        Loose::Text(text) => allowed.iter().find(|(name, _)| name == text),
        _ => None,
    };
    found.map(|(_, value)| Some(*value)).ok_or_else(|| {
        let mut message = format!("`{field}` must be one of ");
        for (i, (name, _)) in allowed.iter().enumerate() {
            let _ = write!(message, "{}`{name}`", if i == 0 { "" } else { ", " });
        }
        message.push('.');
        invalid(message)
    })
}

fn integer(field: &str, raw: &Loose<'_>) -> Result<Option<i64>, BodyError> {
    match raw {
        Loose::Null => Ok(None),
        Loose::Integer(n) => Ok(Some(*n)),
        _ => Err(invalid(format!("`{field}` must be an integer."))),
    }
}

fn name(field: &str, raw: Loose<'_>) -> Result<Option<String>, BodyError> {
    match raw {
        Loose::Null => Ok(None),
        Loose::Text(text) if text.is_empty() => Err(invalid(format!("`{field}` is empty."))),
        Loose::Text(text) if text.len() > limit::NAME_BYTES => {
            Err(invalid(format!("`{field}` is longer than {} bytes.", limit::NAME_BYTES)))
        }
        Loose::Text(text) => Ok(Some(text.into_owned())),
        _ => Err(invalid(format!("`{field}` must be a string."))),
    }
}

#[cfg(test)]
mod tests;
