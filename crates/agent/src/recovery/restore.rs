//! Laying out a data folder from a kit or a move. No service has it; nothing that is there is overwritten; and a service does not start on
//! one that was cut off half way: the folder in which everything is made ready goes last.

use super::{
    EnvelopeError, Kit, KitError, MARK, MOVE_FILE, TRANSFER_KEY,
    contents::{About, Contents},
    envelope::{self, Use},
    passphrase,
};
use crate::{
    environment, files,
    host::{StartError, lock_folder},
    identity,
    protect::KeyFile,
    store::{
        AuditLine, Happened, KitRecord, Store, StoreError, begin_above, confirmed, forget_results,
        generation, largest_epoch, next_generation, put_carried,
    },
};
use audit::{Head, SignedHead};
use model::{Hidden, Timestamp};
use rusqlite::Connection;
use std::{
    fs,
    io::{self, Read, Write},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use trust::{Kind, Root};

/// Where everything is made ready.
const STAGE: &str = "restoring";
/// What an installation has of its own: never overwritten.
const OWN: [&str; 7] = ["identity", "link.db", "link.db-wal", "link.db-shm", "spool", "published.json", MARK];
/// Longest kit or backup, bytes.
const FILE_BYTES: u64 = 64 * 1024 * 1024;
/// The certificate for the one head that is signed here; the service makes its own.
const SIGNS: Duration = Duration::from_secs(24 * 60 * 60);

/// Why nothing was restored. What was there before still is.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// A file or folder.
    #[error("{0}")]
    File(#[from] io::Error),
    /// A service has the folder, or it can't be locked.
    #[error(transparent)]
    Folder(#[from] StartError),
    /// The kit.
    #[error(transparent)]
    Kit(#[from] KitError),
    /// What it is put into.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It is not empty.
    #[error(
        "{0} has an identity already, and it was not touched. When that is the one that the installer has just made, run this again with \
         --set-aside: what is there is moved into a folder of its own. When this server serves a practice, you do not want to do that"
    )]
    Taken(PathBuf),
    /// Stage's kit at production, or the like.
    #[error(
        "this was made in {kit}, and link.toml says {config}: go over with `HaloLinkUtility environment set {kit}` first, or name another \
         link.toml with --config"
    )]
    OtherEnvironment {
        /// Of the kit.
        kit: String,
        /// Of the configuration.
        config: String,
    },
    /// Nobody restored it a million times.
    #[error("this practice's count of servers is used up; ask Halo Cloud's support")]
    UsedUp,
}

impl From<EnvelopeError> for RestoreError {
    fn from(error: EnvelopeError) -> Self {
        RestoreError::Kit(error.into())
    }
}

/// Where it goes, and who does it.
#[derive(Clone, Copy, Debug)]
pub struct Brought<'a> {
    /// The data folder of the configuration: its owner gets the files.
    pub root: &'a Path,
    /// The environment's own folder in it.
    pub data: &'a Path,
    /// That the configuration names.
    pub environment: &'a str,
    /// An identity that is there is moved aside.
    pub set_aside: bool,
    /// The operating system's user.
    pub by: &'a str,
    /// By this server's clock.
    pub now: Timestamp,
}

/// What was restored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// What it was.
    pub about: About,
    /// Of what a newer version had, and this one does not know.
    pub unknown: Vec<String>,
    /// Where what was there before is now.
    pub aside: Option<PathBuf>,
}

/// Lays a kit out.
///
/// # Errors
/// [`RestoreError`]: then nothing was restored.
pub fn restore(kit: Kit, into: &Brought<'_>) -> Result<Restored, RestoreError> {
    let (made_at, marks) = match kit.own {
        // The backup that was written is the lost server's: this one writes its own at once.
        Some((made_at, marks)) => (made_at, Some(marks)),
        None => (Timestamp(kit.contents.made_at), None),
    };
    let mut contents = kit.contents;
    let about = contents.about()?;
    let place = Place::take(&contents, into)?;
    let mut key = vec![0; 32];
    aws_lc_rs::rand::fill(&mut key).map_err(|_| io::Error::other("no randomness"))?;
    let key = Hidden::new(key);
    place.lay_identity(&contents, key.reveal())?;
    let protector = Arc::new(KeyFile::from_bytes(key.reveal())?);
    let store = Store::open(&place.stage, protector.clone())?;
    let epoch = next_generation(contents.epoch, None).ok_or(RestoreError::UsedUp)?;
    let tables = std::mem::take(&mut contents.tables);
    let detail = serde_json::json!({ "madeAt": about.made_at, "linkVersion": about.link_version });
    let starts = starts(&contents, generation(epoch), into.now)?;
    let unknown = store.transaction(|t| {
        let unknown = put_carried(t, tables, &*protector)?;
        confirmed(t, epoch, None)?;
        for head in &starts {
            begin_above(t, head)?;
        }
        restored_lines(&starts, into, &detail).iter().try_for_each(|line| line.write(t))?;
        Ok(unknown)
    })?;
    if let Some(public) = &contents.backup_public {
        let record = KitRecord {
            made_at,
            made_by: None,
            public: public.reveal().to_vec(),
            marks: marks.map_or_else(|| store.marks(), Ok)?,
            backed: None,
        };
        store.keep_kit(&record, &[])?;
    }
    drop(store);
    let aside = place.put(into)?;
    Ok(Restored { about, unknown, aside })
}

/// Lays out a whole installation that was moved out elsewhere.
///
/// # Errors
/// [`RestoreError`]: then nothing was brought in.
pub fn move_in(
    file: &Path,
    passphrase: &Hidden<String>,
    into: &Brought<'_>,
) -> Result<Restored, RestoreError> {
    let passphrase = passphrase::read(passphrase).map_err(KitError::from)?;
    let mut sealed = io::BufReader::new(fs::File::open(file)?);
    files::private_folder(into.data)?;
    let spare = into.data.join(MOVE_FILE).with_extension("opening");
    let opened = unpack(&mut sealed, &passphrase, &spare);
    let moved = opened.and_then(|contents| bring(&contents, &spare, into));
    // Whether it went well or not: it holds statements.
    let _ = fs::remove_file(&spare);
    moved
}

/// Opens the file: its contents, and the database behind them as `database`.
fn unpack(
    sealed: &mut dyn Read,
    passphrase: &Hidden<String>,
    database: &Path,
) -> Result<Contents, RestoreError> {
    let _ = fs::remove_file(database);
    let mut parts = Parts { head: Vec::new(), rest: private_new(database)? };
    envelope::open(Use::Move, passphrase, sealed, &mut parts)?;
    parts.rest.sync_all()?;
    let (length, json) = parts.head.split_at_checked(4).ok_or(KitError::Broken("its beginning"))?;
    if Parts::wanted(length) != Some(4 + json.len()) {
        return Err(KitError::Broken("its beginning").into());
    }
    Ok(Contents::parse(json)?)
}

/// Splits what is opened: a length of four bytes (big endian) and so many bytes of JSON; the rest is the database.
struct Parts {
    head: Vec<u8>,
    rest: fs::File,
}

impl Parts {
    fn wanted(length: &[u8]) -> Option<usize> {
        let length = u32::from_be_bytes(length.get(..4)?.try_into().ok()?);
        (u64::from(length) <= FILE_BYTES).then_some(4 + length as usize)
    }
}

impl Write for Parts {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let wanted = if self.head.len() < 4 {
            4
        } else {
            Self::wanted(&self.head).ok_or(io::ErrorKind::InvalidData)?
        };
        match wanted - self.head.len() {
            0 => self.rest.write(bytes),
            missing => {
                let taken = missing.min(bytes.len());
                self.head.extend_from_slice(&bytes[..taken]);
                Ok(taken)
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.rest.flush()
    }
}

impl Drop for Parts {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.head);
    }
}

fn bring(contents: &Contents, database: &Path, into: &Brought<'_>) -> Result<Restored, RestoreError> {
    let mut about = contents.about()?;
    let seal = contents.seal.as_ref().ok_or(KitError::Broken("its sealing key"))?;
    let place = Place::take(contents, into)?;
    place.lay_identity(contents, seal.reveal())?;
    fs::rename(database, place.stage.join("link.db"))?;
    // It is opened as a start would open it: a file that is not whole, or sealed with another key, ends here.
    let store = Store::open(&place.stage, Arc::new(KeyFile::from_bytes(seal.reveal())?))?;
    let detail = serde_json::json!({ "movedOutAt": about.made_at, "linkVersion": about.link_version });
    let moved = store.transaction(|t| {
        let Some(epoch) = next_generation(largest_epoch(t)?.max(contents.epoch), None) else {
            return Ok(None);
        };
        confirmed(t, epoch, None)?;
        forget_results(t)?;
        lines(&about, Happened::MovedIn, into, &detail).iter().try_for_each(|line| line.write(t))?;
        let mut statement = t.prepare("SELECT name FROM pairing ORDER BY name")?;
        let names = statement.query_map([], |row| row.get(0))?;
        Ok(Some(names.collect::<Result<Vec<String>, _>>()?))
    })?;
    about.integrators = moved.ok_or(RestoreError::UsedUp)?;
    drop(store);
    let aside = place.put(into)?;
    Ok(Restored { about, unknown: Vec::new(), aside })
}

/// Whether a restore of this folder was begun and not ended.
pub fn is_half_done(data: &Path) -> bool {
    data.join(STAGE).exists()
}

/// Where the sites' audits begin, signed with their keys: above every number of the lost server, so that whoever watches sees them go on.
fn starts(contents: &Contents, generation: u64, now: Timestamp) -> Result<Vec<SignedHead>, RestoreError> {
    let start = |site: &super::contents::Site| {
        let root = Root::from_pkcs8(Kind::Site, site.root.reveal()).ok()?;
        let signer = root.issue("restore", 1, now, SIGNS).ok()?;
        let number = audit::restored_start(generation);
        Head { site: site.guid, number, chain: audit::genesis(site.guid), at: now }.sign(&signer).ok()
    };
    let signed: Option<_> = contents.sites.iter().map(start).collect();
    signed.ok_or(KitError::Broken("a site's key").into())
}

/// A line for each database that names where it begins.
fn restored_lines(starts: &[SignedHead], into: &Brought<'_>, detail: &serde_json::Value) -> Vec<AuditLine> {
    let line = |start: &SignedHead| {
        let mut detail = detail.clone();
        detail["number"] = start.head.number.into();
        detail["chain"] = crate::store::hex(&start.head.chain).into();
        let line = AuditLine::new(into.now, Happened::Restored, start.head.site);
        AuditLine { detail: Some(detail.to_string()), ..line }.by(Some(into.by))
    };
    starts.iter().map(line).collect()
}

/// A line for each database: where the new server's history begins.
fn lines(about: &About, what: Happened, into: &Brought<'_>, detail: &serde_json::Value) -> Vec<AuditLine> {
    let line = |site: &super::SiteAbout| AuditLine {
        detail: Some(detail.to_string()),
        ..AuditLine::new(into.now, what, site.site).by(Some(into.by))
    };
    about.sites.iter().map(line).collect()
}

/// A data folder that is being laid out.
struct Place {
    data: PathBuf,
    stage: PathBuf,
    /// Where what is there goes, at the very end.
    aside: Option<PathBuf>,
    /// What is there is no whole installation: no service may start on it before this has come to its end.
    begun: bool,
    _lock: fs::File,
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.begun {
            // What is left in it is of no use; that it is there keeps a service from starting.
            for name in ["link.db", "identity"] {
                let path = self.stage.join(name);
                let _ = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
            }
        } else {
            let _ = fs::remove_dir_all(&self.stage);
        }
    }
}

impl Place {
    fn take(contents: &Contents, into: &Brought<'_>) -> Result<Self, RestoreError> {
        let data = into.data;
        if contents.environment != into.environment {
            let (kit, config) = (contents.environment.clone(), into.environment.to_owned());
            return Err(RestoreError::OtherEnvironment { kit, config });
        }
        files::private_folder(data)?;
        let lock = lock_folder(data)?;
        let stage = data.join(STAGE);
        // What a restore that was cut off has put there is no installation, and yet it is not removed: who knows what it was.
        let half_done = is_half_done(data);
        let there = OWN.iter().any(|name| data.join(name).exists());
        if there && !into.set_aside && !half_done {
            return Err(RestoreError::Taken(data.to_owned()));
        }
        if half_done {
            fs::remove_dir_all(&stage)?;
        }
        fs::create_dir(&stage)?;
        // From here on it goes again, whatever happens, until something of it is in its place.
        let aside = there.then(|| data.join(format!("set-aside-{}", into.now.0)));
        let place = Place { data: data.to_owned(), stage, aside, begun: half_done, _lock: lock };
        files::private_folder(&place.stage)?;
        Ok(place)
    }

    fn lay_identity(&self, contents: &Contents, key: &[u8]) -> Result<(), RestoreError> {
        let folder = self.stage.join("identity");
        files::private_folder(&folder)?;
        files::write_private(&folder.join("link.root"), contents.link.reveal())?;
        for site in &contents.sites {
            let name = identity::site_file(site.pms, &site.pms_id);
            files::write_private(&folder.join(name).with_extension("root"), site.root.reveal())?;
        }
        Ok(files::write_private(&folder.join(TRANSFER_KEY), key)?)
    }

    /// Everything is ready: what is there goes aside, and this takes its place. The stage goes last, and only then a service starts here.
    fn put(mut self, into: &Brought<'_>) -> Result<Option<PathBuf>, RestoreError> {
        // No log beside it: the file alone is moved.
        let connection = Connection::open(self.stage.join("link.db")).map_err(StoreError::from)?;
        let merged = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        merged.map_err(StoreError::from)?;
        drop(connection);
        if !environment::claim(&self.data, into.environment)? {
            let folder = self.data.display().to_string();
            let environment = into.environment.to_owned();
            return Err(StartError::OtherEnvironment { folder, environment }.into());
        }
        for name in ["link.db", "identity"] {
            own_as(into.root, &self.stage.join(name))?;
        }
        if let Some(aside) = &self.aside {
            fs::create_dir(aside)?;
            files::private_folder(aside)?;
        }
        self.begun = true;
        if let Some(aside) = &self.aside {
            for name in OWN.iter().filter(|name| self.data.join(name).exists()) {
                fs::rename(self.data.join(name), aside.join(name))?;
            }
        }
        for name in ["link.db", "identity"] {
            fs::rename(self.stage.join(name), self.data.join(name))?;
        }
        for name in ["environment", "lock"] {
            own_as(into.root, &self.data.join(name))?;
        }
        if into.data != into.root {
            own_as(into.root, into.data)?;
        }
        if let Some(aside) = &self.aside {
            own_as(into.root, aside)?;
        }
        fs::remove_dir_all(&self.stage)?;
        self.begun = false;
        #[cfg(unix)]
        fs::File::open(&self.data)?.sync_all()?;
        Ok(self.aside.take())
    }
}

/// Gives a file, or a folder with all that is in it, to the owner of the data folder: an administrator makes it, the service's account needs
/// it. On Windows the folder's own rights reach what lies in it.
fn own_as(root: &Path, path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::{MetadataExt, lchown};
        let owner = fs::metadata(root)?;
        let mut open = vec![path.to_owned()];
        while let Some(path) = open.pop() {
            let about = fs::symlink_metadata(&path)?;
            if about.is_dir() {
                for entry in fs::read_dir(&path)? {
                    open.push(entry?.path());
                }
            }
            if (about.uid(), about.gid()) != (owner.uid(), owner.gid()) {
                lchown(&path, Some(owner.uid()), Some(owner.gid()))?;
            }
        }
    }
    #[cfg(not(unix))]
    let _ = (root, path);
    Ok(())
}

/// A new file for its owner alone; one that is there is an error.
pub(super) fn private_new(path: &Path) -> io::Result<fs::File> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    options.open(path)
}

/// All of a file that is not larger than any of ours.
pub(super) fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(FILE_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > FILE_BYTES {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "larger than any such file"));
    }
    Ok(bytes)
}
