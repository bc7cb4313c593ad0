//! Whose signature counts, and for which bytes.

use crate::kit::{DAY, Workshop};
use model::Timestamp;
use proptest::prelude::*;
use std::{
    io::{Cursor, Read, Seek, SeekFrom, Write},
    sync::OnceLock,
};
use update::{SignatureError, installer_version, signature_of, verify, verify_detached};

const YEAR: i64 = 366 * 24 * 60 * 60 * 1000;

/// One signed program, one signed installer, one file with its signature beside it.
struct Signed {
    program: Vec<u8>,
    installer: Vec<u8>,
    package: Vec<u8>,
    beside: Vec<u8>,
}

fn signed() -> (&'static Workshop, &'static Signed) {
    static SIGNED: OnceLock<Signed> = OnceLock::new();
    let shop = Workshop::get();
    let signed = SIGNED.get_or_init(|| {
        shop.sign("acme", "tiny.exe", "good.exe", &[]);
        shop.sign("acme", "tiny.msi", "good.msi", &[]);
        std::fs::write(shop.path("good.deb"), [b'd'; 3000]).unwrap();
        shop.sign_beside("acme", "good.deb", "good.deb.sig");
        Signed {
            program: shop.bytes("good.exe"),
            installer: shop.bytes("good.msi"),
            package: shop.bytes("good.deb"),
            beside: shop.bytes("good.deb.sig"),
        }
    });
    (shop, signed)
}

/// The certificates were made when the test ran; this is a time at which they count.
fn now(shop: &Workshop) -> Timestamp {
    let (_, signed) = signed();
    let late = verify(&signed.program, &shop.publishers("acme.pem"), DAY.plus(std::time::Duration::MAX));
    assert!(matches!(late, Err(SignatureError::Expired { .. })), "{late:?}");
    let not_before = std::fs::metadata(shop.path("acme.pem")).unwrap().modified().unwrap();
    let since = not_before.duration_since(std::time::UNIX_EPOCH).unwrap();
    Timestamp(i64::try_from(since.as_millis()).unwrap() + 1000)
}

#[test]
fn what_the_publisher_signed_is_taken_by_its_certificate_or_its_authoritys() {
    let (shop, signed) = signed();
    let now = now(shop);
    for pinned in ["acme.pem", "acme-ca.pem"] {
        let publishers = shop.publishers(pinned);
        for bytes in [&signed.program, &signed.installer] {
            let signer = verify(bytes, &publishers, now).unwrap();
            assert_eq!((signer.name.as_str(), signer.issuer.as_str()), ("acme Pty Ltd", "acme root"));
            assert!(signer.not_before <= now && now < signer.not_after && signer.fingerprint.len() == 64);
        }
        let signer = verify_detached(&signed.package, &signed.beside, &publishers, now).unwrap();
        assert_eq!(signer.name, "acme Pty Ltd");
    }
    assert_eq!(
        signature_of(&shop.path("good.msi"), &shop.publishers("acme.pem"), now).unwrap().name,
        "acme Pty Ltd"
    );
    assert_eq!(installer_version(&shop.path("good.msi")).unwrap(), "26.713.2");
}

/// With stand-ins for the programs: what is under test is the installer as `./x windows` makes and signs it.
#[test]
fn halo_links_own_installer_is_taken_and_says_its_whole_version() {
    let (shop, _) = signed();
    let programs = shop.path("programs");
    std::fs::create_dir_all(&programs).unwrap();
    for program in ["HaloLinkService.exe", "HaloLinkUtility.exe", "updater.exe"] {
        let marked = [&shop.bytes("tiny.exe")[..], b"Halo Link version 26.1123.7;"].concat();
        std::fs::write(programs.join(program), marked).unwrap();
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tools/windows-msi.sh");
    let make = |version: &str| {
        std::process::Command::new(script)
            .arg(&programs)
            .arg(version)
            .arg(shop.path("halo-link.msi"))
            .env("HALO_SIGN_CERT", shop.path("acme.pem"))
            .env("HALO_SIGN_KEY", shop.path("acme.key"))
            .output()
            .unwrap()
    };
    // Never one that says another version than the programs in it.
    let lies = make("26.1123.8");
    let said = String::from_utf8_lossy(&lies.stderr);
    assert!(!lies.status.success() && said.contains("is of version 26.1123.7"), "{said}");
    let made = make("26.1123.7");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let installer = shop.path("halo-link.msi");
    let signer = signature_of(&installer, &shop.publishers("acme-ca.pem"), now(shop)).unwrap();
    assert_eq!(signer.name, "acme Pty Ltd");
    assert_eq!(installer_version(&installer).unwrap(), "26.1123.7");
}

#[test]
fn a_publisher_with_an_elliptic_key_is_taken_too() {
    let (shop, _) = signed();
    shop.sign("curve", "tiny.exe", "curve.exe", &[]);
    shop.sign("curve", "tiny.msi", "curve.msi", &["-h", "sha384"]);
    let publishers = shop.publishers("curve-ca.pem");
    for name in ["curve.exe", "curve.msi"] {
        let signer = signature_of(&shop.path(name), &publishers, now(shop)).unwrap();
        assert_eq!(signer.name, "curve Pty Ltd", "{name}");
    }
}

#[test]
fn the_unsigned_and_the_unknown_are_refused() {
    let (shop, signed) = signed();
    let (publishers, now) = (shop.publishers("acme.pem"), now(shop));
    for name in ["tiny.exe", "tiny.msi"] {
        assert_eq!(verify(&shop.bytes(name), &publishers, now), Err(SignatureError::Missing), "{name}");
    }
    assert!(matches!(verify(b"#!/bin/sh", &publishers, now), Err(SignatureError::Format(_))));
    assert!(matches!(verify(b"", &publishers, now), Err(SignatureError::Format(_))));
    for bytes in [&signed.program, &signed.installer] {
        let stranger = verify(bytes, &shop.publishers("other-ca.pem"), now);
        assert_eq!(stranger, Err(SignatureError::Stranger("acme Pty Ltd".to_owned())));
        // Whoever pins nobody takes nothing.
        assert!(verify(bytes, &Default::default(), now).is_err());
    }
    let stranger = verify_detached(&signed.package, &signed.beside, &shop.publishers("other.pem"), now);
    assert!(matches!(stranger, Err(SignatureError::Stranger(_))));
}

#[test]
fn a_certificate_for_something_else_does_not_sign_programs() {
    let (shop, _) = signed();
    shop.sign("server", "tiny.exe", "server.exe", &[]);
    let refused = signature_of(&shop.path("server.exe"), &shop.publishers("acme-ca.pem"), now(shop));
    assert_eq!(refused, Err(SignatureError::Purpose("server Pty Ltd".to_owned())));
    // A pinned certificate that is no authority does not make others publishers.
    shop.sign("minted", "tiny.exe", "minted.exe", &["-ac", "acme.pem"]);
    for pinned in ["acme.pem", "acme-ca.pem"] {
        let refused = signature_of(&shop.path("minted.exe"), &shop.publishers(pinned), now(shop));
        assert_eq!(refused, Err(SignatureError::Stranger("minted Pty Ltd".to_owned())), "{pinned}");
    }
}

#[test]
fn an_expired_certificate_is_called_expired_and_a_stranger_a_stranger() {
    let (shop, signed) = signed();
    let later = Timestamp(now(shop).0 + YEAR);
    for pinned in ["acme.pem", "acme-ca.pem"] {
        let expired = verify(&signed.installer, &shop.publishers(pinned), later);
        assert!(matches!(expired, Err(SignatureError::Expired { .. })), "{expired:?}");
        let early = verify(&signed.installer, &shop.publishers(pinned), Timestamp(0));
        assert!(matches!(early, Err(SignatureError::NotYet { .. })), "{early:?}");
    }
    let stranger = verify(&signed.installer, &shop.publishers("other-ca.pem"), later);
    assert!(matches!(stranger, Err(SignatureError::Stranger(_))), "{stranger:?}");
}

#[test]
fn old_digests_and_installers_with_uncovered_names_are_refused() {
    let (shop, _) = signed();
    let publishers = shop.publishers("acme.pem");
    shop.sign("acme", "tiny.exe", "sha1.exe", &["-h", "sha1"]);
    assert_eq!(signature_of(&shop.path("sha1.exe"), &publishers, now(shop)), Err(SignatureError::Weak));
    shop.sign("acme", "tiny.msi", "nodse.msi", &["-nodse"]);
    let refused = signature_of(&shop.path("nodse.msi"), &publishers, now(shop));
    assert!(matches!(refused, Err(SignatureError::Uncovered(_))), "{refused:?}");
}

#[test]
fn nothing_may_be_appended_and_a_signature_is_for_one_file() {
    let (shop, signed) = signed();
    let (publishers, now) = (shop.publishers("acme.pem"), now(shop));
    for bytes in [&signed.program, &signed.installer] {
        for more in [&[0][..], &[0; 8], &[0; 512], b"PK\x03\x04 and what an archive would hold", &[7; 4096]] {
            let appended = [bytes, more].concat();
            assert!(verify(&appended, &publishers, now).is_err(), "{} bytes more", more.len());
        }
        assert!(verify(&bytes[..bytes.len() - 1], &publishers, now).is_err());
    }
    let other = verify_detached(b"another file", &signed.beside, &publishers, now);
    assert_eq!(other, Err(SignatureError::Changed));
    let longer = [&signed.beside[..], &[0]].concat();
    assert!(verify_detached(&signed.package, &longer, &publishers, now).is_err());
    // An installer's signature in a program: the right publisher, the wrong statement.
    assert!(verify_detached(&signed.package, &signed.program, &publishers, now).is_err());
}

/// What an installer is to a reader that others wrote: all names, contents, identifiers and times, but the times of the whole and of
/// the signature itself, which change when it is signed. `None`: it can't be read.
fn meaning(bytes: &[u8]) -> Option<Vec<String>> {
    let mut file = cfb::CompoundFile::open(Cursor::new(bytes)).ok()?;
    let entries: Vec<cfb::Entry> = file.walk().collect();
    let mut all = Vec::new();
    for entry in entries {
        let mut content = Vec::new();
        if entry.is_stream() {
            file.open_stream(entry.path()).ok()?.read_to_end(&mut content).ok()?;
        }
        let mut facts = format!("{:?} {content:?}", entry.path());
        if !entry.is_root() && !entry.name().contains("DigitalSignature") {
            facts += &format!("{} {:?} {:?}", entry.state_bits(), entry.created(), entry.modified());
        }
        if entry.is_storage() {
            facts += &format!("{}", entry.clsid());
        }
        all.push(facts);
    }
    all.sort();
    Some(all)
}

/// Not by chance alone: each stream's every 97th byte, and each name.
#[test]
fn a_change_in_any_stream_or_name_of_an_installer_is_noticed() {
    let (shop, signed) = signed();
    let (publishers, now) = (shop.publishers("acme-ca.pem"), now(shop));
    let mut streams = 0;
    let file = cfb::CompoundFile::open(Cursor::new(&signed.installer[..])).unwrap();
    for entry in file.walk().filter(cfb::Entry::is_stream) {
        streams += 1;
        for at in (0..entry.len()).step_by(97) {
            let mut file = cfb::CompoundFile::open(Cursor::new(signed.installer.clone())).unwrap();
            let mut stream = file.open_stream(entry.path()).unwrap();
            let mut byte = [0];
            stream.seek(SeekFrom::Start(at)).unwrap();
            stream.read_exact(&mut byte).unwrap();
            stream.seek(SeekFrom::Start(at)).unwrap();
            stream.write_all(&[byte[0] ^ 1]).unwrap();
            drop(stream);
            let changed = file.into_inner().into_inner();
            assert_ne!(changed, signed.installer);
            assert!(verify(&changed, &publishers, now).is_err(), "{:?} at {at}", entry.path());
        }
        // Names in the directory: the last character becomes another one.
        let name: Vec<u8> = entry.name().encode_utf16().flat_map(u16::to_le_bytes).collect();
        let place = signed.installer.windows(name.len()).rposition(|window| window == name).unwrap();
        let mut renamed = signed.installer.clone();
        renamed[place + name.len() - 2] ^= 1;
        assert!(verify(&renamed, &publishers, now).is_err(), "{:?} renamed", entry.path());
    }
    assert!(streams > 10, "{streams}");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// All of a program is covered but its checksum, which Windows does not look at for programs.
    #[test]
    fn a_flipped_bit_in_a_program_is_noticed(at in any::<prop::sample::Index>(), bit in 0..8) {
        let (shop, signed) = signed();
        let mut bytes = signed.program.clone();
        let at = at.index(bytes.len());
        bytes[at] ^= 1_u8 << bit;
        let checksum = 0x58 + 64..0x58 + 68;
        let refused = verify(&bytes, &shop.publishers("acme-ca.pem"), now(shop)).is_err();
        prop_assert!(refused || checksum.contains(&at), "a flip at {at} passed");
    }

    /// What passes is what was signed: a flip that no reader sees, as in the filling behind a stream's end, changes nothing.
    #[test]
    fn a_flipped_bit_in_an_installer_is_noticed_or_means_nothing(at in any::<prop::sample::Index>(), bit in 0..8) {
        let (shop, signed) = signed();
        let mut bytes = signed.installer.clone();
        let at = at.index(bytes.len());
        bytes[at] ^= 1_u8 << bit;
        if verify(&bytes, &shop.publishers("acme-ca.pem"), now(shop)).is_ok()
            && let Some(meaning) = meaning(&bytes)
        {
            static AS_SIGNED: OnceLock<Vec<String>> = OnceLock::new();
            let as_signed = AS_SIGNED.get_or_init(|| super::signatures::meaning(&signed.installer).unwrap());
            prop_assert!(*as_signed == meaning, "a flip at {at} passed and changed something");
        }
    }

    #[test]
    fn a_flipped_bit_in_a_detached_signature_or_its_file_is_noticed(at in any::<prop::sample::Index>(), bit in 0..8) {
        let (shop, signed) = signed();
        let mut both = [&signed.package[..], &signed.beside].concat();
        let at = at.index(both.len());
        both[at] ^= 1_u8 << bit;
        let (package, beside) = both.split_at(signed.package.len());
        prop_assert!(verify_detached(package, beside, &shop.publishers("acme-ca.pem"), now(shop)).is_err());
    }
}
