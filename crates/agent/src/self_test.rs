//! Link proves the whole way by calling itself: out to the relay, back to each of its own sites, and through the inner TLS.
//!
//! It comes as a guest: an integrator's identity made for this one test, that nobody has paired. So a site answers its hello
//! and would answer nothing else, and the relay lets a Link reach no other sites than those that this very connection holds.

use crate::{control::SelfTested, host::Host};
use link_api::{Tuning, VERSION, proto::HelloRequest};
use model::{Clock, SiteId};
use std::{sync::Arc, time::Duration};
use tokio::{sync::watch, time::timeout};
use tokio_rustls::TlsConnector;
use trust::{Kind, Operational, Root, inner};
use tunnel::{
    Opener,
    head::{self, Answer, Ask},
};

/// The guest's certificate is good for this long.
const GUEST: Duration = Duration::from_secs(600);
/// One site is reached within this, or not at all.
const WITHIN: Duration = Duration::from_secs(15);
/// Sites tried at once: the relay allows a Link this many such streams.
const AT_ONCE: usize = 4;

/// Reaches this Link's own sites through Halo Cloud.
#[derive(Clone)]
pub struct SelfTest {
    pub(crate) host: Arc<Host>,
    /// The present connection.
    pub(crate) opener: watch::Receiver<Opener>,
    pub(crate) clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for SelfTest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SelfTest")
    }
}

impl SelfTest {
    /// Reaches every site, some at once. Takes at most [`WITHIN`] for each [`AT_ONCE`] of them, 25 seconds in all; a site
    /// whose turn does not come is reported as that.
    pub async fn run(&self) -> Vec<SelfTested> {
        let sites = self.host.sites();
        let end = tokio::time::Instant::now() + Duration::from_secs(25);
        let mut tested = Vec::new();
        for some in sites.chunks(AT_ONCE) {
            let each = some.iter().map(|site| async move {
                let reached = tokio::time::timeout_at(end, self.reach(*site)).await;
                let reached = reached.unwrap_or_else(|_| Err("its turn did not come in time".to_owned()));
                let (ms, why) = match reached {
                    Ok(ms) => (Some(ms), None),
                    Err(why) => (None, Some(why)),
                };
                SelfTested { site: *site, ms, why }
            });
            tested.extend(futures::future::join_all(each).await);
        }
        tested
    }

    async fn reach(&self, site: SiteId) -> Result<u64, String> {
        let started = self.clock.monotonic();
        let guest = guest(&*self.clock).map_err(|error| format!("no identity for the test: {error}"))?;
        let opener = self.opener.borrow().clone();
        timeout(WITHIN, hello(&opener, &guest, site, self.clock.clone()))
            .await
            .unwrap_or_else(|_| Err("no answer in time".to_owned()))?;
        let took = self.clock.monotonic().saturating_sub(started);
        Ok(u64::try_from(took.as_millis()).unwrap_or(u64::MAX))
    }
}

/// An integrator that exists for one test.
fn guest(clock: &dyn Clock) -> Result<Operational, trust::TrustError> {
    Root::generate(Kind::Integrator)?.issue("Halo Link's own test", 1, clock.now(), GUEST)
}

/// The whole way to a site's own answer, as a gateway goes it.
async fn hello(
    opener: &Opener,
    guest: &Operational,
    site: SiteId,
    clock: Arc<dyn Clock>,
) -> Result<(), String> {
    let mut stream = opener.open().await.map_err(|error| format!("no stream to the relay: {error}"))?;
    head::write(&mut stream, &Ask::Connect { site }).await.map_err(|error| broke("the relay", &error))?;
    match head::read(&mut stream).await {
        Ok(Answer::Connected) => {}
        Ok(Answer::Refused { message, .. }) => return Err(format!("the relay says: {message}")),
        Ok(Answer::Sites { .. }) => return Err("the relay answered something else".to_owned()),
        // A relay from before there was such a test resets the stream.
        Err(error) => return Err(format!("the relay does not carry a Link's own test ({error})")),
    }
    let config = inner::client(guest, site, clock).map_err(|error| error.to_string())?;
    let connecting = TlsConnector::from(config).connect(inner::server_name(), stream).await;
    let tls = connecting.map_err(|error| broke("the inner TLS", &error))?;
    let peer = inner::peer_of_client(tls.get_ref().1).map_err(|error| error.to_string())?;
    if peer.id != site.0 {
        return Err("another site answered".to_owned());
    }
    let opened = link_api::client::open(tls, Tuning::for_strangers()).await;
    let (mut client, _channel, connection) = opened.map_err(|error| broke("the inner session", &error))?;
    tokio::select! {
        answered = client.hello(HelloRequest { version: VERSION, ..HelloRequest::default() }) => match answered {
            Ok(answer) if answer.get_ref().paired => Err("a stranger was let in".to_owned()),
            Ok(_) => Ok(()),
            Err(status) => Err(format!("the site refused the session ({:?})", status.code())),
        },
        _ = connection => Err("the inner session broke".to_owned()),
    }
}

fn broke(what: &str, error: &dyn std::fmt::Display) -> String {
    format!("{what} broke: {error}")
}
