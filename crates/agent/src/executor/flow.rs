//! Between the thread that reads the cursor and the task that sends: a small shared buffer, and who tells whom to stop.

use database::{Cancel, Column, Stopped, json::unique_names};
use link_api::proto;
use model::{Effect, limit};
use std::{
    collections::VecDeque,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::Notify;

/// Full pieces that may wait for the caller; then the cursor waits.
const FULL_PIECES: usize = 4;

/// Why a command was told to end before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    CallerGone,
    TimedOut,
    TooLarge,
    /// The site has no room to keep it.
    NoRoom,
    /// Something of ours failed.
    Broken,
}

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

/// How much was sent, and what stopped it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tally {
    pub(super) rows: u64,
    pub(super) bytes: u64,
    pub(super) stop: Option<Stop>,
    /// Rows were left out: the answer is not whole.
    pub(super) cut: bool,
    /// The session was told to cancel: it may not be used again.
    pub(super) cancelled: bool,
}

/// Steers a running command: what may stop it, and what it has yielded.
pub(super) trait Steer {
    /// From here on the command can be cancelled; `Err` when it was told to end already.
    fn cancellable(&self, canceller: Arc<dyn Cancel>) -> Result<(), Stopped>;
    /// The command has ended in the database: from here on nothing cancels its session.
    fn over(&self) -> Tally;
}

pub(super) struct Flow {
    read_only: bool,
    /// 0 is none.
    cap: u64,
    state: Mutex<State>,
    room: Condvar,
    changed: Notify,
}

/// Rows of one result set, before the first of them its columns.
type Piece = (Option<proto::Columns>, Vec<u8>);

#[derive(Default)]
struct State {
    /// Of the present result set, until they are on their way.
    columns: Option<proto::Columns>,
    buffer: Vec<u8>,
    full: VecDeque<Piece>,
    rows: u64,
    bytes: u64,
    /// The sending side wants to know of the next byte.
    armed: bool,
    stop: Option<Stop>,
    /// Rows are read and thrown away.
    discard: bool,
    cut: bool,
    canceller: Option<Arc<dyn Cancel>>,
    cancelled: bool,
    ended: Option<Box<proto::Ended>>,
    /// The last word was said.
    closed: bool,
}

impl Flow {
    pub(super) fn new(read_only: bool, cap: u64) -> Self {
        Flow { read_only, cap, state: Mutex::default(), room: Condvar::new(), changed: Notify::new() }
    }

    // The cursor's side.

    pub(super) fn columns(&self, columns: &[Column]) -> Result<(), Stopped> {
        let names = unique_names(columns.iter().map(|c| c.name.as_str()));
        let columns = names
            .into_iter()
            .zip(columns)
            .map(|(name, column)| proto::Column { name, r#type: column.type_name.clone() })
            .collect();
        let mut state = self.wait_for_room(self.lock());
        if state.discard {
            return if state.must_stop(self.read_only) { Err(Stopped) } else { Ok(()) };
        }
        if !state.buffer.is_empty() || state.columns.is_some() {
            // The result set before: its rows, or that it has none, travel apart.
            let rows = std::mem::take(&mut state.buffer);
            state.push(rows);
            self.changed.notify_one();
        }
        state.columns = Some(proto::Columns { columns });
        self.wake(&mut state);
        if state.must_stop(self.read_only) { Err(Stopped) } else { Ok(()) }
    }

    /// Blocks while the caller is slow.
    fn wait_for_room<'a>(&self, mut state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        while state.full.len() >= FULL_PIECES && state.stop.is_none() && !state.discard {
            // Bounded: the sending side stops the flow when time is up or the caller is gone.
            state = self.room.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state
    }

    /// One row, or a piece of one, written by `write` onto the buffer: true when the row is whole with it. Blocks while
    /// the caller is slow.
    pub(super) fn row(&self, write: impl FnOnce(&mut Vec<u8>) -> bool) -> Result<(), Stopped> {
        let mut state = self.wait_for_room(self.lock());
        if state.must_stop(self.read_only) {
            state.cut = true;
            return Err(Stopped);
        }
        if state.discard {
            state.cut = true;
            return Ok(());
        }
        let before = state.buffer.len();
        let whole = write(&mut state.buffer);
        let bytes = (state.buffer.len() - before) as u64;
        if self.cap > 0 && state.bytes + bytes > self.cap {
            state.buffer.truncate(before);
            state.stop = Some(Stop::TooLarge);
            (state.cut, state.discard) = (true, true);
            return if self.read_only { Err(Stopped) } else { Ok(()) };
        }
        state.bytes += bytes;
        state.rows += u64::from(whole);
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

    /// Enforced read-only: cancels. Anything else runs on, its rows thrown away.
    pub(super) fn caller_gone(&self) {
        if self.read_only {
            return self.stop(Stop::CallerGone);
        }
        let mut state = self.lock();
        state.discard = true;
        state.full.clear();
        state.buffer = Vec::new();
        self.room.notify_all();
    }

    /// Tells the command to end, in the database too.
    pub(super) fn stop(&self, why: Stop) {
        let mut state = self.lock();
        match (state.stop, why) {
            // What ran on without its rows is stopped after all: that is the end that counts.
            (Some(Stop::TooLarge), Stop::TimedOut | Stop::Broken) if !self.read_only => {
                state.stop = Some(why)
            }
            (Some(_), _) => {}
            (None, why) => state.stop = Some(why),
        }
        self.room.notify_all();
        // Under the lock: once the command is over, its session may serve another.
        if let Some(canceller) = state.canceller.take() {
            state.cancelled = true;
            canceller.cancel();
        }
    }

    /// What to say when the command does not end.
    pub(super) fn give_up(&self) -> proto::Ended {
        let mut state = self.lock();
        state.discard = true;
        let effect = if self.read_only { Effect::Executed } else { Effect::Unknown };
        proto::Ended {
            status: proto::Status::TimedOut.into(),
            rows: state.rows,
            row_bytes: state.bytes,
            effect: link_api::convert::effect_to_proto(effect).into(),
            read_only: self.read_only,
            ..proto::Ended::default()
        }
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
        let mut state = self.lock();
        if state.stop.is_some() {
            return Err(Stopped);
        }
        state.canceller = Some(canceller);
        Ok(())
    }

    fn over(&self) -> Tally {
        let mut state = self.lock();
        state.canceller = None;
        Tally {
            rows: state.rows,
            bytes: state.bytes,
            stop: state.stop,
            cut: state.cut,
            cancelled: state.cancelled,
        }
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

    fn must_stop(&self, read_only: bool) -> bool {
        match self.stop {
            None => false,
            // Something that may have written goes on to its end.
            Some(Stop::TooLarge | Stop::NoRoom | Stop::CallerGone) => read_only,
            Some(Stop::TimedOut | Stop::Broken) => true,
        }
    }
}
