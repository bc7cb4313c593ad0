//! One virtual stream.

use std::{
    fmt, io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::Notify,
};

/// One virtual stream inside a connection: bytes both ways, in order, with flow control of its own.
///
/// `shutdown` ends our direction; dropping a stream that was not shut down resets it, and the peer's reads and writes
/// end with an error. A stream whose connection broke, or that the peer reset, reads as
/// [`io::ErrorKind::ConnectionReset`], never as a clean end.
pub struct Stream {
    inner: yamux::Stream,
    shut: bool,
    _place: Place,
}

impl Stream {
    pub(crate) fn new(inner: yamux::Stream, place: Place) -> Self {
        Stream { inner, shut: false, _place: place }
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Stream({})", self.inner.id())
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if buf.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        let read = futures::AsyncRead::poll_read(Pin::new(&mut this.inner), cx, buf.initialize_unfilled());
        let count = ready!(read).map_err(broken)?;
        // yamux shows a reset as an end. It is one only where the peer has sent FIN, or we have, too.
        if count == 0 && !this.shut && this.inner.is_closed() {
            return Poll::Ready(Err(broken(io::ErrorKind::ConnectionReset.into())));
        }
        buf.advance(count);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if bytes.is_empty() {
            return Poll::Ready(Ok(0));
        }
        futures::AsyncWrite::poll_write(Pin::new(&mut self.get_mut().inner), cx, bytes).map_err(broken)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        futures::AsyncWrite::poll_flush(Pin::new(&mut self.get_mut().inner), cx).map_err(broken)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        // yamux would send one FIN for each call.
        if this.shut {
            return Poll::Ready(Ok(()));
        }
        ready!(futures::AsyncWrite::poll_close(Pin::new(&mut this.inner), cx)).map_err(broken)?;
        this.shut = true;
        Poll::Ready(Ok(()))
    }
}

fn broken(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::WriteZero | io::ErrorKind::ConnectionReset => io::Error::new(
            io::ErrorKind::ConnectionReset,
            "the virtual stream was closed or its connection broke",
        ),
        _ => error,
    }
}

/// Counts the streams of one connection, each way apart, and tells when the last one is gone.
#[derive(Debug, Default)]
pub(crate) struct Places {
    taken: [AtomicUsize; 2],
    pub(crate) freed: Notify,
}

/// Which end opened a stream.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Way {
    In = 0,
    Out = 1,
}

impl Places {
    /// A place for one stream more, or `None` at the limit.
    pub(crate) fn take(self: &Arc<Self>, way: Way, limit: usize) -> Option<Place> {
        let counter = &self.taken[way as usize];
        let more = |taken| (taken < limit).then_some(taken + 1);
        counter.fetch_update(Ordering::AcqRel, Ordering::Acquire, more).ok()?;
        Some(Place { places: self.clone(), way })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.taken.iter().all(|count| count.load(Ordering::Acquire) == 0)
    }
}

/// A stream's place among the streams of its connection; free again when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    places: Arc<Places>,
    way: Way,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.taken[self.way as usize].fetch_sub(1, Ordering::AcqRel);
        self.places.freed.notify_one();
    }
}
