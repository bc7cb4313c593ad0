//! What the practice's own checks read: environment, version, Link GUID, Halo GUIDs.
//!
//! On Windows values of `HKLM\SOFTWARE\WOW6432Node\Halo Connect\Halo Link`, on Linux the file `published.json` in the data folder.

use serde::{Deserialize, Serialize};
use std::{io, path::Path};

/// The registry key, below `HKEY_LOCAL_MACHINE`. Named in full: a 64-bit program is not redirected.
pub const KEY: &str = r"SOFTWARE\WOW6432Node\Halo Connect\Halo Link";
/// The file on Linux, in the data folder.
pub const FILE: &str = "published.json";

/// Everything that is published.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Published {
    /// `production`, `stage` or `demo`. Registry value `Environment`.
    pub environment: String,
    /// The running version. Registry value `Version`.
    pub version: String,
    /// The Link GUID, as 32 hex characters. Registry value `LinkGUID`.
    pub link: Option<String>,
    /// Halo GUIDs that Halo Cloud has accepted, each 32 lower-case hex characters, one per database. Registry value `HaloGUIDs`.
    #[serde(rename = "haloGuids")]
    pub sites: Vec<String>,
}

/// Publishes; what was there before is replaced. On Windows `data` is not looked at.
///
/// # Errors
/// When this account may not write there.
pub fn write(data: &Path, published: &Published) -> io::Result<()> {
    #[cfg(windows)]
    {
        let _ = data;
        crate::windows::published::write(published)
    }
    #[cfg(not(windows))]
    file::write(data, published)
}

/// What is published; `None` when nothing is.
///
/// # Errors
/// When this account may not read there, or the file is not ours.
pub fn read(data: &Path) -> io::Result<Option<Published>> {
    #[cfg(windows)]
    {
        let _ = data;
        crate::windows::published::read()
    }
    #[cfg(not(windows))]
    file::read(data)
}

/// Takes everything back, as an uninstall does.
///
/// # Errors
/// When this account may not write there. Nothing published is no error.
pub fn clear(data: &Path) -> io::Result<()> {
    #[cfg(windows)]
    {
        let _ = data;
        crate::windows::published::clear()
    }
    #[cfg(not(windows))]
    file::clear(data)
}

/// Makes the place where the service publishes and lets the service's account write there; everybody may read. For installers, as
/// administrator. On Linux the data folder is that place, and nothing is to be done.
///
/// # Errors
/// When this account may not change it.
pub fn prepare() -> io::Result<()> {
    #[cfg(windows)]
    return crate::windows::published::prepare();
    #[cfg(not(windows))]
    Ok(())
}

#[cfg(not(windows))]
mod file {
    use super::{FILE, Published};
    use std::{fs, io, path::Path};

    pub(super) fn write(data: &Path, published: &Published) -> io::Result<()> {
        // Whole or not at all: somebody may be reading.
        let new = data.join("published.new");
        fs::write(&new, serde_json::to_vec_pretty(published)?)?;
        fs::rename(new, data.join(FILE))
    }

    pub(super) fn read(data: &Path) -> io::Result<Option<Published>> {
        match fs::read(data.join(FILE)) {
            Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes)?)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(super) fn clear(data: &Path) -> io::Result<()> {
        match fs::remove_file(data.join(FILE)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(not(windows))]
    #[test]
    fn what_is_published_is_read_back_and_taken_back() {
        let data = tempfile::tempdir().unwrap();
        assert_eq!(read(data.path()).unwrap(), None);
        let first = Published { environment: "stage".into(), version: "1".into(), link: None, sites: vec![] };
        write(data.path(), &first).unwrap();
        assert_eq!(read(data.path()).unwrap(), Some(first.clone()));
        let text = std::fs::read_to_string(data.path().join(FILE)).unwrap();
        assert!(text.contains("\"haloGuids\": []"), "{text}");
        let sites = vec![
            "15331f1c64b684ea8ca10bfd7bd28c90".to_owned(),
            "25331f1c64b684ea8ca10bfd7bd28c90".to_owned(),
        ];
        let then = Published { link: Some("35331f1c64b684ea8ca10bfd7bd28c90".into()), sites, ..first };
        write(data.path(), &then).unwrap();
        assert_eq!(read(data.path()).unwrap(), Some(then));
        clear(data.path()).unwrap();
        assert_eq!(read(data.path()).unwrap(), None);
        clear(data.path()).unwrap();
    }
}
