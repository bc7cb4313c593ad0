//! Every refusal has its reason, and comes at once.

use crate::kit::{Cloud, PATIENCE, Practice, ask, connect, eventually, exchange, gateway, online, reaches};
use model::{Availability, Pms, SiteStatus};
use relay::Limits;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tunnel::{
    Status,
    control::RefusedReason,
    head::{self, Answer, Ask, Reason},
};

#[tokio::test]
async fn a_site_whose_link_said_goodbye_is_offline_at_once() {
    let (cloud, practice) = (Cloud::start().await, Practice::new("1"));
    let link = cloud.link(&practice, 1).await;
    let gateway = cloud.gateway().await;
    link.close().await;
    eventually("the Link is counted out", || cloud.relay.counts().links == 0).await;
    #[expect(clippy::disallowed_methods, reason = "measures how long a caller waits")]
    let asked = Instant::now();
    assert_eq!(connect(&gateway, practice.id()).await.unwrap_err(), Reason::Offline);
    assert!(asked.elapsed() < Duration::from_secs(1));
    assert_eq!(cloud.directory.look(practice.id()).unwrap().unwrap().availability, Availability::Offline);
}

#[tokio::test]
async fn a_site_that_never_came_is_unknown() {
    let cloud = Cloud::start().await;
    let gateway = cloud.gateway().await;
    assert_eq!(connect(&gateway, Practice::new("1").id()).await.unwrap_err(), Reason::UnknownSite);
}

#[tokio::test]
async fn an_integrator_is_refused_everything_until_it_is_admitted_and_again_when_it_is_removed() {
    let (cloud, practice) = (Cloud::start().await, Practice::new("1"));
    let _link = cloud.link(&practice, 1).await;
    let (id, gateway) = cloud.stranger().await;
    let questions = [
        Ask::Connect { site: practice.id() },
        Ask::Look { site: practice.id() },
        Ask::Find { pms: Pms::BestPractice, pms_id: "1".to_owned() },
    ];
    for question in &questions {
        let (answer, _) = ask(&gateway, question).await;
        assert!(matches!(answer, Answer::Refused { reason: Reason::NotEntitled, .. }), "{answer:?}");
    }
    cloud.directory.admit(id, "Acme").unwrap();
    exchange(&mut connect(&gateway, practice.id()).await.unwrap(), b"hello").await;

    cloud.directory.remove_integrator(id).unwrap();
    assert_eq!(connect(&gateway, practice.id()).await.unwrap_err(), Reason::NotEntitled);
}

#[tokio::test]
async fn the_directory_answers_find_and_look() {
    let (cloud, practice) = (Cloud::start().await, Practice::new("4711"));
    let _link = cloud.link(&practice, 1).await;
    let gateway = cloud.gateway().await;
    let found = |answer| match answer {
        Answer::Sites { sites } => sites,
        other => panic!("{other:?}"),
    };
    let (answer, _) = ask(&gateway, &Ask::Find { pms: Pms::BestPractice, pms_id: "4711".to_owned() }).await;
    let sites = found(answer);
    assert_eq!((sites.len(), sites[0].site, &sites[0].facts), (1, practice.id(), &practice.facts));
    assert_eq!((sites[0].availability, sites[0].status), (Availability::Online, SiteStatus::Active));
    assert!(sites[0].authoritative && sites[0].link.is_some());
    let (answer, _) = ask(&gateway, &Ask::Look { site: practice.id() }).await;
    assert_eq!(found(answer)[0].site, practice.id());
    for none in [
        Ask::Look { site: Practice::new("2").id() },
        Ask::Find { pms: Pms::Zedmed, pms_id: "4711".to_owned() },
    ] {
        let (answer, _) = ask(&gateway, &none).await;
        assert!(found(answer).is_empty());
    }
}

#[tokio::test]
async fn a_stream_too_many_is_refused_as_busy_and_a_freed_place_can_be_taken() {
    let cloud = Cloud::with(Limits { streams_per_gateway: 2, ..Limits::default() }).await;
    let practice = Practice::new("1");
    let _link = cloud.link(&practice, 1).await;
    let gateway = cloud.gateway().await;
    let first = connect(&gateway, practice.id()).await.unwrap();
    let _second = connect(&gateway, practice.id()).await.unwrap();
    assert_eq!(connect(&gateway, practice.id()).await.unwrap_err(), Reason::Busy);
    drop(first);
    eventually("the dropped stream is counted out", || cloud.relay.counts().streams == 1).await;
    connect(&gateway, practice.id()).await.unwrap();
}

/// Over however many connections: a site sees whose a stream is only once its handshake is over.
#[tokio::test]
async fn one_integrator_has_so_many_streams_to_one_site_and_leaves_room_for_others() {
    let cloud = Cloud::with(Limits { streams_per_site: 2, ..Limits::default() }).await;
    let (practice, another) = (Practice::new("1"), Practice::new("2"));
    let _link = cloud.link(&practice, 1).await;
    let _other_link = cloud.link(&another, 1).await;
    let (gateway, stranger) = (cloud.gateway().await, cloud.gateway().await);
    let first = connect(&gateway, practice.id()).await.unwrap();
    let _second = connect(&gateway, practice.id()).await.unwrap();
    assert_eq!(connect(&gateway, practice.id()).await.unwrap_err(), Reason::Busy);
    let _elsewhere = connect(&gateway, another.id()).await.unwrap();
    let _others = connect(&stranger, practice.id()).await.unwrap();
    drop(first);
    eventually("the dropped stream is counted out", || cloud.relay.counts().streams == 3).await;
    connect(&gateway, practice.id()).await.unwrap();
}

#[tokio::test]
async fn a_gateway_that_is_not_admitted_has_few_streams_until_it_is() {
    let cloud = Cloud::with(Limits { streams_per_unadmitted: 2, ..Limits::default() }).await;
    let (id, gateway) = cloud.stranger().await;
    let mut open = Vec::new();
    for _ in 0..3 {
        let mut stream = gateway.open().await.unwrap();
        // Half a head: it stays open.
        stream.write_all(&[0]).await.unwrap();
        stream.flush().await.unwrap();
        open.push(stream);
    }
    let end = tokio::time::timeout(Duration::from_secs(5), open[2].read_u8()).await;
    assert!(end.expect("the third is reset at once").is_err());
    open.clear();

    cloud.directory.admit(id, "Acme").unwrap();
    let look = Ask::Look { site: Practice::new("1").id() };
    assert!(matches!(ask(&gateway, &look).await.0, Answer::Sites { .. }));
    for _ in 0..5 {
        let mut stream = gateway.open().await.unwrap();
        stream.write_all(&[0]).await.unwrap();
        stream.flush().await.unwrap();
        open.push(stream);
    }
    assert!(matches!(ask(&gateway, &look).await.0, Answer::Sites { .. }));
}

#[tokio::test]
async fn gateways_that_are_not_admitted_have_few_places_and_an_admitted_one_needs_none() {
    let cloud = Cloud::with(Limits { unadmitted_gateways: 1, ..Limits::default() }).await;
    let admitted = cloud.gateway().await;
    let (id, first) = cloud.stranger_soon();
    // The admitted one was a stranger when it came; its first question frees its place.
    let look = Ask::Look { site: Practice::new("1").id() };
    let waits = reaches(&first, |s| matches!(s, Status::Waiting { .. } | Status::Refused { .. })).await;
    assert!(matches!(&waits, Status::Waiting { why, .. } if why.contains("not admitted")), "{waits:?}");
    assert!(matches!(ask(&admitted, &look).await.0, Answer::Sites { .. }));
    online(&first).await;

    let (other, second) = cloud.stranger_soon();
    reaches(&second, |s| matches!(s, Status::Waiting { .. })).await;
    cloud.directory.admit(other, "Acme").unwrap();
    online(&second).await;
    assert!(matches!(ask(&first, &look).await.0, Answer::Refused { reason: Reason::NotEntitled, .. }));
    cloud.directory.admit(id, "Recalls").unwrap();
    assert!(matches!(ask(&first, &look).await.0, Answer::Sites { .. }));
}

#[tokio::test]
async fn a_stream_that_begins_with_no_question_is_told_so() {
    let cloud = Cloud::start().await;
    let gateway = cloud.gateway().await;
    for garbage in [&b"\x00\x04oops"[..], b"\xff\xff", b"\x00\x02{}", b"GET / HTTP/1.1\r\n\r\n"] {
        let mut stream = gateway.open().await.unwrap();
        stream.write_all(garbage).await.unwrap();
        stream.shutdown().await.unwrap();
        let answer =
            tokio::time::timeout(PATIENCE, head::read::<Answer>(&mut stream)).await.unwrap().unwrap();
        assert!(matches!(answer, Answer::Refused { reason: Reason::Protocol, .. }), "{answer:?}");
    }
}

#[tokio::test]
async fn a_stream_that_asks_nothing_is_ended() {
    let cloud = Cloud::with(Limits { head: Duration::from_millis(200), ..Limits::default() }).await;
    let gateway = cloud.gateway().await;
    let mut stream = gateway.open().await.unwrap();
    stream.write_all(&[0]).await.unwrap();
    stream.flush().await.unwrap();
    assert!(tokio::time::timeout(PATIENCE, head::read::<Answer>(&mut stream)).await.unwrap().is_err());
}

#[tokio::test]
async fn a_link_and_a_gateway_of_another_environment_are_not_let_in_and_told_where_to_set_it_right() {
    let (cloud, practice) = (Cloud::start().await, Practice::new("1"));
    let link = cloud.dial_from("production", practice.credentials(1));
    let gateway = cloud.dial_from("demo", gateway());
    for (dialer, words) in [
        (&link, ["Halo Link is set to production", "link.toml"]),
        (&gateway, ["gateway is set to demo", "start it again"]),
    ] {
        let status = reaches(dialer, |status| matches!(status, Status::Refused { .. })).await;
        let Status::Refused { reason, why, .. } = status else { panic!() };
        assert_eq!(reason, RefusedReason::Environment);
        assert!(why.contains("stage's") && words.iter().all(|word| why.contains(word)), "{why}");
    }
    assert!(
        cloud.directory.look(practice.id()).unwrap().is_none(),
        "nothing of the other environment is kept"
    );
    // One that is too old to say it is told to update.
    let old = cloud.dial_from("", practice.credentials(2));
    let status = reaches(&old, |status| matches!(status, Status::Refused { .. })).await;
    assert!(matches!(&status, Status::Refused { why, .. } if why.contains("update it")), "{status:?}");
    let counts = cloud.relay.counts();
    assert_eq!((counts.links, counts.gateways), (0, 0));
}
