//! A Link's connection: its claims, the fence, and its quiet life.

use crate::{
    Counted, DRAIN, Shared, hints, own,
    presence::LinkConnection,
    registry::{Claim, Desk, Fault, JoinRefused},
    witness,
};
use model::{LinkId, SiteId};
use std::{sync::Arc, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;
use tunnel::{CloseKind, Denied, Joined, Party, head};

/// How long an older connection has to show that it lives, when a second one comes with its epoch.
const SIGN_OF_LIFE: Duration = Duration::from_secs(3);
/// How long to wait for a fenced connection to be cleared away.
const CLEARED: Duration = Duration::from_secs(2);
/// Between a connection that is just ending, or just beginning, and the registry's record of it.
const SETTLING: Duration = Duration::from_millis(100);
const TRIES: u32 = 10;

/// Claims that the registry has taken. Dropped before a connection stands for them, it gives them back.
pub(crate) struct Admission {
    desk: Desk,
    /// To give them back from any thread.
    runtime: tokio::runtime::Handle,
    link: LinkId,
    sites: Box<[(SiteId, u64)]>,
}

impl Drop for Admission {
    fn drop(&mut self) {
        let sites = std::mem::take(&mut self.sites);
        if !sites.is_empty() {
            let desk = self.desk.clone();
            self.runtime.spawn(async move { leave(&desk, sites, CloseKind::Lost).await });
        }
    }
}

/// Asks the registry to take a Link's claims.
///
/// A Link whose connection broke without a word comes back with the same epoch while we still hold the dead one. So a
/// doubled epoch is only believed when the older connection shows a sign of life.
pub(crate) async fn admit(
    shared: &Arc<Shared>,
    link: LinkId,
    claims: Vec<Claim>,
) -> Result<Admission, Denied> {
    let claims: Arc<[Claim]> = claims.into();
    let mut tries = 0;
    let denied = loop {
        match take(&shared.desk, link, claims.clone()).await {
            Ok(admission) => return Ok(admission),
            Err(JoinRefused::Failed) => break Denied::Busy(Fault.to_string()),
            Err(JoinRefused::Refused(why)) => break Denied::NotAdmitted(why),
            Err(JoinRefused::Older { epoch, why }) => break Denied::Fenced { doubled: false, epoch, why },
            Err(JoinRefused::Doubled { epoch, why }) => {
                tries += 1;
                if tries >= TRIES || older_lives(shared, &claims).await {
                    break Denied::Fenced { doubled: true, epoch, why };
                }
            }
        }
    };
    tracing::warn!(%link, sites = claims.len(), ?denied, "a Link was refused");
    Err(denied)
}

/// One question. The admission is made where the registry has just said yes: nobody may wait for the answer any more, and
/// then it must give the claims back.
async fn take(desk: &Desk, link: LinkId, claims: Arc<[Claim]>) -> Result<Admission, JoinRefused> {
    let (own, runtime) = (desk.clone(), tokio::runtime::Handle::current());
    let asked = desk.ask(move |registry| {
        let joined = registry.link_joined(link, &claims);
        let sites = claims.iter().map(|claim| (claim.site, claim.epoch)).collect();
        Ok(joined.map(|()| Admission { desk: own, runtime, link, sites }))
    });
    asked.await.unwrap_or(Err(JoinRefused::Failed))
}

/// Whether a connection that holds one of these claims, with the same epoch, lives. A dead one is cleared away.
async fn older_lives(shared: &Shared, claims: &[Claim]) -> bool {
    let held = |claim: &Claim| {
        let (epoch, connection) = shared.presence.get(claim.site)?;
        (epoch == claim.epoch).then_some((claim.site, connection))
    };
    let Some((site, older)) = claims.iter().find_map(held) else {
        // Between two records: the other connection is not yet, or no longer, in presence.
        tokio::time::sleep(SETTLING).await;
        return false;
    };
    if answers(&older, site).await {
        return true;
    }
    tracing::info!(link = %older.link, %site, "an older connection gave no sign of life and is closed");
    older.fence.cancel();
    let _ = tokio::time::timeout(CLEARED, older.gone.cancelled()).await;
    false
}

/// A stream for the site that ends before it says anything: a living Link ends it as well, a dead one does not.
async fn answers(connection: &LinkConnection, site: SiteId) -> bool {
    let probe = async {
        let mut stream = connection.joined.open().await.ok()?;
        head::write(&mut stream, &head::Incoming { site }).await.ok()?;
        stream.shutdown().await.ok()?;
        // An end or a reset: somebody has read. That the whole connection broke looks the same; that shows below.
        let _ = stream.read(&mut [0; 16]).await;
        Some(())
    };
    if !matches!(tokio::time::timeout(SIGN_OF_LIFE, probe).await, Ok(Some(()))) {
        return false;
    }
    tokio::time::timeout(SETTLING, connection.gone.cancelled()).await.is_err()
}

/// The connection stands: its sites can be reached from now on.
pub(crate) fn start(shared: &Arc<Shared>, mut joined: Joined, mut admission: Admission) {
    if let Party::Link { sites, .. } = &mut joined.party {
        // Certificates and facts are the registry's by now: a quiet connection keeps only what it needs.
        *sites = Vec::new();
    }
    let connection = Arc::new(LinkConnection {
        link: admission.link,
        joined,
        sites: std::mem::take(&mut admission.sites),
        fence: CancellationToken::new(),
        gone: CancellationToken::new(),
    });
    tracing::info!(link = %connection.link, sites = connection.sites.len(), "a Link joined");
    shared.presence.enter(&connection);
    shared.tasks.spawn(live(shared.clone(), connection));
}

async fn live(shared: Arc<Shared>, connection: Arc<LinkConnection>) {
    let counted = Counted::new(&shared, |s| &s.links);
    let how = until_closed(&shared, &connection).await;
    tracing::info!(link = %connection.link, sites = connection.sites.len(), ?how, "a Link left");
    // First the record, then presence: whoever finds no connection here finds the registry's record settled.
    leave(&shared.desk, connection.sites.clone(), how).await;
    shared.presence.leave(&connection);
    connection.gone.cancel();
    drop(counted);
}

async fn until_closed(shared: &Arc<Shared>, connection: &Arc<LinkConnection>) -> CloseKind {
    let joined = &connection.joined;
    let ended = async {
        // Empty but while a Link tries its own way: dropped with the connection.
        let mut own = JoinSet::new();
        loop {
            tokio::select! {
                how = joined.closed() => return how,
                Some(_) = own.join_next() => {}
                Some(news) = joined.hints() => hints::pass_on(shared, connection, &news),
                Some(heads) = joined.audit_heads() => witness::keep(shared, connection, heads),
                stream = joined.accept() => match stream {
                    Some(stream) if own.len() < own::STREAMS => {
                        own.spawn(own::answer(shared.clone(), connection.clone(), stream));
                    }
                    // One too many: dropped, it is reset.
                    Some(_) => {}
                    None => return joined.closed().await,
                },
            }
        }
    };
    tokio::pin!(ended);
    tokio::select! {
        how = &mut ended => return how,
        () = connection.fence.cancelled() => {
            joined.close();
            return CloseKind::Lost;
        }
        () = shared.draining.cancelled() => joined.drain(),
    }
    let _ = tokio::time::timeout(DRAIN, ended).await;
    // Whatever the Link said on its way out: it was the relay that went.
    CloseKind::Lost
}

async fn leave(desk: &Desk, sites: Box<[(SiteId, u64)]>, how: CloseKind) {
    let told = desk.ask(move |registry| {
        for (site, epoch) in sites {
            registry.site_left(site, epoch, how);
        }
        Ok(())
    });
    if told.await.is_err() {
        tracing::error!("the directory could not be told that a Link left");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Registry;
    use model::{IntegratorId, Pms, SiteFacts};
    use std::sync::{Mutex, mpsc};
    use tunnel::head::SiteRecord;

    /// Takes every claim, but only when told to.
    struct Slow {
        go: Mutex<mpsc::Receiver<()>>,
        left: tokio::sync::mpsc::UnboundedSender<(SiteId, u64, CloseKind)>,
    }

    impl Registry for Slow {
        fn admit_gateway(&self, _: IntegratorId) -> Result<bool, Fault> {
            Err(Fault)
        }
        fn link_joined(&self, _: LinkId, _: &[Claim]) -> Result<(), JoinRefused> {
            self.go.lock().unwrap().recv().unwrap();
            Ok(())
        }
        fn site_left(&self, site: SiteId, epoch: u64, how: CloseKind) {
            self.left.send((site, epoch, how)).unwrap();
        }
        fn find(&self, _: Pms, _: &str) -> Result<Vec<SiteRecord>, Fault> {
            Err(Fault)
        }
        fn look(&self, _: SiteId) -> Result<Option<SiteRecord>, Fault> {
            Err(Fault)
        }
    }

    #[tokio::test]
    async fn claims_taken_after_the_handshake_was_given_up_are_given_back() {
        let (go, wait) = mpsc::channel();
        let (left, mut told) = tokio::sync::mpsc::unbounded_channel();
        let desk = Desk::new(Arc::new(Slow { go: Mutex::new(wait), left }));
        let facts = SiteFacts {
            enriched_at: None,
            pms: Pms::BestPractice,
            pms_id: "1".to_owned(),
            practice_name: String::new(),
            pms_version: String::new(),
            link_version: String::new(),
            catalogues: Vec::new(),
        };
        let site = SiteId(uuid::Uuid::from_u128(1));
        let claims: Arc<[Claim]> = vec![Claim { site, epoch: 7, facts }].into();
        let link = LinkId(uuid::Uuid::from_u128(2));
        let given_up =
            tokio::time::timeout(Duration::from_millis(50), take(&desk, link, claims.clone())).await;
        assert!(given_up.is_err(), "the registry was to take longer");
        go.send(()).unwrap();
        let undone = tokio::time::timeout(Duration::from_secs(10), told.recv()).await;
        assert_eq!(undone.expect("the claims stay taken"), Some((site, 7, CloseKind::Lost)));

        // The next one finds the registry as it was, and keeps what it got for as long as it stands.
        go.send(()).unwrap();
        let admission = take(&desk, link, claims).await.unwrap();
        assert!(told.try_recv().is_err());
        drop(admission);
        assert!(tokio::time::timeout(Duration::from_secs(10), told.recv()).await.unwrap().is_some());
    }
}
