//! `cloud.toml`. Every fault names the file and the field.

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
};

/// Larger files are not configuration.
const BYTES: u64 = 1024 * 1024;

/// The file as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// Address and port to listen on; port 0 takes a free one.
    pub(crate) listen: SocketAddr,
    /// PEM file: certificate chain.
    pub(crate) tls_cert: PathBuf,
    /// PEM file: private key.
    pub(crate) tls_key: PathBuf,
    /// Folder for the directory's database; made when missing.
    pub(crate) data: PathBuf,
    /// Host names under which Links and gateways dial this relay.
    pub(crate) names: Vec<String>,
    /// Which environment this is: Links and gateways of another one are refused.
    #[serde(default = "production")]
    pub(crate) environment: String,
    /// Updates that are served to Links; none when it is left out.
    pub(crate) updates: Option<Updates>,
}

/// `[updates]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Updates {
    /// Folder of offers and files; `halo-cloud publish-update` fills it.
    pub(crate) folder: PathBuf,
}

fn production() -> String {
    model::environment::DEFAULT.to_owned()
}

pub(crate) fn load(path: &Path) -> Result<Config> {
    let shown = path.display();
    let size =
        fs::metadata(path).with_context(|| format!("can't read the configuration file {shown}"))?.len();
    ensure!(size <= BYTES, "{shown} is {size} bytes: that is no configuration file");
    let text =
        fs::read_to_string(path).with_context(|| format!("can't read the configuration file {shown}"))?;
    let folder = path.parent().unwrap_or(Path::new(""));
    parse(&text, folder).with_context(|| format!("the configuration file {shown} is not right"))
}

fn parse(text: &str, folder: &Path) -> Result<Config> {
    let mut config: Config = toml::from_str(text)?;
    ensure!(
        !config.names.is_empty(),
        "names: at least one host name is needed, for example names = [\"localhost\"]"
    );
    for name in &config.names {
        ensure!(
            !name.is_empty()
                && name.len() <= 253
                && !name.contains(|c: char| c.is_whitespace() || "/:@".contains(c)),
            "names: {name:?} is not a host name (no scheme, no port)"
        );
    }
    ensure!(
        model::ENVIRONMENTS.contains(&config.environment.as_str()),
        "environment: it must be production, stage or demo"
    );
    let updates = config.updates.as_mut().map(|updates| &mut updates.folder);
    for path in [&mut config.tls_cert, &mut config.tls_key, &mut config.data].into_iter().chain(updates) {
        ensure!(
            !path.as_os_str().is_empty(),
            "tls_cert, tls_key, data, updates.folder: a path can't be empty"
        );
        *path = folder.join(&*path);
    }
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RIGHT: &str = "listen = '127.0.0.1:0'\ntls_cert = 'a.pem'\ntls_key = '/abs/a.key'\ndata = 'd'\n\
                         names = ['localhost']\nenvironment = 'demo'\n";

    #[test]
    fn relative_paths_start_at_the_files_folder() {
        let config = parse(RIGHT, Path::new("/etc/halo")).unwrap();
        assert_eq!(config.tls_cert, Path::new("/etc/halo/a.pem"));
        assert_eq!(config.tls_key, Path::new("/abs/a.key"));
        assert_eq!(config.data, Path::new("/etc/halo/d"));
        assert!(config.updates.is_none() && config.environment == "demo");
        let config = parse(&format!("{RIGHT}[updates]\nfolder = 'u'\n"), Path::new("/etc/halo")).unwrap();
        assert_eq!(config.updates.unwrap().folder, Path::new("/etc/halo/u"));
    }

    #[test]
    fn a_cloud_that_says_nothing_else_is_production() {
        let config = parse(&RIGHT.replace("environment = 'demo'\n", ""), Path::new("")).unwrap();
        assert_eq!(config.environment, "production");
    }

    #[test]
    fn every_fault_names_its_field() {
        let cases = [
            (RIGHT.replace("listen = '127.0.0.1:0'\n", ""), "listen"),
            (RIGHT.replace("127.0.0.1:0", "nowhere"), "listen"),
            (RIGHT.replace("'localhost'", ""), "names"),
            (RIGHT.replace("localhost", "https://x"), "names"),
            (RIGHT.replace("'demo'", "''"), "environment"),
            (RIGHT.replace("'demo'", "'test'"), "production, stage or demo"),
            (format!("{RIGHT}colour = 'red'\n"), "colour"),
            (format!("{RIGHT}[updates]\nfolder = ''\n"), "updates.folder"),
        ];
        for (text, field) in cases {
            let error = format!("{:#}", parse(&text, Path::new("")).unwrap_err());
            assert!(error.contains(field), "{field}: {error}");
        }
    }
}
