//! From an address to an open WebSocket: DNS, TCP, proxy, TLS, upgrade. Each failure says the next step.

use crate::{
    RelayAddress,
    address::{PATH, Proxy, SUBPROTOCOL},
    date,
    proxy::{self, ProxyError},
    wire::{Heard, WebSocket, from_websocket, websocket_config},
};
use model::{Clock, Timestamp};
use rustls::{CertificateError, ClientConfig, pki_types::ServerName};
use std::{io, sync::Arc, time::Duration};
use tokio::{
    net::{TcpStream, lookup_host},
    time::timeout,
};
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::tungstenite::{
    self,
    client::IntoClientRequest,
    http::{self, HeaderValue},
};

const DNS_WITHIN: Duration = Duration::from_secs(10);
const TCP_WITHIN: Duration = Duration::from_secs(5);
const STEP_WITHIN: Duration = Duration::from_secs(15);

/// Why no WebSocket to the relay could be opened.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The name has no address.
    #[error(
        "the name {host} could not be resolved ({why}): check the address in the settings, and this computer's DNS"
    )]
    Dns {
        /// Which name: the relay's or the proxy's.
        host: String,
        /// The system's words.
        why: String,
    },
    /// No TCP connection.
    #[error(
        "no connection to {to} ({why}): check that outgoing connections to it are allowed, or set a proxy"
    )]
    Tcp {
        /// `host:port` of the relay or the proxy.
        to: String,
        /// The system's words.
        why: String,
    },
    /// The proxy refused.
    #[error(transparent)]
    Proxy(#[from] ProxyError),
    /// TLS failed.
    #[error("{text}")]
    Tls {
        /// What kind of failure.
        wrong: TlsWrong,
        /// In words, with what to do.
        text: String,
    },
    /// The host answered, but not as a relay.
    #[error(
        "{host} answered, but not as a relay ({why}): check the address; a filtering proxy may also be in the way"
    )]
    Upgrade {
        /// The relay's host.
        host: String,
        /// What came.
        why: String,
    },
    /// A step took too long.
    #[error("{0} took too long: check the connection to the internet, and whether a firewall drops packets")]
    TimedOut(&'static str),
}

/// How TLS failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsWrong {
    /// Nobody that this computer trusts vouches for the certificate.
    Untrusted,
    /// The certificate is not valid now, by this computer's clock.
    Time,
    /// The certificate is for another host.
    Name,
    /// The connection broke meanwhile.
    Broken,
    /// Anything else.
    Other,
}

/// What was seen on the way, for those who want to know how far it went.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Addresses of the name that was looked up first: the relay's, or the proxy's.
    pub(crate) addresses: Vec<std::net::IpAddr>,
    /// A TCP connection stands.
    pub(crate) connected: bool,
    /// The proxy let us through.
    pub(crate) through_proxy: bool,
    /// The version of TLS.
    pub(crate) tls: Option<rustls::ProtocolVersion>,
    /// The relay answered the upgrade, well or not: its clock then, and ours.
    pub(crate) clocks: Option<(Timestamp, Timestamp)>,
}

pub(crate) async fn connect(
    relay: &RelayAddress,
    through: Option<&Proxy>,
    tls: Arc<ClientConfig>,
    clock: Arc<dyn Clock>,
    seen: &mut Seen,
) -> Result<WebSocket, ConnectError> {
    let session = secure(relay, through, tls, seen).await?;
    let upgraded = upgrade(relay, Heard::new(session, clock.clone()), &*clock, seen);
    timeout(STEP_WITHIN, upgraded).await.map_err(|_| ConnectError::TimedOut("the relay's answer"))?
}

/// A TLS session with the relay's host, for what is no tunnel: the same way through proxies, the same roots, the same words
/// when it fails. Speaks HTTP/1.1.
///
/// # Errors
/// [`ConnectError`].
pub async fn dial_tls(
    relay: &RelayAddress,
    through: Option<&Proxy>,
    tls: Arc<ClientConfig>,
) -> Result<TlsStream<TcpStream>, ConnectError> {
    secure(relay, through, tls, &mut Seen::default()).await
}

async fn secure(
    relay: &RelayAddress,
    through: Option<&Proxy>,
    tls: Arc<ClientConfig>,
    seen: &mut Seen,
) -> Result<TlsStream<TcpStream>, ConnectError> {
    let tcp = match through {
        None => tcp(relay.host(), relay.port(), seen).await?,
        Some(proxy) => {
            let mut tcp = tcp(&proxy.host, proxy.port, seen).await?;
            let asked = timeout(STEP_WITHIN, proxy::connect(&mut tcp, proxy, relay)).await;
            asked.map_err(|_| ConnectError::TimedOut("the proxy's answer"))??;
            seen.through_proxy = true;
            tcp
        }
    };
    let name = ServerName::try_from(relay.host().to_owned())
        .map_err(|_| tls_failed(TlsWrong::Other, format!("{} is no valid host name", relay.host())))?;
    let session = timeout(STEP_WITHIN, tokio_rustls::TlsConnector::from(tls).connect(name, tcp))
        .await
        .map_err(|_| ConnectError::TimedOut("the TLS handshake"))?
        .map_err(|e| explain_tls(relay.host(), &e))?;
    seen.tls = session.get_ref().1.protocol_version();
    Ok(session)
}

async fn tcp(host: &str, port: u16, seen: &mut Seen) -> Result<TcpStream, ConnectError> {
    let dns = |why: String| ConnectError::Dns { host: host.to_owned(), why };
    let found =
        timeout(DNS_WITHIN, lookup_host((host, port))).await.map_err(|_| dns("no answer".to_owned()))?;
    let addresses: Vec<_> = found.map_err(|e| dns(e.to_string()))?.take(8).collect();
    seen.addresses = addresses.iter().map(std::net::SocketAddr::ip).collect();
    let mut why = "the name has no address".to_owned();
    for address in addresses {
        match timeout(TCP_WITHIN, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                tune_socket(&stream);
                seen.connected = true;
                return Ok(stream);
            }
            Ok(Err(error)) => why = error.to_string(),
            Err(_) => why = "no answer".to_owned(),
        }
    }
    Err(ConnectError::Tcp { to: format!("{host}:{port}"), why })
}

/// Settings for every socket of the outer leg, dialled or accepted: no Nagle delay, keepalive by the system, and an
/// end to unacknowledged data. Failures are ignored: the tunnel's own pings hold without them.
pub fn tune_socket(stream: &TcpStream) {
    let _ = stream.set_nodelay(true);
    let socket = socket2::SockRef::from(stream);
    let keepalive = socket2::TcpKeepalive::new()
        .with_time(Duration::from_secs(30))
        .with_interval(Duration::from_secs(10));
    let _ = socket.set_tcp_keepalive(&keepalive);
    #[cfg(target_os = "linux")]
    let _ = socket.set_tcp_user_timeout(Some(Duration::from_secs(55)));
}

async fn upgrade(
    relay: &RelayAddress,
    io: Heard,
    clock: &dyn Clock,
    seen: &mut Seen,
) -> Result<WebSocket, ConnectError> {
    let failed = |why: String| ConnectError::Upgrade { host: relay.host().to_owned(), why };
    let url = format!("wss://{}{PATH}", relay.authority());
    let mut request = url.into_client_request().map_err(|e| failed(e.to_string()))?;
    request.headers_mut().insert("Sec-WebSocket-Protocol", HeaderValue::from_static(SUBPROTOCOL));
    let upgraded =
        tokio_tungstenite::client_async_with_config(request, io, Some(websocket_config(true))).await;
    let mut answered = |response: &http::Response<Option<Vec<u8>>>| {
        let date = response.headers().get("Date").and_then(|date| date.to_str().ok());
        seen.clocks = date.and_then(date::read).map(|theirs| (theirs, clock.now()));
    };
    match upgraded {
        Ok((socket, response)) => {
            answered(&response);
            Ok(socket)
        }
        Err(tungstenite::Error::Http(response)) => {
            answered(&response);
            Err(failed(format!("HTTP status {}", response.status().as_u16())))
        }
        Err(tungstenite::Error::Protocol(error)) => Err(failed(error.to_string())),
        Err(error) => Err(failed(from_websocket(error).to_string())),
    }
}

fn tls_failed(wrong: TlsWrong, text: String) -> ConnectError {
    ConnectError::Tls { wrong, text }
}

fn explain_tls(host: &str, error: &io::Error) -> ConnectError {
    let inner = error.get_ref().and_then(|e| e.downcast_ref::<rustls::Error>());
    let (wrong, text) = match inner {
        // A forged issuer of the right name shows as a bad signature.
        Some(rustls::Error::InvalidCertificate(
            CertificateError::UnknownIssuer | CertificateError::BadSignature,
        )) => (
            TlsWrong::Untrusted,
            format!(
                "the certificate of {host} is not trusted: a TLS-inspecting box may sit on the way; add its root \
                 certificate to this computer's trusted roots, or name it as `ca`"
            ),
        ),
        Some(rustls::Error::InvalidCertificate(
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. },
        )) => (
            TlsWrong::Time,
            format!(
                "the certificate of {host} is not valid at this computer's time: check date, time and time zone"
            ),
        ),
        Some(rustls::Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        )) => (
            TlsWrong::Name,
            format!("the certificate that answered is not one for {host}: check the address"),
        ),
        Some(other) => (TlsWrong::Other, format!("TLS with {host} failed: {other}")),
        None => (
            TlsWrong::Broken,
            format!(
                "the connection to {host} broke during the TLS handshake ({}): a firewall or proxy may forbid it",
                error.kind()
            ),
        ),
    };
    tls_failed(wrong, text)
}
