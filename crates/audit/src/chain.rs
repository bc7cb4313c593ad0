//! The value that holds a line and all before it.

use aws_lc_rs::digest::{Context, SHA256};
use model::SiteId;

/// Ends in a zero byte, as all labels do, so that none is the beginning of another.
const LABEL: &[u8] = b"halo-connect audit line v1\0";

/// What stands before a site's first line: SHA-256(label || the site's GUID).
pub fn genesis(site: SiteId) -> [u8; 32] {
    let mut hash = Context::new(&SHA256);
    hash.update(LABEL);
    hash.update(site.as_bytes());
    finish(hash)
}

/// Bits of a number that count the lines of one server; what is above them counts restores.
const LINES: u32 = 40;

/// The number that a server's first line follows which was restored from a kit as the site's so-manyth: above every number that the lost
/// ones may have given. The value there is [`genesis`], as at 0.
pub fn restored_start(generation: u64) -> u64 {
    generation << LINES
}

/// After how many restores a line of this number was written.
pub fn generation(number: u64) -> u64 {
    number >> LINES
}

/// The value of line `number`, counted from 1, after the line with value `before`: SHA-256(label || before || number, 8 bytes
/// big-endian || line).
///
/// Everything before `line` has a fixed length, so no two calls hash the same bytes; and a genesis is shorter than any of them.
pub fn chain(before: &[u8; 32], number: u64, line: &[u8]) -> [u8; 32] {
    let mut hash = Context::new(&SHA256);
    hash.update(LABEL);
    hash.update(before);
    hash.update(&number.to_be_bytes());
    hash.update(line);
    finish(hash)
}

fn finish(hash: Context) -> [u8; 32] {
    let mut value = [0; 32];
    value.copy_from_slice(hash.finish().as_ref());
    value
}
