//! What a practice has consented to, what was used up of it, and who is stopped altogether.
//!
//! Whether an integrator is on and what its access is stand in its pairing, where an older version put back reads them too:
//! who is suspended or revoked here is not let in there.

use super::{Store, StoreError, requests, trail::AuditLine};
use crate::consent::{Changed, Consent, Form, State, Terms, Used};
use model::{Access, IntegratorId, SiteId, Timestamp};
use rusqlite::{OptionalExtension, Row, Transaction, params};
use std::collections::HashMap;

/// Whose consent.
pub(crate) type Who = (SiteId, IntegratorId);

/// What somebody has used up, on its way to disk.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kept {
    pub(crate) of: Who,
    pub(crate) used: Used,
}

impl Kept {
    pub(crate) fn write(&self, t: &Transaction<'_>) -> Result<(), StoreError> {
        let Used { minute, queries, day, rows, bytes } = self.used;
        let [site, integrator] = ids(&self.of);
        // What still ran when its pairing was ended is on nobody's account.
        t.prepare_cached(
            "INSERT OR REPLACE INTO consent_used (site, integrator, minute, queries, day, rows, bytes)
             SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7
             WHERE EXISTS (SELECT 1 FROM pairing WHERE site = ?1 AND integrator = ?2)",
        )?
        .execute(params![
            site,
            integrator,
            minute.0,
            queries.cast_signed(),
            day.0,
            rows.cast_signed(),
            bytes.cast_signed()
        ])?;
        Ok(())
    }
}

impl Store {
    /// What everybody has used up.
    pub(crate) fn used(&self) -> Result<HashMap<Who, Used>, StoreError> {
        let connection = self.lock();
        let mut statement = connection
            .prepare("SELECT site, integrator, minute, queries, day, rows, bytes FROM consent_used")?;
        let mut rows = statement.query([])?;
        let mut all = HashMap::new();
        while let Some(row) = rows.next()? {
            let number = |at| row.get::<_, i64>(at).map(i64::cast_unsigned);
            let used = Used {
                minute: Timestamp(row.get(2)?),
                queries: number(3)?,
                day: Timestamp(row.get(4)?),
                rows: number(5)?,
                bytes: number(6)?,
            };
            all.insert(who(row)?, used);
        }
        Ok(all)
    }

    /// Other terms; `false` when there is no such pairing.
    pub(crate) fn set_terms(
        &self,
        of: Who,
        terms: &Terms,
        expired: bool,
        changed: &Changed,
        audit: &AuditLine,
    ) -> Result<bool, StoreError> {
        let text = written(terms)?;
        let [site, integrator] = ids(&of);
        self.transaction(|t| {
            let there = t.execute(
                "UPDATE pairing SET read_only = ?3 WHERE site = ?1 AND integrator = ?2",
                params![site, integrator, terms.access == Access::ReadOnly],
            )?;
            if there == 0 {
                return Ok(false);
            }
            t.execute(
                "INSERT INTO consent (site, integrator, terms, expired, changed_at, changed_by) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
                 ON CONFLICT (site, integrator) DO UPDATE SET terms = ?3, expired = ?4, changed_at = ?5, changed_by = ?6",
                params![site, integrator, text, expired, changed.at.0, changed.by],
            )?;
            audit.write(t)?;
            Ok(true)
        })
    }

    /// Its time is over, and stays so.
    pub(crate) fn expire(&self, of: Who, audit: &AuditLine) -> Result<(), StoreError> {
        let [site, integrator] = ids(&of);
        self.transaction(|t| {
            let changed = t.execute(
                "UPDATE consent SET expired = 1 WHERE site = ?1 AND integrator = ?2 AND expired = 0",
                params![site, integrator],
            )?;
            if changed == 1 { audit.write(t) } else { Ok(()) }
        })
    }

    /// Withdraws a consent and erases its login; `false` when there is no such pairing.
    pub(crate) fn revoke(&self, of: Who, changed: &Changed, audit: &AuditLine) -> Result<bool, StoreError> {
        let [site, integrator] = ids(&of);
        let there = self.transaction(|t| {
            let revision: Option<i64> = t
                .query_row(
                    "UPDATE pairing SET is_on = 0, login = x'', revision = revision + 1
                     WHERE site = ?1 AND integrator = ?2 RETURNING revision",
                    params![site, integrator],
                    |row| row.get(0),
                )
                .optional()?;
            let Some(revision) = revision else { return Ok(false) };
            t.execute("DELETE FROM rights WHERE site = ?1 AND integrator = ?2", params![site, integrator])?;
            t.execute(
                "INSERT INTO consent (site, integrator, revoked, changed_at, changed_by) VALUES (?1, ?2, ?5, ?3, ?4)
                 ON CONFLICT (site, integrator) DO UPDATE SET revoked = ?5, changed_at = ?3, changed_by = ?4",
                params![site, integrator, changed.at.0, changed.by, revision],
            )?;
            requests::forget(t, of)?;
            audit.write(t)?;
            Ok(true)
        })?;
        if there {
            self.scrub();
        }
        Ok(there)
    }

    /// Ends a pairing: login, terms, counts and journal go; that it was ended stays. `false` when there is none.
    pub(crate) fn unpair(&self, of: Who, now: Timestamp, audit: &AuditLine) -> Result<bool, StoreError> {
        let [site, integrator] = ids(&of);
        let there = self.transaction(|t| {
            keep_revision(t)?;
            let mut there = false;
            for table in
                ["pairing", "rights", "consent", "consent_used", "approval", "event", "event_journal"]
            {
                let gone = t.execute(
                    &format!("DELETE FROM {table} WHERE site = ?1 AND integrator = ?2"),
                    params![site, integrator],
                )?;
                there |= table == "pairing" && gone > 0;
            }
            if there {
                requests::forget(t, of)?;
                t.execute(
                    "INSERT OR REPLACE INTO unpaired (site, integrator, at) VALUES (?1, ?2, ?3)",
                    params![site, integrator, now.0],
                )?;
                audit.write(t)?;
            }
            Ok(there)
        })?;
        if there {
            self.scrub();
        }
        Ok(there)
    }

    /// Whose pairings were ended.
    pub(crate) fn unpaired(&self) -> Result<Vec<Who>, StoreError> {
        let connection = self.lock();
        let mut statement = connection.prepare("SELECT site, integrator FROM unpaired")?;
        let mut rows = statement.query([])?;
        let mut all = Vec::new();
        while let Some(row) = rows.next()? {
            all.push(who(row)?);
        }
        Ok(all)
    }

    /// Whether the practice has stopped everything.
    pub(crate) fn is_halted(&self) -> Result<bool, StoreError> {
        let connection = self.lock();
        let value = connection
            .query_row("SELECT value FROM meta WHERE name = 'halted'", [], |row| row.get::<_, i64>(0))
            .optional()?;
        Ok(value == Some(1))
    }

    /// Stops everything, or lets it go on.
    pub(crate) fn halt(&self, halted: bool, audit: &[AuditLine]) -> Result<(), StoreError> {
        self.transaction(|t| {
            t.execute(
                "INSERT INTO meta (name, value) VALUES ('halted', ?1) ON CONFLICT (name) DO UPDATE SET value = ?1",
                [i64::from(halted)],
            )?;
            audit.iter().try_for_each(|line| line.write(t))
        })
    }
}

/// Keeps the highest revision of any pairing, before one of them goes: the next pairing goes on from there. Whoever still holds a
/// session under an ended pairing's login must never take it for one of the new pairing's.
pub(super) fn keep_revision(t: &Transaction<'_>) -> Result<(), StoreError> {
    t.execute(
        "INSERT INTO meta (name, value) SELECT 'revision', coalesce(max(revision), 0) FROM pairing WHERE true
         ON CONFLICT (name) DO UPDATE SET value = max(value, excluded.value)",
        [],
    )?;
    Ok(())
}

/// An integrator that pairs again is let in again. What the practice once bounded stays bounded, but for a time that is over.
pub(super) fn renew(
    t: &Transaction<'_>,
    site: SiteId,
    integrator: IntegratorId,
    now: Timestamp,
) -> Result<(), StoreError> {
    let of = (site, integrator);
    let [site, integrator] = ids(&of);
    t.execute("DELETE FROM unpaired WHERE site = ?1 AND integrator = ?2", params![site, integrator])?;
    let kept: Option<(Option<String>, bool)> = t
        .query_row(
            "SELECT terms, expired FROM consent WHERE site = ?1 AND integrator = ?2",
            params![site, integrator],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .optional()?;
    let Some((text, expired)) = kept else { return Ok(()) };
    let terms = text.as_deref().and_then(|text| terms(text, Access::ReadOnly));
    let over = |terms: &Terms| expired || terms.expires.is_some_and(|at| at <= now);
    let text = match terms.filter(over) {
        Some(terms) => Some(written(&Terms { expires: None, ..terms })?),
        None => text,
    };
    t.execute(
        "UPDATE consent SET revoked = 0, expired = 0, terms = ?3 WHERE site = ?1 AND integrator = ?2",
        params![site, integrator, text],
    )?;
    Ok(())
}

/// The consent of a pairing, from five columns on. Terms that do not read (a later version's, say) let nobody in.
pub(super) fn read(
    row: &Row<'_>,
    at: usize,
    access: Access,
    (on, revision): (bool, i64),
    of: Who,
) -> Result<Consent, StoreError> {
    let text: Option<String> = row.get(at)?;
    // With another revision it was paired again, by an older version that does not know of the revoking. (1 is what was written
    // before the revision was: no pairing that was revoked has that one.)
    let revoked = row.get::<_, Option<i64>>(at + 1)?.unwrap_or(0);
    let revoked = revoked == 1 || (revoked != 0 && revoked == revision);
    let changed = row.get::<_, Option<i64>>(at + 3)?.zip(row.get::<_, Option<String>>(at + 4)?);
    let read = match &text {
        Some(text) => terms(text, access),
        None => Some(Terms::of_pairing(access)),
    };
    if read.is_none() {
        tracing::error!(site = %of.0, integrator = %of.1,
            "an integrator's consent can't be read, so it is not let in: set it anew with HaloLinkUtility consent set");
    }
    let state = match (revoked, on && read.is_some()) {
        (true, _) => State::Revoked,
        (false, true) => State::Granted,
        (false, false) => State::Suspended,
    };
    Ok(Consent {
        vendor: None,
        state,
        terms: read.unwrap_or_else(|| Terms::of_pairing(access)),
        expired: row.get::<_, Option<bool>>(at + 2)?.unwrap_or(false),
        changed: changed.map(|(at, by)| Changed { at: Timestamp(at), by }),
    })
}

/// The access is the pairing's.
fn terms(text: &str, access: Access) -> Option<Terms> {
    let form = serde_json::from_str::<Form>(text).ok()?;
    Terms::of_pairing(access).with(&Form { access: None, ..form }).ok()
}

fn written(terms: &Terms) -> Result<String, StoreError> {
    serde_json::to_string(&Form::from(terms)).map_err(|_| StoreError::Broken("terms"))
}

fn who(row: &Row<'_>) -> Result<Who, StoreError> {
    let site = SiteId::from_slice(&row.get::<_, Vec<u8>>(0)?);
    let integrator = IntegratorId::from_slice(&row.get::<_, Vec<u8>>(1)?);
    site.zip(integrator).ok_or(StoreError::Broken("an integrator's identifier"))
}

fn ids(of: &Who) -> [&[u8]; 2] {
    [&of.0.as_bytes()[..], &of.1.as_bytes()[..]]
}
