//! What kind of server this is, for requirements and for support.

use std::{io, path::Path};

/// The server, as its system describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// `Windows Server 2022 Standard`, `Debian GNU/Linux 12`.
    pub os: String,
    /// The system's build: `20348`; on Linux the kernel's release.
    pub os_build: String,
    /// A server edition. Linux: always.
    pub server: bool,
    /// Windows Server 2016 or later. Linux: always.
    pub supported: bool,
    /// Width of a pointer: 64.
    pub bits: u8,
    /// Memory, bytes; 0 where the system does not tell.
    pub memory: u64,
    /// The system waits for a restart to finish an update.
    pub pending_restart: bool,
    /// The server knows its time zone.
    pub time_zone_known: bool,
}

/// What kind of server this is. What can't be read is left empty.
pub fn facts() -> Facts {
    #[cfg(windows)]
    return crate::windows::facts::facts();
    #[cfg(not(windows))]
    linux::facts()
}

/// Free bytes for this account on the disk that holds `path`, which must exist.
///
/// # Errors
/// When the path can't be looked at.
pub fn disk_free(path: &Path) -> io::Result<u64> {
    #[cfg(windows)]
    return crate::windows::facts::disk_free(path);
    #[cfg(not(windows))]
    {
        let about = rustix::fs::statvfs(path)?;
        Ok(about.f_bavail.saturating_mul(about.f_frsize))
    }
}

/// Whether this program runs with the rights of an administrator (Windows: elevated; Linux: root).
pub fn is_administrator() -> bool {
    #[cfg(windows)]
    return crate::windows::security::is_administrator();
    #[cfg(not(windows))]
    rustix::process::geteuid().is_root()
}

/// What the system itself tells this computer by: `/etc/machine-id`, on Windows `MachineGuid`. A copy of the whole disk has the same. `None`
/// where there is none, as in some containers.
pub fn machine_id() -> Option<String> {
    #[cfg(windows)]
    let id = crate::windows::facts::machine_id();
    #[cfg(not(windows))]
    let id = std::fs::read_to_string("/etc/machine-id").ok();
    id.map(|id| id.trim().to_owned()).filter(|id| id.len() >= 16)
}

#[cfg(not(windows))]
mod linux {
    use super::Facts;
    use std::{fs, path::Path};

    pub(super) fn facts() -> Facts {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        Facts {
            os: os_name(&read("/etc/os-release")),
            os_build: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            server: true,
            supported: true,
            bits: usize::BITS as u8,
            memory: memory(&read("/proc/meminfo")),
            pending_restart: Path::new("/run/reboot-required").exists(),
            time_zone_known: Path::new("/etc/localtime").exists(),
        }
    }

    pub(super) fn os_name(release: &str) -> String {
        let value = |name: &str| {
            let line = release.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
            line.unwrap_or("").trim_matches(['"', '\'']).to_owned()
        };
        match value("NAME") {
            name if name.is_empty() => "Linux".to_owned(),
            name => format!("{name} {}", value("VERSION_ID")).trim().to_owned(),
        }
    }

    pub(super) fn memory(info: &str) -> u64 {
        let kibibytes =
            info.lines().find_map(|line| line.strip_prefix("MemTotal:")?.trim().strip_suffix(" kB"));
        kibibytes.and_then(|number| number.trim().parse::<u64>().ok()).unwrap_or(0).saturating_mul(1024)
    }
}

#[cfg(all(test, not(windows)))]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_a_name_memory_and_a_disk() {
        let facts = facts();
        assert!(!facts.os.is_empty() && !facts.os_build.is_empty(), "{facts:?}");
        assert!(facts.supported && facts.bits == 64 && facts.memory > 0, "{facts:?}");
        assert!(disk_free(&std::env::temp_dir()).unwrap() > 0);
        assert!(disk_free(Path::new("/no/such/folder")).is_err());
    }

    #[test]
    fn names_are_read_as_distributions_write_them() {
        let debian =
            "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nNAME=\"Debian GNU/Linux\"\nVERSION_ID=\"12\"\n";
        assert_eq!(linux::os_name(debian), "Debian GNU/Linux 12");
        assert_eq!(linux::os_name("NAME=Arch\n"), "Arch");
        assert_eq!(linux::os_name(""), "Linux");
        assert_eq!(linux::memory("MemTotal:       24631234 kB\nMemFree: 1 kB\n"), 24_631_234 * 1024);
        assert_eq!(linux::memory(""), 0);
    }
}
