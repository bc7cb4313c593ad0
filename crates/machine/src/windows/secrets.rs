//! DPAPI, under the account that runs this program.

use std::{io, ptr::null, ptr::null_mut, slice};
use windows_sys::Win32::{
    Foundation::LocalFree,
    Security::Cryptography::{
        CRYPT_INTEGER_BLOB, CRYPTPROTECT_UI_FORBIDDEN, CryptProtectData, CryptUnprotectData,
    },
};
use zeroize::{Zeroize, Zeroizing};

fn blob(bytes: &[u8]) -> io::Result<CRYPT_INTEGER_BLOB> {
    let length = u32::try_from(bytes.len()).map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge))?;
    Ok(CRYPT_INTEGER_BLOB { cbData: length, pbData: bytes.as_ptr().cast_mut() })
}

const EMPTY: CRYPT_INTEGER_BLOB = CRYPT_INTEGER_BLOB { cbData: 0, pbData: null_mut() };

pub(crate) fn protect(clear: &[u8]) -> io::Result<Vec<u8>> {
    let (clear, mut sealed) = (blob(clear)?, EMPTY);
    // SAFETY: `clear` is only read, whatever its pointer's type says; `sealed` is filled when the call succeeds.
    let good = unsafe {
        CryptProtectData(&clear, null(), null(), null(), null(), CRYPTPROTECT_UI_FORBIDDEN, &mut sealed)
    };
    if good == 0 { Err(io::Error::last_os_error()) } else { Ok(take(sealed).to_vec()) }
}

pub(crate) fn unprotect(sealed: &[u8]) -> io::Result<Zeroizing<Vec<u8>>> {
    let (sealed, mut clear) = (blob(sealed)?, EMPTY);
    // SAFETY: as in `protect`.
    let good = unsafe {
        CryptUnprotectData(&sealed, null_mut(), null(), null(), null(), CRYPTPROTECT_UI_FORBIDDEN, &mut clear)
    };
    if good == 0 { Err(io::Error::last_os_error()) } else { Ok(take(clear)) }
}

/// Copies what Windows allocated, wipes and frees it.
fn take(made: CRYPT_INTEGER_BLOB) -> Zeroizing<Vec<u8>> {
    if made.pbData.is_null() {
        return Zeroizing::default();
    }
    // SAFETY: Windows made `cbData` bytes there for us alone; they are freed once, after the last use.
    unsafe {
        let bytes = slice::from_raw_parts_mut(made.pbData, made.cbData as usize);
        let copy = Zeroizing::new(bytes.to_vec());
        bytes.zeroize();
        LocalFree(made.pbData.cast());
        copy
    }
}
