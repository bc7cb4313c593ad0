//! Markers to plant in data and to look for where they must not be.

use crate::Needle;
use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use std::fmt::Write;

/// Characters of one marker: 24 of 62 is 142 bits, so no marker is found by accident.
const LENGTH: usize = 24;
const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// A marker of random letters and digits: safe in SQL, JSON, URLs and XML without escapes, and without repetition that
/// a dictionary compressor could replace by a reference. (An entropy coder may still re-code its letters: plant it more
/// than once, in short values too.)
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Canary {
    text: String,
}

impl Canary {
    /// The same seed gives the same marker; print the seed in tests.
    pub fn new(seed: u64) -> Canary {
        let mut state = seed;
        let text = (0..LENGTH).map(|_| ALPHABET[(next(&mut state) % 62) as usize] as char).collect();
        Canary { text }
    }

    /// A secret that exists already, to be looked for in all the same forms.
    pub fn from_text(text: &str) -> Canary {
        Canary { text: text.to_owned() }
    }

    /// The marker itself.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Every form to look for: UTF-16 (little endian), and all those of [`needles`].
    /// `label` says where the marker was planted and starts each needle's label.
    pub fn needles(&self, label: &str) -> Vec<Needle> {
        let wide = self.text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let mut all = needles(label, self.text.as_bytes());
        all.push(Needle { label: format!("{label}/utf-16le"), bytes: wide });
        all
    }
}

/// Every form of a secret that is bytes and not text, such as a key: as it is, base64 at its three alignments, hex in both cases.
pub fn needles(label: &str, bytes: &[u8]) -> Vec<Needle> {
    let named = |form: &str, bytes: Vec<u8>| Needle { label: format!("{label}/{form}"), bytes };
    let mut needles = vec![named("plain", bytes.to_vec())];
    for offset in 0..3 {
        let plain = base64_core(bytes, offset);
        let url = plain.replace('+', "-").replace('/', "_");
        if url != plain {
            needles.push(named(&format!("base64url+{offset}"), url.into_bytes()));
        }
        needles.push(named(&format!("base64+{offset}"), plain.into_bytes()));
    }
    let hex = bytes.iter().fold(String::new(), |mut all, byte| {
        write!(all, "{byte:02x}").expect("writing to a String can't fail");
        all
    });
    needles.push(named("HEX", hex.to_uppercase().into_bytes()));
    needles.push(named("hex", hex.into_bytes()));
    needles
}

/// The base64 characters that depend on `bytes` alone when it stands `offset` bytes into a base64 text.
fn base64_core(bytes: &[u8], offset: usize) -> String {
    let mut padded = vec![0; offset];
    padded.extend_from_slice(bytes);
    let text = STANDARD_NO_PAD.encode(&padded);
    text[(offset * 8).div_ceil(6)..padded.len() * 8 / 6].to_owned()
}

/// SplitMix64: a seed's worth of randomness without a dependency.
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scan;

    #[test]
    fn every_alignment_of_base64_is_found_whatever_stands_around_it() {
        let canary = Canary::new(7);
        let needles = canary.needles("row");
        for before in 0..7 {
            for after in 0..5 {
                let text = format!("{}{}{}", "x".repeat(before), canary.text(), "y".repeat(after));
                let hits = scan::bytes(STANDARD_NO_PAD.encode(text).as_bytes(), &needles);
                assert!(hits.iter().any(|h| h.label.contains("base64")), "{before} {after}");
            }
        }
    }

    #[test]
    fn markers_differ_by_seed_and_repeat_by_seed() {
        assert_eq!(Canary::new(1), Canary::new(1));
        assert_ne!(Canary::new(1), Canary::new(2));
    }

    #[test]
    fn wide_and_hex_forms_are_found() {
        let canary = Canary::new(3);
        let wide: Vec<u8> = canary.text().encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(scan::bytes(&wide, &canary.needles("login"))[0].label, "login/utf-16le");
        let hex: String = canary.text().bytes().map(|b| format!("{b:02x}")).collect();
        assert_eq!(scan::bytes(hex.as_bytes(), &canary.needles("login"))[0].label, "login/hex");
    }
}
