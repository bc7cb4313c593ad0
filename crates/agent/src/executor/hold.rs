//! What a running command holds: its place in the lane, and the word on how it ends.
//!
//! Both belong to the thread that runs it, until it does not end although it was told to. Then they are taken from it: the
//! place goes to the next, and the end is written down as what is known, which is little.

use super::{
    lane::Turn,
    lost::{Lone, Lost},
};
use crate::door::{Permit, Witness};
use link_api::proto;
use model::IntegratorId;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Seen from outside the thread.
#[derive(Clone)]
pub(crate) struct Hold(Arc<Inner>);

/// The thread's own. Dropped with it, whatever became of it.
pub(crate) struct Held(Arc<Inner>);

struct Inner {
    state: Mutex<State>,
    lost: Arc<Lost>,
    who: IntegratorId,
}

struct State {
    /// `None` once it was given back.
    turn: Option<Turn>,
    /// Once it has begun.
    witness: Option<Witness>,
    /// The database is done with it: its end is being written down by its thread.
    ended: bool,
    /// It was taken from its thread, which is counted for as long as it lives.
    left: Option<Lone>,
}

/// It was given up before it began: it must not reach the database.
#[derive(Debug)]
pub(super) struct GivenUp;

pub(super) fn hold(turn: Turn, who: IntegratorId, lost: Arc<Lost>) -> (Hold, Held) {
    let state = State { turn: Some(turn), witness: None, ended: false, left: None };
    let inner = Arc::new(Inner { state: Mutex::new(state), lost, who });
    (Hold(inner.clone()), Held(inner))
}

impl Held {
    /// Its intent is written down.
    pub(super) fn begins(&self, permit: &Permit) -> Result<(), GivenUp> {
        let mut state = self.0.lock();
        if state.left.is_some() {
            return Err(GivenUp);
        }
        state.witness = Some(permit.witness());
        Ok(())
    }

    /// The database is done with it. From here on nobody else says how it ended.
    pub(super) fn ended(&self) {
        let witness = {
            let mut state = self.0.lock();
            state.ended = true;
            state.witness.take()
        };
        // It holds a place among the integrator's statements too: outside the lock.
        drop(witness);
    }
}

impl Hold {
    /// Takes the place from a thread that does not end, and writes down that it ended like this. `false`: it has just ended, or as
    /// many are left to their threads already as may be, and it keeps its place.
    pub(crate) fn leave(&self, ended: &proto::Ended) -> bool {
        let mut state = self.0.lock();
        if state.ended || state.left.is_some() {
            return false;
        }
        let Some(lone) = self.0.lost.leave(self.0.who) else { return false };
        state.left = Some(lone);
        let (turn, witness) = (state.turn.take(), state.witness.take());
        if let Some(witness) = &witness {
            witness.ended(ended);
        }
        drop(state);
        // The next one's turn, outside the lock.
        drop(turn);
        true
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.ended = true;
        let (turn, left) = (state.turn.take(), state.left.take());
        drop(state);
        drop((turn, left));
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
