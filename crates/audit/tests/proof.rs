//! Lines, heads and receipts: what is taken, and what is not.
#![allow(clippy::unwrap_used, reason = "a test ends where something is missing")]

mod common;

use audit::{AuditError, Head, LINE_BYTES, Line, Receipt, SignedHead, Witness};
use common::{DAY, NOW, Site};
use model::{IntegratorId, QueryId, SiteId, Timestamp};
use proptest::{collection::vec, option, prelude::*};
use trust::{Kind, Root, TrustError};
use uuid::Uuid;

fn text() -> impl Strategy<Value = Option<String>> {
    option::of("[a-zé\\x00 ]{0,6}")
}

prop_compose! {
    fn any_line()(
        at in any::<i64>(), what in "[a-z-]{0,4}", site in 0u128..3, ids in (option::of(0u128..3), option::of(0u128..3)),
        texts in (text(), text(), text(), text(), text(), text(), text(), text()),
        numbers in (option::of(0u64..3), option::of(any::<u64>()), option::of(any::<u32>())),
        hashes in (option::of(any::<[u8; 32]>()), option::of(any::<[u8; 32]>())),
    ) -> Line {
        Line {
            integrator: ids.0.map(|id| IntegratorId(Uuid::from_u128(id))),
            query: ids.1.map(|id| QueryId(Uuid::from_u128(id))),
            instance: texts.0, device: texts.1, access: texts.2, catalogue: texts.3,
            status: texts.4, effect: texts.5, by: texts.6, detail: texts.7,
            rows: numbers.0, bytes: numbers.1, ms: numbers.2,
            statement: hashes.0, parameters: hashes.1,
            ..Line::new(Timestamp(at), &what, SiteId(Uuid::from_u128(site)))
        }
    }
}

proptest! {
    #[test]
    fn a_line_reads_back_and_no_other_bytes_are_it(line in any_line(), at in any::<prop::sample::Index>(), flip in 1u8..) {
        let bytes = line.encode();
        prop_assert_eq!(Line::decode(&bytes), Ok(line.clone()));
        let mut other = bytes.clone();
        other[at.index(bytes.len())] ^= flip;
        // Whatever they are, they are not this line; and what they are has no other bytes.
        if let Ok(other_line) = Line::decode(&other) {
            prop_assert_ne!(&other_line, &line);
            prop_assert_eq!(other_line.encode(), other);
        }
        prop_assert!(Line::decode(&[&bytes[..], &[0]].concat()).is_err());
        prop_assert!(Line::decode(&bytes[..bytes.len() - 1]).is_err());
    }

    /// A text that moves from one field to the next is another line.
    #[test]
    fn no_two_lines_share_bytes(one in any_line(), other in any_line()) {
        prop_assert_eq!(one == other, one.encode() == other.encode());
    }

    #[test]
    fn no_bytes_break_what_reads_them(bytes in vec(any::<u8>(), 0..300)) {
        for decoded in [Line::decode(&bytes).map(|line| line.encode()),
                        SignedHead::decode(&bytes).map(|head| head.encode()),
                        Receipt::decode(&bytes).map(|receipt| receipt.encode())].into_iter().flatten() {
            prop_assert_eq!(&decoded, &bytes);
        }
        let _ = Witness::from_json(&bytes);
    }
}

#[test]
fn a_receipt_holds_for_whoever_knows_the_guid_and_reads_back_in_both_forms() {
    let site = Site::with(5);
    let receipt = site.receipt(3);
    assert_eq!(receipt.check(), Ok(site.line_of(3)));
    assert_eq!(Receipt::decode(&receipt.encode()), Ok(receipt.clone()));
    assert_eq!(Receipt::from_json(receipt.to_json().as_bytes()), Ok(receipt.clone()));
    assert!(!receipt.to_json().contains('\n'), "a file has one on each line");
    for witness in
        [Witness::Receipt(Box::new(receipt)), Witness::Head(site.head(4)), Witness::Noted(site.head(5).head)]
    {
        let again = Witness::from_json(witness.to_json().as_bytes()).unwrap();
        assert_eq!(again, witness);
        assert!(again.check().is_ok());
    }
}

/// Every byte of a receipt matters: none of it can be changed by whoever keeps it.
#[test]
fn a_receipt_with_one_byte_changed_proves_nothing() {
    let receipt = Site::with(2).receipt(2).encode();
    for at in 0..receipt.len() {
        let mut changed = receipt.clone();
        changed[at] ^= 1;
        let holds = Receipt::decode(&changed).and_then(|receipt| receipt.check());
        // The root's certificate is not looked at but for its key and names: its own signature means nothing (docs/protocol/identity.md).
        if holds.is_ok() {
            let (honest, root) = (
                Receipt::decode(&receipt).unwrap(),
                &Receipt::decode(&changed).unwrap().head.certificates[1],
            );
            assert_ne!(&honest.head.certificates[1], root, "byte {at} does not matter");
            assert_eq!(holds, honest.check());
        }
    }
}

#[test]
fn a_head_that_another_site_signed_is_not_this_ones() {
    let (site, other) = (Site::with(1), Site::with(1));
    assert!(matches!(site.head(1).head.sign(&other.key), Err(AuditError::OtherSite { .. })));
    let mut head = other.head(1);
    head.head = site.head(1).head;
    assert_eq!(head.check().unwrap_err(), AuditError::OtherSite { of: other.id, says: site.id });
    let gateway = Root::generate(Kind::Integrator).unwrap().issue("gateway", 1, NOW, DAY).unwrap();
    assert!(matches!(site.head(1).head.sign(&gateway), Err(AuditError::OtherSite { .. })));
}

/// A receipt is shown to somebody years later: the certificate has run out, and had not when it signed.
#[test]
fn a_certificate_has_to_be_good_when_it_signed_and_not_today() {
    let site = Site::with(1);
    assert!(site.head(1).check().is_ok());
    let late = Head { at: NOW.plus(2 * DAY), ..site.head(1).head }.sign(&site.key).unwrap();
    assert!(matches!(late.check(), Err(AuditError::Certificate(TrustError::Expired { .. }))));
}

#[test]
fn the_line_must_be_the_one_that_the_head_is_of() {
    let site = Site::with(3);
    let mixed = Receipt { line: site.receipt(2).line, ..site.receipt(3) };
    assert_eq!(mixed.check(), Err(AuditError::OtherLine));
    let mut foreign = Site::new();
    foreign.write(&site.line_of(1));
    assert_eq!(foreign.receipt(1).check(), Err(AuditError::OtherLine), "a line of another site");
}

#[test]
fn what_is_too_long_or_of_a_newer_version_is_named_so() {
    let long = Line { by: Some("x".repeat(audit::TEXT_BYTES + 1)), ..Site::with(0).line_of(1) };
    assert_eq!(Line::decode(&long.encode()), Err(AuditError::TooLong("an audit line")));
    assert_eq!(Line::decode(&vec![1; LINE_BYTES + 1]), Err(AuditError::TooLong("an audit line")));
    let mut newer = Site::with(1).receipt(1).encode();
    newer[0] = 2;
    assert_eq!(Receipt::decode(&newer), Err(AuditError::Version { what: "a receipt", version: 2 }));
    let json = Site::with(1).receipt(1).to_json().replace("\"receipt\":1", "\"receipt\":2");
    assert_eq!(
        Receipt::from_json(json.as_bytes()),
        Err(AuditError::Version { what: "a receipt", version: 2 })
    );
}
