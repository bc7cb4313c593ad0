//! A Link's claim to serve sites, and the epoch rule that fences clones and restored backups.

use crate::{Directory, DirectoryError, text};
use model::{LinkId, SiteFacts, SiteId, Timestamp};
use rusqlite::{OptionalExtension, Transaction, TransactionBehavior, params};

/// Epochs count starts of a program: one above this was not counted.
const LARGEST_EPOCH: u64 = 1 << 53;

/// "I serve this site", said by a Link that has proved it holds the site's key.
#[derive(Clone, Debug)]
pub struct Claim {
    /// The Halo GUID.
    pub site: SiteId,
    /// The Link's start counter for this site.
    pub epoch: u64,
    /// What the site says of itself. Cleaned and cut before it is kept.
    pub facts: SiteFacts,
}

/// Why a claim is refused. The words go to the Link, and from there to the practice's IT provider.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// A server with a higher epoch has served this site before.
    #[error(
        "site {site} was last served with epoch {stored}, this Link says {claimed}: it runs from a clone or a restored \
         backup; confirm at the practice which server is the real one"
    )]
    OlderEpoch {
        /// The site.
        site: SiteId,
        /// The highest epoch seen.
        stored: u64,
        /// The epoch that came.
        claimed: u64,
    },
    /// Another connection with the same epoch is open.
    #[error(
        "site {site} is already connected with epoch {epoch}: two servers run from the same copy; confirm at the \
         practice which one is the real one"
    )]
    Doubled {
        /// The site.
        site: SiteId,
        /// The epoch both have.
        epoch: u64,
    },
    /// The epoch can't be a count of starts.
    #[error("site {site} says epoch {claimed}, which can't be a count of starts")]
    Unbelievable {
        /// The site.
        site: SiteId,
        /// The epoch that came.
        claimed: u64,
    },
    /// The directory could not decide. The cause is for the operator's log, not for the Link.
    #[error("the directory can't take the claim now; try again")]
    Failed(#[from] DirectoryError),
}

impl From<rusqlite::Error> for Refused {
    fn from(error: rusqlite::Error) -> Self {
        Refused::Failed(error.into())
    }
}

impl Directory {
    /// A Link joins with its sites: all of them are online afterwards, or none of its claims is taken.
    ///
    /// The rule, per site: an epoch lower than the stored one is refused; the stored one again is taken unless a
    /// connection with it is still open; a higher one is taken and stored, and whoever served the site until now is
    /// fenced: its later goodbye changes nothing.
    pub fn join(&self, link: LinkId, claims: &[Claim]) -> Result<(), Refused> {
        let now = self.clock.now();
        let mut writer = self.writer();
        let tx = writer.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for claim in claims {
            judge(&tx, claim)?;
            store(&tx, link, claim, now)?;
        }
        tx.commit()?;
        Ok(())
    }
}

fn judge(tx: &Transaction<'_>, claim: &Claim) -> Result<(), Refused> {
    let (site, claimed) = (claim.site, claim.epoch);
    if claimed > LARGEST_EPOCH {
        return Err(Refused::Unbelievable { site, claimed });
    }
    let known: Option<(i64, bool)> = tx
        .prepare_cached("SELECT epoch, presence = 'online' FROM sites WHERE guid = ?1")?
        .query_row([site.as_bytes()], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((stored, online)) = known else { return Ok(()) };
    let stored = u64::try_from(stored).map_err(|_| DirectoryError::Damaged(site))?;
    match claimed.cmp(&stored) {
        std::cmp::Ordering::Less => Err(Refused::OlderEpoch { site, stored, claimed }),
        std::cmp::Ordering::Equal if online => Err(Refused::Doubled { site, epoch: claimed }),
        _ => Ok(()),
    }
}

fn store(tx: &Transaction<'_>, link: LinkId, claim: &Claim, now: Timestamp) -> Result<(), Refused> {
    let facts = text::clean_facts(&claim.facts);
    // The site's own time, by its own clock, which may be wrong: never later than now. A site that never read its
    // database said it all just now.
    let enriched = claim.facts.enriched_at.map_or(now, |at| at.min(now).max(Timestamp(0)));
    let pms = facts.pms.type_name();
    // Serialising names and enums to a string has no way to fail.
    let json = serde_json::to_string(&facts).expect("facts are strings, booleans and unit variants");
    let epoch = i64::try_from(claim.epoch).expect("judged to be at most 2^53");
    let unclaimed = tx
        .prepare_cached("SELECT 1 FROM sites WHERE pms = ?1 AND pms_id = ?2 AND guid <> ?3 LIMIT 1")?
        .query_row(params![pms, facts.pms_id, claim.site.as_bytes()], |_| Ok(()))
        .optional()?
        .is_none();
    // The first site to claim a vendor's identifier is authoritative for it. A site that goes over to another
    // identifier gives the old one up, and nobody inherits it by waiting: handing it over is the operator's act.
    tx.prepare_cached(
        "INSERT INTO sites (guid, link, pms, pms_id, facts, epoch, status, authoritative, presence,
                            created_at, claimed_at, enriched_at, last_seen_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, 'active', ?7, 'online', ?8, ?8, ?9, ?8)
         ON CONFLICT (guid) DO UPDATE SET
             link = excluded.link, facts = excluded.facts, epoch = excluded.epoch, status = 'active',
             presence = 'online', enriched_at = ?9, last_seen_at = ?8,
             authoritative = iif(pms = excluded.pms AND pms_id = excluded.pms_id, authoritative, ?7),
             claimed_at = iif(pms = excluded.pms AND pms_id = excluded.pms_id, claimed_at, ?8),
             pms = excluded.pms, pms_id = excluded.pms_id",
    )?
    .execute(params![
        claim.site.as_bytes(),
        link.as_bytes(),
        pms,
        facts.pms_id,
        json,
        epoch,
        unclaimed,
        now.0,
        enriched.0
    ])?;
    Ok(())
}
