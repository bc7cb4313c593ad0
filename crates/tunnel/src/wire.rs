//! WebSocket underneath yamux: binary messages are its bytes, text messages are ours.

use crate::{
    control,
    tuning::{GATHER_BYTES, MESSAGE_BYTES, READ_BUFFER, WRITE_BUFFER_MAX},
};
use bytes::{Buf, Bytes, BytesMut};
use futures::{SinkExt, Stream as _};
use model::Clock;
use std::{
    collections::VecDeque,
    io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{self, Message, protocol::WebSocketConfig},
};

/// Any byte stream under a WebSocket, boxed: a TLS session is a kilobyte or more of state that should not be moved.
pub(crate) trait Transport: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Transport for T {}

/// A transport that remembers when bytes last came.
pub(crate) struct Heard {
    io: Box<dyn Transport>,
    clock: Arc<dyn Clock>,
    at: Duration,
}

impl Heard {
    pub(crate) fn new(io: impl Transport + 'static, clock: Arc<dyn Clock>) -> Self {
        let at = clock.monotonic();
        Heard { io: Box::new(io), clock, at }
    }
}

impl AsyncRead for Heard {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        ready!(Pin::new(&mut this.io).poll_read(cx, buf))?;
        if buf.filled().len() > before {
            this.at = this.clock.monotonic();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Heard {
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

pub(crate) type WebSocket = WebSocketStream<Heard>;

/// The limits of a WebSocket: until a client has proven itself no message may be larger than a control message.
pub(crate) fn websocket_config(authenticated: bool) -> WebSocketConfig {
    let largest = if authenticated { MESSAGE_BYTES } else { control::MESSAGE_BYTES };
    WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(0)
        .max_write_buffer_size(WRITE_BUFFER_MAX)
        .max_message_size(Some(largest))
        .max_frame_size(Some(largest))
}

/// An authenticated WebSocket. It is shared by yamux (through [`ForYamux`]) and its driver, both in one task, so the lock
/// is never waited for.
pub(crate) struct Wire {
    socket: WebSocket,
    /// What is left of the last binary message.
    read: Bytes,
    /// Gathered for the next binary message.
    write: BytesMut,
    /// Text messages that nobody has looked at yet.
    texts: VecDeque<String>,
    unflushed: bool,
}

/// More unread control messages than this, and the peer is talking nonsense.
const TEXTS_MAX: usize = 16;

impl Wire {
    pub(crate) fn new(socket: WebSocket) -> Self {
        Wire { socket, read: Bytes::new(), write: BytesMut::new(), texts: VecDeque::new(), unflushed: false }
    }

    /// When bytes last came, on the connection's clock.
    pub(crate) fn heard(&self) -> Duration {
        self.socket.get_ref().at
    }

    /// Whether the socket has everything.
    pub(crate) fn is_idle(&self) -> bool {
        self.write.is_empty() && !self.unflushed
    }

    pub(crate) fn next_text(&mut self) -> Option<String> {
        self.texts.pop_front()
    }

    pub(crate) fn put_back(&mut self, text: String) {
        self.texts.push_front(text);
    }

    /// Queues a message that is not yamux's. What yamux has gathered goes first, so that order is kept.
    pub(crate) fn send(&mut self, message: Message) -> io::Result<()> {
        self.send_gathered()?;
        self.unflushed = true;
        self.socket.start_send_unpin(message).map_err(from_websocket)
    }

    /// Gives everything gathered and queued to the socket.
    pub(crate) fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.write.is_empty() {
            ready!(self.socket.poll_ready_unpin(cx)).map_err(from_websocket)?;
            self.send_gathered()?;
        }
        if self.unflushed {
            ready!(self.socket.poll_flush_unpin(cx)).map_err(from_websocket)?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    /// Sends what is queued, a WebSocket close and the transport's own end (TLS close_notify).
    pub(crate) fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_send(cx))?;
        ready!(self.socket.poll_close_unpin(cx)).map_err(from_websocket)?;
        Pin::new(self.socket.get_mut()).poll_shutdown(cx)
    }

    /// Reads and forgets until the other end closes. Closing a socket with unread bytes would reset it, and a reset may
    /// overtake our last message.
    pub(crate) fn poll_discard(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while let Some(Ok(_)) = ready!(Pin::new(&mut self.socket).poll_next(cx)) {}
        Poll::Ready(())
    }

    fn send_gathered(&mut self) -> io::Result<()> {
        if self.write.is_empty() {
            return Ok(());
        }
        let message = Message::Binary(std::mem::take(&mut self.write).freeze());
        self.unflushed = true;
        self.socket.start_send_unpin(message).map_err(from_websocket)
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        while self.read.is_empty() {
            match ready!(Pin::new(&mut self.socket).poll_next(cx)) {
                Some(Ok(Message::Binary(bytes))) => self.read = bytes,
                Some(Ok(Message::Text(text))) => self.keep(&text)?,
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
                Some(Ok(Message::Close(_))) | None => return Poll::Ready(Ok(0)),
                Some(Err(error)) => return Poll::Ready(Err(from_websocket(error))),
            }
        }
        let count = self.read.len().min(buf.len());
        self.read.copy_to_slice(&mut buf[..count]);
        if self.read.is_empty() {
            // An empty slice of a large message would keep all of it in memory.
            self.read = Bytes::new();
        }
        Poll::Ready(Ok(count))
    }

    fn keep(&mut self, text: &str) -> io::Result<()> {
        if text.len() > control::MESSAGE_BYTES || self.texts.len() >= TEXTS_MAX {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "control messages are too large or too many",
            ));
        }
        self.texts.push_back(text.to_owned());
        Ok(())
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.write.len() >= GATHER_BYTES {
            ready!(self.socket.poll_ready_unpin(cx)).map_err(from_websocket)?;
            self.send_gathered()?;
        }
        self.write.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }
}

/// The side of a [`Wire`] that yamux sees. Its flush does nothing: yamux flushes after each frame, and the driver sends
/// once after each round, so that one WebSocket message, one TLS record and one system call carry what there is.
pub(crate) struct ForYamux(pub(crate) Arc<Mutex<Wire>>);

/// A poisoned lock means that a poll panicked; the connection's task is gone then and nobody comes here.
pub(crate) fn lock(wire: &Mutex<Wire>) -> MutexGuard<'_, Wire> {
    wire.lock().unwrap_or_else(PoisonError::into_inner)
}

impl futures::AsyncRead for ForYamux {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        lock(&self.0).poll_read(cx, buf)
    }
}

impl futures::AsyncWrite for ForYamux {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        lock(&self.0).poll_write(cx, bytes)
    }
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

pub(crate) fn from_websocket(error: tungstenite::Error) -> io::Error {
    match error {
        tungstenite::Error::Io(error) => error,
        tungstenite::Error::ConnectionClosed | tungstenite::Error::AlreadyClosed => {
            io::ErrorKind::ConnectionReset.into()
        }
        tungstenite::Error::Protocol(tungstenite::error::ProtocolError::ResetWithoutClosingHandshake) => {
            io::ErrorKind::ConnectionReset.into()
        }
        other => io::Error::new(io::ErrorKind::InvalidData, other.to_string()),
    }
}
