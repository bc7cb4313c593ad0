//! The configuration, the environment, and the files of the present environment.

use super::RESTART;
use crate::{
    Finding,
    seen::{ConfigTrouble, Seen},
};

/// Does the configuration read?
pub(super) fn reads(seen: &Seen) -> Vec<Finding> {
    let path = seen.config_path.display();
    vec![match &seen.config {
        Ok(config) if config.sites.is_empty() => Finding::warning(
            "HL-0204",
            format!("{path} names no practice database."),
            "Add a [[site]] (HaloLinkService --help shows one) and restart the service.",
        ),
        Ok(config) => {
            let sites = config.sites.len();
            let of = if sites == 1 { "one database" } else { "databases" };
            let count = if sites == 1 { String::new() } else { format!("{sites} ") };
            Finding::ok("HL-0200", format!("{path} reads well and names {count}{of}."))
        }
        Err(ConfigTrouble::Missing) => Finding::problem(
            "HL-0201",
            format!("There is no configuration at {path}."),
            "Install Halo Link, or say with --config where its link.toml is.",
        ),
        Err(ConfigTrouble::Denied) => Finding::problem(
            "HL-0203",
            format!("{path} may not be read by this account."),
            "Run this again as an administrator.",
        ),
        Err(ConfigTrouble::Wrong(why)) => Finding::problem(
            "HL-0202",
            format!("The configuration is wrong: {why}."),
            "Correct that line and restart the service; HaloLinkService --help shows a whole file.",
        ),
    }]
}

/// One environment everywhere?
pub(super) fn environment(seen: &Seen) -> Vec<Finding> {
    let Ok(config) = &seen.config else { return Vec::new() };
    let own = config.environment.as_str();
    let published = seen.published.as_ref().ok().and_then(Option::as_ref);
    let others = [
        ("the service runs for", seen.status.as_ref().ok().map(|status| status.environment.as_str())),
        ("the ID was published for", published.map(|published| published.environment.as_str())),
    ];
    let other = others.into_iter().find_map(|(what, environment)| {
        environment.filter(|environment| *environment != own).map(|environment| (what, environment))
    });
    vec![match other {
        Some((what, environment)) => Finding::warning(
            "HL-0211",
            format!("link.toml says {own}, {what} {environment}."),
            format!("A change of the environment counts from the next start on; {RESTART}."),
        ),
        None => Finding::ok("HL-0210", format!("The environment is {own}.")),
    }]
}

/// What is left when a key is lost for good.
const LOST: &str =
    "if it is lost for good, `HaloLinkUtility forget-pairings`, and every integrator pairs again";

/// Are identity and data there, and nobody else's business?
pub(super) fn files(seen: &Seen) -> Vec<Finding> {
    if seen.config.is_err() {
        return Vec::new();
    }
    let (files, folder) = (&seen.files, seen.files.folder.display());
    if files.denied {
        return vec![
            Finding::note("HL-0224", format!("{folder} can't be looked into by this account."))
                .with_next("Run this again as an administrator to have identity and rights checked."),
        ];
    }
    let mut found = Vec::new();
    if files.used && !files.link_root {
        found.push(Finding::problem(
            "HL-0221",
            format!("{folder} was in use, and the identity of this installation is gone from it."),
            "Stop the service and put the folder `identity` back from a backup; without it the practice gets new IDs and every \
             integrator pairs again.",
        ));
    } else if !files.used {
        found.push(Finding::note(
            "HL-0223",
            "The service has not been started here yet: it makes its identity then.",
        ));
    }
    if files.seal_gone {
        found.push(Finding::problem(
            "HL-0225",
            "The key that seals logins is gone: the service does not start without it.",
            format!("Put the file identity/seal.key (on Windows seal.key.dpapi) of {folder} back from a backup; {LOST}."),
        ));
    } else if files.seal_other {
        found.push(Finding::problem(
            "HL-0226",
            "The key that seals logins is another one than sealed what is kept: the service does not start with it.",
            format!("Put the one before it back (the log of the last start says which); {LOST}."),
        ));
    }
    if !files.open_to_others.is_empty() {
        found.push(
            Finding::problem(
                "HL-0222",
                "Files of the identity may be read by other accounts of this server.",
                format!("Take the rights of all others away from {folder}, then restart the service."),
            )
            .with_detail(files.open_to_others.join(", ")),
        );
    }
    if found.is_empty() {
        let sites = files.site_roots;
        found.push(Finding::ok(
            "HL-0220",
            format!("The identity is there ({sites} of databases), for the service alone."),
        ));
    }
    found
}
