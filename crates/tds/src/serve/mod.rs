//! Sockets: accepts clients, each as a task of its own and a thread for its session.

mod calls;
mod connection;
mod greet;
mod run;
mod session;
mod sheath;
mod teller;
mod tls;
mod turn;

use crate::{
    backend::Backend,
    wire::{Budget, Limits},
};
use std::{io, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    net::{TcpListener, ToSocketAddrs},
    sync::Semaphore,
    task::JoinSet,
};

/// Whether clients may, or must, use TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tls {
    /// There is none.
    Never,
    /// As SQL Server has it: the login is encrypted unless the client can't, all of it when the client wants.
    #[default]
    Offered,
    /// Who can't is turned away.
    Required,
}

/// How to serve.
#[derive(Clone, Debug)]
pub struct Options {
    /// See [`Tls`].
    pub tls: Tls,
    /// From the connection to the end of the login.
    pub login_time: Duration,
    /// Between two requests.
    pub idle_time: Duration,
    /// For each next piece, once a message or an answer has begun.
    pub stall_time: Duration,
    /// Most connections at a time.
    pub connections: usize,
    /// Bytes for large messages (over 1 MiB), all connections together.
    pub message_memory: usize,
    /// Longest messages.
    pub limits: Limits,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            tls: Tls::Offered,
            login_time: Duration::from_secs(15),
            idle_time: Duration::from_secs(8 * 3600),
            stall_time: Duration::from_secs(120),
            connections: 200,
            message_memory: 512 * 1024 * 1024,
            limits: Limits::default(),
        }
    }
}

/// What all connections share.
pub(crate) struct Shared {
    backend: Arc<dyn Backend>,
    options: Options,
    budget: Arc<Budget>,
    tls: Option<tls::Configs>,
}

/// A server that listens.
pub struct Server {
    listener: TcpListener,
    shared: Arc<Shared>,
}

impl Server {
    /// Listens; makes a certificate when there is TLS.
    pub async fn bind(
        address: impl ToSocketAddrs,
        backend: Arc<dyn Backend>,
        options: Options,
    ) -> io::Result<Server> {
        let tls = if options.tls == Tls::Never { None } else { Some(tls::make().map_err(io::Error::other)?) };
        let listener = TcpListener::bind(address).await?;
        let budget = Budget::new(options.message_memory);
        Ok(Server { listener, shared: Arc::new(Shared { backend, options, budget, tls }) })
    }

    /// Where it listens.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// The certificate as PEM, for clients that want to know it: it is made anew at each start.
    pub fn certificate(&self) -> Option<&str> {
        self.shared.tls.as_ref().map(|tls| tls.certificate.as_str())
    }

    /// Serves until `stop` ends; then statements that run are stopped and all connections closed.
    pub async fn serve(self, stop: impl Future<Output = ()>) {
        let places = Arc::new(Semaphore::new(self.shared.options.connections));
        let mut clients = JoinSet::new();
        tokio::pin!(stop);
        loop {
            let accepted = tokio::select! {
                () = &mut stop => break,
                // Forgets those that have ended.
                Some(_) = clients.join_next() => continue,
                accepted = self.listener.accept() => accepted,
            };
            let Ok((stream, _)) = accepted else {
                // Out of descriptors, or a client that left at once: neither ends the server, but the first would spin.
                tokio::time::sleep(Duration::from_millis(20)).await;
                continue;
            };
            let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
                tracing::warn!(
                    most = self.shared.options.connections,
                    "too many connections: one was turned away"
                );
                continue;
            };
            let _ = stream.set_nodelay(true);
            let shared = Arc::clone(&self.shared);
            clients.spawn(connection::serve(stream, shared, place));
        }
        clients.shutdown().await;
    }
}
