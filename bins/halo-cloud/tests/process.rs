//! The program as an operator has it: a process, its output, its signals.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test and its helpers may panic")]

use model::{Pms, SystemClock};
use std::{
    io::{BufRead, BufReader, Read},
    path::PathBuf,
    process::{Child, ChildStdout, Command, Output, Stdio},
    sync::Arc,
    time::Duration,
};
use tokio::time::{Instant, timeout};
use trust::{Kind, Root};
use tunnel::{
    AuditHead, Credentials, DialOptions, Dialer, RelayAddress, Roots, SiteIdentity, Status, Tuning,
    control::Fixed32,
    head::{self, Answer, Ask, Reason},
};

const PATIENCE: Duration = Duration::from_secs(20);

/// A folder with a configuration and a certificate.
struct Place {
    folder: tempfile::TempDir,
    ca: String,
}

impl Place {
    fn new() -> Place {
        let folder = tempfile::tempdir().unwrap();
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        std::fs::write(folder.path().join("relay.pem"), made.cert.pem()).unwrap();
        std::fs::write(folder.path().join("relay.key"), made.signing_key.serialize_pem()).unwrap();
        let place = Place { ca: made.cert.pem(), folder };
        place.configure("127.0.0.1:0");
        place
    }

    fn configure(&self, listen: &str) {
        let text = format!(
            "listen = \"{listen}\"\ntls_cert = \"relay.pem\"\ntls_key = \"relay.key\"\ndata = \"data\"\n\
             names = [\"localhost\"]\nenvironment = \"stage\"\n"
        );
        std::fs::write(self.config(), text).unwrap();
    }

    fn config(&self) -> PathBuf {
        self.folder.path().join("cloud.toml")
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_halo-cloud"));
        command.args(words).arg("--config").arg(self.config()).env_remove("RUST_LOG");
        command
    }

    fn output(&self, words: &[&str]) -> Output {
        self.command(words).output().unwrap()
    }

    fn run(&self) -> Cloud {
        let log = std::fs::File::create(self.folder.path().join("log")).unwrap();
        let mut child = self.command(&["run"]).stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        let ready: serde_json::Value =
            serde_json::from_str(&line).unwrap_or_else(|e| panic!("{line:?}: {e}; log: {}", self.log()));
        assert_eq!(ready["ready"], true);
        let listen: std::net::SocketAddr = ready["listen"].as_str().unwrap().parse().unwrap();
        Cloud { child, out, port: listen.port() }
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap()
    }
}

struct Cloud {
    child: Child,
    out: BufReader<ChildStdout>,
    port: u16,
}

impl Cloud {
    fn signal(&self, name: &str) {
        let sent =
            Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// Exit code and the rest of stdout.
    async fn end(mut self) -> (Option<i32>, String) {
        let (mut child, mut rest) = (self.child, String::new());
        let ended = async {
            loop {
                if let Some(status) = child.try_wait().unwrap() {
                    return status.code();
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let Ok(code) = timeout(PATIENCE, ended).await else {
            let _ = child.kill();
            panic!("it does not end");
        };
        self.out.read_to_string(&mut rest).unwrap();
        (code, rest)
    }
}

async fn ask(gateway: &Dialer, question: &Ask) -> Answer {
    let asked = async {
        let mut stream = gateway.open().await.unwrap();
        head::write(&mut stream, question).await.unwrap();
        head::read(&mut stream).await.unwrap()
    };
    timeout(PATIENCE, asked).await.expect("an answer in time")
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[tokio::test]
async fn an_integrator_is_admitted_while_the_cloud_runs_and_sigterm_ends_it_in_five_seconds() {
    let place = Place::new();
    let cloud = place.run();
    let root = Root::generate(Kind::Integrator).unwrap();
    let now = model::Clock::now(&SystemClock);
    let operational = root.issue("acme", 1, now, Duration::from_secs(3600)).unwrap();
    let gateway = Dialer::start(DialOptions {
        relay: RelayAddress::parse(&format!("wss://localhost:{}/tunnel/v1", cloud.port)).unwrap(),
        tls: tunnel::outer_client_tls(Roots::Pem(place.ca.as_bytes())).unwrap(),
        proxy: None,
        environment: "stage".to_owned(),
        credentials: Credentials::Gateway { operational, epoch: 1 },
        tuning: Tuning::default(),
        clock: Arc::new(SystemClock),
        seed: 1,
    });
    let mut status = gateway.status();
    timeout(PATIENCE, status.wait_for(|s| *s == Status::Online)).await.expect("online in time").unwrap();

    let question = Ask::Find { pms: Pms::BestPractice, pms_id: "1".to_owned() };
    let answer = ask(&gateway, &question).await;
    assert!(matches!(answer, Answer::Refused { reason: Reason::NotEntitled, .. }), "{answer:?}");

    let id = root.id().to_string();
    let admitted = place.output(&["admit", "--integrator", &id, "--name", "Acme Recalls"]);
    assert!(admitted.status.success(), "{}", text(&admitted.stderr));
    assert_eq!(ask(&gateway, &question).await, Answer::Sites { sites: Vec::new() });
    let listed = place.output(&["integrators"]);
    assert!(text(&listed.stdout).contains(&id) && text(&listed.stdout).contains("Acme Recalls"));
    assert!(place.output(&["sites"]).status.success());
    assert!(place.output(&["remove", "--integrator", &id]).status.success());
    assert!(!place.output(&["remove", "--integrator", &id]).status.success());

    let second = place.output(&["run"]);
    assert!(!second.status.success());
    assert!(text(&second.stderr).contains("another halo-cloud runs"), "{}", text(&second.stderr));

    let told = Instant::now();
    cloud.signal("TERM");
    let (code, rest) = cloud.end().await;
    assert!(told.elapsed() < Duration::from_secs(5), "{:?}", told.elapsed());
    assert_eq!((code, rest.as_str()), (Some(0), ""), "stdout holds the ready line alone");
    for line in place.log().lines() {
        let line: serde_json::Value = serde_json::from_str(line).expect("every log line is JSON");
        assert!(line["timestamp"].is_string() && line["level"].is_string(), "{line}");
    }
    assert!(place.log().contains("halo-cloud has stopped"));
}

#[tokio::test]
async fn what_links_say_of_their_audits_is_there_for_the_practice_to_be_held_against() {
    let place = Place::new();
    let cloud = place.run();
    let (link, site) = (Root::generate(Kind::Link).unwrap(), Root::generate(Kind::Site).unwrap());
    let now = model::Clock::now(&SystemClock);
    let issue = |root: &Root| root.issue("one", 1, now, Duration::from_secs(3600)).unwrap();
    let facts = model::SiteFacts {
        enriched_at: None,
        pms: Pms::BestPractice,
        pms_id: "1".to_owned(),
        practice_name: "Harbour Family Practice".to_owned(),
        pms_version: "1.12".to_owned(),
        link_version: "26.1123.1".to_owned(),
        catalogues: Vec::new(),
    };
    let sites = vec![SiteIdentity { operational: issue(&site), facts, epoch: 1 }];
    let dialer = Dialer::start(DialOptions {
        relay: RelayAddress::parse(&format!("wss://localhost:{}/tunnel/v1", cloud.port)).unwrap(),
        tls: tunnel::outer_client_tls(Roots::Pem(place.ca.as_bytes())).unwrap(),
        proxy: None,
        environment: "stage".to_owned(),
        credentials: Credentials::Link { operational: issue(&link), epoch: 1, sites },
        tuning: Tuning::default(),
        clock: Arc::new(SystemClock),
        seed: 1,
    });
    let id = model::SiteId(site.id());
    dialer.teller().tell(&[AuditHead { site: id, number: 1207, chain: Fixed32([7; 32]) }]);
    let told = async {
        loop {
            let listed = place.output(&["witnesses", "--site", &id.to_string()]);
            assert!(listed.status.success(), "{}", text(&listed.stderr));
            if !listed.stdout.is_empty() {
                return text(&listed.stdout).to_owned();
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let told = timeout(PATIENCE, told).await.expect("it is kept");
    let line: serde_json::Value = serde_json::from_str(told.trim()).unwrap();
    assert_eq!((&line["site"], &line["number"]), (&id.to_string().into(), &1207.into()));
    assert_eq!(line["chain"], "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=");
    assert!(line["at"].is_string() && line.get("backAt").is_none(), "{line}");
    let other = model::SiteId(link.id()).to_string();
    assert!(place.output(&["witnesses", "--site", &other]).stdout.is_empty());
    cloud.signal("TERM");
    assert_eq!(cloud.end().await.0, Some(0));
}

#[tokio::test]
async fn sigint_ends_it_too_and_it_starts_again_on_the_same_data() {
    let place = Place::new();
    for _ in 0..2 {
        let cloud = place.run();
        cloud.signal("INT");
        assert_eq!(cloud.end().await.0, Some(0));
    }
}

#[tokio::test]
async fn after_a_crash_it_starts_again_on_the_same_data() {
    let place = Place::new();
    let cloud = place.run();
    cloud.signal("KILL");
    assert_eq!(cloud.end().await.0, None);
    let cloud = place.run();
    cloud.signal("TERM");
    assert_eq!(cloud.end().await.0, Some(0));
}

#[test]
fn a_fault_names_its_file_and_field() {
    let place = Place::new();
    let fails = |wanted: &[&str]| {
        let output = place.output(&["run"]);
        let said = text(&output.stderr);
        assert!(!output.status.success());
        for word in wanted {
            assert!(said.contains(word), "{word} is missing in: {said}");
        }
    };
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    place.configure(&taken.local_addr().unwrap().to_string());
    fails(&["listen", "port taken"]);
    place.configure("nowhere");
    fails(&["cloud.toml", "listen"]);
    place.configure("127.0.0.1:0");
    std::fs::write(place.folder.path().join("relay.key"), "not a key").unwrap();
    fails(&["tls_key", "relay.key"]);
    std::fs::remove_file(place.folder.path().join("relay.pem")).unwrap();
    fails(&["tls_cert", "relay.pem"]);
    std::fs::remove_file(place.config()).unwrap();
    fails(&["cloud.toml"]);
}

#[test]
fn help_shows_a_first_start() {
    let help = Command::new(env!("CARGO_BIN_EXE_halo-cloud")).arg("--help").output().unwrap();
    for word in ["cloud.toml", "admit", "tls_cert", "environment"] {
        assert!(text(&help.stdout).contains(word), "{word}");
    }
}
