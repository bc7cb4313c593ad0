//! The TLS handshake travels inside PRELOGIN packets, all after it bare: puts packets on and takes them off until told.

use crate::wire::packet::{HEADER, LARGEST, kind};
use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// More than any flight of a handshake.
const MOST_HELD: usize = 64 * 1024;
/// Payload of a packet before the login has settled its size.
const PAYLOAD: usize = 4096 - HEADER;

/// A stream in its sheath.
pub(super) struct Sheath<S> {
    inner: S,
    bare: bool,
    header: [u8; HEADER],
    have: usize,
    left: usize,
    /// What was written, not yet in packets.
    plain: Vec<u8>,
    /// Packets on their way.
    packets: Vec<u8>,
    sent: usize,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Sheath<S> {
    pub(super) fn new(inner: S) -> Sheath<S> {
        Sheath {
            inner,
            bare: false,
            header: [0; HEADER],
            have: 0,
            left: 0,
            plain: Vec::new(),
            packets: Vec::new(),
            sent: 0,
        }
    }

    /// The handshake is over.
    pub(super) fn strip(&mut self) {
        self.bare = true;
    }

    pub(super) fn into_inner(self) -> S {
        self.inner
    }

    fn poll_out(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut pieces = self.plain.chunks(PAYLOAD).peekable();
        while let Some(piece) = pieces.next() {
            let last = u8::from(pieces.peek().is_none());
            // At most 4096.
            let [high, low] = ((piece.len() + HEADER) as u16).to_be_bytes();
            self.packets.extend_from_slice(&[kind::PRELOGIN, last, high, low, 0, 0, 0, 0]);
            self.packets.extend_from_slice(piece);
        }
        self.plain.clear();
        while self.sent < self.packets.len() {
            let count = ready!(Pin::new(&mut self.inner).poll_write(context, &self.packets[self.sent..]))?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.sent += count;
        }
        self.packets.clear();
        self.sent = 0;
        Pin::new(&mut self.inner).poll_flush(context)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Sheath<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.bare {
            return Pin::new(&mut this.inner).poll_read(context, buffer);
        }
        // The other side answers only what it has got.
        ready!(this.poll_out(context))?;
        while this.left == 0 {
            let mut head = ReadBuf::new(&mut this.header[this.have..]);
            ready!(Pin::new(&mut this.inner).poll_read(context, &mut head))?;
            let count = head.filled().len();
            if count == 0 {
                return Poll::Ready(Ok(()));
            }
            this.have += count;
            if this.have < HEADER {
                continue;
            }
            this.have = 0;
            let length = usize::from(u16::from_be_bytes([this.header[2], this.header[3]]));
            if this.header[0] != kind::PRELOGIN || !(HEADER..=LARGEST).contains(&length) {
                return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
            }
            this.left = length - HEADER;
        }
        // By way of a small buffer: never a byte behind the packet.
        let mut small = [0; 2048];
        let room = this.left.min(buffer.remaining()).min(small.len());
        let mut piece = ReadBuf::new(&mut small[..room]);
        ready!(Pin::new(&mut this.inner).poll_read(context, &mut piece))?;
        this.left -= piece.filled().len();
        buffer.put_slice(piece.filled());
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Sheath<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        if this.bare {
            // What the handshake said last.
            ready!(this.poll_out(context))?;
            return Pin::new(&mut this.inner).poll_write(context, bytes);
        }
        if this.plain.len() + bytes.len() > MOST_HELD {
            return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
        }
        this.plain.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_out(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_out(context))?;
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}
