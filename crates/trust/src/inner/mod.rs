//! Inner TLS: gateway to site, end to end through the relay, under the two identities' own roots.
//!
//! TLS 1.3 only, X25519MLKEM768 only, client certificates required, no tickets, no resumption, no early data. A
//! client's success is not known until the first answer: in TLS 1.3 a refused certificate shows up there.

mod config;
mod verifier;

pub use config::{client, server};

use crate::{Kind, Peer, TrustError, verify::verify_lasting};
use model::Hidden;
use rustls::{
    ClientConnection, CommonState, ConnectionCommon, ServerConnection,
    pki_types::{DnsName, ServerName},
};

/// The application protocol that both ends must name.
pub const ALPN: &[u8] = b"halo-link/1";

/// RFC 9266: exporter label of the `tls-exporter` channel binding.
const EXPORTER_LABEL: &[u8] = b"EXPORTER-Channel-Binding";

/// Length of the exporter's value in bytes.
pub const EXPORTER_BYTES: usize = 32;

/// The site at the other end of a finished client session made with [`client`].
///
/// # Errors
/// [`TrustError::Unfinished`] before the handshake ends, [`TrustError::OtherProtocol`] without our ALPN.
pub fn peer_of_client(conn: &ClientConnection) -> Result<Peer, TrustError> {
    peer(Kind::Site, conn)
}

/// The integrator at the other end of a finished server session made with [`server`]. Whether it is paired is for
/// the door to say.
///
/// # Errors
/// [`TrustError::Unfinished`] before the handshake ends, [`TrustError::OtherProtocol`] without our ALPN.
pub fn peer_of_server(conn: &ServerConnection) -> Result<Peer, TrustError> {
    peer(Kind::Integrator, conn)
}

fn peer(kind: Kind, conn: &CommonState) -> Result<Peer, TrustError> {
    if conn.is_handshaking() {
        return Err(TrustError::Unfinished);
    }
    // rustls lets a session without ALPN through when the other end offers none.
    if conn.alpn_protocol() != Some(ALPN) {
        return Err(TrustError::OtherProtocol);
    }
    // The handshake looked at the clock. The rest is checked again, so that a session made with some other
    // configuration can't lend its certificates here.
    verify_lasting(kind, conn.peer_certificates().unwrap_or_default())
}

/// The session's `tls-exporter` channel binding (RFC 9266), [`EXPORTER_BYTES`] bytes: equal at both ends, different
/// for every session. Takes a `&ClientConnection` or `&ServerConnection`.
///
/// # Errors
/// [`TrustError::Unfinished`] before the handshake ends.
pub fn exporter<Side>(conn: &ConnectionCommon<Side>) -> Result<Hidden<Vec<u8>>, TrustError> {
    if conn.is_handshaking() {
        return Err(TrustError::Unfinished);
    }
    conn.export_keying_material(vec![0; EXPORTER_BYTES], EXPORTER_LABEL, Some(b""))
        .map(Hidden::new)
        .map_err(|_| TrustError::Unfinished)
}

/// The name that a client gives to rustls. It is neither sent nor checked: the site's GUID is.
pub fn server_name() -> ServerName<'static> {
    ServerName::DnsName(DnsName::try_from("site.halo.invalid").expect("a well-formed name"))
}
