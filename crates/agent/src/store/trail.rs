//! The audit trail: one line before and one after, statement text once per distinct text; parameter values only where the
//! practice wants them, and then sealed.

use super::{SealedValues, Store, StoreError, chain, values};
use model::{Access, Command, DeviceId, IntegratorId, QueryId, SiteId, Timestamp};
use rusqlite::{OptionalExtension, Transaction, params};
use std::sync::Arc;

/// Statement text beyond this is cut; its hash is over the whole.
pub(super) const TEXT_BYTES: usize = 64 * 1024;
/// A text that was cut is never shorter than this: it is cut between two characters.
pub(super) const TEXT_SHORTEST: usize = TEXT_BYTES - 3;

/// What a line tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Happened {
    /// A command is about to reach the database.
    Begin,
    /// It ended.
    End,
    /// A known integrator was refused at the door.
    Refused,
    Paired,
    PairingRefused,
    CodeMade,
    SwitchedOn,
    SwitchedOff,
    /// The whole site was.
    SiteOn,
    SiteOff,
    /// What an integrator's login may do is not what it was.
    RightsChanged,
    /// The site's database says that it belongs to another practice: nothing is let in from now on.
    OtherPractice,
    /// It says the right one again.
    OwnPractice,
    /// A pairing is gone with the key that sealed its login.
    Forgotten,
    /// The practice consented to something else than before: see the detail.
    ConsentSet,
    /// A consent's time was over.
    ConsentExpired,
    /// A consent was withdrawn, and its login erased.
    ConsentRevoked,
    /// A pairing was ended.
    Unpaired,
    /// An integrator replaced its database login.
    LoginReplaced,
    /// It offered one that the database did not take.
    LoginRefused,
    /// Everything was stopped.
    Halted,
    /// It goes on.
    Unhalted,
    /// The service goes over from one environment to another.
    EnvironmentSet,
    /// The PMS vendor's newer approval of an integrator was taken: see the detail.
    ApprovalKept,
    /// One counts no more: see the detail.
    ApprovalEnded,
    /// An integrator without a code asks to be let in.
    PairingAsked,
    /// The practice said yes to it.
    PairingApproved,
    /// The practice said no.
    PairingDenied,
    /// An integrator revoked gateways of its own: see the detail.
    InstancesRevoked,
    /// The practice shut one of an integrator's gateways out.
    InstanceShutOut,
    /// The practice let it in again.
    InstanceLetIn,
    /// A recovery kit was made.
    KitMade,
    /// Whoever made it has it: backups are for it from now on.
    KitKept,
    /// This server goes on where another one was lost.
    Restored,
    /// This server goes on where another one has stopped on purpose.
    MovedIn,
    /// This server has stopped on purpose: another one goes on.
    MovedOut,
    /// That was taken back.
    MoveUndone,
    /// Another server may be the real one: nothing is served.
    Stopped,
    /// Halo Cloud took this server again.
    TakenAgain,
    /// Somebody said that this server is the real one.
    Confirmed,
    /// Somebody had it signed that another site is the one to use.
    HandedOver,
    /// Somebody read the audit.
    AuditRead,
    /// Somebody had the databases and all logins tried.
    Checked,
    /// The audit is a chain from here on: the detail says what stood there before.
    Chained,
    /// A version without a chain had written meanwhile: the detail says how much.
    Unchained,
    /// Lines older than the practice keeps were removed: the detail says up to where.
    AuditCut,
}

impl Happened {
    fn name(self) -> &'static str {
        match self {
            Happened::Begin => "begin",
            Happened::End => "end",
            Happened::Refused => "refused",
            Happened::Paired => "paired",
            Happened::PairingRefused => "pairing-refused",
            Happened::CodeMade => "code-made",
            Happened::SwitchedOn => "switched-on",
            Happened::SwitchedOff => "switched-off",
            Happened::SiteOn => "site-on",
            Happened::SiteOff => "site-off",
            Happened::RightsChanged => "rights-changed",
            Happened::OtherPractice => "other-practice",
            Happened::OwnPractice => "own-practice",
            Happened::Forgotten => "forgotten",
            Happened::ConsentSet => "consent-set",
            Happened::ConsentExpired => "consent-expired",
            Happened::ConsentRevoked => "consent-revoked",
            Happened::Unpaired => "unpaired",
            Happened::LoginReplaced => "login-replaced",
            Happened::LoginRefused => "login-refused",
            Happened::Halted => "halted",
            Happened::Unhalted => "unhalted",
            Happened::EnvironmentSet => "environment-set",
            Happened::ApprovalKept => "approval-kept",
            Happened::ApprovalEnded => "approval-ended",
            Happened::PairingAsked => "pairing-asked",
            Happened::PairingApproved => "pairing-approved",
            Happened::PairingDenied => "pairing-denied",
            Happened::InstancesRevoked => "instances-revoked",
            Happened::InstanceShutOut => "instance-shut-out",
            Happened::InstanceLetIn => "instance-let-in",
            Happened::KitMade => "recovery-kit-made",
            Happened::KitKept => "recovery-kit-kept",
            Happened::Restored => "restored",
            Happened::MovedIn => "moved-in",
            Happened::MovedOut => "moved-out",
            Happened::MoveUndone => "move-undone",
            Happened::Stopped => "server-stopped",
            Happened::TakenAgain => "server-taken-again",
            Happened::Confirmed => "server-confirmed",
            Happened::HandedOver => "handed-over",
            Happened::AuditRead => "audit-read",
            Happened::Checked => "checked",
            Happened::Chained => "chained",
            Happened::Unchained => "unchained",
            Happened::AuditCut => "audit-cut",
        }
    }
}

/// One line to be written.
#[derive(Clone, Debug)]
pub(crate) struct AuditLine {
    pub(crate) at: Timestamp,
    pub(crate) what: Happened,
    pub(crate) site: SiteId,
    pub(crate) integrator: Option<IntegratorId>,
    pub(crate) instance: Option<Arc<str>>,
    pub(crate) query: Option<QueryId>,
    /// A desktop application asked, on this device.
    pub(crate) device: Option<DeviceId>,
    pub(crate) access: Option<Access>,
    pub(crate) catalogue: Option<Arc<str>>,
    /// Its text and the text's hash are written, its values are not.
    pub(crate) command: Option<Arc<Command>>,
    pub(crate) status: Option<&'static str>,
    pub(crate) effect: Option<&'static str>,
    pub(crate) rows: Option<u64>,
    pub(crate) bytes: Option<u64>,
    pub(crate) ms: Option<u32>,
    /// The operating system's user who did it with the Utility.
    pub(crate) by: Option<Arc<str>>,
    /// What was changed, JSON.
    pub(crate) detail: Option<String>,
    /// From [`Store::seal_parameters`].
    pub(crate) parameters: Option<Box<SealedValues>>,
}

impl AuditLine {
    /// A line with nothing but when, what and where.
    pub(crate) fn new(at: Timestamp, what: Happened, site: SiteId) -> Self {
        AuditLine {
            at,
            what,
            site,
            integrator: None,
            instance: None,
            query: None,
            device: None,
            access: None,
            catalogue: None,
            command: None,
            status: None,
            effect: None,
            rows: None,
            bytes: None,
            ms: None,
            by: None,
            detail: None,
            parameters: None,
        }
    }

    /// The same line, done by somebody at the practice.
    pub(crate) fn by(self, by: Option<&str>) -> Self {
        AuditLine { by: by.map(Into::into), ..self }
    }

    /// Writes it, and chains it, in the caller's transaction.
    pub(crate) fn write(&self, t: &Transaction<'_>) -> Result<(), StoreError> {
        let line = self.line();
        if let (Some(command), Some(hash)) = (&self.command, &line.statement) {
            t.prepare_cached("INSERT OR IGNORE INTO statement (sha256, text) VALUES (?1, ?2)")?
                .execute(params![&hash[..], audit::cut_text(command.text.reveal(), TEXT_BYTES)])?;
        }
        let id = chain::next_id(t)?;
        insert(t, Some(id), &line)?;
        if let Some(device) = &line.device {
            t.prepare_cached("INSERT OR REPLACE INTO audit_device (audit, device) VALUES (?1, ?2)")?
                .execute(params![id, device])?;
        }
        if line.by.is_some() || line.detail.is_some() || self.parameters.is_some() {
            t.prepare_cached(
                "INSERT OR REPLACE INTO audit_more (id, done_by, detail, parameters) VALUES (?1, ?2, ?3, ?4)",
            )?
            .execute(params![
                id,
                line.by,
                line.detail,
                self.parameters.as_ref().map(|values| &values.sealed)
            ])?;
        }
        if let Some(values) = &self.parameters {
            values::keep(t, id, &values.hash, &values.sealed)?;
        }
        chain::link(t, id, &line)
    }

    /// What is shown of it, and chained: texts no longer than a line may hold.
    pub(super) fn line(&self) -> audit::Line {
        let short = |text: &str| audit::cut_text(text, audit::TEXT_BYTES).to_owned();
        let detail = self.detail.as_ref().map(|detail| match detail.len() {
            0..=audit::DETAIL_BYTES => detail.clone(),
            // Cut anywhere it would be no JSON.
            _ => r#"{"cut":true}"#.to_owned(),
        });
        audit::Line {
            integrator: self.integrator,
            instance: self.instance.as_deref().map(short),
            query: self.query,
            device: self.device.as_ref().map(|device| short(device.as_str())),
            access: self.access.map(|access| access_name(access).to_owned()),
            catalogue: self.catalogue.as_deref().map(short),
            statement: self.command.as_ref().map(|command| chain::digest(command.text.reveal().as_bytes())),
            status: self.status.map(short),
            effect: self.effect.map(short),
            rows: self.rows,
            bytes: self.bytes,
            ms: self.ms,
            by: self.by.as_deref().map(short),
            detail,
            parameters: self.parameters.as_ref().map(|values| values.hash),
            ..audit::Line::new(self.at, self.what.name(), self.site)
        }
    }
}

/// A parameter as the audit has it.
#[derive(Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct AuditParameter {
    /// Its name.
    pub name: String,
    /// Its value, where the practice wants values in its audit; `None` is also NULL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

/// One line as it is shown.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct AuditRow {
    /// Rising number.
    pub id: i64,
    /// RFC 3339.
    pub at: String,
    /// `begin`, `end`, `refused`, `paired`, `pairing-refused`, `code-made`, `switched-on`, `switched-off`, `site-on`, `site-off`,
    /// `rights-changed`, `other-practice`, `own-practice`, `forgotten`, `consent-set`, `consent-expired`, `consent-revoked`,
    /// `unpaired`, `login-replaced`, `login-refused`, `halted`, `unhalted`, `environment-set`, `approval-kept`, `approval-ended`,
    /// `pairing-asked`, `pairing-approved`, `pairing-denied`, `instances-revoked`, `instance-shut-out`, `instance-let-in`,
    /// `recovery-kit-made`, `recovery-kit-kept`, `restored`, `moved-in`, `moved-out`, `move-undone`, `server-stopped`, `server-taken-again`,
    /// `server-confirmed`, `handed-over`, `audit-read`, `checked`, `chained`, `unchained`, `audit-cut`.
    pub what: String,
    /// Which database.
    pub site: String,
    /// Who.
    pub integrator: Option<String>,
    /// Which of the integrator's gateways.
    pub instance: Option<String>,
    /// Which query.
    pub query: Option<String>,
    /// The device that it came from, when a desktop application asked.
    #[serde(default)]
    pub device: Option<String>,
    /// `read-only` or `read-write`.
    pub access: Option<String>,
    /// Where.
    pub catalogue: Option<String>,
    /// Hash of the statement's text, hexadecimal.
    pub sha256: Option<String>,
    /// The text (cut at 64 KiB), without parameter values.
    pub statement: Option<String>,
    /// How it ended.
    pub status: Option<String>,
    /// `executed`, `not-executed`, `unknown`.
    pub effect: Option<String>,
    /// Rows sent.
    pub rows: Option<i64>,
    /// Row JSON sent, bytes.
    pub bytes: Option<i64>,
    /// How long it ran.
    pub ms: Option<i64>,
    /// The operating system's user at the practice who did it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// What was changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<serde_json::Value>,
    /// Parameters: of a stored procedure their names, and their values where the practice wants them in its audit.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parameters: Vec<AuditParameter>,
    /// Its number in the site's chain; none: written before there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<i64>,
}

impl std::fmt::Debug for AuditParameter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // A value may be a patient's.
        f.debug_struct("AuditParameter").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Which lines are shown.
#[derive(Clone, Copy, Debug, Default)]
pub struct AuditFilter {
    /// So many at most, the newest of them.
    pub last: u32,
    /// Of one site.
    pub site: Option<SiteId>,
    /// Of one integrator.
    pub integrator: Option<IntegratorId>,
    /// Of one query.
    pub query: Option<QueryId>,
    /// From then on.
    pub since: Option<Timestamp>,
    /// Before then.
    pub until: Option<Timestamp>,
}

/// Everything that is shown of a line.
const SHOWN: &str =
    "SELECT a.id, a.at, a.what, a.site, a.integrator, a.instance, a.query, a.access, a.catalogue, a.sha256, s.text,
         a.status, a.effect, a.rows, a.bytes, a.ms, d.device, m.done_by, m.detail, m.parameters, c.number
     FROM audit a LEFT JOIN statement s ON s.sha256 = a.sha256 LEFT JOIN audit_device d ON d.audit = a.id
     LEFT JOIN audit_more m ON m.id = a.id LEFT JOIN audit_chain c ON c.id = a.id";

/// What a line of the audit is kept as, but for what stands beside it. Without an `id` the engine chooses one.
pub(super) fn insert(t: &Transaction<'_>, id: Option<i64>, line: &audit::Line) -> Result<(), StoreError> {
    t.prepare_cached(
        "INSERT INTO audit (id, at, what, site, integrator, instance, query, access, catalogue, sha256,
             status, effect, rows, bytes, ms)
         VALUES (?15, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
    )?
    .execute(params![
        line.at.0,
        line.what,
        &line.site.as_bytes()[..],
        line.integrator.as_ref().map(|id| &id.as_bytes()[..]),
        line.instance,
        line.query.as_ref().map(|id| &id.as_bytes()[..]),
        line.access,
        line.catalogue,
        line.statement.as_ref().map(|hash| &hash[..]),
        line.status,
        line.effect,
        line.rows.map(u64::cast_signed),
        line.bytes.map(u64::cast_signed),
        line.ms,
        id,
    ])?;
    Ok(())
}

impl Store {
    /// The newest `last` lines, oldest first.
    pub(crate) fn audit(&self, last: u32) -> Result<Vec<AuditRow>, StoreError> {
        self.audit_where(&AuditFilter { last, ..AuditFilter::default() })
    }

    /// The newest of those that a filter lets through, oldest first. How long it takes depends on how many are shown, not on how many
    /// there are.
    pub(crate) fn audit_where(&self, filter: &AuditFilter) -> Result<Vec<AuditRow>, StoreError> {
        let AuditFilter { last, site, integrator, query, since, until } = filter;
        let site = site.as_ref().map(|id| &id.as_bytes()[..]);
        let integrator = integrator.as_ref().map(|id| &id.as_bytes()[..]);
        let (since, until) = (since.map_or(i64::MIN, |at| at.0), until.map_or(i64::MAX, |at| at.0));
        let mut rows = self.reading(|t| {
            if let Some(query) = query {
                return self.shown_of_query(t, *query, usize::try_from(*last).unwrap_or(usize::MAX), |row| {
                    let is = |asked: Option<&[u8]>, id: &str| {
                        asked.is_none_or(|asked| {
                            uuid::Uuid::from_slice(asked).is_ok_and(|of| of.to_string() == id)
                        })
                    };
                    let at = Timestamp::parse(&row.at).map_or(0, |at| at.0);
                    is(site, &row.site)
                        && is(integrator, row.integrator.as_deref().unwrap_or_default())
                        && (since..until).contains(&at)
                });
            }
            // Through the site's own numbers, or another site's lines between them would all be looked at.
            if let (Some(site), None, i64::MIN, i64::MAX) = (site, integrator, since, until) {
                let sql = format!(
                    "{SHOWN} WHERE a.site = ?1 AND a.id IN (SELECT id FROM audit_chain WHERE site = ?1 ORDER BY number DESC LIMIT ?2)
                     ORDER BY a.id DESC"
                );
                let mut statement = t.prepare_cached(&sql)?;
                let found = statement.query_map(params![site, last], |row| self.shown(row))?;
                let found = found.collect::<Result<Vec<_>, _>>()?;
                // Where these are all, lines without a number may stand before them.
                if u32::try_from(found.len()).is_ok_and(|count| count >= *last) {
                    return Ok(found);
                }
            }
            // Each in the order of an index: the engine stops at the last one that is shown.
            let chosen = match (integrator, since, until) {
                (Some(_), ..) => {
                    "a.integrator = ?3 AND a.at >= ?4 AND a.at < ?5 ORDER BY a.at DESC, a.id DESC"
                }
                (None, i64::MIN, i64::MAX) => "?3 IS NULL AND ?4 < ?5 ORDER BY a.id DESC",
                _ => "?3 IS NULL AND a.at >= ?4 AND a.at < ?5 ORDER BY a.at DESC, a.id DESC",
            };
            let sql = format!("{SHOWN} WHERE (?2 IS NULL OR a.site = ?2) AND {chosen} LIMIT ?1");
            let mut statement = t.prepare_cached(&sql)?;
            let of = params![last, site, integrator, since, until];
            let found = statement.query_map(of, |row| self.shown(row))?;
            Ok(found.collect::<Result<Vec<_>, _>>()?)
        })?;
        rows.reverse();
        Ok(rows)
    }

    /// The newest lines of one query, newest first.
    fn shown_of_query(
        &self,
        t: &Transaction<'_>,
        query: QueryId,
        last: usize,
        is_asked: impl Fn(&AuditRow) -> bool,
    ) -> Result<Vec<AuditRow>, StoreError> {
        let (mut rows, id_text) = (Vec::new(), query.to_string());
        let mut statement = t.prepare_cached(&format!("{SHOWN} WHERE a.id = ?1"))?;
        chain::lines_of(t, query, |id| {
            let row = statement.query_row([id], |row| self.shown(row)).optional()?;
            // The index may name another query's line: what a line says is what counts.
            rows.extend(row.filter(|row| row.query.as_ref() == Some(&id_text) && is_asked(row)));
            Ok(rows.len() >= last)
        })?;
        rows.truncate(last);
        Ok(rows)
    }

    /// A row of [`SHOWN`].
    fn shown(&self, row: &rusqlite::Row<'_>) -> rusqlite::Result<AuditRow> {
        let id = |bytes: Option<Vec<u8>>| {
            bytes.and_then(|b| uuid::Uuid::from_slice(&b).ok()).map(|id| id.to_string())
        };
        Ok(AuditRow {
            id: row.get(0)?,
            at: Timestamp(row.get(1)?).to_rfc3339(),
            what: row.get(2)?,
            site: id(row.get(3)?).unwrap_or_default(),
            integrator: id(row.get(4)?),
            instance: row.get(5)?,
            query: id(row.get(6)?),
            access: row.get(7)?,
            catalogue: row.get(8)?,
            sha256: row.get::<_, Option<Vec<u8>>>(9)?.map(|hash| hex(&hash)),
            statement: row.get(10)?,
            status: row.get(11)?,
            effect: row.get(12)?,
            rows: row.get(13)?,
            bytes: row.get(14)?,
            ms: row.get(15)?,
            device: row.get(16)?,
            by: row.get(17)?,
            detail: row.get::<_, Option<String>>(18)?.and_then(|text| serde_json::from_str(&text).ok()),
            parameters: {
                let sealed: Option<Vec<u8>> = row.get(19)?;
                let site = SiteId::from_slice(&row.get::<_, Vec<u8>>(3)?);
                self.open_parameters(site.zip(sealed))
            },
            number: row.get(20)?,
        })
    }
}

fn access_name(access: Access) -> &'static str {
    match access {
        Access::ReadOnly => "read-only",
        Access::ReadWrite => "read-write",
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    /// What a line may say is what the texts for people and for programs list.
    #[test]
    fn every_kind_of_line_is_in_the_texts() {
        let own = include_str!("trail.rs");
        let names = own.lines().filter_map(|line| {
            let (_, name) = line.trim().strip_prefix("Happened::")?.split_once(" => \"")?;
            name.strip_suffix("\",")
        });
        let names: Vec<_> = names.collect();
        assert!(names.len() > 40, "{names:?}");
        let guide = include_str!("../../../../docs/audit.md");
        let what = own.split_once("    /// `begin`, `end`,").unwrap().1.split_once("pub what").unwrap().0;
        for name in names.iter().filter(|name| !["begin", "end"].contains(name)) {
            let quoted = format!("`{name}`");
            assert!(guide.contains(&quoted), "{name} is not in docs/audit.md");
            assert!(what.contains(&quoted), "{name} is not at AuditRow::what");
        }
    }
}
