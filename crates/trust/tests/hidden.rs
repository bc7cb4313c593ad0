//! No secret can be printed by accident.
#![allow(clippy::unwrap_used, reason = "a test ends where something is missing")]

mod common;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use common::{DAY, NOW, clock, site_id};
use rand::{SeedableRng as _, rngs::StdRng};
use trust::{Kind, Operational, Root, inner, pairing::Code};

/// Whether a printed form holds any 6 bytes in a row of the secret: as text, in hex, in base64 or as a list.
fn shows(printed: &str, secret: &[u8]) -> bool {
    let lower = printed.to_lowercase();
    secret.windows(6).enumerate().any(|(at, part)| {
        let hex: String = part.iter().map(|byte| format!("{byte:02x}")).collect();
        let list = format!("{part:?}");
        let list = list.trim_matches(['[', ']']);
        let aligned = STANDARD.encode(&secret[at - at % 3..]);
        lower.contains(&hex)
            || printed.contains(list)
            || printed.contains(&aligned[..8.min(aligned.len())])
            || std::str::from_utf8(part).is_ok_and(|text| printed.contains(text))
    })
}

/// The private scalar: 32 bytes inside PKCS #8 (RFC 5915), after its `04 20`.
fn scalar(pkcs8: &[u8]) -> &[u8] {
    let at = pkcs8.windows(2).position(|pair| pair == [0x04, 0x20]).unwrap();
    &pkcs8[at + 2..at + 34]
}

#[test]
fn the_scan_finds_what_it_looks_for() {
    let secret: Vec<u8> = (100..132).collect();
    assert!(shows(&format!("{secret:?}"), &secret));
    assert!(shows(&format!("x{}", STANDARD.encode(&secret)), &secret));
    assert!(shows(&format!("{:02X?}", secret).replace(", ", ""), &secret));
    assert!(!shows("nothing", &secret));
}

#[test]
fn keys_and_whatever_holds_them_print_without_their_bytes() {
    let root = Root::generate(Kind::Integrator).unwrap();
    let root_key = root.to_pkcs8();
    let own = root.issue("gateway", 1, NOW, DAY).unwrap();
    let pem = own.to_pem();
    let own_key = rcgen::KeyPair::from_pem(pem.reveal()).unwrap().serialize_der();
    let site = common::issued(Kind::Site, "x", 1);
    let client = inner::client(&own, site_id(&site), clock()).unwrap();
    let printed = format!("{root:#?}{root:?}{root_key:?}{own:?}{own:#?}{pem:?}{client:?}{client:#?}");
    assert!(printed.contains(&root.id().to_string()), "it should still say who it is");
    for key in [&root_key.reveal()[..], &own_key] {
        assert!(!shows(&printed, scalar(key)));
    }
    let wrong = pem.reveal().replace("END PRIVATE", "END PRIVATEX");
    let error = Operational::from_pem(Kind::Integrator, &wrong).unwrap_err();
    assert!(!shows(&format!("{error} {error:?}"), scalar(&own_key)));
}

#[test]
fn a_code_prints_its_name_only() {
    let code = Code::generate(&mut StdRng::seed_from_u64(1));
    let shown = code.display();
    let printed = format!("{code:?}{code:#?}{:?}{shown:?}", code.secret());
    assert!(printed.contains(code.name()));
    assert!(!shows(&printed, code.secret().reveal()));
    for group in shown.reveal().split('-').skip(1) {
        assert!(!printed.contains(group));
    }
}
