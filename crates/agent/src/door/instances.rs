//! Single gateways of an integrator that are out, while its others are let in: revoked by the integrator itself, whose word any of
//! them brings, or shut out by the practice.

use super::{Door, Refused, lock, read, write};
use crate::store::{AuditLine, Happened, KeptWord, Store, StoreError};
use link_api::proto::Refusal;
use model::{IntegratorId, SiteId};
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::RwLock,
};
use trust::{
    Peer,
    revocation::{self, Revocations},
};

/// Longest name of a gateway, bytes.
const NAME_BYTES: usize = 1024;

/// Who is out.
#[derive(Default)]
pub(super) struct Instances {
    /// With the root that signed it: a decision is bound to the key, not only to its fingerprint.
    revoked: RwLock<HashMap<IntegratorId, (Vec<u8>, Revocations)>>,
    shut: RwLock<HashSet<(SiteId, IntegratorId, String)>>,
}

/// One gateway of an integrator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instance {
    /// As its certificates name it.
    pub name: String,
    /// The highest serial number of them that was seen here; 0: it never came.
    pub serial: u64,
    /// The practice shut it out.
    pub shut_out: bool,
    /// The integrator revoked the certificate that was seen here last.
    pub revoked: bool,
}

impl Instances {
    pub(super) fn load(store: &Store) -> Result<Self, StoreError> {
        let mut revoked = HashMap::new();
        for KeptWord { integrator, root_spki, document } in store.revocations()? {
            match revocation::verify(&root_spki, &document) {
                Ok(word) => drop(revoked.insert(integrator, (root_spki, word))),
                Err(error) => {
                    tracing::error!(%integrator, %error, "an integrator's revocations that are kept can't be read: it must send them again")
                }
            }
        }
        let shut = store.shut_out()?.into_iter().collect();
        Ok(Instances { revoked: RwLock::new(revoked), shut: RwLock::new(shut) })
    }
}

impl Door {
    /// Whether this very gateway is not out.
    ///
    /// # Errors
    /// Why it is.
    pub(crate) fn instance(&self, peer: &Peer, site: SiteId) -> Result<(), Refused> {
        let integrator = IntegratorId(peer.id);
        let revoked = read(&self.instances.revoked);
        if revoked
            .get(&integrator)
            .is_some_and(|(root, word)| *root == peer.root_spki && word.cover_peer(peer))
        {
            return Err(Refused::by_practice(Refusal::InstanceRevoked));
        }
        let shut = read(&self.instances.shut);
        // Without a copy of the name on the way of every command where nobody is out.
        if !shut.is_empty() && shut.contains(&(site, integrator, peer.name.clone())) {
            return Err(Refused::by_practice(Refusal::InstanceShutOut));
        }
        Ok(())
    }

    /// Takes a paired integrator's word about its gateways when it is newer than the one that is kept; it counts at once, at all
    /// sites of this Link. What its root did not sign is nothing. Blocks on the disk.
    ///
    /// # Errors
    /// When it can't be kept.
    pub(crate) fn take_revocations(
        &self,
        peer: &Peer,
        site: SiteId,
        document: &[u8],
    ) -> Result<(), StoreError> {
        let integrator = IntegratorId(peer.id);
        let paired =
            self.pairing(site, integrator).is_some_and(|pairing| pairing.root_spki == peer.root_spki);
        if document.is_empty() || !paired {
            return Ok(());
        }
        let kept =
            |door: &Door| read(&door.instances.revoked).get(&integrator).map_or(0, |(_, word)| word.number);
        // Each session brings it again: nothing is checked of one that is no news.
        if revocation::peek(document).map_or(0, |word| word.number) <= kept(self) {
            return Ok(());
        }
        let Ok(word) = revocation::verify(&peer.root_spki, document) else {
            tracing::warn!(%site, %integrator, "revocations that the integrator's root did not sign were not taken");
            return Ok(());
        };
        let names: Vec<&str> = word.instances.keys().map(String::as_str).collect();
        let detail = serde_json::json!({ "number": word.number, "instances": names }).to_string();
        let line = |at: SiteId| AuditLine {
            instance: Some(peer.name.as_str().into()),
            detail: Some(detail.clone()),
            ..self.consent_line(Happened::InstancesRevoked, at, integrator)
        };
        let at = self.pairings().into_iter().filter(|p| p.integrator == integrator).map(|p| line(p.site));
        let lines: Vec<_> = at.collect();
        let _one = lock(&self.changing);
        // Another session may have brought a newer one meanwhile.
        if word.number <= kept(self) {
            return Ok(());
        }
        tracing::warn!(%integrator, number = word.number, "an integrator has revoked gateways of its own");
        // It counts from here on, whatever the disk does: if it does not take it, the next start is told again.
        write(&self.instances.revoked).insert(integrator, (peer.root_spki.clone(), word));
        self.consents.send_modify(|count| *count += 1);
        self.journal.flush()?;
        let (root_spki, document) = (peer.root_spki.clone(), document.to_vec());
        self.store.keep_revocations(&KeptWord { integrator, root_spki, document }, &lines)?;
        Ok(())
    }

    /// Shuts one gateway of an integrator out, or lets it in again; at once. Blocks on the disk.
    ///
    /// # Errors
    /// When it can't be kept.
    pub fn shut_instance(
        &self,
        site: SiteId,
        integrator: IntegratorId,
        name: &str,
        out: bool,
        by: &str,
    ) -> Result<(), StoreError> {
        let what = if out { Happened::InstanceShutOut } else { Happened::InstanceLetIn };
        let line = AuditLine {
            instance: Some(name.into()),
            ..self.consent_line(what, site, integrator).by(Some(by))
        };
        if name.len() > NAME_BYTES {
            return Ok(());
        }
        let _one = lock(&self.changing);
        self.journal.flush()?;
        self.store.shut_instance((site, integrator, name), out, (by, self.clock.now()), &line)?;
        let of = (site, integrator, name.to_owned());
        let mut shut = write(&self.instances.shut);
        let _ = if out { shut.insert(of) } else { shut.remove(&of) };
        drop(shut);
        self.consents.send_modify(|count| *count += 1);
        tracing::info!(%site, %integrator, out, "one gateway of an integrator was shut out, or let in again");
        Ok(())
    }

    /// All gateways of an integrator that came here, and those that were shut out before they did; by name.
    pub fn instances(&self, site: SiteId, integrator: IntegratorId) -> Vec<Instance> {
        let mut all: BTreeMap<String, Instance> = BTreeMap::new();
        let blank =
            |name: &str| Instance { name: name.to_owned(), serial: 0, shut_out: false, revoked: false };
        for (name, serial) in lock(&self.serials).get(&(site, integrator)).into_iter().flatten() {
            all.entry(name.to_string()).or_insert_with(|| blank(name)).serial = *serial;
        }
        for (_, _, name) in read(&self.instances.shut).iter().filter(|of| (of.0, of.1) == (site, integrator))
        {
            all.entry(name.clone()).or_insert_with(|| blank(name)).shut_out = true;
        }
        if let Some((_, word)) = read(&self.instances.revoked).get(&integrator) {
            all.values_mut().for_each(|of| of.revoked = word.cover(&of.name, of.serial));
        }
        all.into_values().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        door::Request,
        testkit::{Bench, command},
    };
    use model::{Access, QueryId};
    use std::sync::Arc;
    use trust::{Kind, Root};

    fn word(root: &Root, number: u64, instances: &[(&str, u64)]) -> Vec<u8> {
        let instances = instances.iter().map(|(name, serial)| ((*name).to_owned(), *serial)).collect();
        revocation::sign(root, &Revocations { number, instances }).unwrap()
    }

    fn paired() -> Bench {
        let bench = Bench::new();
        bench.pair(Access::ReadWrite);
        bench
    }

    fn refused(bench: &Bench, peer: &Peer) -> Option<Refusal> {
        bench.door().check(peer, bench.site).err().map(|refused| refused.refusal)
    }

    #[test]
    fn a_revoked_gateway_is_out_whatever_it_asks_and_the_others_are_not() {
        let bench = paired();
        let (stolen, other) = (bench.peer_with("stolen", 5), bench.peer_with("other", 3));
        assert_eq!((refused(&bench, &stolen), refused(&bench, &other)), (None, None));
        let word = word(&bench.integrator, 1, &[("stolen", 5)]);
        bench.door().take_revocations(&other, bench.site, &word).unwrap();
        assert_eq!(refused(&bench, &stolen), Some(Refusal::InstanceRevoked));
        assert_eq!(refused(&bench, &other), None);
        let request = Request {
            query: QueryId(uuid::Uuid::from_u128(1)),
            command: command("x"),
            read_only: true,
            device: None,
        };
        assert_eq!(
            bench.door().enter(&stolen, bench.site, request).err().unwrap().refusal,
            Refusal::InstanceRevoked
        );
        assert_eq!(bench.door().leave(&stolen, bench.site).unwrap_err().refusal, Refusal::InstanceRevoked);
        assert!(!bench.door().is_paired(&stolen, bench.site));
        let line = bench.audit().pop().unwrap();
        assert_eq!((line.what.as_str(), line.instance.as_deref()), ("instances-revoked", Some("other")));

        let bench = bench.restart();
        assert_eq!(refused(&bench, &stolen), Some(Refusal::InstanceRevoked), "it is kept");
        // A new certificate brings it back, an older one does not.
        assert_eq!(refused(&bench, &bench.peer_with("stolen", 4)), Some(Refusal::InstanceRevoked));
        assert_eq!(refused(&bench, &bench.peer_with("stolen", 6)), None);
    }

    #[test]
    fn only_the_integrators_own_root_revokes_and_an_older_word_takes_nothing_back() {
        let bench = paired();
        let peer = bench.peer();
        let stranger = Root::generate(Kind::Integrator).unwrap();
        for forged in [word(&stranger, 9, &[("gateway one", 5)]), vec![1, 2, 3], vec![0; 100_000]] {
            bench.door().take_revocations(&peer, bench.site, &forged).unwrap();
            assert_eq!(refused(&bench, &peer), None);
        }
        let unpaired = stranger.issue("x", 1, model::Clock::now(&*bench.clock), crate::testkit::DAY).unwrap();
        let own = word(&stranger, 9, &[("x", 1)]);
        bench.door().take_revocations(unpaired.peer(), bench.site, &own).unwrap();
        assert!(bench.door().store().revocations().unwrap().is_empty(), "of strangers nothing is kept");

        bench
            .door()
            .take_revocations(&peer, bench.site, &word(&bench.integrator, 5, &[("gateway one", 5)]))
            .unwrap();
        for older in [4, 5] {
            bench.door().take_revocations(&peer, bench.site, &word(&bench.integrator, older, &[])).unwrap();
            assert_eq!(refused(&bench, &peer), Some(Refusal::InstanceRevoked));
        }
        // It may bring the word that lets it in again itself: the root says so.
        bench.door().take_revocations(&peer, bench.site, &word(&bench.integrator, 6, &[])).unwrap();
        assert_eq!(refused(&bench, &peer), None);
        assert_eq!(bench.audit().iter().filter(|row| row.what == "instances-revoked").count(), 2);
    }

    #[test]
    fn a_practice_shuts_one_gateway_out_and_lets_it_in_again() {
        let bench = paired();
        let (one, two) = (bench.peer_with("one", 5), bench.peer_with("two", 5));
        assert_eq!((refused(&bench, &one), refused(&bench, &two)), (None, None));
        let integrator = IntegratorId(bench.integrator.id());
        let shut = |bench: &Bench, out| {
            bench.door().shut_instance(bench.site, integrator, "one", out, "0:root").unwrap()
        };
        shut(&bench, true);
        let lines = bench.audit().len();
        shut(&bench, true);
        assert_eq!(bench.audit().len(), lines, "what is so already is not written down");
        let bench = bench.restart();
        assert_eq!((refused(&bench, &one), refused(&bench, &two)), (Some(Refusal::InstanceShutOut), None));
        assert_eq!(
            refused(&bench, &bench.peer_with("one", 9)),
            Some(Refusal::InstanceShutOut),
            "whatever certificate it brings"
        );
        let all = bench.door().instances(bench.site, integrator);
        let told: Vec<_> = all.iter().map(|of| (of.name.as_str(), of.serial, of.shut_out)).collect();
        assert_eq!(told, [("one", 5, true), ("two", 5, false)]);
        shut(&bench, false);
        assert_eq!(refused(&bench, &one), None);
        let line = bench.audit().pop().unwrap();
        assert_eq!((line.what.as_str(), line.by.as_deref()), ("instance-let-in", Some("0:root")));
    }

    #[tokio::test]
    async fn who_is_in_a_session_is_told_at_once() {
        let bench = paired();
        let (door, peer, site) = (bench.door().clone(), bench.peer(), bench.site);
        let waiting = tokio::spawn(async move { door.until_out(&peer, site).await });
        let word = word(&bench.integrator, 1, &[("gateway one", 5)]);
        let (door, peer): (Arc<Door>, _) = (bench.door().clone(), bench.peer_with("other", 1));
        tokio::task::spawn_blocking(move || door.take_revocations(&peer, site, &word))
            .await
            .unwrap()
            .unwrap();
        assert_eq!(waiting.await.unwrap().refusal, Refusal::InstanceRevoked);
    }
}
