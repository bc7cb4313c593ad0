//! An uninstall leaves nothing but, by choice, who this practice is.

use agent::config::Config;
use anyhow::{Context, Result};
use machine::published;
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// What is kept by choice: the keys behind the GUIDs, and what was agreed with integrators. The next installation goes on with it.
const KEPT: &[&str] = &[
    "identity",
    "link.db",
    "link.db-wal",
    "link.db-shm",
    "environments",
    "environment",
    "recovery",
    "moved.json",
];

/// What lies beside it in a data folder that `link.toml` put elsewhere: in a folder that somebody chose, only what has our names goes.
const OURS: &[&str] =
    &["spool", "logs", "published.json", "published.new", "control.sock", "lock", "update.json", "restoring"];

/// Takes everything back; with `keep` all but identity, pairings and configuration.
pub(super) fn everything(config: &Path, data: &Path, keep: bool) -> Result<String> {
    published::clear(data).context("what the practice's checks read")?;
    if cfg!(windows) {
        // An upgrade that was cut off may have left its note.
        let _ = machine::service::was_stopped();
        // It may never have been made.
        let _ = super::schtasks(&["/Delete", "/F", "/TN", super::TASK]);
        // An updater that updated itself left its old program beside the new one; the installer does not know of it. It may run
        // just now, and then it stays.
        let _ = fs::remove_file(machine::paths::install().join("updater.old.exe"));
    }
    // Before its file is gone.
    if let Some(chosen) = chosen(config, data) {
        let kept = KEPT.iter().filter(|_| !keep);
        for name in OURS.iter().chain(kept) {
            gone(&chosen.join(name))?;
        }
        // When nothing else is in it.
        let _ = fs::remove_dir(&chosen);
    }
    // On Windows an installation has a folder for itself; elsewhere the folders above are not ours.
    let own = config.parent().filter(|_| cfg!(windows) && config == machine::paths::config());
    if keep {
        let named = named_by(config);
        for entry in entries(data)? {
            let kept = entry.file_name().is_some_and(|name| KEPT.iter().any(|kept| name == *kept));
            if !kept && entry != config && !named.iter().any(|path| path.starts_with(&entry)) {
                gone(&entry)?;
            }
        }
        if own.is_some() {
            gone(&machine::paths::updates())?;
        }
        return Ok(format!(
            "Identity, pairings and configuration are kept in {}",
            own.unwrap_or(data).display()
        ));
    }
    gone(config)?;
    gone(data)?;
    if let Some(own) = own {
        gone(own)?;
        // The company's folder goes when nothing else is in it.
        let _ = own.parent().map(fs::remove_dir);
    }
    Ok(String::new())
}

/// The data folder, where the configuration names another than the usual one.
fn chosen(config: &Path, usual: &Path) -> Option<PathBuf> {
    Config::read(config).ok().map(|read| read.root).filter(|root| root != usual)
}

/// Files that the configuration names, and that the next installation will want: certificates, publishers, PMS files.
fn named_by(config: &Path) -> Vec<PathBuf> {
    let Ok(read) = Config::read(config) else { return Vec::new() };
    [read.cloud.ca, read.update.publisher, read.pms.folder].into_iter().flatten().collect()
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    match fs::read_dir(folder) {
        Ok(read) => Ok(read.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<_>>()?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error).with_context(|| format!("{}", folder.display())),
    }
}

/// Removes a file, or a folder with what is in it; links are removed, never followed.
fn gone(path: &Path) -> Result<()> {
    let done = match fs::symlink_metadata(path) {
        Ok(about) if about.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match done {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("{} can't be removed: stop the service first", path.display()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn installed(folder: &Path) -> (PathBuf, PathBuf) {
        let data = folder.join("data");
        for file in ["identity/link.root", "link.db", "logs/a.log", "published.json", "link.toml"] {
            let path = data.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "x").unwrap();
        }
        (data.join("link.toml"), data)
    }

    #[test]
    fn nothing_is_left_unless_identity_is_to_be_kept() {
        let home = tempfile::tempdir().unwrap();
        let (config, data) = installed(home.path());
        everything(&config, &data, true).unwrap();
        let mut left: Vec<_> = entries(&data).unwrap();
        left.sort();
        assert_eq!(left, ["identity", "link.db", "link.toml"].map(|name| data.join(name)));
        assert!(data.join("identity/link.root").exists());
        everything(&config, &data, false).unwrap();
        assert!(!data.exists());
        // Nothing there is no error: an uninstall can be repeated.
        everything(&config, &data, false).unwrap();
        everything(&config, &data, true).unwrap();
    }

    #[test]
    fn a_data_folder_that_was_put_elsewhere_is_emptied_of_what_is_ours_alone() {
        for keep in [true, false] {
            let home = tempfile::tempdir().unwrap();
            let (config, data) = installed(home.path());
            let chosen = home.path().join("chosen");
            for file in ["identity/link.root", "link.db", "logs/a.log", "the practice's own.txt"] {
                let path = chosen.join(file);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, "x").unwrap();
            }
            let text = format!(
                "data = '{}'\nenvironment = 'stage'\n[cloud]\nurl = 'wss://x/tunnel/v1'\n",
                chosen.display()
            );
            fs::write(&config, text).unwrap();
            everything(&config, &data, keep).unwrap();
            assert!(chosen.join("the practice's own.txt").exists() && !chosen.join("logs").exists());
            assert_eq!(chosen.join("identity/link.root").exists(), keep);
            assert_eq!(chosen.join("link.db").exists(), keep);
        }
    }

    #[test]
    fn files_that_the_configuration_names_are_kept_with_it() {
        let home = tempfile::tempdir().unwrap();
        let (config, data) = installed(home.path());
        for file in ["ca.pem", "trust/publisher.pem", "pms/own.toml", "other.pem"] {
            let path = data.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "x").unwrap();
        }
        let text = "data = '.'\nenvironment = 'stage'\n[cloud]\nurl = 'wss://x/tunnel/v1'\nca = 'ca.pem'\n\
                    [pms]\nfolder = 'pms'\n[update]\npublisher = 'trust/publisher.pem'\n";
        fs::write(&config, text).unwrap();
        everything(&config, &data, true).unwrap();
        assert!(data.join("ca.pem").exists() && data.join("pms/own.toml").exists());
        assert!(data.join("trust/publisher.pem").exists() && config.exists());
        assert!(!data.join("other.pem").exists() && !data.join("logs").exists());
    }
}
