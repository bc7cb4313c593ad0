//! The key under which the service seals what it keeps: from systemd, from DPAPI, or from a file of its own.

use agent::protect::KeyFile;
use anyhow::{Context, Result};
use model::Hidden;
use std::path::{Path, PathBuf};

/// From systemd when it hands one over (`LoadCredential=halo-link-seal:…`), else a file: on Windows one that only the service's own
/// account can open, elsewhere one that only it may read.
pub(crate) fn key(data: &Path) -> Result<KeyFile> {
    if let Some(folder) = std::env::var_os("CREDENTIALS_DIRECTORY") {
        let path = PathBuf::from(folder).join("halo-link-seal");
        if path.exists() {
            let key = Hidden::new(std::fs::read(&path)?);
            return KeyFile::from_bytes(key.reveal()).with_context(|| format!("{}", path.display()));
        }
    }
    let folder = data.join("identity");
    let plain = folder.join("seal.key");
    let opened = if cfg!(windows) {
        let unwrap = |wrapped: &[u8]| Ok(Hidden::new(machine::secrets::unprotect(wrapped)?.to_vec()));
        KeyFile::open_wrapped(&folder.join("seal.key.dpapi"), &plain, machine::secrets::protect, unwrap)
    } else {
        KeyFile::open(&plain)
    };
    opened.with_context(|| format!("sealing key in {}", folder.display()))
}
