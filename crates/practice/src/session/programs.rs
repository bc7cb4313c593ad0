//! Compiled batches that are kept: callers send the same few texts again and again.

use crate::{
    schema::Base,
    tsql::{Program, Variable},
};
use std::{collections::HashMap, sync::Arc};

/// Most batches kept; at one more all are forgotten, which costs one compilation each.
const MOST: usize = 64;
/// Longer texts are compiled each time: they are rarely sent twice, and would fill the memory.
const LONGEST: usize = 16 * 1024;

/// What a compiled batch depends on.
pub(super) type Key = (String, String);

/// The key of a batch; `None` for one too long to keep.
pub(super) fn key(text: &str, base: Base, variables: &[Variable], returns: bool) -> Option<Key> {
    (text.len() <= LONGEST).then(|| (text.to_owned(), format!("{base:?}{returns}{variables:?}")))
}

/// The kept batches of one session.
#[derive(Default)]
pub(crate) struct Programs(HashMap<Key, Arc<Program>>);

impl Programs {
    pub(super) fn find(&self, key: &Option<Key>) -> Option<Arc<Program>> {
        self.0.get(key.as_ref()?).cloned()
    }

    pub(super) fn keep(&mut self, key: Option<Key>, program: &Arc<Program>) {
        let Some(key) = key else { return };
        if self.0.len() >= MOST {
            self.0.clear();
        }
        self.0.insert(key, Arc::clone(program));
    }
}
