//! Each check with good and bad. What is looked at here was not seen by anybody: `look` has its own tests.

use super::*;
use crate::{
    Level, Report,
    seen::{ConfigTrouble, Exclusions, Files, Signature, Update, Way},
};
use agent::{
    config::Config,
    control::{AskError, Checked, SelfTested, StatusAnswer},
};
use machine::{facts::Facts, published::Published, service::State};
use model::Timestamp;
use serde_json::json;
use std::path::PathBuf;
use tunnel::{ConnectError, ProbeError, Probed, TlsWrong, control::RefusedReason, proxy::ProxyError};

const SITE: &str = "15331f1c-64b6-84ea-8ca1-0bfd7bd28c90";
const NOW: Timestamp = Timestamp(1_770_094_506_007);

fn config() -> Config {
    Config::parse(
        "data = 'data'\nenvironment = 'stage'\n[cloud]\nurl = 'wss://relay.example'\n[[site]]\npms = 'BestPractice'\npms_id = \
         '1001'\n[site.database]\nkind = 'demo'\n",
    )
    .unwrap()
}

fn status() -> StatusAnswer {
    serde_json::from_value(json!({
        "link": "35331f1c-64b6-84ea-8ca1-0bfd7bd28c90", "version": "26.1123.1", "environment": "stage", "epoch": 3,
        "cloud": "online", "why": null, "waiting": 0, "atOnce": 8, "running": 0,
        "sites": [{
            "site": SITE, "pms": "Best Practice", "pmsId": "1001", "practiceName": "Riverside", "pmsVersion": "9.1",
            "on": true, "openCodes": [],
            "integrators": [{
                "integrator": "25331f1c-64b6-84ea-8ca1-0bfd7bd28c90", "name": "Acme", "readOnly": true, "on": true,
                "pairedAt": "2026-02-03T04:05:06.007Z",
            }],
        }],
    }))
    .unwrap()
}

fn checked(database: &str, login: &str) -> Option<Result<Checked, AskError>> {
    let answer = json!({ "sites": [{
        "site": SITE, "database": database, "why": "connection to the database lost",
        "logins": [{
            "integrator": "25331f1c-64b6-84ea-8ca1-0bfd7bd28c90", "name": "Acme", "login": login, "why": "database error 18456",
        }],
    }] });
    Some(Ok(serde_json::from_value(answer).unwrap()))
}

fn tested(ms: Option<u64>, why: Option<&str>) -> Option<Result<Vec<SelfTested>, AskError>> {
    Some(Ok(vec![SelfTested { site: SITE.parse().unwrap(), ms, why: why.map(str::to_owned) }]))
}

fn probed() -> Probed {
    Probed {
        connected: true,
        tls: Some("TLS 1.3"),
        clocks: Some((NOW, Timestamp(NOW.0 + 900))),
        welcomed: true,
        ..Probed::default()
    }
}

/// A site where all is well.
fn well() -> Seen {
    Seen {
        version: "26.1123.1".to_owned(),
        config_path: PathBuf::from("link.toml"),
        config: Ok(config()),
        files: Files { used: true, link_root: true, site_roots: 1, seal_key: true, ..Files::default() },
        facts: Facts {
            os: "Windows Server 2022 Standard".to_owned(),
            os_build: "20348".to_owned(),
            server: true,
            supported: true,
            bits: 64,
            memory: 16 << 30,
            pending_restart: false,
            time_zone_known: true,
        },
        disk_free: Ok(100 << 30),
        administrator: true,
        state: State::Running,
        status: Ok(status()),
        checked: checked("well", "well"),
        tested: tested(Some(41), None),
        published: Ok(Some(Published {
            environment: "stage".to_owned(),
            version: "26.1123.1".to_owned(),
            link: None,
            sites: vec![SITE.replace('-', "")],
        })),
        update: Some(update("up-to-date", "26.1123.1")),
        signatures: vec![signature(Ok("Example Publisher"))],
        way: Some(Way { relay: "relay.example:443".to_owned(), proxy: None, met: Ok(probed()) }),
        exclusions: Exclusions {
            wanted: vec![PathBuf::from("C:\\Program Files (x86)\\Halo Connect\\Halo Link")],
            defender: Some(vec!["c:\\program files (x86)\\halo connect\\".to_owned()]),
            windows: true,
        },
    }
}

fn signature(signer: Result<&str, &str>) -> Signature {
    let signer = signer.map(str::to_owned).map_err(str::to_owned);
    Signature { program: "HaloLinkService.exe".to_owned(), signer }
}

fn update(outcome: &str, newest: &str) -> Update {
    Update {
        checked_at: "2026-02-03T04:00:00.000Z".to_owned(),
        newest: Some(newest.to_owned()),
        running: "26.1123.1".to_owned(),
        outcome: outcome.to_owned(),
        code: None,
        why: None,
        tried: None,
    }
}

/// The codes that are found when `change` is all that is not well, in order, worst levels only.
fn codes(change: impl FnOnce(&mut Seen)) -> Vec<&'static str> {
    let mut seen = well();
    change(&mut seen);
    let report = Report::of(&seen, NOW);
    let all: Vec<_> = report.groups.iter().flat_map(|group| &group.findings).collect();
    for finding in &all {
        assert!(crate::codes::ALL.iter().any(|(code, _)| *code == finding.code), "{}", finding.code);
        assert!(finding.what.ends_with('.'), "{}", finding.what);
        assert_eq!(
            finding.level >= Level::Warning,
            finding.next.is_some() && finding.level >= Level::Warning
        );
    }
    assert_eq!(report.ok, all.iter().all(|finding| finding.level != Level::Problem));
    all.iter().filter(|finding| finding.level != Level::Ok).map(|finding| finding.code).collect()
}

#[test]
fn a_site_where_all_is_well_has_nothing_but_good_findings() {
    assert_eq!(codes(|_| {}), Vec::<&str>::new());
    let report = Report::of(&well(), NOW);
    assert!(report.ok && report.environment.as_deref() == Some("stage"));
    let titles: Vec<_> = report.groups.iter().map(|group| group.title).collect();
    assert_eq!(titles[0], "The three checks");
    assert_eq!(report.groups[0].findings.len(), 3);
}

#[test]
fn is_it_there_and_running() {
    let silent = |state: State| {
        codes(|seen| {
            (seen.state, seen.status) = (state, Err(AskError::NotRunning));
            (seen.checked, seen.tested) = (None, None);
        })
    };
    // That it is not running is told once as itself, and then what follows from it.
    assert_eq!(silent(State::NotInstalled), ["HL-0101", "HL-0434", "HL-0540"]);
    assert_eq!(silent(State::Stopped)[0], "HL-0102");
    assert_eq!(silent(State::Unknown("x".to_owned()))[0], "HL-0102");
    assert_eq!(silent(State::Starting)[0], "HL-0103");
    assert_eq!(silent(State::Running)[0], "HL-0104");
    assert_eq!(codes(|seen| seen.status = Err(AskError::Denied))[0], "HL-0105");
    assert_eq!(codes(|seen| seen.status = Err(AskError::OtherVersion(2)))[0], "HL-0106");
    let taken = AskError::Taken(r"CLINIC\desk".to_owned());
    assert_eq!(codes(|seen| seen.status = Err(taken))[0], "HL-0107");
    let broken = AskError::Broken(std::io::ErrorKind::TimedOut.into());
    assert_eq!(codes(|seen| seen.status = Err(broken))[0], "HL-0104");
    assert_eq!(
        codes(|seen| seen.state = State::NotInstalled),
        Vec::<&str>::new(),
        "started by hand is running"
    );
}

#[test]
fn is_it_up_to_date() {
    assert_eq!(codes(|seen| seen.version = "26.1124.1".to_owned()), ["HL-0111"]);
    assert_eq!(codes(|seen| seen.update = Some(update("available", "26.1201.5"))), ["HL-0112"]);
    assert_eq!(codes(|seen| seen.update = Some(update("available", "26.1123.10"))), ["HL-0112"], "by number");
    assert_eq!(codes(|seen| seen.update = Some(update("installed", "26.101.9999"))), Vec::<&str>::new());
    assert_eq!(codes(|seen| seen.update = Some(update("up-to-date", "newest"))), Vec::<&str>::new());
    assert_eq!(codes(|seen| seen.update = Some(update("refused", "26.1201.5"))), ["HL-0113"]);
    assert_eq!(codes(|seen| seen.update = None), ["HL-0114"]);
    // However the runs after it ended: its reason, and when it is tried again.
    let failed = |version: &str, outcome: &str, code: Option<&str>| {
        let tried = Some(update::Tried {
            sha256: "ab".repeat(32),
            version: version.to_owned(),
            at: "2026-02-03T04:00:00.000Z".to_owned(),
            tries: 1,
            next_try: Some("2026-02-04T04:00:00.000Z".to_owned()),
            why: Some("it put everything back (1603)".to_owned()),
        });
        Some(Update { tried, code: code.map(str::to_owned), ..update(outcome, version) })
    };
    for (outcome, code) in [("refused", Some("installer")), ("refused", Some("paused")), ("available", None)]
    {
        assert_eq!(codes(|seen| seen.update = failed("26.1201.5", outcome, code)), ["HL-0115"]);
    }
    let both = ["HL-0115", "HL-0113"];
    assert_eq!(codes(|seen| seen.update = failed("26.1201.5", "refused", Some("unreachable"))), both);
    assert_eq!(codes(|seen| seen.update = failed("26.1123.1", "up-to-date", None)), Vec::<&str>::new());
    let mut seen = well();
    seen.update = failed("26.1201.5", "refused", Some("paused"));
    let report = Report::of(&seen, NOW);
    let found = report.groups.iter().flat_map(|group| &group.findings).find(|found| found.code == "HL-0115");
    let found = found.unwrap();
    assert!(
        found.next.as_ref().unwrap().contains("2026-02-04")
            && found.detail.as_ref().unwrap().contains("1603")
    );
}

#[test]
fn who_signed_the_programs() {
    assert_eq!(
        codes(|seen| seen.signatures.push(signature(Err("it was changed after it was signed")))),
        ["HL-0131"]
    );
    assert_eq!(
        codes(|seen| seen.signatures.clear()),
        Vec::<&str>::new(),
        "Linux: the package is what is signed"
    );
}

#[test]
fn does_it_have_its_id() {
    assert_eq!(codes(|seen| seen.published = Ok(None)), ["HL-0121"]);
    let none = |seen: &mut Seen| seen.published.as_mut().unwrap().as_mut().unwrap().sites.clear();
    assert_eq!(codes(none), ["HL-0121"]);
    let other =
        |seen: &mut Seen| seen.published.as_mut().unwrap().as_mut().unwrap().sites[0].replace_range(..1, "f");
    assert_eq!(codes(other), ["HL-0122"]);
    assert_eq!(codes(|seen| seen.published = Err("denied".to_owned())), ["HL-0123"]);
}

#[test]
fn configuration_environment_and_files() {
    let without = |trouble: ConfigTrouble| {
        codes(|seen| {
            (seen.config, seen.way, seen.status) = (Err(trouble), None, Err(AskError::NotRunning));
            seen.state = State::Stopped;
        })
    };
    assert_eq!(without(ConfigTrouble::Missing), ["HL-0102", "HL-0201", "HL-0418", "HL-0434"]);
    assert_eq!(without(ConfigTrouble::Denied)[1], "HL-0203");
    assert_eq!(without(ConfigTrouble::Wrong("line 3".to_owned()))[1], "HL-0202");
    assert_eq!(codes(|seen| seen.config.as_mut().unwrap().sites.clear()), ["HL-0204"]);
    assert_eq!(
        codes(|seen| seen.config.as_mut().unwrap().environment = "production".to_owned()),
        ["HL-0211"]
    );
    assert_eq!(codes(|seen| seen.files.link_root = false), ["HL-0221"]);
    assert_eq!(codes(|seen| seen.files.open_to_others.push("link.root".to_owned())), ["HL-0222"]);
    assert_eq!(codes(|seen| seen.files.used = false), ["HL-0223"]);
    assert_eq!(codes(|seen| seen.files.denied = true), ["HL-0224"]);
    assert_eq!(codes(|seen| seen.files.seal_gone = true), ["HL-0225"]);
    assert_eq!(codes(|seen| seen.files.seal_other = true), ["HL-0226"]);
    assert_eq!(codes(|seen| seen.files.untrusted = Some("a link".to_owned())), ["HL-0227"]);
}

#[test]
fn requirements() {
    assert_eq!(codes(|seen| seen.facts.bits = 32), ["HL-0301"]);
    assert_eq!(codes(|seen| seen.facts.supported = false), ["HL-0302"]);
    assert_eq!(codes(|seen| seen.facts.server = false), ["HL-0303"]);
    assert_eq!(codes(|seen| seen.facts.memory = 1 << 30), ["HL-0304"]);
    assert_eq!(codes(|seen| seen.facts.memory = 0), Vec::<&str>::new(), "not told is not too little");
    assert_eq!(codes(|seen| seen.disk_free = Ok(1_999_999_999)), ["HL-0305"]);
    assert_eq!(codes(|seen| seen.disk_free = Err("x".to_owned())), ["HL-0308"]);
    assert_eq!(codes(|seen| seen.facts.pending_restart = true), ["HL-0306"]);
    assert_eq!(codes(|seen| seen.facts.time_zone_known = false), ["HL-0307"]);
    let poor = |seen: &mut Seen| (seen.facts.bits, seen.facts.memory) = (32, 1);
    assert_eq!(codes(poor), ["HL-0301", "HL-0304"], "all of them at once");
}

#[test]
fn virus_scanners() {
    assert_eq!(
        codes(|seen| seen.exclusions.defender = Some(vec!["C:\\Program Files".to_owned()])),
        ["HL-0601"]
    );
    assert_eq!(
        codes(|seen| seen.exclusions.defender = Some(vec!["C:\\Prog".to_owned()])),
        ["HL-0601"],
        "part of a name"
    );
    assert_eq!(codes(|seen| seen.exclusions.defender = None), ["HL-0602"]);
    assert_eq!(codes(|seen| seen.exclusions.windows = false), Vec::<&str>::new());
}

fn failed(error: ProbeError) -> Vec<&'static str> {
    codes(|seen| {
        let met = Probed { failed: Some(error), ..Probed::default() };
        seen.way.as_mut().unwrap().met = Ok(met);
    })
}

#[test]
fn the_way_to_the_cloud() {
    let relay = || "relay.example:443".to_owned();
    let why = || "why".to_owned();
    let tls = |wrong| ConnectError::Tls { wrong, text: why() };
    for (error, code) in [
        (ConnectError::Dns { host: relay(), why: why() }, "HL-0401"),
        (ConnectError::Tcp { to: relay(), why: why() }, "HL-0402"),
        (ConnectError::Proxy(ProxyError::AsksCredentials), "HL-0403"),
        (ConnectError::Proxy(ProxyError::RejectsCredentials), "HL-0403"),
        (ConnectError::Proxy(ProxyError::Forbidden { relay: relay(), status: 403 }), "HL-0404"),
        (tls(TlsWrong::Untrusted), "HL-0405"),
        (tls(TlsWrong::Time), "HL-0406"),
        (tls(TlsWrong::Name), "HL-0407"),
        (tls(TlsWrong::Broken), "HL-0408"),
        (ConnectError::Upgrade { host: relay(), why: why() }, "HL-0409"),
        (ConnectError::TimedOut("TLS"), "HL-0412"),
    ] {
        assert_eq!(failed(error.into()), [code]);
    }
    let refused = ProbeError::Refused { reason: RefusedReason::NotAdmitted, message: why() };
    assert_eq!(failed(refused), ["HL-0410"]);
    let other = || ProbeError::Refused { reason: RefusedReason::Environment, message: why() };
    assert_eq!(failed(other()), ["HL-0417"]);
    let refused_both_times = codes(|seen| {
        seen.way.as_mut().unwrap().met.as_mut().unwrap().failed = Some(other());
        let status = seen.status.as_mut().unwrap();
        (status.cloud, status.why) = ("refused".to_owned(), Some(why()));
        seen.tested = tested(None, Some("no stream"));
    });
    assert_eq!(refused_both_times, ["HL-0417", "HL-0435"]);
    assert_eq!(failed(ProbeError::Broken(why())), ["HL-0411"]);
    let setup = tunnel::TlsSetupError::NoSystemRoots(why());
    assert_eq!(failed(ProbeError::Setup(setup)), ["HL-0413"]);
    assert_eq!(codes(|seen| seen.way.as_mut().unwrap().met = Err(why())), ["HL-0414"]);
    let old = |seen: &mut Seen| seen.way.as_mut().unwrap().met.as_mut().unwrap().tls = Some("TLS 1.2");
    assert_eq!(codes(old), ["HL-0416"]);
}

#[test]
fn the_clock_may_be_a_minute_off_and_no_more() {
    let at = |ours: i64| {
        codes(|seen| {
            seen.way.as_mut().unwrap().met.as_mut().unwrap().clocks = Some((NOW, Timestamp(NOW.0 + ours)));
        })
    };
    assert_eq!(at(59_999), Vec::<&str>::new());
    assert_eq!(at(-59_999), Vec::<&str>::new());
    assert_eq!(at(60_000), ["HL-0421"]);
    assert_eq!(at(-7_200_000), ["HL-0421"]);
    assert_eq!(codes(|seen| seen.way.as_mut().unwrap().met.as_mut().unwrap().clocks = None), ["HL-0422"]);
}

#[test]
fn what_the_service_says_of_its_own_connection() {
    let cloud = |cloud: &str, why: &str| {
        codes(|seen| {
            let status = seen.status.as_mut().unwrap();
            (status.cloud, status.why) = (cloud.to_owned(), Some(why.to_owned()));
            seen.tested = tested(None, Some("no stream"));
        })
    };
    assert_eq!(cloud("waiting", "no connection"), ["HL-0431"], "and not once more for each database");
    assert_eq!(cloud("connecting", ""), ["HL-0431"]);
    let copy =
        "site 1 was last served with epoch 8, this Link says 7: it runs from a clone or a restored backup";
    assert_eq!(cloud("refused", copy), ["HL-0432"]);
    assert_eq!(
        cloud("refused", "site 1 is already connected: two servers run from the same copy"),
        ["HL-0432"]
    );
    assert_eq!(cloud("refused", "not admitted"), ["HL-0433"]);
    assert_eq!(cloud("online", ""), ["HL-0521"]);
    let later = |seen: &mut Seen| seen.tested = Some(Err(AskError::Refused("x".to_owned())));
    assert_eq!(codes(later), ["HL-0522"]);
}

#[test]
fn databases_and_logins() {
    let check = |database: &str, login: &str| codes(|seen| seen.checked = checked(database, login));
    assert_eq!(check("unreachable", "unreachable"), ["HL-0502", "HL-0512"]);
    assert_eq!(check("refused", "well"), ["HL-0503"]);
    assert_eq!(check("not-asked", "well"), Vec::<&str>::new(), "somebody's login works: it is there");
    assert_eq!(check("not-asked", "refused"), ["HL-0504", "HL-0511"]);
    assert_eq!(check("late", "late"), ["HL-0505", "HL-0514"]);
    assert_eq!(check("well", "sealed"), ["HL-0513"]);
    assert_eq!(codes(|seen| seen.checked = None), ["HL-0540"]);
    let site = |change: fn(&mut agent::control::SiteAnswer)| {
        codes(|seen| change(&mut seen.status.as_mut().unwrap().sites[0]))
    };
    assert_eq!(site(|site| site.other_pms_id = Some("2002".to_owned())), ["HL-0506"]);
    assert_eq!(site(|site| site.on = false), ["HL-0501"]);
    assert_eq!(site(|site| site.integrators[0].on = false), ["HL-0532"]);
    assert_eq!(site(|site| site.integrators[0].state = "expired".to_owned()), ["HL-0533"]);
    assert_eq!(site(|site| site.integrators[0].state = "unapproved".to_owned()), ["HL-0536"]);
    let unvouched = |environment: &'static str| {
        codes(|seen| {
            let status = seen.status.as_mut().unwrap();
            status.environment = environment.to_owned();
            status.sites[0].vendor_keys = Some(0);
        })
    };
    assert!(unvouched("production").contains(&"HL-0535"));
    assert!(!unvouched("demo").contains(&"HL-0535"));
    let revoked = |site: &mut agent::control::SiteAnswer| {
        (site.integrators[0].state, site.integrators[0].on) = ("revoked".to_owned(), false);
    };
    assert_eq!(site(revoked), ["HL-0533"], "not told to switch it on, which can't be done");
    assert_eq!(codes(|seen| seen.status.as_mut().unwrap().halted = true), ["HL-0534"]);
    assert_eq!(site(|site| site.integrators.clear()), ["HL-0531"]);
}

#[test]
fn a_box_that_opens_tls_is_called_by_its_name() {
    for (issuer, product) in [
        ("Zscaler Inc., Zscaler Intermediate Root CA (zscloud.net)", "Zscaler"),
        ("Fortinet, FG100E4Q17012345", "Fortinet firewall"),
        ("Sophos SSL CA_C1234", "Sophos firewall"),
        ("Palo Alto Networks", "Palo Alto firewall"),
        ("Cisco, Cisco Umbrella Secondary SubCA", "Cisco Umbrella or firewall"),
        ("ca.clinic.goskope.com", "Netskope"),
        ("Blue Coat Systems", "Blue Coat (Symantec) proxy"),
        ("AO Kaspersky Lab, Kaspersky Anti-Virus Personal Root Certificate", "Kaspersky"),
        ("ESET, spol. s r. o., ESET SSL Filter CA", "ESET"),
        ("Avast Web/Mail Shield Root", "Avast"),
    ] {
        assert_eq!(network::inspector(issuer), Some(product));
    }
    for honest in [
        "Let's Encrypt, R11",
        "DigiCert Inc, DigiCert Global G2 TLS RSA SHA256 2020 CA1",
        "Microsoft Corporation",
    ] {
        assert_eq!(network::inspector(honest), None);
    }
}

/// Programs read this: docs/troubleshooting.md has the shape.
#[test]
fn the_json_has_the_documented_shape() {
    let report = serde_json::to_value(Report::of(&well(), NOW)).unwrap();
    // Their order is that of the maps that another crate in the same build asked for: it is no part of the shape.
    let keys = |value: &serde_json::Value| {
        let mut keys: Vec<_> = value.as_object().unwrap().keys().cloned().collect();
        keys.sort();
        keys.join(" ")
    };
    assert_eq!(keys(&report), "at environment groups ok version");
    assert_eq!(keys(&report["groups"][0]), "findings title");
    assert_eq!(keys(&report["groups"][0]["findings"][0]), "code detail level next what");
    assert_eq!(report["groups"][0]["findings"][0]["level"], "ok");
}

/// Integrators call the practice when its site is unreachable: what it finds here must name the part and the next step.
#[test]
fn a_lane_that_does_not_answer_is_a_problem_and_statements_that_do_not_end_are_a_warning() {
    use agent::control::LaneAnswer;
    let lane = |lane: &str, answers, lost| LaneAnswer {
        site: (lane == "immediate").then(|| SITE.parse().unwrap()),
        lane: lane.to_owned(),
        answers,
        ago_ms: Some(90_000),
        lost,
    };
    let with = |lanes: Vec<LaneAnswer>| {
        codes(|seen| {
            if let Ok(status) = &mut seen.status {
                status.lanes = lanes;
            }
        })
    };
    assert_eq!(with(vec![lane("immediate", true, 0), lane("journal", true, 0)]), Vec::<&str>::new());
    assert_eq!(with(vec![lane("immediate", true, 0), lane("journal", false, 0)]), ["HL-0524"]);
    assert_eq!(with(vec![lane("immediate", true, 3)]), ["HL-0525"]);
    assert_eq!(with(vec![lane("immediate", false, 8)]), ["HL-0524", "HL-0525"]);
}

fn recovery(made_at: Option<&str>, changed: &[&str]) -> agent::control::RecoveryAnswer {
    agent::control::RecoveryAnswer {
        made_at: made_at.map(str::to_owned),
        made_by: None,
        changed: changed.iter().map(|&word| word.to_owned()).collect(),
        backup: None,
        backup_at: None,
    }
}

/// Whoever has no kit is told so every time, until there is one.
#[test]
fn a_server_without_a_recovery_kit_is_warned_of_and_one_with_changes_is_told_what_to_take_along() {
    let with = |answer| {
        codes(|seen| {
            if let Ok(status) = &mut seen.status {
                status.recovery = Some(answer);
            }
        })
    };
    assert_eq!(with(recovery(None, &[])), ["HL-0243"]);
    assert_eq!(with(recovery(Some("2026"), &[])), codes(|_| {}));
    let changed = recovery(Some("2026"), &["2 pairings"]);
    let mut seen = well();
    if let Ok(status) = &mut seen.status {
        status.recovery = Some(changed);
    }
    let report = Report::of(&seen, NOW);
    let found = report.groups.iter().flat_map(|group| &group.findings).find(|found| found.code == "HL-0244");
    assert!(found.is_some_and(|found| found.what.contains("2 pairings")));
}

#[test]
fn a_server_that_serves_nobody_is_a_problem_with_both_ways_out() {
    for (why, code, way) in [
        ("older-epoch", "HL-0240", "confirm-server"),
        ("other-machine", "HL-0240", "remove Halo Link"),
        ("moved-out", "HL-0241", "new server"),
    ] {
        let mut seen = well();
        if let Ok(status) = &mut seen.status {
            status.stopped = Some(agent::control::StoppedAnswer {
                why: why.to_owned(),
                text: "It has stopped.".to_owned(),
            });
        }
        let report = Report::of(&seen, NOW);
        let found = report.groups.iter().flat_map(|group| &group.findings).find(|found| found.code == code);
        assert!(
            found.is_some_and(|found| found.next.as_ref().is_some_and(|next| next.contains(way))),
            "{why}"
        );
        assert!(!report.ok);
    }
}

/// It can't say so itself.
#[test]
fn a_server_whose_service_does_not_start_on_purpose_is_not_told_to_start_it() {
    for (moved, half_restored, code) in [
        (Some(("2026".to_owned(), true)), false, "HL-0241"),
        (Some(("2026".to_owned(), false)), false, "HL-0246"),
        (None, true, "HL-0246"),
    ] {
        let found = codes(|seen| {
            seen.status = Err(agent::control::AskError::NotRunning);
            seen.state = machine::service::State::Stopped;
            (seen.files.moved, seen.files.half_restored) = (moved, half_restored);
        });
        assert!(found.contains(&code), "{found:?}");
        assert!(!found.contains(&"HL-0102"), "{found:?}");
    }
}

#[test]
fn a_practice_that_is_about_to_be_replaced_is_told_by_whom_and_what_to_do() {
    let found = codes(|seen| {
        if let Ok(status) = &mut seen.status {
            let (to, ready_at) = (SITE.parse().unwrap(), "2026-02-06T00:00:00.000Z".to_owned());
            status.sites[0].authority_change = Some(agent::control::AuthorityAnswer { to, ready_at });
        }
    });
    assert_eq!(found, ["HL-0245"]);
}
