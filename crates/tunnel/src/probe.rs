//! One look at the way to the relay, step by step, by the very code that a [`Dialer`](crate::Dialer) dials with.

use crate::{
    ConnectError, Credentials, Proxy, RelayAddress, Roots, TlsSetupError, Tuning,
    connect::{Seen, connect},
    control::RefusedReason,
    hello::{Rejected, prove},
    session::Session,
    tls::watched_client_tls,
    wire::Wire,
};
use model::{Clock, Timestamp};
use std::{net::IpAddr, sync::Arc, time::Duration};
use tokio::time::timeout;

/// Proof and welcome take no longer.
const WELCOME_WITHIN: Duration = Duration::from_secs(15);

/// How far it went, and what was seen.
#[derive(Debug, Default)]
pub struct Probed {
    /// Addresses of the relay's name, or of the proxy's when one is set.
    pub addresses: Vec<IpAddr>,
    /// A TCP connection stood.
    pub connected: bool,
    /// The proxy, if one is set, let us through.
    pub through_proxy: bool,
    /// The certificates that came, in DER, the relay's own first; also when they were refused.
    pub certificates: Vec<Vec<u8>>,
    /// The version of TLS, when its handshake succeeded: `TLS 1.3`.
    pub tls: Option<&'static str>,
    /// The relay's clock when it answered (whole seconds), and ours.
    pub clocks: Option<(Timestamp, Timestamp)>,
    /// It said welcome.
    pub welcomed: bool,
    /// Why it went no further.
    pub failed: Option<ProbeError>,
}

/// Why a probe ended early.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// This computer's own certificates, before anything was dialled.
    #[error(transparent)]
    Setup(#[from] TlsSetupError),
    /// No WebSocket.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The relay said no.
    #[error("{message}")]
    Refused {
        /// For programs.
        reason: RefusedReason,
        /// The relay's words.
        message: String,
    },
    /// The conversation broke after the upgrade.
    #[error("the relay answered and then broke off: {0}")]
    Broken(String),
}

/// Goes the whole way once, as `credentials` of this environment, says goodbye, and tells what it saw. Takes at most about a minute.
pub async fn probe(
    relay: &RelayAddress,
    proxy: Option<&Proxy>,
    roots: Roots<'_>,
    environment: &str,
    credentials: &Credentials,
    clock: Arc<dyn Clock>,
) -> Probed {
    let (tls, certificates) = match watched_client_tls(roots) {
        Ok(ready) => ready,
        Err(error) => return Probed { failed: Some(error.into()), ..Probed::default() },
    };
    let mut seen = Seen::default();
    let outcome = go(relay, proxy, tls, (environment, credentials), clock, &mut seen).await;
    let version = |version| match version {
        rustls::ProtocolVersion::TLSv1_3 => "TLS 1.3",
        rustls::ProtocolVersion::TLSv1_2 => "TLS 1.2",
        _ => "an unknown version",
    };
    Probed {
        addresses: seen.addresses,
        connected: seen.connected,
        through_proxy: seen.through_proxy,
        certificates: certificates.came().iter().map(|certificate| certificate.to_vec()).collect(),
        tls: seen.tls.map(version),
        clocks: seen.clocks,
        welcomed: outcome.is_ok(),
        failed: outcome.err(),
    }
}

async fn go(
    relay: &RelayAddress,
    proxy: Option<&Proxy>,
    tls: Arc<rustls::ClientConfig>,
    (environment, credentials): (&str, &Credentials),
    clock: Arc<dyn Clock>,
    seen: &mut Seen,
) -> Result<(), ProbeError> {
    let mut socket = connect(relay, proxy, tls, clock, seen).await?;
    let proved = timeout(WELCOME_WITHIN, prove(&mut socket, relay.host(), environment, credentials)).await;
    match proved {
        Err(_) => return Err(ProbeError::Broken("no answer in time".to_owned())),
        Ok(Err(Rejected::Broken(why))) => return Err(ProbeError::Broken(why)),
        Ok(Err(Rejected::Refused(refused))) => {
            return Err(ProbeError::Refused { reason: refused.reason, message: refused.message });
        }
        Ok(Ok(())) => {}
    }
    Session::new(Wire::new(socket), &Tuning::default(), yamux::Mode::Client).goodbye().await;
    Ok(())
}
