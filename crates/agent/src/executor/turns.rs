//! Whose turn is next: immediate work before bulk, and within each the integrator that has had least of the database.
//!
//! Deficit round robin, where what a command costs is known only when it is over: it is charged with what its integrator's
//! commands usually take, and put right at its end. No clock, no tasks: times are arguments.

use model::IntegratorId;
use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

#[cfg(test)]
mod tests;

/// What an integrator may have of the database before it is the next one's turn, µs.
const QUANTUM: i64 = 2_000;
/// Bulk work that waited so long is not passed by any more, when none of it runs.
const PATIENCE: Duration = Duration::from_secs(2);
/// An integrator that was here so lately is expected back: a place is kept free of the others.
const EXPECTED: Duration = Duration::from_secs(10);
/// What was had longer ago than this is forgotten.
const FORGOTTEN: Duration = Duration::from_secs(60);
/// So many integrators are remembered without looking who need not be.
const REMEMBERED: usize = 64;

/// Which lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// Somebody waits for the answer.
    Immediate,
    /// Nobody does: async and registered queries.
    Bulk,
}

/// How much at once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    /// In the database at once.
    pub(super) most: usize,
    /// Of these bulk, at most.
    pub(super) bulk: usize,
    /// Waiting, of one integrator in one lane.
    pub(super) waiting_each: usize,
    /// Waiting, all together in one lane.
    pub(super) waiting: usize,
}

/// Those who wait, as tickets of kind `T`, and who runs.
#[derive(Debug)]
pub(super) struct Turns<T> {
    room: Room,
    lanes: [Queues<T>; 2],
}

/// A place in the database, to be given back to [`Turns::done`].
#[derive(Debug)]
#[must_use]
pub(super) struct Slot {
    class: Class,
    who: IntegratorId,
    began: Duration,
    charged: i64,
}

#[derive(Debug)]
struct Queues<T> {
    of: HashMap<IntegratorId, Own<T>>,
    /// Those with something waiting, the next one first.
    ring: VecDeque<IntegratorId>,
    running: usize,
    waiting: usize,
    /// With so many it is looked again who need not be remembered.
    crowd: usize,
}

#[derive(Debug)]
struct Own<T> {
    waiting: VecDeque<(T, Duration)>,
    running: usize,
    /// What it may still have, µs; less than nothing when it had more than its share.
    credit: i64,
    /// What one of its commands usually takes, µs.
    usual: i64,
    seen: Duration,
}

impl<T> Turns<T> {
    pub(super) fn new(room: Room) -> Self {
        let queues = || Queues {
            of: HashMap::new(),
            ring: VecDeque::new(),
            running: 0,
            waiting: 0,
            crowd: REMEMBERED,
        };
        Turns { room: Room { most: room.most.max(1), ..room }, lanes: [queues(), queues()] }
    }

    /// From now on so many at once, at least one. Those that run are not touched.
    pub(super) fn allow(&mut self, most: usize) {
        self.room.most = most.max(1);
    }

    /// Waiting, running, and how many may run at once.
    pub(super) fn load(&self) -> (usize, usize, usize) {
        let sum = |of: fn(&Queues<T>) -> usize| self.lanes.iter().map(of).sum();
        (sum(|queues| queues.waiting), sum(|queues| queues.running), self.room.most)
    }

    /// Forgets tickets that are no longer wanted.
    pub(super) fn clear_gone(&mut self, gone: impl Fn(&T) -> bool) {
        for queues in &mut self.lanes {
            queues.clear_gone(&gone);
        }
    }

    /// Stands in line. `false`: too many do already. `gone` tells whose ticket is no longer wanted: they make room first.
    pub(super) fn join(
        &mut self,
        class: Class,
        who: IntegratorId,
        ticket: T,
        now: Duration,
        gone: impl Fn(&T) -> bool,
    ) -> bool {
        let room = self.room;
        let queues = &mut self.lanes[class as usize];
        let full = |queues: &Queues<T>| {
            let own = queues.of.get(&who).map_or(0, |own| own.waiting.len());
            own >= room.waiting_each || queues.waiting >= room.waiting
        };
        if full(queues) {
            queues.clear_gone(&gone);
            if full(queues) {
                return false;
            }
        }
        queues.forget(now);
        let own = queues.of.entry(who).or_insert_with(|| Own {
            waiting: VecDeque::new(),
            running: 0,
            credit: 0,
            usual: QUANTUM,
            seen: now,
        });
        if own.waiting.is_empty() {
            if own.running == 0 && now.saturating_sub(own.seen) >= FORGOTTEN {
                own.credit = 0;
            }
            queues.ring.push_back(who);
        }
        own.seen = now;
        own.waiting.push_back((ticket, now));
        queues.waiting += 1;
        true
    }

    /// The next one whose turn has come, if any place is free for one.
    pub(super) fn next(&mut self, now: Duration) -> Option<(T, Slot)> {
        let [immediate, bulk] = &self.lanes;
        let running = immediate.running + bulk.running;
        let overdue =
            bulk.running == 0 && bulk.oldest().is_some_and(|since| now.saturating_sub(since) >= PATIENCE);
        // Immediate work always has one place, whatever bulk work holds.
        let prompt = running < self.room.most || immediate.running == 0;
        let later = running < self.room.most && bulk.running < self.room.bulk.max(1);
        let order = if overdue { [Class::Bulk, Class::Immediate] } else { [Class::Immediate, Class::Bulk] };
        for class in order {
            let (may, places) = match class {
                Class::Immediate => (prompt, self.room.most),
                Class::Bulk => (later, self.room.bulk.max(1)),
            };
            if may && let Some(found) = self.lanes[class as usize].pick(class, places, now) {
                return Some(found);
            }
        }
        None
    }

    /// A place is free again.
    pub(super) fn done(&mut self, slot: Slot, now: Duration) {
        let queues = &mut self.lanes[slot.class as usize];
        queues.running -= 1;
        let Some(own) = queues.of.get_mut(&slot.who) else { return };
        let took = i64::try_from(now.saturating_sub(slot.began).as_micros()).unwrap_or(i64::MAX).max(1);
        own.running -= 1;
        own.seen = now;
        own.credit = (own.credit + slot.charged).saturating_sub(took).min(QUANTUM);
        own.usual = (own.usual.saturating_mul(3).saturating_add(took) / 4).max(1);
    }

    /// A turn that was not wanted any more: as if it had never been given.
    pub(super) fn undo(&mut self, slot: Slot) {
        let queues = &mut self.lanes[slot.class as usize];
        queues.running -= 1;
        if let Some(own) = queues.of.get_mut(&slot.who) {
            own.running -= 1;
            own.credit = (own.credit + slot.charged).min(QUANTUM);
        }
    }
}

impl<T> Queues<T> {
    fn oldest(&self) -> Option<Duration> {
        self.ring.iter().filter_map(|who| Some(self.of.get(who)?.waiting.front()?.1)).min()
    }

    /// How many places an integrator that waits may hold: beside others about half of them, and alone all but the one that is
    /// kept for whoever comes next.
    fn share(&self, class: Class, places: usize, now: Duration) -> usize {
        let here = |own: &&Own<T>| {
            own.running > 0 || !own.waiting.is_empty() || now.saturating_sub(own.seen) < EXPECTED
        };
        // It is here itself: one more is another.
        let others = self.of.values().filter(here).nth(1).is_some();
        match class {
            _ if others => places.div_ceil(2),
            Class::Immediate => (places - 1).max(1),
            Class::Bulk => places,
        }
    }

    fn pick(&mut self, class: Class, places: usize, now: Duration) -> Option<(T, Slot)> {
        if self.ring.is_empty() {
            return None;
        }
        let share = self.share(class, places, now);
        let below = |who: &&IntegratorId| self.of.get(*who).is_some_and(|own| own.running < share);
        let eligible: Vec<IntegratorId> = self.ring.iter().filter(below).copied().collect();
        // So many rounds would pass until the first of them has something left: all are given them at once.
        let rounds =
            eligible.iter().filter_map(|who| self.of.get(who)).map(|own| rounds(own.credit)).min()?;
        for who in &self.ring {
            if let Some(own) = self.of.get_mut(who) {
                own.credit = own.credit.saturating_add(rounds.saturating_mul(QUANTUM)).min(QUANTUM);
            }
        }
        let who = eligible.into_iter().find(|who| self.of.get(who).is_some_and(|own| own.credit > 0))?;
        let at = self.ring.iter().position(|other| *other == who)?;
        let own = self.of.get_mut(&who)?;
        let (ticket, _) = own.waiting.pop_front()?;
        let charged = own.usual;
        own.credit -= charged;
        own.running += 1;
        own.seen = now;
        if own.waiting.is_empty() {
            self.ring.remove(at);
        } else if own.credit <= 0 {
            self.ring.remove(at);
            self.ring.push_back(who);
        }
        self.running += 1;
        self.waiting -= 1;
        Some((ticket, Slot { class, who, began: now, charged }))
    }

    fn clear_gone(&mut self, gone: impl Fn(&T) -> bool) {
        for own in self.of.values_mut() {
            own.waiting.retain(|(ticket, _)| !gone(ticket));
        }
        self.waiting = self.of.values().map(|own| own.waiting.len()).sum();
        self.ring.retain(|who| self.of.get(who).is_some_and(|own| !own.waiting.is_empty()));
    }

    /// Whoever has nothing here and was not here for a while need not be remembered. Looked at each time that twice as many are there as
    /// were needed, so that it costs each who comes next to nothing, however many there are.
    fn forget(&mut self, now: Duration) {
        if self.of.len() >= self.crowd {
            self.of.retain(|_, own| {
                own.running > 0 || !own.waiting.is_empty() || now.saturating_sub(own.seen) < FORGOTTEN
            });
            self.crowd = self.of.len().saturating_mul(2).max(REMEMBERED);
        }
    }
}

/// Rounds of [`QUANTUM`] until there is something left.
fn rounds(credit: i64) -> i64 {
    if credit > 0 { 0 } else { credit.saturating_neg() / QUANTUM + 1 }
}
