//! One attempt: look up, check every address, connect to the one that was checked, send, read the status. Nothing is followed.

use crate::{
    address::Policy,
    resolve::Resolver,
    template::{Host, UrlTemplate},
};
use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, pki_types::ServerName};
use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    task::AbortHandle,
    time::{Instant, timeout, timeout_at},
};
use tokio_rustls::TlsConnector;

/// From the look-up of the name to the status.
pub const ATTEMPT_WITHIN: Duration = Duration::from_secs(5);
/// Addresses of one name that are tried.
const ADDRESSES: usize = 4;
/// Each of them but the last, so that a dead one leaves time for the next.
const CONNECT_WITHIN: Duration = Duration::from_millis(1500);
/// Head of an answer.
const HEAD_BYTES: usize = 16 * 1024;
/// As much of an answer's body is read, and dropped.
const BODY_BYTES: usize = 64 * 1024;

/// Why there was no status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The name has no address, or nobody knows.
    Name,
    /// Not a public address, and not one that is allowed.
    Address,
    /// Nobody took the connection.
    Connect,
    /// No TLS: the certificate is not trusted, expired or another name's, or it is not TLS that is spoken there.
    Tls,
    /// Not within [`ATTEMPT_WITHIN`].
    Timeout,
    /// The connection broke, or what came was no HTTP.
    Broken,
    /// `http://`, and that is no longer allowed.
    PlainHttp,
    /// The endpoint's secrets can't be opened.
    Secret,
}

impl Failure {
    /// As it is written in the log.
    pub fn as_str(self) -> &'static str {
        match self {
            Failure::Name => "nameNotFound",
            Failure::Address => "addressRefused",
            Failure::Connect => "connect",
            Failure::Tls => "tls",
            Failure::Timeout => "timeout",
            Failure::Broken => "broken",
            Failure::PlainHttp => "plainHttp",
            Failure::Secret => "secret",
        }
    }

    /// Whether the network may be to blame. The others stay as they are until somebody changes something.
    pub fn may_pass(self) -> bool {
        !matches!(self, Failure::Address | Failure::PlainHttp | Failure::Secret)
    }
}

/// Sends.
pub struct Transport {
    /// Roots to trust; `None` when this computer has none: then no certificate is.
    pub tls: Option<Arc<ClientConfig>>,
    /// Who may be called.
    pub policy: Policy,
    /// Names to addresses.
    pub resolver: Arc<dyn Resolver>,
    /// [`ATTEMPT_WITHIN`], but in tests.
    pub within: Duration,
}

impl std::fmt::Debug for Transport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Transport").field("policy", &self.policy).finish_non_exhaustive()
    }
}

impl Transport {
    /// One POST of `body` to `target` (path and query) at the endpoint's host.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn post(
        &self,
        url: &UrlTemplate,
        target: &str,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<StatusCode, Failure> {
        let until = Instant::now() + self.within;
        let (response, connection) = timeout_at(until, self.exchange(url, target, headers, body))
            .await
            .map_err(|_| Failure::Timeout)??;
        let status = response.status();
        // The status says it all. The rest is read so that the endpoint sees a proper end, as far as that is quick and small.
        let _ = timeout_at(until, drop_body(response)).await;
        drop(connection);
        Ok(status)
    }

    async fn exchange(
        &self,
        url: &UrlTemplate,
        target: &str,
        mut headers: HeaderMap,
        body: Bytes,
    ) -> Result<(http::Response<Incoming>, Connection), Failure> {
        if !url.is_https() && !self.policy.plain_http {
            return Err(Failure::PlainHttp);
        }
        let addresses = self.addresses(url.host()).await?;
        let tcp = connect(&addresses, url.port()).await?;
        let host = url.authority().parse().map_err(|_| Failure::Broken)?;
        headers.insert(header::HOST, host);
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = target.parse().map_err(|_| Failure::Broken)?;
        *request.headers_mut() = headers;
        match url.is_https() {
            true => send(self.encrypt(url.host(), tcp).await?, request).await,
            false => send(tcp, request).await,
        }
    }

    /// Those that may be called. One look-up: what is checked here is what is called.
    async fn addresses(&self, host: &Host) -> Result<Vec<IpAddr>, Failure> {
        let all = match host {
            Host::Address(address) => vec![*address],
            Host::Name(name) => self.resolver.look_up(name).await,
        };
        if all.is_empty() {
            return Err(Failure::Name);
        }
        let allowed: Vec<IpAddr> =
            all.into_iter().filter(|address| self.policy.check(*address).is_ok()).take(ADDRESSES).collect();
        if allowed.is_empty() { Err(Failure::Address) } else { Ok(allowed) }
    }

    async fn encrypt(
        &self,
        host: &Host,
        tcp: TcpStream,
    ) -> Result<impl AsyncRead + AsyncWrite + Unpin + Send + use<>, Failure> {
        let config = self.tls.clone().ok_or(Failure::Tls)?;
        let name = match host {
            Host::Address(address) => ServerName::IpAddress((*address).into()),
            Host::Name(name) => ServerName::try_from(name.clone()).map_err(|_| Failure::Tls)?,
        };
        TlsConnector::from(config).connect(name, tcp).await.map_err(|_| Failure::Tls)
    }
}

async fn connect(addresses: &[IpAddr], port: u16) -> Result<TcpStream, Failure> {
    let Some((last, others)) = addresses.split_last() else { return Err(Failure::Name) };
    for address in others {
        if let Ok(Ok(tcp)) =
            timeout(CONNECT_WITHIN, TcpStream::connect(SocketAddr::new(*address, port))).await
        {
            return Ok(tcp);
        }
    }
    TcpStream::connect(SocketAddr::new(*last, port)).await.map_err(|_| Failure::Connect)
}

/// Carries one exchange; dropped, the connection is gone.
struct Connection(AbortHandle);

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn send(
    io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: Request<Full<Bytes>>,
) -> Result<(http::Response<Incoming>, Connection), Failure> {
    let mut builder = http1::Builder::new();
    builder.max_buf_size(HEAD_BYTES).max_headers(100);
    let (mut sender, carrying) = builder.handshake(TokioIo::new(io)).await.map_err(|_| Failure::Broken)?;
    let carrying = tokio::spawn(async move {
        let _ = carrying.await;
    });
    let connection = Connection(carrying.abort_handle());
    let response = sender.send_request(request).await.map_err(|_| Failure::Broken)?;
    Ok((response, connection))
}

async fn drop_body(response: http::Response<Incoming>) {
    let (mut body, mut left) = (response.into_body(), BODY_BYTES);
    while let Some(Ok(frame)) = body.frame().await {
        let length = frame.data_ref().map_or(0, Bytes::len);
        let Some(rest) = left.checked_sub(length) else { return };
        left = rest;
    }
}
