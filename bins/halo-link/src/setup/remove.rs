//! An uninstall leaves nothing but, by choice, who this practice is.

use anyhow::{Context, Result};
use machine::published;
use std::{fs, io, path::Path};

/// What is kept by choice: the keys behind the GUIDs, and what was agreed with integrators. The next installation goes on with it.
const KEPT: &[&str] = &["identity", "link.db", "link.db-wal", "link.db-shm", "environments", "environment"];

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
    if keep {
        for entry in entries(data)? {
            if entry != config && !entry.file_name().is_some_and(|name| KEPT.iter().any(|kept| name == *kept))
            {
                gone(&entry)?;
            }
        }
        return Ok(format!("Identity, pairings and configuration are kept in {}", data.display()));
    }
    gone(config)?;
    gone(data)?;
    // The company's folder goes when nothing else is in it; elsewhere than on Windows the folder above is not ours.
    if cfg!(windows)
        && let Some(above) = data.parent()
    {
        let _ = fs::remove_dir(above);
    }
    Ok(String::new())
}

fn entries(folder: &Path) -> Result<Vec<std::path::PathBuf>> {
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

    fn installed(folder: &Path) -> (std::path::PathBuf, std::path::PathBuf) {
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
}
