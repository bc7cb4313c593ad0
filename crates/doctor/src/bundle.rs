//! The archive for support: what helps to find a fault, and nothing that is the practice's or a secret.
//!
//! Everything in it was put on a list of what may go in; nothing was taken out of a whole. So what nobody thought of stays here.

mod config;
mod log;
#[cfg(test)]
mod tests;

use crate::{Report, seen::Seen, show};
use agent::{control::StatusAnswer, store::AuditRow};
use serde_json::{Value, json};
use std::{
    fs,
    io::{self, Cursor, Write},
    path::Path,
};
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

/// Log lines in the archive at most, the newest.
const LOG_LINES: usize = 20_000;
/// Audit lines to ask for, the newest.
pub const AUDIT_LINES: u32 = 1_000;

const CONTENTS: &str = "\
What is in this archive, for Halo Connect's support:

  doctor.txt, doctor.json   what HaloLinkUtility doctor found
  facts.json                versions, and what kind of server this is
  link.toml                 the configuration: the settings on a list, and no others; never a password
  status.json               how the service stands: sites, who is paired, numbers
  audit.jsonl               who asked when, and how it ended
  log.jsonl                 the newest lines of the service's log: times, identifiers, the program's own words

What is not in it: keys and identities, logins and passwords, the statements that were run, their values,
rows of any database, patients. Look through it before you send it: it is all plain text.
";

/// Packs the archive, a ZIP file.
///
/// `audit` as the service gave it. `config_text` is the configuration file, if it can be read.
///
/// # Errors
/// When the archive can't be put together.
pub fn pack(
    seen: &Seen,
    report: &Report,
    config_text: Option<&str>,
    audit: &[AuditRow],
) -> io::Result<Vec<u8>> {
    let (settings, secrets) = config::allowed(config_text);
    let folder = seen.config.as_ref().ok().map(|config| config.data.clone());
    let lines = folder.map(|folder| log::newest(&folder.join("logs"), LOG_LINES)).unwrap_or_default();
    let audit: Vec<String> = audit.iter().map(|row| audit_line(row).to_string()).collect();
    let files = [
        ("CONTENTS.txt", CONTENTS.to_owned()),
        ("doctor.txt", show::text(report, false)),
        ("doctor.json", serde_json::to_string_pretty(report)?),
        ("facts.json", format!("{:#}", facts(seen))),
        ("link.toml", settings),
        (
            "status.json",
            format!("{:#}", seen.status.as_ref().map_or_else(|e| json!({ "error": e.to_string() }), status)),
        ),
        ("audit.jsonl", audit.join("\n")),
        ("log.jsonl", lines.join("\n")),
    ];
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
    for (name, text) in files {
        archive.start_file(name, options).map_err(io::Error::other)?;
        archive.write_all(without(text, &secrets).as_bytes())?;
    }
    Ok(archive.finish().map_err(io::Error::other)?.into_inner())
}

/// Writes it where only its owner may read it, and never over another file.
///
/// # Errors
/// When the file is there already or can't be written.
pub fn write(path: &Path, archive: &[u8]) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    let mut file = options.open(path)?;
    file.write_all(archive)?;
    file.sync_all()
}

/// A second fence: what the configuration holds beside the list is not in the archive by another way either.
fn without(text: String, secrets: &[String]) -> String {
    let hide = |text: String, secret: &str| {
        if text.contains(secret) { text.replace(secret, "(left out)") } else { text }
    };
    secrets.iter().fold(text, |text, secret| {
        // As it is, and as JSON writes it.
        let written = serde_json::to_string(secret).unwrap_or_default();
        hide(hide(text, secret), written.trim_matches('"'))
    })
}

fn facts(seen: &Seen) -> Value {
    let facts = &seen.facts;
    json!({
        "version": seen.version, "state": format!("{:?}", seen.state), "administrator": seen.administrator,
        "os": facts.os, "osBuild": facts.os_build, "server": facts.server, "supported": facts.supported,
        "bits": facts.bits, "memory": facts.memory, "pendingRestart": facts.pending_restart,
        "timeZoneKnown": facts.time_zone_known, "diskFree": seen.disk_free.as_ref().ok(),
        "signatures": seen.signatures.iter().map(|of| json!({ "program": of.program, "signer": of.signer.as_ref().ok(),
            "why": of.signer.as_ref().err() })).collect::<Vec<_>>(),
        "published": seen.published.as_ref().ok(),
        "update": seen.update.as_ref().map(|update| json!({
            "checkedAt": update.checked_at, "newest": update.newest, "outcome": update.outcome, "why": update.why,
            "tried": update.tried,
        })),
    })
}

fn status(status: &StatusAnswer) -> Value {
    let site = |site: &agent::control::SiteAnswer| {
        let integrator = |of: &agent::control::IntegratorAnswer| {
            json!({
                "integrator": of.integrator, "name": of.name, "readOnly": of.read_only, "on": of.on, "state": of.state,
                "pairedAt": of.paired_at, "loginWrites": of.login_writes, "loginReadAt": of.login_read_at,
            })
        };
        json!({
            "site": site.site, "pms": site.pms, "pmsId": site.pms_id, "pmsVersion": site.pms_version, "on": site.on,
            "enrichedAt": site.enriched_at, "trouble": site.trouble, "untold": site.untold,
            "otherPmsId": site.other_pms_id, "openCodes": site.open_codes.len(),
            "integrators": site.integrators.iter().map(integrator).collect::<Vec<_>>(),
        })
    };
    json!({
        "link": status.link, "version": status.version, "environment": status.environment, "epoch": status.epoch,
        "cloud": status.cloud, "why": status.why, "waiting": status.waiting, "atOnce": status.at_once,
        "running": status.running, "halted": status.halted, "sites": status.sites.iter().map(site).collect::<Vec<_>>(),
    })
}

/// Who, when and how it ended: neither the statement nor its hash, by which a guess at it could be tried.
fn audit_line(row: &AuditRow) -> Value {
    json!({
        "id": row.id, "at": row.at, "what": row.what, "site": row.site, "integrator": row.integrator,
        "query": row.query, "access": row.access, "status": row.status, "effect": row.effect, "rows": row.rows,
        "bytes": row.bytes, "ms": row.ms,
    })
}
