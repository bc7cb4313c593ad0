//! The outer leg's challenge.
#![allow(clippy::unwrap_used, reason = "a test ends where something is missing")]

mod common;

use common::issued;
use trust::{
    Kind, TrustError,
    outer::{OuterRole, Statement, sign, verify},
    verify_signature,
};

const ROLES: [(OuterRole, Kind); 3] =
    [(OuterRole::Link, Kind::Link), (OuterRole::Site, Kind::Site), (OuterRole::Gateway, Kind::Integrator)];

fn statement(role: OuterRole) -> Statement<'static> {
    Statement { role, relay: "relay.example", nonce: &[1; 32], epoch: 9, facts_hash: [2; 32] }
}

#[test]
fn an_identity_signs_for_its_own_role_and_no_other() {
    for (role, kind) in ROLES {
        for (asked, _) in ROLES {
            let own = issued(kind, "x", 1);
            let signature = sign(&own, &statement(asked));
            assert_eq!(signature.is_ok(), asked == role, "{kind:?} as {asked:?}");
            if let Ok(signature) = signature {
                assert_eq!(verify(&own.chain()[0], &statement(role), &signature), Ok(()));
                let stranger = issued(kind, "x", 1);
                let answer = verify(&stranger.chain()[0], &statement(role), &signature);
                assert_eq!(answer, Err(TrustError::BadSignature));
            } else {
                assert_eq!(verify(&own.chain()[0], &statement(asked), b""), Err(TrustError::WrongKind));
            }
        }
    }
}

#[test]
fn a_signature_covers_every_field() {
    let own = issued(Kind::Link, "x", 1);
    let s = statement(OuterRole::Link);
    let signature = sign(&own, &s).unwrap();
    let others = [
        Statement { relay: "relay.example2", ..s },
        Statement { nonce: &[3; 32], ..s },
        Statement { epoch: 10, ..s },
        Statement { facts_hash: [3; 32], ..s },
    ];
    for other in others {
        assert_eq!(verify(&own.chain()[0], &other, &signature), Err(TrustError::BadSignature), "{other:?}");
    }
    // The general signature has another label.
    assert_eq!(verify_signature(&own.chain()[0], b"", &signature), Err(TrustError::BadSignature));
}

#[test]
fn a_relay_name_beyond_255_bytes_is_refused_at_both_ends() {
    let own = issued(Kind::Link, "x", 1);
    let long = "r".repeat(256);
    let s = Statement { relay: &long, ..statement(OuterRole::Link) };
    assert_eq!(sign(&own, &s), Err(TrustError::TooLong("the relay's name")));
    assert_eq!(verify(&own.chain()[0], &s, b""), Err(TrustError::TooLong("the relay's name")));
}
