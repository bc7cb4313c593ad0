//! Holds answers against the published OpenAPI documents and the overlay that mends their faults; what is this gateway's own, against
//! docs/openapi/halo-gateway.json and docs/openapi/webhooks.json.

use jsonschema::Validator;
use serde_json::{Value, json};
use std::{path::PathBuf, sync::LazyLock};

static DOCUMENT: LazyLock<Option<Value>> = LazyLock::new(|| {
    let mut document = published("integrator.json")?;
    for (at, value) in faults() {
        set(&mut document, &at, value);
    }
    Some(document)
});

/// The desktop's has the same words with the same faults, under paths of its own, and fewer operations.
static DESKTOP: LazyLock<Option<Value>> = LazyLock::new(|| {
    let mut document = published("desktop.json")?;
    let mut mended = 0;
    for (at, value) in faults() {
        let at = at.replace("/paths/~1integrator~1sites~1", "/paths/~1desktop~1sites~1");
        if document.pointer(at.rsplit_once('/').unwrap().0).is_some() {
            set(&mut document, &at, value);
            mended += 1;
        }
    }
    assert!(mended > 10, "the overlay points into the desktop's document too");
    Some(document)
});

fn faults() -> Vec<(String, Value)> {
    let overlay: Value = serde_json::from_str(include_str!("../contract/overlay.json")).unwrap();
    let faults = overlay["faults"].as_array().unwrap();
    faults.iter().map(|fault| (fault["at"].as_str().unwrap().to_owned(), fault["set"].clone())).collect()
}

fn published(name: &str) -> Option<Value> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let path = root.join("../../../shared/reference/openapi").join(name);
    let Ok(text) = std::fs::read_to_string(&path) else {
        assert!(
            std::env::var("CI").as_deref() != Ok("true"),
            "in CI the published document must be there: {}",
            path.display()
        );
        eprintln!("the published document is not here, answers are not held against it: {}", path.display());
        return None;
    };
    Some(serde_json::from_str(&text).unwrap())
}

fn set(document: &mut Value, pointer: &str, value: Value) {
    let (parent, last) = pointer.rsplit_once('/').unwrap();
    let last = last.replace("~1", "/").replace("~0", "~");
    let parent =
        document.pointer_mut(parent).unwrap_or_else(|| panic!("the overlay points nowhere: {pointer}"));
    parent.as_object_mut().unwrap().insert(last, value);
}

/// Our own operations, headers and statuses.
pub(crate) static OURS: LazyLock<Value> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../../../../docs/openapi/halo-gateway.json")).unwrap()
});

/// Endpoints for notifications.
static WEBHOOKS: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("../../../../docs/openapi/webhooks.json")).unwrap());

/// Panics unless the answer is one that one of the documents allows for this call.
pub(crate) fn check(method: &str, path: &str, status: u16, media: &str, body: &[u8]) {
    let (Some(published), Some(desktop)) = (&*DOCUMENT, &*DESKTOP) else { return };
    let documents = [published, desktop, &*OURS, &*WEBHOOKS];
    if media.is_empty() {
        assert_eq!(status, 204, "only an answer without content has no media type: {method} {path}");
        let mut known = documents.iter().filter_map(|document| responses(document, method, path));
        assert!(known.any(|known| known.get("204").is_some()));
        return;
    }
    let path = path.split('?').next().unwrap();
    let found = documents
        .into_iter()
        .find_map(|document| Some((document, schema(document, method, path, status, media)?)));
    let (document, schema) = found.unwrap_or_else(|| {
        let known = documents.iter().any(|document| template(document, path).is_some());
        let expected = if known { 405 } else { 404 };
        assert_eq!(status, expected, "no document defines {method} {path} {status} {media}");
        (published, json!({ "$ref": "#/components/schemas/Error" }))
    });
    let validator = validator(document, &schema);
    let parse = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).expect("an answer is JSON");
    let parts: Vec<Value> = match media {
        "application/x-ndjson" => body.split(|b| *b == b'\n').filter(|l| !l.is_empty()).map(parse).collect(),
        _ => vec![parse(body)],
    };
    for part in parts {
        let problems: Vec<String> =
            validator.iter_errors(&part).map(|e| format!("{} at {}", e, e.instance_path())).collect();
        assert!(problems.is_empty(), "{method} {path} {status} breaks the contract: {problems:#?}\n{part:#}");
    }
}

fn responses<'a>(document: &'a Value, method: &str, path: &str) -> Option<&'a Value> {
    let operation = &document["paths"][template(document, path)?][method.to_ascii_lowercase()];
    operation.get("responses")
}

fn schema(document: &Value, method: &str, path: &str, status: u16, media: &str) -> Option<Value> {
    let response = responses(document, method, path)?.get(status.to_string())?;
    let response = match response.get("$ref").and_then(Value::as_str) {
        Some(reference) => document.pointer(&reference[1..]).unwrap(),
        None => response,
    };
    response["content"].get(media).map(|content| content["schema"].clone())
}

fn template(document: &Value, path: &str) -> Option<String> {
    let parts: Vec<&str> = path.split('/').collect();
    let fits = |template: &str| {
        let known: Vec<&str> = template.split('/').collect();
        known.len() == parts.len() && known.iter().zip(&parts).all(|(k, p)| k.starts_with('{') || k == p)
    };
    let mut found: Vec<&String> = document["paths"].as_object().unwrap().keys().filter(|t| fits(t)).collect();
    // The one with the fewest placeholders: `immediate` is not a query's id.
    found.sort_by_key(|t| t.matches('{').count());
    found.first().map(|t| (*t).clone())
}

fn validator(document: &Value, schema: &Value) -> Validator {
    let whole = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "components": document["components"],
        "allOf": [schema],
    });
    jsonschema::options().should_validate_formats(true).build(&whole).unwrap()
}

#[test]
fn the_overlay_tells_wrong_answers_from_right_ones() {
    let Some(document) = &*DOCUMENT else { return };
    let v = |name: &str| {
        validator(
            document,
            &json!({ "$ref": format!("#/components/responses/{name}/content/application~1json/schema") }),
        )
    };
    let envelope = json!({ "error": { "status": 400, "statusText": "Bad Request", "message": "no" } });
    assert!(v("400ErrorForIntegratorQuery").is_valid(&envelope));
    assert!(!v("400ErrorForIntegratorQuery").is_valid(&json!({})));
    assert!(!v("400ErrorForIntegratorQuery").is_valid(&json!({ "error": {} })));
    assert!(!v("200IntegratorGetQuery").is_valid(&json!({ "mode": "immediate", "status": "successful" })));
    assert!(!v("200ImmediateQuery").is_valid(&envelope));
    let queued = json!({
        "id": ID, "integratorId": ID, "siteId": ID, "mode": "async", "status": "queued", "maxTimeInQueue": 5, "commandSize": 1,
        "requestSize": 1, "createdAt": TIME, "updatedAt": TIME, "statusTiming": { "initialising": { "startTime": TIME } }
    });
    let with = |name: &str, value: Value| {
        let mut query = queued.clone();
        query[name] = value;
        query
    };
    assert!(v("200IntegratorGetQuery").is_valid(&queued));
    assert!(!v("200IntegratorGetQuery").is_valid(&with("status", "successful".into())));
    assert!(!v("200IntegratorGetQuery").is_valid(&with("status", "executionFailed".into())));
    assert!(!v("200IntegratorGetQuery").is_valid(&with("status", "uploading".into())));
    assert!(!v("200IntegratorGetQuery").is_valid(&with("status", "lost".into())));
    assert!(v("200GetResultPage").is_valid(&json!({ "data": "W10=" })));
    assert!(v("200GetResultPage").is_valid(&json!({ "parameters": [] })));
    let found = json!({ "results": [{ "queryId": ID, "status": "found" }] });
    assert!(!v("200GetQueryStatusBatch").is_valid(&found), "found, and no query");
}

const ID: &str = "01890a5d-ac96-774b-bcce-b302099a8057";
const TIME: &str = "2026-02-03T04:05:06.007Z";

/// Every operation of our own document is one that the routes know.
#[tokio::test]
async fn what_our_document_offers_is_served() {
    let world = crate::kit::World::new().await;
    let mut paths: Vec<_> = OURS["paths"].as_object().unwrap().iter().collect();
    // The desktop's before the integrator's: among those is the one that ends the pairing.
    paths.sort_by_key(|(path, _)| !path.starts_with("/desktop/"));
    for (path, operations) in paths {
        let path = path
            .replace("{siteId}", &world.site.id().to_string())
            .replace("{queryId}", ID)
            .replace("{deviceId}", "PC-7")
            .replace("{webhookId}", ID)
            .replace("{deliveryId}", ID)
            .replace("{pageNumber}", "1");
        for method in operations.as_object().unwrap().keys() {
            let method = method.to_ascii_uppercase();
            let answer = if path.starts_with("/desktop/") {
                // Without a token the door is all that answers, also where nothing is behind it. A new one each time: among these
                // calls is the one that takes all back, and the one that revokes another device.
                let bearer = format!("Bearer {}", crate::tokens::token(&world, "PC-8").await);
                let headers = [("authorization", bearer.as_str()), ("deviceid", "PC-8")];
                let answer = world.call(&method, &path, &headers, "").await;
                assert!(![401, 403].contains(&answer.status), "{method} {path}: it did not come in");
                answer
            } else {
                world.call(&method, &path, &[], "").await
            };
            assert_ne!(answer.status, 405, "{method} {path}");
            let text = String::from_utf8_lossy(&answer.body);
            assert!(!text.contains("find the requested resource.\""), "{method} {path}: {text}");
        }
    }
}
