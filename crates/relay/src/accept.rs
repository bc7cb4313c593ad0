//! From a TCP connection to a client that has proved who it is.

use crate::{
    Shared,
    doorman::Stranger,
    gateway,
    guests::{self, Guests, Session},
    link,
    registry::Claim,
};
use model::{IntegratorId, LinkId, SiteId};
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tunnel::{Denied, Party};

/// Pause after a failed accept: the process is out of file descriptors, and trying at once would only burn the CPU.
const OUT_OF_BREATH: Duration = Duration::from_millis(100);

/// Accepts until told to stop.
pub(crate) async fn run(shared: &Arc<Shared>, listener: TcpListener, stop: &CancellationToken) {
    let tls = TlsAcceptor::from(shared.options.tls.clone());
    let mut turned_away: u64 = 0;
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let (tcp, address) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::error!(%error, "can't accept connections");
                tokio::time::sleep(OUT_OF_BREATH).await;
                continue;
            }
        };
        let now = shared.options.clock.monotonic();
        let Some(stranger) = shared.doorman.enter(address.ip(), now) else {
            turned_away += 1;
            // Powers of two: a flood is seen in the log, and does not become one.
            if turned_away.is_power_of_two() {
                tracing::warn!(turned_away, address = %address.ip(), "connections turned away at the door");
            }
            continue;
        };
        let shared = shared.clone();
        let tls = tls.clone();
        // The handshake is a task of its own: its large state is gone when the connection is quiet.
        let tasks = shared.tasks.clone();
        tasks.spawn(async move { greet(&shared, tls, tcp, address, stranger).await });
    }
}

async fn greet(
    shared: &Arc<Shared>,
    tls: TlsAcceptor,
    tcp: TcpStream,
    address: SocketAddr,
    stranger: Stranger,
) {
    let result = tokio::select! {
        () = shared.draining.cancelled() => return,
        result = tokio::time::timeout(shared.options.limits.handshake, identify(shared, tls, tcp)) => result,
    };
    drop(stranger);
    match result {
        Ok(Ok(None)) => {}
        Ok(Ok(Some((guests, session)))) => guests::serve(shared, &guests, session).await,
        // Everybody on the internet may knock: not worth more than a debug line.
        Ok(Err(why)) => tracing::debug!(address = %address.ip(), why, "a connection did not get in"),
        Err(_) => tracing::debug!(address = %address.ip(), "a connection did not say in time who it is"),
    }
}

/// What a client holds of the relay's from admission on; dropped, it is given back.
enum Admitted {
    Link(link::Admission),
    Gateway(gateway::Entry),
}

async fn identify(
    shared: &Arc<Shared>,
    tls: TlsAcceptor,
    tcp: TcpStream,
) -> Result<Option<(Guests, Session)>, String> {
    tunnel::tune_socket(&tcp);
    let io = tls.accept(tcp).await.map_err(|e| format!("TLS: {e}"))?;
    if let Some(guests) = &shared.options.guests {
        let (is_guest, io) = guests.is_for(io).await.map_err(|e| e.to_string())?;
        if is_guest {
            return Ok(Some((guests.clone(), io)));
        }
        return join(shared, io).await.map(|()| None);
    }
    join(shared, io).await.map(|()| None)
}

async fn join<Io>(shared: &Arc<Shared>, io: Io) -> Result<(), String>
where
    Io: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut admission = None;
    let joined =
        tunnel::join(io, &shared.options.accept, (shared.options.nonces)(), async |party: &Party| {
            if shared.draining.is_cancelled() {
                return Err(Denied::Busy("this relay is shutting down: dial again".to_owned()));
            }
            admission = Some(match party {
                Party::Link { peer, sites, .. } => {
                    let claim = |s: &tunnel::JoinedSite| Claim {
                        site: SiteId(s.peer.id),
                        epoch: s.epoch,
                        facts: s.facts.clone(),
                    };
                    let claims = sites.iter().map(claim).collect();
                    Admitted::Link(link::admit(shared, LinkId(peer.id), claims).await?)
                }
                // It is asked for its admission again at every question: so that `admit` works at once, and a removal
                // as well.
                Party::Gateway { peer, .. } => {
                    Admitted::Gateway(gateway::admit(shared, IntegratorId(peer.id)).await?)
                }
            });
            Ok(())
        })
        .await
        .map_err(|e| e.to_string())?;

    match admission {
        Some(Admitted::Link(admission)) => link::start(shared, joined, admission),
        Some(Admitted::Gateway(entry)) => {
            gateway::start(shared, IntegratorId(joined.party.peer().id), joined, entry);
        }
        None => return Err("a client came in without being admitted".to_owned()),
    }
    Ok(())
}
