//! Holds answers against the published OpenAPI document and the overlay that mends its faults.

use jsonschema::Validator;
use serde_json::{Value, json};
use std::{path::PathBuf, sync::LazyLock};

static DOCUMENT: LazyLock<Option<Value>> = LazyLock::new(|| {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let path = root.join("../../../shared/reference/openapi/integrator.json");
    let Ok(text) = std::fs::read_to_string(&path) else {
        assert!(
            std::env::var("CI").as_deref() != Ok("true"),
            "in CI the published document must be there: {}",
            path.display()
        );
        eprintln!("the published document is not here, answers are not held against it: {}", path.display());
        return None;
    };
    let mut document: Value = serde_json::from_str(&text).unwrap();
    let overlay: Value = serde_json::from_str(include_str!("../contract/overlay.json")).unwrap();
    for fault in overlay["faults"].as_array().unwrap() {
        set(&mut document, fault["at"].as_str().unwrap(), fault["set"].clone());
    }
    Some(document)
});

/// What is ours, in a document of our own.
static OURS: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("../../../../docs/openapi/webhooks.json")).unwrap());

fn set(document: &mut Value, pointer: &str, value: Value) {
    let (parent, last) = pointer.rsplit_once('/').unwrap();
    let last = last.replace("~1", "/").replace("~0", "~");
    let parent =
        document.pointer_mut(parent).unwrap_or_else(|| panic!("the overlay points nowhere: {pointer}"));
    parent.as_object_mut().unwrap().insert(last, value);
}

/// Panics unless the answer is one that the document allows for this call.
pub(crate) fn check(method: &str, path: &str, status: u16, media: &str, body: &[u8]) {
    let document = match path.starts_with("/integrator/webhooks") {
        true => &*OURS,
        false => match &*DOCUMENT {
            Some(document) => document,
            None => return,
        },
    };
    if body.is_empty() {
        return check_empty(document, method, path, status);
    }
    let schema = schema(document, method, path, status, media);
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

fn check_empty(document: &Value, method: &str, path: &str, status: u16) {
    let template = template(document, path).expect("a known path");
    let response =
        &document["paths"][&template][method.to_ascii_lowercase()]["responses"][status.to_string()];
    assert!(response.is_object() && response.get("content").is_none(), "{method} {path} {status} has a body");
}

fn schema(document: &Value, method: &str, path: &str, status: u16, media: &str) -> Value {
    let envelope = json!({ "$ref": "#/components/schemas/Error" });
    let path = path.split('?').next().unwrap();
    let Some(template) = template(document, path) else {
        assert_eq!(status, 404, "a path that is not published: {path}");
        return envelope;
    };
    let Some(operation) = document["paths"][&template].get(method.to_ascii_lowercase()) else {
        assert_eq!(status, 405, "a method that is not published: {method} {path}");
        return envelope;
    };
    let response = &operation["responses"][status.to_string()];
    let response = match response.get("$ref").and_then(Value::as_str) {
        Some(reference) => document.pointer(&reference[1..]).unwrap(),
        None => response,
    };
    let schema = &response["content"][media]["schema"];
    assert!(!schema.is_null(), "{method} {template} does not define {status} {media}");
    schema.clone()
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
}
