//! The published notification: its body, its headers, and the signature over both.

use crate::event::{Event, Kind};
use aws_lc_rs::hmac;
use model::{Hidden, Timestamp};
use std::fmt::Write;

/// The event's identifier, for receivers that drop doubles before they read the body.
pub const HEADER_ID: &str = "x-halo-id";
/// When this attempt was made, which is not when the event occurred.
pub const HEADER_TIMESTAMP: &str = "x-halo-timestamp";
/// By the secret in use.
pub const HEADER_SIGNATURE: &str = "x-halo-signature-256";
/// By the secret that will replace it, while a change is under way. Ours.
pub const HEADER_NEXT: &str = "x-halo-signature-256-next";

/// Lower-case hex of HMAC-SHA256 over `<body>.<timestamp>`. The key is the secret's own text.
pub fn sign(secret: &Hidden<String>, body: &[u8], timestamp: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.reveal().as_bytes());
    let mut context = hmac::Context::with_key(&key);
    context.update(body);
    context.update(b".");
    context.update(timestamp.as_bytes());
    hex(context.sign().as_ref())
}

/// ISO 8601 with seven fraction digits and the offset, as today's notifications have it.
pub fn written_time(at: Timestamp) -> String {
    // Always 24 bytes, `2026-02-03T04:05:06.007Z`.
    let mut text = at.to_rfc3339();
    text.pop();
    text + "0000+00:00"
}

/// The bytes that are sent and signed. `say_event`: the endpoint asked for more than the published events.
pub(crate) fn body(event: &Event, say_event: bool) -> String {
    // Identifiers, times and words of our own: nothing in them needs escaping.
    let mut text = format!(
        r#"{{"id":"{}","occurredAt":"{}","siteId":"{}""#,
        event.id,
        written_time(event.occurred),
        event.site
    );
    if let Some(query) = event.query {
        let _ = write!(text, r#","queryId":"{query}""#);
    }
    let _ = write!(text, r#","webhookSource":"{}""#, event.source.as_str());
    if say_event || event.kind == Kind::Test {
        let _ = write!(text, r#","event":"{}""#, event.kind.as_str());
    }
    text + "}"
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Source, event_id};
    use model::{QueryId, SiteId};
    use uuid::Uuid;

    #[test]
    fn the_published_body_has_the_published_members_alone() {
        let site = SiteId(Uuid::from_u128(1));
        let event = Event {
            id: event_id(site, b"j", 1, b"c"),
            kind: Kind::Successful,
            source: Source::Async,
            site,
            query: Some(QueryId(Uuid::from_u128(2))),
            occurred: Timestamp(1_770_094_506_007),
        };
        let published = body(&event, false);
        let json: serde_json::Value = serde_json::from_str(&published).unwrap();
        let names: Vec<&str> = json.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(names.len(), 5, "{names:?}");
        assert_eq!(json["occurredAt"], "2026-02-03T04:55:06.0070000+00:00");
        assert_eq!(json["webhookSource"], "async");
        let ours: serde_json::Value = serde_json::from_str(&body(&event, true)).unwrap();
        assert_eq!(ours["event"], "successful");
        let gone = Event::of_site(site, false, Timestamp(0));
        let gone: serde_json::Value = serde_json::from_str(&body(&gone, true)).unwrap();
        assert!(gone.get("queryId").is_none());
        assert_eq!(gone["event"], "siteOffline");
    }
}
