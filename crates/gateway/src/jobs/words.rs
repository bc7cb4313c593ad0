//! A database's own words of a failure, in memory for a while: they may quote data, so they are never written down.

use model::{ErrorDetails, Hidden, QueryId};
use std::collections::{HashMap, VecDeque};

/// All messages together, bytes.
const BYTES: usize = 4 * 1024 * 1024;
/// One message, bytes.
const MESSAGE_BYTES: usize = 64 * 1024;

/// The newest ones.
#[derive(Default)]
pub(super) struct Words {
    by_id: HashMap<QueryId, ErrorDetails>,
    order: VecDeque<QueryId>,
    bytes: usize,
}

impl Words {
    pub(super) fn keep(&mut self, id: QueryId, mut details: ErrorDetails) {
        let message = crate::cut(details.message.reveal(), MESSAGE_BYTES).to_owned();
        details.message = Hidden::new(message);
        let size = |details: &ErrorDetails| details.message.reveal().len() + 200;
        self.bytes += size(&details);
        match self.by_id.insert(id, details) {
            Some(old) => self.bytes -= size(&old),
            None => self.order.push_back(id),
        }
        while self.bytes > BYTES {
            let Some(oldest) = self.order.pop_front() else { return };
            if let Some(old) = self.by_id.remove(&oldest) {
                self.bytes -= size(&old);
            }
        }
    }

    pub(super) fn get(&self, id: QueryId) -> Option<ErrorDetails> {
        self.by_id.get(&id).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::ErrorType;
    use uuid::Uuid;

    #[test]
    fn memory_is_bounded_and_the_newest_stay() {
        let mut words = Words::default();
        for n in 0..1000 {
            let details = ErrorDetails::new(ErrorType::Mssql, 1, "x".repeat(100_000));
            words.keep(QueryId(Uuid::from_u128(n)), details.clone());
            words.keep(QueryId(Uuid::from_u128(n)), details);
        }
        assert!(words.bytes <= BYTES && words.by_id.len() == words.order.len());
        assert_eq!(words.get(QueryId(Uuid::from_u128(0))), None);
        assert_eq!(words.get(QueryId(Uuid::from_u128(999))).unwrap().message.reveal().len(), MESSAGE_BYTES);
    }
}
