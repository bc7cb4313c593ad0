//! The checks: each judges what was seen, and touches nothing.

mod config;
mod lanes;
mod network;
mod protection;
mod recovery;
mod requirements;
mod service;
mod sites;
#[cfg(test)]
mod tests;

use crate::{Finding, seen::Seen};
pub(crate) use network::{clock_at, reached_by};

/// One check.
pub(crate) type Check = fn(&Seen) -> Vec<Finding>;

/// All of them, grouped; the practice's own three first.
pub(crate) const ALL: &[(&str, &[Check])] = &[
    ("The three checks", &[service::runs, recovery::serves, service::up_to_date, service::has_its_id]),
    ("Settings and files", &[config::reads, config::environment, config::files, recovery::kit]),
    ("This server", &[requirements::met, service::signed, protection::exclusions]),
    (
        "Halo Cloud",
        &[network::reached, network::inspected, network::clock, network::joined, recovery::replaced],
    ),
    ("Databases", &[sites::whole_way, lanes::answer, sites::databases]),
];

/// How a site is called in a sentence.
pub(crate) fn site_name(site: &agent::control::SiteAnswer) -> String {
    let name = if site.practice_name.is_empty() { "a practice without a name" } else { &site.practice_name };
    format!("{name} ({} {})", site.pms, site.pms_id)
}

/// How the service is started here.
pub(crate) const START: &str = if cfg!(windows) {
    "start it: `net start \"Halo Link Service\"` as an administrator"
} else {
    "start it: `systemctl start halo-link` as root"
};

/// How the service is restarted here.
pub(crate) const RESTART: &str = if cfg!(windows) {
    "restart it: `net stop \"Halo Link Service\"` and `net start \"Halo Link Service\"` as an administrator"
} else {
    "restart it: `systemctl restart halo-link` as root"
};
