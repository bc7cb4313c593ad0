use super::*;
use crate::{
    executor::Limits,
    testkit::{Bench, FakeEngine},
};
use model::SiteFacts;
use std::sync::atomic::Ordering;
use tokio::{net::TcpListener, sync::mpsc};
use tunnel::{AcceptOptions, Denied, Joined, Party, Roots, join, outer_client_tls, outer_server_tls};

/// Lets every Link in and hands over what it said.
struct Relay {
    outer: Outer,
    joined: mpsc::UnboundedReceiver<Joined>,
}

async fn relay(clock: Arc<dyn Clock>) -> Relay {
    relay_of("demo", clock).await
}

async fn relay_of(environment: &str, clock: Arc<dyn Clock>) -> Relay {
    relay_from(environment, 0, clock).await
}

/// One that has seen this epoch, and lets none in below.
async fn relay_from(environment: &str, seen: u64, clock: Arc<dyn Clock>) -> Relay {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let ca = made.cert.pem().into_bytes();
    let tls = outer_server_tls(&ca, made.signing_key.serialize_pem().as_bytes()).unwrap();
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (sender, joined) = mpsc::unbounded_channel();
    let options = AcceptOptions {
        relay_names: vec!["localhost".to_owned()],
        environment: environment.to_owned(),
        clock,
        tuning: Tuning::default(),
        max_sites: 4,
    };
    tokio::spawn(async move {
        for nonce in 1.. {
            let (tcp, _) = listener.accept().await.unwrap();
            let io = tokio_rustls::TlsAcceptor::from(tls.clone()).accept(tcp).await.unwrap();
            if let Ok(one) = join(io, &options, [nonce; 32], async |party: &Party| match party {
                Party::Link { epoch, .. } if *epoch < seen => {
                    Err(Denied::Fenced { doubled: false, epoch: seen, why: "it is a copy".to_owned() })
                }
                _ => Ok(()),
            })
            .await
            {
                sender.send(one).unwrap();
            }
        }
    });
    let outer = Outer {
        relay: RelayAddress::parse(&format!("wss://localhost:{port}/tunnel/v1")).unwrap(),
        tls: outer_client_tls(Roots::Pem(&ca)).unwrap(),
        proxy: None,
        tuning: Tuning::default(),
        seed: 1,
    };
    Relay { outer, joined }
}

impl Relay {
    async fn next(&mut self) -> (Joined, SiteFacts) {
        let joined =
            timeout(Duration::from_secs(30), self.joined.recv()).await.expect("nobody joined").unwrap();
        let Party::Link { sites, .. } = &joined.party else { panic!("no Link") };
        let facts = sites[0].facts.clone();
        (joined, facts)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cloud_hears_what_the_database_says_and_hears_it_again_when_it_changes() {
    let engine = Arc::new(FakeEngine::default());
    engine.tell("1001", "Riverside", "9.1");
    let bench = Bench::of(engine, Some("1001"), Limits::default());
    let mut relay = relay(bench.clock.clone()).await;
    let link = Link::start(bench.host.clone(), relay.outer.clone(), bench.clock.clone()).await.unwrap();
    let (first, facts) = relay.next().await;
    assert_eq!(facts, *bench.door().facts(bench.site).unwrap(), "the first connection has it already");
    assert_eq!((facts.pms_version.as_str(), facts.enriched_at), ("9.1", Some(bench.clock.now())));

    bench.engine.tell("1001", "Riverside", "9.2");
    let host = bench.host.clone();
    let site = bench.site;
    tokio::task::spawn_blocking(move || host.door().look(site)).await.unwrap();
    let (_second, facts) = relay.next().await;
    assert_eq!(facts.pms_version, "9.2");
    assert_eq!(first.closed().await, tunnel::CloseKind::Goodbye, "no fault to the cloud");
    link.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_whose_database_is_away_joins_with_what_it_knows() {
    let engine = Arc::new(FakeEngine::default());
    engine.tell("1001", "Riverside", "9.1");
    let bench = Bench::of(engine, Some("1001"), Limits::default());
    bench.engine.down.store(true, Ordering::SeqCst);
    let mut relay = relay(bench.clock.clone()).await;
    let link = Link::start(bench.host.clone(), relay.outer.clone(), bench.clock.clone()).await.unwrap();
    let (_first, facts) = relay.next().await;
    assert_eq!((facts.practice_name.as_str(), facts.enriched_at), ("Test Clinic", None));
    link.stop().await;
}

/// Number and 32 bytes, and nothing else: the platform is to be a witness, not a reader.
#[tokio::test(flavor = "multi_thread")]
async fn the_cloud_is_told_where_the_audit_ends() {
    let bench = Bench::new();
    bench.pair(model::Access::ReadOnly);
    let mut relay = relay(bench.clock.clone()).await;
    let link = Link::start(bench.host.clone(), relay.outer.clone(), bench.clock.clone()).await.unwrap();
    let (joined, _) = relay.next().await;
    let told = timeout(Duration::from_secs(30), joined.audit_heads()).await.expect("it is told").unwrap();
    let ends = bench.door().head(bench.site).unwrap().expect("a pairing is a line").head;
    assert_eq!((told.len(), told[0].site), (1, bench.site));
    assert_eq!((told[0].number, told[0].chain.0), (ends.number, ends.chain));
    link.stop().await;
}

/// As the relay does it: one stream that the Link opened, spliced back to it.
async fn carry_back(joined: &Joined) {
    use tunnel::head::{self, Answer, Ask, Incoming};
    let mut stream = joined.accept().await.unwrap();
    let Ask::Connect { site } = head::read(&mut stream).await.unwrap() else { panic!("no connect") };
    let mut back = joined.open().await.unwrap();
    head::write(&mut back, &Incoming { site }).await.unwrap();
    head::write(&mut stream, &Answer::Connected).await.unwrap();
    let _ = tokio::io::copy_bidirectional(&mut stream, &mut back).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_proves_the_whole_way_by_calling_itself_as_a_stranger() {
    let bench = Bench::new();
    let mut relay = relay(bench.clock.clone()).await;
    let link = Link::start(bench.host.clone(), relay.outer.clone(), bench.clock.clone()).await.unwrap();
    let (joined, _) = relay.next().await;
    let mut status = link.status();
    status.wait_for(|status| *status == Status::Online).await.unwrap();
    let test = link.service().self_test.unwrap();
    let carrying = tokio::spawn(async move {
        carry_back(&joined).await;
        joined
    });
    let tested = test.run().await;
    assert_eq!((tested.len(), tested[0].site, &tested[0].why), (1, bench.site, &None));
    assert!(tested[0].ms.is_some());
    assert!(bench.audit().is_empty(), "the test leaves nothing behind");

    // A relay that breaks the connection: named, and not waited for.
    drop(timeout(Duration::from_secs(20), carrying).await.unwrap().unwrap());
    status.wait_for(|status| *status != Status::Online).await.unwrap();
    let broken = test.run().await;
    assert!(broken[0].ms.is_none() && broken[0].why.is_some(), "{broken:?}");
    link.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_of_another_environment_is_refused_and_knows_why() {
    let bench = Bench::new();
    let relay = relay_of("stage", bench.clock.clone()).await;
    let link = Link::start(bench.host.clone(), relay.outer.clone(), bench.clock.clone()).await.unwrap();
    let mut status = link.status();
    let refused = timeout(Duration::from_secs(20), status.wait_for(|s| matches!(s, Status::Refused { .. })));
    let refused = refused.await.expect("refused in time").unwrap().clone();
    let Status::Refused { reason, why, .. } = refused else { panic!() };
    assert_eq!(reason, tunnel::control::RefusedReason::Environment);
    assert!(why.contains("stage's, and this Halo Link is set to demo"), "{why}");
    assert!(why.contains("environment set stage"), "{why}");
    link.stop().await;
}

/// From the relay's word to the practice's, and back.
#[tokio::test(flavor = "multi_thread")]
async fn a_link_whose_epoch_is_refused_stops_serving_and_once_confirmed_joins_with_a_new_generation() {
    let bench = Bench::new();
    bench.pair(model::Access::ReadWrite);
    let seen = 3 << 32;
    let mut relay = relay_from("demo", seen, bench.clock.clone()).await;
    let link = Link::start(bench.host.clone(), relay.outer.clone(), bench.clock.clone()).await.unwrap();
    for _ in 0..1_000 {
        if bench.door().held().is_some() {
            break;
        }
        sleep(Duration::from_millis(20)).await;
    }
    let held = bench.door().held();
    assert!(
        matches!(held, Some(crate::door::Held::Stopped(stopped)) if stopped.stored == Some(seen)),
        "{held:?}"
    );
    assert!(bench.door().check(&bench.peer(), bench.site).is_err(), "whatever way somebody comes");
    let host = bench.host.clone();
    tokio::task::spawn_blocking(move || host.confirm("0:root")).await.unwrap().unwrap();
    let (joined, _) = relay.next().await;
    let Party::Link { epoch, sites, .. } = &joined.party else { panic!("no Link") };
    assert_eq!((*epoch, sites[0].epoch), (4 << 32, 4 << 32));
    bench.door().check(&bench.peer(), bench.site).unwrap();
    link.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_hangs_does_not_keep_a_link_from_stopping() {
    let bench = Bench::new();
    let relay = relay(bench.clock.clone()).await;
    let link = Link::start(bench.host.clone(), relay.outer.clone(), bench.clock.clone()).await.unwrap();
    let (held, holds) = std::sync::mpsc::channel();
    let (release, released) = std::sync::mpsc::channel::<()>();
    let host = bench.host.clone();
    let hanging = std::thread::spawn(move || {
        host.hold_store(|| {
            held.send(()).unwrap();
            let _ = released.recv();
        });
    });
    tokio::task::spawn_blocking(move || holds.recv()).await.unwrap().unwrap();
    timeout(STOP + FLUSH + Duration::from_secs(5), link.stop()).await.expect("it waits for the disk");
    drop(release);
    hanging.join().unwrap();
}
