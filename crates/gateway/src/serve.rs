//! Serves the routes on a listening socket: every wait has a bound, and stopping lets answers finish.

use crate::stall::Stalling;
use axum::{Router, extract::Request};
use hyper::{body::Incoming, server::conn::http1};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
    service::TowerToHyperService,
};
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tokio::{net::TcpListener, sync::Semaphore};
use tower::{Service, ServiceExt};

/// A request's head must arrive within this time; an idle kept-alive connection lives as long.
const HEAD_WITHIN: Duration = Duration::from_secs(75);
/// A caller who takes nothing of an answer for this long is cut off: what it holds of the memory for answers is given back.
const STALLED: Duration = Duration::from_secs(60);
/// Connections at once; more wait in the kernel's queue.
const CONNECTIONS: usize = 10_000;
/// A request's head, bytes: all headers and a query string fit several times.
const HEAD_BYTES: usize = 64 * 1024;

/// Plain HTTP where nobody else can listen, unless the one who runs it says otherwise.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "refusing to serve plain HTTP on {0}: subscription keys and patients' data would cross the network readable. Listen on 127.0.0.1 \
     or [::1] behind something that ends TLS, or set `allow_plain_http = true` if the network between is yours alone"
)]
pub struct PlainHttpRefused(pub SocketAddr);

/// Checks a listen address.
pub fn check_address(listen: SocketAddr, allow_plain_http: bool) -> Result<(), PlainHttpRefused> {
    if listen.ip().is_loopback() || allow_plain_http { Ok(()) } else { Err(PlainHttpRefused(listen)) }
}

/// Serves until `stop` resolves, then lets requests under way finish for at most `grace`.
pub async fn serve(listener: TcpListener, router: Router, stop: impl Future<Output = ()>, grace: Duration) {
    let graceful = GracefulShutdown::new();
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD_WITHIN).max_buf_size(HEAD_BYTES);
    tokio::pin!(stop);
    loop {
        let next = async {
            let place = Arc::clone(&places).acquire_owned().await;
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            () = &mut stop => break,
            next = next => next,
        };
        let Ok((socket, _)) = accepted else {
            // Out of file descriptors, most likely: give connections time to end.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let _ = socket.set_nodelay(true);
        let service =
            router.clone().map_request(|request: Request<Incoming>| request.map(axum::body::Body::new));
        let socket = TokioIo::new(Stalling::new(socket, STALLED));
        let connection = builder.serve_connection(socket, TowerToHyperService::new(service));
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            let _ = connection.await;
            drop(place);
        });
    }
    drop(listener);
    let _ = tokio::time::timeout(grace, graceful.shutdown()).await;
}

// The bound that `serve` relies on: a router answers every request and never fails.
const _: fn() = || {
    fn infallible<S: Service<Request, Error = std::convert::Infallible>>() {}
    infallible::<Router>();
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_stays_on_the_machine_unless_allowed() {
        for good in ["127.0.0.1:8080", "[::1]:8080", "127.9.9.9:1"] {
            assert!(check_address(good.parse().unwrap(), false).is_ok());
        }
        for bad in ["0.0.0.0:8080", "192.168.1.2:8080", "[::]:8080"] {
            let refused = check_address(bad.parse().unwrap(), false).unwrap_err();
            assert!(refused.to_string().contains("allow_plain_http"));
            assert!(check_address(bad.parse().unwrap(), true).is_ok());
        }
    }
}
