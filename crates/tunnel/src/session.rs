//! One live connection as something to poll: yamux over a [`Wire`], requests to open, control messages.

use crate::{
    OpenError, Stream,
    control::{self, Message},
    stream::{Places, Way},
    tuning::{DISCARD_WITHIN, GOODBYE_WITHIN, LAST_BYTES_WITHIN, Tuning},
    wire::{ForYamux, Wire, lock},
};
use std::{
    collections::VecDeque,
    future::poll_fn,
    io,
    sync::{Arc, Mutex},
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::sync::oneshot;
use tokio_tungstenite::tungstenite::Message as Frame;

/// Somebody who waits for a stream.
pub(crate) type Opening = oneshot::Sender<Result<Stream, OpenError>>;

/// What [`Session::next`] saw.
#[derive(Debug)]
pub(crate) enum SessionEvent {
    /// The peer opened a stream.
    Inbound(Stream),
    /// The peer sent a control message.
    Control(Message),
    /// The connection is over; why, for people.
    Ended(String),
}

/// See the module's first line.
pub(crate) struct Session {
    wire: Arc<Mutex<Wire>>,
    yamux: yamux::Connection<ForYamux>,
    places: Arc<Places>,
    limit: usize,
    limit_inbound: usize,
    openings: VecDeque<Opening>,
    /// False once the connection drains: no stream begins any more, either way.
    begins: bool,
    /// The connection is over, but a control message had to be told first.
    ended: Option<String>,
}

impl Session {
    pub(crate) fn new(wire: Wire, tuning: &Tuning, mode: yamux::Mode) -> Self {
        let wire = Arc::new(Mutex::new(wire));
        let yamux = yamux::Connection::new(ForYamux(wire.clone()), tuning.yamux(), mode);
        Session {
            wire,
            yamux,
            places: Arc::default(),
            limit: tuning.streams,
            limit_inbound: tuning.streams,
            openings: VecDeque::new(),
            begins: true,
            ended: None,
        }
    }

    /// Carries bytes until something happens that its owner must know. Cancel-safe.
    pub(crate) async fn next(&mut self) -> SessionEvent {
        poll_fn(|cx| self.poll(cx)).await
    }

    /// Serves one who waits for a stream; at the limit it is told so.
    pub(crate) fn open(&mut self, opening: Opening) {
        if self.begins {
            self.openings.push_back(opening);
        } else {
            let _ = opening.send(Err(OpenError::Draining));
        }
    }

    /// From now on no stream begins: ours are refused, those that the peer opens are reset.
    pub(crate) fn stop(&mut self) {
        self.begins = false;
        for opening in self.openings.drain(..) {
            let _ = opening.send(Err(OpenError::Draining));
        }
    }

    /// How many streams the peer may have open at once from now on; those that are open stay.
    pub(crate) fn limit_inbound(&mut self, streams: usize) {
        self.limit_inbound = streams;
    }

    pub(crate) fn places(&self) -> Arc<Places> {
        self.places.clone()
    }

    pub(crate) fn heard(&self) -> Duration {
        lock(&self.wire).heard()
    }

    /// Queues a ping; the next poll sends it. A broken connection shows itself there too.
    pub(crate) fn ping(&mut self) {
        let _ = lock(&self.wire).send(Frame::Ping(bytes::Bytes::new()));
    }

    /// Queues a control message; the next poll sends it.
    pub(crate) fn send(&mut self, message: &Message) {
        if let Ok(text) = control::write(message) {
            let _ = lock(&self.wire).send(Frame::Text(text.into()));
        }
    }

    /// Says goodbye and closes, within [`GOODBYE_WITHIN`]. Streams that are still open break.
    pub(crate) async fn goodbye(mut self) {
        // What the streams have queued goes first: their last bytes may have been written a moment ago. A stream that
        // never ends must not hold this up, so there is a bound of its own.
        self.stop();
        let _ = tokio::time::timeout(LAST_BYTES_WITHIN, poll_fn(|cx| self.poll_queued(cx))).await;
        self.send(&Message::Goodbye);
        // yamux's own close would leave the streams' readers asleep: drop it, which wakes them, and close below it.
        drop(self.yamux);
        let closed = poll_fn(|cx| lock(&self.wire).poll_close(cx));
        if let Ok(Ok(())) = tokio::time::timeout(GOODBYE_WITHIN, closed).await {
            let discarded = poll_fn(|cx| lock(&self.wire).poll_discard(cx));
            let _ = tokio::time::timeout(DISCARD_WITHIN, discarded).await;
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<SessionEvent> {
        let event = match self.ended.take() {
            Some(why) => Some(SessionEvent::Ended(why)),
            None => self.poll_yamux(cx),
        };
        // A goodbye is read together with the end that follows it, and has to be seen first.
        match (event, lock(&self.wire).next_text()) {
            (Some(SessionEvent::Ended(why)), Some(text)) => {
                self.ended = Some(why);
                return Poll::Ready(control_event(&text));
            }
            (Some(SessionEvent::Inbound(stream)), Some(text)) => {
                lock(&self.wire).put_back(text);
                return Poll::Ready(SessionEvent::Inbound(stream));
            }
            (Some(event), _) => return Poll::Ready(event),
            (None, Some(text)) => return Poll::Ready(control_event(&text)),
            (None, None) => {}
        }
        match lock(&self.wire).poll_send(cx) {
            Poll::Ready(Err(error)) => Poll::Ready(SessionEvent::Ended(why(&error))),
            // All is sent or the socket takes no more now, and nothing came: whoever can change that has our waker.
            Poll::Ready(Ok(())) | Poll::Pending => Poll::Pending,
        }
    }

    /// Ready when nothing that streams have written is on its way any more, or the connection is over.
    fn poll_queued(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            // Until it has nothing to do. New streams have no place by now and are reset.
            if self.poll_yamux(cx).is_some() || lock(&self.wire).is_idle() {
                return Poll::Ready(());
            }
            if ready!(lock(&self.wire).poll_send(cx)).is_err() {
                return Poll::Ready(());
            }
        }
    }

    fn poll_yamux(&mut self, cx: &mut Context<'_>) -> Option<SessionEvent> {
        if let Some(ended) = self.poll_openings(cx) {
            return Some(ended);
        }
        loop {
            return match self.yamux.poll_next_inbound(cx) {
                Poll::Pending => None,
                Poll::Ready(None) => Some(SessionEvent::Ended("the connection was closed".to_owned())),
                Poll::Ready(Some(Err(error))) => Some(SessionEvent::Ended(yamux_why(&error))),
                Poll::Ready(Some(Ok(stream))) => {
                    let place =
                        if self.begins { self.places.take(Way::In, self.limit_inbound) } else { None };
                    // Without a place the stream is dropped here, which resets it.
                    let Some(place) = place else { continue };
                    Some(SessionEvent::Inbound(Stream::new(stream, place)))
                }
            };
        }
    }

    fn poll_openings(&mut self, cx: &mut Context<'_>) -> Option<SessionEvent> {
        while let Some(opening) = self.openings.pop_front() {
            if opening.is_closed() {
                continue;
            }
            let Some(place) = self.places.take(Way::Out, self.limit) else {
                let _ = opening.send(Err(OpenError::TooMany));
                continue;
            };
            match self.yamux.poll_new_outbound(cx) {
                // Many streams are not acknowledged yet; yamux wakes us when one is.
                Poll::Pending => {
                    self.openings.push_front(opening);
                    return None;
                }
                Poll::Ready(Err(error)) => return Some(SessionEvent::Ended(yamux_why(&error))),
                Poll::Ready(Ok(stream)) => {
                    let _ = opening.send(Ok(Stream::new(stream, place)));
                }
            }
        }
        None
    }
}

fn control_event(text: &str) -> SessionEvent {
    match control::parse(text) {
        Ok(message) => SessionEvent::Control(message),
        Err(error) => SessionEvent::Ended(format!("the peer broke the protocol: {error}")),
    }
}

fn yamux_why(error: &yamux::ConnectionError) -> String {
    match error {
        yamux::ConnectionError::Io(error) => why(error),
        yamux::ConnectionError::Decode(yamux::FrameDecodeError::Io(error)) => why(error),
        yamux::ConnectionError::Closed => "the connection was closed".to_owned(),
        other => format!("the peer broke the multiplexing protocol: {other}"),
    }
}

fn why(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe | io::ErrorKind::UnexpectedEof => {
            "the connection broke".to_owned()
        }
        _ => format!("the connection broke: {error}"),
    }
}
