//! Looking sites up.

use crate::{Directory, DirectoryError, presence::Presence, text};
use model::{Availability, LinkId, Pms, SiteFacts, SiteId, SiteStatus, Timestamp};
use rusqlite::{OptionalExtension, Row, params};

/// Most sites in one answer of [`Directory::find`]; more than a handful with one identifier is a mistake or an attack.
const FOUND: usize = 50;

/// What is known of a site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// The Halo GUID.
    pub site: SiteId,
    /// The Link that serves it now or served it last.
    pub link: LinkId,
    /// What it says of itself, cleaned.
    pub facts: SiteFacts,
    /// Highest epoch seen.
    pub epoch: u64,
    /// Its life on the platform.
    pub status: SiteStatus,
    /// Whether it can be reached now.
    pub availability: Availability,
    /// Whether it was the first to claim its vendor identifier.
    pub authoritative: bool,
    /// When it joined for the first time.
    pub created_at: Timestamp,
    /// When its facts were last said.
    pub enriched_at: Timestamp,
    /// When it was last heard; now, while it is online.
    pub last_seen_at: Timestamp,
}

const SELECT: &str = "SELECT guid, link, facts, epoch, status, presence, authoritative, created_at, enriched_at, \
                      last_seen_at FROM sites";

impl Directory {
    /// All sites that claim a vendor's identifier, the authoritative one first, then by age of the claim; at most 50.
    /// An empty identifier finds nothing. A damaged record is logged and left out.
    pub fn find(&self, pms: Pms, pms_id: &str) -> Result<Vec<Site>, DirectoryError> {
        let pms_id = text::clean(pms_id, model::text::IDENTIFIER);
        if pms_id.is_empty() {
            return Ok(Vec::new());
        }
        let order = "WHERE pms = ?1 AND pms_id = ?2 ORDER BY authoritative DESC, claimed_at, guid LIMIT ?3";
        let reader = self.reader();
        let mut statement = reader.prepare_cached(&format!("{SELECT} {order}"))?;
        let rows =
            statement.query_map(params![pms.type_name(), pms_id, FOUND as i64], |row| Ok(self.read(row)))?;
        readable(rows)
    }

    /// One site.
    pub fn look(&self, site: SiteId) -> Result<Option<Site>, DirectoryError> {
        let reader = self.reader();
        let mut statement = reader.prepare_cached(&format!("{SELECT} WHERE guid = ?1"))?;
        statement.query_row([site.as_bytes()], |row| Ok(self.read(row))).optional()?.transpose()
    }

    /// All sites, oldest first, for the operator. A damaged record is logged and left out.
    pub fn sites(&self) -> Result<Vec<Site>, DirectoryError> {
        let reader = self.reader();
        let mut statement = reader.prepare_cached(&format!("{SELECT} ORDER BY created_at, guid"))?;
        let rows = statement.query_map([], |row| Ok(self.read(row)))?;
        readable(rows)
    }

    fn read(&self, row: &Row<'_>) -> Result<Site, DirectoryError> {
        let site = SiteId(uuid(row.get(0)?));
        // The row is here: a column that does not convert is damage to it, not a fault of the database.
        self.read_columns(site, row).map_err(|error| match error {
            DirectoryError::Database(_) => DirectoryError::Damaged(site),
            other => other,
        })
    }

    fn read_columns(&self, site: SiteId, row: &Row<'_>) -> Result<Site, DirectoryError> {
        let damaged = || DirectoryError::Damaged(site);
        let facts: SiteFacts = serde_json::from_str(&row.get::<_, String>(2)?).map_err(|_| damaged())?;
        let presence = Presence::from_column(&row.get::<_, String>(5)?).ok_or_else(damaged)?;
        let (availability, last_seen_at) = presence.at(self.clock.now(), Timestamp(row.get(9)?));
        Ok(Site {
            site,
            link: LinkId(uuid(row.get(1)?)),
            facts,
            epoch: u64::try_from(row.get::<_, i64>(3)?).map_err(|_| damaged())?,
            status: status(&row.get::<_, String>(4)?).ok_or_else(damaged)?,
            availability,
            authoritative: row.get(6)?,
            created_at: Timestamp(row.get(7)?),
            enriched_at: Timestamp(row.get(8)?),
            last_seen_at,
        })
    }
}

/// One damaged record must not hide the others; a fault of the database is another matter.
fn readable(
    rows: impl Iterator<Item = rusqlite::Result<Result<Site, DirectoryError>>>,
) -> Result<Vec<Site>, DirectoryError> {
    let mut sites = Vec::new();
    for row in rows {
        match row? {
            Ok(site) => sites.push(site),
            Err(error @ DirectoryError::Damaged(_)) => {
                tracing::error!(%error, "a damaged record was left out");
            }
            Err(error) => return Err(error),
        }
    }
    Ok(sites)
}

/// 16 bytes as the id types hold them.
pub(crate) fn uuid(bytes: [u8; 16]) -> uuid::Uuid {
    uuid::Uuid::from_bytes(bytes)
}

fn status(text: &str) -> Option<SiteStatus> {
    match text {
        "initialising" => Some(SiteStatus::Initialising),
        "active" => Some(SiteStatus::Active),
        "removed" => Some(SiteStatus::Removed),
        "uninstalled" => Some(SiteStatus::Uninstalled),
        _ => None,
    }
}
