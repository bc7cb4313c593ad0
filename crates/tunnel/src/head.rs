//! First bytes of every virtual stream: a big-endian `u16` length (at most [`HEAD_BYTES`]), then that much JSON.
//!
//! A gateway asks the relay and the relay answers; the relay tells a Link which site a stream is for. After `Connected`,
//! and after [`Incoming`], the stream carries raw bytes that the relay does not understand.

use model::{Availability, LinkId, Pms, SiteFacts, SiteId, SiteStatus};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::{io, time::Duration};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Largest head, in bytes of JSON.
pub const HEAD_BYTES: usize = 16 * 1024;
/// [`read`] waits at most this long for a whole head.
pub const READ_WITHIN: Duration = Duration::from_secs(15);

/// Gateway to relay, first on a stream that the gateway opened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case")]
pub enum Ask {
    /// Splice this stream to the Link that holds the site.
    Connect {
        /// Which site.
        site: SiteId,
    },
    /// Which sites carry this identifier of the PMS vendor?
    Find {
        /// Which software.
        pms: Pms,
        /// The vendor's identifier of the practice, at most 128 bytes.
        pms_id: String,
    },
    /// What is known of this site?
    Look {
        /// Which site.
        site: SiteId,
    },
}

/// Relay to gateway. After `Connected` raw bytes follow; after the others the relay closes the stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum Answer {
    /// The Link has taken the stream.
    Connected,
    /// For `Find` and `Look`: none, one or several.
    Sites {
        /// In no particular order; cut so that the head stays under [`HEAD_BYTES`].
        sites: Vec<SiteRecord>,
    },
    /// Not done.
    Refused {
        /// For programs.
        reason: Reason,
        /// For people.
        message: String,
    },
}

/// Why the relay refused to connect or to answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The site's Link closed its connection.
    Offline,
    /// The site's Link fell silent.
    Unreachable,
    /// Nobody has ever shown this site here.
    UnknownSite,
    /// This integrator may not use the platform, or not this site.
    NotEntitled,
    /// A limit of the relay or of the Link's connection is reached: try again.
    Busy,
    /// The relay is shutting down: dial again.
    Draining,
    /// The question could not be read.
    Protocol,
}

/// Relay to Link, first on a stream that the relay opened. The Link writes nothing back in clear.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incoming {
    /// Which of the Link's sites is asked for.
    pub site: SiteId,
}

/// What the directory knows of a site.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SiteRecord {
    /// The Halo GUID.
    pub site: SiteId,
    /// The Link that holds it now or held it last.
    pub link: Option<LinkId>,
    /// What its Link last said of it.
    pub facts: SiteFacts,
    /// Whether it can be reached now.
    pub availability: Availability,
    /// Its life on the platform.
    pub status: SiteStatus,
    /// Whether it is the one to use among several with one PMS identifier.
    pub authoritative: bool,
    /// RFC 3339.
    pub created_at: String,
    /// RFC 3339: when the facts last changed.
    pub enriched_at: String,
    /// RFC 3339: when its Link was last heard.
    pub last_seen_at: String,
    /// Another site is to be the one to use among those with its identifier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authority_change: Option<AuthorityChange>,
}

/// A change that the platform's operator has begun without a proof from the site: it can be objected to until it is finished.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthorityChange {
    /// The site that is to be the one to use.
    pub to: SiteId,
    /// RFC 3339: not before.
    pub ready_at: String,
}

/// Why a head could not be read.
#[derive(Debug, thiserror::Error)]
pub enum HeadError {
    /// The stream ended before its first byte, or in the middle of a head.
    #[error("the stream ended before its head was complete")]
    Ended,
    /// Longer than [`HEAD_BYTES`].
    #[error("a head of {0} bytes is over the limit of {HEAD_BYTES}")]
    TooLarge(usize),
    /// Not JSON of the expected shape. The text says where, never what.
    #[error("the head is malformed near column {0}")]
    Malformed(usize),
    /// Not complete within [`READ_WITHIN`].
    #[error("no head within {} s", READ_WITHIN.as_secs())]
    TimedOut,
    /// The stream broke.
    #[error("the stream broke: {0}")]
    Io(io::Error),
}

/// Reads one head from the start of `bytes` (length and JSON; what follows is not looked at).
///
/// # Errors
/// [`HeadError`]: too large, incomplete, malformed.
pub fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, HeadError> {
    let (length, rest) = bytes.split_first_chunk::<2>().ok_or(HeadError::Ended)?;
    let length = checked_length(*length)?;
    json(rest.get(..length).ok_or(HeadError::Ended)?)
}

/// Writes one head into bytes.
///
/// # Errors
/// [`io::ErrorKind::InvalidInput`] when it would be longer than [`HEAD_BYTES`].
pub fn to_bytes<T: Serialize>(head: &T) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0, 0];
    serde_json::to_writer(&mut bytes, head)?;
    let length = bytes.len() - 2;
    if length > HEAD_BYTES {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, HeadError::TooLarge(length).to_string()));
    }
    let length = u16::try_from(length).map_err(|_| io::ErrorKind::InvalidInput)?;
    bytes[..2].copy_from_slice(&length.to_be_bytes());
    Ok(bytes)
}

/// Reads one head from a stream, and not one byte more, within [`READ_WITHIN`].
///
/// # Errors
/// [`HeadError`].
pub async fn read<T: DeserializeOwned>(io: &mut (impl AsyncRead + Unpin)) -> Result<T, HeadError> {
    let whole = async {
        let mut length = [0; 2];
        io.read_exact(&mut length).await.map_err(HeadError::from)?;
        let mut bytes = vec![0; checked_length(length)?];
        io.read_exact(&mut bytes).await.map_err(HeadError::from)?;
        json(&bytes)
    };
    tokio::time::timeout(READ_WITHIN, whole).await.map_err(|_| HeadError::TimedOut)?
}

/// Writes one head to a stream and flushes it.
///
/// # Errors
/// Those of the stream, and [`io::ErrorKind::InvalidInput`] when the head is too large.
pub async fn write<T: Serialize>(io: &mut (impl AsyncWrite + Unpin), head: &T) -> io::Result<()> {
    io.write_all(&to_bytes(head)?).await?;
    io.flush().await
}

fn checked_length(bytes: [u8; 2]) -> Result<usize, HeadError> {
    let length = usize::from(u16::from_be_bytes(bytes));
    if length > HEAD_BYTES { Err(HeadError::TooLarge(length)) } else { Ok(length) }
}

fn json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, HeadError> {
    serde_json::from_slice(bytes).map_err(|e| HeadError::Malformed(e.column()))
}

impl From<io::Error> for HeadError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => HeadError::Ended,
            _ => HeadError::Io(error),
        }
    }
}
