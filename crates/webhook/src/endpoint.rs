//! An integrator's endpoints: where to send what.

use crate::{
    error::WebhookError,
    event::{Kinds, Source, Sources},
    secret::{self, SecretInfo},
    template::UrlTemplate,
};
use model::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};
use uuid::Uuid;

/// As many endpoints as there may be. Each has lanes of its own, so this also bounds what goes on at once.
pub const ENDPOINTS: usize = 32;

/// What the integrator chooses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Where to.
    pub url: UrlTemplate,
    /// From where events are wanted.
    pub sources: Sources,
    /// Which.
    pub kinds: Kinds,
    /// Off: nothing is sent, and what happens meanwhile is not kept for it.
    pub enabled: bool,
}

impl Settings {
    /// That they make sense together.
    ///
    /// # Errors
    /// [`WebhookError`], for the one who wrote them.
    pub fn check(&self) -> Result<(), WebhookError> {
        if self.sources == Sources::default() {
            return Err(WebhookError::NoSource);
        }
        if self.sources.has(Source::Site) && self.url.names_query() {
            return Err(WebhookError::QueryOfSite);
        }
        match self.sources.iter().find(|source| !Kinds::from(*source).meets(self.kinds)) {
            Some(source) => Err(WebhookError::NothingOf(source.as_str())),
            None => Ok(()),
        }
    }
}

/// One of them, as it can be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Names it.
    pub id: Uuid,
    /// See there.
    pub settings: Settings,
    /// When it was made.
    pub created: Timestamp,
    /// When its settings were last changed.
    pub updated: Timestamp,
    /// The one in use first.
    pub secrets: Vec<SecretInfo>,
    /// How its deliveries of the last seven days stand.
    pub totals: Totals,
}

/// Counts of deliveries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Not over yet.
    pub pending: u64,
    /// Taken.
    pub delivered: u64,
    /// Given up.
    pub failed: u64,
}

pub(crate) fn insert(
    connection: &Connection,
    id: Uuid,
    settings: &Settings,
    now: Timestamp,
) -> Result<(), WebhookError> {
    let added = connection.execute(
        "INSERT INTO webhook_endpoints SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?6 WHERE (SELECT count(*) FROM webhook_endpoints) < ?7",
        params![
            id.as_bytes(),
            settings.url.as_str(),
            settings.sources.0,
            settings.kinds.0,
            settings.enabled,
            now.0,
            i64::try_from(ENDPOINTS).unwrap_or(i64::MAX)
        ],
    )?;
    if added == 0 { Err(WebhookError::TooMany) } else { Ok(()) }
}

/// Whether it was there.
pub(crate) fn replace(
    connection: &Connection,
    id: Uuid,
    settings: &Settings,
    now: Timestamp,
) -> Result<bool, WebhookError> {
    let changed = connection.execute(
        "UPDATE webhook_endpoints SET url = ?2, sources = ?3, kinds = ?4, enabled = ?5, updated = ?6 WHERE id = ?1",
        params![id.as_bytes(), settings.url.as_str(), settings.sources.0, settings.kinds.0, settings.enabled, now.0],
    )?;
    Ok(changed == 1)
}

/// With all that was to be sent to it, and the log of it. Whether it was there.
pub(crate) fn remove(connection: &Connection, id: Uuid) -> Result<bool, WebhookError> {
    let id = id.as_bytes();
    connection.execute(
        "DELETE FROM webhook_attempts WHERE delivery IN (SELECT number FROM webhook_deliveries WHERE endpoint = ?1)",
        [id],
    )?;
    connection.execute("DELETE FROM webhook_deliveries WHERE endpoint = ?1", [id])?;
    connection.execute("DELETE FROM webhook_secrets WHERE endpoint = ?1", [id])?;
    Ok(connection.execute("DELETE FROM webhook_endpoints WHERE id = ?1", [id])? == 1)
}

pub(crate) fn get(connection: &Connection, id: Uuid) -> Result<Option<Endpoint>, WebhookError> {
    let found = connection
        .prepare_cached(
            "SELECT id, url, sources, kinds, enabled, created, updated FROM webhook_endpoints WHERE id = ?1",
        )?
        .query_row([id.as_bytes()], read)
        .optional()?;
    found.flatten().map(|endpoint| complete(connection, endpoint)).transpose()
}

/// Oldest first.
pub(crate) fn list(connection: &Connection) -> Result<Vec<Endpoint>, WebhookError> {
    let mut statement = connection.prepare_cached(
        "SELECT id, url, sources, kinds, enabled, created, updated FROM webhook_endpoints ORDER BY created, id",
    )?;
    let rows: Vec<Option<Endpoint>> = statement.query_map([], read)?.collect::<Result<_, _>>()?;
    rows.into_iter().flatten().map(|endpoint| complete(connection, endpoint)).collect()
}

/// Those that are switched on, without counts and secrets.
pub(crate) fn enabled(connection: &Connection) -> Result<Vec<Endpoint>, WebhookError> {
    let mut statement = connection.prepare_cached(
        "SELECT id, url, sources, kinds, enabled, created, updated FROM webhook_endpoints WHERE enabled = 1 ORDER BY created, id",
    )?;
    let rows: Vec<Option<Endpoint>> = statement.query_map([], read)?.collect::<Result<_, _>>()?;
    Ok(rows.into_iter().flatten().collect())
}

/// `None` for an address that this version can't read: it was checked when it was stored.
fn read(row: &Row<'_>) -> rusqlite::Result<Option<Endpoint>> {
    let url: String = row.get(1)?;
    // Whether plain HTTP is still allowed is asked when something is sent.
    let Ok(url) = UrlTemplate::parse(&url, true) else { return Ok(None) };
    let settings =
        Settings { url, sources: Sources(row.get(2)?), kinds: Kinds(row.get(3)?), enabled: row.get(4)? };
    Ok(Some(Endpoint {
        id: Uuid::from_bytes(row.get(0)?),
        settings,
        created: Timestamp(row.get(5)?),
        updated: Timestamp(row.get(6)?),
        secrets: Vec::new(),
        totals: Totals::default(),
    }))
}

fn complete(connection: &Connection, mut endpoint: Endpoint) -> Result<Endpoint, WebhookError> {
    endpoint.secrets = secret::list(connection, endpoint.id)?;
    let mut statement = connection.prepare_cached(
        "SELECT state, count(*) FROM webhook_deliveries WHERE endpoint = ?1 GROUP BY state",
    )?;
    let rows = statement
        .query_map([endpoint.id.as_bytes()], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)))?;
    for row in rows {
        let (state, count) = row?;
        let count = count.unsigned_abs();
        match state {
            0 => endpoint.totals.pending = count,
            1 => endpoint.totals.delivered = count,
            _ => endpoint.totals.failed = count,
        }
    }
    Ok(endpoint)
}
