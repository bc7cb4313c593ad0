//! The outbox: events go in with the transaction that took them off a journal, and leave when an endpoint has taken them.

use crate::{
    backoff::Plan,
    delivery::{State, read_event},
    endpoint::{self, Endpoint},
    error::WebhookError,
    event::{Event, Kind, Kinds, Source, Sources, delivery_id},
    seal::Sealer,
    secret,
};
use model::{Hidden, Timestamp};
use rusqlite::{Connection, params};
use std::{collections::HashSet, time::Duration};
use uuid::Uuid;

/// An endpoint that takes nothing must not fill the disk: more than this are given up at once, and can be sent again later.
const PENDING: i64 = 100_000;
/// Of events about queries that its owner does not know, from one site: more than this are not put in at all.
const FOREIGN: i64 = 10_000;
/// No wait is this long. What is due later was written when the clock was wrong.
const LONGEST: Duration = Duration::from_secs(3 * 60 * 60);

/// Puts an event into the outbox, for each endpoint that wants it, within the caller's transaction; for how many.
///
/// An event that is there already is left as it is: telling one twice does no harm. [`crate::prepare`] must have seen the database.
/// Wake the sender after the commit ([`crate::Webhooks::wake`]).
///
/// # Errors
/// The database's own.
pub fn enqueue(transaction: &Connection, event: &Event, now: Timestamp) -> rusqlite::Result<usize> {
    enqueue_for(transaction, event, now, |_| Ok(true))
}

/// The same for an event of a query that somebody else made, as far as one knows: whoever made it tells of it too, and a site can invent
/// any number of them. So beside 10,000 notifications of a site that wait for an endpoint there is no room for it.
///
/// # Errors
/// The database's own.
pub fn enqueue_foreign(transaction: &Connection, event: &Event, now: Timestamp) -> rusqlite::Result<usize> {
    enqueue_for(transaction, event, now, |endpoint| {
        let waiting: i64 = transaction
            .prepare_cached(
                "SELECT count(*) FROM (SELECT 1 FROM webhook_deliveries WHERE endpoint = ?1 AND site = ?2 AND state = 0 LIMIT ?3)",
            )?
            .query_row(params![endpoint.as_bytes(), event.site.as_bytes(), FOREIGN], |row| row.get(0))?;
        Ok(waiting < FOREIGN)
    })
}

fn enqueue_for(
    transaction: &Connection,
    event: &Event,
    now: Timestamp,
    has_room: impl Fn(Uuid) -> rusqlite::Result<bool>,
) -> rusqlite::Result<usize> {
    if event.kind == Kind::Test {
        return Ok(0);
    }
    let mut statement = transaction.prepare_cached(
        "SELECT id FROM webhook_endpoints WHERE enabled = 1 AND sources & ?1 != 0 AND kinds & ?2 != 0 ORDER BY created, id",
    )?;
    let wanted = (Sources::of(&[event.source]).0, Kinds::of(&[event.kind]).0);
    let endpoints: Vec<[u8; 16]> =
        statement.query_map([wanted.0, wanted.1], |row| row.get(0))?.collect::<Result<_, _>>()?;
    let mut added = 0;
    for endpoint in endpoints {
        let endpoint = Uuid::from_bytes(endpoint);
        if has_room(endpoint)? {
            added += put(transaction, endpoint, event, now)?;
        }
    }
    Ok(added)
}

/// One event for one endpoint.
pub(crate) fn put(
    connection: &Connection,
    endpoint: Uuid,
    event: &Event,
    now: Timestamp,
) -> rusqlite::Result<usize> {
    let waiting: i64 = connection
        .prepare_cached("SELECT count(*) FROM (SELECT 1 FROM webhook_deliveries WHERE endpoint = ?1 AND state = 0 LIMIT ?2)")?
        .query_row(params![endpoint.as_bytes(), PENDING], |row| row.get(0))?;
    let full = waiting >= PENDING;
    let state = if full { State::Failed } else { State::Pending };
    let mut statement = connection.prepare_cached(
        "INSERT INTO webhook_deliveries (id, endpoint, event, kind, source, site, query, occurred, state, failure, tries, waited, due, created, changed)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, 0, 0, ?11, ?11, ?11) ON CONFLICT (id) DO NOTHING",
    )?;
    statement.execute(params![
        delivery_id(endpoint, event.id).as_bytes(),
        endpoint.as_bytes(),
        event.id.as_bytes(),
        event.kind.as_str(),
        event.source.as_str(),
        event.site.as_bytes(),
        event.query.as_ref().map(|id| id.as_bytes()),
        event.occurred.0,
        state.number(),
        full.then_some("backlog"),
        now.0
    ])
}

/// A delivery whose time has come, with what is needed to send it.
#[derive(Clone, Debug)]
pub(crate) struct Due {
    pub(crate) number: i64,
    pub(crate) event: Event,
    pub(crate) plan: Plan,
}

/// What there is to do for one endpoint.
#[derive(Debug)]
pub(crate) struct Work {
    pub(crate) endpoint: Endpoint,
    /// `None`: they can't be opened.
    pub(crate) secrets: Option<Vec<Hidden<String>>>,
    pub(crate) due: Vec<Due>,
}

/// What is due now for each endpoint, at most `lanes` for each together with those that are under way, and when the next one
/// after them is due.
pub(crate) fn due(
    connection: &Connection,
    sealer: &Sealer,
    under_way: &HashSet<i64>,
    lanes: usize,
    now: Timestamp,
) -> Result<(Vec<Work>, Option<Timestamp>), WebhookError> {
    let mut statement = connection.prepare_cached(
        "SELECT number, event, kind, source, site, query, occurred, tries, waited, due FROM webhook_deliveries
         WHERE endpoint = ?1 AND state = 0 ORDER BY due, number LIMIT ?2",
    )?;
    let (mut work, mut next) = (Vec::new(), None::<Timestamp>);
    for endpoint in endpoint::enabled(connection)? {
        // Those under way are still in the table, wherever they stand: they are due, so they come first.
        let rows = statement.query_map(
            params![endpoint.id.as_bytes(), (lanes + under_way.len()) as i64 + 1],
            |row| {
                let plan = Plan {
                    tries: row.get(7)?,
                    waited: Duration::from_millis(row.get::<_, i64>(8)?.unsigned_abs()),
                };
                let number: i64 = row.get(0)?;
                Ok((number, read_event(row, 1)?, plan, Timestamp(row.get(9)?)))
            },
        )?;
        let (mut busy, mut found) = (0, Vec::new());
        for row in rows {
            let (number, event, plan, at) = row?;
            if under_way.contains(&number) {
                busy += 1;
                continue;
            }
            // Words of a newer version: left for it.
            let Some(event) = event else { continue };
            if at > now && at < now.plus(LONGEST) {
                next = Some(next.map_or(at, |next| next.min(at)));
                break;
            }
            found.push(Due { number, event, plan });
        }
        found.truncate(lanes.saturating_sub(busy));
        if !found.is_empty() {
            let secrets = secret::open(connection, sealer, endpoint.id)?;
            work.push(Work { endpoint, secrets, due: found });
        }
    }
    Ok((work, next))
}

/// How an attempt ended.
#[derive(Clone, Debug)]
pub(crate) struct Ended {
    pub(crate) number: i64,
    pub(crate) began: Timestamp,
    pub(crate) took: Duration,
    pub(crate) status: Option<u16>,
    pub(crate) failure: Option<&'static str>,
    pub(crate) state: State,
    pub(crate) plan: Plan,
    /// Of a pending one.
    pub(crate) due: Timestamp,
}

/// Records attempts. Of a delivery that is no longer there nothing is kept.
pub(crate) fn record(connection: &Connection, ended: &[Ended], now: Timestamp) -> Result<(), WebhookError> {
    for one in ended {
        let changed = connection
            .prepare_cached(
                "UPDATE webhook_deliveries SET state = ?2, tries = ?3, waited = ?4, due = ?5, changed = ?6 WHERE number = ?1",
            )?
            .execute(params![
                one.number,
                one.state.number(),
                one.plan.tries,
                i64::try_from(one.plan.waited.as_millis()).unwrap_or(i64::MAX),
                one.due.0,
                now.0
            ])?;
        if changed == 1 {
            connection
                .prepare_cached(
                    "INSERT INTO webhook_attempts SELECT ?1, coalesce(max(number), 0) + 1, ?2, ?3, ?4, ?5
                     FROM webhook_attempts WHERE delivery = ?1",
                )?
                .execute(params![
                    one.number,
                    one.began.0,
                    u32::try_from(one.took.as_millis()).unwrap_or(u32::MAX),
                    one.status,
                    one.failure
                ])?;
        }
    }
    Ok(())
}

/// Puts a test into the outbox of one endpoint; `None` when there is no such endpoint.
pub(crate) fn test(
    connection: &Connection,
    id: Uuid,
    event: Uuid,
    now: Timestamp,
) -> Result<Option<Uuid>, WebhookError> {
    let Some(endpoint) = endpoint::get(connection, id)? else { return Ok(None) };
    let source = endpoint.settings.sources.iter().next().unwrap_or(Source::Async);
    let query = (source != Source::Site).then_some(model::QueryId(Uuid::nil()));
    let event =
        Event { id: event, kind: Kind::Test, source, site: model::SiteId(Uuid::nil()), query, occurred: now };
    put(connection, id, &event, now)?;
    Ok(Some(delivery_id(id, event.id)))
}
