//! What users of today's system could not do, or what once failed there: facts E, J and K12. One test each.

use crate::kit::{Reply, Server, World, event, site};
use model::Timestamp;
use webhook::{Event, Filter, Kind, Kinds, Settings, Source, Sources, State, UrlTemplate, WebhookError};

#[tokio::test]
async fn j_25_1211_a_notification_that_failed_once_is_not_lost() {
    let server = Server::start(&[Reply::Status(502), Reply::HangUp, Reply::Status(200)]).await;
    let world = World::new(&[&server]);
    world.endpoint(&server.url("/"), &[Source::Async], None).await;
    world.hooks.tell(event(1, Source::Async, Kind::Successful)).await.unwrap();
    let (all, _) = world.to_the_end().await;
    assert_eq!((all[0].state, all[0].attempts.len()), (State::Delivered, 3));
}

#[tokio::test]
async fn k12_what_did_not_go_well_is_told_to_whoever_asked_for_it_and_to_nobody_else() {
    let server = Server::start(&[Reply::Status(200)]).await;
    let world = World::new(&[&server]);
    world.endpoint(&server.url("/published"), &[Source::Async, Source::Registered], None).await;
    let all: Vec<Kind> = Kind::ALL.iter().copied().filter(|kind| *kind != Kind::Test).collect();
    world.endpoint(&server.url("/all"), Source::ALL, Some(&all)).await;
    let mut told = 0;
    for (number, kind) in all.iter().enumerate() {
        let event = match kind {
            Kind::SiteOnline | Kind::SiteOffline => {
                Event::of_site(site(), *kind == Kind::SiteOnline, Timestamp(5))
            }
            _ => event(number as u64, Source::Async, *kind),
        };
        told += world.hooks.tell(event).await.unwrap();
    }
    assert_eq!(told, all.len() + 2, "all of them, and the two that are published");
    world.until(|log| log.len() == told && log.iter().all(|one| one.state == State::Delivered)).await;
    let seen = server.seen.lock().unwrap();
    let told: Vec<String> = seen
        .iter()
        .filter(|request| request.line.contains("/all"))
        .map(|request| {
            serde_json::from_str::<serde_json::Value>(&request.body).unwrap()["event"]
                .as_str()
                .unwrap()
                .to_owned()
        })
        .collect();
    for kind in all {
        assert!(told.iter().any(|name| name == kind.as_str()), "{}", kind.as_str());
    }
    assert!(
        seen.iter()
            .filter(|request| request.line.contains("/published"))
            .all(|request| !request.body.contains("event"))
    );
}

#[tokio::test]
async fn k12_several_addresses_each_with_its_own_sources() {
    let server = Server::start(&[Reply::Status(200)]).await;
    let world = World::new(&[&server]);
    world.endpoint(&server.url("/a?{source}"), &[Source::Async], None).await;
    world.endpoint(&server.url("/r?{source}"), &[Source::Registered], None).await;
    world.hooks.tell(event(1, Source::Async, Kind::Successful)).await.unwrap();
    world.hooks.tell(event(2, Source::Registered, Kind::ResultChanged)).await.unwrap();
    world.until(|_| server.count() == 2).await;
    let lines: Vec<String> = server.seen.lock().unwrap().iter().map(|request| request.line.clone()).collect();
    assert!(lines.iter().any(|line| line.starts_with("POST /a?async ")), "{lines:?}");
    assert!(lines.iter().any(|line| line.starts_with("POST /r?registered ")), "{lines:?}");
}

#[tokio::test]
async fn k12_what_was_missed_can_be_had_again_under_the_same_id() {
    let server = Server::start(&[Reply::Status(404)]).await;
    let world = World::new(&[&server]);
    let endpoint = world.endpoint(&server.url("/"), &[Source::Async], None).await;
    for number in 0..5 {
        world.hooks.tell(event(number, Source::Async, Kind::Successful)).await.unwrap();
    }
    let log = world.until(|log| log.len() == 5 && log.iter().all(|one| one.state == State::Failed)).await;
    server.now_replies(Reply::Status(200));
    let one = world.hooks.redeliver(log[0].id).await.unwrap().unwrap();
    assert_eq!((one.id, one.state), (log[0].id, State::Pending));
    world.until(|log| log[0].state == State::Delivered && log[0].attempts.len() == 2).await;
    assert_eq!(world.hooks.redeliver_failed(Some(uuid::Uuid::nil()), Timestamp(0)).await.unwrap(), 0);
    assert_eq!(world.hooks.redeliver_failed(None, Timestamp(i64::MAX)).await.unwrap(), 0);
    assert_eq!(world.hooks.redeliver_failed(Some(endpoint.id), Timestamp(0)).await.unwrap(), 4);
    world.until(|log| log.iter().all(|one| one.state == State::Delivered)).await;
    {
        let seen = server.seen.lock().unwrap();
        let ids: std::collections::HashSet<&str> =
            seen.iter().map(|request| request.header("x-halo-id")).collect();
        assert_eq!((seen.len(), ids.len()), (10, 5));
    }
    // Also one that went well: the receiver may have lost it.
    world.hooks.redeliver(log[1].id).await.unwrap().unwrap();
    world.until(|_| server.count() == 11).await;
    assert!(world.hooks.redeliver(uuid::Uuid::nil()).await.unwrap().is_none());
}

#[tokio::test]
async fn k12_a_site_that_went_away_is_told_of_once_and_a_short_break_is_not() {
    let server = Server::start(&[Reply::Status(200)]).await;
    let world = World::new(&[&server]);
    assert!(!world.hooks.wants_sites().await.unwrap());
    world.endpoint(&server.url("/{siteId}"), &[Source::Site], None).await;
    assert!(world.hooks.wants_sites().await.unwrap());
    let mut news = Vec::new();
    for (round, online) in [true, false, true, false, false, false, true, true].into_iter().enumerate() {
        world.clock.forward(std::time::Duration::from_secs(60));
        if world.hooks.saw_site(site(), online).await.unwrap() {
            news.push((round, online));
        }
    }
    assert_eq!(news, [(4, false), (6, true)]);
    // It goes while the gateway is stopped.
    let world = world.killed().await;
    assert!(!world.hooks.saw_site(site(), false).await.unwrap());
    assert!(world.hooks.saw_site(site(), false).await.unwrap());
    world.until(|log| log.len() == 3 && log.iter().all(|one| one.state == State::Delivered)).await;
    let seen = server.seen.lock().unwrap();
    assert!(
        seen.iter()
            .all(|request| request.body.contains(r#""event":"site"#) && !request.body.contains("queryId"))
    );
}

#[tokio::test]
async fn k7_an_endpoint_is_made_changed_tried_and_removed_without_anybody_else() {
    let server = Server::start(&[Reply::Status(200)]).await;
    let world = World::new(&[&server]);
    let url = UrlTemplate::parse(&server.url("/x"), false).unwrap();
    let sources = Sources::of(&[Source::Async]);
    let settings = Settings { url, sources, kinds: Kinds::usual(sources), enabled: true };
    let (made, secret) = world.hooks.add(settings.clone(), None).await.unwrap();
    assert_eq!(secret.reveal().len(), 64);
    let test = world.hooks.test(made.id).await.unwrap().unwrap();
    world.until(|log| log.iter().any(|one| one.id == test.id && one.state == State::Delivered)).await;
    assert!(server.last().body.contains(r#""event":"test""#));
    let list = world.hooks.deliveries(Filter {
        state: Some(State::Delivered),
        endpoint: Some(made.id),
        limit: 10,
        ..Filter::default()
    });
    assert_eq!(list.await.unwrap().len(), 1);
    let nothing = Settings { sources: Sources::default(), ..settings.clone() };
    assert!(matches!(world.hooks.replace(made.id, nothing).await, Err(WebhookError::NoSource)));
    let of_site = Settings {
        url: UrlTemplate::parse(&server.url("/{queryId}"), false).unwrap(),
        sources: Sources::of(&[Source::Site]),
        kinds: Kinds::from(Source::Site),
        enabled: true,
    };
    assert!(matches!(world.hooks.add(of_site, None).await, Err(WebhookError::QueryOfSite)));
    let useless = Settings { kinds: Kinds::from(Source::Site), ..settings.clone() };
    assert!(matches!(world.hooks.add(useless, None).await, Err(WebhookError::NothingOf("async"))));
    for _ in 1..webhook::ENDPOINTS {
        world.hooks.add(settings.clone(), None).await.unwrap();
    }
    assert!(matches!(world.hooks.add(settings, None).await, Err(WebhookError::TooMany)));
    assert!(world.hooks.remove(made.id).await.unwrap());
    assert!(world.hooks.test(made.id).await.unwrap().is_none());
}
