//! Tells those who wait for one thing that it changed.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Mutex, MutexGuard, PoisonError},
};
use tokio::sync::watch;

/// One bell per key, for as long as somebody listens.
pub(crate) struct Bell<K>(Mutex<HashMap<K, watch::Sender<()>>>);

impl<K> Default for Bell<K> {
    fn default() -> Self {
        Bell(Mutex::new(HashMap::new()))
    }
}

impl<K: Eq + Hash> Bell<K> {
    /// Hears every ring from now on; many at once may be heard as one.
    pub(crate) fn listen(&self, key: K) -> watch::Receiver<()> {
        let mut bells = self.lock();
        bells.retain(|_, bell| bell.receiver_count() > 0);
        bells.entry(key).or_insert_with(|| watch::Sender::new(())).subscribe()
    }

    pub(crate) fn ring(&self, key: &K) {
        if let Some(bell) = self.lock().get(key) {
            bell.send_replace(());
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<K, watch::Sender<()>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
