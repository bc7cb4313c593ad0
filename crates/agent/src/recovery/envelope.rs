//! The sealed file of kits and moves: opened by a passphrase, whole or not at all.
//!
//! A head (magic, kind, cost of the passphrase, salt, start of the nonces), its HMAC, then pieces of 64 KiB under AES-256-GCM. The nonce of a
//! piece is the start, its number and whether it is the last, so that none can be left out, swapped or cut off. Key and HMAC key come from
//! the passphrase by Argon2id. That the HMAC comes first tells a wrong passphrase from a damaged file.

use argon2::{Algorithm, Argon2, Params, Version};
use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey},
    hmac,
};
use model::Hidden;
use rand::RngCore;
use std::io::{self, Read, Write};

const MAGIC: &[u8; 7] = b"HALOKIT";
/// Version of this form.
const VERSION: u8 = 1;
const SALT: usize = 16;
/// The part of the nonces that all pieces share.
const START: usize = 7;
/// Magic, version, kind, memory, passes, salt, start.
const HEAD: usize = MAGIC.len() + 2 + 8 + SALT + START;
const MAC: usize = 32;
const TAG: usize = 16;
/// Clear bytes of every piece but the last.
const PIECE: usize = 64 * 1024;
/// Most memory that a file may ask for, KiB: whoever writes one must not be able to bring a server down.
const MOST_MEMORY: u32 = 1024 * 1024;
/// Most passes that a file may ask for.
const MOST_PASSES: u32 = 16;

/// What a file is for: one never opens as the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    /// A recovery kit.
    Kit = 1,
    /// A whole installation on its way to another server.
    Move = 2,
}

/// What it costs to try one passphrase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cost {
    /// KiB.
    pub(crate) memory: u32,
    pub(crate) passes: u32,
}

impl Cost {
    /// About half a second and 128 MiB: any practice's server has them, and whoever guesses pays them for each guess.
    pub(crate) const USUAL: Cost = Cost { memory: 128 * 1024, passes: 3 };
}

/// Why a file was not made or not opened.
#[derive(Debug, thiserror::Error)]
pub enum EnvelopeError {
    /// Not such a file.
    #[error("this is not a file of that kind, or its beginning is damaged")]
    NotOurs,
    /// A newer program made it.
    #[error("a newer Halo Link made this file (version {0}): install that version and try again")]
    Newer(u8),
    /// The HMAC does not fit.
    #[error(
        "the passphrase is not the one that this file was made with (or the file's first bytes are damaged)"
    )]
    Passphrase,
    /// The passphrase is right, and what follows is not what was written.
    #[error(
        "the file is damaged or cut off: the passphrase is right, what it protects is not whole. Use another copy of it"
    )]
    Damaged,
    /// It asks for more memory or time than any file of ours.
    #[error("the file asks for more memory than any that Halo Link makes; it was not opened")]
    Costly,
    /// No randomness, or no memory.
    #[error("the passphrase can't be worked with here: {0}")]
    Unable(&'static str),
    /// A disk.
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// Seals all of `clear` into `sealed`.
pub(crate) fn seal(
    purpose: Use,
    passphrase: &Hidden<String>,
    cost: Cost,
    rng: &mut dyn RngCore,
    clear: &mut dyn Read,
    sealed: &mut dyn Write,
) -> Result<(), EnvelopeError> {
    let mut head = Vec::with_capacity(HEAD);
    head.extend_from_slice(MAGIC);
    head.extend_from_slice(&[VERSION, purpose as u8]);
    head.extend_from_slice(&cost.memory.to_be_bytes());
    head.extend_from_slice(&cost.passes.to_be_bytes());
    let mut random = [0; SALT + START];
    rng.fill_bytes(&mut random);
    head.extend_from_slice(&random);
    let keys = Keys::of(passphrase, cost, &random[..SALT])?;
    sealed.write_all(&head)?;
    sealed.write_all(hmac::sign(&keys.mac, &head).as_ref())?;
    let mut pieces = Pieces { keys, head, number: 0 };
    let mut ahead = vec![0; PIECE];
    let mut length = fill(clear, &mut ahead)?;
    loop {
        let mut next = vec![0; PIECE];
        let follows = if length == PIECE { fill(clear, &mut next)? } else { 0 };
        let last = follows == 0;
        let mut piece = std::mem::replace(&mut ahead, next);
        piece.truncate(length);
        pieces.seal(&mut piece, last)?;
        sealed.write_all(&piece)?;
        if last {
            return Ok(sealed.flush()?);
        }
        length = follows;
    }
}

/// Opens all of `sealed` into `clear`, which holds something whole only after an `Ok`.
pub(crate) fn open(
    purpose: Use,
    passphrase: &Hidden<String>,
    sealed: &mut dyn Read,
    clear: &mut dyn Write,
) -> Result<(), EnvelopeError> {
    let mut head = vec![0; HEAD];
    let mut mac = [0; MAC];
    if fill(sealed, &mut head)? < HEAD || fill(sealed, &mut mac)? < MAC {
        return Err(EnvelopeError::NotOurs);
    }
    let (cost, salt) = read_head(purpose, &head)?;
    let keys = Keys::of(passphrase, cost, salt)?;
    // Constant time.
    hmac::verify(&keys.mac, &head, &mac).map_err(|_| EnvelopeError::Passphrase)?;
    let mut pieces = Pieces { keys, head, number: 0 };
    let mut ahead = vec![0; PIECE + TAG];
    let mut length = fill(sealed, &mut ahead)?;
    loop {
        let mut next = vec![0; PIECE + TAG];
        let follows = if length == PIECE + TAG { fill(sealed, &mut next)? } else { 0 };
        let last = follows == 0;
        let mut piece = std::mem::replace(&mut ahead, next);
        piece.truncate(length);
        let opened = Hidden::new(pieces.open(piece, last)?);
        clear.write_all(opened.reveal())?;
        if last {
            return Ok(clear.flush()?);
        }
        length = follows;
    }
}

/// Checks all that can be checked without the passphrase.
pub(crate) fn read_head(purpose: Use, head: &[u8]) -> Result<(Cost, &[u8]), EnvelopeError> {
    let rest = head.strip_prefix(MAGIC).ok_or(EnvelopeError::NotOurs)?;
    let [version, kind, rest @ ..] = rest else { return Err(EnvelopeError::NotOurs) };
    match *version {
        VERSION => {}
        newer if newer > VERSION => return Err(EnvelopeError::Newer(newer)),
        _ => return Err(EnvelopeError::NotOurs),
    }
    if *kind != purpose as u8 {
        return Err(EnvelopeError::NotOurs);
    }
    let number = |bytes: &[u8]| bytes.try_into().map(u32::from_be_bytes).map_err(|_| EnvelopeError::NotOurs);
    let (memory, rest) = rest.split_at_checked(4).ok_or(EnvelopeError::NotOurs)?;
    let (passes, rest) = rest.split_at_checked(4).ok_or(EnvelopeError::NotOurs)?;
    let cost = Cost { memory: number(memory)?, passes: number(passes)? };
    if cost.memory > MOST_MEMORY || cost.passes > MOST_PASSES {
        return Err(EnvelopeError::Costly);
    }
    let (salt, _) = rest.split_at_checked(SALT).ok_or(EnvelopeError::NotOurs)?;
    Ok((cost, salt))
}

struct Keys {
    seal: LessSafeKey,
    mac: hmac::Key,
}

impl Keys {
    fn of(passphrase: &Hidden<String>, cost: Cost, salt: &[u8]) -> Result<Self, EnvelopeError> {
        let unable = |_| EnvelopeError::Unable("no such cost");
        let params = Params::new(cost.memory, cost.passes, 1, Some(64)).map_err(unable)?;
        let mut both = vec![0u8; 64];
        let worked = Argon2::new(Algorithm::Argon2id, Version::V0x13, params).hash_password_into(
            passphrase.reveal().as_bytes(),
            salt,
            &mut both,
        );
        let both = Hidden::new(both);
        worked.map_err(|_| EnvelopeError::Unable("not enough memory"))?;
        let (seal, mac) = both.reveal().split_at(32);
        let seal = UnboundKey::new(&AES_256_GCM, seal).map_err(|_| EnvelopeError::Unable("no such key"))?;
        Ok(Keys { seal: LessSafeKey::new(seal), mac: hmac::Key::new(hmac::HMAC_SHA256, mac) })
    }
}

struct Pieces {
    keys: Keys,
    head: Vec<u8>,
    number: u32,
}

impl Pieces {
    fn nonce(&mut self, last: bool) -> Result<Nonce, EnvelopeError> {
        let mut nonce = [0; START + 5];
        nonce[..START].copy_from_slice(&self.head[HEAD - START..]);
        nonce[START..START + 4].copy_from_slice(&self.number.to_be_bytes());
        nonce[START + 4] = u8::from(last);
        // Four billion pieces are 256 TiB.
        self.number = self.number.checked_add(1).ok_or(EnvelopeError::Unable("too large"))?;
        Ok(Nonce::assume_unique_for_key(nonce))
    }

    fn seal(&mut self, piece: &mut Vec<u8>, last: bool) -> Result<(), EnvelopeError> {
        let nonce = self.nonce(last)?;
        let sealed = self.keys.seal.seal_in_place_append_tag(nonce, Aad::from(&self.head[..]), piece);
        sealed.map_err(|_| EnvelopeError::Unable("it can't be sealed"))
    }

    fn open(&mut self, mut piece: Vec<u8>, last: bool) -> Result<Vec<u8>, EnvelopeError> {
        let nonce = self.nonce(last)?;
        let opened = self.keys.seal.open_in_place(nonce, Aad::from(&self.head[..]), &mut piece);
        let length = opened.map_err(|_| EnvelopeError::Damaged)?.len();
        piece.truncate(length);
        Ok(piece)
    }
}

/// Reads until `into` is full or there is no more.
fn fill(from: &mut dyn Read, into: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < into.len() {
        match from.read(&mut into[filled..]) {
            Ok(0) => break,
            Ok(more) => filled += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand::{SeedableRng, rngs::StdRng};

    /// The least that Argon2 takes: what is tried here is the form, not the cost.
    const CHEAP: Cost = Cost { memory: 8, passes: 1 };

    fn sealed(clear: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        let mut rng = StdRng::seed_from_u64(7);
        seal(Use::Kit, &"right".into(), CHEAP, &mut rng, &mut &clear[..], &mut out).unwrap();
        out
    }

    fn opened(sealed: &[u8], passphrase: &str) -> Result<Vec<u8>, EnvelopeError> {
        let mut out = Vec::new();
        open(Use::Kit, &passphrase.into(), &mut &sealed[..], &mut out).map(|()| out)
    }

    #[test]
    fn whatever_the_length_it_comes_back_and_each_cut_or_swap_is_seen() {
        for length in [0, 1, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE, 2 * PIECE + 5] {
            let clear: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();
            let file = sealed(&clear);
            assert_eq!(opened(&file, "right").unwrap(), clear, "{length}");
            assert!(matches!(opened(&file, "wrong"), Err(EnvelopeError::Passphrase)), "{length}");
            assert!(opened(&file[..file.len() - 1], "right").is_err(), "{length}");
        }
        let clear = vec![1; 2 * PIECE];
        let file = sealed(&clear);
        let body = HEAD + MAC;
        let piece = PIECE + TAG;
        // A whole piece less, or two in the other order, decrypt piece by piece and must not count.
        assert!(matches!(opened(&file[..body + piece], "right"), Err(EnvelopeError::Damaged)));
        let swapped = [&file[..body], &file[body + piece..], &file[body..body + piece]].concat();
        assert!(matches!(opened(&swapped, "right"), Err(EnvelopeError::Damaged)));
    }

    #[test]
    fn a_file_of_another_kind_version_or_price_is_named_as_such() {
        let file = sealed(b"clear");
        let mut out = Vec::new();
        let other = open(Use::Move, &"right".into(), &mut &file[..], &mut out);
        assert!(matches!(other, Err(EnvelopeError::NotOurs)));
        let with = |at: usize, byte: u8| {
            let mut file = file.clone();
            file[at] = byte;
            opened(&file, "right").unwrap_err()
        };
        assert!(matches!(with(MAGIC.len(), 2), EnvelopeError::Newer(2)));
        assert!(matches!(with(MAGIC.len() + 2, 255), EnvelopeError::Costly));
        assert!(matches!(with(0, b'X'), EnvelopeError::NotOurs));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]
        /// A file comes from a drawer, a mail, a stick: whatever became of it, it is refused with a sentence.
        #[test]
        fn one_changed_byte_is_seen_wherever_it_is(at in 0usize..HEAD + MAC + 21, by in 1u8..) {
            let mut file = sealed(b"clear");
            // A changed cost would be worked off before it is seen.
            prop_assume!(!(MAGIC.len() + 2..MAGIC.len() + 10).contains(&at));
            file[at] ^= by;
            prop_assert!(opened(&file, "right").is_err());
        }

        #[test]
        fn anything_else_is_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(opened(&bytes, "right").is_err());
        }
    }
}
