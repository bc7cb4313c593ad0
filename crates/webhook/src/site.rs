//! Sites that come and go, as the gateway sees them: a short break is no news.

use crate::{error::WebhookError, event::Event, outbox};
use model::{SiteId, Timestamp};
use rusqlite::{Connection, OptionalExtension, params};

/// Takes note of how a site was found, and puts an event into the outbox when that is news; whether it is.
///
/// A site counts as gone when it is found so twice in a row. The first look at one is no news. What was seen last is on disk, so that
/// a change is told also when the gateway was stopped meanwhile.
pub(crate) fn saw(
    connection: &Connection,
    site: SiteId,
    online: bool,
    now: Timestamp,
) -> Result<bool, WebhookError> {
    let id = site.as_bytes();
    let last: Option<(bool, bool)> = connection
        .prepare_cached("SELECT online, doubted FROM webhook_sites WHERE site = ?1")?
        .query_row([id], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((was_online, doubted)) = last else {
        connection.execute("INSERT INTO webhook_sites VALUES (?1, ?2, 0)", params![id, online])?;
        return Ok(false);
    };
    let doubts = was_online && !online && !doubted;
    let changed = was_online != online && !doubts;
    if changed || doubts != doubted {
        connection.execute(
            "UPDATE webhook_sites SET online = ?2, doubted = ?3 WHERE site = ?1",
            params![id, if changed { online } else { was_online }, doubts],
        )?;
    }
    if changed {
        outbox::enqueue(connection, &Event::of_site(site, online, now), now)?;
    }
    Ok(changed)
}
