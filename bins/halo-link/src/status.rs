//! How the service and its sites stand, in words for the practice.

use agent::control::{
    ApprovalAnswer, IntegratorAnswer, LaneAnswer, RecoveryAnswer, SiteAnswer, StatusAnswer,
};

/// The whole answer to `HaloLinkUtility status`.
pub(crate) fn text(status: &StatusAnswer) -> String {
    let why = status.why.as_ref().map(|why| format!(" ({why})")).unwrap_or_default();
    let mut text = format!(
        "Halo Link {} {}, {}, start {}\nHalo Cloud: {}{why}\nCommands: {} running ({} at once at most now), {} waiting",
        status.version,
        status.link,
        status.environment,
        status.epoch,
        status.cloud,
        status.running,
        status.at_once,
        status.waiting
    );
    if let Some(stopped) = &status.stopped {
        text += &format!("\nNOBODY IS SERVED: {}", stopped.text);
    }
    if let Some(recovery) = &status.recovery {
        text += &format!("\n{}", recovery_text(recovery));
    }
    if status.halted {
        text += "\nSTOPPED: nobody is let into any database; `HaloLinkUtility unhalt` goes on";
    }
    if let Some(jobs) = status.jobs {
        let mib = |bytes: u64| bytes.div_ceil(1024 * 1024);
        text += &format!(
            "\nJobs: {} running, {} waiting, {} registered; results take {} of {} MiB",
            jobs.running,
            jobs.waiting,
            jobs.schedules,
            mib(jobs.spool_used),
            mib(jobs.spool_most)
        );
    }
    for lane in status.lanes.iter().filter(|lane| lane.site.is_none()) {
        text += &format!("\n{}", lane_text(lane));
    }
    for site in &status.sites {
        text += &site_text(site);
        for lane in status.lanes.iter().filter(|lane| lane.site == Some(site.site)) {
            text += &format!("\n  {}", lane_text(lane));
        }
        if site.integrators.is_empty() {
            text += "\n  nobody is paired: make a code with `HaloLinkUtility pairing-code --integrator NAME`";
        }
        if site.vendor_keys == Some(0) && status.environment == "production" {
            text += &format!(
                "\n  nobody vouches for integrators here: the PMS file for {} has no key of its vendor's (docs/approval.md)",
                site.pms
            );
        }
        for integrator in &site.integrators {
            text += &integrator_text(integrator);
            if site.vendor_keys.is_some_and(|keys| keys > 0) || integrator.approval.is_some() {
                text += &format!("\n    vendor's approval: {}", approval_text(integrator.approval.as_ref()));
            }
        }
        for request in site.requests.iter().filter(|request| request.state == "waiting") {
            text += &format!(
                "\n  {} ASKS TO BE LET IN, since {}: `HaloLinkUtility pairing list` shows it, `pairing approve` or `pairing deny` decides",
                request.name, request.asked_at
            );
        }
        for code in &site.open_codes {
            text += &format!(
                "\n  open code {}-… for {}, until {}, {} of 5 tries used",
                code.name, code.integrator, code.expires_at, code.tries
            );
        }
    }
    text
}

/// Kit and backup, one line each.
fn recovery_text(recovery: &RecoveryAnswer) -> String {
    let Some(made_at) = &recovery.made_at else {
        return "Recovery kit: NONE; make one with `HaloLinkUtility recovery kit --out FILE`".to_owned();
    };
    let by = recovery.made_by.as_ref().map(|by| format!(" by {by}")).unwrap_or_default();
    let mut text = format!("Recovery kit: made {made_at}{by}; ");
    match (recovery.changed.is_empty(), &recovery.backup) {
        (true, None) => text += "nothing has changed since",
        (true, Some(backup)) => text += &format!("nothing differs from it now; {backup} is for it"),
        (false, Some(backup)) => {
            text += &format!(
                "changed since: {}; they are in {backup}: take it into your backup",
                recovery.changed.join(", ")
            );
        }
        (false, None) => {
            text +=
                &format!("changed since: {}; the backup is written in a moment", recovery.changed.join(", "))
        }
    }
    text
}

/// What the site is, and what is wrong with its database.
fn site_text(site: &SiteAnswer) -> String {
    let mut text = format!(
        "\n\n{} ({} {}, version {})\n  site {}",
        or_unknown(&site.practice_name),
        site.pms,
        site.pms_id,
        or_unknown(&site.pms_version),
        site.site
    );
    if !site.on {
        text += "\n  SWITCHED OFF: nobody is let into this database; `HaloLinkUtility site --on` lets integrators in again";
    }
    if let Some(other) = &site.other_pms_id {
        text += &format!(
            "\n  NOTHING IS RUN HERE: this site belongs to practice {}, and its database says that it belongs to practice \
             {other}.\
             \n    If a wrong database was attached or restored: put the right one back; the site goes on by itself.\
             \n    If this server now serves practice {other}: write pms_id = \"{other}\" into its [[site]] of link.toml and \
             restart\
             \n    the service. That makes a new site with a new GUID, and every integrator pairs with it anew.",
            site.pms_id
        );
    }
    if let Some(change) = &site.authority_change {
        text += &format!(
            "\n  ANOTHER HALO ID IS ABOUT TO REPLACE THIS ONE: {} from {} on. If the practice did not ask for it, tell Halo Cloud's operator \
             now,\n    and leave this server running: that it answers counts as an objection.",
            change.to, change.ready_at
        );
    }
    match &site.enriched_at {
        Some(at) => text += &format!("\n  its database told of itself: {at}"),
        None => text += "\n  its database has not told of itself: what link.toml says counts",
    }
    for word in site.trouble.iter().chain(&site.untold) {
        text += &format!("\n    not told: {word}");
    }
    text
}

fn integrator_text(i: &IntegratorAnswer) -> String {
    let access = if i.read_only { "may only read" } else { "may read and write" };
    let on = match i.state.as_str() {
        "revoked" => "REVOKED",
        "expired" => "EXPIRED",
        "unapproved" => "THE VENDOR'S APPROVAL IS OVER",
        _ if i.on => "on",
        _ => "SWITCHED OFF",
    };
    let login = match i.login_writes.as_str() {
        "yes" => "may write",
        "no" => "can't write",
        _ => "unknown",
    };
    let mut text = format!(
        "\n  {} {}: {on}, {access}, paired {}\n    its database login: {login}",
        i.name, i.integrator, i.paired_at
    );
    if i.read_only && i.login_writes == "yes" {
        text += "\n    WARNING: read-only here, but its login may write: ask the vendor for a login that can only read; \
                 docs/engines.md\n    says what that leaves possible";
    }
    text
}

/// What a PMS vendor's approval says, in one line.
pub(crate) fn approval_text(approval: Option<&ApprovalAnswer>) -> String {
    let Some(of) = approval else { return "none: it was paired without one".to_owned() };
    let may = if of.access == "read-only" { "may only read" } else { "may read and write" };
    let end = if of.counts { "until" } else { "COUNTS NO MORE, it was until" };
    let note = if of.note.is_empty() { String::new() } else { format!(" ({})", of.note.replace('\n', "; ")) };
    format!("number {} for {}, {may}, {end} {}{note}", of.serial, of.name, of.expires_at)
}

/// One lane, one line.
fn lane_text(lane: &LaneAnswer) -> String {
    let mut text = format!("Lane {}: ", lane.lane);
    text += &match (lane.answers, lane.ago_ms) {
        (true, Some(ms)) => format!("answers ({} s ago)", ms / 1000),
        (true, None) => "answers".to_owned(),
        (false, Some(ms)) => {
            format!(
                "DOES NOT ANSWER since {} s: `HaloLinkUtility doctor` says what to do (HL-0524)",
                ms / 1000
            )
        }
        (false, None) => "has not answered since the start".to_owned(),
    };
    if lane.lost > 0 {
        text += &format!("; {} statements do not end although they were told to", lane.lost);
    }
    text
}

fn or_unknown(text: &str) -> &str {
    if text.is_empty() { "unknown" } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// As the service sends it.
    fn site(change: impl FnOnce(&mut serde_json::Value)) -> String {
        let mut site = json!({
            "site": "15331f1c-64b6-84ea-8ca1-0bfd7bd28c90", "pms": "Best Practice", "pmsId": "1001",
            "practiceName": "Riverside", "pmsVersion": "9.1", "enrichedAt": "2026-02-03T04:05:06.007Z",
            "trouble": null, "untold": [], "otherPmsId": null, "openCodes": [],
            "integrators": [{
                "integrator": "25331f1c-64b6-84ea-8ca1-0bfd7bd28c90", "name": "Acme", "readOnly": true, "on": true,
                "pairedAt": "2026-02-03T04:05:06.007Z", "loginWrites": "no", "loginGrants": ["SELECT"],
                "loginReadAt": "2026-02-03T04:05:06.007Z",
            }],
        });
        change(&mut site);
        let status = json!({
            "link": "35331f1c-64b6-84ea-8ca1-0bfd7bd28c90", "version": "26.1123.1", "environment": "demo", "epoch": 1,
            "cloud": "online", "why": null, "waiting": 0, "atOnce": 8, "running": 0, "sites": [site],
        });
        text(&serde_json::from_value(status).unwrap())
    }

    #[test]
    fn a_site_in_order_is_shown_without_alarm() {
        let text = site(|_| {});
        assert!(text.contains("Riverside (Best Practice 1001, version 9.1)"), "{text}");
        assert!(text.contains("its database login: can't write"), "{text}");
        assert!(!text.contains("WARNING") && !text.contains("NOTHING"), "{text}");
    }

    #[test]
    fn a_database_of_another_practice_is_shown_with_both_identifiers_and_what_to_do() {
        let text = site(|site| site["otherPmsId"] = "2002".into());
        assert!(text.contains("NOTHING IS RUN HERE") && text.contains("practice 1001"), "{text}");
        assert!(text.contains("pms_id = \"2002\"") && text.contains("put the right one back"), "{text}");
    }

    #[test]
    fn a_read_only_pairing_whose_login_may_write_is_warned_of_and_no_other() {
        let with = |read_only: bool, writes: &str| {
            site(|site| {
                site["integrators"][0]["readOnly"] = read_only.into();
                site["integrators"][0]["loginWrites"] = writes.into();
            })
        };
        let warned = with(true, "yes");
        assert!(warned.contains("WARNING: read-only here, but its login may write"), "{warned}");
        assert!(with(false, "yes").contains("may write") && !with(false, "yes").contains("WARNING"));
        assert!(with(true, "unknown").contains("its database login: unknown"));
    }

    /// Who asks why integrators see the practice as unreachable finds the answer here.
    #[test]
    fn each_lane_has_a_line_and_one_that_does_not_answer_stands_out() {
        let lane = |site: Option<&str>, answers, lost| LaneAnswer {
            site: site.map(|site| site.parse().unwrap()),
            lane: "immediate".to_owned(),
            answers,
            ago_ms: Some(71_000),
            lost,
        };
        assert_eq!(lane_text(&lane(None, true, 0)), "Lane immediate: answers (71 s ago)");
        let stuck = lane_text(&lane(None, false, 2));
        assert!(stuck.contains("DOES NOT ANSWER since 71 s") && stuck.contains("HL-0524"), "{stuck}");
        assert!(stuck.contains("2 statements do not end"), "{stuck}");
    }

    /// A practice must see who vouches for whom, and that nobody does.
    #[test]
    fn the_vendors_approval_is_shown_and_so_is_that_there_is_none() {
        let none = site(|site| site["vendorKeys"] = 1.into());
        assert!(none.contains("vendor's approval: none"), "{none}");
        let with = |counts: bool| {
            site(|site| {
                site["vendorKeys"] = 1.into();
                site["integrators"][0]["approval"] = json!({
                    "serial": 7, "name": "Acme Pty", "access": "read-only", "expiresAt": "2027-02-03T04:05:06.007Z",
                    "counts": counts, "note": "recalls", "since": "2026-02-03T04:05:06.007Z",
                });
            })
        };
        assert!(
            with(true)
                .contains("number 7 for Acme Pty, may only read, until 2027-02-03T04:05:06.007Z (recalls)")
        );
        assert!(with(false).contains("COUNTS NO MORE"));
        assert!(
            !site(|site| site["vendorKeys"] = 0.into()).contains("nobody vouches"),
            "this is no production"
        );
    }

    #[test]
    fn kit_and_backup_are_told_with_what_to_do() {
        let told = |made_at: Option<&str>, changed: &[&str], backup: Option<&str>| {
            recovery_text(&RecoveryAnswer {
                made_at: made_at.map(str::to_owned),
                made_by: Some("0:root".to_owned()),
                changed: changed.iter().map(|&word| word.to_owned()).collect(),
                backup: backup.map(str::to_owned),
                backup_at: None,
            })
        };
        assert!(told(None, &[], None).contains("NONE; make one"));
        assert!(told(Some("2026"), &[], None).ends_with("made 2026 by 0:root; nothing has changed since"));
        let changed = told(Some("2026"), &["2 pairings"], Some("/x/backup.halo"));
        assert!(changed.contains("2 pairings") && changed.contains("/x/backup.halo: take it"), "{changed}");
    }

    #[test]
    fn a_site_that_is_switched_off_says_so() {
        assert!(site(|site| site["on"] = false.into()).contains("SWITCHED OFF: nobody"));
        assert!(!site(|_| {}).contains("SWITCHED OFF"));
    }

    #[test]
    fn what_the_database_did_not_tell_is_shown_with_why() {
        let text = site(|site| {
            site["enrichedAt"] = serde_json::Value::Null;
            site["practiceName"] = "".into();
            site["trouble"] = "the database could not be asked".into();
            site["untold"] = json!(["pms_id: database error 208"]);
        });
        assert!(text.contains("unknown (Best Practice 1001"), "{text}");
        assert!(text.contains("not told: the database could not be asked"), "{text}");
        assert!(text.contains("not told: pms_id: database error 208"), "{text}");
        assert!(text.contains("what link.toml says counts"), "{text}");
    }
}
