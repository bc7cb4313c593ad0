//! `link.toml`: where the site's files lie, which cloud it joins, which databases it serves.

use crate::{environment, executor::Limits};
use database::{Engine, Kind, OpenError, Settings};
use model::{Hidden, Pms};
use serde::Deserialize;
use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

/// Largest configuration file.
const FILE_BYTES: u64 = 1024 * 1024;
/// Most sites of one Link.
const SITES: usize = 32;

/// The configuration file to use when nobody names one: the one in the working folder if there is one, else the installed
/// service's.
pub fn path(named: Option<PathBuf>) -> PathBuf {
    named.unwrap_or_else(|| {
        let here = PathBuf::from("link.toml");
        if here.exists() { here } else { machine::paths::config() }
    })
}

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Folder of identity, database and control socket of this environment. Relative paths start at the file's own folder.
    pub data: PathBuf,
    /// `production`, `stage` or `demo`.
    pub environment: String,
    /// Halo Cloud.
    pub cloud: Cloud,
    /// Practice databases.
    #[serde(default, rename = "site")]
    pub sites: Vec<Site>,
    /// How much runs at once.
    #[serde(default)]
    pub limits: LimitsConfig,
    /// How much of the disk results may take.
    #[serde(default)]
    pub spool: SpoolConfig,
    /// How long the audit is kept.
    #[serde(default)]
    pub audit: AuditConfig,
    /// What databases are asked about themselves.
    #[serde(default)]
    pub pms: PmsConfig,
    /// Updates of Halo Link itself.
    #[serde(default)]
    pub update: UpdateConfig,
    /// Where the file is: relative paths start there.
    #[serde(skip)]
    pub folder: PathBuf,
    /// The data folder as the file has it, whatever the environment: [`crate::environment`] says where in it `data` is.
    #[serde(skip)]
    pub root: PathBuf,
}

/// How Halo Cloud is reached. Each environment may have a table of its own, `[cloud.stage]`: what it says goes first.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cloud {
    /// `wss://host:port/tunnel/v1`.
    #[serde(default)]
    pub url: String,
    /// PEM file of roots to trust beside the system's.
    pub ca: Option<PathBuf>,
    /// `http://host:port` or `http://user:password@host:port`.
    pub proxy: Option<Hidden<String>>,
    production: Option<CloudOf>,
    stage: Option<CloudOf>,
    demo: Option<CloudOf>,
    /// The address of environments without a table.
    #[serde(skip)]
    plain: String,
}

/// The cloud of one environment.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CloudOf {
    url: String,
    ca: Option<PathBuf>,
    proxy: Option<Hidden<String>>,
}

impl Cloud {
    /// The address of an environment's cloud; `None` when the file does not say it.
    pub fn of(&self, environment: &str) -> Option<&str> {
        let own = self.table(environment).map(|own| own.url.as_str());
        own.or(Some(self.plain.as_str()).filter(|plain| !plain.is_empty()))
    }

    fn table(&self, environment: &str) -> Option<&CloudOf> {
        match environment {
            "production" => self.production.as_ref(),
            "stage" => self.stage.as_ref(),
            _ => self.demo.as_ref(),
        }
    }

    fn choose(&mut self, environment: &str) -> Result<(), String> {
        self.plain = std::mem::take(&mut self.url);
        let Some(url) = self.of(environment) else {
            return Err(format!("[cloud]: url is missing: where Halo Cloud's {environment} is (wss://…)"));
        };
        self.url = url.to_owned();
        if let Some(own) = self.table(environment).cloned() {
            self.ca = own.ca.or(self.ca.take());
            self.proxy = own.proxy.or(self.proxy.take());
        }
        Ok(())
    }
}

/// PMS files of the practice's own.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PmsConfig {
    /// Folder with PMS files: one of a built-in file's name replaces it.
    pub folder: Option<PathBuf>,
}

/// Whose updates are taken, and where they arrive. The service reads none of it; the updater does.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpdateConfig {
    /// PEM file: certificates of publishers, or of their authorities, beside the built-in ones.
    pub publisher: Option<PathBuf>,
    /// Folder for updates on their way in; nobody but administrators may write there.
    pub folder: Option<PathBuf>,
}

/// One practice database.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Site {
    /// `BestPractice`, `Zedmed` or `D4w`.
    pub pms: Pms,
    /// The vendor's identifier of the practice; when left out, the database says it at the first start.
    pub pms_id: Option<String>,
    /// As integrators see it, where the database does not say it.
    pub practice_name: Option<String>,
    /// Version of the practice-management software, where the database does not say it.
    pub pms_version: Option<String>,
    /// Tells sites of the same software without a `pms_id` apart. Never changes: under it is remembered which practice the
    /// database belonged to first.
    pub key: Option<String>,
    /// Where its database is.
    pub database: Database,
}

/// A practice database: `kind` says which engine serves it, and the engine reads the rest.
#[derive(Clone, Deserialize)]
pub struct Database {
    /// A [`database::Kind`]'s name.
    pub kind: String,
    /// What that engine wants to know. May hold a password.
    #[serde(flatten)]
    pub settings: toml::Table,
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Database").field("kind", &self.kind).finish_non_exhaustive()
    }
}

impl Database {
    /// Opens the engine. Does not wait for the server.
    ///
    /// # Errors
    /// What is wrong with the settings, or which kinds there are.
    pub fn open(&self, kinds: &[Kind], folder: &Path) -> Result<Arc<dyn Engine>, OpenError> {
        let Some(kind) = kinds.iter().find(|kind| kind.name == self.kind) else {
            let names: Vec<_> = kinds.iter().map(|kind| format!("{:?}", kind.name)).collect();
            return Err(OpenError(format!("[site.database]: kind must be one of {}", names.join(", "))));
        };
        (kind.open)(&Settings { table: &self.settings, folder })
    }
}

/// How much of the disk result pages may take.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpoolConfig {
    /// All pages together, MiB.
    pub budget_mb: Option<u64>,
    /// So much always stays free on the disk, MiB.
    pub free_mb: Option<u64>,
}

impl SpoolConfig {
    /// Most MiB of either setting: 16 TiB.
    const MOST: u64 = 16 * 1024 * 1024;

    fn check(&self) -> Result<(), String> {
        if self.budget_mb.is_some_and(|mb| !(1..=Self::MOST).contains(&mb)) {
            return Err(format!("[spool]: budget_mb must be 1 to {}", Self::MOST));
        }
        if self.free_mb.is_some_and(|mb| mb > Self::MOST) {
            return Err(format!("[spool]: free_mb must be at most {}", Self::MOST));
        }
        Ok(())
    }

    fn limits(&self) -> spool::Limits {
        let default = Limits::default().spool;
        let bytes = |mb: Option<u64>, default| mb.map_or(default, |mb| mb * 1024 * 1024);
        spool::Limits {
            budget: bytes(self.budget_mb, default.budget),
            keep_free: bytes(self.free_mb, default.keep_free),
        }
    }
}

/// How long the audit is kept.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuditConfig {
    /// Days; 0: for ever.
    pub keep_days: Option<u32>,
}

impl AuditConfig {
    /// Seven years, as practices in Australia keep their records.
    const USUAL: u32 = 2_555;
    /// Fewer would be gone before anybody asks.
    const LEAST: u32 = 30;

    fn check(self) -> Result<(), String> {
        match self.keep_days {
            Some(1..Self::LEAST) => {
                Err(format!("[audit]: keep_days must be at least {}, or 0 for ever", Self::LEAST))
            }
            _ => Ok(()),
        }
    }

    /// How long; none: for ever.
    pub fn keep(self) -> Option<Duration> {
        let days = self.keep_days.unwrap_or(Self::USUAL);
        (days > 0).then(|| Duration::from_secs(u64::from(days) * 24 * 60 * 60))
    }
}

/// Overrides of [`Limits`].
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitsConfig {
    /// Commands in one site's database at once, at most.
    pub running: Option<usize>,
    /// Of these, async and registered queries, at most.
    pub bulk: Option<usize>,
    /// Commands of one integrator that wait for their turn.
    pub waiting: Option<usize>,
    /// Inner sessions of all integrators at once.
    pub sessions: Option<usize>,
    /// Of these, of one integrator with one site.
    pub sessions_each: Option<usize>,
    /// Longest run of a command whose answer is kept whole, s.
    pub run_seconds: Option<u32>,
    /// Longest run of one whose rows are streamed, s.
    pub stream_seconds: Option<u32>,
    /// Longest wait of read-only work for somebody else's lock, s.
    pub lock_seconds: Option<u32>,
}

impl LimitsConfig {
    /// With the defaults filled in.
    pub fn limits(self) -> Limits {
        let default = Limits::default();
        let millis = |seconds: Option<u32>, default| seconds.map_or(default, |s| s.clamp(1, 86_400) * 1000);
        Limits {
            running: self.running.unwrap_or(default.running).clamp(1, 256),
            bulk: self.bulk.unwrap_or(default.bulk).clamp(1, 256),
            waiting: self.waiting.unwrap_or(default.waiting).min(100_000),
            // More than one connection to Halo Cloud carries streams for would never come.
            sessions: self.sessions.unwrap_or(default.sessions).clamp(1, default.sessions),
            sessions_each: self.sessions_each.unwrap_or(default.sessions_each).clamp(1, default.sessions),
            run_ms: millis(self.run_seconds, default.run_ms),
            stream_ms: millis(self.stream_seconds, default.stream_ms),
            lock_ms: millis(self.lock_seconds, default.lock_ms),
            ..default
        }
    }
}

impl Config {
    /// How much is done at once, and kept.
    pub fn limits(&self) -> Limits {
        Limits { spool: self.spool.limits(), ..self.limits.limits() }
    }

    /// Reads and checks a file.
    ///
    /// # Errors
    /// Which line is wrong, and why. Never quotes a value.
    pub fn read(path: &Path) -> io::Result<Self> {
        let wrong =
            |what: String| io::Error::new(io::ErrorKind::InvalidData, format!("{}: {what}", path.display()));
        let size =
            fs::metadata(path).map_err(|e| io::Error::new(e.kind(), format!("{}: {e}", path.display())))?;
        if size.len() > FILE_BYTES {
            return Err(wrong("larger than 1 MiB".to_owned()));
        }
        let text = Hidden::new(fs::read_to_string(path)?);
        let mut config = Self::parse(text.reveal()).map_err(wrong)?;
        let folder = path.parent().unwrap_or(Path::new("."));
        config.root = folder.join(&config.data);
        config.data = environment::folder(&config.root, &config.environment)?;
        if let Some(ca) = &mut config.cloud.ca {
            *ca = folder.join(&*ca);
        }
        if let Some(own) = &mut config.pms.folder {
            *own = folder.join(&*own);
        }
        for path in [&mut config.update.publisher, &mut config.update.folder].into_iter().flatten() {
            *path = folder.join(&*path);
        }
        config.folder = folder.to_owned();
        Ok(config)
    }

    /// Reads and checks the text of a file; paths stay as they are.
    ///
    /// # Errors
    /// As [`Config::read`].
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut config: Config = toml::from_str(text).map_err(|error| {
            let line = error.span().map_or(0, |span| text[..span.start].matches('\n').count() + 1);
            // The parser's own text could quote the proxy's password; its message names fields only.
            format!("line {line}: {}", error.message())
        })?;
        if !environment::NAMES.contains(&config.environment.as_str()) {
            return Err("environment must be \"production\", \"stage\" or \"demo\"".to_owned());
        }
        config.cloud.choose(&config.environment)?;
        config.spool.check()?;
        config.audit.check()?;
        if config.sites.len() > SITES {
            return Err(format!("more than {SITES} sites"));
        }
        for (i, site) in config.sites.iter().enumerate() {
            site.check().map_err(|wrong| format!("site {}: {wrong}", i + 1))?;
            let before = &config.sites[..i];
            let same = |other: &Site| (other.pms, &other.pms_id) == (site.pms, &site.pms_id);
            if site.pms_id.is_some() && before.iter().any(same) {
                return Err(format!("site {} has the pms and pms_id of one before it", i + 1));
            }
            if site.key.is_some() && before.iter().any(|other| other.key == site.key) {
                return Err(format!("site {} has the key of one before it", i + 1));
            }
            if site.pms_id.is_none() && config.key_of(site).is_none() {
                return Err(format!(
                    "site {} is not the only one of its pms: give it a pms_id, or a key (any word that stays the same) \
                     that tells it from the others",
                    i + 1
                ));
            }
        }
        Ok(config)
    }

    /// Folder for updates on their way in. Never in the data folder, where the service writes: what lies here is installed by the system.
    pub fn updates(&self) -> PathBuf {
        let usual = || if cfg!(windows) { self.folder.join("updates") } else { machine::paths::updates() };
        self.update.folder.clone().unwrap_or_else(usual)
    }

    /// Folder of the updater's record. On Windows with the updates, for the same reason; on Linux in the data folder, where the service's
    /// account finds it too.
    pub fn update_record(&self) -> PathBuf {
        if cfg!(windows) { self.updates() } else { self.root.clone() }
    }

    /// The name under which is remembered which practice a site belongs to: its `key`, or its software's name when no other
    /// site has that software.
    pub fn key_of(&self, site: &Site) -> Option<String> {
        let alone = self.sites.iter().filter(|other| other.pms == site.pms).count() == 1;
        // A key of the practice's own can't be mistaken for a software's name.
        let own = site.key.as_ref().map(|key| format!("{}/{key}", site.pms.type_name()));
        own.or_else(|| alone.then(|| site.pms.type_name().to_owned()))
    }
}

impl Site {
    fn check(&self) -> Result<(), &'static str> {
        let long = |text: &Option<String>, most| text.as_ref().is_some_and(|text| text.len() > most);
        let empty = |text: &Option<String>| text.as_ref().is_some_and(|text| text.trim().is_empty());
        if empty(&self.pms_id) || empty(&self.key) || long(&self.pms_id, 128) || long(&self.key, 128) {
            return Err("pms_id and key have 1 to 128 bytes");
        }
        if long(&self.practice_name, 512) || long(&self.pms_version, 512) {
            return Err("practice_name and pms_version have at most 512 bytes");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
        data = "data"
        environment = "demo"
        [cloud]
        url = "wss://localhost:1/tunnel/v1"
        [[site]]
        pms = "BestPractice"
        pms_id = "1001"
        practice_name = "Demo"
        pms_version = "1.14"
        [site.database]
        kind = "demo"
        path = "practice"
    "#;

    #[test]
    fn paths_start_at_the_files_own_folder() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("link.toml");
        fs::write(&path, GOOD).unwrap();
        let config = Config::read(&path).unwrap();
        assert_eq!(config.data, folder.path().join("data"));
        assert_eq!(config.folder, folder.path());
        fs::write(&path, format!("{GOOD}[update]\npublisher = 'publisher.pem'\n")).unwrap();
        let publisher = Config::read(&path).unwrap().update.publisher;
        assert_eq!(publisher, Some(folder.path().join("publisher.pem")));
        assert_eq!(config.sites[0].database.settings["path"].as_str(), Some("practice"));
    }

    #[test]
    fn updates_never_come_in_where_the_service_writes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("link.toml");
        fs::write(&path, GOOD).unwrap();
        let config = Config::read(&path).unwrap();
        assert!(!config.updates().starts_with(&config.root), "{:?}", config.updates());
        fs::write(&path, format!("{GOOD}[update]\nfolder = 'incoming'\n")).unwrap();
        assert_eq!(Config::read(&path).unwrap().updates(), folder.path().join("incoming"));
    }

    #[test]
    fn an_environment_has_its_own_cloud_where_the_file_says_so() {
        let own = "[cloud.demo]\nurl = 'wss://demo'\n[cloud.stage]\nurl = 'wss://stage'\nproxy = 'http://p:1'\n[[site]]";
        let config = Config::parse(&GOOD.replacen("[[site]]", own, 1)).unwrap();
        assert_eq!(
            (config.cloud.url.as_str(), config.cloud.of("stage")),
            ("wss://demo", Some("wss://stage"))
        );
        assert!(config.cloud.proxy.is_none(), "another environment's proxy is not ours");
        assert_eq!(config.cloud.of("production"), Some("wss://localhost:1/tunnel/v1"));
        let none = GOOD.replace("url = \"wss://localhost:1/tunnel/v1\"", "");
        assert!(Config::parse(&none).unwrap_err().contains("url is missing"));
    }

    #[test]
    fn an_unknown_kind_of_database_is_answered_with_those_there_are() {
        let config =
            Config::parse(&GOOD.replace("kind = \"demo\"", "kind = \"oracle\"\npassword = \"hunter2\""))
                .unwrap();
        let database = &config.sites[0].database;
        let kind = Kind { name: "demo", example: "", open: |_| Err(OpenError("not reached".to_owned())) };
        let wrong = database.open(&[kind], Path::new(".")).err().unwrap().to_string();
        assert!(wrong.contains("\"demo\"") && !wrong.contains("hunter2"), "{wrong}");
        assert!(!format!("{config:?}").contains("hunter2"));
    }

    #[test]
    fn a_mistake_is_named_by_its_line_and_never_quotes_a_secret() {
        let error = Config::parse(&GOOD.replace("pms_version", "pms_verison")).unwrap_err();
        assert!(error.contains("pms_verison") && error.contains("line 10"), "{error}");
        assert!(Config::parse(&GOOD.replace("demo\"\n        [cloud]", "test\"\n        [cloud]")).is_err());
        let secret = GOOD.replace("[[site]]", "proxy = 'http://u:hunter2@p:1'\nproxi = 1\n[[site]]");
        assert!(!Config::parse(&secret).unwrap_err().contains("hunter2"));
        let twice = format!("{GOOD}{}", &GOOD[GOOD.find("[[site]]").unwrap()..]);
        assert!(Config::parse(&twice).unwrap_err().contains("site 2"));
    }

    #[test]
    fn the_spool_has_a_budget_and_a_wrong_one_is_named() {
        let with =
            |text: &str| Config::parse(&GOOD.replacen("[[site]]", &format!("[spool]\n{text}\n[[site]]"), 1));
        let limits = with("budget_mb = 100\nfree_mb = 0").unwrap().limits();
        assert_eq!(limits.spool, spool::Limits { budget: 100 << 20, keep_free: 0 });
        assert_eq!(Config::parse(GOOD).unwrap().limits().spool, Limits::default().spool);
        assert!(with("budget_mb = 0").unwrap_err().contains("budget_mb must be 1 to"));
        assert!(with("free_mb = 99999999").unwrap_err().contains("free_mb"));
        assert!(with("budget = 5").unwrap_err().contains("budget"));
    }

    /// A practice on a small server may want fewer; none at all would be a site that nobody reaches.
    #[test]
    fn sessions_are_bounded_from_below_and_by_what_one_connection_carries() {
        let with = |text: &str| {
            Config::parse(&GOOD.replacen("[[site]]", &format!("[limits]\n{text}\n[[site]]"), 1))
                .unwrap()
                .limits()
        };
        let limits = with("sessions = 100\nsessions_each = 4");
        assert_eq!((limits.sessions, limits.sessions_each), (100, 4));
        let limits = with("sessions = 0\nsessions_each = 0");
        assert_eq!((limits.sessions, limits.sessions_each), (1, 1));
        assert!(with("sessions = 1000000").sessions < tunnel::Tuning::default().streams);
    }

    #[test]
    fn the_audit_is_kept_for_seven_years_or_as_the_practice_says() {
        let with =
            |text: &str| Config::parse(&GOOD.replacen("[[site]]", &format!("[audit]\n{text}\n[[site]]"), 1));
        let days = |text| with(text).unwrap().audit.keep().map(|span| span.as_secs() / 86_400);
        assert_eq!(days(""), Some(2_555));
        assert_eq!(days("keep_days = 30"), Some(30));
        assert_eq!(days("keep_days = 0"), None);
        assert!(with("keep_days = 29").unwrap_err().contains("keep_days must be at least 30"));
    }

    #[test]
    fn a_site_without_an_identifier_is_told_from_others_by_its_key() {
        let site = &GOOD[GOOD.find("[[site]]").unwrap()..];
        let unnamed = |word: &str| site.replace("pms_id = \"1001\"", word);
        let head = &GOOD[..GOOD.find("[[site]]").unwrap()];
        let alone = Config::parse(&format!("{head}{}", unnamed(""))).unwrap();
        assert_eq!(alone.key_of(&alone.sites[0]).as_deref(), Some("BestPractice"));
        let two = Config::parse(&format!("{GOOD}{}", unnamed(""))).unwrap_err();
        assert!(two.contains("site 2") && two.contains("key"), "{two}");
        let keyed = Config::parse(&format!("{GOOD}{}", unnamed("key = \"west\""))).unwrap();
        assert_eq!(keyed.key_of(&keyed.sites[1]).as_deref(), Some("BestPractice/west"));
        assert_eq!(keyed.key_of(&keyed.sites[0]), None);
        let same = format!("{head}{}{}", unnamed("key = \"a\""), unnamed("key = \"a\""));
        assert!(Config::parse(&same).unwrap_err().contains("key of one before it"));
        assert!(Config::parse(&GOOD.replace("\"1001\"", "\" \"")).is_err());
    }
}
