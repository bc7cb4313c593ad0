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
    /// Where its key came from.
    fn whence(&self) -> Whence;
}

/// Where a key came from. Kept beside what it sealed, for the day on which it is another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whence {
    /// A file that only the service's account may read.
    File,
    /// A file that only the service's account on this computer can open.
    Dpapi,
    /// The service manager.
    Systemd,
}

impl Whence {
    const ALL: [Whence; 3] = [Whence::File, Whence::Dpapi, Whence::Systemd];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Whence::File => "file",
            Whence::Dpapi => "dpapi",
            Whence::Systemd => "systemd",
        }
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|whence| whence.name() == name)
    }
}

impl std::fmt::Display for Whence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Whence::File => "the key file identity/seal.key of the data folder",
            Whence::Dpapi => {
                "the key file identity\\seal.key.dpapi of the data folder, which only the service's account on this computer opens"
            }
            Whence::Systemd => "systemd's credential halo-link-seal",
        })
    }
}

/// AES-256-GCM under a key that lies in a file only the service's account may read.
pub struct KeyFile {
    key: RandomizedNonceKey,
    whence: Whence,
}

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
                let key = fresh()?;
                if let Some(folder) = path.parent() {
                    crate::files::private_folder(folder)?;
                }
                crate::files::write_private(path, key.reveal())?;
                key
            }
            Err(error) => return Err(error),
        };
        Self::of(key.reveal(), Whence::File)
    }

    /// Reads the key that lies wrapped at `path`, or makes one: it is on the disk only as `wrap` made it. A key in the clear at `plain`, as
    /// an older version kept it, is wrapped and then removed.
    ///
    /// # Errors
    /// When a file can't be read or written, or the key can't be unwrapped: it is never replaced by a new one.
    pub fn open_wrapped(
        path: &Path,
        plain: &Path,
        wrap: impl Fn(&[u8]) -> io::Result<Vec<u8>>,
        unwrap: impl Fn(&[u8]) -> io::Result<Hidden<Vec<u8>>>,
    ) -> io::Result<Self> {
        let key = match fs::read(path) {
            Ok(wrapped) => unwrap(&wrapped).map_err(|error| {
                io::Error::new(
                    error.kind(),
                    format!(
                        "{} can't be opened by this account on this computer ({error}): another account or computer made it. Let \
                         the service run as it did. If that can't be: `HaloLinkUtility forget-pairings`; identity and audit stay, and \
                         every integrator pairs again with a new code",
                        path.display()
                    ),
                )
            })?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let key = match fs::read(plain) {
                    Ok(key) => Hidden::new(key),
                    Err(error) if error.kind() == io::ErrorKind::NotFound => fresh()?,
                    Err(error) => return Err(error),
                };
                // Not a key: nothing is made of it, and it stays where it is.
                Self::of(key.reveal(), Whence::Dpapi)?;
                if let Some(folder) = path.parent() {
                    crate::files::private_folder(folder)?;
                }
                crate::files::write_private(path, &wrap(key.reveal())?)?;
                key
            }
            Err(error) => return Err(error),
        };
        let opened = Self::of(key.reveal(), Whence::Dpapi)?;
        match fs::remove_file(plain) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(opened),
        }
    }

    /// A key as a service manager hands it over (on Linux a systemd credential).
    ///
    /// # Errors
    /// When it is not 32 bytes long.
    pub fn from_bytes(key: &[u8]) -> io::Result<Self> {
        Self::of(key, Whence::Systemd)
    }

    fn of(key: &[u8], whence: Whence) -> io::Result<Self> {
        let broken = || io::Error::new(io::ErrorKind::InvalidData, "the sealing key is not 32 bytes long");
        if key.len() != KEY {
            return Err(broken());
        }
        RandomizedNonceKey::new(&AES_256_GCM, key).map(|key| KeyFile { key, whence }).map_err(|_| broken())
    }
}

/// A new key.
fn fresh() -> io::Result<Hidden<Vec<u8>>> {
    let mut key = vec![0; KEY];
    aws_lc_rs::rand::fill(&mut key).map_err(|_| io::Error::other("no randomness"))?;
    Ok(Hidden::new(key))
}

impl Protector for KeyFile {
    fn seal(&self, purpose: &str, clear: &[u8]) -> Result<Vec<u8>, SealError> {
        let mut body = Vec::with_capacity(NONCE + clear.len() + 16);
        body.extend_from_slice(clear);
        let nonce = self
            .key
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
            .key
            .open_in_place(nonce, Aad::from(purpose.as_bytes()), &mut body)
            .map_err(|_| SealError)?
            .len();
        body.truncate(clear);
        Ok(Hidden::new(body))
    }

    fn whence(&self) -> Whence {
        self.whence
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

    /// As DPAPI does it on Windows, but for the secrecy.
    fn wrapped(folder: &Path, account: u8) -> io::Result<KeyFile> {
        let turn = move |bytes: &[u8]| bytes.iter().map(|byte| byte ^ account).collect::<Vec<_>>();
        let wrap = move |clear: &[u8]| Ok([&[account][..], &turn(clear)].concat());
        let unwrap = move |wrapped: &[u8]| match wrapped.split_first() {
            Some((&by, rest)) if by == account => Ok(Hidden::new(turn(rest))),
            _ => Err(io::Error::other("not this account's")),
        };
        KeyFile::open_wrapped(&folder.join("seal.key.dpapi"), &folder.join("seal.key"), wrap, unwrap)
    }

    #[test]
    fn a_plain_key_is_taken_over_wrapped_and_then_gone() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path();
        let sealed = KeyFile::open(&folder.join("seal.key")).unwrap().seal("login", b"secret").unwrap();
        let plain = fs::read(folder.join("seal.key")).unwrap();
        let taken = wrapped(folder, 7).unwrap();
        assert_eq!(taken.open("login", &sealed).unwrap().reveal(), b"secret");
        assert!(!folder.join("seal.key").exists());
        let on_disk = fs::read(folder.join("seal.key.dpapi")).unwrap();
        assert!(!on_disk.windows(KEY).any(|part| part == plain));
        // The next start has only the wrapped one.
        assert_eq!(wrapped(folder, 7).unwrap().open("login", &sealed).unwrap().reveal(), b"secret");
        // One that was left behind by a crash between the two steps goes too.
        fs::write(folder.join("seal.key"), plain).unwrap();
        wrapped(folder, 7).unwrap();
        assert!(!folder.join("seal.key").exists());
    }

    #[test]
    fn a_key_that_another_account_wrapped_is_refused_and_not_replaced() {
        let home = tempfile::tempdir().unwrap();
        wrapped(home.path(), 7).unwrap();
        let before = fs::read(home.path().join("seal.key.dpapi")).unwrap();
        let error = wrapped(home.path(), 8).unwrap_err().to_string();
        assert!(
            error.contains("another account or computer") && error.contains("forget-pairings"),
            "{error}"
        );
        assert_eq!(fs::read(home.path().join("seal.key.dpapi")).unwrap(), before);
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
