//! Looking up names, as an argument: what is looked up once is checked and then called, never looked up again.

use futures::future::BoxFuture;
use std::{
    collections::HashMap,
    net::{IpAddr, ToSocketAddrs},
    sync::{Arc, Mutex, PoisonError, Weak},
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Gives a name's addresses.
pub trait Resolver: Send + Sync + 'static {
    /// All of them, in the order in which they should be tried; empty when there are none or nobody knows.
    fn look_up<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Vec<IpAddr>>;
}

/// Look-ups of one name at a time: one can hang for longer than its attempt, and then holds a thread.
const OF_A_NAME: usize = 2;

/// Asks, and waits for the answer on a thread of its own.
type Ask = fn(&str) -> Vec<IpAddr>;

/// The operating system's. Each name has places of its own, so that one whose server is slow holds up no other; how many names there
/// are is bounded by the number of endpoints.
#[derive(Debug)]
pub struct SystemResolver {
    places: Mutex<HashMap<String, Weak<Semaphore>>>,
    ask: Ask,
}

impl Default for SystemResolver {
    fn default() -> Self {
        SystemResolver { places: Mutex::default(), ask: ask_system }
    }
}

impl SystemResolver {
    async fn place(&self, name: &str) -> Option<(Arc<Semaphore>, OwnedSemaphorePermit)> {
        let places = {
            let mut all = self.places.lock().unwrap_or_else(PoisonError::into_inner);
            // Names that nobody looks up any more.
            all.retain(|_, places| places.strong_count() > 0);
            match all.get(name).and_then(Weak::upgrade) {
                Some(places) => places,
                None => {
                    let places = Arc::new(Semaphore::new(OF_A_NAME));
                    all.insert(name.to_owned(), Arc::downgrade(&places));
                    places
                }
            }
        };
        let permit = Arc::clone(&places).acquire_owned().await.ok()?;
        Some((places, permit))
    }
}

impl Resolver for SystemResolver {
    fn look_up<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Vec<IpAddr>> {
        Box::pin(async move {
            let Some(place) = self.place(name).await else { return Vec::new() };
            let (name, ask) = (name.to_owned(), self.ask);
            let asked = tokio::task::spawn_blocking(move || {
                let found = ask(&name);
                // Also when nobody waits for the answer any more: until then the thread is held.
                drop(place);
                found
            });
            asked.await.unwrap_or_default()
        })
    }
}

fn ask_system(name: &str) -> Vec<IpAddr> {
    let found = (name, 0).to_socket_addrs();
    found.map(|all| all.map(|address| address.ip()).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        net::Ipv4Addr,
        sync::{
            Condvar,
            atomic::{AtomicUsize, Ordering},
        },
    };

    static ASKED: AtomicUsize = AtomicUsize::new(0);
    static OPEN: (Mutex<bool>, Condvar) = (Mutex::new(false), Condvar::new());

    /// The name server of `slow.test` says nothing until it is told to.
    fn ask(name: &str) -> Vec<IpAddr> {
        if name == "slow.test" {
            ASKED.fetch_add(1, Ordering::SeqCst);
            let open = OPEN.0.lock().unwrap();
            drop(OPEN.1.wait_while(open, |open| !*open).unwrap());
        }
        vec![Ipv4Addr::LOCALHOST.into()]
    }

    #[tokio::test]
    async fn a_name_whose_server_is_slow_holds_up_no_other() {
        let resolver = Arc::new(SystemResolver { places: Mutex::default(), ask });
        // As many as an endpoint makes over a day: the attempt is given up, its thread is not free.
        for _ in 0..100 {
            let resolver = Arc::clone(&resolver);
            let attempt = tokio::spawn(async move { resolver.look_up("slow.test").await });
            tokio::task::yield_now().await;
            attempt.abort();
        }
        for n in 0..40 {
            assert_eq!(resolver.look_up(&format!("{n}.test")).await.len(), 1);
        }
        let waiting = resolver.look_up("slow.test");
        let asked = ASKED.load(Ordering::SeqCst);
        assert!(asked <= OF_A_NAME, "{asked} threads are held");
        *OPEN.0.lock().unwrap() = true;
        OPEN.1.notify_all();
        assert_eq!(waiting.await.len(), 1, "and it goes on when its server answers");
        // Names are not kept, once their threads have ended.
        while resolver.places.lock().unwrap().len() > 1 {
            assert_eq!(resolver.look_up("other.test").await.len(), 1);
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    }
}
