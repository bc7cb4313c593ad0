//! The vectors, the code and `docs/protocol/outer-leg.md` say the same. And: no input makes a parser panic.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, clippy::print_stdout, reason = "tests")]

mod support;

use proptest::prelude::*;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::{fs, path::PathBuf};
use support::identity;
use trust::{
    Kind,
    outer::{self, OuterRole, Statement},
};
use tunnel::{
    Proxy, RelayAddress,
    control::{self, Message},
    head::{self, Answer, Ask, Incoming},
    proxy,
};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn vectors(name: &str) -> Value {
    serde_json::from_str(&fs::read_to_string(root().join("tests/vectors").join(name)).unwrap()).unwrap()
}

fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value[name].as_array().unwrap()
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap()
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

fn normative_text() -> String {
    fs::read_to_string(root().join("../../docs/protocol/outer-leg.md")).unwrap()
}

#[test]
fn control_messages_are_as_written() {
    let vectors = vectors("control.json");
    let normative = normative_text();
    for vector in list(&vectors, "messages") {
        let written = text(vector, "text");
        let message = control::parse(written).unwrap();
        assert_ne!(message, Message::Unknown, "{written}");
        assert_eq!(control::write(&message).unwrap(), written);
        assert!(normative.contains(written), "not in the normative text: {written}");
    }
    for unknown in list(&vectors, "unknown") {
        assert_eq!(control::parse(unknown.as_str().unwrap()), Ok(Message::Unknown));
    }
    for malformed in list(&vectors, "malformed") {
        assert!(control::parse(malformed.as_str().unwrap()).is_err(), "{malformed}");
    }
}

#[test]
fn the_bytes_that_are_signed_are_as_written() {
    let normative = normative_text();
    for (at, vector) in list(&vectors("challenge.json"), "statements").iter().enumerate() {
        let (role, kind) = match text(vector, "role") {
            "link" => (OuterRole::Link, Kind::Link),
            "site" => (OuterRole::Site, Kind::Site),
            _ => (OuterRole::Gateway, Kind::Integrator),
        };
        let nonce = bytes(text(vector, "nonce")).try_into().unwrap();
        let site = |id: &Value| *id.as_str().unwrap().parse::<uuid::Uuid>().unwrap().as_bytes();
        let facts_hash = match (vector["facts"].as_str(), vector["sites"].as_array()) {
            (Some(facts), _) => Sha256::digest(facts).into(),
            (None, Some(sites)) => Sha256::digest(sites.iter().flat_map(site).collect::<Vec<_>>()).into(),
            (None, None) => [0; 32],
        };
        let statement = Statement {
            role,
            relay: text(vector, "relay"),
            nonce: &nonce,
            epoch: vector["epoch"].as_u64().unwrap(),
            facts_hash,
        };
        let own = identity(kind);
        let signature = outer::sign(&own, &statement).unwrap();
        let leaf = webpki::EndEntityCert::try_from(&own.chain()[0]).unwrap();
        let signed = bytes(text(vector, "signed"));
        leaf.verify_signature(webpki::aws_lc_rs::ECDSA_P256_SHA256, &signed, &signature).unwrap();
        assert!(at == 2 || normative.contains(text(vector, "signed")));
    }
}

#[test]
fn heads_are_as_written() {
    let normative = normative_text();
    for vector in list(&vectors("heads.json"), "heads") {
        let (written, framed) = (text(vector, "text"), bytes(text(vector, "bytes")));
        let again = match text(vector, "kind") {
            "ask" => head::to_bytes(&head::parse::<Ask>(&framed).unwrap()),
            "answer" => head::to_bytes(&head::parse::<Answer>(&framed).unwrap()),
            _ => head::to_bytes(&head::parse::<Incoming>(&framed).unwrap()),
        };
        assert_eq!(again.unwrap(), framed);
        assert_eq!(&framed[2..], written.as_bytes());
        assert!(normative.contains(written), "not in the normative text: {written}");
        for cut in 0..framed.len() {
            assert!(matches!(head::parse::<Value>(&framed[..cut]), Err(head::HeadError::Ended)));
        }
    }
    let too_long = [&[0x40, 0x01][..], &[b' '; 0x4001]].concat();
    assert!(matches!(head::parse::<Value>(&too_long), Err(head::HeadError::TooLarge(0x4001))));
}

#[tokio::test]
async fn a_head_is_read_to_its_last_byte_and_no_further() {
    let framed = [head::to_bytes(&Answer::Connected).unwrap(), b"raw".to_vec()].concat();
    let mut rest = framed.as_slice();
    assert_eq!(head::read::<Answer>(&mut rest).await.unwrap(), Answer::Connected);
    assert_eq!(rest, b"raw");
    assert!(matches!(head::read::<Answer>(&mut &framed[..5]).await, Err(head::HeadError::Ended)));
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_a_head_for_ever() {
    let (mut ours, _theirs) = tokio::io::duplex(16);
    assert!(matches!(head::read::<Ask>(&mut ours).await, Err(head::HeadError::TimedOut)));
}

/// They reach logs and the screens of administrators.
#[test]
fn a_lying_relays_words_paint_nothing_and_are_no_longer_than_said() {
    let words = format!("ask\u{1b}[2J\r\n{{\"level\":\"x\"}}\u{9b}\u{202e} {}", "é".repeat(2_000));
    let sent = serde_json::json!({ "type": "refused", "reason": "busy", "message": words }).to_string();
    let Ok(Message::Refused(refused)) = control::parse(&sent) else { panic!("it is a refusal") };
    assert!(refused.message.starts_with("ask[2J{\"level\":\"x\"} é") && refused.message.len() <= 512);
    assert!(!refused.message.chars().any(|c| c.is_control() || c == '\u{202e}'), "{:?}", refused.message);
}

proptest! {
    // No files of past failures: a failing case is printed whole.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_breaks_the_control_parser(text in "\\PC{0,200}") {
        let _ = control::parse(&text);
    }

    #[test]
    fn a_damaged_control_message_is_read_or_refused(which in 0_usize..9, at in 0_usize..400, byte in any::<u8>()) {
        let vectors = vectors("control.json");
        let mut damaged = text(&list(&vectors, "messages")[which], "text").as_bytes().to_vec();
        let at = at % damaged.len();
        damaged[at] = byte;
        if let Ok(damaged) = std::str::from_utf8(&damaged)
            && let Ok(message) = control::parse(damaged)
            && message != Message::Unknown
        {
            let again = control::write(&message).unwrap();
            prop_assert_eq!(control::parse(&again).unwrap(), message);
        }
    }

    #[test]
    fn no_bytes_break_the_head_parser(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = head::parse::<Ask>(&bytes);
        let _ = head::parse::<Answer>(&bytes);
        let _ = head::parse::<Incoming>(&bytes);
    }

    #[test]
    fn no_bytes_break_the_proxy_parser(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = proxy::parse_response(&bytes);
        let _ = proxy::parse_response(&[b"HTTP/1.1 200 ", bytes.as_slice()].concat());
    }

    #[test]
    fn an_address_reads_back_what_it_shows(text in "(wss://)?[a-zA-Z0-9.:/@\\[\\]-]{0,40}") {
        if let Ok(address) = RelayAddress::parse(&text) {
            prop_assert_eq!(RelayAddress::parse(&address.to_string()), Ok(address));
        }
        let _ = Proxy::parse(&text.replace("wss", "http"));
    }

    #[test]
    fn no_text_breaks_the_proxy_address(text in "http://[%a-f0-9:@.]{0,40}") {
        let _ = Proxy::parse(&text);
    }
}
