//! Why there is no update. Each is one sentence and the next step, and each leaves the running version as it is.

use crate::{SignatureError, Version};

/// Why nothing was installed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No connection, or it broke.
    #[error("Halo Cloud can't be reached: {0}. It is tried again with the next run")]
    Unreachable(String),
    /// The cloud knows of no version for this environment and platform.
    #[error(
        "Halo Cloud knows of no version for {environment}, {platform}: nothing to do; if there should be one, the operator has \
         to publish it"
    )]
    NothingKnown {
        /// `production`, `stage` or `demo`.
        environment: String,
        /// As in addresses.
        platform: &'static str,
    },
    /// An answer that can't be used.
    #[error("Halo Cloud's answer can't be used ({0}): try again later, and tell support if it stays so")]
    Answer(String),
    /// Older than what runs.
    #[error(
        "Halo Cloud offers {offered}, which is lower than the running {running}: nothing is installed; to go back on purpose, \
         uninstall this version and install the other by hand"
    )]
    Lower {
        /// What the cloud offers.
        offered: Version,
        /// What runs.
        running: Version,
    },
    /// More or fewer bytes than were said.
    #[error(
        "the file that arrived does not have the size that was said: it was removed; the next run tries again, and if it stays so, \
         ask who runs the proxy on the way"
    )]
    Size,
    /// Not the bytes that were said.
    #[error(
        "the file that arrived is not the one that was said (its SHA-256 differs): it was removed; the next run tries again, and \
         if it stays so, tell support"
    )]
    Hash,
    /// Not the publisher's.
    #[error("the update is not taken: {0}. The file was removed; tell support")]
    Signature(SignatureError),
    /// The file holds another version than the one that was said.
    #[error(
        "the update is not taken: it was said to be {said} and is {inside} inside. The file was removed; tell support"
    )]
    Inside {
        /// In the offer.
        said: Version,
        /// In the file, cleaned.
        inside: String,
    },
    /// This program knows no publisher.
    #[error(
        "this program was built without a publisher's certificate, so it can't know whose updates to take: name one in link.toml, \
         [update] publisher = \"publisher.pem\""
    )]
    NoPublisher,
    /// Not enough room.
    #[error(
        "not enough room on the disk of {folder}: the update needs {need} MB and {free} MB are free; make room and run it again"
    )]
    DiskFull {
        /// Where.
        folder: String,
        /// 10^6 bytes.
        need: u64,
        /// 10^6 bytes.
        free: u64,
    },
    /// Another run holds the lock.
    #[error("another update is under way: wait until it has ended")]
    Busy,
    /// Not allowed to install.
    #[error(
        "installing needs an administrator: run it in an elevated prompt (on Linux as root); --check only looks and needs none"
    )]
    NotAdministrator,
    /// Files of the updater's own.
    #[error("{what}: {why}")]
    Files {
        /// What was tried, with the path and the next step.
        what: String,
        /// The system's words.
        why: String,
    },
    /// The installer ran and failed; it has put back what was there.
    #[error("the installer did not install it: {0}")]
    Installer(String),
    /// The hourly run leaves a file alone whose installer failed.
    #[error(
        "{version} is not installed now: its installer failed at {at} ({why}). The hourly run tries it again after {next}; when \
         the reason is mended, run `updater` as an administrator: it tries at once"
    )]
    Paused {
        /// In the offer.
        version: Version,
        /// RFC 3339.
        at: String,
        /// RFC 3339.
        next: String,
        /// What the installer's failure was told as.
        why: String,
    },
}

impl Refusal {
    /// For programs: stays the same when sentences change.
    pub fn code(&self) -> &'static str {
        match self {
            Refusal::Unreachable(_) => "unreachable",
            Refusal::NothingKnown { .. } => "nothing-known",
            Refusal::Answer(_) => "answer",
            Refusal::Lower { .. } => "lower-version",
            Refusal::Size => "size",
            Refusal::Hash => "hash",
            Refusal::Signature(_) => "signature",
            Refusal::Inside { .. } => "version-inside",
            Refusal::NoPublisher => "no-publisher",
            Refusal::DiskFull { .. } => "disk-full",
            Refusal::Busy => "busy",
            Refusal::NotAdministrator => "not-administrator",
            Refusal::Files { .. } => "files",
            Refusal::Installer(_) => "installer",
            Refusal::Paused { .. } => "paused",
        }
    }

    pub(crate) fn files(what: impl Into<String>, error: &std::io::Error) -> Refusal {
        Refusal::Files { what: what.into(), why: error.to_string() }
    }
}
