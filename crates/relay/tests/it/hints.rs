//! A hint finds the gateways it is meant for, and nobody else; a Link that floods them gets little through.

use crate::kit::{Cloud, Practice, connect, eventually, exchange, online};
use model::{IntegratorId, SiteId};
use std::{
    collections::HashSet,
    sync::{Arc, Mutex},
    time::Duration,
};
use trust::{Kind, Root};
use tunnel::{Credentials, Dialer};

/// What a gateway hears.
fn listen(gateway: &Dialer) -> Arc<Mutex<Vec<SiteId>>> {
    let heard: Arc<Mutex<Vec<SiteId>>> = Arc::default();
    let (mut hints, log) = (gateway.hints(), heard.clone());
    tokio::spawn(async move {
        while let Some(sites) = hints.next().await {
            log.lock().unwrap().extend(sites);
        }
    });
    heard
}

async fn admitted(cloud: &Cloud) -> (IntegratorId, Root, Dialer) {
    let root = Root::generate(Kind::Integrator).unwrap();
    let id = IntegratorId(root.id());
    cloud.directory.admit(id, "Acme Recalls").unwrap();
    let gateway = another(cloud, &root).await;
    (id, root, gateway)
}

async fn another(cloud: &Cloud, root: &Root) -> Dialer {
    use model::Clock;
    let own = root.issue("acme", 1, model::SystemClock.now(), Duration::from_secs(3600)).unwrap();
    let gateway = cloud.dial(Credentials::Gateway { operational: own, epoch: 1 });
    online(&gateway).await;
    gateway
}

#[tokio::test]
async fn every_gateway_of_the_integrator_hears_it_and_no_other_does() {
    let (cloud, practice) = (Cloud::start().await, Practice::new("1"));
    let link = cloud.link(&practice, 1).await;
    let (id, root, first) = admitted(&cloud).await;
    let second = another(&cloud, &root).await;
    let (_, _, other) = admitted(&cloud).await;
    let (stranger_id, stranger) = cloud.stranger().await;
    let heard: Vec<_> = [&first, &second, &other, &stranger].into_iter().map(listen).collect();
    let hinter = link.dialer.hinter();
    hinter.hint(practice.id(), stranger_id);
    hinter.hint(practice.id(), id);
    eventually("both hear it", || heard[..2].iter().all(|log| *log.lock().unwrap() == [practice.id()])).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(
        heard[2..].iter().all(|log| log.lock().unwrap().is_empty()),
        "another integrator, and one not admitted"
    );

    // Who is admitted later hears from then on.
    cloud.directory.admit(stranger_id, "Late Starter").unwrap();
    exchange(&mut connect(&stranger, practice.id()).await.unwrap(), b"now").await;
    hinter.hint(practice.id(), stranger_id);
    eventually("the late one", || *heard[3].lock().unwrap() == [practice.id()]).await;
    drop(second);
    eventually("three are left", || cloud.relay.counts().gateways == 3).await;
}

#[tokio::test]
async fn a_link_speaks_for_its_own_sites_alone() {
    let (cloud, practice, victim) = (Cloud::start().await, Practice::new("1"), Practice::new("2"));
    let liar = cloud.link(&practice, 1).await;
    let _honest = cloud.link(&victim, 1).await;
    let (id, _, gateway) = admitted(&cloud).await;
    let heard = listen(&gateway);
    let hinter = liar.dialer.hinter();
    hinter.hint(victim.id(), id);
    hinter.hint(SiteId(uuid::Uuid::from_u128(1)), id);
    hinter.hint(practice.id(), id);
    eventually("its own", || !heard.lock().unwrap().is_empty()).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(*heard.lock().unwrap(), [practice.id()]);
}

#[tokio::test]
async fn a_flood_of_events_becomes_a_few_hints_and_every_connection_lives_on() {
    let (cloud, practice) = (Cloud::start().await, Practice::new("1"));
    let link = cloud.link(&practice, 1).await;
    let (id, _, gateway) = admitted(&cloud).await;
    let heard = listen(&gateway);
    let hinter = link.dialer.hinter();
    for number in 0..20_000u128 {
        hinter.hint(practice.id(), id);
        // And integrators that do not exist, up to what is kept and beyond.
        hinter.hint(practice.id(), IntegratorId(uuid::Uuid::from_u128(number)));
        if number % 200 == 0 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
    eventually("it is heard", || !heard.lock().unwrap().is_empty()).await;
    let mut stream = connect(&gateway, practice.id()).await.unwrap();
    exchange(&mut stream, b"still there").await;
    let heard = heard.lock().unwrap();
    assert!(heard.len() <= 4, "{}", heard.len());
    assert_eq!(heard.iter().collect::<HashSet<_>>().len(), 1);
    assert_eq!((cloud.relay.counts().links, cloud.relay.counts().gateways), (1, 1));
}

#[tokio::test]
async fn a_hint_given_while_the_relay_is_away_is_told_when_it_is_back() {
    let (cloud, practice) = (Cloud::start().await, Practice::new("1"));
    let link = cloud.link_soon(&practice, 1);
    let (id, _, gateway) = admitted(&cloud).await;
    let heard = listen(&gateway);
    // Most likely before the Link is in.
    link.dialer.hinter().hint(practice.id(), id);
    online(&link.dialer).await;
    eventually("it is heard", || *heard.lock().unwrap() == [practice.id()]).await;
}
