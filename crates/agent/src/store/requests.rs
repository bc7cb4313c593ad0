//! Integrators that ask to be let in without a code, and what the practice said.

use super::{Store, StoreError, clock_high, consents::Who, trail::AuditLine};
use model::{Access, IntegratorId, SiteId, Timestamp};
use rusqlite::{OptionalExtension, Row, Transaction, params};
use std::time::Duration;
use trust::approval::Signed;

/// A request waits for so long; a yes is good for so long, and a no is remembered.
pub(crate) const LIFE: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// Most that wait at one site.
const WAITING: u32 = 20;
/// Most new ones of one site within a day: whoever makes roots by the dozen does not fill the practice's list for ever.
const A_DAY: u32 = 20;
const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// One integrator's request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PairingRequest {
    /// Which database.
    pub site: SiteId,
    /// Fingerprint of the integrator's root.
    pub integrator: IntegratorId,
    /// As it calls itself; proves nothing.
    pub name: String,
    /// What the practice said.
    pub state: RequestState,
    /// Of a yes: it may only read.
    pub read_only: bool,
    /// When it asked first.
    pub asked_at: Timestamp,
    /// When it is forgotten.
    pub expires_at: Timestamp,
    /// The PMS vendor's approval that it showed and that counted then.
    pub approval: Option<Signed>,
}

/// How a request stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestState {
    /// Nobody has decided.
    Waiting,
    /// The practice said yes; it has not paired yet.
    Approved,
    /// The practice said no.
    Denied,
    /// It has paired: the yes is used up.
    Paired,
}

impl RequestState {
    const ALL: [RequestState; 4] =
        [RequestState::Waiting, RequestState::Approved, RequestState::Denied, RequestState::Paired];

    /// As it is shown.
    pub fn name(self) -> &'static str {
        match self {
            RequestState::Waiting => "waiting",
            RequestState::Approved => "approved",
            RequestState::Denied => "denied",
            RequestState::Paired => "paired",
        }
    }

    fn number(self) -> i64 {
        self as i64
    }

    fn read(number: i64) -> Result<Self, StoreError> {
        Self::ALL
            .into_iter()
            .find(|state| state.number() == number)
            .ok_or(StoreError::Broken("a request to pair"))
    }
}

/// What becomes of somebody who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum AskedToPair {
    /// It is the first time: somebody must be told.
    New,
    Waiting,
    /// Under the name that the practice saw.
    Approved {
        name: String,
        access: Access,
    },
    Denied,
    TooMany,
}

impl Store {
    /// Notes that an integrator asks, or says what the practice answered. `audit` is written with a new request.
    pub(crate) fn ask_to_pair(
        &self,
        of: Who,
        root_spki: &[u8],
        name: &str,
        approval: Option<&Signed>,
        now: Timestamp,
        audit: &AuditLine,
    ) -> Result<AskedToPair, StoreError> {
        let (site, integrator) = (of.0, of.1);
        let ids = [&site.as_bytes()[..], &integrator.as_bytes()[..]];
        let document = approval.map(Signed::to_bytes);
        self.transaction(|t| {
            let now = clock_high(t, now)?;
            t.execute("DELETE FROM pairing_request WHERE expires_at <= ?1", [now.0])?;
            let known = find(t, of)?;
            match known.as_ref().map(|(request, root)| (request, root == root_spki)) {
                // Another key under the same fingerprint: nobody that the practice has seen.
                Some((_, false)) => return Ok(AskedToPair::TooMany),
                Some((request, true)) => match request.state {
                    RequestState::Waiting => {
                        t.execute(
                            "UPDATE pairing_request SET approval = ?3 WHERE site = ?1 AND integrator = ?2",
                            params![ids[0], ids[1], document],
                        )?;
                        return Ok(AskedToPair::Waiting);
                    }
                    RequestState::Approved => {
                        let access = if request.read_only { Access::ReadOnly } else { Access::ReadWrite };
                        return Ok(AskedToPair::Approved { name: request.name.clone(), access });
                    }
                    RequestState::Denied => return Ok(AskedToPair::Denied),
                    // It pairs again, and is asked about again.
                    RequestState::Paired => {}
                },
                None => {}
            }
            let count = |sql: &str, than: i64| -> Result<u32, StoreError> {
                Ok(t.query_row(sql, params![ids[0], than], |row| row.get(0))?)
            };
            let waiting = count("SELECT count(*) FROM pairing_request WHERE site = ?1 AND state = ?2", 0)?;
            let today = count(
                "SELECT count(*) FROM pairing_request WHERE site = ?1 AND asked_at > ?2",
                now.0.saturating_sub(DAY_MS),
            )?;
            if waiting >= WAITING || today >= A_DAY {
                return Ok(AskedToPair::TooMany);
            }
            t.execute(
                "INSERT OR REPLACE INTO pairing_request
                     (site, integrator, root_spki, name, state, asked_at, expires_at, approval)
                 VALUES (?1, ?2, ?3, ?4, 0, ?5, ?6, ?7)",
                params![ids[0], ids[1], root_spki, name, now.0, now.plus(LIFE).0, document],
            )?;
            audit.write(t)?;
            Ok(AskedToPair::New)
        })
    }

    /// The practice's answer; `false` when nobody waits, or for a no, nobody was approved either.
    pub(crate) fn decide(
        &self,
        of: Who,
        decision: RequestState,
        read_only: bool,
        by: &str,
        now: Timestamp,
        audit: &AuditLine,
    ) -> Result<bool, StoreError> {
        self.transaction(|t| {
            let now = clock_high(t, now)?;
            let changed = t.execute(
                "UPDATE pairing_request SET state = ?3, read_only = ?4, decided_by = ?5, expires_at = ?6
                 WHERE site = ?1 AND integrator = ?2 AND state IN (0, 1, 2) AND expires_at > ?7",
                params![
                    &of.0.as_bytes()[..],
                    &of.1.as_bytes()[..],
                    decision.number(),
                    read_only,
                    by,
                    now.plus(LIFE).0,
                    now.0
                ],
            )?;
            if changed == 1 {
                audit.write(t)?;
            }
            Ok(changed == 1)
        })
    }

    /// Requests that are not forgotten, the oldest first.
    pub(crate) fn pairing_requests(&self, now: Timestamp) -> Result<Vec<PairingRequest>, StoreError> {
        self.transaction(|t| {
            let now = clock_high(t, now)?;
            let mut statement =
                t.prepare(&format!("{SELECT} WHERE expires_at > ?1 ORDER BY asked_at, integrator"))?;
            let mut rows = statement.query([now.0])?;
            let mut all = Vec::new();
            while let Some(row) = rows.next()? {
                all.push(read(row)?.0);
            }
            Ok(all)
        })
    }
}

/// Uses a yes up; `false` when there is none, or it is too old.
pub(super) fn consume(
    t: &Transaction<'_>,
    of: Who,
    root_spki: &[u8],
    now: Timestamp,
) -> Result<bool, StoreError> {
    let now = clock_high(t, now)?;
    let changed = t.execute(
        "UPDATE pairing_request SET state = 3 WHERE site = ?1 AND integrator = ?2 AND root_spki = ?3
             AND state = 1 AND expires_at > ?4",
        params![&of.0.as_bytes()[..], &of.1.as_bytes()[..], root_spki, now.0],
    )?;
    Ok(changed == 1)
}

/// What an integrator asked, and a yes that it has not used, end with its consent: it asks anew. A no stays.
pub(super) fn forget(t: &Transaction<'_>, of: Who) -> Result<(), StoreError> {
    t.execute(
        "DELETE FROM pairing_request WHERE site = ?1 AND integrator = ?2 AND state <> 2",
        params![&of.0.as_bytes()[..], &of.1.as_bytes()[..]],
    )?;
    Ok(())
}

/// It has paired by a code: what it asked is answered, and no yes is left over for another time.
pub(super) fn answered(t: &Transaction<'_>, of: Who) -> Result<(), StoreError> {
    t.execute(
        "UPDATE pairing_request SET state = 3 WHERE site = ?1 AND integrator = ?2 AND state IN (0, 1)",
        params![&of.0.as_bytes()[..], &of.1.as_bytes()[..]],
    )?;
    Ok(())
}

const SELECT: &str = "SELECT site, integrator, root_spki, name, state, read_only, asked_at, expires_at, approval FROM pairing_request";

fn find(t: &Transaction<'_>, of: Who) -> Result<Option<(PairingRequest, Vec<u8>)>, StoreError> {
    let found = t
        .query_row(
            &format!("{SELECT} WHERE site = ?1 AND integrator = ?2"),
            params![&of.0.as_bytes()[..], &of.1.as_bytes()[..]],
            |row| Ok(read(row)),
        )
        .optional()?;
    found.transpose()
}

/// A request, and the root that it is bound to.
fn read(row: &Row<'_>) -> Result<(PairingRequest, Vec<u8>), StoreError> {
    let broken = || StoreError::Broken("a request to pair");
    let site = SiteId::from_slice(&row.get::<_, Vec<u8>>(0)?).ok_or_else(broken)?;
    let integrator = IntegratorId::from_slice(&row.get::<_, Vec<u8>>(1)?).ok_or_else(broken)?;
    let document = row.get::<_, Option<Vec<u8>>>(8)?;
    let request = PairingRequest {
        site,
        integrator,
        name: row.get(3)?,
        state: RequestState::read(row.get(4)?)?,
        read_only: row.get(5)?,
        asked_at: Timestamp(row.get(6)?),
        expires_at: Timestamp(row.get(7)?),
        approval: document.and_then(|bytes| Signed::parse(&bytes).ok()),
    };
    Ok((request, row.get(2)?))
}
