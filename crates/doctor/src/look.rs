//! Goes and sees. Opens no secrets: whether identity files are there and whose they are, never what is in them.

use crate::{
    Finding, Level,
    seen::{ConfigTrouble, Exclusions, Files, Seen, Signature, Update, Way},
};
use agent::{
    config::Config,
    control::{self, Ask, AskError, StatusAnswer},
    forget,
    protect::Whence,
};
use model::Clock;
use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use trust::{Kind, Root};
use tunnel::{Credentials, Proxy, RelayAddress, Roots};
use update::Publishers;

/// The certificate of the guest that tries the way is good for this long: also for a relay whose clock is hours ahead.
const GUEST: Duration = Duration::from_secs(24 * 60 * 60);
/// The installed programs that carry a signature.
const PROGRAMS: &[&str] = &["HaloLinkService.exe", "HaloLinkUtility.exe", "updater.exe"];
/// `update.json` is not larger.
const UPDATE_BYTES: u64 = 64 * 1024;

/// Looks at everything, the slow things at once. Takes seconds when all is well, about a minute when nothing answers.
///
/// `version` is that of the program that looks.
pub async fn look(config_path: &Path, version: &str, clock: Arc<dyn Clock>) -> Seen {
    let config = read(config_path);
    let known = config.as_ref().ok();
    let root = known.map_or_else(machine::paths::data, |config| config.root.clone());
    let data = known.map_or_else(|| root.clone(), |config| config.data.clone());
    let record = known.map_or_else(machine::paths::updates, Config::update_record);
    let signatures = signatures(known, &*clock);
    let (way, service) = tokio::join!(way(known, clock), ask(&data));
    let (status, checked, tested) = service;
    // On Windows there is one place for all; elsewhere it is the folder of whoever published.
    let published = machine::published::read(&data).and_then(|found| match found {
        None if data != root => machine::published::read(&root),
        found => Ok(found),
    });
    Seen {
        version: version.to_owned(),
        config_path: config_path.to_owned(),
        files: Files { untrusted: untrusted(config_path), ..files(&data) },
        facts: machine::facts::facts(),
        disk_free: disk_free(&root),
        administrator: machine::facts::is_administrator(),
        state: machine::service::state(),
        status,
        checked,
        tested,
        published: published.map_err(|error| error.to_string()),
        update: update(&record).or_else(|| update(&data)).or_else(|| update(&root)),
        signatures,
        way,
        exclusions: exclusions(&root, known),
        config,
    }
}

/// The code of a clock that keeps a server from Halo Cloud.
pub const WRONG_CLOCK: &str = "HL-0421";
/// The code of a cloud that is of another environment than this server is set to.
pub const OTHER_ENVIRONMENT: &str = "HL-0417";

/// What is wrong on the way to Halo Cloud, and with the clock by which it is gone: for an installer, before there is a service.
/// Empty when all is well.
pub async fn trouble_on_the_way(config: &Config, clock: Arc<dyn Clock>) -> Vec<Finding> {
    let Some(way) = way(Some(config), clock).await else { return Vec::new() };
    let clock = way.met.as_ref().map(crate::checks::clock_at).unwrap_or_default();
    let all = clock.into_iter().chain(crate::checks::reached_by(&way));
    all.filter(|finding| finding.level == Level::Problem).collect()
}

fn read(path: &Path) -> Result<Config, ConfigTrouble> {
    Config::read(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => ConfigTrouble::Missing,
        io::ErrorKind::PermissionDenied => ConfigTrouble::Denied,
        _ => ConfigTrouble::Wrong(error.to_string()),
    })
}

type Answers = (
    Result<StatusAnswer, AskError>,
    Option<Result<control::Checked, AskError>>,
    Option<Result<Vec<control::SelfTested>, AskError>>,
);

/// What the service says; of databases and the way round only when it says anything.
async fn ask(data: &Path) -> Answers {
    let status = control::ask(data, &Ask::Status).await;
    if status.is_err() {
        return (status, None, None);
    }
    let (checked, tested) = tokio::join!(control::ask(data, &Ask::Check), control::ask(data, &Ask::SelfTest));
    (status, Some(checked), Some(tested))
}

/// Goes the way to Halo Cloud as a Halo Link without sites, made for this one look: the real handshake, and nobody is
/// disturbed by it, least of all the service that may be connected meanwhile.
async fn way(config: Option<&Config>, clock: Arc<dyn Clock>) -> Option<Way> {
    let Config { cloud, environment, .. } = config?;
    let relay = match RelayAddress::parse(&cloud.url) {
        Ok(relay) => relay,
        Err(error) => {
            let met = Err(format!("`url`: {error}"));
            return Some(Way { relay: "Halo Cloud".to_owned(), proxy: None, met });
        }
    };
    let name = relay.authority();
    let fail = |why: String| Some(Way { relay: name.clone(), proxy: None, met: Err(why) });
    let proxy = match cloud.proxy.as_ref().map(|proxy| Proxy::parse(proxy.reveal())).transpose() {
        Ok(proxy) => proxy,
        Err(error) => return fail(format!("`proxy`: {error}")),
    };
    let pem = match cloud.ca.as_ref().map(fs::read).transpose() {
        Ok(pem) => pem,
        Err(error) => return fail(format!("`ca`: {error}")),
    };
    let guest = Root::generate(Kind::Link).and_then(|root| root.issue("doctor", 1, clock.now(), GUEST));
    let operational = match guest {
        Ok(operational) => operational,
        Err(error) => return fail(format!("no identity could be made for the test ({error})")),
    };
    let credentials = Credentials::Link { operational, epoch: 1, sites: Vec::new() };
    let roots = pem.as_deref().map_or(Roots::System, Roots::Both);
    let met = tunnel::probe(&relay, proxy.as_ref(), roots, environment, &credentials, clock).await;
    Some(Way { relay: name, proxy: proxy.map(|proxy| proxy.authority()), met: Ok(met) })
}

fn files(folder: &Path) -> Files {
    let mut files = Files { folder: folder.to_owned(), ..Files::default() };
    let identity = folder.join("identity");
    match fs::read_dir(folder) {
        Err(error) => {
            files.denied = error.kind() == io::ErrorKind::PermissionDenied;
            return files;
        }
        Ok(_) => files.used = folder.join("link.db").exists(),
    }
    let mut names = vec![folder.to_owned(), folder.join("link.db"), identity.clone()];
    let inside = match fs::read_dir(&identity) {
        Ok(inside) => inside.filter_map(Result::ok).map(|entry| entry.path()).collect(),
        Err(error) => {
            files.denied = error.kind() == io::ErrorKind::PermissionDenied;
            Vec::new()
        }
    };
    for path in &inside {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        files.link_root |= name == "link.root";
        files.seal_key |= forget::KEYS.contains(&name);
        files.site_roots += usize::from(name.starts_with("site-") && name.ends_with(".root"));
    }
    files.half_restored = agent::recovery::is_half_done(folder);
    // A mark that does not read is one.
    files.moved = match agent::recovery::moved(folder) {
        Ok(moved) => moved.map(|moved| (moved.at, moved.packed)),
        Err(_) => Some(("an unknown time".to_owned(), true)),
    };
    // One that can't be read is told by whoever needs it.
    let sealed = agent::store::sealed(folder).unwrap_or_default();
    let in_a_file = sealed.whence != Some(Whence::Systemd);
    files.seal_gone = sealed.rows > 0 && in_a_file && !files.seal_key;
    files.seal_other = sealed.rows > 0 && sealed.refused;
    names.extend(inside);
    files.open_to_others =
        names.iter().filter(|path| is_open(path)).map(|path| path.display().to_string()).collect();
    files
}

/// What installer and updater would refuse. Who may not look is not told.
fn untrusted(config: &Path) -> Option<String> {
    let installed = config == machine::paths::config();
    let refused = machine::places::check().err().filter(|error| error.kind() == io::ErrorKind::Other);
    refused.filter(|_| installed).map(|error| error.to_string())
}

/// Whether other accounts may do anything with it. On Windows rights come from the folder, and are not looked at.
fn is_open(path: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::metadata(path).is_ok_and(|about| about.permissions().mode() & 0o077 != 0)
    }
    #[cfg(not(unix))]
    {
        let _ = path;
        false
    }
}

/// Of the folder, or of the nearest one above it that is there.
fn disk_free(folder: &Path) -> Result<u64, String> {
    let there = folder.ancestors().find(|path| path.exists()).unwrap_or(Path::new("."));
    let there = if there.as_os_str().is_empty() { Path::new(".") } else { there };
    machine::facts::disk_free(there).map_err(|error| error.to_string())
}

fn update(root: &Path) -> Option<Update> {
    let path = root.join("update.json");
    let size = fs::metadata(&path).ok()?.len();
    if size > UPDATE_BYTES {
        return None;
    }
    serde_json::from_slice(&fs::read(&path).ok()?).ok()
}

/// Of the programs beside this one. On Linux it is the package that is signed, and its installer has looked.
fn signatures(config: Option<&Config>, clock: &dyn Clock) -> Vec<Signature> {
    if !cfg!(windows) {
        return Vec::new();
    }
    let built_in = Publishers::built_in().unwrap_or_default();
    let own = config.and_then(|config| fs::read(config.update.publisher.as_ref()?).ok());
    let publishers = match own.map(|pem| built_in.clone().with_pem(&pem)) {
        Some(Ok(with_own)) => with_own,
        _ => built_in,
    };
    let folder = machine::paths::install();
    let there = PROGRAMS.iter().filter(|program| folder.join(program).exists());
    let of = |program: &&str| {
        let signer = update::signature_of(&folder.join(program), &publishers, clock.now());
        let signer = signer.map(|signer| signer.name).map_err(|error| error.to_string());
        Signature { program: (*program).to_owned(), signer }
    };
    there.map(of).collect()
}

fn exclusions(root: &Path, config: Option<&Config>) -> Exclusions {
    let whole = |path: PathBuf| std::path::absolute(&path).unwrap_or(path);
    let updates = config.map_or_else(machine::paths::updates, Config::updates);
    let wanted = [machine::paths::install(), root.to_owned(), updates].map(whole).to_vec();
    Exclusions { wanted, defender: defender(), windows: cfg!(windows) }
}

/// Defender's excluded paths are the names of values; only administrators may read them.
fn defender() -> Option<Vec<String>> {
    #[cfg(windows)]
    {
        const KEY: &str = r"SOFTWARE\Microsoft\Windows Defender\Exclusions\Paths";
        let values = windows_registry::LOCAL_MACHINE.open(KEY).ok()?;
        let names = values.values().ok()?.map(|(name, _)| name).collect();
        Some(names)
    }
    #[cfg(not(windows))]
    None
}
