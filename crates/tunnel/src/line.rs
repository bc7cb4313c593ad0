//! Between a handle and its driver: requests to open go in, accepted streams come out. Empty ones cost next to nothing.

use crate::{Stream, session::Opening, tuning::OPEN_WITHIN};
use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};
use tokio::{
    sync::{Notify, oneshot},
    time::timeout,
};

/// Why no virtual stream could be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// There is no connection now.
    #[error("there is no connection to the other side now")]
    Offline,
    /// The connection takes no new streams because its relay is shutting down.
    #[error("the connection is being drained: try again in a moment")]
    Draining,
    /// The connection carries as many streams as it may.
    #[error("the connection carries as many streams as it may")]
    TooMany,
    /// Not within 10 seconds.
    #[error("no stream could be opened within 10 s")]
    TimedOut,
}

/// Requests of a handle for its driver.
#[derive(Default)]
pub(crate) struct Line {
    requests: Mutex<Requests>,
    /// Something was asked.
    pub(crate) work: Notify,
}

#[derive(Default)]
pub(crate) struct Requests {
    pub(crate) openings: Vec<Opening>,
    pub(crate) limit: Option<usize>,
    pub(crate) drain: bool,
    pub(crate) close: bool,
    /// The driver is gone.
    ended: bool,
}

impl Line {
    pub(crate) async fn open(&self) -> Result<Stream, OpenError> {
        let (opening, opened) = oneshot::channel();
        {
            let mut requests = lock(&self.requests);
            if requests.ended {
                return Err(OpenError::Offline);
            }
            requests.openings.push(opening);
        }
        self.work.notify_one();
        match timeout(OPEN_WITHIN, opened).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(OpenError::Offline),
            Err(_) => Err(OpenError::TimedOut),
        }
    }

    pub(crate) fn limit(&self, streams: usize) {
        lock(&self.requests).limit = Some(streams);
        self.work.notify_one();
    }

    pub(crate) fn drain(&self) {
        lock(&self.requests).drain = true;
        self.work.notify_one();
    }

    pub(crate) fn close(&self) {
        lock(&self.requests).close = true;
        self.work.notify_one();
    }

    /// For the driver: what was asked since it last looked.
    pub(crate) fn take(&self) -> Requests {
        std::mem::take(&mut *lock(&self.requests))
    }

    /// For the driver: nothing will be done any more.
    pub(crate) fn end(&self) {
        *lock(&self.requests) = Requests { ended: true, ..Requests::default() };
    }
}

/// Streams that the peer opened and nobody has accepted yet; the session's limit bounds them.
#[derive(Default)]
pub(crate) struct Inbound {
    queue: Mutex<InboundQueue>,
    came: Notify,
}

#[derive(Default)]
struct InboundQueue {
    streams: VecDeque<Stream>,
    ended: bool,
}

impl Inbound {
    pub(crate) fn push(&self, stream: Stream) {
        lock(&self.queue).streams.push_back(stream);
        self.came.notify_one();
    }

    pub(crate) async fn next(&self) -> Option<Stream> {
        loop {
            // Made before the look, so that nothing falls in between.
            let came = self.came.notified();
            {
                let mut queue = lock(&self.queue);
                if queue.ended {
                    return None;
                }
                if let Some(stream) = queue.streams.pop_front() {
                    return Some(stream);
                }
            }
            came.await;
        }
    }

    /// No stream will come any more; those that nobody accepted are reset.
    pub(crate) fn end(&self) {
        *lock(&self.queue) = InboundQueue { ended: true, ..InboundQueue::default() };
        self.came.notify_waiters();
    }
}

/// A panic while one of these was held leaves plain data behind.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
