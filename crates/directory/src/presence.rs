//! Who is connected, how the others left, and what the published words for that are.

use crate::{Directory, DirectoryError};
use model::{Availability, SiteId, Timestamp};
use rusqlite::params;
use std::time::Duration;

/// Silence after which a site is `unreachable`: the published rule.
const SILENCE: Duration = Duration::from_secs(120);

/// How a Link's connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Departure {
    /// The Link closed its session.
    Goodbye,
    /// The connection broke or fell silent.
    Lost,
}

#[derive(Clone, Copy)]
pub(crate) enum Presence {
    Online,
    Goodbye,
    Lost,
}

impl Presence {
    pub(crate) fn from_column(text: &str) -> Option<Self> {
        match text {
            "online" => Some(Presence::Online),
            "goodbye" => Some(Presence::Goodbye),
            "lost" => Some(Presence::Lost),
            _ => None,
        }
    }

    /// The published word, and when the site was last heard: an open connection is heard all the time.
    pub(crate) fn at(self, now: Timestamp, last_seen: Timestamp) -> (Availability, Timestamp) {
        match self {
            Presence::Online => (Availability::Online, now.max(last_seen)),
            Presence::Lost if now.since(last_seen) >= SILENCE => (Availability::Unreachable, last_seen),
            Presence::Goodbye | Presence::Lost => (Availability::Offline, last_seen),
        }
    }
}

impl Directory {
    /// For the process that accepts Links, before it accepts any and before [`Directory::still_alive`]: no site is
    /// online. Those that the previous run left online were last heard when that run was last known to live.
    pub fn start_afresh(&self) -> Result<(), DirectoryError> {
        self.writer().execute(
            "UPDATE sites SET presence = 'lost',
                 last_seen_at = max(last_seen_at, coalesce((SELECT alive_at FROM platform), 0))
             WHERE presence = 'online'",
            [],
        )?;
        Ok(())
    }

    /// Notes that the cloud runs. Called every few seconds; its distance bounds the error of the times of last
    /// contact after a crash.
    pub fn still_alive(&self) -> Result<(), DirectoryError> {
        self.writer()
            .prepare_cached(
                "INSERT INTO platform (one, alive_at) VALUES (1, ?1)
                 ON CONFLICT (one) DO UPDATE SET alive_at = excluded.alive_at",
            )?
            .execute([self.clock.now().0])?;
        Ok(())
    }

    /// A connection that served the site with this epoch has ended. Nothing changes when a newer one has taken over.
    pub fn left(&self, site: SiteId, epoch: u64, how: Departure) -> Result<(), DirectoryError> {
        let presence = match how {
            Departure::Goodbye => "goodbye",
            Departure::Lost => "lost",
        };
        self.writer()
            .prepare_cached(
                "UPDATE sites SET presence = ?3, last_seen_at = ?4
                 WHERE guid = ?1 AND epoch = ?2 AND presence = 'online'",
            )?
            .execute(params![
                site.as_bytes(),
                i64::try_from(epoch).unwrap_or(i64::MAX),
                presence,
                self.clock.now().0
            ])?;
        Ok(())
    }
}
