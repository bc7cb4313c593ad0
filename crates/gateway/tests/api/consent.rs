//! What a practice does not consent to, as its integrator is told.

use crate::{contract::OURS, kit::World};
use insta::assert_json_snapshot as snapshot;
use link_api::{proto::Refusal, refusal};
use serde_json::{Value, json};
use std::sync::atomic::Ordering;

/// Each refusal has its status, its code and a sentence with the next step; and none says that anything was executed.
#[tokio::test]
async fn every_refusal_of_a_practice_is_an_envelope_with_a_code() {
    let world = World::new().await;
    for (of, words) in &refusal::ALL {
        let answer = world.run(&format!("refusal {}", of.as_str_name())).await;
        assert_eq!(answer.status, words.status, "{}", words.code);
        assert_eq!(answer.json()["error"]["code"], words.code);
        assert!(answer.message().contains("The command was not executed."), "{}", answer.message());
        snapshot!(format!("refused_{}", words.code.replace('-', "_")), answer.shown());
    }
}

/// The document promises these codes: one that is missing there would be news to nobody but us.
#[test]
fn the_document_names_every_code() {
    let known = OURS.pointer("/components/schemas/Error/properties/error/properties/code/enum").unwrap();
    let codes: Vec<Value> = refusal::ALL.iter().map(|(_, words)| words.code.into()).collect();
    assert_eq!(*known, Value::Array(codes));
}

/// It ran: to be told that it was not executed would make its sender send a write again.
#[tokio::test]
async fn what_was_stopped_while_it_ran_is_told_with_its_effect() {
    let world = World::new().await;
    let answer = world.run("stopped").await;
    assert_eq!((answer.status, answer.json()["error"]["code"].as_str()), (403, Some("consent-suspended")));
    assert!(answer.message().contains("The command was executed."), "{}", answer.message());
}

/// A site may be newer than its gateways.
#[tokio::test]
async fn a_refusal_that_this_gateway_does_not_know_is_still_a_refusal() {
    let world = World::new().await;
    let answer = world.run("refused by a later version").await;
    assert_eq!((answer.status, answer.json()["error"].get("code")), (403, None));
    assert!(answer.message().contains("not executed"), "{}", answer.message());
}

/// A session that is opened while the practice keeps us out says why, whatever is asked.
#[tokio::test]
async fn a_session_that_is_not_let_in_says_which_reason_the_practice_has() {
    for (of, code) in [(Refusal::ConsentExpired, "consent-expired"), (Refusal::Unpaired, "unpaired")] {
        let world = World::new().await;
        world.site.paired.store(false, Ordering::SeqCst);
        world.site.refusal.store(of.into(), Ordering::SeqCst);
        let answer = world.run("rows").await;
        assert_eq!((answer.status, answer.json()["error"]["code"].as_str()), (403, Some(code)));
        assert!(world.site.runs.lock().unwrap().is_empty(), "nothing was sent");
        let id = world.post_to("/async", &json!({ "command": { "text": "rows" } })).await;
        assert_eq!((id.status, id.json()["error"]["code"].as_str()), (403, Some(code)));
    }
}

#[tokio::test]
async fn a_job_that_the_practice_refuses_says_so_in_its_details() {
    let world = World::new().await;
    for (text, code) in [("refusal CONSENT_REVOKED", 403), ("refusal BUDGET_QUERIES", 429)] {
        let id = world.post_to("/async", &json!({ "command": { "text": text } })).await.query_id();
        let told = world.stands(&id, "executionFailed").await;
        assert_eq!(
            (&told["effect"], &told["errorDetails"]["errorCode"]),
            (&json!("notExecuted"), &json!(code))
        );
        assert!(
            told["errorDetails"]["errorMessage"].as_str().unwrap().contains("The command was not executed.")
        );
    }
}

#[tokio::test]
async fn a_registration_that_the_practice_refuses_is_told_at_once() {
    let world = World::new().await;
    let body = json!({
        "name": "waiting room", "registeredQueryType": "query", "frequency": 60, "duration": 120,
        "registerCommand": { "command": { "text": "refusal BUDGET_QUERIES" } },
    });
    let answer = world.post_to("/registered", &body).await;
    assert_eq!((answer.status, answer.json()["error"]["code"].as_str()), (429, Some("budget-queries")));
    assert!(answer.header("retry-after").is_some());
}

#[tokio::test]
async fn an_integrator_ends_its_own_pairing_and_again_says_the_same() {
    let world = World::new().await;
    world.pair().await;
    let path = format!("/integrator/sites/{}/pairing", world.site.id());
    for _ in 0..2 {
        assert_eq!(world.call("DELETE", &path, &[], "").await.status, 204);
    }
    assert!(!world.gateway.is_paired(world.site.id()));
    let answer = world.run("rows").await;
    assert_eq!((answer.status, answer.json()["error"]["code"].as_str()), (403, Some("unpaired")));
    let wrong = world.call("GET", &path, &[], "").await;
    assert_eq!((wrong.status, wrong.header("allow")), (405, Some("DELETE")));
}

#[tokio::test]
async fn an_integrator_replaces_its_login_and_no_answer_quotes_it() {
    let world = World::new().await;
    let path = format!("/integrator/sites/{}/credentials", world.site.id());
    let put = async |body: &str| {
        world.call("PUT", &path, &[("content-type", "application/json")], body.to_owned()).await
    };
    for (name, body) in [
        ("replaced", r#"{"user":"acme","password":"new-canary"}"#),
        ("refused", r#"{"user":"acme","password":"wrong"}"#),
        ("too_often", r#"{"user":"acme","password":"too often"}"#),
        ("suspended", r#"{"user":"acme","password":"suspended"}"#),
        ("no_password", r#"{"user":"acme"}"#),
        ("empty", r#"{"user":"","password":"canary"}"#),
        ("not_json", r#"{"user":"acme","password":canary}"#),
    ] {
        let answer = put(body).await;
        assert!(!String::from_utf8_lossy(&answer.body).contains("canary"), "{name}");
        snapshot!(format!("credentials_{name}"), answer.shown());
    }
    let logins = world.site.logins.lock().unwrap();
    assert_eq!((logins.len(), logins[0].password.as_str()), (3, "new-canary"));
}
