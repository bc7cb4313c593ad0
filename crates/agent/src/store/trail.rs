//! The audit trail: one line before and one after, statement text once per distinct text; parameter values only where the
//! practice wants them, and then sealed.

use super::{Store, StoreError, ledger::LedgerKey};
use aws_lc_rs::digest;
use model::{Access, Command, CommandType, DeviceId, Hidden, IntegratorId, QueryId, SiteId, Timestamp};
use rusqlite::{Transaction, params};
use std::sync::Arc;

/// Statement text beyond this is cut; its hash is over the whole.
const TEXT_BYTES: usize = 64 * 1024;
/// So much of a command's parameter values is kept, where the practice wants them.
const VALUES_BYTES: usize = 64 * 1024;

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
    /// A recovery kit was made.
    KitMade,
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
            Happened::KitMade => "recovery-kit-made",
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
    pub(crate) parameters: Option<Vec<u8>>,
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

    pub(crate) fn write(&self, t: &Transaction<'_>) -> Result<(), StoreError> {
        let hash = match &self.command {
            Some(command) => {
                let text = command.text.reveal();
                let hash = digest::digest(&digest::SHA256, text.as_bytes());
                t.prepare_cached("INSERT OR IGNORE INTO statement (sha256, text) VALUES (?1, ?2)")?
                    .execute(params![hash.as_ref(), cut(text)])?;
                Some(hash)
            }
            None => None,
        };
        t.prepare_cached(
            "INSERT INTO audit (at, what, site, integrator, instance, query, access, catalogue, sha256,
                 status, effect, rows, bytes, ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
        )?
        .execute(params![
            self.at.0,
            self.what.name(),
            &self.site.as_bytes()[..],
            self.integrator.as_ref().map(|id| &id.as_bytes()[..]),
            self.instance.as_deref(),
            self.query.as_ref().map(|id| &id.as_bytes()[..]),
            self.access.map(access_name),
            self.catalogue.as_deref(),
            hash.as_ref().map(AsRef::as_ref),
            self.status,
            self.effect,
            self.rows.map(u64::cast_signed),
            self.bytes.map(u64::cast_signed),
            self.ms,
        ])?;
        let id = t.last_insert_rowid();
        if let Some(device) = &self.device {
            t.prepare_cached("INSERT INTO audit_device (audit, device) VALUES (?1, ?2)")?
                .execute(params![id, device.as_str()])?;
        }
        if self.by.is_some() || self.detail.is_some() || self.parameters.is_some() {
            t.prepare_cached(
                "INSERT INTO audit_more (id, done_by, detail, parameters) VALUES (?1, ?2, ?3, ?4)",
            )?
            .execute(params![id, self.by.as_deref(), self.detail, self.parameters])?;
        }
        Ok(())
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
    /// `unpaired`, `login-replaced`, `login-refused`, `halted`, `unhalted`, `audit-read`, `checked`.
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
}

impl std::fmt::Debug for AuditParameter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // A value may be a patient's.
        f.debug_struct("AuditParameter").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Store {
    /// The newest `last` lines, oldest first.
    pub(crate) fn audit(&self, last: u32) -> Result<Vec<AuditRow>, StoreError> {
        let connection = self.lock();
        let mut statement = connection.prepare_cached(
            "SELECT id, at, what, site, integrator, instance, query, access, catalogue, audit.sha256, text,
                 status, effect, rows, bytes, ms, device, done_by, detail, parameters
             FROM audit LEFT JOIN statement USING (sha256)
             LEFT JOIN audit_device ON audit_device.audit = audit.id
             LEFT JOIN audit_more USING (id) ORDER BY id DESC LIMIT ?1",
        )?;
        let id = |bytes: Option<Vec<u8>>| {
            bytes.and_then(|b| uuid::Uuid::from_slice(&b).ok()).map(|id| id.to_string())
        };
        let rows = statement.query_map([last], |row| {
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
            })
        })?;
        let mut rows = rows.collect::<Result<Vec<_>, _>>()?;
        rows.reverse();
        Ok(rows)
    }
}

impl Store {
    /// Parameters for a line of the audit: their values where `values` is said, else the names of those that do not stand in
    /// the text. Sealed, and `None` when there is nothing to keep.
    pub(crate) fn seal_parameters(
        &self,
        of: &LedgerKey,
        command: &Command,
        values: bool,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let named = values || command.kind == CommandType::StoredProcedure;
        if !named || command.parameters.is_empty() {
            return Ok(None);
        }
        let mut room = VALUES_BYTES;
        let kept: Vec<AuditParameter> = command
            .parameters
            .iter()
            .map(|parameter| {
                let value = parameter.value.as_ref().filter(|_| values).map(|value| {
                    let text = cut_at(value.reveal(), room);
                    room -= text.len();
                    text.to_owned()
                });
                AuditParameter { name: parameter.name.clone(), value }
            })
            .collect();
        let clear = serde_json::to_vec(&kept).map_err(|_| StoreError::Broken("parameters"))?;
        let clear = Hidden::new(clear);
        Ok(Some(self.protector.seal(&parameters_purpose(of.site), clear.reveal())?))
    }

    /// What does not open was sealed with a key that is lost.
    fn open_parameters(&self, sealed: Option<(SiteId, Vec<u8>)>) -> Vec<AuditParameter> {
        let Some((site, sealed)) = sealed else { return Vec::new() };
        let Ok(clear) = self.protector.open(&parameters_purpose(site), &sealed) else { return Vec::new() };
        serde_json::from_slice(clear.reveal()).unwrap_or_default()
    }
}

pub(super) fn parameters_purpose(site: SiteId) -> String {
    format!("audit parameters {site}")
}

fn access_name(access: Access) -> &'static str {
    match access {
        Access::ReadOnly => "read-only",
        Access::ReadWrite => "read-write",
    }
}

fn cut(text: &str) -> &str {
    cut_at(text, TEXT_BYTES)
}

fn cut_at(text: &str, most: usize) -> &str {
    let end = (0..=most.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    &text[..end]
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
