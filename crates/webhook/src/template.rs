//! An endpoint's address: `https://host/path?query` with `{siteId}`, `{queryId}` and `{source}` in path and query.
//!
//! Read once, when an endpoint is made. Host and port hold no variables: what happens at a site never chooses whom we call.

use http::uri::PathAndQuery;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Longest address, bytes.
const LENGTH: usize = 2048;

/// Why an address can't be used. For the one who wrote it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// Longer than 2048 bytes, or empty.
    #[error("`url` has from 1 to {LENGTH} bytes")]
    Length,
    /// Spaces, control characters, letters beyond ASCII.
    #[error(
        "`url` may hold printable ASCII alone: percent-encode the rest, and write other alphabets in host names as punycode"
    )]
    Character,
    /// Not `https://`.
    #[error("`url` must begin with https://")]
    Scheme,
    /// `user:password@host`.
    #[error("`url` must not hold a user name or password: notifications are signed instead")]
    Credentials,
    /// `#…`.
    #[error("`url` must not have a fragment (`#`): it would never be sent")]
    Fragment,
    /// No host, or one that is no name and no address.
    #[error("`url` needs a host: a name such as hooks.example.com, or an address")]
    Host,
    /// `{…}` before the path.
    #[error("variables may stand in path and query of `url` alone, not in host or port")]
    HostVariable,
    /// Not from 1 to 65535.
    #[error("the port in `url` must be a number from 1 to 65535")]
    Port,
    /// `{` without `}`, or a name that we do not know.
    #[error(
        "`url` may hold the variables {{siteId}}, {{queryId}} and {{source}}, each in one pair of braces: encode other braces as %7B and %7D"
    )]
    Variable,
    /// Not what a path and a query may hold.
    #[error("path or query of `url` is malformed")]
    Path,
}

/// Where a template points to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// To be looked up at each attempt.
    Name(String),
    /// Written as an address.
    Address(IpAddr),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Site,
    Query,
    Source,
}

/// A usable address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UrlTemplate {
    text: String,
    https: bool,
    host: Host,
    port: u16,
    parts: Vec<Part>,
}

impl UrlTemplate {
    /// Reads one. `plain_http`: `http://` is allowed too.
    ///
    /// # Errors
    /// [`TemplateError`].
    pub fn parse(text: &str, plain_http: bool) -> Result<UrlTemplate, TemplateError> {
        if text.is_empty() || text.len() > LENGTH {
            return Err(TemplateError::Length);
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic() && !br#""<>\^`|"#.contains(&byte)) {
            return Err(TemplateError::Character);
        }
        let (https, rest) = match text.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => (true, rest),
            Some((scheme, rest)) if plain_http && scheme.eq_ignore_ascii_case("http") => (false, rest),
            _ => return Err(TemplateError::Scheme),
        };
        if rest.contains('#') {
            return Err(TemplateError::Fragment);
        }
        let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        if authority.contains('@') {
            return Err(TemplateError::Credentials);
        }
        if authority.contains(['{', '}']) {
            return Err(TemplateError::HostVariable);
        }
        let (host, port) = split_port(authority)?;
        let port = match port {
            None => {
                if https {
                    443
                } else {
                    80
                }
            }
            Some(digits) if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) => {
                digits.parse().ok().filter(|port| *port != 0).ok_or(TemplateError::Port)?
            }
            Some(_) => return Err(TemplateError::Port),
        };
        let parts = parts(path)?;
        let template = UrlTemplate { text: text.to_owned(), https, host: read_host(host)?, port, parts };
        let filled = template.target("00000000-0000-0000-0000-000000000000", "x", "site");
        PathAndQuery::try_from(filled).map_err(|_| TemplateError::Path)?;
        Ok(template)
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether `{queryId}` is in it: site events have none.
    pub fn names_query(&self) -> bool {
        self.parts.contains(&Part::Query)
    }

    /// Whether TLS is spoken.
    pub fn is_https(&self) -> bool {
        self.https
    }

    /// Whom to call.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// On which port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// For the `Host` header.
    pub fn authority(&self) -> String {
        let host = match &self.host {
            Host::Name(name) => name.clone(),
            Host::Address(IpAddr::V4(address)) => address.to_string(),
            Host::Address(IpAddr::V6(address)) => format!("[{address}]"),
        };
        let usual = if self.https { 443 } else { 80 };
        if self.port == usual { host } else { format!("{host}:{}", self.port) }
    }

    /// Path and query, filled in. The values are identifiers and words: none needs encoding.
    pub fn target(&self, site: &str, query: &str, source: &str) -> String {
        self.parts
            .iter()
            .map(|part| match part {
                Part::Text(text) => text,
                Part::Site => site,
                Part::Query => query,
                Part::Source => source,
            })
            .collect()
    }
}

/// Host, and the text after its colon.
fn split_port(authority: &str) -> Result<(&str, Option<&str>), TemplateError> {
    if let Some(rest) = authority.strip_prefix('[') {
        let (_, after) = rest.split_once(']').ok_or(TemplateError::Host)?;
        let host = &authority[..authority.len() - after.len()];
        return match after.strip_prefix(':') {
            Some(port) => Ok((host, Some(port))),
            None if after.is_empty() => Ok((host, None)),
            None => Err(TemplateError::Host),
        };
    }
    Ok(authority.split_once(':').map_or((authority, None), |(host, port)| (host, Some(port))))
}

fn read_host(host: &str) -> Result<Host, TemplateError> {
    if let Some(inner) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return inner.parse::<Ipv6Addr>().map(|v6| Host::Address(v6.into())).map_err(|_| TemplateError::Host);
    }
    if let Ok(address) = host.parse::<Ipv4Addr>() {
        return Ok(Host::Address(address.into()));
    }
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    // `127.1`, `0x7f000001` and `2130706433` are addresses to some look-ups: no name ends in a number.
    let last = host.rsplit('.').next().unwrap_or_default();
    let number = last.bytes().all(|b| b.is_ascii_digit()) || last.to_ascii_lowercase().starts_with("0x");
    if host.len() > 253 || number || !host.split('.').all(label) {
        return Err(TemplateError::Host);
    }
    Ok(Host::Name(host.to_ascii_lowercase()))
}

fn parts(path: &str) -> Result<Vec<Part>, TemplateError> {
    let mut parts = Vec::new();
    let mut text = if path.starts_with('/') { String::new() } else { "/".to_owned() };
    let mut rest = path;
    while let Some(at) = rest.find(['{', '}']) {
        let (before, from) = rest.split_at(at);
        let (name, after) =
            from.strip_prefix('{').and_then(|f| f.split_once('}')).ok_or(TemplateError::Variable)?;
        let part = match name {
            "siteId" => Part::Site,
            "queryId" => Part::Query,
            "source" => Part::Source,
            _ => return Err(TemplateError::Variable),
        };
        text.push_str(before);
        parts.push(Part::Text(std::mem::take(&mut text)));
        parts.push(part);
        rest = after;
    }
    text.push_str(rest);
    parts.push(Part::Text(text));
    Ok(parts)
}

#[cfg(test)]
mod tests;
