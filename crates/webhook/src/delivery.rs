//! The log of deliveries, kept seven days: what was sent where, when, and what came back. No bodies.

use crate::{
    error::WebhookError,
    event::{Event, Kind, Source},
};
use model::{QueryId, SiteId, Timestamp};
use rusqlite::{Connection, OptionalExtension, Row, params};
use uuid::Uuid;

/// Most entries of one answer.
const MOST: u32 = 200;
/// How long the log is kept, ms.
const KEEP_MS: i64 = 7 * 24 * 60 * 60 * 1000;

/// How a delivery stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It waits for its first or next attempt, or an attempt runs.
    Pending,
    /// The endpoint took it.
    Delivered,
    /// It was given up. It can be sent again.
    Failed,
}

impl State {
    /// As it is written in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            State::Pending => "pending",
            State::Delivered => "delivered",
            State::Failed => "failed",
        }
    }

    /// Reads one.
    pub fn parse(text: &str) -> Option<State> {
        [State::Pending, State::Delivered, State::Failed].into_iter().find(|state| state.as_str() == text)
    }

    pub(crate) fn number(self) -> i64 {
        match self {
            State::Pending => 0,
            State::Delivered => 1,
            State::Failed => 2,
        }
    }

    fn of(number: i64) -> State {
        match number {
            0 => State::Pending,
            1 => State::Delivered,
            _ => State::Failed,
        }
    }
}

/// One event on its way to one endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Names it.
    pub id: Uuid,
    /// Its place in the log; later ones are higher.
    pub number: i64,
    /// Where to.
    pub endpoint: Uuid,
    /// What.
    pub event: Event,
    /// How it stands.
    pub state: State,
    /// Why it was given up without an attempt, if it was.
    pub failure: Option<String>,
    /// When it was put into the outbox.
    pub created: Timestamp,
    /// While pending: when the next attempt is due.
    pub due: Option<Timestamp>,
    /// Oldest first.
    pub attempts: Vec<Attempt>,
}

/// One attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// When it began.
    pub began: Timestamp,
    /// How long it took, ms.
    pub took_ms: u32,
    /// What the endpoint answered.
    pub status: Option<u16>,
    /// Or why there was no answer: one of the words of `Failure`.
    pub failure: Option<String>,
}

/// Which deliveries to list.
#[derive(Clone, Copy, Debug, Default)]
pub struct Filter {
    /// Of one endpoint.
    pub endpoint: Option<Uuid>,
    /// In this state.
    pub state: Option<State>,
    /// Put into the outbox then or later.
    pub since: Option<Timestamp>,
    /// With a lower number: to go on where a list ended.
    pub before: Option<i64>,
    /// At most so many, and at most 200.
    pub limit: u32,
}

const COLUMNS: &str =
    "number, id, endpoint, event, kind, source, site, query, occurred, state, failure, due, created";

/// Newest first.
pub(crate) fn list(connection: &Connection, filter: &Filter) -> Result<Vec<Delivery>, WebhookError> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM webhook_deliveries WHERE (?1 IS NULL OR endpoint = ?1) AND (?2 IS NULL OR state = ?2)
         AND (?3 IS NULL OR created >= ?3) AND (?4 IS NULL OR number < ?4) ORDER BY number DESC LIMIT ?5"
    ))?;
    let rows = statement.query_map(
        params![
            filter.endpoint.map(Uuid::into_bytes),
            filter.state.map(State::number),
            filter.since.map(|at| at.0),
            filter.before,
            filter.limit.clamp(1, MOST)
        ],
        read,
    )?;
    let found: Vec<Option<Delivery>> = rows.collect::<Result<_, _>>()?;
    found.into_iter().flatten().map(|delivery| complete(connection, delivery)).collect()
}

pub(crate) fn get(connection: &Connection, id: Uuid) -> Result<Option<Delivery>, WebhookError> {
    let found = connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM webhook_deliveries WHERE id = ?1"))?
        .query_row([id.as_bytes()], read)
        .optional()?;
    found.flatten().map(|delivery| complete(connection, delivery)).transpose()
}

/// Begins anew with one delivery, whatever became of it. Whether it is in the log.
pub(crate) fn again(connection: &Connection, id: Uuid, now: Timestamp) -> Result<bool, WebhookError> {
    let changed = connection.execute(
        "UPDATE webhook_deliveries SET state = 0, failure = NULL, tries = 0, waited = 0, due = ?2, changed = ?2 WHERE id = ?1",
        params![id.as_bytes(), now.0],
    )?;
    Ok(changed == 1)
}

/// Begins anew with all that were given up and put into the outbox since then; how many.
pub(crate) fn again_failed(
    connection: &Connection,
    endpoint: Option<Uuid>,
    since: Timestamp,
    now: Timestamp,
) -> Result<usize, WebhookError> {
    Ok(connection.execute(
        "UPDATE webhook_deliveries SET state = 0, failure = NULL, tries = 0, waited = 0, due = ?3, changed = ?3
         WHERE state = 2 AND created >= ?2 AND (?1 IS NULL OR endpoint = ?1)",
        params![endpoint.map(Uuid::into_bytes), since.0, now.0],
    )?)
}

/// Forgets what is older than seven days.
pub(crate) fn sweep(connection: &Connection, now: Timestamp) -> Result<(), WebhookError> {
    let before = now.0.saturating_sub(KEEP_MS);
    connection.execute(
        "DELETE FROM webhook_attempts WHERE delivery IN (SELECT number FROM webhook_deliveries WHERE changed < ?1)",
        [before],
    )?;
    connection.execute("DELETE FROM webhook_deliveries WHERE changed < ?1", [before])?;
    Ok(())
}

/// The five columns of an event, from `from` on; `None` for words of a newer version.
pub(crate) fn read_event(row: &Row<'_>, from: usize) -> rusqlite::Result<Option<Event>> {
    let (kind, source): (String, String) = (row.get(from + 1)?, row.get(from + 2)?);
    let (Some(kind), Some(source)) = (Kind::parse(&kind), Source::parse(&source)) else { return Ok(None) };
    Ok(Some(Event {
        id: Uuid::from_bytes(row.get(from)?),
        kind,
        source,
        site: SiteId(Uuid::from_bytes(row.get(from + 3)?)),
        query: row.get::<_, Option<[u8; 16]>>(from + 4)?.map(|id| QueryId(Uuid::from_bytes(id))),
        occurred: Timestamp(row.get(from + 5)?),
    }))
}

fn read(row: &Row<'_>) -> rusqlite::Result<Option<Delivery>> {
    let Some(event) = read_event(row, 3)? else { return Ok(None) };
    let state = State::of(row.get(9)?);
    let due = Timestamp(row.get(11)?);
    Ok(Some(Delivery {
        number: row.get(0)?,
        id: Uuid::from_bytes(row.get(1)?),
        endpoint: Uuid::from_bytes(row.get(2)?),
        event,
        state,
        failure: row.get(10)?,
        created: Timestamp(row.get(12)?),
        due: (state == State::Pending).then_some(due),
        attempts: Vec::new(),
    }))
}

fn complete(connection: &Connection, mut delivery: Delivery) -> Result<Delivery, WebhookError> {
    let mut statement = connection.prepare_cached(
        "SELECT began, took, status, failure FROM webhook_attempts WHERE delivery = ?1 ORDER BY number",
    )?;
    let rows = statement.query_map([delivery.number], |row| {
        Ok(Attempt {
            began: Timestamp(row.get(0)?),
            took_ms: row.get(1)?,
            status: row.get(2)?,
            failure: row.get(3)?,
        })
    })?;
    delivery.attempts = rows.collect::<Result<_, _>>()?;
    Ok(delivery)
}
