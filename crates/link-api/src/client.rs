//! Client side: one HTTP/2 connection over one byte stream, as a tonic client.

use crate::{LinkClient, Tuning};
use hyper::{
    body::Incoming,
    client::conn::http2::{self, SendRequest},
};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};
use tokio::io::{AsyncRead, AsyncWrite};
use tonic::body::Body;

/// Sends requests on one HTTP/2 connection; cloning it is cheap.
#[derive(Clone, Debug)]
pub struct Channel(SendRequest<Body>);

impl Channel {
    /// Whether the connection has ended: a new session is needed.
    pub fn is_closed(&self) -> bool {
        self.0.is_closed()
    }
}

impl tower::Service<http::Request<Body>> for Channel {
    type Response = http::Response<Incoming>;
    type Error = hyper::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        Box::pin(self.0.send_request(request))
    }
}

/// Speaks HTTP/2 on `io`. The client is usable while the returned future, the connection itself, is being driven;
/// the future ends when the connection does.
pub async fn open<Io>(
    io: Io,
    tuning: Tuning,
) -> Result<(LinkClient<Channel>, Channel, impl Future<Output = Result<(), hyper::Error>> + Send), hyper::Error>
where
    Io: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (send, connection) = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .initial_stream_window_size(tuning.stream_window)
        .initial_connection_window_size(tuning.connection_window)
        .max_frame_size(64 * 1024)
        .keep_alive_interval(Duration::from_millis(tuning.keepalive_ms))
        .keep_alive_timeout(Duration::from_millis(tuning.keepalive_timeout_ms))
        .keep_alive_while_idle(true)
        .handshake(TokioIo::new(io))
        .await?;
    let channel = Channel(send);
    let client = LinkClient::with_origin(channel.clone(), http::Uri::from_static("http://link"))
        .max_decoding_message_size(model::limit::MESSAGE_BYTES)
        .max_encoding_message_size(model::limit::MESSAGE_BYTES);
    Ok((client, channel, connection))
}
