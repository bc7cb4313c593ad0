//! Where to dial: the relay's address and, where a network has one, the HTTP proxy on the way.

use model::Hidden;
use std::{fmt, str::FromStr};

/// Longest address or proxy URL that is read, in bytes.
const URL_BYTES: usize = 512;
/// The WebSocket path of this version.
pub const PATH: &str = "/tunnel/v1";
/// The WebSocket subprotocol of this version.
pub const SUBPROTOCOL: &str = "halo-tunnel-v1";

/// A relay: `wss://host:port/tunnel/v1`. Port 443 and the path may be left out; any other scheme or path is refused.
///
/// The host is also the name that a client signs in its answer to the challenge.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RelayAddress {
    host: String,
    port: u16,
}

/// Why an address or a proxy URL can't be used. The text names the rule, and never quotes a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Longer than 512 bytes, or with characters outside printable ASCII.
    #[error("the address is too long or has characters that do not belong in a URL")]
    Text,
    /// A relay address that does not start with `wss://`.
    #[error("a relay address starts with wss:// (plain ws:// is never used)")]
    RelayScheme,
    /// A proxy URL that does not start with `http://`.
    #[error("a proxy URL starts with http://; write http://host:port or http://user:password@host:port")]
    ProxyScheme,
    /// A path other than `/tunnel/v1`.
    #[error("the only path of a relay address is {PATH}")]
    Path,
    /// No host, or a malformed one.
    #[error("the host name is missing or malformed")]
    Host,
    /// Not 1 to 65535, or missing where it is needed.
    #[error("the port is missing or not a number from 1 to 65535")]
    Port,
    /// User or password are malformed.
    #[error(
        "user and password before the @ are malformed: write user:password, with %XX for special characters"
    )]
    Credentials,
}

impl RelayAddress {
    /// Reads an address.
    ///
    /// # Errors
    /// [`AddressError`] says which rule is broken.
    pub fn parse(text: &str) -> Result<RelayAddress, AddressError> {
        let rest = checked(text)?.strip_prefix("wss://").ok_or(AddressError::RelayScheme)?;
        let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
        if !matches!(path, "" | "/" | PATH) {
            return Err(AddressError::Path);
        }
        let (host, port) = host_and_port(authority, Some(443))?;
        Ok(RelayAddress { host, port })
    }

    /// Lower-case DNS name or IP address, an IPv6 one without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// TCP port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `host:port`, an IPv6 address in brackets.
    pub fn authority(&self) -> String {
        authority(&self.host, self.port)
    }
}

impl fmt::Display for RelayAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "wss://{}{PATH}", self.authority())
    }
}

impl FromStr for RelayAddress {
    type Err = AddressError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

/// An HTTP proxy that speaks CONNECT.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proxy {
    /// DNS name or IP address, an IPv6 one without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// User and password for `Proxy-Authorization: Basic`.
    pub credentials: Option<(String, Hidden<String>)>,
}

impl Proxy {
    /// Reads `http://host:port` or `http://user:password@host:port` (user and password may use `%XX`).
    ///
    /// # Errors
    /// [`AddressError`] says which rule is broken.
    pub fn parse(text: &str) -> Result<Proxy, AddressError> {
        let rest = checked(text)?.strip_prefix("http://").ok_or(AddressError::ProxyScheme)?;
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (credentials, authority) = match rest.rsplit_once('@') {
            None => (None, rest),
            Some((before, after)) => (Some(credentials(before)?), after),
        };
        let (host, port) = host_and_port(authority, None)?;
        Ok(Proxy { host, port, credentials })
    }

    /// `host:port`, an IPv6 address in brackets; no credentials.
    pub fn authority(&self) -> String {
        authority(&self.host, self.port)
    }
}

fn checked(text: &str) -> Result<&str, AddressError> {
    if text.len() > URL_BYTES || !text.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(AddressError::Text);
    }
    Ok(text)
}

fn credentials(text: &str) -> Result<(String, Hidden<String>), AddressError> {
    let (user, password) = text.split_once(':').ok_or(AddressError::Credentials)?;
    let user = percent_decoded(user)?;
    if user.is_empty() || user.contains(':') {
        return Err(AddressError::Credentials);
    }
    Ok((user, Hidden::new(percent_decoded(password)?)))
}

fn percent_decoded(text: &str) -> Result<String, AddressError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        rest = tail;
        if first != b'%' {
            bytes.push(first);
            continue;
        }
        let hex = rest.get(..2).and_then(|h| std::str::from_utf8(h).ok()).ok_or(AddressError::Credentials)?;
        if !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(AddressError::Credentials);
        }
        bytes.push(u8::from_str_radix(hex, 16).map_err(|_| AddressError::Credentials)?);
        rest = &rest[2..];
    }
    // A control character would end up in a header line.
    if bytes.iter().any(u8::is_ascii_control) {
        return Err(AddressError::Credentials);
    }
    String::from_utf8(bytes).map_err(|_| AddressError::Credentials)
}

fn host_and_port(text: &str, default_port: Option<u16>) -> Result<(String, u16), AddressError> {
    let (host, port) = if let Some(rest) = text.strip_prefix('[') {
        let (host, after) = rest.split_once(']').ok_or(AddressError::Host)?;
        host.parse::<std::net::Ipv6Addr>().map_err(|_| AddressError::Host)?;
        (host, if after.is_empty() { None } else { Some(after.strip_prefix(':').ok_or(AddressError::Host)?) })
    } else {
        match text.split_once(':') {
            None => (text, None),
            Some((host, port)) => (host, Some(port)),
        }
    };
    let is_name = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b':');
    if host.is_empty() || host.len() > 253 || !host.bytes().all(is_name) {
        return Err(AddressError::Host);
    }
    let port = match port {
        Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => {
            digits.parse().map_err(|_| AddressError::Port)?
        }
        Some(_) => return Err(AddressError::Port),
        None => default_port.ok_or(AddressError::Port)?,
    };
    if port == 0 { Err(AddressError::Port) } else { Ok((host.to_ascii_lowercase(), port)) }
}

fn authority(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relay_address_is_wss_and_nothing_else() {
        let address = RelayAddress::parse("wss://Relay.Example:8443/tunnel/v1").unwrap();
        assert_eq!((address.host(), address.port()), ("relay.example", 8443));
        assert_eq!(address.to_string(), "wss://relay.example:8443/tunnel/v1");
        assert_eq!(RelayAddress::parse("wss://r").unwrap().port(), 443);
        assert_eq!(RelayAddress::parse("wss://[::1]:9/").unwrap().to_string(), "wss://[::1]:9/tunnel/v1");
        for (bad, why) in [
            ("ws://r", AddressError::RelayScheme),
            ("https://r", AddressError::RelayScheme),
            ("wss://r/other", AddressError::Path),
            ("wss://r/tunnel/v1?x", AddressError::Path),
            ("wss://", AddressError::Host),
            ("wss://a@b", AddressError::Host),
            ("wss://r:0", AddressError::Port),
            ("wss://r:+1", AddressError::Port),
            ("wss://r:65536", AddressError::Port),
            ("wss://r\n", AddressError::Text),
        ] {
            assert_eq!(RelayAddress::parse(bad), Err(why), "{bad}");
        }
    }

    #[test]
    fn a_proxy_url_may_carry_credentials_and_never_shows_the_password() {
        let proxy = Proxy::parse("http://ann:p%40ss:w@proxy:3128/").unwrap();
        let (user, password) = proxy.credentials.as_ref().unwrap();
        assert_eq!((user.as_str(), password.reveal().as_str()), ("ann", "p@ss:w"));
        assert_eq!(proxy.authority(), "proxy:3128");
        assert!(!format!("{proxy:?}").contains("p@ss"));
        assert_eq!(Proxy::parse("http://proxy:3128").unwrap().credentials, None);
        assert_eq!(Proxy::parse("http://proxy"), Err(AddressError::Port));
        assert_eq!(Proxy::parse("socks5://proxy:1"), Err(AddressError::ProxyScheme));
        assert_eq!(Proxy::parse("http://u:%0d%0a@proxy:1"), Err(AddressError::Credentials));
        assert_eq!(Proxy::parse("http://u:%+1@proxy:1"), Err(AddressError::Credentials));
    }
}
