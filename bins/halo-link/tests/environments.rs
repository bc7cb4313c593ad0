//! Stage and production on one server, by the programs: never each other's identity, and back again.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    path::Path,
    process::{Child, Command, Output, Stdio},
    time::Duration,
};

const CONFIG: &str =
    "data = \"data\"\nenvironment = \"stage\"\n[cloud]\nurl = \"wss://localhost:1/tunnel/v1\"\n";

fn utility(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_HaloLinkUtility"));
    command.args(arguments).current_dir(folder).stdin(Stdio::null()).output().unwrap()
}

fn text(done: &Output) -> String {
    String::from_utf8([&done.stdout[..], &done.stderr[..]].concat()).unwrap()
}

/// Runs the service for as long as it takes to ask which Link it is, and in which environment.
fn who(folder: &Path) -> (String, String) {
    let service = Command::new(env!("CARGO_BIN_EXE_HaloLinkService"))
        .arg("run")
        .current_dir(folder)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut service = Running(service);
    let answered = (0..200).find_map(|_| {
        let done = utility(folder, &["status", "--json"]);
        std::thread::park_timeout(Duration::from_millis(50));
        done.status.success().then_some(done.stdout)
    });
    let status: serde_json::Value = serde_json::from_slice(&answered.expect("an answer in time")).unwrap();
    assert!(Command::new("kill").args(["-TERM", &service.0.id().to_string()]).status().unwrap().success());
    assert!(service.0.wait().unwrap().success());
    let word = |name: &str| status[name].as_str().unwrap().to_owned();
    (word("environment"), word("link"))
}

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
    }
}

#[test]
fn each_environment_keeps_its_identity_and_none_is_switched_by_accident() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    std::fs::write(folder.join("link.toml"), CONFIG).unwrap();
    let (environment, stage) = who(folder);
    assert_eq!(environment, "stage");

    let same_cloud = utility(folder, &["environment", "set", "production", "--yes"]);
    assert!(
        !same_cloud.status.success() && text(&same_cloud).contains("[cloud.production]"),
        "{same_cloud:?}"
    );
    let both = format!("{CONFIG}[cloud.production]\nurl = \"wss://localhost:2/tunnel/v1\"\n");
    std::fs::write(folder.join("link.toml"), both).unwrap();
    let unasked = utility(folder, &["environment", "set", "production"]);
    assert!(!unasked.status.success() && text(&unasked).contains("nothing was changed"), "{unasked:?}");
    assert!(!utility(folder, &["environment", "set", "elsewhere", "--yes"]).status.success());
    assert!(text(&utility(folder, &["environment"])).contains("The environment is stage"));

    let set = utility(folder, &["environment", "set", "production", "--yes"]);
    assert!(set.status.success() && text(&set).contains("next start"), "{set:?}");
    let (environment, production) = who(folder);
    assert_eq!(environment, "production");
    assert_ne!(production, stage, "another environment is another Link");
    let again = utility(folder, &["environment", "set", "production", "--yes"]);
    assert!(again.status.success() && text(&again).contains("already"));

    assert!(utility(folder, &["environment", "set", "stage", "--yes"]).status.success());
    assert_eq!(who(folder), ("stage".to_owned(), stage), "back, everything is as it was");
    let shown = utility(folder, &["environment", "--json"]);
    let shown: serde_json::Value = serde_json::from_slice(&shown.stdout).unwrap();
    assert_eq!(shown["cloud"], "wss://localhost:1/tunnel/v1");
}

#[test]
fn a_data_folder_of_another_environment_is_not_served() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    std::fs::write(folder.join("link.toml"), CONFIG).unwrap();
    let (_, stage) = who(folder);
    // By hand instead of with the Utility: it is another folder even so.
    std::fs::write(folder.join("link.toml"), CONFIG.replace("stage", "production")).unwrap();
    let (environment, production) = who(folder);
    assert_eq!(environment, "production");
    assert_ne!(production, stage);
    assert!(folder.join("data/environments/production/identity/link.root").exists());
}
