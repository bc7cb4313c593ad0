//! Numbers that did not come yet.

use model::Timestamp;
use std::collections::BTreeMap;

/// Ranges of numbers, by their first.
#[derive(Default)]
pub(crate) struct Gaps(BTreeMap<u64, (u64, Option<Timestamp>)>);

impl Gaps {
    /// `first` to `last` are missing; the line before them was written at `at`. Ranges come rising.
    pub(crate) fn open(&mut self, first: u64, last: u64, at: Option<Timestamp>) {
        if let Some(mut newest) = self.0.last_entry()
            && newest.get().0.saturating_add(1) == first
        {
            newest.get_mut().0 = last;
            return;
        }
        self.0.insert(first, (last, at));
    }

    /// One of them came after all. False: it was not missing.
    pub(crate) fn fill(&mut self, number: u64) -> bool {
        let Some((&first, &(last, at))) = self.0.range(..=number).next_back() else { return false };
        if number > last {
            return false;
        }
        self.0.remove(&first);
        if first < number {
            self.0.insert(first, (number - 1, at));
        }
        if number < last {
            self.0.insert(number + 1, (last, at));
        }
        true
    }

    pub(crate) fn into_ranges(self) -> impl Iterator<Item = (u64, u64, Option<Timestamp>)> {
        self.0.into_iter().map(|(first, (last, at))| (first, last, at))
    }
}
