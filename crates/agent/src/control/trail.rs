//! Asks about the audit: show, and walk over all of it piece by piece.
//!
//! The Utility checks by itself: a service that was tampered with could say that all is well.

use super::{
    Ask,
    answer::{find, which_site},
};
use crate::{
    host::Host,
    store::{AuditFilter, Texts},
};
use audit::{Entry, Header, KeptLine, SignedHead};
use model::{IntegratorId, SiteId, Timestamp};
use serde::{Deserialize, Serialize};

/// Most lines that are shown at once.
const SHOWN: u32 = 1_000;
/// Most lines of a piece, and about how many bytes of them.
const PIECE: u32 = 2_000;
const PIECE_BYTES: usize = 4 * 1024 * 1024;

/// What a walk begins with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WalkAnswer {
    /// What stands before the first line.
    pub header: Header,
    /// The signed head of its newest line; none while there is none.
    pub head: Option<SignedHead>,
    /// The newest head that was kept beside the lines: of a whole walk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed: Option<SignedHead>,
    /// What the first piece is asked with.
    pub after: i64,
    /// What all pieces are asked with.
    pub until: i64,
}

/// Some lines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PieceAnswer {
    /// In the order in which they were written.
    pub lines: Vec<KeptLine>,
    /// Hashes of statements, hexadecimal, that these lines have and of which no text is kept.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub texts_gone: Vec<String>,
    /// What the next piece is asked with; none: this was the last.
    pub after: Option<i64>,
}

/// How some statements' texts are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TextsAnswer {
    /// So many were looked at.
    pub looked: u64,
    /// Of them, so many that can't be checked: their hashes are of longer texts, and only the beginnings are kept.
    #[serde(default)]
    pub cut: u64,
    /// Hashes, hexadecimal, of which the texts are other ones.
    pub wrong: Vec<String>,
    /// What the next piece is asked with; none: this was the last.
    pub after: Option<String>,
}

/// Answers one of them. Blocks on the disk.
pub(super) fn answer(
    host: &Host,
    ask: Ask,
    by: &str,
) -> Result<serde_json::Result<serde_json::Value>, String> {
    match ask {
        Ask::AuditShow { last, integrator, query, since, until, site } => {
            let site = site.map(|site| which_site(host, Some(site))).transpose()?;
            let what = serde_json::json!({
                "show": last, "integrator": integrator, "query": query, "since": since, "until": until
            });
            let filter = AuditFilter {
                last: last.min(SHOWN),
                site,
                integrator: integrator.map(|name| who(host, &name, site)).transpose()?,
                query,
                since: time(since)?,
                until: time(until)?,
            };
            let rows = host.door().audit_where(&filter).map_err(|error| error.to_string());
            host.door().note_read(site, by, &what);
            rows.map(serde_json::to_value)
        }
        Ask::AuditWalk { purpose, site, since, until } => {
            let site = which_site(host, Some(site))?;
            if !matches!(purpose.as_str(), "verify" | "export") {
                return Err("a walk over the audit is to verify or to export it".to_owned());
            }
            let what = serde_json::json!({ purpose.as_str(): { "since": since, "until": until } });
            host.door().note_walk(site, by, &what);
            let (since, until) = (time(since)?, time(until)?);
            let part = since.is_some() || until.is_some();
            let walk = host.door().audit_walk(site, since, until).map_err(|error| error.to_string())?;
            let signed = match part {
                true => None,
                false => host.door().store().kept_head(site).map_err(|error| error.to_string())?,
            };
            // A list of one or none: nothing at all is no answer on the socket.
            let begins = walk.map(|(walk, head)| {
                let cut = walk.cut.filter(|_| !part).map(|cut| cut.head);
                let header = Header::new(site, walk.start.number, &walk.start.chain, part, cut);
                WalkAnswer { header, head, signed, after: walk.after, until: walk.until }
            });
            Ok(serde_json::to_value(begins.as_slice()))
        }
        Ask::AuditPiece { site, after, until } => {
            piece(host, which_site(host, Some(site))?, (after, until), by).map(serde_json::to_value)
        }
        Ask::AuditTexts { after } => {
            let after = after.as_deref().map_or(Some(Vec::new()), bytes);
            let after = after.ok_or("`after` is a hash that the service gave")?;
            let Texts { looked, cut, wrong, after } =
                host.door().store().check_texts(&after).map_err(|error| error.to_string())?;
            let after = after.map(|hash| hash.iter().map(|byte| format!("{byte:02x}")).collect());
            Ok(serde_json::to_value(TextsAnswer { looked, cut, wrong, after }))
        }
        _ => Err("asked elsewhere".to_owned()),
    }
}

fn piece(host: &Host, site: SiteId, between: (i64, i64), by: &str) -> Result<PieceAnswer, String> {
    let entries = host.door().audit_piece(site, between, PIECE, by).map_err(|error| error.to_string())?;
    let full = entries.len() == usize::try_from(PIECE).unwrap_or(usize::MAX);
    let (mut lines, mut size, mut last) = (Vec::new(), 0, None);
    let count = entries.len();
    for entry in entries {
        let place = entry.place.map(|place| (place.number, place.chain));
        size += entry.line.as_ref().map_or(0, Vec::len) + 64;
        lines.push(KeptLine::new(Entry { place, line: entry.line.as_deref() }));
        last = Some(entry.id);
        if size > PIECE_BYTES {
            break;
        }
    }
    let more = full || lines.len() < count;
    let texts_gone = host.door().store().texts_gone(site, between.0, last.unwrap_or(between.0));
    let texts_gone = texts_gone.map_err(|error| error.to_string())?;
    Ok(PieceAnswer { lines, texts_gone, after: last.filter(|_| more) })
}

/// An integrator by id, paired or not any more, or by the name of one that is.
fn who(host: &Host, name: &str, site: Option<SiteId>) -> Result<IntegratorId, String> {
    match name.trim().parse() {
        Ok(id) => Ok(id),
        Err(_) => {
            let mut sites = site.map_or_else(|| host.sites(), |site| vec![site]).into_iter();
            let found = sites.find_map(|site| find(host, name, Some(site)).ok());
            found.map(|pairing| pairing.integrator).ok_or_else(|| {
                "no integrator of that name is paired; of one that is not any more, use the id that its lines show".to_owned()
            })
        }
    }
}

fn time(text: Option<String>) -> Result<Option<Timestamp>, String> {
    let parse = |text: String| {
        Timestamp::parse(&text).ok_or_else(|| "a time is written as 2026-11-27T00:00:00Z".to_owned())
    };
    text.map(parse).transpose()
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    let digits = hex.as_bytes();
    if digits.len() != 64 || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    (0..64).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).ok()).collect()
}
