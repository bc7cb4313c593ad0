//! The newest result of each registered query as it went out last, in memory: a poller whose result has not changed costs the
//! site a few bytes. Counted against the memory for answers, of which it takes a quarter at most.

use bytes::Bytes;
use model::QueryId;
use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// A published answer and the hash of the result in it.
#[derive(Clone)]
pub(crate) struct Cached {
    pub(crate) hash: Vec<u8>,
    pub(crate) body: Bytes,
}

#[derive(Default)]
pub(crate) struct Newest(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    by_id: HashMap<QueryId, (Cached, u64)>,
    bytes: usize,
    uses: u64,
}

impl Newest {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn get(&self, id: QueryId) -> Option<Cached> {
        let mut inner = self.lock();
        inner.uses += 1;
        let uses = inner.uses;
        let (cached, used) = inner.by_id.get_mut(&id)?;
        *used = uses;
        Some(cached.clone())
    }

    /// Keeps one, and forgets what was not used for longest.
    pub(crate) fn keep(&self, id: QueryId, cached: Cached, limit: usize) {
        self.forget(id);
        if cached.body.len() > limit {
            return;
        }
        let mut inner = self.lock();
        inner.uses += 1;
        let uses = inner.uses;
        inner.bytes += cached.body.len();
        inner.by_id.insert(id, (cached, uses));
        while inner.bytes > limit {
            let Some(oldest) = inner.by_id.iter().min_by_key(|(_, (_, used))| *used).map(|(id, _)| *id)
            else {
                return;
            };
            inner.remove(oldest);
        }
    }

    pub(crate) fn forget(&self, id: QueryId) {
        self.lock().remove(id);
    }
}

impl Inner {
    fn remove(&mut self, id: QueryId) {
        if let Some((old, _)) = self.by_id.remove(&id) {
            self.bytes -= old.body.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[test]
    fn what_was_not_used_for_longest_goes_first() {
        let (newest, id) = (Newest::default(), |n| QueryId(Uuid::from_u128(n)));
        let cached = |bytes| Cached { hash: vec![1], body: Bytes::from(vec![0; bytes]) };
        newest.keep(id(1), cached(40), 100);
        newest.keep(id(2), cached(40), 100);
        assert!(newest.get(id(1)).is_some());
        newest.keep(id(3), cached(40), 100);
        assert!(newest.get(id(2)).is_none() && newest.get(id(1)).is_some() && newest.get(id(3)).is_some());
        newest.keep(id(1), cached(101), 100);
        assert!(newest.get(id(1)).is_none(), "nor is the older one kept");
        assert_eq!(newest.lock().bytes, 40);
    }
}
