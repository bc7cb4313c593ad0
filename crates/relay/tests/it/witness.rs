//! Where an audit ends reaches the directory, once for each change, and only from the Link that has the site.

use crate::kit::{Cloud, Practice, eventually};
use model::SiteId;
use tunnel::{AuditHead, control::Fixed32};

fn head(site: SiteId, number: u64, chain: u8) -> AuditHead {
    AuditHead { site, number, chain: Fixed32([chain; 32]) }
}

fn kept(cloud: &Cloud, site: SiteId) -> Vec<(u64, u8)> {
    cloud.directory.witnesses(Some(site)).unwrap().iter().map(|w| (w.number, w.chain[0])).collect()
}

#[tokio::test]
async fn the_platform_keeps_where_an_audit_ended_over_connections() {
    let (cloud, practice) = (Cloud::start().await, Practice::new("1"));
    // Most likely before the Link is in: it is told when it has joined.
    let link = cloud.link_soon(&practice, 1);
    link.dialer.teller().tell(&[head(practice.id(), 41, 1)]);
    eventually("it is kept", || kept(&cloud, practice.id()) == [(41, 1)]).await;
    link.close().await;

    // Its next connection shows an older end: a restored copy. Both are there.
    let again = cloud.link(&practice, 2).await;
    again.dialer.teller().tell(&[head(practice.id(), 40, 2)]);
    eventually("both are kept", || kept(&cloud, practice.id()) == [(40, 2), (41, 1)]).await;
    let all = cloud.directory.witnesses(None).unwrap();
    assert_eq!(all.iter().filter(|witness| witness.back_at.is_some()).count(), 1);
}

#[tokio::test]
async fn a_link_speaks_for_its_own_sites_alone() {
    let (cloud, practice, victim) = (Cloud::start().await, Practice::new("1"), Practice::new("2"));
    let liar = cloud.link(&practice, 1).await;
    let honest = cloud.link(&victim, 1).await;
    let stranger = SiteId(uuid::Uuid::from_u128(1));
    liar.dialer.teller().tell(&[
        head(victim.id(), 9_000, 7),
        head(stranger, 1, 7),
        head(practice.id(), 5, 1),
    ]);
    eventually("its own", || kept(&cloud, practice.id()) == [(5, 1)]).await;
    honest.dialer.teller().tell(&[head(victim.id(), 3, 3)]);
    eventually("the victim's own", || kept(&cloud, victim.id()) == [(3, 3)]).await;
    // All that the liar said was in one message.
    assert_eq!(cloud.directory.witnesses(None).unwrap().len(), 2);
}
