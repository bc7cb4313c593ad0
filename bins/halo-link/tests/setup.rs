//! What installers run, through the program itself: a server is looked at, link.toml is written once, and taken back.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![cfg(unix)]

use std::{fs, path::Path, process::Command};

const UTILITY: &str = env!("CARGO_BIN_EXE_HaloLinkUtility");

/// A server with a practice's database on it.
struct Server {
    home: tempfile::TempDir,
}

impl Server {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let options = practice::BuildOptions {
            patients: 20,
            seed: 1,
            today: database::Date { year: 2026, month: 2, day: 3 },
            logins: vec![],
        };
        practice::build(&home.path().join("practice.db"), &options, &mut |_, _| {}).unwrap();
        Server { home }
    }

    fn file(&self, name: &str) -> std::path::PathBuf {
        self.home.path().join(name)
    }

    fn setup(&self, words: &[&str]) -> (bool, String) {
        let done = Command::new(UTILITY)
            .arg("setup")
            .args(words)
            .args([
                Path::new("--config"),
                &self.file("etc/link.toml"),
                Path::new("--data"),
                &self.file("data"),
            ])
            .output()
            .unwrap();
        (done.status.success(), String::from_utf8([done.stdout, done.stderr].concat()).unwrap())
    }

    /// As an MSI passes its properties: each with a blank after it, empty where nothing was said.
    fn install(&self, environment: &str) -> (bool, String) {
        let (environment, database) =
            (format!("{environment} "), format!("{} ", self.file("practice.db").display()));
        self.setup(&[
            "--environment",
            &environment,
            "--cloud-url",
            "wss://localhost:1/tunnel/v1 ",
            "--proxy",
            " ",
            "--pms",
            "BestPractice ",
            "--pms-id",
            "1001 ",
            "--database-kind",
            "demo ",
            "--database-path",
            &database,
        ])
    }
}

#[test]
fn an_installer_writes_the_configuration_once_and_says_what_it_could_not_reach() {
    use std::os::unix::fs::PermissionsExt;
    let server = Server::new();
    let (good, text) = server.install("stage");
    assert!(
        good && text.contains("can't be reached yet: localhost:1") && text.contains("within a minute"),
        "{text}"
    );
    let written = fs::read_to_string(server.file("etc/link.toml")).unwrap();
    assert!(written.contains("environment = \"stage\"") && !written.contains("proxy"), "{written}");
    let mode = |name: &str| fs::metadata(server.file(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("data"), mode("etc/link.toml")), (0o700, 0o640));

    // A bundled installer, whose default is production, changes nothing.
    let (good, text) = server.install("production");
    assert!(
        good && text.contains("says stage, and that stays") && text.contains("environment set"),
        "{text}"
    );
    assert_eq!(fs::read_to_string(server.file("etc/link.toml")).unwrap(), written);
}

#[test]
fn a_server_that_is_not_fit_is_refused_in_one_sentence_and_nothing_is_written() {
    let server = Server::new();
    let cloud = ["--cloud-url", "wss://localhost:1/tunnel/v1"];
    let refused = |more: &[&str]| {
        let (good, text) = server.setup(&[&cloud, more].concat());
        assert!(!good && text.lines().count() == 1, "{text}");
        assert!(!server.file("etc").exists() && !server.file("data").exists());
        text
    };
    let text = refused(&["--pms", "BestPractice", "--database-hostname", "127.0.0.1,1"]);
    assert!(
        text.contains("no database server answers at 127.0.0.1, port 1")
            && text.contains("DATABASE_HOSTNAME"),
        "{text}"
    );
    assert!(refused(&["--check"]).contains("PMS is missing"));
    let (good, text) = server.setup(&["--pms", "Zedmed"]);
    assert!(!good && text.contains("CLOUD_URL is missing"), "{text}");
}

#[test]
fn a_check_looks_and_writes_nothing() {
    let server = Server::new();
    let database = server.file("practice.db").display().to_string();
    let (good, text) = server.setup(&[
        "--check",
        "--cloud-url=wss://localhost:1/tunnel/v1",
        "--pms=BestPractice",
        "--database-kind=demo",
        "--database-path",
        &database,
    ]);
    assert!(good && text.contains("is fit for Halo Link"), "{text}");
    assert!(!server.file("etc").exists() && !server.file("data").exists());
}

#[test]
fn before_an_upgrade_the_new_version_says_whether_it_can_read_what_is_there() {
    let server = Server::new();
    assert!(server.install("stage").0);
    let before = ["--before-upgrade", "--environment", "production ", "--pms", "Zedmed "];
    let (good, text) = server.setup(&before);
    // What it would note, the installation itself notes.
    assert!(good && text.trim().is_empty(), "{text}");
    let path = server.file("etc/link.toml");
    let broken = fs::read_to_string(&path).unwrap().replace("environment = ", "environmental = ");
    fs::write(&path, &broken).unwrap();
    let (good, text) = server.setup(&before);
    assert!(!good && text.contains("environment") && text.lines().count() < 4, "{text}");
    assert_eq!(fs::read_to_string(&path).unwrap(), broken);
}

#[test]
fn what_was_installed_is_taken_back_and_identity_is_kept_by_choice() {
    let server = Server::new();
    assert!(server.install("stage").0);
    fs::create_dir_all(server.file("data/identity")).unwrap();
    fs::create_dir_all(server.file("data/logs")).unwrap();
    assert!(server.setup(&["--remove", "--keep-identity", "1 "]).0);
    assert!(server.file("data/identity").exists() && server.file("etc/link.toml").exists());
    assert!(!server.file("data/logs").exists());
    assert!(server.setup(&["--remove", "--keep-identity", " "]).0);
    assert!(!server.file("data").exists() && !server.file("etc/link.toml").exists());
}
