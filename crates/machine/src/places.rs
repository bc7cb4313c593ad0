//! An installation's folders where they belong: looked at before anything in them is believed, and closed to others.
//!
//! Windows alone: there anybody may make folders beside ours. On Linux they lie where only root may write.

use std::{io, path::Path};

/// Whether everything that lies where an installation belongs is trusted accounts' and leads nowhere else. Changes nothing.
///
/// # Errors
/// One sentence that names what is not, and says what to do.
pub fn check() -> io::Result<()> {
    #[cfg(windows)]
    return crate::windows::places::check();
    #[cfg(not(windows))]
    Ok(())
}

/// Makes the folders where they are missing, looks at everything in them as [`check`] does, and gives each its owner and rights again:
/// nobody but the system, administrators and the service, and the service writes in its data folder alone.
///
/// # Errors
/// As [`check`], or what can't be changed.
pub fn secure() -> io::Result<()> {
    #[cfg(windows)]
    return crate::windows::places::secure();
    #[cfg(not(windows))]
    Ok(())
}

/// Whether a file or folder is an administrator's, and neither the service's nor a plain user's. One that is missing is nobody's.
///
/// # Errors
/// One sentence that says whose it is, and what to do.
pub fn check_administrators(path: &Path) -> io::Result<()> {
    #[cfg(windows)]
    return crate::windows::places::check_administrators(path);
    #[cfg(not(windows))]
    {
        let _ = path;
        Ok(())
    }
}
