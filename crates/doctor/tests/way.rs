//! The doctor on the way to Halo Cloud: real names, sockets, proxies, certificates, and the real relay.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use directory::Directory;
use doctor::{Level, Report, look, seen::Seen};
use model::{Clock, SystemClock, Timestamp};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use relay::{Limits, Options, Relay};
use std::{path::Path, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tunnel::{AcceptOptions, Tuning};

/// An authority of this name, and what it vouches for.
struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

struct Shown {
    chain: String,
    key: String,
}

impl Authority {
    fn new(organisation: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::OrganizationName, organisation);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Authority { pem, issuer: Issuer::new(params, key) }
    }

    fn vouch(&self, host: &str, change: impl FnOnce(&mut CertificateParams)) -> Shown {
        let mut params = CertificateParams::new(vec![host.to_owned()]).unwrap();
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let chain = params.signed_by(&key, &self.issuer).unwrap().pem();
        Shown { chain, key: key.serialize_pem() }
    }
}

/// The real relay, shown as `shown`. Answers its port.
async fn relay(shown: &Shown) -> u16 {
    relay_of("demo", shown).await
}

async fn relay_of(environment: &str, shown: &Shown) -> u16 {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(SystemClock);
    let directory = Arc::new(Directory::open(&folder.path().join("directory.db"), clock.clone()).unwrap());
    let accept = AcceptOptions {
        relay_names: vec!["localhost".to_owned()],
        environment: environment.to_owned(),
        clock: clock.clone(),
        tuning: Tuning::default(),
        max_sites: 8,
    };
    let options = Options {
        tls: tunnel::outer_server_tls(shown.chain.as_bytes(), shown.key.as_bytes()).unwrap(),
        accept,
        nonces: Arc::new(|| *uuid::Uuid::new_v4().as_bytes().repeat(2).first_chunk().unwrap()),
        clock,
        limits: Limits::default(),
        guests: None,
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let _folder = folder;
        Relay::new(directory, options).serve(listener, CancellationToken::new()).await;
    });
    port
}

/// Something else that listens: TLS if `shown`, and then `says` to whoever spoke.
async fn somebody(shown: Option<&Shown>, says: &'static str) -> u16 {
    let tls = shown.map(|shown| {
        TlsAcceptor::from(tunnel::outer_server_tls(shown.chain.as_bytes(), shown.key.as_bytes()).unwrap())
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (mut tcp, _) = listener.accept().await.unwrap();
            let tls = tls.clone();
            tokio::spawn(async move {
                let mut heard = [0; 4096];
                if let Some(tls) = tls {
                    let Ok(mut io) = tls.accept(tcp).await else { return };
                    let _ = io.read(&mut heard).await;
                    let _ = io.write_all(says.as_bytes()).await;
                    let _ = io.shutdown().await;
                } else {
                    let _ = tcp.read(&mut heard).await;
                    let _ = tcp.write_all(says.as_bytes()).await;
                }
            });
        }
    });
    port
}

/// Runs a clock ahead of the machine's.
struct Ahead(Duration);

impl Clock for Ahead {
    fn now(&self) -> Timestamp {
        SystemClock.now().plus(self.0)
    }
    fn monotonic(&self) -> Duration {
        SystemClock.monotonic()
    }
}

async fn look_with(cloud: &str, ca: Option<&str>, ahead: Duration) -> (Seen, Report) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("link.toml");
    let ca_line = ca.map(|pem| {
        std::fs::write(folder.path().join("ca.pem"), pem).unwrap();
        "ca = 'ca.pem'\n"
    });
    let text =
        format!("data = 'data'\nenvironment = 'demo'\n[cloud]\n{}{cloud}\n", ca_line.unwrap_or_default());
    std::fs::write(&path, text).unwrap();
    let seen = look::look(&path, "26.1123.1", Arc::new(Ahead(ahead))).await;
    let report = Report::of(&seen, Timestamp(0));
    (seen, report)
}

/// What was found on the way, apart from what is as it should be: codes and sentences.
async fn on_the_way(cloud: &str, ca: Option<&str>) -> Vec<(&'static str, String)> {
    let (_, report) = look_with(cloud, ca, Duration::ZERO).await;
    way_of(&report).into_iter().filter(|(code, _)| !["HL-0400", "HL-0420"].contains(code)).collect()
}

fn way_of(report: &Report) -> Vec<(&'static str, String)> {
    let cloud = report.groups.iter().find(|group| group.title == "Halo Cloud").unwrap();
    // The service does not run here: that is another check's.
    let found = cloud.findings.iter().filter(|finding| finding.code != "HL-0434");
    found.map(|finding| (finding.code, finding.what.clone())).collect()
}

fn url(host: &str, port: u16) -> String {
    format!("url = 'wss://{host}:{port}/tunnel/v1'")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_free_way_is_gone_to_the_relays_welcome_and_the_clocks_are_compared() {
    let authority = Authority::new("An honest authority");
    let port = relay(&authority.vouch("localhost", |_| {})).await;
    let cloud = url("localhost", port);
    let (seen, report) = look_with(&cloud, Some(&authority.pem), Duration::ZERO).await;
    let codes: Vec<_> = way_of(&report).into_iter().map(|(code, _)| code).collect();
    assert_eq!(codes, ["HL-0400", "HL-0420"]);
    let met = seen.way.unwrap().met.unwrap();
    assert!(met.welcomed && met.tls == Some("TLS 1.3") && met.certificates.len() == 1);

    let (_, report) = look_with(&cloud, Some(&authority.pem), Duration::from_secs(600)).await;
    let found = way_of(&report);
    assert_eq!(found[1].0, "HL-0421", "{found:?}");
    assert!(found[1].1.contains(" s fast"), "{found:?}");
    // So far off that the relay does not take the proof any more: it is named for what it is.
    let (_, report) = look_with(&cloud, Some(&authority.pem), Duration::from_secs(3 * 60 * 60)).await;
    let codes: Vec<_> = way_of(&report).into_iter().map(|(code, _)| code).collect();
    assert_eq!(codes, ["HL-0410", "HL-0421"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cloud_of_another_environment_is_told_from_one_that_refuses_this_server() {
    let authority = Authority::new("An honest authority");
    let port = relay_of("production", &authority.vouch("localhost", |_| {})).await;
    let found = on_the_way(&url("localhost", port), Some(&authority.pem)).await;
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].0, "HL-0417");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_box_that_opens_tls_is_named_whether_it_is_trusted_or_not() {
    let firewall = Authority::new("Fortinet");
    let port = relay(&firewall.vouch("localhost", |_| {})).await;
    let trusted = on_the_way(&url("localhost", port), Some(&firewall.pem)).await;
    assert_eq!(trusted[0].0, "HL-0415");
    assert!(
        trusted[0].1.contains("Fortinet firewall") && trusted[0].1.contains("can read nothing"),
        "{trusted:?}"
    );
    let other = Authority::new("Another authority");
    let refused = on_the_way(&url("localhost", port), Some(&other.pem)).await;
    assert_eq!(refused[0].0, "HL-0405");
    assert!(refused[0].1.contains("Fortinet firewall"), "{refused:?}");
    let unknown = Authority::new("Clinic IT Pty");
    let port = relay(&unknown.vouch("localhost", |_| {})).await;
    let refused = on_the_way(&url("localhost", port), Some(&other.pem)).await;
    assert!(refused[0].0 == "HL-0405" && refused[0].1.contains("Clinic IT Pty"), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_is_not_right_is_told_by_what_is_wrong_with_it() {
    let authority = Authority::new("An honest authority");
    let expired = authority.vouch("localhost", |params| {
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(2021, 1, 1);
    });
    let found = on_the_way(&url("localhost", relay(&expired).await), Some(&authority.pem)).await;
    assert!(found[0].0 == "HL-0406" && found[0].1.contains("2021"), "{found:?}");
    let other = authority.vouch("elsewhere.example", |_| {});
    let found = on_the_way(&url("localhost", relay(&other).await), Some(&authority.pem)).await;
    assert_eq!(found[0].0, "HL-0407", "{found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn names_ports_and_strangers() {
    let authority = Authority::new("An honest authority");
    let shown = authority.vouch("localhost", |_| {});
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let web = somebody(
        Some(&shown),
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nDate: Tue, 03 Feb 2026 04:55:06 GMT\r\n\r\n",
    )
    .await;
    let silent = somebody(None, "").await;
    for (cloud, codes) in [
        (url("no-such-host.invalid", 443), &["HL-0401"][..]),
        (url("127.0.0.1", free), &["HL-0402"]),
        (url("localhost", silent), &["HL-0408"]),
        // A web server tells the time too: the clock is compared even so.
        (url("localhost", web), &["HL-0409", "HL-0421"]),
        ("url = 'https://localhost'".to_owned(), &["HL-0414"]),
        (format!("{}\nproxy = 'socks://p:1'", url("localhost", web)), &["HL-0414"]),
    ] {
        let found = on_the_way(&cloud, Some(&authority.pem)).await;
        let found: Vec<_> = found.iter().map(|(code, _)| *code).collect();
        assert_eq!(found, codes, "{cloud}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn proxies_are_named_and_their_passwords_never() {
    for (answer, code) in [
        ("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "HL-0403"),
        ("HTTP/1.1 403 Forbidden\r\n\r\n", "HL-0404"),
        ("SSH-2.0-x\r\n\r\n", "HL-0404"),
    ] {
        let port = somebody(None, answer).await;
        let cloud =
            format!("{}\nproxy = 'http://ann:canary-pass@127.0.0.1:{port}'", url("relay.invalid", 443));
        let (seen, report) = look_with(&cloud, None, Duration::ZERO).await;
        let found = way_of(&report);
        assert_eq!(found[0].0, code, "{found:?}");
        assert!(found[0].1.contains(&format!("127.0.0.1:{port}")), "{found:?}");
        assert!(!format!("{report:?}{seen:?}").contains("canary"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_service_and_without_a_configuration_there_is_still_a_report() {
    let folder = tempfile::tempdir().unwrap();
    for (text, code) in [(None, "HL-0201"), (Some("data = 7"), "HL-0202")] {
        let path = folder.path().join("link.toml");
        if let Some(text) = text {
            std::fs::write(&path, text).unwrap();
        }
        let seen = look::look(&path, "26.1123.1", Arc::new(SystemClock)).await;
        let report = Report::of(&seen, Timestamp(0));
        assert!(!report.ok && report.count(Level::Problem) >= 2);
        let all: Vec<_> = report.groups.iter().flat_map(|group| &group.findings).map(|f| f.code).collect();
        assert!(all.contains(&code) && all.contains(&"HL-0418"), "{all:?}");
    }
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn files_of_the_identity_that_others_may_read_are_named() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("link.toml");
    std::fs::write(&path, "data = 'data'\nenvironment = 'demo'\n[cloud]\nurl = 'wss://127.0.0.1:1'\n")
        .unwrap();
    let identity = folder.path().join("data").join("identity");
    std::fs::create_dir_all(&identity).unwrap();
    let private =
        |path: &Path, mode| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    for (name, mode) in [("link.root", 0o600), ("site-1.root", 0o644), ("seal.key", 0o600)] {
        std::fs::write(identity.join(name), "x").unwrap();
        private(&identity.join(name), mode);
    }
    std::fs::write(folder.path().join("data").join("link.db"), "x").unwrap();
    private(&folder.path().join("data").join("link.db"), 0o600);
    private(&identity, 0o700);
    private(&folder.path().join("data"), 0o700);
    let seen = look::look(&path, "26.1123.1", Arc::new(SystemClock)).await;
    assert!(seen.files.used && seen.files.link_root && seen.files.seal_key && seen.files.site_roots == 1);
    assert_eq!(seen.files.open_to_others.len(), 1, "{:?}", seen.files);
    assert!(seen.files.open_to_others[0].ends_with("site-1.root"));
}
