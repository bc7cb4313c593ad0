//! An endpoint's secrets: one in use and, while they are being changed, the one that will replace it.
//!
//! The one in use keeps signing the published header until the change is finished, so that a receiver which knows it alone
//! goes on working; the new one signs a header of ours beside it.

use crate::{error::WebhookError, seal::Sealer, sign};
use model::{Hidden, Timestamp};
use rand::RngCore;
use rusqlite::{Connection, params};
use uuid::Uuid;

/// What may be shown of a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SecretInfo {
    /// Counts up with each new one.
    pub number: i64,
    /// When it was set.
    pub created: Timestamp,
}

/// A step of changing secrets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A second secret is made.
    Begin,
    /// The second one is used from now on, the first is forgotten.
    Finish,
    /// The second one is forgotten.
    Cancel,
}

/// The caller's own, or a random one of 256 bits.
pub(crate) fn choose(
    own: Option<Hidden<String>>,
    rng: &mut dyn RngCore,
) -> Result<Hidden<String>, WebhookError> {
    match own {
        Some(own)
            if !(16..=256).contains(&own.reveal().len())
                || !own.reveal().bytes().all(|b| b.is_ascii_graphic()) =>
        {
            Err(WebhookError::BadSecret)
        }
        Some(own) => Ok(own),
        None => {
            let mut bytes = [0; 32];
            rng.fill_bytes(&mut bytes);
            let bytes = Hidden::new(bytes);
            Ok(Hidden::new(sign::hex(bytes.reveal())))
        }
    }
}

/// Where a secret stands: part of what is sealed.
fn place(endpoint: Uuid, number: i64) -> Vec<u8> {
    [&b"webhook"[..], endpoint.as_bytes(), &number.to_be_bytes()].concat()
}

pub(crate) fn add(
    connection: &Connection,
    sealer: &Sealer,
    endpoint: Uuid,
    secret: &Hidden<String>,
    now: Timestamp,
) -> Result<(), WebhookError> {
    let number: i64 = connection.query_row(
        "SELECT coalesce(max(number), 0) + 1 FROM webhook_secrets WHERE endpoint = ?1",
        [endpoint.as_bytes()],
        |row| row.get(0),
    )?;
    let sealed = sealer.seal(&place(endpoint, number), secret).ok_or(WebhookError::Sealed)?;
    connection.execute(
        "INSERT INTO webhook_secrets VALUES (?1, ?2, ?3, ?4)",
        params![endpoint.as_bytes(), number, sealed, now.0],
    )?;
    Ok(())
}

/// Takes one step; `secret` is the one that begins.
pub(crate) fn step(
    connection: &Connection,
    sealer: &Sealer,
    endpoint: Uuid,
    step: Step,
    secret: &Hidden<String>,
    now: Timestamp,
) -> Result<(), WebhookError> {
    let there = list(connection, endpoint)?;
    match (step, there.as_slice()) {
        (Step::Begin, [] | [_]) => add(connection, sealer, endpoint, secret, now),
        (Step::Begin, _) => Err(WebhookError::TwoAlready),
        (Step::Finish, [old, _, ..]) => forget(connection, endpoint, old.number),
        (Step::Cancel, [_, new, ..]) => forget(connection, endpoint, new.number),
        (Step::Finish | Step::Cancel, _) => Err(WebhookError::OneOnly),
    }
}

fn forget(connection: &Connection, endpoint: Uuid, number: i64) -> Result<(), WebhookError> {
    connection.execute(
        "DELETE FROM webhook_secrets WHERE endpoint = ?1 AND number = ?2",
        params![endpoint.as_bytes(), number],
    )?;
    Ok(())
}

/// The one in use first.
pub(crate) fn list(connection: &Connection, endpoint: Uuid) -> Result<Vec<SecretInfo>, WebhookError> {
    let mut statement = connection
        .prepare_cached("SELECT number, created FROM webhook_secrets WHERE endpoint = ?1 ORDER BY number")?;
    let rows = statement.query_map([endpoint.as_bytes()], |row| {
        Ok(SecretInfo { number: row.get(0)?, created: Timestamp(row.get(1)?) })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The secrets themselves, the one in use first; `None` where one does not open.
pub(crate) fn open(
    connection: &Connection,
    sealer: &Sealer,
    endpoint: Uuid,
) -> Result<Option<Vec<Hidden<String>>>, WebhookError> {
    let mut statement = connection
        .prepare_cached("SELECT number, sealed FROM webhook_secrets WHERE endpoint = ?1 ORDER BY number")?;
    let rows = statement
        .query_map([endpoint.as_bytes()], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?)))?;
    let mut secrets = Vec::new();
    for row in rows {
        let (number, sealed) = row?;
        let Some(secret) = sealer.open(&place(endpoint, number), &sealed) else { return Ok(None) };
        secrets.push(secret);
    }
    Ok((!secrets.is_empty()).then_some(secrets))
}
