use super::*;
use proptest::prelude::*;

const SITE: &str = "15331f1c-64b6-84ea-8ca1-0bfd7bd28c90";
const QUERY: &str = "0b6c0a3e-5d1f-8c3a-9a51-3f6f0d1c2b3a";

fn read(text: &str) -> Result<UrlTemplate, TemplateError> {
    UrlTemplate::parse(text, false)
}

#[test]
fn variables_are_filled_in_where_they_stand() {
    let template =
        read("https://Hooks.Example.com:8443/{source}/{siteId}?q={queryId}&again={siteId}").unwrap();
    assert_eq!(template.target(SITE, QUERY, "async"), format!("/async/{SITE}?q={QUERY}&again={SITE}"));
    assert_eq!(template.authority(), "hooks.example.com:8443");
    assert!(template.names_query() && template.is_https());
    for (text, target, authority) in [
        ("https://example.com", "/", "example.com"),
        ("https://example.com?x={source}", "/?x=async", "example.com"),
        ("https://example.com:443/a/", "/a/", "example.com"),
        ("HTTPS://[2001:DB8::1]:9/a", "/a", "[2001:db8::1]:9"),
        ("https://192.0.2.7/a", "/a", "192.0.2.7"),
    ] {
        let template = read(text).unwrap();
        assert_eq!(
            (template.target(SITE, QUERY, "async").as_str(), template.authority().as_str()),
            (target, authority)
        );
        assert!(!template.names_query());
    }
}

#[test]
fn each_mistake_is_named() {
    use TemplateError as E;
    for (text, error) in [
        ("", E::Length),
        ("http://example.com/", E::Scheme),
        ("ftp://example.com/", E::Scheme),
        ("example.com", E::Scheme),
        ("https://user:word@example.com/", E::Credentials),
        ("https://example.com/#a", E::Fragment),
        ("https:///a", E::Host),
        ("https://exa mple.com/", E::Character),
        ("https://bücher.example/", E::Character),
        ("https://example.com/\u{0}", E::Character),
        ("https://example.com\\@evil.example/", E::Character),
        ("https://{siteId}.example.com/", E::HostVariable),
        ("https://example.com:{siteId}/", E::HostVariable),
        ("https://example.com:0/", E::Port),
        ("https://example.com:65536/", E::Port),
        ("https://example.com:/", E::Port),
        ("https://example.com:+80/", E::Port),
        ("https://[::1/", E::Host),
        ("https://[::1]x/", E::Host),
        ("https://-a.example/", E::Host),
        ("https://a..example/", E::Host),
        ("https://127.1/", E::Host),
        ("https://0x7f000001/", E::Host),
        ("https://2130706433/", E::Host),
        ("https://example.com/{siteID}", E::Variable),
        ("https://example.com/{", E::Variable),
        ("https://example.com/}", E::Variable),
        ("https://example.com/{{siteId}}", E::Variable),
    ] {
        assert_eq!(read(text), Err(error), "{text}");
    }
    assert_eq!(read(&format!("https://example.com/{}", "a".repeat(2048))), Err(E::Length));
    assert!(UrlTemplate::parse("http://localhost:1/", true).is_ok());
}

proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(text in "\\PC*") {
        let _ = UrlTemplate::parse(&text, true);
    }

    #[test]
    fn what_is_read_never_leaves_its_host(text in "https://[a-z0-9.:@/?{}\\[\\]#%-]{0,40}(\\{siteId\\})?[a-z/?=&{}]{0,10}") {
        if let Ok(template) = read(&text) {
            let target = template.target(SITE, QUERY, "site");
            prop_assert!(target.starts_with('/'));
            let clean = !target.contains(['{', '}', '#', ' ', '\r', '\n']);
            prop_assert!(clean);
            let again = read(&format!("https://{}{}", template.authority(), target)).unwrap();
            prop_assert_eq!(again.host(), template.host());
            prop_assert_eq!(again.port(), template.port());
            prop_assert_eq!(again.target("", "", ""), target);
        }
    }
}
