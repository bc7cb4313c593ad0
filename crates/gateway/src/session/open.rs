//! Opens one session: stream, handshake, who is there, one authenticated no-op.

use crate::{
    cloud::{Cloud, CloudError},
    papers::Papers,
    store::Store,
    witness::{self, Witnesses},
};
use link_api::{Tuning, client::Channel, convert, proto};
use model::{Clock, Hidden, SiteFacts, SiteId};
use rustls::pki_types::CertificateDer;
use std::{sync::Arc, time::Duration};
use tokio::task::JoinHandle;
use trust::{Operational, Peer};

/// From the first byte until the site has answered: beyond it the site counts as out of reach.
const OPEN_WITHIN: Duration = Duration::from_secs(15);
/// The authenticated no-op alone.
const HELLO_WITHIN: Duration = Duration::from_secs(10);

/// Why no session could be opened. Nothing of the command was sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The cloud said no.
    #[error(transparent)]
    Cloud(#[from] CloudError),
    /// Whoever answered could not prove to be the site, or came with a retired certificate.
    #[error("whoever answered is not the site: {0}")]
    NotTheSite(String),
    /// The site broke off, or was silent for too long.
    #[error("the site did not answer: {0}")]
    NoAnswer(&'static str),
    /// The site's Link speaks another version of the inner contract.
    #[error("the site's Link speaks version {0} of the contract")]
    Version(u32),
    /// A server answered with the site's key, and a newer one has answered before: it is a copy or an old backup.
    #[error("whoever answered is an older copy of the site")]
    Stale,
    /// This integrator is not paired with the site.
    #[error("not paired")]
    NotPaired,
    /// The practice does not let this integrator in now; a number of the contract's.
    #[error("not let in by the practice ({0})")]
    Refused(i32),
    /// Our own fault.
    #[error("{0}")]
    Internal(String),
}

/// An open session. Dropping the last handle closes it.
#[derive(Debug)]
pub struct Session {
    /// Whose it is.
    pub site: SiteId,
    /// The site's certificate, as it was read.
    pub peer: Peer,
    /// The same, as it was sent: signatures are checked with it.
    pub leaf: CertificateDer<'static>,
    /// What the site says of itself; `None` unless paired.
    pub facts: Option<SiteFacts>,
    /// Whether the site says that this integrator is paired and let in.
    pub paired: bool,
    /// Why it is not let in, where the site says it.
    pub refusal: i32,
    /// RFC 9266 `tls-exporter`, for the pairing transcript.
    pub exporter: Hidden<Vec<u8>>,
    pub(super) channel: Channel,
    driver: JoinHandle<()>,
}

impl Session {
    /// Whether its connection has ended.
    pub fn is_closed(&self) -> bool {
        self.channel.is_closed()
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// What opening needs.
pub(super) struct Opener {
    pub(super) cloud: Arc<dyn Cloud>,
    pub(super) own: Operational,
    pub(super) store: Arc<Store>,
    pub(super) witnesses: Arc<Witnesses>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) tuning: Tuning,
    pub(super) showing: Showing,
}

/// What every site is shown first.
#[derive(Clone, Debug)]
pub struct Showing {
    /// Approvals and revocations.
    pub papers: Arc<Papers>,
    /// Of this gateway.
    pub environment: String,
}

impl Opener {
    pub(super) async fn open(&self, site: SiteId) -> Result<Session, OpenError> {
        tokio::time::timeout(OPEN_WITHIN, self.open_unbounded(site))
            .await
            .unwrap_or(Err(OpenError::NoAnswer("it was silent during the handshake")))
    }

    async fn open_unbounded(&self, site: SiteId) -> Result<Session, OpenError> {
        let io = self.cloud.connect(site).await?;
        let config = trust::inner::client(&self.own, site, Arc::clone(&self.clock))
            .map_err(|e| OpenError::Internal(format!("inner TLS: {e}")))?;
        let tls = tokio_rustls::TlsConnector::from(config).connect(trust::inner::server_name(), io).await;
        let tls = tls.map_err(|e| match e.get_ref().and_then(|e| e.downcast_ref::<rustls::Error>()) {
            Some(error) => OpenError::NotTheSite(error.to_string()),
            None => OpenError::NoAnswer("it broke off during the handshake"),
        })?;
        let (peer, leaf, exporter) = {
            let connection = tls.get_ref().1;
            let leaf =
                connection.peer_certificates().and_then(<[_]>::first).map(|leaf| leaf.clone().into_owned());
            let not_the_site = |e: trust::TrustError| OpenError::NotTheSite(e.to_string());
            (
                trust::inner::peer_of_client(connection).map_err(not_the_site)?,
                leaf.ok_or_else(|| OpenError::NotTheSite("it sent no certificate".into()))?,
                trust::inner::exporter(connection).map_err(not_the_site)?,
            )
        };
        self.check_serial(site, peer.serial).await?;
        let (mut client, channel, connection) = link_api::client::open(tls, self.tuning)
            .await
            .map_err(|_| OpenError::NoAnswer("it broke off after the handshake"))?;
        let driver = tokio::spawn(async move {
            let _ = connection.await;
        });
        // From here on a drop closes the connection, whatever goes wrong.
        let mut session =
            Session { site, peer, leaf, facts: None, paired: false, refusal: 0, exporter, channel, driver };
        let known = self.witnesses.opens(site);
        let Showing { papers, environment } = &self.showing;
        let (approvals, revocations) = papers.hello(environment, self.clock.now());
        let hello = client.hello(proto::HelloRequest {
            version: link_api::VERSION,
            audit_number: known.number,
            approvals,
            revocations,
        });
        let hello = match tokio::time::timeout(HELLO_WITHIN, hello).await {
            Ok(Ok(hello)) => hello.into_inner(),
            Ok(Err(_)) => return Err(OpenError::NoAnswer("it refused the session")),
            Err(_) => return Err(OpenError::NoAnswer("it was silent after the handshake")),
        };
        if hello.version != link_api::VERSION {
            return Err(OpenError::Version(hello.version));
        }
        self.check_epoch(site, hello.epoch).await?;
        witness::heard(&self.witnesses, site, &hello, &known);
        if hello.refusal == i32::from(proto::Refusal::InstanceRevoked) {
            tracing::error!(%site, "the integrator has revoked this gateway's certificate: the site does not let it in");
        }
        (session.paired, session.refusal) = (hello.paired, hello.refusal);
        session.facts = hello.facts.and_then(|facts| convert::facts_from_proto(facts).ok());
        Ok(session)
    }

    /// The key alone does not tell a practice's server from a clone of it, whatever the platform says which one it is.
    async fn check_epoch(&self, site: SiteId, epoch: u64) -> Result<(), OpenError> {
        let store = Arc::clone(&self.store);
        match tokio::task::spawn_blocking(move || store.accept_epoch(site, epoch)).await {
            Ok(Ok(true)) => Ok(()),
            Ok(Ok(false)) => Err(OpenError::Stale),
            Ok(Err(e)) => Err(OpenError::Internal(e.to_string())),
            Err(_) => Err(OpenError::Internal("the gateway's database task failed".into())),
        }
    }

    /// A lower serial number than one seen before is a certificate that the site has retired.
    async fn check_serial(&self, site: SiteId, serial: u64) -> Result<(), OpenError> {
        let store = Arc::clone(&self.store);
        let accepted = tokio::task::spawn_blocking(move || store.accept_serial(site, serial)).await;
        match accepted {
            Ok(Ok(true)) => Ok(()),
            Ok(Ok(false)) => Err(OpenError::NotTheSite("it came with a certificate that was retired".into())),
            Ok(Err(e)) => Err(OpenError::Internal(e.to_string())),
            Err(_) => Err(OpenError::Internal("the gateway's database task failed".into())),
        }
    }
}
