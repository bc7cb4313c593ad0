//! The body of `POST …/queries/registered`.

use super::{BodyError, Loose, RawBody, command_of, integer, invalid, json_problem, name, queue, truth};
use model::{Command, limit};
use serde::Deserialize;

/// A checked registration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registration {
    /// Chosen by the integrator.
    pub name: String,
    /// Seconds between two runs: 5 to 34,560,000.
    pub frequency: u64,
    /// How long it goes on, seconds: 1 to 34,560,000.
    pub duration: u64,
    /// What to run, and in which catalogue.
    pub command: Command,
    /// How long each run may wait for its turn, milliseconds: 0 to 7,200,000, default the time between two runs.
    pub max_time_in_queue: u32,
    /// As of other queries.
    pub read_only: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Raw<'a> {
    #[serde(default, borrow)]
    name: Loose<'a>,
    #[serde(default, borrow)]
    registered_query_type: Loose<'a>,
    #[serde(default, borrow)]
    frequency: Loose<'a>,
    #[serde(default, borrow)]
    duration: Loose<'a>,
    #[serde(default, borrow)]
    register_command: Option<RawBody<'a>>,
    #[serde(default, borrow)]
    max_time_in_queue: Loose<'a>,
    #[serde(default, borrow)]
    catalogue: Loose<'a>,
    #[serde(default, borrow)]
    read_only: Loose<'a>,
}

/// Reads the JSON body; whoever calls has limited its length already.
pub fn parse(body: &[u8]) -> Result<Registration, BodyError> {
    let raw: Raw<'_> = serde_json::from_slice(body).map_err(|e| invalid(json_problem(&e)))?;
    let Some(name) = name("name", raw.name)? else { return Err(invalid("`name` is missing.".into())) };
    match raw.registered_query_type {
        Loose::Text(text) if text == "query" => {}
        Loose::Null => {
            return Err(invalid("`registeredQueryType` is missing: it must be `query`.".into()));
        }
        _ => return Err(invalid("`registeredQueryType` must be `query`.".into())),
    }
    let seconds = |field: &str, raw: &Loose<'_>, least: u64| {
        let most = limit::REGISTERED_DURATION_MAX_S;
        let Some(n) = integer(field, raw)? else { return Err(invalid(format!("`{field}` is missing."))) };
        let fits = u64::try_from(n).ok().filter(|n| (least..=most).contains(n));
        fits.ok_or_else(|| invalid(format!("`{field}` must be from {least} to {most} seconds.")))
    };
    let frequency = seconds("frequency", &raw.frequency, limit::REGISTERED_FREQUENCY_MIN_S)?;
    let duration = seconds("duration", &raw.duration, 1)?;
    let inner = raw
        .register_command
        .and_then(|inner| Some((inner.command?, inner.catalogue, inner.max_time_in_queue, inner.read_only)));
    let Some((command, catalogue, max_time_in_queue, read_only)) = inner else {
        let message = "The body has no `registerCommand.command`: {\"registerCommand\": {\"command\": {\"text\": \"…\"}}}.";
        return Err(invalid(message.into()));
    };
    // What stands beside `command` goes before what stands at the top.
    let catalogue = match self::name_of(catalogue)? {
        Some(name) => Some(name),
        None => self::name_of(raw.catalogue)?,
    };
    let most = limit::ASYNC_QUEUE_MAX_MS;
    let queue_ms = match queue(&max_time_in_queue, most)? {
        Some(n) => n,
        None => queue(&raw.max_time_in_queue, most)?
            .unwrap_or_else(|| u32::try_from(frequency * 1000).unwrap_or(most).min(most)),
    };
    let read_only = match truth("readOnly", &read_only)? {
        Some(b) => b,
        None => truth("readOnly", &raw.read_only)?.unwrap_or(false),
    };
    Ok(Registration {
        name,
        frequency,
        duration,
        command: command_of(command, catalogue)?,
        max_time_in_queue: queue_ms,
        read_only,
    })
}

fn name_of(catalogue: Loose<'_>) -> Result<Option<String>, BodyError> {
    name("catalogue", catalogue)
}
