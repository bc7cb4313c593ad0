//! What was seen, before anybody judges it.

use agent::{
    config::Config,
    control::{AskError, Checked, SelfTested, StatusAnswer},
};
use machine::{facts::Facts, published::Published, service::State};
use std::path::PathBuf;
use tunnel::Probed;

/// Everything.
#[derive(Debug)]
pub struct Seen {
    /// Version of the program that looks: what is installed.
    pub version: String,
    /// Which configuration file.
    pub config_path: PathBuf,
    /// What it says, or why it can't be read.
    pub config: Result<Config, ConfigTrouble>,
    /// The present environment's identity and data.
    pub files: Files,
    /// The server.
    pub facts: Facts,
    /// Free bytes on the disk of the data folder, for this account.
    pub disk_free: Result<u64, String>,
    /// This program runs with the rights of an administrator.
    pub administrator: bool,
    /// As the service manager has it.
    pub state: State,
    /// The service's own answer.
    pub status: Result<StatusAnswer, AskError>,
    /// How the databases answered; `None` when the service could not be asked at all.
    pub checked: Option<Result<Checked, AskError>>,
    /// How the sites were reached the whole way round; `None` as above.
    pub tested: Option<Result<Vec<SelfTested>, AskError>>,
    /// What is published for the practice's own checks.
    pub published: Result<Option<Published>, String>,
    /// How the updater's last run ended.
    pub update: Option<Update>,
    /// Who signed the installed programs; empty where programs carry no signatures of their own, as on Linux.
    pub signatures: Vec<Signature>,
    /// The way to Halo Cloud; `None` when nobody knows where that is.
    pub way: Option<Way>,
    /// What the virus scanner leaves alone.
    pub exclusions: Exclusions,
}

/// Why the configuration can't be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigTrouble {
    /// There is none.
    Missing,
    /// This account may not.
    Denied,
    /// It is wrong: which line, and why.
    Wrong(String),
}

/// The data folder of the present environment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Files {
    /// Where it is.
    pub folder: PathBuf,
    /// This account may not look into it.
    pub denied: bool,
    /// The service was started here before: there is a `link.db`.
    pub used: bool,
    /// The installation's root key is there.
    pub link_root: bool,
    /// How many sites' root keys are there.
    pub site_roots: usize,
    /// The key that seals logins is a file there. It may be kept by the system instead.
    pub seal_key: bool,
    /// Something is sealed in `link.db`, and the key file that sealed it is gone.
    pub seal_gone: bool,
    /// The last start was refused: the key at hand is another one than sealed what is there.
    pub seal_other: bool,
    /// The server was moved out, or packed for it: when, and whether the file was whole.
    pub moved: Option<(String, bool)>,
    /// A restore was begun and did not come to its end.
    pub half_restored: bool,
    /// Names of files and folders that other accounts may read.
    pub open_to_others: Vec<String>,
    /// What in the installation's folders is not obeyed, because of who owns it or where it leads: a sentence. Windows alone.
    pub untrusted: Option<String>,
}

/// What the updater left in `update.json`.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
pub struct Update {
    /// RFC 3339.
    pub checked_at: String,
    /// The newest version, when the cloud said one.
    #[serde(default)]
    pub newest: Option<String>,
    /// The version that ran the check.
    #[serde(default)]
    pub running: String,
    /// `up-to-date`, `available`, `installed`, `installed-restart-needed` or `refused`.
    #[serde(default)]
    pub outcome: String,
    /// When refused: a word for programs.
    #[serde(default)]
    pub code: Option<String>,
    /// The updater's sentence, when refused.
    #[serde(default)]
    pub why: Option<String>,
    /// The file whose installer failed.
    #[serde(default)]
    pub tried: Option<update::Tried>,
}

/// Who signed one of the installed programs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// Its file's name.
    pub program: String,
    /// The publisher, or what is wrong: a clause about the file.
    pub signer: Result<String, String>,
}

/// The way to Halo Cloud.
#[derive(Debug)]
pub struct Way {
    /// `host:port` of the relay.
    pub relay: String,
    /// `host:port` of the proxy, if one is set.
    pub proxy: Option<String>,
    /// What was met on it, or why nobody could set out: a sentence about the configuration.
    pub met: Result<Probed, String>,
}

/// What the virus scanner leaves alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exclusions {
    /// Folders that should be left alone: programs, data, updates on their way in.
    pub wanted: Vec<PathBuf>,
    /// Defender's excluded paths; `None` where there is no Defender or it may not be asked.
    pub defender: Option<Vec<String>>,
    /// Whether this is Windows: elsewhere nobody scans by default.
    pub windows: bool,
}
