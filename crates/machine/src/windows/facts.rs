//! What kind of Windows this is.

use super::wide;
use crate::facts::Facts;
use std::{
    io,
    path::{Path, PathBuf},
    ptr::null_mut,
};
use windows_registry::LOCAL_MACHINE;
use windows_sys::Win32::{
    Storage::FileSystem::GetDiskFreeSpaceExW,
    System::SystemInformation::{GlobalMemoryStatusEx, MEMORYSTATUSEX},
};

/// Windows Server 2016.
const OLDEST: u32 = 14_393;
const VERSION: &str = r"SOFTWARE\Microsoft\Windows NT\CurrentVersion";
const UPDATES: &str = r"SOFTWARE\Microsoft\Windows\CurrentVersion";
const CONTROL: &str = r"SYSTEM\CurrentControlSet\Control";

pub(crate) fn facts() -> Facts {
    let about =
        |name: &str| LOCAL_MACHINE.open(VERSION).and_then(|key| key.get_string(name)).unwrap_or_default();
    let build = about("CurrentBuildNumber");
    let server = about("InstallationType").to_ascii_lowercase().starts_with("server");
    Facts {
        os: about("ProductName"),
        server,
        supported: server && build.parse::<u32>().is_ok_and(|build| build >= OLDEST),
        os_build: build,
        // This program runs, so Windows is of its width.
        bits: usize::BITS as u8,
        memory: memory(),
        pending_restart: pending_restart(),
        time_zone_known: LOCAL_MACHINE
            .open(format!(r"{CONTROL}\TimeZoneInformation"))
            .and_then(|key| key.get_string("TimeZoneKeyName"))
            .is_ok_and(|name| !name.trim_matches('\0').is_empty()),
    }
}

/// Made when Windows was installed.
pub(crate) fn machine_id() -> Option<String> {
    LOCAL_MACHINE.open(r"SOFTWARE\Microsoft\Cryptography").and_then(|key| key.get_string("MachineGuid")).ok()
}

/// The folder that the variable `ProgramData` is made of, without the variable: whoever starts an administrator's program could have set
/// that, and under Wine services have another one.
pub(crate) fn program_data() -> PathBuf {
    let set =
        LOCAL_MACHINE.open(format!(r"{VERSION}\ProfileList")).and_then(|key| key.get_string("ProgramData"));
    let drive = std::env::var("SystemDrive").unwrap_or_else(|_| "C:".to_owned());
    match set {
        Ok(path) if path.to_ascii_lowercase().starts_with("%systemdrive%") => {
            PathBuf::from(format!("{drive}{}", &path["%systemdrive%".len()..]))
        }
        Ok(path) if !path.contains('%') && !path.is_empty() => PathBuf::from(path),
        _ => PathBuf::from(format!(r"{drive}\ProgramData")),
    }
}

fn pending_restart() -> bool {
    let there = |key: String| LOCAL_MACHINE.open(key).is_ok();
    let renames = LOCAL_MACHINE
        .open(format!(r"{CONTROL}\Session Manager"))
        .and_then(|key| key.get_multi_string("PendingFileRenameOperations"));
    there(format!(r"{UPDATES}\Component Based Servicing\RebootPending"))
        || there(format!(r"{UPDATES}\WindowsUpdate\Auto Update\RebootRequired"))
        || renames.is_ok_and(|list| list.iter().any(|name| !name.is_empty()))
}

fn memory() -> u64 {
    let mut status = MEMORYSTATUSEX { dwLength: size_of::<MEMORYSTATUSEX>() as u32, ..Default::default() };
    // SAFETY: the structure says how long it is.
    if unsafe { GlobalMemoryStatusEx(&mut status) } == 0 { 0 } else { status.ullTotalPhys }
}

pub(crate) fn disk_free(path: &Path) -> io::Result<u64> {
    let (path, mut free) = (wide(path), 0);
    // SAFETY: the path ends with a zero; what is not asked for may be null.
    let good = unsafe { GetDiskFreeSpaceExW(path.as_ptr(), &mut free, null_mut(), null_mut()) };
    if good == 0 { Err(io::Error::last_os_error()) } else { Ok(free) }
}
