use super::*;
use proptest::prelude::*;
use uuid::Uuid;

fn key(kid: &str, secret: u8) -> Key {
    Key { kid: kid.into(), secret: hmac::Key::new(hmac::HMAC_SHA256, &[secret; 32]) }
}

fn claims() -> Claims {
    Claims {
        iss: "urn:halo-gateway:demo:me".into(),
        aud: AUDIENCE.into(),
        sub: DeviceId::parse("PC-7").unwrap(),
        site: SiteId(Uuid::from_u128(7)),
        iat: 1_770_094_506,
        nbf: 1_770_094_506,
        exp: 1_770_095_406,
        by: "00000000000000a1".into(),
        all: 0,
        rev: 1,
    }
}

fn proved(token: &str, key: &Key) -> Option<Claims> {
    Unproved::read(token.as_bytes())?.prove(key)
}

#[test]
fn what_was_signed_is_read_by_the_key_that_signed_it_alone() {
    let token = sign(&key("a", 1), &claims());
    assert_eq!(proved(&token, &key("a", 1)), Some(claims()));
    assert_eq!(proved(&token, &key("a", 2)), None, "the name of a key is no key");
    assert_eq!(Unproved::read(token.as_bytes()).unwrap().kid(), "a");
}

/// The attacks that JWTs are known for: the token must not choose how it is checked.
#[test]
fn no_token_chooses_its_own_algorithm_or_brings_its_own_key() {
    let token = sign(&key("a", 1), &claims());
    let (signed, tag) = token.rsplit_once('.').unwrap();
    let body = signed.split_once('.').unwrap().1;
    for header in [
        r#"{"alg":"none","typ":"JWT","kid":"a"}"#,
        r#"{"alg":"None","typ":"JWT","kid":"a"}"#,
        r#"{"alg":"HS384","typ":"JWT","kid":"a"}"#,
        r#"{"alg":"RS256","typ":"JWT","kid":"a"}"#,
        r#"{"alg":"HS256","typ":"JWT"}"#,
        r#"{"alg":"HS256","typ":"JWT","kid":"a","crit":["exp"]}"#,
        r#"{"alg":"HS256","typ":"JWT","kid":"a","jwk":{"kty":"oct","k":"AAAA"}}"#,
        r#"{"alg":"HS256","alg":"none","typ":"JWT","kid":"a"}"#,
        "[]",
        "",
    ] {
        // Signed rightly as well as not at all: it is the header that is refused.
        let signed = format!("{}.{body}", BASE64URL.encode(header));
        let right = hmac::sign(&key("a", 1).secret, signed.as_bytes());
        for tag in [tag.to_owned(), String::new(), BASE64URL.encode(right)] {
            assert!(Unproved::read(format!("{signed}.{tag}").as_bytes()).is_none(), "{header}");
        }
    }
    for text in [signed, body, &format!("{token}."), &format!("{token}.{tag}"), "..", "", "a.b.c"] {
        assert_eq!(proved(text, &key("a", 1)), None, "{text}");
    }
    assert!(Unproved::read(&[b'a'; 10_000]).is_none());
}

proptest! {
    #[test]
    fn one_changed_character_anywhere_undoes_it(at: proptest::sample::Index, by in 1_u8..64) {
        const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let mut token = sign(&key("a", 1), &claims()).into_bytes();
        let at = at.index(token.len());
        if let Some(digit) = DIGITS.iter().position(|digit| *digit == token[at]) {
            token[at] = DIGITS[(digit + usize::from(by)) % 64];
            let read = Unproved::read(&token).and_then(|token| token.prove(&key("a", 1)));
            prop_assert_eq!(read, None);
        }
    }

    #[test]
    fn whatever_comes_is_read_or_refused(text in "\\PC{0,200}", bytes: Vec<u8>) {
        prop_assert!(proved(&text, &key("a", 1)).is_none());
        prop_assert!(Unproved::read(&bytes).is_none_or(|token| token.prove(&key("a", 1)).is_none()));
    }
}
