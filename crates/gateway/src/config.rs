//! `gateway.toml`: what the one who runs a gateway may set. Paths are relative to the file.

mod desktop;
mod limits;

use crate::{
    desktop::DesktopSettings,
    gateway::{Limits, Login},
    papers::REVOCATIONS,
};
use model::{Hidden, Pms};
use serde::Deserialize;
use std::{
    collections::HashMap,
    net::SocketAddr,
    path::{Path, PathBuf},
};
use webhook::{Network, Policy};

/// The file is missing, malformed, or says something that cannot be.
#[derive(Debug, thiserror::Error)]
#[error("{file}: {what}")]
pub struct ConfigError {
    file: String,
    what: String,
}

/// A gateway's configuration.
#[derive(Debug)]
pub struct Config {
    /// Where the public API listens. Default `127.0.0.1:8080`.
    pub listen: SocketAddr,
    /// Allows plain HTTP on an address that others can reach. Default false.
    pub allow_plain_http: bool,
    /// Folder of the identity and the database. Default `data`.
    pub data: PathBuf,
    /// Shown at sites when pairing; pairing codes are made for it.
    pub integrator_name: String,
    /// `production`, `stage` or `demo`.
    pub environment: String,
    /// Somebody else than the integrator runs this gateway: every site is told, and lets it in only where its practice
    /// allows hosted ones. Default false.
    pub hosted: bool,
    /// The relay: `wss://host:port/tunnel/v1`.
    pub cloud_url: String,
    /// Certificates to trust on the outer leg beside the system's, PEM.
    pub cloud_ca: Option<PathBuf>,
    /// HTTP CONNECT proxy: `http://user:password@host:port`.
    pub cloud_proxy: Option<Hidden<String>>,
    /// Database logins by practice-management software.
    pub logins: HashMap<Pms, Login>,
    /// Figures.
    pub limits: Limits,
    /// What desktop applications may.
    pub desktop: DesktopSettings,
    /// The PMS vendors' approvals of this integrator: files, or folders whose `*.approval` are.
    pub approvals: Vec<PathBuf>,
    /// The integrator's word about gateways that count no more. Default: in the data folder.
    pub revocations: PathBuf,
    /// This gateway's key and certificate, where the integrator's root is not on this machine: PEM, from `halo-gateway issue`.
    pub certificate: Option<PathBuf>,
    /// Which addresses notifications may go to, beside public ones over HTTPS.
    pub webhook_policy: Policy,
    /// Certificates to trust for them beside the system's, PEM.
    pub webhook_ca: Option<PathBuf>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default = "default_listen")]
    listen: SocketAddr,
    #[serde(default)]
    allow_plain_http: bool,
    #[serde(default = "default_data")]
    data: PathBuf,
    integrator_name: String,
    environment: String,
    #[serde(default)]
    hosted: bool,
    #[serde(default)]
    approvals: Vec<PathBuf>,
    revocations: Option<PathBuf>,
    certificate: Option<PathBuf>,
    cloud: Cloud,
    #[serde(default)]
    logins: HashMap<String, FileLogin>,
    #[serde(default)]
    limits: limits::File,
    #[serde(default)]
    webhooks: FileWebhooks,
    #[serde(default)]
    desktop: desktop::File,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Cloud {
    url: String,
    ca: Option<PathBuf>,
    proxy: Option<Hidden<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileLogin {
    user: Hidden<String>,
    password: Option<Hidden<String>>,
    password_file: Option<PathBuf>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileWebhooks {
    #[serde(default)]
    allow_networks: Vec<String>,
    #[serde(default)]
    allow_plain_http: bool,
    ca: Option<PathBuf>,
}

fn default_listen() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 8080))
}

fn default_data() -> PathBuf {
    "data".into()
}

impl Config {
    /// Reads a file.
    pub fn read(path: &Path) -> Result<Config, ConfigError> {
        let at = |what: String| ConfigError { file: path.display().to_string(), what };
        let text = std::fs::read_to_string(path).map_err(|e| at(e.to_string()))?;
        let folder = path.parent().unwrap_or(Path::new(""));
        Config::parse(&text, folder).map_err(at)
    }

    fn parse(text: &str, folder: &Path) -> Result<Config, String> {
        // toml's Display quotes the line, and a line may hold a password.
        let file: File = toml::from_str(text).map_err(|e| {
            let line = e.span().map_or(0, |span| text[..span.start.min(text.len())].lines().count().max(1));
            format!("line {line}: {}", e.message())
        })?;
        if !model::ENVIRONMENTS.contains(&file.environment.as_str()) {
            return Err("`environment` must be production, stage or demo".into());
        }
        if file.integrator_name.is_empty() || file.integrator_name.chars().count() > 100 {
            return Err("`integrator_name` has from 1 to 100 characters".into());
        }
        let logins = file
            .logins
            .into_iter()
            .map(|(name, login)| read_login(&name, login, folder))
            .collect::<Result<_, _>>()?;
        let networks = file.webhooks.allow_networks.iter().map(|text| {
            text.parse::<Network>().map_err(|error| format!("`webhooks.allow_networks`: {text}: {error}"))
        });
        let webhook_policy = Policy {
            networks: networks.collect::<Result<_, _>>()?,
            plain_http: file.webhooks.allow_plain_http,
        };
        let desktop = file.desktop.read()?;
        let limits = file.limits.read(file.desktop.rate()?)?;
        let data = folder.join(file.data);
        Ok(Config {
            approvals: file.approvals.iter().map(|path| folder.join(path)).collect(),
            revocations: file.revocations.map_or_else(|| data.join(REVOCATIONS), |path| folder.join(path)),
            certificate: file.certificate.map(|path| folder.join(path)),
            listen: file.listen,
            allow_plain_http: file.allow_plain_http,
            data,
            integrator_name: file.integrator_name,
            environment: file.environment,
            hosted: file.hosted,
            cloud_url: file.cloud.url,
            cloud_ca: file.cloud.ca.map(|path| folder.join(path)),
            cloud_proxy: file.cloud.proxy,
            logins,
            limits,
            webhook_policy,
            desktop,
            webhook_ca: file.webhooks.ca.map(|path| folder.join(path)),
        })
    }
}

fn read_login(name: &str, login: FileLogin, folder: &Path) -> Result<(Pms, Login), String> {
    let pms = Pms::from_display_name(name).ok_or_else(|| {
        "a table under `logins` must be named \"Best Practice\", \"Zedmed\" or \"D4w\"".to_owned()
    })?;
    let password = match (login.password, login.password_file) {
        (Some(password), None) => password,
        (None, Some(path)) => {
            let path = folder.join(path);
            let text = std::fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
            Hidden::new(text.trim_end_matches(['\r', '\n']).to_owned())
        }
        _ => return Err(format!("the login for {name} needs either `password` or `password_file`")),
    };
    Ok((pms, Login { user: login.user, password }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: &str = "
        integrator_name = \"Acme\"
        environment = \"demo\"
        [cloud]
        url = \"wss://localhost:1/tunnel/v1\"
        [logins.\"Best Practice\"]
        user = \"acme\"
        password_file = \"pw\"
    ";

    #[test]
    fn a_small_file_is_enough() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("pw"), "secret word\n").unwrap();
        let config = Config::parse(SMALL, folder.path()).unwrap();
        assert!(config.listen.ip().is_loopback());
        assert_eq!(config.data, folder.path().join("data"));
        assert_eq!(config.logins[&Pms::BestPractice].password.reveal(), "secret word");
        assert!(!format!("{config:?}").contains("secret word"));
    }

    #[test]
    fn papers_are_looked_for_beside_the_file() {
        let small = SMALL.replace("password_file = \"pw\"", "password = \"x\"");
        let folder = Path::new("/etc/halo");
        let plain = Config::parse(&small, folder).unwrap();
        assert!(plain.approvals.is_empty() && plain.certificate.is_none());
        assert_eq!(plain.revocations, plain.data.join(REVOCATIONS));
        let all = "approvals = ['mine', '/srv/b.approval']\ncertificate = 'two.pem'\nrevocations = 'shared/revoked'\n";
        let config = Config::parse(&format!("{all}{small}"), folder).unwrap();
        assert_eq!(config.approvals, [Path::new("/etc/halo/mine"), Path::new("/srv/b.approval")]);
        assert_eq!(config.certificate.as_deref(), Some(Path::new("/etc/halo/two.pem")));
        assert_eq!(config.revocations, Path::new("/etc/halo/shared/revoked"));
    }

    #[test]
    fn a_mistake_is_named_and_a_password_never_quoted() {
        let folder = Path::new("");
        assert!(Config::parse(&SMALL.replace("demo", "moon"), folder).unwrap_err().contains("environment"));
        assert!(Config::parse(&SMALL.replace("user", "usr"), folder).unwrap_err().contains("line 7"));
        let broken = SMALL.replace("password_file = \"pw\"", "password = \"canary");
        assert!(!Config::parse(&broken, folder).unwrap_err().contains("canary"));
        let small = SMALL.replace("password_file = \"pw\"", "password = \"x\"");
        let network = format!("{small}\n[webhooks]\nallow_networks = [\"10.0.0.1/8\"]");
        assert!(Config::parse(&network, folder).unwrap_err().contains("10.0.0.0/8"));
        let network = format!("{small}\n[webhooks]\nallow_networks = [\"10.0.0.0/8\"]\nca = \"own.pem\"");
        let config = Config::parse(&network, Path::new("/etc/halo")).unwrap();
        assert!(config.webhook_policy.check("10.1.2.3".parse().unwrap()).is_ok());
        assert!(!config.webhook_policy.plain_http);
        assert_eq!(config.webhook_ca.as_deref(), Some(Path::new("/etc/halo/own.pem")));
        let twice = SMALL.replace("password_file", "password = \"a\"\npassword_file");
        assert!(Config::parse(&twice, folder).unwrap_err().contains("either"));
    }
}
