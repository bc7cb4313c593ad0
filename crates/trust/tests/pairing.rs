//! Pairing codes and the proof that both ends know one.
#![allow(clippy::unwrap_used, reason = "a test ends where something is missing")]

mod common;

use common::{Session, issued, pair, session};
use model::Hidden;
use proptest::prelude::*;
use rand::{SeedableRng as _, rngs::StdRng};
use trust::{
    Kind, Operational, inner,
    pairing::{Code, CodeError, MAX_CODE_TEXT_BYTES, Role, SECRET_BYTES, Transcript, VERSION, check, prove},
};

fn code(seed: u64) -> Code {
    Code::generate(&mut StdRng::seed_from_u64(seed))
}

fn transcript<'a>(
    site: &'a Operational,
    gateway: &'a Operational,
    exporter: &'a Hidden<Vec<u8>>,
) -> Transcript<'a> {
    Transcript {
        version: VERSION,
        environment: "demo",
        site_root: &site.peer().root_spki,
        integrator_root: &gateway.peer().root_spki,
        integrator_name: "Example Health",
        code_name: "AB12",
        exporter: exporter.reveal(),
    }
}

#[test]
fn two_ends_of_one_session_with_one_code_prove_it_to_each_other() {
    let (site, gateway) = pair();
    let Session { client, server } = session(&site, &gateway).unwrap();
    let code = code(1);
    // Each end takes the other's root from the session, as Link and Gateway do.
    let (at_gateway, at_site) = (inner::exporter(&client).unwrap(), inner::exporter(&server).unwrap());
    let (seen_site, seen_gateway) =
        (inner::peer_of_client(&client).unwrap(), inner::peer_of_server(&server).unwrap());
    let at_gateway =
        Transcript { site_root: &seen_site.root_spki, ..transcript(&site, &gateway, &at_gateway) };
    let at_site =
        Transcript { integrator_root: &seen_gateway.root_spki, ..transcript(&site, &gateway, &at_site) };
    assert!(check(&code, Role::Site, &at_gateway, &prove(&code, Role::Site, &at_site)));
    assert!(check(&code, Role::Gateway, &at_site, &prove(&code, Role::Gateway, &at_gateway)));
}

#[test]
fn an_echoed_proof_is_refused() {
    let (site, gateway) = pair();
    let exporter = Hidden::new(vec![7; 32]);
    let (code, t) = (code(2), transcript(&site, &gateway, &exporter));
    assert!(!check(&code, Role::Gateway, &t, &prove(&code, Role::Site, &t)));
    assert!(!check(&code, Role::Site, &t, &prove(&code, Role::Gateway, &t)));
}

#[test]
fn a_proof_carried_between_two_sessions_by_one_in_the_middle_is_refused() {
    let (site, gateway) = pair();
    let (false_site, false_gateway) = (issued(Kind::Site, "x", 1), issued(Kind::Integrator, "x", 1));
    // A directory that lies sends the gateway to a false site, which talks to the true one under a root of its own.
    let (near, far) = (session(&false_site, &gateway).unwrap(), session(&site, &false_gateway).unwrap());
    let (near, far) = (inner::exporter(&near.client).unwrap(), inner::exporter(&far.server).unwrap());
    let code = code(3);
    let (at_gateway, at_site) =
        (transcript(&false_site, &gateway, &near), transcript(&site, &false_gateway, &far));
    assert!(!check(&code, Role::Site, &at_gateway, &prove(&code, Role::Site, &at_site)));
    assert!(!check(&code, Role::Gateway, &at_site, &prove(&code, Role::Gateway, &at_gateway)));
    // Even one that held both root keys would still have two sessions.
    let (near, far) = (session(&site, &gateway).unwrap(), session(&site, &gateway).unwrap());
    let (near, far) = (inner::exporter(&near.client).unwrap(), inner::exporter(&far.server).unwrap());
    let proof = prove(&code, Role::Site, &transcript(&site, &gateway, &far));
    assert!(!check(&code, Role::Site, &transcript(&site, &gateway, &near), &proof));
}

#[test]
fn a_proof_covers_every_field_and_the_code() {
    let (site, gateway) = pair();
    let exporter = Hidden::new(vec![7; 32]);
    let (code, t) = (code(4), transcript(&site, &gateway, &exporter));
    let proof = prove(&code, Role::Site, &t);
    assert!(check(&code, Role::Site, &t, &proof));
    let others = [
        Transcript { version: 2, ..t },
        Transcript { environment: "production", ..t },
        Transcript { site_root: t.integrator_root, ..t },
        Transcript { integrator_root: t.site_root, ..t },
        Transcript { integrator_name: "Example Healt", ..t },
        Transcript { code_name: "AB13", ..t },
        Transcript { exporter: &[8; 32], ..t },
        // The same bytes in a row, cut elsewhere.
        Transcript { integrator_name: "Example HealthA", code_name: "B12", ..t },
    ];
    for (index, other) in others.iter().enumerate() {
        assert!(!check(&code, Role::Site, other, &proof), "field {index}");
    }
    assert!(!check(&self::code(5), Role::Site, &t, &proof));
    for bad in [&[][..], &proof[..31], &[&proof[..], &[0]].concat(), &[0; 32]] {
        assert!(!check(&code, Role::Site, &t, bad));
    }
    for bit in 0..256 {
        let mut bad = proof;
        bad[bit / 8] ^= 1 << (bit % 8);
        assert!(!check(&code, Role::Site, &t, &bad));
    }
}

#[test]
fn a_code_reads_aloud_as_five_groups_of_four_and_never_repeats() {
    let mut seen = std::collections::HashSet::new();
    let mut rng = StdRng::seed_from_u64(6);
    for _ in 0..1000 {
        let code = Code::generate(&mut rng);
        let text = code.display();
        let groups: Vec<&str> = text.reveal().split('-').collect();
        assert!(groups.len() == 5 && groups.iter().all(|group| group.len() == 4), "{groups:?}");
        assert!(!text.reveal().contains(['I', 'L', 'O', 'U']));
        assert_eq!(groups[0], code.name());
        assert_eq!(code.secret().reveal().len(), SECRET_BYTES);
        assert!(seen.insert(code.secret().reveal().clone()));
    }
}

#[test]
fn what_people_type_is_read_as_what_they_mean() {
    let plain = Code::parse("AB01-0123-4567-89AB-CDEF").unwrap();
    for text in [
        "ab01-0123-4567-89ab-cdef",
        "ABO1 OI23 4567 89AB CDEF",
        "aboL-oi23-4567-89ab-cdef",
        "  AB0101234567 89ABCDEF\r\n",
        "AB01–0123—4567\u{2212}89AB\u{a0}CDEF",
    ] {
        let code = Code::parse(text).unwrap();
        assert_eq!((code.name(), code.display()), ("AB01", plain.display()), "{text:?}");
    }
    assert_eq!(plain.secret().reveal()[..], [0x00, 0x44, 0x32, 0x14, 0xc7, 0x42, 0x54, 0xb6, 0x35, 0xcf]);
}

#[test]
fn what_is_no_code_is_refused_without_repeating_it() {
    let long = "0".repeat(MAX_CODE_TEXT_BYTES + 1);
    for (text, error) in [
        ("", CodeError::Length),
        ("AB01", CodeError::Length),
        ("AB01-0123-4567-89AB-CDE", CodeError::Length),
        ("AB01-0123-4567-89AB-CDEF-0", CodeError::Length),
        ("AB01-0123-4567-89AB-CDEU", CodeError::Character),
        ("AB01-0123-4567-89AB-CDE!", CodeError::Character),
        ("AB01_0123_4567_89AB_CDEF", CodeError::Character),
        (&long, CodeError::Length),
    ] {
        assert_eq!(Code::parse(text).err(), Some(error), "{text:?}");
    }
    assert_eq!(Code::from_parts("AB0", &[0; SECRET_BYTES]).err(), Some(CodeError::Length));
    assert_eq!(Code::from_parts("ABU0", &[0; SECRET_BYTES]).err(), Some(CodeError::Character));
    assert_eq!(Code::from_parts("AB01", &[0; SECRET_BYTES + 1]).err(), Some(CodeError::Length));
    assert_eq!(Code::from_parts("ab0l", &[0; SECRET_BYTES]).unwrap().name(), "AB01");
}

proptest! {
    #[test]
    fn no_text_makes_the_parser_panic(text in ".{0,200}") {
        let _ = Code::parse(&text);
    }

    #[test]
    fn a_code_survives_being_shown_and_typed(seed: u64) {
        let code = code(seed);
        let again = Code::parse(code.display().reveal()).unwrap();
        prop_assert_eq!(again.name(), code.name());
        prop_assert!(again.secret() == code.secret());
        let stored = Code::from_parts(code.name(), code.secret().reveal()).unwrap();
        prop_assert!(stored.display() == code.display());
    }

    #[test]
    fn every_text_that_parses_shows_as_one_that_parses_to_the_same(text in "[0-9a-zA-Z \\-]{20,26}") {
        if let Ok(code) = Code::parse(&text) {
            let again = Code::parse(code.display().reveal()).unwrap();
            prop_assert!(again.display() == code.display());
        }
    }
}
