//! Each database, each login, and the whole way round to each site.

use super::site_name;
use crate::{Finding, seen::Seen};
use agent::control::{IntegratorAnswer, LoginChecked, SiteAnswer, SiteChecked};

/// Can each site be reached from outside, the whole way round?
pub(super) fn whole_way(seen: &Seen) -> Vec<Finding> {
    let Ok(status) = &seen.status else { return Vec::new() };
    let tested = match &seen.tested {
        Some(Ok(tested)) => tested,
        Some(Err(why)) => {
            return vec![
                Finding::note("HL-0522", "The whole way through Halo Cloud could not be tried.")
                    .with_detail(why.to_string()),
            ];
        }
        None => return Vec::new(),
    };
    let mut found = Vec::new();
    for site in &status.sites {
        let Some(test) = tested.iter().find(|test| test.site == site.site) else { continue };
        let name = site_name(site);
        found.push(match (&test.ms, &test.why) {
            (Some(ms), _) => Finding::ok(
                "HL-0520",
                format!("{name} answers through Halo Cloud, sealed end to end, in {ms} ms there and back."),
            ),
            // That the service is not connected is told once, not per database.
            (None, _) if status.cloud != "online" => continue,
            (None, why) => Finding::problem(
                "HL-0521",
                format!("{name} can't be reached through Halo Cloud, although the service is connected."),
                "Restart the service and look again; if it stays so, send this to Halo Cloud's support.",
            )
            .with_detail(why.clone().unwrap_or_default()),
        });
    }
    found
}

/// Is each database there, the right one, switched on, and does it take the logins?
pub(super) fn databases(seen: &Seen) -> Vec<Finding> {
    let Ok(status) = &seen.status else {
        return match &seen.config {
            Ok(config) if !config.sites.is_empty() => vec![
                Finding::note(
                    "HL-0540",
                    "The databases were not tried: only the service has the logins, and it can't be asked.",
                )
                .with_next("Start the service and look again."),
            ],
            _ => Vec::new(),
        };
    };
    let checked = match &seen.checked {
        Some(Ok(checked)) => checked.sites.as_slice(),
        _ => &[],
    };
    let mut found = Vec::new();
    if status.halted {
        found.push(
            Finding::note("HL-0534", "The practice has stopped everything: nobody is let into any database.")
                .with_next("To go on: HaloLinkUtility unhalt"),
        );
    }
    for site in &status.sites {
        found.push(database(site, checked.iter().find(|checked| checked.site == site.site)));
        if !site.on {
            found.push(
                Finding::note("HL-0501", format!("{} is switched off: nobody is let in.", site_name(site)))
                    .with_next(format!(
                        "To let integrators in again: HaloLinkUtility site --on --site {}",
                        site.site
                    )),
            );
        }
        if site.vendor_keys == Some(0) && status.environment == "production" {
            found.push(Finding::note(
                "HL-0535",
                format!(
                    "Nobody vouches for integrators at {}: its PMS file has no key of the vendor's.",
                    site_name(site)
                ),
            ));
        }
        for request in site.requests.iter().filter(|request| request.state == "waiting") {
            found.push(
                Finding::note(
                    "HL-0537",
                    format!("{} asks to be let in at {}.", request.name, site_name(site)),
                )
                .with_next("To decide: HaloLinkUtility pairing list, then pairing approve or pairing deny"),
            );
        }
        let logins =
            checked.iter().filter(|checked| checked.site == site.site).flat_map(|checked| &checked.logins);
        found.extend(logins.map(|checked| login(site, checked)));
        found.extend(site.integrators.iter().filter_map(|integrator| kept_out(site, integrator)));
        if site.integrators.is_empty() {
            found.push(
                Finding::note("HL-0531", format!("Nobody is paired with {}.", site_name(site))).with_next(
                    "To let an integrator in: HaloLinkUtility pairing-code --integrator with its name",
                ),
            );
        }
    }
    found
}

/// Who is paired and not let in, if it is not.
fn kept_out(site: &SiteAnswer, integrator: &IntegratorAnswer) -> Option<Finding> {
    let (name, at) = (&integrator.name, site_name(site));
    match integrator.state.as_str() {
        "unapproved" => Some(
            Finding::warning(
                "HL-0536",
                format!("The PMS vendor's approval of {name} is over: it is not let in at {at}."),
                "Tell the integrator: its gateway must show a new one of the vendor's. Nothing is to be done here.",
            ),
        ),
        "expired" => Some(
            Finding::note("HL-0533", format!("The consent to {name} at {at} has expired."))
                .with_next("To renew it: HaloLinkUtility consent set --expires, with --integrator and its name"),
        ),
        "revoked" => Some(
            Finding::note("HL-0533", format!("The consent to {name} at {at} was revoked, and its login erased."))
                .with_next("To let it in again: HaloLinkUtility pairing-code; to take it out of the list: HaloLinkUtility unpair"),
        ),
        _ if integrator.on => None,
        _ => Some(
            Finding::note("HL-0532", format!("{name} is switched off at {at}."))
                .with_next("To let it in again: HaloLinkUtility switch --on --integrator with its name"),
        ),
    }
}

fn database(site: &SiteAnswer, checked: Option<&SiteChecked>) -> Finding {
    let name = site_name(site);
    if let Some(other) = &site.other_pms_id {
        return Finding::problem(
            "HL-0506",
            format!("Nothing is run at {name}: its database says that it belongs to practice {other}."),
            "Run HaloLinkUtility status: it says what to do for each way this can come about.",
        );
    }
    let Some(checked) = checked else {
        return Finding::note("HL-0540", format!("The database of {name} was not tried."));
    };
    let why = checked.why.clone().unwrap_or_default();
    match checked.database.as_str() {
        "well" => Finding::ok("HL-0500", format!("The database of {name} answers.")),
        "not-asked" if checked.logins.iter().any(|login| login.login == "well") => {
            Finding::ok("HL-0500", format!("The database of {name} answers."))
        }
        "not-asked" => Finding::note(
            "HL-0504",
            format!(
                "The database of {name} was not asked: Link has no login of its own there, and nobody's is known to work."
            ),
        ),
        "unreachable" => Finding::problem(
            "HL-0502",
            format!("The database of {name} can't be reached."),
            "See that the database server runs and that [site.database] of link.toml names it.",
        )
        .with_detail(why),
        "refused" => Finding::problem(
            "HL-0503",
            format!("The database of {name} refuses Link's own login, or is not one of {}.", site.pms),
            "Check `login` and the names of the catalogues in [site.database] of link.toml.",
        )
        .with_detail(why),
        _ => Finding::warning(
            "HL-0505",
            format!("The database of {name} did not answer in time."),
            "Look at the load of the database server, and look again.",
        ),
    }
}

fn login(site: &SiteAnswer, checked: &LoginChecked) -> Finding {
    let (name, of) = (site_name(site), &checked.name);
    let why = checked.why.clone().unwrap_or_default();
    match checked.login.as_str() {
        "well" => Finding::ok("HL-0510", format!("The login of {of} works at {name}.")),
        "refused" => Finding::problem(
            "HL-0511",
            format!("The database of {name} refuses the login of {of}."),
            "The software's vendor or the practice has disabled it or changed its password: ask them, then pair again with a new \
             code.",
        )
        .with_detail(why),
        "unreachable" => Finding::problem(
            "HL-0512",
            format!("The login of {of} could not be tried at {name}: the database is away."),
            "See that the database server runs.",
        )
        .with_detail(why),
        "sealed" => Finding::problem(
            "HL-0513",
            format!("The login of {of} at {name} can't be opened on this server any more."),
            "The sealing key is another one, as after a move to a new server: pair this integrator again with a new code.",
        )
        .with_detail(why),
        _ => Finding::warning(
            "HL-0514",
            format!("The login of {of} at {name} was not tried in time."),
            "Look at the load of the database server, and look again.",
        ),
    }
}
