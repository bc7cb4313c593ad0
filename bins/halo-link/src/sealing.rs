//! The key under which the service seals what it keeps: from systemd, from DPAPI, or from a file of its own.

use agent::{forget::KEYS, protect::KeyFile, recovery::TRANSFER_KEY, store};
use anyhow::{Context, Result, bail};
use model::Hidden;
use std::path::{Path, PathBuf};

/// From systemd when it hands one over (`LoadCredential=halo-link-seal:…`), else a file: on Windows one that only the service's own
/// account can open, elsewhere one that only it may read. A new one is made only while nothing is sealed.
pub(crate) fn key(data: &Path) -> Result<KeyFile> {
    if let Some(folder) = std::env::var_os("CREDENTIALS_DIRECTORY") {
        let path = PathBuf::from(folder).join("halo-link-seal");
        if path.exists() {
            let key = Hidden::new(std::fs::read(&path)?);
            return KeyFile::from_bytes(key.reveal()).with_context(|| format!("{}", path.display()));
        }
    }
    let folder = data.join("identity");
    not_lost(data, &folder)?;
    let plain = folder.join(KEYS[0]);
    let opened = if cfg!(windows) {
        let unwrap = |wrapped: &[u8]| Ok(Hidden::new(machine::secrets::unprotect(wrapped)?.to_vec()));
        KeyFile::open_wrapped(&folder.join(KEYS[1]), &plain, machine::secrets::protect, unwrap)
    } else {
        KeyFile::open(&plain)
    };
    opened.with_context(|| format!("sealing key in {}", folder.display()))
}

/// Refuses to go on without the key while something is sealed with it.
fn not_lost(data: &Path, folder: &Path) -> Result<()> {
    // What came from another server is sealed with a key that came with it, until this start has a key of its own.
    let there = |name: &str| folder.join(name).exists();
    if KEYS.iter().any(|name| there(name)) || there(TRANSFER_KEY) {
        return Ok(());
    }
    let sealed = store::sealed(data)?;
    if sealed.rows == 0 {
        return Ok(());
    }
    let was = sealed.whence.map_or_else(|| format!("{}/seal.key", folder.display()), |was| was.to_string());
    bail!(
        "the key that seals logins and codes is gone, and link.db holds what it sealed: it was {was}. Put it back from a backup and \
         start the service again. If it is lost for good: `HaloLinkUtility forget-pairings`; identity and audit stay, and every \
         integrator pairs again with a new code"
    )
}
