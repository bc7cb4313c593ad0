use super::*;
use proptest::prelude::*;

fn refused(body: &str) -> String {
    match parse(body.as_bytes()) {
        Err(BodyError::Invalid(message)) => message,
        other => panic!("{body}: {other:?}"),
    }
}

#[test]
fn what_a_caller_leaves_out_has_the_published_default() {
    let read = parse(br#"{"command":{"text":"SELECT 1"},"nobody":"knows this"}"#).unwrap();
    assert_eq!(read.max_time_in_queue, 30_000);
    assert_eq!(read.command.mode, ExecutionMode::Reader);
    assert_eq!(read.command.kind, CommandType::Text);
    assert_eq!(read.command.catalogue, None);
    assert!(!read.read_only);
}

#[test]
fn everything_a_caller_says_arrives() {
    let read = parse(
        br#"{"maxTimeInQueue":15000.0,"catalogue":"Drugs","readOnly":true,"command":{"text":"P\u0041","executionMode":"nonQuery",
            "type":"storedProcedure","parameters":[{"name":"@a","direction":"inputOutput","type":"Int","value":"66","size":4},
            {"direction":"returnValue","type":"Int","value":null,"size":-1}]}}"#,
    )
    .unwrap();
    assert_eq!((read.max_time_in_queue, read.read_only), (15_000, true));
    assert_eq!(read.command.text.reveal(), "PA");
    assert_eq!(read.command.catalogue.as_deref(), Some("Drugs"));
    let [a, r] = &read.command.parameters[..] else { panic!() };
    assert_eq!((a.kind, a.direction, a.size), (ParameterType::Int, Direction::InputOutput, Some(4)));
    assert_eq!((r.name.as_str(), r.value.is_none(), r.size), ("@RETURN_VALUE", true, None));
}

#[test]
fn a_refusal_names_the_field_and_what_is_allowed() {
    assert_eq!(
        refused(r#"{"command":{"text":"x","executionMode":"Secret"}}"#),
        "`command.executionMode` must be one of `reader`, `nonQuery`, `scalar`."
    );
    assert!(
        refused(r#"{"command":{"text":"x","parameters":[{"name":"@a","type":"int"}]}}"#)
            .starts_with("`command.parameters[0].type` must be one of `BigInt`, ")
    );
    assert!(refused(r#"{"command":{"text":"x"},"maxTimeInQueue":60001}"#).contains("from 0 to 60000"));
    assert!(refused(r#"{"command":{"text":"x"},"maxTimeInQueue":1.5}"#).contains("an integer"));
    assert!(refused("{\n \"command\": nonsense").contains("line 2, column"));
}

#[test]
fn no_refusal_quotes_the_body() {
    for body in [
        r#"{"command":"canary"}"#,
        r#"{"command":{"text":["canary"]}}"#,
        r#"{"command":{"text":"x","type":"canary"}}"#,
        r#"{"command":{"text":"x","parameters":"canary"}}"#,
        r#"{"command":{"text":"x","parameters":[{"name":"@a","value":{"canary":1}}]}}"#,
        r#"{"command":{"text":"x","parameters":[{"name":"@a","direction":"canary"}]}}"#,
        r#"{"command":{"text":"x"},"readOnly":"canary"}"#,
        r#"{"command":{"text":"x"}} canary"#,
        r#"canary"#,
    ] {
        assert!(!refused(body).contains("canary"), "{body}");
    }
}

#[test]
fn limits_hold() {
    let text = "x".repeat(limit::COMMAND_TEXT_BYTES + 1);
    let body = format!(r#"{{"command":{{"text":"{text}"}}}}"#);
    assert!(matches!(parse(body.as_bytes()), Err(BodyError::TooLarge(_))));
    let many = vec![r#"{"name":"@a"}"#; limit::PARAMETERS + 1].join(",");
    assert!(refused(&format!(r#"{{"command":{{"text":"x","parameters":[{many}]}}}}"#)).contains("2100"));
    let deep = "[".repeat(100_000);
    assert!(refused(&deep).contains("column"));
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = parse(&bytes);
    }

    #[test]
    fn any_text_and_value_survive(text in "[^\\s]\\PC{0,40}", value in "\\PC{0,40}") {
        let body = serde_json::json!({"command": {"text": text, "parameters": [{"name": "@v", "value": value}]}});
        let read = parse(body.to_string().as_bytes()).unwrap();
        prop_assert_eq!(read.command.text.reveal(), &text);
        prop_assert_eq!(read.command.parameters[0].value.as_ref().unwrap().reveal(), &value);
    }
}

#[test]
fn an_async_query_has_its_own_default_and_most() {
    let read = parse_async(br#"{"command":{"text":"SELECT 1"}}"#, 77_000).unwrap();
    assert_eq!(read.max_time_in_queue, 77_000);
    let body = |n: u32| format!(r#"{{"command":{{"text":"x"}},"maxTimeInQueue":{n}}}"#);
    assert!(parse_async(body(7_200_000).as_bytes(), 77_000).is_ok());
    assert!(parse_async(body(7_200_001).as_bytes(), 77_000).is_err());
}

fn registration(more: &str) -> String {
    format!(
        r#"{{"name":"n","registeredQueryType":"query","frequency":60,"duration":120,"registerCommand":{{"command":{{"text":"x"}}}}{more}}}"#
    )
}

#[test]
fn a_registration_waits_for_its_turn_until_the_next_run_unless_it_says_otherwise() {
    let read = |body: String| parse_registered(body.as_bytes()).unwrap();
    assert_eq!(read(registration("")).max_time_in_queue, 60_000);
    assert_eq!(read(registration(r#","maxTimeInQueue":0"#)).max_time_in_queue, 0);
    let seldom = registration("").replace(r#""frequency":60"#, r#""frequency":34560000"#);
    assert_eq!(read(seldom).max_time_in_queue, 7_200_000, "the most");
}

proptest! {
    #[test]
    fn no_bytes_make_the_others_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = (parse_async(&bytes, 77_000), parse_registered(&bytes), parse_batch(&bytes));
    }

    #[test]
    fn whatever_a_registration_says_is_within_the_limits(frequency: i64, duration: i64, queue: i64) {
        let body = format!(
            r#"{{"name":"n","registeredQueryType":"query","frequency":{frequency},"duration":{duration},"maxTimeInQueue":{queue},
                "registerCommand":{{"command":{{"text":"x"}}}}}}"#
        );
        if let Ok(read) = parse_registered(body.as_bytes()) {
            prop_assert!((5..=34_560_000).contains(&read.frequency) && (1..=34_560_000).contains(&read.duration));
            prop_assert!(read.max_time_in_queue <= 7_200_000);
        }
    }

    #[test]
    fn a_batch_keeps_order_and_doubles(ids in proptest::collection::vec(any::<u128>(), 0..50)) {
        let ids: Vec<model::QueryId> = ids.into_iter().map(|id| model::QueryId(uuid::Uuid::from_u128(id))).collect();
        let body = serde_json::json!({ "queryIds": ids });
        prop_assert_eq!(parse_batch(body.to_string().as_bytes()).unwrap(), ids);
    }
}
