//! One call on a session, with the knowledge whether anything of it was sent when it fails.

use super::open::Session;
use link_api::{LinkClient, Status, client::Channel};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};
use tower::{Service, ServiceExt};

type Request = http::Request<tonic::body::Body>;

/// Why a call failed.
#[derive(Debug)]
pub enum CallError {
    /// The connection was gone before any byte of the request went out: it may be sent again elsewhere.
    NotSent,
    /// The site answered with a gRPC status, or the connection broke after the request may have gone out.
    Failed(Status),
}

/// Makes a client for one call and runs it.
pub async fn call<T>(
    session: &Session,
    run: impl AsyncFnOnce(LinkClient<Tracked>) -> Result<T, Status>,
) -> Result<T, CallError> {
    let mut channel = session.channel.clone();
    if ServiceExt::<Request>::ready(&mut channel).await.is_err() {
        return Err(CallError::NotSent);
    }
    let not_sent = Arc::new(AtomicBool::new(false));
    let tracked = Tracked { channel, not_sent: Arc::clone(&not_sent) };
    let client = LinkClient::with_origin(tracked, http::Uri::from_static("http://link"))
        .max_decoding_message_size(model::limit::MESSAGE_BYTES)
        .max_encoding_message_size(model::limit::MESSAGE_BYTES);
    run(client).await.map_err(|status| match not_sent.load(Ordering::Relaxed) {
        true => CallError::NotSent,
        false => CallError::Failed(status),
    })
}

/// A channel that notes when hyper gives a request back unsent.
#[derive(Clone, Debug)]
pub struct Tracked {
    channel: Channel,
    not_sent: Arc<AtomicBool>,
}

impl Service<Request> for Tracked {
    type Response = http::Response<hyper::body::Incoming>;
    type Error = hyper::Error;
    type Future = futures::future::BoxFuture<'static, Result<Self::Response, hyper::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Service::<Request>::poll_ready(&mut self.channel, cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let (sending, not_sent) = (self.channel.call(request), Arc::clone(&self.not_sent));
        Box::pin(async move {
            let answer = sending.await;
            if let Err(error) = &answer
                && error.is_canceled()
            {
                not_sent.store(true, Ordering::Relaxed);
            }
            answer
        })
    }
}
