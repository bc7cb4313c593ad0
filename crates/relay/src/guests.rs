//! Those who come to the relay's port and ask for something else than the tunnel.

use crate::Shared;
use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::server::TlsStream;

/// A connection, whose TLS is done.
pub type Session = Begun<TlsStream<TcpStream>>;

type Serve = Arc<dyn Fn(Session) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// Who serves `GET` requests under one path. The relay does not look at them any further; it counts them as strangers at
/// the door only until the first bytes are here, so whoever serves sets limits of its own. A drain cuts them off.
#[derive(Clone)]
pub struct Guests {
    begin: Arc<[u8]>,
    serve: Serve,
}

impl Guests {
    /// All requests whose path begins with `path` are for `serve`, from their first byte on.
    pub fn new<F>(path: &str, serve: impl Fn(Session) -> F + Send + Sync + 'static) -> Guests
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let begin = format!("GET {path}").into_bytes();
        Guests { begin: begin.into(), serve: Arc::new(move |session| Box::pin(serve(session))) }
    }

    /// Reads as far as it takes to know, which is within the first segment.
    ///
    /// # Errors
    /// The connection broke.
    pub(crate) async fn is_for<Io>(&self, mut io: Io) -> io::Result<(bool, Begun<Io>)>
    where
        Io: AsyncRead + Unpin,
    {
        let mut first = Vec::with_capacity(self.begin.len());
        while first.len() < self.begin.len() && self.begin.starts_with(&first) {
            let left = (self.begin.len() - first.len()) as u64;
            if (&mut io).take(left).read_buf(&mut first).await? == 0 {
                break;
            }
        }
        Ok((*first == *self.begin, Begun { first, io }))
    }
}

/// Serves until it is done, or until the relay drains.
pub(crate) async fn serve(shared: &Shared, guests: &Guests, session: Session) {
    tokio::select! {
        () = shared.draining.cancelled() => {}
        () = (guests.serve)(session) => {}
    }
}

/// A stream whose first bytes were read already: they come again.
pub struct Begun<Io> {
    /// Emptied, it holds no memory.
    first: Vec<u8>,
    io: Io,
}

impl<Io: AsyncRead + Unpin> AsyncRead for Begun<Io> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.first.is_empty() {
            return Pin::new(&mut this.io).poll_read(cx, buf);
        }
        let count = this.first.len().min(buf.remaining());
        buf.put_slice(&this.first[..count]);
        this.first.drain(..count);
        if this.first.is_empty() {
            this.first = Vec::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl<Io: AsyncWrite + Unpin> AsyncWrite for Begun<Io> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().io).poll_write(cx, bytes)
    }
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_flush(cx)
    }
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn first_bytes_are_looked_at_and_come_again_however_they_arrive() {
        let guests = Guests::new("/updates/", |_| async {});
        for (sent, wanted) in [
            ("GET /updates/v1/x HTTP/1.1\r\n", true),
            ("GET /tunnel/v1 HTTP/1.1\r\n", false),
            ("GET /updates", false),
            ("POST /updates/v1", false),
            ("", false),
        ] {
            for piece in [1, 7, 100] {
                let (mut ours, theirs) = tokio::io::duplex(piece);
                let writing = tokio::spawn(async move {
                    tokio::io::AsyncWriteExt::write_all(&mut ours, sent.as_bytes()).await
                });
                let (is_for, mut io) = guests.is_for(theirs).await.unwrap();
                assert_eq!(is_for, wanted, "{sent}");
                let mut read = String::new();
                io.read_to_string(&mut read).await.unwrap();
                assert_eq!(read, sent);
                writing.await.unwrap().unwrap();
            }
        }
    }
}
