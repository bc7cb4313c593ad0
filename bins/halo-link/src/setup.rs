//! What an installer runs: is this server fit, link.toml, rights, service settings; and all of it taken back.
//!
//! Hidden from `--help` because nobody types it: the MSI and the Debian package do. What it does is in docs/windows.md.

mod again;
mod answers;
mod fit;
mod remove;
mod unsettled;

use agent::config::Config;
use answers::{Answers, Database};
use anyhow::{Context, Result, bail};
use clap::Args;
use doctor::look::{OTHER_ENVIRONMENT, WRONG_CLOCK};
use machine::{
    events::{self, Level},
    facts, folder, paths, places, published,
    service::{self, StartType},
};
use model::SystemClock;
use std::{
    fs,
    net::{TcpStream, ToSocketAddrs},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

/// Number of a refusal in the event log.
const REFUSED: u32 = 10;
/// The same of what an installer notes.
const NOTED: u32 = 11;
/// What whoever installs it does next; the doctor says it until it is done.
const NO_KIT: &str = "There is no recovery kit yet. Once the service runs: `HaloLinkUtility recovery kit --out FILE`, and away with it from this server. \
                      Without one a lost server means a new Halo ID, and every integrator pairs again.";
/// A server that listens answers within this time.
const PATIENCE: Duration = Duration::from_secs(5);
/// The hourly task, as Windows lists it.
const TASK: &str = "Halo Link Updater Hourly";

/// Prepare this server for the service, or take that back
#[derive(Args)]
pub(crate) struct Setup {
    /// Only say whether this server is fit
    #[arg(long)]
    check: bool,
    /// Tell the service manager how the service starts, and make the updater's hourly task
    #[arg(long, conflicts_with = "check")]
    service: bool,
    /// With --service: how the service started that this one replaces, as the registry has it
    #[arg(long, default_value = "", value_name = "#2, #3 or #4")]
    start_type: String,
    /// Before an upgrade removes the old version: say whether this one can be here, and note whether the service was stopped
    #[arg(long, conflicts_with_all = ["check", "service"])]
    before_upgrade: bool,
    /// After an upgrade: start the service, unless it was stopped or disabled
    #[arg(long, conflicts_with_all = ["check", "service", "before_upgrade"])]
    after_upgrade: bool,
    /// Take everything back: what is published, the hourly task, the data
    #[arg(long, conflicts_with_all = ["check", "service"])]
    remove: bool,
    /// Say that an installation has ended well
    #[arg(long, conflicts_with_all = ["check", "service", "remove"])]
    settled: bool,
    /// With --remove: 1 keeps identity, pairings and configuration
    #[arg(long, default_value = "", value_name = "1")]
    keep_identity: String,
    #[command(flatten)]
    answers: Answers,
    /// The service's configuration file
    #[arg(long, default_value_os_t = paths::config(), value_name = "FILE")]
    config: PathBuf,
    /// The service's data folder
    #[arg(long, default_value_os_t = paths::data(), value_name = "FOLDER")]
    data: PathBuf,
}

impl Setup {
    /// Does it, and says what was done.
    ///
    /// # Errors
    /// One sentence that says what to do; on Windows it is in the event log too, because an installer shows nothing.
    pub(crate) fn run(self) -> Result<String> {
        let done = if self.remove {
            remove::everything(&self.config, &self.data, keeps(&self.keep_identity))
        } else if self.service {
            settings(&self.config, StartType::from_registry(&self.start_type))
        } else if self.after_upgrade {
            again::start()
        } else if self.settled {
            unsettled::settle(&self.config).map(|()| String::new())
        } else {
            self.prepare()
        };
        match &done {
            Err(error) => events::report(
                Level::Error,
                REFUSED,
                &format!("Halo Link was not installed or removed: {error:#}"),
            ),
            Ok(said) if !said.is_empty() => events::report(Level::Information, NOTED, said),
            Ok(_) => {}
        }
        done
    }

    /// Everything lies where an installation belongs; somebody by hand may have named other places.
    fn usual_places(&self) -> bool {
        self.config == paths::config() && self.data == paths::data()
    }

    fn prepare(&self) -> Result<String> {
        if self.usual_places() {
            // Before a word of it is believed: whoever made these folders first would say whose updates this server takes.
            places::check()?;
        }
        // An installation that is there keeps its configuration, whatever a bundled installer says. One that was rolled back never was there.
        let (config, written) = if self.config.exists() && !unsettled::is(&self.config) {
            (Config::read(&self.config)?, None)
        } else {
            let written = self.answers.link_toml(&self.data)?;
            (Config::parse(written.reveal()).map_err(anyhow::Error::msg)?, Some(written))
        };
        let mut facts = facts::facts();
        let mut free = nearest(&self.data).and_then(|folder| facts::disk_free(folder).ok());
        if written.is_none() {
            // What runs here already is not kept from its update by a disk that has filled up since: the updater and the installer look
            // whether there is room for that. Refused here it would be tried again every hour, with the service stopped each time.
            (facts.memory, free) = (0, None);
        }
        // Before an upgrade the service is the old version's, and this program is not beside it.
        let other = if self.before_upgrade { None } else { foreign(service::program()) };
        let mut wrong = fit::unfit(&facts, &self.data, free, other.as_deref());
        if cfg!(windows) && !self.check && !self.before_upgrade {
            wrong.extend(fit::exposed(&paths::install(), &program_folders()));
        }
        if written.is_some() {
            wrong.extend(database_trouble(&self.answers.database()));
        }
        // An upgrade is not kept away by it; it is noted when the new version is there.
        let unreachable = if self.before_upgrade { None } else { cloud_trouble(&config) };
        let mut noted = Vec::new();
        if written.is_some() && unreachable.is_none() && !self.before_upgrade {
            // What keeps a new one from ever getting in refuses it; an upgrade is not kept away by either.
            for (code, said) in trouble_on_the_way(&config) {
                match code {
                    WRONG_CLOCK => wrong.push(said),
                    OTHER_ENVIRONMENT => wrong.push(format!(
                        "the Halo Cloud at {} is not {}'s: say the right one as CLOUD_URL, or another ENVIRONMENT",
                        config.cloud.url, config.environment
                    )),
                    _ => noted.push(said),
                }
            }
        }
        if !wrong.is_empty() {
            bail!("{}", wrong.join(". "));
        }
        if self.before_upgrade {
            let untold = service::remember_stopped().err();
            return Ok(untold.map_or_else(String::new, |error| {
                format!("whether the service was stopped could not be noted, so it will be started: {error}")
            }));
        }
        let mut said = noted;
        if written.is_none() {
            said.extend(kept(&config, self.answers.environment().as_deref(), &self.config));
        } else if self.check {
            said.push("This server is fit for Halo Link.".to_owned());
        }
        if !self.check {
            if cfg!(windows) && self.usual_places() {
                places::secure()?;
            } else {
                folder::make_private(&self.data).with_context(|| format!("{}", self.data.display()))?;
            }
            published::prepare().context("the registry key that the practice's checks read")?;
            if let Some(written) = &written {
                if cfg!(windows) && self.usual_places() {
                    unsettled::mark(&self.config)?;
                }
                write(&self.config, written.reveal())?;
                said.push(format!("Halo Link's configuration was written: {}", self.config.display()));
                said.push(NO_KIT.to_owned());
            }
        }
        said.extend(unreachable);
        Ok(said.join("\n"))
    }
}

/// Where Windows keeps programs: nobody but administrators writes there.
fn program_folders() -> Vec<PathBuf> {
    let names = ["ProgramFiles", "ProgramFiles(x86)", "ProgramW6432"];
    names.into_iter().filter_map(std::env::var_os).map(PathBuf::from).collect()
}

fn keeps(word: &str) -> bool {
    !matches!(word.trim(), "" | "0" | "no" | "false")
}

/// What a bundled installer wanted and did not get.
fn kept(before: &Config, wanted: Option<&str>, path: &Path) -> Option<String> {
    let wanted = wanted.filter(|wanted| *wanted != before.environment)?;
    Some(format!(
        "{} says {}, and that stays: an installer never changes it to {wanted}. To change it by purpose: HaloLinkUtility \
         environment set {wanted}",
        path.display(),
        before.environment
    ))
}

/// The program of an installed service of our name, when it is not the one beside this program.
fn foreign(program: Option<PathBuf>) -> Option<PathBuf> {
    let same = |one: &Path, other: &Path| one.as_os_str().eq_ignore_ascii_case(other.as_os_str());
    program.filter(|program| !program.parent().is_some_and(|folder| same(folder, &paths::install())))
}

/// The folder, or the nearest one above it that exists.
fn nearest(path: &Path) -> Option<&Path> {
    path.ancestors().find(|folder| folder.is_dir())
}

/// Why the practice's database was not found. It is looked for, not asked: the installer has no login.
fn database_trouble(database: &Database) -> Option<String> {
    match database {
        Database::File(path) if !path.is_file() => Some(format!(
            "the demo practice's database {} is not there: say the right file as DATABASE_PATH",
            path.display()
        )),
        Database::Port(host, port) => connect(host, *port).err().map(|error| {
            format!(
                "no database server answers at {host}, port {port} ({error}): start it, or say the right server as \
                 DATABASE_HOSTNAME (host, host,port or host\\INSTANCE)"
            )
        }),
        _ => None,
    }
}

/// Why Halo Cloud can't be reached yet. No reason to refuse: the firewall may be opened later, and the service then finds its way.
fn cloud_trouble(config: &Config) -> Option<String> {
    let relay = tunnel::RelayAddress::parse(&config.cloud.url).ok()?;
    let proxy = config.cloud.proxy.as_ref().and_then(|proxy| tunnel::Proxy::parse(proxy.reveal()).ok());
    let authority = proxy.map_or_else(|| relay.authority(), |proxy| proxy.authority());
    let (host, port) = authority.rsplit_once(':')?;
    let error = connect(host.trim_matches(['[', ']']), port.parse().ok()?).err()?;
    Some(format!(
        "Halo Cloud can't be reached yet: {authority} does not answer ({error}). Open outgoing TCP to it in the firewall; the \
         practice's ID appears within a minute after that"
    ))
}

/// The way to Halo Cloud, gone for real: each trouble by its code, with the next step. A certificate may be mended after the
/// installation; a clock that is wrong would keep the server away for good.
fn trouble_on_the_way(config: &Config) -> Vec<(&'static str, String)> {
    let ask = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
        Some(runtime.block_on(doctor::look::trouble_on_the_way(config, Arc::new(SystemClock))))
    };
    // A thread of its own: whoever calls may be in a runtime already.
    let found = std::thread::scope(|scope| scope.spawn(ask).join()).ok().flatten().unwrap_or_default();
    let said = |found: doctor::Finding| {
        let words = [Some(found.what), found.next].into_iter().flatten().collect::<Vec<_>>().join(" ");
        (found.code, words)
    };
    found.into_iter().map(said).collect()
}

fn connect(host: &str, port: u16) -> std::io::Result<()> {
    let mut last = std::io::Error::from(std::io::ErrorKind::NotFound);
    for address in (host, port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, PATIENCE) {
            Ok(_) => return Ok(()),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Writes the file whole or not at all, for administrators and the service alone: a proxy's password may be in it.
fn write(path: &Path, text: &str) -> Result<()> {
    let folder = path.parent().context("the configuration file has no folder")?;
    fs::create_dir_all(folder).with_context(|| format!("{}", folder.display()))?;
    let beside = path.with_extension("new");
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o640);
    let mut file = options.open(&beside)?;
    std::io::Write::write_all(&mut file, text.as_bytes())?;
    file.sync_all()?;
    drop(file);
    fs::rename(&beside, path).with_context(|| format!("{}", path.display()))
}

/// What the service manager is told. What it refuses is said and is no failure: the service runs without.
fn settings(config: &Path, kept: Option<StartType>) -> Result<String> {
    let mut said = service::configure(kept).err().unwrap_or_default();
    if cfg!(windows) && paths::install().join("updater.exe").is_file() {
        said.extend(hourly(config).err().map(|error| format!("the task \"{TASK}\" was not made: {error:#}")));
    }
    Ok(said.join("\n"))
}

/// The updater's task, hourly, up to an hour later each time, so that servers do not all ask at once.
fn hourly(config: &Path) -> Result<()> {
    let program = paths::install().join("updater.exe").display().to_string();
    let program = program.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let xml = include_str!("setup/task.xml").replace("PROGRAM", &program);
    // As Windows writes such files itself: UTF-16 with its mark in front.
    let bytes: Vec<u8> = ['\u{feff}'].into_iter().chain(xml.chars()).flat_map(utf16).collect();
    // Beside link.toml, where the service can't change what the task will say.
    let file = config.with_file_name("updater-task.xml");
    fs::write(&file, bytes).with_context(|| format!("{}", file.display()))?;
    let made = schtasks(&["/Create", "/F", "/TN", TASK, "/XML", &file.display().to_string()]);
    fs::remove_file(&file)?;
    made
}

fn utf16(letter: char) -> Vec<u8> {
    letter.encode_utf16(&mut [0; 2]).iter().flat_map(|unit| unit.to_le_bytes()).collect()
}

/// Runs Windows' own tool for tasks.
fn schtasks(words: &[&str]) -> Result<()> {
    let done = std::process::Command::new("schtasks.exe").args(words).output()?;
    if !done.status.success() {
        bail!("schtasks {}: {}", words.first().unwrap_or(&""), String::from_utf8_lossy(&done.stderr).trim());
    }
    Ok(())
}
