//! Who is paired with which site, with what access and login, and which certificates are retired.

use super::{ApprovalRecord, Store, StoreError, approvals, codes, consents, requests, trail::AuditLine};
use crate::consent::Consent;
use database::{Login, Rights, Writes};
use model::{Access, Hidden, IntegratorId, SiteId, Timestamp};
use rusqlite::{OptionalExtension, Row, Transaction, params};
use trust::approval::Signed;

/// One integrator's consent at one site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PairingRecord {
    /// Which database.
    pub site: SiteId,
    /// Fingerprint of the integrator's root.
    pub integrator: IntegratorId,
    /// As shown when it was paired.
    pub name: String,
    /// The root itself, public-key info in DER.
    pub root_spki: Vec<u8>,
    /// The most that it may do.
    pub access: Access,
    /// Whether the practice lets it in now.
    pub on: bool,
    /// When it was paired last.
    pub paired_at: Timestamp,
    /// Rises with every new login, over the end of a pairing too: sessions under an old one are not used again.
    pub revision: u64,
    /// What the login may do; `None` when that was never read.
    pub rights: Option<RightsRecord>,
    /// What the practice has consented to.
    pub consent: Consent,
    /// The PMS vendor's approval that it stands on, if any.
    pub approval: Option<ApprovalRecord>,
    /// The sealed login; empty once it was erased.
    pub(crate) login: Vec<u8>,
}

/// What a login may do by the database's own grants, when it was last read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RightsRecord {
    /// What it may do.
    pub rights: Rights,
    /// When that was read.
    pub read_at: Timestamp,
}

/// A pairing about to be stored.
pub(crate) struct NewPairing<'a> {
    pub(crate) site: SiteId,
    pub(crate) integrator: IntegratorId,
    pub(crate) name: &'a str,
    pub(crate) root_spki: &'a [u8],
    pub(crate) access: Access,
    pub(crate) login: &'a Login,
    pub(crate) rights: &'a Rights,
}

/// What lets an integrator pair.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ticket<'a> {
    /// Used up by it.
    pub(crate) by: By<'a>,
    /// The vendor's approval that was looked at.
    pub(crate) approval: Option<&'a Signed>,
}

/// The practice's yes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum By<'a> {
    /// A code of this name, that was proved.
    Code(&'a str),
    /// Its yes to a request without a code, of this root.
    Request(&'a [u8]),
}

impl<'a> From<&'a str> for Ticket<'a> {
    fn from(code_name: &'a str) -> Self {
        Ticket { by: By::Code(code_name), approval: None }
    }
}

impl Store {
    /// Stores a pairing and consumes its ticket in one transaction; `false` (and nothing stored) when the ticket was used
    /// meanwhile.
    pub(crate) fn pair<'a>(
        &self,
        new: &NewPairing<'_>,
        ticket: impl Into<Ticket<'a>>,
        now: Timestamp,
        audit: &AuditLine,
    ) -> Result<bool, StoreError> {
        let login = self.seal_login(new.site, new.integrator, new.login)?;
        let ticket = ticket.into();
        let stored = self.transaction(|t| {
            let good = match ticket.by {
                By::Code(name) => codes::consume(t, new.site, name, now)?,
                By::Request(root) => requests::consume(t, (new.site, new.integrator), root, now)?,
            };
            if !good {
                return Ok(None);
            }
            if matches!(ticket.by, By::Code(_)) {
                requests::answered(t, (new.site, new.integrator))?;
            }
            let before: Option<bool> = t
                .query_row(
                    "SELECT login <> x'' FROM pairing WHERE site = ?1 AND integrator = ?2",
                    params![&new.site.as_bytes()[..], &new.integrator.as_bytes()[..]],
                    |row| row.get(0),
                )
                .optional()?;
            let revision: i64 = t.query_row(
                "INSERT INTO pairing (site, integrator, name, root_spki, read_only, paired_at, login, revision)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7,
                     1 + coalesce((SELECT value FROM meta WHERE name = 'revision'), 0))
                 ON CONFLICT (site, integrator) DO UPDATE SET name = excluded.name, read_only = excluded.read_only,
                     is_on = 1, paired_at = excluded.paired_at, login = excluded.login,
                     revision = max(revision + 1, excluded.revision)
                 RETURNING revision",
                params![
                    &new.site.as_bytes()[..],
                    &new.integrator.as_bytes()[..],
                    new.name,
                    new.root_spki,
                    new.access == Access::ReadOnly,
                    now.0,
                    login
                ],
                |row| row.get(0),
            )?;
            keep_rights(t, (new.site, new.integrator, revision), new.rights, now)?;
            consents::renew(t, new.site, new.integrator, now)?;
            approvals::keep(t, (new.site, new.integrator), ticket.approval, now)?;
            audit.write(t)?;
            Ok(Some(before == Some(true)))
        })?;
        if stored == Some(true) {
            self.scrub();
        }
        Ok(stored.is_some())
    }

    /// All pairings.
    pub(crate) fn pairings(&self) -> Result<Vec<PairingRecord>, StoreError> {
        self.transaction(|t| {
            let mut statement = t.prepare(PAIRINGS)?;
            let mut rows = statement.query([])?;
            let mut pairings = Vec::new();
            while let Some(row) = rows.next()? {
                pairings.push(self.read_pairing(row)?);
            }
            Ok(pairings)
        })
    }

    /// One of them.
    pub(crate) fn pairing(&self, of: consents::Who) -> Result<Option<PairingRecord>, StoreError> {
        let connection = self.lock();
        let mut statement = connection
            .prepare_cached(&format!("{PAIRINGS} WHERE pairing.site = ?1 AND pairing.integrator = ?2"))?;
        let mut rows = statement.query(params![&of.0.as_bytes()[..], &of.1.as_bytes()[..]])?;
        rows.next()?.map(|row| self.read_pairing(row)).transpose()
    }

    #[cfg_attr(not(test), expect(clippy::unused_self, reason = "tests count"))]
    fn read_pairing(&self, row: &Row<'_>) -> Result<PairingRecord, StoreError> {
        #[cfg(test)]
        self.pairings_read.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        pairing(row)
    }

    /// Keeps what a pairing's login may do, as just read, and writes `audit` with it. Nothing, when the pairing has another
    /// login by now.
    pub(crate) fn keep_rights(
        &self,
        of: &PairingRecord,
        rights: &Rights,
        now: Timestamp,
        audit: Option<&AuditLine>,
    ) -> Result<(), StoreError> {
        let revision = of.revision.cast_signed();
        self.transaction(|t| {
            let same: bool = t.query_row(
                "SELECT EXISTS (SELECT 1 FROM pairing WHERE site = ?1 AND integrator = ?2 AND revision = ?3)",
                params![&of.site.as_bytes()[..], &of.integrator.as_bytes()[..], revision],
                |row| row.get(0),
            )?;
            if same {
                keep_rights(t, (of.site, of.integrator, revision), rights, now)?;
                audit.map_or(Ok(()), |audit| audit.write(t))?;
            }
            Ok(())
        })
    }

    /// Another login for a pairing that is as it was when the login was tried; `false` when it is not.
    pub(crate) fn replace_login(
        &self,
        of: &PairingRecord,
        login: &Login,
        rights: &Rights,
        now: Timestamp,
        audit: &AuditLine,
    ) -> Result<bool, StoreError> {
        let sealed = self.seal_login(of.site, of.integrator, login)?;
        let revision = of.revision.cast_signed();
        let replaced = self.transaction(|t| {
            let changed = t.execute(
                "UPDATE pairing SET login = ?4, revision = revision + 1
                 WHERE site = ?1 AND integrator = ?2 AND revision = ?3 AND login <> x''",
                params![&of.site.as_bytes()[..], &of.integrator.as_bytes()[..], revision, sealed],
            )?;
            if changed == 1 {
                keep_rights(t, (of.site, of.integrator, revision + 1), rights, now)?;
                audit.write(t)?;
            }
            Ok(changed == 1)
        })?;
        if replaced {
            self.scrub();
        }
        Ok(replaced)
    }

    /// Lets an integrator in, or not; `false` when it is not paired. Who is kept out has no yes left to pair anew with.
    pub(crate) fn switch(
        &self,
        site: SiteId,
        integrator: IntegratorId,
        on: bool,
        audit: &AuditLine,
    ) -> Result<bool, StoreError> {
        self.transaction(|t| {
            let changed = t.execute(
                "UPDATE pairing SET is_on = ?3 WHERE site = ?1 AND integrator = ?2",
                params![&site.as_bytes()[..], &integrator.as_bytes()[..], on],
            )?;
            if !on {
                requests::forget(t, (site, integrator))?;
            }
            audit.write(t)?;
            Ok(changed == 1)
        })
    }

    /// Highest certificate serials seen: site, integrator, instance, serial.
    pub(crate) fn serials(&self) -> Result<Vec<(SiteId, IntegratorId, String, u64)>, StoreError> {
        self.transaction(|t| {
            let mut statement = t.prepare("SELECT site, integrator, name, serial FROM instance")?;
            let mut rows = statement.query([])?;
            let mut serials = Vec::new();
            while let Some(row) = rows.next()? {
                let ids = (row.get::<_, Vec<u8>>(0)?, row.get::<_, Vec<u8>>(1)?);
                let (Some(site), Some(integrator)) =
                    (SiteId::from_slice(&ids.0), IntegratorId::from_slice(&ids.1))
                else {
                    return Err(StoreError::Broken("an instance's identifier"));
                };
                // Stored bit for bit: serials are unsigned, SQLite's integers are not.
                serials.push((site, integrator, row.get(2)?, row.get::<_, i64>(3)?.cast_unsigned()));
            }
            Ok(serials)
        })
    }

    /// Remembers that an instance showed this serial; lower ones are refused from now on.
    pub(crate) fn saw_serial(
        &self,
        site: SiteId,
        integrator: IntegratorId,
        name: &str,
        serial: u64,
    ) -> Result<(), StoreError> {
        self.transaction(|t| {
            t.execute(
                "INSERT INTO instance (site, integrator, name, serial) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (site, integrator, name) DO UPDATE SET serial = excluded.serial",
                params![&site.as_bytes()[..], &integrator.as_bytes()[..], name, serial.cast_signed()],
            )?;
            Ok(())
        })
    }

    /// Opens the login of a pairing.
    pub(crate) fn open_login(&self, pairing: &PairingRecord) -> Result<Login, StoreError> {
        let clear = self.protector.open(&purpose(pairing.site, pairing.integrator), &pairing.login)?;
        let broken = || StoreError::Broken("a login");
        let (length, rest) = clear.reveal().split_at_checked(4).ok_or_else(broken)?;
        let length = u32::from_be_bytes(length.try_into().map_err(|_| broken())?) as usize;
        let (user, password) = rest.split_at_checked(length).ok_or_else(broken)?;
        let text = |bytes: &[u8]| std::str::from_utf8(bytes).map(Hidden::from).map_err(|_| broken());
        Ok(Login { user: text(user)?, password: text(password)? })
    }

    fn seal_login(
        &self,
        site: SiteId,
        integrator: IntegratorId,
        login: &Login,
    ) -> Result<Vec<u8>, StoreError> {
        let (user, password) = (login.user.reveal().as_bytes(), login.password.reveal().as_bytes());
        let mut clear = Vec::with_capacity(4 + user.len() + password.len());
        let length = u32::try_from(user.len()).map_err(|_| StoreError::Broken("a login"))?;
        clear.extend_from_slice(&length.to_be_bytes());
        clear.extend_from_slice(user);
        clear.extend_from_slice(password);
        let clear = Hidden::new(clear);
        Ok(self.protector.seal(&purpose(site, integrator), clear.reveal())?)
    }
}

const PAIRINGS: &str = "SELECT site, integrator, name, root_spki, read_only, is_on, paired_at, revision, login,
         writes, grants, read_at, terms, revoked, expired, changed_at, changed_by, document, over, since
     FROM pairing LEFT JOIN rights USING (site, integrator, revision) LEFT JOIN consent USING (site, integrator)
         LEFT JOIN approval USING (site, integrator)";

fn pairing(row: &Row<'_>) -> Result<PairingRecord, StoreError> {
    let ids = (row.get::<_, Vec<u8>>(0)?, row.get::<_, Vec<u8>>(1)?);
    let (Some(site), Some(integrator)) = (SiteId::from_slice(&ids.0), IntegratorId::from_slice(&ids.1))
    else {
        return Err(StoreError::Broken("a pairing's identifier"));
    };
    let (approval, vendor) = approvals::read(row, 17, (site, integrator))?;
    // Whatever the practice allows: no more than the vendor does.
    let read_only = row.get::<_, bool>(4)? || vendor.as_ref().is_some_and(|vendor| vendor.read_only);
    let access = if read_only { Access::ReadOnly } else { Access::ReadWrite };
    let (on, revision) = (row.get(5)?, row.get::<_, i64>(7)?);
    Ok(PairingRecord {
        site,
        integrator,
        name: row.get(2)?,
        root_spki: row.get(3)?,
        access,
        on,
        paired_at: Timestamp(row.get(6)?),
        revision: u64::try_from(revision).unwrap_or(0),
        login: row.get(8)?,
        rights: match row.get::<_, Option<String>>(9)? {
            Some(writes) => Some(RightsRecord {
                rights: rights(&writes, &row.get::<_, String>(10)?)?,
                read_at: Timestamp(row.get(11)?),
            }),
            None => None,
        },
        consent: Consent { vendor, ..consents::read(row, 12, access, (on, revision), (site, integrator))? },
        approval,
    })
}

fn keep_rights(
    t: &Transaction<'_>,
    (site, integrator, revision): (SiteId, IntegratorId, i64),
    rights: &Rights,
    now: Timestamp,
) -> Result<(), StoreError> {
    let grants = serde_json::to_string(&rights.grants).map_err(|_| StoreError::Broken("a list of grants"))?;
    t.execute(
        "INSERT OR REPLACE INTO rights (site, integrator, revision, writes, grants, read_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![
            &site.as_bytes()[..],
            &integrator.as_bytes()[..],
            revision,
            rights.writes.name(),
            grants,
            now.0
        ],
    )?;
    Ok(())
}

fn rights(writes: &str, grants: &str) -> Result<Rights, StoreError> {
    let known = [Writes::No, Writes::Yes, Writes::Unknown].into_iter().find(|w| w.name() == writes);
    let broken = || StoreError::Broken("what a login may do");
    Ok(Rights {
        writes: known.ok_or_else(broken)?,
        grants: serde_json::from_str(grants).map_err(|_| broken())?,
    })
}

pub(super) fn purpose(site: SiteId, integrator: IntegratorId) -> String {
    format!("database login {site} {integrator}")
}
