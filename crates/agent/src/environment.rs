//! Stage and production on one server: one setting, and never each other's identities.
//!
//! The data folder belongs to the environment that used it first; a file `environment` in it says which. Every other
//! environment has a folder of its own below it, `environments/<name>`, with its own identities and its own `link.db`. So a
//! folder from before there was a choice stays where it is, and switching there and back finds everything again.

pub(crate) mod noted;
#[cfg(test)]
mod tests;

use crate::config::Config;
use model::{Hidden, Timestamp};
use noted::{Notes, Switched};
use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

/// The environments that there are.
pub const NAMES: [&str; 3] = model::ENVIRONMENTS;

/// The file that says whose a folder is.
const MARK: &str = "environment";

/// Where an environment's data lies, when `root` is the data folder of the configuration.
///
/// # Errors
/// When the folder's mark can't be read, or names no environment.
pub fn folder(root: &Path, environment: &str) -> io::Result<PathBuf> {
    let own = root.join("environments").join(environment);
    Ok(match owner(root) {
        Ok(Some(owner)) if owner != environment => own,
        // A mark that was lost does not give this environment what another one has made.
        Ok(None) if own.exists() => own,
        Ok(_) => root.to_owned(),
        // Somebody who may not look may not do anything else there either; that is said where it is tried.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => root.to_owned(),
        Err(error) => return Err(error),
    })
}

/// The environment that a folder belongs to, if it was ever used.
///
/// # Errors
/// When the mark can't be read, or names no environment.
pub fn owner(folder: &Path) -> io::Result<Option<&'static str>> {
    let path = folder.join(MARK);
    match fs::read_to_string(&path) {
        Ok(text) => NAMES.into_iter().find(|name| *name == text.trim()).map(Some).ok_or_else(|| {
            let what = format!("{}: names no environment; restore it from a backup", path.display());
            io::Error::new(io::ErrorKind::InvalidData, what)
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(io::Error::new(error.kind(), format!("{}: {error}", path.display()))),
    }
}

/// Marks a folder as an environment's; `false` when it is another's.
///
/// # Errors
/// When the mark can't be read or written.
pub(crate) fn claim(folder: &Path, environment: &str) -> io::Result<bool> {
    if let Some(owner) = owner(folder)? {
        return Ok(owner == environment);
    }
    let path = folder.join(MARK);
    // Readable for the service's account also when an administrator writes it; the folder itself is private.
    let beside = path.with_extension("new");
    // Not through a link: the folder is the service's, and an administrator may be writing.
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = fs::File::create_new(&beside)?;
    writeln!(file, "{environment}")?;
    file.sync_all()?;
    fs::rename(&beside, &path)?;
    Ok(true)
}

/// Why the environment was not switched. Nothing is changed then.
#[derive(Debug, thiserror::Error)]
pub enum SwitchError {
    /// A file.
    #[error("{0}")]
    File(#[from] io::Error),
    /// Both would join the same cloud.
    #[error(
        "link.toml does not say where Halo Cloud's {to} is: add\n\n  [cloud.{to}]\n  url = \"wss://…\"\n\nto it (the address \
         comes with your contract or your vendor), and run this again"
    )]
    SameCloud {
        /// The environment that was asked for.
        to: String,
    },
    /// The setting could not be found.
    #[error(
        "link.toml has no line `environment = \"…\"` of its own above its first [section]: write it there, and run this again"
    )]
    NoLine,
    /// The file would not read any more.
    #[error("link.toml can't be changed: {0}")]
    Wrong(String),
}

/// Changes the setting in the file, and nothing else in it. The service takes it up at its next start. That `by`, a user of the
/// operating system, did it stands in the audit of each of the two environments from its next start on.
///
/// # Errors
/// [`SwitchError`]; nothing is changed then.
pub fn switch(path: &Path, to: &str, by: &str, now: Timestamp) -> Result<(), SwitchError> {
    let config = Config::read(path)?;
    let clouds = (config.cloud.of(&config.environment), config.cloud.of(to));
    if clouds.1.is_none() || clouds.0 == clouds.1 {
        return Err(SwitchError::SameCloud { to: to.to_owned() });
    }
    let text = Hidden::new(fs::read_to_string(path)?);
    let changed = Hidden::new(replaced(text.reveal(), to).ok_or(SwitchError::NoLine)?);
    let reads = Config::parse(changed.reveal()).map_err(SwitchError::Wrong)?;
    if reads.environment != to {
        return Err(SwitchError::NoLine);
    }
    // What was made under the present setting is the present environment's, from before there was a mark too.
    if config.root.join("identity").exists() || config.root.join("link.db").exists() {
        claim(&config.root, &config.environment)?;
    }
    let (from, at) = (config.environment.clone(), now.to_rfc3339());
    let switched = Switched { from, to: to.to_owned(), by: by.to_owned(), at };
    // First: it must not be done without a word of who did it.
    let notes = Notes::write(&config.root, &switched, now)?;
    let rewritten = rewrite(path, changed.reveal());
    if rewritten.is_err() {
        notes.take_back();
    }
    Ok(rewritten?)
}

/// The text with another environment: the first such line before any section, whatever else stands on it.
fn replaced(text: &str, to: &str) -> Option<String> {
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let word = line.trim_start();
        if word.starts_with('[') {
            return None;
        }
        let after = word.strip_prefix("environment").map(str::trim_start);
        if let Some(value) = after.and_then(|rest| rest.strip_prefix('=')) {
            let start = at + line.len() - value.len();
            let open = value.find(['"', '\''])?;
            let quote = value[open..].chars().next()?;
            let length = value[open + 1..].find(quote)?;
            let (from, until) = (start + open + 1, start + open + 1 + length);
            return Some(format!("{}{to}{}", &text[..from], &text[until..]));
        }
        at += line.len();
    }
    None
}

/// Puts a new text in a file's place, whole, for the same people.
fn rewrite(path: &Path, text: &str) -> io::Result<()> {
    let about = fs::metadata(path)?;
    let beside = path.with_extension("toml.new");
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    let mut file = options.open(&beside)?;
    file.write_all(text.as_bytes())?;
    file.set_permissions(about.permissions())?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::{MetadataExt, chown};
        chown(&beside, Some(about.uid()), Some(about.gid()))?;
    }
    file.sync_all()?;
    drop(file);
    fs::rename(&beside, path)
}
