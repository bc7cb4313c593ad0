//! Which of several sites with one vendor's identifier is the one to use, and how another one becomes it.
//!
//! Two ways. With a statement that the authoritative site's own root has signed: at once. Without one, because that site is lost: the
//! operator begins a change that everybody can see, waits, and finishes it by hand. Every act leaves a line.

use crate::{Directory, DirectoryError, Site, text};
use model::{Pms, SiteId, Timestamp};
use rusqlite::{OptionalExtension, Transaction, TransactionBehavior, params};
use std::time::Duration;
use trust::HandOver;

/// A statement may be this far in the future: clocks differ.
const AHEAD: Duration = Duration::from_secs(60 * 60);
/// A statement counts this long: whoever finds an old one can do nothing with it.
const GOOD_FOR: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// Lines of one practice that are shown.
const ACTS: u32 = 100;

/// A change that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// The site that is to be authoritative.
    pub to: SiteId,
    /// When it was begun.
    pub begun_at: Timestamp,
    /// Not to be finished before.
    pub ready_at: Timestamp,
}

/// One act.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Act {
    /// When.
    pub at: Timestamp,
    /// `begun`, `cancelled`, `finished`, `handed-over`.
    pub what: String,
    /// The site that was authoritative.
    pub from: Option<SiteId>,
    /// The site that is, or was to be.
    pub to: SiteId,
}

/// How a practice stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authority {
    /// All sites with its identifier, the authoritative one first.
    pub sites: Vec<Site>,
    /// What waits.
    pub change: Option<Change>,
    /// Newest first.
    pub acts: Vec<Act>,
}

/// Why nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// Nobody has shown it here.
    #[error("no site has the GUID {0}: it must have joined once")]
    Unknown(SiteId),
    /// It is that already.
    #[error("site {0} is the authoritative one already")]
    Already(SiteId),
    /// The two are not of one practice.
    #[error(
        "site {site} does not claim {pms} {pms_id}: a practice can be handed over only to a site that claims the same identifier"
    )]
    OtherPractice {
        /// The site that was named.
        site: SiteId,
        /// The software.
        pms: String,
        /// The identifier.
        pms_id: String,
    },
    /// The statement's signer has nothing to hand over.
    #[error(
        "site {0}, which signed this, is not the authoritative one for that practice: it has nothing to hand over"
    )]
    NotAuthoritative(SiteId),
    /// Of another cloud.
    #[error("this was signed for {0}: it counts in that environment's cloud alone")]
    OtherEnvironment(String),
    /// Used, or older than one that was used.
    #[error("this statement, or a later one of the same site, was taken before: have a new one made")]
    Used,
    /// Too old, or from the future.
    #[error(
        "this statement is more than 30 days old, or from the future by this server's clock: have a new one made"
    )]
    OutOfTime,
    /// There is one.
    #[error(
        "a change to site {to} was begun and can be finished from {ready_at} on: finish or cancel it first"
    )]
    Pending {
        /// The site that is to be authoritative.
        to: SiteId,
        /// RFC 3339.
        ready_at: String,
    },
    /// There is none.
    #[error("no change was begun for that practice")]
    NonePending,
    /// Its time has not come.
    #[error("this change can be finished from {ready_at} on, in {} hours; until then practice and integrators may object", left.as_secs().div_ceil(3600))]
    TooSoon {
        /// RFC 3339.
        ready_at: String,
        /// Until then.
        left: Duration,
    },
    /// The site that is to lose it lives.
    #[error(
        "site {0}, which is authoritative now, is online, or was after this change was begun: that is its objection. Have it hand over \
         (`HaloLinkUtility hand-over`), or, when you know that it is not the practice's own server, say --although-online"
    )]
    Lives(SiteId),
    /// The file.
    #[error(transparent)]
    Failed(#[from] DirectoryError),
}

impl From<rusqlite::Error> for AuthorityError {
    fn from(error: rusqlite::Error) -> Self {
        AuthorityError::Failed(error.into())
    }
}

impl Directory {
    /// How a practice stands.
    ///
    /// # Errors
    /// When the file can't be read.
    pub fn authority(&self, pms: Pms, pms_id: &str) -> Result<Authority, DirectoryError> {
        let sites = self.find(pms, pms_id)?;
        let pms_id = text::clean(pms_id, model::text::IDENTIFIER);
        let mut writer = self.writer();
        let tx = writer.transaction()?;
        let change = pending(&tx, pms.type_name(), &pms_id)?;
        let mut statement = tx.prepare(
            "SELECT at, what, from_site, to_site FROM authority_act WHERE pms = ?1 AND pms_id = ?2 ORDER BY id DESC LIMIT ?3",
        )?;
        let acts = statement.query_map(params![pms.type_name(), pms_id, ACTS], |row| {
            Ok(Act {
                at: Timestamp(row.get(0)?),
                what: row.get(1)?,
                from: row.get::<_, Option<[u8; 16]>>(2)?.map(site),
                to: site(row.get(3)?),
            })
        })?;
        Ok(Authority { sites, change, acts: acts.collect::<Result<_, _>>()? })
    }

    /// The change that waits for the practice of this record, if any.
    pub(crate) fn change_of(&self, of: &Site) -> Result<Option<Change>, DirectoryError> {
        let mut reader = self.reader();
        let tx = reader.transaction()?;
        pending(&tx, of.facts.pms.type_name(), &of.facts.pms_id)
    }

    /// Takes a statement that the authoritative site's root has signed: at once. A change that waits is over with it.
    ///
    /// # Errors
    /// [`AuthorityError`]: then nothing has changed.
    pub fn take_hand_over(&self, said: &HandOver, environment: &str) -> Result<(), AuthorityError> {
        if said.environment != environment {
            return Err(AuthorityError::OtherEnvironment(said.environment.clone()));
        }
        let now = self.clock.now();
        if said.at > now.plus(AHEAD) || now > said.at.plus(GOOD_FOR) {
            return Err(AuthorityError::OutOfTime);
        }
        self.act(|tx| {
            let practice = (said.pms.as_str(), said.pms_id.as_str());
            let (from, to) = (said.from, said.to);
            if authoritative(tx, practice)? != Some(from) {
                return Err(AuthorityError::NotAuthoritative(from));
            }
            claims(tx, to, practice)?;
            let used: Option<i64> = tx
                .query_row("SELECT at FROM authority_statement WHERE site = ?1", [from.as_bytes()], |row| row.get(0))
                .optional()?;
            if used.is_some_and(|used| said.at.0 <= used) {
                return Err(AuthorityError::Used);
            }
            tx.execute(
                "INSERT INTO authority_statement (site, at) VALUES (?1, ?2) ON CONFLICT (site) DO UPDATE SET at = ?2",
                params![from.as_bytes(), said.at.0],
            )?;
            make(tx, practice, to)?;
            note(tx, now, "handed-over", practice, (Some(from), to))
        })
    }

    /// Begins a change without a statement: everybody sees it, and it can be finished once `delay` is over.
    ///
    /// # Errors
    /// [`AuthorityError`].
    pub fn begin_change(&self, to: SiteId, delay: Duration) -> Result<Change, AuthorityError> {
        let now = self.clock.now();
        self.act(|tx| {
            let practice = practice_of(tx, to)?.ok_or(AuthorityError::Unknown(to))?;
            let practice = (practice.0.as_str(), practice.1.as_str());
            let from = authoritative(tx, practice)?;
            if from == Some(to) {
                return Err(AuthorityError::Already(to));
            }
            if let Some(Change { to, ready_at, .. }) = pending(tx, practice.0, practice.1)? {
                return Err(AuthorityError::Pending { to, ready_at: ready_at.to_rfc3339() });
            }
            let change = Change { to, begun_at: now, ready_at: now.plus(delay) };
            tx.execute(
                "INSERT INTO authority_change (pms, pms_id, to_site, begun_at, ready_at) VALUES (?1, ?2, ?3, ?4, ?5)",
                params![practice.0, practice.1, to.as_bytes(), now.0, change.ready_at.0],
            )?;
            note(tx, now, "begun", practice, (from, to))?;
            Ok(change)
        })
    }

    /// Takes back what was begun.
    ///
    /// # Errors
    /// [`AuthorityError`].
    pub fn cancel_change(&self, pms: Pms, pms_id: &str) -> Result<Change, AuthorityError> {
        let (pms_id, now) = (text::clean(pms_id, model::text::IDENTIFIER), self.clock.now());
        self.act(|tx| {
            let practice = (pms.type_name(), pms_id.as_str());
            let change = pending(tx, practice.0, practice.1)?.ok_or(AuthorityError::NonePending)?;
            tx.execute(
                "DELETE FROM authority_change WHERE pms = ?1 AND pms_id = ?2",
                params![practice.0, practice.1],
            )?;
            note(tx, now, "cancelled", practice, (authoritative(tx, practice)?, change.to))?;
            Ok(change)
        })
    }

    /// Finishes what was begun, once its time has come. That the site which loses it is online, or was while all could see that this waits,
    /// is an objection: also one whose practice closes at night.
    ///
    /// # Errors
    /// [`AuthorityError`].
    pub fn finish_change(
        &self,
        pms: Pms,
        pms_id: &str,
        although_online: bool,
    ) -> Result<Change, AuthorityError> {
        let (pms_id, now) = (text::clean(pms_id, model::text::IDENTIFIER), self.clock.now());
        self.act(|tx| {
            let practice = (pms.type_name(), pms_id.as_str());
            let change = pending(tx, practice.0, practice.1)?.ok_or(AuthorityError::NonePending)?;
            if now < change.ready_at {
                let left = u64::try_from(change.ready_at.0 - now.0).unwrap_or(0);
                let ready_at = change.ready_at.to_rfc3339();
                return Err(AuthorityError::TooSoon { ready_at, left: Duration::from_millis(left) });
            }
            claims(tx, change.to, practice)?;
            let from = authoritative(tx, practice)?;
            if let Some(from) = from
                && !although_online
                && lives(tx, from, change.begun_at)?
            {
                return Err(AuthorityError::Lives(from));
            }
            make(tx, practice, change.to)?;
            note(tx, now, "finished", practice, (from, change.to))?;
            Ok(change)
        })
    }

    fn act<T>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, AuthorityError>,
    ) -> Result<T, AuthorityError> {
        let mut writer = self.writer();
        let tx = writer.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let done = work(&tx)?;
        tx.commit()?;
        Ok(done)
    }
}

type Practice<'a> = (&'a str, &'a str);

fn site(bytes: [u8; 16]) -> SiteId {
    SiteId(crate::sites::uuid(bytes))
}

fn pending(tx: &Transaction<'_>, pms: &str, pms_id: &str) -> Result<Option<Change>, DirectoryError> {
    let sql = "SELECT to_site, begun_at, ready_at FROM authority_change WHERE pms = ?1 AND pms_id = ?2";
    let found = tx.prepare_cached(sql)?.query_row([pms, pms_id], |row| {
        Ok(Change {
            to: site(row.get(0)?),
            begun_at: Timestamp(row.get(1)?),
            ready_at: Timestamp(row.get(2)?),
        })
    });
    Ok(found.optional()?)
}

fn authoritative(tx: &Transaction<'_>, practice: Practice<'_>) -> Result<Option<SiteId>, DirectoryError> {
    let sql = "SELECT guid FROM sites WHERE pms = ?1 AND pms_id = ?2 AND authoritative = 1";
    Ok(tx.query_row(sql, [practice.0, practice.1], |row| Ok(site(row.get(0)?))).optional()?)
}

fn practice_of(tx: &Transaction<'_>, of: SiteId) -> Result<Option<(String, String)>, DirectoryError> {
    let sql = "SELECT pms, pms_id FROM sites WHERE guid = ?1";
    Ok(tx.query_row(sql, [of.as_bytes()], |row| Ok((row.get(0)?, row.get(1)?))).optional()?)
}

/// Whether a site is online, or was later than then.
fn lives(tx: &Transaction<'_>, of: SiteId, since: Timestamp) -> Result<bool, DirectoryError> {
    let sql = "SELECT presence = 'online' OR last_seen_at > ?2 FROM sites WHERE guid = ?1";
    Ok(tx.query_row(sql, params![of.as_bytes(), since.0], |row| row.get(0)).optional()?.unwrap_or(false))
}

/// Whether a site claims the practice now.
fn claims(tx: &Transaction<'_>, of: SiteId, practice: Practice<'_>) -> Result<(), AuthorityError> {
    match practice_of(tx, of)? {
        None => Err(AuthorityError::Unknown(of)),
        Some((pms, pms_id)) if (pms.as_str(), pms_id.as_str()) == practice => Ok(()),
        Some(_) => Err(AuthorityError::OtherPractice {
            site: of,
            pms: practice.0.to_owned(),
            pms_id: practice.1.to_owned(),
        }),
    }
}

/// Exactly one is authoritative afterwards, and nothing waits.
fn make(tx: &Transaction<'_>, practice: Practice<'_>, to: SiteId) -> Result<(), DirectoryError> {
    tx.execute(
        "UPDATE sites SET authoritative = (guid = ?3) WHERE pms = ?1 AND pms_id = ?2",
        params![practice.0, practice.1, to.as_bytes()],
    )?;
    tx.execute("DELETE FROM authority_change WHERE pms = ?1 AND pms_id = ?2", [practice.0, practice.1])?;
    Ok(())
}

fn note(
    tx: &Transaction<'_>,
    now: Timestamp,
    what: &str,
    practice: Practice<'_>,
    (from, to): (Option<SiteId>, SiteId),
) -> Result<(), AuthorityError> {
    tx.execute(
        "INSERT INTO authority_act (at, what, pms, pms_id, from_site, to_site) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![now.0, what, practice.0, practice.1, from.as_ref().map(|site| &site.as_bytes()[..]), to.as_bytes()],
    )?;
    Ok(())
}
