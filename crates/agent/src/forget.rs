//! Starting over when the key that seals is lost for good: what it sealed is forgotten, and nothing else.

use crate::{
    files,
    host::{StartError, lock_folder},
    store::{self, Forgotten},
};
use model::Timestamp;
use std::{fs, io, path::Path};

/// Key files, as they may lie in the folder `identity`.
pub const KEYS: [&str; 2] = ["seal.key", "seal.key.dpapi"];

/// Forgets the pairings, codes and sealed outcomes of a data folder, and lays its key files aside, so that the next start makes a new one.
/// The audit says that `by`, a user of the operating system, did it.
///
/// # Errors
/// When a service runs on it, or a file can't be written.
pub fn forget_pairings(data: &Path, now: Timestamp, by: &str) -> Result<Forgotten, StartError> {
    if !data.join("link.db").try_exists()? {
        let what = format!("{} holds no link.db: no service was started there yet", data.display());
        return Err(io::Error::new(io::ErrorKind::NotFound, what).into());
    }
    let _lock = lock_folder(data)?;
    let forgotten = store::forget(data, now, by)?;
    for name in KEYS {
        let path = data.join("identity").join(name);
        match fs::rename(&path, files::aside(&path)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
    }
    Ok(forgotten)
}
