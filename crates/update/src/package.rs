//! How a checked file gets installed: by the system's own installer, in words instead of numbers.

use crate::{SignatureError, signature};
use std::{
    ffi::{OsStr, OsString},
    io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// It is installed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Installed {
    /// The system wants to be restarted before all of it counts.
    pub restart: bool,
}

/// Why it is not installed. What was installed before is still there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotInstalled {
    /// In words, with the next step.
    pub why: String,
    /// The installer had no turn: nothing was stopped for it, and an hour later it may get one.
    pub busy: bool,
}

impl From<String> for NotInstalled {
    fn from(why: String) -> NotInstalled {
        NotInstalled { why, busy: false }
    }
}

/// What a command said when it ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ended {
    /// Its exit code; `None` when it was killed.
    pub code: Option<i32>,
    /// What it wrote to its standard output, and at most 64 KiB of it.
    pub output: String,
}

/// Starts the system's commands. Tests put another one in its place.
pub trait Run: Send + Sync {
    /// Runs to the end.
    ///
    /// # Errors
    /// It can't be started.
    fn run(&self, program: &OsStr, arguments: &[OsString]) -> io::Result<Ended>;
}

/// The real one. A command gets no input and no window.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemRun;

impl Run for SystemRun {
    fn run(&self, program: &OsStr, arguments: &[OsString]) -> io::Result<Ended> {
        // What it says beside its output goes where the updater's own goes: into the log of its task.
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        command.env("DEBIAN_FRONTEND", "noninteractive");
        let output = command.output()?;
        let text = String::from_utf8_lossy(&output.stdout[..output.stdout.len().min(64 * 1024)]).into_owned();
        Ok(Ended { code: output.status.code(), output: text })
    }
}

/// A kind of installer.
pub trait Package: Send + Sync {
    /// The version that the file says it is. Asked after its signature was checked.
    ///
    /// # Errors
    /// Why it can't be read.
    fn version(&self, file: &Path) -> Result<String, SignatureError>;

    /// Installs it and waits.
    ///
    /// # Errors
    /// [`NotInstalled`].
    fn install(&self, file: &Path) -> Result<Installed, NotInstalled>;
}

/// Windows Installer.
pub struct Msi<R = SystemRun> {
    /// What starts `msiexec`.
    pub run: R,
    /// The running `updater.exe`: a program can't be written while it runs, but it can be renamed. `None` leaves it.
    pub updater: Option<PathBuf>,
}

impl<R: Run> Package for Msi<R> {
    fn version(&self, file: &Path) -> Result<String, SignatureError> {
        signature::installer_version(file)
    }

    fn install(&self, file: &Path) -> Result<Installed, NotInstalled> {
        if let Some(updater) = &self.updater {
            step_aside(updater).map_err(|e| format!("{} can't be renamed: {e}", updater.display()))?;
        }
        let arguments = [OsStr::new("/i"), file.as_os_str(), OsStr::new("/qn"), OsStr::new("/norestart")];
        let ended = self.run.run(&msiexec(), &arguments.map(OsString::from));
        let ended = ended.map_err(|e| format!("msiexec can't be started ({e}): repair Windows Installer"))?;
        msi_words(ended.code).map_err(|why| NotInstalled { why, busy: ended.code == Some(MSI_BUSY) })
    }
}

/// By its full path: whatever is called msiexec elsewhere is not asked.
fn msiexec() -> OsString {
    let windows = std::env::var_os("SystemRoot").unwrap_or_else(|| OsString::from(r"C:\Windows"));
    let mut path = windows;
    path.push(r"\System32\msiexec.exe");
    path
}

/// `ERROR_INSTALL_ALREADY_RUNNING`.
const MSI_BUSY: i32 = 1618;

/// Exit codes of Windows Installer in words.
fn msi_words(code: Option<i32>) -> Result<Installed, String> {
    match code {
        Some(0) => Ok(Installed { restart: false }),
        Some(1641 | 3010) => Ok(Installed { restart: true }),
        Some(1602) => Err("somebody cancelled it (1602): run it again".to_owned()),
        Some(1603) => Err("Windows Installer met an error and put everything back (1603): see the Application event log, sources \
                           Halo Link and MsiInstaller, and tell support"
            .to_owned()),
        Some(MSI_BUSY) => Err("another installation is under way (1618): the next run tries again".to_owned()),
        Some(1625) => Err("a policy of this computer forbids it (1625): ask its administrator".to_owned()),
        Some(1638) => Err("another version of this product is installed already (1638): uninstall that one first".to_owned()),
        Some(code) => Err(format!("Windows Installer ended with {code}: see the Application event log, source MsiInstaller")),
        None => Err("Windows Installer was ended from outside: run it again".to_owned()),
    }
}

/// Makes the place of a running program free: it is renamed, and a copy of it put where it was, so that there is always one. What
/// an earlier run left is removed.
fn step_aside(updater: &Path) -> io::Result<()> {
    let old = updater.with_extension("old.exe");
    match std::fs::remove_file(&old) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    std::fs::rename(updater, &old)?;
    std::fs::copy(&old, updater).map(|_| ()).or_else(|error| {
        std::fs::rename(&old, updater)?;
        Err(error)
    })
}

/// Debian packages.
pub struct Deb<R = SystemRun> {
    /// What starts `dpkg`.
    pub run: R,
    /// Options before all others, for example `--root=FOLDER`.
    pub options: Vec<OsString>,
}

impl<R: Run> Package for Deb<R> {
    fn version(&self, file: &Path) -> Result<String, SignatureError> {
        let arguments = [OsStr::new("--field"), file.as_os_str(), OsStr::new("Version")].map(OsString::from);
        let ended = self.run.run(OsStr::new("/usr/bin/dpkg-deb"), &arguments);
        let ended = ended.map_err(|e| SignatureError::Io(e.to_string()))?;
        match ended.code {
            Some(0) => Ok(ended.output.trim().to_owned()),
            _ => Err(SignatureError::Format("it is no Debian package")),
        }
    }

    fn install(&self, file: &Path) -> Result<Installed, NotInstalled> {
        // What the practice wrote stays as it wrote it, and nobody is asked.
        let mut arguments = self.options.clone();
        arguments.extend(
            ["--force-confdef", "--force-confold", "--refuse-downgrade", "--install"].map(OsString::from),
        );
        arguments.push(file.into());
        let ended = self.run.run(OsStr::new("/usr/bin/dpkg"), &arguments);
        match ended.map_err(|e| format!("dpkg can't be started ({e})"))?.code {
            Some(0) => Ok(Installed { restart: false }),
            Some(2) => {
                let why = "dpkg could not begin (2): another installation may be under way; the next run tries again";
                Err(NotInstalled { why: why.to_owned(), busy: true })
            }
            Some(code) => Err(format!("dpkg ended with {code}: `dpkg --audit` says what is missing").into()),
            None => Err("dpkg was ended from outside: run `dpkg --configure -a`, then this again"
                .to_owned()
                .into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    /// Writes down what would be run.
    struct Seen(Mutex<Vec<Vec<String>>>, Ended);
    impl Run for Seen {
        fn run(&self, program: &OsStr, arguments: &[OsString]) -> io::Result<Ended> {
            let all = std::iter::once(program).chain(arguments.iter().map(OsString::as_os_str));
            self.0.lock().unwrap().push(all.map(|word| word.to_string_lossy().into_owned()).collect());
            Ok(self.1.clone())
        }
    }

    fn seen(code: i32, output: &str) -> Seen {
        Seen(Mutex::default(), Ended { code: Some(code), output: output.to_owned() })
    }

    #[test]
    fn windows_installer_is_run_silently_and_its_codes_are_words() {
        let msi = |code| Msi { run: seen(code, ""), updater: None };
        let good = msi(0);
        assert_eq!(good.install(Path::new("a b.msi")), Ok(Installed { restart: false }));
        let run = good.run.0.into_inner().unwrap();
        assert!(run[0][0].ends_with(r"\System32\msiexec.exe"), "{run:?}");
        assert_eq!(run[0][1..], ["/i", "a b.msi", "/qn", "/norestart"]);
        assert_eq!(msi(3010).install(Path::new("x")), Ok(Installed { restart: true }));
        for (code, word) in
            [(1602, "cancelled"), (1603, "put everything back"), (1618, "under way"), (1, "ended with 1")]
        {
            let failed = msi(code).install(Path::new("x")).unwrap_err();
            assert!(failed.why.contains(word), "{code}: {failed:?}");
            assert_eq!(failed.busy, code == MSI_BUSY, "{code}");
        }
    }

    #[test]
    fn a_running_updater_makes_room_for_the_new_one_and_there_is_always_one() {
        let folder = tempfile::tempdir().unwrap();
        let updater = folder.path().join("updater.exe");
        std::fs::write(&updater, "running").unwrap();
        for _ in 0..2 {
            step_aside(&updater).unwrap();
            assert_eq!(std::fs::read_to_string(&updater).unwrap(), "running");
            assert!(folder.path().join("updater.old.exe").exists());
        }
    }

    #[test]
    fn a_debian_package_is_asked_and_installed_by_the_systems_tools() {
        let deb = Deb { run: seen(0, "26.713.2\n"), options: vec!["--root=/x".into()] };
        assert_eq!(deb.version(Path::new("a.deb")).unwrap(), "26.713.2");
        assert!(deb.install(Path::new("a.deb")).is_ok());
        let run = deb.run.0.into_inner().unwrap();
        assert_eq!(run[0], ["/usr/bin/dpkg-deb", "--field", "a.deb", "Version"]);
        assert_eq!((run[1][1].as_str(), run[1].last().unwrap().as_str()), ("--root=/x", "a.deb"));
        let busy = Deb { run: seen(2, ""), options: vec![] };
        let failed = busy.install(Path::new("a.deb")).unwrap_err();
        assert!(failed.busy && failed.why.contains("next run"), "{failed:?}");
        assert!(!Deb { run: seen(1, ""), options: vec![] }.install(Path::new("a.deb")).unwrap_err().busy);
    }
}
