//! The key that seals, gone or changed: the service does not start, says which key it wants, and never makes a new one in its place.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::Duration,
};

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
    }
}

/// A configured server whose integrator has a code: something is sealed there.
struct Server(tempfile::TempDir);

impl Server {
    fn with_a_code() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options = practice::BuildOptions {
            patients: 5,
            seed: 1,
            today: database::Date { year: 2026, month: 2, day: 3 },
            logins: vec![],
        };
        practice::build(&folder.path().join("practice.db"), &options, &mut |_, _| {}).unwrap();
        let config = "data = \"data\"\nenvironment = \"demo\"\n[cloud]\nurl = \"wss://localhost:1/tunnel/v1\"\n[[site]]\n\
                      pms = \"BestPractice\"\npms_id = \"1001\"\n[site.database]\nkind = \"demo\"\npath = \"practice.db\"\n";
        fs::write(folder.path().join("link.toml"), config).unwrap();
        let server = Server(folder);
        server.run(|server| {
            let made = server.utility(&["pairing-code", "--integrator", "Acme"]);
            assert!(made.status.success(), "{made:?}");
        });
        server
    }

    fn key(&self) -> PathBuf {
        self.0.path().join("data/identity/seal.key")
    }

    fn utility(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_HaloLinkUtility"));
        command.args(arguments).current_dir(self.0.path()).stdin(Stdio::null()).output().unwrap()
    }

    fn service(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_HaloLinkService"));
        command.arg("run").current_dir(self.0.path()).stdout(Stdio::null());
        command
    }

    /// Starts the service, waits until it answers, lets it be asked, and stops it. Gives what it says of itself.
    fn run(&self, asked: impl FnOnce(&Self)) -> serde_json::Value {
        let mut service = Running(self.service().stderr(Stdio::null()).spawn().unwrap());
        let answered = (0..200).find_map(|_| {
            let done = self.utility(&["status", "--json"]);
            std::thread::park_timeout(Duration::from_millis(50));
            done.status.success().then_some(done.stdout)
        });
        asked(self);
        let id = service.0.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        assert!(service.0.wait().unwrap().success());
        serde_json::from_slice(&answered.expect("an answer in time")).unwrap()
    }

    /// Starts the service, which must not stay, and gives its last word.
    fn refused(&self, credentials: Option<&Path>) -> String {
        let mut service = self.service();
        if let Some(folder) = credentials {
            service.env("CREDENTIALS_DIRECTORY", folder);
        }
        let done = service.output().unwrap();
        let said = String::from_utf8(done.stderr).unwrap();
        assert!(!done.status.success(), "{said}");
        said.lines().last().unwrap_or_default().to_owned()
    }

    fn doctor(&self) -> String {
        String::from_utf8(self.utility(&["doctor", "--json"]).stdout).unwrap()
    }
}

#[test]
fn without_its_key_the_service_does_not_start_and_makes_no_new_one() {
    let server = Server::with_a_code();
    let away = server.0.path().join("seal.key");
    fs::rename(server.key(), &away).unwrap();
    let said = server.refused(None);
    assert!(
        said.contains("is gone") && said.contains("identity/seal.key") && said.contains("backup"),
        "{said}"
    );
    assert!(!server.key().exists(), "a new key was made");
    assert!(server.doctor().contains("HL-0225"));

    fs::rename(&away, server.key()).unwrap();
    let status = server.run(|_| {});
    assert_eq!(status["sites"][0]["openCodes"].as_array().unwrap().len(), 1, "all is as it was: {status}");
    assert!(!server.doctor().contains("HL-0225"));
}

#[test]
fn with_another_key_the_service_does_not_start_and_says_which_one_it_wants() {
    let server = Server::with_a_code();
    let right = fs::read(server.key()).unwrap();
    fs::write(server.key(), [7; 32]).unwrap();
    let said = server.refused(None);
    assert!(said.contains("does not open with the key file identity/seal.key"), "{said}");
    assert!(server.doctor().contains("HL-0226"));

    fs::write(server.key(), right).unwrap();
    let credentials = tempfile::tempdir().unwrap();
    fs::write(credentials.path().join("halo-link-seal"), [8; 32]).unwrap();
    let said = server.refused(Some(credentials.path()));
    assert!(said.contains("does not open with systemd's credential halo-link-seal"), "{said}");
    assert!(said.contains("sealed with the key file identity/seal.key"), "{said}");
    server.run(|_| {});
    assert!(!server.doctor().contains("HL-0226"), "the right one is back");
}

#[test]
fn who_has_lost_the_key_starts_over_with_the_same_identity() {
    let server = Server::with_a_code();
    let before = server.run(|server| {
        let running = server.utility(&["forget-pairings", "--yes"]);
        let said = String::from_utf8(running.stderr).unwrap();
        assert!(!running.status.success() && said.contains("stop it first"), "{said}");
    });
    fs::remove_file(server.key()).unwrap();
    server.refused(None);
    let unasked = server.utility(&["forget-pairings"]);
    assert!(!unasked.status.success() && !server.key().exists(), "{unasked:?}");
    let done = server.utility(&["forget-pairings", "--yes"]);
    assert!(done.status.success(), "{done:?}");
    let after = server.run(|_| {});
    assert_eq!((&after["link"], &after["sites"][0]["site"]), (&before["link"], &before["sites"][0]["site"]));
    assert!(after["sites"][0]["openCodes"].as_array().unwrap().is_empty(), "{after}");
    assert!(after["epoch"].as_u64() > before["epoch"].as_u64(), "{after}");
}
