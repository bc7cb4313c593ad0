//! Where things lie on a practice's server.

use std::path::PathBuf;

/// The service, as Windows lists it.
pub const SERVICE_NAME: &str = "Halo Link Service";
/// The service, as systemd lists it.
pub const UNIT_NAME: &str = "halo-link";

/// The configuration file of an installed service.
///
/// `C:\ProgramData\Halo Connect\Halo Link\link.toml` (the first folder as Windows has it set), on Linux `/etc/halo-link/link.toml`.
pub fn config() -> PathBuf {
    #[cfg(windows)]
    return data().join("link.toml");
    #[cfg(not(windows))]
    PathBuf::from("/etc/halo-link/link.toml")
}

/// The folder of identity, database and logs of an installed service.
///
/// `C:\ProgramData\Halo Connect\Halo Link` (the first folder as Windows has it set), on Linux `/var/lib/halo-link`.
pub fn data() -> PathBuf {
    #[cfg(windows)]
    return crate::windows::facts::program_data().join("Halo Connect").join("Halo Link");
    #[cfg(not(windows))]
    PathBuf::from("/var/lib/halo-link")
}

/// The folder of the running program; the current folder where the system can't tell.
pub fn install() -> PathBuf {
    let program = std::env::current_exe().ok();
    program.as_deref().and_then(|program| program.parent()).map_or_else(|| PathBuf::from("."), PathBuf::from)
}
