//! How endpoints and deliveries are shown.

use model::Timestamp;
use serde_json::{Map, Value, json};
use webhook::{Delivery, Endpoint, written_time};

pub(super) fn endpoint(endpoint: &Endpoint) -> Value {
    let settings = &endpoint.settings;
    let signs = ["X-Halo-Signature-256", "X-Halo-Signature-256-Next"];
    let secrets = endpoint.secrets.iter().zip(signs);
    json!({
        "id": endpoint.id,
        "url": settings.url.as_str(),
        "sources": settings.sources.iter().map(|source| source.as_str()).collect::<Vec<_>>(),
        "events": settings.kinds.iter().map(|kind| kind.as_str()).collect::<Vec<_>>(),
        "enabled": settings.enabled,
        "secrets": secrets.map(|(secret, header)| json!({ "createdAt": time(secret.created), "header": header })).collect::<Value>(),
        "deliveries": {
            "pending": endpoint.totals.pending,
            "delivered": endpoint.totals.delivered,
            "failed": endpoint.totals.failed,
        },
        "createdAt": time(endpoint.created),
        "updatedAt": time(endpoint.updated),
    })
}

pub(super) fn delivery(delivery: &Delivery) -> Value {
    let event = &delivery.event;
    let mut shown = Map::new();
    let mut add = |name: &str, value: Value| shown.insert(name.to_owned(), value);
    add("id", delivery.id.to_string().into());
    add("webhookId", delivery.endpoint.to_string().into());
    add("eventId", event.id.to_string().into());
    add("event", event.kind.as_str().into());
    add("webhookSource", event.source.as_str().into());
    add("siteId", event.site.to_string().into());
    if let Some(query) = event.query {
        add("queryId", query.to_string().into());
    }
    add("occurredAt", written_time(event.occurred).into());
    add("state", delivery.state.as_str().into());
    if let Some(failure) = &delivery.failure {
        add("failure", failure.as_str().into());
    }
    add("createdAt", time(delivery.created));
    if let Some(due) = delivery.due {
        add("nextAttemptAt", time(due));
    }
    let attempts = delivery.attempts.iter().map(|attempt| {
        let mut shown = json!({ "at": time(attempt.began), "tookMs": attempt.took_ms });
        if let Some(status) = attempt.status {
            shown["status"] = status.into();
        }
        if let Some(failure) = &attempt.failure {
            shown["failure"] = failure.as_str().into();
        }
        shown
    });
    add("attempts", attempts.collect());
    Value::Object(shown)
}

fn time(at: Timestamp) -> Value {
    at.to_rfc3339().into()
}
