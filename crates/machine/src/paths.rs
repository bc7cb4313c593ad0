//! Where things lie on a practice's server.

use std::path::PathBuf;

/// The service, as Windows lists it.
pub const SERVICE_NAME: &str = "Halo Link Service";
/// The service, as systemd lists it.
pub const UNIT_NAME: &str = "halo-link";

/// The folder that an installation has for itself, on Windows: `C:\ProgramData\Halo Connect\Halo Link` (the first folder as Windows has
/// it set). Administrators write there, the service reads.
#[cfg(windows)]
pub(crate) fn home() -> PathBuf {
    crate::windows::facts::program_data().join("Halo Connect").join("Halo Link")
}

/// The configuration file of an installed service: `link.toml` in the installation's own folder, on Linux `/etc/halo-link/link.toml`.
pub fn config() -> PathBuf {
    #[cfg(windows)]
    return home().join("link.toml");
    #[cfg(not(windows))]
    PathBuf::from("/etc/halo-link/link.toml")
}

/// The folder of identity, database and logs of an installed service, where it may write: `data` in the installation's own folder, on
/// Linux `/var/lib/halo-link`.
pub fn data() -> PathBuf {
    #[cfg(windows)]
    return home().join("data");
    #[cfg(not(windows))]
    PathBuf::from("/var/lib/halo-link")
}

/// The folder for updates on their way in, where the service may not write: `updates` in the installation's own folder, on Linux
/// `/var/cache/halo-link-updater`.
pub fn updates() -> PathBuf {
    #[cfg(windows)]
    return home().join("updates");
    #[cfg(not(windows))]
    PathBuf::from("/var/cache/halo-link-updater")
}

/// The folder of the running program; the current folder where the system can't tell.
pub fn install() -> PathBuf {
    let program = std::env::current_exe().ok();
    program.as_deref().and_then(|program| program.parent()).map_or_else(|| PathBuf::from("."), PathBuf::from)
}
