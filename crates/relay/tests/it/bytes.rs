//! What passes, passes unchanged, and ends where it ended.

use crate::kit::{Cloud, PATIENCE, Practice, connect, eventually, exchange};
use std::io::ErrorKind;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};

#[tokio::test(flavor = "multi_thread")]
async fn twenty_megabytes_pass_both_ways_unchanged_and_are_counted() {
    let (cloud, practice) = (Cloud::start().await, Practice::new("1"));
    let mut link = cloud.link(&practice, 1).await;
    let gateway = cloud.gateway().await;
    let stream = connect(&gateway, practice.id()).await.unwrap();
    let sent: Vec<u8> = (0..20_000_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let (mut read, mut write) = tokio::io::split(stream);
    let mut got = Vec::new();
    let writing = async {
        write.write_all(&sent).await.unwrap();
        write.shutdown().await.unwrap();
    };
    let reading = async { read.read_to_end(&mut got).await.unwrap() };
    timeout(PATIENCE, async { tokio::join!(writing, reading) }).await.unwrap();
    assert!(got.strip_suffix(b"|end") == Some(&sent[..]));
    assert_eq!(link.ended.recv().await, Some(Ok(20_000_000)));

    let usage = cloud.relay.usage();
    assert_eq!((usage.len(), usage[0].site, usage[0].streams), (1, practice.id(), 1));
    assert_eq!((usage[0].to_site, usage[0].to_gateway), (20_000_000, 20_000_004));
}

#[tokio::test]
async fn a_gateway_that_has_said_all_still_hears_the_site() {
    let (cloud, practice) = (Cloud::start().await, Practice::new("1"));
    let _link = cloud.link(&practice, 1).await;
    let gateway = cloud.gateway().await;
    let mut stream = connect(&gateway, practice.id()).await.unwrap();
    stream.write_all(b"question").await.unwrap();
    stream.shutdown().await.unwrap();
    let mut got = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut got)).await.unwrap().unwrap();
    assert_eq!(got, b"question|end");
    eventually("the stream is counted out", || cloud.relay.counts().streams == 0).await;
}

#[tokio::test]
async fn a_link_that_breaks_in_mid_stream_breaks_the_gateways_stream_and_no_other() {
    let (cloud, lost, kept) = (Cloud::start().await, Practice::new("1"), Practice::new("2"));
    let (link, _other) = (cloud.link(&lost, 1).await, cloud.link(&kept, 1).await);
    let gateway = cloud.gateway().await;
    let mut breaks = connect(&gateway, lost.id()).await.unwrap();
    let mut stays = connect(&gateway, kept.id()).await.unwrap();
    exchange(&mut breaks, b"before").await;
    link.cut().await;
    let end = timeout(PATIENCE, breaks.read(&mut [0; 16])).await.expect("the break is heard");
    assert_eq!(end.unwrap_err().kind(), ErrorKind::ConnectionReset, "a break is no clean end");
    exchange(&mut stays, b"after").await;
}

#[tokio::test]
async fn a_gateway_that_breaks_in_mid_stream_breaks_the_links_stream() {
    let (cloud, practice) = (Cloud::start().await, Practice::new("1"));
    let mut link = cloud.link(&practice, 1).await;
    let gateway = cloud.gateway().await;
    let mut stream = connect(&gateway, practice.id()).await.unwrap();
    exchange(&mut stream, b"before").await;
    drop(gateway);
    let ended = timeout(PATIENCE, link.ended.recv()).await.expect("the break is heard");
    assert_eq!(ended, Some(Err(ErrorKind::ConnectionReset)));
    eventually("the gateway is counted out", || cloud.relay.counts().gateways == 0).await;
    assert_eq!(cloud.relay.counts().links, 1);
}

#[tokio::test]
async fn a_reader_that_stops_reading_holds_up_nobody_else_and_bounds_what_is_sent() {
    let (cloud, practice) = (Cloud::start().await, Practice::new("1"));
    let _link = cloud.link(&practice, 1).await;
    let gateway = cloud.gateway().await;
    let mut stuck = connect(&gateway, practice.id()).await.unwrap();
    // Writes until nothing moves any more: all windows on the way are full.
    let mut sent = 0;
    let chunk = vec![7; 64 * 1024];
    while timeout(std::time::Duration::from_millis(500), stuck.write_all(&chunk)).await.is_ok() {
        sent += chunk.len();
        assert!(sent < 64 * 1024 * 1024, "something on the way takes bytes without bound");
    }
    let mut other = connect(&gateway, practice.id()).await.unwrap();
    exchange(&mut other, b"still here").await;
}
