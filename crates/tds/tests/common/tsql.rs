//! FreeTDS's `tsql` (Debian package freetds-bin), run on a script.

use std::{io::Write, net::SocketAddr, process::Stdio};

/// How it connects.
#[derive(Clone, Copy)]
pub(crate) struct Tsql {
    pub(crate) address: SocketAddr,
    pub(crate) version: &'static str,
    pub(crate) encryption: &'static str,
    pub(crate) user: &'static str,
    pub(crate) password: &'static str,
}

impl Tsql {
    /// What it says, both streams together.
    pub(crate) async fn says(self, script: &str) -> String {
        let script = script.to_owned();
        tokio::task::spawn_blocking(move || self.run(&script)).await.unwrap()
    }

    fn run(self, script: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("freetds.conf");
        let text = format!(
            "[global]\n[kit]\nhost = 127.0.0.1\nport = {}\ntds version = {}\nencryption = {}\nclient charset = UTF-8\n",
            self.address.port(),
            self.version,
            self.encryption
        );
        std::fs::write(&config, text).unwrap();
        let mut child = std::process::Command::new("tsql")
            .args(["-S", "kit", "-U", self.user, "-P", self.password])
            .env("FREETDSCONF", &config)
            .env("LC_ALL", "C.UTF-8")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("tsql is missing: apt-get install freetds-bin");
        child.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    }
}
