//! `HaloLinkUtility doctor` and `support-bundle`.

use agent::{
    control::{self, Ask},
    host::VERSION,
    store::AuditRow,
};
use anyhow::{Context, Result};
use doctor::{Report, bundle, look, seen::Seen, show};
use model::{Clock, Hidden, SystemClock};
use std::{
    io::IsTerminal,
    path::{Path, PathBuf},
    sync::Arc,
};

/// Looks, and says what was found; `false` when something is wrong.
pub(crate) async fn doctor(config: &Path, json: bool) -> Result<(String, bool)> {
    let (_, report) = examine(config).await;
    let text = if json { serde_json::to_string(&report)? } else { show::text(&report, colour()) };
    Ok((text, report.ok))
}

/// Looks, and packs the archive for support.
pub(crate) async fn support_bundle(config: &Path, out: Option<PathBuf>) -> Result<String> {
    let (seen, report) = examine(config).await;
    let text = std::fs::read_to_string(config).ok().map(Hidden::new);
    // What the service can't say is missing; that it can't is in the report.
    let audit: Vec<AuditRow> = match &seen.config {
        Ok(config) => {
            control::ask(&config.data, &Ask::Audit { last: bundle::AUDIT_LINES }).await.unwrap_or_default()
        }
        Err(_) => Vec::new(),
    };
    let archive = bundle::pack(&seen, &report, text.as_ref().map(|text| text.reveal().as_str()), &audit)?;
    let path = out.unwrap_or_else(|| {
        let at: String = report.at.chars().take(19).filter(char::is_ascii_digit).collect();
        PathBuf::from(format!("halo-link-support-{at}.zip"))
    });
    bundle::write(&path, &archive).with_context(|| {
        format!("{} can't be written: name another file with --out (none is replaced)", path.display())
    })?;
    Ok(format!(
        "{} is written ({} KB).\nIt holds: what the doctor found, versions, the configuration without its secrets, how the service \
         stands,\nwho asked when (without what was asked), the newest lines of the log. No keys, logins, statements, values or \
         rows.\nLook through it (CONTENTS.txt says what is what), then send it to support.",
        path.display(),
        archive.len().div_ceil(1024)
    ))
}

async fn examine(config: &Path) -> (Seen, Report) {
    let seen = look::look(config, VERSION, Arc::new(SystemClock)).await;
    let report = Report::of(&seen, SystemClock.now());
    (seen, report)
}

/// Only for people, and not for those who asked for none (no-color.org). Old consoles of Windows would show the codes.
fn colour() -> bool {
    let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let able = cfg!(unix) || std::env::var_os("WT_SESSION").is_some();
    wanted && able && std::io::stdout().is_terminal()
}
