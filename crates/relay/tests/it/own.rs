//! A Link tries its own way: to the sites of its own connection, and to nothing else.

use crate::kit::{Cloud, Practice, ask, connect, eventually, exchange};
use model::Pms;
use tunnel::head::{self, Answer, Ask, Reason};

#[tokio::test]
async fn a_link_reaches_its_own_site_through_the_relay() {
    let (cloud, practice) = (Cloud::start().await, Practice::new("1"));
    let link = cloud.link(&practice, 1).await;
    let mut stream = connect(&link.dialer, practice.id()).await.unwrap();
    exchange(&mut stream, b"hello").await;
    assert!(cloud.relay.usage().is_empty(), "a test is on nobody's bill");
}

#[tokio::test]
async fn a_link_reaches_no_other_site_and_learns_of_none() {
    let cloud = Cloud::start().await;
    let (own, other) = (Practice::new("1"), Practice::new("2"));
    let link = cloud.link(&own, 1).await;
    let _other = cloud.link(&other, 1).await;
    for question in [
        Ask::Connect { site: other.id() },
        Ask::Connect { site: Practice::new("3").id() },
        Ask::Look { site: other.id() },
        Ask::Find { pms: Pms::BestPractice, pms_id: "2".to_owned() },
    ] {
        let (answer, _) = ask(&link.dialer, &question).await;
        assert!(
            matches!(answer, Answer::Refused { reason: Reason::NotEntitled, .. }),
            "{question:?}: {answer:?}"
        );
    }
    let (answer, _) = ask(&link.dialer, &Ask::Look { site: own.id() }).await;
    assert!(
        matches!(&answer, Answer::Sites { sites } if sites[0].site == own.id()),
        "of its own it does: {answer:?}"
    );
}

#[tokio::test]
async fn a_link_gets_few_such_streams_and_its_connection_lives_on() {
    let (cloud, practice) = (Cloud::start().await, Practice::new("1"));
    let link = cloud.link(&practice, 1).await;
    let mut streams = Vec::new();
    for _ in 0..4 {
        streams.push(connect(&link.dialer, practice.id()).await.unwrap());
    }
    let mut surplus = link.dialer.open().await.unwrap();
    let _ = head::write(&mut surplus, &Ask::Connect { site: practice.id() }).await;
    assert!(head::read::<Answer>(&mut surplus).await.is_err());
    drop(streams);
    eventually("the Link is still there", || cloud.relay.counts().links == 1).await;
    let gateway = cloud.gateway().await;
    exchange(&mut connect(&gateway, practice.id()).await.unwrap(), b"a query").await;
}

#[tokio::test]
async fn what_is_no_test_by_its_size_is_cut() {
    let (cloud, practice) = (Cloud::start().await, Practice::new("1"));
    let link = cloud.link(&practice, 1).await;
    let mut stream = connect(&link.dialer, practice.id()).await.unwrap();
    let much = vec![7; 64 * 1024];
    let flood = async {
        loop {
            use tokio::io::{AsyncReadExt, AsyncWriteExt};
            let mut back = vec![0; much.len()];
            if stream.write_all(&much).await.is_err() || stream.read_exact(&mut back).await.is_err() {
                break;
            }
        }
    };
    tokio::time::timeout(crate::kit::PATIENCE, flood).await.expect("the stream is cut");
}
