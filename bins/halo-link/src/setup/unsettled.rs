//! A mark beside link.toml from its writing until the installer has ended well: an installation that was rolled back leaves a file that the
//! next one must not obey, for it may be what made it fail.

use anyhow::{Context, Result};
use std::{fs, io, path::Path};

const MARK: &str = "unsettled";

/// Whether what is there was never an installation.
pub(super) fn is(config: &Path) -> bool {
    config.with_file_name(MARK).exists()
}

pub(super) fn mark(config: &Path) -> Result<()> {
    let path = config.with_file_name(MARK);
    fs::write(&path, "").with_context(|| format!("{}", path.display()))
}

pub(super) fn settle(config: &Path) -> Result<()> {
    let path = config.with_file_name(MARK);
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("{}", path.display()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_an_installations_own_once_all_went_well() {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("link.toml");
        assert!(!is(&config));
        mark(&config).unwrap();
        assert!(is(&config));
        settle(&config).unwrap();
        settle(&config).unwrap();
        assert!(!is(&config));
    }
}
