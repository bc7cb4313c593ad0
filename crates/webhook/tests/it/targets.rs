//! Whom it never calls.

use crate::kit::{HOST, Reply, Server, World, event};
use std::time::Duration;
use webhook::{Delivery, Kind, Kinds, Policy, Settings, Source, Sources, State, UrlTemplate, WebhookError};

async fn one(world: &World, url: &str) -> Delivery {
    let endpoint = world.endpoint(url, &[Source::Async], None).await;
    world.hooks.tell(event(1, Source::Async, Kind::Successful)).await.unwrap();
    let all = world
        .until(|all| all.iter().any(|one| one.endpoint == endpoint.id && !one.attempts.is_empty()))
        .await;
    world.hooks.remove(endpoint.id).await.unwrap();
    all.into_iter().find(|one| one.endpoint == endpoint.id).unwrap()
}

#[tokio::test]
async fn a_name_that_leads_inside_is_refused_when_it_is_called() {
    let server = Server::start(&[Reply::Status(200)]).await;
    let world = World::with(&[&server], Policy::default(), Duration::from_millis(500));
    for inside in [
        "127.0.0.1",
        "10.0.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "::1",
        "fd00:ec2::254",
        "::ffff:127.0.0.1",
        "0.0.0.0",
    ] {
        world.names.0.lock().unwrap().insert(HOST.to_owned(), vec![inside.parse().unwrap()]);
        let delivery = one(&world, &server.url("/")).await;
        assert_eq!(delivery.attempts[0].failure.as_deref(), Some("addressRefused"), "{inside}");
        assert_eq!(delivery.state, State::Failed, "it would be the same the next time: {inside}");
    }
    for url in [
        "https://127.0.0.1/",
        "https://[::1]/",
        "https://[::ffff:7f00:1]/",
        "https://169.254.169.254/latest/meta-data",
    ] {
        let url = UrlTemplate::parse(url, false).unwrap();
        let sources = Sources::of(&[Source::Async]);
        let settings = Settings { url, sources, kinds: Kinds::usual(sources), enabled: true };
        let refused = world.hooks.add(settings, None).await;
        assert!(
            matches!(refused, Err(WebhookError::Target(_))),
            "said at once where it is plain: {refused:?}"
        );
    }
    assert_eq!(server.count(), 0);
}

#[tokio::test]
async fn a_name_is_looked_up_once_per_attempt_and_its_good_address_is_called() {
    let server = Server::start(&[Reply::Status(200)]).await;
    let policy = Policy { networks: vec!["127.0.0.1/32".parse().unwrap()], plain_http: false };
    let world = World::with(&[&server], policy, Duration::from_secs(5));
    // Beside the good one an address that must not be called, on which the same server would answer.
    let both = vec!["127.0.0.2".parse().unwrap(), "127.0.0.1".parse().unwrap()];
    world.names.0.lock().unwrap().insert(HOST.to_owned(), both);
    assert_eq!(one(&world, &server.url("/")).await.state, State::Delivered);
    assert_eq!(*world.names.1.lock().unwrap(), 1, "no second look-up that could say something else");
}

#[tokio::test]
async fn a_dead_address_leaves_time_for_the_next_one() {
    let server = Server::start(&[Reply::Status(200)]).await;
    let world = World::new(&[&server]);
    let both = vec!["127.0.0.9".parse().unwrap(), "127.0.0.1".parse().unwrap()];
    world.names.0.lock().unwrap().insert(HOST.to_owned(), both);
    assert_eq!(one(&world, &server.url("/")).await.state, State::Delivered);
}

#[tokio::test]
async fn failures_are_told_apart() {
    let server = Server::start(&[Reply::Status(200)]).await;
    let stranger = Server::start(&[Reply::Status(200)]).await;
    let world = World::with(
        &[&server],
        Policy { networks: vec!["127.0.0.0/8".parse().unwrap()], plain_http: false },
        Duration::from_secs(2),
    );
    let failure = async |url: &str| one(&world, url).await.attempts[0].failure.clone().unwrap();
    assert_eq!(failure(&stranger.url("/")).await, "tls", "a certificate of nobody we trust");
    assert_eq!(failure("https://nowhere.test/").await, "nameNotFound");
    assert_eq!(failure("https://127.0.0.1:1/").await, "connect");
    assert_eq!(failure(&format!("http://127.0.0.1:{}/", server.address.port())).await, "plainHttp");
    world.names.0.lock().unwrap().insert("other.test".to_owned(), vec!["127.0.0.1".parse().unwrap()]);
    assert_eq!(
        failure(&format!("https://other.test:{}/", server.address.port())).await,
        "tls",
        "another name's certificate"
    );
    assert_eq!((server.count(), stranger.count()), (0, 0));
}
