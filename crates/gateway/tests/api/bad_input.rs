use crate::kit::World;
use gateway::Limits;
use insta::assert_json_snapshot as snapshot;
use serde_json::json;

const JSON: (&str, &str) = ("content-type", "application/json");

#[tokio::test]
async fn bad_bodies_are_400_and_name_what_is_wrong() {
    let world = World::new().await;
    for (name, body) in [
        ("empty", ""),
        ("not_json", "SELECT canary"),
        ("half", r#"{"command": {"text": "canary"#),
        ("no_command", "{}"),
        ("command_is_text", r#"{"command": "canary"}"#),
        ("no_text", r#"{"command": {}}"#),
        ("text_is_number", r#"{"command": {"text": 5}}"#),
        ("unknown_mode", r#"{"command": {"text": "x", "executionMode": "canary"}}"#),
        ("unknown_type", r#"{"command": {"text": "x", "type": "canary"}}"#),
        (
            "unknown_direction",
            r#"{"command": {"text": "x", "parameters": [{"name": "@a", "direction": "canary"}]}}"#,
        ),
        (
            "unknown_parameter_type",
            r#"{"command": {"text": "x", "parameters": [{"name": "@a", "type": "canary"}]}}"#,
        ),
        ("value_is_number", r#"{"command": {"text": "x", "parameters": [{"name": "@a", "value": 66}]}}"#),
        ("nameless_parameter", r#"{"command": {"text": "x", "parameters": [{}]}}"#),
        ("queue_too_long", r#"{"command": {"text": "x"}, "maxTimeInQueue": 60001}"#),
        ("queue_negative", r#"{"command": {"text": "x"}, "maxTimeInQueue": -1}"#),
        ("queue_is_text", r#"{"command": {"text": "x"}, "maxTimeInQueue": "canary"}"#),
        ("read_only_is_text", r#"{"command": {"text": "x"}, "readOnly": "yes"}"#),
        ("catalogue_is_number", r#"{"command": {"text": "x"}, "catalogue": 5}"#),
    ] {
        let answer = world.call("POST", &world.immediate_path(), &[JSON], body).await;
        assert_eq!(answer.status, 400, "{name}");
        assert!(!answer.message().contains("canary"), "{name}: {}", answer.message());
        snapshot!(format!("bad_{name}"), answer.shown());
    }
    assert!(world.site.runs.lock().unwrap().is_empty());
    assert_eq!(world.run("rows").await.status, 200, "and it still serves");
}

#[tokio::test]
async fn keys_are_asked_for_before_anything_else() {
    let world = World::new().await;
    let path = format!("/integrator/sites/{}", world.site.id());
    let call = |key: &'static str| {
        world.call(
            "GET",
            &path,
            if key.is_empty() { &[][..] } else { &[("ocp-apim-subscription-key", "wrong")] },
            "",
        )
    };
    snapshot!("key_wrong", call("wrong").await.shown());
    let request = axum::http::Request::get(&path).body(axum::body::Body::empty()).unwrap();
    let response = tower::ServiceExt::oneshot(world.router.clone(), request).await.unwrap();
    assert_eq!(response.status(), 401);
    let body = http_body_util::BodyExt::collect(response.into_body()).await.unwrap().to_bytes();
    crate::contract::check("GET", &path, 401, "application/json", &body);
    assert!(String::from_utf8_lossy(&body).contains("missing subscription key"));
}

#[tokio::test]
async fn wrong_paths_methods_types_and_ids_have_envelopes() {
    let world = World::new().await;
    let immediate = world.immediate_path();
    snapshot!("unknown_path", world.get("/integrator/nothing").await.shown());
    snapshot!("wrong_method", world.call("DELETE", &immediate, &[], "").await.shown());
    let got = world.get(&immediate).await;
    assert_eq!((got.status, got.header("allow")), (405, Some("POST")));
    assert_eq!(world.call("POST", "/integrator/sites", &[], "").await.header("allow"), Some("GET,HEAD"));
    for content_type in [
        "application/x-www-form-urlencoded",
        "text/plain",
        "application/json; charset=latin1",
        "application/jsonp",
    ] {
        let answer = world.call("POST", &immediate, &[("content-type", content_type)], "{}").await;
        assert_eq!(answer.status, 415, "{content_type}");
    }
    let utf8 = [("content-type", "Application/JSON; charset=UTF-8")];
    let body = json!({ "command": { "text": "rows" } }).to_string();
    assert_eq!(world.call("POST", &immediate, &utf8, body.clone()).await.status, 200);
    assert_eq!(
        world.call("POST", &immediate, &[], body.clone()).await.status,
        200,
        "no type is taken for JSON"
    );
    snapshot!(
        "wrong_content_type",
        world.call("POST", &immediate, &[("content-type", "text/plain")], "{}").await.shown()
    );
    snapshot!(
        "bad_site_id",
        world.call("POST", "/integrator/sites/none/queries/immediate", &[JSON], body.clone()).await.shown()
    );
    snapshot!(
        "bad_query_id",
        world.get(&format!("/integrator/sites/{}/queries/7", world.site.id())).await.shown()
    );
    let named = [JSON, ("halo-query-id", "mine")];
    assert_eq!(world.call("POST", &immediate, &named, body.clone()).await.status, 400);
    let elsewhere = "/integrator/sites/01890a5d-ac96-774b-bcce-b302099a8057/queries/immediate";
    snapshot!("query_unknown_site", world.call("POST", elsewhere, &[JSON], body).await.shown());
}

#[tokio::test]
async fn bad_query_strings_name_the_parameter() {
    let world = World::new().await;
    for (name, query) in [
        ("no_id", "practiceManagementName=Zedmed"),
        ("no_name", "practiceManagementSiteId=1"),
        ("unknown_name", "practiceManagementSiteId=1&practiceManagementName=canary"),
        ("twice", "practiceManagementSiteId=1&practiceManagementSiteId=2&practiceManagementName=Zedmed"),
    ] {
        let answer = world.get(&format!("/integrator/sites?{query}")).await;
        assert_eq!(answer.status, 400, "{name}");
        snapshot!(format!("query_string_{name}"), answer.shown());
    }
}

#[tokio::test]
async fn an_oversize_body_is_413_before_it_is_parsed() {
    let world = World::with(Limits { request_body_bytes: 1000, ..Limits::default() }).await;
    let body = "x".repeat(1001);
    snapshot!(
        "oversize_body",
        world.call("POST", &world.immediate_path(), &[JSON], body.clone()).await.shown()
    );
    // Without a length, as chunked bodies come.
    let pieces = futures::stream::iter(
        body.into_bytes().chunks(100).map(|c| Ok::<_, std::io::Error>(c.to_vec())).collect::<Vec<_>>(),
    );
    let streamed = axum::body::Body::from_stream(pieces);
    assert_eq!(world.call("POST", &world.immediate_path(), &[JSON], streamed).await.status, 413);
    assert!(world.site.runs.lock().unwrap().is_empty());
}
