//! One frame of a page: compressed, then sealed, bound to its place.
//!
//! On disk: four bytes, big endian, whose highest bit says that it is the last of its page and whose other bits say how many
//! sealed bytes follow. What the bit says is sealed with it.

use crate::Owner;
use aws_lc_rs::aead::{Aad, LessSafeKey, Nonce};

/// Most bytes of content in one frame.
pub const FRAME_BYTES: usize = 192 * 1024;
/// Most sealed bytes of one frame: content that does not compress grows by less than a hundredth.
pub(super) const SEALED_BYTES: usize = 256 * 1024;
/// What every page begins with.
pub(super) const MAGIC: &[u8; 8] = b"halopag1";
pub(super) const HEADER: usize = 4;
const TAG: usize = 16;
const LAST: u32 = 1 << 31;

/// Which page it is: a frame that was moved to another place does not open there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Binding {
    /// Whose.
    pub owner: Owner,
    /// Of which attempt, and so under which key.
    pub attempt: u32,
    /// From 1.
    pub page: u32,
}

impl Binding {
    fn aad(&self, frame: u32, last: bool) -> [u8; 29] {
        let mut aad = [0; 29];
        aad[..16].copy_from_slice(&self.owner.0);
        aad[16..20].copy_from_slice(&self.attempt.to_be_bytes());
        aad[20..24].copy_from_slice(&self.page.to_be_bytes());
        aad[24..28].copy_from_slice(&frame.to_be_bytes());
        aad[28] = u8::from(last);
        aad
    }

    /// Never twice under one key: an attempt writes each page once, and each frame of it.
    fn nonce(&self, frame: u32, last: bool) -> Nonce {
        let mut nonce = [0; 12];
        nonce[..4].copy_from_slice(&self.page.to_be_bytes());
        nonce[4..8].copy_from_slice(&frame.to_be_bytes());
        nonce[8] = u8::from(last);
        Nonce::assume_unique_for_key(nonce)
    }

    /// Seals a compressed frame and puts its header before it.
    pub(super) fn seal(
        &self,
        key: &LessSafeKey,
        frame: u32,
        last: bool,
        packed: &mut Vec<u8>,
    ) -> Option<[u8; HEADER]> {
        let aad = Aad::from(self.aad(frame, last));
        key.seal_in_place_append_tag(self.nonce(frame, last), aad, packed).ok()?;
        let length = u32::try_from(packed.len()).ok().filter(|_| packed.len() <= SEALED_BYTES)?;
        Some((length | if last { LAST } else { 0 }).to_be_bytes())
    }

    /// Opens a frame in place; `None` when it is not this one, or damaged.
    pub(super) fn open<'a>(
        &self,
        key: &LessSafeKey,
        frame: u32,
        last: bool,
        sealed: &'a mut [u8],
    ) -> Option<&'a [u8]> {
        let aad = Aad::from(self.aad(frame, last));
        key.open_in_place(self.nonce(frame, last), aad, sealed).ok().map(|clear| &*clear)
    }
}

/// How many sealed bytes follow, and whether they are the last; `None` when no frame is so long.
pub(super) fn header(bytes: [u8; HEADER]) -> Option<(usize, bool)> {
    let word = u32::from_be_bytes(bytes);
    let length = (word & !LAST) as usize;
    (TAG..=SEALED_BYTES).contains(&length).then_some((length, word & LAST != 0))
}
