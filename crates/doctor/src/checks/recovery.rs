//! The day on which this server is lost, and whether it is the one that serves.

use crate::{
    Finding,
    seen::{Files, Seen},
};

const NEXT: &str = "Make one as an administrator: `HaloLinkUtility recovery kit --out FILE`. Keep it and its passphrase away from this server, and from each other.";

const MOVED: &str = "Bring the file in at the new server; when integrators reach the practice there, remove Halo Link here. If the file was brought in \
                     nowhere: `HaloLinkUtility move undo` as an administrator, then start the service.";

/// Does this server serve at all?
pub(super) fn serves(seen: &Seen) -> Vec<Finding> {
    let what = "This server serves nobody.";
    let Some(stopped) = seen.status.as_ref().ok().and_then(|status| status.stopped.as_ref()) else {
        // A service that does not start can't say why.
        return match &seen.files {
            _ if seen.status.is_ok() => Vec::new(),
            Files { half_restored: true, .. } => {
                let what =
                    "A restore was begun here and did not come to its end: the service does not start.";
                let next = "Run it again as an administrator: `HaloLinkUtility recovery restore` or `HaloLinkUtility move in`; then start the service.";
                vec![Finding::problem("HL-0246", what, next)]
            }
            Files { moved: Some((at, false)), .. } => {
                let what = format!(
                    "`move out` was begun here at {at} and cut off: nothing has moved, and the service does not start."
                );
                let next = "As an administrator: `HaloLinkUtility move undo`, start the service, then `HaloLinkUtility move out` again.";
                vec![Finding::problem("HL-0246", what, next)]
            }
            Files { moved: Some((at, true)), .. } => {
                let what = format!(
                    "This server was moved out at {at}: it serves nobody, and its service does not start."
                );
                vec![Finding::problem("HL-0241", what, MOVED)]
            }
            _ => Vec::new(),
        };
    };
    let (code, next) = match stopped.why.as_str() {
        "moved-out" => ("HL-0241", MOVED),
        _ => (
            "HL-0240",
            "If this is the copy, the old or the test server: stop and remove Halo Link here. If it is the practice's real one: \
             `HaloLinkUtility confirm-server` as an administrator.",
        ),
    };
    vec![Finding::problem(code, what, next).with_detail(stopped.text.clone())]
}

/// Is another Halo ID about to take a database's place?
pub(super) fn replaced(seen: &Seen) -> Vec<Finding> {
    let Ok(status) = &seen.status else { return Vec::new() };
    let about = |site: &agent::control::SiteAnswer| {
        let change = site.authority_change.as_ref()?;
        let what = format!(
            "Another Halo ID, {}, is to be the one to use for {} from {} on.",
            change.to,
            super::site_name(site),
            change.ready_at
        );
        let next = "If the practice did not ask for it, tell Halo Cloud's operator now, and leave this server running: that it answers counts as an \
                    objection.";
        Some(Finding::warning("HL-0245", what, next))
    };
    status.sites.iter().filter_map(about).collect()
}

/// Is there a recovery kit? A service from before there were any is not asked for one.
pub(super) fn kit(seen: &Seen) -> Vec<Finding> {
    let Some(recovery) = seen.status.as_ref().ok().and_then(|status| status.recovery.as_ref()) else {
        return Vec::new();
    };
    vec![match (&recovery.made_at, recovery.changed.is_empty()) {
        (None, _) => {
            let what = "There is no recovery kit yet: if this server is lost, the practice gets a new Halo ID, and every integrator pairs again.";
            Finding::warning("HL-0243", what, NEXT)
        }
        (Some(at), true) => {
            Finding::ok("HL-0242", format!("There is a recovery kit, made {at}; nothing has changed since."))
        }
        (Some(at), false) => {
            let backup = recovery.backup.as_deref().unwrap_or("recovery/backup.halo of the data folder");
            let what = format!(
                "There is a recovery kit, made {at}; changed since: {}.",
                recovery.changed.join(", ")
            );
            Finding::note("HL-0244", what).with_next(format!(
                "Have your backup take {backup} along: with the kit it restores the changes too. Or make a new kit."
            ))
        }
    }]
}
