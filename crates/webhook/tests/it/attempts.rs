use crate::kit::{HOST, Reply, Server, World, event};
use std::time::Duration;
use tokio::time::Instant;
use webhook::{Kind, Policy, Source, State};

fn loopback() -> Policy {
    Policy { networks: vec!["127.0.0.0/8".parse().unwrap()], plain_http: false }
}

/// One event to an endpoint that replies so, to the end of its attempts.
async fn story(
    replies: &[Reply],
    within: Duration,
) -> (State, Vec<(Option<u16>, Option<String>)>, Server, Duration) {
    let server = Server::start(replies).await;
    let world = World::with(&[&server], loopback(), within);
    world.endpoint(&server.url("/a/{source}/{siteId}/{queryId}"), &[Source::Async], None).await;
    assert_eq!(world.hooks.tell(event(1, Source::Async, Kind::Successful)).await.unwrap(), 1);
    let (all, took) = world.to_the_end().await;
    let attempts = all[0].attempts.iter().map(|one| (one.status, one.failure.clone())).collect();
    (all[0].state, attempts, server, took)
}

const SHORT: Duration = Duration::from_millis(150);

#[tokio::test]
async fn a_notification_arrives_as_published() {
    let (state, attempts, server, _) = story(&[Reply::Status(204)], SHORT * 20).await;
    assert_eq!((state, attempts), (State::Delivered, vec![(Some(204), None)]));
    let request = server.last();
    assert_eq!(
        request.line,
        "POST /a/async/15331f1c-64b6-84ea-8ca1-0bfd7bd28c90/00000000-0000-0000-0000-000000000001 HTTP/1.1"
    );
    assert_eq!(request.header("host"), format!("{HOST}:{}", server.address.port()));
    assert_eq!(request.header("content-type"), "application/json");
    assert_eq!(request.header("x-halo-timestamp"), "2026-02-03T04:55:06.0070000+00:00");
    let body: serde_json::Value = serde_json::from_str(&request.body).unwrap();
    assert_eq!(body["id"], request.header("x-halo-id"));
    assert_eq!(body["occurredAt"], "2026-02-03T04:55:00.1230000+00:00");
    assert_eq!(body["queryId"], "00000000-0000-0000-0000-000000000001");
    assert_eq!(body.as_object().unwrap().len(), 5, "nothing but what is published");
}

#[tokio::test]
async fn any_2xx_ends_it_and_any_other_4xx_and_redirect_too() {
    for (status, state) in [
        (200, State::Delivered),
        (299, State::Delivered),
        (400, State::Failed),
        (401, State::Failed),
        (404, State::Failed),
        (410, State::Failed),
        (304, State::Failed),
    ] {
        let (ended, attempts, server, _) = story(&[Reply::Status(status)], SHORT * 20).await;
        assert_eq!((ended, attempts.len(), server.count()), (state, 1, 1), "{status}");
    }
}

#[tokio::test]
async fn ten_attempts_over_about_ninety_minutes_and_then_it_is_given_up() {
    for status in [500, 503, 408, 429] {
        let (state, attempts, server, took) = story(&[Reply::Status(status)], SHORT * 20).await;
        assert_eq!((state, attempts.len(), server.count()), (State::Failed, 10, 10), "{status}");
        assert!((50 * 60..=150 * 60).contains(&took.as_secs()), "{status}: {took:?}");
        let seen = server.seen.lock().unwrap();
        assert!(seen.iter().all(|request| request.header("x-halo-id") == seen[0].header("x-halo-id")));
        assert!(
            seen.iter()
                .any(|request| request.header("x-halo-timestamp") != seen[0].header("x-halo-timestamp"))
        );
    }
}

#[tokio::test]
async fn an_endpoint_that_does_not_answer_properly_is_tried_again() {
    for (reply, failure) in [
        (Reply::Silence, "timeout"),
        (Reply::SlowHead, "timeout"),
        (Reply::HangUp, "broken"),
        (Reply::Garbage, "broken"),
    ] {
        let (state, attempts, ..) = story(&[reply.clone(), Reply::Status(200)], SHORT).await;
        assert_eq!(state, State::Delivered, "{reply:?}");
        assert_eq!(attempts, [(None, Some(failure.to_owned())), (Some(200), None)], "{reply:?}");
    }
}

#[tokio::test]
async fn the_status_counts_however_slow_or_long_the_body_after_it_is() {
    for reply in [Reply::SlowBody(200), Reply::HugeBody(200)] {
        let (state, attempts, ..) = story(std::slice::from_ref(&reply), SHORT).await;
        assert_eq!((state, attempts.len()), (State::Delivered, 1), "{reply:?}");
    }
}

#[tokio::test]
async fn an_attempt_takes_five_seconds_at_most() {
    let began = Instant::now();
    let server = Server::start(&[Reply::Silence]).await;
    let world = World::new(&[&server]);
    world.endpoint(&server.url("/"), &[Source::Async], None).await;
    world.hooks.tell(event(1, Source::Async, Kind::Successful)).await.unwrap();
    let all = world.until(|all| all[0].attempts.len() == 1).await;
    assert_eq!(all[0].attempts[0].failure.as_deref(), Some("timeout"));
    let took = began.elapsed();
    assert!(took >= Duration::from_millis(4900) && took < Duration::from_secs(7), "{took:?}");
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let other = Server::start(&[Reply::Status(200)]).await;
    let server = Server::start(&[Reply::Redirect(other.url("/elsewhere"))]).await;
    let world = World::new(&[&server, &other]);
    world.endpoint(&server.url("/"), &[Source::Async], None).await;
    world.hooks.tell(event(1, Source::Async, Kind::Successful)).await.unwrap();
    let (all, _) = world.to_the_end().await;
    assert_eq!((all[0].state, all[0].attempts[0].status), (State::Failed, Some(307)));
    assert_eq!(other.count(), 0);
}

#[tokio::test]
async fn dead_endpoints_hold_up_nobody_else() {
    let dead = Server::start(&[Reply::Silence]).await;
    let good = Server::start(&[Reply::Status(200)]).await;
    let world = World::new(&[&dead, &good]);
    for _ in 0..20 {
        world.endpoint(&dead.url("/"), &[Source::Async], None).await;
    }
    // Twenty dead endpoints with forty notifications each.
    for number in 0..40 {
        world.hooks.tell(event(number, Source::Async, Kind::Successful)).await.unwrap();
    }
    let living = world.endpoint(&good.url("/"), &[Source::Registered], None).await;
    let began = Instant::now();
    for number in 100..150 {
        world.hooks.tell(event(number, Source::Registered, Kind::ResultChanged)).await.unwrap();
    }
    world.until(|_| good.count() == 50).await;
    let took = began.elapsed();
    assert!(took < Duration::from_secs(4), "less than one attempt at a dead one: {took:?}");
    let totals = world.hooks.endpoint(living.id).await.unwrap().unwrap().totals;
    assert_eq!((totals.delivered + totals.pending, totals.failed), (50, 0));
    assert!(dead.count() <= 20 * webhook::LANES, "and no more attempts at dead ones than they have lanes");
}
