//! Pairing codes: made at the site, single use, tries counted before anything is proved.

use super::{Store, StoreError, clock_high};
use model::{Hidden, SiteId, Timestamp};
use rusqlite::{OptionalExtension, Transaction, params};
use std::time::Duration;
use trust::pairing::Code;

/// A code is good for seven days.
pub(crate) const LIFE: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// Tries that name a code rightly and do not prove it.
pub(crate) const TRIES: u32 = 5;
/// How long a used or expired code is remembered, so that its refusal can say which it was.
const REMEMBERED: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// What a code is made for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewCode {
    /// Which database.
    pub site: SiteId,
    /// The one integrator that may use it.
    pub integrator_name: String,
    /// Whether the pairing it makes may only read.
    pub read_only: bool,
}

/// A code as the site may show it later: without its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodeRecord {
    /// The four public characters.
    pub name: String,
    /// What it was made for.
    pub made_for: NewCode,
    /// When it stops being good.
    pub expires_at: Timestamp,
    /// Tries used up.
    pub tries: u32,
    /// Whether a pairing was made with it.
    pub used: bool,
}

/// What is known of a named code.
#[derive(Debug)]
pub(crate) enum CodeState {
    Unknown,
    Used,
    Expired,
    Exhausted,
    /// Good; nothing has been counted yet.
    Open {
        code: Code,
        record: CodeRecord,
    },
}

impl Store {
    /// Keeps a new code. Answers `None` when its name is taken: make another.
    pub(crate) fn add_code(
        &self,
        code: &Code,
        new: &NewCode,
        now: Timestamp,
    ) -> Result<Option<CodeRecord>, StoreError> {
        let secret = self.protector.seal(&purpose(new.site, code.name()), code.secret().reveal())?;
        self.transaction(|t| {
            let now = clock_high(t, now)?;
            t.execute("DELETE FROM code WHERE expires_at < ?1", [now.0 - millis(REMEMBERED)])?;
            let expires_at = now.plus(LIFE);
            let added = t.execute(
                "INSERT OR IGNORE INTO code (site, name, secret, integrator_name, read_only, made_at, expires_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                params![
                    &new.site.as_bytes()[..],
                    code.name(),
                    secret,
                    new.integrator_name,
                    new.read_only,
                    now.0,
                    expires_at.0
                ],
            )?;
            let name = code.name().to_owned();
            Ok((added == 1).then(|| CodeRecord {
                name,
                made_for: new.clone(),
                expires_at,
                tries: 0,
                used: false,
            }))
        })
    }

    /// Codes that could still be used.
    pub(crate) fn open_codes(&self, now: Timestamp) -> Result<Vec<CodeRecord>, StoreError> {
        self.transaction(|t| {
            let now = clock_high(t, now)?;
            let mut statement = t.prepare(
                "SELECT name, site, integrator_name, read_only, expires_at, tries FROM code
                 WHERE used_at IS NULL AND expires_at > ?1 AND tries < ?2 ORDER BY expires_at",
            )?;
            let rows = statement.query_map(params![now.0, TRIES], |row| {
                let site: Vec<u8> = row.get(1)?;
                Ok((
                    row.get(0)?,
                    site,
                    row.get::<_, String>(2)?,
                    row.get::<_, bool>(3)?,
                    row.get::<_, i64>(4)?,
                    row.get(5)?,
                ))
            })?;
            rows.map(|row| {
                let (name, site, integrator_name, read_only, expires_at, tries) = row?;
                let site = SiteId::from_slice(&site).ok_or(StoreError::Broken("a code's site"))?;
                let made_for = NewCode { site, integrator_name, read_only };
                Ok(CodeRecord { name, made_for, expires_at: Timestamp(expires_at), tries, used: false })
            })
            .collect()
        })
    }

    /// Looks a named code up; with `reserve`, also counts one try of it, on disk when this returns.
    pub(crate) fn code(
        &self,
        site: SiteId,
        name: &str,
        now: Timestamp,
        reserve: impl FnOnce(&CodeRecord) -> bool,
    ) -> Result<CodeState, StoreError> {
        let (secret, mut record) = match self.transaction(|t| {
            let now = clock_high(t, now)?;
            let found = find(t, site, name)?;
            Ok(match found {
                None => Err(CodeState::Unknown),
                Some((_, record)) if record.used => Err(CodeState::Used),
                Some((_, record)) if record.expires_at <= now => Err(CodeState::Expired),
                Some((_, record)) if record.tries >= TRIES => Err(CodeState::Exhausted),
                Some((secret, record)) => {
                    let counted = reserve(&record);
                    if counted {
                        t.execute(
                            "UPDATE code SET tries = tries + 1 WHERE site = ?1 AND name = ?2",
                            params![&site.as_bytes()[..], name],
                        )?;
                    }
                    Ok((secret, CodeRecord { tries: record.tries + u32::from(counted), ..record }))
                }
            })
        })? {
            Ok(found) => found,
            Err(state) => return Ok(state),
        };
        let secret: Hidden<Vec<u8>> = self.protector.open(&purpose(site, name), &secret)?;
        let code = Code::from_parts(name, secret.reveal()).map_err(|_| StoreError::Broken("a code"))?;
        record.name = name.to_owned();
        Ok(CodeState::Open { code, record })
    }

    /// Takes a counted try back: the code was proved.
    pub(crate) fn give_try_back(&self, site: SiteId, name: &str) -> Result<(), StoreError> {
        self.transaction(|t| {
            t.execute(
                "UPDATE code SET tries = max(tries - 1, 0) WHERE site = ?1 AND name = ?2",
                params![&site.as_bytes()[..], name],
            )?;
            Ok(())
        })
    }
}

/// Marks a code used; `false` when it was already, or is gone.
pub(super) fn consume(
    t: &Transaction<'_>,
    site: SiteId,
    name: &str,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let changed = t.execute(
        "UPDATE code SET used_at = ?3 WHERE site = ?1 AND name = ?2 AND used_at IS NULL",
        params![&site.as_bytes()[..], name, now.0],
    )?;
    Ok(changed == 1)
}

fn find(t: &Transaction<'_>, site: SiteId, name: &str) -> Result<Option<(Vec<u8>, CodeRecord)>, StoreError> {
    Ok(t.query_row(
        "SELECT secret, integrator_name, read_only, expires_at, tries, used_at IS NOT NULL FROM code
         WHERE site = ?1 AND name = ?2",
        params![&site.as_bytes()[..], name],
        |row| {
            let record = CodeRecord {
                name: name.to_owned(),
                made_for: NewCode { site, integrator_name: row.get(1)?, read_only: row.get(2)? },
                expires_at: Timestamp(row.get(3)?),
                tries: row.get(4)?,
                used: row.get(5)?,
            };
            Ok((row.get(0)?, record))
        },
    )
    .optional()?)
}

pub(super) fn purpose(site: SiteId, name: &str) -> String {
    format!("pairing code {site} {name}")
}

fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}
