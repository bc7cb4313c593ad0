//! The service as the system's service manager has it, and how this program becomes it on Windows.

use std::{io, path::PathBuf};

/// How the service stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// The service manager does not know it.
    NotInstalled,
    /// Installed, not running.
    Stopped,
    /// On its way up.
    Starting,
    /// Running.
    Running,
    /// On its way down.
    Stopping,
    /// The service manager could not be asked, or said something else: its words.
    Unknown(String),
}

/// How the service stands. Anybody may ask.
pub fn state() -> State {
    #[cfg(windows)]
    return crate::windows::service::state();
    #[cfg(not(windows))]
    systemd::state()
}

/// The program that the service manager starts for the service, where one is installed and Windows manages it; `None` on Linux.
pub fn program() -> Option<PathBuf> {
    #[cfg(windows)]
    return crate::windows::service::program();
    #[cfg(not(windows))]
    None
}

/// Asks the service manager to start the service. Returns when it has taken the order (Windows) or is done (Linux).
///
/// # Errors
/// What the service manager says, above all that this account may not.
pub fn start() -> io::Result<()> {
    #[cfg(windows)]
    return crate::windows::service::start();
    #[cfg(not(windows))]
    systemd::order("start")
}

/// Asks the service manager to stop the service. Returns as [`start`] does. Stopping one that is stopped is no error.
///
/// # Errors
/// What the service manager says, above all that this account may not.
pub fn stop() -> io::Result<()> {
    #[cfg(windows)]
    return crate::windows::service::stop();
    #[cfg(not(windows))]
    systemd::order("stop")
}

/// What an installed service is told once, by an administrator: start some time after the system, and start again after a failure (after
/// 1, 1 and 5 minutes). On Linux the unit file says it, and nothing is to be done.
///
/// # Errors
/// One line for each setting that the service manager refused; the others are made. Not fatal: the service runs without.
pub fn configure() -> Result<(), Vec<String>> {
    #[cfg(windows)]
    return crate::windows::service::configure();
    #[cfg(not(windows))]
    Ok(())
}

/// What is done once, when the service is told to stop.
type Act = Box<dyn FnOnce() + Send>;

/// What a program that was started as a Windows service has in hand.
pub struct Running {
    /// Tells the service manager that the service is up.
    pub(crate) up: Box<dyn Fn() -> io::Result<()> + Send>,
    /// What to do when told to stop.
    pub(crate) on_stop: Box<dyn Fn(Act) + Send>,
}

impl std::fmt::Debug for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Running")
    }
}

impl Running {
    /// Tells the service manager that the service is up. Until then it counts as starting.
    ///
    /// # Errors
    /// What the service manager says.
    pub fn up(&self) -> io::Result<()> {
        (self.up)()
    }

    /// `stop` is called, on another thread and once, when the service manager tells the service to stop or the system shuts down; at
    /// once when that has happened before. It may come before [`Running::up`]. The service then has sixteen seconds.
    pub fn on_stop(&self, stop: impl FnOnce() + Send + 'static) {
        (self.on_stop)(Box::new(stop));
    }
}

/// Hands this process to Windows' service manager, which calls `serve` on another thread; returns after `serve`. What it returns is the
/// service's own exit code, 0 for a good end: anything else is a failure, after which the service is started again.
///
/// # Errors
/// `Unsupported` on Linux. On Windows when the service manager did not start this process: somebody did by hand.
pub fn dispatch(serve: impl FnOnce(Running) -> u32 + Send + 'static) -> io::Result<()> {
    #[cfg(windows)]
    return crate::windows::service::dispatch(Box::new(serve));
    #[cfg(not(windows))]
    {
        let _ = serve;
        Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "only Windows starts services this way: systemd uses `run`",
        ))
    }
}

#[cfg(not(windows))]
mod systemd {
    use super::State;
    use crate::paths::UNIT_NAME;
    use std::{io, process::Command};

    pub(super) fn state() -> State {
        let asked =
            Command::new("systemctl").args(["show", UNIT_NAME, "--property=LoadState,ActiveState"]).output();
        match asked {
            Ok(answer) if answer.status.success() => parse(&String::from_utf8_lossy(&answer.stdout)),
            Ok(answer) => State::Unknown(String::from_utf8_lossy(&answer.stderr).trim().to_owned()),
            Err(error) => State::Unknown(format!("systemctl: {error}")),
        }
    }

    pub(super) fn parse(properties: &str) -> State {
        let value =
            |name: &str| properties.lines().find_map(|line| line.strip_prefix(name)).unwrap_or("").trim();
        match (value("LoadState="), value("ActiveState=")) {
            ("not-found", _) => State::NotInstalled,
            (_, "active" | "reloading") => State::Running,
            (_, "activating") => State::Starting,
            (_, "deactivating") => State::Stopping,
            (_, "inactive" | "failed") => State::Stopped,
            (load, active) => State::Unknown(format!("{load} {active}").trim().to_owned()),
        }
    }

    pub(super) fn order(order: &str) -> io::Result<()> {
        let done = Command::new("systemctl")
            .args([order, UNIT_NAME])
            .output()
            .map_err(|error| io::Error::new(error.kind(), format!("systemctl: {error}")))?;
        if done.status.success() {
            return Ok(());
        }
        let words = String::from_utf8_lossy(&done.stderr).trim().to_owned();
        Err(io::Error::other(format!("systemctl {order} {UNIT_NAME}: {words}")))
    }
}

#[cfg(all(test, not(windows)))]
mod tests {
    use super::*;

    #[test]
    fn what_systemd_says_of_a_unit_is_understood() {
        let state =
            |load: &str, active: &str| systemd::parse(&format!("LoadState={load}\nActiveState={active}\n"));
        assert_eq!(state("not-found", "inactive"), State::NotInstalled);
        assert_eq!(state("loaded", "active"), State::Running);
        assert_eq!(state("loaded", "activating"), State::Starting);
        assert_eq!(state("loaded", "deactivating"), State::Stopping);
        assert_eq!(state("loaded", "failed"), State::Stopped);
        assert_eq!(state("loaded", "strange"), State::Unknown("loaded strange".to_owned()));
        assert_eq!(systemd::parse(""), State::Unknown(String::new()));
    }

    #[test]
    fn on_linux_nobody_is_dispatched() {
        let error = dispatch(|_| 0).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::Unsupported);
    }
}
