//! What was given and is taken back, in the gateway's database: whoever shares it sees a change at once.
//!
//! A token carries two numbers: how often all tokens, and those of its device, had been revoked when it was made. Numbers and no
//! times: no clock that is set makes a token good again, and giving a device its access back revives no old token.
//!
//! The numbers are each database's own. Of a token that another gateway gave under the same keys they say nothing: it is held
//! against the time of the last change here that took tokens back.

use crate::store::{self, Store, StoreError};
use model::{DeviceId, Timestamp};
use rand::RngCore;
use rusqlite::{Connection, OptionalExtension, params};
use std::{
    path::Path,
    sync::{Mutex, PoisonError},
};

/// Names the count of times that all tokens were revoked.
const ALL: &str = "desktop-tokens-revoked";
/// Names the time of the last, milliseconds since 1970. It never falls, so that no clock that is set makes a token good again.
const ALL_AT: &str = "desktop-tokens-revoked-at";
/// Names the number that tells this gateway from those that share its keys.
const INSTANCE: &str = "desktop-instance";

/// A device that gets no tokens, and whose tokens count no more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revocation {
    /// Which.
    pub device: DeviceId,
    /// Since when; not before its last revocation, whatever the clock says.
    pub at: Timestamp,
}

/// How a device stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) revoked: bool,
    pub(crate) all: u64,
    pub(crate) device: u64,
    /// Until when tokens were taken back: all of them, or this device's.
    pub(crate) last: Option<Timestamp>,
}

/// Reads for every call of a desktop application, on a connection of its own: it waits for no writer.
pub struct Revocations(Mutex<Connection>);

impl std::fmt::Debug for Revocations {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Revocations")
    }
}

impl Revocations {
    /// Over the gateway's data folder.
    ///
    /// # Errors
    /// The database's own.
    pub fn open(data: &Path) -> Result<Self, StoreError> {
        Ok(Revocations(Mutex::new(store::connect(&data.join(store::FILE))?)))
    }

    /// Which gateway this is, among those that share its keys: drawn at the first start, and kept. 64 bits tell a handful apart;
    /// nobody gains by knowing them.
    pub(super) fn instance(&self, now: Timestamp, rng: &mut dyn RngCore) -> Result<String, StoreError> {
        let mut drawn = [0; 8];
        rng.fill_bytes(&mut drawn);
        let connection = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // An earlier version kept no time of it: it was some time until now.
        connection.execute(
            "INSERT INTO counters SELECT ?1, ?2 FROM counters WHERE name = ?3 ON CONFLICT (name) DO NOTHING",
            params![ALL_AT, now.0, ALL],
        )?;
        let kept: i64 = connection.query_row(
            "INSERT INTO counters VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = value RETURNING value",
            params![INSTANCE, i64::from_le_bytes(drawn)],
            |row| row.get(0),
        )?;
        Ok(format!("{kept:016x}"))
    }

    pub(crate) fn standing(&self, device: &DeviceId) -> Result<Standing, StoreError> {
        let connection = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut counter = connection.prepare_cached("SELECT value FROM counters WHERE name = ?1")?;
        let all = counter.query_row([ALL], |row| row.get::<_, i64>(0)).optional()?;
        let all_at = counter.query_row([ALL_AT], |row| row.get::<_, i64>(0)).optional()?;
        let device = connection
            .prepare_cached("SELECT revoked, times, at FROM desktop_devices WHERE device = ?1")?
            .query_row([device.as_str()], |row| {
                Ok((row.get::<_, bool>(0)?, row.get::<_, i64>(1)?, row.get::<_, i64>(2)?))
            })
            .optional()?;
        let device_at = device.map(|(_, _, at)| at);
        let (revoked, times, _) = device.unwrap_or_default();
        Ok(Standing {
            revoked,
            all: all.unwrap_or(0).unsigned_abs(),
            device: times.unsigned_abs(),
            last: all_at.max(device_at).map(Timestamp),
        })
    }

    /// The devices that are revoked now, newest first, at most 1,000.
    ///
    /// # Errors
    /// The database's own.
    pub fn list(&self) -> Result<Vec<Revocation>, StoreError> {
        let connection = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut statement = connection.prepare_cached(
            "SELECT device, at FROM desktop_devices WHERE revoked ORDER BY at DESC, device LIMIT 1000",
        )?;
        let rows = statement.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get(1)?)))?;
        let rows = rows.collect::<Result<Vec<_>, _>>()?;
        Ok(rows
            .into_iter()
            .filter_map(|(device, at)| {
                Some(Revocation { device: DeviceId::parse(&device).ok()?, at: Timestamp(at) })
            })
            .collect())
    }
}

/// Revokes a device: its tokens count no more, and it gets no new ones until [`allow`]. Since when it is revoked.
///
/// # Errors
/// The database's own.
pub fn revoke(store: &Store, device: &DeviceId, now: Timestamp) -> Result<Revocation, StoreError> {
    let at = store.lock().query_row(
        "INSERT INTO desktop_devices (device, revoked, times, at) VALUES (?1, 1, 1, ?2)
           ON CONFLICT (device) DO UPDATE SET at = iif(revoked, at, max(at, ?2)), times = times + (revoked = 0), revoked = 1 RETURNING at",
        params![device.as_str(), now.0],
        |row| row.get(0),
    )?;
    Ok(Revocation { device: device.clone(), at: Timestamp(at) })
}

/// Lets a device have tokens again; those from before stay dead, also such that another gateway gave it meanwhile. Whether it was
/// revoked.
///
/// # Errors
/// The database's own.
pub fn allow(store: &Store, device: &DeviceId, now: Timestamp) -> Result<bool, StoreError> {
    let changed = store.lock().execute(
        "UPDATE desktop_devices SET revoked = 0, at = max(at, ?2) WHERE device = ?1 AND revoked",
        params![device.as_str(), now.0],
    )?;
    Ok(changed == 1)
}

/// Revokes every token that was given so far; devices may get new ones at once.
///
/// # Errors
/// The database's own.
pub fn revoke_all(store: &Store, now: Timestamp) -> Result<(), StoreError> {
    // Number and time in one statement: neither is there without the other.
    store.lock().execute(
        "INSERT INTO counters VALUES (?1, 1), (?2, ?3) ON CONFLICT (name) DO UPDATE SET value = max(value + 1, excluded.value)",
        params![ALL, ALL_AT, now.0],
    )?;
    Ok(())
}

#[cfg(test)]
mod tests;
