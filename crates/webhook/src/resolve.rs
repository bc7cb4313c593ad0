//! Looking up names, as an argument: what is looked up once is checked and then called, never looked up again.

use futures::future::BoxFuture;
use std::{
    net::{IpAddr, ToSocketAddrs},
    sync::Arc,
};
use tokio::sync::Semaphore;

/// Gives a name's addresses.
pub trait Resolver: Send + Sync + 'static {
    /// All of them, in the order in which they should be tried; empty when there are none or nobody knows.
    fn look_up<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Vec<IpAddr>>;
}

/// Look-ups at a time: one can hang for longer than its attempt, and then holds a thread.
const AT_ONCE: usize = 32;

/// The operating system's.
#[derive(Debug)]
pub struct SystemResolver(Arc<Semaphore>);

impl Default for SystemResolver {
    fn default() -> Self {
        SystemResolver(Arc::new(Semaphore::new(AT_ONCE)))
    }
}

impl Resolver for SystemResolver {
    fn look_up<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Vec<IpAddr>> {
        Box::pin(async move {
            let Ok(place) = Arc::clone(&self.0).acquire_owned().await else { return Vec::new() };
            let name = name.to_owned();
            let asked = tokio::task::spawn_blocking(move || {
                let found = (name.as_str(), 0).to_socket_addrs();
                drop(place);
                found.map(|all| all.map(|address| address.ip()).collect()).unwrap_or_default()
            });
            asked.await.unwrap_or_default()
        })
    }
}
