//! Tells those who wait for one thing that it changed.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Mutex, MutexGuard, PoisonError},
};
use tokio::sync::watch;

/// So many bells hang without looking which nobody listens to.
const FEW: usize = 64;

/// One bell per key, for as long as somebody listens.
pub(crate) struct Bell<K>(Mutex<Bells<K>>);

struct Bells<K> {
    of: HashMap<K, watch::Sender<()>>,
    /// With so many it is looked again which nobody listens to.
    crowd: usize,
}

impl<K> Default for Bell<K> {
    fn default() -> Self {
        Bell(Mutex::new(Bells { of: HashMap::new(), crowd: FEW }))
    }
}

impl<K: Eq + Hash> Bell<K> {
    /// Hears every ring from now on; many at once may be heard as one.
    pub(crate) fn listen(&self, key: K) -> watch::Receiver<()> {
        let mut bells = self.lock();
        // Not each time: a thousand may listen, and come all at once.
        if bells.of.len() >= bells.crowd {
            bells.of.retain(|_, bell| bell.receiver_count() > 0);
            bells.crowd = bells.of.len().saturating_mul(2).max(FEW);
        }
        bells.of.entry(key).or_insert_with(|| watch::Sender::new(())).subscribe()
    }

    pub(crate) fn ring(&self, key: &K) {
        if let Some(bell) = self.lock().of.get(key) {
            bell.send_replace(());
        }
    }

    fn lock(&self) -> MutexGuard<'_, Bells<K>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A site that a thousand listen at, for years: those that have left are not kept, and those that listen hear.
    #[test]
    fn bells_that_nobody_listens_to_are_taken_down_and_the_others_ring() {
        let bell = Bell::default();
        let listening: Vec<_> = (0..1_000).map(|key| bell.listen(key)).collect();
        (1_000..100_000).for_each(|key| drop(bell.listen(key)));
        assert!(bell.lock().of.len() <= 2 * 1_000 + FEW, "{}", bell.lock().of.len());
        bell.ring(&7);
        let heard: Vec<_> = listening
            .iter()
            .enumerate()
            .filter(|(_, bell)| bell.has_changed().unwrap())
            .map(|(key, _)| key)
            .collect();
        assert_eq!(heard, [7]);
    }
}
