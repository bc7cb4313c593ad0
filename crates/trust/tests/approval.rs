//! The PMS vendor's approval: who may say what for whom, and that nothing else passes for it.
#![allow(clippy::unwrap_used, reason = "a test ends where something is missing")]

mod common;

use common::{DAY, NOW, before};
use model::{Access, Pms, Timestamp};
use proptest::prelude::*;
use trust::{
    Kind, Root, TrustError,
    approval::{
        Approval, Environments, MAX_BYTES, MAX_NOTE_BYTES, Misfit, Signed, Signer, VendorKey, Wanted,
        der_signature, sign,
    },
};

fn approval(root: &[u8]) -> Approval {
    Approval {
        integrator_root: root.to_vec(),
        integrator_name: "Acme Recalls".to_owned(),
        pms: Pms::BestPractice,
        environments: Environments::of(["production", "stage"]).unwrap(),
        access: Access::ReadOnly,
        note: "Recalls only.\nTicket 17".to_owned(),
        not_before: NOW,
        expires: NOW.plus(DAY),
        serial: 7,
    }
}

fn root() -> Vec<u8> {
    Root::generate(Kind::Integrator).unwrap().spki().to_vec()
}

fn wanted(root: &[u8]) -> Wanted<'_> {
    Wanted { integrator_root: root, pms: Pms::BestPractice, environment: "stage", now: NOW }
}

#[test]
fn what_a_vendor_signed_covers_that_integrator_and_nothing_more() {
    let (vendor, root, other) = (VendorKey::generate().unwrap(), root(), root());
    let keys = [VendorKey::generate().unwrap().spki().to_vec(), vendor.spki().to_vec()];
    let signed = sign(&approval(&root), &vendor).unwrap();
    let good = wanted(&root);
    assert_eq!(signed.check(&keys, &good).unwrap().access, Access::ReadOnly);
    let cases = [
        (Wanted { integrator_root: &other, ..good }, Misfit::Integrator),
        (Wanted { pms: Pms::Zedmed, ..good }, Misfit::Pms),
        (Wanted { environment: "demo", ..good }, Misfit::Environment),
        (Wanted { now: before(common::HOUR), ..good }, Misfit::NotYet),
        (Wanted { now: NOW.plus(DAY), ..good }, Misfit::Expired),
    ];
    for (wanted, misfit) in cases {
        assert_eq!(signed.check(&keys, &wanted), Err(misfit), "{wanted:?}");
    }
    // The vendor's clock may be ahead.
    let early = common::before(trust::approval::SKEW);
    assert!(signed.check(&keys, &Wanted { now: early, ..good }).is_ok());
    assert_eq!(
        signed.check(&keys, &Wanted { now: Timestamp(early.0 - 1), ..good }),
        Err(Misfit::NotYet),
        "by no more than five minutes"
    );
    assert!(
        signed.check(&keys, &Wanted { now: Timestamp(NOW.plus(DAY).0 - 1), ..good }).is_ok(),
        "to its last moment"
    );
    assert_eq!(signed.check(&keys[..1], &good), Err(Misfit::Signature));
    assert_eq!(signed.check(&[], &good), Err(Misfit::Signature), "nobody's word is nobody's");
}

#[test]
fn every_changed_byte_is_noticed() {
    let (vendor, root) = (VendorKey::generate().unwrap(), root());
    let keys = [vendor.spki().to_vec()];
    let bytes = sign(&approval(&root), &vendor).unwrap().to_bytes();
    for at in 0..bytes.len() {
        for flip in [0x01, 0x80] {
            let mut changed = bytes.clone();
            changed[at] ^= flip;
            let passes =
                Signed::parse(&changed).is_ok_and(|signed| signed.check(&keys, &wanted(&root)).is_ok());
            assert!(!passes, "byte {at}");
        }
        assert!(Signed::parse(&bytes[..at]).is_err(), "cut at {at}");
    }
    assert!(Signed::parse(&[&bytes[..], b"x"].concat()).is_err());
}

#[test]
fn a_file_reads_back_with_words_around_it() {
    let signed = sign(&approval(&root()), &VendorKey::generate().unwrap()).unwrap();
    let text = format!("From: vendor\r\n\r\n{}\nbye", signed.to_text().replace('\n', "\r\n"));
    assert_eq!(Signed::from_text(&text).unwrap(), signed);
    for broken in [text.replace("BEGIN", "BEGINS"), text.replace("END HALO", "END"), "x".repeat(100_000)] {
        assert!(Signed::from_text(&broken).is_err());
    }
}

#[test]
fn what_has_no_form_is_not_signed() {
    let (vendor, good) = (VendorKey::generate().unwrap(), approval(&root()));
    let odd = Timestamp(good.expires.0 + 1);
    let wrong = [
        Approval { integrator_root: vec![1; 91], ..good.clone() },
        Approval { integrator_name: String::new(), ..good.clone() },
        Approval { integrator_name: "a\u{202e}b".to_owned(), ..good.clone() },
        Approval { note: "n".repeat(MAX_NOTE_BYTES + 1), ..good.clone() },
        Approval { note: "\u{1b}[2J".to_owned(), ..good.clone() },
        Approval { expires: good.not_before, ..good.clone() },
        Approval { expires: odd, ..good.clone() },
        Approval { not_before: Timestamp(-1000), ..good.clone() },
        Approval { serial: 0, ..good.clone() },
        Approval { serial: u64::MAX, ..good.clone() },
    ];
    for approval in wrong {
        assert!(sign(&approval, &vendor).is_err(), "{approval:?}");
    }
    assert!(Environments::of([]).is_err() && Environments::of(["moon"]).is_err());
    assert_eq!(Signed::parse(&vec![0; MAX_BYTES + 1]), Err(TrustError::TooLong("the approval")));
}

/// A module that signs with another key than the one it shows must be found out before anything leaves the vendor.
#[test]
fn a_signer_that_signs_with_another_key_is_found_out() {
    struct Mixed(VendorKey, VendorKey);
    impl Signer for Mixed {
        type Error = TrustError;
        fn spki(&self) -> &[u8] {
            self.0.spki()
        }
        fn sign(&self, message: &[u8]) -> Result<Vec<u8>, TrustError> {
            self.1.sign(message)
        }
    }
    let mixed = Mixed(VendorKey::generate().unwrap(), VendorKey::generate().unwrap());
    assert_eq!(sign(&approval(&root()), &mixed), Err(TrustError::BadSignature));
}

#[test]
fn a_key_reads_back_and_is_printed_nowhere() {
    let vendor = VendorKey::generate().unwrap();
    let pem = vendor.to_pem();
    assert_eq!(VendorKey::from_pem(pem.reveal()).unwrap().spki(), vendor.spki());
    assert!(!format!("{vendor:?}{pem:?}").contains("PRIVATE"));
    assert!(VendorKey::from_pem("no key").is_err());
}

/// With ECDSA of the library's own, taken apart as hardware gives it: leading zeros and high bits both come up.
#[test]
fn a_raw_signature_becomes_the_same_signature_in_asn_1() {
    let number = |der: &[u8]| {
        let digits: Vec<u8> = der.iter().copied().skip_while(|byte| *byte == 0).collect();
        [vec![0; 32 - digits.len()], digits].concat()
    };
    let vendor = VendorKey::generate().unwrap();
    for round in 0..600_u32 {
        let der = vendor.sign(&round.to_be_bytes()).unwrap();
        let r = 4 + usize::from(der[3]);
        let raw = [number(&der[4..r]), number(&der[r + 2..])].concat();
        assert_eq!(der_signature(&raw).unwrap(), der);
    }
    assert!(der_signature(&[1; 63]).is_err());
    assert_eq!(der_signature(&[0; 64]).unwrap(), [0x30, 6, 2, 1, 0, 2, 1, 0]);
}

proptest! {
    #[test]
    fn what_is_signed_reads_back_and_has_one_form(
        name in "[a-zA-Z0-9 äöü]{1,60}", note in "[ -~\n]{0,200}", pms in 0..3_usize, bits in 1..8_u8, read_only in any::<bool>(),
        from in 0..2_000_000_000_i64, lasts in 1..1_000_000_000_i64, serial in 1..i64::MAX as u64,
    ) {
        let names = model::ENVIRONMENTS.into_iter().enumerate().filter(|(at, _)| bits & (1 << at) != 0).map(|(_, name)| name);
        let of = Approval {
            integrator_root: root(),
            integrator_name: name,
            pms: [Pms::BestPractice, Pms::Zedmed, Pms::D4w][pms],
            environments: Environments::of(names).unwrap(),
            access: if read_only { Access::ReadOnly } else { Access::ReadWrite },
            note,
            not_before: Timestamp(from * 1000),
            expires: Timestamp((from + lasts) * 1000),
            serial,
        };
        let signed = sign(&of, &VendorKey::generate().unwrap()).unwrap();
        let again = Signed::parse(&signed.to_bytes()).unwrap();
        prop_assert_eq!(again.approval(), &of);
        prop_assert_eq!(again, signed);
    }

    #[test]
    fn no_bytes_break_the_parser(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        if let Ok(signed) = Signed::parse(&bytes) {
            prop_assert_eq!(signed.to_bytes(), bytes);
        }
    }
}
