//! The updates folder: one run at a time, files that are whole or gone, and never a full disk.

use crate::{Offer, Record, Refusal, signature::hex};
use aws_lc_rs::digest;
use std::{
    fs::{self, File, TryLockError},
    io::{self, Write},
    path::{Path, PathBuf},
};

/// What must stay free beside what an update needs, bytes.
const RESERVE: u64 = 64 * 1024 * 1024;
/// An update is downloaded, kept by the installer and unpacked: so many times its size.
const COPIES: u64 = 4;

/// What the updater asks of the computer.
pub trait Machine: Send + Sync {
    /// May this process install programs?
    fn is_administrator(&self) -> bool;
    /// Bytes that may still be written where this folder is.
    ///
    /// # Errors
    /// The system's.
    fn disk_free(&self, folder: &Path) -> io::Result<u64>;
    /// Makes a folder that nobody but administrators and the system may open.
    ///
    /// # Errors
    /// The system's.
    fn make_private(&self, folder: &Path) -> io::Result<()>;
}

/// The folder, held by this run until it is dropped.
pub(crate) struct Store {
    folder: PathBuf,
    _lock: File,
}

impl Store {
    /// Makes the folder where it is missing, takes its lock, and removes what a run left that was killed.
    pub(crate) fn open(folder: &Path, machine: &dyn Machine) -> Result<Store, Refusal> {
        let at = || {
            format!(
                "the folder for updates, {}, can't be used (it must be writable for administrators)",
                folder.display()
            )
        };
        let failed = |error: io::Error| Refusal::files(at(), &error);
        fs::create_dir_all(folder).map_err(failed)?;
        machine.make_private(folder).map_err(failed)?;
        let lock = File::create(folder.join("lock")).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(Refusal::Busy),
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        for entry in fs::read_dir(folder).map_err(failed)?.flatten() {
            let stays = ["lock", Record::FILE].iter().any(|name| entry.file_name() == *name);
            if !stays && entry.file_type().is_ok_and(|kind| !kind.is_dir()) {
                fs::remove_file(entry.path()).map_err(failed)?;
            }
        }
        Ok(Store { folder: folder.to_owned(), _lock: lock })
    }

    /// Is there room for all that an update of this size needs?
    pub(crate) fn room(&self, size: u64, machine: &dyn Machine) -> Result<(), Refusal> {
        let need = size.saturating_mul(COPIES).saturating_add(RESERVE);
        match machine.disk_free(&self.folder) {
            Ok(free) if free < need => Err(self.full(need, free)),
            Ok(_) => Ok(()),
            // Unknown is not full: the download will tell.
            Err(error) => {
                tracing::warn!(%error, "can't ask how much room there is");
                Ok(())
            }
        }
    }

    /// A new file of this name; it is removed again unless it is [`Arriving::finish`]ed and its [`Arrived`] kept.
    pub(crate) fn create(&self, name: &str) -> Result<Arriving, Refusal> {
        let path = self.folder.join(name);
        let file = File::create_new(&path);
        let file = file.map_err(|e| Refusal::files(format!("{} can't be written", path.display()), &e))?;
        let arrived = Arrived { path, held: None };
        Ok(Arriving { file, hash: digest::Context::new(&digest::SHA256), size: 0, arrived })
    }

    /// The refusal for an error while writing.
    pub(crate) fn not_written(&self, error: &io::Error, size: u64, machine: &dyn Machine) -> Refusal {
        if matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) {
            let free = machine.disk_free(&self.folder).unwrap_or(0);
            return self.full(size.saturating_mul(COPIES).saturating_add(RESERVE), free);
        }
        Refusal::files(format!("the update can't be written to {}", self.folder.display()), error)
    }

    fn full(&self, need: u64, free: u64) -> Refusal {
        let mega = 1_000_000;
        Refusal::DiskFull {
            folder: self.folder.display().to_string(),
            need: need.div_ceil(mega),
            free: free / mega,
        }
    }
}

/// A file on its way in. Dropped, it is gone.
pub(crate) struct Arriving<W: Write = File> {
    file: W,
    hash: digest::Context,
    size: u64,
    arrived: Arrived,
}

impl<W: Write> Arriving<W> {
    pub(crate) fn write(&mut self, piece: &[u8]) -> io::Result<()> {
        self.file.write_all(piece)?;
        self.hash.update(piece);
        self.size += piece.len() as u64;
        Ok(())
    }

    /// Bytes so far.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }
}

impl Arriving {
    /// All of it is here: on disk, with the size and the hash that were said.
    ///
    /// # Errors
    /// The system's, or the refusal.
    pub(crate) fn finish(self, offer: &Offer) -> io::Result<Result<Arrived, Refusal>> {
        self.file.sync_all()?;
        if self.size != offer.size {
            return Ok(Err(Refusal::Size));
        }
        let found = hex(self.hash.clone().finish().as_ref());
        if found == offer.sha256 { self.keep().map(Ok) } else { Ok(Err(Refusal::Hash)) }
    }

    /// A file that is checked in another way: as it came.
    pub(crate) fn keep(self) -> io::Result<Arrived> {
        let Arriving { file, mut arrived, .. } = self;
        file.sync_all()?;
        drop(file);
        arrived.hold()?;
        Ok(arrived)
    }
}

/// A whole file in the folder. Dropped, it is removed: nothing of an update stays behind.
pub(crate) struct Arrived {
    path: PathBuf,
    /// While this is open nobody can write, rename or remove the file (on Windows; on Linux the folder is root's alone). So
    /// what is checked is what gets installed, even where others may write to the folder.
    held: Option<File>,
}

impl Arrived {
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    fn hold(&mut self) -> io::Result<()> {
        let mut options = File::options();
        options.read(true);
        #[cfg(windows)]
        {
            /// FILE_SHARE_READ: others may read and do nothing else.
            const READ: u32 = 1;
            std::os::windows::fs::OpenOptionsExt::share_mode(&mut options, READ);
        }
        self.held = Some(options.open(&self.path)?);
        Ok(())
    }
}

impl Drop for Arrived {
    fn drop(&mut self) {
        self.held = None;
        if let Err(error) = fs::remove_file(&self.path)
            && error.kind() != io::ErrorKind::NotFound
        {
            // The next run removes it.
            tracing::warn!(%error, "a downloaded file can't be removed");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Small;
    impl Machine for Small {
        fn is_administrator(&self) -> bool {
            true
        }
        fn disk_free(&self, _: &Path) -> io::Result<u64> {
            Ok(5_000_000)
        }
        fn make_private(&self, _: &Path) -> io::Result<()> {
            Ok(())
        }
    }

    /// The real error of a real full disk: `/dev/full` gives it to every write.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_disk_that_fills_up_on_the_way_is_called_full_and_leaves_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), &Small).unwrap();
        let on_disk = store.create("x.msi").unwrap();
        let full = File::options().write(true).open("/dev/full").unwrap();
        let mut arriving = Arriving { file: full, hash: on_disk.hash, size: 0, arrived: on_disk.arrived };
        let error = arriving.write(b"some bytes").unwrap_err();
        let refusal = store.not_written(&error, 10, &Small);
        assert!(matches!(refusal, Refusal::DiskFull { free: 5, .. }), "{refusal}");
        drop(arriving);
        assert!(!folder.path().join("x.msi").exists());
    }

    #[test]
    fn what_a_killed_run_left_is_removed_by_the_next_one() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("old.msi"), "half").unwrap();
        fs::write(folder.path().join(Record::FILE), "how the last run ended").unwrap();
        let store = Store::open(folder.path(), &Small).unwrap();
        assert!(!folder.path().join("old.msi").exists() && folder.path().join(Record::FILE).exists());
        // And while it runs nobody else may.
        assert_eq!(Store::open(folder.path(), &Small).err(), Some(Refusal::Busy));
        drop(store);
        assert!(Store::open(folder.path(), &Small).is_ok());
    }
}
