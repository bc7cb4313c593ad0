//! Whether a server is fit for Halo Link. Each refusal is one sentence that says what to do.

use machine::facts::Facts;
use std::path::{Path, PathBuf};

const GIB: u64 = 1024 * 1024 * 1024;
/// Least memory of the server, bytes.
const MEMORY: u64 = 2 * GIB;
/// Least free space on the disk of the data folder, bytes: the programs, the database, the audit and a day of results.
const DISK: u64 = 2 * GIB;

/// Why this server is not fit; empty when it is. `free`: bytes on the disk of `data`; `None` where that can't be told. `other`: the
/// program of a service of our name that is not ours.
pub(super) fn unfit(facts: &Facts, data: &Path, free: Option<u64>, other: Option<&Path>) -> Vec<String> {
    let mut wrong = Vec::new();
    if !facts.supported {
        wrong.push(format!(
            "Halo Link needs Windows Server 2016 or later, and this is {} (build {}): install it on the server that holds the \
             practice's database",
            facts.os, facts.os_build
        ));
    }
    if facts.bits < 64 {
        wrong.push(
            "Halo Link needs a 64-bit system: install it on the server that holds the practice's database"
                .to_owned(),
        );
    }
    // A machine that is sold as 2 GiB shows a little less.
    if facts.memory != 0 && facts.memory < MEMORY / 10 * 9 {
        wrong.push(format!(
            "Halo Link needs a server with 2 GB of memory, and this one has {:.1} GB: give it more",
            facts.memory as f64 / GIB as f64
        ));
    }
    if let Some(free) = free.filter(|free| *free < DISK) {
        wrong.push(format!(
            "Halo Link needs 2 GB of free space for {}, and there are {:.1} GB: free some",
            data.display(),
            free as f64 / GIB as f64
        ));
    }
    if let Some(program) = other {
        wrong.push(format!(
            "another Halo Link is installed ({}): uninstall it first, by Windows' list of programs; integrators pair again with \
             this one",
            program.display()
        ));
    }
    wrong
}

/// Why programs may not lie in `install`: the system runs the updater from there each hour, and elsewhere than below `folders` others may put files
/// beside it. `None` when they may.
pub(super) fn exposed(install: &Path, folders: &[PathBuf]) -> Option<String> {
    let lower = |path: &Path| path.to_string_lossy().to_lowercase().replace('/', "\\");
    let install_is = lower(install);
    // With a separator behind: `C:\Program Files Other` is none of them.
    let below =
        |folder: &PathBuf| install_is.starts_with(&format!("{}\\", lower(folder).trim_end_matches('\\')));
    (!folders.iter().any(below)).then(|| {
        format!(
            "Halo Link's programs can't lie in {}: others than administrators could put files beside them. Leave INSTALLDIR and COMPANYDIR \
             out, or name a folder below Program Files",
            install.display()
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server() -> Facts {
        Facts {
            os: "Windows Server 2022 Standard".to_owned(),
            os_build: "20348".to_owned(),
            server: true,
            supported: true,
            bits: 64,
            memory: 8 * GIB,
            pending_restart: false,
            time_zone_known: true,
        }
    }

    #[test]
    fn a_server_as_practices_have_it_is_fit() {
        assert!(unfit(&server(), Path::new("d"), Some(50 * GIB), None).is_empty());
        // What can't be told is no reason to refuse.
        assert!(unfit(&Facts { memory: 0, ..server() }, Path::new("d"), None, None).is_empty());
    }

    #[test]
    fn each_refusal_says_what_is_wrong_and_what_to_do() {
        let one = |facts: Facts, free, other: Option<&Path>| {
            let wrong = unfit(&facts, Path::new("data"), Some(free), other);
            assert_eq!(wrong.len(), 1, "{wrong:?}");
            wrong.concat()
        };
        let old = Facts { os: "Windows 7".to_owned(), supported: false, ..server() };
        let said = one(old, 50 * GIB, None);
        assert!(
            said.contains("Windows Server 2016")
                && said.contains("Windows 7")
                && said.contains("install it on"),
            "{said}"
        );
        let said = one(Facts { memory: GIB, ..server() }, 50 * GIB, None);
        assert!(said.contains("this one has 1.0 GB") && said.contains("give it more"), "{said}");
        let said = one(server(), GIB / 2, None);
        assert!(said.contains("data") && said.contains("0.5 GB") && said.contains("free some"), "{said}");
        let said = one(Facts { bits: 32, ..server() }, 50 * GIB, None);
        assert!(said.contains("64-bit"), "{said}");
        let said = one(server(), 50 * GIB, Some(Path::new("C:/Old/HaloLinkService.exe")));
        assert!(said.contains("C:/Old/HaloLinkService.exe") && said.contains("uninstall it first"), "{said}");
    }

    #[test]
    fn programs_lie_where_only_administrators_write() {
        let folders = [r"C:\Program Files", r"C:\Program Files (x86)"].map(PathBuf::from);
        let fits = |install: &str| exposed(Path::new(install), &folders).is_none();
        assert!(fits(r"C:\Program Files (x86)\Halo Connect\Halo Link"));
        assert!(fits(r"c:\PROGRAM FILES\Halo Connect\Halo Link"));
        for install in [r"D:\Halo Link", r"C:\Program Files Other\Halo Link", r"C:\Program Files"] {
            let said = exposed(Path::new(install), &folders).unwrap();
            assert!(said.contains(install) && said.contains("Leave INSTALLDIR"), "{said}");
        }
        assert!(exposed(Path::new(r"C:\Program Files\x"), &[]).is_some());
    }
}
