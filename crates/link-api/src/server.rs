//! Server side: serves the contract on one byte stream and tells each call who is at the other end.

use crate::{Link, LinkServer, Tuning};
use hyper::{body::Incoming, server::conn::http2};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use std::{
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tokio::io::{AsyncRead, AsyncWrite};

/// Puts the peer of this session into the extensions of each of its requests.
#[derive(Clone)]
struct WithPeer<S, P> {
    service: S,
    peer: P,
}

impl<S, P> tower::Service<http::Request<Incoming>> for WithPeer<S, P>
where
    S: tower::Service<http::Request<Incoming>>,
    P: Clone + Send + Sync + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.service.poll_ready(cx)
    }

    fn call(&mut self, mut request: http::Request<Incoming>) -> Self::Future {
        request.extensions_mut().insert(self.peer.clone());
        self.service.call(request)
    }
}

/// Serves until the peer leaves, the connection fails, or `stop` resolves (then calls in flight finish first).
/// Each call finds `peer` with `request.extensions().get::<P>()`.
pub async fn serve<Io, L, P>(
    io: Io,
    link: Arc<L>,
    peer: P,
    tuning: Tuning,
    stop: impl Future<Output = ()>,
) -> Result<(), hyper::Error>
where
    Io: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    L: Link,
    P: Clone + Send + Sync + 'static,
{
    let server = LinkServer::from_arc(link)
        .max_decoding_message_size(tuning.request_bytes)
        .max_encoding_message_size(model::limit::MESSAGE_BYTES);
    let connection = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .initial_stream_window_size(tuning.stream_window)
        .initial_connection_window_size(tuning.connection_window)
        .max_frame_size(64 * 1024)
        .max_concurrent_streams(tuning.calls)
        .max_header_list_size(16 * 1024)
        .max_send_buf_size(256 * 1024)
        .keep_alive_interval(Duration::from_millis(tuning.keepalive_ms))
        .keep_alive_timeout(Duration::from_millis(tuning.keepalive_timeout_ms))
        .serve_connection(TokioIo::new(io), TowerToHyperService::new(WithPeer { service: server, peer }));
    tokio::pin!(connection, stop);
    tokio::select! {
        ended = connection.as_mut() => return ended,
        () = &mut stop => connection.as_mut().graceful_shutdown(),
    }
    connection.await
}
