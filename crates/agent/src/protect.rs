//! Sealing of what the service keeps for itself: database logins, code secrets, answers that may quote data.

use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use model::Hidden;
use std::{fs, io, path::Path};

/// Length of a nonce, which leads every sealed value.
const NONCE: usize = 12;
/// Length of a key file.
const KEY: usize = 32;

/// A sealed value could not be made or opened. Says nothing of the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a sealed value does not open with this key")]
pub struct SealError;

/// Keeps secrets at rest under something that only the service's account can use.
pub trait Protector: Send + Sync + 'static {
    /// Seals `clear`; `purpose` must be the same when it is opened, so that a value moved elsewhere stays shut.
    fn seal(&self, purpose: &str, clear: &[u8]) -> Result<Vec<u8>, SealError>;
    /// Opens what [`Protector::seal`] made.
    fn open(&self, purpose: &str, sealed: &[u8]) -> Result<Hidden<Vec<u8>>, SealError>;
}

/// AES-256-GCM under a key that lies in a file only the service's account may read.
pub struct KeyFile(RandomizedNonceKey);

impl std::fmt::Debug for KeyFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KeyFile")
    }
}

impl KeyFile {
    /// Reads the key, or makes one (0600, its folder 0700) when there is no such file.
    ///
    /// # Errors
    /// When the file can't be read or written, or is not 32 bytes long.
    pub fn open(path: &Path) -> io::Result<Self> {
        let key = match fs::read(path) {
            Ok(key) => Hidden::new(key),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let mut key = vec![0; KEY];
                aws_lc_rs::rand::fill(&mut key).map_err(|_| io::Error::other("no randomness"))?;
                let key = Hidden::new(key);
                if let Some(folder) = path.parent() {
                    crate::files::private_folder(folder)?;
                }
                crate::files::write_private(path, key.reveal())?;
                key
            }
            Err(error) => return Err(error),
        };
        Self::from_bytes(key.reveal())
    }

    /// A key as a service manager hands it over (on Linux a systemd credential).
    ///
    /// # Errors
    /// When it is not 32 bytes long.
    pub fn from_bytes(key: &[u8]) -> io::Result<Self> {
        let broken = || io::Error::new(io::ErrorKind::InvalidData, "the sealing key is not 32 bytes long");
        if key.len() != KEY {
            return Err(broken());
        }
        RandomizedNonceKey::new(&AES_256_GCM, key).map(KeyFile).map_err(|_| broken())
    }
}

impl Protector for KeyFile {
    fn seal(&self, purpose: &str, clear: &[u8]) -> Result<Vec<u8>, SealError> {
        let mut body = Vec::with_capacity(NONCE + clear.len() + 16);
        body.extend_from_slice(clear);
        let nonce = self
            .0
            .seal_in_place_append_tag(Aad::from(purpose.as_bytes()), &mut body)
            .map_err(|_| SealError)?;
        body.splice(0..0, nonce.as_ref().iter().copied());
        Ok(body)
    }

    fn open(&self, purpose: &str, sealed: &[u8]) -> Result<Hidden<Vec<u8>>, SealError> {
        let (nonce, body) = sealed.split_at_checked(NONCE).ok_or(SealError)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| SealError)?;
        let mut body = body.to_vec();
        let clear = self
            .0
            .open_in_place(nonce, Aad::from(purpose.as_bytes()), &mut body)
            .map_err(|_| SealError)?
            .len();
        body.truncate(clear);
        Ok(Hidden::new(body))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_value_opens_with_its_key_and_purpose_only() {
        let folder = tempfile::tempdir().unwrap();
        let key = KeyFile::open(&folder.path().join("a.key")).unwrap();
        let sealed = key.seal("login", b"secret").unwrap();
        assert!(!sealed.windows(6).any(|w| w == b"secret"));
        let same = KeyFile::open(&folder.path().join("a.key")).unwrap();
        assert_eq!(same.open("login", &sealed).unwrap().reveal(), b"secret");
        assert_eq!(same.open("code", &sealed), Err(SealError));
        let other = KeyFile::open(&folder.path().join("b.key")).unwrap();
        assert_eq!(other.open("login", &sealed), Err(SealError));
        for cut in 0..sealed.len() {
            assert_eq!(same.open("login", &sealed[..cut]), Err(SealError));
        }
    }

    #[cfg(unix)]
    #[test]
    fn the_key_file_is_for_its_owner_alone() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.key");
        KeyFile::open(&path).unwrap();
        assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
