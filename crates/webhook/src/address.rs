//! Which addresses may be called. An endpoint's name is written by an integrator's own people, or by whoever got hold of their
//! key: it must not become a way into the network that the gateway stands in.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

/// What the one who runs the gateway allows beyond HTTPS to public addresses.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// Networks that may be called although they are not public.
    pub networks: Vec<Network>,
    /// Takes `http://` too.
    pub plain_http: bool,
}

impl Policy {
    /// Whether this address may be called; otherwise what it is.
    ///
    /// # Errors
    /// The kind of address, for people.
    pub fn check(&self, address: IpAddr) -> Result<(), &'static str> {
        match kind(address) {
            Some(kind) if !self.networks.iter().any(|network| network.holds(address)) => Err(kind),
            _ => Ok(()),
        }
    }
}

/// An address range, `10.0.0.0/8`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    base: IpAddr,
    bits: u8,
}

/// A text that is no network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a network is an address, a slash and a number of bits, for example 10.0.0.0/8 or fd00::/8; bits after those must be zero"
)]
pub struct NetworkError;

impl Network {
    /// Whether the address lies in it.
    pub fn holds(&self, address: IpAddr) -> bool {
        match (self.base, address) {
            (IpAddr::V4(base), IpAddr::V4(address)) => shift4(base, self.bits) == shift4(address, self.bits),
            (IpAddr::V6(base), IpAddr::V6(address)) => shift6(base, self.bits) == shift6(address, self.bits),
            _ => false,
        }
    }
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Network, NetworkError> {
        let (base, bits) = text.split_once('/').ok_or(NetworkError)?;
        let base: IpAddr = base.parse().map_err(|_| NetworkError)?;
        if bits.is_empty() || !bits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(NetworkError);
        }
        let bits: u8 = bits.parse().map_err(|_| NetworkError)?;
        let (most, rest) = match base {
            IpAddr::V4(base) => (32, u128::from(u32::from(base)) & low(32u8.saturating_sub(bits))),
            IpAddr::V6(base) => (128, u128::from(base) & low(128u8.saturating_sub(bits))),
        };
        if bits > most || rest != 0 { Err(NetworkError) } else { Ok(Network { base, bits }) }
    }
}

/// So many ones at the low end.
fn low(bits: u8) -> u128 {
    u128::MAX.checked_shr(128 - u32::from(bits)).unwrap_or(0)
}

fn shift4(address: Ipv4Addr, bits: u8) -> u32 {
    u32::from(address).checked_shr(32 - u32::from(bits)).unwrap_or(0)
}

fn shift6(address: Ipv6Addr, bits: u8) -> u128 {
    u128::from(address).checked_shr(128 - u32::from(bits)).unwrap_or(0)
}

/// What is not public, and why; `None` for a public address.
fn kind(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(address) => kind4(address),
        IpAddr::V6(address) => kind6(address),
    }
}

fn kind4(address: Ipv4Addr) -> Option<&'static str> {
    let [a, b, c, d] = address.octets();
    match (a, b, c, d) {
        (0, ..) => Some("unspecified"),
        (10, ..) | (172, 16..=31, ..) | (192, 168, ..) => Some("private"),
        (100, 64..=127, ..) => Some("shared by a provider's customers"),
        (127, ..) => Some("loopback"),
        (169, 254, ..) => Some("link-local"),
        // Where machines of one cloud ask for what concerns themselves.
        (168, 63, 129, 16) => Some("a cloud's own service"),
        (192, 0, 0, _) | (192, 88, 99, _) => Some("reserved"),
        (192, 0, 2, _) | (198, 51, 100, _) | (203, 0, 113, _) => Some("for documentation"),
        (198, 18..=19, ..) => Some("for benchmarks"),
        (224..=239, ..) => Some("multicast"),
        (240..=255, ..) => Some("reserved"),
        _ => None,
    }
}

fn kind6(address: Ipv6Addr) -> Option<&'static str> {
    if address.is_unspecified() {
        return Some("unspecified");
    }
    if address.is_loopback() {
        return Some("loopback");
    }
    let s = address.segments();
    match s {
        // No name server says an IPv4 address in this way.
        [0, 0, 0, 0, 0, 0xffff, ..] | [0, 0, 0, 0, 0, 0, ..] => Some("an IPv4 address in disguise"),
        // A network without IPv4 of its own reaches it so.
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => kind4(embedded(high, low)),
        [0x2002, high, low, ..] => kind4(embedded(high, low)),
        [0x2001, 0x0db8, ..] | [0x3fff, 0..=0x0fff, ..] => Some("for documentation"),
        [0x2001, 0..=0x01ff, ..] => Some("reserved"),
        [0xfc00..=0xfdff, ..] => Some("private"),
        [0xfe80..=0xfebf, ..] => Some("link-local"),
        [0xff00..=0xffff, ..] => Some("multicast"),
        [0x2000..=0x3fff, ..] => None,
        _ => Some("reserved"),
    }
}

fn embedded(high: u16, low: u16) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(high) << 16 | u32::from(low))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn allowed(text: &str) -> bool {
        Policy::default().check(text.parse().unwrap()).is_ok()
    }

    #[test]
    fn addresses_that_lead_inside_are_refused() {
        for inside in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.169.254",
            "169.254.170.2",
            "168.63.129.16",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.192",
            "192.168.1.1",
            "198.18.0.1",
            "224.0.0.1",
            "239.255.255.255",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:8.8.8.8",
            "::127.0.0.1",
            "fe80::1",
            "fc00::1",
            "fd00:ec2::254",
            "ff02::1",
            "64:ff9b::7f00:1",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::1",
            "2002:7f00:1::",
            "2002:0a00:1::1",
            "2001::1",
            "2001:db8::1",
            "fec0::1",
            "100::1",
        ] {
            assert!(!allowed(inside), "{inside}");
        }
        for public in [
            "8.8.8.8",
            "100.63.255.255",
            "100.128.0.1",
            "172.15.0.1",
            "172.32.0.1",
            "192.167.0.1",
            "2606:4700::1111",
            "64:ff9b::808:808",
            "2002:808:808::1",
            "2001:4860:4860::8888",
        ] {
            assert!(allowed(public), "{public}");
        }
    }

    #[test]
    fn a_network_that_is_allowed_is_allowed_and_nothing_beside_it() {
        let policy = Policy {
            networks: vec!["10.1.0.0/16".parse().unwrap(), "::1/128".parse().unwrap()],
            plain_http: false,
        };
        for (address, good) in [
            ("10.1.2.3", true),
            ("10.2.0.1", false),
            ("::1", true),
            ("127.0.0.1", false),
            ("8.8.8.8", true),
            ("::ffff:10.1.2.3", false),
        ] {
            assert_eq!(policy.check(address.parse().unwrap()).is_ok(), good, "{address}");
        }
        for bad in [
            "",
            "10.0.0.0",
            "10.0.0.0/",
            "10.0.0.0/33",
            "10.0.0.1/8",
            "::/129",
            "fd00::1/8",
            "10.0.0.0/+8",
            "x/8",
        ] {
            assert_eq!(bad.parse::<Network>(), Err(NetworkError), "{bad}");
        }
        for good in ["0.0.0.0/0", "::/0", "10.0.0.1/32", "fd00::/8"] {
            assert!(good.parse::<Network>().is_ok(), "{good}");
        }
    }

    proptest! {
        /// Against the standard library's own idea of what is not public.
        #[test]
        fn nothing_that_std_calls_special_is_allowed(v4: u32, v6: u128) {
            let v4 = Ipv4Addr::from(v4);
            if v4.is_private() || v4.is_loopback() || v4.is_link_local() || v4.is_multicast() || v4.is_broadcast()
                || v4.is_unspecified() || v4.is_documentation() {
                prop_assert!(kind4(v4).is_some());
            }
            let v6 = Ipv6Addr::from(v6);
            if v6.is_multicast() || v6.is_loopback() || v6.is_unspecified() || v6.is_unique_local()
                || v6.is_unicast_link_local() || v6.to_ipv4_mapped().is_some() {
                prop_assert!(kind6(v6).is_some());
            }
            prop_assert!(kind6(v4.to_ipv6_mapped()).is_some());
        }

        #[test]
        fn an_inside_address_is_inside_whatever_its_low_bits(low: u32) {
            for (base, bits) in [(0x7f00_0000u32, 8), (0x0a00_0000, 8), (0xac10_0000, 12), (0xc0a8_0000, 16), (0xa9fe_0000, 16), (0x6440_0000, 10), (0xe000_0000, 3)] {
                let address = Ipv4Addr::from(base | (low >> bits));
                prop_assert!(kind4(address).is_some(), "{}", address);
                let [a, b, c, d] = address.octets();
                let nat = Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
                prop_assert!(kind6(nat).is_some());
            }
        }
    }
}
