//! What an integrator has used up: counted in memory, kept by whoever asks [`Meter::news`]. No clock: times are arguments.
//!
//! A minute and a day begin with the first query in them: no time zone and no midnight has to be agreed upon, and nobody gets
//! two days' worth in one night.

use super::Budgets;
use link_api::proto::Refusal;
use model::Timestamp;
use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// Somebody who has too many statements under way is told to come again after this: nobody knows when one will end.
const SOON: Duration = Duration::from_secs(1);

/// So many refusals of one integrator leave a line in the audit each minute; more would only fill the practice's disk.
const NOTED: u64 = 60;

/// Counts for one integrator at one site.
#[derive(Debug)]
pub(crate) struct Meter(Mutex<Counts>);

#[derive(Debug, Default)]
struct Counts {
    budgets: Budgets,
    used: Used,
    /// Under way.
    at_once: u64,
    /// Somebody waits for a place among those.
    wanted: bool,
    /// Refusals written down in the minute that began then.
    noted: (Timestamp, u64),
    /// Something was counted that nobody has kept.
    news: bool,
}

/// What was used up of the present minute and day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Used {
    /// When the minute began.
    pub(crate) minute: Timestamp,
    pub(crate) queries: u64,
    /// When the day began.
    pub(crate) day: Timestamp,
    pub(crate) rows: u64,
    /// Of row JSON.
    pub(crate) bytes: u64,
}

/// A budget is used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Spent {
    pub(crate) refusal: Refusal,
    /// When there will be more.
    pub(crate) again: Duration,
}

/// What a command takes up by being let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Takes {
    /// One query, and a place among those under way: give it back with [`Meter::leave`].
    QueryAndPlace,
    /// One query: it is taken to run later.
    Query,
    /// A place: its query was counted when it was taken.
    Place,
}

impl Meter {
    /// Goes on from what was used up when it was last kept.
    pub(crate) fn new(budgets: Budgets, used: Used) -> Self {
        Meter(Mutex::new(Counts { budgets, used, ..Counts::default() }))
    }

    /// Other bounds from now on; what was used up stays. Answers whether somebody who waited for a place is to try again.
    pub(crate) fn allow(&self, budgets: Budgets) -> bool {
        let mut counts = self.lock();
        counts.budgets = budgets;
        counts.has_place() && std::mem::take(&mut counts.wanted)
    }

    /// Whether there is a place among those under way. Where there is none, whoever gives one back is told that somebody waits
    /// for it: between the answer and that, none gets lost.
    pub(crate) fn wants_place(&self) -> bool {
        let mut counts = self.lock();
        counts.wanted = !counts.has_place();
        !counts.wanted
    }

    /// Lets a command in and counts it, or counts nothing.
    pub(crate) fn enter(&self, takes: Takes, now: Timestamp) -> Result<(), Spent> {
        let mut counts = self.lock();
        counts.used.turn(now);
        let Counts { budgets, used, .. } = &*counts;
        let full = |most: Option<u64>, used: u64| most.is_some_and(|most| used >= most);
        let spent = |refusal, again| Err(Spent { refusal, again });
        let day = used.day.plus(DAY).since(now);
        if full(budgets.rows_per_day, used.rows) {
            return spent(Refusal::BudgetRows, day);
        }
        if full(budgets.bytes_per_day, used.bytes) {
            return spent(Refusal::BudgetBytes, day);
        }
        let (query, place) = (takes != Takes::Place, takes != Takes::Query);
        if place && !counts.has_place() {
            return spent(Refusal::BudgetAtOnce, SOON);
        }
        if query && full(budgets.queries_per_minute, used.queries) {
            return spent(Refusal::BudgetQueries, used.minute.plus(MINUTE).since(now));
        }
        counts.used.queries += u64::from(query);
        counts.at_once += u64::from(place);
        counts.news |= query;
        Ok(())
    }

    /// Whether one more refusal is to be written down.
    pub(crate) fn may_note(&self, now: Timestamp) -> bool {
        let mut counts = self.lock();
        let noted = &mut counts.noted;
        if noted.0.plus(MINUTE) <= now {
            *noted = (now, 0);
        }
        noted.1 += 1;
        noted.1 <= NOTED
    }

    /// A place is free again. Answers whether somebody who waited for it is to try again.
    pub(crate) fn leave(&self) -> bool {
        let mut counts = self.lock();
        counts.at_once = counts.at_once.saturating_sub(1);
        counts.has_place() && std::mem::take(&mut counts.wanted)
    }

    /// Counts rows and bytes that are about to be handed out, or says which budget they are too much for. `now` is asked
    /// only when one is used up: the day may be over.
    pub(crate) fn spend(
        &self,
        rows: u64,
        bytes: u64,
        now: impl FnOnce() -> Timestamp,
    ) -> Result<(), Refusal> {
        let mut counts = self.lock();
        if counts.too_much(rows, bytes).is_some() {
            counts.used.turn(now());
            if let Some(refusal) = counts.too_much(rows, bytes) {
                return Err(refusal);
            }
        }
        counts.used.rows = counts.used.rows.saturating_add(rows);
        counts.used.bytes = counts.used.bytes.saturating_add(bytes);
        counts.news = true;
        Ok(())
    }

    /// Takes back what was counted for rows that did not leave after all.
    pub(crate) fn give_back(&self, rows: u64, bytes: u64) {
        let mut counts = self.lock();
        // A new day may have begun since: of that nothing was used up by them.
        counts.used.rows = counts.used.rows.saturating_sub(rows);
        counts.used.bytes = counts.used.bytes.saturating_sub(bytes);
        counts.news = true;
    }

    /// What was used up, when that is not what was kept last, and anything is bounded by it.
    pub(crate) fn news(&self) -> Option<Used> {
        let mut counts = self.lock();
        let bounded = counts.budgets.queries_per_minute.is_some()
            || counts.budgets.rows_per_day.is_some()
            || counts.budgets.bytes_per_day.is_some();
        (bounded && std::mem::take(&mut counts.news)).then_some(counts.used)
    }

    /// What is used up now, and how much is under way.
    pub(crate) fn used(&self, now: Timestamp) -> (Used, u64) {
        let mut counts = self.lock();
        counts.used.turn(now);
        (counts.used, counts.at_once)
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counts {
    fn has_place(&self) -> bool {
        self.budgets.at_once.is_none_or(|most| self.at_once < most)
    }

    fn too_much(&self, rows: u64, bytes: u64) -> Option<Refusal> {
        let over = |most: Option<u64>, used: u64, more: u64| {
            more > 0 && most.is_some_and(|most| used.saturating_add(more) > most)
        };
        if over(self.budgets.rows_per_day, self.used.rows, rows) {
            return Some(Refusal::BudgetRows);
        }
        over(self.budgets.bytes_per_day, self.used.bytes, bytes).then_some(Refusal::BudgetBytes)
    }
}

impl Used {
    /// Begins a new minute and a new day when the old one is over.
    fn turn(&mut self, now: Timestamp) {
        if self.minute.plus(MINUTE) <= now {
            (self.minute, self.queries) = (now, 0);
        }
        if self.day.plus(DAY) <= now {
            (self.day, self.rows, self.bytes) = (now, 0, 0);
        }
    }
}
