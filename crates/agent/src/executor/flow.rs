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
        rows: Vec<u8>,
    },
    /// The last piece.
    Ended {
        columns: Option<proto::Columns>,
        rows: Vec<u8>,
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

/// Rows of one result set, before the first of them its columns.
type Piece = (Option<proto::Columns>, Vec<u8>);

struct State {
    course: Course,
    /// Of the present result set, until they are on their way.
    columns: Option<proto::Columns>,
    buffer: Vec<u8>,
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
            buffer: Vec::new(),
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
        if !state.buffer.is_empty() || state.columns.is_some() {
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
        let before = state.buffer.len();
        let whole = write(&mut state.buffer);
        let bytes = (state.buffer.len() - before) as u64;
        if self.cap > 0 && state.course.bytes + bytes > self.cap {
            state.buffer.truncate(before);
            return state.course.cut_off(Stop::TooLarge);
        }
        if let Err(refusal) = self.purse.spend(u64::from(whole), bytes) {
            state.buffer.truncate(before);
            return state.course.cut_off(Stop::Refused(refusal));
        }
        state.course.bytes += bytes;
        state.course.rows += u64::from(whole);
        if state.buffer.len() >= limit::CHUNK_BYTES {
            let piece = std::mem::replace(&mut state.buffer, Vec::with_capacity(limit::CHUNK_BYTES + 4096));
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
        let some = !state.buffer.is_empty() || state.columns.is_some();
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
            state.full.clear();
            state.buffer = Vec::new();
        }
        self.room.notify_all();
        state.course.read_only
    }

    /// The practice does not consent to it any more: rows that are not on their way yet stay here, and `kept_back` bytes of row JSON that
    /// were taken for it. `false`: it has ended already.
    pub(super) fn refuse(&self, refusal: Refusal, kept_back: usize) -> bool {
        let mut state = self.lock();
        let goes_on = state.ended.is_none() && !state.closed;
        if goes_on {
            state.course.refuse(refusal);
            let unsent =
                kept_back + state.full.iter().map(|(_, rows)| rows.len()).sum::<usize>() + state.buffer.len();
            state.course.cut |= unsent > 0;
            state.course.bytes = state.course.bytes.saturating_sub(unsent as u64);
            state.full.clear();
            state.buffer = Vec::new();
        }
        self.room.notify_all();
        goes_on
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
    fn push(&mut self, piece: Vec<u8>) {
        let columns = self.columns.take();
        if piece.len() <= limit::CHUNK_MAX_BYTES {
            return self.full.push_back((columns, piece));
        }
        let mut columns = Some(columns);
        let pieces = piece.chunks(limit::CHUNK_MAX_BYTES / 4).map(<[u8]>::to_vec);
        self.full.extend(pieces.map(|piece| (columns.take().flatten(), piece)));
    }
}
