//! A site hands the practice over to another one: "for this identifier of the vendor, the site with that GUID is the one to use from now on",
//! signed by the site's own root.
//!
//! Whoever holds the statement can carry it; only the root can make it. `docs/protocol/identity.md` is the normative text.

use crate::{Kind, Root, TrustError, guid, is_p256_spki};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use model::{SiteId, Timestamp};
use uuid::Uuid;

/// Goes before every statement that is signed.
const LABEL: &[u8] = b"halo-connect hand over v1\0";
/// Goes before its text.
const PREFIX: &str = "halo-hand-over-1.";
/// Length of a P-256 public key.
const SPKI: usize = 91;
/// Longest signature, DER.
const SIGNATURE: usize = 72;
/// Longest vendor's identifier, bytes.
const PMS_ID: usize = 128;
/// Longest name of a software or an environment, bytes.
const WORD: usize = 32;
/// Longest text that is read, bytes.
pub const MAX_HAND_OVER_BYTES: usize = 1024;

/// What is said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandOver {
    /// The site that was authoritative; its root has signed.
    pub from: SiteId,
    /// The site that is to be.
    pub to: SiteId,
    /// The software, as `Pms::type_name` has it.
    pub pms: String,
    /// The vendor's identifier of the practice.
    pub pms_id: String,
    /// `production`, `stage` or `demo`.
    pub environment: String,
    /// When, by the site's clock: of two statements of one site the later counts.
    pub at: Timestamp,
}

impl HandOver {
    /// from (16 bytes), to (16), at (8, big-endian, ms since 1970), then pms, pms_id, environment, each with its length before it (1 byte).
    fn bytes(&self) -> Result<Vec<u8>, TrustError> {
        let mut bytes = Vec::with_capacity(256);
        bytes.extend_from_slice(self.from.as_bytes());
        bytes.extend_from_slice(self.to.as_bytes());
        bytes.extend_from_slice(&self.at.0.to_be_bytes());
        for (text, most) in [(&self.pms, WORD), (&self.pms_id, PMS_ID), (&self.environment, WORD)] {
            let length = u8::try_from(text.len()).ok().filter(|length| usize::from(*length) <= most);
            bytes.push(length.ok_or(TrustError::TooLong("a hand-over's text"))?);
            bytes.extend_from_slice(text.as_bytes());
        }
        Ok(bytes)
    }

    /// Signs it with the root of the site that hands over: one line of text.
    ///
    /// # Errors
    /// [`TrustError::WrongKind`] for another site's root, [`TrustError::TooLong`] for its texts.
    pub fn sign(&self, root: &Root) -> Result<String, TrustError> {
        if root.kind() != Kind::Site || root.id() != self.from.0 {
            return Err(TrustError::WrongKind);
        }
        let said = self.bytes()?;
        let signature = root.sign_labelled(LABEL, &said)?;
        Ok(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode([&said[..], root.spki(), &signature].concat())))
    }

    /// Reads a text and checks that the root of the site that it names has signed it. Space around it does not count.
    ///
    /// # Errors
    /// [`TrustError`]; never repeats any of the text.
    pub fn read(text: &str) -> Result<Self, TrustError> {
        let malformed = || TrustError::Malformed("a hand-over");
        let text = text.trim();
        if text.len() > MAX_HAND_OVER_BYTES {
            return Err(TrustError::TooLong("a hand-over"));
        }
        let text = text.strip_prefix(PREFIX).ok_or_else(malformed)?;
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| malformed())?;
        let mut rest = Rest(&bytes);
        let id = |bytes: &[u8]| Uuid::from_slice(bytes).map(SiteId).map_err(|_| malformed());
        let (from, to) = (id(rest.take(16)?)?, id(rest.take(16)?)?);
        let at = rest.take(8)?.try_into().map(i64::from_be_bytes).map_err(|_| malformed())?;
        let (pms, pms_id, environment) = (rest.text(WORD)?, rest.text(PMS_ID)?, rest.text(WORD)?);
        let said = &bytes[..bytes.len() - rest.0.len()];
        let spki = rest.take(SPKI)?;
        let signature = rest.0;
        if signature.len() > SIGNATURE {
            return Err(malformed());
        }
        if !is_p256_spki(spki) {
            return Err(TrustError::NotP256);
        }
        let met = guid(Kind::Site, spki);
        if met != from.0 {
            return Err(TrustError::WrongIdentity { expected: from.0, met });
        }
        // The point alone: what follows the fixed beginning.
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, &spki[SPKI - 65..])
            .verify(&[LABEL, said].concat(), signature)
            .map_err(|_| TrustError::BadSignature)?;
        Ok(HandOver { from, to, pms, pms_id, environment, at: Timestamp(at) })
    }
}

struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], TrustError> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(TrustError::Malformed("a hand-over"))?;
        self.0 = rest;
        Ok(taken)
    }

    fn text(&mut self, most: usize) -> Result<String, TrustError> {
        let length = usize::from(self.take(1)?[0]);
        if length > most {
            return Err(TrustError::TooLong("a hand-over's text"));
        }
        let text = std::str::from_utf8(self.take(length)?);
        text.map(str::to_owned).map_err(|_| TrustError::Malformed("a hand-over"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn said(root: &Root) -> HandOver {
        HandOver {
            from: SiteId(root.id()),
            to: SiteId(Uuid::from_u128(2)),
            pms: "BestPractice".to_owned(),
            pms_id: "1001".to_owned(),
            environment: "stage".to_owned(),
            at: Timestamp(1_790_000_000_000),
        }
    }

    #[test]
    fn only_the_sites_own_root_hands_over_and_every_word_is_signed() {
        let root = Root::generate(Kind::Site).unwrap();
        let text = said(&root).sign(&root).unwrap();
        assert_eq!(HandOver::read(&format!("  {text}\n")), Ok(said(&root)));
        let other = Root::generate(Kind::Site).unwrap();
        assert_eq!(said(&root).sign(&other), Err(TrustError::WrongKind));
        let same_key = Root::from_pkcs8(Kind::Link, root.to_pkcs8().reveal()).unwrap();
        assert_eq!(said(&root).sign(&same_key), Err(TrustError::WrongKind));
        // A statement of another root under this site's name.
        let forged = HandOver { from: SiteId(other.id()), ..said(&root) }.sign(&other).unwrap();
        let mut bytes = URL_SAFE_NO_PAD.decode(forged.strip_prefix(PREFIX).unwrap()).unwrap();
        bytes[..16].copy_from_slice(root.id().as_bytes());
        let forged = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes));
        assert!(matches!(HandOver::read(&forged), Err(TrustError::WrongIdentity { .. })));
    }

    #[test]
    fn texts_that_are_too_long_are_refused_when_signed_and_when_read() {
        let root = Root::generate(Kind::Site).unwrap();
        let long = HandOver { pms_id: "x".repeat(PMS_ID + 1), ..said(&root) };
        assert!(matches!(long.sign(&root), Err(TrustError::TooLong(_))));
        let longest = HandOver {
            pms_id: "x".repeat(PMS_ID),
            pms: "y".repeat(WORD),
            environment: "z".repeat(WORD),
            ..said(&root)
        };
        let text = longest.sign(&root).unwrap();
        assert!(text.len() <= MAX_HAND_OVER_BYTES);
        assert_eq!(HandOver::read(&text), Ok(longest));
        assert!(matches!(HandOver::read(&"x".repeat(MAX_HAND_OVER_BYTES + 1)), Err(TrustError::TooLong(_))));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]
        #[test]
        fn one_changed_bit_is_seen_wherever_it_is(at in 0usize..10_000, bit in 0u8..8) {
            let root = Root::generate(Kind::Site).unwrap();
            let text = said(&root).sign(&root).unwrap();
            let mut bytes = URL_SAFE_NO_PAD.decode(text.strip_prefix(PREFIX).unwrap()).unwrap();
            let at = at % bytes.len();
            bytes[at] ^= 1 << bit;
            let changed = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes));
            prop_assert!(HandOver::read(&changed).is_err());
        }

        #[test]
        fn any_text_is_refused_without_a_panic(text in ".{0,200}", bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            prop_assert!(HandOver::read(&text).is_err());
            let encoded = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes));
            prop_assert!(HandOver::read(&encoded).is_err());
        }
    }
}
