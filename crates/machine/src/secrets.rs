//! Secrets that only the account which protected them can open: DPAPI on Windows.

use std::io;
use zeroize::Zeroizing;

/// Seals `clear` for the account that runs this program, on this computer.
///
/// # Errors
/// `Unsupported` on Linux (a systemd credential or a 0600 file takes its place); else what Windows says.
pub fn protect(clear: &[u8]) -> io::Result<Vec<u8>> {
    #[cfg(windows)]
    return crate::windows::secrets::protect(clear);
    #[cfg(not(windows))]
    {
        let _ = clear;
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// Opens what [`protect`] made.
///
/// # Errors
/// `Unsupported` on Linux; else what Windows says, above all when another account or computer sealed it.
pub fn unprotect(sealed: &[u8]) -> io::Result<Zeroizing<Vec<u8>>> {
    #[cfg(windows)]
    return crate::windows::secrets::unprotect(sealed);
    #[cfg(not(windows))]
    {
        let _ = sealed;
        Err(io::ErrorKind::Unsupported.into())
    }
}
