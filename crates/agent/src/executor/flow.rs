//! Between the thread that reads the cursor and the task that sends: a small shared buffer, and who tells whom to stop.

use super::course::{Course, Steer, Stop, Tally, named};
use crate::door::Purse;
use database::{Cancel, Column, Stopped};
use link_api::proto::{self, Refusal};
use model::limit;
use std::{
    collections::VecDeque,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::Notify;

/// Full pieces that may wait for the caller; then the cursor waits.
const FULL_PIECES: usize = 4;

/// What the sending side finds.
pub(super) enum News {
    Nothing,
    /// There is something to send, not yet enough to be worth it.
    Some,
    Piece {
        columns: Option<proto::Columns>,
        rows: Rows,
    },
    /// The last piece.
    Ended {
        columns: Option<proto::Columns>,
        rows: Rows,
        ended: Box<proto::Ended>,
    },
}

pub(super) struct Flow {
    /// 0 is none.
    cap: u64,
    purse: Purse,
    state: Mutex<State>,
    room: Condvar,
    changed: Notify,
}

/// Row JSON on its way.
#[derive(Default)]
pub(super) struct Rows {
    pub(super) json: Vec<u8>,
    /// Rows that end in it.
    pub(super) whole: u64,
}

/// How much of the rows has not left.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Unsent {
    bytes: u64,
    rows: u64,
}

impl Rows {
    pub(super) fn count(&self) -> Unsent {
        Unsent { bytes: self.json.len() as u64, rows: self.whole }
    }
}

/// Rows of one result set, before the first of them its columns.
type Piece = (Option<proto::Columns>, Rows);

struct State {
    course: Course,
    /// Of the present result set, until they are on their way.
    columns: Option<proto::Columns>,
    buffer: Rows,
    full: VecDeque<Piece>,
    /// The sending side wants to know of the next byte.
    armed: bool,
    ended: Option<Box<proto::Ended>>,
    /// The last word was said.
    closed: bool,
}

impl Flow {
    pub(super) fn new(read_only: bool, cap: u64, purse: Purse) -> Self {
        let state = State {
            course: Course::new(read_only),
            columns: None,
            buffer: Rows::default(),
            full: VecDeque::new(),
            armed: false,
            ended: None,
            closed: false,
        };
        Flow { cap, purse, state: Mutex::new(state), room: Condvar::new(), changed: Notify::new() }
    }

    // The cursor's side.

    pub(super) fn columns(&self, columns: &[Column]) -> Result<(), Stopped> {
        let columns = named(columns);
        let mut state = self.wait_for_room(self.lock());
        if state.course.discard {
            return if state.course.must_stop() { Err(Stopped) } else { Ok(()) };
        }
        if !state.buffer.json.is_empty() || state.columns.is_some() {
            // The result set before: its rows, or that it has none, travel apart.
            let rows = std::mem::take(&mut state.buffer);
            state.push(rows);
            self.changed.notify_one();
        }
        state.columns = Some(proto::Columns { columns });
        self.wake(&mut state);
        if state.course.must_stop() { Err(Stopped) } else { Ok(()) }
    }

    /// Blocks while the caller is slow.
    fn wait_for_room<'a>(&self, mut state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        while state.full.len() >= FULL_PIECES && state.course.stop.is_none() && !state.course.discard {
            // Bounded: the sending side stops the flow when time is up or the caller is gone.
            state = self.room.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state
    }

    /// One row, or a piece of one, written by `write` onto the buffer: true when the row is whole with it. Blocks while
    /// the caller is slow.
    pub(super) fn row(&self, write: impl FnOnce(&mut Vec<u8>) -> bool) -> Result<(), Stopped> {
        let mut state = self.wait_for_room(self.lock());
        if state.course.must_stop() {
            state.course.cut = true;
            return Err(Stopped);
        }
        if state.course.discard {
            state.course.cut = true;
            return Ok(());
        }
        let before = state.buffer.json.len();
        let whole = write(&mut state.buffer.json);
        let bytes = (state.buffer.json.len() - before) as u64;
        if self.cap > 0 && state.course.bytes + bytes > self.cap {
            state.buffer.json.truncate(before);
            return state.course.cut_off(Stop::TooLarge);
        }
        if let Err(refusal) = self.purse.spend(u64::from(whole), bytes) {
            state.buffer.json.truncate(before);
            return state.course.cut_off(Stop::Refused(refusal));
        }
        state.course.bytes += bytes;
        state.course.rows += u64::from(whole);
        state.buffer.whole += u64::from(whole);
        if state.buffer.json.len() >= limit::CHUNK_BYTES {
            let next = Rows { json: Vec::with_capacity(limit::CHUNK_BYTES + 4096), whole: 0 };
            let piece = std::mem::replace(&mut state.buffer, next);
            state.push(piece);
            drop(state);
            self.changed.notify_one();
        } else {
            self.wake(&mut state);
        }
        Ok(())
    }

    /// The last word; the first one counts. Whoever sends finds it after all rows.
    pub(super) fn end(&self, ended: proto::Ended) {
        let mut state = self.lock();
        if !std::mem::replace(&mut state.closed, true) {
            state.ended = Some(Box::new(ended));
            drop(state);
            self.changed.notify_one();
        }
    }

    // The sending side.

    /// Resolves when a full piece, the end, or (when armed) any byte has come.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// What there is; with `due`, the buffer's content counts as a piece; with `arm`, the next byte is worth a wake-up.
    pub(super) fn news(&self, due: bool, arm: bool) -> News {
        let mut state = self.lock();
        state.armed = false;
        if let Some((columns, rows)) = state.full.pop_front() {
            self.room.notify_one();
            return News::Piece { columns, rows };
        }
        let some = !state.buffer.json.is_empty() || state.columns.is_some();
        match state.ended.take() {
            Some(ended) => {
                let (columns, rows) = (state.columns.take(), std::mem::take(&mut state.buffer));
                News::Ended { columns, rows, ended }
            }
            None if some && due => {
                News::Piece { columns: state.columns.take(), rows: std::mem::take(&mut state.buffer) }
            }
            None if some => News::Some,
            None => {
                state.armed = arm;
                News::Nothing
            }
        }
    }

    /// Enforced read-only: cancels, and answers that it did. Anything else runs on, its rows thrown away.
    pub(super) fn caller_gone(&self) -> bool {
        let mut state = self.lock();
        if state.course.read_only {
            state.course.stop(Stop::CallerGone);
        } else {
            state.course.discard = true;
        }
        if state.ended.is_none() && !state.closed {
            self.keep_here(&mut state, Unsent::default());
        }
        self.room.notify_all();
        state.course.read_only
    }

    /// The practice does not consent to it any more: rows that are not on their way yet stay here, and `kept_back`, which were taken
    /// for it. `false`: it has ended already.
    pub(super) fn refuse(&self, refusal: Refusal, kept_back: Unsent) -> bool {
        let mut state = self.lock();
        let goes_on = state.ended.is_none() && !state.closed;
        if goes_on {
            state.course.refuse(refusal);
            let any = self.keep_here(&mut state, kept_back);
            state.course.cut |= any;
        }
        self.room.notify_all();
        goes_on
    }

    /// Throws away what has not left, and counts it out again: what is told, written down and paid for is what left. Answers whether
    /// there was any.
    fn keep_here(&self, state: &mut State, kept_back: Unsent) -> bool {
        let full = std::mem::take(&mut state.full);
        let buffer = std::mem::take(&mut state.buffer);
        let unsent = full.iter().map(|(_, rows)| rows.count()).chain([kept_back, buffer.count()]);
        let unsent = unsent.fold(Unsent::default(), |all, one| Unsent {
            bytes: all.bytes + one.bytes,
            rows: all.rows + one.rows,
        });
        state.course.bytes = state.course.bytes.saturating_sub(unsent.bytes);
        state.course.rows = state.course.rows.saturating_sub(unsent.rows);
        self.purse.give_back(unsent.rows, unsent.bytes);
        unsent.bytes > 0
    }

    /// Tells the command to end, in the database too.
    pub(super) fn stop(&self, why: Stop) {
        let mut state = self.lock();
        self.room.notify_all();
        state.course.stop(why);
    }

    /// What to say when the command does not end.
    pub(super) fn give_up(&self) -> proto::Ended {
        let mut state = self.lock();
        state.course.discard = true;
        state.course.given_up()
    }

    fn wake(&self, state: &mut State) {
        if std::mem::take(&mut state.armed) {
            self.changed.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Steer for Flow {
    fn cancellable(&self, canceller: Arc<dyn Cancel>) -> Result<(), Stopped> {
        self.lock().course.cancellable(canceller)
    }

    fn over(&self) -> Tally {
        self.lock().course.over()
    }
}

impl State {
    /// A piece goes to the caller; one giant row is cut so that no message is larger than it may be.
    fn push(&mut self, piece: Rows) {
        let columns = self.columns.take();
        if piece.json.len() <= limit::CHUNK_MAX_BYTES {
            return self.full.push_back((columns, piece));
        }
        let mut columns = Some(columns);
        let pieces = piece.json.chunks(limit::CHUNK_MAX_BYTES / 4).map(<[u8]>::to_vec);
        let first = self.full.len();
        self.full.extend(pieces.map(|json| (columns.take().flatten(), Rows { json, whole: 0 })));
        if let Some((_, last)) = self.full.range_mut(first..).next_back() {
            last.whole = piece.whole;
        }
    }
}
