//! What the cloud serves beside the tunnel: offers and files, to anybody, and nothing else.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test and its helpers may panic")]

use serde_json::Value;
use std::{
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};
use tunnel::{RelayAddress, Roots};

const PATIENCE: Duration = Duration::from_secs(20);

/// A cloud of the environment `stage`, running.
struct Cloud {
    folder: tempfile::TempDir,
    ca: String,
    child: Child,
    port: u64,
}

impl Cloud {
    fn start() -> Cloud {
        let folder = tempfile::tempdir().unwrap();
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        std::fs::write(folder.path().join("relay.pem"), made.cert.pem()).unwrap();
        std::fs::write(folder.path().join("relay.key"), made.signing_key.serialize_pem()).unwrap();
        let text = "listen = \"127.0.0.1:0\"\ntls_cert = \"relay.pem\"\ntls_key = \"relay.key\"\ndata = \"data\"\n\
                    names = [\"localhost\"]\nenvironment = \"stage\"\n[updates]\nfolder = \"updates\"\n";
        std::fs::write(folder.path().join("cloud.toml"), text).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_halo-cloud"))
            .args(["run", "--config"])
            .arg(folder.path().join("cloud.toml"))
            .stdout(Stdio::piped())
            .stderr(std::fs::File::create(folder.path().join("log")).unwrap())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let ready: Value = serde_json::from_str(&line).unwrap();
        let port = ready["listen"].as_str().unwrap().rsplit(':').next().unwrap().parse().unwrap();
        Cloud { ca: made.cert.pem(), folder, child, port }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn publish(&self, environment: &str, file: &str, more: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_halo-cloud"))
            .args(["publish-update", "--environment", environment, "--platform", "linux-x86_64"])
            .args(more)
            .arg("--config")
            .arg(self.path("cloud.toml"))
            .arg(self.path(file))
            .output()
            .unwrap()
    }

    /// Head and body of the answer.
    async fn send(&self, request: &[u8]) -> (String, Vec<u8>) {
        let mut answer = self.send_raw(request).await;
        let end = answer.windows(4).position(|w| w == b"\r\n\r\n").unwrap_or_else(|| {
            panic!("no head in {:?}", String::from_utf8_lossy(&answer));
        });
        let body = answer.split_off(end + 4);
        (String::from_utf8(answer).unwrap(), body)
    }

    /// Sends these bytes over TLS and reads to the end.
    async fn send_raw(&self, request: &[u8]) -> Vec<u8> {
        let exchange = async {
            let relay = RelayAddress::parse(&format!("wss://localhost:{}", self.port)).unwrap();
            let tls = tunnel::outer_client_tls(Roots::Pem(self.ca.as_bytes())).unwrap();
            let mut io = tunnel::dial_tls(&relay, None, tls).await.unwrap();
            io.write_all(request).await.unwrap();
            let mut answer = Vec::new();
            // A server that closes without a TLS goodbye has still said what it said.
            let _ = io.read_to_end(&mut answer).await;
            answer
        };
        timeout(PATIENCE, exchange).await.expect("an answer in time")
    }

    async fn get(&self, path: &str) -> (u16, Vec<u8>) {
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        let (head, body) = self.send(request.as_bytes()).await;
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body)
    }
}

impl Drop for Cloud {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[tokio::test]
async fn what_was_published_is_offered_at_once_with_its_file() {
    let cloud = Cloud::start();
    let (status, body) = cloud.get("/updates/v1/stage/linux-x86_64").await;
    assert_eq!(status, 404, "{}", String::from_utf8_lossy(&body));
    let file: Vec<u8> = (0..300_000_u32).map(|i| (i % 251) as u8).collect();
    std::fs::write(cloud.path("halo-link_26.713.2_amd64.deb"), &file).unwrap();
    let unsigned = cloud.publish("stage", "halo-link_26.713.2_amd64.deb", &[]);
    assert!(!unsigned.status.success() && said(&unsigned).contains("signature"), "{}", said(&unsigned));
    std::fs::write(cloud.path("halo-link_26.713.2_amd64.deb.sig"), "a signature").unwrap();
    let published = cloud.publish("stage", "halo-link_26.713.2_amd64.deb", &["--notes", "for people"]);
    assert!(published.status.success(), "{}", said(&published));

    let (status, body) = cloud.get("/updates/v1/stage/linux-x86_64").await;
    assert_eq!(status, 200);
    let offer: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(offer["metadata_version"], 1);
    assert_eq!(offer["version"], "26.713.2");
    assert_eq!(offer["size"], 300_000);
    assert_eq!(offer["sha256"], update::sha256(&file));
    assert_eq!(offer["notes"], "for people");
    let name = offer["file"].as_str().unwrap();
    assert_eq!(cloud.get(&format!("/updates/v1/files/{name}")).await, (200, file));
    let name = offer["signature"].as_str().unwrap();
    assert_eq!(cloud.get(&format!("/updates/v1/files/{name}")).await, (200, b"a signature".to_vec()));
}

#[tokio::test]
async fn nothing_else_of_the_disk_can_be_read_and_nothing_can_be_written() {
    let cloud = Cloud::start();
    std::fs::create_dir_all(cloud.path("updates/files/folder")).unwrap();
    std::fs::write(cloud.path("updates/files/.hidden"), "half of an update").unwrap();
    std::fs::create_dir_all(cloud.path("updates/production")).unwrap();
    std::fs::write(cloud.path("updates/production/linux-x86_64.json"), "{}").unwrap();
    for path in [
        "/updates/v1/files/../../relay.key",
        "/updates/v1/files/..%2f..%2frelay.key",
        "/updates/v1/files//etc/passwd",
        "/updates/v1/files/folder",
        "/updates/v1/files/.hidden",
        "/updates/v1/files/",
        "/updates/v1/../relay.key/linux-x86_64",
        "/updates/v1/stage/../../relay.key",
        "/updates/v1/production/linux-x86_64",
        "/updates/v1/stage/beos",
        "/updates/",
    ] {
        let (status, body) = cloud.get(path).await;
        let body = String::from_utf8(body).unwrap();
        assert_eq!(status, 404, "{path}: {body}");
        assert!(
            body.starts_with("{\"error\":") && !body.contains("PRIVATE") && !body.contains("root:"),
            "{body}"
        );
    }
    // A guest only reads: the tunnel's own reader meets other methods, and hangs up.
    let put = cloud
        .send_raw(b"PUT /updates/v1/files/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\nx")
        .await;
    assert!(!put.starts_with(b"HTTP/1.1 2"), "{}", String::from_utf8_lossy(&put));
    assert!(!cloud.path("updates/files/x").exists());
    // And the tunnel is where it was: it asks for its own protocol.
    let upgrade = "GET /tunnel/v1 HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                   Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    let (head, body) = cloud.send(upgrade.as_bytes()).await;
    assert!(head.starts_with("HTTP/1.1 400"), "{head}");
    assert!(String::from_utf8_lossy(&body).contains("halo-tunnel-v1"));
}

#[tokio::test]
async fn the_operator_is_kept_from_what_no_site_would_take() {
    let cloud = Cloud::start();
    for version in ["26.713.2", "26.713.1"] {
        std::fs::write(cloud.path(&format!("halo-link_{version}_amd64.deb")), version).unwrap();
        std::fs::write(cloud.path(&format!("halo-link_{version}_amd64.deb.sig")), "a signature").unwrap();
    }
    let good = cloud.publish("stage", "halo-link_26.713.2_amd64.deb", &[]);
    assert!(good.status.success(), "{}", said(&good));
    let lower = cloud.publish("stage", "halo-link_26.713.1_amd64.deb", &[]);
    assert!(!lower.status.success() && said(&lower).contains("--lower"), "{}", said(&lower));
    assert!(cloud.publish("stage", "halo-link_26.713.1_amd64.deb", &["--lower"]).status.success());
    let other = cloud.publish("production", "halo-link_26.713.2_amd64.deb", &[]);
    assert!(!other.status.success() && said(&other).contains("this cloud is stage"), "{}", said(&other));
    let ca = cloud.path("relay.pem");
    let checked =
        cloud.publish("stage", "halo-link_26.713.2_amd64.deb", &["--publisher", ca.to_str().unwrap()]);
    assert!(
        !checked.status.success() && said(&checked).contains("refused by every site"),
        "{}",
        said(&checked)
    );
    std::fs::write(cloud.path("new version.deb"), "x").unwrap();
    let name = cloud.publish("stage", "new version.deb", &["--version", "27.1.1"]);
    assert!(!name.status.success() && said(&name).contains("name"), "{}", said(&name));
    // None of that took the offer away.
    let (status, body) = cloud.get("/updates/v1/stage/linux-x86_64").await;
    assert_eq!(status, 200);
    assert_eq!(serde_json::from_slice::<Value>(&body).unwrap()["version"], "26.713.1");
}
