//! Roots, what they issue, and what is refused.
#![allow(clippy::unwrap_used, reason = "a test ends where something is missing")]

mod common;

use common::{DAY, HOUR, NOW, before, issued, pair};
use model::Timestamp;
use proptest::prelude::*;
use rustls::pki_types::CertificateDer;
use std::time::Duration;
use trust::{Kind, MAX_NAME_CHARS, Operational, Root, TrustError, guid, verify_chain, verify_signature};

#[test]
fn a_stored_root_is_the_same_identity_and_verifies_what_it_issued_before() {
    for kind in Kind::ALL {
        let root = Root::generate(kind).unwrap();
        let again = Root::from_pkcs8(kind, root.to_pkcs8().reveal()).unwrap();
        assert_eq!((again.id(), again.spki(), again.kind()), (root.id(), root.spki(), kind));
        let (first, second) = (root.issue("a", 1, NOW, DAY).unwrap(), again.issue("a", 2, NOW, DAY).unwrap());
        // The leaf of one and the root certificate of the other: only the root's key counts.
        let mixed = [first.chain()[0].clone(), second.chain()[1].clone()];
        assert_eq!(verify_chain(kind, &mixed, NOW).as_ref(), Ok(first.peer()));
    }
}

#[test]
fn one_key_has_another_guid_per_kind_and_every_guid_is_a_version_8_uuid() {
    let root = Root::generate(Kind::Site).unwrap();
    let ids = Kind::ALL.map(|kind| guid(kind, root.spki()));
    assert!(ids.iter().all(|id| id.get_version_num() == 8 && id.get_variant() == uuid::Variant::RFC4122));
    assert!(ids[0] != ids[1] && ids[1] != ids[2] && ids[0] != ids[2]);
    assert_eq!(ids[0], root.id());
}

#[test]
fn a_peer_says_what_was_issued() {
    for serial in [1, 127, 128, 255, 256, u64::from(u32::MAX), 1 << 63, u64::MAX] {
        let root = Root::generate(Kind::Integrator).unwrap();
        let own = root.issue("Gateway – Süd", serial, NOW, DAY).unwrap();
        let peer = verify_chain(Kind::Integrator, own.chain(), NOW).unwrap();
        assert_eq!(&peer, own.peer());
        assert_eq!((peer.kind, peer.id, peer.serial), (Kind::Integrator, root.id(), serial));
        assert_eq!((peer.name.as_str(), peer.not_after), ("Gateway – Süd", NOW.plus(DAY)));
        assert_eq!(peer.root_spki, root.spki());
    }
}

/// A practice decides by it: nobody but an integrator may say it, and nobody can say something like it.
#[test]
fn a_hosted_gateway_says_so_in_its_certificate_and_nothing_else_can_stand_there() {
    let root = Root::generate(Kind::Integrator).unwrap();
    let hosted = root.issue_hosted("gateway", 7, NOW, DAY).unwrap();
    let peer = verify_chain(Kind::Integrator, hosted.chain(), NOW).unwrap();
    assert!(peer.hosted && !root.issue("gateway", 8, NOW, DAY).unwrap().peer().hosted);
    assert_eq!((peer.name.as_str(), peer.id), ("gateway", root.id()));
    let longest = "\u{20000}".repeat(MAX_NAME_CHARS);
    assert!(root.issue_hosted(&longest, 9, NOW, DAY).unwrap().peer().hosted, "with the longest name too");
    let site = Root::generate(Kind::Site).unwrap();
    assert!(matches!(site.issue_hosted("site", 1, NOW, DAY), Err(TrustError::Malformed(_))));
    for unit in ["hosted", "Hosted", "own"] {
        let named = verify_changed(|leaf| {
            leaf.distinguished_name.push(rcgen::DnType::OrganizationalUnitName, unit);
        });
        assert!(matches!(named, Err(TrustError::Malformed(_))), "{unit}: {named:?}");
    }
}

#[test]
fn a_certificate_of_one_kind_never_verifies_as_another_even_under_the_same_root_key() {
    let key = Root::generate(Kind::Site).unwrap().to_pkcs8();
    for made in Kind::ALL {
        let own = Root::from_pkcs8(made, key.reveal()).unwrap().issue("x", 1, NOW, DAY).unwrap();
        for asked in Kind::ALL {
            let answer = verify_chain(asked, own.chain(), NOW);
            assert_eq!(answer.is_ok(), made == asked, "{made:?} as {asked:?}");
            let pem = Operational::from_pem(asked, own.to_pem().reveal());
            assert_eq!(pem.is_ok(), made == asked, "{made:?} as {asked:?}");
            if made != asked {
                assert_eq!(answer, Err(TrustError::WrongKind));
            }
        }
    }
}

#[test]
fn the_clocks_may_differ_by_an_hour_and_no_more() {
    let own = issued(Kind::Site, "x", 1);
    let valid = |at| verify_chain(Kind::Site, own.chain(), at);
    assert!(valid(before(HOUR)).is_ok());
    assert_eq!(
        valid(before(HOUR + Duration::from_secs(1))),
        Err(TrustError::NotYetValid { not_before: before(HOUR) })
    );
    let not_after = NOW.plus(DAY);
    assert!(valid(not_after).is_ok());
    assert_eq!(valid(not_after.plus(Duration::from_secs(1))), Err(TrustError::Expired { not_after }));
    for odd in [i64::MIN, -1, 0, i64::MAX] {
        assert!(valid(Timestamp(odd)).is_err());
    }
    assert!(own.check(NOW).is_ok() && own.check(NOW.plus(2 * DAY)).is_err());
}

#[test]
fn a_leaf_under_another_root_is_refused_also_when_that_root_copies_the_name() {
    let (own, other) = (issued(Kind::Site, "x", 1), issued(Kind::Site, "x", 1));
    let swapped = [own.chain()[0].clone(), other.chain()[1].clone()];
    assert_eq!(verify_chain(Kind::Site, &swapped, NOW), Err(TrustError::WrongKind));

    // A forger certifies its own key under the victim's GUID and presents the victim's root.
    let forger = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    let (_, root) = x509_parser::parse_x509_certificate(&own.chain()[1]).unwrap();
    let mut issuer = rcgen::CertificateParams::default();
    issuer.distinguished_name = rcgen::DistinguishedName::new();
    let name = root.subject().iter_common_name().next().unwrap().as_str().unwrap();
    issuer.distinguished_name.push(rcgen::DnType::CommonName, name);
    let forged = leaf(own.peer().id, |_| ())
        .signed_by(&forger, &rcgen::Issuer::from_params(&issuer, &forger))
        .unwrap();
    let chain = [forged.into(), own.chain()[1].clone()];
    assert_eq!(verify_chain(Kind::Site, &chain, NOW), Err(TrustError::BadSignature));
}

/// A site's certificate as a root of its own would make it, with one thing changed.
fn leaf(id: uuid::Uuid, change: impl FnOnce(&mut rcgen::CertificateParams)) -> rcgen::CertificateParams {
    let mut leaf = rcgen::CertificateParams::default();
    leaf.not_after = rcgen::date_time_ymd(2100, 1, 1);
    leaf.serial_number = Some(5u64.into());
    leaf.distinguished_name = rcgen::DistinguishedName::new();
    leaf.distinguished_name.push(rcgen::DnType::CommonName, "x");
    let uri = format!("halo:site:{id}");
    leaf.subject_alt_names = vec![rcgen::SanType::URI(uri.try_into().unwrap())];
    leaf.is_ca = rcgen::IsCa::ExplicitNoCa;
    leaf.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
    change(&mut leaf);
    leaf
}

fn verify_changed(change: impl FnOnce(&mut rcgen::CertificateParams)) -> Result<trust::Peer, TrustError> {
    let root = Root::generate(Kind::Site).unwrap();
    let key = rcgen::KeyPair::try_from(root.to_pkcs8().reveal().as_slice()).unwrap();
    let mut issuer = rcgen::CertificateParams::default();
    issuer.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let certificate = issuer.self_signed(&key).unwrap();
    let issuer = rcgen::Issuer::from_params(&issuer, &key);
    let leaf = leaf(root.id(), change).signed_by(&rcgen::KeyPair::generate().unwrap(), &issuer).unwrap();
    verify_chain(Kind::Site, &[leaf.into(), certificate.into()], NOW)
}

#[test]
fn only_certificates_of_the_profile_are_accepted() {
    use rcgen::{ExtendedKeyUsagePurpose as Purpose, SanType};
    assert_eq!(verify_changed(|_| ()).unwrap().serial, 5, "else the refusals below prove nothing");
    let dns = || SanType::DnsName("site.example".try_into().unwrap());
    let wrong_kind: [fn(&mut rcgen::CertificateParams); 3] = [
        |leaf| leaf.extended_key_usages = vec![Purpose::ServerAuth, Purpose::ClientAuth],
        |leaf| leaf.extended_key_usages = vec![Purpose::ClientAuth],
        |leaf| leaf.extended_key_usages = vec![Purpose::ServerAuth, Purpose::Any],
    ];
    for change in wrong_kind {
        assert_eq!(verify_changed(change), Err(TrustError::WrongKind));
    }
    assert_eq!(verify_changed(|leaf| leaf.subject_alt_names.push(dns())), Err(TrustError::WrongKind));
    assert_eq!(verify_changed(|leaf| leaf.subject_alt_names = vec![dns()]), Err(TrustError::WrongKind));
    let malformed: [fn(&mut rcgen::CertificateParams); 5] = [
        |leaf| leaf.subject_alt_names.clear(),
        |leaf| leaf.extended_key_usages.clear(),
        |leaf| leaf.serial_number = Some(vec![1; 9].into()),
        |leaf| leaf.distinguished_name = rcgen::DistinguishedName::new(),
        |leaf| leaf.distinguished_name.push(rcgen::DnType::OrganizationName, "another"),
    ];
    for (index, change) in malformed.into_iter().enumerate() {
        let answer = verify_changed(change);
        assert!(matches!(answer, Err(TrustError::Malformed(_))), "{index}: {answer:?}");
    }
    assert_eq!(verify_changed(|leaf| leaf.serial_number = Some(0u64.into())), Err(TrustError::Serial));
    let bad_name = |leaf: &mut rcgen::CertificateParams| {
        leaf.distinguished_name.push(rcgen::DnType::CommonName, "a\u{202e}b");
    };
    assert_eq!(verify_changed(bad_name), Err(TrustError::Name));
    let authority = |leaf: &mut rcgen::CertificateParams| {
        leaf.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    };
    assert_eq!(
        verify_changed(authority),
        Err(TrustError::BadSignature),
        "an authority is no operational key"
    );
}

#[test]
fn a_root_of_another_curve_is_refused() {
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
    let root = rcgen::CertificateParams::default().self_signed(&key).unwrap();
    let chain = [issued(Kind::Site, "x", 1).chain()[0].clone(), root.into()];
    assert_eq!(verify_chain(Kind::Site, &chain, NOW), Err(TrustError::NotP256));
    assert_eq!(Root::from_pkcs8(Kind::Site, key.serialized_der()).err(), Some(TrustError::NotP256));
}

#[test]
fn a_chain_of_any_other_length_is_refused() {
    let own = issued(Kind::Site, "x", 1);
    let whole = [own.chain(), own.chain()].concat();
    for length in [0, 1, 3, 4] {
        assert_eq!(verify_chain(Kind::Site, &whole[..length], NOW), Err(TrustError::ChainLength(length)));
    }
}

#[test]
fn an_oversize_certificate_is_refused_before_it_is_parsed() {
    let own = issued(Kind::Site, "x", 1);
    let long = CertificateDer::from(vec![0x30; trust::MAX_CERTIFICATE_BYTES + 1]);
    for chain in [[long.clone(), own.chain()[1].clone()], [own.chain()[0].clone(), long.clone()]] {
        assert_eq!(verify_chain(Kind::Site, &chain, NOW), Err(TrustError::TooLong("a certificate")));
    }
    assert_eq!(verify_signature(&long, b"", b""), Err(TrustError::TooLong("a certificate")));
}

#[test]
fn the_longest_name_fits_into_the_longest_certificate() {
    let root = Root::generate(Kind::Integrator).unwrap();
    let own = root.issue(&"\u{1F3E5}".repeat(MAX_NAME_CHARS), u64::MAX, NOW, DAY).unwrap();
    assert!(own.chain().iter().all(|certificate| certificate.len() < trust::MAX_CERTIFICATE_BYTES / 2));
}

#[test]
fn names_serials_and_times_that_no_certificate_may_hold_are_refused_at_issue() {
    let root = Root::generate(Kind::Link).unwrap();
    for name in ["", "a\nb", "a\0", "a\u{202e}b", &"x".repeat(MAX_NAME_CHARS + 1)] {
        assert_eq!(root.issue(name, 1, NOW, DAY).err(), Some(TrustError::Name), "{name:?}");
    }
    assert_eq!(root.issue("x", 0, NOW, DAY).err(), Some(TrustError::Serial));
    for now in [i64::MIN, i64::MAX] {
        assert_eq!(root.issue("x", 1, Timestamp(now), DAY).err(), Some(TrustError::Time));
    }
    assert_eq!(root.issue("x", 1, NOW, Duration::MAX).err(), Some(TrustError::Time));
}

#[test]
fn an_operational_key_survives_pem_and_still_signs() {
    let own = issued(Kind::Link, "link", 9);
    let again = Operational::from_pem(Kind::Link, own.to_pem().reveal()).unwrap();
    assert_eq!((again.peer(), again.chain()), (own.peer(), own.chain()));
    let signature = again.sign(b"message").unwrap();
    assert_eq!(verify_signature(&own.chain()[0], b"message", &signature), Ok(()));
    assert_eq!(verify_signature(&own.chain()[0], b"messagE", &signature), Err(TrustError::BadSignature));
    assert_eq!(verify_signature(&own.chain()[1], b"message", &signature), Err(TrustError::BadSignature));
    let expired = Root::generate(Kind::Link).unwrap().issue("old", 1, before(3 * DAY), DAY).unwrap();
    assert!(
        Operational::from_pem(Kind::Link, expired.to_pem().reveal()).is_ok(),
        "else it could not be renewed"
    );
}

#[test]
fn pem_with_parts_of_two_identities_or_parts_missing_is_refused() {
    let (own, other) = (issued(Kind::Site, "x", 1), issued(Kind::Site, "y", 1));
    let (own, other) = (own.to_pem(), other.to_pem());
    let split = |pem: &str| {
        let at = pem.find("-----BEGIN CERT").unwrap();
        (pem[..at].to_owned(), pem[at..].to_owned())
    };
    let ((key, chain), (foreign_key, _)) = (split(own.reveal()), split(other.reveal()));
    let read = |pem: String| Operational::from_pem(Kind::Site, &pem).err();
    assert_eq!(read(format!("{key}{chain}")), None);
    assert_eq!(
        read(format!("{foreign_key}{chain}")),
        Some(TrustError::Pem("the key is not the certificate's"))
    );
    assert_eq!(read(format!("{key}{key}{chain}")), Some(TrustError::Pem("not one key")));
    assert_eq!(read(chain.clone()), Some(TrustError::Pem("not one key")));
    assert_eq!(read(key.clone()), Some(TrustError::ChainLength(0)));
    assert_eq!(read(format!("{key}{chain}{chain}")), Some(TrustError::ChainLength(4)));
    assert_eq!(read(" ".repeat(20_000)), Some(TrustError::TooLong("the PEM text")));
}

proptest! {
    #[test]
    fn bytes_that_are_no_certificates_never_panic(a: Vec<u8>, b: Vec<u8>) {
        let chain = [CertificateDer::from(a), CertificateDer::from(b)];
        for kind in Kind::ALL {
            prop_assert!(verify_chain(kind, &chain, NOW).is_err());
        }
        prop_assert!(verify_signature(&chain[0], b"", &chain[1]).is_err());
    }

    #[test]
    fn damaged_certificates_never_panic_and_never_change_who_somebody_is(
        which in 0..2usize,
        cut in 0..1200usize,
        damage in proptest::collection::vec((0..1200usize, any::<u8>()), 0..4),
    ) {
        thread_local!(static OWN: Operational = pair().0);
        let own = OWN.with(Clone::clone);
        let mut chain = own.chain().to_vec();
        let mut bytes = chain[which].to_vec();
        for (at, value) in damage {
            let length = bytes.len();
            bytes[at % length] = value;
        }
        if cut % 3 == 0 {
            bytes.truncate(cut);
        }
        chain[which] = CertificateDer::from(bytes);
        if let Ok(peer) = verify_chain(Kind::Site, &chain, NOW) {
            prop_assert_eq!(&peer, own.peer());
            prop_assert_eq!(&chain[0], &own.chain()[0]);
        }
        let _ = verify_signature(&chain[0], b"message", b"signature");
    }

    #[test]
    fn damaged_pem_never_panics(text in "(-----BEGIN (CERTIFICATE|PRIVATE KEY)-----\n[A-Za-z0-9+/=\n]{0,80}-----END (CERTIFICATE|PRIVATE KEY)-----\n){0,4}") {
        prop_assert!(Operational::from_pem(Kind::Site, &text).is_err());
    }
}
