//! The day on which this server is lost, and whether it is the one that serves.

use crate::{Finding, seen::Seen};

const NEXT: &str = "Make one as an administrator: `HaloLinkUtility recovery kit --out FILE`. Keep it and its passphrase away from this server, and from each other.";

/// Does this server serve at all?
pub(super) fn serves(seen: &Seen) -> Vec<Finding> {
    let Some(stopped) = seen.status.as_ref().ok().and_then(|status| status.stopped.as_ref()) else {
        return Vec::new();
    };
    let what = "This server serves nobody.";
    let (code, next) = match stopped.why.as_str() {
        "moved-out" => (
            "HL-0241",
            "Bring the file in at the new server; when integrators reach the practice there, remove Halo Link here.",
        ),
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
