//! HTTP CONNECT: asks a proxy for a way to the relay.

use crate::{RelayAddress, address::Proxy};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use std::io;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Largest answer of a proxy up to and with its empty line.
pub const RESPONSE_BYTES: usize = 8 * 1024;
const HEADERS: usize = 64;

/// What a proxy answered, as far as it has arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Response {
    /// More bytes are needed.
    Partial,
    /// The whole head is there.
    Complete {
        /// HTTP status.
        status: u16,
        /// Length of the head; what follows belongs to the tunnel.
        length: usize,
    },
}

/// Why there is no way through the proxy. Each text says the next step.
#[derive(Debug, thiserror::Error)]
pub enum ProxyError {
    /// The answer is not HTTP, or larger than [`RESPONSE_BYTES`].
    #[error("the proxy's answer is not that of an HTTP proxy: check the proxy's host and port")]
    Malformed,
    /// 407 and we sent no credentials.
    #[error(
        "the proxy asks for a user and password (407): write them into the proxy setting, http://user:password@host:port"
    )]
    AsksCredentials,
    /// 407 although we sent credentials.
    #[error(
        "the proxy does not accept the user and password of the proxy setting (407): check them; it must allow Basic"
    )]
    RejectsCredentials,
    /// 403 and the like.
    #[error(
        "the proxy forbids the way to {relay} ({status}): its administrator has to allow CONNECT to this host and port"
    )]
    Forbidden {
        /// `host:port` of the relay.
        relay: String,
        /// HTTP status.
        status: u16,
    },
    /// Any other status.
    #[error(
        "the proxy could not reach {relay} ({status}): check the relay's address and the proxy's own connection"
    )]
    Failed {
        /// `host:port` of the relay.
        relay: String,
        /// HTTP status.
        status: u16,
    },
    /// The connection to the proxy broke.
    #[error("the connection to the proxy broke: {0}")]
    Io(#[from] io::Error),
}

/// Reads the head of a proxy's answer.
///
/// # Errors
/// [`ProxyError::Malformed`] when it can never become one.
pub fn parse_response(bytes: &[u8]) -> Result<Response, ProxyError> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    match response.parse(bytes) {
        Ok(httparse::Status::Complete(length)) if length <= RESPONSE_BYTES => {
            let status = response.code.ok_or(ProxyError::Malformed)?;
            Ok(Response::Complete { status, length })
        }
        Ok(httparse::Status::Partial) if bytes.len() < RESPONSE_BYTES => Ok(Response::Partial),
        _ => Err(ProxyError::Malformed),
    }
}

/// Asks `proxy`, to which `io` is connected, for a way to `relay`.
///
/// # Errors
/// [`ProxyError`].
pub(crate) async fn connect(
    io: &mut (impl AsyncRead + AsyncWrite + Unpin),
    proxy: &Proxy,
    relay: &RelayAddress,
) -> Result<(), ProxyError> {
    let target = relay.authority();
    let mut request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n");
    if let Some((user, password)) = &proxy.credentials {
        let basic = STANDARD.encode(format!("{user}:{}", password.reveal()));
        request.push_str(&format!("Proxy-Authorization: Basic {basic}\r\n"));
    }
    request.push_str("\r\n");
    io.write_all(request.as_bytes()).await?;
    io.flush().await?;

    let status = read_status(io).await?;
    match status {
        200..=299 => Ok(()),
        407 if proxy.credentials.is_none() => Err(ProxyError::AsksCredentials),
        407 => Err(ProxyError::RejectsCredentials),
        401 | 403 | 405 => Err(ProxyError::Forbidden { relay: target, status }),
        _ => Err(ProxyError::Failed { relay: target, status }),
    }
}

/// The server speaks only after our TLS hello, so nothing may follow the head: reading in pieces loses no byte.
async fn read_status(io: &mut (impl AsyncRead + Unpin)) -> Result<u16, ProxyError> {
    let mut bytes = Vec::with_capacity(512);
    loop {
        let mut piece = [0; 512];
        let count = io.read(&mut piece).await?;
        if count == 0 {
            return Err(if bytes.is_empty() {
                ProxyError::Io(io::ErrorKind::UnexpectedEof.into())
            } else {
                ProxyError::Malformed
            });
        }
        bytes.extend_from_slice(&piece[..count]);
        match parse_response(&bytes)? {
            Response::Partial => {}
            // A refusal may carry a page for people; we close anyway.
            Response::Complete { status, length } if length == bytes.len() || status >= 300 => {
                return Ok(status);
            }
            Response::Complete { .. } => return Err(ProxyError::Malformed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_answer_is_read_piece_by_piece_and_never_beyond_its_limit() {
        let whole = b"HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\n";
        for cut in 0..whole.len() {
            assert_eq!(parse_response(&whole[..cut]).unwrap(), Response::Partial, "{cut}");
        }
        assert_eq!(parse_response(whole).unwrap(), Response::Complete { status: 200, length: whole.len() });
        assert!(parse_response(b"SSH-2.0-OpenSSH\r\n").is_err());
        let endless = format!("HTTP/1.1 200 OK\r\nX: {}", "a".repeat(RESPONSE_BYTES));
        assert!(parse_response(endless.as_bytes()).is_err());
    }
}
