//! A delay line: what goes in comes out in order, a fixed time later, optionally no faster than a rate.

use std::{
    collections::VecDeque,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// Overdue bytes that may wait for a slow receiver before the sender is held back.
const BACKLOG: usize = 256 * 1024;
/// A receiver is slow when the oldest bytes are late by this much.
const LATE: Duration = Duration::from_millis(2);
/// With a rate: the queue in front of the narrow place holds at most this much time.
const QUEUE: Duration = Duration::from_millis(50);

/// What travels.
#[derive(Debug, PartialEq, Eq)]
pub enum Item {
    /// Bytes.
    Data(Vec<u8>),
    /// The sender's orderly end.
    End,
    /// The sender's reset.
    Reset,
}

/// How long and how wide.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shape {
    /// From in to out.
    pub delay: Duration,
    /// Bytes per second; `None` is unlimited.
    pub rate: Option<u64>,
}

#[derive(Debug, Default)]
struct State {
    shape: Shape,
    queue: VecDeque<(Instant, Item)>,
    bytes: usize,
    /// When the last item comes out; nothing overtakes it.
    tail: Option<Instant>,
    closed: bool,
}

/// One direction of one connection: a thread puts in, another takes out.
///
/// Memory: at most delay × arrival rate plus 256 KiB; whoever sends 1 GB/s into a second of delay gets a gigabyte.
#[derive(Debug, Default)]
pub struct Line {
    state: Mutex<State>,
    changed: Condvar,
}

impl Line {
    /// An empty line.
    pub fn new(shape: Shape) -> Line {
        Line { state: Mutex::new(State { shape, ..State::default() }), changed: Condvar::new() }
    }

    /// For what goes in from now on; nothing overtakes what is under way.
    pub fn reshape(&self, shape: Shape) {
        self.lock().shape = shape;
        self.changed.notify_all();
    }

    /// Puts in; waits while the receiver is slow or the queue before the narrow place is full. `false` once closed.
    pub fn put(&self, item: Item) -> bool {
        let mut state = self.lock();
        loop {
            if state.closed {
                return false;
            }
            let now = crate::now();
            let Some(wait) = state.full(now) else { break };
            state = self.changed.wait_timeout(state, wait).unwrap_or_else(PoisonError::into_inner).0;
        }
        let now = crate::now();
        let length = if let Item::Data(bytes) = &item { bytes.len() } else { 0 };
        let mut due = now + state.shape.delay;
        if let Some(tail) = state.tail {
            due = due.max(tail);
        }
        if let Some(rate) = state.shape.rate {
            due += Duration::from_secs_f64(length as f64 / rate.max(1) as f64);
        }
        state.tail = Some(due);
        state.bytes += length;
        let was_empty = state.queue.is_empty();
        state.queue.push_back((due, item));
        drop(state);
        // A taker that waits for an earlier item wakes by itself.
        if was_empty {
            self.changed.notify_all();
        }
        true
    }

    /// Takes out the next item when its time has come; `None` once closed.
    pub fn take(&self) -> Option<Item> {
        let mut state = self.lock();
        loop {
            if state.closed {
                return None;
            }
            let now = crate::now();
            state = match state.queue.front() {
                Some((due, _)) if *due <= now => {
                    let (due, item) = state.queue.pop_front()?;
                    if let Item::Data(bytes) = &item {
                        state.bytes -= bytes.len();
                    }
                    let held_back = state.shape.rate.is_some() || now - due > LATE;
                    drop(state);
                    if held_back {
                        self.changed.notify_all();
                    }
                    return Some(item);
                }
                // A condition variable's timeout is good to some 60 µs; a runtime's timer to 1 ms.
                Some((due, _)) => {
                    let wait = *due - now;
                    self.changed.wait_timeout(state, wait).unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    /// Ends both sides' waits; what is under way is lost.
    pub fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// How long to wait before looking again whether there is room; `None` when there is.
    fn full(&self, now: Instant) -> Option<Duration> {
        let (oldest, _) = self.queue.front()?;
        if self.bytes > BACKLOG && now.saturating_duration_since(*oldest) > LATE {
            return Some(Duration::from_millis(1));
        }
        let limit = now + self.shape.delay + QUEUE;
        match self.tail {
            Some(tail) if self.shape.rate.is_some() && tail > limit => Some(tail - limit),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{sync::Arc, thread};

    fn data(length: usize) -> Item {
        Item::Data(vec![0; length])
    }

    #[test]
    fn a_shorter_delay_later_does_not_let_bytes_overtake() {
        let line = Line::new(Shape { delay: Duration::from_millis(30), rate: None });
        line.put(Item::Data(vec![1]));
        line.reshape(Shape::default());
        line.put(Item::Data(vec![2]));
        assert_eq!(line.take(), Some(Item::Data(vec![1])));
        assert_eq!(line.take(), Some(Item::Data(vec![2])));
    }

    #[test]
    fn a_rate_is_kept() {
        let line = Arc::new(Line::new(Shape { delay: Duration::ZERO, rate: Some(1_000_000) }));
        let start = crate::now();
        let giver = {
            let line = line.clone();
            thread::spawn(move || (0..20).for_each(|_| assert!(line.put(data(10_000)))))
        };
        for _ in 0..20 {
            line.take().unwrap();
        }
        giver.join().unwrap();
        let took = start.elapsed();
        assert!(took >= Duration::from_millis(195), "200 kB at 1 MB/s took {took:?}");
    }

    #[test]
    fn a_slow_receiver_holds_the_sender_back() {
        let line = Arc::new(Line::new(Shape { delay: Duration::from_millis(1), rate: None }));
        let giver = {
            let line = line.clone();
            thread::spawn(move || (0..1000).take_while(|_| line.put(data(64 * 1024))).count())
        };
        let start = crate::now();
        while start.elapsed() < Duration::from_millis(100) {
            thread::yield_now();
        }
        let held = line.lock().bytes;
        line.close();
        let put = giver.join().unwrap();
        // What came within the first 3 ms is under way and may be much; the rest of the 64 MB must not have got in.
        assert!(put < 1000, "{put} pieces, {held} bytes went in without a taker");
    }
}
