//! Does each lane of the service's work answer?

use super::{RESTART, site_name};
use crate::{Finding, seen::Seen};
use agent::control::{LaneAnswer, StatusAnswer};

/// Does each lane answer, and do statements end?
pub(super) fn answer(seen: &Seen) -> Vec<Finding> {
    let Ok(status) = &seen.status else { return Vec::new() };
    if status.lanes.is_empty() {
        return Vec::new();
    }
    let mut found: Vec<Finding> =
        status.lanes.iter().filter(|lane| !lane.answers).map(|lane| stuck(status, lane)).collect();
    if found.is_empty() {
        found.push(Finding::ok("HL-0523", "Every lane of the service's work answers."));
    }
    found.extend(status.lanes.iter().filter(|lane| lane.lost > 0).map(|lane| lost(status, lane)));
    found
}

fn stuck(status: &StatusAnswer, lane: &LaneAnswer) -> Finding {
    let what = match lane.lane.as_str() {
        "immediate" => "Immediate queries",
        "async" => "Async and registered queries",
        "planner" => "The planning of registered queries",
        "journal" => "Writing to the service's disk",
        other => other,
    };
    let since = match lane.ago_ms {
        Some(ms) => format!("for {} s", ms / 1000),
        None => "since the service started".to_owned(),
    };
    let next = match lane.lane.as_str() {
        "journal" => format!(
            "Look at the disk of the data folder: is it full, slow or read-only? If it is well, {RESTART}."
        ),
        _ => format!(
            "The service begins it anew by itself; if it stays so for two minutes, {RESTART}, and send this to support."
        ),
    };
    Finding::problem(
        "HL-0524",
        format!(
            "{what}{} did not answer {since}: integrators see the practice as unreachable.",
            at(status, lane)
        ),
        next,
    )
}

fn lost(status: &StatusAnswer, lane: &LaneAnswer) -> Finding {
    Finding::warning(
        "HL-0525",
        format!("{} statements{} do not end although they were told to.", lane.lost, at(status, lane)),
        format!(
            "Look for hanging sessions at the database server. They end when it answers or closes them; to end them here, {RESTART}."
        ),
    )
}

fn at(status: &StatusAnswer, lane: &LaneAnswer) -> String {
    let site = status.sites.iter().find(|site| Some(site.site) == lane.site);
    site.map_or(String::new(), |site| format!(" at {}", site_name(site)))
}
