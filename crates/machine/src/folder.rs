//! Folders that nobody else may look into.

use std::{fs, io, path::Path};

/// Makes the folder where it is missing, and leaves it to the service, the system and administrators alone. Linux: to its owner, 0700.
///
/// What lies in it already follows on Windows; on Linux each file has its own mode.
///
/// # Errors
/// When it can't be made or changed, or is a link to somewhere else.
pub fn make_private(path: &Path) -> io::Result<()> {
    make(path)?;
    #[cfg(windows)]
    return crate::windows::security::make_folder_private(path);
    #[cfg(not(windows))]
    owners_alone(path)
}

/// The same for a folder that is not even the service's: what lies there is obeyed by the system. Linux: 0700, so whose it is says who
/// made it.
///
/// # Errors
/// As [`make_private`].
pub fn make_administrators(path: &Path) -> io::Result<()> {
    make(path)?;
    #[cfg(windows)]
    return crate::windows::security::make_folder_administrators(path);
    #[cfg(not(windows))]
    owners_alone(path)
}

fn make(path: &Path) -> io::Result<()> {
    fs::create_dir_all(path)?;
    // Somebody without rights could have put a link there first, to have another folder's rights changed.
    if !fs::symlink_metadata(path)?.is_dir() {
        return Err(io::Error::new(
            io::ErrorKind::NotADirectory,
            format!("{} is a link, not a folder: remove it", path.display()),
        ));
    }
    Ok(())
}

#[cfg(not(windows))]
fn owners_alone(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(0o700))
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_private_folder_is_its_owners_alone_and_never_a_link() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("a/b");
        make_private(&folder).unwrap();
        assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
        let link = home.path().join("link");
        std::os::unix::fs::symlink(&folder, &link).unwrap();
        assert!(make_private(&link).unwrap_err().to_string().contains("is a link"));
    }
}
