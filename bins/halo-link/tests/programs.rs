//! The two programs as their users start them. (The whole way is tested with the demo.)
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::Command;

const CONFIG: &str = r#"
data = "data"
environment = "demo"
[cloud]
url = "wss://localhost:1/tunnel/v1"
"#;

fn run(program: &str, arguments: &[&str], config: Option<&str>) -> (bool, String) {
    let folder = tempfile::tempdir().unwrap();
    if let Some(config) = config {
        std::fs::write(folder.path().join("link.toml"), config).unwrap();
    }
    let done = Command::new(program).args(arguments).current_dir(folder.path()).output().unwrap();
    let text = [done.stdout, done.stderr].concat();
    (done.status.success(), String::from_utf8(text).unwrap())
}

const UTILITY: &str = env!("CARGO_BIN_EXE_HaloLinkUtility");
const SERVICE: &str = env!("CARGO_BIN_EXE_HaloLinkService");

#[test]
fn the_utility_says_how_to_start_a_service_that_does_not_run() {
    let (good, text) = run(UTILITY, &["status"], Some(CONFIG));
    assert!(!good && text.contains("HaloLinkService run --config"), "{text}");
    let (good, text) = run(UTILITY, &["pairing-code", "--integrator", "x", "--json"], Some(CONFIG));
    assert!(!good && text.contains("not running"), "{text}");
}

#[test]
fn a_missing_or_broken_configuration_is_named() {
    for program in [UTILITY, SERVICE] {
        let argument = if program == UTILITY { "status" } else { "run" };
        let (good, text) = run(program, &[argument], None);
        assert!(!good && text.contains("link.toml"), "{text}");
        let (good, text) = run(program, &[argument], Some("data = 7"));
        assert!(!good && text.contains("line 1"), "{text}");
    }
}

#[test]
fn help_teaches_the_way_to_a_first_pairing() {
    let (good, text) = run(UTILITY, &["--help"], None);
    assert!(good && text.contains("pairing-code --integrator") && text.contains("audit show"), "{text}");
    let (good, text) = run(SERVICE, &["--help"], None);
    assert!(good && text.contains("[[site]]"), "{text}");
}

#[cfg(unix)]
#[test]
fn only_a_service_manager_starts_the_service_as_one() {
    let (good, text) = run(SERVICE, &["service", "--config", "link.toml"], Some(CONFIG));
    assert!(!good && text.contains("net start \"Halo Link Service\"") && text.contains("run"), "{text}");
}

#[cfg(unix)]
#[test]
fn the_service_answers_the_utility_before_it_has_reached_the_cloud_and_stops_when_told() {
    use std::time::Duration;
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("link.toml"), CONFIG).unwrap();
    let mut service = Command::new(SERVICE)
        .args(["run"])
        .current_dir(folder.path())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let status =
        || Command::new(UTILITY).args(["status", "--json"]).current_dir(folder.path()).output().unwrap();
    let answered = (0..100).find_map(|_| {
        let done = status();
        std::thread::park_timeout(Duration::from_millis(50));
        done.status.success().then_some(done.stdout)
    });
    let status: serde_json::Value =
        serde_json::from_slice(&answered.expect("an answer within five seconds")).unwrap();
    assert_eq!((status["epoch"].as_u64(), &status["sites"]), (Some(1), &serde_json::json!([])));
    let told = Command::new("kill").args(["-TERM", &service.id().to_string()]).status().unwrap();
    assert!(told.success());
    assert!(service.wait().unwrap().success());
}
