//! An integrator's word about its own gateways: only its root says it, and only what it says counts.
#![allow(clippy::unwrap_used, reason = "a test ends where something is missing")]

use proptest::prelude::*;
use trust::{
    Kind, Root, TrustError,
    revocation::{MAX_BYTES, MAX_INSTANCES, Revocations, peek, sign, verify},
};

fn of(instances: &[(&str, u64)]) -> Revocations {
    let instances = instances.iter().map(|(name, serial)| ((*name).to_owned(), *serial)).collect();
    Revocations { number: 3, instances }
}

#[test]
fn the_roots_word_is_believed_and_nobody_elses() {
    let (root, other) =
        (Root::generate(Kind::Integrator).unwrap(), Root::generate(Kind::Integrator).unwrap());
    let word = of(&[("b", 9), ("a", 5)]);
    let bytes = sign(&root, &word).unwrap();
    assert_eq!(verify(root.spki(), &bytes), Ok(word.clone()));
    assert_eq!(verify(other.spki(), &bytes), Err(TrustError::BadSignature));
    assert_eq!(peek(&bytes), Ok(word));
    let link = Root::generate(Kind::Link).unwrap();
    assert_eq!(sign(&link, &of(&[])), Err(TrustError::WrongKind));
}

#[test]
fn a_higher_serial_brings_an_instance_back_and_other_names_are_not_meant() {
    let word = of(&[("gateway one", 5)]);
    assert!(word.cover("gateway one", 1) && word.cover("gateway one", 5));
    assert!(!word.cover("gateway one", 6) && !word.cover("gateway on", 5) && !word.cover("Gateway One", 5));
}

#[test]
fn what_has_no_form_is_not_signed_and_not_read() {
    let root = Root::generate(Kind::Integrator).unwrap();
    let many: Vec<String> = (0..=MAX_INSTANCES).map(|at| at.to_string()).collect();
    let many: Vec<(&str, u64)> = many.iter().map(|name| (name.as_str(), 1)).collect();
    assert!(sign(&root, &of(&many)).is_err());
    assert!(sign(&root, &of(&many[1..])).is_ok());
    for wrong in [of(&[("", 1)]), of(&[("a\nb", 1)]), of(&[("a", 0)]), Revocations::default()] {
        assert!(sign(&root, &wrong).is_err(), "{wrong:?}");
    }
    // More than fits into the question that it travels in.
    let long: Vec<String> =
        (0..MAX_INSTANCES).map(|at| format!("{at:02}{}", "\u{1f600}".repeat(198))).collect();
    let long: Vec<(&str, u64)> = long.iter().map(|name| (name.as_str(), 1)).collect();
    assert!(sign(&root, &of(&long)).is_err());
    assert!(sign(&root, &of(&long[..MAX_INSTANCES / 2])).unwrap().len() <= MAX_BYTES);
    assert_eq!(peek(&vec![0; MAX_BYTES + 1]), Err(TrustError::TooLong("the revocations")));
}

#[test]
fn every_changed_byte_is_noticed() {
    let root = Root::generate(Kind::Integrator).unwrap();
    let bytes = sign(&root, &of(&[("a", 5), ("b", 9)])).unwrap();
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        assert!(verify(root.spki(), &changed).is_err(), "byte {at}");
        assert!(verify(root.spki(), &bytes[..at]).is_err(), "cut at {at}");
    }
}

proptest! {
    #[test]
    fn what_is_signed_reads_back(number in 1..i64::MAX as u64, instances in prop::collection::btree_map("[a-z0-9 ]{1,20}", 1..u64::MAX, 0..20)) {
        let (root, word) = (Root::generate(Kind::Integrator).unwrap(), Revocations { number, instances });
        prop_assert_eq!(verify(root.spki(), &sign(&root, &word).unwrap()), Ok(word));
    }

    #[test]
    fn no_bytes_break_the_parser(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = peek(&bytes);
    }
}
