//! Who may come to the door: a bound on connections that have not said who they are, and on arrivals per address.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// Addresses remembered at a time. When there are more, those that have been quiet are forgotten.
const ADDRESSES: usize = 65_536;

/// Limits at the door. Loopback is exempt from those per address: a local proxy brings everybody from there.
#[derive(Clone, Debug)]
pub struct DoorLimits {
    /// Connections that are not yet authenticated, in all.
    pub strangers: usize,
    /// The same from one address (IPv6: from one /64).
    pub strangers_per_address: u32,
    /// New connections per second from one address, in the long run.
    pub arrivals_per_second: u32,
    /// New connections that may come at once from one address after it was quiet.
    pub arrivals_burst: u32,
}

impl Default for DoorLimits {
    fn default() -> Self {
        DoorLimits {
            strangers: 1024,
            strangers_per_address: 256,
            arrivals_per_second: 50,
            arrivals_burst: 500,
        }
    }
}

#[derive(Default)]
struct Known {
    inside: u32,
    /// Arrivals not yet paid off, in thousandths.
    debt: u64,
    at: Duration,
}

#[derive(Default)]
struct Book {
    inside: usize,
    addresses: HashMap<IpAddr, Known>,
}

/// Counts strangers. Cheap to ask: it is asked before anything else happens to a connection.
#[derive(Clone)]
pub(crate) struct Doorman {
    limits: DoorLimits,
    book: Arc<Mutex<Book>>,
}

/// One stranger inside; dropping it says that it is a stranger no more.
pub(crate) struct Stranger {
    doorman: Doorman,
    address: Option<IpAddr>,
}

impl Doorman {
    pub(crate) fn new(limits: DoorLimits) -> Doorman {
        Doorman { limits, book: Arc::default() }
    }

    /// `None`: turn it away. `now` is monotonic.
    pub(crate) fn enter(&self, address: IpAddr, now: Duration) -> Option<Stranger> {
        let mut book = self.book.lock().unwrap_or_else(PoisonError::into_inner);
        if book.inside >= self.limits.strangers {
            return None;
        }
        let address = counted(address);
        if let Some(address) = address {
            if book.addresses.len() >= ADDRESSES && !book.addresses.contains_key(&address) {
                self.forget_quiet(&mut book, now);
            }
            let known = book.addresses.entry(address).or_default();
            known.debt = self.debt(known, now) + 1000;
            known.at = now;
            if known.debt > u64::from(self.limits.arrivals_burst) * 1000 {
                known.debt -= 1000;
                return None;
            }
            if known.inside >= self.limits.strangers_per_address {
                return None;
            }
            known.inside += 1;
        }
        book.inside += 1;
        Some(Stranger { doorman: self.clone(), address })
    }

    fn debt(&self, known: &Known, now: Duration) -> u64 {
        let passed = u64::try_from(now.saturating_sub(known.at).as_millis()).unwrap_or(u64::MAX);
        known.debt.saturating_sub(passed.saturating_mul(u64::from(self.limits.arrivals_per_second)))
    }

    fn forget_quiet(&self, book: &mut Book, now: Duration) {
        book.addresses.retain(|_, known| known.inside > 0 || self.debt(known, now) > 0);
        if book.addresses.len() >= ADDRESSES {
            // Still full: that many addresses arrive faster than the rate allows. The bound on strangers holds; start
            // the count of arrivals anew rather than grow.
            book.addresses.retain(|_, known| known.inside > 0);
        }
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        let mut book = self.doorman.book.lock().unwrap_or_else(PoisonError::into_inner);
        book.inside = book.inside.saturating_sub(1);
        if let Some(known) = self.address.and_then(|a| book.addresses.get_mut(&a)) {
            known.inside = known.inside.saturating_sub(1);
        }
    }
}

/// The address that is counted: one IPv6 customer has a whole /64. `None` for loopback.
fn counted(address: IpAddr) -> Option<IpAddr> {
    let address = address.to_canonical();
    match address {
        _ if address.is_loopback() => None,
        IpAddr::V4(_) => Some(address),
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            Some(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> DoorLimits {
        DoorLimits { strangers: 5, strangers_per_address: 3, arrivals_per_second: 2, arrivals_burst: 4 }
    }

    const A: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const B: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));

    #[test]
    fn one_address_cannot_take_all_places() {
        let doorman = Doorman::new(limits());
        let _inside: Vec<_> = (0..3).map(|_| doorman.enter(A, Duration::ZERO).unwrap()).collect();
        assert!(doorman.enter(A, Duration::ZERO).is_none());
        let _others: Vec<_> = (0..2).map(|_| doorman.enter(B, Duration::ZERO).unwrap()).collect();
        assert!(doorman.enter("127.0.0.1".parse().unwrap(), Duration::ZERO).is_none(), "five in all");
    }

    #[test]
    fn a_burst_is_let_in_and_then_the_rate_holds() {
        let doorman = Doorman::new(limits());
        let arrivals =
            |at: u64| (0..10).filter(|_| doorman.enter(A, Duration::from_millis(at)).is_some()).count();
        assert_eq!(arrivals(0), 4);
        assert_eq!(arrivals(1000), 2);
        assert_eq!(arrivals(60_000), 4);
    }

    #[test]
    fn neighbours_in_one_ipv6_network_are_one_and_loopback_is_exempt() {
        let doorman = Doorman::new(limits());
        for n in 0..4 {
            assert!(doorman.enter(format!("2001:db8::{n}").parse().unwrap(), Duration::ZERO).is_some());
        }
        assert!(doorman.enter("2001:db8::99".parse().unwrap(), Duration::ZERO).is_none());
        assert!(doorman.enter("2001:db8:0:1::1".parse().unwrap(), Duration::ZERO).is_some());
        assert!(
            (0..100).all(|_| doorman.enter("::ffff:127.0.0.1".parse().unwrap(), Duration::ZERO).is_some())
        );
    }

    #[test]
    fn memory_of_addresses_is_bounded() {
        let doorman = Doorman::new(limits());
        for n in 0..(ADDRESSES as u32 + 10) {
            doorman.enter(IpAddr::V4(n.wrapping_mul(2_654_435_761).max(1).into()), Duration::ZERO);
        }
        assert!(doorman.book.lock().unwrap().addresses.len() <= ADDRESSES);
    }
}
