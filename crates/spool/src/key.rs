//! The key of one attempt's pages.

use aws_lc_rs::aead::{AES_256_GCM, LessSafeKey, UnboundKey};
use model::Hidden;
use std::io;

const KEY: usize = 32;

/// Seals the pages of one attempt and of nothing else: their nonces are their numbers. Can't be printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Key(Hidden<Vec<u8>>);

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key")
    }
}

impl Key {
    /// A new one.
    ///
    /// # Errors
    /// When the system gives no randomness.
    pub fn fresh() -> io::Result<Self> {
        let mut key = vec![0; KEY];
        aws_lc_rs::rand::fill(&mut key).map_err(|_| io::Error::other("no randomness"))?;
        Ok(Key(Hidden::new(key)))
    }

    /// One that was kept; `None` when it is not 32 bytes long.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        (bytes.len() == KEY).then(|| Key(Hidden::new(bytes.to_vec())))
    }

    /// Its bytes, to be kept sealed.
    pub fn bytes(&self) -> &[u8] {
        self.0.reveal()
    }

    pub(super) fn cipher(&self) -> io::Result<LessSafeKey> {
        let key = UnboundKey::new(&AES_256_GCM, self.bytes());
        key.map(LessSafeKey::new).map_err(|_| io::Error::other("a page's key is not one"))
    }
}
