//! Canaries: what must not be in the archive is planted wherever it could come from, and looked for in every file of it.

use super::*;
use crate::seen::{ConfigTrouble, Exclusions, Files};
use agent::control::AskError;
use machine::service::State;
use model::Timestamp;
use std::io::Read;

fn seen(config: Result<agent::config::Config, ConfigTrouble>) -> Seen {
    Seen {
        version: "26.1123.1".to_owned(),
        config_path: "link.toml".into(),
        config,
        files: Files::default(),
        facts: machine::facts::facts(),
        disk_free: Ok(1),
        administrator: false,
        state: State::Stopped,
        status: Err(AskError::NotRunning),
        checked: None,
        tested: None,
        published: Ok(None),
        update: None,
        signatures: Vec::new(),
        way: None,
        exclusions: Exclusions::default(),
    }
}

fn open(archive: &[u8]) -> Vec<(String, String)> {
    let mut archive = zip::ZipArchive::new(Cursor::new(archive)).unwrap();
    (0..archive.len())
        .map(|i| {
            let mut file = archive.by_index(i).unwrap();
            let mut text = String::new();
            file.read_to_string(&mut text).unwrap();
            (file.name().unwrap().into_owned(), text)
        })
        .collect()
}

fn row(what: &str) -> AuditRow {
    serde_json::from_value(json!({
        "id": 7, "at": "2026-02-03T04:05:06.007Z", "what": what, "site": "s", "integrator": "i", "instance": "canary-instance",
        "query": "q", "access": "read-only", "catalogue": "canary-catalogue", "sha256": "canary-hash",
        "statement": "SELECT canary-statement", "status": "successful", "effect": "executed", "rows": 3, "bytes": 9, "ms": 4,
        "by": "0:canary-user", "detail": { "approve": ["canary-detail"] },
        "parameters": [{ "name": "@canary", "value": "canary-value" }],
    }))
    .unwrap()
}

const CONFIG: &str = r#"
data = "data"
environment = "stage"
[cloud]
url = "wss://relay.example"
proxy = "http://canary-user:canary-pass@proxy.example:3128"
[[site]]
pms = "BestPractice"
pms_id = "1001"
[site.database]
kind = "mssql"
server = "sql.example"
secret_of_a_later_version = "canary-later"
catalogues = { Patients = "BPSPatients" }
login = { user = "canary-login", password = "canary-password\"quoted" }
"#;

#[test]
fn nothing_that_is_secret_is_in_the_archive() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("link.toml");
    fs::write(&path, CONFIG).unwrap();
    let logs = folder.path().join("data").join("logs");
    fs::create_dir_all(&logs).unwrap();
    let line = |fields: Value| json!({ "timestamp": "2026-02-03T04:05:06Z", "level": "WARN", "target": "agent::door", "fields": fields, "span": "canary-span" });
    let lines = [
        "panicked at canary-panic".to_owned(),
        line(
            json!({ "message": "a query ended", "ms": 3, "sql": "canary-sql", "row": { "x": "canary-row" } }),
        )
        .to_string(),
        line(json!({ "message": "connecting", "error": "no entry for canary-password\"quoted" })).to_string(),
        "{\"canary-broken".to_owned(),
    ];
    fs::write(logs.join("HaloLinkService.log"), lines.join("\n")).unwrap();
    // What lies beside, and is no log.
    fs::create_dir_all(folder.path().join("data").join("identity")).unwrap();
    fs::write(folder.path().join("data").join("identity").join("link.root"), "canary-key").unwrap();
    fs::write(folder.path().join("data").join("link.db"), "canary-database").unwrap();

    let config = agent::config::Config::read(&path).unwrap();
    let mut seen = seen(Ok(config));
    // A finding that quotes what it should not: the second fence.
    seen.published = Err("refused for canary-login".to_owned());
    let report = Report::of(&seen, Timestamp(0));
    let archive = pack(&seen, &report, Some(CONFIG), &[row("begin"), row("end")]).unwrap();
    let files = open(&archive);
    for (name, text) in &files {
        assert!(!text.contains("canary"), "{name}: {text}");
    }
    let file = |wanted: &str| &files.iter().find(|(name, _)| name == wanted).unwrap().1;
    // And what helps is there.
    assert!(file("link.toml").contains("wss://relay.example") && file("link.toml").contains("sql.example"));
    assert!(file("link.toml").contains("http://proxy.example:3128"), "{}", file("link.toml"));
    assert!(file("log.jsonl").contains("a query ended") && file("log.jsonl").lines().count() == 2);
    assert!(file("audit.jsonl").contains("successful") && file("audit.jsonl").lines().count() == 2);
    assert!(file("doctor.txt").contains("(left out)"), "{}", file("doctor.txt"));
    for name in ["CONTENTS.txt", "doctor.json", "facts.json", "status.json"] {
        assert!(!file(name).is_empty(), "{name}");
    }
    let listed = |name: &&(String, String)| name.0 != "CONTENTS.txt";
    for (name, _) in files.iter().filter(listed) {
        assert!(CONTENTS.contains(name.as_str()), "CONTENTS.txt tells of {name}");
    }
}

#[test]
fn a_configuration_that_does_not_read_gives_nothing_away_either() {
    let broken = CONFIG.replace("[cloud]", "[cloud");
    let seen = seen(Err(ConfigTrouble::Wrong("line 4: canary-password\"quoted".to_owned())));
    let report = Report::of(&seen, Timestamp(0));
    for (name, text) in open(&pack(&seen, &report, Some(&broken), &[]).unwrap()) {
        assert!(!text.contains("canary-pass"), "{name}: {text}");
    }
    let archive = pack(&seen, &report, None, &[]).unwrap();
    assert_eq!(open(&archive).len(), 8, "there is an archive without a configuration too");
}

#[test]
fn an_archive_is_its_owners_alone_and_replaces_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.zip");
    write(&path, b"one").unwrap();
    assert!(write(&path, b"two").is_err());
    assert_eq!(fs::read(&path).unwrap(), b"one");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}

#[test]
fn the_newest_lines_of_all_logs_are_taken_and_no_more_than_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let line = |n: u32| {
        json!({ "timestamp": "t", "level": "INFO", "target": "x", "fields": { "epoch": n } }).to_string()
    };
    for (name, numbers) in [("s.log.1", 0..5_u32), ("s.log", 5..8), ("notes.txt", 90..99)] {
        let lines: Vec<_> = numbers.map(line).collect();
        fs::write(folder.path().join(name), lines.join("\n")).unwrap();
        let age = if name == "s.log.1" { 100 } else { 200 };
        let at = std::time::UNIX_EPOCH + std::time::Duration::from_secs(age);
        fs::File::options().write(true).open(folder.path().join(name)).unwrap().set_modified(at).unwrap();
    }
    let epoch = |line: &String| serde_json::from_str::<Value>(line).unwrap()["epoch"].as_u64().unwrap();
    let newest: Vec<_> = log::newest(folder.path(), 4).iter().map(epoch).collect();
    assert_eq!(newest, [4, 5, 6, 7]);
    assert!(log::newest(&folder.path().join("none"), 4).is_empty());
}
