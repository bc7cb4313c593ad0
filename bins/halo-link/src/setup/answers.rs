//! What an installer is told, and the link.toml that is made of it.

use agent::{config::Config, pms::PmsFiles};
use anyhow::{Result, anyhow, bail};
use clap::Args;
use model::{Hidden, Pms, environment::DEFAULT};
use std::path::{Path, PathBuf};

/// The installer's properties. An empty one counts as not said: that is how an MSI passes them.
#[derive(Args)]
pub(super) struct Answers {
    /// production, stage or demo [default: production]
    #[arg(long, default_value = "", value_name = "NAME")]
    environment: String,
    /// Halo Cloud: wss://host/tunnel/v1
    #[arg(long, default_value = "", value_name = "URL")]
    cloud_url: String,
    /// The cloud that the installer was built with, and the one environment that it is of
    #[arg(long, default_value = "", hide = true)]
    built_in_cloud: String,
    #[arg(long, default_value = "", hide = true)]
    built_in_environment: String,
    /// PEM file of roots to trust beside the system's
    #[arg(long, default_value = "", value_name = "FILE")]
    cloud_ca: String,
    /// http://host:port or http://user:password@host:port
    #[arg(long, default_value = "", value_name = "URL")]
    proxy: String,
    /// BestPractice, Zedmed or D4w
    #[arg(long, default_value = "", value_name = "NAME")]
    pms: String,
    /// The vendor's identifier of the practice
    #[arg(long, default_value = "", value_name = "ID")]
    pms_id: String,
    /// As integrators see it, where the database does not say it
    #[arg(long, default_value = "", value_name = "NAME")]
    practice_name: String,
    /// mssql, firebird or demo [default: that of the practice software]
    #[arg(long, default_value = "", value_name = "KIND")]
    database_kind: String,
    /// The server that holds the practice's database: host, host,port or host\INSTANCE [default: localhost]
    #[arg(long, default_value = "", value_name = "HOST")]
    database_hostname: String,
    /// File of a demo database
    #[arg(long, default_value = "", value_name = "FILE")]
    database_path: String,
}

/// The default for each software that runs on one kind of database.
fn usual_kind(pms: Pms) -> Option<&'static str> {
    match pms {
        Pms::BestPractice => Some("mssql"),
        Pms::Zedmed => Some("firebird"),
        Pms::D4w => None,
    }
}

fn said(text: &str) -> Option<String> {
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

impl Answers {
    /// The environment that was asked for, where one was.
    pub(super) fn environment(&self) -> Option<String> {
        said(&self.environment)
    }

    /// The file, checked as the service will check it.
    pub(super) fn link_toml(&self, data: &Path) -> Result<Hidden<String>> {
        let mut file = toml::Table::new();
        let text = |value: &str| toml::Value::String(value.to_owned());
        let environment = self.environment().unwrap_or_else(|| DEFAULT.to_owned());
        file.insert("data".to_owned(), text(&data.to_string_lossy()));
        file.insert("environment".to_owned(), text(&environment));
        file.insert("cloud".to_owned(), toml::Value::Table(self.cloud(&environment)?));
        file.insert("site".to_owned(), toml::Value::Array(vec![toml::Value::Table(self.site()?)]));
        let written = Hidden::new(format!(
            "# Made by the installer, which never changes it again: change it by hand and restart the service.\n# Every setting is \
             explained by `HaloLinkService --help`.\n\n{}",
            toml::to_string_pretty(&file)?
        ));
        self.check(written.reveal())?;
        Ok(written)
    }

    /// Where the cloud is: as it was said, else the built-in one, which is of one environment and never taken for another's.
    fn cloud_url(&self, environment: &str) -> Result<String> {
        if let Some(url) = said(&self.cloud_url) {
            return Ok(url);
        }
        let Some(built_in) = said(&self.built_in_cloud) else {
            bail!(
                "CLOUD_URL is missing: say where Halo Cloud is, as the operator of your Halo Cloud gave it (wss://host/tunnel/v1)"
            );
        };
        let of = said(&self.built_in_environment).unwrap_or_else(|| DEFAULT.to_owned());
        if of != environment {
            bail!(
                "this installer knows where {of}'s Halo Cloud is, and ENVIRONMENT is {environment}: say where {environment}'s is as \
                 CLOUD_URL, or ENVIRONMENT={of} if you meant that"
            );
        }
        Ok(built_in)
    }

    fn cloud(&self, environment: &str) -> Result<toml::Table> {
        let url = self.cloud_url(environment)?;
        tunnel::RelayAddress::parse(&url).map_err(|wrong| anyhow!("CLOUD_URL: {wrong}"))?;
        let mut cloud = toml::Table::new();
        cloud.insert("url".to_owned(), url.into());
        if let Some(ca) = said(&self.cloud_ca) {
            cloud.insert("ca".to_owned(), ca.into());
        }
        if let Some(proxy) = said(&self.proxy) {
            tunnel::Proxy::parse(&proxy).map_err(|wrong| anyhow!("PROXY: {wrong}"))?;
            cloud.insert("proxy".to_owned(), proxy.into());
        }
        Ok(cloud)
    }

    fn site(&self) -> Result<toml::Table> {
        let names = "BestPractice, Zedmed or D4w";
        let Some(name) = said(&self.pms) else {
            bail!("PMS is missing: say which practice software this is, {names}")
        };
        let Some(pms) = Pms::from_type_name(&name).or_else(|| Pms::from_display_name(&name)) else {
            bail!("PMS is none that is known: say {names}");
        };
        let Some(kind) = said(&self.database_kind).or_else(|| usual_kind(pms).map(str::to_owned)) else {
            bail!(
                "DATABASE_KIND is missing: say mssql or firebird, as {} is installed here",
                pms.type_name()
            );
        };
        let host = said(&self.database_hostname).unwrap_or_else(|| "localhost".to_owned());
        let mut database = toml::Table::new();
        match kind.as_str() {
            "demo" => {
                let Some(path) = said(&self.database_path) else {
                    bail!("DATABASE_PATH is missing: say which file holds the demo practice");
                };
                database.insert("path".to_owned(), path.into());
            }
            "firebird" => drop(database.insert("host".to_owned(), host.into())),
            _ => drop(database.insert("server".to_owned(), host.into())),
        }
        database.insert("kind".to_owned(), kind.into());
        let mut site = toml::Table::new();
        site.insert("pms".to_owned(), pms.type_name().into());
        for (word, value) in [("pms_id", said(&self.pms_id)), ("practice_name", said(&self.practice_name))] {
            if let Some(value) = value {
                site.insert(word.to_owned(), value.into());
            }
        }
        site.insert("database".to_owned(), toml::Value::Table(database));
        Ok(site)
    }

    fn check(&self, text: &str) -> Result<()> {
        let config = Config::parse(text)
            .map_err(|wrong| anyhow!("what the installer was told is not right: {wrong}"))?;
        let files = PmsFiles::load(None).map_err(|wrong| anyhow!(wrong))?;
        for site in &config.sites {
            crate::kinds::open(site, &files, Path::new(".")).map_err(|wrong| anyhow!("{wrong}"))?;
        }
        Ok(())
    }

    /// Where the practice's database listens, when that is told by a host and a port: a named instance tells its port only when asked.
    pub(super) fn database(&self) -> Database {
        let host = said(&self.database_hostname).unwrap_or_else(|| "localhost".to_owned());
        let zedmed = said(&self.pms).as_deref() == Some("Zedmed");
        match said(&self.database_kind).as_deref() {
            Some("demo") => Database::File(PathBuf::from(self.database_path.trim())),
            Some("firebird") => Database::Port(host, 3050),
            None if zedmed => Database::Port(host, 3050),
            _ => sql_server(&host),
        }
    }
}

/// What can be looked at without a login.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Database {
    /// A file of the demo.
    File(PathBuf),
    /// Host and port.
    Port(String, u16),
    /// Nothing.
    Untold,
}

fn sql_server(server: &str) -> Database {
    let server = server.strip_prefix("tcp:").unwrap_or(server);
    let (host, port) = match server.split_once(',') {
        Some((host, port)) => (host, port.trim().parse().ok()),
        None => (server, Some(1433)),
    };
    match port {
        Some(port) if !host.contains(['\\', ':', '(']) => Database::Port(host.trim().to_owned(), port),
        _ => Database::Untold,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        answers: Answers,
    }

    fn answers(words: &[&str]) -> Answers {
        let line = ["setup"].iter().chain(words).copied();
        Line::try_parse_from(line).map(|line| line.answers).unwrap_or_else(|error| panic!("{error}"))
    }

    const CLOUD: &str = "--cloud-url=wss://relay.example.com/tunnel/v1";

    fn made(words: &[&str]) -> Result<toml::Table> {
        let text = answers(words).link_toml(Path::new(r"C:\ProgramData\Halo Connect\Halo Link"))?;
        Ok(text.reveal().parse().unwrap())
    }

    #[test]
    fn a_vendors_silent_install_makes_a_file_that_the_service_reads() {
        let made = made(&[
            CLOUD,
            "--environment=stage ",
            r"--database-hostname=sql01\BPSINSTANCE ",
            "--pms=BestPractice ",
            "--pms-id= ",
            "--proxy=",
        ])
        .unwrap();
        assert_eq!(made["environment"].as_str(), Some("stage"));
        assert_eq!(made["site"][0]["database"]["server"].as_str(), Some(r"sql01\BPSINSTANCE"));
        assert_eq!(made["site"][0]["database"]["kind"].as_str(), Some("mssql"));
        assert!(made["site"][0].get("pms_id").is_none() && made["cloud"].get("proxy").is_none());
    }

    #[test]
    fn nothing_said_means_production_on_this_server() {
        let made = made(&[CLOUD, "--pms=Zedmed"]).unwrap();
        assert_eq!(made["environment"].as_str(), Some("production"));
        assert_eq!(made["site"][0]["database"]["host"].as_str(), Some("localhost"));
    }

    #[test]
    fn the_cloud_that_an_installer_was_built_with_is_for_its_own_environment_alone() {
        let built_in =
            ["--built-in-cloud=wss://stage.example.com/tunnel/v1 ", "--pms=Zedmed", "--cloud-url= "];
        let made = |more: &[&str]| made(&[&built_in, more].concat());
        let stage = "--built-in-environment=stage ";
        let taken = made(&["--environment=stage ", stage]).unwrap();
        assert_eq!(taken["cloud"]["url"].as_str(), Some("wss://stage.example.com/tunnel/v1"));
        for other in ["--environment=demo ", "--environment= "] {
            let refused = made(&[other, stage]).unwrap_err().to_string();
            assert!(refused.contains("stage's Halo Cloud") && refused.contains("CLOUD_URL"), "{refused}");
        }
        assert!(
            made(&["--environment= ", "--built-in-environment= "]).is_ok(),
            "production when nobody says another"
        );
        // Whoever says where it is decides.
        let said =
            super::tests::made(&["--environment=demo", stage, built_in[0], built_in[1], CLOUD]).unwrap();
        assert_eq!(said["cloud"]["url"].as_str(), Some("wss://relay.example.com/tunnel/v1"));
    }

    #[test]
    fn what_is_missing_or_wrong_is_named_as_the_installer_names_it() {
        let wrong = |words: &[&str]| made(words).unwrap_err().to_string();
        assert!(wrong(&["--pms=Zedmed"]).contains("CLOUD_URL is missing"));
        assert!(wrong(&[CLOUD]).contains("PMS is missing"));
        assert!(wrong(&[CLOUD, "--pms=Other"]).contains("BestPractice, Zedmed or D4w"));
        assert!(wrong(&[CLOUD, "--pms=D4w"]).contains("DATABASE_KIND is missing"));
        assert!(wrong(&[CLOUD, "--pms=BestPractice", "--environment=test"]).contains("environment must be"));
        assert!(
            wrong(&[CLOUD, "--pms=BestPractice", "--database-kind=demo"])
                .contains("DATABASE_PATH is missing")
        );
        let secret = wrong(&[CLOUD, "--pms=Zedmed", "--proxy=ftp://user:hunter2@proxy"]);
        assert!(secret.contains("PROXY") && !secret.contains("hunter2"), "{secret}");
    }

    #[test]
    fn a_database_is_looked_for_where_it_says_it_listens() {
        assert_eq!(sql_server("sql01"), Database::Port("sql01".into(), 1433));
        assert_eq!(sql_server("tcp:sql01,1500"), Database::Port("sql01".into(), 1500));
        assert_eq!(sql_server(r"sql01\BPSINSTANCE"), Database::Untold);
        assert_eq!(sql_server(r"np:\\sql01\pipe\sql"), Database::Untold);
        assert_eq!(answers(&["--pms=Zedmed"]).database(), Database::Port("localhost".into(), 3050));
        let demo = answers(&["--database-kind=demo", r"--database-path=C:\demo "]);
        assert_eq!(demo.database(), Database::File(r"C:\demo".into()));
    }
}
