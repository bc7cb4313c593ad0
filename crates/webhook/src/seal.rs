//! Secrets at rest: AES-256-GCM under a key that the gateway keeps in a file of its own, so that a copy of the database alone
//! signs nothing.

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use model::Hidden;

/// Length of the key.
pub const KEY_BYTES: usize = 32;

/// Opens and shuts what it sealed.
pub struct Sealer(RandomizedNonceKey);

impl std::fmt::Debug for Sealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sealer")
    }
}

impl Sealer {
    /// With this key; `None` when it is not [`KEY_BYTES`] long.
    pub fn new(key: &[u8]) -> Option<Sealer> {
        RandomizedNonceKey::new(&AES_256_GCM, key).ok().map(Sealer)
    }

    /// Seals. `place` must be the same when it is opened: a value moved elsewhere stays shut. `None`: the machine has no randomness.
    pub fn seal(&self, place: &[u8], clear: &Hidden<String>) -> Option<Vec<u8>> {
        let mut sealed = clear.reveal().clone().into_bytes();
        let nonce = self.0.seal_in_place_append_tag(Aad::from(place), &mut sealed).ok()?;
        Some([&nonce.as_ref()[..], &sealed].concat())
    }

    /// Opens what was sealed for this place; `None` for anything else.
    pub fn open(&self, place: &[u8], sealed: &[u8]) -> Option<Hidden<String>> {
        let (nonce, body) = sealed.split_first_chunk::<NONCE_LEN>()?;
        let mut body = body.to_vec();
        let clear = self.0.open_in_place(Nonce::from(nonce), Aad::from(place), &mut body).ok()?;
        Some(Hidden::new(String::from_utf8(clear.to_vec()).ok()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_secret_opens_in_its_place_alone() {
        let sealer = Sealer::new(&[7; 32]).unwrap();
        let sealed = sealer.seal(b"here", &Hidden::from("a secret word")).unwrap();
        assert_eq!(sealer.open(b"here", &sealed).unwrap().reveal(), "a secret word");
        assert!(sealer.open(b"there", &sealed).is_none());
        assert!(Sealer::new(&[8; 32]).unwrap().open(b"here", &sealed).is_none());
        assert!(sealer.open(b"here", &sealed[..5]).is_none());
        assert!(!sealed.windows(6).any(|w| w == b"secret"));
        assert!(Sealer::new(&[7; 31]).is_none());
    }
}
