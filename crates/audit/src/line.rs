//! One line of the audit, and the bytes that are chained.

use crate::{
    AuditError,
    wire::{Reader, push_counted},
};
use model::{IntegratorId, QueryId, SiteId, Timestamp};
use serde::{Serialize, Serializer};

/// Longest text of a line but its detail, in bytes.
pub const TEXT_BYTES: usize = 4096;
/// Longest detail, in bytes.
pub const DETAIL_BYTES: usize = 64 * 1024;
/// Longest line, in bytes: more than all of its fields at their longest.
pub const LINE_BYTES: usize = 128 * 1024;

/// First byte of a line.
const VERSION: u8 = 1;
const WHAT: &str = "an audit line";

/// Everything that a reader of the audit is shown of one line. Texts but the detail have at most [`TEXT_BYTES`].
///
/// Statement and parameters are there by their hashes alone: a receipt shows an integrator nothing that it does not know,
/// and tells nobody else what was asked.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Line {
    /// When, by the site's clock, to the millisecond.
    #[serde(serialize_with = "rfc3339")]
    pub at: Timestamp,
    /// What happened: `begin`, `end`, `refused` and others (docs/audit.md).
    pub what: String,
    /// At which site.
    pub site: SiteId,
    /// Who.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub integrator: Option<IntegratorId>,
    /// Which of the integrator's gateways.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// Which query.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub query: Option<QueryId>,
    /// The device that it came from, when a desktop application asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// `read-only` or `read-write`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access: Option<String>,
    /// Where.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub catalogue: Option<String>,
    /// SHA-256 of the statement's whole text, UTF-8.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "hex_of")]
    pub statement: Option<[u8; 32]>,
    /// How it ended, or why it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// `executed`, `not-executed`, `unknown`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub effect: Option<String>,
    /// Rows sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
    /// Row JSON sent, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// How long it ran, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ms: Option<u32>,
    /// The operating system's user at the practice who did it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// What was changed, JSON, at most [`DETAIL_BYTES`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// A salted hash of its parameters; of older lines SHA-256 of how they were sealed first.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "hex_of")]
    pub parameters: Option<[u8; 32]>,
}

impl Line {
    /// A line with nothing but when, what and where.
    pub fn new(at: Timestamp, what: &str, site: SiteId) -> Self {
        Line {
            at,
            what: what.to_owned(),
            site,
            integrator: None,
            instance: None,
            query: None,
            device: None,
            access: None,
            catalogue: None,
            statement: None,
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

    /// The bytes that are chained: version; four bytes whose bits say which fields follow, the lowest the integrator; time, what
    /// and site; then the fields in the order of this struct, integers with 8 bytes big-endian, texts after their length of 4.
    ///
    /// No two lines have the same bytes, and no line has two forms.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(256);
        out.push(VERSION);
        out.extend([0; 4]);
        out.extend(self.at.0.to_be_bytes());
        push_counted(&mut out, self.what.as_bytes());
        out.extend(self.site.as_bytes());
        let mut fields = Fields { out, mask: 0, next: 0 };
        fields.fixed(self.integrator.as_ref().map(|id| &id.as_bytes()[..]));
        fields.text(self.instance.as_deref());
        fields.fixed(self.query.as_ref().map(|id| &id.as_bytes()[..]));
        fields.text(self.device.as_deref());
        fields.text(self.access.as_deref());
        fields.text(self.catalogue.as_deref());
        fields.fixed(self.statement.as_ref().map(|hash| &hash[..]));
        fields.text(self.status.as_deref());
        fields.text(self.effect.as_deref());
        fields.number(self.rows);
        fields.number(self.bytes);
        fields.number(self.ms.map(u64::from));
        fields.text(self.by.as_deref());
        fields.text(self.detail.as_deref());
        fields.fixed(self.parameters.as_ref().map(|hash| &hash[..]));
        let Fields { mut out, mask, .. } = fields;
        out[1..5].copy_from_slice(&mask.to_be_bytes());
        out
    }

    /// Reads what [`Line::encode`] wrote.
    ///
    /// # Errors
    /// [`AuditError`] for anything else: more bytes, a field that this version does not know, a text beyond its limit.
    pub fn decode(bytes: &[u8]) -> Result<Line, AuditError> {
        if bytes.len() > LINE_BYTES {
            return Err(AuditError::TooLong(WHAT));
        }
        let mut reader = Reader::new(WHAT, bytes);
        reader.version(VERSION)?;
        let mut given = Given { mask: reader.u32()? };
        let (at, what) = (Timestamp(i64::from_be_bytes(reader.array()?)), reader.text(TEXT_BYTES)?);
        let mut line = Line::new(at, &what, site_of(reader.array()?)?);
        let from = &mut reader;
        line.integrator = given.next(from, |r| id(IntegratorId::from_slice(&r.array::<16>()?)))?;
        line.instance = given.next(from, |r| r.text(TEXT_BYTES))?;
        line.query = given.next(from, |r| id(QueryId::from_slice(&r.array::<16>()?)))?;
        line.device = given.next(from, |r| r.text(TEXT_BYTES))?;
        line.access = given.next(from, |r| r.text(TEXT_BYTES))?;
        line.catalogue = given.next(from, |r| r.text(TEXT_BYTES))?;
        line.statement = given.next(from, Reader::array)?;
        line.status = given.next(from, |r| r.text(TEXT_BYTES))?;
        line.effect = given.next(from, |r| r.text(TEXT_BYTES))?;
        line.rows = given.next(from, Reader::u64)?;
        line.bytes = given.next(from, Reader::u64)?;
        line.ms = given.next(from, |r| u32::try_from(r.u64()?).map_err(|_| AuditError::Malformed(WHAT)))?;
        line.by = given.next(from, |r| r.text(TEXT_BYTES))?;
        line.detail = given.next(from, |r| r.text(DETAIL_BYTES))?;
        line.parameters = given.next(from, Reader::array)?;
        if given.mask != 0 {
            return Err(AuditError::Malformed(WHAT));
        }
        reader.end()?;
        Ok(line)
    }
}

/// The beginning of a text that a line can hold.
pub fn cut_text(text: &str, most: usize) -> &str {
    let end = (0..=most.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    &text[..end]
}

/// Fields that are there or not, one bit each.
struct Fields {
    out: Vec<u8>,
    mask: u32,
    next: u32,
}

impl Fields {
    fn mark(&mut self, is_there: bool) {
        self.mask |= u32::from(is_there) << self.next;
        self.next += 1;
    }

    fn fixed(&mut self, bytes: Option<&[u8]>) {
        self.mark(bytes.is_some());
        self.out.extend(bytes.unwrap_or_default());
    }

    fn text(&mut self, text: Option<&str>) {
        self.mark(text.is_some());
        if let Some(text) = text {
            push_counted(&mut self.out, text.as_bytes());
        }
    }

    fn number(&mut self, number: Option<u64>) {
        self.mark(number.is_some());
        if let Some(number) = number {
            self.out.extend(number.to_be_bytes());
        }
    }
}

/// The bits of the fields that are still to come.
struct Given {
    mask: u32,
}

impl Given {
    fn next<'a, T>(
        &mut self,
        from: &mut Reader<'a>,
        read: impl FnOnce(&mut Reader<'a>) -> Result<T, AuditError>,
    ) -> Result<Option<T>, AuditError> {
        let is_there = self.mask & 1 == 1;
        self.mask >>= 1;
        if is_there { read(from).map(Some) } else { Ok(None) }
    }
}

pub(crate) fn site_of(bytes: [u8; 16]) -> Result<SiteId, AuditError> {
    id(SiteId::from_slice(&bytes))
}

fn id<T>(id: Option<T>) -> Result<T, AuditError> {
    id.ok_or(AuditError::Malformed(WHAT))
}

fn rfc3339<S: Serializer>(at: &Timestamp, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&at.to_rfc3339())
}

#[expect(clippy::ref_option, reason = "serde wants it so")]
fn hex_of<S: Serializer>(hash: &Option<[u8; 32]>, to: S) -> Result<S::Ok, S::Error> {
    let text: String = hash.iter().flatten().map(|byte| format!("{byte:02x}")).collect();
    to.serialize_str(&text)
}
