//! The practice's own three checks: is it there and running, is it up to date, does it have its ID.

use super::{RESTART, START};
use crate::{Finding, seen::Seen};
use agent::control::AskError;
use machine::service::State;

/// Is the service there and running?
pub(super) fn runs(seen: &Seen) -> Vec<Finding> {
    let answer = match &seen.status {
        Ok(status) => {
            let how = match seen.state {
                State::Running => "",
                _ => ", started by hand: it ends with whoever started it",
            };
            return vec![Finding::ok("HL-0100", format!("The service runs, start {}{how}.", status.epoch))];
        }
        Err(AskError::OtherVersion(version)) => Finding::problem(
            "HL-0106",
            format!(
                "The running service is of another release than this program (control protocol {version})."
            ),
            format!("The service still runs from before an update; {RESTART}."),
        ),
        Err(AskError::Denied) => Finding::warning(
            "HL-0105",
            "The service could not be asked: only an administrator may talk to it.",
            "Run this again as an administrator (on Linux: as root or the service's own account).",
        ),
        Err(AskError::Taken(who)) => Finding::problem(
            "HL-0107",
            format!(
                "Another program answers in the service's place: it runs as {who}, and was told nothing."
            ),
            "Find out what runs here under that account, and end it; the service then answers within a quarter of a minute.",
        ),
        Err(AskError::Broken(why)) => Finding::problem(
            "HL-0104",
            "The service is there and does not answer.",
            format!("Wait a minute and look again; if it stays so, {RESTART}."),
        )
        .with_detail(why.to_string()),
        Err(AskError::Refused(why)) => Finding::problem(
            "HL-0104",
            "The service answered that it can't say how it stands.",
            format!("Look whether its disk is full; then {RESTART}."),
        )
        .with_detail(why.clone()),
        // Another check says what to do: not to start it.
        Err(AskError::NotRunning) if seen.files.moved.is_some() || seen.files.half_restored => {
            return Vec::new();
        }
        Err(AskError::NotRunning) => not_running(&seen.state),
    };
    vec![answer]
}

fn not_running(state: &State) -> Finding {
    match state {
        State::NotInstalled => Finding::problem(
            "HL-0101",
            "Halo Link is not installed as a service here.",
            "Install it with its installer; if it was started by hand, start it again and look again.",
        ),
        State::Starting | State::Stopping => Finding::warning(
            "HL-0103",
            "The service is just starting or stopping.",
            "Wait a minute and look again.",
        ),
        State::Running => Finding::problem(
            "HL-0104",
            "The service manager says that the service runs, but nobody answers on its control socket.",
            format!("Look whether --config names the service's own link.toml; else {RESTART}."),
        ),
        State::Stopped => Finding::problem(
            "HL-0102",
            "The service is installed and does not run.",
            format!("To go on, {START}."),
        ),
        State::Unknown(words) => {
            let what = "The service does not answer, and the service manager could not be asked.";
            Finding::problem("HL-0102", what, format!("To go on, {START}.")).with_detail(words.clone())
        }
    }
}

/// Is it up to date?
pub(super) fn up_to_date(seen: &Seen) -> Vec<Finding> {
    let mut found = Vec::new();
    if let Ok(status) = &seen.status
        && status.version != seen.version
    {
        found.push(Finding::warning(
            "HL-0111",
            format!("Version {} runs, version {} is installed.", status.version, seen.version),
            format!("The update counts from the next start on; {RESTART}."),
        ));
    }
    let failed = seen.update.as_ref().and_then(|update| update.tried.as_ref());
    let failed = failed.filter(|tried| is_newer(Some(&tried.version), &seen.version));
    // One that runs just now has no next try, and is told as what it was before.
    if let Some((tried, next)) = failed.and_then(|tried| Some((tried, tried.next_try.as_ref()?))) {
        found.push(
            Finding::warning(
                "HL-0115",
                format!("The installer of version {} failed at {}.", tried.version, tried.at),
                format!(
                    "Do what the reason says, then run the updater as an administrator: it tries at once. By itself it is tried \
                     again after {next}."
                ),
            )
            .with_detail(tried.reason()),
        );
        let code = seen.update.as_ref().and_then(|update| update.code.as_deref());
        if matches!(code, None | Some("installer" | "paused")) {
            return found;
        }
    }
    match &seen.update {
        None => found.push(
            Finding::note(
                "HL-0114",
                format!("Version {} is installed; no check for updates is on record.", seen.version),
            )
            .with_next("Run the updater once as an administrator: it says what is newest."),
        ),
        Some(update) if update.outcome == "refused" => found.push(
            Finding::warning(
                "HL-0113",
                format!("The last update ({}) was refused.", update.checked_at),
                "Do what the reason says, then run the updater as an administrator.",
            )
            .with_detail(update.why.clone().unwrap_or_default()),
        ),
        Some(update) if is_newer(update.newest.as_deref(), &seen.version) => {
            let newest = update.newest.clone().unwrap_or_default();
            found.push(Finding::warning(
                "HL-0112",
                format!("Version {newest} can be had, version {} is installed.", seen.version),
                "Run the updater as an administrator, or wait for its next hourly run.",
            ));
        }
        Some(update) => found.push(Finding::ok(
            "HL-0110",
            format!("Up to date: version {}, looked up {}.", seen.version, update.checked_at),
        )),
    }
    found
}

/// Are the installed programs the publisher's?
pub(super) fn signed(seen: &Seen) -> Vec<Finding> {
    let wrong = seen.signatures.iter().find_map(|of| of.signer.as_ref().err().map(|why| (&of.program, why)));
    if let Some((program, why)) = wrong {
        return vec![Finding::warning(
            "HL-0131",
            format!("{program} is not as its publisher made it: {why}."),
            "If nobody built it on purpose, install Halo Link again from its own installer, and tell support what it was.",
        )];
    }
    let mut signers: Vec<&str> = seen.signatures.iter().filter_map(|of| of.signer.as_deref().ok()).collect();
    signers.dedup();
    if signers.is_empty() {
        return Vec::new();
    }
    vec![Finding::ok("HL-0130", format!("The installed programs are signed by {}.", signers.join(" and ")))]
}

/// By number, part by part; what is no version is not newer.
fn is_newer(newest: Option<&str>, installed: &str) -> bool {
    let numbers = |text: &str| text.split('.').map(|part| part.parse().ok()).collect::<Option<Vec<u64>>>();
    match (newest.and_then(numbers), numbers(installed)) {
        (Some(newest), Some(installed)) => newest > installed,
        _ => false,
    }
}

/// Does it have its ID, which Halo Cloud has accepted?
pub(super) fn has_its_id(seen: &Seen) -> Vec<Finding> {
    let published = match &seen.published {
        Ok(published) => published.as_ref(),
        Err(why) => {
            let what = "What is published for this practice can't be read.";
            let next = "Run this again as an administrator.";
            return vec![Finding::warning("HL-0123", what, next).with_detail(why.clone())];
        }
    };
    let ids = published.map(|published| published.sites.clone()).unwrap_or_default();
    if ids.is_empty() {
        let why = match &seen.status {
            Ok(status) => status.why.clone(),
            Err(_) => Some("the service could not be asked".to_owned()),
        };
        let what = "This practice has no Halo ID yet: Halo Cloud has not accepted one.";
        let next = "Mend what this report says of the service, of Halo Cloud and of the databases: the ID then comes by \
                    itself within a minute.";
        let found = Finding::problem("HL-0121", what, next);
        return vec![why.map_or(found.clone(), |why| found.with_detail(why))];
    }
    if let Ok(status) = &seen.status {
        let own: Vec<String> = status.sites.iter().map(|site| site.site.0.simple().to_string()).collect();
        let missing = own.iter().filter(|id| !ids.contains(id)).count();
        if missing > 0 {
            return vec![Finding::warning(
                "HL-0122",
                format!("{missing} of {} databases have no Halo ID yet.", own.len()),
                "Wait a minute and look again; if it stays so, mend what this report says of Halo Cloud.",
            )];
        }
    }
    vec![Finding::ok("HL-0120", format!("It has its Halo ID: {}.", ids.join(", ")))]
}
